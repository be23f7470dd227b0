/* Parts of tools/ that need no device: text for JSON, conversations, preference records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/tokenizer_testing.h"

#include "tools/conversation.c"
#include "tools/flags.c"
#include "tools/json.c"
#include "tools/preferences.c"

static void expect_utf8(const char *in, size_t len, const char *out, bool clean)
{
    struct hk_bytes b = {0};
    bool is_clean = !clean;
    assert_true(hk_bytes_append_utf8(&b, in, len, &is_clean, NULL));
    assert_string_equal(b.data, out);
    assert_int_equal(b.len, strlen(out));
    assert_int_equal(is_clean, clean);
    hk_bytes_free(&b);
}

static void expect_flags(const char *text, const char *want)
{
    char got[256];
    FILE *f = tmpfile();
    assert_non_null(f);
    flags_print(f, text);
    rewind(f);
    size_t n = fread(got, 1, sizeof got - 1, f);
    got[n] = 0;
    fclose(f);
    assert_string_equal(got, want);
}

/* What the library calls a field is a flag on the command line. */
static void flags(void **state)
{
    (void)state;
    expect_flags("", "");
    expect_flags("a file: n_ctx: top_p", "a file: n_ctx: top_p"); /* a file's words stay */
    expect_flags("hk_sampler_options.top_p: 3: a number", "--top-p: 3: a number");
    expect_flags("a smaller hk_model_options.plan_ctx, or hk_model_options.quant, would be accepted",
                 "a smaller --ctx, or --quant, would be accepted");
    expect_flags("hk_model_options.nothing", "hk_model_options.nothing");
}

#define BAD "\xef\xbf\xbd"

static void utf8(void **state)
{
    (void)state;
    expect_utf8("", 0, "", true);
    expect_utf8("a\n\x7f", 3, "a\n\x7f", true);
    expect_utf8("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8b", 9, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8b", true);
    expect_utf8("\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80", 10, "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80",
                true);
    expect_utf8("a\0b", 3, "a" BAD "b", false);
    expect_utf8("\x80x", 2, BAD "x", false);
    expect_utf8("\xe2\x82", 2, BAD, false);             /* a truncated character is one */
    expect_utf8("\xf0\x9f\x8c!", 4, BAD "!", false);    /* the same in the middle */
    expect_utf8("\xc0\x80", 2, BAD BAD, false);         /* overlong */
    expect_utf8("\xe0\x80\x80", 3, BAD BAD BAD, false); /* overlong */
    expect_utf8("\xed\xa0\x80", 3, BAD BAD BAD, false); /* a surrogate */
    expect_utf8("\xf4\x90\x80\x80", 4, BAD BAD BAD BAD, false);
    expect_utf8("\xf5\xff", 2, BAD BAD, false);
}

static void text_with_bytes(void **state)
{
    (void)state;
    cJSON *o = cJSON_CreateObject();
    assert_true(json_add_text(o, "text", "bytes", "ok\"", 3));
    assert_true(json_add_text(o, "raw", "raw_bytes", "a\xff", 2));
    uint32_t ids[] = {0, 4294967295u};
    assert_true(json_add_ids(o, "ids", ids, 2));
    char *s = cJSON_PrintUnformatted(o);
    assert_string_equal(s, "{\"text\":\"ok\\\"\",\"raw\":\"a" BAD
                           "\",\"raw_bytes\":[97,255],\"ids\":[0,4294967295]}");
    cJSON_free(s);
    cJSON_Delete(o);
}

/* ---- conversations, and the records that are made of them ---- */

/* [system S] Q1 -> A1, Q2 -> (open) */
static struct hk_conversation *two_turns(bool with_system, const struct hk_tokenizer *t)
{
    struct hk_conversation *c = hk_conversation_new(NULL, t, NULL);
    assert_non_null(c);
    assert_true(!with_system || hk_conversation_set_system(c, "S", NULL));
    assert_true(hk_conversation_ask(c, "Q1", 2, NULL));
    assert_true(hk_conversation_answer(c, 7, "A1", 2, NULL));
    assert_true(hk_conversation_ask(c, "Q2", 2, NULL));
    return c;
}

/* What a model without a chat template reads: questions and answers as running text. */
static void running_texts(void **state)
{
    (void)state;
    struct test_tokenizer t;
    test_tokenizer_of(&t, "gpt2");
    struct hk_conversation *c = two_turns(false, t.t);
    static const struct {
        size_t from;
        const char *text;
    } cases[] = {{0, "Q1A1\nQ2A2"}, {1, "Q2A2"}};
    for (size_t i = 0; i < 2; i++) {
        struct hk_tokens got = {0}, want = {0};
        assert_true(hk_conversation_read(c, NULL, t.t, cases[i].from, "A2", 2, &got, NULL));
        assert_true(hk_tokenizer_encode(t.t, cases[i].text, strlen(cases[i].text), HK_ENCODE_ADD_SPECIAL,
                                        &want, NULL));
        assert_int_equal(got.n, want.n);
        assert_memory_equal(got.ids, want.ids, got.n * sizeof *got.ids);
        free(got.ids);
        free(want.ids);
    }
    hk_conversation_free(c);
    test_tokenizer_free(&t);
}

static void expect_json(cJSON *json, const char *text)
{
    char *s = cJSON_PrintUnformatted(json);
    assert_string_equal(s, text);
    cJSON_free(s);
    cJSON_Delete(json);
}

static void conversation_as_json(void **state)
{
    (void)state;
    struct hk_conversation *c = two_turns(true, NULL);
    expect_json(conversation_json(c, true, true),
                "[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"Q1\"},"
                "{\"role\":\"assistant\",\"content\":\"A1\"},{\"role\":\"user\",\"content\":\"Q2\"}]");
    assert_true(hk_conversation_answer(c, HK_NO_TOKEN, "\xff", 1, NULL));
    hk_conversation_drop(c, 0);
    assert_true(hk_conversation_set_system(c, "", NULL));
    expect_json(conversation_json(c, false, true),
                "[{\"role\":\"user\",\"content\":\"Q2\"},{\"role\":\"assistant\",\"content\":\"" BAD
                "\",\"content_bytes\":[255]}]");
    expect_json(conversation_json(c, false, false),
                "[{\"role\":\"user\",\"content\":\"Q2\"},{\"role\":\"assistant\",\"content\":\"" BAD "\"}]");
    hk_conversation_free(c);
}

static void expect_file(const char *path, const char *text)
{
    char buf[1024];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(buf, 1, sizeof buf - 1, f);
    buf[n] = 0;
    fclose(f);
    assert_string_equal(buf, text);
}

static void preference_records(void **state)
{
    (void)state;
    struct hk_error err = {0};
    char folder[HK_TEST_PATH], path[HK_TEST_PATH + 16];
    hk_test_folder_make(folder);
    snprintf(path, sizeof path, "%s/pairs.jsonl", folder);
    struct hk_conversation *c = two_turns(true, NULL);
    struct answer_text good = {"yes \"\n", 6}, bad = {"no\xff\xc3\xa9", 5};
    struct preferences p = {0};
    hk_test_write_text(folder, "pairs.jsonl",
                       "{\"kept\":1}"); /* what is there stays, and its unfinished line is ended */
    assert_true(preferences_open(&p, path, &err));
    assert_true(preferences_add(&p, c, false, &good, &bad, &err));
    /* in the file at once: a run that is killed loses nothing */
    const char *first =
        "{\"kept\":1}\n{\"prompt\":\"Q2\",\"chosen\":\"yes \\\"\\n\",\"rejected\":\"no" BAD "\xc3\xa9\"}\n";
    expect_file(path, first);
    assert_true(preferences_close(&p, &err));
    assert_true(preferences_open(&p, path, &err));
    expect_file(path, first);
    assert_true(preferences_close(&p, &err));
    assert_int_equal(remove(path), 0);
    assert_true(preferences_open(&p, path, &err));
    hk_conversation_drop(c, 0);
    assert_true(preferences_add(&p, c, true, &good, &bad, &err));
    assert_true(preferences_close(&p, &err));
    expect_file(
        path, "{\"prompt\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"Q2\"}],"
              "\"chosen\":[{\"role\":\"assistant\",\"content\":\"yes \\\"\\n\"}],\"rejected\":[{\"role\":"
              "\"assistant\",\"content\":\"no" BAD "\xc3\xa9\"}]}\n");
    hk_test_folder_remove(folder);
    assert_true(preferences_add(&p, c, true, &good, &bad, &err)); /* none open: nothing is kept */
    assert_true(preferences_close(&p, &err));
    hk_conversation_free(c);
}

static void preferences_that_cannot_be_written(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct preferences p = {0};
    assert_false(preferences_open(&p, ".", &err));
    assert_int_equal(err.code, HK_ERR_IO);
    assert_non_null(strstr(err.text, "--save-preferences .: "));
    assert_false(preferences_open(&p, "no such folder/pairs.jsonl", &err));
    assert_null(p.f);
    FILE *full = fopen("/dev/full", "ab");
    if (!full) skip();
    fclose(full);
    struct hk_conversation *c = two_turns(true, NULL);
    struct answer_text a = {"a", 1}, b = {"b", 1};
    assert_false(preferences_open(&p, "/dev/full", &err) && preferences_add(&p, c, true, &a, &b, &err));
    assert_non_null(strstr(err.text, "/dev/full: "));
    preferences_close(&p, &err);
    hk_conversation_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8),
        cmocka_unit_test(flags),
        cmocka_unit_test(text_with_bytes),
        cmocka_unit_test(running_texts),
        cmocka_unit_test(conversation_as_json),
        cmocka_unit_test(preference_records),
        cmocka_unit_test(preferences_that_cannot_be_written),
    };
    return cmocka_run_group_tests_name("tools", tests, NULL, NULL);
}

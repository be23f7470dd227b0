/* Parts of tools/ that need no device: text for JSON, chat formats, conversations, preference records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loader_testing.h"

#include "../tools/chat_format.c"
#include "../tools/conversation.c"
#include "../tools/json.c"
#include "../tools/preferences.c"

static void expect_utf8(const char *in, size_t len, const char *out, bool clean)
{
    struct hk_bytes b = {0};
    bool is_clean = !clean;
    assert_true(json_utf8(in, len, &b, &is_clean, NULL));
    assert_string_equal(b.data, out);
    assert_int_equal(b.len, strlen(out));
    assert_int_equal(is_clean, clean);
    hk_bytes_free(&b);
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

static void expect_turns(const char *template, const char *name, const char *first, const char *second)
{
    const struct chat_format *f = chat_format_find(template);
    assert_non_null(f);
    assert_string_equal(f->name, name);
    struct hk_bytes b = {0};
    assert_true(chat_format_turn(f, true, "S", "Q", &b, NULL));
    assert_string_equal(b.data, first);
    b.len = 0;
    assert_true(chat_format_turn(f, false, "S", "R", &b, NULL));
    assert_string_equal(b.data, second);
    hk_bytes_free(&b);
}

static void chat_formats(void **state)
{
    (void)state;
    assert_null(chat_format_find(NULL));
    assert_null(chat_format_find(""));
    assert_null(chat_format_find("{{ messages }}"));
    expect_turns("{{'<|im_start|>' + role}}", "ChatML",
                 "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n",
                 "<|im_end|>\n<|im_start|>user\nR<|im_end|>\n<|im_start|>assistant\n");
    expect_turns(
        "<|start_header_id|>", "Llama 3",
        "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>"
        "\n\n"
        "Q<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nR<|eot_id|><|start_header_id|>assistant"
        "<|end_header_id|>\n\n");
    expect_turns("[INST] <<SYS>>", "Llama 2", "[INST] <<SYS>>\nS\n<</SYS>>\n\nQ [/INST]",
                 "</s><s>[INST] R [/INST]");
    expect_turns("[INST]", "Mistral", "[INST] S\n\nQ [/INST]", "</s>[INST] R [/INST]");
    expect_turns("<|user|> <|end|>", "Phi-3", "<|system|>\nS<|end|>\n<|user|>\nQ<|end|>\n<|assistant|>\n",
                 "<|end|>\n<|user|>\nR<|end|>\n<|assistant|>\n");
    expect_turns("<|user|>", "Zephyr", "<|system|>\nS</s>\n<|user|>\nQ</s>\n<|assistant|>\n",
                 "</s>\n<|user|>\nR</s>\n<|assistant|>\n");
    char names[200];
    chat_format_names(names, sizeof names);
    assert_non_null(strstr(names, "ChatML, Llama 3"));
    const struct chat_format *f = chat_format_find("<|im_start|>");
    struct hk_bytes b = {0};
    assert_true(chat_format_turn(f, true, NULL, "Q", &b, NULL));
    assert_string_equal(b.data, "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n");
    hk_bytes_free(&b);
}

/* ---- conversations, and the records that are made of them ---- */

/* [system S] Q1 -> A1, Q2 -> (open) */
static struct conversation two_turns(bool with_format)
{
    struct conversation c = {.format = with_format ? chat_format_find("<|im_start|>") : NULL};
    assert_true(!with_format || conversation_set_system(&c, "S", NULL));
    assert_true(conversation_ask(&c, "Q1", NULL));
    assert_true(conversation_answer(&c, 7, "A1", 2, NULL));
    assert_true(conversation_ask(&c, "Q2", NULL));
    return c;
}

static void expect_text(const struct conversation *c, const char *template, size_t from, const char *answer,
                        size_t len, const char *text)
{
    struct hk_bytes b = {0};
    assert_true(hk_bytes_append(&b, "old", 3, NULL));
    assert_true(conversation_text(c, chat_format_find(template), from, answer, len, &b, NULL));
    assert_int_equal(b.len, strlen(text));
    assert_memory_equal(b.data, text, b.len);
    hk_bytes_free(&b);
}

/* As transformers' apply_chat_template writes these messages, without a generation prompt. */
static void rendered_for_a_reward_model(void **state)
{
    (void)state;
    struct conversation c = two_turns(true);
    const char *chatml = "<|im_start|>", *llama3 = "<|start_header_id|>";
    expect_text(&c, chatml, 0, "A2", 2,
                "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1"
                "<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\nA2<|im_end|>\n");
    expect_text(&c, chatml, 1, "", 0,
                "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\n"
                "<|im_end|>\n");
    expect_text(&c, llama3, 1, "A2", 2,
                "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user"
                "<|end_header_id|>\n\nQ2<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA2"
                "<|eot_id|>");
    expect_text(&c, NULL, 0, "A2", 2, "Q1A1\nQ2A2");
    expect_text(&c, NULL, 1, "A2", 2, "Q2A2");
    conversation_free(&c);
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
    struct conversation c = two_turns(true);
    expect_json(conversation_json(&c, true, true),
                "[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"Q1\"},"
                "{\"role\":\"assistant\",\"content\":\"A1\"},{\"role\":\"user\",\"content\":\"Q2\"}]");
    assert_true(conversation_answer(&c, HK_NO_TOKEN, "\xff", 1, NULL));
    conversation_drop(&c, 0);
    assert_true(conversation_set_system(&c, "", NULL));
    expect_json(conversation_json(&c, false, true),
                "[{\"role\":\"user\",\"content\":\"Q2\"},{\"role\":\"assistant\",\"content\":\"" BAD
                "\",\"content_bytes\":[255]}]");
    expect_json(conversation_json(&c, false, false),
                "[{\"role\":\"user\",\"content\":\"Q2\"},{\"role\":\"assistant\",\"content\":\"" BAD "\"}]");
    conversation_free(&c);
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
    struct conversation c = two_turns(true);
    struct answer_text good = {"yes \"\n", 6}, bad = {"no\xff\xc3\xa9", 5};
    struct preferences p = {0};
    hk_test_write_text(folder, "pairs.jsonl",
                       "{\"kept\":1}"); /* what is there stays, and its unfinished line is ended */
    assert_true(preferences_open(&p, path, &err));
    assert_true(preferences_add(&p, &c, false, &good, &bad, &err));
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
    conversation_drop(&c, 0);
    assert_true(preferences_add(&p, &c, true, &good, &bad, &err));
    assert_true(preferences_close(&p, &err));
    expect_file(
        path, "{\"prompt\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"Q2\"}],"
              "\"chosen\":[{\"role\":\"assistant\",\"content\":\"yes \\\"\\n\"}],\"rejected\":[{\"role\":"
              "\"assistant\",\"content\":\"no" BAD "\xc3\xa9\"}]}\n");
    hk_test_folder_remove(folder);
    assert_true(preferences_add(&p, &c, true, &good, &bad, &err)); /* none open: nothing is kept */
    assert_true(preferences_close(&p, &err));
    conversation_free(&c);
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
    struct conversation c = two_turns(true);
    struct answer_text a = {"a", 1}, b = {"b", 1};
    assert_false(preferences_open(&p, "/dev/full", &err) && preferences_add(&p, &c, true, &a, &b, &err));
    assert_non_null(strstr(err.text, "/dev/full: "));
    preferences_close(&p, &err);
    conversation_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8),
        cmocka_unit_test(text_with_bytes),
        cmocka_unit_test(chat_formats),
        cmocka_unit_test(rendered_for_a_reward_model),
        cmocka_unit_test(conversation_as_json),
        cmocka_unit_test(preference_records),
        cmocka_unit_test(preferences_that_cannot_be_written),
    };
    return cmocka_run_group_tests_name("tools", tests, NULL, NULL);
}

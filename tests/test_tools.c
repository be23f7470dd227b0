/* Parts of tools/ that need no device: text for JSON, chat formats, conversations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../tools/chat_format.c"
#include "../tools/json.c"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8),
        cmocka_unit_test(text_with_bytes),
        cmocka_unit_test(chat_formats),
    };
    return cmocka_run_group_tests_name("tools", tests, NULL, NULL);
}

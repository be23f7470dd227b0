/* tokenizer.json: what is read out of it, and that what cannot be reproduced is refused by name. */
#include "tests/tokenizer_testing.h"
#include "loader/formats/tokenizer_json.h"

#include <stdio.h>

/* A small good file, as printf's format: normalizer, pre-tokenizer, post-processor. */
#define WITH(normalizer, pre, post)                                                                          \
    "{\"added_tokens\":[{\"id\":4,\"content\":\"<s>\",\"special\":true},"                                    \
    "{\"id\":5,\"content\":\"foo\",\"special\":false,\"rstrip\":true}],"                                     \
    "\"normalizer\":" normalizer ",\"pre_tokenizer\":" pre ",\"post_processor\":" post ","                   \
    "\"model\":{\"type\":\"BPE\",\"unk_token\":null,\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\\u0120\":3},"     \
    "\"merges\":[\"a b\"]}}"
#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"
#define GOOD       WITH("null", BYTE_LEVEL, "null")

static void check_refused(const char *json, enum hk_code code, const char *part)
{
    struct hk_arena arena = {0};
    struct hk_vocab vocab;
    struct hk_error err = {0};
    size_t len = strlen(json);
    uint8_t *copy = hk_test_copy(json, len);
    if (hk_vocab_from_tokenizer_json(&arena, (const char *)copy, len, &vocab, &err))
        fail_msg("accepted: %s", json);
    hk_test_error_says(&err, part);
    assert_int_equal(err.code, code);
    hk_arena_free(&arena);
    free(copy);
}

static void test_good(void **state)
{
    (void)state;
    struct test_tokenizer t;
    test_tokenizer_from_json(&t, GOOD);
    const struct hk_vocab *v = &t.vocab;
    assert_int_equal(v->kind, HK_VOCAB_BPE);
    assert_string_equal(v->kind_name, "BPE");
    assert_int_equal(v->n_tokens, 6);
    assert_int_equal(v->n_merges, 1);
    assert_int_equal(v->merge_left_len[0], 1);
    assert_int_equal(v->tokens[0].type, HK_TOKEN_NORMAL);
    assert_int_equal(v->tokens[4].type, HK_TOKEN_CONTROL);
    assert_int_equal(v->tokens[5].type, HK_TOKEN_USER_DEFINED);
    assert_int_equal(v->tokens[5].flags, HK_TOKEN_MATCH_RSTRIP);
    assert_int_equal(v->bos, 4); /* by its name */
    assert_int_equal(v->unk, HK_NO_TOKEN);
    assert_false(v->add_bos);
    test_ids_are(t.t, "ab foo  ba", 10, HK_ENCODE_PARSE_SPECIAL, "2 3 5 1 0", "good");
    test_tokenizer_free(&t);
}

static void test_holes(void **state)
{
    (void)state;
    struct test_tokenizer t;
    const char *bytes;
    test_tokenizer_from_json(&t, "{\"added_tokens\":[{\"id\":9,\"content\":\"<s>\",\"special\":true}],"
                                 "\"pre_tokenizer\":" BYTE_LEVEL
                                 ",\"model\":{\"vocab\":{\"a\":0,\"b\":3},\"merges\":[]}}");
    assert_int_equal(t.vocab.n_tokens, 10);
    assert_int_equal(t.vocab.tokens[1].type, HK_TOKEN_UNUSED);
    assert_int_equal(hk_tokenizer_bytes(t.t, 1, true, &bytes), 0);
    test_ids_are(t.t, "ab<s>", 5, HK_ENCODE_PARSE_SPECIAL, "0 3 9", "holes");
    test_tokenizer_free(&t);
}

static void test_post_processor(void **state)
{
    (void)state;
    struct test_tokenizer t;
    test_tokenizer_from_json(
        &t,
        WITH("null", BYTE_LEVEL,
             "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{\"type\":"
             "\"TemplateProcessing\","
             "\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\"}},"
             "{\"SpecialToken\":{\"id\":\"foo\",\"type_id\":0}}],\"special_tokens\":{\"<s>\":{\"ids\":[4]},"
             "\"foo\":{\"ids\":[5]}}}]}"));
    assert_true(t.vocab.add_bos && t.vocab.add_eos);
    assert_int_equal(t.vocab.bos, 4);
    assert_int_equal(t.vocab.eos, 5);
    test_ids_are(t.t, "a", 1, HK_ENCODE_ADD_SPECIAL, "4 0 5", "template");
    test_tokenizer_free(&t);
}

static void test_unsupported(void **state)
{
    (void)state;
    const enum hk_code no = HK_ERR_UNSUPPORTED;
    check_refused("{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}}}", no, "'WordLevel'");
    check_refused(WITH("{\"type\":\"Upper\"}", BYTE_LEVEL, "null"), no, "normalizer 'Upper'");
    check_refused(WITH("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Upper\"}]}", BYTE_LEVEL, "null"),
                  no, "'Upper' is not supported: known are NFC, ");
    check_refused(WITH("null", "{\"type\":\"UnicodeScripts\"}", "null"), no,
                  "pre-tokenizer 'UnicodeScripts'");
    check_refused(
        WITH("null", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"Merged\"}", "null"),
        no, "split behavior 'Merged'");
    check_refused(WITH("null",
                       "{\"type\":\"Sequence\",\"pretokenizers\":[" BYTE_LEVEL ",{\"type\":\"Digits\"}]}",
                       "null"),
                  no, "behind ByteLevel");
    check_refused(WITH("null", BYTE_LEVEL, "{\"type\":\"Magic\"}"), no, "post-processor 'Magic'");
    check_refused("{\"decoder\":{\"type\":\"CTC\"},\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}", no,
                  "decoder 'CTC'");
    check_refused("{\"model\":{\"type\":\"BPE\",\"end_of_word_suffix\":\"012345678901234567890123456789012\","
                  "\"vocab\":{\"a\":0},\"merges\":[]}}",
                  no, "end_of_word_suffix");
}

static void test_malformed(void **state)
{
    (void)state;
    const enum hk_code no = HK_ERR_FORMAT;
    check_refused("", no, "JSON");
    check_refused("[1]", no, "\"model\" is missing");
    check_refused("{\"model\":{\"type\":\"Unigram\"}}", no, "a list");
    check_refused("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", no, "piece 0");
    check_refused("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]],\"unk_id\":1}}", no, "\"unk_id\"");
    check_refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0},\"unk_token\":\"u\"}}", no,
                  "\"u\"");
    check_refused(WITH("{\"type\":\"Replace\",\"content\":\"\"}", BYTE_LEVEL, "null"), no,
                  "pattern of a Replace");
    check_refused(WITH("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"a b\"}", BYTE_LEVEL, "null"), no,
                  "base64");
    check_refused("{\"model\":{\"type\":\"BPE\"}}", no, "\"vocab\" and \"merges\"");
    check_refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", no, "no tokens");
    check_refused("{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}}", no, "\"a\"");
    check_refused("{\"model\":{\"vocab\":{\"a\":1.5},\"merges\":[]}}", no, "\"a\"");
    check_refused("{\"model\":{\"vocab\":{\"a\":\"x\"},\"merges\":[]}}", no, "\"a\"");
    check_refused("{\"model\":{\"vocab\":{\"a\":4294967296},\"merges\":[]}}", no, "\"a\"");
    check_refused("{\"model\":{\"vocab\":{\"a\":9000000},\"merges\":[]}}", no, "an id of 9000000");
    check_refused("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"ab\"]}}", no, "merge 0");
    check_refused("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a b c\"]}}", no, "merge 0");
    check_refused("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}", no, "merge 0");
    check_refused("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[[\"a\",1]]}}", no, "merge 0");
    check_refused("{\"model\":{\"vocab\":{\"a\":0},\"merges\":[7]}}", no, "merge 0");
    check_refused("{\"added_tokens\":[{\"id\":1}],\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}", no,
                  "\"content\"");
    check_refused("{\"added_tokens\":[5],\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}", no, "");
    check_refused(WITH("null", BYTE_LEVEL,
                       "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<x>\"}}]}"),
                  no, "\"<x>\"");
    check_refused(
        WITH("null", BYTE_LEVEL, "{\"type\":\"RobertaProcessing\",\"cls\":[\"<s>\",99],\"sep\":[\"<s>\",4]}"),
        no, "\"cls\"");
}

/* Refused, not a crash: cJSON and freeing what it made are recursive. */
static void test_nested(void **state)
{
    (void)state;
    enum { DEPTH = 100 * 1000 };
    char *json = malloc(DEPTH + 1);
    assert_non_null(json);
    memset(json, '[', DEPTH);
    json[DEPTH] = 0;
    check_refused(json, HK_ERR_FORMAT, "nested");
    free(json);
}

/* Every truncation of a good file is refused. */
static void test_truncated(void **state)
{
    (void)state;
    char text[sizeof GOOD];
    for (size_t len = 0; len + 1 < sizeof GOOD; len++) {
        memcpy(text, GOOD, len);
        text[len] = 0;
        check_refused(text, HK_ERR_FORMAT, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),           cmocka_unit_test(test_holes),
        cmocka_unit_test(test_post_processor), cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_malformed),      cmocka_unit_test(test_nested),
        cmocka_unit_test(test_truncated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Conversion to GGUF: the file's tokenizer gives the same tokens. */
#include "tests/convert_testing.h"
#include "loader/formats/gguf.h"

#include <stdio.h>

/* A golden model's folder with another tokenizer: as many files as it takes. */
static void make_folder(const char *folder, const char *tokenizer)
{
    static const char *const FILES[] = {"config.json", "model.safetensors"};
    char path[HK_TEST_PATH];
    for (size_t i = 0; i < 2; i++) {
        size_t n;
        char *data = read_all(golden_path("llama-tokenizer", FILES[i], path), &n);
        hk_test_write(folder, FILES[i], data, n);
        free(data);
    }
    hk_test_write_text(folder, "tokenizer.json", tokenizer);
}

static void check_same_tokens(const char *in, const char *out, const char *const *texts, size_t n)
{
    struct hk_checkpoint *a = convert_open(in), *b = convert_open(out);
    struct hk_error err = {0};
    struct hk_tokenizer *x = hk_tokenizer_new(&a->vocab, &err), *y = hk_tokenizer_new(&b->vocab, &err);
    if (!x || !y) fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++) {
        struct hk_tokens p = {0}, q = {0};
        assert_true(hk_tokenizer_encode(x, texts[i], strlen(texts[i]), HK_ENCODE_ADD_SPECIAL, &p, &err));
        assert_true(hk_tokenizer_encode(y, texts[i], strlen(texts[i]), HK_ENCODE_ADD_SPECIAL, &q, &err));
        assert_int_equal(p.n, q.n);
        assert_true(p.n > 1);
        assert_memory_equal(p.ids, q.ids, p.n * sizeof *p.ids);
        free(p.ids);
        free(q.ids);
    }
    hk_tokenizer_free(x);
    hk_tokenizer_free(y);
    hk_checkpoint_close(a);
    hk_checkpoint_close(b);
}

/* As tokenizer.json files made from a tokenizer.model are. MERGES is what the tests vary. */
#define SPM_JSON(MERGES)                                                                                     \
    "{\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\",\"special\":true},"                                  \
    "{\"id\":1,\"content\":\"<s>\",\"special\":true},{\"id\":2,\"content\":\"</s>\",\"special\":true}],"     \
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\\u2581\"}," \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" "                                                      \
    "\"},\"content\":\"\\u2581\"}]},\"pre_tokenizer\":null,"                                                 \
    "\"post_processor\":null,\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"byte_fallback\":true,"    \
    "\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2,\"<0x2E>\":3,\"<0xC3>\":4,\"<0xA9>\":5,\"\\u2581\":6,"      \
    "\"a\":7,\"b\":8,\"c\":9,\"ab\":10,\"bc\":11,\"abc\":12,\"\\u2581a\":13,\"\\u2581ab\":14},"              \
    "\"merges\":[" MERGES "]}}"
#define SPM_MERGES "\"a b\",\"b c\",\"\\u2581 a\",\"\\u2581 ab\",\"\\u2581a b\",\"a bc\",\"ab c\""

static void scores_from_merges(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {"abc",          "a abc bc cab",   "aabbcc",
                                        "b.c \xC3\xA9", "  abcabc ab  a", "bcbcabab"};
    char folder[HK_TEST_PATH], out[HK_TEST_PATH], files[HK_TEST_PATH];
    struct notes notes = {{0}};
    hk_test_folder_make(folder);
    hk_test_folder_make(files);
    convert_path(folder, "out.gguf", out);
    make_folder(files, SPM_JSON(SPM_MERGES));
    convert_file(files, out, NULL, &notes);
    assert_string_equal(notes.text, "");
    check_same_tokens(files, out, TEXTS, sizeof TEXTS / sizeof *TEXTS);

    struct hk_checkpoint *c = convert_open(out);
    assert_int_equal(c->vocab.kind, HK_VOCAB_SPM);
    assert_int_equal(c->vocab.n_tokens, 320); /* one for each row of the embedding */
    assert_string_equal(c->vocab.tokens[319].text, "[PAD319]");
    assert_int_equal(c->vocab.tokens[319].type, HK_TOKEN_UNUSED);
    hk_checkpoint_close(c);

    static const struct {
        const char *json, *says;
    } BAD[] = {
        /* two merges make abc: with another between them it has no one rank */
        {SPM_JSON("\"a b\",\"a bc\",\"b c\",\"\\u2581 a\",\"\\u2581 ab\",\"\\u2581a b\",\"ab c\""),
         "not ordered"},
        /* scores would merge "a bc" too */
        {SPM_JSON("\"a b\",\"b c\",\"\\u2581 a\",\"\\u2581 ab\",\"\\u2581a b\",\"ab c\""), "list of merges"},
        {SPM_JSON(SPM_MERGES ",\"b b\""), "makes no token"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        make_folder(files, BAD[i].json);
        c = convert_open(files);
        convert_refuse(c, folder, "bad.gguf", BAD[i].says);
        hk_checkpoint_close(c);
    }
    hk_test_folder_remove(folder);
    hk_test_folder_remove(files);
}

static void byte_level_names(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {"The ash tree in 1783!\n", " \xC3\xBEorp  lava's",
                                        "\xF0\x9F\x8C\x8B a\tb"};
    char folder[HK_TEST_PATH], out[HK_TEST_PATH], in[HK_TEST_PATH], files[HK_TEST_PATH];
    hk_test_folder_make(folder);
    hk_test_folder_make(files);
    convert_path(folder, "out.gguf", out);
    convert_file(golden_path("llama-tokenizer", "", in), out, NULL, NULL);
    check_same_tokens(in, out, TEXTS, 3);
    struct hk_checkpoint *c = convert_open(out);
    assert_string_equal(c->vocab.pre, "gpt-2");
    assert_int_equal(c->vocab.bos, 0);
    assert_int_equal(c->vocab.eos, 1);
    assert_false(c->vocab.add_bos);
    hk_checkpoint_close(c);
    hk_test_folder_remove(folder);
    hk_test_folder_remove(files);
}

/* The golden's tokenizer with `is` in the place of `was`. */
static void make_changed(const char *files, const char *was, const char *is)
{
    char path[HK_TEST_PATH];
    char *json = read_all(golden_path("llama-tokenizer", "tokenizer.json", path), NULL);
    char *at = strstr(json, was), *rest = at ? at + strlen(was) : NULL;
    struct hk_bytes b = {0};
    assert_non_null(at);
    hk_test_put(&b, json, (size_t)(at - json));
    hk_test_put(&b, is, strlen(is));
    hk_test_put(&b, rest, strlen(rest));
    make_folder(files, b.data);
    hk_bytes_free(&b);
    free(json);
}

#define BYTES     "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"
#define CUT(STEP) "{\"type\":\"Sequence\",\"pretokenizers\":[" STEP "," BYTES "]}"

/* Changes of a byte-level BPE that have a name in GGUF, and those that have none. */
static void byte_level_rules(void **state)
{
    (void)state;
    static const char SUFFIX[] = "\"end_of_word_suffix\":null",
                      PREFIX[] = "\"continuing_subword_prefix\":null";
    static const struct {
        const char *was, *is, *pre, *says; /* pre: written under that name; else refused */
    } ROWS[] = {
        {BYTES, CUT("{\"type\":\"Digits\",\"individual_digits\":true}"), "starcoder", NULL},
        {BYTES, CUT("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{N}\"},\"behavior\":\"Isolated\"}"),
         "starcoder", NULL},
        {BYTES, CUT("{\"type\":\"Digits\",\"individual_digits\":false}"), NULL, "tokenizer.ggml.pre"},
        {BYTES, CUT("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"x+\"},\"behavior\":\"Isolated\"}"), NULL,
         "tokenizer.ggml.pre"},
        {BYTES, CUT("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{N}\"},\"behavior\":\"Removed\"}"),
         NULL, "tokenizer.ggml.pre"},
        {BYTES,
         CUT("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{N}\"},\"behavior\":\"Isolated\",\"invert\":"
             "true}"),
         NULL, "tokenizer.ggml.pre"},
        {SUFFIX, "\"end_of_word_suffix\":\"</w>\"", NULL, "end_of_word_suffix"},
        {PREFIX, "\"continuing_subword_prefix\":\"##\"", NULL, "continuing_subword_prefix"},
        {"\"post_processor\":null",
         "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken"
         "\":{\"id\":\"a\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"b\",\"type_id\":0}},{\"Se"
         "quence\":{\"id\":\"A\",\"type_id\":0}}],\"special_tokens\":{\"a\":{\"id\":\"a\",\"ids\""
         ":[0]},\"b\":{\"id\":\"b\",\"ids\":[1]}}}",
         NULL, "more than one token"},
        {"\"normalizer\":null", "\"normalizer\":{\"type\":\"Lowercase\"}", NULL, "tokenizer.ggml.pre"},
    };
    static const char *const TEXTS[] = {"The ash tree in 1783!\n", "12 a345b  6"};
    char folder[HK_TEST_PATH], out[HK_TEST_PATH], files[HK_TEST_PATH];
    hk_test_folder_make(folder);
    hk_test_folder_make(files);
    convert_path(folder, "out.gguf", out);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        make_changed(files, ROWS[i].was, ROWS[i].is);
        struct hk_checkpoint *c = convert_open(files);
        if (!ROWS[i].pre) {
            convert_refuse(c, folder, "bad.gguf", ROWS[i].says);
        } else {
            convert_file(files, out, NULL, NULL);
            check_same_tokens(files, out, TEXTS, 2);
            struct hk_checkpoint *g = convert_open(out);
            assert_string_equal(g->vocab.pre, ROWS[i].pre);
            hk_checkpoint_close(g);
        }
        hk_checkpoint_close(c);
    }
    hk_test_folder_remove(folder);
    hk_test_folder_remove(files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_from_merges),
        cmocka_unit_test(byte_level_names),
        cmocka_unit_test(byte_level_rules),
    };
    return rig_main("reference", tests, sizeof tests / sizeof *tests);
}

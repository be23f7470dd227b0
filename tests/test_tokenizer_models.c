/* Tokenizers in the files of their own makers, against tests/golden/tokenizer_models.json: SentencePiece's
 * tokenizer.model, tiktoken's ranks, and the older files of Hugging Face's folders. */
#include "tests/tokenizer_testing.h"
#include "loader/tokenizer/base64.h"
#include "loader/convert/gguf_write.h"
#include "loader/formats/sentencepiece_model.h"
#include "loader/formats/tiktoken.h"
#include "loader/formats/tokenizer_json.h"
#include "loader/utf8.h"

#include <stdio.h>

enum { BOTH = HK_ENCODE_ADD_SPECIAL | HK_ENCODE_PARSE_SPECIAL };

static void from_base64(const char *text, struct hk_bytes *out)
{
    size_t len = strlen(text);
    char *bytes = malloc(len / 4 * 3 + 3);
    assert_non_null(bytes);
    assert_true(hk_base64_decode(text, len, bytes, &len));
    hk_test_put(out, bytes, len);
    free(bytes);
}

static void make(struct test_tokenizer *t, const struct hk_bytes *model)
{
    struct hk_error err = {0};
    uint8_t *copy = hk_test_copy(model->data, model->len);
    *t = (struct test_tokenizer){0};
    assert_true(hk_is_sentencepiece_model(copy, model->len));
    if (!hk_vocab_from_sentencepiece(&t->arena, copy, model->len, "tokenizer.model", &t->vocab, &err))
        fail_msg("%s", err.text);
    free(copy); /* nothing points into it */
    t->t = hk_tokenizer_new(&t->vocab, &err);
    if (!t->t) fail_msg("%s", err.text);
}

/* ---- SentencePiece ---- */

static void check_model(const cJSON *goldens, const cJSON *row)
{
    const char *name = hk_json_get(row, "name")->valuestring;
    const cJSON *hex, *ids = hk_json_get(row, "plain")->child;
    struct hk_bytes model = {0};
    struct test_tokenizer t;
    int n = 0;
    from_base64(hk_json_get(row, "model")->valuestring, &model);
    make(&t, &model);
    cJSON_ArrayForEach(hex, hk_json_get(goldens, "texts"))
    {
        char number[16];
        struct hk_bytes text = {0};
        snprintf(number, sizeof number, "%d", n++);
        const cJSON *decoded = hk_json_get(hk_json_get(row, "decoded"), number);
        test_unhex(hex->valuestring, &text);
        if (cJSON_IsString(ids)) test_ids_are(t.t, text.data, text.len, 0, ids->valuestring, name);
        if (decoded) test_decoded_is(t.t, ids->valuestring, decoded->valuestring, name);
        ids = ids->next;
        hk_bytes_free(&text);
    }
    test_tokenizer_free(&t);
    hk_bytes_free(&model);
}

static void test_sentencepiece(void **state)
{
    (void)state;
    cJSON *goldens = test_golden_file("tokenizer_models.json");
    const cJSON *row;
    int n = 0;
    cJSON_ArrayForEach(row, hk_json_get(goldens, "sentencepiece"))
    {
        check_model(goldens, row);
        n++;
    }
    assert_int_equal(n, 6);
    cJSON_Delete(goldens);
}

static const cJSON *model_row(const cJSON *goldens, const char *name)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, hk_json_get(goldens, "sentencepiece"))
    {
        if (strcmp(hk_json_get(row, "name")->valuestring, name) == 0) return row;
    }
    fail_msg("no model %s", name);
    return NULL;
}

static void test_whatever_is_there_comes_back(void **state)
{
    (void)state;
    cJSON *goldens = test_golden_file("tokenizer_models.json");
    struct hk_bytes model = {0};
    struct test_tokenizer t;
    from_base64(hk_json_get(model_row(goldens, "unigram, bytes, whatever is there"), "model")->valuestring,
                &model);
    make(&t, &model);
    const cJSON *hex;
    cJSON_ArrayForEach(hex, hk_json_get(goldens, "texts"))
    {
        struct hk_bytes text = {0};
        test_unhex(hex->valuestring, &text);
        bool spelt = strstr(text.data, "\xE2\x96\x81"); /* a space then */
        if (!spelt && hk_utf8_valid_run(text.data, text.len) == text.len)
            test_roundtrip(&t, text.data, text.len, 0, "whatever is there");
        hk_bytes_free(&text);
    }
    test_tokenizer_free(&t);
    hk_bytes_free(&model);
    cJSON_Delete(goldens);
}

static void test_special_pieces(void **state)
{
    (void)state;
    cJSON *goldens = test_golden_file("tokenizer_models.json");
    struct hk_bytes model = {0};
    struct test_tokenizer t;
    from_base64(hk_json_get(model_row(goldens, "bpe"), "model")->valuestring, &model);
    make(&t, &model);
    assert_int_equal(t.vocab.kind, HK_VOCAB_SPM);
    assert_int_equal(t.vocab.unk, 0);
    assert_int_equal(t.vocab.bos, 1);
    assert_int_equal(t.vocab.eos, 2);
    assert_true(t.vocab.add_bos && !t.vocab.add_eos);
    test_ids_are(t.t, "", 0, BOTH, "1", "only the beginning");
    test_ids_are(t.t, "</s>", 4, HK_ENCODE_PARSE_SPECIAL, "2", "a control piece that is asked for");
    assert_string_not_equal(test_ids(t.t, "</s>", 4, 0), "2");
    test_tokenizer_free(&t);
    model.len = 0;
    from_base64(hk_json_get(model_row(goldens, "unigram, user-defined"), "model")->valuestring, &model);
    make(&t, &model);
    assert_int_equal(t.vocab.kind, HK_VOCAB_UNIGRAM);
    assert_int_equal(t.vocab.bos, HK_NO_TOKEN);
    assert_int_equal(t.vocab.pad, 0);
    assert_true(!t.vocab.add_bos && t.vocab.add_eos);
    test_tokenizer_free(&t);
    hk_bytes_free(&model);
    cJSON_Delete(goldens);
}

/* The shared model of a real checkpoint: the same pieces as in its other two forms. */
static void test_shared_model(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct hk_checkpoint *c =
        hk_checkpoint_open(hk_test_shared("models/stories260K/tok512.model", path), NULL, &err);
    if (!c) fail_msg("%s", err.text);
    assert_string_equal(c->format, "SentencePiece model");
    struct hk_tokenizer *t = hk_tokenizer_new(&c->vocab, &err);
    assert_non_null(t);
    test_ids_are(t, "Once upon a time", 16, BOTH, "1 403 407 261 378", "stories260K");
    hk_tokenizer_free(t);
    hk_checkpoint_close(c);
}

/* ---- broken models ---- */

static void check_refused(const void *data, size_t len, enum hk_code code, const char *part)
{
    struct hk_arena arena = {0};
    struct hk_vocab vocab;
    struct hk_error err = {0};
    uint8_t *copy = hk_test_copy(data, len);
    assert_false(hk_vocab_from_sentencepiece(&arena, copy, len, "tokenizer.model", &vocab, &err));
    hk_test_error_says(&err, part);
    assert_int_equal(err.code, code);
    free(copy);
    hk_arena_free(&arena);
}

static void put_field(struct hk_bytes *b, unsigned number, const char *bytes, size_t len)
{
    uint8_t head[2] = {(uint8_t)(number << 3 | 2), (uint8_t)len};
    hk_test_put(b, head, 2);
    hk_test_put(b, bytes, len);
}

static void test_refused(void **state)
{
    (void)state;
    const enum hk_code no = HK_ERR_FORMAT;
    check_refused("", 0, no, "0 pieces");
    check_refused("\x0A", 1, no, "truncated");
    check_refused("\x0A\x05", 2, no, "leaves the message");
    check_refused("\x00\x00", 2, no, "number is impossible");
    check_refused("\x0B", 1, no, "type is impossible");
    check_refused("\x0A\x00", 2, no, "piece 0: its text");
    check_refused("\x08\x01", 2, no, "another type");
    check_refused("\x0A\x03\x0A\x01q", 5, no, "no piece is the unknown one");
    check_refused("\x0A\x05\x0A\x01q\x18\x07", 7, no, "its type");
    check_refused("\x0A\x08\x0A\x01q\x15\x00\x00\xC0\x7F", 10, no, "its score");
    check_refused("\x0A\x05\x0A\x01q\x18\x06", 7, no, "is a byte, but");
    check_refused("\x0A\x04\x0A\x02q\x00", 6, no, "NUL");
    check_refused("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 12, no, "ten bytes");
    struct hk_bytes b = {0};
    put_field(&b, 1, "\x0A\x05<unk>\x18\x02", 9);
    put_field(&b, 2, "\x18\x04", 2); /* TrainerSpec.model_type */
    check_refused(b.data, b.len, HK_ERR_UNSUPPORTED, "type 4 is not supported");
    b.len = 0;
    put_field(&b, 1, "\x0A\x05<unk>\x18\x02", 9);
    put_field(&b, 5, "\x12\x01x", 3);
    check_refused(b.data, b.len, HK_ERR_UNSUPPORTED, "denormalizer");
    hk_bytes_free(&b);
}

/* Every truncation, and a flipped bit at every place: refused with a reason, or a vocabulary that can be
 * used. */
static void test_damaged(void **state)
{
    (void)state;
    cJSON *goldens = test_golden_file("tokenizer_models.json");
    struct hk_bytes model = {0};
    int refused = 0;
    from_base64(hk_json_get(model_row(goldens, "unigram, user-defined"), "model")->valuestring, &model);
    for (size_t i = 0; i < 2 * model.len; i++) {
        size_t len = i < model.len ? i : model.len;
        struct hk_arena arena = {0};
        struct hk_vocab vocab;
        struct hk_error err = {0};
        uint8_t *copy = hk_test_copy(model.data, len);
        if (i >= model.len) copy[i - model.len] ^= (uint8_t)(1u << i % 8);
        struct hk_tokenizer *t = NULL;
        if (hk_vocab_from_sentencepiece(&arena, copy, len, "tokenizer.model", &vocab, &err) && i % 16 == 0)
            t = hk_tokenizer_new(&vocab, &err);
        struct hk_tokens ids = {0};
        if (t) assert_true(hk_tokenizer_encode(t, "The lamp \xE6\x97\xA5", 12, BOTH, &ids, &err));
        if (err.text[0]) hk_test_error_says(&err, NULL), refused++;
        free(ids.ids);
        hk_tokenizer_free(t);
        hk_arena_free(&arena);
        free(copy);
    }
    assert_true(refused > 100);
    hk_bytes_free(&model);
    cJSON_Delete(goldens);
}

/* ---- tiktoken ---- */

static bool tiktoken(struct test_tokenizer *t, const char *text, struct hk_error *err)
{
    size_t len = strlen(text);
    uint8_t *copy = hk_test_copy(text, len);
    *t = (struct test_tokenizer){0};
    bool ok = hk_vocab_from_tiktoken(&t->arena, copy, len, "tokenizer.model", &t->vocab, err);
    free(copy);
    return ok;
}

static void test_tiktoken(void **state)
{
    (void)state;
    cJSON *goldens = test_golden_file("tokenizer_models.json");
    const cJSON *row = hk_json_get(goldens, "tiktoken"), *hex, *ids = hk_json_get(row, "plain")->child;
    struct test_tokenizer t;
    struct hk_error err = {0};
    const char *file = hk_json_get(row, "file")->valuestring;
    assert_true(hk_is_tiktoken((const uint8_t *)file, strlen(file)));
    if (!tiktoken(&t, file, &err)) fail_msg("%s", err.text);
    t.t = hk_tokenizer_new(&t.vocab, &err);
    if (!t.t) fail_msg("%s", err.text);
    cJSON_ArrayForEach(hex, hk_json_get(goldens, "texts"))
    {
        struct hk_bytes text = {0};
        test_unhex(hex->valuestring, &text);
        if (cJSON_IsString(ids)) test_ids_are(t.t, text.data, text.len, BOTH, ids->valuestring, "tiktoken");
        test_roundtrip(&t, text.data, text.len, BOTH, "tiktoken");
        ids = ids->next;
        hk_bytes_free(&text);
    }
    test_tokenizer_free(&t);
    cJSON_Delete(goldens);
}

static void test_tiktoken_refused(void **state)
{
    (void)state;
    static const char *const FILES[][2] = {{"", "0 lines"},
                                           {"IQ==\n", "line 1"},
                                           {"IQ== 0\nIg== x\n", "line 2"},
                                           {"IQ== 0\nIQ= = 1\n", "line 2"},
                                           {"IQ== 0\n!!== 1\n", "rank 1 is not base64"},
                                           {"IQ== 0\nIg== 0\n", "rank 0 occurs twice"},
                                           {"IQ== 99999999999\n", "line 1"},
                                           {"IQ== 4000000\n", "ranks up to"}};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        struct test_tokenizer t;
        struct hk_error err = {0};
        if (tiktoken(&t, FILES[i][0], &err)) fail_msg("accepted: %s", FILES[i][0]);
        hk_test_error_says(&err, FILES[i][1]);
        assert_int_equal(err.code, HK_ERR_FORMAT);
        hk_arena_free(&t.arena);
    }
    assert_false(hk_is_tiktoken((const uint8_t *)"a b\n", 4));
    assert_false(hk_is_tiktoken((const uint8_t *)"{\"a\": 1}", 8));
}

/* Llama 3's own file, with the special tokens that it does not hold. */
static void test_llama3(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct hk_checkpoint *c =
        hk_checkpoint_open(hk_test_shared("tokenizers/llama3.tokenizer.model", path), NULL, &err);
    if (!c) fail_msg("%s", err.text);
    assert_string_equal(c->format, "tiktoken ranks");
    assert_int_equal(c->vocab.n_tokens, 128256);
    struct test_tokenizer t = {.vocab = c->vocab};
    t.t = hk_tokenizer_new(&c->vocab, &err);
    if (!t.t) fail_msg("%s", err.text);
    test_vectors(&t, "llama-bpe", true);
    const char *chat =
        "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|><|reserved_special_token_250|>";
    test_ids_are(t.t, chat, strlen(chat), BOTH, "128000 128006 882 128007 271 6151 128009 128255", "a chat");
    assert_int_equal(c->vocab.bos, 128000);
    assert_int_equal(c->vocab.eos, 128001);
    test_tokenizer_free(&t);
    hk_checkpoint_close(c);
}

/* ---- pre-tokenizers by their names ---- */

/* The byte-level vocabulary of tokenizers.json as a GGUF file would have it. */
static void make_gguf_like(struct test_tokenizer *t, const cJSON *bytes, const char *pre)
{
    struct hk_error err = {0};
    char *text = cJSON_PrintUnformatted(bytes);
    *t = (struct test_tokenizer){0};
    assert_true(hk_vocab_from_tokenizer_json(&t->arena, text, strlen(text), &t->vocab, &err));
    t->vocab.has_steps = false;
    snprintf(t->vocab.pre, sizeof t->vocab.pre, "%s", pre);
    t->t = hk_tokenizer_new(&t->vocab, &err);
    if (!t->t) fail_msg("%s", err.text);
    cJSON_free(text);
}

static void test_patterns(void **state)
{
    (void)state;
    cJSON *goldens = test_golden_file("tokenizer_models.json"), *others = test_goldens();
    const cJSON *bytes = hk_json_get(hk_json_get(others, "bases"), "bytes"), *row, *hex;
    int n = 0;
    cJSON_ArrayForEach(row, hk_json_get(goldens, "patterns"))
    {
        struct test_tokenizer t;
        const cJSON *ids = row->child;
        make_gguf_like(&t, bytes, row->string);
        cJSON_ArrayForEach(hex, hk_json_get(goldens, "pattern_texts"))
        {
            struct hk_bytes text = {0};
            test_unhex(hex->valuestring, &text);
            test_ids_are(t.t, text.data, text.len, 0, ids->valuestring, row->string);
            ids = ids->next;
            hk_bytes_free(&text);
        }
        test_tokenizer_free(&t);
        n++;
    }
    assert_true(n >= 25);
    cJSON_Delete(goldens);
    cJSON_Delete(others);
}

/* A megabyte of one thing, in time that is linear in it: white space and digits are where patterns look far
 * ahead. */
static void test_long_patterns(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"gpt-4o",       "tiny_aya", "superbpe",   "deepseek-v3",
                                        "deepseek-llm", "jais-2",   "exaone-moe", "kimi-k2",
                                        "bloom",        "falcon",   "cl100k"};
    static const char *const UNITS[] = {"a", "A", " ", "\n", "\r\n", "1", "\xF0\x9F\x98\x80", "the ", "'"};
    cJSON *others = test_goldens();
    const cJSON *bytes = hk_json_get(hk_json_get(others, "bases"), "bytes");
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct test_tokenizer t;
        make_gguf_like(&t, bytes, NAMES[i]);
        for (size_t k = 0; k < sizeof UNITS / sizeof *UNITS; k++)
            test_long_text(&t, UNITS[k], "x", NAMES[i], true);
        test_tokenizer_free(&t);
    }
    cJSON_Delete(others);
}

static void test_long_models(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"unigram", "unigram, bytes, whatever is there", "bpe"};
    static const char *const UNITS[] = {"a",    " ",    "\n",  "\xF0\x9F\x98\x80",
                                        "the ", "\xFF", "the", "\xE6\x97\xA5"};
    cJSON *goldens = test_golden_file("tokenizer_models.json");
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct hk_bytes model = {0};
        struct test_tokenizer t;
        from_base64(hk_json_get(model_row(goldens, NAMES[i]), "model")->valuestring, &model);
        make(&t, &model);
        for (size_t k = 0; k < sizeof UNITS / sizeof *UNITS; k++)
            test_long_text(&t, UNITS[k], "x", NAMES[i], false);
        test_tokenizer_free(&t);
        hk_bytes_free(&model);
    }
    cJSON_Delete(goldens);
}

static void put_note(void *user, const char *text)
{
    hk_test_put(user, text, strlen(text));
}

/* The tokenizer once more, from a GGUF file of its vocabulary alone. Close what is returned after freeing it. */
static struct hk_checkpoint *through_gguf(const struct hk_vocab *v, struct test_tokenizer *t,
                                          struct hk_bytes *notes)
{
    struct hk_error err = {0};
    struct hk_checkpoint from = {.path = "folder", .vocab = *v, .hparams = {.n_vocab = v->n_tokens}};
    struct hk_gguf_writer w = {.alignment = HK_GGUF_ALIGNMENT, .err = &err};
    struct hk_bytes file = {0};
    hk_gguf_put_string(&w, "general.architecture", "llama", 5);
    bool ok = hk_gguf_put_vocab(&w, &from, put_note, notes, &err) && hk_gguf_front(&w, &file);
    struct hk_checkpoint *c =
        ok ? hk_checkpoint_open_memory(file.data, file.len, "vocab.gguf", NULL, &err) : NULL;
    *t = (struct test_tokenizer){.t = c ? hk_tokenizer_new(&c->vocab, &err) : NULL};
    if (!t->t) fail_msg("%s", err.text);
    hk_gguf_writer_free(&w);
    hk_bytes_free(&file);
    return c;
}

/* GGUF's "t5", as it is written and read: the tokens of the model that it was made from. */
static void test_unigram_of_gguf(void **state)
{
    (void)state;
    static const struct {
        const char *name, *note;
        bool same;
    } ROWS[] = {{"unigram", "", true},
                {"unigram, bytes, whatever is there", "unknown token to llama.cpp", true},
                {"unigram, user-defined", "user-defined pieces", false}};
    cJSON *goldens = test_golden_file("tokenizer_models.json");
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const cJSON *row = model_row(goldens, ROWS[i].name), *hex, *ids = hk_json_get(row, "plain")->child;
        struct hk_bytes model = {0}, notes = {0};
        struct test_tokenizer t, g;
        from_base64(hk_json_get(row, "model")->valuestring, &model);
        make(&t, &model);
        struct hk_checkpoint *c = through_gguf(&t.vocab, &g, &notes);
        assert_int_equal(c->vocab.kind, HK_VOCAB_UNIGRAM);
        assert_string_equal(c->vocab.kind_name, "t5");
        assert_int_equal(c->vocab.eos, t.vocab.eos);
        if (!strstr(notes.len ? notes.data : "", ROWS[i].note)) fail_msg("%s: %s", ROWS[i].name, notes.data);
        cJSON_ArrayForEach(hex, hk_json_get(goldens, "texts"))
        {
            struct hk_bytes text = {0};
            test_unhex(hex->valuestring, &text);
            if (cJSON_IsString(ids) && ROWS[i].same)
                test_ids_are(g.t, text.data, text.len, 0, ids->valuestring, "t5");
            ids = ids->next;
            hk_bytes_free(&text);
        }
        test_tokenizer_free(&g);
        hk_checkpoint_close(c);
        test_tokenizer_free(&t);
        hk_bytes_free(&model);
        hk_bytes_free(&notes);
    }
    cJSON_Delete(goldens);
}

static void open_variant(const cJSON *goldens, const char *name, struct test_tokenizer *t)
{
    const cJSON *variant = NULL, *each;
    cJSON_ArrayForEach(each, hk_json_get(goldens, "variants"))
    {
        if (strcmp(hk_json_get(each, "name")->valuestring, name) == 0) variant = each;
    }
    assert_non_null(variant);
    cJSON *json = test_variant_json(goldens, variant);
    char *text = cJSON_PrintUnformatted(json);
    assert_non_null(text);
    test_tokenizer_from_json(t, text);
    cJSON_free(text);
    cJSON_Delete(json);
}

/* Unigram models of tokenizer.json: those of T5's and XLM-R's kind can be written, with what is beyond them
 * refused. */
static void test_unigram_json_to_gguf(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {"hello, world!", "The quick  brown fox",
                                        "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E caf\xC3\xA9 1783"};
    static const struct {
        const char *name;
        bool written;
    } ROWS[] = {{"xlm-roberta", true},
                {"t5", true},
                {"albert", false},
                {"unigram, no charsmap", false},
                {"unigram, underscore", false}};
    cJSON *goldens = test_golden_file("tokenizer_steps.json");
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct test_tokenizer t, g;
        struct hk_error err = {0};
        open_variant(goldens, ROWS[i].name, &t);
        if (ROWS[i].written) {
            struct hk_bytes notes = {0};
            struct hk_checkpoint *c = through_gguf(&t.vocab, &g, &notes);
            assert_non_null(strstr(notes.data, "spaces at the ends"));
            for (size_t k = 0; k < sizeof TEXTS / sizeof *TEXTS; k++)
                test_ids_are(g.t, TEXTS[k], strlen(TEXTS[k]), BOTH,
                             test_ids(t.t, TEXTS[k], strlen(TEXTS[k]), BOTH), ROWS[i].name);
            test_tokenizer_free(&g);
            hk_checkpoint_close(c);
            hk_bytes_free(&notes);
        } else {
            struct hk_checkpoint from = {
                .path = "folder", .vocab = t.vocab, .hparams = {.n_vocab = t.vocab.n_tokens}};
            struct hk_gguf_writer w = {.alignment = HK_GGUF_ALIGNMENT, .err = &err};
            assert_false(hk_gguf_put_vocab(&w, &from, NULL, NULL, &err));
            assert_non_null(strstr(err.text, "tokenizer.model that it was made from"));
            hk_gguf_writer_free(&w);
        }
        test_tokenizer_free(&t);
    }
    cJSON_Delete(goldens);
}

static void test_plain_of_gguf(void **state)
{
    (void)state;
    static const struct hk_vocab_token tokens[] = {{"<0x0A>", 6, 0, HK_TOKEN_BYTE, 0},
                                                   {"a", 1, 0, HK_TOKEN_NORMAL, 0},
                                                   {"\xE2\x96\x81", 3, 0, HK_TOKEN_NORMAL, 0},
                                                   {"\xE2\x96\x81"
                                                    "a",
                                                    4, 0, HK_TOKEN_NORMAL, 0},
                                                   {"aa", 2, 0, HK_TOKEN_NORMAL, 0}};
    static const char *const merges[] = {"a a", "\xE2\x96\x81 a"};
    static const uint32_t left[] = {1, 3};
    struct test_tokenizer t = {.vocab = {.kind = HK_VOCAB_BPE,
                                         .pre = "gemma4",
                                         .plain = true,
                                         .byte_fallback = true,
                                         .tokens = tokens,
                                         .n_tokens = 5,
                                         .merges = merges,
                                         .merge_left_len = left,
                                         .n_merges = 2,
                                         .bos = HK_NO_TOKEN,
                                         .eos = HK_NO_TOKEN,
                                         .unk = HK_NO_TOKEN,
                                         .pad = HK_NO_TOKEN}};
    t.t = hk_tokenizer_new(&t.vocab, NULL);
    assert_non_null(t.t);
    test_ids_are(t.t, "a a\naa", 6, 0, "1 3 0 4", "gemma4");
    test_roundtrip(&t, " a  a\naa", 8, 0, "gemma4");
    test_tokenizer_free(&t);
}

/* ---- folders ---- */

static void check_folder(const char *folder, const char *text, unsigned flags, const char *ids)
{
    struct hk_error err = {0};
    struct hk_checkpoint *c = hk_checkpoint_open(folder, NULL, &err);
    if (!c) fail_msg("%s", err.text);
    struct hk_tokenizer *t = hk_tokenizer_new(&c->vocab, &err);
    if (!t) fail_msg("%s", err.text);
    test_ids_are(t, text, strlen(text), flags, ids, folder);
    hk_tokenizer_free(t);
    hk_checkpoint_close(c);
}

static void check_folder_refused(const char *folder, const char *part)
{
    struct hk_error err = {0};
    assert_null(hk_checkpoint_open(folder, NULL, &err));
    hk_test_error_says(&err, part);
}

static void test_gpt2_folder(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH];
    hk_test_folder_make(folder);
    hk_test_write_text(
        folder, "vocab.json",
        "{\"a\":0,\"b\":1,\"\\u0120\":2,\"ab\":3,\"\\u0120ab\":4,\"<|endoftext|>\":5,\"<s>\":6,\"</s>\":7,"
        "\"\\u00e9\":8,\"\\u00c3\":9,\"\\u00a9\":10}");
    hk_test_write_text(folder, "merges.txt", "#version: 0.2\na b\n\xC4\xA0 ab\r\n\n");
    check_folder(folder, "ab ab<|endoftext|>b", BOTH, "3 4 5 1");
    hk_test_write_text(folder, "added_tokens.json", "{\"<new>\":12}");
    check_folder(folder, "ab<new>ab", 0, "3 12 3");
    hk_test_write_text(
        folder, "tokenizer_config.json",
        "{\"tokenizer_class\":\"RobertaTokenizerFast\",\"add_prefix_space\":true,\"bos_token\":\"<s>\","
        "\"eos_token\":{\"content\":\"</s>\"},\"added_tokens_decoder\":{\"12\":{\"content\":\"<mask>\","
        "\"lstrip\":true,\"special\":true}}}");
    check_folder(folder, "ab  <mask>", BOTH, "6 4 12 7");
    hk_test_write_text(folder, "tokenizer_config.json", "{\"tokenizer_class\":\"Qwen2Tokenizer\"}");
    check_folder(folder, "e\xCC\x81", 0, "9 10"); /* form C, then bytes */
    hk_test_write_text(folder, "tokenizer_config.json", "{\"tokenizer_class\":\"MagicTokenizer\"}");
    check_folder_refused(folder, "tokenizer_class \"MagicTokenizer\"");
    hk_test_write_text(folder, "tokenizer_config.json", "{}");
    hk_test_write_text(folder, "merges.txt", "a b c\n");
    check_folder_refused(folder, "line 1 is not");
    hk_test_write_text(folder, "merges.txt", "a b\n");
    hk_test_write_text(folder, "vocab.json", "{\"a\":-1}");
    check_folder_refused(folder, "token \"a\"");
    hk_test_write_text(folder, "vocab.json", "{\"a\":900000}");
    check_folder_refused(folder, "an id of 900000");
    hk_test_folder_remove(folder);
}

static void test_bert_folder(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH];
    hk_test_folder_make(folder);
    hk_test_write_text(folder, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nlamp\n##s\n!\nlamps\n");
    check_folder(folder, "LAMP! Lamps lampss [MASK] oil", BOTH, "2 5 7 8 8 6 4 1 3");
    hk_test_write_text(folder, "tokenizer_config.json", "{\"do_lower_case\":false}");
    check_folder(folder, "Lamp lamp", 0, "1 5");
    hk_test_folder_remove(folder);
}

static void test_sentencepiece_folder(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], ids[1024];
    cJSON *goldens = test_golden_file("tokenizer_models.json");
    struct hk_bytes model = {0};
    struct test_tokenizer t;
    from_base64(hk_json_get(model_row(goldens, "bpe"), "model")->valuestring, &model);
    make(&t, &model);
    hk_test_folder_make(folder);
    hk_test_write(folder, "tokenizer.model", model.data, model.len);
    snprintf(ids, sizeof ids, "1 %s", test_ids(t.t, "The lamp", 8, 0));
    check_folder(folder, "The lamp", BOTH, ids);
    hk_test_write_text(folder, "added_tokens.json", "{\"<|im_start|>\":710}");
    hk_test_write_text(folder, "special_tokens_map.json",
                       "{\"additional_special_tokens\":[\"<|im_start|>\"]}");
    hk_test_write_text(folder, "tokenizer_config.json", "{\"add_bos_token\":false}");
    snprintf(ids, sizeof ids, "710 %s", test_ids(t.t, "The lamp", 8, 0));
    check_folder(folder, "<|im_start|>The lamp", BOTH, ids);
    hk_test_write_text(folder, "added_tokens.json", "{\"<|im_start|>\":9000000}");
    check_folder_refused(folder, "cannot have the id 9000000");
    hk_test_write(folder, "tokenizer.model", model.data, model.len / 2 + 1);
    check_folder_refused(folder, "tokenizer.model");
    hk_test_folder_remove(folder);
    test_tokenizer_free(&t);
    hk_bytes_free(&model);
    cJSON_Delete(goldens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentencepiece),   cmocka_unit_test(test_whatever_is_there_comes_back),
        cmocka_unit_test(test_special_pieces),  cmocka_unit_test(test_shared_model),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_tiktoken),        cmocka_unit_test(test_tiktoken_refused),
        cmocka_unit_test(test_llama3),          cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_long_patterns),   cmocka_unit_test(test_long_models),
        cmocka_unit_test(test_unigram_of_gguf), cmocka_unit_test(test_unigram_json_to_gguf),
        cmocka_unit_test(test_plain_of_gguf),   cmocka_unit_test(test_gpt2_folder),
        cmocka_unit_test(test_bert_folder),     cmocka_unit_test(test_sentencepiece_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

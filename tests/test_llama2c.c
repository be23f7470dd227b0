/* llama2.c's .bin and tokenizer.bin. */
#include "tests/loader_testing.h"
#include "loader/formats/llama2c.h"

#include <stdio.h>

enum { DIM = 8, HIDDEN = 12, LAYERS = 2, HEADS = 4, KV_HEADS = 2, VOCAB = 262, CTX = 16 };
static const int32_t HEADER[7] = {DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCAB, CTX};

/* A file for that header, whose float number i is i. */
static struct hk_bytes model(const int32_t header[7], bool untied)
{
    struct hk_bytes b = {0};
    for (int i = 0; i < 7; i++) hk_test_put_u32(&b, (uint32_t)header[i]);
    size_t n = VOCAB * DIM + LAYERS * (2 * DIM + 2 * DIM * DIM + 2 * DIM * DIM / 2 + 3 * DIM * HIDDEN) + DIM +
               CTX * DIM / HEADS + (untied ? VOCAB * DIM : 0);
    for (size_t i = 0; i < n; i++) hk_test_put_f32(&b, (float)i);
    return b;
}

static struct hk_bytes tokenizer(uint32_t n)
{
    struct hk_bytes b = {0};
    hk_test_put_u32(&b, 8);
    for (uint32_t i = 0; i < n; i++) {
        char text[16];
        if (i == 0)
            snprintf(text, sizeof text, "<unk>");
        else if (i < 3)
            snprintf(text, sizeof text, i == 1 ? "\n<s>\n" : "\n</s>\n");
        else if (i < 259)
            snprintf(text, sizeof text, "<0x%02X>", i - 3);
        else
            snprintf(text, sizeof text, " a %c", 'a' + (int)(i - 259));
        hk_test_put_f32(&b, -(float)i);
        hk_test_put_u32(&b, (uint32_t)strlen(text));
        hk_test_put(&b, text, strlen(text));
    }
    return b;
}

static struct hk_checkpoint *parse(const void *data, size_t len, struct hk_error *err)
{
    struct hk_checkpoint *c = hk_checkpoint_new("m.bin", err);
    assert_non_null(c);
    *err = (struct hk_error){0};
    if (hk_llama2c_parse(c, data, len, "m.bin", err)) return c;
    hk_checkpoint_close(c);
    return NULL;
}

static float first(const struct hk_checkpoint *c, const char *name)
{
    const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, name);
    if (!t) fail_msg("no tensor %s", name);
    return hk_load_f32(t->data);
}

static void layers_are_taken_apart(void **state)
{
    (void)state;
    struct hk_error err;
    for (int untied = 0; untied < 2; untied++) {
        int32_t header[7];
        memcpy(header, HEADER, sizeof header);
        if (untied) header[5] = -VOCAB;
        struct hk_bytes b = model(header, untied);
        uint8_t *copy = hk_test_copy(b.data, b.len);
        struct hk_checkpoint *c = parse(copy, b.len, &err);
        if (!c) fail_msg("%s", err.text);
        assert_int_equal(c->n_tensors, 2 + LAYERS * 9 + untied);
        assert_int_equal(c->hparams.n_vocab, VOCAB);
        assert_int_equal(c->hparams.head_dim, 2);
        assert_int_equal(c->hparams.rope_pairing, HK_ROPE_INTERLEAVED);
        float at = VOCAB * DIM; /* after the embedding */
        assert_true(first(c, "blk.0.attn_norm.weight") == at);
        assert_true(first(c, "blk.1.attn_norm.weight") == at + (float)DIM);
        at += LAYERS * DIM + LAYERS * DIM * DIM; /* norms, wq */
        assert_true(first(c, "blk.0.attn_k.weight") == at);
        assert_true(first(c, "blk.1.attn_k.weight") == at + DIM * DIM / 2);
        at += LAYERS * DIM * DIM + LAYERS * DIM * DIM + LAYERS * DIM; /* wk, wv, wo, norms */
        assert_true(first(c, "blk.0.ffn_gate.weight") == at);
        assert_true(first(c, "blk.0.ffn_down.weight") == at + LAYERS * DIM * HIDDEN);
        assert_true(first(c, "blk.1.ffn_up.weight") == at + 5 * DIM * HIDDEN);
        at += 3 * LAYERS * DIM * HIDDEN;
        assert_true(first(c, "output_norm.weight") == at);
        at += DIM + CTX * DIM / HEADS; /* the tables of rotations */
        if (untied)
            assert_true(first(c, "output.weight") == at);
        else
            assert_null(hk_checkpoint_tensor(c, "output.weight"));
        const struct hk_ckpt_tensor *down = hk_checkpoint_tensor(c, "blk.0.ffn_down.weight");
        assert_true(down->shape[0] == DIM && down->shape[1] == HIDDEN && down->n_dims == 2);
        hk_checkpoint_close(c);
        free(copy);
        hk_bytes_free(&b);
    }
}

static void headers_are_checked(void **state)
{
    (void)state;
    struct hk_error err;
    static const struct {
        int field;
        int32_t value;
        const char *says;
    } BAD[] = {
        {0, 0, "header number 0 is 0"},
        {0, -8, "header number 0 is -8"},
        {0, INT32_MAX, "cannot be split over 4 heads"},
        {0, INT32_MAX - 3, "the embedding length is 2147483644"},
        {1, INT32_MAX, "the feed-forward length is 2147483647"},
        {2, 100000, "the number of layers is 100000"},
        {2, 3, "but a llama2.c .bin file with its header has"},
        {3, 3, "an embedding of 8 cannot be split over 3 heads"},
        {4, 3, "4 heads cannot share 3 key-value heads"},
        {4, 8, "the number of key-value heads is 8"},
        {5, INT32_MIN, "header number 5"},
        {5, INT32_MAX, "the vocabulary size is 2147483647"},
        {6, 0, "header number 6 is 0"},
        {6, 17, "but a llama2.c .bin file with its header has"},
        {0, 0x616b3432, "is a llama2.c file of version 1 or 2"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        int32_t header[7];
        memcpy(header, HEADER, sizeof header);
        header[BAD[i].field] = BAD[i].value;
        struct hk_bytes b = model(header, false);
        struct hk_checkpoint *c = parse(b.data, b.len, &err);
        if (c) fail_msg("header[%d] = %d was accepted", BAD[i].field, BAD[i].value);
        hk_test_error_says(&err, BAD[i].says);
        hk_test_error_says(&err, "m.bin");
        hk_bytes_free(&b);
    }
}

static void tokenizers_are_converted(void **state)
{
    (void)state;
    struct hk_error err;
    struct hk_bytes m = model(HEADER, false), t = tokenizer(VOCAB);
    struct hk_checkpoint *c = parse(m.data, m.len, &err);
    assert_non_null(c);
    uint8_t *copy = hk_test_copy(t.data, t.len);
    if (!hk_llama2c_tokenizer(c, copy, t.len, "tok.bin", &err)) fail_msg("%s", err.text);
    free(copy); /* nothing points into it */
    const struct hk_vocab *v = &c->vocab;
    assert_int_equal(v->kind, HK_VOCAB_SPM);
    assert_int_equal(v->n_tokens, VOCAB);
    assert_string_equal(v->tokens[1].text, "<s>");
    assert_int_equal(v->tokens[0].type, HK_TOKEN_UNKNOWN);
    assert_int_equal(v->tokens[2].type, HK_TOKEN_CONTROL);
    assert_int_equal(v->tokens[3].type, HK_TOKEN_BYTE);
    assert_int_equal(v->tokens[258].type, HK_TOKEN_BYTE);
    assert_int_equal(v->tokens[259].type, HK_TOKEN_NORMAL);
    assert_string_equal(v->tokens[260].text, "\xE2\x96\x81"
                                             "a\xE2\x96\x81"
                                             "b");
    assert_int_equal(v->tokens[260].len, 8);
    assert_true(v->tokens[260].score == -260.0f);
    assert_true(v->add_bos && v->add_space_prefix && v->byte_fallback);
    assert_int_equal(v->bos, 1);
    assert_int_equal(v->eos, 2);
    assert_int_equal(v->n_stop, 2);
    for (size_t len = 0; len < t.len; len += len < 64 ? 1 : 7) {
        copy = hk_test_copy(t.data, len);
        assert_false(hk_llama2c_tokenizer(c, copy, len, "tok.bin", &err));
        hk_test_error_says(&err, "tok.bin");
        free(copy);
    }
    hk_bytes_free(&t);
    t = tokenizer(VOCAB + 1);
    assert_false(hk_llama2c_tokenizer(c, t.data, t.len, "tok.bin", &err));
    hk_test_error_says(&err, "more than the model's 262 tokens need");
    hk_bytes_free(&t);
    t = tokenizer(5);
    assert_false(hk_llama2c_tokenizer(c, t.data, t.len, "tok.bin", &err));
    hk_test_error_says(&err, "are too few for a tokenizer.bin with the model's 262 tokens");
    hk_bytes_free(&t);
    hk_bytes_free(&m);
    hk_checkpoint_close(c);
}

static void tokenizers_are_found(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], path[HK_TEST_PATH + 32], other[HK_TEST_PATH + 32];
    struct hk_error err = {0};
    struct hk_bytes m = model(HEADER, false), right = tokenizer(VOCAB), wrong = tokenizer(VOCAB - 1);
    hk_test_folder_make(folder);
    hk_test_write(folder, "m.bin", m.data, m.len);
    snprintf(path, sizeof path, "%s/m.bin", folder);
    snprintf(other, sizeof other, "%s/elsewhere", folder);

    struct hk_checkpoint *c = hk_checkpoint_open(path, NULL, &err); /* none: listed all the same */
    assert_true(c && c->vocab.kind == HK_VOCAB_NONE && c->n_tensors == 20);
    hk_checkpoint_close(c);
    hk_test_write(folder, "tok1.bin", right.data, right.len); /* the only one */
    c = hk_checkpoint_open(path, NULL, &err);
    assert_true(c && c->vocab.kind == HK_VOCAB_SPM);
    hk_checkpoint_close(c);
    hk_test_write(folder, "tok2.bin", wrong.data, wrong.len);
    assert_null(hk_checkpoint_open(path, NULL, &err));
    hk_test_error_says(&err, "2 files beside it could be its tokenizer: one of them as "
                             "hk_checkpoint_options.tokenizer_path would be accepted");
    hk_test_write(folder, "tokenizer.bin", wrong.data, wrong.len);
    assert_null(hk_checkpoint_open(path, NULL, &err));
    hk_test_error_says(&err, "tokenizer.bin");
    hk_test_write(folder, "tok262.bin", right.data, right.len); /* named after the vocabulary's size */
    c = hk_checkpoint_open(path, NULL, &err);
    assert_true(c && c->vocab.n_tokens == VOCAB);
    hk_checkpoint_close(c);
    const struct hk_checkpoint_options opt = {.tokenizer_path = other};
    assert_null(hk_checkpoint_open(path, &opt, &err));
    hk_test_error_says(&err, "elsewhere");
    hk_test_write(folder, "elsewhere", wrong.data, wrong.len);
    assert_null(hk_checkpoint_open(path, &opt, &err));
    hk_test_write(folder, "elsewhere", right.data, right.len);
    c = hk_checkpoint_open(path, &opt, &err);
    assert_true(c && c->vocab.n_tokens == VOCAB);
    hk_checkpoint_close(c);
    hk_test_folder_remove(folder);
    hk_bytes_free(&m);
    hk_bytes_free(&right);
    hk_bytes_free(&wrong);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        const char *says;
    } FILES[] = {
        {"", 0, "is empty: a GGUF file"},
        {"x", 1, "truncated"},
        {"#!/bin/sh\necho this is no model at all", 38, "is no model file that Hekla knows"},
        {"PK\3\4 pytorch_model.bin ..............", 30, "is a PyTorch pickle file"},
        {"\2\0\0\0\0\0\0\0{}", 10, "name the folder that holds it"},
        {"GGUF", 4, "truncated"},
    };
    char folder[HK_TEST_PATH], path[HK_TEST_PATH + 32];
    struct hk_error err = {0};
    hk_test_folder_make(folder);
    snprintf(path, sizeof path, "%s/file", folder);
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        hk_test_write(folder, "file", FILES[i].text, FILES[i].len);
        assert_null(hk_checkpoint_open(path, NULL, &err));
        hk_test_error_says(&err, FILES[i].says);
        hk_test_error_says(&err, path);
    }
    hk_test_folder_remove(folder);
    assert_null(hk_checkpoint_open(path, NULL, &err));
    hk_test_error_says(&err, "No such file");
    hk_checkpoint_close(NULL);
}

static void real_model_opens(void **state)
{
    (void)state;
    char path[HK_TEST_PATH], gguf[HK_TEST_PATH];
    struct hk_error err = {0};
    hk_test_shared("models/stories260K/stories260K.bin", path);
    struct hk_checkpoint *c = hk_checkpoint_open(path, NULL, &err);
    if (!c) fail_msg("%s", err.text);
    struct hk_checkpoint *g =
        hk_checkpoint_open(hk_test_shared("models/stories260K/stories260K.gguf", gguf), NULL, &err);
    if (!g) fail_msg("%s", err.text);
    /* the GGUF file is the same model, with the tied head written out */
    assert_int_equal(c->n_tensors + 1, g->n_tensors);
    for (uint32_t i = 0; i < c->n_tensors; i++) {
        const struct hk_ckpt_tensor *a = &c->tensors[i], *b = hk_checkpoint_tensor(g, a->name);
        if (!b) fail_msg("the GGUF file has no %s", a->name);
        assert_true(a->size == b->size && a->n_dims == b->n_dims);
        assert_memory_equal(a->shape, b->shape, sizeof a->shape);
        assert_memory_equal(a->data, b->data, a->size);
    }
    assert_int_equal(c->vocab.n_tokens, g->vocab.n_tokens);
    for (uint32_t i = 0; i < c->vocab.n_tokens; i++) {
        const struct hk_vocab_token *a = &c->vocab.tokens[i], *b = &g->vocab.tokens[i];
        assert_string_equal(a->text, b->text);
        assert_int_equal(a->len, b->len);
        assert_int_equal(a->type, b->type);
        assert_true(a->score == b->score);
    }
    hk_checkpoint_close(c);
    hk_checkpoint_close(g);

    struct hk_mapping *m = hk_mapping_open(path, &err);
    assert_non_null(m);
    for (size_t i = 0; i < 264; i++) {
        size_t len = i < 64 ? i : m->size * (i - 64) / 200;
        uint8_t *copy = hk_test_copy(m->data, len);
        assert_null(parse(copy, len, &err));
        hk_test_error_says(&err, "m.bin");
        free(copy);
    }
    hk_mapping_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_taken_apart),   cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(tokenizers_are_converted), cmocka_unit_test(tokenizers_are_found),
        cmocka_unit_test(other_files_are_refused),  cmocka_unit_test(real_model_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

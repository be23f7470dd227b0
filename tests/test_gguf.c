/* GGUF: real files, every kind of damage, and what the keys mean. */
#include "tests/loader_testing.h"
#include "loader/formats/gguf.h"

#include <stdio.h>

/* ---- a small GGUF file, made in memory ---- */

struct builder {
    struct hk_bytes kv, tensors, data;
    uint64_t n_kv, n_tensors;
    uint32_t version, alignment;
    uint64_t fake_kv, fake_tensors; /* what the header says in place of the truth, where not 0 */
};

static void put_string(struct hk_bytes *b, const char *s)
{
    hk_test_put_u64(b, strlen(s));
    hk_test_put(b, s, strlen(s));
}

static void kv_head(struct builder *b, const char *key, uint32_t type)
{
    put_string(&b->kv, key);
    hk_test_put_u32(&b->kv, type);
    b->n_kv++;
}

static void kv_u32(struct builder *b, const char *key, uint32_t v)
{
    kv_head(b, key, HK_GGUF_U32);
    hk_test_put_u32(&b->kv, v);
}

static void kv_f32(struct builder *b, const char *key, float v)
{
    kv_head(b, key, HK_GGUF_F32);
    hk_test_put_f32(&b->kv, v);
}

static void kv_bool(struct builder *b, const char *key, uint8_t v)
{
    kv_head(b, key, HK_GGUF_BOOL);
    hk_test_put(&b->kv, &v, 1);
}

static void kv_string(struct builder *b, const char *key, const char *v)
{
    kv_head(b, key, HK_GGUF_STRING);
    put_string(&b->kv, v);
}

static void kv_array(struct builder *b, const char *key, uint32_t element, uint64_t n)
{
    kv_head(b, key, HK_GGUF_ARRAY);
    hk_test_put_u32(&b->kv, element);
    hk_test_put_u64(&b->kv, n);
}

static void kv_strings(struct builder *b, const char *key, const char *const *list, size_t n)
{
    kv_array(b, key, HK_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) put_string(&b->kv, list[i]);
}

/* Directory entry; cols innermost. */
static void tensor_at(struct builder *b, const char *name, uint64_t rows, uint64_t cols, uint32_t type,
                      uint64_t offset)
{
    put_string(&b->tensors, name);
    hk_test_put_u32(&b->tensors, rows ? 2 : 1);
    hk_test_put_u64(&b->tensors, cols);
    if (rows) hk_test_put_u64(&b->tensors, rows);
    hk_test_put_u32(&b->tensors, type);
    hk_test_put_u64(&b->tensors, offset);
    b->n_tensors++;
}

static void tensor(struct builder *b, const char *name, uint64_t rows, uint64_t cols)
{
    tensor_at(b, name, rows, cols, 0, b->data.len);
    for (uint64_t i = 0; i < (rows ? rows : 1) * cols; i++) hk_test_put_f32(&b->data, (float)i);
    while (b->data.len % b->alignment) hk_test_put(&b->data, "", 1);
}

static void put_file(struct builder *b, struct hk_bytes *out)
{
    hk_test_put(out, "GGUF", 4);
    hk_test_put_u32(out, b->version);
    hk_test_put_u64(out, b->fake_tensors ? b->fake_tensors : b->n_tensors);
    hk_test_put_u64(out, b->fake_kv ? b->fake_kv : b->n_kv);
    if (b->kv.len) hk_test_put(out, b->kv.data, b->kv.len);
    if (b->tensors.len) hk_test_put(out, b->tensors.data, b->tensors.len);
    while (out->len % b->alignment) hk_test_put(out, "", 1);
    if (b->data.len) hk_test_put(out, b->data.data, b->data.len);
    hk_bytes_free(&b->kv);
    hk_bytes_free(&b->tensors);
    hk_bytes_free(&b->data);
}

static const char *const TOKENS[] = {"<unk>", "<s>", "</s>", "a", "b", "<|im_end|>"};
enum { N_TOKENS = 6 };

static struct builder begin(void)
{
    return (struct builder){.version = 3, .alignment = 32};
}

static void llama_keys(struct builder *b)
{
    kv_string(b, "general.architecture", "llama");
    kv_u32(b, "llama.block_count", 1);
    kv_u32(b, "llama.context_length", 64);
    kv_u32(b, "llama.embedding_length", 8);
    kv_u32(b, "llama.feed_forward_length", 12);
    kv_u32(b, "llama.attention.head_count", 2);
    kv_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
}

static void token_keys(struct builder *b)
{
    kv_string(b, "tokenizer.ggml.model", "llama");
    kv_strings(b, "tokenizer.ggml.tokens", TOKENS, N_TOKENS);
    kv_array(b, "tokenizer.ggml.token_type", HK_GGUF_I32, N_TOKENS);
    const uint32_t types[N_TOKENS] = {2, 3, 3, 1, 77, 3};
    for (size_t i = 0; i < N_TOKENS; i++) hk_test_put_u32(&b->kv, types[i]);
    kv_u32(b, "tokenizer.ggml.bos_token_id", 1);
    kv_u32(b, "tokenizer.ggml.eos_token_id", 2);
    kv_u32(b, "tokenizer.ggml.padding_token_id", UINT32_MAX);
}

static struct hk_checkpoint *parse(const void *data, size_t len, struct hk_error *err)
{
    *err = (struct hk_error){0};
    return hk_checkpoint_open_memory(data, len, "t.gguf", NULL, err);
}

/* Parses what was built, from a copy of exactly its length, which *file keeps. */
static struct hk_checkpoint *parse_built(struct builder *b, uint8_t **file, struct hk_error *err)
{
    struct hk_bytes out = {0};
    put_file(b, &out);
    *file = hk_test_copy(out.data, out.len);
    struct hk_checkpoint *c = parse(*file, out.len, err);
    hk_bytes_free(&out);
    return c;
}

static void expect_refusal(struct builder *b, const char *says)
{
    struct hk_error err;
    uint8_t *file;
    struct hk_checkpoint *c = parse_built(b, &file, &err);
    if (c) fail_msg("accepted, though it should say \"%s\"", says);
    hk_test_error_says(&err, says);
    hk_test_error_says(&err, "t.gguf");
    free(file);
}

static void small_file_opens(void **state)
{
    (void)state;
    struct builder b = begin();
    struct hk_error err;
    uint8_t *file;
    llama_keys(&b);
    token_keys(&b);
    kv_u32(&b, "llama.rope.dimension_count", 4);
    kv_string(&b, "general.name", "a name");
    kv_string(&b, "tokenizer.chat_template", "{{ x }}");
    kv_bool(&b, "tokenizer.ggml.add_bos_token", 0);
    tensor(&b, "token_embd.weight", 7, 8); /* one row more than tokens: padded */
    tensor(&b, "blk.0.attn_norm.weight", 0, 8);
    struct hk_checkpoint *c = parse_built(&b, &file, &err);
    if (!c) fail_msg("%s", err.text);
    assert_string_equal(c->format, "gguf v3");
    assert_string_equal(c->name, "a name");
    assert_string_equal(c->chat_template, "{{ x }}");
    assert_true(c->has_hparams);
    assert_int_equal(c->hparams.n_vocab, 7);
    assert_int_equal(c->hparams.head_dim, 4);
    assert_int_equal(c->hparams.n_head_kv, 2);
    assert_int_equal(c->hparams.rope_pairing, HK_ROPE_INTERLEAVED);
    assert_int_equal(c->n_tensors, 2);
    const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, "token_embd.weight");
    assert_non_null(t);
    assert_int_equal(t->n_dims, 2);
    assert_true(t->shape[0] == 7 && t->shape[1] == 8 && t->shape[2] == 1);
    assert_true(hk_load_f32((const uint8_t *)t->data + 4 * 55) == 55.0f);
    assert_null(hk_checkpoint_tensor(c, "output.weight"));
    const struct hk_vocab *v = &c->vocab;
    assert_int_equal(v->kind, HK_VOCAB_SPM);
    assert_false(v->add_bos);
    assert_true(v->add_space_prefix);
    assert_int_equal(v->pad, HK_NO_TOKEN);
    assert_int_equal(v->tokens[4].type, HK_TOKEN_NORMAL); /* 77 is no type */
    assert_int_equal(v->n_stop, 2);
    assert_int_equal(v->stop[0], 2);
    assert_int_equal(v->stop[1], 5);
    hk_checkpoint_close(c);
    free(file);
}

static void containers_are_checked(void **state)
{
    (void)state;
    struct builder b = begin();
    b.version = 1;
    expect_refusal(&b, "is GGUF version 1: versions 2 and 3");
    b = begin();
    b.version = 0x03000000;
    expect_refusal(&b, "is a big-endian GGUF, and only little-endian ones are read: convert it with");
    b = begin();
    b.fake_kv = UINT64_MAX;
    expect_refusal(&b, "the number of keys is 18446744073709551615");
    b = begin();
    llama_keys(&b);
    b.fake_tensors = 1ull << 60;
    expect_refusal(&b, "the number of tensors is 1152921504606846976");
    b = begin();
    llama_keys(&b);
    kv_u32(&b, "llama.block_count", 2);
    expect_refusal(&b, "key llama.block_count occurs twice");
    b = begin();
    kv_head(&b, "x", 13);
    hk_test_put_u64(&b.kv, 0);
    expect_refusal(&b, "key x has a value of type 13");
    b = begin();
    kv_array(&b, "x", HK_GGUF_U64, 1ull << 61);
    expect_refusal(&b, "key x: t.gguf: the number of array elements is 2305843009213693952");
    b = begin();
    kv_array(&b, "x", HK_GGUF_STRING, 1);
    hk_test_put_u64(&b.kv, UINT64_MAX - 7);
    expect_refusal(&b, "truncated or damaged: a string needs 18446744073709551608 bytes");
    b = begin();
    hk_test_put_u64(&b.kv, 1ull << 40);
    b.n_kv = 1;
    hk_test_put(&b.kv, "0123456789012345", 16);
    expect_refusal(&b, "a key needs 1099511627776 bytes");
    b = begin();
    kv_array(&b, "x", HK_GGUF_ARRAY, 1);
    for (int i = 0; i < 6; i++) {
        hk_test_put_u32(&b.kv, HK_GGUF_ARRAY);
        hk_test_put_u64(&b.kv, 1);
    }
    expect_refusal(&b, "nested arrays");
    b = begin();
    kv_u32(&b, "general.alignment", 48);
    expect_refusal(&b, "general.alignment is 48: a power of two");
    b = begin();
    kv_u32(&b, "general.alignment", 0);
    expect_refusal(&b, "general.alignment is 0");
    b = begin();
    expect_refusal(&b, "general.architecture is missing");
    struct hk_error err;
    assert_null(parse("GGML\3\0\0\0", 8, &err));
    hk_test_error_says(&err, "does not begin with GGUF");
    assert_null(parse("", 0, &err));
    hk_test_error_says(&err, "truncated");
}

static void tensor_directory_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t rows, cols;
        uint32_t type;
        uint64_t offset;
        const char *says;
    } BAD[] = {
        {"a.weight", 4, 8, 0, 1ull << 40, "tensor a.weight has 128 bytes at offset 1099511627776"},
        {"a.weight", 4, 8, 0, UINT64_MAX - 31,
         "tensor a.weight has 128 bytes at offset 18446744073709551584"},
        {"a.weight", 5, 8, 0, 128,
         "tensor a.weight has 160 bytes at offset 128 of the data section, which has 256"},
        {"a.weight", 4, 8, 0, 4, "offset 4 is no multiple of the alignment 32"},
        {"a.weight", 4, 8, 0, 32, "tensors first.weight and a.weight overlap"},
        {"first.weight", 1, 8, 0, 224, "two tensors named first.weight"},
        {"a.weight", 4, 0, 0, 128, "dimension 1 is 0"},
        {"a.weight", 1ull << 40, 1ull << 40, 0, 128, "does not fit"},
        {"a.weight", 1ull << 62, 1, 0, 128, "does not fit"},
        {"a.weight", 1, 33, 8, 128, "rows of 33 weights are no whole number of q8_0 blocks of 32"},
        {"a.weight", 1, 256, 15, 128,
         "tensor a.weight is stored as Q8_K (GGUF type 15): supported are f32, f16"},
        {"a.weight", 1, 256, 4242, 128, "stored as an unknown type (GGUF type 4242)"},
        {"", 1, 8, 0, 128, "the length of a tensor's name is 0"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct builder b = begin();
        llama_keys(&b);
        tensor(&b, "first.weight", 4, 8); /* bytes 0 to 128 */
        for (int k = 0; k < 32; k++) hk_test_put_f32(&b.data, 0);
        tensor_at(&b, BAD[i].name, BAD[i].rows, BAD[i].cols, BAD[i].type, BAD[i].offset);
        expect_refusal(&b, BAD[i].says);
    }
    struct builder b = begin();
    llama_keys(&b);
    put_string(&b.tensors, "five.weight");
    hk_test_put_u32(&b.tensors, 5);
    for (int i = 0; i < 20; i++) hk_test_put_u64(&b.tensors, 1);
    b.n_tensors = 1;
    expect_refusal(&b, "tensor five.weight has 5 dimensions");
}

/* Each row adds or replaces one key of a good file. */
static void hyperparameters_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        uint32_t value;
        const char *says;
    } BAD[] = {
        {"llama.block_count", 0, "the number of layers is 0"},
        {"llama.block_count", UINT32_MAX, "the number of layers is 4294967295"},
        {"llama.attention.head_count", 3, "an embedding of 8 cannot be split over 3 heads"},
        {"llama.attention.head_count", 0, "the number of heads is 0"},
        {"llama.attention.head_count_kv", 4, "the number of key-value heads is 4"},
        {"llama.attention.value_length", 5, "keys of 4 and values of 5"},
        {"llama.rope.dimension_count", 3, "3 dimensions of a head rotate"},
        {"llama.rope.dimension_count", 6, "6 dimensions of a head rotate"},
        {"llama.expert_count", 8, "8 experts"},
        {"llama.embedding_length", 1u << 31, "the embedding length is 2147483648"},
        {"llama.attention.layer_norm_rms_epsilon", 1, "is of type uint32: a floating-point number is needed"},
        {"llama.rope.scaling.type", 1, "is of type uint32: a string is needed"},
        {"tokenizer.ggml.tokens", 1, "is of type uint32: an array of string is needed"},
    };
    static const char *const NEEDED[] = {"llama.block_count", "llama.context_length",
                                         "llama.embedding_length", "llama.feed_forward_length",
                                         "llama.attention.head_count"};
    static const uint32_t GOOD[] = {1, 64, 8, 12, 2};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct builder b = begin();
        kv_string(&b, "general.architecture", "llama");
        for (size_t k = 0; k < 5; k++) {
            if (strcmp(NEEDED[k], BAD[i].key)) kv_u32(&b, NEEDED[k], GOOD[k]);
        }
        if (!strstr(BAD[i].key, "epsilon")) kv_f32(&b, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
        kv_u32(&b, BAD[i].key, BAD[i].value);
        tensor(&b, "token_embd.weight", 7, 8);
        expect_refusal(&b, BAD[i].says);
    }
    for (size_t missing = 0; missing < 5; missing++) {
        struct builder b = begin();
        char says[96];
        kv_string(&b, "general.architecture", "llama");
        for (size_t k = 0; k < 5; k++) {
            if (k != missing) kv_u32(&b, NEEDED[k], GOOD[k]);
        }
        tensor(&b, "token_embd.weight", 7, 8);
        snprintf(says, sizeof says, "key %s is missing", NEEDED[missing]);
        expect_refusal(&b, says);
    }
    struct builder b = begin();
    llama_keys(&b);
    token_keys(&b);
    tensor(&b, "token_embd.weight", 5, 8);
    expect_refusal(&b, "tensor token_embd.weight has 5 rows for 6 tokens");
    b = begin();
    llama_keys(&b);
    kv_string(&b, "llama.rope.scaling.type", "yarn");
    tensor(&b, "token_embd.weight", 5, 8);
    expect_refusal(&b, "rotary scaling \"yarn\" is not supported");
}

static void rotary_scaling_is_read(void **state)
{
    (void)state;
    struct hk_error err;
    uint8_t *file;
    for (int how = 0; how < 4; how++) {
        struct builder b = begin();
        llama_keys(&b);
        kv_u32(&b, "tokens.none", 1);
        tensor(&b, "token_embd.weight", 5, 8);
        kv_f32(&b, "llama.rope.freq_base", 5e5f);
        if (how == 1) kv_string(&b, "llama.rope.scaling.type", "linear");
        if (how == 1 || how == 2) kv_f32(&b, "llama.rope.scaling.factor", 4.0f);
        if (how == 3) kv_string(&b, "llama.rope.scaling.type", "none");
        struct hk_checkpoint *c = parse_built(&b, &file, &err);
        if (!c) fail_msg("%s", err.text);
        bool linear = how == 1 || how == 2;
        assert_int_equal(c->hparams.rope_scaling, linear ? HK_ROPE_SCALING_LINEAR : HK_ROPE_SCALING_NONE);
        assert_true(!linear || c->hparams.rope_factor == 4.0f);
        assert_true(c->hparams.rope_theta == 5e5f);
        hk_checkpoint_close(c);
        free(file);
    }
}

/* Keys and embedding of a small model with the pooling type (0: no such key). */
static struct builder begin_pooled(uint32_t pooling)
{
    struct builder b = begin();
    llama_keys(&b);
    if (pooling) kv_u32(&b, "llama.pooling_type", pooling);
    tensor(&b, "token_embd.weight", 7, 8);
    return b;
}

static void reward_heads_are_read(void **state)
{
    (void)state;
    struct hk_error err;
    uint8_t *file;
    for (int how = 0; how < 3; how++) { /* a language model; the head as a matrix; as a vector */
        struct builder b = begin_pooled(how ? 4 : 3);
        if (how) tensor(&b, "cls.output.weight", how == 1, 8);
        struct hk_checkpoint *c = parse_built(&b, &file, &err);
        if (!c) fail_msg("%s", err.text);
        assert_int_equal(c->hparams.n_labels, how > 0);
        hk_checkpoint_close(c);
        free(file);
    }
    struct builder b = begin_pooled(4);
    expect_refusal(&b, "tensor cls.output.weight is missing");
    b = begin_pooled(0);
    tensor(&b, "cls.output.weight", 1, 8);
    expect_refusal(&b, "key llama.pooling_type is not 4 (rank)");
    b = begin_pooled(2);
    tensor(&b, "cls.output.weight", 1, 8);
    expect_refusal(&b, "key llama.pooling_type is not 4 (rank)");
    b = begin_pooled(4);
    tensor(&b, "cls.output.weight", 2, 8);
    expect_refusal(&b, "tensor cls.output.weight has 2 rows (num_labels)");
    b = begin_pooled(4);
    tensor(&b, "cls.output.weight", 1, 8);
    tensor(&b, "cls.output.bias", 0, 1);
    expect_refusal(&b, "tensor cls.output.bias");
}

static void unknown_architectures_can_be_listed(void **state)
{
    (void)state;
    struct builder b = begin();
    struct hk_error err;
    uint8_t *file;
    kv_string(&b, "general.architecture", "mamba");
    kv_array(&b, "mamba.attention.head_count", HK_GGUF_U32, 1);
    hk_test_put_u32(&b.kv, 5);
    token_keys(&b);
    tensor(&b, "token_embd.weight", 7, 8);
    struct hk_checkpoint *c = parse_built(&b, &file, &err);
    if (!c) fail_msg("%s", err.text);
    assert_string_equal(c->hparams.arch, "mamba");
    assert_false(c->has_hparams);
    assert_int_equal(c->n_tensors, 1);
    assert_int_equal(c->vocab.n_tokens, N_TOKENS);
    hk_checkpoint_close(c);
    free(file);
}

static void vocabularies_are_checked(void **state)
{
    (void)state;
    static const char *const BAD_MERGES[] = {"ab", " a", "a ", "", " "};
    for (size_t i = 0; i < 5; i++) {
        struct builder b = begin();
        llama_keys(&b);
        token_keys(&b);
        kv_strings(&b, "tokenizer.ggml.merges", &BAD_MERGES[i], 1);
        expect_refusal(&b, "merge 0 is");
    }
    struct builder b = begin();
    llama_keys(&b);
    token_keys(&b);
    kv_array(&b, "tokenizer.ggml.scores", HK_GGUF_F32, 2);
    hk_test_put_u64(&b.kv, 0);
    expect_refusal(&b, "6 tokens have 2 scores and 6 types");

    static const char *const MERGES[] = {"a b", "  b", "ab c d"};
    struct hk_error err;
    uint8_t *file;
    b = begin();
    llama_keys(&b);
    token_keys(&b);
    kv_strings(&b, "tokenizer.ggml.merges", MERGES, 3);
    struct hk_checkpoint *c = parse_built(&b, &file, &err);
    if (!c) fail_msg("%s", err.text);
    assert_int_equal(c->vocab.n_merges, 3);
    assert_string_equal(c->vocab.merges[1], "  b");
    assert_int_equal(c->vocab.merge_left_len[0], 1);
    assert_int_equal(c->vocab.merge_left_len[1], 1);
    assert_int_equal(c->vocab.merge_left_len[2], 2);
    assert_false(c->has_hparams); /* no tensors */
    hk_checkpoint_close(c);
    free(file);
}

/* Random damage: anything may come of it but a sanitizer's report or a message of several lines. */
static void damage_does_no_harm(void **state)
{
    (void)state;
    struct builder b = begin();
    struct hk_bytes out = {0};
    struct hk_error err;
    uint64_t seed = 1;
    unsigned refused = 0;
    llama_keys(&b);
    token_keys(&b);
    tensor(&b, "token_embd.weight", 7, 8);
    tensor(&b, "blk.0.attn_norm.weight", 0, 8);
    put_file(&b, &out);
    for (int round = 0; round < 20000; round++) {
        uint8_t *copy = hk_test_copy(out.data, out.len);
        for (uint64_t n = 1 + hk_test_random(&seed) % 3; n > 0; n--)
            copy[hk_test_random(&seed) % (out.len - 256)] = (uint8_t)(hk_test_random(&seed) >> 8 * (n % 2));
        struct hk_checkpoint *c = parse(copy, out.len, &err);
        if (!c) {
            hk_test_error_says(&err, NULL);
            refused++;
        }
        hk_checkpoint_close(c);
        free(copy);
    }
    assert_true(refused > 2000);
    hk_bytes_free(&out);
}

static void truncate_everywhere(const char *path, size_t cuts)
{
    struct hk_error err;
    struct hk_mapping *m = hk_mapping_open(path, &err);
    if (!m) fail_msg("%s", err.text);
    for (size_t i = 0; i < cuts; i++) {
        size_t len = i < 64 ? i : (size_t)((double)m->size * (double)(i - 64) / (double)(cuts - 64));
        uint8_t *copy = hk_test_copy(m->data, len);
        struct hk_checkpoint *c = parse(copy, len, &err);
        if (c) fail_msg("%zu of %zu bytes of %s were accepted", len, m->size, path);
        hk_test_error_says(&err, "t.gguf");
        hk_checkpoint_close(c);
        free(copy);
    }
    hk_mapping_close(m);
}

static void real_model_opens(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    hk_test_shared("models/stories260K/stories260K.gguf", path);
    struct hk_checkpoint *c = hk_checkpoint_open(path, NULL, &err);
    if (!c) fail_msg("%s", err.text);
    const struct hk_hparams *hp = &c->hparams;
    assert_string_equal(hp->arch, "llama");
    assert_int_equal(hp->n_ctx_train, 2048);
    assert_int_equal(hp->head_dim, 8);
    assert_int_equal(hp->n_ff, 172);
    assert_int_equal(hp->n_head_kv, 4);
    assert_int_equal(hp->n_vocab, 512);
    assert_int_equal(c->n_tensors, 48);
    assert_int_equal(c->vocab.pad, HK_NO_TOKEN);
    assert_true(c->vocab.byte_fallback && c->vocab.add_bos);
    const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, "blk.4.ffn_down.weight");
    assert_true(t && t->shape[0] == 64 && t->shape[1] == 172 && t->size == 4 * 64 * 172);
    hk_checkpoint_close(c);
    truncate_everywhere(path, 300);
}

/* A file in memory, wherever it lies, is what it is by its path; nothing of the weights is copied. */
static void memory_is_as_good_as_a_file(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    hk_test_shared("models/stories260K/stories260K.gguf", path);
    struct hk_mapping *m = hk_mapping_open(path, &err);
    if (!m) fail_msg("%s", err.text);
    uint8_t *copy = malloc(m->size + 1);
    assert_non_null(copy);
    memcpy(copy + 1, m->data, m->size); /* at an odd address */
    struct hk_checkpoint *want = hk_checkpoint_open(path, NULL, &err);
    struct hk_checkpoint *got = hk_checkpoint_open_memory(copy + 1, m->size, "box/chat", NULL, &err);
    if (!want || !got) fail_msg("%s", err.text);
    assert_string_equal(got->path, "box/chat");
    assert_string_equal(got->format, want->format);
    assert_memory_equal(&got->hparams, &want->hparams, sizeof got->hparams);
    assert_int_equal(got->n_tensors, want->n_tensors);
    for (uint32_t i = 0; i < want->n_tensors; i++) {
        const struct hk_ckpt_tensor *a = &got->tensors[i], *b = &want->tensors[i];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->size, b->size);
        assert_memory_equal(a->data, b->data, a->size);
        const uint8_t *at = a->data;
        assert_true(at > copy && at + a->size <= copy + 1 + m->size);
    }
    assert_int_equal(got->vocab.n_tokens, want->vocab.n_tokens);
    for (uint32_t i = 0; i < want->vocab.n_tokens; i++)
        assert_string_equal(got->vocab.tokens[i].text, want->vocab.tokens[i].text);
    hk_checkpoint_close(want);
    hk_checkpoint_close(got);
    assert_memory_equal(copy + 1, m->data, m->size); /* and it is still the caller's */
    free(copy);
    hk_mapping_close(m);

    assert_null(hk_checkpoint_open_memory(NULL, 0, "box/none", NULL, &err));
    hk_test_error_says(&err, "box/none: truncated");
    struct hk_checkpoint_options other = {.tokenizer_path = "/nonexistent/tokenizer.json"};
    struct builder b = begin();
    struct hk_bytes file = {0};
    llama_keys(&b);
    put_file(&b, &file);
    assert_null(hk_checkpoint_open_memory(file.data, file.len, "box/chat", &other, &err));
    hk_test_error_says(&err, "/nonexistent/tokenizer.json");
    hk_bytes_free(&file);
}

static void real_vocabularies_open(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        enum hk_vocab_kind kind;
        uint32_t n_tokens, bos;
        bool add_bos;
    } FILES[] = {
        {"ggml-vocab-gpt-2.gguf", HK_VOCAB_BPE, 50257, 50256, false},
        {"ggml-vocab-llama-spm.gguf", HK_VOCAB_SPM, 32000, 1, true},
        {"ggml-vocab-phi-3.gguf", HK_VOCAB_SPM, 32064, 1, true},
        {"ggml-vocab-deepseek-llm.gguf", HK_VOCAB_BPE, 102400, 100000, true},
        {"ggml-vocab-falcon.gguf", HK_VOCAB_BPE, 65024, 11, false},
        {"ggml-vocab-bert-bge.gguf", HK_VOCAB_WORDPIECE, 30522, 101, true},
    };
    char path[HK_TEST_PATH], name[128];
    struct hk_error err = {0};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        snprintf(name, sizeof name, "tokenizers/%s", FILES[i].file);
        struct hk_checkpoint *c = hk_checkpoint_open(hk_test_shared(name, path), NULL, &err);
        if (!c) fail_msg("%s", err.text);
        assert_int_equal(c->vocab.kind, FILES[i].kind);
        assert_int_equal(c->vocab.n_tokens, FILES[i].n_tokens);
        assert_int_equal(c->vocab.bos, FILES[i].bos);
        assert_int_equal(c->vocab.add_bos, FILES[i].add_bos);
        assert_false(c->has_hparams);
        assert_int_equal(c->n_tensors, 0);
        hk_checkpoint_close(c);
    }
    truncate_everywhere(hk_test_shared("tokenizers/ggml-vocab-llama-spm.gguf", path), 264);
}

/* ---- models of several files ---- */

/* What a part says of itself, and what is in it. */
struct part_spec {
    uint32_t no, count, total;
    const char *tensor; /* or NULL */
    const char *architecture;
    bool keys; /* those of the whole model */
    bool split;
};

static void write_part(const char *folder, const char *name, const struct part_spec *spec)
{
    struct builder b = begin();
    struct hk_bytes out = {0};
    if (spec->keys) {
        llama_keys(&b);
        token_keys(&b);
    } else if (spec->architecture) {
        kv_string(&b, "general.architecture", spec->architecture);
    }
    if (spec->split) {
        kv_head(&b, "split.no", HK_GGUF_U16); /* as gguf-split writes them */
        hk_test_put(&b.kv, &(const uint8_t[2]){(uint8_t)spec->no, 0}, 2);
        kv_head(&b, "split.count", HK_GGUF_U16);
        hk_test_put(&b.kv, &(const uint8_t[2]){(uint8_t)spec->count, 0}, 2);
        kv_head(&b, "split.tensors.count", HK_GGUF_I32);
        hk_test_put_u32(&b.kv, spec->total);
    }
    if (spec->tensor) tensor(&b, spec->tensor, spec->keys ? 7 : 0, 8);
    put_file(&b, &out);
    hk_test_write(folder, name, out.data, out.len);
    hk_bytes_free(&out);
}

static const char *const PART_NAMES[] = {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf",
                                         "m-00003-of-00003.gguf"};
static const struct part_spec PARTS[] = {
    {0, 3, 3, "token_embd.weight", NULL, true, true},
    {1, 3, 3, "blk.0.attn_norm.weight", NULL, false, true},
    {2, 3, 3, "output_norm.weight", "llama", false, true},
};

static void split_models_open_by_any_part(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], path[HK_TEST_PATH + 64];
    struct hk_error err = {0};
    hk_test_folder_make(folder);
    for (int i = 0; i < 3; i++) write_part(folder, PART_NAMES[i], &PARTS[i]);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, PART_NAMES[i]);
        struct hk_checkpoint *c = hk_checkpoint_open(path, NULL, &err);
        if (!c) fail_msg("%s", err.text);
        assert_int_equal(c->n_tensors, 3);
        assert_int_equal(c->n_mappings, 3);
        assert_string_equal(c->hparams.arch, "llama");
        assert_true(c->has_hparams);
        assert_int_equal(c->hparams.n_vocab, 7);
        assert_int_equal(c->vocab.n_tokens, N_TOKENS);
        for (int k = 0; k < 3; k++) {
            const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, PARTS[k].tensor);
            assert_non_null(t);
            assert_true(hk_load_f32((const uint8_t *)t->data + 4 * 7) == 7.0f);
        }
        hk_checkpoint_close(c);
    }
    hk_test_folder_remove(folder);
}

static void split_models_are_checked(void **state)
{
    (void)state;
    static const struct {
        int at; /* the part that is another one */
        struct part_spec spec;
        const char *says;
    } BAD[] = {
        {1,
         {0, 3, 3, "a.weight", NULL, true, true},
         "-00002-of-00003.gguf: says that it is part 1 of 3: "
         "part 2 of 3"},
        {1, {1, 4, 3, "a.weight", NULL, false, true}, "-00002-of-00003.gguf: says that it is part 2 of 4"},
        {2,
         {2, 3, 9, "a.weight", NULL, false, true},
         "-00003-of-00003.gguf: is a part of a model of 9 tensors, m-00001-of-00003.gguf of one of 3"},
        {1,
         {1, 3, 3, NULL, NULL, false, true},
         "the 3 parts have 2 tensors together, split.tensors.count says 3"},
        {1, {1, 3, 3, "token_embd.weight", NULL, false, true}, "two tensors named token_embd.weight"},
        {2,
         {2, 3, 3, "a.weight", "gpt2", false, true},
         "-00003-of-00003.gguf: general.architecture is not that of the first part"},
        {1, {1, 3, 3, "a.weight", NULL, false, false}, "-00002-of-00003.gguf: is no part of a split model"},
        {0, {3, 3, 3, "a.weight", NULL, true, true}, "key split.no is 3: 0 to 2 is accepted"},
        {0,
         {0, 2, 3, "a.weight", NULL, true, true},
         "is part 1 of 2 of a split model: its name must end in "
         "-00001-of-00002.gguf"},
    };
    char folder[HK_TEST_PATH], path[HK_TEST_PATH + 64];
    struct hk_error err = {0};
    hk_test_folder_make(folder);
    snprintf(path, sizeof path, "%s/%s", folder, PART_NAMES[0]);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        for (int k = 0; k < 3; k++)
            write_part(folder, PART_NAMES[k], k == BAD[i].at ? &BAD[i].spec : &PARTS[k]);
        if (hk_checkpoint_open(path, NULL, &err))
            fail_msg("accepted, though it should say \"%s\"", BAD[i].says);
        hk_test_error_says(&err, BAD[i].says);
    }
    write_part(folder, PART_NAMES[0], &PARTS[0]);
    snprintf(path, sizeof path, "%s/%s", folder, PART_NAMES[1]);
    assert_int_equal(remove(path), 0);
    snprintf(path, sizeof path, "%s/%s", folder, PART_NAMES[2]);
    assert_null(hk_checkpoint_open(path, NULL, &err));
    hk_test_error_says(&err, "m-00002-of-00003.gguf: is missing: part 2 of the 3 that m-00003-of-00003.gguf");
    struct hk_mapping *m = hk_mapping_open(path, &err);
    assert_non_null(m);
    assert_null(hk_checkpoint_open_memory(m->data, m->size, path, NULL, &err));
    hk_test_error_says(&err, "is part 3 of 3 of a split model: only a whole one can be opened in memory");
    hk_mapping_close(m);
    hk_test_folder_remove(folder);
    struct builder b = begin();
    kv_u32(&b, "split.count", 2);
    expect_refusal(&b, "key split.no is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_file_opens),
        cmocka_unit_test(containers_are_checked),
        cmocka_unit_test(tensor_directory_is_checked),
        cmocka_unit_test(hyperparameters_are_checked),
        cmocka_unit_test(rotary_scaling_is_read),
        cmocka_unit_test(reward_heads_are_read),
        cmocka_unit_test(unknown_architectures_can_be_listed),
        cmocka_unit_test(vocabularies_are_checked),
        cmocka_unit_test(damage_does_no_harm),
        cmocka_unit_test(split_models_open_by_any_part),
        cmocka_unit_test(split_models_are_checked),
        cmocka_unit_test(real_model_opens),
        cmocka_unit_test(memory_is_as_good_as_a_file),
        cmocka_unit_test(real_vocabularies_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

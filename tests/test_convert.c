/* Conversion to GGUF: the same logits, the encoders' own bytes, the same tokens, and nothing half-written. */
#include "tests/convert_testing.h"
#include "loader/convert/convert_types.h"
#include "loader/formats/gguf.h"

#include <stdio.h>

/* ---- the same model ---- */

/* Logits of two checkpoints after every prefix of a text of ids. */
static double logits_difference(const char *a, const char *b)
{
    struct hk_runner_options so = {.n_ctx = 24, .kv = HK_KV_F32, .outputs = HK_OUTPUTS_ALL};
    struct rig x = rig_open(a, HK_WEIGHT_TYPE_COUNT, &so), y = rig_open(b, HK_WEIGHT_TYPE_COUNT, &so);
    uint32_t n_vocab = hk_model_hparams(x.model)->n_vocab, ids[24];
    assert_int_equal(n_vocab, hk_model_hparams(y.model)->n_vocab);
    double largest = 0;
    for (uint32_t i = 0; i < 24; i++) ids[i] = (7 * i + 3) % n_vocab;
    rig_sync(&x, ids, 24);
    rig_sync(&y, ids, 24);
    for (uint32_t p = 0; p < 24; p++) {
        double d = largest_difference(hk_sequence_logits_at(x.sequence, p),
                                      hk_sequence_logits_at(y.sequence, p), n_vocab);
        if (!(d <= largest)) largest = d; /* NaN too */
    }
    rig_close(&x);
    rig_close(&y);
    return largest;
}

static void same_logits(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double limit;
    } GOLDENS[] = {
        {"gpt2", 0},
        {"gpt2-f16", 0},
        {"llama-bf16", 0},
        {"llama-biases", 0},
        {"llama-gqa", 0},
        {"llama-f16-sharded", 0},
        {"llama-head-dim", 0},
        {"llama-head6", 0},
        {"llama-odd", 0},
        {"llama-tied", 0},
        {"llama-rope-linear", 0},
        {"llama-tokenizer", 0},
        {"qwen2", 0},
        {"qwen3", 0},
        {"mistral", 0},
        {"qwen2-window", 0},
        {"quant-nvfp4", 0},
        {"quant-f8-block", 5e-3}, /* GGUF has no FP8: F16 */
        {"quant-gptq-act", 5e-3}, /* nor an order of columns */
        /* the frequencies' divisors are rounded to f32 in a tensor of their own */
        {"llama-rope-llama3", 1e-5},
    };
    char folder[HK_TEST_PATH], in[HK_TEST_PATH], out[HK_TEST_PATH], again[HK_TEST_PATH];
    hk_test_folder_make(folder);
    convert_path(folder, "out.gguf", out);
    convert_path(folder, "again.gguf", again);
    for (size_t i = 0; i < sizeof GOLDENS / sizeof *GOLDENS; i++) {
        convert_file(golden_path(GOLDENS[i].name, "", in), out, NULL, NULL);
        double d = logits_difference(in, out);
        print_message("%-20s %.2g\n", GOLDENS[i].name, d);
        if (!(d <= GOLDENS[i].limit)) fail_msg("%s: the logits differ by %g", GOLDENS[i].name, d);
        /* and a GGUF file from that is the same file */
        convert_file(out, again, NULL, NULL);
        size_t n, m;
        char *x = read_all(out, &n), *y = read_all(again, &m);
        assert_int_equal(n, m);
        assert_memory_equal(x, y, n);
        free(x);
        free(y);
    }
    hk_test_folder_remove(folder);
}

static void same_scores(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"llama-reward", "gpt2-reward"};
    char folder[HK_TEST_PATH], in[HK_TEST_PATH], out[HK_TEST_PATH];
    struct hk_error err = {0};
    struct hk_runner_options so = {.n_ctx = 24, .kv = HK_KV_F32};
    hk_test_folder_make(folder);
    convert_path(folder, "out.gguf", out);
    for (size_t i = 0; i < 2; i++) {
        convert_file(golden_path(NAMES[i], "", in), out, NULL, NULL);
        struct rig x = rig_open(in, HK_WEIGHT_TYPE_COUNT, &so), y = rig_open(out, HK_WEIGHT_TYPE_COUNT, &so);
        const uint32_t ids[] = {5, 17, 100, 3, 44};
        float a = 0, b = 1;
        assert_true(hk_model_is_reward(y.model));
        assert_true(hk_sequence_score(x.sequence, ids, 5, &a, &err));
        assert_true(hk_sequence_score(y.sequence, ids, 5, &b, &err));
        assert_memory_equal(&a, &b, sizeof a);
        rig_close(&x);
        rig_close(&y);
    }
    hk_test_folder_remove(folder);
}

/* ---- what the tensors hold ---- */

static const enum hk_weight_type TYPES[] = {HK_F32,  HK_F16,  HK_BF16, HK_Q8_0, HK_Q4_0,   HK_Q4_1, HK_Q5_0,
                                            HK_Q5_1, HK_Q4_K, HK_Q5_K, HK_Q6_K, HK_IQ4_NL, HK_MXFP4};
enum { N_TYPES = sizeof TYPES / sizeof *TYPES };

static void every_encoder_is_a_type(void **state)
{
    (void)state;
    for (unsigned t = 0; t < HK_WEIGHT_TYPE_COUNT; t++) {
        const struct hk_weight_type_info *info = hk_weight_type_info((enum hk_weight_type)t);
        bool listed = false;
        for (size_t i = 0; i < N_TYPES; i++) listed = listed || TYPES[i] == t;
        assert_int_equal(hk_convert_type_known(info->name), listed);
        assert_int_equal(info->encode && t != HK_F64, listed);
    }
    char names[256], cut[8];
    hk_convert_type_names(names, sizeof names);
    assert_non_null(strstr(names, "f32, f16, "));
    assert_non_null(strstr(names, ", q4_k_m, "));
    assert_non_null(strstr(names, ", mxfp4"));
    hk_convert_type_names(cut, sizeof cut);
    assert_string_equal(cut, "f32");
}

/* llama.cpp's recipe, for 32 layers: which have more bits. */
static void mixtures(void **state)
{
    (void)state;
    static const char MORE[] = "11110010010010010010010010011111";
    const struct hk_mix_model model = {.n_layer = 32};
    static const struct {
        const char *mix, *part;
        enum hk_weight_type most, more;
    } ROWS[] = {
        {"q4_k_m", "attn_v", HK_Q4_K, HK_Q6_K},   {"q4_k_m", "ffn_down", HK_Q4_K, HK_Q6_K},
        {"q4_k_m", "ffn_up", HK_Q4_K, HK_Q4_K},   {"q4_k_m", "attn_output", HK_Q4_K, HK_Q4_K},
        {"q4_k_m", "attn_qkv", HK_Q5_K, HK_Q5_K}, {"q5_k_m", "attn_v", HK_Q5_K, HK_Q6_K},
        {"q5_k_m", "attn_qkv", HK_Q6_K, HK_Q6_K}, {"q5_k_m", "attn_q", HK_Q5_K, HK_Q5_K},
        {"q4_k", "attn_v", HK_Q4_K, HK_Q4_K},
    };
    assert_int_equal(strlen(MORE), 32);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        for (uint32_t layer = 0; layer < 32; layer++) {
            char name[64];
            enum hk_weight_type wanted;
            snprintf(name, sizeof name, "blk.%u.%s.weight", layer, ROWS[i].part);
            const struct hk_ckpt_tensor t = {.name = name, .n_dims = 2, .shape = {4, 256, 1, 1}};
            enum hk_weight_type type = hk_mix_choose(hk_mix_find(ROWS[i].mix), &model, &t, &wanted);
            assert_int_equal(type, MORE[layer] == '1' ? ROWS[i].more : ROWS[i].most);
            assert_int_equal(type, wanted);
        }
    const struct hk_ckpt_tensor output = {.name = "output.weight", .n_dims = 2, .shape = {4, 256, 1, 1}};
    enum hk_weight_type wanted;
    assert_int_equal(hk_mix_choose(hk_mix_find("q4_k_m"), &model, &output, &wanted), HK_Q6_K);
    assert_int_equal(hk_mix_file_type(hk_mix_find("q4_k_m")), 15);
}

/* Row r of a head of d rows of which R rotate, in the old order, as convert_hf_to_gguf.py has it: the head as
 * (2, R/2) rows becomes (R/2, 2). */
static uint64_t old_row(uint64_t r, uint32_t d, uint32_t rotating)
{
    uint64_t head = r / d, i = r % d;
    return i >= rotating ? r : head * d + (i % 2 ? rotating / 2 + i / 2 : i / 2);
}

/* The weights of tensor t of c as floats, laid out as GGUF has them. */
static float *expected_floats(const struct hk_checkpoint *c, const struct hk_ckpt_tensor *t, uint64_t *n_rows,
                              uint64_t *n_cols)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(t->type);
    bool permuted = strcmp(c->hparams.arch, "llama") == 0 && c->hparams.rope_pairing == HK_ROPE_HALVES &&
                    (strstr(t->name, "attn_q.") || strstr(t->name, "attn_k."));
    bool vector = t->n_dims == 1;
    uint64_t rows = vector ? (permuted ? t->shape[0] : 1) : t->shape[0],
             cols = vector ? t->shape[0] / rows : t->shape[1];
    float *all = calloc(rows * cols, sizeof *all), *out = calloc(rows * cols, sizeof *out);
    assert_non_null(all);
    assert_non_null(out);
    info->decode(t->data, all, rows * cols);
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t k = 0; k < cols; k++) {
            uint64_t from = permuted ? old_row(r, c->hparams.head_dim, c->hparams.rope_dim) : r;
            out[r * cols + k] = t->transposed ? all[k * rows + r] : all[from * cols + k];
        }
    free(all);
    *n_rows = vector ? 1 : rows;
    *n_cols = vector ? rows * cols : cols;
    return out;
}

static bool is_small(const char *name)
{
    return strstr(name, "norm") || strstr(name, ".bias") || strstr(name, "position_embd") ||
           strcmp(name, "cls.output.weight") == 0;
}

/* The type that a tensor must have after --type: the output matrix is finer, and where rows are no whole
 * blocks it is the next one down the list. */
static enum hk_weight_type expected_type(const struct hk_checkpoint *c, const struct hk_ckpt_tensor *t,
                                         enum hk_weight_type type, uint64_t cols)
{
    static const enum hk_weight_type NEXT[][3] = {
        {HK_Q6_K, HK_Q8_0, HK_F16}, {HK_Q5_K, HK_Q5_1, HK_F16}, {HK_Q4_K, HK_Q5_0, HK_F16}};
    if (is_small(t->name)) return HK_F32;
    bool block = hk_weight_type_info(type)->block_len > 1;
    bool output = strcmp(t->name, hk_checkpoint_tensor(c, "output.weight") ? "output.weight"
                                                                           : "token_embd.weight") == 0;
    if (output && block && type != HK_Q8_0) type = type == HK_MXFP4 ? HK_Q8_0 : HK_Q6_K;
    if (!block || cols % hk_weight_type_info(type)->block_len == 0) return type;
    for (size_t i = 0; i < 3; i++)
        if (NEXT[i][0] == type && cols % 32 == 0) return NEXT[i][1];
    return HK_F16;
}

/* Every tensor of the file at `out` is what the encoder makes of c's. */
static void check_tensors(const struct hk_checkpoint *c, const char *out, enum hk_weight_type type)
{
    struct hk_checkpoint *g = convert_open(out);
    assert_int_equal(g->n_tensors, c->n_tensors);
    for (uint32_t i = 0; i < c->n_tensors; i++) {
        const struct hk_ckpt_tensor *t = &c->tensors[i], *got = hk_checkpoint_tensor(g, t->name);
        uint64_t rows, cols;
        float *floats = expected_floats(c, t, &rows, &cols);
        enum hk_weight_type want = expected_type(c, t, type, cols);
        const struct hk_weight_type_info *info = hk_weight_type_info(want);
        assert_non_null(got);
        if (got->type != want)
            fail_msg("%s is %s, not %s", t->name, hk_weight_type_info(got->type)->name, info->name);
        assert_int_equal(got->n_dims, t->n_dims);
        assert_memory_equal(got->shape, t->shape, sizeof t->shape);
        assert_false(got->transposed);
        uint64_t size = rows * cols / info->block_len * info->block_bytes;
        assert_int_equal(got->size, size);
        uint8_t *want_bytes = malloc(size);
        assert_non_null(want_bytes);
        info->encode(floats, want_bytes, rows * cols);
        if (memcmp(got->data, want_bytes, size) != 0) fail_msg("%s: other bytes than the encoder's", t->name);
        free(want_bytes);
        free(floats);
    }
    hk_checkpoint_close(g);
}

static void encoders_bytes(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"llama-gqa",  "llama-biases", "llama-head6", "llama-head-dim",
                                        "llama-bf16", "gpt2",         "gpt2-f16",    "llama-reward"};
    char folder[HK_TEST_PATH], in[HK_TEST_PATH], out[HK_TEST_PATH];
    hk_test_folder_make(folder);
    convert_path(folder, "out.gguf", out);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct hk_checkpoint *c = convert_open(golden_path(NAMES[i], "", in));
        for (size_t t = 0; t < N_TYPES; t++) {
            convert_file(in, out, hk_weight_type_info(TYPES[t])->name, NULL);
            check_tensors(c, out, TYPES[t]);
        }
        hk_checkpoint_close(c);
    }
    hk_test_folder_remove(folder);
}

/* ---- matrices of many chunks ---- */

/* A checkpoint of one layer in memory, every tensor random, embeddings of `wide` and hidden layers of `high`;
 * transposed: its matrices stored as Conv1D's. */
static struct hk_checkpoint *big_checkpoint(const char *arch, uint32_t wide, uint32_t high, bool transposed)
{
    const struct {
        const char *arch, *name;
        uint32_t rows, cols; /* rows 0: a vector */
    } SHAPES[] = {
        {"", "token_embd.weight", 64, wide},
        {"", "output_norm.weight", 0, wide},
        {"", "blk.0.attn_norm.weight", 0, wide},
        {"", "blk.0.attn_output.weight", wide, wide},
        {"", "blk.0.ffn_norm.weight", 0, wide},
        {"", "blk.0.ffn_up.weight", high, wide},
        {"", "blk.0.ffn_down.weight", wide, high},
        {"llama", "blk.0.attn_q.weight", wide, wide},
        {"llama", "blk.0.attn_q.bias", 0, wide},
        {"llama", "blk.0.attn_k.weight", wide / 2, wide},
        {"llama", "blk.0.attn_v.weight", wide / 2, wide},
        {"llama", "blk.0.ffn_gate.weight", high, wide},
        {"gpt2", "position_embd.weight", 32, wide},
        {"gpt2", "output_norm.bias", 0, wide},
        {"gpt2", "blk.0.attn_norm.bias", 0, wide},
        {"gpt2", "blk.0.attn_qkv.weight", 3 * wide, wide},
        {"gpt2", "blk.0.attn_qkv.bias", 0, 3 * wide},
        {"gpt2", "blk.0.attn_output.bias", 0, wide},
        {"gpt2", "blk.0.ffn_norm.bias", 0, wide},
        {"gpt2", "blk.0.ffn_up.bias", 0, high},
        {"gpt2", "blk.0.ffn_down.bias", 0, wide},
    };
    enum { N = sizeof SHAPES / sizeof *SHAPES };
    uint64_t random = 20261124;
    struct hk_checkpoint *c = hk_checkpoint_new("big", NULL);
    assert_non_null(c);
    c->tensors = hk_arena_alloc(&c->arena, N, sizeof *c->tensors, NULL);
    assert_non_null(c->tensors);
    for (size_t i = 0; i < N; i++) {
        if (SHAPES[i].arch[0] && strcmp(SHAPES[i].arch, arch) != 0) continue;
        uint32_t rows = SHAPES[i].rows ? SHAPES[i].rows : 1, cols = SHAPES[i].cols;
        float *data = hk_arena_alloc(&c->arena, (size_t)rows * cols, sizeof *data, NULL);
        assert_non_null(data);
        for (size_t k = 0; k < (size_t)rows * cols; k++)
            data[k] = (float)(int32_t)(uint32_t)hk_test_random(&random) * 0x1p-31f;
        struct hk_ckpt_tensor *t = &c->tensors[c->n_tensors++];
        *t = (struct hk_ckpt_tensor){.name = SHAPES[i].name,
                                     .type = HK_F32,
                                     .n_dims = SHAPES[i].rows ? 2 : 1,
                                     .shape = {SHAPES[i].rows ? rows : cols, SHAPES[i].rows ? cols : 1, 1, 1},
                                     .transposed =
                                         transposed && SHAPES[i].rows && strstr(SHAPES[i].name, "blk."),
                                     .data = data,
                                     .size = (uint64_t)rows * cols * sizeof(float)};
    }
    bool llama = strcmp(arch, "llama") == 0;
    c->hparams = (struct hk_hparams){.n_vocab = 64,
                                     .n_ctx_train = 32,
                                     .n_embd = wide,
                                     .n_layer = 1,
                                     .n_head = 4,
                                     .n_head_kv = llama ? 2 : 4,
                                     .head_dim = wide / 4,
                                     .n_ff = high,
                                     .norm_eps = 1e-5f,
                                     .activation = llama ? HK_ACT_SILU : HK_ACT_GELU_TANH,
                                     .rope_theta = 10000.0f,
                                     .rope_dim = llama ? wide / 8 : 0, /* half of a head does not rotate */
                                     .rope_pairing = HK_ROPE_HALVES};
    snprintf(c->hparams.arch, sizeof c->hparams.arch, "%s", arch);
    c->has_hparams = true;
    c->format = "memory";
    assert_true(hk_checkpoint_sort_tensors(c, "big", NULL));
    return c;
}

static void check_big(const char *arch, uint32_t wide, uint32_t high, bool transposed)
{
    static const enum hk_weight_type SOME[] = {HK_F32, HK_Q8_0, HK_Q4_0, HK_Q4_K};
    char folder[HK_TEST_PATH], out[HK_TEST_PATH];
    struct hk_error err = {0};
    hk_test_folder_make(folder);
    convert_path(folder, "big.gguf", out);
    struct hk_checkpoint *c = big_checkpoint(arch, wide, high, transposed);
    for (uint32_t t = 0; t < 4; t++) {
        struct hk_convert_options opt = {.type = hk_weight_type_info(SOME[t])->name, .n_threads = 1 + 4 * t};
        struct hk_convert_result r;
        if (!hk_convert(c, out, &opt, &r, &err)) fail_msg("%s", err.text);
        size_t size;
        free(read_all(out, &size));
        assert_int_equal(r.file_bytes, size);
        assert_true(r.n_weights > 3000000);
        check_tensors(c, out, SOME[t]);
    }
    hk_checkpoint_close(c);
    hk_test_folder_remove(folder);
}

static void many_chunks(void **state)
{
    (void)state;
    check_big("llama", 768, 1792, false);
    check_big("gpt2", 768, 1792, false);
    check_big("gpt2", 768, 1792, true);
    /* rows that are longer than a chunk */
    check_big("llama", 32, 140032, false);
    check_big("gpt2", 32, 140032, true);
}

/* ---- keys ---- */

static void put_string(struct hk_bytes *b, const char *s)
{
    hk_test_put_u64(b, strlen(s));
    hk_test_put(b, s, strlen(s));
}

static void put_key(struct hk_bytes *b, const char *key, uint32_t type)
{
    put_string(b, key);
    hk_test_put_u32(b, type);
}

/* A GGUF file of an architecture that nobody knows, with keys of every kind. */
static struct hk_bytes strange_file(void)
{
    struct hk_bytes b = {0};
    hk_test_put(&b, "GGUF", 4);
    hk_test_put_u32(&b, 3);
    hk_test_put_u64(&b, 2);
    hk_test_put_u64(&b, 8);
    put_key(&b, "general.architecture", HK_GGUF_STRING);
    put_string(&b, "strange");
    put_key(&b, "strange.nested", HK_GGUF_ARRAY);
    hk_test_put_u32(&b, HK_GGUF_ARRAY);
    hk_test_put_u64(&b, 1);
    hk_test_put_u32(&b, HK_GGUF_STRING);
    hk_test_put_u64(&b, 2);
    put_string(&b, "one");
    put_string(&b, "");
    put_key(&b, "general.file_type", HK_GGUF_U32);
    hk_test_put_u32(&b, 0);
    put_key(&b, "a.double", HK_GGUF_F64);
    hk_test_put_u64(&b, 0x400921FB54442D18u);
    put_key(&b, "a.bool", HK_GGUF_BOOL);
    hk_test_put(&b, "\1", 1);
    put_key(&b, "split.count", HK_GGUF_U16);
    hk_test_put(&b, "\1\0", 2);
    put_key(&b, "general.alignment", HK_GGUF_U32);
    hk_test_put_u32(&b, 64);
    put_key(&b, "a.i8", HK_GGUF_I8);
    hk_test_put(&b, "\377", 1);
    put_string(&b, "blk.0.strange.weight");
    hk_test_put_u32(&b, 3); /* three dimensions */
    hk_test_put_u64(&b, 32);
    hk_test_put_u64(&b, 3);
    hk_test_put_u64(&b, 2);
    hk_test_put_u32(&b, 0);
    hk_test_put_u64(&b, 0);
    put_string(&b, "strange.bias");
    hk_test_put_u32(&b, 1);
    hk_test_put_u64(&b, 3);
    hk_test_put_u32(&b, 1); /* f16 */
    hk_test_put_u64(&b, 768);
    while (b.len % 64) hk_test_put(&b, "", 1);
    for (int i = 0; i < 192; i++) hk_test_put_f32(&b, (float)i - 96.0f);
    hk_test_put(&b, "\0\74\0\100\0\102", 6);
    while (b.len % 64) hk_test_put(&b, "", 1);
    return b;
}

static void keys_are_kept(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], in[HK_TEST_PATH], out[HK_TEST_PATH];
    hk_test_folder_make(folder);
    convert_path(folder, "in.gguf", in);
    convert_path(folder, "out.gguf", out);
    struct hk_bytes b = strange_file();
    hk_test_write(folder, "in.gguf", b.data, b.len);
    hk_bytes_free(&b);
    for (int quantize = 0; quantize < 2; quantize++) {
        convert_file(in, out, quantize ? "q8_0" : NULL, NULL);
        struct hk_checkpoint *a = convert_open(in), *c = convert_open(out);
        assert_int_equal(c->gguf->n_kv, a->gguf->n_kv - 1 + (size_t)quantize); /* no split, a version */
        for (size_t i = 0; i < a->gguf->n_kv; i++) {
            const struct hk_gguf_kv *x = &a->gguf->kv[i];
            char key[64];
            snprintf(key, sizeof key, "%.*s", (int)x->key.len, x->key.text);
            const struct hk_gguf_kv *y = hk_gguf_find(c->gguf, key);
            if (strcmp(key, "split.count") == 0) {
                assert_null(y);
                continue;
            }
            assert_non_null(y);
            assert_int_equal(y->type, x->type);
            assert_int_equal(y->element, x->element);
            assert_int_equal(y->count, x->count);
            assert_int_equal(y->size, x->size);
            if (quantize && strcmp(key, "general.file_type") == 0)
                assert_int_equal(hk_load_u32(y->data), 7);
            else
                assert_memory_equal(y->data, x->data, x->size);
        }
        const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, "blk.0.strange.weight"),
                                    *bias = hk_checkpoint_tensor(c, "strange.bias");
        assert_int_equal(t->type, quantize ? HK_Q8_0 : HK_F32);
        assert_int_equal(t->n_dims, 3);
        assert_int_equal(t->shape[0] * 100 + t->shape[1] * 10 + t->shape[2], 262);
        assert_int_equal(bias->type, HK_F16); /* a GGUF file's vectors stay */
        assert_memory_equal(bias->data, "\0\74\0\100\0\102", 6);
        assert_int_equal(((uintptr_t)bias->data - (uintptr_t)c->mappings[0]->data) % 64, 0);
        hk_checkpoint_close(a);
        hk_checkpoint_close(c);
    }
    hk_test_folder_remove(folder);
}

/* ---- refusals ---- */

static void refusals(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], path[HK_TEST_PATH];
    struct hk_error err = {0};
    hk_test_folder_make(folder);
    struct hk_checkpoint *c = convert_open(golden_path("gpt2-odd", "", path));
    convert_refuse(c, folder, "a.gguf", "activation");
    hk_checkpoint_close(c);

    c = convert_open(golden_path("llama-gqa", "", path));
    struct hk_convert_options opt = {.type = "q3"};
    assert_false(hk_convert(c, path, &opt, NULL, &err));
    hk_test_error_says(&err, "q8_0");
    convert_refuse(c, folder, "", "is a folder");
    convert_refuse(c, folder, "none/a.gguf", "cannot be made");
    hk_test_write_text(folder, "notes.txt", "do not lose me");
    convert_refuse(c, folder, "notes.txt", "no GGUF file");
    const char *name = c->tensors[3].name; /* any will do: none is optional here */
    c->tensors[3].name = "blk.0.unheard.weight";
    assert_true(hk_checkpoint_sort_tensors(c, path, NULL));
    convert_refuse(c, folder, "a.gguf", "unheard");
    for (uint32_t i = 0; i < c->n_tensors; i++)
        if (strcmp(c->tensors[i].name, "blk.0.unheard.weight") == 0)
            c->tensors[i] = c->tensors[--c->n_tensors];
    assert_true(hk_checkpoint_sort_tensors(c, path, NULL));
    convert_refuse(c, folder, "a.gguf", name);
    snprintf(c->hparams.arch, sizeof c->hparams.arch, "mamba");
    convert_refuse(c, folder, "a.gguf", "mamba");
    hk_checkpoint_close(c);

    struct hk_bytes b = strange_file();
    hk_test_write(folder, "in.gguf", b.data, b.len);
    convert_path(folder, "in.gguf", path);
    c = convert_open(path);
    convert_refuse(c, folder, "in.gguf", "is the checkpoint that is read");
    hk_checkpoint_close(c);
    size_t n;
    char *after = read_all(path, &n);
    assert_int_equal(n, b.len);
    assert_memory_equal(after, b.data, n);
    free(after);
    hk_bytes_free(&b);
    hk_test_folder_remove(folder);
}

static bool cancel_at_third(void *user, const char *what, uint64_t done, uint64_t total)
{
    struct notes *n = user;
    assert_string_equal(what, "converting");
    assert_true(done <= total);
    return ++n->text[0] < 3;
}

static void cancelling_leaves_nothing(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], out[HK_TEST_PATH];
    struct hk_error err = {0};
    struct notes calls = {{0}};
    hk_test_folder_make(folder);
    convert_path(folder, "big.gguf", out);
    struct hk_checkpoint *c = big_checkpoint("llama", 768, 1792, false);
    struct hk_convert_options opt = {.n_threads = 4, .progress = cancel_at_third, .user = &calls};
    assert_false(hk_convert(c, out, &opt, NULL, &err));
    assert_int_equal(err.code, HK_ERR_CANCELLED);
    assert_int_equal(convert_n_files(folder), 0);
    hk_test_write_text(folder, "big.gguf", "GGUF, an old one"); /* which stays when the new one fails */
    calls.text[0] = 0;
    assert_false(hk_convert(c, out, &opt, NULL, &err));
    assert_int_equal(convert_n_files(folder), 1);
    char *old = read_all(out, NULL);
    assert_string_equal(old, "GGUF, an old one");
    free(old);
    assert_true(hk_convert(c, out, NULL, NULL, &err)); /* and goes when it does not */
    assert_int_equal(convert_n_files(folder), 1);
    hk_checkpoint_close(convert_open(out));
    hk_checkpoint_close(c);
    hk_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encoder_is_a_type),
        cmocka_unit_test(mixtures),
        cmocka_unit_test(same_logits),
        cmocka_unit_test(same_scores),
        cmocka_unit_test(encoders_bytes),
        cmocka_unit_test(many_chunks),
        cmocka_unit_test(keys_are_kept),
        cmocka_unit_test(refusals),
        cmocka_unit_test(cancelling_leaves_nothing),
    };
    return rig_main("reference", tests, sizeof tests / sizeof *tests);
}

/* Quantized folders: every weight of the golden ones, the choice of the type, and what is refused. That
 * models run on them is test_logits' to say. */
#include "loader/formats/hf.h"
#include "tests/loader_testing.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>

static const char *const FOLDERS[] = {"gptq",          "gptq-act", "gptq8-v2", "awq", "ct-int4",
                                      "ct-int4-zeros", "ct-int8",  "f8-block", "f8",  "nvfp4",
                                      "ct-nvfp4",      "ct-mxfp4", "ct-mxfp8"};
enum { N_FOLDERS = sizeof FOLDERS / sizeof *FOLDERS };

static const char *golden(const char *name, const char *file, char out[HK_TEST_PATH])
{
    const char *source = getenv("HEKLA_SOURCE_DIR");
    snprintf(out, HK_TEST_PATH, "%s/tests/golden/%s%s%s", source ? source : HEKLA_SOURCE_DIR, name,
             *file ? "/" : "", file);
    return out;
}

static struct hk_checkpoint *open_ok(const char *path)
{
    struct hk_error err = {0};
    struct hk_checkpoint *c = hk_checkpoint_open(path, NULL, &err);
    if (!c) fail_msg("%s", err.text);
    return c;
}

static struct hk_mapping *map(const char *path)
{
    struct hk_error err = {0};
    struct hk_mapping *m = hk_mapping_open(path, &err);
    if (!m) fail_msg("%s", err.text);
    return m;
}

static void codes_of_f8_are_torchs(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_mapping *m = map(golden("f8.f32", "", path));
    assert_int_equal(m->size, 2048);
    for (unsigned i = 0; i < 512; i++) {
        float want = hk_load_f32(m->data + 4 * i);
        float got = (i < 256 ? hk_f8_e4m3_to_f32 : hk_f8_e5m2_to_f32)((uint8_t)i);
        if (isnan(want) ? !isnan(got) : got != want || signbit(got) != signbit(want))
            fail_msg("code %u: %g, torch says %g", i, (double)got, (double)want);
    }
    hk_mapping_close(m);
}

/* Rows of the tensor, `step` at a time, as floats. */
static float *floats_of(const struct hk_ckpt_tensor *t, uint64_t step)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(t->type);
    uint64_t rows = t->shape[0], cols = t->shape[1];
    size_t row_bytes = (size_t)(cols / info->block_len * info->block_bytes);
    float *out = malloc((size_t)(rows * cols) * sizeof *out);
    assert_non_null(out);
    assert_int_equal(row_bytes * rows, t->size);
    for (uint64_t r = 0; r < rows; r += step) {
        uint64_t n = rows - r < step ? rows - r : step;
        uint8_t *part = malloc((size_t)n * row_bytes); /* of that size, for the sanitizers to see */
        assert_non_null(part);
        hk_ckpt_rows(t, r, n, part);
        info->decode(part, out + r * cols, (size_t)(n * cols));
        free(part);
    }
    return out;
}

static void hash(const float *f, size_t n, char out[17])
{
    uint64_t h = HK_HASH_START;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        uint8_t bytes[4];
        memcpy(&u, &f[i], sizeof u);
        hk_store_u32(bytes, u);
        h = hk_hash(h, bytes, sizeof bytes);
    }
    snprintf(out, 17, "%016llx", (unsigned long long)h);
}

/* Any whole blocks, wherever they begin and end, are what they are in the whole. */
static void check_pieces(const struct hk_ckpt_tensor *t, uint64_t *seed)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(t->type);
    uint64_t n = t->shape[0] * t->shape[1] / info->block_len;
    uint8_t *whole = malloc((size_t)t->size);
    assert_non_null(whole);
    hk_ckpt_rows(t, 0, t->shape[0], whole);
    for (int i = 0; i < 50; i++) {
        uint64_t first = hk_test_random(seed) % n, count = 1 + hk_test_random(seed) % (n - first);
        if (i % 2 && count > 7) count = 1 + count % 7;
        uint8_t *part = malloc((size_t)(count * info->block_bytes));
        assert_non_null(part);
        hk_ckpt_weights(t, first * info->block_len, count * info->block_len, part);
        assert_memory_equal(part, whole + first * info->block_bytes, (size_t)(count * info->block_bytes));
        free(part);
    }
    free(whole);
}

/* In whatever pieces the rows are read: the values are those of the method's own arithmetic, to the bit. */
static void weights_are_exact(void **state)
{
    (void)state;
    static const uint64_t STEPS[] = {1, 3, 8, 64};
    char path[HK_TEST_PATH], name[64], got[17];
    uint64_t seed = 1;
    for (size_t i = 0; i < N_FOLDERS; i++) {
        snprintf(name, sizeof name, "hf/quant-%s", FOLDERS[i]);
        struct hk_mapping *m = map(golden(name, "weights.json", path));
        cJSON *json = cJSON_ParseWithLength((const char *)m->data, m->size);
        struct hk_checkpoint *c = open_ok(golden(name, "", path));
        assert_int_equal(cJSON_GetArraySize(json), 7);
        bool factors = strstr(FOLDERS[i], "nvfp4"); /* one more tensor for each */
        assert_int_equal(c->n_tensors, factors ? 19 : 12);
        const cJSON *item;
        cJSON_ArrayForEach(item, json)
        {
            const char *type = cJSON_GetObjectItem(item, "type")->valuestring;
            const char *want = cJSON_GetObjectItem(item, "fnv")->valuestring;
            const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, item->string);
            assert_true(t && t->quantized && !t->data && !t->transposed && t->n_dims == 2);
            assert_string_equal(hk_weight_type_info(t->type)->name, type);
            assert_true(hk_ckpt_stored(t) > 0 && hk_ckpt_stored(t) < 4 * t->shape[0] * t->shape[1]);
            check_pieces(t, &seed);
            for (size_t s = 0; s < sizeof STEPS / sizeof *STEPS; s++) {
                float *f = floats_of(t, STEPS[s]);
                hash(f, (size_t)(t->shape[0] * t->shape[1]), got);
                free(f);
                if (strcmp(got, want) != 0)
                    fail_msg("%s: %s, %d rows at a time: other values", FOLDERS[i], item->string,
                             (int)STEPS[s]);
            }
        }
        hk_checkpoint_close(c);
        cJSON_Delete(json);
        hk_mapping_close(m);
    }
}

/* ---- the choice of a type ---- */

static struct hk_quantized choose(struct hk_quantized q, const float *scales, size_t n)
{
    struct hk_error err = {0};
    static const uint8_t codes[64], lane[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    q.name = "w";
    q.factor = 1.0f;
    q.rows = 2;
    q.cols = q.cols ? q.cols : 32;
    q.group = q.group ? q.group : q.cols;
    q.n_groups = q.cols / q.group;
    q.codes.data = codes;
    q.codes.lane = lane;
    q.scales = (struct hk_scales){.data = (const uint8_t *)scales,
                                  .type = HK_F32,
                                  .n = n,
                                  .rows_per = 1,
                                  .row_stride = n / 2,
                                  .col_stride = 1};
    if (!hk_quantized_choose(&q, "f", &err)) fail_msg("%s", err.text);
    return q;
}

static void types_are_chosen_by_exactness(void **state)
{
    (void)state;
    const struct hk_quantized four = {.codes.bits = 4, .zero = 8}, shifted = {.codes.bits = 4, .zero = 3},
                              eight = {.codes.bits = 8, .zero = 128}, far = {.codes.bits = 8, .zero = 5},
                              narrow = {.codes.bits = 4, .zero = 8, .cols = 32, .group = 16},
                              e4m3 = {.codes.bits = 8, .value = hk_f8_e4m3_to_f32},
                              split = {.codes.bits = 8, .value = hk_f8_e4m3_to_f32, .cols = 32, .group = 16},
                              e5m2 = {.codes.bits = 8, .value = hk_f8_e5m2_to_f32};
    const float half[2] = {0.5f, 0.0625f}, third[2] = {1.0f / 3, 0.25f}, small[2] = {0x1p-15f, 0.5f},
                tiny[4] = {1e-7f, 1e-7f, 1e-7f, 1e-7f}, huge[2] = {1e6f, 1.0f}, one_tiny[2] = {1e-9f, 0.1f};
    assert_int_equal(choose(four, half, 2).type, HK_Q4_0);
    assert_int_equal(choose(shifted, half, 2).type, HK_Q4_1);
    assert_int_equal(choose(shifted, small, 2).type, HK_Q8_0); /* 3 * 2^-15 would be a subnormal F16 */
    assert_int_equal(choose(eight, half, 2).type, HK_Q8_0);
    assert_int_equal(choose(far, half, 2).type, HK_F16);    /* 250 does not fit in 8 bits */
    assert_int_equal(choose(four, third, 2).type, HK_Q4_0); /* a scale that F16 does not have is rounded, */
    assert_int_equal(choose(eight, third, 2).type, HK_Q8_0);
    assert_int_equal(choose(shifted, third, 2).type, HK_Q8_0); /* once: Q4_1 has two */
    assert_int_equal(choose(narrow, half, 2).type, HK_BF16);
    assert_int_equal(choose(four, huge, 2).type, HK_F32);
    assert_int_equal(choose(four, tiny, 2).type, HK_F32); /* F16's steps would be coarser than the codes' */
    assert_int_equal(choose(four, one_tiny, 2).type, HK_F16);
    assert_int_equal(choose(e5m2, half, 2).type, HK_BF16);
    assert_int_equal(choose(e4m3, half, 2).type, HK_F8_E4M3);
    assert_int_equal(choose(e4m3, third, 2).type, HK_F8_E4M3);
    assert_true(choose(e4m3, third, 2).factor == 1.0f);
    assert_int_equal(choose(e4m3, tiny, 2).type, HK_F8_E4M3);
    assert_true(choose(e4m3, tiny, 2).factor == 0x1p-24f);    /* subnormal in F16 without it */
    assert_int_equal(choose(e4m3, one_tiny, 2).type, HK_F16); /* no factor makes both normal */
    assert_int_equal(choose(e4m3, huge, 2).type, HK_F32);
    assert_int_equal(choose(split, half, 2).type, HK_BF16); /* two scales in 32 columns */
    assert_int_equal(choose(split, third, 2).type, HK_F16);
    const float bad[2] = {1.0f, NAN};
    struct hk_error err = {0};
    struct hk_quantized q = {.name = "w",
                             .rows = 2,
                             .cols = 32,
                             .group = 32,
                             .n_groups = 1,
                             .codes.bits = 4,
                             .scales = {.data = (const uint8_t *)bad, .type = HK_F32, .n = 2}};
    assert_false(hk_quantized_choose(&q, "f", &err));
    hk_test_error_says(&err, "f: tensor w: scale 1 is no finite number");
}

/* Columns of two groups in turn are sorted into whole blocks; where one group has a column too many they are
 * not. */
static void columns_are_sorted_by_group(void **state)
{
    (void)state;
    static const uint8_t lane[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct hk_arena arena = {0};
    struct hk_error err = {0};
    uint8_t groups[4 * 64] = {0}, codes[64 / 8 * 4], made[36];
    const float scales[2] = {1.0f, 2.0f};
    float out[64];
    for (unsigned c = 0; c < 64; c++) groups[4 * c] = c % 2;
    for (unsigned i = 0; i < sizeof codes; i++) codes[i] = (uint8_t)(0x95 + i % 4); /* column c: nibble c */
    struct hk_quantized q = {
        .name = "w",
        .rows = 1,
        .cols = 64,
        .group = 32,
        .n_groups = 2,
        .factor = 1.0f,
        .zero = 8,
        .groups = groups,
        .codes = {.data = codes, .bits = 4, .per = 8, .lane = lane, .row_stride = 8, .col_stride = 1},
        .scales = {.data = (const uint8_t *)scales,
                   .type = HK_F32,
                   .n = 2,
                   .rows_per = 1,
                   .row_stride = 2,
                   .col_stride = 1}};
    struct hk_quantized uneven = q;
    assert_true(hk_quantized_sort(&arena, &q, "f", &err) && hk_quantized_choose(&q, "f", &err));
    assert_int_equal(q.type, HK_Q4_0);
    hk_quantized_weights(&q, 0, 64, made);
    hk_weight_type_info(q.type)->decode(made, out, 64);
    for (uint32_t c = 0; c < 64; c++) {
        assert_int_equal(q.order[c], c < 32 ? 2 * c : 2 * (c - 32) + 1);
        int code = codes[q.order[c] / 2] >> 4 * (q.order[c] % 2) & 15;
        assert_true(out[c] == (float)(code - 8) * scales[q.order[c] % 2]);
    }
    groups[0] = 1;
    assert_true(hk_quantized_sort(&arena, &uneven, "f", &err) && hk_quantized_choose(&uneven, "f", &err));
    assert_true(!uneven.order && uneven.type == HK_BF16);
    groups[0] = 2;
    assert_false(hk_quantized_sort(&arena, &uneven, "f", &err));
    hk_test_error_says(&err, "column 0 is of group 2 (g_idx), of which there are 2");
    hk_arena_free(&arena);
}

/* FP8's NaN, which F8_E4M3 has not: its block is NaN, and the next one is not. */
static void nan_stays_nan(void **state)
{
    (void)state;
    static const uint8_t lane[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct hk_error err = {0};
    uint8_t codes[128], made[136];
    float out[128];
    memset(codes, 0x38, sizeof codes); /* 1 */
    codes[64 + 5] = 0xFF;
    struct hk_quantized q = {
        .name = "w",
        .rows = 2,
        .cols = 64,
        .group = 64,
        .n_groups = 1,
        .factor = 1.0f,
        .value = hk_f8_e4m3_to_f32,
        .codes = {.data = codes, .bits = 8, .per = 1, .lane = lane, .row_stride = 64, .col_stride = 1}};
    assert_true(hk_quantized_choose(&q, "f", &err));
    assert_int_equal(q.type, HK_F8_E4M3);
    hk_quantized_weights(&q, 0, 128, made);
    hk_weight_type_info(q.type)->decode(made, out, 128);
    for (int i = 0; i < 128; i++) assert_true(i >= 64 && i < 96 ? isnan(out[i]) : out[i] == 1.0f);
}

/* ---- refusals ---- */

#define BASE                                                                                                 \
    "\"model_type\":\"llama\",\"vocab_size\":6,\"hidden_size\":8,\"num_hidden_layers\":1,\"num_attention_"   \
    "heads\":2,\"intermediate_size\":12,\"max_position_embeddings\":64,\"quantization_config\":"
#define GPTQ  "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":8}"
#define ACT   "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":8,\"desc_act\":true}"
#define AWQ   "{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":8}"
#define FP8   "{\"quant_method\":\"fp8\",\"weight_block_size\":[2,4]}"
#define NVFP4 "{\"quant_method\":\"modelopt\",\"quant_algo\":\"NVFP4\"}"
#define CT    "{\"quant_method\":\"compressed-tensors\",\"format\":\"pack-quantized\"}"
#define W     "model.layers.0.self_attn.q_proj."

/* A tensor: name, dtype, shape, bytes, each of which is `fill`. */
struct spec {
    const char *name, *dtype, *shape;
    size_t bytes;
    uint8_t fill;
};

static void write_folder(const char *folder, const char *quant, const struct spec *specs, size_t n)
{
    struct hk_bytes header = {0}, data = {0}, out = {0};
    char text[2048];
    for (size_t i = 0; i < n && specs[i].name; i++) {
        int len =
            snprintf(text, sizeof text, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                     i ? "," : "{", specs[i].name, specs[i].dtype, specs[i].shape, data.len,
                     data.len + specs[i].bytes);
        hk_test_put(&header, text, (size_t)len);
        for (size_t k = 0; k < specs[i].bytes; k++) hk_test_put(&data, &specs[i].fill, 1);
    }
    hk_test_put(&header, "}", 1);
    hk_test_put_u64(&out, header.len);
    hk_test_put(&out, header.data, header.len);
    hk_test_put(&out, data.data, data.len);
    hk_test_write(folder, "model.safetensors", out.data, out.len);
    snprintf(text, sizeof text, "{%s%s}", BASE, quant);
    hk_test_write_text(folder, "config.json", text);
    hk_bytes_free(&header);
    hk_bytes_free(&data);
    hk_bytes_free(&out);
}

enum { PARTS = 4 };

static const struct {
    const char *quant;
    struct spec specs[PARTS];
    const char *says; /* NULL: right, so that the others fail for their own reason alone */
} ROWS[] = {
    {GPTQ,
     {{W "qweight", "I32", "[1,8]", 32, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0x22}},
     NULL},
    {GPTQ,
     {{W "qweight", "I32", "[1,8]", 32, 1}, {W "scales", "F16", "[1,8]", 16, 0x22}},
     "q_proj.qweight needs a tensor model.layers.0.self_attn.q_proj.qzeros, which is missing"},
    {GPTQ,
     {{W "qweight", "I32", "[1,8]", 32, 1}, {W "qzeros", "I32", "[1,1]", 4, 0x77}},
     "q_proj.scales, which is missing"},
    {ACT,
     {{W "qweight", "I32", "[1,8]", 32, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0x22}},
     "q_proj.g_idx, which is missing"},
    {ACT,
     {{W "qweight", "I32", "[1,8]", 32, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0x22},
      {W "g_idx", "I32", "[8]", 32, 1}},
     "column 0 is of group 16843009 (g_idx), of which there are 1"},
    {ACT,
     {{W "qweight", "I32", "[1,8]", 32, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0x22},
      {W "g_idx", "I32", "[7]", 28, 0}},
     "q_proj.g_idx has 1 dimensions (7, 1, ...): the matrix that it belongs to needs (8)"},
    {GPTQ,
     {{W "qweight", "F32", "[1,8]", 32, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0x22}},
     "q_proj.qweight is stored as F32: I32 is supported here"},
    {GPTQ,
     {{W "qweight", "I32", "[8]", 32, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0x22}},
     "q_proj.qweight has 1 dimensions: 2 are needed"},
    {GPTQ,
     {{W "qweight", "I32", "[1,8]", 28, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0x22}},
     "q_proj.qweight has 28 bytes, which do not suit its shape"},
    {GPTQ,
     {{W "qweight", "I32", "[4294967296,4294967296]", 32, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0x22}},
     "q_proj.qweight has 32 bytes, which do not suit its shape"},
    {GPTQ,
     {{W "qweight", "I32", "[0,8]", 0, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0x22}},
     "q_proj.qweight has 0 bytes, which do not suit its shape"},
    {GPTQ,
     {{W "qweight", "I32", "[1,8]", 32, 1},
      {W "qzeros", "I32", "[2,1]", 8, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0x22}},
     "q_proj.qzeros has 2 dimensions (2, 1, ...): the matrix that it belongs to needs (1, 1)"},
    {GPTQ,
     {{W "qweight", "I32", "[1,8]", 32, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[8,1]", 16, 0x22}},
     "q_proj.scales has 2 dimensions (8, 1, ...)"},
    {GPTQ,
     {{W "qweight", "I32", "[1,8]", 32, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "I16", "[1,8]", 16, 0x22}},
     "q_proj.scales is stored as I16: F32, F16 or BF16"},
    {GPTQ,
     {{W "qweight", "I32", "[1,8]", 32, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0xFF}},
     "q_proj.weight: scale 0 is no finite number"},
    {GPTQ,
     {{W "qweight", "I32", "[1,7]", 28, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,7]", 14, 0x22}},
     "q_proj.weight has 7 rows: a multiple of 8"},
    {AWQ,
     {{W "qweight", "I32", "[8,1]", 32, 1},
      {W "qzeros", "I32", "[1,1]", 4, 0x77},
      {W "scales", "F16", "[1,8]", 16, 0x22}},
     NULL},
    {FP8,
     {{W "weight", "F8_E4M3", "[8,8]", 64, 1},
      {W "weight_scale_inv", "F32", "[4,2]", 32, 0x3D},
      {W "input_scale", "F32", "[]", 4, 0}},
     NULL},
    {FP8,
     {{W "weight", "F8_E4M3", "[8,8]", 64, 1}, {W "weight_scale_inv", "F32", "[2,4]", 32, 0x3D}},
     "q_proj.weight_scale_inv has 2 dimensions (2, 4, ...): it does not suit the 8 rows and 8 columns"},
    {FP8, {{W "weight", "F8_E4M3", "[2,2,2,2,2,2]", 64, 1}}, "q_proj.weight has 64 bytes, which do not suit"},
    {FP8, {{W "weight", "F8_E4M3", "[2,2,16]", 64, 1}}, "q_proj.weight has 3 dimensions: 1 or 2"},
    {FP8, {{W "weight", "F8_E4M3", "[8,8]", 63, 1}}, "q_proj.weight has 63 bytes"},
    {CT,
     {{W "weight_packed", "I32", "[8,1]", 32, 1},
      {W "weight_scale", "F16", "[8,1]", 16, 0x22},
      {W "weight_shape", "I32", "[2]", 8, 8}},
     "of (8, 1) words does not hold (134744072, 134744072) weights of 4 or 8 bits"},
    {CT,
     {{W "weight_packed", "I32", "[8,1]", 32, 1}, {W "weight_scale", "F16", "[8,1]", 16, 0x22}},
     "q_proj.weight_shape, which is missing"},
    {CT,
     {{W "weight_packed", "I32", "[8,1]", 32, 1},
      {W "weight_scale", "F16", "[8,1]", 16, 0x22},
      {W "weight_shape", "I64", "[2]", 16, 0}},
     "does not hold (0, 0) weights"},
    {CT,
     {{W "weight", "I8", "[8,8]", 64, 1}},
     "q_proj.weight needs a tensor model.layers.0.self_attn.q_proj.weight_scale, which"},
    {CT,
     {{W "weight", "I8", "[8,8]", 64, 1},
      {W "weight_scale", "F16", "[8,1]", 16, 0x22},
      {W "weight_zero_point", "I8", "[7]", 7, 0}},
     "q_proj.weight_zero_point has 7 zeros: one for each scale"},
    {CT, /* cols are no multiple of 64: floats */
     {{W "weight_packed", "U8", "[8,8]", 64, 0x13},
      {W "weight_scale", "F8_E4M3", "[8,1]", 8, 0x38},
      {W "weight_global_scale", "F32", "[1]", 4, 0x44}},
     NULL},
    {NVFP4,
     {{W "weight", "U8", "[8,32]", 256, 0x13},
      {W "weight_scale", "F8_E4M3", "[8,4]", 32, 0x38},
      {W "weight_scale_2", "F32", "[]", 4, 0x3D},
      {W "input_scale", "F32", "[]", 4, 0}},
     NULL},
    {NVFP4,
     {{W "weight", "U8", "[8,32]", 256, 0x13}, {W "weight_scale", "F8_E4M3", "[8,4]", 32, 0x38}},
     "q_proj.weight_scale_2, which is missing"},
    {NVFP4,
     {{W "weight", "U8", "[8,32]", 256, 0x13},
      {W "weight_scale", "F8_E4M3", "[8,3]", 24, 0x38},
      {W "weight_scale_2", "F32", "[]", 4, 0x3D}},
     "q_proj.weight_scale has 2 dimensions (8, 3, ...)"},
    {NVFP4,
     {{W "weight", "U8", "[8,32]", 256, 0x13},
      {W "weight_scale", "F8_E4M3", "[8,4]", 32, 0x7F},
      {W "weight_scale_2", "F32", "[]", 4, 0x3D}},
     "q_proj.weight: scale 0 is no finite number"},
    {NVFP4,
     {{W "weight", "U8", "[8,32]", 256, 0x13},
      {W "weight_scale", "F8_E4M3", "[8,4]", 32, 0x38},
      {W "weight_scale_2", "F32", "[]", 4, 0xFF}},
     "q_proj.weight_scale_2 is not one number that can be used as a scale"},
    {NVFP4,
     {{W "weight", "U8", "[8,32]", 256, 0x13},
      {W "weight_scale", "F8_E4M3", "[8,4]", 32, 0x38},
      {W "weight_scale_2", "F32", "[2]", 8, 0x3D}},
     "q_proj.weight_scale_2 is not one number"},
    {CT,
     {{W "weight_packed", "U8", "[8,32]", 256, 0x13},
      {W "weight_scale", "F8_E4M3", "[8,4]", 32, 0x38},
      {W "weight_global_scale", "F32", "[1]", 4, 0}},
     "q_proj.weight_global_scale is not one number"},
    {NVFP4,
     {{W "weight", "U8", "[8,4]", 32, 0x13},
      {W "weight_scale", "F8_E4M3", "[8,1]", 8, 0x38},
      {W "weight_scale_2", "F32", "[]", 4, 0x3D}},
     "q_proj.weight has 8 columns: a multiple of 16"},
    {CT,
     {{W "weight_packed", "U8", "[8,32]", 256, 0x13}, {W "weight_scale", "U8", "[8,2]", 16, 0xFF}},
     "q_proj.weight: scale 0 is no finite number"},
    {CT,
     {{W "weight_packed", "U8", "[8,32]", 256, 0x13}, {W "weight_scale", "U8", "[8,4]", 32, 0x70}},
     "q_proj.weight_scale has 2 dimensions (8, 4, ...)"},
    {CT,
     {{W "weight_packed", "U8", "[8,8]", 64, 0x13}, {W "weight_scale", "U8", "[8,1]", 8, 0x70}},
     "q_proj.weight has 16 columns: a multiple of 32"},
    {"null",
     {{W "qweight", "I32", "[1,8]", 32, 1}},
     "q_proj.qweight: config.json has no \"quantization_config\" that says how it is packed"},
    {"7", {{NULL}}, "\"quantization_config\" is no object"},
    {"{\"quant_method\":7}", {{NULL}}, "\"quantization_config\" is no object that names"},
    {"{\"quant_method\":\"aqlm\"}", {{NULL}}, "quantized by \"aqlm\": gptq, awq, fp8"},
    {"{\"quant_method\":\"gptq\",\"group_size\":8}", {{NULL}}, "\"bits\" is missing"},
    {"{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":0}",
     {{NULL}},
     "\"group_size\" is not an integer from 1"},
    {"{\"quant_method\":\"gptq\",\"bits\":3,\"group_size\":8}", {{NULL}}, "bits of 4 and 8 are supported"},
    {"{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":8,\"checkpoint_format\":\"marlin\"}",
     {{NULL}},
     "a checkpoint_format of gptq or gptq_v2"},
    {"{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":8,\"version\":\"gemv\"}",
     {{NULL}},
     "version gemm is supported"},
    {"{\"quant_method\":\"fp8\",\"weight_block_size\":[0,8]}",
     {{NULL}},
     "\"weight_block_size\" is not two integers"},
    {"{\"quant_method\":\"modelopt\",\"quant_algo\":\"W4A8\"}", {{NULL}}, "a quant_algo of FP8 or NVFP4"},
    {"{\"quant_method\":\"compressed-tensors\",\"format\":\"marlin-24\"}",
     {{NULL}},
     "without sparsity are supported"},
    {"{\"quant_method\":\"compressed-tensors\",\"format\":\"dense\",\"sparsity_config\":{\"format\":"
     "\"sparse-bitmask\"}}",
     {{NULL}},
     "without sparsity are supported"},
};

static void lying_folders_are_refused(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH];
    struct hk_error err = {0};
    hk_test_folder_make(folder);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        write_folder(folder, ROWS[i].quant, ROWS[i].specs, PARTS);
        struct hk_checkpoint *c = hk_checkpoint_open(folder, NULL, &err);
        if (!ROWS[i].says) {
            if (!c) fail_msg("%s", err.text);
            const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, "blk.0.attn_q.weight");
            assert_int_equal(c->n_tensors, hk_checkpoint_tensor(c, "blk.0.attn_q.scale") ? 2 : 1);
            assert_non_null(t);
            float *f = floats_of(t, 5);
            assert_true(isfinite(f[0]));
            free(f);
            hk_checkpoint_close(c);
            continue;
        }
        if (c) fail_msg("accepted, though it should say \"%s\"", ROWS[i].says);
        hk_test_error_says(&err, ROWS[i].says);
        hk_test_error_says(&err, hk_path_base(folder));
    }
    hk_test_folder_remove(folder);
}

/* What older folders have in a file of the method's own. */
static void settings_in_a_file_of_their_own(void **state)
{
    (void)state;
    static const struct {
        const char *file, *json;
        struct spec specs[PARTS];
        const char *type; /* the type it is read as; else it is refused: */
        const char *says;
    } FILES[] = {
        {"quantize_config.json",
         "{\"bits\":4,\"group_size\":8,\"desc_act\":false,\"sym\":true}",
         {{W "qweight", "I32", "[1,8]", 32, 1},
          {W "qzeros", "I32", "[1,1]", 4, 0x77},
          {W "scales", "F16", "[1,8]", 16, 0x22}},
         "f16",
         NULL},
        {"quant_config.json",
         "{\"zero_point\":true,\"q_group_size\":8,\"w_bit\":4,\"version\":\"GEMM\"}",
         {{W "qweight", "I32", "[8,1]", 32, 1},
          {W "qzeros", "I32", "[1,1]", 4, 0x77},
          {W "scales", "F16", "[1,8]", 16, 0x22}},
         "f16",
         NULL},
        {"hf_quant_config.json",
         "{\"producer\":{\"name\":\"modelopt\"},\"quantization\":{\"quant_algo\":\"NVFP4\",\"group_size\":16}"
         "}",
         {{W "weight", "U8", "[8,32]", 256, 0x13},
          {W "weight_scale", "F8_E4M3", "[8,4]", 32, 0x38},
          {W "weight_scale_2", "F32", "[]", 4, 0x3D}},
         "nvfp4",
         NULL},
        {"hf_quant_config.json",
         "{\"quantization\":{\"quant_algo\":null,\"kv_cache_quant_algo\":\"FP8\"}}",
         {{W "weight", "F16", "[8,8]", 128, 1}},
         "f16",
         NULL},
        {"hf_quant_config.json", "{}", {{W "weight", "F16", "[8,8]", 128, 1}}, NULL, "is no JSON object"},
        {"quantize_config.json", "{\"bits\":3,\"group_size\":8}", {{NULL}}, NULL, "bits of 4 and 8"},
    };
    char folder[HK_TEST_PATH];
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        struct hk_error err = {0};
        hk_test_folder_make(folder);
        write_folder(folder, "null", FILES[i].specs, PARTS);
        hk_test_write_text(folder, FILES[i].file, FILES[i].json);
        struct hk_checkpoint *c = hk_checkpoint_open(folder, NULL, &err);
        if (FILES[i].type) {
            if (!c) fail_msg("%s", err.text);
            const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, "blk.0.attn_q.weight");
            assert_non_null(t);
            assert_string_equal(hk_weight_type_info(t->type)->name, FILES[i].type);
        } else {
            assert_null(c);
            hk_test_error_says(&err, FILES[i].says);
            hk_test_error_says(&err, FILES[i].file);
        }
        hk_checkpoint_close(c);
        hk_test_folder_remove(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_of_f8_are_torchs),
        cmocka_unit_test(weights_are_exact),
        cmocka_unit_test(types_are_chosen_by_exactness),
        cmocka_unit_test(columns_are_sorted_by_group),
        cmocka_unit_test(nan_stays_nan),
        cmocka_unit_test(lying_folders_are_refused),
        cmocka_unit_test(settings_in_a_file_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

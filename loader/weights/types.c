/* The table of weight types. */
#include "loader/weights/codecs.h"

/* clang-format off */
/* name, GGUF id, safetensors' name; weights and bytes of a block in the file, on the device;
 * fields: offset, bytes, unit; codebook; f16 scales; codec */
#define BLOCK(len, bytes) len, bytes, len, bytes /* the same in the file and on the device */
static const struct hk_weight_type_info all_types[HK_WEIGHT_TYPE_COUNT] = {
    [HK_F32] = {"f32", 0, "F32", 1, 4, 4, 16,
        {{0, 16, 16}}, NULL, 0, 0, {0}, hk_decode_f32, hk_encode_f32},
    [HK_F16] = {"f16", 1, "F16", 1, 2, 8, 16,
        {{0, 16, 16}}, NULL, 0, 0, {0}, hk_decode_f16, hk_encode_f16},
    [HK_BF16] = {"bf16", 30, "BF16", 1, 2, 8, 16,
        {{0, 16, 16}}, NULL, 0, 0, {0}, hk_decode_bf16, hk_encode_bf16},
    [HK_F64] = {"f64", 28, "F64", 1, 8, 0, 0,
        {{0, 0, 0}}, NULL, 0, 0, {0}, hk_decode_f64, hk_encode_f64},

    [HK_Q8_0] = {"q8_0", 8, NULL, BLOCK(HK_QK, HK_Q8_0_BYTES),
        {{2, 32, 16}, {0, 2, 2}}, NULL, 0,
        1, {0}, hk_decode_q8_0, hk_encode_q8_0},
    [HK_Q4_0] = {"q4_0", 2, NULL, BLOCK(HK_QK, HK_Q4_0_BYTES),
        {{2, 16, 16}, {0, 2, 2}}, NULL, 0,
        1, {0}, hk_decode_q4_0, hk_encode_q4_0},
    [HK_Q4_1] = {"q4_1", 3, NULL, BLOCK(HK_QK, HK_Q4_1_BYTES),
        {{4, 16, 16}, {0, 4, 4}}, NULL, 0,
        2, {0, 2}, hk_decode_q4_1, hk_encode_q4_1},
    [HK_Q5_0] = {"q5_0", 6, NULL, BLOCK(HK_QK, HK_Q5_0_BYTES),
        {{6, 16, 16}, {0, 2, 2}, {2, 4, 4}}, NULL, 0,
        1, {0}, hk_decode_q5_0, hk_encode_q5_0},
    [HK_Q5_1] = {"q5_1", 7, NULL, BLOCK(HK_QK, HK_Q5_1_BYTES),
        {{8, 16, 16}, {0, 4, 4}, {4, 4, 4}}, NULL, 0,
        2, {0, 2}, hk_decode_q5_1, hk_encode_q5_1},
    [HK_Q2_K] = {"q2_k", 10, NULL, BLOCK(HK_QK_K, HK_Q2_K_BYTES),
        {{16, 64, 16}, {0, 16, 16}, {80, 4, 4}}, NULL, 0,
        2, {80, 82}, hk_decode_q2_k, NULL},
    [HK_Q3_K] = {"q3_k", 11, NULL, BLOCK(HK_QK_K, HK_Q3_K_BYTES),
        {{32, 64, 16}, {0, 32, 16}, {96, 12, 4}, {108, 2, 2}}, NULL, 0,
        1, {108}, hk_decode_q3_k, NULL},
    [HK_Q4_K] = {"q4_k", 12, NULL, BLOCK(HK_QK_K, HK_Q4_K_BYTES),
        {{16, 128, 16}, {0, 16, 16}}, NULL, 0,
        2, {0, 2}, hk_decode_q4_k, hk_encode_q4_k},
    [HK_Q5_K] = {"q5_k", 13, NULL, BLOCK(HK_QK_K, HK_Q5_K_BYTES),
        {{48, 128, 16}, {0, 16, 16}, {16, 32, 16}}, NULL, 0,
        2, {0, 2}, hk_decode_q5_k, hk_encode_q5_k},
    [HK_Q6_K] = {"q6_k", 14, NULL, BLOCK(HK_QK_K, HK_Q6_K_BYTES),
        {{0, 128, 16}, {128, 64, 16}, {192, 16, 16}, {208, 2, 2}}, NULL, 0,
        1, {208}, hk_decode_q6_k, hk_encode_q6_k},
    [HK_IQ4_NL] = {"iq4_nl", 20, NULL, BLOCK(HK_QK, HK_IQ4_NL_BYTES),
        {{2, 16, 16}, {0, 2, 2}}, NULL, 0,
        1, {0}, hk_decode_iq4_nl, hk_encode_iq4_nl},
    [HK_IQ4_XS] = {"iq4_xs", 23, NULL, BLOCK(HK_QK_K, HK_IQ4_XS_BYTES),
        {{8, 128, 16}, {0, 8, 4}}, NULL, 0,
        1, {0}, hk_decode_iq4_xs, NULL},
    [HK_MXFP4] = {"mxfp4", 39, NULL, BLOCK(HK_QK, HK_MXFP4_BYTES),
        {{1, 16, 16}, {0, 1, 1}}, NULL, 0,
        0, {0}, hk_decode_mxfp4, hk_encode_mxfp4},
    [HK_NVFP4] = {"nvfp4", 40, NULL, BLOCK(HK_QK_NVFP4, HK_NVFP4_BYTES),
        {{4, 32, 16}, {0, 4, 4}}, NULL, 0,
        0, {0}, hk_decode_nvfp4, NULL},
    [HK_F8_E4M3] = {"f8_e4m3", HK_NO_GGUF_ID, NULL, BLOCK(HK_QK, HK_F8_BYTES),
        {{2, 32, 16}, {0, 2, 2}}, NULL, 0,
        1, {0}, hk_decode_f8_e4m3, NULL},

    [HK_TQ1_0] = {"tq1_0", 34, NULL, BLOCK(HK_QK_K, HK_TQ1_0_BYTES),
        {{0, 48, 16}, {48, 4, 4}, {52, 2, 2}}, NULL, 0,
        1, {52}, hk_decode_tq1_0, NULL},
    [HK_TQ2_0] = {"tq2_0", 35, NULL, BLOCK(HK_QK_K, HK_TQ2_0_BYTES),
        {{0, 64, 16}, {64, 2, 2}}, NULL, 0,
        1, {64}, hk_decode_tq2_0, NULL},
    [HK_IQ2_XXS] = {"iq2_xxs", 16, NULL, BLOCK(HK_QK_K, HK_IQ2_XXS_BYTES),
        {{2, 64, 4}, {0, 2, 2}}, hk_grid_iq2_xxs, 256,
        1, {0}, hk_decode_iq2_xxs, NULL},
    [HK_IQ2_XS] = {"iq2_xs", 17, NULL, BLOCK(HK_QK_K, HK_IQ2_XS_BYTES),
        {{2, 72, 4}, {0, 2, 2}}, hk_grid_iq2_xs, 512,
        1, {0}, hk_decode_iq2_xs, NULL},
    [HK_IQ2_S] = {"iq2_s", 22, NULL, BLOCK(HK_QK_K, HK_IQ2_S_BYTES),
        {{2, 80, 4}, {0, 2, 2}}, hk_grid_iq2_s, 1024,
        1, {0}, hk_decode_iq2_s, NULL},
    [HK_IQ3_XXS] = {"iq3_xxs", 18, NULL, BLOCK(HK_QK_K, HK_IQ3_XXS_BYTES),
        {{2, 96, 4}, {0, 2, 2}}, hk_grid_iq3_xxs, 256,
        1, {0}, hk_decode_iq3_xxs, NULL},
    [HK_IQ3_S] = {"iq3_s", 21, NULL, BLOCK(HK_QK_K, HK_IQ3_S_BYTES),
        {{2, 108, 4}, {0, 2, 2}}, hk_grid_iq3_s, 512,
        1, {0}, hk_decode_iq3_s, NULL},
    [HK_IQ1_S] = {"iq1_s", 19, NULL, BLOCK(HK_QK_K, HK_IQ1_S_BYTES),
        {{2, 48, 4}, {0, 2, 2}}, hk_grid_iq1, 2048,
        1, {0}, hk_decode_iq1_s, NULL},
    [HK_IQ1_M] = {"iq1_m", 29, NULL, BLOCK(HK_QK_K, HK_IQ1_M_BYTES),
        {{0, 56, 4}}, hk_grid_iq1, 2048,
        0, {0}, hk_decode_iq1_m, NULL},
};
/* clang-format on */

const struct hk_weight_type_info *hk_weight_type_info(enum hk_weight_type type)
{
    return &all_types[type];
}

const char *hk_weight_type_name(enum hk_weight_type type)
{
    return hk_weight_type_info(type)->name;
}

bool hk_weight_type_is_float(enum hk_weight_type type)
{
    const struct hk_weight_type_info *t = hk_weight_type_info(type);
    return t->block_len == 1 || t->gguf_id == HK_NO_GGUF_ID;
}

enum hk_weight_type hk_weight_type_by_name(const char *name)
{
    unsigned t = 0;
    while (t < HK_WEIGHT_TYPE_COUNT && strcmp(all_types[t].name, name) != 0) t++;
    return (enum hk_weight_type)t;
}

enum hk_weight_type hk_weight_type_by_gguf_id(uint32_t id)
{
    unsigned t = 0;
    while (t < HK_WEIGHT_TYPE_COUNT && (all_types[t].gguf_id != id || id == HK_NO_GGUF_ID)) t++;
    return (enum hk_weight_type)t;
}

enum hk_weight_type hk_weight_type_by_st_name(const char *name, size_t len)
{
    unsigned t = 0;
    for (; t < HK_WEIGHT_TYPE_COUNT; t++) {
        const char *s = all_types[t].st_name;
        if (s && strlen(s) == len && memcmp(s, name, len) == 0) break;
    }
    return (enum hk_weight_type)t;
}

bool hk_weight_type_quantizes(enum hk_weight_type type)
{
    return type < HK_WEIGHT_TYPE_COUNT && all_types[type].encode && all_types[type].block_len > 1;
}

static bool is_in_set(enum hk_weight_type type, enum hk_weight_set set)
{
    if (set == HK_WEIGHTS_QUANTIZING) return hk_weight_type_quantizes(type);
    return set == HK_WEIGHTS_ALL || all_types[type].gguf_id != HK_NO_GGUF_ID;
}

const char *hk_weight_type_list(enum hk_weight_set set, char *out, size_t capacity)
{
    size_t used = 0;
    out[0] = 0;
    for (unsigned t = 0; t < HK_WEIGHT_TYPE_COUNT; t++) {
        if (!is_in_set((enum hk_weight_type)t, set)) continue;
        size_t len = strlen(all_types[t].name), comma = used ? 2 : 0;
        if (used + comma + len + 1 > capacity) break;
        memcpy(out + used, ", ", comma);
        memcpy(out + used + comma, all_types[t].name, len + 1);
        used += comma + len;
    }
    return out;
}

bool hk_weight_bytes(enum hk_weight_type type, uint64_t rows, uint64_t cols, uint64_t *bytes)
{
    const struct hk_weight_type_info *t = hk_weight_type_info(type);
    uint64_t row_bytes;
    if (cols % t->block_len != 0) return false;
    return hk_mul_u64(cols / t->block_len, t->block_bytes, &row_bytes) && hk_mul_u64(row_bytes, rows, bytes);
}

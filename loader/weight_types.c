/* The table of weight types and the reference codecs.
 * Encoders make the same bytes as ggml's reference quantizers for finite weights. */
#include "weight_types.h"

#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT                                                                                     \
    OFF /* a fused multiply-add would round differently (gcc does not fuse under -std=c11) */
#endif

/* Byte by byte, because blocks in files lie at any alignment and are little-endian whatever the host. */
static uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static void store16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float hk_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 0x1Fu, mantissa = h & 0x3FFu;
    if (exponent == 31) return bits_float(sign | 0x7F800000u | mantissa << 13); /* infinity, NaN */
    if (exponent != 0) return bits_float(sign | (exponent + 112) << 23 | mantissa << 13);
    float f = (float)mantissa * 0x1p-24f; /* zero and subnormals: exact */
    return sign ? -f : f;
}

uint16_t hk_f32_to_f16(float f)
{
    uint32_t u = float_bits(f), sign = u >> 16 & 0x8000u, a = u & 0x7FFFFFFFu;
    if (a > 0x7F800000u) return (uint16_t)(sign | 0x7E00u);  /* NaN, quiet */
    if (a >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u); /* 65520 and above round to infinity */
    if (a < 0x38800000u) {                                   /* below 2^-14: subnormal, in steps of 2^-24 */
        /* 0.5f + x has an ulp of 2^-24 there, so that the addition itself rounds to nearest even */
        return (uint16_t)(sign | (float_bits(bits_float(a) + 0.5f) - 0x3F000000u));
    }
    uint32_t odd = a >> 13 & 1u;
    return (uint16_t)(sign | (a - 0x38000000u + 0xFFFu + odd) >> 13);
}

float hk_bf16_to_f32(uint16_t h)
{
    return bits_float((uint32_t)h << 16);
}

static uint16_t f32_to_bf16(float f)
{
    uint32_t u = float_bits(f);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(u >> 16 | 64u); /* NaN stays NaN */
    return (uint16_t)((u + 0x7FFFu + (u >> 16 & 1u)) >> 16);
}

static void decode_f32(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++, p += 4)
        dst[i] =
            bits_float((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

static void encode_f32(const float *src, void *dst, size_t n)
{
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++, p += 4) {
        uint32_t u = float_bits(src[i]);
        store16(p, (uint16_t)u);
        store16(p + 2, (uint16_t)(u >> 16));
    }
}

static void decode_f16(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = hk_f16_to_f32(load16(p + 2 * i));
}

static void encode_f16(const float *src, void *dst, size_t n)
{
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++) store16(p + 2 * i, hk_f32_to_f16(src[i]));
}

static void decode_bf16(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = hk_bf16_to_f32(load16(p + 2 * i));
}

static void encode_bf16(const float *src, void *dst, size_t n)
{
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++) store16(p + 2 * i, f32_to_bf16(src[i]));
}

enum { QK = 32, QK_K = 256 };

/* Q8_0: { f16 d; int8 q[32] }, w = d q. d = max|w| / 127. */
enum { Q8_0_BYTES = 2 + QK };

static void decode_q8_0(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += QK, b += Q8_0_BYTES) {
        float d = hk_f16_to_f32(load16(b));
        for (size_t j = 0; j < QK; j++) dst[i + j] = d * (float)(int8_t)b[2 + j];
    }
}

static void encode_q8_0(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst;
    for (size_t i = 0; i < n; i += QK, b += Q8_0_BYTES) {
        float largest = 0.0f;
        for (size_t j = 0; j < QK; j++) largest = fmaxf(largest, fabsf(src[i + j]));
        float d = largest / 127.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
        store16(b, hk_f32_to_f16(d));
        for (size_t j = 0; j < QK; j++) {
            float q = roundf(src[i + j] * inverse);
            /* within range for finite weights; a NaN must not reach the conversion */
            b[2 + j] = q >= -128.0f && q <= 127.0f ? (uint8_t)(int8_t)q : 0;
        }
    }
}

/* Q4_0: { f16 d; u8 q[16] }, w = d (q - 8); weight j < 16 is the low half of byte j, weight j + 16 the high
 * half. d = the weight of largest magnitude, with its sign, / -8: that one becomes 0 - 8 exactly. */
enum { Q4_0_BYTES = 2 + QK / 2 };

static void decode_q4_0(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += QK, b += Q4_0_BYTES) {
        float d = hk_f16_to_f32(load16(b));
        for (size_t j = 0; j < QK / 2; j++) {
            dst[i + j] = d * (float)((b[2 + j] & 15) - 8);
            dst[i + j + QK / 2] = d * (float)((b[2 + j] >> 4) - 8);
        }
    }
}

static unsigned quantize_q4_0(float w, float inverse)
{
    /* one rounding, as where ggml is built with fused multiply-add (and as gguf-py computes it) */
    float q = (float)((double)w * (double)inverse + 8.5);
    if (!(q >= 0.0f)) return 0; /* also NaN */
    return q >= 15.0f ? 15u : (unsigned)q;
}

static void encode_q4_0(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst;
    for (size_t i = 0; i < n; i += QK, b += Q4_0_BYTES) {
        float magnitude = 0.0f, extreme = 0.0f;
        for (size_t j = 0; j < QK; j++) {
            if (fabsf(src[i + j]) > magnitude) {
                magnitude = fabsf(src[i + j]);
                extreme = src[i + j];
            }
        }
        float d = extreme / -8.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
        store16(b, hk_f32_to_f16(d));
        for (size_t j = 0; j < QK / 2; j++) {
            unsigned low = quantize_q4_0(src[i + j], inverse);
            unsigned high = quantize_q4_0(src[i + j + QK / 2], inverse);
            b[2 + j] = (uint8_t)(low | high << 4);
        }
    }
}

/* Q4_K: { f16 d, dmin; u8 scales[12]; u8 q[128] }: 8 sub-blocks of 32, w = d s q - dmin m, with 6-bit s and
 * m. Sub-blocks 2k and 2k+1 share the 32 bytes from q[32 k]: low halves, then high halves. scales[i] holds s
 * in its low 6 bits for i < 4, scales[i + 4] m; s and m of sub-blocks 4..7 are the halves of scales[i + 8]
 * with the two top bits of the bytes before as their bits 4 and 5. */
enum { Q4_K_BYTES = 4 + 12 + QK_K / 2 };

static void q4_k_scale(const uint8_t *scales, size_t sub, unsigned *s, unsigned *m)
{
    if (sub < 4) {
        *s = scales[sub] & 63u;
        *m = scales[sub + 4] & 63u;
    } else {
        *s = (scales[sub + 4] & 15u) | (unsigned)(scales[sub - 4] >> 6) << 4;
        *m = (unsigned)(scales[sub + 4] >> 4) | (unsigned)(scales[sub] >> 6) << 4;
    }
}

static void decode_q4_k(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += QK_K, b += Q4_K_BYTES) {
        float d = hk_f16_to_f32(load16(b)), dmin = hk_f16_to_f32(load16(b + 2));
        for (size_t sub = 0; sub < 8; sub++) {
            unsigned s, m;
            q4_k_scale(b + 4, sub, &s, &m);
            float scale = d * (float)s, offset = dmin * (float)m;
            const uint8_t *q = b + 16 + sub / 2 * 32;
            for (size_t j = 0; j < 32; j++) {
                unsigned v = sub % 2 ? q[j] >> 4 : q[j] & 15u;
                dst[i + sub * 32 + j] = scale * (float)v - offset;
            }
        }
    }
}

/* Q6_K: { u8 ql[128]; u8 qh[64]; int8 scales[16]; f16 d }: 16 sub-blocks of 16, w = d s (q - 32).
 * In each half of 128 weights, weight 32 k + j (k < 4, j < 32) has its low four bits in byte ql[32 (k % 2) +
 * j] (the low half for k < 2) and its two high bits in bits 2k, 2k+1 of qh[j]. */
enum { Q6_K_BYTES = QK_K / 2 + QK_K / 4 + QK_K / 16 + 2 };

static void decode_q6_k(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += QK_K, b += Q6_K_BYTES) {
        float d = hk_f16_to_f32(load16(b + 208));
        for (size_t w = 0; w < QK_K; w++) {
            size_t half = w / 128, k = w % 128 / 32, j = w % 32;
            unsigned low = b[64 * half + 32 * (k % 2) + j], high = b[128 + 32 * half + j];
            low = k < 2 ? low & 15u : low >> 4;
            high = high >> (2 * k) & 3u;
            float scale = d * (float)(int8_t)b[192 + w / 16];
            dst[i + w] = scale * (float)((int)(low | high << 4) - 32);
        }
    }
}

static const struct hk_weight_type_info TYPES[HK_WEIGHT_TYPE_COUNT] = {
    [HK_F32] = {"f32", 0, "F32", 1, 4, 4, 16, {{0, 16}}, decode_f32, encode_f32},
    [HK_F16] = {"f16", 1, "F16", 1, 2, 8, 16, {{0, 16}}, decode_f16, encode_f16},
    [HK_BF16] = {"bf16", 30, "BF16", 1, 2, 8, 16, {{0, 16}}, decode_bf16, encode_bf16},
    [HK_Q8_0] =
        {"q8_0", 8, NULL, QK, Q8_0_BYTES, QK, Q8_0_BYTES, {{2, 32}, {0, 2}}, decode_q8_0, encode_q8_0},
    [HK_Q4_0] =
        {"q4_0", 2, NULL, QK, Q4_0_BYTES, QK, Q4_0_BYTES, {{2, 16}, {0, 2}}, decode_q4_0, encode_q4_0},
    [HK_Q4_K] =
        {"q4_k", 12, NULL, QK_K, Q4_K_BYTES, QK_K, Q4_K_BYTES, {{16, 128}, {0, 16}}, decode_q4_k, NULL},
    [HK_Q6_K] = {"q6_k",
                 14,
                 NULL,
                 QK_K,
                 Q6_K_BYTES,
                 QK_K,
                 Q6_K_BYTES,
                 {{0, 128}, {128, 64}, {192, 16}, {208, 2}},
                 decode_q6_k,
                 NULL},
};

const struct hk_weight_type_info *hk_weight_type_info(enum hk_weight_type type)
{
    return &TYPES[type];
}

enum hk_weight_type hk_weight_type_by_name(const char *name)
{
    unsigned t = 0;
    while (t < HK_WEIGHT_TYPE_COUNT && strcmp(TYPES[t].name, name) != 0) t++;
    return (enum hk_weight_type)t;
}

enum hk_weight_type hk_weight_type_by_gguf_id(uint32_t id)
{
    unsigned t = 0;
    while (t < HK_WEIGHT_TYPE_COUNT && TYPES[t].gguf_id != id) t++;
    return (enum hk_weight_type)t;
}

enum hk_weight_type hk_weight_type_by_st_name(const char *name, size_t len)
{
    unsigned t = 0;
    for (; t < HK_WEIGHT_TYPE_COUNT; t++) {
        const char *s = TYPES[t].st_name;
        if (s && strlen(s) == len && memcmp(s, name, len) == 0) break;
    }
    return (enum hk_weight_type)t;
}

bool hk_weight_bytes(enum hk_weight_type type, uint64_t rows, uint64_t cols, uint64_t *bytes)
{
    const struct hk_weight_type_info *t = hk_weight_type_info(type);
    uint64_t row_bytes;
    if (cols % t->block_len != 0) return false;
    return hk_mul_u64(cols / t->block_len, t->block_bytes, &row_bytes) && hk_mul_u64(row_bytes, rows, bytes);
}

/* Types of blocks of 32 weights with one scale. Encoders make the same bytes as ggml's reference quantizers
 * for finite weights. */
#include "loader/weights/fit.h"

#include <math.h>

/* Q8_0: { f16 d; int8 q[32] }, w = d q. d = max|w| / 127. */
void hk_decode_q8_0(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK, b += HK_Q8_0_BYTES) {
        float d = hk_load_half(b);
        for (size_t j = 0; j < HK_QK; j++) dst[i + j] = d * (float)(int8_t)b[2 + j];
    }
}

void hk_encode_q8_0(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst;
    for (size_t i = 0; i < n; i += HK_QK, b += HK_Q8_0_BYTES) {
        float largest = 0.0f;
        for (size_t j = 0; j < HK_QK; j++) largest = fmaxf(largest, fabsf(src[i + j]));
        float d = largest / 127.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
        hk_store_u16(b, hk_f32_to_f16(d));
        for (size_t j = 0; j < HK_QK; j++) {
            float q = roundf(src[i + j] * inverse);
            /* within range for finite weights; a NaN must not reach the conversion */
            b[2 + j] = q >= -128.0f && q <= 127.0f ? (uint8_t)(int8_t)q : 0;
        }
    }
}

/* The types of four bits keep weight j < 16 in the low half of byte j of q[16], weight j + 16 in the high
 * half; those of five have bit 4 of weight j in bit j of a 32-bit word. This is number j of them. */
static unsigned nibble(const uint8_t *q, size_t j)
{
    return j < HK_QK / 2 ? q[j] & 15u : (unsigned)q[j - HK_QK / 2] >> 4;
}

static unsigned nibble_and_bit(const uint8_t *q, uint32_t high, size_t j)
{
    return nibble(q, j) | (high >> j & 1u) << 4;
}

/* The other way; returns the word of fifth bits. */
static uint32_t store_nibbles(const uint8_t v[HK_QK], uint8_t *q)
{
    uint32_t high = 0;
    for (size_t j = 0; j < HK_QK / 2; j++) q[j] = (uint8_t)((v[j] & 15u) | (v[j + HK_QK / 2] & 15u) << 4);
    for (size_t j = 0; j < HK_QK; j++) high |= (uint32_t)(v[j] >> 4 & 1u) << j;
    return high;
}

/* trunc(w / d + bias) within 0..most; 0 for a NaN. */
static uint8_t quantized(float w, float inverse, float bias, float most)
{
    float q = w * inverse + bias;
    if (!(q >= 0.0f)) return 0;
    return (uint8_t)(q >= most ? most : q);
}

static float inverse_of(float d)
{
    return d != 0.0f ? 1.0f / d : 0.0f;
}

/* q of w = d (q - half): d = the weight of largest magnitude, with its sign, / -half, so that that one
 * becomes 0 - half exactly. Returns d. */
static float quantize_around_zero(const float *w, float half, uint8_t q[HK_QK])
{
    float magnitude = 0.0f, extreme = 0.0f;
    for (size_t j = 0; j < HK_QK; j++) {
        if (fabsf(w[j]) > magnitude) {
            magnitude = fabsf(w[j]);
            extreme = w[j];
        }
    }
    float d = extreme / -half, inverse = inverse_of(d);
    for (size_t j = 0; j < HK_QK; j++) q[j] = quantized(w[j], inverse, half + 0.5f, 2.0f * half - 1.0f);
    return d;
}

/* q of w = d q + m: m the least weight, d (2^bits - 1) from it to the largest. Returns d. */
static float quantize_above_least(const float *w, float most, float *m, uint8_t q[HK_QK])
{
    float least = w[0], largest = w[0];
    for (size_t j = 1; j < HK_QK; j++) {
        least = w[j] < least ? w[j] : least;
        largest = w[j] > largest ? w[j] : largest;
    }
    float d = (largest - least) / most, inverse = inverse_of(d);
    for (size_t j = 0; j < HK_QK; j++) q[j] = quantized(w[j] - least, inverse, 0.5f, most);
    *m = least;
    return d;
}

/* Q4_0: { f16 d; u8 q[16] }, w = d (q - 8). */
void hk_decode_q4_0(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK, b += HK_Q4_0_BYTES) {
        float d = hk_load_half(b);
        for (size_t j = 0; j < HK_QK; j++) dst[i + j] = d * (float)((int)nibble(b + 2, j) - 8);
    }
}

void hk_encode_q4_0(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst, q[HK_QK];
    for (size_t i = 0; i < n; i += HK_QK, b += HK_Q4_0_BYTES) {
        hk_store_u16(b, hk_f32_to_f16(quantize_around_zero(src + i, 8.0f, q)));
        store_nibbles(q, b + 2);
    }
}

/* Q4_1: { f16 d, m; u8 q[16] }, w = d q + m. */
void hk_decode_q4_1(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK, b += HK_Q4_1_BYTES) {
        float d = hk_load_half(b), m = hk_load_half(b + 2);
        for (size_t j = 0; j < HK_QK; j++) dst[i + j] = d * (float)nibble(b + 4, j) + m;
    }
}

void hk_encode_q4_1(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst, q[HK_QK];
    float m;
    for (size_t i = 0; i < n; i += HK_QK, b += HK_Q4_1_BYTES) {
        hk_store_u16(b, hk_f32_to_f16(quantize_above_least(src + i, 15.0f, &m, q)));
        hk_store_u16(b + 2, hk_f32_to_f16(m));
        store_nibbles(q, b + 4);
    }
}

/* Q5_0: { f16 d; u32 high; u8 q[16] }, w = d (q - 16). */
void hk_decode_q5_0(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK, b += HK_Q5_0_BYTES) {
        float d = hk_load_half(b);
        uint32_t high = hk_load_u32(b + 2);
        for (size_t j = 0; j < HK_QK; j++) dst[i + j] = d * (float)((int)nibble_and_bit(b + 6, high, j) - 16);
    }
}

void hk_encode_q5_0(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst, q[HK_QK];
    for (size_t i = 0; i < n; i += HK_QK, b += HK_Q5_0_BYTES) {
        hk_store_u16(b, hk_f32_to_f16(quantize_around_zero(src + i, 16.0f, q)));
        hk_store_u32(b + 2, store_nibbles(q, b + 6));
    }
}

/* Q5_1: { f16 d, m; u32 high; u8 q[16] }, w = d q + m. */
void hk_decode_q5_1(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK, b += HK_Q5_1_BYTES) {
        float d = hk_load_half(b), m = hk_load_half(b + 2);
        uint32_t high = hk_load_u32(b + 4);
        for (size_t j = 0; j < HK_QK; j++) dst[i + j] = d * (float)nibble_and_bit(b + 8, high, j) + m;
    }
}

void hk_encode_q5_1(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst, q[HK_QK];
    float m;
    for (size_t i = 0; i < n; i += HK_QK, b += HK_Q5_1_BYTES) {
        hk_store_u16(b, hk_f32_to_f16(quantize_above_least(src + i, 31.0f, &m, q)));
        hk_store_u16(b + 2, hk_f32_to_f16(m));
        hk_store_u32(b + 4, store_nibbles(q, b + 8));
    }
}

/* The sixteen values of IQ4_NL and IQ4_XS: denser towards zero, as weights are. */
static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

/* IQ4_NL: { f16 d; u8 q[16] }, w = d iq4_values[q]. */
void hk_decode_iq4_nl(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK, b += HK_IQ4_NL_BYTES) {
        float d = hk_load_half(b);
        for (size_t j = 0; j < HK_QK; j++) dst[i + j] = d * (float)iq4_values[nibble(b + 2, j)];
    }
}

/* The number of the value next to x, by halving. */
static unsigned nearest_iq4_number(float x)
{
    unsigned number = 0;
    for (unsigned step = 8; step; step /= 2) {
        float middle = 0.5f * (float)(iq4_values[number + step - 1] + iq4_values[number + step]);
        if (x >= middle) number += step;
    }
    return number;
}

/* The same for eight, and the value: one step up for every middle that is not above x. */
static void nearest_iq4_values(float x[8])
{
    float value[8];
    for (size_t k = 0; k < 8; k++) value[k] = iq4_values[0];
    for (size_t i = 1; i < 16; i++) {
        float up = (float)(iq4_values[i] - iq4_values[i - 1]);
        float middle = 0.5f * (float)(iq4_values[i] + iq4_values[i - 1]);
        for (size_t k = 0; k < 8; k++) value[k] += x[k] >= middle ? up : 0.0f;
    }
    memcpy(x, value, sizeof value);
}

void hk_encode_iq4_nl(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst, q[HK_QK];
    for (size_t i = 0; i < n; i += HK_QK, b += HK_IQ4_NL_BYTES) {
        float d = hk_fit_levels(src + i, HK_QK, -127.0f, 1.0f, 7, nearest_iq4_values),
              inverse = inverse_of(d);
        hk_store_u16(b, hk_f32_to_f16(d));
        for (size_t j = 0; j < HK_QK; j++) q[j] = (uint8_t)nearest_iq4_number(src[i + j] * inverse);
        store_nibbles(q, b + 2);
    }
}

/* IQ4_XS: { f16 d; u16 high; u8 low[4]; u8 q[128] }: 8 sub-blocks of 32 as in IQ4_NL,
 * w = d (s - 32) iq4_values[q], s of 6 bits: four in a nibble of low, two in high. */
void hk_decode_iq4_xs(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_IQ4_XS_BYTES) {
        float d = hk_load_half(b);
        unsigned high = hk_load_u16(b + 2), low = hk_load_u32(b + 4);
        for (size_t sub = 0; sub < 8; sub++) {
            unsigned s = (low >> 4 * sub & 15u) | (high >> 2 * sub & 3u) << 4;
            float scale = d * (float)((int)s - 32);
            for (size_t j = 0; j < HK_QK; j++)
                dst[i + 32 * sub + j] = scale * (float)iq4_values[nibble(b + 8 + 16 * sub, j)];
        }
    }
}

/* Twice the values of E2M1, the 4-bit floats of the OCP Microscaling Formats specification 1.0. */
static const int8_t e2m1_twice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* 2^(e - 128): half of E8M0's value, as the table above has twice E2M1's. */
static float e8m0_half(unsigned e)
{
    return hk_bits_float(e < 2 ? 0x00200000u << e : (e - 1) << 23); /* the first two are subnormal */
}

/* MXFP4: { u8 e; u8 q[16] }, w = 2^(e - 127) E2M1[q]. */
void hk_decode_mxfp4(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK, b += HK_MXFP4_BYTES) {
        float d = e8m0_half(b[0]);
        for (size_t j = 0; j < HK_QK; j++) dst[i + j] = d * (float)e2m1_twice[nibble(b + 1, j)];
    }
}

/* The number of the E2M1 value next to w, the lower number where two are as near; d is half the scale. */
static uint8_t nearest_e2m1(float w, float d)
{
    static const float middles[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5.0f, 7.0f, 10.0f};
    unsigned number = 0;
    for (size_t i = 0; i < 7; i++) number += fabsf(w) > middles[i] * d;
    return (uint8_t)(number && w < 0.0f ? number + 8 : number);
}

/* The scale puts the largest weight between 4 and 8, where E2M1's last value, 6, is. */
void hk_encode_mxfp4(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst, q[HK_QK];
    for (size_t i = 0; i < n; i += HK_QK, b += HK_MXFP4_BYTES) {
        float largest = 0.0f;
        for (size_t j = 0; j < HK_QK; j++) largest = fmaxf(largest, fabsf(src[i + j]));
        float e = largest > 0.0f ? floorf(log2f(largest)) + 125.0f : 0.0f;
        b[0] = (uint8_t)(e < 0.0f ? 0.0f : e > 254.0f ? 254.0f : e);
        for (size_t j = 0; j < HK_QK; j++) q[j] = nearest_e2m1(src[i + j], e8m0_half(b[0]));
        store_nibbles(q, b + 1);
    }
}

/* Half the value of an E4M3 float without a sign; its NaN, 0x7F, counts as 0. */
static float ue4m3_half(unsigned v)
{
    if (v == 0x7F) return 0.0f;
    unsigned exponent = v >> 3 & 15u, mantissa = v & 7u;
    if (exponent == 0) return (float)mantissa * 0x1p-10f;
    return hk_bits_float((exponent + 119) << 23 | mantissa << 20);
}

/* NVFP4: { u8 e4m3[4]; u8 q[32] }: 4 sub-blocks of 16 in 8 bytes, low nibbles first, w = e4m3 E2M1[q]. */
void hk_decode_nvfp4(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_NVFP4, b += HK_NVFP4_BYTES) {
        for (size_t w = 0; w < HK_QK_NVFP4; w++) {
            unsigned q = (unsigned)b[4 + w / 16 * 8 + w % 8] >> 4 * (w / 8 % 2) & 15u;
            dst[i + w] = ue4m3_half(b[w / 16]) * (float)e2m1_twice[q];
        }
    }
}

/* F8_E4M3: { f16 d; u8 q[32] }, w = d e4m3(q). The codes of NaN, 0x7F and 0xFF, count as 480 and -480, the
 * numbers that their bits would be: who makes such blocks says NaN in d. */
void hk_decode_f8_e4m3(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK, b += HK_F8_BYTES) {
        float d = hk_load_half(b);
        for (size_t j = 0; j < HK_QK; j++) {
            unsigned q = b[2 + j], exponent = q >> 3 & 15u, mantissa = q & 7u;
            float v =
                exponent ? hk_bits_float((exponent + 120) << 23 | mantissa << 20) : (float)mantissa * 0x1p-9f;
            dst[i + j] = d * (q & 0x80 ? -v : v);
        }
    }
}

/* The K types: blocks of 256 weights, sub-blocks of 16 or 32 with small integer scales. And the ternary
 * types, blocks of 256 with one scale. */
#include "loader/weights/fit.h"

#include <math.h>

/* Two bits a weight, as Q2_K, Q3_K and TQ2_0 have them: in each half of 128 weights, weight 32 k + j (k < 4,
 * j < 32) is bits 2k, 2k + 1 of byte j of the half's 32 bytes. */
static unsigned two_bits(const uint8_t *q, size_t w)
{
    return (unsigned)q[w / 128 * 32 + w % 32] >> 2 * (w % 128 / 32) & 3u;
}

/* Q2_K: { u8 scales[16]; u8 q[64]; f16 d, dmin }: 16 sub-blocks of 16, w = d s q - dmin m, s in the low half
 * of a scale, m in the high one. */
void hk_decode_q2_k(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_Q2_K_BYTES) {
        float d = hk_load_half(b + 80), dmin = hk_load_half(b + 82);
        for (size_t w = 0; w < HK_QK_K; w++) {
            float scale = d * (float)(b[w / 16] & 15u), offset = dmin * (float)(b[w / 16] >> 4);
            dst[i + w] = scale * (float)two_bits(b + 16, w) - offset;
        }
    }
}

/* The scale of Q3_K's sub-block: low nibbles in scales[0..7] (the high halves for sub-blocks 8..15), two bits
 * more in scales[8..11], sub-block s in bits 2 (s / 4) of byte s % 4. */
static int q3_k_scale(const uint8_t *scales, size_t sub)
{
    unsigned low = sub < 8 ? scales[sub] & 15u : (unsigned)scales[sub - 8] >> 4;
    unsigned high = (unsigned)scales[8 + sub % 4] >> 2 * (sub / 4) & 3u;
    return (int)(low | high << 4) - 32;
}

/* Q3_K: { u8 high[32]; u8 q[64]; u8 scales[12]; f16 d }: 16 sub-blocks of 16, w = d s (q - 4). The third bit
 * of q is bit w / 32 of high[w % 32]. */
void hk_decode_q3_k(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_Q3_K_BYTES) {
        float d = hk_load_half(b + 108);
        for (size_t w = 0; w < HK_QK_K; w++) {
            float scale = d * (float)q3_k_scale(b + 96, w / 16);
            unsigned q = two_bits(b + 32, w) | ((unsigned)b[w % 32] >> w / 32 & 1u) << 2;
            dst[i + w] = scale * (float)((int)q - 4);
        }
    }
}

/* The scales of Q4_K and Q5_K: scales[12] has 8 pairs s, m of 6 bits. scales[i] holds s in its low 6 bits for
 * i < 4, scales[i + 4] m; s and m of sub-blocks 4..7 are the halves of scales[i + 8] with the two top bits of
 * the bytes before as their bits 4 and 5. */
static void six_bit_scale(const uint8_t *scales, size_t sub, unsigned *s, unsigned *m)
{
    if (sub < 4) {
        *s = scales[sub] & 63u;
        *m = scales[sub + 4] & 63u;
    } else {
        *s = (scales[sub + 4] & 15u) | (unsigned)(scales[sub - 4] >> 6) << 4;
        *m = (unsigned)(scales[sub + 4] >> 4) | (unsigned)(scales[sub] >> 6) << 4;
    }
}

static void store_six_bit_scale(uint8_t *scales, size_t sub, unsigned s, unsigned m)
{
    if (sub < 4) {
        scales[sub] = (uint8_t)(scales[sub] | s);
        scales[sub + 4] = (uint8_t)(scales[sub + 4] | m);
    } else {
        scales[sub + 4] = (uint8_t)((s & 15u) | (m & 15u) << 4);
        scales[sub - 4] = (uint8_t)(scales[sub - 4] | s >> 4 << 6);
        scales[sub] = (uint8_t)(scales[sub] | m >> 4 << 6);
    }
}

/* A block of Q4_K or Q5_K, whose fifth bits are in high[32]: of weight w bit w / 32 of byte w % 32.
 * Sub-blocks 2k and 2k + 1 share the 32 bytes from q[32 k]: low halves, then high halves. */
static void decode_six_bit_scaled(const uint8_t *head, const uint8_t *high, const uint8_t *q, float *dst)
{
    float d = hk_load_half(head), dmin = hk_load_half(head + 2);
    for (size_t sub = 0; sub < 8; sub++) {
        unsigned s, m;
        six_bit_scale(head + 4, sub, &s, &m);
        float scale = d * (float)s, offset = dmin * (float)m;
        for (size_t j = 0; j < 32; j++) {
            unsigned v = (unsigned)q[sub / 2 * 32 + j] >> 4 * (sub % 2) & 15u;
            if (high) v |= ((unsigned)high[j] >> sub & 1u) << 4;
            dst[32 * sub + j] = scale * (float)v - offset;
        }
    }
}

/* The same block of weights. Scales and offsets of the sub-blocks are fitted, and rounded to six bits under
 * the block's d and dmin; then the weights are rounded for what became of them. */
static void encode_six_bit_scaled(const float *w, int most, float first, int steps, uint8_t *head,
                                  uint8_t *high, uint8_t *q)
{
    float scale[8], offset[8], largest_scale = 0.0f, largest_offset = 0.0f;
    for (size_t sub = 0; sub < 8; sub++) {
        scale[sub] = hk_fit_affine(w + 32 * sub, 32, most, first, steps, &offset[sub]);
        largest_scale = fmaxf(largest_scale, scale[sub]);
        largest_offset = fmaxf(largest_offset, offset[sub]);
    }
    hk_store_u16(head, hk_f32_to_f16(largest_scale / 63.0f));
    hk_store_u16(head + 2, hk_f32_to_f16(largest_offset / 63.0f));
    float d = hk_load_half(head), dmin = hk_load_half(head + 2);
    float to_s = largest_scale > 0.0f ? 63.0f / largest_scale : 0.0f;
    float to_m = largest_offset > 0.0f ? 63.0f / largest_offset : 0.0f;
    memset(head + 4, 0, 12);
    memset(q, 0, 128);
    if (high) memset(high, 0, 32);
    for (size_t sub = 0; sub < 8; sub++) {
        int s = hk_round_within(to_s * scale[sub], 0, 63), m = hk_round_within(to_m * offset[sub], 0, 63);
        store_six_bit_scale(head + 4, sub, (unsigned)s, (unsigned)m);
        float step = d * (float)s, below = dmin * (float)m;
        for (size_t j = 0; j < 32 && step > 0.0f; j++) {
            unsigned v = (unsigned)hk_round_within((w[32 * sub + j] + below) / step, 0, most);
            q[sub / 2 * 32 + j] = (uint8_t)(q[sub / 2 * 32 + j] | (v & 15u) << 4 * (sub % 2));
            if (high) high[j] = (uint8_t)(high[j] | v >> 4 << sub);
        }
    }
}

/* Q4_K: { f16 d, dmin; u8 scales[12]; u8 q[128] }: 8 sub-blocks of 32, w = d s q - dmin m. */
void hk_decode_q4_k(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_Q4_K_BYTES)
        decode_six_bit_scaled(b, NULL, b + 16, dst + i);
}

void hk_encode_q4_k(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_Q4_K_BYTES)
        encode_six_bit_scaled(src + i, 15, -1.0f, 20, b, NULL, b + 16);
}

/* Q5_K: { f16 d, dmin; u8 scales[12]; u8 high[32]; u8 q[128] }: as Q4_K, with a fifth bit. */
void hk_decode_q5_k(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_Q5_K_BYTES)
        decode_six_bit_scaled(b, b + 16, b + 48, dst + i);
}

void hk_encode_q5_k(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_Q5_K_BYTES)
        encode_six_bit_scaled(src + i, 31, -0.5f, 15, b, b + 16, b + 48);
}

/* Q6_K: { u8 low[128]; u8 high[64]; int8 scales[16]; f16 d }: 16 sub-blocks of 16, w = d s (q - 32).
 * In each half of 128 weights, weight 32 k + j (k < 4, j < 32) has its low four bits in byte low[32 (k % 2) +
 * j] (the low half for k < 2); the two high bits are as two_bits() has them. */
void hk_decode_q6_k(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_Q6_K_BYTES) {
        float d = hk_load_half(b + 208);
        for (size_t w = 0; w < HK_QK_K; w++) {
            size_t half = w / 128, k = w % 128 / 32, j = w % 32;
            unsigned low = (unsigned)b[64 * half + 32 * (k % 2) + j] >> 4 * (k / 2) & 15u;
            float scale = d * (float)(int8_t)b[192 + w / 16];
            dst[i + w] = scale * (float)((int)(low | two_bits(b + 128, w) << 4) - 32);
        }
    }
}

static void nearest_six_bits(float x[8])
{
    hk_nearest_whole(x, 32.0f);
}

/* Scales of the sub-blocks are fitted and rounded to a byte, the largest of them to -128. */
void hk_encode_q6_k(const float *src, void *dst, size_t n)
{
    uint8_t *b = dst;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_Q6_K_BYTES) {
        float scale[16], extreme = 0.0f;
        for (size_t sub = 0; sub < 16; sub++) {
            scale[sub] = hk_fit_levels(src + i + 16 * sub, 16, -32.0f, 0.1f, 9, nearest_six_bits);
            if (fabsf(scale[sub]) > fabsf(extreme)) extreme = scale[sub];
        }
        memset(b, 0, HK_Q6_K_BYTES);
        if (!(fabsf(extreme) >= 1e-15f)) continue;
        hk_store_u16(b + 208, hk_f32_to_f16(extreme / -128.0f));
        float d = hk_load_half(b + 208), to_s = -128.0f / extreme;
        for (size_t sub = 0; sub < 16; sub++)
            b[192 + sub] = (uint8_t)hk_round_within(to_s * scale[sub], -128, 127);
        for (size_t w = 0; w < HK_QK_K; w++) {
            size_t half = w / 128, k = w % 128 / 32, j = w % 32;
            float step = d * (float)(int8_t)b[192 + w / 16];
            unsigned q = (unsigned)(hk_round_within(step != 0.0f ? src[i + w] / step : 0.0f, -32, 31) + 32);
            uint8_t *low = &b[64 * half + 32 * (k % 2) + j], *high = &b[128 + 32 * half + j];
            *low = (uint8_t)(*low | (q & 15u) << 4 * (k / 2));
            *high = (uint8_t)(*high | q >> 4 << 2 * k);
        }
    }
}

/* TQ2_0: { u8 q[64]; f16 d }, w = d (q - 1), q of two bits. */
void hk_decode_tq2_0(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_TQ2_0_BYTES) {
        float d = hk_load_half(b + 64);
        for (size_t w = 0; w < HK_QK_K; w++) dst[i + w] = d * (float)((int)two_bits(b, w) - 1);
    }
}

/* TQ1_0: { u8 q[52]; f16 d }, w = d (t - 1): a byte holds the ternary digits t of five weights, the last four
 * bytes of four. The byte is the number that the digits make, after the point, times 256, rounded up: digit k
 * is the whole part of 3 (3^k q mod 256) / 256. Digits k of bytes 0..31 are weights 32 k.., of bytes 32..47
 * weights 160 + 16 k.., of the last four 240 + 4 k... */
void hk_decode_tq1_0(const void *src, float *dst, size_t n)
{
    static const struct {
        size_t first, bytes, digits;
    } parts[] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_TQ1_0_BYTES) {
        float d = hk_load_half(b + 52), *w = dst + i;
        for (size_t p = 0; p < 3; p++) {
            unsigned power = 1;
            for (size_t k = 0; k < parts[p].digits; k++, power *= 3)
                for (size_t j = 0; j < parts[p].bytes; j++) {
                    unsigned digit = (b[parts[p].first + j] * power & 255u) * 3u >> 8;
                    *w++ = d * (float)((int)digit - 1);
                }
        }
    }
}

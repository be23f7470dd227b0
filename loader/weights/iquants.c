/* The IQ types of one to three bits: eight (or four) weights together are the number of a codebook's entry
 * (grids.c) and their signs. All have blocks of 256 weights; `sub` counts 32 of them. */
#include "loader/weights/codecs.h"

/* Weight i of an entry of eight numbers of two bits, or of four in nibbles. */
static unsigned pair_number(uint16_t entry, size_t i)
{
    return (unsigned)entry >> 2 * i & 3u;
}

static unsigned nibble_number(uint16_t entry, size_t i)
{
    return (unsigned)entry >> 4 * i & 15u;
}

/* What the numbers of IQ2's codebooks and of IQ3_XXS's stand for; IQ3_S's k is 2 k + 1. */
static const uint8_t iq2_values[4] = {8, 25, 43, 0}, iq3_xxs_values[8] = {4, 12, 20, 28, 36, 44, 52, 62};

static float with_sign(float v, unsigned signs, size_t i)
{
    return signs >> i & 1u ? -v : v;
}

/* Signs of eight weights in seven bits: the eighth makes their number even. */
static unsigned even_signs(uint32_t seven)
{
    unsigned parity = 0;
    seven &= 127u;
    for (uint32_t rest = seven; rest; rest &= rest - 1) parity ^= 1u;
    return (unsigned)seven | parity << 7;
}

static void decode_iq2_eight(float scale, uint16_t entry, unsigned signs, float *dst)
{
    for (size_t i = 0; i < 8; i++)
        dst[i] = with_sign(scale * (float)iq2_values[pair_number(entry, i)], signs, i);
}

/* IQ2_XXS: { f16 d; { u8 entry[4]; u32 s } [8] }: 32 weights each, w = d (s >> 28 + 1/2) / 4 value; seven
 * bits of s for the signs of eight weights. */
void hk_decode_iq2_xxs(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_IQ2_XXS_BYTES) {
        float d = hk_load_half(b);
        for (size_t sub = 0; sub < 8; sub++) {
            const uint8_t *q = b + 2 + 8 * sub;
            uint32_t s = hk_load_u32(q + 4);
            float scale = d * (0.5f + (float)(s >> 28)) * 0.25f;
            for (size_t k = 0; k < 4; k++)
                decode_iq2_eight(scale, hk_grid_iq2_xxs[q[k]], even_signs(s >> 7 * k),
                                 dst + i + 32 * sub + 8 * k);
        }
    }
}

/* IQ2_XS: { f16 d; u16 q[32]; u8 scales[8] }: eight weights each, nine bits of q for the entry, seven for the
 * signs. w = d (s + 1/2) / 4 value, s a nibble for 16 weights. */
void hk_decode_iq2_xs(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_IQ2_XS_BYTES) {
        float d = hk_load_half(b);
        for (size_t k = 0; k < 32; k++) {
            unsigned q = hk_load_u16(b + 2 + 2 * k), s = (unsigned)b[66 + k / 4] >> 4 * (k / 2 % 2) & 15u;
            float scale = d * (0.5f + (float)s) * 0.25f;
            decode_iq2_eight(scale, hk_grid_iq2_xs[q & 511u], even_signs(q >> 9), dst + i + 8 * k);
        }
    }
}

/* IQ2_S: { f16 d; u8 q[32]; u8 signs[32]; u8 high[8]; u8 scales[8] }: as IQ2_XS, with eight signs and two
 * bits of high on top of q. */
void hk_decode_iq2_s(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_IQ2_S_BYTES) {
        float d = hk_load_half(b);
        for (size_t k = 0; k < 32; k++) {
            unsigned high = (unsigned)b[66 + k / 4] >> 2 * (k % 4) & 3u;
            unsigned s = (unsigned)b[74 + k / 4] >> 4 * (k / 2 % 2) & 15u;
            float scale = d * (0.5f + (float)s) * 0.25f;
            decode_iq2_eight(scale, hk_grid_iq2_s[b[2 + k] | high << 8], b[34 + k], dst + i + 8 * k);
        }
    }
}

/* IQ3_XXS: { f16 d; u8 q[64]; u32 s[8] }: four weights an entry, s as in IQ2_XXS,
 * w = d (s >> 28 + 1/2) / 2 value. */
void hk_decode_iq3_xxs(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_IQ3_XXS_BYTES) {
        float d = hk_load_half(b);
        for (size_t w = 0; w < HK_QK_K; w++) {
            uint32_t s = hk_load_u32(b + 66 + w / 32 * 4);
            float scale = d * (0.5f + (float)(s >> 28)) * 0.5f;
            unsigned number = nibble_number(hk_grid_iq3_xxs[b[2 + w / 4]], w % 4);
            unsigned signs = even_signs(s >> 7 * (w / 8 % 4));
            dst[i + w] = with_sign(scale * (float)iq3_xxs_values[number & 7u], signs, w % 8);
        }
    }
}

/* IQ3_S: { f16 d; u8 q[64]; u8 high[8]; u8 signs[32]; u8 scales[4] }: four weights an entry, whose ninth bit
 * is in high; w = d (2 s + 1) value, s a nibble for 32 weights. */
void hk_decode_iq3_s(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_IQ3_S_BYTES) {
        float d = hk_load_half(b);
        for (size_t w = 0; w < HK_QK_K; w++) {
            unsigned s = (unsigned)b[106 + w / 64] >> 4 * (w / 32 % 2) & 15u;
            unsigned high = (unsigned)b[66 + w / 32] >> w / 4 % 8 & 1u;
            unsigned number = nibble_number(hk_grid_iq3_s[b[2 + w / 4] | high << 8], w % 4);
            float scale = d * (float)(2 * s + 1);
            dst[i + w] = with_sign(scale * (float)(2 * number + 1), b[74 + w / 8], w % 8);
        }
    }
}

/* Eight weights of IQ1: scale (number - 1 +- 1/8). */
static void decode_iq1_eight(float scale, unsigned entry, bool minus, float *dst)
{
    float delta = minus ? -0.125f : 0.125f;
    for (size_t i = 0; i < 8; i++)
        dst[i] = scale * ((float)pair_number(hk_grid_iq1[entry], i) - 1.0f + delta);
}

/* IQ1_S: { f16 d; u8 q[32]; u16 high[8] }: three bits of high on top of each q, then three of a scale
 * d (2 s + 1), then the sign of the 1/8. */
void hk_decode_iq1_s(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_IQ1_S_BYTES) {
        float d = hk_load_half(b);
        for (size_t k = 0; k < 32; k++) {
            unsigned high = hk_load_u16(b + 34 + k / 4 * 2);
            float scale = d * (float)(2 * (high >> 12 & 7u) + 1);
            unsigned entry = b[2 + k] | (high >> 3 * (k % 4) & 7u) << 8;
            decode_iq1_eight(scale, entry, high >> 15, dst + i + 8 * k);
        }
    }
}

/* IQ1_M: { u8 q[32]; u8 high[16]; u16 scales[4] }: a nibble of high for each q, three bits on top of it and
 * the sign of the 1/8; scales d (2 s + 1) of three bits for 16 weights, four in a word, whose topmost nibbles
 * together are d in f16. */
void hk_decode_iq1_m(const void *src, float *dst, size_t n)
{
    const uint8_t *b = src;
    for (size_t i = 0; i < n; i += HK_QK_K, b += HK_IQ1_M_BYTES) {
        unsigned bits = 0;
        for (size_t k = 0; k < 4; k++) bits |= (unsigned)b[49 + 2 * k] >> 4 << 4 * k;
        float d = hk_f16_to_f32((uint16_t)bits);
        for (size_t k = 0; k < 32; k++) {
            unsigned s = (unsigned)hk_load_u16(b + 48 + k / 8 * 2) >> 3 * (k / 2 % 4) & 7u;
            unsigned high = (unsigned)b[32 + k / 2] >> 4 * (k % 2) & 15u;
            decode_iq1_eight(d * (float)(2 * s + 1), b[k] | (high & 7u) << 8, high >> 3, dst + i + 8 * k);
        }
    }
}

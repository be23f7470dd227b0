/* F32, F16, BF16, F64: one number a weight. */

#include "loader/weights/codecs.h"

float hk_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 0x1Fu, mantissa = h & 0x3FFu;
    if (exponent == 31) return hk_bits_float(sign | 0x7F800000u | mantissa << 13); /* infinity, NaN */
    if (exponent != 0) return hk_bits_float(sign | (exponent + 112) << 23 | mantissa << 13);
    float f = (float)mantissa * 0x1p-24f; /* zero and subnormals: exact */
    return sign ? -f : f;
}

uint16_t hk_f32_to_f16(float f)
{
    uint32_t u = hk_float_bits(f), sign = u >> 16 & 0x8000u, a = u & 0x7FFFFFFFu;
    if (a > 0x7F800000u) return (uint16_t)(sign | 0x7E00u);  /* NaN, quiet */
    if (a >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u); /* 65520 and above round to infinity */
    if (a < 0x38800000u) {                                   /* below 2^-14: subnormal, in steps of 2^-24 */
        /* 0.5f + x has an ulp of 2^-24 there, so that the addition itself rounds to nearest even */
        return (uint16_t)(sign | (hk_float_bits(hk_bits_float(a) + 0.5f) - 0x3F000000u));
    }
    uint32_t odd = a >> 13 & 1u;
    return (uint16_t)(sign | (a - 0x38000000u + 0xFFFu + odd) >> 13);
}

float hk_bf16_to_f32(uint16_t h)
{
    return hk_bits_float((uint32_t)h << 16);
}

static uint16_t f32_to_bf16(float f)
{
    uint32_t u = hk_float_bits(f);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(u >> 16 | 64u); /* NaN stays NaN */
    return (uint16_t)((u + 0x7FFFu + (u >> 16 & 1u)) >> 16);
}

void hk_decode_f32(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = hk_bits_float(hk_load_u32(p + 4 * i));
}

void hk_encode_f32(const float *src, void *dst, size_t n)
{
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++) hk_store_u32(p + 4 * i, hk_float_bits(src[i]));
}

void hk_decode_f16(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = hk_load_half(p + 2 * i);
}

void hk_encode_f16(const float *src, void *dst, size_t n)
{
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++) hk_store_u16(p + 2 * i, hk_f32_to_f16(src[i]));
}

void hk_decode_bf16(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) dst[i] = hk_bf16_to_f32(hk_load_u16(p + 2 * i));
}

void hk_encode_bf16(const float *src, void *dst, size_t n)
{
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++) hk_store_u16(p + 2 * i, f32_to_bf16(src[i]));
}

/* Rounded to f32, which is what the device has. Beyond its range: infinity. */
void hk_decode_f64(const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) {
        uint64_t u = (uint64_t)hk_load_u32(p + 8 * i) | (uint64_t)hk_load_u32(p + 8 * i + 4) << 32;
        double d;
        memcpy(&d, &u, sizeof d);
        dst[i] = (float)d;
    }
}

void hk_encode_f64(const float *src, void *dst, size_t n)
{
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++) {
        double d = (double)src[i];
        uint64_t u;
        memcpy(&u, &d, sizeof u);
        hk_store_u32(p + 8 * i, (uint32_t)u);
        hk_store_u32(p + 8 * i + 4, (uint32_t)(u >> 32));
    }
}

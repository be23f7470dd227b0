/* The reference codecs behind the rows of types.c, and what they share. A decoder takes n weights, a
 * multiple of the type's block_len, from blocks at `src` (any alignment) to `dst`; an encoder the other way.
 * Values are exact: those of gguf-py's dequantize, bit for bit (tests/make_weight_goldens.py). */
#ifndef HEKLA_LOADER_WEIGHT_CODECS_H
#define HEKLA_LOADER_WEIGHT_CODECS_H

#include "loader/weights/types.h"

#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT                                                                                     \
    OFF /* a fused multiply-add would round differently (gcc does not fuse under -std=c11) */
#endif

enum { HK_QK = 32, HK_QK_NVFP4 = 64, HK_QK_K = 256 }; /* weights in a block; HK_QK_K: of the K and IQ types */

static inline uint32_t hk_float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float hk_bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline float hk_load_half(const uint8_t *p)
{
    return hk_f16_to_f32(hk_load_u16(p));
}

/* Bytes of a block. */
enum {
    HK_Q8_0_BYTES = 2 + HK_QK,
    HK_F8_BYTES = 2 + HK_QK,
    HK_Q4_0_BYTES = 2 + HK_QK / 2,
    HK_Q4_1_BYTES = 4 + HK_QK / 2,
    HK_Q5_0_BYTES = 2 + 4 + HK_QK / 2,
    HK_Q5_1_BYTES = 4 + 4 + HK_QK / 2,
    HK_IQ4_NL_BYTES = 2 + HK_QK / 2,
    HK_MXFP4_BYTES = 1 + HK_QK / 2,
    HK_Q2_K_BYTES = HK_QK_K / 16 + HK_QK_K / 4 + 4,
    HK_Q3_K_BYTES = HK_QK_K / 8 + HK_QK_K / 4 + 12 + 2,
    HK_Q4_K_BYTES = 4 + 12 + HK_QK_K / 2,
    HK_Q5_K_BYTES = 4 + 12 + HK_QK_K / 8 + HK_QK_K / 2,
    HK_Q6_K_BYTES = HK_QK_K / 2 + HK_QK_K / 4 + HK_QK_K / 16 + 2,
    HK_IQ4_XS_BYTES = 2 + 2 + HK_QK_K / 64 + HK_QK_K / 2,
    HK_NVFP4_BYTES = HK_QK_NVFP4 / 16 + HK_QK_NVFP4 / 2,
    HK_TQ1_0_BYTES = 52 + 2,
    HK_TQ2_0_BYTES = HK_QK_K / 4 + 2,
    HK_IQ2_XXS_BYTES = 2 + HK_QK_K / 4,
    HK_IQ2_XS_BYTES = 2 + HK_QK_K / 4 + HK_QK_K / 32,
    HK_IQ2_S_BYTES = 2 + HK_QK_K / 4 + HK_QK_K / 16,
    HK_IQ3_XXS_BYTES = 2 + HK_QK_K / 4 + HK_QK_K / 8,
    HK_IQ3_S_BYTES = 2 + HK_QK_K / 4 + HK_QK_K / 32 + HK_QK_K / 8 + HK_QK_K / 64,
    HK_IQ1_S_BYTES = 2 + HK_QK_K / 8 + HK_QK_K / 16,
    HK_IQ1_M_BYTES = HK_QK_K / 8 + HK_QK_K / 16 + HK_QK_K / 32,
};

/* plain.c: one number a weight */
void hk_decode_f32(const void *src, float *dst, size_t n);
void hk_encode_f32(const float *src, void *dst, size_t n);
void hk_decode_f16(const void *src, float *dst, size_t n);
void hk_encode_f16(const float *src, void *dst, size_t n);
void hk_decode_bf16(const void *src, float *dst, size_t n);
void hk_encode_bf16(const float *src, void *dst, size_t n);
void hk_decode_f64(const void *src, float *dst, size_t n);
void hk_encode_f64(const float *src, void *dst, size_t n);

/* blocks.c: blocks of 32 and their scale; NVFP4, 64,; IQ4_XS for its codebook */
void hk_decode_q8_0(const void *src, float *dst, size_t n);
void hk_encode_q8_0(const float *src, void *dst, size_t n);
void hk_decode_q4_0(const void *src, float *dst, size_t n);
void hk_encode_q4_0(const float *src, void *dst, size_t n);
void hk_decode_q4_1(const void *src, float *dst, size_t n);
void hk_encode_q4_1(const float *src, void *dst, size_t n);
void hk_decode_q5_0(const void *src, float *dst, size_t n);
void hk_encode_q5_0(const float *src, void *dst, size_t n);
void hk_decode_q5_1(const void *src, float *dst, size_t n);
void hk_encode_q5_1(const float *src, void *dst, size_t n);
void hk_decode_iq4_nl(const void *src, float *dst, size_t n);
void hk_encode_iq4_nl(const float *src, void *dst, size_t n);
void hk_decode_iq4_xs(const void *src, float *dst, size_t n);
void hk_decode_mxfp4(const void *src, float *dst, size_t n);
void hk_encode_mxfp4(const float *src, void *dst, size_t n);
void hk_decode_nvfp4(const void *src, float *dst, size_t n);
void hk_decode_f8_e4m3(const void *src, float *dst, size_t n);

/* kquants.c: blocks of 256 with scales of their sub-blocks */
void hk_decode_q2_k(const void *src, float *dst, size_t n);
void hk_decode_q3_k(const void *src, float *dst, size_t n);
void hk_decode_q4_k(const void *src, float *dst, size_t n);
void hk_encode_q4_k(const float *src, void *dst, size_t n);
void hk_decode_q5_k(const void *src, float *dst, size_t n);
void hk_encode_q5_k(const float *src, void *dst, size_t n);
void hk_decode_q6_k(const void *src, float *dst, size_t n);
void hk_encode_q6_k(const float *src, void *dst, size_t n);
void hk_decode_tq1_0(const void *src, float *dst, size_t n);
void hk_decode_tq2_0(const void *src, float *dst, size_t n);

/* iquants.c: blocks of 256, entries of a codebook */
void hk_decode_iq2_xxs(const void *src, float *dst, size_t n);
void hk_decode_iq2_xs(const void *src, float *dst, size_t n);
void hk_decode_iq2_s(const void *src, float *dst, size_t n);
void hk_decode_iq3_xxs(const void *src, float *dst, size_t n);
void hk_decode_iq3_s(const void *src, float *dst, size_t n);
void hk_decode_iq1_s(const void *src, float *dst, size_t n);
void hk_decode_iq1_m(const void *src, float *dst, size_t n);

/* grids.c: their codebooks. An entry is eight numbers of two bits (IQ1, IQ2) or four in nibbles (IQ3),
 * the first in the lowest bits. */
extern const uint16_t hk_grid_iq1[2048], hk_grid_iq2_xxs[256], hk_grid_iq2_xs[512], hk_grid_iq2_s[1024];
extern const uint16_t hk_grid_iq3_xxs[256], hk_grid_iq3_s[512];

#endif

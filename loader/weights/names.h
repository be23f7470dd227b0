/* Weight types by name: the public part of the table in types.h. */
#ifndef HEKLA_LOADER_WEIGHT_NAMES_H
#define HEKLA_LOADER_WEIGHT_NAMES_H

#include "loader/api.h"

enum hk_weight_type {
    HK_F32,
    HK_F16,
    HK_BF16,
    HK_F64,
    HK_Q8_0,
    HK_Q4_0,
    HK_Q4_1,
    HK_Q5_0,
    HK_Q5_1,
    HK_Q2_K,
    HK_Q3_K,
    HK_Q4_K,
    HK_Q5_K,
    HK_Q6_K,
    HK_IQ4_NL,
    HK_IQ4_XS,
    HK_MXFP4,
    HK_NVFP4,
    HK_F8_E4M3, /* no GGUF file has it: what FP8 folders become */
    HK_TQ1_0,
    HK_TQ2_0,
    HK_IQ2_XXS,
    HK_IQ2_XS,
    HK_IQ2_S,
    HK_IQ3_XXS,
    HK_IQ3_S,
    HK_IQ1_S,
    HK_IQ1_M,
    HK_WEIGHT_TYPE_COUNT
};

/* "q8_0", ...; a static string. type < HK_WEIGHT_TYPE_COUNT. */
HK_API const char *hk_weight_type_name(enum hk_weight_type type);
/* The type of that name; HK_WEIGHT_TYPE_COUNT where there is none. */
HK_API enum hk_weight_type hk_weight_type_by_name(const char *name);
/* Whether a matrix of that type may become another one while a model is opened: floats, each with an exponent
 * of its own, not codes that somebody chose to lose the least. */
HK_API bool hk_weight_type_is_float(enum hk_weight_type type);
/* Whether such matrices can become that type: blocks that have an encoder. */
HK_API bool hk_weight_type_quantizes(enum hk_weight_type type);

/* "f32, f16, ...": the names of all types, of those that GGUF files have, or of those that quantize. Cut
 * where capacity ends; HK_WEIGHT_LIST is enough. Returns out. */
enum hk_weight_set { HK_WEIGHTS_ALL, HK_WEIGHTS_OF_GGUF, HK_WEIGHTS_QUANTIZING };
enum { HK_WEIGHT_LIST = 10 * HK_WEIGHT_TYPE_COUNT };
HK_API const char *hk_weight_type_list(enum hk_weight_set set, char *out, size_t capacity);

#endif

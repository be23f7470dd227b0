/* THE table of weight types: how a row of weights is stored in a file, and the reference codec for it.
 *
 * The block formats are those of ggml, as GGUF files have them; the codecs' comments give them
 * (plain.c, blocks.c, kquants.c, iquants.c). A row of `cols` weights is cols /
 * block_len blocks. */
#ifndef HEKLA_LOADER_WEIGHT_TYPES_H
#define HEKLA_LOADER_WEIGHT_TYPES_H

#include "loader/base.h"

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

/* One field of a file block, as the device keeps it: a plane of its own (see runtime/weight_layout.h). */
struct hk_block_field {
    uint32_t offset, bytes; /* within the file's block */
    uint32_t unit;          /* what a lane reads at a time: 16 or 4 bytes, of which bytes is a multiple; or 2
                               or 1, which bytes is too: several blocks share a 32-bit word */
};

enum { HK_MAX_PLANES = 4, HK_MAX_BLOCK_HALVES = 2 };

struct hk_weight_type_info {
    const char *name;     /* "q8_0": the name in --quant, in `info` and of shaders/weight/<name>.glsl */
    uint32_t gguf_id;     /* ggml_type in GGUF files, or HK_NO_GGUF_ID */
    const char *st_name;  /* dtype in safetensors, or NULL */
    uint32_t block_len;   /* weights in a block, in the file */
    uint32_t block_bytes; /* bytes of a block, in the file */
    /* The device's view of the same bytes: for the block types the fields of a block; for F32/F16/BF16 a
     * "block" of pack_len weights is one 16-byte word. Ends at the first field of 0 bytes. pack_len 0: the
     * device has no such type, and matrices become f32 when they are loaded. */
    uint32_t pack_len, pack_bytes;
    struct hk_block_field fields[HK_MAX_PLANES];
    const uint16_t *grid; /* the codebook, a plane of its own after those of the fields; or NULL */
    uint32_t grid_len;
    /* Where a block's f16 scales lie, n_halves of them: random blocks need numbers there. (IQ1_M's is in four
     * pieces, and none of these.) */
    uint32_t n_halves, half_at[HK_MAX_BLOCK_HALVES];
    /* n weights (a multiple of block_len) from src to dst, and back. encode is NULL where there is none. */
    void (*decode)(const void *src, float *dst, size_t n);
    void (*encode)(const float *src, void *dst, size_t n);
};

#define HK_NO_GGUF_ID UINT32_MAX

const struct hk_weight_type_info *hk_weight_type_info(enum hk_weight_type type);
/* By name ("q8_0"), by GGUF id, by safetensors dtype; HK_WEIGHT_TYPE_COUNT where there is none. */
enum hk_weight_type hk_weight_type_by_name(const char *name);
enum hk_weight_type hk_weight_type_by_gguf_id(uint32_t id);
enum hk_weight_type hk_weight_type_by_st_name(const char *name, size_t len);

/* "f32, f16, ...": the names of all types, of those that GGUF files have, or of those that --quant takes:
 * blocks that have an encoder. Cut where capacity ends; HK_WEIGHT_LIST is enough. Returns out. */
enum hk_weight_set { HK_WEIGHTS_ALL, HK_WEIGHTS_OF_GGUF, HK_WEIGHTS_QUANTIZING };
enum { HK_WEIGHT_LIST = 10 * HK_WEIGHT_TYPE_COUNT };
const char *hk_weight_type_list(enum hk_weight_set set, char *out, size_t capacity);
/* Whether --quant takes it. */
bool hk_weight_type_quantizes(enum hk_weight_type type);

/* Bytes of `rows` rows of `cols` weights in the file's form. False when cols is no multiple of block_len or
 * the size does not fit. */
bool hk_weight_bytes(enum hk_weight_type type, uint64_t rows, uint64_t cols, uint64_t *bytes);

/* Whether a matrix of that type may become another one: floats, each with an exponent of its own, not codes
 * that somebody chose to lose the least. */
static inline bool hk_weight_is_float(const struct hk_weight_type_info *info)
{
    return info->block_len == 1 || info->gguf_id == HK_NO_GGUF_ID;
}

/* Whether the device has the type; what it has not is f32 there. */
static inline bool hk_weight_on_device(const struct hk_weight_type_info *info)
{
    return info->pack_len != 0;
}

float hk_f16_to_f32(uint16_t h);
uint16_t hk_f32_to_f16(float f); /* round to nearest even */
float hk_bf16_to_f32(uint16_t h);

#endif

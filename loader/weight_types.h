/* THE table of weight types: how a row of weights is stored in a file, and the reference codec for it.
 *
 * The block formats of Q8_0, Q4_0, Q4_K and Q6_K are those of the GGUF specification
 * (ggml's block_q8_0, block_q4_0, block_q4_K, block_q6_K). A row of `cols` weights is cols / block_len
 * blocks. */
#ifndef HEKLA_LOADER_WEIGHT_TYPES_H
#define HEKLA_LOADER_WEIGHT_TYPES_H

#include "base.h"

enum hk_weight_type { HK_F32, HK_F16, HK_BF16, HK_Q8_0, HK_Q4_0, HK_Q4_K, HK_Q6_K, HK_WEIGHT_TYPE_COUNT };

/* One field of a file block, as the device keeps it: a plane of its own (see runtime/weight_layout.h). */
struct hk_block_field {
    uint32_t offset, bytes; /* within the file's block; bytes is 2 or a multiple of 16 */
};

enum { HK_MAX_PLANES = 4 };

struct hk_weight_type_info {
    const char *name;     /* "q8_0": the name in --quant, in `info` and of shaders/weight/<name>.glsl */
    uint32_t gguf_id;     /* ggml_type in GGUF files */
    const char *st_name;  /* dtype in safetensors, or NULL */
    uint32_t block_len;   /* weights in a block, in the file */
    uint32_t block_bytes; /* bytes of a block, in the file */
    /* The device's view of the same bytes: for the block types the fields of a block; for F32/F16/BF16 a
     * "block" of pack_len weights is one 16-byte word. Ends at the first field of 0 bytes. */
    uint32_t pack_len, pack_bytes;
    struct hk_block_field fields[HK_MAX_PLANES];
    /* n weights (a multiple of block_len) from src to dst, and back. encode is NULL where there is none. */
    void (*decode)(const void *src, float *dst, size_t n);
    void (*encode)(const float *src, void *dst, size_t n);
};

const struct hk_weight_type_info *hk_weight_type_info(enum hk_weight_type type);
/* By name ("q8_0"), by GGUF id, by safetensors dtype; HK_WEIGHT_TYPE_COUNT where there is none. */
enum hk_weight_type hk_weight_type_by_name(const char *name);
enum hk_weight_type hk_weight_type_by_gguf_id(uint32_t id);
enum hk_weight_type hk_weight_type_by_st_name(const char *name, size_t len);

/* Bytes of `rows` rows of `cols` weights in the file's form. False when cols is no multiple of block_len or
 * the size does not fit. */
bool hk_weight_bytes(enum hk_weight_type type, uint64_t rows, uint64_t cols, uint64_t *bytes);

float hk_f16_to_f32(uint16_t h);
uint16_t hk_f32_to_f16(float f); /* round to nearest even */
float hk_bf16_to_f32(uint16_t h);

#endif

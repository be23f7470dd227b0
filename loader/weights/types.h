/* THE table of weight types: how a row of weights is stored in a file, and the reference codec for it.
 *
 * The block formats are those of ggml, as GGUF files have them; the codecs' comments give them
 * (plain.c, blocks.c, kquants.c, iquants.c). A row of `cols` weights is cols /
 * block_len blocks. */
#ifndef HEKLA_LOADER_WEIGHT_TYPES_H
#define HEKLA_LOADER_WEIGHT_TYPES_H

#include "loader/base.h"
#include "loader/weights/names.h"

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
/* By GGUF id, by safetensors dtype; HK_WEIGHT_TYPE_COUNT where there is none. */
enum hk_weight_type hk_weight_type_by_gguf_id(uint32_t id);
enum hk_weight_type hk_weight_type_by_st_name(const char *name, size_t len);

/* Bytes of `rows` rows of `cols` weights in the file's form. False when cols is no multiple of block_len or
 * the size does not fit. */
bool hk_weight_bytes(enum hk_weight_type type, uint64_t rows, uint64_t cols, uint64_t *bytes);

/* Whether the device has the type; what it has not is f32 there. */
static inline bool hk_weight_on_device(const struct hk_weight_type_info *info)
{
    return info->pack_len != 0;
}

float hk_f16_to_f32(uint16_t h);
uint16_t hk_f32_to_f16(float f); /* round to nearest even */
float hk_bf16_to_f32(uint16_t h);

#endif

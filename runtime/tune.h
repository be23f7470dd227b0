/* Device capabilities -> which variant of a kernel runs. The only file with knowledge of devices. */
#ifndef HEKLA_RUNTIME_TUNE_H
#define HEKLA_RUNTIME_TUNE_H

#include "gpu.h"
#include "weight_layout.h"

/* How a matmul is carried out: by matvec.comp (a lane owns rows) or by matmul.comp (tiles in shared memory,
 * for many tokens), and the specialization constants. */
struct matmul_variant {
    uint32_t tiled;      /* 0: matvec.comp, 1: matmul.comp, to which only `tokens` matters */
    uint32_t lanes;      /* workgroup size */
    uint32_t tile_lanes; /* lanes that share a tile of 32 rows */
    uint32_t tiles;      /* tiles of a lane */
    uint32_t tokens;     /* tokens for which a weight is decoded once */
};
struct matmul_variant tune_matmul(const struct gpu_caps *caps, const struct hk_weight_layout *w,
                                  uint32_t n_tokens);

/* What tuner.c tries for that many tokens, all within the device's limits; the first is the plainest, to
 * which the results of the others are compared. Returns how many. */
enum { TUNE_MAX_CANDIDATES = 16 };
uint32_t tune_matmul_candidates(const struct gpu_caps *caps, uint32_t n_tokens,
                                struct matmul_variant out[TUNE_MAX_CANDIDATES]);

/* Tokens that are worth computing together: a prompt's chunk. */
uint32_t tune_batch(const struct gpu_caps *caps);

/* Workgroup size for a kernel whose lanes take columns in turn: a power of two, at least 32. */
uint32_t tune_row_lanes(const struct gpu_caps *caps, uint32_t cols);
/* Workgroup size of attention.comp: a multiple of 32 that has room for a head's words. */
uint32_t tune_attention_lanes(const struct gpu_caps *caps, uint32_t head_words);

#endif

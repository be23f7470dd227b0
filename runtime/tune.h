/* Device capabilities -> which variant of a kernel runs. The only file with knowledge of devices. */
#ifndef HEKLA_RUNTIME_TUNE_H
#define HEKLA_RUNTIME_TUNE_H

#include "runtime/gpu/gpu.h"
#include "runtime/weight_layout.h"

/* How a matmul is carried out: the kernel, and its specialization constants. */
enum matmul_kind {
    MATMUL_MATVEC,  /* matvec.comp: a lane owns rows */
    MATMUL_TILES,   /* matmul.comp: tiles in shared memory, for many tokens */
    MATMUL_COOPMAT, /* matmul_coopmat.comp: the same by cooperative matrices */
};
struct matmul_variant {
    uint32_t kind;       /* enum matmul_kind */
    uint32_t lanes;      /* workgroup size */
    uint32_t tile_lanes; /* matvec: lanes that share a tile of 32 rows; else 0 */
    uint32_t tiles;      /* tiles of 32 rows that a lane has; tiles, coopmat: that a workgroup has */
    uint32_t tokens;     /* tokens for which a weight is decoded once */
};
struct matmul_variant tune_matmul(const struct hk_device_caps *caps, const struct hk_weight_layout *w,
                                  uint32_t n_tokens);

/* What tuner.c tries for that many tokens, all within the device's limits; the first is the plainest, to
 * which the results of the others are compared. Returns how many. */
enum { TUNE_MAX_CANDIDATES = 20 };
uint32_t tune_matmul_candidates(const struct hk_device_caps *caps, uint32_t n_tokens,
                                struct matmul_variant out[TUNE_MAX_CANDIDATES]);

/* Normalised mean squared error that a variant may have against the plainest. */
double tune_matmul_limit(const struct matmul_variant *v);

/* How many matrices of coopmat_m rows and coopmat_n tokens a subgroup takes in matmul_coopmat.comp, so that
 * the workgroup's subgroups (lanes / subgroup_size of them) share its rows and tokens. */
struct coopmat_share {
    uint32_t rows, tokens;
};
struct coopmat_share tune_coopmat_share(const struct hk_device_caps *caps, const struct matmul_variant *v);

/* The variant's specialization constants, number 0 first, as its kernel declares them. Returns how many. */
uint32_t tune_matmul_spec(const struct hk_device_caps *caps, const struct matmul_variant *v,
                          uint32_t out[GPU_MAX_SPEC]);

/* Tokens that are worth computing together: a prompt's chunk. */
uint32_t tune_batch(const struct hk_device_caps *caps);

/* Workgroup size for a kernel whose lanes take columns in turn: a power of two, at least 32. */
uint32_t tune_row_lanes(const struct hk_device_caps *caps, uint32_t cols);
/* Workgroup size of attention.comp: a multiple of 32 that has room for a head's words. */
uint32_t tune_attention_lanes(const struct hk_device_caps *caps, uint32_t head_words);

#endif

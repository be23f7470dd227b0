/* What ops work on: matrices of activations, weights, and a layer's KV cache. Plain values; memory belongs to
 * arenas. */
#ifndef HEKLA_RUNTIME_TENSOR_H
#define HEKLA_RUNTIME_TENSOR_H

#include "runtime/weight_layout.h"

/* A matrix (rows, cols) of 32-bit values: float activations, or uint32 ids and positions. Row r begins at
 * addr + 4 * r * ld. Activations that a matmul reads have rows padded with zeros to a multiple of 32
 * (HK_ROW_ALIGN) columns, 16-byte aligned: kernels read whole words past `cols` and rely on finite values
 * there. */
struct hk_tensor {
    uint64_t addr; /* device address; on the reference backend a host pointer */
    uint32_t rows, cols;
    uint32_t ld; /* leading dimension: elements from row to row */
};
enum { HK_ROW_ALIGN = 32 };

static inline bool hk_tensor_given(const struct hk_tensor *t)
{
    return t->rows != 0;
}

/* Columns first..first+cols of t: a view. */
static inline struct hk_tensor hk_tensor_cols(struct hk_tensor t, uint32_t first, uint32_t cols)
{
    t.addr += 4ull * first;
    t.cols = cols;
    return t;
}

/* The first `rows` rows of t: a view. */
static inline struct hk_tensor hk_tensor_rows(struct hk_tensor t, uint32_t rows)
{
    t.rows = rows;
    return t;
}

/* Bytes from the first to the last element. */
static inline uint64_t hk_tensor_extent(const struct hk_tensor *t)
{
    return t->rows ? 4ull * ((uint64_t)(t->rows - 1) * t->ld + t->cols) : 0;
}

/* A weight matrix (rows = outputs, cols = inputs), packed for the backend (weight_layout.h; the reference
 * backend keeps the file's blocks). rows == 0: the checkpoint has none. */
struct hk_weight {
    const char *name; /* the checkpoint's tensor */
    struct hk_weight_layout layout;
    uint32_t rows, cols;
    struct hk_tensor order; /* (1, cols) of uint32: which input each column multiplies; absent: its own */
    uint64_t addr;
    uint64_t scale; /* address of a float: what is packed, times this, are the weights; 0: 1 */
    /* Experts: n_experts matrices of this shape, `stride` bytes from one to the next, and a scale each, one after the
     * other. 0: one matrix. Ops take one of them: hk_weight_expert. */
    uint32_t n_experts;
    uint64_t stride;
};

/* The matrix of expert e < w->n_experts: a view. */
static inline struct hk_weight hk_weight_expert(const struct hk_weight *w, uint32_t e)
{
    struct hk_weight one = *w;
    one.addr += w->stride * e;
    if (w->scale) one.scale += sizeof(float) * e;
    one.n_experts = 0;
    return one;
}

/* Matrices that read the same input, their outputs one after the other: q, k and v; gate and up. Where types
 * and rows allow, one matrix on the device (and one dispatch); else several. bias (1, rows) or absent. */
enum { HK_STACK_PARTS = 3 };
struct hk_stack {
    struct hk_weight part[HK_STACK_PARTS];
    uint32_t n, rows;
    struct hk_tensor bias;
};

/* One layer's keys and values, n_rows of them (a multiple of 32), in blocks of 32. Which row a position has: struct
 * hk_places.
 * A head's vector is head_words 16-byte words: 8 f16 or 4 f32 each, zero-padded.
 *   k: uvec4 [n_head_kv][n_rows / 32][head_words][32]   interleaved by row, as weights are
 *   v: uvec4 [n_head_kv][n_rows][head_words] */
struct hk_kv {
    uint64_t k, v;
    uint32_t n_head_kv, head_dim, head_words, n_rows;
    bool f16;
};
enum { HK_BLOCK_ROWS = 32 };
/* Where a step's T tokens are in their sequences, and those in the cache. Position p of token t's sequence is row
 * blocks[table[t] + p / HK_BLOCK_ROWS] * HK_BLOCK_ROWS + p % HK_BLOCK_ROWS. */
struct hk_places {
    struct hk_tensor pos;    /* (1, T) positions; UINT32_MAX: an inactive token */
    struct hk_tensor row;    /* (1, T) rows that the tokens' keys and values go to; UINT32_MAX: nowhere */
    struct hk_tensor table;  /* (1, T) where in blocks the table of a token's sequence begins */
    struct hk_tensor blocks; /* (1, n) tables, one after the other */
};
enum { HK_MAX_HEAD_DIM = 256 }; /* attention.comp keeps a query head in shared memory */
static inline uint32_t hk_kv_head_words(uint32_t head_dim, bool f16)
{
    uint32_t per_word = f16 ? 8 : 4;
    return (head_dim + per_word - 1) / per_word;
}
static inline uint64_t hk_kv_plane_bytes(uint32_t n_head_kv, uint32_t head_words, uint32_t n_rows)
{
    return 16ull * n_head_kv * head_words * n_rows;
}

#endif

/* clang-format off */
/* One struct per kernel: its push constants. Included by C and by GLSL, so that both sides read the same layout.
 *
 * Only 32-bit members and hk_addr (a device address as two 32-bit words, low first: shaderInt64 is not needed).
 * hk_addr members come first, so that every offset is naturally aligned. At most 128 bytes. */
#ifndef HEKLA_SHADERS_ARGS_H
#define HEKLA_SHADERS_ARGS_H

#ifdef __STDC_VERSION__
#include <stdint.h>
struct hk_addr {
    uint32_t lo, hi;
};
#define HK_ARGS_BEGIN(name) struct name {
#define HK_ARGS_END };
#define HK_ADDR struct hk_addr
#define HK_U32  uint32_t
#define HK_F32T float
#else
/* In GLSL too these are plain structs; a kernel says HK_PUSH(its_args) once and reads args.member. */
#define HK_ARGS_BEGIN(name) struct name {
#define HK_ARGS_END };
#define HK_PUSH(name) layout(push_constant, std430) uniform push_constants { name args; }
#define HK_ADDR uvec2
#define HK_U32  uint
#define HK_F32T float
#endif

/* matvec.comp: y[t][row] = (accumulate ? y[t][row] : 0) + bias[row] + scale * sum_k W[row][k] x[t][k] */
HK_ARGS_BEGIN(matvec_args)
HK_ADDR w0; HK_ADDR w1; HK_ADDR w2; HK_ADDR w3; /* the weight's planes, runtime/weight_layout.h; unused ones 0 */
HK_ADDR x; HK_ADDR y;                           /* float (n_tokens, x_ld) and (n_tokens, y_ld), rows 16-byte aligned */
HK_ADDR bias;                                   /* float (rows), or address 0 */
HK_ADDR scale;                                  /* one float, or address 0: 1 */
HK_U32 rows; HK_U32 n_blocks;                   /* as in struct hk_weight_layout */
HK_U32 x_ld; HK_U32 y_ld;                       /* floats from row to row, multiples of 4 */
HK_U32 n_tokens; HK_U32 accumulate;             /* accumulate: 0 or 1 */
HK_ARGS_END

/* embed.comp: dst[t] = (accumulate ? dst[t] : 0) + scale * W[ids[t]]; an id >= rows gives zeros */
HK_ARGS_BEGIN(embed_args)
HK_ADDR w0; HK_ADDR w1; HK_ADDR w2; HK_ADDR w3;
HK_ADDR dst; HK_ADDR ids;                       /* float (n_tokens, dst_ld), uint (n_tokens) */
HK_ADDR scale;                                  /* one float, or address 0: 1 */
HK_U32 rows; HK_U32 cols; HK_U32 n_blocks;
HK_U32 dst_ld; HK_U32 n_tokens; HK_U32 accumulate;
HK_ARGS_END

/* norm.comp: dst[t] = normalise(x[t]) * gain (+ bias), of each cols columns by themselves */
HK_ARGS_BEGIN(norm_args)
HK_ADDR dst; HK_ADDR x; HK_ADDR gain; HK_ADDR bias; /* bias: or address 0 */
HK_U32 cols; HK_U32 dst_ld; HK_U32 x_ld; HK_F32T eps;
HK_ARGS_END

/* rope.comp: rotates pairs of x in place */
HK_ARGS_BEGIN(rope_args)
HK_ADDR x; HK_ADDR table; HK_ADDR pos;     /* float (n_tokens, x_ld), float (table_rows, 2 * half), uint (n_tokens) */
HK_U32 x_ld; HK_U32 n_pairs; HK_U32 half_dim; /* n_pairs = heads * half_dim */
HK_U32 head_dim; HK_U32 table_rows; HK_U32 interleaved;
HK_ARGS_END

/* kv_write.comp: kv[row[t]] = (k[t], v[t]), struct hk_kv's layout; a row beyond n_rows: nothing */
HK_ARGS_BEGIN(kv_write_args)
HK_ADDR k_cache; HK_ADDR v_cache; HK_ADDR k; HK_ADDR v;
HK_ADDR row;                                    /* uint (n_tokens) */
HK_U32 ld; HK_U32 n_head_kv; HK_U32 head_dim; HK_U32 head_words; HK_U32 n_rows;
HK_ARGS_END

/* kv_copy.comp: block to[i] of the cache = block from[i]; a pair (from, to) with a block beyond n_blocks: nothing */
HK_ARGS_BEGIN(kv_copy_args)
HK_ADDR k_cache; HK_ADDR v_cache;
HK_ADDR pairs;                                  /* uint (n, 2) */
HK_U32 n_head_kv; HK_U32 block_words; HK_U32 n_blocks; /* 16-byte words of a head in a block */
HK_ARGS_END

/* attention.comp: one workgroup a head and token */
HK_ARGS_BEGIN(attention_args)
HK_ADDR k_cache; HK_ADDR v_cache; HK_ADDR q; HK_ADDR dst;
HK_ADDR lse;                                    /* float (n_tokens, lse_ld), or address 0 */
HK_ADDR pos; HK_ADDR table; HK_ADDR blocks;     /* uint (n_tokens) each; uint (n): the tables of blocks, kv.glsl */
HK_U32 q_ld; HK_U32 dst_ld; HK_U32 lse_ld;
HK_U32 group;                                   /* query heads that share a key head */
HK_U32 head_dim; HK_U32 head_words; HK_U32 n_rows; HK_F32T scale;
HK_U32 window;                                  /* how many positions a token sees, 0: all up to its own */
HK_ARGS_END

/* activate.comp: dst = f(x) (* y, where given) */
HK_ARGS_BEGIN(activate_args)
HK_ADDR dst; HK_ADDR x; HK_ADDR y;
HK_U32 cols; HK_U32 dst_ld; HK_U32 x_ld; HK_U32 y_ld;
HK_ARGS_END

/* select.comp: dst[i] = x[idx[i]], or dst[i][c] = x[i][idx[c]]; n_from: rows or columns of x */
HK_ARGS_BEGIN(select_args)
HK_ADDR dst; HK_ADDR x; HK_ADDR idx;
HK_U32 cols; HK_U32 dst_ld; HK_U32 x_ld; HK_U32 n_from;
HK_ARGS_END

/* argmax.comp: dst[i] = the first index of the largest of x[i] */
HK_ARGS_BEGIN(argmax_args)
HK_ADDR dst; HK_ADDR x;
HK_U32 cols; HK_U32 x_ld;
HK_ARGS_END

/* scale_add.comp: dst[i] = src[i] * factor + term, repeats times over; factor is params[0] where given */
HK_ARGS_BEGIN(scale_add_args)
HK_ADDR dst; HK_ADDR src; HK_ADDR params;  /* uint (n), uint (n), uint (1) or address 0 */
HK_U32 n; HK_U32 factor; HK_U32 term; HK_U32 repeats;
HK_ARGS_END

/* read.comp: reads n_words 16-byte words */
HK_ARGS_BEGIN(read_args)
HK_ADDR src; HK_ADDR dst;
HK_U32 n_words;
HK_ARGS_END

/* clang-format on */
#endif

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

/* matvec.comp: y[t][row] = (accumulate ? y[t][row] : 0) + bias[row] + sum_k W[row][k] x[t][k] */
HK_ARGS_BEGIN(matvec_args)
HK_ADDR w0; HK_ADDR w1; HK_ADDR w2; HK_ADDR w3; /* the weight's planes, runtime/weight_layout.h; unused ones 0 */
HK_ADDR x; HK_ADDR y;                           /* float (n_tokens, x_ld) and (n_tokens, y_ld), rows 16-byte aligned */
HK_ADDR bias;                                   /* float (rows), or address 0 */
HK_U32 rows; HK_U32 n_blocks;                   /* as in struct hk_weight_layout */
HK_U32 x_ld; HK_U32 y_ld;                       /* floats from row to row, multiples of 4 */
HK_U32 n_tokens; HK_U32 accumulate;             /* accumulate: 0 or 1 */
HK_ARGS_END

/* embed.comp: dst[t] = (accumulate ? dst[t] : 0) + W[ids[t]]; an id >= rows gives zeros */
HK_ARGS_BEGIN(embed_args)
HK_ADDR w0; HK_ADDR w1; HK_ADDR w2; HK_ADDR w3;
HK_ADDR dst; HK_ADDR ids;                       /* float (n_tokens, dst_ld), uint (n_tokens) */
HK_U32 rows; HK_U32 cols; HK_U32 n_blocks;
HK_U32 dst_ld; HK_U32 n_tokens; HK_U32 accumulate;
HK_ARGS_END

#endif

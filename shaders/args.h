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
#define HK_ARGS_BEGIN(name) layout(push_constant, std430) uniform name {
#define HK_ARGS_END } args;
#define HK_ADDR uvec2
#define HK_U32  uint
#define HK_F32T float
#endif

#endif

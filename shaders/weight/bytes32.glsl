// The quants of blocks of 32 weights of eight bits: 32 bytes in order. A type's file says of scales what scaled32.glsl asks
// for, and defines before it includes this
//   vec4 byte_values(uint q)    the weights before the scale of the four bytes of q
const uint QUANT_BYTES = 32u;
#include "weight/scaled32.glsl"

void scaled_block(uint b, uint n, vec2 scale[HK_ROWS])
{
    HK_EACH_ROW hk_begin(r, scale[r].x);
    [[unroll]] for (uint i = 0u; i < 2u; i++) {
        uvec4 q[HK_ROWS];
        HK_EACH_ROW q[r] = hk_word(hk_tile(r).p0, r, 2u * b, 2u * n + i);
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            HK_EACH_ROW hk_use(r, b * 8u, n * 8u + i * 4u + j, byte_values(q[r][j]));
    }
    HK_EACH_ROW hk_end(r);
}

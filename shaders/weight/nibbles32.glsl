// The quants of blocks of 32 weights of four bits: 16 bytes, the low nibbles are weights 0..15, the high ones 16..31;
// with FIFTH_BITS bit i of a word is bit 4 of weight i. A type's file says of scales what scaled32.glsl asks for, and
// defines before it includes this
//   vec4 nibble_values(uint q, uint shift, uint fifth)
//                     the weights before scale and offset of the nibbles at bits shift, shift + 8, + 16, + 24 of q, shift
//                     0 or 4; bits 0..3 of fifth are their fifth bits
const uint QUANT_BYTES = 16u;
#include "weight/scaled32.glsl"

#ifdef SCALE_OFFSET
const bool OFFSETS = true;
#else
const bool OFFSETS = false;
#endif

void scaled_block(uint b, uint n, vec2 scale[HK_ROWS])
{
    uvec4 q[HK_ROWS];
    uint fifth[HK_ROWS];
    HK_EACH_ROW {
        q[r] = hk_word(hk_tile(r).p0, r, b, n);
#ifdef FIFTH_BITS
        fifth[r] = hk_uint(hk_tile(r).p2, r, b, n);
#else
        fifth[r] = 0u;
#endif
        hk_begin(r, OFFSETS ? 1.0 : scale[r].x);
    }
    [[unroll]] for (uint i = 0u; i < 8u; i++)
        HK_EACH_ROW {
            vec4 w = nibble_values(q[r][i % 4u], i < 4u ? 0u : 4u, fifth[r] >> (4u * i));
            hk_use(r, b * 8u, n * 8u + i, OFFSETS ? w * scale[r].x + scale[r].y : w);
        }
    HK_EACH_ROW hk_end(r);
}

// Q4_0: 32 nibbles minus 8, one f16 scale; the low nibbles of the 16 bytes are weights 0..15, the high ones 16..31.
#include "weight/decode.glsl"

const uint QUANT_BYTES = 16u;
#include "weight/scaled32.glsl"

void scaled_block(uint b, uint n, float scale[HK_ROWS])
{
    uvec4 q[HK_ROWS];
    HK_EACH_ROW q[r] = hk_word(hk_tile(r).p0, r, b, n);
    HK_EACH_ROW hk_begin(r, scale[r]);
    [[unroll]] for (uint j = 0u; j < 4u; j++)
        HK_EACH_ROW hk_use(r, b * 8u, n * 8u + j, hk_low_nibbles(q[r][j], 8.0));
    [[unroll]] for (uint j = 0u; j < 4u; j++)
        HK_EACH_ROW hk_use(r, b * 8u, n * 8u + 4u + j, hk_high_nibbles(q[r][j], 8.0));
    HK_EACH_ROW hk_end(r);
}

// TQ2_0: 256 numbers of two bits minus 1, one f16 scale. Planes: the numbers (64 bytes), the scale.
#include "weight/decode.glsl"

void two_bits_row(inout hk_row row, uint tile, uint lane)
{
    row.p1 = hk_pair_row(args.w1, tile, lane);
}

float two_bits_head(uint r, uint b)
{
    return hk_half(hk_tile(r).p1, r, b);
}

vec2 two_bits_scale(float head, uint h, uint n, uint i)
{
    return vec2(head, 0.0);
}

#define TWO_BITS_HEAD float
const float TWO_BITS_BIAS = 1.0;
const bool TWO_BITS_OFFSETS = false;
#include "weight/two_bits.glsl"

// NVFP4: 64 floats of four bits in 4 groups of 16, an unsigned E4M3 float a group. Planes: 8 bytes a group, low nibbles
// first (32 bytes); the four scales in a word.
#include "weight/decode.glsl"
#include "weight/e2m1.glsl"

const uint W_BLOCK = 64u;
const uint W_STEP = 1u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 32u, lane);
    row.p1 = hk_words_row(args.w1, tile, 1u, lane);
    return row;
}

// Half the value; the NaN, 127, counts as 0. The subnormal ones are made as 1 + mantissa / 8 less 1.
float ue4m3_half(uint v)
{
    uint e = v >> 3 & 15u;
    float x = uintBitsToFloat((v & 7u) << 20 | max(e, 1u) + 119u << 23);
    if (e == 0u) x -= uintBitsToFloat(120u << 23);
    return (v & 255u) == 127u ? 0.0 : x;
}

void weight_chunk(uint c)
{
    uvec4 q[HK_ROWS];
    uint scales[HK_ROWS];
    HK_EACH_ROW {
        q[r] = hk_word(hk_tile(r).p0, r, c, 0u);
        scales[r] = hk_uint(hk_tile(r).p1, r, c / 2u, 0u) >> (16u * (c & 1u));
    }
    [[unroll]] for (uint g = 0u; g < 2u; g++) {
        HK_EACH_ROW hk_begin(r, ue4m3_half(scales[r] >> (8u * g)));
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            HK_EACH_ROW hk_use(r, 8u * c, 4u * g + j, e2m1_twice(q[r][2u * g + (j & 1u)] >> (j < 2u ? 0u : 4u)));
        HK_EACH_ROW hk_end(r);
    }
}

void weight_block(uint b)
{
    weight_chunk(2u * b);
    weight_chunk(2u * b + 1u);
}

void weight_step(uint s)
{
    weight_block(s);
}

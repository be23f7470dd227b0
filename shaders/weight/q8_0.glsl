// Q8_0: 32 signed bytes, one f16 scale. Two blocks share the word that holds their scales.
#include "weight/decode.glsl"

const uint W_BLOCK = 32u;
const uint W_STEP = 2u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 32u, lane);
    row.p1 = hk_pair_row(args.w1, tile, lane);
    return row;
}

void q8_0_block(uint b, float scale[HK_ROWS])
{
    HK_EACH_ROW hk_begin(r, scale[r]);
    [[unroll]] for (uint i = 0u; i < 2u; i++) {
        uvec4 q[HK_ROWS];
        HK_EACH_ROW q[r] = hk_word(hk_tile(r).p0, r, 2u * b + i);
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            HK_EACH_ROW hk_use(r, b * 8u + i * 4u + j, hk_signed_bytes(q[r][j]));
    }
    HK_EACH_ROW hk_end(r);
}

void weight_block(uint b)
{
    float scale[HK_ROWS];
    HK_EACH_ROW scale[r] = hk_half(hk_tile(r).p1, r, b);
    q8_0_block(b, scale);
}

void weight_step(uint s)
{
    float even[HK_ROWS], odd[HK_ROWS];
    HK_EACH_ROW {
        vec2 scales = hk_pair(hk_tile(r).p1, r, s);
        even[r] = scales.x;
        odd[r] = scales.y;
    }
    q8_0_block(2u * s, even);
    q8_0_block(2u * s + 1u, odd);
}

void weight_chunk(uint c)
{
    weight_block(c);
}

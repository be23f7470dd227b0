// BF16: eight weights in a word.
#include "weight/decode.glsl"

const uint W_BLOCK = 8u;
const uint W_STEP = 4u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 16u, lane);
    return row;
}

vec4 bf16_weights(uint a, uint b)
{
    return uintBitsToFloat(uvec4(a << 16, a & 0xFFFF0000u, b << 16, b & 0xFFFF0000u));
}

void bf16_word(hk_row row, uint lane_offset, uint b)
{
    uvec4 q = in_uvec4(row.p0).v[b * HK_LANES + lane_offset];
    hk_use(2u * b, bf16_weights(q.x, q.y));
    hk_use(2u * b + 1u, bf16_weights(q.z, q.w));
}

void weight_block(hk_row row, uint lane_offset, uint b)
{
    hk_begin(1.0);
    bf16_word(row, lane_offset, b);
    hk_end();
}

void weight_step(hk_row row, uint lane_offset, uint s)
{
    hk_begin(1.0);
    [[unroll]] for (uint i = 0u; i < W_STEP; i++)
        bf16_word(row, lane_offset, s * W_STEP + i);
    hk_end();
}

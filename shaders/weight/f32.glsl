// F32: four weights in a word.
#include "weight/decode.glsl"

const uint W_BLOCK = 4u;
const uint W_STEP = 8u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 16u, lane);
    return row;
}

void weight_block(hk_row row, uint lane_offset, uint b)
{
    hk_begin(1.0);
    hk_use(b, uintBitsToFloat(in_uvec4(row.p0).v[b * HK_LANES + lane_offset]));
    hk_end();
}

void weight_step(hk_row row, uint lane_offset, uint s)
{
    in_uvec4 p = in_uvec4(row.p0);
    hk_begin(1.0);
    [[unroll]] for (uint i = 0u; i < W_STEP; i++)
        hk_use(s * W_STEP + i, uintBitsToFloat(p.v[(s * W_STEP + i) * HK_LANES + lane_offset]));
    hk_end();
}

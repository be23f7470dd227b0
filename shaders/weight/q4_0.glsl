// Q4_0: 32 nibbles minus 8, one f16 scale; the low nibbles of the 16 bytes are weights 0..15, the high ones 16..31.
#include "weight/decode.glsl"

const uint W_BLOCK = 32u;
const uint W_STEP = 2u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 16u, lane);
    row.p1 = hk_pair_row(args.w1, tile, lane);
    return row;
}

void q4_0_block(hk_row row, uint lane_offset, uint b, float scale)
{
    uvec4 q = in_uvec4(row.p0).v[b * HK_LANES + lane_offset];
    uint k4 = b * 8u;
    hk_begin(scale);
    hk_use(k4, hk_low_nibbles(q.x, 8.0));
    hk_use(k4 + 1u, hk_low_nibbles(q.y, 8.0));
    hk_use(k4 + 2u, hk_low_nibbles(q.z, 8.0));
    hk_use(k4 + 3u, hk_low_nibbles(q.w, 8.0));
    hk_use(k4 + 4u, hk_high_nibbles(q.x, 8.0));
    hk_use(k4 + 5u, hk_high_nibbles(q.y, 8.0));
    hk_use(k4 + 6u, hk_high_nibbles(q.z, 8.0));
    hk_use(k4 + 7u, hk_high_nibbles(q.w, 8.0));
    hk_end();
}

void weight_block(hk_row row, uint lane_offset, uint b)
{
    vec2 scales = unpackHalf2x16(in_uint(row.p1).v[(b / 2u) * HK_LANES + lane_offset]);
    q4_0_block(row, lane_offset, b, (b & 1u) == 0u ? scales.x : scales.y);
}

void weight_step(hk_row row, uint lane_offset, uint s)
{
    vec2 scales = unpackHalf2x16(in_uint(row.p1).v[s * HK_LANES + lane_offset]);
    q4_0_block(row, lane_offset, 2u * s, scales.x);
    q4_0_block(row, lane_offset, 2u * s + 1u, scales.y);
}

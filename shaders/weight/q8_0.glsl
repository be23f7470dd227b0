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

void q8_0_block(hk_row row, uint lane_offset, uint b, float scale)
{
    in_uvec4 p = in_uvec4(row.p0);
    hk_begin(scale);
    [[unroll]] for (uint i = 0u; i < 2u; i++) {
        uvec4 q = p.v[(2u * b + i) * HK_LANES + lane_offset];
        uint k4 = b * 8u + i * 4u;
        hk_use(k4, hk_signed_bytes(q.x));
        hk_use(k4 + 1u, hk_signed_bytes(q.y));
        hk_use(k4 + 2u, hk_signed_bytes(q.z));
        hk_use(k4 + 3u, hk_signed_bytes(q.w));
    }
    hk_end();
}

void weight_block(hk_row row, uint lane_offset, uint b)
{
    vec2 scales = unpackHalf2x16(in_uint(row.p1).v[(b / 2u) * HK_LANES + lane_offset]);
    q8_0_block(row, lane_offset, b, (b & 1u) == 0u ? scales.x : scales.y);
}

void weight_step(hk_row row, uint lane_offset, uint s)
{
    vec2 scales = unpackHalf2x16(in_uint(row.p1).v[s * HK_LANES + lane_offset]);
    q8_0_block(row, lane_offset, 2u * s, scales.x);
    q8_0_block(row, lane_offset, 2u * s + 1u, scales.y);
}

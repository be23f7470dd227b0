// Q4_K: 256 weights in 8 groups of 32: d * sc[g] * nibble - dmin * m[g], sc and m of 6 bits each.
// Plane 0: 128 bytes of nibbles, 32 bytes for two groups (low nibbles the first). Plane 1: d, dmin (f16), then
// 12 bytes s: sc[g] = s[g] & 63, m[g] = s[g + 4] & 63 for g < 4; for the others the low and the high nibble of
// s[g + 4], with two more bits on top out of s[g - 4] and s[g].
#include "weight/decode.glsl"

const uint W_BLOCK = 256u;
const uint W_STEP = 1u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 128u, lane);
    row.p1 = hk_plane_row(args.w1, tile, 16u, lane);
    return row;
}

void q4_k_pair(uvec4 q[2], uint k4, vec2 d, vec2 m)
{
    hk_begin(1.0);
    [[unroll]] for (uint i = 0u; i < 2u; i++) {
        [[unroll]] for (uint j = 0u; j < 4u; j++) {
            hk_use(k4 + 4u * i + j, hk_low_nibbles(q[i][j], 0.0) * d.x - m.x);
            hk_use(k4 + 8u + 4u * i + j, hk_high_nibbles(q[i][j], 0.0) * d.y - m.y);
        }
    }
    hk_end();
}

void weight_block(hk_row row, uint lane_offset, uint b)
{
    in_uvec4 p = in_uvec4(row.p0);
    uvec4 head = in_uvec4(row.p1).v[b * HK_LANES + lane_offset];
    vec2 d = unpackHalf2x16(head.x);
    vec4 sc[2], m[2];
    sc[0] = hk_bytes(head.y & 0x3F3F3F3Fu, 0.0) * d.x;
    sc[1] = hk_bytes((head.w & 0x0F0F0F0Fu) | ((head.y >> 2) & 0x30303030u), 0.0) * d.x;
    m[0] = hk_bytes(head.z & 0x3F3F3F3Fu, 0.0) * d.y;
    m[1] = hk_bytes(((head.w >> 4) & 0x0F0F0F0Fu) | ((head.z >> 2) & 0x30303030u), 0.0) * d.y;
    [[unroll]] for (uint g = 0u; g < 4u; g++) {
        uint i = (8u * b + 2u * g) * HK_LANES + lane_offset;
        uvec4 q[2];
        q[0] = p.v[i];
        q[1] = p.v[i + HK_LANES];
        uint h = g / 2u, c = 2u * (g & 1u);
        q4_k_pair(q, b * 64u + g * 16u, vec2(sc[h][c], sc[h][c + 1u]), vec2(m[h][c], m[h][c + 1u]));
    }
}

void weight_step(hk_row row, uint lane_offset, uint s)
{
    weight_block(row, lane_offset, s);
}

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

// (d * sc[g], dmin * m[g])
vec2 q4_k_group(uvec4 head, uint g)
{
    uint i = 8u * (g & 3u);
    uvec2 v = uvec2(head.y, head.z) >> i & 63u;
    if (g >= 4u) v = (uvec2(head.w, head.w >> 4) >> i & 15u) | (uvec2(head.y, head.z) >> (i + 2u) & 48u);
    return unpackHalf2x16(head.x) * vec2(v);
}

void weight_block(uint b)
{
    uvec4 head[HK_ROWS];
    HK_EACH_ROW head[r] = hk_word(hk_tile(r).p1, r, b, 0u);
    HK_EACH_ROW hk_begin(r, 1.0);
    [[unroll]] for (uint g = 0u; g < 8u; g += 2u) {
        vec2 low[HK_ROWS], high[HK_ROWS];
        HK_EACH_ROW low[r] = q4_k_group(head[r], g);
        HK_EACH_ROW high[r] = q4_k_group(head[r], g + 1u);
        [[unroll]] for (uint i = 0u; i < 2u; i++) {
            uvec4 q[HK_ROWS];
            HK_EACH_ROW q[r] = hk_word(hk_tile(r).p0, r, 8u * b, g + i);
            uint k4 = g * 8u + i * 4u;
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                HK_EACH_ROW hk_use(r, b * 64u, k4 + j, hk_low_nibbles(q[r][j], 0.0) * low[r].x - low[r].y);
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                HK_EACH_ROW hk_use(r, b * 64u, k4 + 8u + j, hk_high_nibbles(q[r][j], 0.0) * high[r].x - high[r].y);
        }
    }
    HK_EACH_ROW hk_end(r);
}

void weight_step(uint s)
{
    weight_block(s);
}

void weight_chunk(uint c)
{
    uint b = c / 8u, g = c % 8u;
    HK_EACH_ROW {
        vec2 d = q4_k_group(hk_word(hk_tile(r).p1, r, b, 0u), g);
        hk_begin(r, 1.0);
        [[unroll]] for (uint i = 0u; i < 2u; i++) {
            uvec4 q = hk_word(hk_tile(r).p0, r, 8u * b + (g & 6u), i) >> (4u * (g & 1u));
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                hk_use(r, 8u * c, 4u * i + j, hk_low_nibbles(q[j], 0.0) * d.x - d.y);
        }
        hk_end(r);
    }
}

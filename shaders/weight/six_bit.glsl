// Q4_K and Q5_K: 256 weights in 8 groups of 32: d * sc[g] * q - dmin * m[g], sc and m of 6 bits each.
// Plane 0: 128 bytes of nibbles, 32 bytes for two groups (low nibbles the first). Plane 1: d, dmin (f16), then
// 12 bytes s: sc[g] = s[g] & 63, m[g] = s[g + 4] & 63 for g < 4; for the others the low and the high nibble of
// s[g + 4], with two more bits on top out of s[g - 4] and s[g]. Plane 2, where FIFTH_BITS is defined: bit 4 of weight w is
// bit w / 32 of byte w % 32.

const uint W_BLOCK = 256u;
const uint W_STEP = 1u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 128u, lane);
    row.p1 = hk_plane_row(args.w1, tile, 16u, lane);
#ifdef FIFTH_BITS
    row.p2 = hk_plane_row(args.w2, tile, 32u, lane);
#endif
    return row;
}

// (d * sc[g], dmin * m[g])
vec2 six_bit_group(uvec4 head, uint g)
{
    uint i = 8u * (g & 3u);
    uvec2 v = uvec2(head.y, head.z) >> i & 63u;
    if (g >= 4u) v = (uvec2(head.w, head.w >> 4) >> i & 15u) | (uvec2(head.y, head.z) >> (i + 2u) & 48u);
    return unpackHalf2x16(head.x) * vec2(v);
}

// The values of four weights: the nibbles of q at bits shift, shift + 8, .. (shift 0 or 4), and bit g of each byte of fifth.
vec4 six_bit_values(uint q, uint shift, uint fifth, uint g)
{
#ifdef FIFTH_BITS
    return hk_bytes((q >> shift & 0x0F0F0F0Fu) | (fifth >> g << 4 & 0x10101010u), 0.0);
#else
    return shift == 0u ? hk_low_nibbles(q, 0.0) : hk_high_nibbles(q, 0.0);
#endif
}

// The fifth bits of 16 weights of each group: i 0 or 1, their first or last.
uvec4 six_bit_fifths(uint r, uint b, uint i)
{
#ifdef FIFTH_BITS
    return hk_word(hk_tile(r).p2, r, 2u * b, i);
#else
    return uvec4(0u);
#endif
}

void weight_block(uint b)
{
    uvec4 head[HK_ROWS], fifth[2 * HK_ROWS];
    HK_EACH_ROW {
        head[r] = hk_word(hk_tile(r).p1, r, b, 0u);
        fifth[2u * r] = six_bit_fifths(r, b, 0u);
        fifth[2u * r + 1u] = six_bit_fifths(r, b, 1u);
        hk_begin(r, 1.0);
    }
    [[dont_unroll]] for (uint g = 0u; g < 8u; g += 2u) {
        vec2 low[HK_ROWS], high[HK_ROWS];
        HK_EACH_ROW low[r] = six_bit_group(head[r], g);
        HK_EACH_ROW high[r] = six_bit_group(head[r], g + 1u);
        [[unroll]] for (uint i = 0u; i < 2u; i++) {
            uvec4 q[HK_ROWS];
            HK_EACH_ROW q[r] = hk_word(hk_tile(r).p0, r, 8u * b + g, i);
            uint k4 = b * 64u + g * 8u;
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                HK_EACH_ROW hk_use(r, k4, i * 4u + j,
                                   six_bit_values(q[r][j], 0u, fifth[2u * r + i][j], g) * low[r].x - low[r].y);
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                HK_EACH_ROW hk_use(r, k4, 8u + i * 4u + j,
                                   six_bit_values(q[r][j], 4u, fifth[2u * r + i][j], g + 1u) * high[r].x - high[r].y);
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
        vec2 d = six_bit_group(hk_word(hk_tile(r).p1, r, b, 0u), g);
        hk_begin(r, 1.0);
        [[unroll]] for (uint i = 0u; i < 2u; i++) {
            uvec4 q = hk_word(hk_tile(r).p0, r, 8u * b + (g & 6u), i) >> (4u * (g & 1u));
            uvec4 fifth = six_bit_fifths(r, b, i);
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                hk_use(r, 8u * c, 4u * i + j, six_bit_values(q[j], 0u, fifth[j], g) * d.x - d.y);
        }
        hk_end(r);
    }
}

// TQ1_0: 256 ternary digits minus 1, one f16 scale. Planes: 48 bytes of five digits each, a word of four bytes of four
// digits, the scale. Digit k of a byte q is the whole part of 3 (3^k q mod 256) / 256; digits k of bytes 0..31 are weights
// 32 k.., of bytes 32..47 weights 160 + 16 k.., of the word 240 + 4 k...
#include "weight/decode.glsl"

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 48u, lane);
    row.p1 = hk_words_row(args.w1, tile, 1u, lane);
    row.p2 = hk_pair_row(args.w2, tile, lane);
    return row;
}

// The digits of q's bytes minus 1, power = 3^k: two bytes at a time, 16 bits for each.
vec4 ternary_digits(uint q, uint power)
{
    uint even = ((q & 0x00FF00FFu) * power & 0x00FF00FFu) * 3u, odd = ((q >> 8 & 0x00FF00FFu) * power & 0x00FF00FFu) * 3u;
    return vec4(hk_bits(even, 8u, 2u, 1.0), hk_bits(odd, 8u, 2u, 1.0), hk_bits(even >> 16, 8u, 2u, 1.0),
                hk_bits(odd >> 16, 8u, 2u, 1.0));
}

const uint POWERS = 0x511B0903u; // 3, 9, 27, 81, a byte each

uint power_of_three(uint k)
{
    return k == 0u ? 1u : POWERS >> (8u * (k - 1u)) & 255u;
}

void weight_chunk(uint c)
{
    uint b = c / 8u, g = c % 8u;
    // Chunks 0 to 4: digit g of both words; 5 to 7: digits 2 g - 10 and 2 g - 9 of the third word, or of the last bytes.
    bool last = g == 7u;
    uint first = g < 5u ? 0u : 2u, second = g < 5u ? 1u : 2u;
    uint power = power_of_three(g < 5u ? g : 2u * g - 10u), next = power_of_three(g < 5u ? g : 2u * g - 9u & 3u);
    uvec4 powers = last ? uvec4(1u, 3u, 9u, 27u) : uvec4(next);
    uvec4 q[2 * HK_ROWS];
    HK_EACH_ROW {
        q[2u * r] = hk_word(hk_tile(r).p0, r, 3u * b + first, 0u);
        q[2u * r + 1u] = hk_word(hk_tile(r).p0, r, 3u * b + second, 0u);
        if (last) q[2u * r + 1u] = uvec4(hk_uint(hk_tile(r).p1, r, b, 0u));
        hk_begin(r, hk_half(hk_tile(r).p2, r, b));
    }
    [[unroll]] for (uint j = 0u; j < 4u; j++)
        HK_EACH_ROW hk_use(r, 8u * c, j, ternary_digits(q[2u * r][j], power));
    [[unroll]] for (uint j = 0u; j < 4u; j++)
        HK_EACH_ROW hk_use(r, 8u * c, 4u + j, ternary_digits(q[2u * r + 1u][j], powers[j]));
    HK_EACH_ROW hk_end(r);
}

#include "weight/chunks256.glsl"

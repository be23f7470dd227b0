// Q2_K: groups of 16 numbers of two bits: d * sc[g] * q - dmin * m[g], sc and m of four bits.
// Planes: q (64 bytes), a byte a group with sc in its low, m in its high half (16), d and dmin (f16).
#include "weight/decode.glsl"

struct q2_k_head {
    uvec4 scales;
    vec2 d;
};

void two_bits_row(inout hk_row row, uint tile, uint lane)
{
    row.p1 = hk_plane_row(args.w1, tile, 16u, lane);
    row.p2 = hk_words_row(args.w2, tile, 1u, lane);
}

q2_k_head two_bits_head(uint r, uint b)
{
    return q2_k_head(hk_word(hk_tile(r).p1, r, b, 0u), unpackHalf2x16(hk_uint(hk_tile(r).p2, r, b, 0u)));
}

vec2 two_bits_scale(q2_k_head head, uint h, uint n, uint i)
{
    uvec2 words = h == 0u ? head.scales.xy : head.scales.zw;
    uint byte = (n < 2u ? words.x : words.y) >> (16u * (n & 1u) + 8u * i);
    return head.d * vec2(byte & 15u, -float(byte >> 4 & 15u));
}

#define TWO_BITS_HEAD q2_k_head
const float TWO_BITS_BIAS = 0.0;
const bool TWO_BITS_OFFSETS = true;
#include "weight/two_bits.glsl"

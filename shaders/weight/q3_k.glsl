// Q3_K: groups of 16 numbers of three bits: d * (sc[g] - 32) * (q - 4), sc of six bits.
// Planes: the low two bits of q (64 bytes), its third (32), 12 bytes s, d (f16). sc[g]: the low nibble of s[g], for g >= 8
// the high one of s[g - 8], and with two bits more significant bits 2 (g / 4), 2 (g / 4) + 1 of s[8 + g % 4].
#include "weight/decode.glsl"

struct q3_k_head {
    uvec3 scales;
    float d;
};

void two_bits_row(inout hk_row row, uint tile, uint lane)
{
    row.p1 = hk_plane_row(args.w1, tile, 32u, lane);
    row.p2 = hk_words_row(args.w2, tile, 3u, lane);
    row.p3 = hk_pair_row(args.w3, tile, lane);
}

q3_k_head two_bits_head(uint r, uint b)
{
    q3_k_head head;
    [[unroll]] for (uint i = 0u; i < 3u; i++)
        head.scales[i] = hk_uint(hk_tile(r).p2, r, 3u * b, i);
    head.d = hk_half(hk_tile(r).p3, r, b);
    return head;
}

// g = 8 h + 2 n + i
vec2 two_bits_scale(q3_k_head head, uint h, uint n, uint i)
{
    uint byte = 16u * (n & 1u) + 8u * i; // its first bit, in a word
    uint low = (n < 2u ? head.scales.x : head.scales.y) >> (byte + 4u * h) & 15u;
    uint high = head.scales.z >> (byte + 4u * h + 2u * (n >> 1)) & 3u;
    return vec2(head.d * (float(low | high << 4) - 32.0), 0.0);
}

#define THIRD_BITS
#define TWO_BITS_HEAD q3_k_head
const float TWO_BITS_BIAS = 4.0;
const bool TWO_BITS_OFFSETS = false;
#include "weight/two_bits.glsl"

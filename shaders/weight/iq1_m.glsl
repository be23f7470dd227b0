// IQ1_M: a byte for eight weights (32 bytes), a nibble for each: three more bits of the entry and the sign of the 1/8 that
// is added (16 bytes), four times 16 bits: four scales s of three bits for 16 weights each, d (2 s + 1), and a nibble of d.
#include "weight/decode.glsl"

const uint GRID_WORDS = 14u;
#define GRID args.w1
#include "weight/grid.glsl"

void weight_chunk(uint c)
{
    uint b = c / 8u, g = c % 8u;
    uint q[HK_ROWS], high[HK_ROWS], s[HK_ROWS];
    float d[HK_ROWS];
    HK_EACH_ROW {
        q[r] = grid_word(r, b, g, 0u);
        high[r] = grid_half_word(r, b, 8u, g);
        uint first = grid_word(r, b, 12u, 0u), last = grid_word(r, b, 12u, 1u);
        s[r] = (g < 4u ? first : last) >> (16u * (g / 2u & 1u) + 6u * (g & 1u));
        d[r] = unpackHalf2x16((first >> 12 & 15u) | (first >> 24 & 0xF0u) | (last >> 4 & 0xF00u) | (last >> 16 & 0xF000u)).x;
    }
    [[unroll]] for (uint k = 0u; k < 4u; k++)
        HK_EACH_ROW {
            if (k % 2u == 0u) hk_begin(r, d[r] * (2.0 * float(s[r] >> (3u * (k / 2u)) & 7u) + 1.0));
            uint e = (q[r] >> (8u * k) & 255u) | (high[r] >> (4u * k) & 7u) << 8;
            use_iq1(r, c, k, grid_entry(e), (high[r] >> (4u * k) & 8u) != 0u ? -0.125 : 0.125);
            if (k % 2u == 1u) hk_end(r);
        }
}

#include "weight/chunks256.glsl"

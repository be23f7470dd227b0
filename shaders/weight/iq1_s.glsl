// IQ1_S: a byte for eight weights (32 bytes), then 16 bits for every 32: three more of each entry, a scale s of three,
// d (2 s + 1), and the sign of the 1/8 that is added to the weights.
#include "weight/decode.glsl"

const uint GRID_WORDS = 12u;
#define GRID args.w2
#include "weight/grid.glsl"

void weight_chunk(uint c)
{
    uint b = c / 8u, g = c % 8u;
    uint q[HK_ROWS], high[HK_ROWS];
    HK_EACH_ROW {
        q[r] = grid_word(r, b, g, 0u);
        high[r] = grid_half_word(r, b, 8u, g);
        hk_begin(r, grid_scale(r, b) * (2.0 * float(high[r] >> 12 & 7u) + 1.0));
    }
    [[unroll]] for (uint k = 0u; k < 4u; k++)
        HK_EACH_ROW {
            uint e = (q[r] >> (8u * k) & 255u) | (high[r] >> (3u * k) & 7u) << 8;
            use_iq1(r, c, k, grid_entry(e), high[r] >= 0x8000u ? -0.125 : 0.125);
        }
    HK_EACH_ROW hk_end(r);
}

#include "weight/chunks256.glsl"

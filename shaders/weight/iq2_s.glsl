// IQ2_S: a byte for eight weights (32 bytes), their signs (32), two bits more of the entry (8), a scale s of four bits for
// 16 weights (8), d (s + 1/2) / 4.
#include "weight/decode.glsl"

const uint GRID_WORDS = 20u;
#define GRID args.w2
#include "weight/grid.glsl"

void weight_chunk(uint c)
{
    uint b = c / 8u, g = c % 8u;
    uint q[HK_ROWS], signs[HK_ROWS], high[HK_ROWS], s[HK_ROWS];
    float d[HK_ROWS];
    HK_EACH_ROW {
        q[r] = grid_word(r, b, g, 0u);
        signs[r] = grid_word(r, b, g, 8u);
        high[r] = grid_word(r, b, 16u + g / 4u, 0u) >> (8u * (g & 3u));
        s[r] = grid_word(r, b, 16u + g / 4u, 2u) >> (8u * (g & 3u));
        d[r] = grid_scale(r, b);
    }
    [[unroll]] for (uint k = 0u; k < 4u; k++)
        HK_EACH_ROW {
            if (k % 2u == 0u) hk_begin(r, d[r] * (0.25 * float(s[r] >> (2u * k) & 15u) + 0.125));
            uint e = (q[r] >> (8u * k) & 255u) | (high[r] >> (2u * k) & 3u) << 8;
            use_iq2(r, c, k, grid_entry(e), signs[r] >> (8u * k));
            if (k % 2u == 1u) hk_end(r);
        }
}

#include "weight/chunks256.glsl"

// IQ2_XS: 16 bits for eight weights, nine for the entry, seven for the signs; in 8 bytes a scale s of four bits for 16
// weights, d (s + 1/2) / 4.
#include "weight/decode.glsl"

const uint GRID_WORDS = 18u;
#define GRID args.w2
#include "weight/grid.glsl"

void weight_chunk(uint c)
{
    uint b = c / 8u, g = c % 8u;
    uint q[2 * HK_ROWS], s[HK_ROWS];
    float d[HK_ROWS];
    HK_EACH_ROW {
        q[2u * r] = grid_word(r, b, 2u * g, 0u);
        q[2u * r + 1u] = grid_word(r, b, 2u * g, 1u);
        s[r] = grid_word(r, b, 16u + g / 4u, 0u) >> (8u * (g & 3u));
        d[r] = grid_scale(r, b);
    }
    [[unroll]] for (uint k = 0u; k < 4u; k++)
        HK_EACH_ROW {
            if (k % 2u == 0u) hk_begin(r, d[r] * (0.25 * float(s[r] >> (2u * k) & 15u) + 0.125));
            uint e = q[2u * r + k / 2u] >> (16u * (k & 1u));
            use_iq2(r, c, k, grid_entry(e & 511u), even_signs(e >> 9));
            if (k % 2u == 1u) hk_end(r);
        }
}

#include "weight/chunks256.glsl"

// IQ3_S: a byte for four weights (64 bytes), a bit more of the entry (8), signs (32), a scale s of four bits for 32 weights
// (4), d (2 s + 1). The numbers k of an entry are 2 k + 1.
#include "weight/decode.glsl"

const uint GRID_WORDS = 27u;
#define GRID args.w2
#include "weight/grid.glsl"

void weight_chunk(uint c)
{
    uint b = c / 8u, g = c % 8u;
    uint q[2 * HK_ROWS], high[HK_ROWS], signs[HK_ROWS];
    HK_EACH_ROW {
        q[2u * r] = grid_word(r, b, 2u * g, 0u);
        q[2u * r + 1u] = grid_word(r, b, 2u * g, 1u);
        high[r] = grid_word(r, b, 16u + g / 4u, 0u) >> (8u * (g & 3u));
        signs[r] = grid_word(r, b, g, 18u);
        hk_begin(r, grid_scale(r, b) * (2.0 * float(grid_word(r, b, 26u, 0u) >> (4u * g) & 15u) + 1.0));
    }
    [[unroll]] for (uint k = 0u; k < 8u; k++)
        HK_EACH_ROW {
            uint e = (q[2u * r + k / 4u] >> (8u * (k & 3u)) & 255u) | (high[r] >> k & 1u) << 8;
            hk_use(r, 8u * c, k, with_signs(2.0 * grid_nibbles(grid_entry(e)) + 1.0, signs[r] >> (4u * k)));
        }
    HK_EACH_ROW hk_end(r);
}

#include "weight/chunks256.glsl"

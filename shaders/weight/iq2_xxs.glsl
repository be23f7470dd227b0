// IQ2_XXS: for every 32 weights a word of four entries, and a word s: four times seven bits of signs, a scale of four bits,
// d (s >> 28 + 1/2) / 4.
#include "weight/decode.glsl"

const uint GRID_WORDS = 16u;
#define GRID args.w2
#include "weight/grid.glsl"

void weight_chunk(uint c)
{
    uint b = c / 8u, g = c % 8u;
    uint q[HK_ROWS], s[HK_ROWS];
    HK_EACH_ROW {
        q[r] = grid_word(r, b, 2u * g, 0u);
        s[r] = grid_word(r, b, 2u * g, 1u);
        hk_begin(r, grid_scale(r, b) * (0.25 * float(s[r] >> 28) + 0.125));
    }
    [[unroll]] for (uint k = 0u; k < 4u; k++)
        HK_EACH_ROW use_iq2(r, c, k, grid_entry(q[r] >> (8u * k) & 255u), even_signs(s[r] >> (7u * k)));
    HK_EACH_ROW hk_end(r);
}

#include "weight/chunks256.glsl"

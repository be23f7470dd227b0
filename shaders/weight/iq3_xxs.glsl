// IQ3_XXS: a byte for four weights (64 bytes), then a word s for every 32 weights: four times seven bits of signs, a scale
// of four bits, d (s >> 28 + 1/2) / 2. The numbers k of an entry are 8 k + 4, but 7 is 62.
#include "weight/decode.glsl"

const uint GRID_WORDS = 24u;
#define GRID args.w2
#include "weight/grid.glsl"

void weight_chunk(uint c)
{
    uint b = c / 8u, g = c % 8u;
    uint q[2 * HK_ROWS], s[HK_ROWS];
    HK_EACH_ROW {
        q[2u * r] = grid_word(r, b, 2u * g, 0u);
        q[2u * r + 1u] = grid_word(r, b, 2u * g, 1u);
        s[r] = grid_word(r, b, g, 16u);
        hk_begin(r, grid_scale(r, b) * (0.5 * float(s[r] >> 28) + 0.25));
    }
    [[unroll]] for (uint k = 0u; k < 8u; k++)
        HK_EACH_ROW {
            vec4 w = grid_nibbles(grid_entry(q[2u * r + k / 4u] >> (8u * (k & 3u)) & 255u));
            w = max(8.0 * w + 4.0, 10.0 * w - 8.0); // the second is larger for 7 alone
            hk_use(r, 8u * c, k, with_signs(w, even_signs(s[r] >> (7u * (k / 2u))) >> (4u * (k & 1u))));
        }
    HK_EACH_ROW hk_end(r);
}

#include "weight/chunks256.glsl"

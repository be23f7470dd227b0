// F32: four weights in a word.
#include "weight/decode.glsl"

const uint W_BLOCK = 4u;
const uint W_STEP = 8u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 16u, lane);
    return row;
}

void f32_words(uint first, uint n)
{
    HK_EACH_ROW hk_begin(r, 1.0);
    [[unroll]] for (uint i = 0u; i < n; i++)
        HK_EACH_ROW hk_use(r, first, i, uintBitsToFloat(hk_word(hk_tile(r).p0, r, first, i)));
    HK_EACH_ROW hk_end(r);
}

void weight_block(uint b)
{
    f32_words(b, 1u);
}

void weight_step(uint s)
{
    f32_words(s * W_STEP, W_STEP);
}

void weight_chunk(uint c)
{
    HK_EACH_ROW hk_begin(r, 1.0);
    [[unroll]] for (uint i = 0u; i < 8u; i++)
        HK_EACH_ROW hk_use(r, 8u * c, i,
                           uintBitsToFloat(hk_word(hk_tile(r).p0, r, min(8u * c + i, args.n_blocks - 1u), 0u)));
    HK_EACH_ROW hk_end(r);
}

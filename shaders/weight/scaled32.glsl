// Types of blocks of 32 weights with one f16 scale: two blocks share the word that holds their scales. A type's file
// defines QUANT_BYTES, the bytes of a block's quants, and includes this; then it defines scaled_block.

const uint W_BLOCK = 32u;
const uint W_STEP = 2u;

// Decodes block b + n, n a constant, whose scale is given for each row.
void scaled_block(uint b, uint n, float scale[HK_ROWS]);

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, QUANT_BYTES, lane);
    row.p1 = hk_pair_row(args.w1, tile, lane);
    return row;
}

void weight_block(uint b)
{
    float scale[HK_ROWS];
    HK_EACH_ROW scale[r] = hk_half(hk_tile(r).p1, r, b);
    scaled_block(b, 0u, scale);
}

void weight_step(uint s)
{
    float even[HK_ROWS], odd[HK_ROWS];
    HK_EACH_ROW {
        vec2 scales = hk_pair(hk_tile(r).p1, r, s);
        even[r] = scales.x;
        odd[r] = scales.y;
    }
    scaled_block(2u * s, 0u, even);
    scaled_block(2u * s, 1u, odd);
}

void weight_chunk(uint c)
{
    weight_block(c);
}

// Types of blocks of 32 weights with one scale. A type's file says what its planes 1 and 2 are, before it includes this:
//   SCALE_OFFSET  defined: plane 1 is a scale and an offset of its block in f16, in one word
//   SCALE_E8M0    defined: plane 1 is an exponent of 8 bits, of four blocks in a word
//   else          plane 1 is an f16 scale, of two blocks in a word
//   FIFTH_BITS    defined: plane 2 is a word of 32 bits, one for each weight
// defines QUANT_BYTES, the bytes of a block's quants, and after it scaled_block.

const uint W_BLOCK = 32u;
const uint W_STEP = 2u;

// Decodes block b + n, n a constant; for each row .x is the scale, .y the offset.
void scaled_block(uint b, uint n, vec2 scale[HK_ROWS]);

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, QUANT_BYTES, lane);
#if defined(SCALE_OFFSET)
    row.p1 = hk_words_row(args.w1, tile, 1u, lane);
#elif defined(SCALE_E8M0)
    row.p1 = hk_bytes_row(args.w1, tile, lane);
#else
    row.p1 = hk_pair_row(args.w1, tile, lane);
#endif
#ifdef FIFTH_BITS
    row.p2 = hk_words_row(args.w2, tile, 1u, lane);
#endif
    return row;
}

#ifdef SCALE_E8M0
// 2^(e - 128): half the value, where the weights are twice theirs. The first two are subnormal.
float e8m0_half(uint e)
{
    return uintBitsToFloat(e < 2u ? 0x00200000u << e : (e - 1u) << 23);
}
#endif

// Scales and offsets of blocks 2 s and 2 s + 1.
void block_pair(uint r, uint s, out vec2 even, out vec2 odd)
{
#if defined(SCALE_OFFSET)
    even = unpackHalf2x16(hk_uint(hk_tile(r).p1, r, 2u * s, 0u));
    odd = unpackHalf2x16(hk_uint(hk_tile(r).p1, r, 2u * s, 1u));
#elif defined(SCALE_E8M0)
    uint e = hk_uint(hk_tile(r).p1, r, s / 2u, 0u) >> (16u * (s & 1u));
    even = vec2(e8m0_half(e & 255u), 0.0);
    odd = vec2(e8m0_half(e >> 8 & 255u), 0.0);
#else
    vec2 pair = hk_pair(hk_tile(r).p1, r, s);
    even = vec2(pair.x, 0.0);
    odd = vec2(pair.y, 0.0);
#endif
}

void weight_block(uint b)
{
    vec2 scale[HK_ROWS];
    HK_EACH_ROW {
        vec2 even, odd;
        block_pair(r, b / 2u, even, odd);
        scale[r] = (b & 1u) == 0u ? even : odd;
    }
    scaled_block(b, 0u, scale);
}

void weight_step(uint s)
{
    vec2 even[HK_ROWS], odd[HK_ROWS];
    HK_EACH_ROW block_pair(r, s, even[r], odd[r]);
    scaled_block(2u * s, 0u, even);
    scaled_block(2u * s, 1u, odd);
}

void weight_chunk(uint c)
{
    weight_block(c);
}

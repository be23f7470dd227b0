// The IQ types of one to three bits: 256 weights in 8 chunks of 32. Plane 0 has GRID_WORDS words of 4 bytes of a block,
// plane 1, but for IQ1_M, its f16 scale, the last plane the codebook: entries of 16 bits, each the numbers of eight weights
// (two bits) or of four (nibbles), the first lowest. A type's file defines GRID_WORDS and GRID (the codebook's address)
// before it includes this, and then weight_chunk and all that is in chunks256.glsl.

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_words_row(args.w0, tile, GRID_WORDS, lane);
    row.p1 = hk_pair_row(args.w1, tile, lane); // of IQ1_M the codebook, and not used
    return row;
}

// Word first + j of block b, j a constant.
uint grid_word(uint r, uint b, uint first, uint j)
{
    return hk_uint(hk_tile(r).p0, r, GRID_WORDS * b + first, j);
}

// 16 bits of words first.., the i-th.
uint grid_half_word(uint r, uint b, uint first, uint i)
{
    return grid_word(r, b, first + i / 2u, 0u) >> (16u * (i & 1u)) & 0xFFFFu;
}

float grid_scale(uint r, uint b)
{
    return hk_half(hk_tile(r).p1, r, b);
}

// Entry i; above its 16 bits there may be others.
uint grid_entry(uint i)
{
    return in_uint(GRID).v[i >> 1] >> (16u * (i & 1u));
}

// The numbers of two bits of weights 0..3 of an entry, and its nibbles.
vec4 grid_pairs(uint entry, float bias)
{
    return vec4(hk_bits(entry, 0u, 2u, bias), hk_bits(entry, 2u, 2u, bias), hk_bits(entry, 4u, 2u, bias),
                hk_bits(entry, 6u, 2u, bias));
}
vec4 grid_nibbles(uint entry)
{
    return vec4(hk_bits(entry, 0u, 4u, 0.0), hk_bits(entry, 4u, 4u, 0.0), hk_bits(entry, 8u, 4u, 0.0),
                hk_bits(entry, 12u, 4u, 0.0));
}

// Signs of eight weights in seven bits: the eighth makes their number even.
uint even_signs(uint seven)
{
    return (seven & 127u) | uint(bitCount(seven & 127u)) << 7;
}

// w with bits 0..3 of signs.
vec4 with_signs(vec4 w, uint signs)
{
    return uintBitsToFloat(floatBitsToUint(w) ^ (uvec4(signs << 31, signs << 30, signs << 29, signs << 28) & 0x80000000u));
}

// Eight weights of IQ2 from column 32 c + 8 k on: the numbers 0, 1, 2 are 8, 25, 43.
void use_iq2(uint r, uint c, uint k, uint entry, uint signs)
{
    vec4 low = grid_pairs(entry, 0.0), high = grid_pairs(entry >> 8, 0.0);
    hk_use(r, 8u * c, 2u * k, with_signs(fma(low, fma(low, vec4(0.5), vec4(16.5)), vec4(8.0)), signs));
    hk_use(r, 8u * c, 2u * k + 1u, with_signs(fma(high, fma(high, vec4(0.5), vec4(16.5)), vec4(8.0)), signs >> 4));
}

// Eight weights of IQ1: number - 1 + delta.
void use_iq1(uint r, uint c, uint k, uint entry, float delta)
{
    hk_use(r, 8u * c, 2u * k, grid_pairs(entry, 1.0) + delta);
    hk_use(r, 8u * c, 2u * k + 1u, grid_pairs(entry >> 8, 1.0) + delta);
}

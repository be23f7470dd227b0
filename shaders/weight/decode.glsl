// How weights are read: the contract between a kernel and weight/<type>.glsl, and the bit tricks the types share.
//
// A weight file defines
//   W_BLOCK        weights in a block of the device layout (hk_weight_type_info.pack_len)
//   W_STEP         blocks that weight_step takes together
//   weight_row     where a row's planes begin
//   weight_block   decodes one block of the row `lane_offset` lanes further on in the tile
//   weight_step    decodes W_STEP blocks, step * W_STEP and the next ones, all of which exist
// and for every run of weights with one scale calls what the kernel defines:
//   hk_begin(scale), then hk_use(k4, w) for every 4 weights, columns 4 k4 .. 4 k4 + 3, in any order, then hk_end().
// A weight's value is scale * w. Decoding calls the kernel instead of returning arrays, so that nothing but a few
// words is alive at a time.

// Addresses of a lane's row in the planes of a tile: runtime/weight_layout.h.
struct hk_row {
    uvec2 p0, p1, p2, p3;
};
const uint HK_LANES = 32u;

void hk_begin(float scale);
void hk_use(uint k4, vec4 w);
void hk_end();

// A field of `bytes` bytes, a multiple of 16: uvec4 plane[tile][n_blocks][bytes / 16][32]
uvec2 hk_plane_row(uvec2 plane, uint tile, uint bytes, uint lane)
{
    return hk_at(hk_at(plane, tile, args.n_blocks * bytes * HK_LANES), lane * 16u);
}
// A 2-byte field: uint plane[tile][ceil(n_blocks / 2)][32]
uvec2 hk_pair_row(uvec2 plane, uint tile, uint lane)
{
    return hk_at(hk_at(plane, tile, ((args.n_blocks + 1u) / 2u) * 4u * HK_LANES), lane * 4u);
}

// Bits shift .. shift + width - 1 of w as an unsigned number, minus bias, exactly and without an integer-to-float
// conversion: or-ed into the mantissa of 2^(23 - shift), whose unit then lies at bit `shift`. One and-or, one
// subtraction, no shift. shift + width <= 23; both are constants.
float hk_bits(uint w, uint shift, uint width, float bias)
{
    uint mantissa = w & (((1u << width) - 1u) << shift);
    return uintBitsToFloat(mantissa | (150u - shift) << 23) - (float(1u << (23u - shift)) + bias);
}

// The four bytes of w, unsigned, minus bias.
vec4 hk_bytes(uint w, float bias)
{
    uint h = w >> 16;
    return vec4(hk_bits(w, 0u, 8u, bias), hk_bits(w, 8u, 8u, bias), hk_bits(h, 0u, 8u, bias),
                hk_bits(h, 8u, 8u, bias));
}
// The four bytes of w as two's complement.
vec4 hk_signed_bytes(uint w)
{
    return hk_bytes(w ^ 0x80808080u, 128.0);
}
// The low and the high nibble of the four bytes of w, minus bias.
vec4 hk_low_nibbles(uint w, float bias)
{
    uint h = w >> 12;
    return vec4(hk_bits(w, 0u, 4u, bias), hk_bits(w, 8u, 4u, bias), hk_bits(w, 16u, 4u, bias),
                hk_bits(h, 12u, 4u, bias));
}
vec4 hk_high_nibbles(uint w, float bias)
{
    uint h = w >> 12;
    return vec4(hk_bits(w, 4u, 4u, bias), hk_bits(w, 12u, 4u, bias), hk_bits(h, 8u, 4u, bias),
                hk_bits(h, 16u, 4u, bias));
}

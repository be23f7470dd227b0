// How weights are read: the contract between a kernel and weight/<type>.glsl, and the bit tricks the types share.
//
// The kernel, before it includes "weight.glsl", defines
//   args              with w0..w3 and n_blocks
//   HK_ROWS           how many rows an invocation decodes together: their arithmetic is independent, and reads of
//                     activations are shared
//   HK_INDEXED        whether memory is reached by one index or by an address and a constant, see below
// and after it
//   hk_tile(r)        where row r's lane 0 plus lane_of_invocation begins in the planes: what weight_row returned
//   hk_lane(r)        lanes from there to row r; constant after unrolling, so that rows of a tile share an address
//   hk_begin(r, scale), hk_use(r, k4, j, w), hk_end(r)
//                     take the weights: for every run of weights of row r with one scale, begin, then a use for
//                     every 4 weights, columns 4 (k4 + j) .. 4 (k4 + j) + 3, in any order, then end. A weight is
//                     scale * w. j is a constant after unrolling, k4 the same in many uses.
// A weight file defines
//   W_STEP            blocks that weight_step takes together; W_BLOCK weights make a block of the device layout
//   weight_row        a row's place in the planes
//   weight_block(b)   decodes block b of the rows
//   weight_step(s)    decodes blocks s * W_STEP and the next W_STEP - 1, all of which exist
//   weight_chunk(c)   decodes columns 32 c .. 32 c + 31; those beyond the row's blocks are any finite numbers
// Decoding calls the kernel instead of returning arrays, so that nothing but a few words is alive at a time.
//
// Places are a sum of what varies and a constant, apart. Without HK_INDEXED the first makes an address, once, and the
// constant goes into the load instruction. As one index the sum might wrap for all a GPU's compiler knows, and every
// load has five instructions of address arithmetic before it; where they are scalar, as on CPUs, they cost less than
// registers for more addresses do.

struct hk_row {
    uvec2 p0, p1, p2, p3; // addresses in the planes, runtime/weight_layout.h
};
const uint HK_LANES = 32u;

hk_row hk_tile(uint r);
uint hk_lane(uint r);
void hk_begin(uint r, float scale);
void hk_use(uint r, uint k4, uint j, vec4 w);
void hk_end(uint r);

#define HK_EACH_ROW [[unroll]] for (uint r = 0u; r < HK_ROWS; r++)

// A field of `bytes` bytes, a multiple of 16: uvec4 plane[tile][n_blocks][bytes / 16][32]
uvec2 hk_plane_row(uvec2 plane, uint tile, uint bytes, uint lane)
{
    return hk_at(hk_at(plane, tile, args.n_blocks * bytes * HK_LANES), lane * 16u);
}
// A field of `words` words of 4 bytes: uint plane[tile][n_blocks][words][32]
uvec2 hk_words_row(uvec2 plane, uint tile, uint words, uint lane)
{
    return hk_at(hk_at(plane, tile, args.n_blocks * words * 4u * HK_LANES), lane * 4u);
}
// A 1-byte field: uint plane[tile][ceil(n_blocks / 4)][32]
uvec2 hk_bytes_row(uvec2 plane, uint tile, uint lane)
{
    return hk_at(hk_at(plane, tile, ((args.n_blocks + 3u) / 4u) * 4u * HK_LANES), lane * 4u);
}
// A 2-byte field: uint plane[tile][ceil(n_blocks / 2)][32]
uvec2 hk_pair_row(uvec2 plane, uint tile, uint lane)
{
    return hk_at(hk_at(plane, tile, ((args.n_blocks + 1u) / 2u) * 4u * HK_LANES), lane * 4u);
}

// This row's 16-byte or 4-byte word number i + j of a plane, j a constant.
uvec4 hk_word(uvec2 plane_row, uint r, uint i, uint j)
{
    if (HK_INDEXED) return in_uvec4(plane_row).v[(i + j) * HK_LANES + hk_lane(r)];
    return in_uvec4(hk_at(plane_row, i * (16u * HK_LANES))).v[j * HK_LANES + hk_lane(r)];
}
uint hk_uint(uvec2 plane_row, uint r, uint i, uint j)
{
    if (HK_INDEXED) return in_uint(plane_row).v[(i + j) * HK_LANES + hk_lane(r)];
    return in_uint(hk_at(plane_row, i * (4u * HK_LANES))).v[j * HK_LANES + hk_lane(r)];
}
// A pair of halves, number i.
vec2 hk_pair(uvec2 plane_row, uint r, uint i)
{
    return unpackHalf2x16(hk_uint(plane_row, r, i, 0u));
}
// The half of block b in a plane of 2-byte fields.
float hk_half(uvec2 plane_row, uint r, uint b)
{
    vec2 pair = hk_pair(plane_row, r, b / 2u);
    return (b & 1u) == 0u ? pair.x : pair.y;
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
// Those at bit `shift`, 0 or 4, with bits 0..3 of `fifth` as their bits 4, minus bias. The product has bit i of four at bit
// 8 i + 4, among others.
vec4 hk_five_bits(uint w, uint shift, uint fifth, float bias)
{
    return hk_bytes((w >> shift & 0x0F0F0F0Fu) | ((fifth & 15u) * 0x02040810u & 0x10101010u), bias);
}

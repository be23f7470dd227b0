// IQ4_XS: 256 weights in 8 groups of 32 nibbles, each the number of a value in a table; d * (sc[g] - 32) a group, sc of six
// bits. Planes: 128 bytes of nibbles, 16 a group (weights 0..15 in the low ones); d (f16), 16 bits with bits 4, 5 of the
// eight sc, 32 with their bits 0..3.
#include "weight/decode.glsl"
#include "weight/iq4.glsl"

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 128u, lane);
    row.p1 = hk_words_row(args.w1, tile, 2u, lane);
    return row;
}

void weight_chunk(uint c)
{
    uint b = c / 8u, g = c % 8u;
    uvec4 q[HK_ROWS];
    HK_EACH_ROW {
        uint head = hk_uint(hk_tile(r).p1, r, 2u * b, 0u), low = hk_uint(hk_tile(r).p1, r, 2u * b, 1u);
        uint sc = (low >> (4u * g) & 15u) | (head >> (16u + 2u * g) & 3u) << 4;
        q[r] = hk_word(hk_tile(r).p0, r, c, 0u);
        hk_begin(r, unpackHalf2x16(head).x * (float(sc) - 32.0));
    }
    [[unroll]] for (uint i = 0u; i < 8u; i++)
        HK_EACH_ROW hk_use(r, 8u * c, i, iq4_values(q[r][i % 4u], i < 4u ? 0u : 4u));
    HK_EACH_ROW hk_end(r);
}

#include "weight/chunks256.glsl"

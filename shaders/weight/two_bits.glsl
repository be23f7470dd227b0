// Types of 256 weights of two bits, of which a third may lie elsewhere. In each half h of a block, weight 128 h + 32 n + l
// has bits 2 n, 2 n + 1 of byte l of the half's 32 bytes: plane 0, 64 bytes. Of the 16 weights from 16 g on, g = 8 h + 2 n
// + i, each is (value + bias) * scale + offset.
// A type's file defines before it includes this
//   THIRD_BITS        defined: plane 1, 32 bytes: bit 2 of weight w is bit w / 32 of byte w % 32
//   TWO_BITS_HEAD     a type: what a group's scale is made of
//   two_bits_row      fills the other planes of a row
//   two_bits_head     (r, b): reads it
//   two_bits_scale    (head, h, n, i): the scale and the offset of a group
//   TWO_BITS_BIAS

const uint W_BLOCK = 256u;
const uint W_STEP = 1u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 64u, lane);
    two_bits_row(row, tile, lane);
    return row;
}

struct two_bits_half {
    uvec4 q[2], third[2];
    TWO_BITS_HEAD head;
};

two_bits_half two_bits_load(uint r, uint b, uint h)
{
    two_bits_half half_block;
    [[unroll]] for (uint i = 0u; i < 2u; i++) {
        half_block.q[i] = hk_word(hk_tile(r).p0, r, 4u * b + 2u * h, i);
#ifdef THIRD_BITS
        half_block.third[i] = hk_word(hk_tile(r).p1, r, 2u * b, i);
#endif
    }
    half_block.head = two_bits_head(r, b);
    return half_block;
}

// The 32 weights from 128 h + 32 n of block b on.
void two_bits_chunk(uint b, uint h, uint n, two_bits_half half_block[HK_ROWS])
{
    [[unroll]] for (uint i = 0u; i < 2u; i++) {
        vec2 scale[HK_ROWS];
        HK_EACH_ROW {
            scale[r] = two_bits_scale(half_block[r].head, h, n, i);
            hk_begin(r, TWO_BITS_OFFSETS ? 1.0 : scale[r].x);
        }
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            HK_EACH_ROW {
                uint q = half_block[r].q[i][j] >> (2u * n) & 0x03030303u;
#ifdef THIRD_BITS
                q |= half_block[r].third[i][j] >> (4u * h + n) << 2 & 0x04040404u;
#endif
                vec4 w = hk_bytes(q, TWO_BITS_BIAS);
                hk_use(r, b * 64u + h * 32u + n * 8u, 4u * i + j, TWO_BITS_OFFSETS ? w * scale[r].x + scale[r].y : w);
            }
        HK_EACH_ROW hk_end(r);
    }
}

void weight_block(uint b)
{
    [[dont_unroll]] for (uint h = 0u; h < 2u; h++) {
        two_bits_half half_block[HK_ROWS];
        HK_EACH_ROW half_block[r] = two_bits_load(r, b, h);
        [[dont_unroll]] for (uint n = 0u; n < 4u; n++)
            two_bits_chunk(b, h, n, half_block);
    }
}

void weight_step(uint s)
{
    weight_block(s);
}

void weight_chunk(uint c)
{
    two_bits_half half_block[HK_ROWS];
    HK_EACH_ROW half_block[r] = two_bits_load(r, c / 8u, c / 4u & 1u);
    two_bits_chunk(c / 8u, c / 4u & 1u, c & 3u, half_block);
}

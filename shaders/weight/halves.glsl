// Types of two bytes a weight, eight in a word. A type's file defines vec4 half_weights(uint a, uint b), the four weights
// of two 32-bit words, before it includes this.

const uint W_BLOCK = 8u;
const uint W_STEP = 4u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 16u, lane);
    return row;
}

void halves(uint first, uint n)
{
    HK_EACH_ROW hk_begin(r, 1.0);
    [[unroll]] for (uint i = 0u; i < n; i++) {
        uvec4 q[HK_ROWS];
        HK_EACH_ROW q[r] = hk_word(hk_tile(r).p0, r, first, i);
        HK_EACH_ROW hk_use(r, 2u * first, 2u * i, half_weights(q[r].x, q[r].y));
        HK_EACH_ROW hk_use(r, 2u * first, 2u * i + 1u, half_weights(q[r].z, q[r].w));
    }
    HK_EACH_ROW hk_end(r);
}

void weight_block(uint b)
{
    halves(b, 1u);
}

void weight_step(uint s)
{
    halves(s * W_STEP, W_STEP);
}

void weight_chunk(uint c)
{
    HK_EACH_ROW hk_begin(r, 1.0);
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        HK_EACH_ROW {
            uvec4 q = hk_word(hk_tile(r).p0, r, min(4u * c + i, args.n_blocks - 1u), 0u);
            hk_use(r, 8u * c, 2u * i, half_weights(q.x, q.y));
            hk_use(r, 8u * c, 2u * i + 1u, half_weights(q.z, q.w));
        }
    }
    HK_EACH_ROW hk_end(r);
}

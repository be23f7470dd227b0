// F16: eight weights in a word.
#include "weight/decode.glsl"

const uint W_BLOCK = 8u;
const uint W_STEP = 4u;

hk_row weight_row(uint tile, uint lane)
{
    hk_row row;
    row.p0 = hk_plane_row(args.w0, tile, 16u, lane);
    return row;
}

vec4 f16_weights(uint a, uint b)
{
    return vec4(unpackHalf2x16(a), unpackHalf2x16(b));
}

void f16_words(uint first, uint n)
{
    HK_EACH_ROW hk_begin(r, 1.0);
    [[unroll]] for (uint i = 0u; i < n; i++) {
        uvec4 q[HK_ROWS];
        HK_EACH_ROW q[r] = hk_word(hk_tile(r).p0, r, first + i);
        HK_EACH_ROW hk_use(r, 2u * (first + i), f16_weights(q[r].x, q[r].y));
        HK_EACH_ROW hk_use(r, 2u * (first + i) + 1u, f16_weights(q[r].z, q[r].w));
    }
    HK_EACH_ROW hk_end(r);
}

void weight_block(uint b)
{
    f16_words(b, 1u);
}

void weight_step(uint s)
{
    f16_words(s * W_STEP, W_STEP);
}

void weight_chunk(uint c)
{
    HK_EACH_ROW hk_begin(r, 1.0);
    [[unroll]] for (uint i = 4u * c; i < 4u * c + 4u; i++) {
        HK_EACH_ROW {
            uvec4 q = hk_word(hk_tile(r).p0, r, min(i, args.n_blocks - 1u));
            hk_use(r, 2u * i, f16_weights(q.x, q.y));
            hk_use(r, 2u * i + 1u, f16_weights(q.z, q.w));
        }
    }
    HK_EACH_ROW hk_end(r);
}

// y[t][row] = (accumulate ? y[t][row] : 0) + bias[row] + scale * sum_k W[row][k] x[t][k], in f32, for many tokens on a GPU.
//
// A workgroup of 64 lanes makes 64 rows x TOKENS tokens, 32 columns at a time: each lane decodes 32 weights of one row
// and fetches 32 values of one token into shared memory (16 KiB for 64 tokens), then multiplies 8 rows by TOKENS / 8
// tokens out of it in registers. Groups: x = ceil(rows / 64), y = ceil(n_tokens / TOKENS).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(matvec_args);

layout(local_size_x_id = 0) in; // always 64
layout(constant_id = 1) const uint TOKENS = 64u; // 32 or 64

const uint HK_ROWS = 1u;
const bool HK_INDEXED = true;
#include "weight.glsl"
#include "store.glsl"

const uint ROWS = 64u, COLUMNS = 32u;
const uint TOKEN_VECS = TOKENS / 32u; // of a lane, four tokens each

// [column][row / 4] and [column][token / 4]. Lanes next to each other write to components next to each other, and read
// vectors next to each other or the same.
shared vec4 shared_w[COLUMNS * ROWS / 4u];
shared vec4 shared_x[COLUMNS * TOKENS / 4u];

hk_row row;
float group_scale;
uint first_k4;

hk_row hk_tile(uint r)
{
    return row;
}

uint hk_lane(uint r)
{
    return 0u;
}

void hk_begin(uint r, float scale)
{
    group_scale = scale;
}

void hk_use(uint r, uint k4, uint j, vec4 w)
{
    uint lane = gl_LocalInvocationID.x, k = 4u * (k4 - first_k4 + j);
    w *= group_scale;
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        shared_w[(k + i) * (ROWS / 4u) + lane / 4u][lane % 4u] = w[i];
}

void hk_end(uint r)
{
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint n_tiles = (args.rows + HK_LANES - 1u) / HK_LANES;
    uint first_token = gl_WorkGroupID.y * TOKENS;
    row = weight_row(min(gl_WorkGroupID.x * 2u + lane / HK_LANES, n_tiles - 1u), lane % HK_LANES);
    uvec2 x_row = hk_at(args.x, min(first_token + lane, args.n_tokens - 1u), args.x_ld * 4u);

    uint row4 = lane / 8u, token4 = lane % 8u; // of this lane's first rows and tokens, in vectors of four
    vec4 sum[2u * 4u * TOKEN_VECS];            // four rows each: [row vector][token]
    [[unroll]] for (uint i = 0u; i < 8u * TOKEN_VECS; i++)
        sum[i] = vec4(0.0);

    uint n_chunks = (args.n_blocks * W_BLOCK + COLUMNS - 1u) / COLUMNS;
    for (uint c = 0u; c < n_chunks; c++) {
        first_k4 = c * (COLUMNS / 4u);
        barrier();
        weight_chunk(c);
        if (lane < TOKENS) {
            for (uint i = 0u; i < COLUMNS / 4u; i++) {
                vec4 x = in_vec4(x_row).v[first_k4 + i];
                [[unroll]] for (uint j = 0u; j < 4u; j++)
                    shared_x[(4u * i + j) * (TOKENS / 4u) + lane / 4u][lane % 4u] = x[j];
            }
        }
        barrier();
        for (uint k = 0u; k < COLUMNS; k++) {
            vec4 a = shared_w[k * (ROWS / 4u) + row4];
            vec4 b = shared_w[k * (ROWS / 4u) + row4 + 8u];
            [[unroll]] for (uint v = 0u; v < TOKEN_VECS; v++) {
                vec4 x = shared_x[k * (TOKENS / 4u) + v * 8u + token4];
                [[unroll]] for (uint j = 0u; j < 4u; j++) {
                    uint i = 4u * v + j;
                    sum[i] = fma(a, vec4(x[j]), sum[i]);
                    sum[4u * TOKEN_VECS + i] = fma(b, vec4(x[j]), sum[4u * TOKEN_VECS + i]);
                }
            }
        }
    }

    uint first_row = gl_WorkGroupID.x * ROWS + row4 * 4u;
    hk_store_begin();
    [[unroll]] for (uint i = 0u; i < 8u * TOKEN_VECS; i++) {
        uint t = i % (4u * TOKEN_VECS);
        uint token = first_token + (t / 4u) * 32u + token4 * 4u + t % 4u;
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            hk_store(first_row + i / (4u * TOKEN_VECS) * 32u + j, token, sum[i][j]);
    }
}

// y[t][row] = (accumulate ? y[t][row] : 0) + bias[row] + scale * sum_k W[row][k] x[t][k], in f32.
//
// TILE_LANES lanes share a tile of 32 rows (32 / TILE_LANES rows each), and a lane has the same rows of TILES tiles.
// The workgroup's gl_WorkGroupSize.x / TILE_LANES slices take the columns in turn and add up through shared memory.
// A weight is decoded once for TOKENS tokens. Reads of x are the same for all lanes of a slice.
// Groups: x = ceil(n_tiles / TILES), y = ceil(n_tokens / TOKENS).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(matvec_args);

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint TILE_LANES = 32u; // 8, 16 or 32, dividing the workgroup size
layout(constant_id = 2) const uint TILES = 1u;
layout(constant_id = 3) const uint TOKENS = 1u;

const uint TILE_ROWS = 32u / TILE_LANES; // rows of a lane in a tile
const uint HK_ROWS = TILE_ROWS * TILES;  // rows of a lane
const uint SLICES = gl_WorkGroupSize.x / TILE_LANES;
const bool HK_INDEXED = SLICES == 1u; // then addresses of x are uniform

#include "weight.glsl"
#include "store.glsl"

hk_row tile_row[TILES];
uvec2 x_row[TOKENS];
float group_scale[HK_ROWS], group_sum[HK_ROWS * TOKENS];
float sum[HK_ROWS * TOKENS];

hk_row hk_tile(uint r)
{
    return tile_row[r / TILE_ROWS];
}

uint hk_lane(uint r)
{
    return r % TILE_ROWS * TILE_LANES;
}

void hk_begin(uint r, float scale)
{
    group_scale[r] = scale;
    [[unroll]] for (uint t = 0u; t < TOKENS; t++)
        group_sum[r * TOKENS + t] = 0.0;
}

// For one or two tokens the scale is multiplied in once per group; for more, once per weight, which all tokens share,
// and which needs half the accumulators.
const bool SCALE_GROUPS = TOKENS <= 2u;

void hk_use(uint r, uint k4, uint j, vec4 w)
{
    if (!SCALE_GROUPS) w *= group_scale[r];
    [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
        vec4 x = HK_INDEXED ? in_vec4(x_row[t]).v[k4 + j] : in_vec4(hk_at(x_row[t], k4 * 16u)).v[j];
        uint i = r * TOKENS + t;
        float s = SCALE_GROUPS ? group_sum[i] : sum[i];
        s = fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, s))));
        if (SCALE_GROUPS)
            group_sum[i] = s;
        else
            sum[i] = s;
    }
}

void hk_end(uint r)
{
    [[unroll]] for (uint t = 0u; t < TOKENS; t++) {
        uint i = r * TOKENS + t;
        if (SCALE_GROUPS) sum[i] = fma(group_scale[r], group_sum[i], sum[i]);
    }
}

shared float partial[SLICES == 1u ? 1u : gl_WorkGroupSize.x];

void main()
{
    // Without slices `slice` is a constant, so that a compiler sees that addresses of x are uniform.
    uint slice = SLICES == 1u ? 0u : gl_LocalInvocationID.x / TILE_LANES;
    uint lane = SLICES == 1u ? gl_LocalInvocationID.x : gl_LocalInvocationID.x % TILE_LANES;
    uint first_tile = gl_WorkGroupID.x * TILES;
    uint first_token = gl_WorkGroupID.y * TOKENS;
    uint n_tiles = (args.rows + HK_LANES - 1u) / HK_LANES;

    [[unroll]] for (uint i = 0u; i < TILES; i++)
        tile_row[i] = weight_row(min(first_tile + i, n_tiles - 1u), lane);
    [[unroll]] for (uint t = 0u; t < TOKENS; t++)
        x_row[t] = hk_at(args.x, min(first_token + t, args.n_tokens - 1u), args.x_ld * 4u);
    [[unroll]] for (uint i = 0u; i < HK_ROWS * TOKENS; i++)
        sum[i] = 0.0;

    uint n_steps = args.n_blocks / W_STEP;
    for (uint s = slice; s < n_steps; s += SLICES)
        weight_step(s);
    if (W_STEP > 1u) {
        for (uint b = n_steps * W_STEP + slice; b < args.n_blocks; b += SLICES)
            weight_block(b);
    }

    hk_store_begin();
    [[unroll]] for (uint i = 0u; i < HK_ROWS * TOKENS; i++) {
        float value = sum[i];
        if (SLICES > 1u) {
            barrier();
            partial[gl_LocalInvocationID.x] = value;
            barrier();
            if (slice == 0u) {
                for (uint j = 1u; j < SLICES; j++)
                    value += partial[j * TILE_LANES + lane];
            }
        }
        uint r = i / TOKENS;
        if (slice == 0u)
            hk_store((first_tile + r / TILE_ROWS) * HK_LANES + hk_lane(r) + lane, first_token + i % TOKENS, value);
    }
}

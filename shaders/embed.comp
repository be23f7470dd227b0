// dst[t] = (accumulate ? dst[t] : 0) + scale * W[ids[t]]: rows of a weight matrix, decoded. An id >= rows gives zeros.
// Lanes take blocks in turn. Groups: x = n_tokens (the remainder beyond x groups is taken in turn).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(embed_args);

layout(local_size_x_id = 0) in;

const uint HK_ROWS = 1u;
const bool HK_INDEXED = true;

#include "weight.glsl"

hk_row row;
uvec2 dst_row;
float group_scale, matrix_scale;

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
    group_scale = scale * matrix_scale;
}

void hk_use(uint r, uint k4, uint j, vec4 w)
{
    w *= group_scale;
    io_float dst = io_float(dst_row);
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        uint k = 4u * (k4 + j) + i;
        if (k < args.cols) dst.v[k] = args.accumulate != 0u ? dst.v[k] + w[i] : w[i];
    }
}

void hk_end(uint r)
{
}

void main()
{
    matrix_scale = hk_number(args.scale, 1.0, args.w0);
    for (uint t = gl_WorkGroupID.x; t < args.n_tokens; t += gl_NumWorkGroups.x) {
        dst_row = hk_at(args.dst, t, args.dst_ld * 4u);
        uint id = in_uint(args.ids).v[t];
        if (id < args.rows) {
            row = weight_row(id / HK_LANES, id % HK_LANES);
            for (uint b = gl_LocalInvocationID.x; b < args.n_blocks; b += gl_WorkGroupSize.x)
                weight_block(b);
        } else if (args.accumulate == 0u) {
            for (uint k = gl_LocalInvocationID.x; k < args.cols; k += gl_WorkGroupSize.x)
                io_float(dst_row).v[k] = 0.0;
        }
    }
}

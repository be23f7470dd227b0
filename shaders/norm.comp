// RMSNorm and LayerNorm of one row, or of one of the heads that lie side by side in it: dst = (x - mean) /
// sqrt(mean((x - mean)^2) + eps) * gain + bias, where RMSNorm takes the mean as 0. Groups: x = rows, y = heads.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(norm_args);

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool LAYERNORM = false;

shared float partial[gl_WorkGroupSize.x];

// The sum of every lane's value. All lanes must call it.
float group_sum(float value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier(); // the last call's reads are done
    partial[lane] = value;
    barrier();
    for (uint n = gl_WorkGroupSize.x / 2u; n > 0u; n /= 2u) {
        if (lane < n) partial[lane] += partial[lane + n];
        barrier();
    }
    return partial[0];
}

void main()
{
    uint row = gl_WorkGroupID.x, first = gl_WorkGroupID.y * args.cols, lane = gl_LocalInvocationID.x;
    in_float x = in_float(hk_at(args.x, row, args.x_ld * 4u));
    io_float dst = io_float(hk_at(args.dst, row, args.dst_ld * 4u));

    float mean = 0.0;
    if (LAYERNORM) {
        float sum = 0.0;
        for (uint i = lane; i < args.cols; i += gl_WorkGroupSize.x)
            sum += x.v[first + i];
        mean = group_sum(sum) / float(args.cols);
    }
    float squares = 0.0;
    for (uint i = lane; i < args.cols; i += gl_WorkGroupSize.x)
        squares += (x.v[first + i] - mean) * (x.v[first + i] - mean);
    float scale = 1.0 / sqrt(group_sum(squares) / float(args.cols) + args.eps);

    for (uint i = lane; i < args.cols; i += gl_WorkGroupSize.x) {
        float y = (x.v[first + i] - mean) * scale * in_float(args.gain).v[i];
        dst.v[first + i] = hk_given(args.bias) ? y + in_float(args.bias).v[i] : y;
    }
}

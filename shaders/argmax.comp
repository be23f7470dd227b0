// dst[i] = the index of the largest of x[i], the lowest of equals. Groups: x = rows.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(argmax_args);

layout(local_size_x_id = 0) in;

shared float best[gl_WorkGroupSize.x];
shared uint best_at[gl_WorkGroupSize.x];

void main()
{
    uint row = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
    in_float x = in_float(hk_at(args.x, row, args.x_ld * 4u));
    uint at = min(lane, args.cols - 1u);
    float value = x.v[at];
    for (uint i = lane + gl_WorkGroupSize.x; i < args.cols; i += gl_WorkGroupSize.x) {
        float other = x.v[i];
        if (other > value) {
            value = other;
            at = i;
        }
    }
    best[lane] = value;
    best_at[lane] = at;
    barrier();
    for (uint n = gl_WorkGroupSize.x / 2u; n > 0u; n /= 2u) {
        if (lane < n && (best[lane + n] > best[lane] ||
                         (best[lane + n] == best[lane] && best_at[lane + n] < best_at[lane]))) {
            best[lane] = best[lane + n];
            best_at[lane] = best_at[lane + n];
        }
        barrier();
    }
    if (lane == 0u) io_uint(args.dst).v[row] = best_at[0];
}

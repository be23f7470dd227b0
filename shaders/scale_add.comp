// dst[i] = src[i] * factor + term, `repeats` times over on the result; 32-bit integers. No model uses it: the
// scheduler's tests do, because its results are exact and show the order in which dispatches ran.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(scale_add_args);

layout(local_size_x_id = 0) in;

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= args.n) return;
    uint x = in_uint(args.src).v[i];
    uint factor = hk_given(args.params) ? in_uint(args.params).v[0] : args.factor;
    for (uint k = 0u; k < args.repeats; k++)
        x = x * factor + args.term;
    io_uint(args.dst).v[i] = x;
}

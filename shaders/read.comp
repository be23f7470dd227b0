// What plain reading costs: every lane adds up 16-byte words, neighbouring lanes neighbouring words. The sum is written
// only if it has one certain value, so that nothing but the reads takes time. Groups: x.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(read_args);

layout(local_size_x_id = 0) in;

void main()
{
    in_uvec4 src = in_uvec4(args.src);
    uint stride = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
    uvec4 sum = uvec4(0u);
    for (uint i = gl_GlobalInvocationID.x; i < args.n_words; i += stride)
        sum ^= src.v[i];
    if ((sum.x ^ sum.y ^ sum.z ^ sum.w) == 0x9e3779b9u) io_uint(args.dst).v[0] = sum.x;
}

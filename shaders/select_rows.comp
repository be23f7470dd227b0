// dst[i] = x[idx[i]]. Groups: x over columns, y = rows of dst.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(select_rows_args);

layout(local_size_x_id = 0) in;

void main()
{
    uint c = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    uint row = in_uint(args.idx).v[i];
    if (c >= args.cols || row >= args.x_rows) return;
    io_float(hk_at(args.dst, i, args.dst_ld * 4u)).v[c] = in_float(hk_at(args.x, row, args.x_ld * 4u)).v[c];
}

// dst[i] = x[idx[i]], or by columns dst[i][c] = x[i][idx[c]]. Groups: x over columns, y = rows of dst.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(select_args);

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool BY_COL = false;

void main()
{
    uint c = gl_GlobalInvocationID.x, i = gl_WorkGroupID.y;
    if (c >= args.cols) return;
    uint from = in_uint(args.idx).v[BY_COL ? c : i];
    if (from >= args.n_from) return;
    uint row = BY_COL ? i : from, col = BY_COL ? from : c;
    io_float(hk_at(args.dst, i, args.dst_ld * 4u)).v[c] = in_float(hk_at(args.x, row, args.x_ld * 4u)).v[col];
}

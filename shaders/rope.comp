// Rotary positions, in place: (a, b) -> (a cos - b sin, a sin + b cos). A lane has one pair.
// Groups: x over pairs, y = tokens.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(rope_args);

layout(local_size_x_id = 0) in;

void main()
{
    uint pair = gl_GlobalInvocationID.x, t = gl_WorkGroupID.y;
    uint pos = in_uint(args.pos).v[t];
    if (pair >= args.n_pairs || pos >= args.table_rows) return;
    uint head = pair / args.half_dim, i = pair % args.half_dim;
    bool interleaved = args.interleaved != 0u;
    uint ia = head * args.head_dim + (interleaved ? 2u * i : i);
    uint ib = ia + (interleaved ? 1u : args.half_dim);

    in_float table = in_float(hk_at(args.table, pos, args.half_dim * 8u));
    float c = table.v[2u * i], s = table.v[2u * i + 1u];
    io_float x = io_float(hk_at(args.x, t, args.x_ld * 4u));
    float a = x.v[ia], b = x.v[ib];
    x.v[ia] = a * c - b * s;
    x.v[ib] = a * s + b * c;
}

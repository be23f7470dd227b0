// Keys and values of this step's tokens into the cache. A lane writes one 16-byte word of each.
// Groups: x over (head, word), y = tokens.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(kv_write_args);

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool F16 = true;

// Elements first .. of a head's vector as one word; zero beyond head_dim.
uvec4 pack_word(in_float x, uint head, uint word)
{
    const uint n = F16 ? 8u : 4u;
    float e[8];
    [[unroll]] for (uint j = 0u; j < n; j++) {
        uint i = word * n + j;
        e[j] = i < args.head_dim ? x.v[head * args.head_dim + i] : 0.0;
    }
    if (F16)
        return uvec4(packHalf2x16(vec2(e[0], e[1])), packHalf2x16(vec2(e[2], e[3])),
                     packHalf2x16(vec2(e[4], e[5])), packHalf2x16(vec2(e[6], e[7])));
    return floatBitsToUint(vec4(e[0], e[1], e[2], e[3]));
}

void main()
{
    uint t = gl_WorkGroupID.y, row = in_uint(args.row).v[t];
    uint head = gl_GlobalInvocationID.x / args.head_words, word = gl_GlobalInvocationID.x % args.head_words;
    if (head >= args.n_head_kv || row >= args.n_rows) return; // or nothing to be written

    uint head_bytes = args.n_rows * args.head_words * 16u;
    io_uvec4 k = io_uvec4(hk_at(args.k_cache, head, head_bytes));
    io_uvec4 v = io_uvec4(hk_at(args.v_cache, head, head_bytes));
    k.v[((row / 32u) * args.head_words + word) * 32u + row % 32u] =
        pack_word(in_float(hk_at(args.k, t, args.ld * 4u)), head, word);
    v.v[row * args.head_words + word] = pack_word(in_float(hk_at(args.v, t, args.ld * 4u)), head, word);
}

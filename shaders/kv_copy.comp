// Blocks of the KV cache copied within it: what sequences share until one of them writes. A lane copies one 16-byte word
// of keys and one of values; those of a head's block lie together in both (struct hk_kv).
// Groups: x over (head, word), y = pairs.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

HK_PUSH(kv_copy_args);

layout(local_size_x_id = 0) in;

void main()
{
    uint head = gl_GlobalInvocationID.x / args.block_words, word = gl_GlobalInvocationID.x % args.block_words;
    uint from = in_uint(args.pairs).v[2u * gl_WorkGroupID.y], to = in_uint(args.pairs).v[2u * gl_WorkGroupID.y + 1u];
    if (head >= args.n_head_kv || from >= args.n_blocks || to >= args.n_blocks) return;

    uint head_bytes = args.n_blocks * args.block_words * 16u;
    io_uvec4 k = io_uvec4(hk_at(args.k_cache, head, head_bytes));
    io_uvec4 v = io_uvec4(hk_at(args.v_cache, head, head_bytes));
    k.v[to * args.block_words + word] = k.v[from * args.block_words + word];
    v.v[to * args.block_words + word] = v.v[from * args.block_words + word];
}

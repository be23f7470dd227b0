// Where a token's positions lie in the KV cache: position p is row p below fork.x, and row p + fork.y (mod 2^32) from
// there on, so that a branch shares the rows of its prefix.

// Of token t, from (n_tokens, 2) numbers; no address: row p throughout.
uvec2 hk_fork(uvec2 address, uint t)
{
    if (!hk_given(address)) return uvec2(0xffffffffu, 0u);
    return uvec2(in_uint(address).v[2u * t], in_uint(address).v[2u * t + 1u]);
}

uint hk_kv_row(uvec2 fork, uint pos)
{
    return pos < fork.x ? pos : pos + fork.y;
}

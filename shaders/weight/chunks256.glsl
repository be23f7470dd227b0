// Types of blocks of 256 weights that are decoded 32 at a time: their file defines weight_row and weight_chunk. The loop
// stays one, which keeps kernels small; what its rounds read again, like a block's scale, is in the cache.
const uint W_BLOCK = 256u;
const uint W_STEP = 1u;

void weight_block(uint b)
{
    [[dont_unroll]] for (uint g = 0u; g < 8u; g++)
        weight_chunk(8u * b + g);
}

void weight_step(uint s)
{
    weight_block(s);
}

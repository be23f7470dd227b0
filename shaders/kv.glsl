// Where a sequence's positions lie in the KV cache: in blocks of 32 rows, in the order of its table.

const uint HK_BLOCK_ROWS = 32u;

// The row of position pos, by the table that begins at blocks[table].
uint hk_kv_row(in_uint blocks, uint table, uint pos)
{
    return blocks.v[table + pos / HK_BLOCK_ROWS] * HK_BLOCK_ROWS + pos % HK_BLOCK_ROWS;
}

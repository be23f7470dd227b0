/* kv: which rows of the cache hold which tokens. Bookkeeping alone: it knows blocks and tokens, no device.
 *
 * The cache is a pool of blocks of KV_BLOCK_ROWS positions. A sequence has a table of blocks: its position p is row
 * block[p / KV_BLOCK_ROWS] * KV_BLOCK_ROWS + p % KV_BLOCK_ROWS (Kwon et al. 2023). Blocks have reference counts, so
 * that a prefix that several sequences have in common is stored once. A full block of a pool that shares is found
 * again by its tokens and the block before it, compared, not only hashed; when nobody holds it any more it stays, and
 * the one that was used least recently goes when room is needed.
 *
 * A pool and its tables are used by one thread at a time. */
#ifndef HEKLA_RUNTIME_KV_H
#define HEKLA_RUNTIME_KV_H

#include "loader/base.h"

#include "runtime/tensor.h"

enum { KV_BLOCK_ROWS = HK_BLOCK_ROWS };
#define KV_NONE UINT32_MAX

struct kv_pool;
/* A pool of n_blocks >= 1 blocks, all free. share: whether blocks are found by their tokens. NULL and *err without
 * memory. */
struct kv_pool *kv_pool_new(uint32_t n_blocks, bool share, struct hk_error *err);
void kv_pool_free(struct kv_pool *p); /* NULL is accepted */
uint32_t kv_pool_blocks(const struct kv_pool *p);
/* Blocks that nobody holds: those that are empty, and those that are kept for whoever has the same tokens. */
uint32_t kv_pool_available(const struct kv_pool *p);

/* A sequence's blocks; zero with `block` of room for all that it may ever have is an empty one. */
struct kv_table {
    uint32_t *block;   /* [n_blocks] */
    uint32_t n_blocks; /* blocks held: those of n_rows rows, and reserved ones behind them */
    uint32_t n_rows;   /* positions 0 .. n_rows - 1 are in the cache */
};

/* A block that must be copied before its sequence writes to it. */
struct kv_copy {
    uint32_t from, to;
};

/* The row of position p < n_blocks * KV_BLOCK_ROWS. */
static inline uint32_t kv_row(const struct kv_table *t, uint32_t p)
{
    return t->block[p / KV_BLOCK_ROWS] * KV_BLOCK_ROWS + p % KV_BLOCK_ROWS;
}

/* Appends blocks that hold tokens[t->n_rows .. ), as far as whole blocks of tokens[0 .. n) are there, and
 * counts their rows in. Does nothing unless n_rows ends a block. */
void kv_find(struct kv_pool *p, struct kv_table *t, const uint32_t *tokens, uint32_t n);

/* How many blocks kv_reserve would take. */
uint32_t kv_needed(const struct kv_pool *p, const struct kv_table *t, uint32_t n_rows);

/* Makes positions t->n_rows .. n_rows - 1 writable. A block that others hold too, which n_rows ends in, is
 * exchanged for a new one: *copy says which rows the device must copy first (from is KV_NONE: none). False,
 * and nothing changed, where the pool has too few blocks left. */
bool kv_reserve(struct kv_pool *p, struct kv_table *t, uint32_t n_rows, struct kv_copy *copy);

/* Says that positions up to n_rows are in the cache now, as computed from tokens[0 .. n_rows). Blocks that
 * became full can be found from here on; one that another sequence has filled with the same tokens meanwhile
 * takes the place of this table's, whose block is given back. */
void kv_commit(struct kv_pool *p, struct kv_table *t, const uint32_t *tokens, uint32_t n_rows);

/* Forgets positions from n_rows on, and gives back what is not needed for the others. */
void kv_truncate(struct kv_pool *p, struct kv_table *t, uint32_t n_rows);

/* to (empty) becomes a second holder of from's rows; nothing is copied before one of them writes. */
void kv_fork(struct kv_pool *p, struct kv_table *to, const struct kv_table *from);

#endif

#include "runtime/kv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A block is held (refs > 0), kept (refs 0, but known by its tokens), or empty. Known blocks are in a chain of the
 * hash table; kept and empty ones in the list of those that can be taken, empty and oldest first. */
struct block {
    uint32_t refs;
    bool known;
    uint32_t parent;     /* a known block's: the block before it, KV_NONE for the first of a sequence, */
    uint64_t generation; /* counts what this block has held, */
    uint64_t parent_generation; /* so that a parent that holds something else by now is not mistaken for it */
    uint64_t hash;
    uint32_t chain;      /* next of the same bucket */
    uint32_t next, prev; /* in the list of those that can be taken */
};

struct kv_pool {
    struct block *blocks;
    uint32_t *tokens;             /* (n_blocks, KV_BLOCK_ROWS) of known blocks */
    uint32_t *buckets;            /* first of each chain */
    uint32_t n_blocks, n_buckets; /* n_buckets is a power of two */
    uint32_t first, last, n_available;
    bool share;
};

struct kv_pool *kv_pool_new(uint32_t n_blocks, bool share, struct hk_error *err)
{
    assert(n_blocks > 0 && n_blocks < KV_NONE / KV_BLOCK_ROWS);
    struct kv_pool *p = hk_calloc(1, sizeof *p, err);
    if (!p) return NULL;
    p->n_blocks = n_blocks;
    p->share = share;
    for (p->n_buckets = 16; p->n_buckets < n_blocks && p->n_buckets < 1u << 24;) p->n_buckets *= 2;
    p->blocks = hk_calloc(n_blocks, sizeof *p->blocks, err);
    p->tokens = hk_calloc(n_blocks, sizeof *p->tokens * KV_BLOCK_ROWS, err);
    p->buckets = hk_calloc(p->n_buckets, sizeof *p->buckets, err);
    if (!p->blocks || !p->tokens || !p->buckets) {
        kv_pool_free(p);
        return NULL;
    }
    for (uint32_t i = 0; i < p->n_buckets; i++) p->buckets[i] = KV_NONE;
    for (uint32_t i = 0; i < n_blocks; i++)
        p->blocks[i] =
            (struct block){.next = i + 1 < n_blocks ? i + 1 : KV_NONE, .prev = i ? i - 1 : KV_NONE};
    p->last = n_blocks - 1;
    p->n_available = n_blocks;
    return p;
}

void kv_pool_free(struct kv_pool *p)
{
    if (!p) return;
    free(p->blocks);
    free(p->tokens);
    free(p->buckets);
    free(p);
}

uint32_t kv_pool_blocks(const struct kv_pool *p)
{
    return p->n_blocks;
}

uint32_t kv_pool_available(const struct kv_pool *p)
{
    return p->n_available;
}

/* ---- the list of those that can be taken ---- */

static void list_remove(struct kv_pool *p, uint32_t b)
{
    struct block *x = &p->blocks[b];
    *(x->prev == KV_NONE ? &p->first : &p->blocks[x->prev].next) = x->next;
    *(x->next == KV_NONE ? &p->last : &p->blocks[x->next].prev) = x->prev;
    p->n_available--;
}

static void list_insert(struct kv_pool *p, uint32_t b, bool at_end)
{
    struct block *x = &p->blocks[b];
    bool empty = p->n_available == 0;
    x->prev = at_end && !empty ? p->last : KV_NONE;
    x->next = at_end || empty ? KV_NONE : p->first;
    *(x->prev == KV_NONE ? &p->first : &p->blocks[x->prev].next) = b;
    *(x->next == KV_NONE ? &p->last : &p->blocks[x->next].prev) = b;
    p->n_available++;
}

/* ---- known blocks ---- */

/* Of a block's tokens behind those of its parent; no secret: tokens are compared. */
static uint64_t hash_tokens(uint64_t parent, const uint32_t *tokens)
{
    return hk_hash(parent, tokens, sizeof *tokens * KV_BLOCK_ROWS);
}

static uint64_t parent_hash(const struct kv_pool *p, uint32_t parent)
{
    return parent == KV_NONE ? HK_HASH_START : p->blocks[parent].hash;
}

static uint32_t *bucket_of(const struct kv_pool *p, uint64_t hash)
{
    return &p->buckets[hash & (p->n_buckets - 1)];
}

/* The known block of these tokens behind parent, or KV_NONE. */
static uint32_t find_known(const struct kv_pool *p, uint32_t parent, const uint32_t *tokens)
{
    if (parent != KV_NONE && !p->blocks[parent].known) return KV_NONE;
    uint64_t hash = hash_tokens(parent_hash(p, parent), tokens);
    for (uint32_t b = *bucket_of(p, hash); b != KV_NONE; b = p->blocks[b].chain) {
        const struct block *x = &p->blocks[b];
        if (x->hash == hash && x->parent == parent &&
            (parent == KV_NONE || x->parent_generation == p->blocks[parent].generation) &&
            memcmp(p->tokens + (size_t)b * KV_BLOCK_ROWS, tokens, sizeof *tokens * KV_BLOCK_ROWS) == 0)
            return b;
    }
    return KV_NONE;
}

static void make_known(struct kv_pool *p, uint32_t b, uint32_t parent, const uint32_t *tokens)
{
    struct block *x = &p->blocks[b];
    x->known = true;
    x->parent = parent;
    x->parent_generation = parent == KV_NONE ? 0 : p->blocks[parent].generation;
    x->hash = hash_tokens(parent_hash(p, parent), tokens);
    memcpy(p->tokens + (size_t)b * KV_BLOCK_ROWS, tokens, sizeof *tokens * KV_BLOCK_ROWS);
    uint32_t *bucket = bucket_of(p, x->hash);
    x->chain = *bucket;
    *bucket = b;
}

/* What it held is held no more: nor are the blocks behind it found, whose parent it was. */
static void make_unknown(struct kv_pool *p, uint32_t b)
{
    struct block *x = &p->blocks[b];
    x->generation++;
    if (!x->known) return;
    uint32_t *at = bucket_of(p, x->hash);
    while (*at != b) at = &p->blocks[*at].chain;
    *at = x->chain;
    x->known = false;
}

/* ---- holding ---- */

static void hold(struct kv_pool *p, uint32_t b)
{
    if (p->blocks[b].refs++ == 0) list_remove(p, b);
}

static void let_go(struct kv_pool *p, uint32_t b)
{
    assert(p->blocks[b].refs > 0);
    if (--p->blocks[b].refs > 0) return;
    if (!p->blocks[b].known) p->blocks[b].generation++;
    list_insert(p, b, p->blocks[b].known);
}

static uint32_t take(struct kv_pool *p)
{
    uint32_t b = p->first;
    make_unknown(p, b);
    hold(p, b);
    return b;
}

/* ---- tables ---- */

void kv_find(struct kv_pool *p, struct kv_table *t, const uint32_t *tokens, uint32_t n)
{
    if (!p->share || t->n_rows % KV_BLOCK_ROWS != 0 || t->n_blocks * KV_BLOCK_ROWS != t->n_rows) return;
    while (n - t->n_rows >= KV_BLOCK_ROWS) {
        uint32_t parent = t->n_blocks ? t->block[t->n_blocks - 1] : KV_NONE;
        uint32_t b = find_known(p, parent, tokens + t->n_rows);
        if (b == KV_NONE) return;
        hold(p, b);
        t->block[t->n_blocks++] = b;
        t->n_rows += KV_BLOCK_ROWS;
    }
}

/* Whether rows behind n_rows belong to a block that others hold too. */
static bool shares_last(const struct kv_pool *p, const struct kv_table *t)
{
    return t->n_rows % KV_BLOCK_ROWS != 0 && p->blocks[t->block[t->n_rows / KV_BLOCK_ROWS]].refs > 1;
}

uint32_t kv_needed(const struct kv_pool *p, const struct kv_table *t, uint32_t n_rows)
{
    if (n_rows <= t->n_rows) return 0;
    uint32_t want = (uint32_t)hk_div_up(n_rows, KV_BLOCK_ROWS);
    return (want > t->n_blocks ? want - t->n_blocks : 0) + shares_last(p, t);
}

bool kv_reserve(struct kv_pool *p, struct kv_table *t, uint32_t n_rows, struct kv_copy *copy)
{
    *copy = (struct kv_copy){KV_NONE, KV_NONE};
    if (kv_needed(p, t, n_rows) > p->n_available) return false;
    if (n_rows <= t->n_rows) return true;
    if (t->n_rows % KV_BLOCK_ROWS != 0) {
        uint32_t *last = &t->block[t->n_rows / KV_BLOCK_ROWS];
        if (p->blocks[*last].refs > 1) {
            *copy = (struct kv_copy){*last, take(p)};
            let_go(p, *last);
            *last = copy->to;
        } else {
            make_unknown(p, *last); /* it was full once, and is written anew */
        }
    }
    while (t->n_blocks * KV_BLOCK_ROWS < n_rows) t->block[t->n_blocks++] = take(p);
    return true;
}

void kv_commit(struct kv_pool *p, struct kv_table *t, const uint32_t *tokens, uint32_t n_rows)
{
    assert(n_rows <= t->n_blocks * KV_BLOCK_ROWS);
    uint32_t i = t->n_rows / KV_BLOCK_ROWS;
    if (n_rows > t->n_rows) t->n_rows = n_rows;
    for (; p->share && i < n_rows / KV_BLOCK_ROWS; i++) {
        uint32_t *b = &t->block[i], parent = i ? t->block[i - 1] : KV_NONE;
        if (p->blocks[*b].known || (parent != KV_NONE && !p->blocks[parent].known)) continue;
        uint32_t other = find_known(p, parent, tokens + (size_t)i * KV_BLOCK_ROWS);
        if (other == KV_NONE) {
            make_known(p, *b, parent, tokens + (size_t)i * KV_BLOCK_ROWS);
        } else {
            hold(p, other);
            let_go(p, *b);
            *b = other;
        }
    }
}

void kv_truncate(struct kv_pool *p, struct kv_table *t, uint32_t n_rows)
{
    uint32_t keep = (uint32_t)hk_div_up(n_rows, KV_BLOCK_ROWS);
    while (t->n_blocks > keep)
        let_go(p, t->block[--t->n_blocks]); /* the last first: it is the first to be taken */
    if (t->n_rows > n_rows) t->n_rows = n_rows;
}

void kv_fork(struct kv_pool *p, struct kv_table *to, const struct kv_table *from)
{
    assert(to->n_blocks == 0 && to->n_rows == 0);
    uint32_t n = (uint32_t)hk_div_up(from->n_rows, KV_BLOCK_ROWS);
    for (uint32_t i = 0; i < n; i++) hold(p, to->block[i] = from->block[i]);
    to->n_blocks = n;
    to->n_rows = from->n_rows;
}

/* Pairs of neighbouring tokens that merge. Internal to the tokenizer. */
#ifndef HEKLA_LOADER_PAIR_MAP_H
#define HEKLA_LOADER_PAIR_MAP_H

#include "loader/tokenizer/vocab_map.h"

struct hk_pair {
    uint64_t key;          /* left << 32 | right; HK_NO_PAIR: free */
    uint32_t priority, id; /* smaller merges first; what the pair becomes */
};
#define HK_NO_PAIR UINT64_MAX

/* A hash table with open addressing, made once. */
struct hk_pair_map {
    struct hk_pair *slots;
    size_t mask;
};

/* Room for n pairs. False and *err when memory is out. */
bool hk_pair_map_init(struct hk_pair_map *m, size_t n, struct hk_error *err);
void hk_pair_map_free(struct hk_pair_map *m);
/* Of two equal pairs the later one counts. */
void hk_pair_map_put(struct hk_pair_map *m, uint32_t left, uint32_t right, uint32_t priority, uint32_t id);

static inline size_t hk_pair_slot(const struct hk_pair_map *m, uint64_t key)
{
    uint64_t h = key * 0x9E3779B97F4A7C15u;
    size_t i = (size_t)(h ^ h >> 32) & m->mask;
    while (m->slots[i].key != key && m->slots[i].key != HK_NO_PAIR) i = (i + 1) & m->mask;
    return i;
}

/* The pair, or NULL where the two do not merge. */
static inline const struct hk_pair *hk_pair_map_get(const struct hk_pair_map *m, uint32_t left,
                                                    uint32_t right)
{
    const struct hk_pair *p = &m->slots[hk_pair_slot(m, (uint64_t)left << 32 | right)];
    return p->key == HK_NO_PAIR ? NULL : p;
}

/* Every way to put text[0..len), which is token `id`, together from two words. Returns how many; m NULL: only
 * counts. */
size_t hk_pair_map_splits(struct hk_pair_map *m, const struct hk_vocab_map *words, const char *text,
                          size_t len, uint32_t priority, uint32_t id);

#endif

/* A trie over byte strings: all pieces that begin at a place of a text, in time linear in the longest.
 * Internal to the tokenizer. */
#ifndef HEKLA_LOADER_PIECE_TRIE_H
#define HEKLA_LOADER_PIECE_TRIE_H

#include "loader/base.h"

struct hk_piece {
    const char *text; /* not needed any more once the trie is made */
    uint32_t len, id;
};

struct hk_trie_node {
    uint32_t first; /* children: [first, first + n), by label */
    uint32_t id;    /* of the piece that ends here, or HK_TRIE_NONE */
    uint16_t n;
    uint8_t label;
};
#define HK_TRIE_NONE UINT32_MAX

struct hk_trie {
    struct hk_trie_node *nodes; /* [0] is the root */
    uint32_t n_nodes;
    uint32_t root[256]; /* the root's child of that label, 0 where there is none */
};

/* Sorts the pieces; of two equal ones the one with the greater id wins; empty ones are left out. False and
 * *err when memory is out or there are too many. */
bool hk_trie_init(struct hk_trie *t, struct hk_piece *pieces, size_t n, struct hk_error *err);
void hk_trie_free(struct hk_trie *t);

/* The child of `node` (0: the root) by a byte; 0 where there is none. */
static inline uint32_t hk_trie_step(const struct hk_trie *t, uint32_t node, uint8_t byte)
{
    if (node == 0) return t->root[byte];
    uint32_t lo = t->nodes[node].first, hi = lo + t->nodes[node].n;
    while (hi - lo > 6) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (t->nodes[mid].label <= byte)
            lo = mid;
        else
            hi = mid;
    }
    for (; lo < hi; lo++) {
        if (t->nodes[lo].label == byte) return lo;
    }
    return 0;
}

/* Bytes of the longest piece at text[0..len), 0 where there is none; *id is its. */
size_t hk_trie_longest(const struct hk_trie *t, const char *text, size_t len, uint32_t *id);

#endif

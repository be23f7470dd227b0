/* Merging neighbours until nothing merges any more: the one loop under byte-level BPE (Sennrich et al. 2016,
 * arXiv:1508.07909) and SentencePiece's score-based BPE (Kudo and Richardson 2018, arXiv:1808.06226). They
 * differ only in which pairs merge and in what order. A heap of candidate pairs makes it O(n log n). */
#ifndef HEKLA_LOADER_MERGE_H
#define HEKLA_LOADER_MERGE_H

#include "loader/tokenizer/word_cache.h"

#define HK_NO_SYMBOL UINT32_MAX

struct hk_symbol {
    uint32_t start, len; /* its bytes in the word; len 0: merged into a neighbour */
    uint32_t id;         /* token, or HK_NO_TOKEN */
    uint32_t prev, next; /* neighbours, or HK_NO_SYMBOL */
};

struct hk_merge_candidate {
    uint32_t priority, left; /* order: smaller priority first, then the leftmost */
    uint32_t len;            /* bytes of both: tells whether the pair is still what it was */
    uint32_t id;             /* token that the pair becomes */
};

/* Working memory, reused from word to word. Zero-initialise; release with hk_merger_free. */
struct hk_merger {
    struct hk_symbol *symbols;
    struct hk_merge_candidate *heap;
    uint32_t n_symbols, n_heap, capacity;
    uint32_t *notes; /* a rule's own, or NULL */
    struct hk_word_cache cache;
};

/* Whether l and r merge; then *priority (smaller goes first) and *id (the token). */
typedef bool (*hk_merge_rule)(const void *ctx, const char *text, const struct hk_symbol *l,
                              const struct hk_symbol *r, uint32_t *priority, uint32_t *id);

/* Forgets the last word and makes room for one of at most n symbols. False and *err when memory is out. */
bool hk_merger_begin(struct hk_merger *m, size_t n, struct hk_error *err);
/* The next symbol of the word; at most n of them. */
void hk_merger_add(struct hk_merger *m, size_t start, size_t len, uint32_t id);
/* Merges. Then symbols with len > 0, in order, are the result. */
void hk_merger_run(struct hk_merger *m, const char *text, hk_merge_rule rule, const void *ctx);
void hk_merger_free(struct hk_merger *m);

#endif

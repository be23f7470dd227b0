/* The unigram language model (Kudo 2018, arXiv:1804.10959): of all ways to cut a text into pieces the one
 * whose scores, which are logarithms of probabilities, have the greatest sum. Internal to the tokenizer: the
 * text is already normalized. */
#ifndef HEKLA_LOADER_UNIGRAM_H
#define HEKLA_LOADER_UNIGRAM_H

#include "loader/tokenizer/piece_trie.h"
#include "loader/tokenizer/vocab_map.h"

struct hk_unigram; /* immutable */

/* The vocab must outlive the result. NULL and *err when memory is out. */
struct hk_unigram *hk_unigram_new(const struct hk_vocab *vocab, struct hk_error *err);
void hk_unigram_free(struct hk_unigram *u);

/* The best way to reach a place of the text. */
struct hk_unigram_best {
    double score;
    uint32_t start, id; /* of the last piece on it; start UINT32_MAX: none reaches here */
    uint32_t next;      /* on the whole best way: where the next piece ends */
};
/* Working memory. Zero-initialise, free(best). */
struct hk_unigram_work {
    struct hk_unigram_best *best;
    size_t capacity;
};

/* Appends the tokens of text[0..len). Time is O(len * longest piece); memory grows with the longest stretch
 * that no place divides without cutting some piece. A run of characters without a piece becomes the <0xXX>
 * tokens of its bytes, or one unk. */
bool hk_unigram_encode(const struct hk_unigram *u, const char *text, size_t len, struct hk_unigram_work *w,
                       struct hk_tokens *out, struct hk_error *err);

#endif

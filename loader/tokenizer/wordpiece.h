/* WordPiece (Schuster and Nakajima 2012; as in BERT): the longest piece that begins a word, then the longest
 * that goes on, to its end. Internal to the tokenizer. */
#ifndef HEKLA_LOADER_WORDPIECE_H
#define HEKLA_LOADER_WORDPIECE_H

#include "loader/tokenizer/piece_trie.h"
#include "loader/tokenizer/vocab_map.h"

struct hk_wordpiece; /* immutable */

/* The vocab must outlive the result. NULL and *err when memory is out, or there is no unknown token. */
struct hk_wordpiece *hk_wordpiece_new(const struct hk_vocab *vocab, struct hk_error *err);
void hk_wordpiece_free(struct hk_wordpiece *w);

/* Appends the tokens of one word: unk where it cannot be put together, or has more than vocab->max_word_chars
 * characters. */
bool hk_wordpiece_encode(const struct hk_wordpiece *w, const char *word, size_t len, struct hk_tokens *out,
                         struct hk_error *err);

#endif

/* Byte-pair encoding by a list of ranked merges (Sennrich et al. 2016; GPT-2's is over bytes). Internal to
 * the tokenizer: what is here works on words that are already cut and normalised. */
#ifndef HEKLA_LOADER_BPE_H
#define HEKLA_LOADER_BPE_H

#include "loader/tokenizer/merge.h"
#include "loader/tokenizer/vocab_map.h"

struct hk_bpe; /* immutable */

/* The vocab must outlive the result. NULL and *err (HK_ERR_FORMAT) where a merge names no token. */
struct hk_bpe *hk_bpe_new(const struct hk_vocab *vocab, bool ignore_merges, struct hk_error *err);
void hk_bpe_free(struct hk_bpe *b);

/* Appends the tokens of one word. Characters without a token become <0xXX> tokens, or unk, or nothing, as the
 * vocabulary has it. */
bool hk_bpe_encode(const struct hk_bpe *b, const char *word, size_t len, struct hk_merger *m,
                   struct hk_tokens *out, struct hk_error *err);

#endif

/* Byte-pair encoding by a list of ranked merges (Sennrich et al. 2016; GPT-2's is over bytes). Internal to
 * the tokenizer: what is here works on words that are already cut and normalised. */
#ifndef HEKLA_LOADER_BPE_H
#define HEKLA_LOADER_BPE_H

#include "merge.h"
#include "vocab_map.h"

struct hk_bpe; /* immutable */

/* The bytes that a byte-level token's text stands for: GPT-2 spells each byte as one printable character
 * (U+0021.., U+0100.. for those that are not printable). False, *out_len untouched, where a character is none
 * of these. out has room for len bytes. */
bool hk_byte_level_decode(const char *text, size_t len, char *out, size_t *out_len);

/* The token type BYTE and the text "<0xXX>": the byte; -1 for other tokens. */
int hk_byte_token(const struct hk_vocab_token *token);

/* texts[i], lens[i]: the bytes of token i by hk_byte_level_decode, or its text where vocab->metaspace; NULL
 * where there are none. They and the vocab must outlive the result. NULL and *err (HK_ERR_FORMAT) where a
 * merge names no token. */
struct hk_bpe *hk_bpe_new(const struct hk_vocab *vocab, bool ignore_merges, const char *const *texts,
                          const uint32_t *lens, struct hk_error *err);
void hk_bpe_free(struct hk_bpe *b);

/* Appends the tokens of one word. Characters without a token become <0xXX> tokens, or unk, or nothing, as the
 * vocabulary has it. */
bool hk_bpe_encode(const struct hk_bpe *b, const char *word, size_t len, struct hk_merger *m,
                   struct hk_tokens *out, struct hk_error *err);

#endif

/* SentencePiece's BPE (Kudo and Richardson 2018, arXiv:1808.06226): neighbours merge when their union is a
 * piece, the piece of the best score first. Internal to the tokenizer: the text is already normalised (spaces
 * are U+2581). */
#ifndef HEKLA_LOADER_SPM_H
#define HEKLA_LOADER_SPM_H

#include "loader/tokenizer/merge.h"
#include "loader/tokenizer/piece_trie.h"
#include "loader/tokenizer/vocab_map.h"

struct hk_spm; /* immutable */

/* The vocab and the trie of user-defined pieces, which are looked for where vocab->pieces_inside, must
 * outlive the result. NULL and *err when memory is out. */
struct hk_spm *hk_spm_new(const struct hk_vocab *vocab, const struct hk_trie *user_defined,
                          struct hk_error *err);
void hk_spm_free(struct hk_spm *s);

/* Appends the tokens of text[0..len). A character without a piece becomes the <0xXX> tokens of its bytes;
 * without these a run of such characters becomes unk, or nothing where there is no unk. */
bool hk_spm_encode(const struct hk_spm *s, const char *text, size_t len, struct hk_merger *m,
                   struct hk_tokens *out, struct hk_error *err);

#endif

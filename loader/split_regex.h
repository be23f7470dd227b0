/* Cutting a text into words by regular expressions, as Hugging Face's Split pre-tokenizer does. PCRE2 runs
 * them. */
#ifndef HEKLA_LOADER_SPLIT_REGEX_H
#define HEKLA_LOADER_SPLIT_REGEX_H

#include "base.h"

struct hk_splitter; /* immutable: may be shared between threads */

/* Compiles n patterns written in Oniguruma's syntax, which is what tokenizer.json files use. What means
 * something else to PCRE2 is translated; what cannot be is HK_ERR_UNSUPPORTED. NULL and *err on failure. */
struct hk_splitter *hk_splitter_new(const char *const *patterns, uint32_t n, struct hk_error *err);
void hk_splitter_free(struct hk_splitter *s);

/* One word; false (and *err of whoever runs the split) stops. */
typedef bool (*hk_word_fn)(void *user, const char *word, size_t len, struct hk_error *err);

/* Cuts text[0..len): each pattern in turn cuts the pieces that the one before left, at both ends of every
 * match. Calls fn for every piece, in order; together they are the text. Bytes that are not UTF-8 are pieces
 * of their own. False and *err when a match needs more steps or memory than is sane, or fn failed. */
bool hk_splitter_run(const struct hk_splitter *s, const char *text, size_t len, hk_word_fn fn, void *user,
                     struct hk_error *err);

#endif

/* The tokens of words that came before: most words of a text are few. Internal to the tokenizer. */
#ifndef HEKLA_LOADER_WORD_CACHE_H
#define HEKLA_LOADER_WORD_CACHE_H

#include "loader/tokenizer/vocab_map.h"

/* Zero-initialise; release with hk_word_cache_free. Not open: nothing is kept. */
struct hk_word_cache {
    struct hk_cached_word *entries;
    struct hk_cached_word *missed; /* where the word that was last looked for belongs, or NULL */
};

/* Opens it where a text is long enough to be worth it; memory is bounded (a megabyte). Without memory it
 * stays closed. */
void hk_word_cache_open(struct hk_word_cache *c, size_t text_len);
void hk_word_cache_free(struct hk_word_cache *c);

/* Appends the word's tokens if they are known: 1; 0 where they are not; -1 and *err when memory is out. */
int hk_word_cache_get(struct hk_word_cache *c, const char *word, size_t len, struct hk_tokens *out,
                      struct hk_error *err);
/* Keeps the tokens out->ids[from..) of the word that was last looked for in vain. */
void hk_word_cache_put(struct hk_word_cache *c, const char *word, size_t len, const struct hk_tokens *out,
                       size_t from);

#endif

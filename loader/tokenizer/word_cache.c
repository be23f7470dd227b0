/* One place for each hash: a word takes the place of the one that was there. An entry is a cache line. */
#include "loader/tokenizer/word_cache.h"

#include <stdlib.h>
#include <string.h>

enum { N_ENTRIES = 1 << 14, MAX_WORD = 30, MAX_TOKENS = 8, MIN_TEXT = 2048 };

struct hk_cached_word {
    uint8_t len, n; /* len 0: free */
    char word[MAX_WORD];
    uint32_t ids[MAX_TOKENS];
};

void hk_word_cache_open(struct hk_word_cache *c, size_t text_len)
{
    if (!c->entries && text_len >= MIN_TEXT) c->entries = calloc(N_ENTRIES, sizeof *c->entries);
}

void hk_word_cache_free(struct hk_word_cache *c)
{
    free(c->entries);
    memset(c, 0, sizeof *c);
}

int hk_word_cache_get(struct hk_word_cache *c, const char *word, size_t len, struct hk_tokens *out,
                      struct hk_error *err)
{
    c->missed = NULL;
    if (!c->entries || len > MAX_WORD) return 0;
    struct hk_cached_word *e = &c->entries[hk_text_hash(word, len) % N_ENTRIES];
    if (e->len != len || memcmp(e->word, word, len) != 0) {
        c->missed = e;
        return 0;
    }
    for (unsigned i = 0; i < e->n; i++) {
        if (!hk_tokens_push(out, e->ids[i], err)) return -1;
    }
    return 1;
}

void hk_word_cache_put(struct hk_word_cache *c, const char *word, size_t len, const struct hk_tokens *out,
                       size_t from)
{
    struct hk_cached_word *e = c->missed;
    size_t n = out->n - from;
    c->missed = NULL;
    if (!e || n > MAX_TOKENS) return;
    e->len = (uint8_t)len;
    e->n = (uint8_t)n;
    memcpy(e->word, word, len);
    memcpy(e->ids, out->ids + from, n * sizeof *e->ids);
}

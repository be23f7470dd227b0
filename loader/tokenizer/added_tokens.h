/* Tokens that are looked for in the text itself, before anything is cut: "<|eot_id|>", runs of spaces, ...
 * Internal to the tokenizer. */
#ifndef HEKLA_LOADER_ADDED_TOKENS_H
#define HEKLA_LOADER_ADDED_TOKENS_H

#include "loader/tokenizer/vocab_map.h"

struct hk_added_token {
    const char *text;
    uint32_t len, id;
    bool control;  /* matches only where control tokens are parsed */
    uint8_t flags; /* enum hk_token_match */
};

/* Sorted by text; the tokens that start with byte b are [first[b], first[b + 1]). */
struct hk_added_tokens {
    struct hk_added_token *tokens;
    size_t n, capacity;
    size_t first[257];
};

/* Texts are not copied. Add all, then sort once. */
bool hk_added_tokens_add(struct hk_added_tokens *a, struct hk_added_token token, struct hk_error *err);
void hk_added_tokens_sort(struct hk_added_tokens *a);
void hk_added_tokens_free(struct hk_added_tokens *a);

struct hk_typed;

/* Which tokens are looked for. */
struct hk_added_rules {
    bool control; /* control tokens too, */
    /* but in these parts of the text (tokenizer.h) neither they nor those of `also` */
    const struct hk_typed *typed;
    size_t n_typed;
    bool all_typed; /* the text that is searched lies in typed[0], whatever the places say */
};
/* Whether the token with its first byte at searched text[at] may stand there. */
bool hk_added_tokens_allow(const struct hk_added_rules *r, const struct hk_added_token *t, size_t at);

/* A place where a token stands. */
struct hk_added_match {
    const struct hk_added_token *token;
    size_t start, end; /* with the white space that the token swallows */
    size_t next; /* where to look for the next one: behind the token itself, so that white space which one
                    token has swallowed can still be a token of its own, as in the original */
};

/* The first place in text[from..len) where a token stands that the rules allow, the longest one there; false
 * where there is none. White space on its left is swallowed down to `floor`. */
bool hk_added_tokens_find(const struct hk_added_tokens *a, const char *text, size_t len, size_t from,
                          size_t floor, const struct hk_added_rules *rules, struct hk_added_match *match);

#endif

/* SentencePiece's BPE: which neighbours merge, and in what order. The merging itself is merge.c's. */
#include "loader/tokenizer/spm.h"
#include "loader/tokenizer/metaspace.h"
#include "loader/tokenizer/pair_map.h"
#include "loader/utf8.h"

#include <stdlib.h>
#include <string.h>

struct hk_spm {
    const struct hk_vocab *vocab;
    struct hk_vocab_map pieces;
    struct hk_pair_map pairs; /* what two pieces become: asked for more often than a character without one */
    const struct hk_trie *user_defined; /* looked for in the text; what they are never merges. Or NULL */
    uint32_t byte_id[256];
    bool word_by_word; /* no piece reaches from one word into the next */
    bool all_bytes;    /* nothing is unknown: what a word becomes does not depend on the one before */
    bool unused;       /* some pieces may be merged through, but are not given */
};

/* Control, unknown and byte tokens are never found in a text by their spelling. */
static bool is_piece(const struct hk_vocab_token *t)
{
    return t->len > 0 && !(t->flags & HK_TOKEN_MATCH_TEXT) &&
           (t->type == HK_TOKEN_NORMAL || t->type == HK_TOKEN_USER_DEFINED || t->type == HK_TOKEN_UNUSED);
}

/* A float's order as an integer's, the greatest first. */
static uint32_t best_first(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 is 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~(bits | 0x80000000u);
}

static bool add_pairs(struct hk_spm *s, struct hk_error *err)
{
    const struct hk_vocab *v = s->vocab;
    size_t n = 0;
    for (int fill = 0; fill < 2; fill++) {
        if (fill && !hk_pair_map_init(&s->pairs, n, err)) return false;
        for (uint32_t i = 0; i < v->n_tokens; i++) {
            const struct hk_vocab_token *t = &v->tokens[i];
            /* of equal pieces only the last is found */
            if (!is_piece(t) || hk_vocab_map_get(&s->pieces, t->text, t->len) != i) continue;
            n += hk_pair_map_splits(fill ? &s->pairs : NULL, &s->pieces, t->text, t->len,
                                    best_first(t->score), i);
        }
    }
    return true;
}

struct hk_spm *hk_spm_new(const struct hk_vocab *vocab, const struct hk_trie *user_defined,
                          struct hk_error *err)
{
    struct hk_spm *s = hk_calloc(1, sizeof *s, err);
    if (!s) return NULL;
    s->vocab = vocab;
    s->user_defined = vocab->pieces_inside ? user_defined : NULL;
    s->word_by_word = true;
    if (!hk_vocab_map_init(&s->pieces, vocab->n_tokens, err)) {
        hk_spm_free(s);
        return NULL;
    }
    for (unsigned i = 0; i < 256; i++) s->byte_id[i] = HK_NO_TOKEN;
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        const struct hk_vocab_token *t = &vocab->tokens[i];
        int byte = hk_byte_token(t);
        if (byte >= 0) s->byte_id[byte] = i;
        if (!is_piece(t)) continue;
        hk_vocab_map_put(&s->pieces, t->text, t->len, i);
        if (hk_metaspace_inside(t->text, t->len)) s->word_by_word = false;
        if (t->type == HK_TOKEN_UNUSED && vocab->pieces_inside) s->unused = true;
    }
    if (!add_pairs(s, err)) {
        hk_spm_free(s);
        return NULL;
    }
    s->all_bytes = true;
    for (unsigned i = 0; i < 256; i++) s->all_bytes = s->all_bytes && s->byte_id[i] != HK_NO_TOKEN;
    return s;
}

void hk_spm_free(struct hk_spm *s)
{
    if (!s) return;
    hk_vocab_map_free(&s->pieces);
    hk_pair_map_free(&s->pairs);
    free(s);
}

/* What the rule sees; notes: where an unused piece, by its id, was put together. */
struct merging {
    const struct hk_spm *s;
    uint32_t *notes;
};

static bool is_user_defined(const struct hk_spm *s, uint32_t id)
{
    return s->user_defined && id != HK_NO_TOKEN && s->vocab->tokens[id].type == HK_TOKEN_USER_DEFINED;
}

static bool rule(const void *ctx, const char *text, const struct hk_symbol *l, const struct hk_symbol *r,
                 uint32_t *priority, uint32_t *id)
{
    const struct merging *m = ctx;
    const struct hk_spm *s = m->s;
    if (is_user_defined(s, l->id) || is_user_defined(s, r->id)) return false;
    const struct hk_pair *p = NULL;
    if (l->id != HK_NO_TOKEN && r->id != HK_NO_TOKEN) {
        p = hk_pair_map_get(&s->pairs, l->id, r->id);
        *id = p ? p->id : HK_NO_TOKEN;
    } else {
        *id = hk_vocab_map_get(&s->pieces, text + l->start, (size_t)l->len + r->len);
    }
    if (*id == HK_NO_TOKEN) return false;
    if (m->notes && s->vocab->tokens[*id].type == HK_TOKEN_UNUSED) m->notes[*id] = l->len;
    *priority = p ? p->priority : best_first(s->vocab->tokens[*id].score);
    return true;
}

/* A character without a piece. *unknown: the one before had none either, and no bytes. */
static bool push_bytes(const struct hk_spm *s, const char *text, size_t len, bool *unknown,
                       struct hk_tokens *out, struct hk_error *err)
{
    bool all = true;
    for (size_t i = 0; i < len; i++) all = all && s->byte_id[(uint8_t)text[i]] != HK_NO_TOKEN;
    if (!all) {
        bool again = *unknown || s->vocab->unk == HK_NO_TOKEN;
        *unknown = true;
        return again || hk_tokens_push(out, s->vocab->unk, err);
    }
    *unknown = false;
    for (size_t i = 0; i < len; i++) {
        if (!hk_tokens_push(out, s->byte_id[(uint8_t)text[i]], err)) return false;
    }
    return true;
}

struct writer {
    const struct hk_spm *s;
    const uint32_t *notes;
    bool *unknown;
    struct hk_tokens *out;
    struct hk_error *err;
};

/* A piece, or of an unused one the two that it was made of, and so on. */
static bool write_piece(const struct writer *w, const char *text, size_t len)
{
    uint32_t id = hk_vocab_map_get(&w->s->pieces, text, len);
    bool unused = id != HK_NO_TOKEN && w->notes && w->s->vocab->tokens[id].type == HK_TOKEN_UNUSED;
    uint32_t left = unused ? w->notes[id] : 0;
    if (left > 0 && left < len) return write_piece(w, text, left) && write_piece(w, text + left, len - left);
    if (id == HK_NO_TOKEN || unused) return push_bytes(w->s, text, len, w->unknown, w->out, w->err);
    *w->unknown = false;
    return hk_tokens_push(w->out, id, w->err);
}

/* The symbols to begin with: user-defined pieces, else characters. */
static void add_symbols(const struct hk_spm *s, const char *text, size_t len, struct hk_merger *m)
{
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t id = HK_NO_TOKEN;
        n = s->user_defined ? hk_trie_longest(s->user_defined, text + i, len - i, &id) : 0;
        if (n == 0) {
            n = hk_utf8_len(text + i, len - i);
            if (n == 0) n = 1;
            id = hk_vocab_map_get(&s->pieces, text + i, n);
        }
        hk_merger_add(m, i, n, id);
    }
}

static bool encode_new_word(const struct hk_spm *s, const char *text, size_t len, struct hk_merger *m,
                            bool *unknown, struct hk_tokens *out, struct hk_error *err)
{
    if (!hk_merger_begin(m, len, err)) return false;
    if (s->unused && !m->notes && !(m->notes = hk_calloc(s->vocab->n_tokens, sizeof *m->notes, err)))
        return false;
    add_symbols(s, text, len, m);
    hk_merger_run(m, text, rule, &(struct merging){s, m->notes});
    struct writer w = {s, m->notes, unknown, out, err};
    for (uint32_t i = 0; i < m->n_symbols; i++) {
        const struct hk_symbol *y = &m->symbols[i];
        if (y->len == 0) continue;
        bool plain = y->id != HK_NO_TOKEN && !m->notes;
        if (plain) *unknown = false;
        if (!(plain ? hk_tokens_push(out, y->id, err) : write_piece(&w, text + y->start, y->len)))
            return false;
    }
    return true;
}

static bool encode_word(const struct hk_spm *s, const char *text, size_t len, struct hk_merger *m,
                        bool *unknown, struct hk_tokens *out, struct hk_error *err)
{
    size_t from = out->n;
    int known = s->all_bytes ? hk_word_cache_get(&m->cache, text, len, out, err) : 0;
    if (known) return known > 0;
    if (!encode_new_word(s, text, len, m, unknown, out, err)) return false;
    hk_word_cache_put(&m->cache, text, len, out, from);
    return true;
}

bool hk_spm_encode(const struct hk_spm *s, const char *text, size_t len, struct hk_merger *m,
                   struct hk_tokens *out, struct hk_error *err)
{
    bool unknown = false;
    for (size_t i = 0; i < len;) {
        size_t n = s->word_by_word ? hk_metaspace_word(text + i, len - i) : len - i;
        if (!encode_word(s, text + i, n, m, &unknown, out, err)) return false;
        i += n;
    }
    return true;
}

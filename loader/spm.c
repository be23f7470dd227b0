/* SentencePiece's BPE: which neighbours merge, and in what order. The merging itself is merge.c's. */
#include "spm.h"
#include "bpe.h"
#include "normalize.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

struct hk_spm {
    const struct hk_vocab *vocab;
    struct hk_vocab_map pieces;
    uint32_t byte_id[256];
    bool word_by_word; /* no piece reaches from one word into the next */
};

/* Control, unknown and byte tokens are never found in a text by their spelling. */
static bool is_piece(const struct hk_vocab_token *t)
{
    return t->len > 0 &&
           (t->type == HK_TOKEN_NORMAL || t->type == HK_TOKEN_USER_DEFINED || t->type == HK_TOKEN_UNUSED);
}

struct hk_spm *hk_spm_new(const struct hk_vocab *vocab, struct hk_error *err)
{
    struct hk_spm *s = hk_calloc(1, sizeof *s, err);
    if (!s) return NULL;
    s->vocab = vocab;
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
    }
    return s;
}

void hk_spm_free(struct hk_spm *s)
{
    if (!s) return;
    hk_vocab_map_free(&s->pieces);
    free(s);
}

/* A float's order as an integer's, the greatest first. */
static uint32_t best_first(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 is 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~(bits | 0x80000000u);
}

static bool rule(const void *ctx, const char *text, const struct hk_symbol *l, const struct hk_symbol *r,
                 uint32_t *priority, uint32_t *id)
{
    const struct hk_spm *s = ctx;
    *id = hk_vocab_map_get(&s->pieces, text + l->start, (size_t)l->len + r->len);
    if (*id == HK_NO_TOKEN) return false;
    *priority = best_first(s->vocab->tokens[*id].score);
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

static bool encode_word(const struct hk_spm *s, const char *text, size_t len, struct hk_merger *m,
                        bool *unknown, struct hk_tokens *out, struct hk_error *err)
{
    if (!hk_merger_begin(m, len, err)) return false;
    for (size_t i = 0; i < len;) {
        size_t n = hk_utf8_len(text + i, len - i);
        if (n == 0) n = 1;
        hk_merger_add(m, i, n, hk_vocab_map_get(&s->pieces, text + i, n));
        i += n;
    }
    hk_merger_run(m, text, rule, s);
    for (uint32_t i = 0; i < m->n_symbols; i++) {
        const struct hk_symbol *y = &m->symbols[i];
        if (y->len == 0) continue;
        bool known = y->id != HK_NO_TOKEN;
        if (known) *unknown = false;
        bool ok = known ? hk_tokens_push(out, y->id, err)
                        : push_bytes(s, text + y->start, y->len, unknown, out, err);
        if (!ok) return false;
    }
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

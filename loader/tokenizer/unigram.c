/* Viterbi's algorithm over bytes: best[i] is the best way to cut what is before place i. As soon as no piece
 * reaches across a place, what is before it is settled and its memory is used again. */
#include "loader/tokenizer/unigram.h"
#include "loader/utf8.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN_PENALTY 10.0 /* below the worst piece: the original's */

struct hk_unigram {
    const struct hk_vocab *vocab;
    struct hk_trie trie;
    double unknown_score;
    float best_score;      /* of a normal piece */
    uint32_t longest;      /* bytes of the longest piece */
    uint32_t byte_id[256]; /* the <0xXX> token, or HK_NO_TOKEN */
};

/* Which tokens a text can be cut into. A tokenizer.json's model knows no types: there the scores say what is
 * its own. */
static bool is_piece(const struct hk_vocab *v, uint32_t i)
{
    const struct hk_vocab_token *t = &v->tokens[i];
    if (t->len == 0 || t->flags & HK_TOKEN_MATCH_TEXT) return false;
    if (v->scores) return !isnan(v->scores[i]);
    return t->type == HK_TOKEN_NORMAL || t->type == HK_TOKEN_USER_DEFINED ||
           (t->type == HK_TOKEN_UNUSED && !v->pieces_inside);
}

static double score_of(const struct hk_vocab *v, uint32_t i)
{
    return v->scores ? v->scores[i] : (double)v->tokens[i].score;
}

static void find_scores(struct hk_unigram *u)
{
    const struct hk_vocab *v = u->vocab;
    double worst = v->scores ? INFINITY : (double)FLT_MAX;
    u->best_score = FLT_MIN;
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        bool counts = v->scores ? is_piece(v, i) : v->tokens[i].type == HK_TOKEN_NORMAL;
        if (!counts) continue;
        if (score_of(v, i) < worst) worst = score_of(v, i);
        if (v->tokens[i].score > u->best_score) u->best_score = v->tokens[i].score;
    }
    u->unknown_score =
        v->float_sums ? (double)((float)worst - (float)UNKNOWN_PENALTY) : worst - UNKNOWN_PENALTY;
}

static void find_bytes(struct hk_unigram *u)
{
    static const char hex[] = "0123456789ABCDEF";
    for (unsigned b = 0; b < 256; b++) u->byte_id[b] = HK_NO_TOKEN;
    for (uint32_t i = 0; u->vocab->byte_fallback && i < u->vocab->n_tokens; i++) {
        const struct hk_vocab_token *t = &u->vocab->tokens[i];
        if (t->type != HK_TOKEN_BYTE || t->len != 6) continue;
        const char *hi = strchr(hex, t->text[3]), *lo = strchr(hex, t->text[4]);
        if (hi && lo && *hi && *lo) u->byte_id[(hi - hex) * 16 + (lo - hex)] = i;
    }
}

struct hk_unigram *hk_unigram_new(const struct hk_vocab *vocab, struct hk_error *err)
{
    struct hk_unigram *u = hk_calloc(1, sizeof *u, err);
    struct hk_piece *pieces = u ? hk_calloc(vocab->n_tokens, sizeof *pieces, err) : NULL;
    size_t n = 0;
    bool ok = pieces != NULL;
    for (uint32_t i = 0; ok && i < vocab->n_tokens; i++) {
        if (!is_piece(vocab, i)) continue;
        pieces[n++] = (struct hk_piece){vocab->tokens[i].text, vocab->tokens[i].len, i};
        if (vocab->tokens[i].len > u->longest) u->longest = vocab->tokens[i].len;
    }
    ok = ok && hk_trie_init(&u->trie, pieces, n, err);
    free(pieces);
    if (!ok) {
        hk_unigram_free(u);
        return NULL;
    }
    u->vocab = vocab;
    find_scores(u);
    find_bytes(u);
    return u;
}

void hk_unigram_free(struct hk_unigram *u)
{
    if (!u) return;
    hk_trie_free(&u->trie);
    free(u);
}

/* ---- output ---- */

struct writer {
    const struct hk_unigram *u;
    const char *text;
    size_t unknown_from, unknown_to; /* a run of unknown characters that may go on */
    struct hk_tokens *out;
    struct hk_error *err;
};

static uint32_t exact(const struct hk_trie *t, const char *s, size_t len)
{
    uint32_t node = 0;
    for (size_t i = 0; i < len; i++) {
        node = hk_trie_step(t, node, (uint8_t)s[i]);
        if (node == 0) return HK_NO_TOKEN;
    }
    return t->nodes[node].id;
}

static bool end_unknown(struct writer *w)
{
    const struct hk_vocab *v = w->u->vocab;
    const char *s = w->text + w->unknown_from;
    size_t len = w->unknown_to - w->unknown_from;
    w->unknown_from = w->unknown_to;
    if (len == 0) return true;
    /* tokenizers looks the run up as a whole, and may find a piece that scores worse than its characters
     * unknown */
    uint32_t id = v->scores ? exact(&w->u->trie, s, len) : HK_NO_TOKEN;
    if (id != HK_NO_TOKEN) return hk_tokens_push(w->out, id, w->err);
    bool bytes = true;
    for (size_t i = 0; bytes && i < len; i++) bytes = w->u->byte_id[(uint8_t)s[i]] != HK_NO_TOKEN;
    if (!bytes) return v->unk == HK_NO_TOKEN || hk_tokens_push(w->out, v->unk, w->err);
    for (size_t i = 0; i < len; i++) {
        if (!hk_tokens_push(w->out, w->u->byte_id[(uint8_t)s[i]], w->err)) return false;
    }
    return true;
}

static bool write_piece(struct writer *w, size_t from, size_t to, uint32_t id)
{
    if (id == w->u->vocab->unk || id == HK_NO_TOKEN) {
        if (w->unknown_from == w->unknown_to) w->unknown_from = from;
        w->unknown_to = to;
        return true;
    }
    return end_unknown(w) && hk_tokens_push(w->out, id, w->err);
}

/* Writes the best way through the settled stretch text[base, base + n): found from its end, so linked
 * forwards first. */
static bool settle(struct writer *w, struct hk_unigram_best *best, size_t base, uint32_t n)
{
    for (uint32_t to = n; to > 0; to = best[to].start) best[best[to].start].next = to;
    for (uint32_t at = 0; at < n; at = best[at].next) {
        uint32_t to = best[at].next;
        if (!write_piece(w, base + at, base + to, best[to].id)) return false;
    }
    return true;
}

/* ---- the search ---- */

static bool reserve(struct hk_unigram_work *w, size_t n, struct hk_error *err)
{
    if (n <= w->capacity) return true;
    size_t capacity = w->capacity * 2 > n ? w->capacity * 2 : n + 256;
    struct hk_unigram_best *p =
        capacity < SIZE_MAX / sizeof *p ? realloc(w->best, capacity * sizeof *p) : NULL;
    if (!p) return hk_fail(err, HK_ERR_MEMORY, "tokenizer: no memory for a stretch of %zu bytes", n);
    w->best = p;
    w->capacity = capacity;
    return true;
}

/* Scores add up in double as tokenizers and llama.cpp do it, or in float as SentencePiece does, so that
 * near-ties fall the same way. */
static double sum(const struct hk_vocab *v, double a, double b)
{
    return v->float_sums ? (double)((float)a + (float)b) : a + b;
}

/* SentencePiece keeps its sums where a float is fine enough: when the one here gets large, all that are alive
 * are counted from it. */
static void rebase(const struct hk_unigram *u, struct hk_unigram_best *best, uint32_t rel)
{
    double here = best[rel].score;
    if (!u->vocab->float_sums || here >= -100000.0) return;
    for (uint32_t i = rel; i <= rel + u->longest; i++) {
        if (best[i].start != UINT32_MAX) best[i].score = sum(u->vocab, best[i].score, -here);
    }
}

static void offer(struct hk_unigram_best *b, double score, uint32_t start, uint32_t id)
{
    if (b->start != UINT32_MAX && !(score > b->score)) return;
    b->score = score;
    b->start = start;
    b->id = id;
}

/* Every piece at text[at..], where best[0] is; and the character there as unknown, unless it is a piece.
 * Returns the end of the longest. */
static size_t offer_all(const struct hk_unigram *u, const char *text, size_t len,
                        struct hk_unigram_best *best, uint32_t rel)
{
    const struct hk_vocab *v = u->vocab;
    double here = best[rel].score;
    size_t one = hk_utf8_len(text, len), reach = one ? one : 1;
    bool single = false;
    uint32_t node = 0;
    one = reach;
    for (size_t i = 0; i < len; i++) {
        node = hk_trie_step(&u->trie, node, (uint8_t)text[i]);
        if (node == 0) break;
        uint32_t id = u->trie.nodes[node].id;
        if (id == HK_TRIE_NONE) continue;
        double score = score_of(v, id);
        /* SentencePiece makes sure that user-defined pieces win, llama.cpp only that they cost nothing */
        if (v->tokens[id].type == HK_TOKEN_USER_DEFINED && !v->scores)
            score = v->pieces_inside ? (double)((float)(i + 1) * u->best_score) - 0.1 : 0.0;
        offer(&best[rel + i + 1], sum(v, score, here), rel, id);
        single = single || i + 1 == one;
        if (i + 1 > reach) reach = i + 1;
    }
    if (single) return reach;
    offer(&best[rel + one], sum(v, u->unknown_score, here), rel, v->unk);
    return reach;
}

bool hk_unigram_encode(const struct hk_unigram *u, const char *text, size_t len, struct hk_unigram_work *w,
                       struct hk_tokens *out, struct hk_error *err)
{
    static const struct hk_unigram_best none = {.start = UINT32_MAX};
    struct writer writer = {.u = u, .text = text, .out = out, .err = err};
    size_t base = 0, reach = 0,
           clean = 1; /* the stretch's start; the furthest piece's end; best[0..clean) is set */
    if (len > UINT32_MAX / 2)
        return hk_fail(err, HK_ERR_INPUT, "tokenizer: a text of %zu bytes is too long", len);
    if (!reserve(w, u->longest + 2, err)) return false;
    w->best[0] = (struct hk_unigram_best){0};
    for (size_t at = 0; at < len;) {
        uint32_t rel = (uint32_t)(at - base);
        if (!reserve(w, rel + u->longest + 6, err)) return false;
        while (clean < rel + u->longest + 6) w->best[clean++] = none;
        rebase(u, w->best, rel);
        size_t end = at + offer_all(u, text + at, len - at, w->best, rel),
               one = hk_utf8_len(text + at, len - at);
        if (end > reach) reach = end;
        at += one ? one : 1;
        if (at < reach) continue;
        rel = (uint32_t)(at - base);
        if (!settle(&writer, w->best, base, rel)) return false;
        w->best[0] = (struct hk_unigram_best){.score = w->best[rel].score};
        for (uint32_t i = 1; i <= rel; i++) w->best[i] = none;
        base = at;
    }
    return end_unknown(&writer);
}

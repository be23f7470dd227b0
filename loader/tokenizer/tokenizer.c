/* Text <-> tokens: added tokens out of the text, the rest normalised, cut into words and merged; and back.
 * The order of these steps, and what each sees, is that of Hugging Face's tokenizers. */
#include "loader/tokenizer/tokenizer.h"
#include "loader/checkpoint.h"
#include "loader/tokenizer/added_tokens.h"
#include "loader/tokenizer/bpe.h"
#include "loader/tokenizer/detokenizer.h"
#include "loader/tokenizer/spm.h"
#include "loader/tokenizer/text_normalizer.h"
#include "loader/tokenizer/text_splitter.h"
#include "loader/tokenizer/unigram.h"
#include "loader/utf8.h"
#include "loader/tokenizer/vocab_steps.h"
#include "loader/tokenizer/wordpiece.h"

#include <stdlib.h>
#include <string.h>

struct hk_tokenizer {
    const struct hk_vocab *vocab;
    struct hk_arena arena;
    struct hk_text_steps steps;
    struct hk_added_tokens raw, normalized; /* looked for before and after normalising */
    struct hk_trie user_defined;            /* pieces that the model finds itself */
    struct hk_text_normalizer *normalizer;
    struct hk_text_splitter *splitter;
    struct hk_detokenizer *detokenizer;
    struct hk_bpe *bpe; /* one of these */
    struct hk_spm *spm;
    struct hk_unigram *unigram;
    struct hk_wordpiece *wordpiece;
    bool virtual_space; /* the normalizer puts a space before every stretch of text between added tokens */
};

/* ---- making one ---- */

static bool is_control(const struct hk_vocab_token *t)
{
    return t->type == HK_TOKEN_CONTROL || t->type == HK_TOKEN_UNKNOWN;
}

/* Looked for in the text, whether control tokens are parsed or not. */
static bool is_added(const struct hk_vocab *v, const struct hk_vocab_token *t)
{
    return t->type == HK_TOKEN_USER_DEFINED && (!v->pieces_inside || t->flags & HK_TOKEN_MATCH_TEXT);
}

static bool add_normalized(struct hk_tokenizer *t, struct hk_added_token a, struct hk_error *err)
{
    struct hk_normalizing w = {0};
    struct hk_span text = {a.text, a.len};
    bool from_start, ok = hk_text_normalizer_run(t->normalizer, &w, &text, &from_start, err);
    if (ok && text.len > UINT32_MAX)
        ok = hk_fail(err, HK_ERR_FORMAT, "tokenizer: an added token is too long");
    a.text = ok ? hk_arena_strndup(&t->arena, text.data, text.len, err) : NULL;
    a.len = (uint32_t)text.len;
    hk_normalizing_free(&w);
    return a.text && hk_added_tokens_add(&t->normalized, a, err);
}

static bool find_added(struct hk_tokenizer *t, struct hk_error *err)
{
    const struct hk_vocab *v = t->vocab;
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        const struct hk_vocab_token *k = &v->tokens[i];
        if (k->len == 0 || (!is_control(k) && !is_added(v, k))) continue;
        struct hk_added_token a = {
            .text = k->text, .len = k->len, .id = i, .control = is_control(k), .flags = k->flags};
        bool ok = k->flags & HK_TOKEN_MATCH_NORMALIZED ? add_normalized(t, a, err)
                                                       : hk_added_tokens_add(&t->raw, a, err);
        if (!ok) return false;
    }
    hk_added_tokens_sort(&t->raw);
    hk_added_tokens_sort(&t->normalized);
    return true;
}

static bool find_user_defined(struct hk_tokenizer *t, struct hk_error *err)
{
    const struct hk_vocab *v = t->vocab;
    if (!v->pieces_inside) return true;
    struct hk_piece *pieces = hk_calloc(v->n_tokens, sizeof *pieces, err);
    size_t n = 0;
    for (uint32_t i = 0; pieces && i < v->n_tokens; i++) {
        if (v->tokens[i].type == HK_TOKEN_USER_DEFINED && !is_added(v, &v->tokens[i]))
            pieces[n++] = (struct hk_piece){v->tokens[i].text, v->tokens[i].len, i};
    }
    bool ok = pieces && hk_trie_init(&t->user_defined, pieces, n, err);
    free(pieces);
    return ok;
}

static bool make_model(struct hk_tokenizer *t, bool ignore_merges, struct hk_error *err)
{
    switch (t->vocab->kind) {
    case HK_VOCAB_BPE:
        return (t->bpe = hk_bpe_new(t->vocab, ignore_merges, err)) != NULL;
    case HK_VOCAB_SPM:
        return (t->spm = hk_spm_new(t->vocab, &t->user_defined, err)) != NULL;
    case HK_VOCAB_UNIGRAM:
        return (t->unigram = hk_unigram_new(t->vocab, err)) != NULL;
    case HK_VOCAB_WORDPIECE:
        return (t->wordpiece = hk_wordpiece_new(t->vocab, err)) != NULL;
    case HK_VOCAB_NONE:
        break; /* hk_vocab_steps has refused it */
    }
    return false;
}

static bool build(struct hk_tokenizer *t, struct hk_error *err)
{
    const struct hk_vocab *v = t->vocab;
    const struct hk_text_steps *s = &t->steps;
    bool ignore_merges;
    if (!hk_vocab_steps(v, &t->arena, &t->steps, &ignore_merges, err)) return false;
    if (v->n_tokens == 0) return hk_fail(err, HK_ERR_FORMAT, "tokenizer: the vocabulary has no tokens");
    for (uint32_t i = 0; i < s->n_norm; i++) {
        bool sp = s->norm[i].kind == HK_NORM_SENTENCEPIECE && s->norm[i].flags & HK_SP_DUMMY_PREFIX;
        t->virtual_space = t->virtual_space || s->norm[i].kind == HK_NORM_PREPEND || sp;
    }
    if (!find_user_defined(t, err)) return false;
    t->normalizer = hk_text_normalizer_new(s->norm, s->n_norm, &t->user_defined, err);
    t->splitter = t->normalizer ? hk_text_splitter_new(s->pre, s->n_pre, err) : NULL;
    t->detokenizer = t->splitter ? hk_detokenizer_new(v, s->decode, s->n_decode, err) : NULL;
    if (!t->detokenizer) return hk_fail_prefix(err, "tokenizer");
    return find_added(t, err) && make_model(t, ignore_merges, err);
}

struct hk_tokenizer *hk_tokenizer_new(const struct hk_vocab *vocab, struct hk_error *err)
{
    struct hk_tokenizer *t = hk_calloc(1, sizeof *t, err);
    if (!t) return NULL;
    t->vocab = vocab;
    if (!build(t, err)) {
        hk_tokenizer_free(t);
        return NULL;
    }
    return t;
}

void hk_tokenizer_free(struct hk_tokenizer *t)
{
    if (!t) return;
    hk_bpe_free(t->bpe);
    hk_spm_free(t->spm);
    hk_unigram_free(t->unigram);
    hk_wordpiece_free(t->wordpiece);
    hk_detokenizer_free(t->detokenizer);
    hk_text_splitter_free(t->splitter);
    hk_text_normalizer_free(t->normalizer);
    hk_trie_free(&t->user_defined);
    hk_added_tokens_free(&t->raw);
    hk_added_tokens_free(&t->normalized);
    hk_arena_free(&t->arena);
    free(t);
}

/* ---- encoding ---- */

struct encoding {
    const struct hk_tokenizer *t;
    struct hk_added_rules rules; /* which tokens are found in the text */
    struct hk_normalizing normalizing;
    struct hk_splitting splitting;
    struct hk_merger merger;
    struct hk_unigram_work unigram;
    struct hk_bytes repaired;
    struct hk_tokens *out;
};

static bool encode_unigram(struct encoding *e, const char *word, size_t len, struct hk_error *err)
{
    size_t from = e->out->n;
    int known = hk_word_cache_get(&e->merger.cache, word, len, e->out, err);
    if (known) return known > 0;
    if (!hk_unigram_encode(e->t->unigram, word, len, &e->unigram, e->out, err)) return false;
    hk_word_cache_put(&e->merger.cache, word, len, e->out, from);
    return true;
}

static bool encode_word(void *user, const char *word, size_t len, struct hk_error *err)
{
    struct encoding *e = user;
    const struct hk_tokenizer *t = e->t;
    if (t->bpe) return hk_bpe_encode(t->bpe, word, len, &e->merger, e->out, err);
    if (t->spm) return hk_spm_encode(t->spm, word, len, &e->merger, e->out, err);
    if (t->unigram) return encode_unigram(e, word, len, err);
    return hk_wordpiece_encode(t->wordpiece, word, len, e->out, err);
}

/* Text without added tokens. from_start: it stands at the very beginning. */
static bool encode_piece(struct encoding *e, const char *text, size_t len, bool from_start,
                         struct hk_error *err)
{
    if (len == 0) return true;
    return hk_text_splitter_run(e->t->splitter, &e->splitting, text, len, from_start, encode_word, e, err);
}

/* Text between two tokens that were found before normalising, or a part of it. */
static bool encode_part(struct encoding *e, struct hk_span s, bool from_start,
                        const struct hk_added_rules *rules, struct hk_error *err)
{
    if (!hk_text_normalizer_run(e->t->normalizer, &e->normalizing, &s, &from_start, err)) return false;
    struct hk_added_match m = {0};
    size_t at = 0;
    while (hk_added_tokens_find(&e->t->normalized, s.data, s.len, m.next, at, rules, &m)) {
        if (m.start > at && !encode_piece(e, s.data + at, m.start - at, from_start && at == 0, err))
            return false;
        if (!hk_tokens_push(e->out, m.token->id, err)) return false;
        at = m.end;
    }
    return encode_piece(e, s.data + at, s.len - at, from_start && at == 0, err);
}

/* How many tokens in the normalised text are such as typed part p must not have. */
static bool count_barred(struct encoding *e, struct hk_span s, const struct hk_typed *p, size_t *n,
                         struct hk_error *err)
{
    const struct hk_added_rules all = {.control = true},
                                rules = {.control = true, .typed = p, .n_typed = 1, .all_typed = true};
    bool from_start;
    if (!hk_text_normalizer_run(e->t->normalizer, &e->normalizing, &s, &from_start, err)) return false;
    struct hk_added_match m = {0};
    while (hk_added_tokens_find(&e->t->normalized, s.data, s.len, m.next, m.end, &all, &m)) {
        if (!hk_added_tokens_allow(&rules, m.token, 0)) ++*n;
    }
    return true;
}

/* The part of a stretch that begins at byte `at` of the whole text: up to the next place where a typed part
 * begins or ends. *typed: the one that it lies in, or NULL. */
static size_t next_part(const struct encoding *e, size_t at, size_t end, const struct hk_typed **typed)
{
    *typed = NULL;
    for (size_t i = 0; i < e->rules.n_typed; i++) {
        const struct hk_typed *p = &e->rules.typed[i];
        if (p->end <= at || p->start >= end) continue;
        if (p->start > at) return p->start;
        *typed = p;
        return p->end < end ? p->end : end;
    }
    return end;
}

/* A normalizer moves what it finds, so places in the text say nothing about tokens that are looked for behind
 * it. The stretch is encoded whole where its typed parts hold none that is barred there, else part by part. */
static bool encode_stretch(struct encoding *e, const char *text, size_t start, size_t end,
                           struct hk_error *err)
{
    const struct hk_added_rules all = {.control = e->rules.control};
    const struct hk_span whole = {text + start, end - start};
    const struct hk_typed *typed, *first = NULL;
    size_t in_all = 0, outside = 0, inside = 0, next;
    bool ok = true, parts = e->t->normalized.n > 0 && e->rules.control;
    for (size_t at = start; ok && parts && at < end; at = next) {
        next = next_part(e, at, end, &typed);
        if (typed) first = typed;
        ok = !typed || count_barred(e, (struct hk_span){text + at, next - at}, typed, &inside, err);
    }
    if (!ok) return false;
    if (!first) return encode_part(e, whole, start == 0, &all, err);
    /* a token may also be put together by both sides of a border */
    ok = count_barred(e, whole, first, &in_all, err);
    for (size_t at = start; ok && at < end; at = next) {
        next = next_part(e, at, end, &typed);
        ok = typed || count_barred(e, (struct hk_span){text + at, next - at}, first, &outside, err);
    }
    if (!ok) return false;
    if (inside == 0 && in_all <= outside) return encode_part(e, whole, start == 0, &all, err);
    for (size_t at = start; ok && at < end; at = next) {
        next = next_part(e, at, end, &typed);
        const struct hk_added_rules rules = {
            .control = true, .typed = typed, .n_typed = typed != NULL, .all_typed = true};
        ok = encode_part(e, (struct hk_span){text + at, next - at}, at == 0, &rules, err);
    }
    return ok;
}

/* U+FFFD for every byte sequence that is no character, as decoders of UTF-8 put it: one for the longest
 * beginning of a character, else one for a byte. */
static bool repair(struct hk_bytes *out, const char **text, size_t *len, struct hk_error *err)
{
    size_t n = hk_utf8_valid_run(*text, *len);
    if (n == *len) return true;
    for (size_t i = 0; i < *len; i += n) {
        n = hk_utf8_valid_run(*text + i, *len - i);
        if (!hk_bytes_append(out, *text + i, n, err)) return false;
        i += n;
        if (i == *len) break;
        for (n = 1; i + n < *len && n < 3 && hk_utf8_is_prefix(*text + i, n + 1); n++) continue;
        if (!hk_bytes_append(out, "\xEF\xBF\xBD", 3, err)) return false;
    }
    *text = out->data;
    *len = out->len;
    return true;
}

static bool encode_text(struct encoding *e, const char *text, size_t len, struct hk_error *err)
{
    struct hk_added_match m = {0};
    size_t at = 0;
    if (e->t->vocab->replace_broken && e->rules.n_typed == 0 && !repair(&e->repaired, &text, &len, err))
        return false;
    while (hk_added_tokens_find(&e->t->raw, text, len, m.next, at, &e->rules, &m)) {
        if (m.start > at && !encode_stretch(e, text, at, m.start, err)) return false;
        if (!hk_tokens_push(e->out, m.token->id, err)) return false;
        at = m.end;
    }
    return encode_stretch(e, text, at, len, err);
}

bool hk_tokenizer_encode(const struct hk_tokenizer *t, const char *text, size_t len, unsigned flags,
                         struct hk_tokens *out, struct hk_error *err)
{
    return hk_tokenizer_encode_typed(t, text, len, flags, NULL, 0, out, err);
}

bool hk_tokenizer_encode_typed(const struct hk_tokenizer *t, const char *text, size_t len, unsigned flags,
                               const struct hk_typed *typed, size_t n_typed, struct hk_tokens *out,
                               struct hk_error *err)
{
    const struct hk_vocab *v = t->vocab;
    struct encoding e = {.t = t, .out = out};
    e.rules = (struct hk_added_rules){
        .control = flags & HK_ENCODE_PARSE_SPECIAL, .typed = typed, .n_typed = n_typed};
    size_t n_before = out->n;
    bool special = flags & HK_ENCODE_ADD_SPECIAL;
    hk_word_cache_open(&e.merger.cache, len);
    bool ok = !(special && v->add_bos && v->bos != HK_NO_TOKEN) || hk_tokens_push(out, v->bos, err);
    ok = ok && hk_tokens_append(out, v->before, special ? v->n_before : 0, err) &&
         encode_text(&e, text, len, err);
    ok = ok && hk_tokens_append(out, v->after, special ? v->n_after : 0, err);
    ok = ok && (!(special && v->add_eos && v->eos != HK_NO_TOKEN) || hk_tokens_push(out, v->eos, err));
    if (!ok) out->n = n_before;
    hk_normalizing_free(&e.normalizing);
    hk_splitting_free(&e.splitting);
    hk_merger_free(&e.merger);
    free(e.unigram.best);
    hk_bytes_free(&e.repaired);
    return ok;
}

/* ---- decoding ---- */

static bool is_silent(const struct hk_tokenizer *t, uint32_t id, bool special)
{
    if (id >= t->vocab->n_tokens) return true;
    const struct hk_vocab_token *k = &t->vocab->tokens[id];
    return k->len == 0 || (!special && is_control(k) && !(id == t->vocab->unk && t->vocab->unk_text));
}

static struct hk_span token_span(const struct hk_tokenizer *t, uint32_t id, enum hk_token_place place)
{
    if (id == t->vocab->unk && t->vocab->unk_text) return hk_span_of(t->vocab->unk_text);
    return hk_detokenizer_token(t->detokenizer, id, place);
}

const struct hk_vocab *hk_tokenizer_vocab(const struct hk_tokenizer *t)
{
    return t->vocab;
}

size_t hk_tokenizer_bytes(const struct hk_tokenizer *t, uint32_t id, bool special, const char **bytes)
{
    struct hk_span s =
        is_silent(t, id, special) ? (struct hk_span){"", 0} : token_span(t, id, HK_PLACE_MIDDLE);
    *bytes = s.data;
    return s.len;
}

/* ---- decoding token by token ---- */

/* hk_decoder, with what is in its state. */
struct decoder {
    const struct hk_tokenizer *tokenizer;
    struct decoder_state {
        bool special;    /* print control tokens too */
        bool started;    /* not at the beginning of a text any more */
        char pending[4]; /* an incomplete UTF-8 sequence */
        uint8_t n_pending;
        uint32_t waiting; /* a token that is another text at the end than amid others, or HK_NO_TOKEN */
        struct hk_fused_state fused;
    } s;
};

static struct decoder unpack(const struct hk_decoder *d)
{
    struct decoder x = {.tokenizer = d->tokenizer};
    _Static_assert(sizeof x.s <= sizeof d->state, "the public structure has room");
    memcpy(&x.s, d->state, sizeof x.s);
    return x;
}

static void pack(const struct decoder *x, struct hk_decoder *d)
{
    d->tokenizer = x->tokenizer;
    memcpy(d->state, &x->s, sizeof x->s);
}

/* One byte more: out with everything that is complete or can never be. */
static bool push_byte(struct decoder *d, char byte, struct hk_bytes *out, struct hk_error *err)
{
    d->s.pending[d->s.n_pending++] = byte;
    if (hk_utf8_is_prefix(d->s.pending, d->s.n_pending)) return true;
    size_t n = d->s.n_pending;
    bool whole = hk_utf8_len(d->s.pending, n) == n;
    /* the byte that broke a character may begin another */
    size_t keep = !whole && n > 1 && hk_utf8_is_prefix(&byte, 1) ? 1 : 0;
    if (!hk_bytes_append(out, d->s.pending, n - keep, err)) return false;
    d->s.pending[0] = byte;
    d->s.n_pending = (uint8_t)keep;
    return true;
}

static bool push_span(struct decoder *d, struct hk_span s, struct hk_bytes *out, struct hk_error *err)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!push_byte(d, s.data[i], out, err)) return false;
    }
    return true;
}

/* Through the steps that see the whole text. */
static bool push_fused(struct decoder *d, struct hk_span s, bool last, struct hk_bytes *out,
                       struct hk_error *err)
{
    struct hk_bytes fused = {0};
    bool ok = hk_detokenizer_fuse(d->tokenizer->detokenizer, &d->s.fused, s, last, &fused, err) &&
              push_span(d, (struct hk_span){fused.data, fused.len}, out, err);
    hk_bytes_free(&fused);
    return ok;
}

/* As it is, whatever the steps that see the whole text would do to it. */
static bool push_literal(struct decoder *d, struct hk_span s, struct hk_bytes *out, struct hk_error *err)
{
    d->s.fused.begun = true;
    return push_fused(d, (struct hk_span){"", 0}, true, out, err) && push_span(d, s, out, err);
}

static bool push_token(struct decoder *d, uint32_t id, enum hk_token_place place, struct hk_bytes *out,
                       struct hk_error *err)
{
    const struct hk_tokenizer *t = d->tokenizer;
    const struct hk_vocab_token *k = &t->vocab->tokens[id];
    bool unknown = id == t->vocab->unk && t->vocab->unk_text;
    if (!d->s.started && place == HK_PLACE_MIDDLE) place = HK_PLACE_FIRST;
    d->s.started = true;
    struct hk_span s = token_span(t, id, place);
    if (!hk_detokenizer_fuses(t->detokenizer)) return push_span(d, s, out, err);
    if (unknown) return push_literal(d, s, out, err);
    bool added = is_control(k) || is_added(t->vocab, k);
    if (!t->virtual_space || !added) return push_fused(d, s, false, out, err);
    if (!push_literal(d, s, out, err)) return false;
    d->s.fused = (struct hk_fused_state){0}; /* the encoder put a virtual space behind an added token too */
    return true;
}

static bool decoder_push(struct decoder *d, uint32_t id, struct hk_bytes *out, struct hk_error *err)
{
    if (is_silent(d->tokenizer, id, d->s.special)) return true;
    if (!hk_detokenizer_last_differs(d->tokenizer->detokenizer))
        return push_token(d, id, HK_PLACE_MIDDLE, out, err);
    uint32_t ready = d->s.waiting;
    d->s.waiting = id;
    return ready == HK_NO_TOKEN || push_token(d, ready, HK_PLACE_MIDDLE, out, err);
}

static bool decoder_finish(struct decoder *d, struct hk_bytes *out, struct hk_error *err)
{
    uint32_t ready = d->s.waiting;
    d->s.waiting = HK_NO_TOKEN;
    if (ready != HK_NO_TOKEN && !push_token(d, ready, HK_PLACE_LAST, out, err)) return false;
    if (!push_fused(d, (struct hk_span){"", 0}, true, out, err)) return false;
    size_t n = d->s.n_pending;
    d->s.n_pending = 0;
    return hk_bytes_append(out, d->s.pending, n, err);
}

void hk_decoder_init(struct hk_decoder *d, const struct hk_tokenizer *t, bool at_start, bool special)
{
    struct decoder x = {.tokenizer = t};
    x.s.special = special;
    x.s.started = x.s.fused.begun = !at_start;
    x.s.waiting = HK_NO_TOKEN;
    *d = (struct hk_decoder){0};
    pack(&x, d);
}

bool hk_decoder_push(struct hk_decoder *d, uint32_t id, struct hk_bytes *out, struct hk_error *err)
{
    struct decoder x = unpack(d);
    bool ok = decoder_push(&x, id, out, err);
    pack(&x, d);
    return ok;
}

bool hk_decoder_finish(struct hk_decoder *d, struct hk_bytes *out, struct hk_error *err)
{
    struct decoder x = unpack(d);
    bool ok = decoder_finish(&x, out, err);
    pack(&x, d);
    return ok;
}

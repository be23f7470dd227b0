/* Texts of tokens are made once, for each place where they differ; what sees the whole text runs as it
 * streams. */
#include "loader/tokenizer/detokenizer.h"
#include "loader/tokenizer/byte_level.h"
#include "loader/tokenizer/pattern.h"
#include "loader/utf8.h"

#include <stdlib.h>
#include <string.h>

struct hk_detokenizer {
    const struct hk_vocab *vocab;
    const struct hk_decode_step *steps;
    uint32_t n;                         /* all of them; those from n_token on see the whole text */
    uint32_t n_token;                   /* those that see a token */
    struct hk_pattern **patterns;       /* REPLACE_REGEX */
    const struct hk_decode_step *strip; /* of the whole text, or NULL */
    const struct hk_decode_step *replace;
    struct hk_arena arena;
    struct hk_span *texts[HK_PLACES]; /* places without a difference share MIDDLE's */
};

/* ---- one token ---- */

struct token {
    const struct hk_detokenizer *d;
    const struct hk_vocab_token *token;
    enum hk_token_place place;
    struct hk_bytes *in, *out; /* what it is so far; what the step makes of it */
    struct hk_matching *matching;
    struct hk_error *err;
};

/* Replacements of replacements could make a token as long as they like. */
static bool put(struct token *t, const char *s, size_t n)
{
    size_t limit = 16 * (size_t)t->token->len + 256;
    if (n > limit || t->out->len > limit - n)
        return hk_fail(t->err, HK_ERR_UNSUPPORTED,
                       "decoder: token \"%.60s\" becomes a text of more than %zu bytes", t->token->text,
                       limit);
    return hk_bytes_append(t->out, s, n, t->err);
}

static bool matches(const struct hk_bytes *b, size_t at, struct hk_span part)
{
    return part.len > 0 && b->len - at >= part.len && memcmp(b->data + at, part.data, part.len) == 0;
}

/* Every `from` by `to`. */
static bool replace_all(struct token *t, struct hk_span from, struct hk_span to)
{
    for (size_t i = 0; i < t->in->len;) {
        bool hit = matches(t->in, i, from);
        if (!(hit ? put(t, to.data, to.len) : put(t, t->in->data + i, 1))) return false;
        i += hit ? from.len : 1;
    }
    return true;
}

static bool replace(struct token *t, const struct hk_decode_step *s)
{
    return replace_all(t, s->pattern, s->text);
}

static bool replace_regex(struct token *t, const struct hk_decode_step *s)
{
    const char *text = t->in->data;
    size_t len = t->in->len, at = 0, done = 0;
    struct hk_match m;
    enum hk_found found = HK_FOUND_NONE;
    if (hk_utf8_valid_run(text, len) < len) return put(t, text, len);
    while ((found = hk_pattern_next(t->d->patterns[s - t->d->steps], t->matching, text, len, &at, &m,
                                    t->err)) == HK_FOUND_ONE) {
        if (!put(t, text + done, m.from - done) || !put(t, s->text.data, s->text.len)) return false;
        done = m.to;
    }
    return found != HK_FOUND_ERROR && put(t, text + done, len - done);
}

static bool strip(struct token *t, const struct hk_decode_step *s)
{
    size_t from = 0, to = t->in->len, n = s->pattern.len;
    for (uint32_t i = 0; i < s->start && matches(t->in, from, s->pattern); i++) from += n;
    for (uint32_t i = 0; i < s->stop && to >= from + n && matches(t->in, to - n, s->pattern); i++) to -= n;
    return put(t, t->in->data + from, to - from);
}

static bool metaspace(struct token *t, const struct hk_decode_step *s)
{
    bool gone = t->place == HK_PLACE_FIRST && s->flag;
    return replace_all(t, s->pattern, (struct hk_span){" ", gone ? 0 : 1});
}

/* What tokenizers' cleanup() replaces, in its order. */
static bool clean_up(struct token *t)
{
    static const char *const pairs[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct hk_bytes *swap = t->in;
        t->in = t->out;
        t->out = swap;
        t->out->len = 0;
        struct hk_span from = {pairs[i][0], strlen(pairs[i][0])}, to = {pairs[i][1], strlen(pairs[i][1])};
        if (!put(t, "", 0) || !replace_all(t, from, to)) return false;
    }
    return true;
}

static bool wordpiece(struct token *t, const struct hk_decode_step *s)
{
    size_t skip = 0;
    if (t->place != HK_PLACE_FIRST) {
        if (matches(t->in, 0, s->pattern) || s->pattern.len == 0)
            skip = s->pattern.len;
        else if (!put(t, " ", 1))
            return false;
    }
    return put(t, t->in->data + skip, t->in->len - skip) && (!s->flag || clean_up(t));
}

static bool suffix(struct token *t, const struct hk_decode_step *s)
{
    return replace_all(t, s->pattern, (struct hk_span){" ", t->place == HK_PLACE_LAST ? 0 : 1});
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool byte_fallback(struct token *t, const struct hk_decode_step *s)
{
    const char *text = t->in->data;
    (void)s;
    if (t->in->len == 6 && memcmp(text, "<0x", 3) == 0 && text[5] == '>') {
        int hi = hex_digit(text[3]), lo = hex_digit(text[4]);
        char byte = (char)(hi * 16 + lo);
        if (hi >= 0 && lo >= 0) return put(t, &byte, 1);
    }
    return put(t, text, t->in->len);
}

/* Added tokens are spelt as they are, whatever bytes their characters could stand for. */
static bool byte_level(struct token *t, const struct hk_decode_step *s)
{
    size_t len = t->in->len;
    uint8_t type = t->token->type;
    (void)s;
    if (!put(t, t->in->data, len)) return false; /* room for as many bytes */
    bool spelt = type == HK_TOKEN_NORMAL || type == HK_TOKEN_UNUSED || type == HK_TOKEN_BYTE;
    if (spelt && hk_byte_level_decode(t->in->data, len, t->out->data, &len)) t->out->len = len;
    return true;
}

static bool join(struct token *t, const struct hk_decode_step *s)
{
    (void)s;
    return (t->place == HK_PLACE_FIRST || put(t, " ", 1)) && put(t, t->in->data, t->in->len);
}

static const struct {
    bool (*run)(struct token *t, const struct hk_decode_step *s); /* NULL: does nothing to a token */
    bool fuses;
    int differs_at; /* enum hk_token_place; MIDDLE: nowhere */
    const char *name;
} KINDS[] = {
    [HK_DECODE_REPLACE] = {replace, false, HK_PLACE_MIDDLE, "Replace"},
    [HK_DECODE_REPLACE_REGEX] = {replace_regex, false, HK_PLACE_MIDDLE, "Replace with a regular expression"},
    [HK_DECODE_STRIP] = {strip, false, HK_PLACE_MIDDLE, "Strip"},
    [HK_DECODE_METASPACE] = {metaspace, false, HK_PLACE_FIRST, "Metaspace"},
    [HK_DECODE_WORDPIECE] = {wordpiece, false, HK_PLACE_FIRST, "WordPiece"},
    [HK_DECODE_SUFFIX] = {suffix, false, HK_PLACE_LAST, "BPEDecoder"},
    [HK_DECODE_BYTE_FALLBACK] = {byte_fallback, false, HK_PLACE_MIDDLE, "ByteFallback"},
    [HK_DECODE_BYTE_LEVEL] = {byte_level, true, HK_PLACE_MIDDLE, "ByteLevel"},
    [HK_DECODE_FUSE] = {NULL, true, HK_PLACE_MIDDLE, "Fuse"},
    [HK_DECODE_JOIN] = {join, true, HK_PLACE_FIRST, "no decoder"},
};

/* ---- making one ---- */

static bool token_text(struct token *t, uint32_t id, struct hk_arena *arena, struct hk_span *out)
{
    const struct hk_detokenizer *d = t->d;
    t->token = &d->vocab->tokens[id];
    int byte = d->vocab->has_steps ? -1 : hk_byte_token(t->token); /* steps say what <0xXX> is */
    char one = (char)byte;
    t->out->len = 0;
    if (!(byte >= 0 ? put(t, &one, 1) : put(t, t->token->text, t->token->len))) return false;
    for (uint32_t i = 0; byte < 0 && i < d->n_token; i++) {
        if (!KINDS[d->steps[i].kind].run) continue;
        struct hk_bytes *swap = t->in;
        t->in = t->out;
        t->out = swap;
        t->out->len = 0;
        if (!put(t, "", 0) || !KINDS[d->steps[i].kind].run(t, &d->steps[i])) return false;
    }
    *out = (struct hk_span){hk_arena_strndup(arena, t->out->data, t->out->len, t->err), t->out->len};
    return out->data != NULL;
}

static bool fill(struct hk_detokenizer *d, enum hk_token_place place, struct hk_error *err)
{
    struct hk_bytes a = {0}, b = {0};
    struct hk_matching matching = {0};
    struct token t = {.d = d, .place = place, .in = &a, .out = &b, .matching = &matching, .err = err};
    struct hk_span *texts = hk_arena_alloc(&d->arena, d->vocab->n_tokens, sizeof *texts, err);
    bool ok = texts != NULL;
    for (uint32_t i = 0; ok && i < d->vocab->n_tokens; i++) ok = token_text(&t, i, &d->arena, &texts[i]);
    d->texts[place] = texts;
    hk_bytes_free(&a);
    hk_bytes_free(&b);
    hk_matching_free(&matching);
    return ok;
}

static bool cannot(const char *name, const char *where, struct hk_error *err)
{
    return hk_fail(err, HK_ERR_UNSUPPORTED, "decoder: %s %s is not supported", name, where);
}

/* Steps up to the first that fuses see tokens; of the others some can run on a stream. */
static bool sort_steps(struct hk_detokenizer *d, struct hk_error *err)
{
    bool fused = false;
    for (uint32_t i = 0; i < d->n; i++) {
        const struct hk_decode_step *s = &d->steps[i];
        const char *name = KINDS[s->kind].name;
        if (!fused) {
            d->n_token = i + 1;
            fused = KINDS[s->kind].fuses;
            if (s->kind != HK_DECODE_REPLACE_REGEX) continue;
            d->patterns[i] = hk_pattern_new(s->pattern.data, s->pattern.len, err);
            if (!d->patterns[i]) return hk_fail_prefix(err, "decoder");
        } else if (s->kind == HK_DECODE_STRIP && !d->strip && s->pattern.len > 0) {
            d->strip = s;
        } else if (s->kind == HK_DECODE_REPLACE && !d->replace && !d->strip && s->pattern.len > 0 &&
                   s->pattern.len <= sizeof((struct hk_fused_state *)0)->partial) {
            d->replace = s;
        } else if (s->kind != HK_DECODE_FUSE && s->kind != HK_DECODE_BYTE_FALLBACK) {
            return cannot(name, "behind a decoder that fuses the tokens", err);
        }
    }
    return true;
}

struct hk_detokenizer *hk_detokenizer_new(const struct hk_vocab *vocab, const struct hk_decode_step *steps,
                                          uint32_t n, struct hk_error *err)
{
    struct hk_detokenizer *d = hk_calloc(1, sizeof *d, err);
    if (!d) return NULL;
    *d = (struct hk_detokenizer){.vocab = vocab, .steps = steps, .n = n};
    d->patterns = hk_calloc(n, sizeof *d->patterns, err);
    bool ok = d->patterns && sort_steps(d, err) && fill(d, HK_PLACE_MIDDLE, err);
    for (int place = HK_PLACE_FIRST; ok && place < HK_PLACES; place++) {
        bool differs = false;
        for (uint32_t i = 0; i < d->n_token; i++)
            differs = differs ||
                      (KINDS[steps[i].kind].differs_at == place &&
                       (place == HK_PLACE_LAST || steps[i].flag || steps[i].kind != HK_DECODE_METASPACE));
        d->texts[place] = d->texts[HK_PLACE_MIDDLE];
        if (differs) ok = fill(d, (enum hk_token_place)place, err);
    }
    if (ok) return d;
    hk_detokenizer_free(d);
    return NULL;
}

void hk_detokenizer_free(struct hk_detokenizer *d)
{
    if (!d) return;
    for (uint32_t i = 0; d->patterns && i < d->n; i++) hk_pattern_free(d->patterns[i]);
    free(d->patterns);
    hk_arena_free(&d->arena);
    free(d);
}

struct hk_span hk_detokenizer_token(const struct hk_detokenizer *d, uint32_t id, enum hk_token_place place)
{
    return d->texts[place][id];
}

bool hk_detokenizer_last_differs(const struct hk_detokenizer *d)
{
    return d->texts[HK_PLACE_LAST] != d->texts[HK_PLACE_MIDDLE];
}

bool hk_detokenizer_fuses(const struct hk_detokenizer *d)
{
    return d->strip || d->replace;
}

/* ---- the whole text ---- */

static bool is_at(struct hk_span text, struct hk_span part)
{
    return text.len >= part.len && memcmp(text.data, part.data, part.len) == 0;
}

static bool put_held(const struct hk_detokenizer *d, struct hk_fused_state *f, uint32_t keep,
                     struct hk_bytes *out, struct hk_error *err)
{
    for (; f->held > keep; f->held--) {
        if (!hk_bytes_append(out, d->strip->pattern.data, d->strip->pattern.len, err)) return false;
    }
    return true;
}

static bool fuse_strip(const struct hk_detokenizer *d, struct hk_fused_state *f, struct hk_span t,
                       struct hk_bytes *out, struct hk_error *err)
{
    const struct hk_decode_step *s = d->strip;
    if (!s) return hk_bytes_append(out, t.data, t.len, err);
    size_t n = s->pattern.len;
    if (s->flag) f->stripped = 0; /* each token anew, until something else came */
    while (!f->begun && t.len > 0 && f->stripped < s->start && is_at(t, s->pattern)) {
        t = (struct hk_span){t.data + n, t.len - n};
        f->stripped++;
    }
    if (t.len == 0) return true;
    f->begun = true;
    uint32_t tail = 0;
    size_t end = t.len;
    while (s->stop > 0 && end >= n && memcmp(t.data + end - n, s->pattern.data, n) == 0) {
        end -= n;
        tail++;
    }
    if (end > 0 && !put_held(d, f, 0, out, err)) return false;
    f->held += tail;
    return hk_bytes_append(out, t.data, end, err) && put_held(d, f, s->stop, out, err);
}

static bool fuse_byte(const struct hk_detokenizer *d, struct hk_fused_state *f, char byte,
                      struct hk_bytes *out, struct hk_error *err)
{
    struct hk_span from = d->replace->pattern;
    f->partial[f->n_partial++] = byte;
    while (f->n_partial > 0 && memcmp(f->partial, from.data, f->n_partial) != 0) {
        if (!fuse_strip(d, f, (struct hk_span){f->partial, 1}, out, err)) return false;
        memmove(f->partial, f->partial + 1, --f->n_partial);
    }
    if (f->n_partial < from.len) return true;
    f->n_partial = 0;
    return fuse_strip(d, f, d->replace->text, out, err);
}

bool hk_detokenizer_fuse(const struct hk_detokenizer *d, struct hk_fused_state *f, struct hk_span text,
                         bool last, struct hk_bytes *out, struct hk_error *err)
{
    if (!d->replace) {
        if (!fuse_strip(d, f, text, out, err)) return false;
    }
    for (size_t i = 0; d->replace && i < text.len; i++) {
        if (!fuse_byte(d, f, text.data[i], out, err)) return false;
    }
    if (!last) return true;
    size_t n = f->n_partial;
    f->n_partial = 0;
    return fuse_strip(d, f, (struct hk_span){f->partial, n}, out, err);
}

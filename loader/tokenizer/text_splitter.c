/* A step finds delimiters in a piece; its behavior says where that cuts. Pieces go on to the next step as
 * soon as they are known, so that nothing grows with the text. */
#include "loader/tokenizer/text_splitter.h"
#include "loader/tokenizer/unicode_classes.h"
#include "loader/utf8.h"

#include <stdlib.h>
#include <string.h>

struct step {
    const struct hk_pre_step *spec;
    struct hk_pattern *pattern; /* REGEX */
};

struct hk_text_splitter {
    uint32_t n;
    struct step *steps;
};

struct run {
    const struct hk_text_splitter *s;
    struct hk_splitting *w;
    hk_word_fn fn;
    void *user;
    struct hk_error *err;
    const char *start; /* where the text begins, in whatever buffer it is now */
};

static bool run_from(const struct run *r, uint32_t at, const char *text, size_t len, bool whole);

/* ---- behaviors ---- */

/* A stretch of a piece that is a delimiter, or one between two. */
struct cut {
    const struct run *r;
    uint32_t next; /* the step that gets the pieces */
    const struct hk_pre_step *spec;
    const char *text;
    size_t from, to; /* held back: it may grow */
    bool held, was_match;
};

static bool emit(const struct cut *c, size_t from, size_t to)
{
    return from == to || run_from(c->r, c->next, c->text + from, to - from, true);
}

static bool flush(struct cut *c)
{
    bool held = c->held;
    c->held = false;
    return !held || emit(c, c->from, c->to);
}

static bool hold(struct cut *c, size_t from, size_t to)
{
    if (!flush(c)) return false;
    c->from = from;
    c->to = to;
    c->held = true;
    return true;
}

/* The next stretch; together they are the piece. */
static bool stretch(struct cut *c, size_t from, size_t to, bool match)
{
    bool was = c->was_match, ok;
    match = match != c->spec->invert;
    c->was_match = match;
    switch (c->spec->behavior) {
    case HK_SPLIT_REMOVED:
        return match || emit(c, from, to);
    case HK_SPLIT_MERGED_PREVIOUS: /* a delimiter belongs to what is before it, unless that is a delimiter */
    case HK_SPLIT_CONTIGUOUS:
        if (c->held && (c->spec->behavior == HK_SPLIT_CONTIGUOUS ? match == was : match && !was)) {
            c->to = to;
            return true;
        }
        return hold(c, from, to);
    case HK_SPLIT_MERGED_NEXT: /* only a delimiter is held back */
        if (match) return hold(c, from, to);
        if (c->held) from = c->from;
        c->held = false;
        return emit(c, from, to);
    case HK_SPLIT_ISOLATED:
    default:
        ok = emit(c, from, to);
        return ok;
    }
}

/* ---- what a delimiter is ---- */

static bool cut_regex(struct cut *c, const struct step *s, size_t len)
{
    struct hk_matching *m = &c->r->w->matching[s - c->r->s->steps];
    size_t at = 0, done = 0;
    struct hk_match match;
    enum hk_found found;
    while ((found = hk_pattern_next(s->pattern, m, c->text, len, &at, &match, c->r->err)) == HK_FOUND_ONE) {
        if (match.from > done && !stretch(c, done, match.from, false)) return false;
        if (!stretch(c, match.from, match.to, true)) return false;
        done = match.to;
    }
    if (found == HK_FOUND_ERROR) return false;
    return done == len || stretch(c, done, len, false);
}

static bool cut_literal(struct cut *c, const struct step *s, size_t len)
{
    struct hk_span part = s->spec->pattern;
    size_t done = 0, at = 0;
    while (len - at >= part.len) {
        const char *p = memchr(c->text + at, part.data[0], len - at - part.len + 1);
        if (!p) break;
        at = (size_t)(p - c->text);
        if (memcmp(p, part.data, part.len) != 0) {
            at++;
            continue;
        }
        if (at > done && !stretch(c, done, at, false)) return false;
        at += part.len;
        if (!stretch(c, at - part.len, at, true)) return false;
        done = at;
    }
    return done == len || stretch(c, done, len, false);
}

static bool cut_class(struct cut *c, const struct step *s, size_t len)
{
    size_t done = 0;
    for (size_t i = 0, n; i < len; i += n) {
        n = hk_utf8_len(c->text + i, len - i);
        if (!hk_char_is(s->spec->class, hk_utf8_decode(c->text + i, n))) continue;
        if (i > done && !stretch(c, done, i, false)) return false;
        if (!stretch(c, i, i + n, true)) return false;
        done = i + n;
    }
    return done == len || stretch(c, done, len, false);
}

/* \w+|[^\w\s]+ */
static bool cut_words(struct cut *c, const struct step *s, size_t len)
{
    enum { SPACE, WORD, OTHER } was = SPACE, is;
    size_t done = 0, i = 0;
    (void)s;
    for (size_t n; i < len; i += n, was = is) {
        n = hk_utf8_len(c->text + i, len - i);
        uint32_t cp = hk_utf8_decode(c->text + i, n);
        is = hk_char_is(HK_CHAR_WORD, cp) ? WORD : hk_char_is(HK_CHAR_SPACE, cp) ? SPACE : OTHER;
        if (is == was) continue;
        if (i > done && !stretch(c, done, i, was != SPACE)) return false;
        done = i;
    }
    return done == len || stretch(c, done, len, was != SPACE);
}

static bool cut_length(struct cut *c, const struct step *s, size_t len)
{
    size_t done = 0, chars = 0;
    for (size_t i = 0; i < len;) {
        i += hk_utf8_len(c->text + i, len - i);
        if (++chars % s->spec->n != 0 && i < len) continue;
        if (!stretch(c, done, i, true)) return false;
        done = i;
    }
    return true;
}

/* ---- steps that cut nothing ---- */

static bool starts_with(const char *text, size_t len, struct hk_span s)
{
    return len >= s.len && memcmp(text, s.data, s.len) == 0;
}

static bool metaspace(const struct run *r, uint32_t at, const char *text, size_t len)
{
    const struct hk_pre_step *spec = r->s->steps[at].spec;
    struct hk_bytes *b = &r->w->buffers[at];
    struct hk_span mark = spec->pattern;
    bool from_start = text == r->start;
    bool prefix = spec->prefix == HK_PREFIX_ALWAYS || (spec->prefix == HK_PREFIX_FIRST && from_start);
    b->len = 0;
    if (prefix && text[0] != ' ' && !starts_with(text, len, mark) &&
        !hk_bytes_append(b, mark.data, mark.len, r->err))
        return false;
    for (size_t i = 0; i < len;) {
        const char *space = memchr(text + i, ' ', len - i);
        size_t n = space ? (size_t)(space - text) - i : len - i;
        if (!hk_bytes_append(b, text + i, n, r->err)) return false;
        if (space && !hk_bytes_append(b, mark.data, mark.len, r->err)) return false;
        i += n + (space != NULL);
    }
    struct run moved = *r;
    moved.start = from_start ? b->data : NULL;
    return run_from(&moved, at + 1, b->data, b->len, false);
}

static bool prefix_space(const struct run *r, uint32_t at, const char *text, size_t len)
{
    struct hk_bytes *b = &r->w->buffers[at];
    if (text[0] == ' ') return run_from(r, at + 1, text, len, false);
    b->len = 0;
    if (!hk_bytes_append(b, " ", 1, r->err) || !hk_bytes_append(b, text, len, r->err)) return false;
    struct run moved = *r;
    moved.start = text == r->start ? b->data : NULL;
    return run_from(&moved, at + 1, b->data, b->len, false);
}

/* ---- all ---- */

static const struct {
    bool (*cut)(struct cut *c, const struct step *s, size_t len);
    bool (*change)(const struct run *r, uint32_t at, const char *text, size_t len);
} KINDS[] = {
    [HK_PRE_REGEX] = {cut_regex, NULL},           [HK_PRE_LITERAL] = {cut_literal, NULL},
    [HK_PRE_CLASS] = {cut_class, NULL},           [HK_PRE_WORDS] = {cut_words, NULL},
    [HK_PRE_LENGTH] = {cut_length, NULL},         [HK_PRE_METASPACE] = {NULL, metaspace},
    [HK_PRE_PREFIX_SPACE] = {NULL, prefix_space},
};

static bool cut_valid(const struct run *r, uint32_t at, const char *text, size_t len)
{
    const struct step *s = &r->s->steps[at];
    struct cut c = {.r = r, .next = at + 1, .spec = s->spec, .text = text};
    return KINDS[s->spec->kind].cut(&c, s, len) && flush(&c);
}

/* One piece through the steps from `at` on. valid: it is known to be UTF-8. */
static bool run_from(const struct run *r, uint32_t at, const char *text, size_t len, bool valid)
{
    if (len == 0) return true;
    if (at == r->s->n) return r->fn(r->user, text, len, r->err);
    const struct step *s = &r->s->steps[at];
    if (KINDS[s->spec->kind].change) return KINDS[s->spec->kind].change(r, at, text, len);
    if (valid) return cut_valid(r, at, text, len);
    for (size_t i = 0, n; i < len; i += n) {
        n = hk_utf8_valid_run(text + i, len - i);
        if (n > 0 && !cut_valid(r, at, text + i, n)) return false;
        i += n;
        n = hk_utf8_broken_run(text + i, len - i);
        if (n > 0 && !r->fn(r->user, text + i, n, r->err)) return false;
    }
    return true;
}

bool hk_text_splitter_run(const struct hk_text_splitter *s, struct hk_splitting *w, const char *text,
                          size_t len, bool from_start, hk_word_fn fn, void *user, struct hk_error *err)
{
    if (s->n > w->n_buffers) {
        hk_splitting_free(w);
        w->buffers = hk_calloc(s->n, sizeof *w->buffers, err);
        w->matching = w->buffers ? hk_calloc(s->n, sizeof *w->matching, err) : NULL;
        if (!w->matching) return false;
        w->n_buffers = s->n;
    }
    struct run r = {.s = s, .w = w, .fn = fn, .user = user, .err = err, .start = from_start ? text : NULL};
    return run_from(&r, 0, text, len, false);
}

void hk_splitting_free(struct hk_splitting *w)
{
    for (uint32_t i = 0; i < w->n_buffers; i++) {
        hk_bytes_free(&w->buffers[i]);
        hk_matching_free(&w->matching[i]);
    }
    free(w->buffers);
    free(w->matching);
    memset(w, 0, sizeof *w);
}

struct hk_text_splitter *hk_text_splitter_new(const struct hk_pre_step *steps, uint32_t n,
                                              struct hk_error *err)
{
    struct hk_text_splitter *t = hk_calloc(1, sizeof *t, err);
    if (!t) return NULL;
    t->steps = hk_calloc(n, sizeof *t->steps, err);
    bool ok = t->steps != NULL;
    for (; ok && t->n < n; t->n++) {
        struct step *s = &t->steps[t->n];
        s->spec = &steps[t->n];
        if (s->spec->kind != HK_PRE_REGEX) continue;
        s->pattern = hk_pattern_new(s->spec->pattern.data, s->spec->pattern.len, err);
        ok = s->pattern != NULL;
    }
    if (ok) return t;
    hk_fail_prefix(err, "pre-tokenizer");
    hk_text_splitter_free(t);
    return NULL;
}

void hk_text_splitter_free(struct hk_text_splitter *t)
{
    if (!t) return;
    for (uint32_t i = 0; i < t->n; i++) hk_pattern_free(t->steps[i].pattern);
    free(t->steps);
    free(t);
}

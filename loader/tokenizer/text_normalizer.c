/* One function for each kind of normalizer. Each appends what the text becomes to a buffer; broken UTF-8 is
 * passed on as it is. */
#include "loader/tokenizer/text_normalizer.h"
#include "loader/tokenizer/byte_level.h"
#include "loader/tokenizer/charsmap.h"
#include "loader/tokenizer/metaspace.h"
#include "loader/tokenizer/unicode_classes.h"
#include "loader/tokenizer/unicode_forms.h"
#include "loader/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

struct step {
    const struct hk_norm_step *spec;
    struct hk_pattern *pattern; /* REPLACE_REGEX */
    struct hk_charsmap map;     /* PRECOMPILED, SENTENCEPIECE */
    const struct hk_trie *user_defined;
};

struct hk_text_normalizer {
    uint32_t n;
    struct step *steps;
};

typedef bool step_fn(const struct step *s, struct hk_normalizing *w, struct hk_span text,
                     struct hk_bytes *out, struct hk_error *err);

/* A file can ask for replacements of replacements that grow without end: what no real one does is refused.
 * The greatest real growth is that of U+FDFA, 11 times in form KC. */
enum { MAX_GROWTH = 32, MAX_GROWTH_BYTES = 64 * 1024 };

static bool put(const struct hk_normalizing *w, struct hk_bytes *out, const char *s, size_t n,
                struct hk_error *err)
{
    if (n > w->limit || out->len > w->limit - n)
        return hk_fail(err, HK_ERR_INPUT, "tokenizer: normalizing makes a text more than %d times as long",
                       MAX_GROWTH);
    return hk_bytes_append(out, s, n, err);
}

/* ---- character by character ---- */

/* What becomes of one character: up to three others. Returns how many. */
typedef size_t char_fn(const struct step *s, uint32_t cp, uint32_t out[3]);

static bool map_chars(const struct step *s, struct hk_normalizing *w, char_fn *fn, struct hk_span t,
                      struct hk_bytes *out, struct hk_error *err)
{
    size_t kept = 0; /* [kept, i) is not copied yet and stays as it is */
    for (size_t i = 0, n; i < t.len; i += n) {
        n = hk_utf8_len(t.data + i, t.len - i);
        if (n == 0) {
            n = 1;
            continue;
        }
        uint32_t cp = hk_utf8_decode(t.data + i, n), to[3];
        size_t k = fn(s, cp, to);
        if (k == 1 && to[0] == cp) continue;
        w->cut = w->cut || (k == 0 && i == 0);
        if (!put(w, out, t.data + kept, i - kept, err)) return false;
        for (size_t j = 0; j < k; j++) {
            char utf8[4];
            if (!put(w, out, utf8, hk_utf8_encode(to[j], utf8), err)) return false;
        }
        kept = i + n;
    }
    return put(w, out, t.data + kept, t.len - kept, err);
}

static size_t lower_char(const struct step *s, uint32_t cp, uint32_t out[3])
{
    (void)s;
    return hk_char_lower(cp, out);
}

static size_t without_marks(const struct step *s, uint32_t cp, uint32_t out[3])
{
    (void)s;
    out[0] = cp;
    return !hk_char_is(HK_CHAR_MARK, cp);
}

static size_t without_nonspacing(const struct step *s, uint32_t cp, uint32_t out[3])
{
    (void)s;
    out[0] = cp;
    return !hk_char_is(HK_CHAR_NONSPACING, cp);
}

static size_t nmt_char(const struct step *s, uint32_t cp, uint32_t out[3])
{
    (void)s;
    bool control = (cp >= 1 && cp <= 8) || cp == 0xB || (cp >= 0xE && cp <= 0x1F) || cp == 0x7F ||
                   cp == 0x8F || cp == 0x9F;
    bool space = cp == 9 || cp == 0xA || cp == 0xC || cp == 0xD || cp == 0x1680 ||
                 (cp >= 0x200B && cp <= 0x200F) || cp == 0x2028 || cp == 0x2029 || cp == 0x2581 ||
                 cp == 0xFEFF || cp == 0xFFFD;
    out[0] = space ? ' ' : cp;
    return !control;
}

/* BERT's cleaning and its spaces around Han characters. */
static size_t bert_char(const struct step *s, uint32_t cp, uint32_t out[3])
{
    unsigned flags = s->spec->flags;
    out[0] = cp;
    if (flags & HK_BERT_CLEAN) {
        if (cp == 0 || cp == 0xFFFD ||
            (hk_char_is(HK_CHAR_OTHER, cp) && cp != '\t' && cp != '\n' && cp != '\r'))
            return 0;
        if (hk_char_is(HK_CHAR_SPACE, cp)) out[0] = ' ';
    }
    if (!(flags & HK_BERT_CHINESE) || !hk_char_is_chinese(cp)) return 1;
    out[0] = out[2] = ' ';
    out[1] = cp;
    return 3;
}

static bool lowercase(const struct step *s, struct hk_normalizing *w, struct hk_span t, struct hk_bytes *out,
                      struct hk_error *err)
{
    return map_chars(s, w, lower_char, t, out, err);
}

static bool strip_accents(const struct step *s, struct hk_normalizing *w, struct hk_span t,
                          struct hk_bytes *out, struct hk_error *err)
{
    return map_chars(s, w, without_marks, t, out, err);
}

static bool nmt(const struct step *s, struct hk_normalizing *w, struct hk_span t, struct hk_bytes *out,
                struct hk_error *err)
{
    return map_chars(s, w, nmt_char, t, out, err);
}

static bool bert(const struct step *s, struct hk_normalizing *w, struct hk_span t, struct hk_bytes *out,
                 struct hk_error *err)
{
    unsigned flags = s->spec->flags;
    struct hk_bytes clean = {0}, parts = {0}, plain = {0};
    bool ok = map_chars(s, w, bert_char, t, &clean, err);
    struct hk_span at = {clean.data, clean.len};
    if (ok && flags & HK_BERT_ACCENTS) {
        ok = hk_unicode_normalize(HK_FORM_D, at.data, at.len, &parts, err) &&
             map_chars(s, w, without_nonspacing, (struct hk_span){parts.data, parts.len}, &plain, err);
        at = (struct hk_span){plain.data, plain.len};
    }
    ok = ok && (flags & HK_BERT_LOWER ? map_chars(s, w, lower_char, at, out, err)
                                      : put(w, out, at.data, at.len, err));
    hk_bytes_free(&clean);
    hk_bytes_free(&parts);
    hk_bytes_free(&plain);
    return ok;
}

/* ---- whole texts ---- */

static bool forms(const struct step *s, struct hk_normalizing *w, struct hk_span t, struct hk_bytes *out,
                  struct hk_error *err)
{
    (void)w;
    static const enum hk_unicode_form form[] = {[HK_NORM_NFC] = HK_FORM_C,
                                                [HK_NORM_NFD] = HK_FORM_D,
                                                [HK_NORM_NFKC] = HK_FORM_KC,
                                                [HK_NORM_NFKD] = HK_FORM_KD};
    return hk_unicode_normalize(form[s->spec->kind], t.data, t.len, out, err);
}

static size_t space_before(const char *s, size_t len)
{
    for (size_t n = 1; n <= 4 && n <= len; n++) {
        if (hk_utf8_len(s + len - n, n) == n)
            return hk_char_is(HK_CHAR_SPACE, hk_utf8_decode(s + len - n, n)) ? n : 0;
    }
    return 0;
}

static bool strip(const struct step *s, struct hk_normalizing *w, struct hk_span t, struct hk_bytes *out,
                  struct hk_error *err)
{
    size_t n;
    while (s->spec->flags & HK_STRIP_LEFT && (n = hk_utf8_len(t.data, t.len)) > 0 &&
           hk_char_is(HK_CHAR_SPACE, hk_utf8_decode(t.data, n))) {
        t = (struct hk_span){t.data + n, t.len - n};
        w->cut = true;
    }
    while (s->spec->flags & HK_STRIP_RIGHT && (n = space_before(t.data, t.len)) > 0) t.len -= n;
    return put(w, out, t.data, t.len, err);
}

/* The next place of a string that is not empty, or NULL. */
static const char *find(const char *s, size_t len, struct hk_span part)
{
    for (;;) {
        const char *p = len < part.len ? NULL : memchr(s, part.data[0], len - part.len + 1);
        if (!p || memcmp(p, part.data, part.len) == 0) return p;
        len -= (size_t)(p + 1 - s);
        s = p + 1;
    }
}

/* What is put for more than one character counts as standing where the last of them stood. */
static bool replaces_start(struct hk_span from, struct hk_span to)
{
    return to.len == 0 || (from.len > 0 && hk_utf8_len(from.data, from.len) < from.len);
}

static bool replace(const struct step *s, struct hk_normalizing *w, struct hk_span t, struct hk_bytes *out,
                    struct hk_error *err)
{
    struct hk_span from = s->spec->pattern, to = s->spec->text;
    for (const char *p; (p = find(t.data, t.len, from)) != NULL;) {
        size_t n = (size_t)(p - t.data);
        if (n == 0 && out->len == 0) w->cut = w->cut || replaces_start(from, to);
        if (!put(w, out, t.data, n, err) || !put(w, out, to.data, to.len, err)) return false;
        t = (struct hk_span){p + from.len, t.len - n - from.len};
    }
    return put(w, out, t.data, t.len, err);
}

static bool replace_regex(const struct step *s, struct hk_normalizing *w, struct hk_span t,
                          struct hk_bytes *out, struct hk_error *err)
{
    while (t.len > 0) {
        size_t n = hk_utf8_valid_run(t.data, t.len), at = 0, done = 0;
        struct hk_match m;
        enum hk_found found = HK_FOUND_NONE;
        while (n > 0 &&
               (found = hk_pattern_next(s->pattern, &w->matching, t.data, n, &at, &m, err)) == HK_FOUND_ONE) {
            struct hk_span from = {t.data + m.from, m.to - m.from};
            if (m.from == 0 && out->len == 0)
                w->cut = w->cut || (from.len > 0 && replaces_start(from, s->spec->text));
            if (!put(w, out, t.data + done, m.from - done, err) ||
                !put(w, out, s->spec->text.data, s->spec->text.len, err))
                return false;
            done = m.to;
        }
        if (found == HK_FOUND_ERROR) return false;
        n += hk_utf8_broken_run(t.data + n, t.len - n);
        if (!put(w, out, t.data + done, n - done, err)) return false;
        t = (struct hk_span){t.data + n, t.len - n};
    }
    return true;
}

static bool prepend(const struct step *s, struct hk_normalizing *w, struct hk_span t, struct hk_bytes *out,
                    struct hk_error *err)
{
    return put(w, out, s->spec->text.data, s->spec->text.len, err) && put(w, out, t.data, t.len, err);
}

static bool byte_level(const struct step *s, struct hk_normalizing *w, struct hk_span t, struct hk_bytes *out,
                       struct hk_error *err)
{
    (void)s;
    for (size_t i = 0; i < t.len; i++) {
        char utf8[4];
        if (!put(w, out, utf8, hk_utf8_encode(hk_byte_level_char((uint8_t)t.data[i]), utf8), err))
            return false;
    }
    return true;
}

/* ---- charsmaps ---- */

/* Bytes of the first grapheme cluster of well-formed text. */
static size_t grapheme(const char *s, size_t len)
{
    utf8proc_int32_t state = 0;
    size_t i = hk_utf8_len(s, len);
    uint32_t before = hk_utf8_decode(s, i);
    while (i < len) {
        size_t n = hk_utf8_len(s + i, len - i);
        if (n == 0) break;
        uint32_t cp = hk_utf8_decode(s + i, n);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)cp, &state)) break;
        before = cp;
        i += n;
    }
    return i;
}

/* As tokenizers applies a charsmap: a short grapheme cluster as a whole is what the shortest rule for its
 * beginning says; without one, and in longer clusters, each character for itself. */
static bool precompiled(const struct step *s, struct hk_normalizing *w, struct hk_span t,
                        struct hk_bytes *out, struct hk_error *err)
{
    enum { SHORT = 6 };
    for (size_t i = 0; i < t.len;) {
        const char *p = t.data + i;
        size_t first = hk_utf8_len(p, t.len - i), whole = first ? grapheme(p, t.len - i) : 1;
        struct hk_span to;
        i += whole;
        if (first == 0) {
            if (!put(w, out, p, 1, err)) return false;
            continue;
        }
        if (whole < SHORT && hk_charsmap_find(&s->map, p, whole, HK_CHARSMAP_SHORTEST, &to) > 0) {
            if (!put(w, out, to.data, to.len, err)) return false;
            continue;
        }
        for (size_t k = 0, n; k < whole; k += n) {
            n = hk_utf8_len(p + k, whole - k);
            if (hk_charsmap_find(&s->map, p + k, n, HK_CHARSMAP_SHORTEST, &to) == 0)
                to = (struct hk_span){p + k, n};
            if (!put(w, out, to.data, to.len, err)) return false;
        }
    }
    return true;
}

/* SentencePiece: the next characters and what they become. */
static struct hk_span sp_prefix(const struct step *s, struct hk_span t, size_t *consumed)
{
    struct hk_span to;
    uint32_t id;
    if (s->user_defined && s->spec->flags & HK_SP_USER_DEFINED) {
        *consumed = hk_trie_longest(s->user_defined, t.data, t.len, &id);
        if (*consumed > 0) return (struct hk_span){t.data, *consumed};
    }
    *consumed = hk_charsmap_find(&s->map, t.data, t.len, HK_CHARSMAP_LONGEST, &to);
    if (*consumed > 0) return to;
    *consumed = hk_utf8_len(t.data, t.len);
    if (*consumed > 0) return (struct hk_span){t.data, *consumed};
    *consumed = 1;
    return s->spec->flags & HK_SP_KEEP_BROKEN ? (struct hk_span){t.data, 1}
                                              : (struct hk_span){"\xEF\xBF\xBD", 3};
}

static bool is_space(struct hk_span s)
{
    return s.len == 1 && s.data[0] == ' ';
}

static bool sentencepiece(const struct step *s, struct hk_normalizing *w, struct hk_span t,
                          struct hk_bytes *out, struct hk_error *err)
{
    unsigned flags = s->spec->flags;
    bool extra = flags & HK_SP_REMOVE_EXTRA, escape = flags & HK_SP_ESCAPE, after_space = extra;
    struct hk_span space =
        escape ? (struct hk_span){HK_METASPACE, HK_METASPACE_LEN} : (struct hk_span){" ", 1};
    size_t n;
    while (extra && t.len > 0 && is_space(sp_prefix(s, t, &n))) t = (struct hk_span){t.data + n, t.len - n};
    if (t.len == 0) return true;
    bool prefix = flags & HK_SP_DUMMY_PREFIX && !(flags & HK_SP_SUFFIX);
    if (prefix && !put(w, out, space.data, space.len, err)) return false;
    for (; t.len > 0; t = (struct hk_span){t.data + n, t.len - n}) {
        struct hk_span to = sp_prefix(s, t, &n);
        while (after_space && to.len > 0 && to.data[0] == ' ') to = (struct hk_span){to.data + 1, to.len - 1};
        for (size_t i = 0, k; i < to.len; i += k) {
            const char *sp = memchr(to.data + i, ' ', to.len - i);
            k = sp ? (size_t)(sp - to.data) - i : to.len - i;
            if (!put(w, out, to.data + i, k, err)) return false;
            if (!sp) continue;
            if (!put(w, out, space.data, space.len, err)) return false;
            k++;
        }
        if (to.len > 0) after_space = extra && to.data[to.len - 1] == ' ';
    }
    while (extra && out->len >= space.len &&
           memcmp(out->data + out->len - space.len, space.data, space.len) == 0)
        out->len -= space.len;
    bool suffix = flags & HK_SP_DUMMY_PREFIX && flags & HK_SP_SUFFIX;
    return !suffix || put(w, out, space.data, space.len, err);
}

/* ---- all ---- */

static step_fn *const KINDS[] = {
    [HK_NORM_NFC] = forms,
    [HK_NORM_NFD] = forms,
    [HK_NORM_NFKC] = forms,
    [HK_NORM_NFKD] = forms,
    [HK_NORM_LOWERCASE] = lowercase,
    [HK_NORM_STRIP] = strip,
    [HK_NORM_STRIP_ACCENTS] = strip_accents,
    [HK_NORM_REPLACE] = replace,
    [HK_NORM_REPLACE_REGEX] = replace_regex,
    [HK_NORM_PREPEND] = prepend,
    [HK_NORM_NMT] = nmt,
    [HK_NORM_BERT] = bert,
    [HK_NORM_PRECOMPILED] = precompiled,
    [HK_NORM_BYTE_LEVEL] = byte_level,
    [HK_NORM_SENTENCEPIECE] = sentencepiece,
};

static bool prepare(struct step *s, struct hk_error *err)
{
    const struct hk_norm_step *spec = s->spec;
    if (spec->kind == HK_NORM_REPLACE_REGEX)
        return (s->pattern = hk_pattern_new(spec->pattern.data, spec->pattern.len, err)) != NULL;
    if (spec->kind == HK_NORM_PRECOMPILED || spec->kind == HK_NORM_SENTENCEPIECE)
        return hk_charsmap_init(&s->map, spec->pattern, err);
    return true;
}

struct hk_text_normalizer *hk_text_normalizer_new(const struct hk_norm_step *steps, uint32_t n,
                                                  const struct hk_trie *user_defined, struct hk_error *err)
{
    struct hk_text_normalizer *t = hk_calloc(1, sizeof *t, err);
    if (!t) return NULL;
    t->steps = hk_calloc(n, sizeof *t->steps, err);
    bool ok = t->steps != NULL;
    for (; ok && t->n < n; t->n++) {
        t->steps[t->n] = (struct step){.spec = &steps[t->n], .user_defined = user_defined};
        ok = prepare(&t->steps[t->n], err);
    }
    if (ok) return t;
    hk_fail_prefix(err, "normalizer");
    hk_text_normalizer_free(t);
    return NULL;
}

void hk_text_normalizer_free(struct hk_text_normalizer *t)
{
    if (!t) return;
    for (uint32_t i = 0; i < t->n; i++) hk_pattern_free(t->steps[i].pattern);
    free(t->steps);
    free(t);
}

void hk_normalizing_free(struct hk_normalizing *w)
{
    hk_bytes_free(&w->buffers[0]);
    hk_bytes_free(&w->buffers[1]);
    hk_matching_free(&w->matching);
}

bool hk_text_normalizer_run(const struct hk_text_normalizer *t, struct hk_normalizing *w,
                            struct hk_span *text, bool *from_start, struct hk_error *err)
{
    w->limit = text->len < SIZE_MAX / 64 ? text->len * MAX_GROWTH + MAX_GROWTH_BYTES : SIZE_MAX / 2;
    for (uint32_t i = 0; i < t->n && text->len > 0; i++) {
        struct hk_bytes *out = &w->buffers[w->next];
        w->next ^= 1;
        out->len = 0;
        w->cut = false;
        if (!put(w, out, "", 0, err) || !KINDS[t->steps[i].spec->kind](&t->steps[i], w, *text, out, err))
            return false;
        if (w->cut) *from_start = false;
        *text = (struct hk_span){out->data, out->len};
    }
    return true;
}

/* Oniguruma's (Ruby's) regular expressions on PCRE2. Where the two differ in what a pattern means:
 * - \s is Unicode White_Space (PCRE2 adds U+180E), \w (and so \b) has marks and connectors, \h is a
 * hexadecimal digit;
 * - ^ and $ match at every line; (?m) means what is (?s) elsewhere;
 * - \p{Script} is the script itself, not its extensions;
 * - [a&&[b]] is an intersection; [a[b]] and other operations on sets, and X{n,m}+, which is not possessive,
 * are refused, since nobody would notice wrong words. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "loader/tokenizer/pattern.h"
#include "loader/tokenizer/unicode_classes.h"
#include "loader/utf8.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Unicode's White_Space, and everything else: both are written inside [...]. */
#define SPACES                                                                                               \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{" \
    "3000}"
#define NOT_SPACES                                                                                           \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"          \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
/* Oniguruma's own list: Alphabetic, marks, digits, connectors, and in Latin-1 the other numbers too */
#define WORD                                                                                                 \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}\\x{24b6}-\\x{24e9}"               \
    "\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"
#define HEX              "0-9a-fA-F"
#define WORD_BOUNDARY    "(?:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))"
#define NO_WORD_BOUNDARY "(?:(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "]))"

enum { HEAP_LIMIT_KIB = 256 * 1024 };
/* Steps of one match: far above what a pattern that is linear in the text takes, far below for ever. */
enum { MATCH_LIMIT_BASE = 1000 * 1000, MATCH_LIMIT_PER_BYTE = 64 };

struct hk_pattern {
    pcre2_code *code;
    char *source; /* for messages */
    enum { BY_PCRE2, DIGITS_AT_WORD_END, DIGITS } how;
};

/* ---- translation ---- */

struct translation {
    const char *p, *end;
    struct hk_bytes out;
    bool in_class;
    struct hk_error *err;
};

static bool put(struct translation *t, const char *s, size_t n)
{
    return hk_bytes_append(&t->out, s, n, t->err);
}

static bool puts_(struct translation *t, const char *s)
{
    return put(t, s, strlen(s));
}

static bool refuse(struct translation *t, const char *what)
{
    return hk_fail(t->err, HK_ERR_UNSUPPORTED, "%s is not supported", what);
}

/* A set of characters: inside [...] as it is, outside in brackets. */
static bool put_set(struct translation *t, const char *set, bool negated)
{
    if (t->in_class) return negated ? refuse(t, "a negated \\w or \\h inside [...]") : puts_(t, set);
    return puts_(t, negated ? "[^" : "[") && puts_(t, set) && puts_(t, "]");
}

static bool compiles(const char *pattern)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);
    pcre2_code_free(re);
    return re != NULL;
}

/* \p{...} from the 'p' on. Names longer than a general category's are scripts if PCRE2 can say so. */
static bool put_property(struct translation *t)
{
    char name[64], probe[80];
    const char *close =
        t->p + 1 < t->end && t->p[1] == '{' ? memchr(t->p, '}', (size_t)(t->end - t->p)) : NULL;
    if (!close) return puts_(t, "\\") && put(t, t->p++, 1);
    const char *s = t->p + 2;
    bool negated = (*t->p == 'P') != (*s == '^');
    if (*s == '^') s++;
    size_t len = (size_t)(close - s);
    if (len == 0 || len >= sizeof name) return refuse(t, "a \\p{...} of that length");
    memcpy(name, s, len);
    name[len] = 0;
    t->p = close + 1;
    const char *prefix = "";
    if (len > 2) {
        strcpy(probe, "\\p{sc:");
        strcat(probe, name);
        strcat(probe, "}");
        if (compiles(probe)) prefix = "sc:";
    }
    return puts_(t, negated ? "\\P{" : "\\p{") && puts_(t, prefix) && puts_(t, name) && puts_(t, "}");
}

/* A backslash and what belongs to it; t->p is behind the backslash. */
static bool put_escape(struct translation *t)
{
    if (t->p == t->end) return refuse(t, "a backslash at the end");
    char c = *t->p;
    switch (c) {
    case 'p':
    case 'P':
        return put_property(t);
    case 's':
        t->p++;
        return put_set(t, SPACES, false);
    case 'S':
        t->p++;
        return put_set(t, NOT_SPACES, false);
    case 'w':
        t->p++;
        return put_set(t, WORD, false);
    case 'W':
        t->p++;
        return put_set(t, WORD, true);
    case 'h':
        t->p++;
        return put_set(t, HEX, false);
    case 'H':
        t->p++;
        return put_set(t, HEX, true);
    case 'u':
        if (t->end - t->p < 5) return refuse(t, "a \\u without four digits");
        if (!puts_(t, "\\x{") || !put(t, t->p + 1, 4)) return false;
        t->p += 5;
        return puts_(t, "}");
    case 'b':
    case 'B':
        t->p++;
        if (t->in_class) return c == 'b' ? puts_(t, "\\b") : refuse(t, "\\B inside [...]");
        return puts_(t, c == 'b' ? WORD_BOUNDARY : NO_WORD_BOUNDARY);
    case 'K':
        return refuse(t, "\\K");
    default:
        t->p++;
        return puts_(t, "\\") && put(t, &c, 1);
    }
}

static bool put_in_class(struct translation *t)
{
    char c = *t->p++;
    if (c == '\\') return put_escape(t);
    if (c == '[') {
        const char *close = t->p < t->end && *t->p == ':' ? strstr(t->p, ":]") : NULL;
        if (!close) return refuse(t, "a set inside a set ([a[b]])");
        const char *start = t->p - 1;
        t->p = close + 2;
        return put(t, start, (size_t)(t->p - start));
    }
    if (c == '&' && t->p < t->end && *t->p == '&') return refuse(t, "an intersection of sets ([a&&b])");
    if (c == ']') t->in_class = false;
    return put(t, &c, 1);
}

/* [A&&[B]] and [A&&[^B]] from the '[' on, t->p behind it: A where the next character is in B. Sets nested
 * deeper are refused as they are met. *is_one: it is such a set. */
static bool put_intersection(struct translation *t, bool *is_one)
{
    const char *both = NULL, *p = t->p;
    for (; p < t->end && *p != ']' && !both; p++) {
        if (*p == '\\' && p + 1 < t->end)
            p++;
        else if (*p == '&' && p + 2 < t->end && p[1] == '&' && p[2] == '[')
            both = p;
    }
    *is_one = both != NULL;
    if (!both) return true;
    const char *close = memchr(both + 3, ']', (size_t)(t->end - both - 3)), *left = t->p;
    if (*left == '^' || left == both || !close || close + 1 == t->end || close[1] != ']')
        return refuse(t, "such an intersection of sets");
    struct translation set = *t;
    bool negated = both[3] == '^';
    if (!puts_(t, negated ? "(?:(?![" : "(?:(?=[")) return false;
    for (int part = 0; part < 2; part++) { /* B, then A */
        set.out = t->out;
        set.p = part == 0 ? both + 3 + negated : left;
        set.end = part == 0 ? close + 1 : both;
        set.in_class = true;
        bool ok = true;
        while (ok && set.p < set.end && set.in_class) ok = put_in_class(&set);
        t->out = set.out;
        if (!ok || !puts_(t, part == 0 ? ")[" : "])")) return false;
    }
    t->p = close + 2;
    return true;
}

/* "(?" and its flags, where Ruby's m is everyone else's s. */
static bool put_group(struct translation *t)
{
    if (!puts_(t, "(")) return false;
    if (t->p < t->end && *t->p == '*') return refuse(t, "(*...)");
    if (t->p == t->end || *t->p != '?') return true;
    t->p++;
    if (!puts_(t, "?")) return false;
    for (; t->p < t->end && strchr("imx-", *t->p) && *t->p; t->p++) {
        if (!put(t, *t->p == 'm' ? "s" : t->p, 1)) return false;
    }
    return true;
}

static bool put_repeat(struct translation *t)
{
    const char *s = t->p; /* behind the '{' */
    while (s < t->end && ((*s >= '0' && *s <= '9') || *s == ',')) s++;
    if (s < t->end && *s == '}' && s > t->p) {
        if (*t->p == ',') return refuse(t, "X{,n}");
        if (s + 1 < t->end && s[1] == '+') return refuse(t, "X{n,m}+");
    }
    return puts_(t, "{");
}

static bool translate_all(struct translation *t)
{
    while (t->p < t->end) {
        bool ok;
        if (t->in_class) {
            ok = put_in_class(t);
        } else {
            char c = *t->p++;
            switch (c) {
            case '\\':
                ok = put_escape(t);
                break;
            case '(':
                ok = put_group(t);
                break;
            case '{':
                ok = put_repeat(t);
                break;
            case '[':
                ok = put_intersection(t, &t->in_class);
                if (!ok || t->in_class) {
                    t->in_class = false;
                    break;
                }
                t->in_class = true;
                ok = puts_(t, "[");
                if (ok && t->p < t->end && *t->p == '^') ok = put(t, t->p++, 1);
                if (ok && t->p < t->end && *t->p == ']') ok = put(t, t->p++, 1);
                break;
            default:
                ok = put(t, &c, 1);
            }
        }
        if (!ok) return false;
    }
    return true;
}

static bool translate(const char *pattern, size_t len, struct hk_bytes *out, struct hk_error *err)
{
    /* The same matches, but a run of white space is looked at once instead of once per character of it. */
    if (len == 4 && memcmp(pattern, "\\s+$", 4) == 0) {
        pattern = "(?<!\\s)\\s+$";
        len = strlen(pattern);
    }
    struct translation t = {.p = pattern, .end = pattern + len, .err = err};
    bool ok = hk_bytes_append(&t.out, "", 0, err) && translate_all(&t);
    *out = t.out;
    return ok;
}

/* ---- compiling ---- */

static pcre2_code *compile(const char *pattern, size_t len, struct hk_error *err)
{
    struct hk_bytes translated = {0};
    pcre2_code *re = NULL;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) {
        hk_fail(err, HK_ERR_MEMORY, "out of memory");
    } else if (translate(pattern, len, &translated, err)) {
        int code = 0;
        PCRE2_SIZE at = 0;
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        re = pcre2_compile((PCRE2_SPTR)translated.data, translated.len,
                           PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &at,
                           context);
        if (!re) {
            char text[128] = "";
            pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
            hk_fail(err, HK_ERR_UNSUPPORTED, "PCRE2 does not accept it: %s", text);
        }
    }
    pcre2_compile_context_free(context);
    hk_bytes_free(&translated);
    /* Where there is no JIT the interpreter gives the same matches. */
    if (re) pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
    return re;
}

struct hk_pattern *hk_pattern_new(const char *regex, size_t len, struct hk_error *err)
{
    struct hk_pattern *p = hk_calloc(1, sizeof *p, err);
    if (!p) return NULL;
    p->source = hk_calloc(len + 1, 1, err);
    if (p->source && len > 0) memcpy(p->source, regex, len);
    if (p->source && strcmp(p->source, HK_DIGIT_GROUPS_AT_WORD_END) == 0) p->how = DIGITS_AT_WORD_END;
    if (p->source && strcmp(p->source, HK_DIGIT_GROUPS) == 0) p->how = DIGITS;
    if (p->source && p->how == BY_PCRE2) p->code = compile(regex, len, err);
    if (p->code || p->how != BY_PCRE2) return p;
    hk_fail_prefix(err, "pattern \"%.100s\"", p->source ? p->source : "");
    hk_pattern_free(p);
    return NULL;
}

void hk_pattern_free(struct hk_pattern *p)
{
    if (!p) return;
    pcre2_code_free(p->code);
    free(p->source);
    free(p);
}

/* ---- digits in groups of three ---- */

static bool is_digit(uint32_t cp)
{
    if (cp < 128) return cp >= '0' && cp <= '9';
    return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND;
}

/* As Oniguruma's \w. */
static bool is_word(uint32_t cp)
{
    bool number = cp == 0xB2 || cp == 0xB3 || cp == 0xB9 || (cp >= 0xBC && cp <= 0xBE),
         joiner = cp == 0x200C || cp == 0x200D;
    return number || (!joiner && hk_char_is(HK_CHAR_WORD, cp));
}

/* The character at text[at..len); the end is none. */
static size_t char_at(const char *text, size_t len, size_t at, uint32_t *cp)
{
    size_t n = hk_utf8_len(text + at, len - at);
    *cp = n ? hk_utf8_decode(text + at, n) : 0;
    return n;
}

/* The next run of digits from `at` on, which is not inside one: m->run_to is its end, m->run_left how many
 * they are. Returns where it begins; len: there is none. */
static size_t next_digits(struct hk_matching *m, const char *text, size_t len, size_t at)
{
    uint32_t cp;
    for (size_t n; (n = char_at(text, len, at, &cp)) > 0 && !is_digit(cp);) at += n;
    m->run_left = 0;
    m->run_to = at;
    for (size_t n; (n = char_at(text, len, m->run_to, &cp)) > 0 && is_digit(cp); m->run_left++)
        m->run_to += n;
    return at;
}

static size_t skip_digits(struct hk_matching *m, const char *text, size_t len, size_t at, size_t n)
{
    m->run_left -= n;
    for (; n > 0; n--) at += hk_utf8_len(text + at, len - at);
    return at;
}

static enum hk_found next_group(const struct hk_pattern *p, struct hk_matching *m, const char *text,
                                size_t len, size_t *at, struct hk_match *match)
{
    uint32_t cp;
    for (;;) {
        if (*at >= m->run_to || m->run_left == 0) {
            *at = next_digits(m, text, len, *at);
            if (m->run_left == 0) return HK_FOUND_NONE;
            bool whole = p->how == DIGITS || char_at(text, len, m->run_to, &cp) == 0 || !is_word(cp);
            if (!whole) {
                *at = m->run_to;
                m->run_left = 0;
                continue;
            }
            if (p->how == DIGITS) *at = skip_digits(m, text, len, *at, m->run_left % 3);
            if (m->run_left == 0) continue;
        }
        size_t from = *at, first = m->run_left % 3 ? m->run_left % 3 : 3;
        *at = skip_digits(m, text, len, from, first);
        *match = (struct hk_match){from, p->how == DIGITS ? from : *at};
        return HK_FOUND_ONE;
    }
}

/* ---- running ---- */

static bool prepare(struct hk_matching *m, size_t len, struct hk_error *err)
{
    if (!m->data) m->data = pcre2_match_data_create(1, NULL);
    if (!m->context) m->context = pcre2_match_context_create(NULL);
    if (!m->data || !m->context) return hk_fail(err, HK_ERR_MEMORY, "tokenizer: out of memory");
    const size_t most = (UINT32_MAX - MATCH_LIMIT_BASE) / MATCH_LIMIT_PER_BYTE;
    pcre2_set_heap_limit(m->context, HEAP_LIMIT_KIB);
    pcre2_set_match_limit(m->context,
                          MATCH_LIMIT_BASE + (uint32_t)(len < most ? len : most) * MATCH_LIMIT_PER_BYTE);
    return true;
}

void hk_matching_free(struct hk_matching *m)
{
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    memset(m, 0, sizeof *m);
}

static enum hk_found find(const struct hk_pattern *p, const struct hk_matching *m, const char *text,
                          size_t len, size_t at, struct hk_match *match, struct hk_error *err)
{
    /* The text is known to be UTF-8: checking it again for every word would make long texts quadratic. */
    uint32_t options = PCRE2_NO_UTF_CHECK;
    int rc = pcre2_match(p->code, (PCRE2_SPTR)text, len, at, options, m->data, m->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(p->code, (PCRE2_SPTR)text, len, at, options | PCRE2_NO_JIT, m->data, m->context);
    if (rc == PCRE2_ERROR_NOMATCH) return HK_FOUND_NONE;
    if (rc < 0) {
        char why[128] = "";
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
        hk_fail(err, rc == PCRE2_ERROR_NOMEMORY ? HK_ERR_MEMORY : HK_ERR_INPUT,
                "tokenizer: pattern \"%.100s\" fails on this text: %s", p->source, why);
        return HK_FOUND_ERROR;
    }
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(m->data);
    *match = (struct hk_match){v[0], v[1]};
    return HK_FOUND_ONE;
}

enum hk_found hk_pattern_next(const struct hk_pattern *p, struct hk_matching *m, const char *text, size_t len,
                              size_t *at, struct hk_match *match, struct hk_error *err)
{
    if (*at == 0) {
        m->after_last = m->run_to = m->run_left = 0;
        if (p->how == BY_PCRE2 && !prepare(m, len, err)) return HK_FOUND_ERROR;
    }
    if (p->how != BY_PCRE2) return next_group(p, m, text, len, at, match);
    while (*at <= len) {
        enum hk_found found = find(p, m, text, len, *at, match, err);
        if (found != HK_FOUND_ONE) return found;
        bool empty = match->from == match->to, again = empty && m->after_last == match->to + 1;
        *at = match->to;
        if (empty) *at += match->to < len ? hk_utf8_len(text + match->to, len - match->to) : 1;
        if (again) continue;
        m->after_last = match->to + 1;
        return HK_FOUND_ONE;
    }
    return HK_FOUND_NONE;
}

/* Characters and strings, as Python's str has them. */
#include "loader/jinja/text.h"
#include "loader/utf8.h"

#include <utf8proc.h>

/* ---- characters ---- */

size_t jinja_char_bytes(const char *s)
{
    unsigned char b = (unsigned char)*s;
    return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

uint32_t jinja_char_at(const char *s, size_t *bytes)
{
    *bytes = jinja_char_bytes(s);
    return *bytes == 1 ? (unsigned char)*s : hk_utf8_decode(s, *bytes);
}

size_t jinja_str_chars(struct jv s)
{
    if (s.flags & JV_ASCII) return s.len;
    size_t n = 0;
    for (uint32_t i = 0; i < s.len; i++) n += ((unsigned char)s.as.s[i] & 0xC0) != 0x80;
    return n;
}

size_t jinja_offset(struct jv s, size_t chars)
{
    if (s.flags & JV_ASCII) return chars < s.len ? chars : s.len;
    size_t at = 0;
    for (; at < s.len && chars > 0; chars--) at += jinja_char_bytes(s.as.s + at);
    return at;
}

struct jv jinja_slice_bytes(struct jv s, size_t from, size_t to)
{
    struct jv part = jv_str(s.as.s + from, to > from ? to - from : 0);
    part.flags = s.flags & (JV_ASCII | JV_MARKUP);
    if (from == 0) part.flags |= s.flags & JV_GROWS;
    return part;
}

bool jinja_is_space(uint32_t c)
{
    if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool jinja_is_word(uint32_t c)
{
    return c == '_' || jinja_is(c, JINJA_ALNUM);
}

/* str.isdigit() beyond the decimal digits: superscripts, circled digits and the like. */
static bool is_other_digit(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0xB2, 0xB3},     {0xB9, 0xB9},       {0x1369, 0x1371},   {0x19DA, 0x19DA},   {0x2070, 0x2070},
        {0x2074, 0x2079}, {0x2080, 0x2089},   {0x2460, 0x2468},   {0x2474, 0x247C},   {0x2488, 0x2490},
        {0x24EA, 0x24EA}, {0x24F5, 0x24FD},   {0x24FF, 0x24FF},   {0x2776, 0x277E},   {0x2780, 0x2788},
        {0x278A, 0x2792}, {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
    }
    return false;
}

bool jinja_is(uint32_t c, enum jinja_class k)
{
    utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)c);
    switch (k) {
    case JINJA_ALPHA:
        return cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_LO;
    case JINJA_DECIMAL:
        return cat == UTF8PROC_CATEGORY_ND;
    case JINJA_DIGIT:
        return cat == UTF8PROC_CATEGORY_ND || is_other_digit(c);
    case JINJA_NUMERIC:
        return cat >= UTF8PROC_CATEGORY_ND && cat <= UTF8PROC_CATEGORY_NO;
    case JINJA_ALNUM:
        return (cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_LO) ||
               (cat >= UTF8PROC_CATEGORY_ND && cat <= UTF8PROC_CATEGORY_NO);
    case JINJA_LOWER:
        return cat == UTF8PROC_CATEGORY_LL;
    case JINJA_UPPER:
        return cat == UTF8PROC_CATEGORY_LU;
    case JINJA_TITLE:
        return cat == UTF8PROC_CATEGORY_LT;
    case JINJA_PRINTABLE:
        return c == ' ' || !(cat == UTF8PROC_CATEGORY_CN || cat >= UTF8PROC_CATEGORY_ZS);
    }
    return false;
}

/* ---- searching ---- */

bool jinja_find(struct jinja_run *r, struct jv hay, struct jv needle, size_t from, size_t *at)
{
    *at = SIZE_MAX;
    if (from > hay.len || needle.len > hay.len - from) return true;
    if (needle.len == 0) {
        *at = from;
        return true;
    }
    if (!jinja_work(r, (hay.len - from) / 64)) return false;
    const char *p = hay.as.s + from, *last = hay.as.s + hay.len - needle.len;
    while (p <= last && (p = memchr(p, needle.as.s[0], (size_t)(last - p) + 1))) {
        if (memcmp(p, needle.as.s, needle.len) == 0) {
            *at = (size_t)(p - hay.as.s);
            return true;
        }
        /* near misses cost up to the needle's length each */
        if (needle.len >= 64 && !jinja_work(r, needle.len / 64)) return false;
        p++;
    }
    return true;
}

bool jinja_find_last(struct jinja_run *r, struct jv hay, struct jv needle, size_t *at)
{
    *at = SIZE_MAX;
    if (needle.len > hay.len) return true;
    for (size_t i = hay.len - needle.len + 1; i-- > 0;) {
        if (i % 16 == 0 && !jinja_work(r, 1)) return false;
        if (needle.len && hay.as.s[i] != needle.as.s[0]) continue;
        if (needle.len >= 64 && !jinja_work(r, needle.len / 64)) return false;
        if (needle.len == 0 || memcmp(hay.as.s + i, needle.as.s, needle.len) == 0) {
            *at = i;
            return true;
        }
    }
    return true;
}

static bool strips(struct jv chars, const char *s, size_t bytes)
{
    size_t n;
    if (chars.type != JV_STR) return jinja_is_space(jinja_char_at(s, &n));
    for (size_t i = 0; i < chars.len; i += n) {
        n = jinja_char_bytes(chars.as.s + i);
        if (n == bytes && memcmp(chars.as.s + i, s, n) == 0) return true;
    }
    return false;
}

struct jv jinja_strip(struct jv s, struct jv chars, unsigned sides)
{
    size_t from = 0, to = s.len;
    while ((sides & JINJA_LEFT) && from < to) {
        size_t n = jinja_char_bytes(s.as.s + from);
        if (!strips(chars, s.as.s + from, n)) break;
        from += n;
    }
    while ((sides & JINJA_RIGHT) && from < to) {
        size_t n = 1;
        while (((unsigned char)s.as.s[to - n] & 0xC0) == 0x80) n++;
        if (!strips(chars, s.as.s + to - n, n)) break;
        to -= n;
    }
    return jinja_slice_bytes(s, from, to);
}

/* ---- letter case ---- */

static bool append_upper(struct jinja_run *r, struct jv *acc, uint32_t c, bool title)
{
    uint32_t several[3];
    size_t n = jinja_special_case(c, title, several);
    if (n == 0) {
        utf8proc_int32_t one = (utf8proc_int32_t)c;
        return jinja_append_char(r, acc, (uint32_t)(title ? utf8proc_totitle(one) : utf8proc_toupper(one)));
    }
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) ok = jinja_append_char(r, acc, several[i]);
    return ok;
}

/* Whether c matters for the form of a sigma beside it: a letter with case, or one to look through. */
static bool cased(uint32_t c)
{
    return jinja_is(c, JINJA_LOWER) || jinja_is(c, JINJA_UPPER) || jinja_is(c, JINJA_TITLE);
}

static bool case_ignorable(uint32_t c)
{
    utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)c);
    return cat == UTF8PROC_CATEGORY_MN || cat == UTF8PROC_CATEGORY_ME || cat == UTF8PROC_CATEGORY_CF ||
           cat == UTF8PROC_CATEGORY_LM || cat == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' || c == ':' ||
           c == 0xB7 || c == 0x2019;
}

/* A capital sigma at a word's end becomes the final form. */
static bool final_sigma(struct jv s, size_t at)
{
    size_t n = 0, i = at;
    bool before = false;
    while (i > 0 && !before) {
        do {
            i--;
        } while (((unsigned char)s.as.s[i] & 0xC0) == 0x80);
        uint32_t c = jinja_char_at(s.as.s + i, &n);
        if (!case_ignorable(c)) {
            before = cased(c);
            break;
        }
    }
    for (i = at + jinja_char_bytes(s.as.s + at); before && i < s.len; i += n) {
        uint32_t c = jinja_char_at(s.as.s + i, &n);
        if (!case_ignorable(c)) return !cased(c);
    }
    return before;
}

static bool append_lower(struct jinja_run *r, struct jv *acc, struct jv s, size_t at, uint32_t c)
{
    if (c == 0x130) return jinja_append_text(r, acc, "i\xCC\x87");
    if (c == 0x3A3) return jinja_append_char(r, acc, final_sigma(s, at) ? 0x3C2 : 0x3C3);
    return jinja_append_char(r, acc, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
}

static bool append_folded(struct jinja_run *r, struct jv *acc, uint32_t c)
{
    utf8proc_int32_t to[8];
    int last = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, to, 8, UTF8PROC_CASEFOLD, &last);
    bool ok = true;
    for (utf8proc_ssize_t i = 0; ok && i < n && i < 8; i++) ok = jinja_append_char(r, acc, (uint32_t)to[i]);
    return ok;
}

static bool ascii_case(struct jinja_run *r, struct jv s, enum jinja_case k, struct jv *out)
{
    char *copy = jinja_alloc(r, s.len, 1);
    bool word = false;
    if (!copy || !jinja_work(r, s.len / 64)) return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.as.s[i];
        bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', up = false;
        up = k == JINJA_TO_UPPER || (k == JINJA_TO_TITLE && !word) || (k == JINJA_TO_CAPITALIZED && i == 0) ||
             (k == JINJA_TO_SWAPPED && lower);
        copy[i] = up ? (char)(lower ? c - 32 : c) : (char)(upper ? c + 32 : c);
        word = upper || lower;
    }
    *out = jv_str(copy, s.len);
    out->flags = s.flags & (JV_ASCII | JV_MARKUP);
    return true;
}

bool jinja_to_case(struct jinja_run *r, struct jv s, enum jinja_case k, struct jv *out)
{
    if (s.flags & JV_ASCII) return ascii_case(r, s, k, out);
    struct jv acc = jv_ascii("");
    bool word = false, ok = jinja_work(r, s.len / 8);
    size_t n;
    for (size_t i = 0; ok && i < s.len; i += n) {
        uint32_t c = jinja_char_at(s.as.s + i, &n);
        bool first = k == JINJA_TO_TITLE ? !word : i == 0;
        if (k == JINJA_TO_FOLDED)
            ok = append_folded(r, &acc, c);
        else if (k == JINJA_TO_UPPER || (k == JINJA_TO_SWAPPED && jinja_is(c, JINJA_LOWER)))
            ok = append_upper(r, &acc, c, false);
        else if (first && (k == JINJA_TO_TITLE || k == JINJA_TO_CAPITALIZED))
            ok = append_upper(r, &acc, c, true);
        else if (k == JINJA_TO_SWAPPED && !jinja_is(c, JINJA_UPPER))
            ok = jinja_append_char(r, &acc, c);
        else
            ok = append_lower(r, &acc, s, i, c);
        word = cased(c);
    }
    *out = acc;
    out->flags |= s.flags & JV_MARKUP;
    return ok;
}

/* ---- lines, replacing, escaping ---- */

static bool ends_line(uint32_t c)
{
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool jinja_split_lines(struct jinja_run *r, struct jv s, bool keep, struct jinja_list **out)
{
    struct jinja_list *l = *out = jinja_list_new(r, 0);
    size_t start = 0, n;
    if (!l || !jinja_work(r, s.len / 64)) return false;
    for (size_t i = 0; i < s.len; i += n) {
        uint32_t c = jinja_char_at(s.as.s + i, &n);
        if (!ends_line(c)) continue;
        if (c == '\r' && i + 1 < s.len && s.as.s[i + 1] == '\n') n = 2;
        if (!jinja_list_add(r, l, jinja_slice_bytes(s, start, keep ? i + n : i))) return false;
        start = i + n;
    }
    return start == s.len || jinja_list_add(r, l, jinja_slice_bytes(s, start, s.len));
}

/* Replacing "" puts `to` before every character and at the end. */
static bool replace_nothing(struct jinja_run *r, struct jv s, struct jv to, int64_t count, struct jv *acc)
{
    size_t i = 0, n;
    bool ok = true;
    for (; ok && i < s.len && count != 0; i += n, count--) {
        n = jinja_char_bytes(s.as.s + i);
        ok = jinja_append(r, acc, to.as.s, to.len) && jinja_append(r, acc, s.as.s + i, n);
    }
    ok = ok && jinja_append(r, acc, s.as.s + i, s.len - i);
    return ok && (count == 0 || jinja_append(r, acc, to.as.s, to.len));
}

bool jinja_replace(struct jinja_run *r, struct jv s, struct jv from, struct jv to, int64_t count,
                   struct jv *out)
{
    struct jv acc = jv_ascii("");
    size_t start = 0, at;
    bool ok = true;
    if (count < 0) count = INT64_MAX;
    if (from.len == 0) {
        ok = replace_nothing(r, s, to, count, &acc);
        start = s.len;
        count = 0;
    }
    for (; ok && count > 0; count--) {
        if (!jinja_work(r, 1) || !jinja_find(r, s, from, start, &at)) return false;
        if (at == SIZE_MAX) break;
        ok = jinja_append(r, &acc, s.as.s + start, at - start) && jinja_append(r, &acc, to.as.s, to.len);
        start = at + from.len;
    }
    if (ok && start == 0 && from.len > 0) { /* nothing was replaced: the same string */
        *out = s;
        return true;
    }
    ok = ok && jinja_append(r, &acc, s.as.s + start, s.len - start);
    *out = acc;
    out->flags |= s.flags & JV_MARKUP;
    return ok;
}

bool jinja_escape(struct jinja_run *r, struct jv v, struct jv *out)
{
    struct jv s, acc = jv_ascii("");
    if (!jinja_str(r, v, &s)) return false;
    if (v.type == JV_STR && (v.flags & JV_MARKUP)) {
        *out = v;
        return true;
    }
    size_t start = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < s.len; i++) {
        char c = s.as.s[i];
        const char *to = c == '&'    ? "&amp;"
                         : c == '<'  ? "&lt;"
                         : c == '>'  ? "&gt;"
                         : c == '"'  ? "&#34;"
                         : c == '\'' ? "&#39;"
                                     : NULL;
        if (!to) continue;
        ok = jinja_append(r, &acc, s.as.s + start, i - start) && jinja_append_text(r, &acc, to);
        start = i + 1;
    }
    ok = ok && jinja_append(r, &acc, s.as.s + start, s.len - start);
    *out = acc;
    out->flags |= JV_MARKUP;
    return ok;
}

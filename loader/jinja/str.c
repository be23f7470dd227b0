/* Methods of strings. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

/* ---- letter case and what a string consists of ---- */

#define CASE(name, kind)                                                                                     \
    static bool name(struct jinja_run *r, const struct jv *a, struct jv *out)                                \
    {                                                                                                        \
        return jinja_to_case(r, a[0], kind, out);                                                            \
    }
CASE(s_upper, JINJA_TO_UPPER)
CASE(s_lower, JINJA_TO_LOWER)
CASE(s_title, JINJA_TO_TITLE)
CASE(s_capitalize, JINJA_TO_CAPITALIZED)
CASE(s_swapcase, JINJA_TO_SWAPPED)
CASE(s_casefold, JINJA_TO_FOLDED)
#undef CASE

/* Whether every character passes, and there is one (or `empty` is true of none). */
static bool every(struct jinja_run *r, struct jv s, bool (*pass)(uint32_t c), bool empty, struct jv *out)
{
    bool all = s.len > 0 || empty;
    size_t n;
    for (size_t i = 0; all && i < s.len; i += n) all = pass(jinja_char_at(s.as.s + i, &n));
    *out = jv_bool(all);
    return jinja_work(r, s.len / 8);
}

#define EVERY(name, condition, empty)                                                                        \
    static bool pass_##name(uint32_t c)                                                                      \
    {                                                                                                        \
        return condition;                                                                                    \
    }                                                                                                        \
    static bool s_##name(struct jinja_run *r, const struct jv *a, struct jv *out)                            \
    {                                                                                                        \
        return every(r, a[0], pass_##name, empty, out);                                                      \
    }
EVERY(isalpha, jinja_is(c, JINJA_ALPHA), false)
EVERY(isdigit, jinja_is(c, JINJA_DIGIT), false)
EVERY(isdecimal, jinja_is(c, JINJA_DECIMAL), false)
EVERY(isnumeric, jinja_is(c, JINJA_NUMERIC), false)
EVERY(isalnum, jinja_is(c, JINJA_ALNUM), false)
EVERY(isspace, jinja_is_space(c), false)
EVERY(isascii, c < 0x80, true)
EVERY(isprintable, jinja_is(c, JINJA_PRINTABLE), true)
EVERY(isword, jinja_is_word(c), false)
#undef EVERY

static bool s_isidentifier(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    size_t n;
    if (!s_isword(r, a, out)) return false;
    if (a[0].len && jinja_is(jinja_char_at(a[0].as.s, &n), JINJA_DECIMAL)) *out = jv_bool(false);
    return true;
}

static bool by_test(struct jinja_run *r, const char *test, const struct jv *a, struct jv *out)
{
    return jinja_test_find(test, 5)->fn(r, a, out);
}

static bool s_isupper(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return by_test(r, "upper", a, out);
}

static bool s_islower(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return by_test(r, "lower", a, out);
}

static bool s_istitle(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    bool within = false, any = false, title = true;
    size_t n;
    for (size_t i = 0; title && i < a[0].len; i += n) {
        uint32_t c = jinja_char_at(a[0].as.s + i, &n);
        bool upper = jinja_is(c, JINJA_UPPER) || jinja_is(c, JINJA_TITLE), lower = jinja_is(c, JINJA_LOWER);
        title = !(upper && within) && !(lower && !within);
        within = upper || lower;
        any |= within;
    }
    *out = jv_bool(any && title);
    return jinja_work(r, a[0].len / 8);
}

/* ---- ends ---- */

static bool strip(struct jinja_run *r, const struct jv *a, const char *name, unsigned sides, struct jv *out)
{
    if (jv_given(a[1]) && a[1].type != JV_STR)
        return jinja_fail(r, "%s: the characters must be a string, not '%s'", name, jv_type_name(a[1]));
    *out = jinja_strip(a[0], a[1], sides);
    uint64_t compared = a[1].type == JV_STR ? a[1].len : 1;
    return jinja_work(r, compared * (a[0].len - out->len) / 8);
}

static bool s_strip(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return strip(r, a, "strip", JINJA_LEFT | JINJA_RIGHT, out);
}

static bool s_lstrip(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return strip(r, a, "lstrip", JINJA_LEFT, out);
}

static bool s_rstrip(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return strip(r, a, "rstrip", JINJA_RIGHT, out);
}

static bool s_removeprefix(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv s = a[0], p;
    if (!jinja_arg_str(r, a[1], "removeprefix: the prefix", &p)) return false;
    bool has = p.len <= s.len && memcmp(s.as.s, p.as.s, p.len) == 0;
    *out = has ? jinja_slice_bytes(s, p.len, s.len) : s;
    return true;
}

static bool s_removesuffix(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv s = a[0], p;
    if (!jinja_arg_str(r, a[1], "removesuffix: the suffix", &p)) return false;
    bool has = p.len <= s.len && memcmp(s.as.s + s.len - p.len, p.as.s, p.len) == 0;
    *out = has ? jinja_slice_bytes(s, 0, s.len - p.len) : s;
    return true;
}

/* ---- padding ---- */

static bool pad(struct jinja_run *r, const struct jv *a, int side, struct jv *out)
{
    struct jv fill = jv_ascii(" "), acc = jv_ascii("");
    int64_t width;
    if (!jinja_arg_int(r, a[1], 0, &width) ||
        (a[2].type != JV_MISSING && !jinja_arg_str(r, a[2], "the fill character", &fill)))
        return false;
    if (jinja_str_chars(fill) != 1) return jinja_fail(r, "the fill must be one character");
    int64_t n = width - (int64_t)jinja_str_chars(a[0]);
    *out = a[0];
    if (n <= 0) return true;
    if ((uint64_t)n > r->max_memory)
        return jinja_fail_code(r, HK_ERR_MEMORY, "a width of %lld is too large", (long long)width);
    int64_t left = side < 0 ? 0 : side > 0 ? n : n / 2 + (n & width & 1);
    if (!jinja_append_repeat(r, &acc, fill, (size_t)left) || !jinja_append(r, &acc, a[0].as.s, a[0].len) ||
        !jinja_append_repeat(r, &acc, fill, (size_t)(n - left)))
        return false;
    *out = acc;
    return true;
}

static bool s_center(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return pad(r, a, 0, out);
}

static bool s_ljust(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return pad(r, a, -1, out);
}

static bool s_rjust(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return pad(r, a, 1, out);
}

static bool s_zfill(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    bool sign = a[0].len && (a[0].as.s[0] == '-' || a[0].as.s[0] == '+');
    struct jv digits = jinja_slice_bytes(a[0], sign, a[0].len), acc = jv_ascii("");
    int64_t width;
    if (!jinja_arg_int(r, a[1], 0, &width)) return false;
    const struct jv args[] = {digits, jv_int(width - (width > INT64_MIN && sign)), jv_ascii("0")};
    if (!pad(r, args, 1, &digits) || !jinja_append(r, &acc, a[0].as.s, sign)) return false;
    *out = acc;
    return jinja_append(r, out, digits.as.s, digits.len);
}

static bool s_expandtabs(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv acc = jv_ascii("");
    int64_t size, column = 0;
    size_t n;
    bool ok = jinja_arg_int(r, a[1], 8, &size);
    if (ok && size > 1000000) return jinja_fail(r, "expandtabs: a tab of more than a million columns");
    for (size_t i = 0; ok && i < a[0].len; i += n) {
        n = jinja_char_bytes(a[0].as.s + i);
        char c = a[0].as.s[i];
        if (c == '\t') {
            int64_t width = size > 0 ? size - column % size : 0;
            ok = jinja_append_repeat(r, &acc, jv_ascii(" "), (size_t)width);
            column += width;
        } else {
            ok = jinja_append(r, &acc, a[0].as.s + i, n);
            column = c == '\n' || c == '\r' ? 0 : column + 1;
        }
    }
    *out = acc;
    return ok;
}

/* ---- cutting and joining ---- */

/* Words between runs of white space, at most `limit` cuts from the left. */
static bool split_words(struct jinja_run *r, struct jv s, int64_t limit, struct jinja_list *l)
{
    size_t i = 0, n = 0;
    if (!jinja_work(r, s.len / 16)) return false;
    for (;; limit--) {
        while (i < s.len && jinja_is_space(jinja_char_at(s.as.s + i, &n))) i += n;
        if (i >= s.len) return true;
        if (limit == 0) return jinja_list_add(r, l, jinja_slice_bytes(s, i, s.len));
        size_t start = i;
        while (i < s.len && !jinja_is_space(jinja_char_at(s.as.s + i, &n))) i += n;
        if (!jinja_list_add(r, l, jinja_slice_bytes(s, start, i))) return false;
    }
}

static bool reverse_list(struct jinja_run *r, struct jinja_list *l, struct jv *out)
{
    return jinja_slice(r, jv_list(JV_LIST, l), jv_none(), jv_none(), jv_int(-1), out);
}

/* The same from the right; the list is filled last word first. */
static bool rsplit_words(struct jinja_run *r, struct jv s, int64_t limit, struct jinja_list *l)
{
    if (!jinja_work(r, s.len / 16)) return false;
    for (;; limit--) {
        s = jinja_strip(s, jv_missing(), JINJA_RIGHT);
        if (s.len == 0) return true;
        if (limit == 0) return jinja_list_add(r, l, s);
        size_t start = s.len, n;
        while (start > 0) {
            size_t before = start - 1;
            while (((unsigned char)s.as.s[before] & 0xC0) == 0x80) before--;
            if (jinja_is_space(jinja_char_at(s.as.s + before, &n))) break;
            start = before;
        }
        if (!jinja_list_add(r, l, jinja_slice_bytes(s, start, s.len))) return false;
        s = jinja_slice_bytes(s, 0, start);
    }
}

static bool split_at(struct jinja_run *r, struct jv s, struct jv by, int64_t limit, struct jinja_list *l)
{
    size_t start = 0, at;
    for (; limit != 0; limit--) {
        if (!jinja_find(r, s, by, start, &at)) return false;
        if (at == SIZE_MAX) break;
        if (!jinja_work(r, 1) || !jinja_list_add(r, l, jinja_slice_bytes(s, start, at))) return false;
        start = at + by.len;
    }
    return jinja_list_add(r, l, jinja_slice_bytes(s, start, s.len));
}

static bool rsplit_at(struct jinja_run *r, struct jv s, struct jv by, int64_t limit, struct jinja_list *l)
{
    size_t at;
    for (; limit != 0; limit--) {
        if (!jinja_find_last(r, s, by, &at)) return false;
        if (at == SIZE_MAX) break;
        if (!jinja_work(r, 1) || !jinja_list_add(r, l, jinja_slice_bytes(s, at + by.len, s.len)))
            return false;
        s = jinja_slice_bytes(s, 0, at);
    }
    return jinja_list_add(r, l, s);
}

static bool split(struct jinja_run *r, const struct jv *a, bool from_right, struct jv *out)
{
    struct jinja_list *l = jinja_list_new(r, 0);
    int64_t limit;
    if (!l || !jinja_arg_int(r, a[2], -1, &limit)) return false;
    *out = jv_list(JV_LIST, l);
    if (!jv_given(a[1]))
        return from_right ? rsplit_words(r, a[0], limit, l) && reverse_list(r, l, out)
                          : split_words(r, a[0], limit, l);
    if (a[1].type != JV_STR)
        return jinja_fail(r, "split: the separator must be a string, not '%s'", jv_type_name(a[1]));
    if (a[1].len == 0) return jinja_fail(r, "split: the separator is empty");
    return from_right ? rsplit_at(r, a[0], a[1], limit, l) && reverse_list(r, l, out)
                      : split_at(r, a[0], a[1], limit, l);
}

static bool s_split(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return split(r, a, false, out);
}

static bool s_rsplit(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return split(r, a, true, out);
}

static bool s_splitlines(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jinja_list *l = NULL;
    bool ok = jinja_split_lines(r, a[0], a[1].type != JV_MISSING && jinja_truth(a[1]), &l);
    *out = jv_list(JV_LIST, l);
    return ok;
}

static bool partition(struct jinja_run *r, const struct jv *a, bool last, struct jv *out)
{
    struct jinja_list *l = jinja_list_new(r, 3);
    struct jv s = a[0], by, empty = jinja_slice_bytes(s, 0, 0);
    size_t at;
    if (!l || !jinja_arg_str(r, a[1], "partition: the separator", &by)) return false;
    if (by.len == 0) return jinja_fail(r, "partition: the separator is empty");
    if (last ? !jinja_find_last(r, s, by, &at) : !jinja_find(r, s, by, 0, &at)) return false;
    bool found = at != SIZE_MAX;
    l->n = 3;
    l->items[0] = found ? jinja_slice_bytes(s, 0, at) : last ? empty : s;
    l->items[1] = found ? by : empty;
    l->items[2] = found ? jinja_slice_bytes(s, at + by.len, s.len) : last ? s : empty;
    *out = jv_list(JV_TUPLE, l);
    return true;
}

static bool s_partition(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return partition(r, a, false, out);
}

static bool s_rpartition(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return partition(r, a, true, out);
}

static bool s_join(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv item, acc = jv_ascii("");
    struct jinja_iter *it = jinja_iter(r, a[1]);
    for (uint32_t i = 0; it; i++) {
        enum jinja_step step = jinja_next(r, it, &item);
        if (step == JINJA_END) {
            *out = acc;
            out->flags |= a[0].flags & JV_MARKUP;
            return true;
        }
        if (step == JINJA_ERROR) return false;
        if (item.type != JV_STR)
            return jinja_fail(r, "join: item %u must be a string, not '%s'", (unsigned)i, jv_type_name(item));
        if ((i > 0 && !jinja_append(r, &acc, a[0].as.s, a[0].len)) ||
            !jinja_append(r, &acc, item.as.s, item.len))
            return false;
    }
    return false;
}

static bool s_replace(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv from, to;
    int64_t count;
    return jinja_arg_str(r, a[1], "replace: what is replaced", &from) &&
           jinja_arg_str(r, a[2], "replace: the replacement", &to) && jinja_arg_int(r, a[3], -1, &count) &&
           jinja_replace(r, a[0], from, to, count, out);
}

const struct jinja_builtin jinja_str_methods[] = {
    {"upper", "", s_upper, NULL},
    {"lower", "", s_lower, NULL},
    {"title", "", s_title, NULL},
    {"capitalize", "", s_capitalize, NULL},
    {"swapcase", "", s_swapcase, NULL},
    {"casefold", "", s_casefold, NULL},
    {"isalpha", "", s_isalpha, NULL},
    {"isdigit", "", s_isdigit, NULL},
    {"isdecimal", "", s_isdecimal, NULL},
    {"isnumeric", "", s_isnumeric, NULL},
    {"isalnum", "", s_isalnum, NULL},
    {"isspace", "", s_isspace, NULL},
    {"isascii", "", s_isascii, NULL},
    {"isprintable", "", s_isprintable, NULL},
    {"isidentifier", "", s_isidentifier, NULL},
    {"isupper", "", s_isupper, NULL},
    {"islower", "", s_islower, NULL},
    {"istitle", "", s_istitle, NULL},
    {"strip", "/?chars", s_strip, NULL},
    {"lstrip", "/?chars", s_lstrip, NULL},
    {"rstrip", "/?chars", s_rstrip, NULL},
    {"removeprefix", "/prefix", s_removeprefix, NULL},
    {"removesuffix", "/suffix", s_removesuffix, NULL},
    {"center", "/width ?fill", s_center, NULL},
    {"ljust", "/width ?fill", s_ljust, NULL},
    {"rjust", "/width ?fill", s_rjust, NULL},
    {"zfill", "/width", s_zfill, NULL},
    {"expandtabs", "?tabsize", s_expandtabs, NULL},
    {"split", "?sep ?maxsplit", s_split, NULL},
    {"rsplit", "?sep ?maxsplit", s_rsplit, NULL},
    {"splitlines", "?keepends", s_splitlines, NULL},
    {"partition", "/sep", s_partition, NULL},
    {"rpartition", "/sep", s_rpartition, NULL},
    {"join", "/iterable", s_join, NULL},
    {"replace", "/old new ?count", s_replace, NULL},
    {"format", NULL, NULL, jinja_str_format},
    {"format_map", NULL, NULL, jinja_str_format_map},
    {0},
};

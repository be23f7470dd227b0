/* Methods of strings that look for others: positions are in characters. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

/* a[at], a[at + 1]: the part of s looked at, as Python clips it: characters *from..*to. False without an
 * error where there is no such part. */
static bool part(struct jinja_run *r, const struct jv *a, size_t at, int64_t chars, int64_t *from,
                 int64_t *to, bool *exists)
{
    int64_t start = 0, end = chars;
    for (size_t i = at; i < at + 2; i++) {
        int64_t *bound = i == at ? &start : &end;
        if (jv_given(a[i]) && !jinja_arg_int(r, a[i], 0, bound)) return false;
        if (*bound < 0) *bound = *bound < -chars ? 0 : *bound + chars;
    }
    if (end > chars) end = chars;
    *from = start;
    *to = end;
    *exists = start <= end;
    return true;
}

/* The part as a string, and how many characters stand before it. */
static bool cut(struct jinja_run *r, const struct jv *a, size_t at, struct jv *piece, int64_t *before,
                bool *exists)
{
    struct jv s = a[0];
    int64_t from, to;
    if (!jv_given(a[at]) && !jv_given(a[at + 1])) {
        *piece = s;
        *before = 0;
        *exists = true;
        return true;
    }
    if (!jinja_work(r, s.len / 16) || !part(r, a, at, (int64_t)jinja_str_chars(s), &from, &to, exists))
        return false;
    *before = from;
    *piece = jinja_slice_bytes(s, 0, 0);
    if (*exists) *piece = jinja_slice_bytes(s, jinja_offset(s, (size_t)from), jinja_offset(s, (size_t)to));
    return true;
}

/* The position of a[1], or -1. */
static bool position(struct jinja_run *r, const struct jv *a, bool last, struct jv *out)
{
    struct jv piece, needle;
    int64_t before;
    bool exists;
    size_t at = SIZE_MAX;
    if (!jinja_arg_str(r, a[1], "what is looked for", &needle) || !cut(r, a, 2, &piece, &before, &exists))
        return false;
    if (exists && (last ? !jinja_find_last(r, piece, needle, &at) : !jinja_find(r, piece, needle, 0, &at)))
        return false;
    *out = jv_int(-1);
    if (at != SIZE_MAX) *out = jv_int(before + (int64_t)jinja_str_chars(jinja_slice_bytes(piece, 0, at)));
    return true;
}

static bool s_find(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return position(r, a, false, out);
}

static bool s_rfind(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return position(r, a, true, out);
}

static bool s_index(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return position(r, a, false, out) &&
           (out->as.i >= 0 || jinja_fail(r, "index: the substring is not found"));
}

static bool s_rindex(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return position(r, a, true, out) &&
           (out->as.i >= 0 || jinja_fail(r, "rindex: the substring is not found"));
}

static bool s_count(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv piece, needle;
    int64_t before, n = 0;
    bool exists;
    size_t at = 0;
    if (!jinja_arg_str(r, a[1], "what is counted", &needle) || !cut(r, a, 2, &piece, &before, &exists))
        return false;
    if (exists && needle.len == 0) n = (int64_t)jinja_str_chars(piece) + 1;
    while (exists && needle.len) {
        if (!jinja_work(r, 1) || !jinja_find(r, piece, needle, at, &at)) return false;
        if (at == SIZE_MAX) break;
        n++;
        at += needle.len;
    }
    *out = jv_int(n);
    return true;
}

static bool affix(struct jinja_run *r, const struct jv *a, bool end, struct jv *out)
{
    struct jv piece, one[1] = {a[1]};
    int64_t before;
    bool exists, any = false;
    struct jinja_list single = {.items = one, .n = 1};
    const struct jinja_list *l = a[1].type == JV_TUPLE ? a[1].as.list : &single;
    if (!cut(r, a, 2, &piece, &before, &exists)) return false;
    for (uint32_t i = 0; !any && i < l->n; i++) {
        struct jv p;
        if (!jinja_arg_str(r, l->items[i], end ? "endswith: each suffix" : "startswith: each prefix", &p) ||
            !jinja_work(r, 1 + p.len / 64))
            return false;
        any = exists && p.len <= piece.len &&
              memcmp(piece.as.s + (end ? piece.len - p.len : 0), p.as.s, p.len) == 0;
    }
    *out = jv_bool(any);
    return true;
}

static bool s_startswith(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return affix(r, a, false, out);
}

static bool s_endswith(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return affix(r, a, true, out);
}

const struct jinja_builtin jinja_str_find_methods[] = {
    {"find", "/sub ?start ?end", s_find, NULL},
    {"rfind", "/sub ?start ?end", s_rfind, NULL},
    {"index", "/sub ?start ?end", s_index, NULL},
    {"rindex", "/sub ?start ?end", s_rindex, NULL},
    {"count", "/sub ?start ?end", s_count, NULL},
    {"startswith", "/prefix ?start ?end", s_startswith, NULL},
    {"endswith", "/suffix ?start ?end", s_endswith, NULL},
    {0},
};

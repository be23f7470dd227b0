/* What Python asks of any value: truth, equality, order, length, membership; walking over it; sorting. */
#include "loader/jinja/text.h"
#include "loader/jinja/value.h"

#include <math.h>
#include <stdlib.h>

bool jinja_truth(struct jv v)
{
    switch (v.type) {
    case JV_MISSING:
    case JV_UNDEFINED:
    case JV_NONE:
        return false;
    case JV_BOOL:
    case JV_INT:
        return v.as.i != 0;
    case JV_FLOAT:
        return v.as.f != 0;
    case JV_STR:
        return v.len != 0;
    case JV_LIST:
    case JV_TUPLE:
        return v.as.list->n != 0;
    case JV_DICT:
    case JV_VIEW:
        return v.as.dict->n != 0;
    case JV_RANGE:
        return v.as.range->n != 0;
    default:
        return true;
    }
}

/* Three-way comparison of an integer with a float that is a number, exact beyond 2^53 too. */
static int compare_int_float(int64_t i, double f)
{
    if (f >= 0x1p63) return -1;
    if (f < -0x1p63) return 1;
    double whole = floor(f);
    int64_t w = (int64_t)whole;
    if (i != w) return i < w ? -1 : 1;
    return f > whole ? -1 : 0;
}

/* JV_BIG: digits with an optional minus. */
static int compare_big(struct jv a, struct jv b)
{
    bool neg = a.as.s[0] == '-', other = b.as.s[0] == '-';
    if (neg != other) return neg ? -1 : 1;
    int c = a.len != b.len ? (a.len < b.len ? -1 : 1) : memcmp(a.as.s, b.as.s, a.len);
    return neg ? -c : c;
}

static bool is_any_number(struct jv v)
{
    return jv_is_number(v) || v.type == JV_BIG;
}

/* -1, 0, 1; 2 where one is no number (NaN), which is unequal to and not less than anything. */
static int compare_numbers(struct jv a, struct jv b)
{
    if (a.type == JV_BIG && b.type == JV_BIG) return compare_big(a, b);
    if (b.type == JV_BIG || (a.type == JV_FLOAT && b.type != JV_FLOAT)) {
        int c = compare_numbers(b, a);
        return c == 2 ? 2 : -c;
    }
    if (a.type == JV_BIG) {
        if (b.type == JV_FLOAT) {
            char digits[400];
            size_t n = a.len < sizeof digits - 1 ? a.len : sizeof digits - 1;
            memcpy(digits, a.as.s, n);
            digits[n] = 0;
            return compare_numbers(jv_float(strtod(digits, NULL)), b);
        }
        return a.as.s[0] == '-' ? -1 : 1;
    }
    if (a.type == JV_FLOAT) return a.as.f < b.as.f ? -1 : a.as.f > b.as.f ? 1 : a.as.f == b.as.f ? 0 : 2;
    if (b.type == JV_FLOAT) return isnan(b.as.f) ? 2 : compare_int_float(a.as.i, b.as.f);
    return a.as.i < b.as.i ? -1 : a.as.i > b.as.i;
}

static bool equal_lists(struct jinja_run *r, const struct jinja_list *a, const struct jinja_list *b,
                        bool *out)
{
    *out = a->n == b->n;
    if (!*out || a == b) return true;
    if (!jinja_enter(r)) return false;
    bool ok = true;
    for (uint32_t i = 0; ok && *out && i < a->n; i++)
        ok = jinja_work(r, 1) && jinja_equal(r, a->items[i], b->items[i], out);
    jinja_leave(r);
    return ok;
}

static bool equal_dicts(struct jinja_run *r, const struct jinja_dict *a, const struct jinja_dict *b,
                        bool *out)
{
    *out = a->n == b->n;
    if (!*out || a == b) return true;
    if (!jinja_enter(r)) return false;
    bool ok = true;
    for (uint32_t i = 0; ok && *out && i < a->n; i++) {
        const struct jv *other = jinja_dict_get(b, a->entries[i].key);
        *out = other != NULL;
        ok = jinja_work(r, 1) && (!other || jinja_equal(r, a->entries[i].value, *other, out));
    }
    jinja_leave(r);
    return ok;
}

bool jinja_equal(struct jinja_run *r, struct jv a, struct jv b, bool *out)
{
    *out = false;
    if (is_any_number(a) && is_any_number(b)) {
        *out = compare_numbers(a, b) == 0;
        return true;
    }
    if (a.type != b.type) return true;
    switch (a.type) {
    case JV_UNDEFINED:
    case JV_NONE:
        *out = true;
        return true;
    case JV_STR:
        *out = a.len == b.len && memcmp(a.as.s, b.as.s, a.len) == 0;
        return jinja_work(r, a.len / 64);
    case JV_LIST:
    case JV_TUPLE:
        return equal_lists(r, a.as.list, b.as.list, out);
    case JV_DICT:
        return equal_dicts(r, a.as.dict, b.as.dict, out);
    case JV_RANGE: {
        const struct jinja_range *x = a.as.range, *y = b.as.range;
        *out = x->n == y->n && (x->n == 0 || (x->start == y->start && (x->n == 1 || x->step == y->step)));
        return true;
    }
    case JV_METHOD:
        *out = a.as.method->function == b.as.method->function &&
               a.as.method->self.as.object == b.as.method->self.as.object;
        return true;
    default:
        *out = a.as.object == b.as.object && a.flags == b.flags;
        return true;
    }
}

static bool less_lists(struct jinja_run *r, const struct jinja_list *a, const struct jinja_list *b, bool *out)
{
    if (!jinja_enter(r)) return false;
    bool ok = true, same = true;
    uint32_t i = 0;
    for (; ok && i < a->n && i < b->n; i++) {
        ok = jinja_work(r, 1) && jinja_equal(r, a->items[i], b->items[i], &same);
        if (!same) break;
    }
    if (ok && i < a->n && i < b->n)
        ok = jinja_less(r, a->items[i], b->items[i], out);
    else
        *out = a->n < b->n;
    jinja_leave(r);
    return ok;
}

bool jinja_less(struct jinja_run *r, struct jv a, struct jv b, bool *out)
{
    if (a.type == JV_UNDEFINED) return jinja_fail_undefined(r, a);
    if (b.type == JV_UNDEFINED) return jinja_fail_undefined(r, b);
    if (is_any_number(a) && is_any_number(b)) {
        *out = compare_numbers(a, b) == -1;
        return true;
    }
    if (a.type == JV_STR && b.type == JV_STR) { /* the order of UTF-8 is that of code points */
        size_t n = a.len < b.len ? a.len : b.len;
        int c = n ? memcmp(a.as.s, b.as.s, n) : 0;
        *out = c < 0 || (c == 0 && a.len < b.len);
        return jinja_work(r, n / 64);
    }
    if (a.type == b.type && (a.type == JV_LIST || a.type == JV_TUPLE))
        return less_lists(r, a.as.list, b.as.list, out);
    return jinja_fail(r, "'<' not supported between instances of '%s' and '%s'", jv_type_name(a),
                      jv_type_name(b));
}

bool jinja_length(struct jinja_run *r, struct jv v, size_t *out)
{
    (void)r;
    switch (v.type) {
    case JV_UNDEFINED:
        *out = 0;
        return true;
    case JV_STR:
        *out = jinja_str_chars(v);
        return jinja_work(r, v.flags & JV_ASCII ? 0 : v.len / 64);
    case JV_LIST:
    case JV_TUPLE:
        *out = v.as.list->n;
        return true;
    case JV_DICT:
    case JV_VIEW:
        *out = v.as.dict->n;
        return true;
    case JV_RANGE:
        *out = v.as.range->n;
        return true;
    default:
        return false;
    }
}

static bool contains_by_walking(struct jinja_run *r, struct jv needle, struct jv in, bool *out)
{
    struct jinja_iter *it = jinja_iter(r, in);
    struct jv item;
    *out = false;
    if (!it) return false;
    for (;;) {
        enum jinja_step step = jinja_next(r, it, &item);
        if (step != JINJA_ITEM) return step == JINJA_END;
        if (!jinja_equal(r, needle, item, out)) return false;
        if (*out) return true;
    }
}

bool jinja_contains(struct jinja_run *r, struct jv needle, struct jv in, bool *out)
{
    if (in.type == JV_STR) {
        size_t at;
        if (needle.type == JV_UNDEFINED || needle.type != JV_STR)
            return jinja_fail(r, "'in <string>' requires string as left operand, not %s",
                              jv_type_name(needle));
        if (!jinja_find(r, in, needle, 0, &at)) return false;
        *out = at != SIZE_MAX;
        return true;
    }
    if (in.type == JV_DICT || (in.type == JV_VIEW && in.flags == JV_KEYS)) {
        if (!jv_hashable(needle)) return jinja_fail(r, "unhashable type: '%s'", jv_type_name(needle));
        *out = jinja_dict_get(in.as.dict, needle) != NULL;
        return true;
    }
    return contains_by_walking(r, needle, in, out);
}

/* ---- walking ---- */

static enum jinja_step next_item(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    (void)r;
    if (it->at >= it->source.as.list->n) return JINJA_END;
    *out = it->source.as.list->items[it->at++];
    return JINJA_ITEM;
}

static enum jinja_step next_item_back(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    (void)r;
    if (it->at == 0) return JINJA_END;
    *out = it->source.as.list->items[--it->at];
    return JINJA_ITEM;
}

static enum jinja_step next_character(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    (void)r;
    if (it->at >= it->source.len) return JINJA_END;
    const char *s = it->source.as.s + it->at;
    size_t n = jinja_char_bytes(s);
    *out = jv_str(s, n);
    if (n == 1) out->flags = JV_ASCII;
    it->at += n;
    return JINJA_ITEM;
}

static enum jinja_step entry(struct jinja_run *r, const struct jinja_iter *it, size_t i, struct jv *out)
{
    const struct jinja_entry *e = &it->source.as.dict->entries[i];
    unsigned view = it->source.type == JV_VIEW ? it->source.flags : JV_KEYS;
    if (view == JV_ITEMS) return jinja_tuple2(r, e->key, e->value, out) ? JINJA_ITEM : JINJA_ERROR;
    *out = view == JV_KEYS ? e->key : e->value;
    return JINJA_ITEM;
}

static enum jinja_step next_entry(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    return it->at < it->source.as.dict->n ? entry(r, it, it->at++, out) : JINJA_END;
}

static enum jinja_step next_entry_back(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    return it->at > 0 ? entry(r, it, --it->at, out) : JINJA_END;
}

static enum jinja_step next_number(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    (void)r;
    const struct jinja_range *g = it->source.as.range;
    if (it->at >= g->n) return JINJA_END;
    *out = jv_int(g->start + (int64_t)it->at++ * g->step);
    return JINJA_ITEM;
}

static enum jinja_step next_number_back(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    (void)r;
    const struct jinja_range *g = it->source.as.range;
    if (it->at == 0) return JINJA_END;
    *out = jv_int(g->start + (int64_t)--it->at * g->step);
    return JINJA_ITEM;
}

static enum jinja_step next_nothing(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    (void)r, (void)it, (void)out;
    return JINJA_END;
}

bool jv_iterable(struct jv v)
{
    return v.type == JV_UNDEFINED || v.type == JV_STR || v.type == JV_LIST || v.type == JV_TUPLE ||
           v.type == JV_DICT || v.type == JV_VIEW || v.type == JV_RANGE || v.type == JV_ITER;
}

struct jinja_iter *jinja_iter(struct jinja_run *r, struct jv v)
{
    if (v.type == JV_ITER) return v.as.iter;
    if (!jv_iterable(v)) {
        jinja_fail(r, "'%s' object is not iterable", jv_type_name(v));
        return NULL;
    }
    struct jinja_iter *it = jinja_alloc(r, 1, sizeof *it);
    if (!it) return NULL;
    it->source = v;
    it->next = v.type == JV_STR                          ? next_character
               : v.type == JV_LIST || v.type == JV_TUPLE ? next_item
               : v.type == JV_DICT || v.type == JV_VIEW  ? next_entry
               : v.type == JV_RANGE                      ? next_number
                                                         : next_nothing;
    return it;
}

enum jinja_step jinja_next(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    if (!jinja_enter(r)) return JINJA_ERROR;
    enum jinja_step step = it->next(r, it, out);
    jinja_leave(r);
    return step;
}

bool jinja_iter_value(struct jinja_run *r, struct jinja_iter it, struct jv *out)
{
    struct jinja_iter *p = jinja_alloc(r, 1, sizeof *p);
    if (!p) return false;
    *p = it;
    *out = (struct jv){.type = JV_ITER, .as.iter = p};
    return true;
}

struct jinja_list *jinja_collect(struct jinja_run *r, struct jv v)
{
    size_t n = 0;
    if (v.type == JV_LIST || v.type == JV_TUPLE) n = v.as.list->n;
    struct jinja_iter *it = jinja_iter(r, v);
    struct jinja_list *l = it ? jinja_list_new(r, n) : NULL;
    struct jv item;
    while (l) {
        enum jinja_step step = jinja_next(r, it, &item);
        if (step == JINJA_END) return l;
        if (step == JINJA_ERROR || !jinja_list_add(r, l, item)) return NULL;
    }
    return NULL;
}

bool jinja_reversed(struct jinja_run *r, struct jv v, struct jv *out)
{
    struct jinja_iter it = {.source = v};
    if (v.type == JV_STR) { /* by characters: as a list */
        struct jinja_list *l = jinja_collect(r, v);
        if (!l) return false;
        it.source = v = jv_list(JV_LIST, l);
    }
    switch (v.type) {
    case JV_LIST:
    case JV_TUPLE:
        it.next = next_item_back;
        it.at = v.as.list->n;
        break;
    case JV_DICT:
    case JV_VIEW:
        it.next = next_entry_back;
        it.at = v.as.dict->n;
        break;
    case JV_RANGE:
        it.next = next_number_back;
        it.at = v.as.range->n;
        break;
    case JV_UNDEFINED:
        it.next = next_nothing;
        break;
    default:
        return jinja_fail(r, "'%s' object is not reversible", jv_type_name(v));
    }
    return jinja_iter_value(r, it, out);
}

/* ---- sorting ---- */

/* Merges the sorted runs from[lo..mid) and from[mid..hi) into to. Of equals the left one comes first, also in
 * reverse order. */
static bool merge(struct jinja_run *r, const struct jv *keys, const uint32_t *from, uint32_t *to, size_t lo,
                  size_t mid, size_t hi, bool reverse)
{
    size_t i = lo, j = mid;
    for (size_t k = lo; k < hi; k++) {
        bool right = i >= mid;
        if (i < mid && j < hi) {
            struct jv a = keys[from[i]], b = keys[from[j]];
            if (!jinja_work(r, 1) || !jinja_less(r, reverse ? a : b, reverse ? b : a, &right)) return false;
        }
        to[k] = right ? from[j++] : from[i++];
    }
    return true;
}

uint32_t *jinja_sorted(struct jinja_run *r, const struct jinja_list *keys, bool reverse)
{
    size_t n = keys->n;
    uint32_t *a = jinja_alloc(r, n, sizeof *a), *b = jinja_alloc(r, n, sizeof *b);
    if (!a || !b) return NULL;
    for (size_t i = 0; i < n; i++) a[i] = (uint32_t)i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = lo + width < n ? lo + width : n, hi = lo + 2 * width < n ? lo + 2 * width : n;
            if (!merge(r, keys->items, a, b, lo, mid, hi, reverse)) return NULL;
        }
        uint32_t *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

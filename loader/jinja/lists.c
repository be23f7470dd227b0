/* Filters of lists. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

/* ---- keys to sort and compare by ---- */

/* Strings are compared without regard to case unless asked otherwise. */
static bool fold(struct jinja_run *r, struct jv v, bool case_sensitive, struct jv *out)
{
    *out = v;
    return case_sensitive || v.type != JV_STR || jinja_to_case(r, v, JINJA_TO_LOWER, out);
}

static bool flag(struct jv v)
{
    return v.type != JV_MISSING && jinja_truth(v);
}

static bool key_of(struct jinja_run *r, struct jv v, struct jv attribute, bool case_sensitive, struct jv *out)
{
    struct jv found;
    return jinja_path(r, v, attribute, jv_missing(), &found) && fold(r, found, case_sensitive, out);
}

/* "a,b.c": a list of keys. */
static bool keys_of(struct jinja_run *r, struct jv v, struct jv attributes, bool case_sensitive,
                    struct jv *out)
{
    struct jinja_list *l = jinja_list_new(r, 1);
    struct jv key;
    *out = jv_list(JV_LIST, l);
    if (!l) return false;
    if (attributes.type != JV_STR)
        return key_of(r, v, attributes, case_sensitive, &key) && jinja_list_add(r, l, key);
    for (size_t at = 0; at <= attributes.len;) {
        const char *part = attributes.as.s + at, *comma = memchr(part, ',', attributes.len - at);
        size_t n = comma ? (size_t)(comma - part) : attributes.len - at;
        if (!key_of(r, v, jv_text(part, n), case_sensitive, &key) || !jinja_list_add(r, l, key)) return false;
        at += n + 1;
    }
    return true;
}

/* items in the order of keys */
static bool ordered(struct jinja_run *r, const struct jinja_list *items, const struct jinja_list *keys,
                    bool reverse, struct jv *out)
{
    uint32_t *order = jinja_sorted(r, keys, reverse);
    struct jinja_list *l = order ? jinja_list_new(r, items->n) : NULL;
    if (!l) return false;
    for (uint32_t i = 0; i < items->n; i++) l->items[l->n++] = items->items[order[i]];
    *out = jv_list(JV_LIST, l);
    return true;
}

static bool f_sort(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jinja_list *items = jinja_collect(r, a[0]), *keys = items ? jinja_list_new(r, items->n) : NULL;
    if (!keys) return false;
    for (; keys->n < items->n; keys->n++) {
        if (!keys_of(r, items->items[keys->n], a[3], flag(a[2]), &keys->items[keys->n])) return false;
    }
    return ordered(r, items, keys, flag(a[1]), out);
}

static bool f_dictsort(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    bool by_value = jv_equals_text(a[2], "value");
    if (a[2].type != JV_MISSING && !by_value && !jv_equals_text(a[2], "key"))
        return jinja_fail(r, "dictsort: sorts by \"key\" or \"value\"");
    if (a[0].type == JV_UNDEFINED) return jinja_fail_undefined(r, a[0]);
    if (a[0].type != JV_DICT) return jinja_fail(r, "dictsort wants a dict, not '%s'", jv_type_name(a[0]));
    const struct jinja_dict *d = a[0].as.dict;
    struct jinja_list *items = jinja_list_new(r, d->n), *keys = items ? jinja_list_new(r, d->n) : NULL;
    if (!keys) return false;
    for (uint32_t i = 0; i < d->n; i++) {
        struct jv by = by_value ? d->entries[i].value : d->entries[i].key;
        if (!jinja_tuple2(r, d->entries[i].key, d->entries[i].value, &items->items[items->n++]) ||
            !fold(r, by, flag(a[1]), &keys->items[keys->n++]))
            return false;
    }
    return ordered(r, items, keys, flag(a[3]), out);
}

static bool f_groupby(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jinja_list *items = jinja_collect(r, a[0]), *keys = items ? jinja_list_new(r, items->n) : NULL;
    bool exact = flag(a[3]), same = false;
    struct jv found, last = jv_missing(), group;
    if (!keys) return false;
    for (; keys->n < items->n; keys->n++) {
        if (!jinja_path(r, items->items[keys->n], a[1], a[2], &found) ||
            !fold(r, found, exact, &keys->items[keys->n]))
            return false;
    }
    uint32_t *order = jinja_sorted(r, keys, false);
    struct jinja_list *groups = order ? jinja_list_new(r, 0) : NULL, *members = NULL;
    if (!groups) return false;
    for (uint32_t i = 0; i < items->n; i++) {
        struct jv key = keys->items[order[i]];
        if (members && !jinja_equal(r, key, last, &same)) return false;
        if (!members || !same) { /* the group has the name of its first member as it is written */
            members = jinja_list_new(r, 0);
            if (!members || !jinja_path(r, items->items[order[i]], a[1], a[2], &found) ||
                !jinja_tuple2(r, found, jv_list(JV_LIST, members), &group))
                return false;
            group.flags = JV_GROUP;
            if (!jinja_list_add(r, groups, group)) return false;
        }
        last = key;
        if (!jinja_list_add(r, members, items->items[order[i]])) return false;
    }
    *out = jv_list(JV_LIST, groups);
    return true;
}

static bool extreme(struct jinja_run *r, const struct jv *a, bool largest, struct jv *out)
{
    struct jinja_list *items = jinja_collect(r, a[0]);
    struct jv best = jv_missing(), key;
    if (!items) return false;
    *out = jv_hint("the sequence to take the smallest or largest of is empty");
    for (uint32_t i = 0; i < items->n; i++) {
        bool better = i == 0;
        if (!key_of(r, items->items[i], a[2], flag(a[1]), &key)) return false;
        if (i > 0 && !jinja_less(r, largest ? best : key, largest ? key : best, &better)) return false;
        if (!better) continue;
        best = key;
        *out = items->items[i];
    }
    return true;
}

static bool f_min(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return extreme(r, a, false, out);
}

static bool f_max(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return extreme(r, a, true, out);
}

static bool f_unique(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jinja_list *items = jinja_collect(r, a[0]), *l = items ? jinja_list_new(r, 0) : NULL;
    struct jinja_dict *seen = l ? jinja_dict_new(r) : NULL;
    struct jv key;
    if (!seen) return false;
    for (uint32_t i = 0; i < items->n; i++) {
        if (!key_of(r, items->items[i], a[2], flag(a[1]), &key)) return false;
        if (jinja_dict_get(seen, key)) continue;
        if (!jinja_dict_set(r, seen, key, jv_none()) || !jinja_list_add(r, l, items->items[i])) return false;
    }
    *out = jv_list(JV_LIST, l);
    return true;
}

/* ---- one out of many ---- */

static bool f_length(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    size_t n;
    int64_t length;
    if (a[0].type == JV_LOOP) {
        if (!jinja_loop_length(r, a[0].as.loop, &length)) return false;
        *out = jv_int(length);
        return true;
    }
    if (!jinja_length(r, a[0], &n))
        return jinja_fail(r, "object of type '%s' has no len()", jv_type_name(a[0]));
    *out = jv_int((int64_t)n);
    return true;
}

static bool take_one(struct jinja_run *r, struct jinja_iter *it, const char *otherwise, struct jv *out)
{
    enum jinja_step step = it ? jinja_next(r, it, out) : JINJA_ERROR;
    if (step == JINJA_END) *out = jv_hint(otherwise);
    return step != JINJA_ERROR;
}

static bool f_first(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return take_one(r, jinja_iter(r, a[0]), "the sequence is empty: there is no first item", out);
}

static bool f_last(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv back;
    if (a[0].type == JV_STR && a[0].len) { /* without a list of all its characters */
        size_t at = a[0].len - 1;
        while (((unsigned char)a[0].as.s[at] & 0xC0) == 0x80) at--;
        *out = jinja_slice_bytes(a[0], at, a[0].len);
        return true;
    }
    return jinja_reversed(r, a[0], &back) &&
           take_one(r, back.as.iter, "the sequence is empty: there is no last item", out);
}

static bool f_join(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv between = jv_ascii(""), item, acc = jv_ascii("");
    struct jinja_iter *it = jinja_iter(r, a[0]);
    if (!it || (a[1].type != JV_MISSING && !jinja_str(r, a[1], &between))) return false;
    for (bool first = true;; first = false) {
        enum jinja_step step = jinja_next(r, it, &item);
        if (step == JINJA_END) break;
        if (step == JINJA_ERROR || !jinja_path(r, item, a[2], jv_missing(), &item) ||
            (!first && !jinja_append(r, &acc, between.as.s, between.len)) ||
            !jinja_append_value(r, &acc, item))
            return false;
    }
    *out = acc;
    return true;
}

static bool f_sum(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv item;
    struct jinja_iter *it = jinja_iter(r, a[0]);
    if (!it) return false;
    *out = a[2].type == JV_MISSING ? jv_int(0) : a[2];
    if (out->type == JV_STR) return jinja_fail(r, "sum: strings are joined, not added up");
    for (;;) {
        enum jinja_step step = jinja_next(r, it, &item);
        if (step != JINJA_ITEM) return step == JINJA_END;
        if (!jinja_path(r, item, a[1], jv_missing(), &item) || !jinja_add(r, *out, item, out)) return false;
    }
}

/* ---- lists of lists, and lists of the same ---- */

static bool f_list(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jinja_list *l = jinja_collect(r, a[0]);
    *out = jv_list(JV_LIST, l);
    return l != NULL;
}

/* A list that can be walked once only, as jinja2's generators can. */
static bool as_generator(struct jinja_run *r, struct jinja_list *l, struct jv *out)
{
    struct jinja_iter *it = l ? jinja_iter(r, jv_list(JV_LIST, l)) : NULL;
    *out = (struct jv){.type = JV_ITER, .as.iter = it};
    return it != NULL;
}

static bool f_unique_generator(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return f_unique(r, a, out) && as_generator(r, out->as.list, out);
}

static bool f_reverse(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    if (a[0].type == JV_STR) return jinja_slice(r, a[0], jv_none(), jv_none(), jv_int(-1), out);
    if (a[0].type != JV_ITER) return jinja_reversed(r, a[0], out);
    struct jinja_list *l = jinja_collect(r, a[0]);
    return l && jinja_slice(r, jv_list(JV_LIST, l), jv_none(), jv_none(), jv_int(-1), out);
}

/* Says what is wrong only when it is walked over, as a generator does. */
static enum jinja_step next_pair(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    struct jv v = it->source;
    if (v.type == JV_UNDEFINED) return JINJA_END;
    if (v.type != JV_DICT)
        return jinja_fail(r, "items: only a mapping has them, no '%s'", jv_type_name(v)), JINJA_ERROR;
    if (it->at >= v.as.dict->n) return JINJA_END;
    const struct jinja_entry *e = &v.as.dict->entries[it->at++];
    return jinja_tuple2(r, e->key, e->value, out) ? JINJA_ITEM : JINJA_ERROR;
}

static bool f_items(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return jinja_iter_value(r, (struct jinja_iter){.next = next_pair, .source = a[0]}, out);
}

static bool f_batch(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jinja_list *items = jinja_collect(r, a[0]), *all = items ? jinja_list_new(r, 0) : NULL, *l = NULL;
    int64_t n;
    if (!all || !jinja_arg_int(r, a[1], 0, &n)) return false;
    for (uint32_t i = 0; i < items->n; i++) {
        /* with a count of 0 or less the first batch is empty at once, or takes all */
        if (!l || l->n == n) {
            if (n == 0 && !l && !jinja_list_add(r, all, jv_list(JV_LIST, jinja_list_new(r, 0)))) return false;
            if (!(l = jinja_list_new(r, 0)) || !jinja_list_add(r, all, jv_list(JV_LIST, l))) return false;
        }
        if (!jinja_list_add(r, l, items->items[i])) return false;
    }
    while (l && jv_given(a[2]) && l->n < n) {
        if (!jinja_work(r, 1) || !jinja_list_add(r, l, a[2])) return false;
    }
    return as_generator(r, all, out);
}

static bool f_slice(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jinja_list *items = jinja_collect(r, a[0]), *all = items ? jinja_list_new(r, 0) : NULL;
    int64_t slices;
    if (!all || !jinja_arg_int(r, a[1], 0, &slices)) return false;
    if (slices == 0) return jinja_fail(r, "slice: into at least one slice");
    if (slices < 0) return as_generator(r, all, out);
    int64_t each = items->n / slices, with_extra = items->n % slices, at = 0;
    for (int64_t i = 0; i < slices; i++) {
        struct jinja_list *l = jinja_work(r, 1) ? jinja_list_new(r, 0) : NULL;
        if (!l || !jinja_list_add(r, all, jv_list(JV_LIST, l))) return false;
        for (int64_t k = each + (i < with_extra); k > 0; k--) {
            if (!jinja_list_add(r, l, items->items[at++])) return false;
        }
        if (jv_given(a[2]) && i >= with_extra && !jinja_list_add(r, l, a[2])) return false;
    }
    return as_generator(r, all, out);
}

const struct jinja_builtin jinja_list_filters[] = {
    {"length", "/", f_length, NULL},
    {"count", "/", f_length, NULL},
    {"first", "", f_first, NULL},
    {"last", "", f_last, NULL},
    {"join", "?d ?attribute", f_join, NULL},
    {"sum", "?attribute ?start", f_sum, NULL},
    {"min", "?case_sensitive ?attribute", f_min, NULL},
    {"max", "?case_sensitive ?attribute", f_max, NULL},
    {"list", "", f_list, NULL},
    {"sort", "?reverse ?case_sensitive ?attribute", f_sort, NULL},
    {"dictsort", "?case_sensitive ?by ?reverse", f_dictsort, NULL},
    {"groupby", "attribute ?default ?case_sensitive", f_groupby, NULL},
    {"unique", "?case_sensitive ?attribute", f_unique_generator, NULL},
    {"reverse", "", f_reverse, NULL},
    {"items", "", f_items, NULL},
    {"batch", "linecount ?fill_with", f_batch, NULL},
    {"slice", "slices ?fill_with", f_slice, NULL},
    {0},
};

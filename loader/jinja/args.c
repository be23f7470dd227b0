/* How arguments reach filters, tests, methods and functions; where those are found. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

#include <math.h>

/* The k-th word of the parameters, without its mark; its length, 0 where there is none. */
static size_t param(const char *params, size_t k, const char **word, bool *optional)
{
    const char *p = params;
    if (*p == '/') p++;
    for (;; k--) {
        while (*p == ' ') p++;
        size_t n = strcspn(p, " ");
        if (k == 0 || n == 0) {
            *optional = *p == '?';
            *word = p + *optional;
            return n ? n - *optional : 0;
        }
        p += n;
    }
}

static bool bind_kwarg(struct jinja_run *r, const struct jinja_builtin *b, const struct jinja_kwarg *kw,
                       struct jv *a)
{
    const char *word;
    bool optional;
    size_t n;
    int shown = (int)(kw->name.len < 60 ? kw->name.len : 60);
    for (size_t k = 0; b->params[0] != '/' && (n = param(b->params, k, &word, &optional)) > 0; k++) {
        if (n != kw->name.len || memcmp(word, kw->name.as.s, n) != 0) continue;
        if (a[k + 1].type != JV_MISSING)
            return jinja_fail(r, "%s: the argument '%.*s' is given twice", b->name, shown, kw->name.as.s);
        a[k + 1] = kw->value;
        return true;
    }
    return jinja_fail(r, "%s takes no argument named '%.*s'", b->name, shown, kw->name.as.s);
}

bool jinja_call_builtin(struct jinja_run *r, const struct jinja_builtin *b, struct jv self,
                        const struct jinja_args *args, struct jv *out)
{
    if (b->any) return b->any(r, self, args, out);
    struct jv a[1 + JINJA_MAX_PARAMS] = {self};
    const char *word;
    bool optional;
    size_t n_params = 0, n;
    while (param(b->params, n_params, &word, &optional)) n_params++;
    if (args->n_pos > n_params)
        return jinja_fail(r, "%s takes at most %zu arguments, %u are given", b->name, n_params,
                          (unsigned)args->n_pos);
    for (uint32_t i = 0; i < args->n_pos; i++) a[1 + i] = args->pos[i];
    for (uint32_t i = 0; i < args->n_kw; i++) {
        if (!bind_kwarg(r, b, &args->kw[i], a)) return false;
    }
    for (size_t k = 0; (n = param(b->params, k, &word, &optional)) > 0; k++) {
        if (a[k + 1].type == JV_MISSING && !optional)
            return jinja_fail(r, "%s wants an argument '%.*s'", b->name, (int)n, word);
    }
    return b->fn(r, a, out);
}

/* ---- arguments of a kind ---- */

bool jinja_arg_int(struct jinja_run *r, struct jv v, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (v.type == JV_MISSING) return true;
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(r, v);
    if (!jv_is_int(v)) return jinja_fail(r, "an integer is wanted, not '%s'", jv_type_name(v));
    *out = v.as.i;
    return true;
}

bool jinja_arg_str(struct jinja_run *r, struct jv v, const char *what, struct jv *out)
{
    *out = v;
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(r, v);
    return v.type == JV_STR || jinja_fail(r, "%s must be a string, not '%s'", what, jv_type_name(v));
}

static bool all_digits(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
    }
    return n > 0;
}

bool jinja_path(struct jinja_run *r, struct jv v, struct jv path, struct jv otherwise, struct jv *out)
{
    *out = v;
    if (!jv_given(path)) return true;
    if (path.type != JV_STR) {
        if (!jinja_getitem(r, v, path, out)) return false;
        if (out->type == JV_UNDEFINED && jv_given(otherwise)) *out = otherwise;
        return true;
    }
    for (size_t at = 0; at <= path.len;) {
        const char *part = path.as.s + at, *dot = memchr(part, '.', path.len - at);
        size_t n = dot ? (size_t)(dot - part) : path.len - at;
        struct jv key = jv_text(part, n);
        if (all_digits(part, n)) {
            key = jinja_parse_number(r, part, n);
            if (key.type == JV_MISSING) return false;
        }
        if (!jinja_getitem(r, *out, key, out)) return false;
        if (out->type == JV_UNDEFINED && jv_given(otherwise)) *out = otherwise;
        at += n + 1;
    }
    return true;
}

/* ---- finding ---- */

static const struct jinja_builtin *find(const struct jinja_builtin *table, const char *name, size_t len)
{
    for (const struct jinja_builtin *b = table; b->name; b++) {
        if (strlen(b->name) == len && memcmp(b->name, name, len) == 0) return b;
    }
    return NULL;
}

const struct jinja_builtin *jinja_filter_find(const char *name, size_t len)
{
    const struct jinja_builtin *const tables[] = {jinja_string_filters, jinja_number_filters,
                                                  jinja_list_filters, jinja_select_filters,
                                                  jinja_refused_filters};
    const struct jinja_builtin *b = NULL;
    for (size_t i = 0; !b && i < sizeof tables / sizeof tables[0]; i++) b = find(tables[i], name, len);
    return b;
}

static bool dict_get(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    if (!jv_hashable(a[1])) return jinja_fail(r, "unhashable type: '%s'", jv_type_name(a[1]));
    const struct jv *v = jinja_dict_get(a[0].as.dict, a[1]);
    *out = v ? *v : a[2].type == JV_MISSING ? jv_none() : a[2];
    return true;
}

static bool view(struct jv d, enum jv_view what, struct jv *out)
{
    *out = d;
    out->type = JV_VIEW;
    out->flags = (uint8_t)what;
    return true;
}

static bool dict_keys(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    (void)r;
    return view(a[0], JV_KEYS, out);
}

static bool dict_values(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    (void)r;
    return view(a[0], JV_VALUES, out);
}

static bool dict_items(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    (void)r;
    return view(a[0], JV_ITEMS, out);
}

static bool copy(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    (void)r;
    *out = a[0]; /* nothing here can be changed: a copy cannot be told from it */
    return true;
}

static bool list_count(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    int64_t n = 0;
    bool same;
    for (uint32_t i = 0; i < a[0].as.list->n; i++) {
        if (!jinja_work(r, 1) || !jinja_equal(r, a[0].as.list->items[i], a[1], &same)) return false;
        n += same;
    }
    *out = jv_int(n);
    return true;
}

static bool list_index(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    int64_t from, to;
    if (!jinja_slice_bounds(r, a[2], a[3], 1, a[0].as.list->n, &from, &to)) return false;
    bool same;
    for (; from < to; from++) {
        if (!jinja_work(r, 1) || !jinja_equal(r, a[0].as.list->items[from], a[1], &same)) return false;
        if (!same) continue;
        *out = jv_int(from);
        return true;
    }
    return jinja_fail(r, "index(): the value is not in the %s", jv_type_name(a[0]));
}

static bool cycler_next(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    (void)r;
    struct jinja_cycler *c = a[0].as.cycler;
    *out = c->items.items[c->at];
    c->at = (c->at + 1) % c->items.n;
    return true;
}

static bool cycler_reset(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    (void)r;
    a[0].as.cycler->at = 0;
    *out = jv_none();
    return true;
}

static bool float_is_integer(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    (void)r;
    *out = jv_bool(isfinite(a[0].as.f) && floor(a[0].as.f) == a[0].as.f);
    return true;
}

static const struct jinja_builtin dict_methods[] = {
    {"get", "/key ?default", dict_get, NULL},
    {"keys", "", dict_keys, NULL},
    {"values", "", dict_values, NULL},
    {"items", "", dict_items, NULL},
    {"copy", "", copy, NULL},
    {0},
};
static const struct jinja_builtin list_methods[] = {
    {"count", "/value", list_count, NULL},
    {"index", "/value ?start ?stop", list_index, NULL},
    {"copy", "", copy, NULL},
    {0},
};
static const struct jinja_builtin cycler_methods[] = {
    {"next", "", cycler_next, NULL},
    {"reset", "", cycler_reset, NULL},
    {0},
};
static const struct jinja_builtin float_methods[] = {
    {"is_integer", "", float_is_integer, NULL},
    {0},
};

const struct jinja_builtin *jinja_method_find(enum jv_type type, const char *name, size_t len)
{
    const struct jinja_builtin *b;
    switch (type) {
    case JV_STR:
        b = find(jinja_str_methods, name, len);
        return b ? b : find(jinja_str_find_methods, name, len);
    case JV_DICT:
        return find(dict_methods, name, len);
    case JV_LIST:
    case JV_TUPLE:
        b = find(list_methods, name, len);
        return b && type == JV_TUPLE && b->fn == copy ? NULL : b;
    case JV_CYCLER:
        return find(cycler_methods, name, len);
    case JV_FLOAT:
        return find(float_methods, name, len);
    default:
        return NULL;
    }
}

bool jinja_method_is_unsafe(enum jv_type type, const char *name, size_t len)
{
    static const char *const list_names[] = {"append", "clear",  "pop",    "reverse", "insert",
                                             "sort",   "extend", "remove", NULL};
    static const char *const dict_names[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};
    static const char *const none[] = {NULL};
    const char *const *names = type == JV_LIST ? list_names : type == JV_DICT ? dict_names : none;
    for (; *names; names++) {
        if (strlen(*names) == len && memcmp(*names, name, len) == 0) return true;
    }
    return false;
}

/* Filters that apply filters and tests (map, select, ...), and the tests. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

/* ---- generators over another's items ---- */

struct selection {
    struct jv value;          /* what is gone through, once it is asked for */
    struct jinja_iter *inner; /* then */
    struct jinja_args args;
    bool reject, by_attribute, is_map;
    /* known with the first item */
    struct jv attribute, otherwise;
    const struct jinja_builtin *builtin; /* the filter or test; NULL: the item's truth, or its attribute */
    struct jinja_args rest;
};

static bool find_builtin(struct jinja_run *r, struct selection *s, uint32_t at)
{
    struct jv name = s->args.pos[at];
    const char *what = s->is_map ? "filter" : "test";
    s->rest = (struct jinja_args){s->args.pos + at + 1, s->args.kw, s->args.n_pos - at - 1, s->args.n_kw};
    if (name.type == JV_UNDEFINED) return jinja_fail(r, "there is no %s of an undefined name", what);
    if (name.type == JV_STR)
        s->builtin =
            s->is_map ? jinja_filter_find(name.as.s, name.len) : jinja_test_find(name.as.s, name.len);
    if (s->builtin) return true;
    return jinja_fail(r, "there is no %s '%.*s'", what,
                      name.type != JV_STR ? 0 : (int)(name.len < 60 ? name.len : 60), name.as.s);
}

/* map(attribute=..., default=...) */
static bool map_attribute(struct jinja_run *r, struct selection *s)
{
    for (uint32_t i = 0; i < s->args.n_kw; i++) {
        struct jv name = s->args.kw[i].name;
        if (jv_equals_text(name, "attribute"))
            s->attribute = s->args.kw[i].value;
        else if (jv_equals_text(name, "default"))
            s->otherwise = s->args.kw[i].value;
        else
            return jinja_fail(r, "map takes no argument '%.*s'", (int)(name.len < 60 ? name.len : 60),
                              name.as.s);
    }
    return true;
}

static bool has_kwarg(const struct jinja_args *args, const char *name)
{
    for (uint32_t i = 0; i < args->n_kw; i++) {
        if (jv_equals_text(args->kw[i].name, name)) return true;
    }
    return false;
}

static bool prepare(struct jinja_run *r, struct selection *s)
{
    uint32_t at = s->by_attribute;
    if (s->is_map && s->args.n_pos == 0 && has_kwarg(&s->args, "attribute")) return map_attribute(r, s);
    if (s->is_map && s->args.n_pos == 0) return jinja_fail(r, "map wants a filter's name, or attribute=");
    if (s->by_attribute && s->args.n_pos == 0) return jinja_fail(r, "the name of an attribute is missing");
    if (s->by_attribute) s->attribute = s->args.pos[0];
    return at >= s->args.n_pos || find_builtin(r, s, at);
}

static bool chosen(struct jinja_run *r, const struct selection *s, struct jv item, bool *out)
{
    struct jv v;
    if (!jinja_path(r, item, s->attribute, jv_missing(), &v)) return false;
    if (s->builtin && !jinja_call_builtin(r, s->builtin, v, &s->rest, &v)) return false;
    *out = jinja_truth(v) != s->reject;
    return true;
}

static enum jinja_step next_chosen(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    struct selection *s = it->state;
    if (!s->inner) {
        if (!jinja_truth(s->value)) return JINJA_END;
        if (!prepare(r, s) || !(s->inner = jinja_iter(r, s->value))) return JINJA_ERROR;
    }
    for (bool take = false;;) {
        enum jinja_step step = jinja_next(r, s->inner, out);
        if (step != JINJA_ITEM) return step;
        if (s->is_map) {
            struct jv item = *out;
            bool ok = s->builtin ? jinja_call_builtin(r, s->builtin, item, &s->rest, out)
                                 : jinja_path(r, item, s->attribute, s->otherwise, out);
            return ok ? JINJA_ITEM : JINJA_ERROR;
        }
        if (!chosen(r, s, *out, &take)) return JINJA_ERROR;
        if (take) return JINJA_ITEM;
    }
}

static bool new_selection(struct jinja_run *r, struct jv value, const struct jinja_args *args,
                          struct selection what, struct jv *out)
{
    struct selection *s = jinja_alloc(r, 1, sizeof *s);
    struct jv *pos = jinja_alloc(r, args->n_pos, sizeof *pos);
    struct jinja_kwarg *kw = jinja_alloc(r, args->n_kw, sizeof *kw);
    if (!s || !pos || !kw) return false;
    if (args->n_pos) memcpy(pos, args->pos, args->n_pos * sizeof *pos);
    if (args->n_kw) memcpy(kw, args->kw, args->n_kw * sizeof *kw);
    *s = what;
    s->value = value;
    s->args = (struct jinja_args){pos, kw, args->n_pos, args->n_kw};
    return jinja_iter_value(r, (struct jinja_iter){.next = next_chosen, .state = s}, out);
}

static bool f_map(struct jinja_run *r, struct jv v, const struct jinja_args *args, struct jv *out)
{
    return new_selection(r, v, args, (struct selection){.is_map = true}, out);
}

static bool f_select(struct jinja_run *r, struct jv v, const struct jinja_args *args, struct jv *out)
{
    return new_selection(r, v, args, (struct selection){0}, out);
}

static bool f_reject(struct jinja_run *r, struct jv v, const struct jinja_args *args, struct jv *out)
{
    return new_selection(r, v, args, (struct selection){.reject = true}, out);
}

static bool f_selectattr(struct jinja_run *r, struct jv v, const struct jinja_args *args, struct jv *out)
{
    return new_selection(r, v, args, (struct selection){.by_attribute = true}, out);
}

static bool f_rejectattr(struct jinja_run *r, struct jv v, const struct jinja_args *args, struct jv *out)
{
    return new_selection(r, v, args, (struct selection){.by_attribute = true, .reject = true}, out);
}

const struct jinja_builtin jinja_select_filters[] = {
    {"map", NULL, NULL, f_map},
    {"select", NULL, NULL, f_select},
    {"reject", NULL, NULL, f_reject},
    {"selectattr", NULL, NULL, f_selectattr},
    {"rejectattr", NULL, NULL, f_rejectattr},
    {0},
};

/* ---- tests of a value's type ---- */

static bool yes(struct jv *out, bool b)
{
    *out = jv_bool(b);
    return true;
}

#define TEST(name, condition)                                                                                \
    static bool name(struct jinja_run *r, const struct jv *a, struct jv *out)                                \
    {                                                                                                        \
        (void)r;                                                                                             \
        return yes(out, condition);                                                                          \
    }
TEST(t_defined, a[0].type != JV_UNDEFINED)
TEST(t_undefined, a[0].type == JV_UNDEFINED)
TEST(t_none, a[0].type == JV_NONE)
TEST(t_boolean, a[0].type == JV_BOOL)
TEST(t_true, a[0].type == JV_BOOL && a[0].as.i)
TEST(t_false, a[0].type == JV_BOOL && !a[0].as.i)
TEST(t_integer, a[0].type == JV_INT || a[0].type == JV_BIG)
TEST(t_float, a[0].type == JV_FLOAT)
TEST(t_number, jv_is_number(a[0]) || a[0].type == JV_BIG)
TEST(t_string, a[0].type == JV_STR)
TEST(t_mapping, a[0].type == JV_DICT)
TEST(t_escaped, a[0].type == JV_STR && (a[0].flags & JV_MARKUP))
TEST(t_iterable, jv_iterable(a[0]) || a[0].type == JV_LOOP)
TEST(t_filter, a[0].type == JV_STR && jinja_filter_find(a[0].as.s, a[0].len) != NULL)
TEST(t_test, a[0].type == JV_STR && jinja_test_find(a[0].as.s, a[0].len) != NULL)
TEST(t_callable, a[0].type == JV_FUNCTION || a[0].type == JV_METHOD || a[0].type == JV_MACRO ||
                     a[0].type == JV_LOOP || a[0].type == JV_JOINER || a[0].type == JV_UNDEFINED)
TEST(t_sequence, a[0].type == JV_STR || a[0].type == JV_LIST || a[0].type == JV_TUPLE ||
                     a[0].type == JV_DICT || a[0].type == JV_RANGE || a[0].type == JV_UNDEFINED)
#undef TEST

/* ---- numbers ---- */

static bool remainder_is(struct jinja_run *r, struct jv v, struct jv by, int64_t wanted, struct jv *out)
{
    struct jv rest;
    bool same;
    if (!jinja_binary(r, JINJA_MOD, v, by, &rest) || !jinja_equal(r, rest, jv_int(wanted), &same))
        return false;
    return yes(out, same);
}

static bool t_odd(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return remainder_is(r, a[0], jv_int(2), 1, out);
}

static bool t_even(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return remainder_is(r, a[0], jv_int(2), 0, out);
}

static bool t_divisibleby(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return remainder_is(r, a[0], a[1], 0, out);
}

/* ---- comparisons ---- */

static bool compare(struct jinja_run *r, enum jinja_op op, const struct jv *a, struct jv *out)
{
    bool holds;
    return jinja_compare(r, op, a[0], a[1], &holds) && yes(out, holds);
}

static bool t_eq(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return compare(r, JINJA_EQ, a, out);
}

static bool t_ne(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return compare(r, JINJA_NE, a, out);
}

static bool t_lt(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return compare(r, JINJA_LT, a, out);
}

static bool t_le(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return compare(r, JINJA_LE, a, out);
}

static bool t_gt(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return compare(r, JINJA_GT, a, out);
}

static bool t_ge(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return compare(r, JINJA_GE, a, out);
}

static bool t_in(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return compare(r, JINJA_IN, a, out);
}

/* Python's `is`: the same object. Small values of a type and a value are one. */
static bool t_sameas(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    bool same = false;
    if (a[0].type != a[1].type) return yes(out, false);
    bool by_value = a[0].type <= JV_STR;
    if (by_value && !jinja_equal(r, a[0], a[1], &same)) return false;
    return yes(out, by_value ? same : a[0].as.object == a[1].as.object);
}

/* ---- letters ---- */

static bool one_case(struct jinja_run *r, struct jv v, enum jinja_class wanted, enum jinja_class other,
                     struct jv *out)
{
    struct jv s;
    bool any = false;
    size_t n;
    if (!jinja_str(r, v, &s) || !jinja_work(r, s.len / 8)) return false;
    for (size_t i = 0; i < s.len; i += n) {
        uint32_t c = jinja_char_at(s.as.s + i, &n);
        if (jinja_is(c, other) || jinja_is(c, JINJA_TITLE)) return yes(out, false);
        any |= jinja_is(c, wanted);
    }
    return yes(out, any);
}

static bool t_lower(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return one_case(r, a[0], JINJA_LOWER, JINJA_UPPER, out);
}

static bool t_upper(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return one_case(r, a[0], JINJA_UPPER, JINJA_LOWER, out);
}

const struct jinja_builtin *jinja_test_find(const char *name, size_t len)
{
    static const struct jinja_builtin tests[] = {
        {"defined", "", t_defined, NULL},
        {"undefined", "", t_undefined, NULL},
        {"none", "", t_none, NULL},
        {"boolean", "", t_boolean, NULL},
        {"true", "", t_true, NULL},
        {"false", "", t_false, NULL},
        {"integer", "", t_integer, NULL},
        {"float", "", t_float, NULL},
        {"number", "", t_number, NULL},
        {"string", "", t_string, NULL},
        {"mapping", "", t_mapping, NULL},
        {"sequence", "", t_sequence, NULL},
        {"iterable", "", t_iterable, NULL},
        {"callable", "", t_callable, NULL},
        {"escaped", "", t_escaped, NULL},
        {"filter", "", t_filter, NULL},
        {"test", "", t_test, NULL},
        {"odd", "", t_odd, NULL},
        {"even", "", t_even, NULL},
        {"divisibleby", "num", t_divisibleby, NULL},
        {"eq", "/b", t_eq, NULL},
        {"equalto", "/b", t_eq, NULL},
        {"==", "/b", t_eq, NULL},
        {"ne", "/b", t_ne, NULL},
        {"!=", "/b", t_ne, NULL},
        {"lt", "/b", t_lt, NULL},
        {"lessthan", "/b", t_lt, NULL},
        {"<", "/b", t_lt, NULL},
        {"le", "/b", t_le, NULL},
        {"<=", "/b", t_le, NULL},
        {"gt", "/b", t_gt, NULL},
        {"greaterthan", "/b", t_gt, NULL},
        {">", "/b", t_gt, NULL},
        {"ge", "/b", t_ge, NULL},
        {">=", "/b", t_ge, NULL},
        {"in", "seq", t_in, NULL},
        {"sameas", "other", t_sameas, NULL},
        {"lower", "", t_lower, NULL},
        {"upper", "", t_upper, NULL},
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        if (strlen(tests[i].name) == len && memcmp(tests[i].name, name, len) == 0) return &tests[i];
    }
    return NULL;
}

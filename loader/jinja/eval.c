/* Expressions -> values. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

/* ---- names and literals ---- */

static bool eval_name(const struct jinja_node *n, struct jinja_frame *f, struct jv *out)
{
    for (unsigned hops = n->hops; hops > 0; hops--) f = f->parent;
    *out = f->slots[n->slot];
    if (out->type == JV_MISSING) *out = jv_no_name(n->name, n->name_len);
    return true;
}

static bool eval_items(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv *out)
{
    struct jinja_list *l = jinja_list_new(r, n->list.n);
    if (!l) return false;
    for (uint32_t i = 0; i < n->list.n; i++) {
        if (!jinja_eval(r, n->list.v[i], f, &l->items[i])) return false;
        l->n++;
    }
    *out = jv_list(n->kind == JINJA_LIST ? JV_LIST : JV_TUPLE, l);
    return true;
}

static bool eval_dict(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv *out)
{
    struct jinja_dict *d = jinja_dict_new(r);
    struct jv key, value;
    if (!d) return false;
    for (uint32_t i = 0; i < n->list.n; i++) {
        if (!jinja_eval(r, n->list.v[i], f, &key) || !jinja_eval(r, n->other.v[i], f, &value) ||
            !jinja_dict_set(r, d, key, value))
            return false;
    }
    *out = jv_dict(d);
    return true;
}

/* ---- operators ---- */

static bool eval_condition(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f,
                           struct jv *out)
{
    struct jv test;
    if (!jinja_eval(r, n->a, f, &test)) return false;
    if (jinja_truth(test)) return jinja_eval(r, n->b, f, out);
    if (n->c) return jinja_eval(r, n->c, f, out);
    *out = jv_hint("an inline if was false and has no else");
    return true;
}

/* a op b op c ... is (a op b) and (b op c) and ..., each evaluated once. */
static bool eval_comparison(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f,
                            struct jv *out)
{
    struct jv left, right;
    bool holds = true;
    if (!jinja_eval(r, n->a, f, &left)) return false;
    for (uint32_t i = 0; holds && i < n->list.n; i++) {
        const struct jinja_node *o = n->list.v[i];
        if (!jinja_eval(r, o->a, f, &right)) return false;
        r->line = n->line;
        if (!jinja_compare(r, (enum jinja_op)o->op, left, right, &holds)) return false;
        left = right;
    }
    *out = jv_bool(holds);
    return true;
}

static bool eval_concat(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f,
                        struct jv *out)
{
    struct jv v, acc = jv_missing();
    for (uint32_t i = 0; i < n->list.n; i++) {
        if (!jinja_eval(r, n->list.v[i], f, &v)) return false;
        if (i == 0 && v.type == JV_STR) {
            acc = v;
            acc.flags &= (uint8_t)~JV_MARKUP;
        } else if (!jinja_append_value(r, &acc, v)) {
            return false;
        }
    }
    *out = acc.type == JV_MISSING ? jv_ascii("") : acc;
    return true;
}

static bool eval_unary(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv *out)
{
    struct jv v;
    if (!jinja_eval(r, n->a, f, &v)) return false;
    if (n->kind == JINJA_NOT) {
        *out = jv_bool(!jinja_truth(v));
        return true;
    }
    if (n->kind == JINJA_NEG) return jinja_negate(r, v, out);
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(r, v);
    if (!jv_is_number(v) && v.type != JV_BIG)
        return jinja_fail(r, "bad operand type for unary +: '%s'", jv_type_name(v));
    *out = v.type == JV_BOOL ? jv_int(v.as.i) : v;
    return true;
}

static bool eval_optional(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f,
                          struct jv *out)
{
    *out = jv_missing();
    return !n || jinja_eval(r, n, f, out);
}

static bool eval_item(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv *out)
{
    struct jv v, key, to, step;
    if (!jinja_eval(r, n->a, f, &v)) return false;
    if (n->b->kind != JINJA_SLICE) {
        if (!jinja_eval(r, n->b, f, &key)) return false;
        r->line = n->line;
        return jinja_getitem(r, v, key, out);
    }
    if (!eval_optional(r, n->b->a, f, &key) || !eval_optional(r, n->b->b, f, &to) ||
        !eval_optional(r, n->b->c, f, &step))
        return false;
    r->line = n->line;
    return jinja_slice(r, v, key, to, step, out);
}

/* ---- calls ---- */

enum { FEW = 6 }; /* arguments that need no memory of the rendering */

struct arguments {
    struct jinja_args args;
    struct jv pos[FEW];
    struct jinja_kwarg kw[FEW];
};

/* *list: the positional ones and then its items. */
static bool add_list(struct jinja_run *r, struct arguments *a, struct jv list)
{
    struct jinja_list *l = jinja_list_new(r, a->args.n_pos), *more = l ? jinja_collect(r, list) : NULL;
    if (!more) return false;
    for (uint32_t i = 0; i < a->args.n_pos; i++) l->items[l->n++] = a->args.pos[i];
    for (uint32_t i = 0; i < more->n; i++) {
        if (!jinja_list_add(r, l, more->items[i])) return false;
    }
    a->args.pos = l->items;
    a->args.n_pos = l->n;
    return true;
}

/* **dict: the named ones and then its entries. */
static bool add_dict(struct jinja_run *r, struct arguments *a, struct jv v)
{
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(r, v);
    if (v.type != JV_DICT)
        return jinja_fail(r, "argument after ** must be a mapping, not %s", jv_type_name(v));
    uint32_t n = a->args.n_kw;
    struct jinja_kwarg *kw = jinja_alloc(r, (size_t)n + v.as.dict->n, sizeof *kw);
    if (!kw) return false;
    if (n) memcpy(kw, a->args.kw, n * sizeof *kw);
    for (uint32_t i = 0; i < v.as.dict->n; i++) {
        struct jv name = v.as.dict->entries[i].key;
        if (name.type != JV_STR) return jinja_fail(r, "keywords must be strings");
        for (uint32_t k = 0; k < a->args.n_kw; k++) {
            if (kw[k].name.len == name.len && memcmp(kw[k].name.as.s, name.as.s, name.len) == 0)
                return jinja_fail(r, "the argument '%.*s' is given twice",
                                  (int)(name.len < 60 ? name.len : 60), name.as.s);
        }
        kw[n++] = (struct jinja_kwarg){name, v.as.dict->entries[i].value};
    }
    a->args.kw = kw;
    a->args.n_kw = n;
    return true;
}

static bool eval_arguments(struct jinja_run *r, const struct jinja_call *c, struct jinja_frame *f,
                           struct jv macro, struct arguments *a)
{
    bool with_macro = macro.type != JV_MISSING;
    uint32_t n_pos = c ? c->pos.n : 0, n_kw = (c ? c->n_kw : 0) + with_macro;
    struct jv *pos = n_pos <= FEW ? a->pos : jinja_alloc(r, n_pos, sizeof *pos), v;
    struct jinja_kwarg *kw = n_kw <= FEW ? a->kw : jinja_alloc(r, n_kw, sizeof *kw);
    if (!pos || !kw) return false;
    a->args = (struct jinja_args){pos, kw, n_pos, n_kw};
    for (uint32_t i = 0; i < n_pos; i++) {
        if (!jinja_eval(r, c->pos.v[i], f, &pos[i])) return false;
    }
    for (uint32_t i = 0; i < n_kw - with_macro; i++) {
        kw[i].name = jv_str(c->kw[i].name, c->kw[i].len);
        if (!jinja_eval(r, c->kw[i].value, f, &kw[i].value)) return false;
    }
    if (with_macro) kw[n_kw - 1] = (struct jinja_kwarg){jv_ascii("caller"), macro};
    if (c && c->dyn_pos && (!jinja_eval(r, c->dyn_pos, f, &v) || !add_list(r, a, v))) return false;
    return !c || !c->dyn_kw || (jinja_eval(r, c->dyn_kw, f, &v) && add_dict(r, a, v));
}

bool jinja_call_value(struct jinja_run *r, struct jv callee, const struct jinja_args *args, struct jv *out)
{
    switch (callee.type) {
    case JV_UNDEFINED:
        return jinja_fail_undefined(r, callee);
    case JV_FUNCTION:
        return jinja_call_builtin(r, callee.as.function, jv_missing(), args, out);
    case JV_METHOD:
        return jinja_call_builtin(r, callee.as.method->function, callee.as.method->self, args, out);
    case JV_MACRO:
        return jinja_macro_call(r, callee.as.macro, args, out);
    case JV_LOOP:
        return jinja_loop_call(r, callee.as.loop, args, out);
    case JV_JOINER:
        if (args->n_pos || args->n_kw) return jinja_fail(r, "a joiner takes no arguments");
        *out = callee.as.cycler->joiner_used ? callee.as.cycler->items.items[0] : jv_ascii("");
        callee.as.cycler->joiner_used = true;
        return true;
    default:
        return jinja_fail(r, "'%s' object is not callable", jv_type_name(callee));
    }
}

bool jinja_eval_call(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv macro,
                     struct jv *out)
{
    struct jv callee;
    struct arguments a;
    if (!jinja_eval(r, n->a, f, &callee) || !eval_arguments(r, n->call, f, macro, &a)) return false;
    r->line = n->line;
    return jinja_call_value(r, callee, &a.args, out);
}

static bool eval_builtin(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv v,
                         struct jv *out)
{
    struct arguments a;
    if (!n->builtin) {
        r->line = n->line;
        return jinja_fail(r, "there is no %s '%.*s'", n->kind == JINJA_FILTER ? "filter" : "test",
                          (int)(n->name_len < 60 ? n->name_len : 60), n->name);
    }
    if (!eval_arguments(r, n->call, f, jv_missing(), &a)) return false;
    r->line = n->line;
    return jinja_call_builtin(r, n->builtin, v, &a.args, out);
}

bool jinja_eval_filter(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv text,
                       struct jv *out)
{
    struct jv v = text;
    if (!jinja_enter(r)) return false;
    bool ok = (!n->a || (n->a->kind == JINJA_FILTER ? jinja_eval_filter(r, n->a, f, text, &v)
                                                    : jinja_eval(r, n->a, f, &v))) &&
              eval_builtin(r, n, f, v, out);
    jinja_leave(r);
    return ok;
}

/* ---- all of them ---- */

static bool eval_kind(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv *out)
{
    struct jv a, b;
    switch (n->kind) {
    case JINJA_TUPLE:
    case JINJA_LIST:
        return eval_items(r, n, f, out);
    case JINJA_DICT:
        return eval_dict(r, n, f, out);
    case JINJA_COND:
        return eval_condition(r, n, f, out);
    case JINJA_AND:
    case JINJA_OR:
        if (!jinja_eval(r, n->a, f, out)) return false;
        return jinja_truth(*out) == (n->kind == JINJA_OR) || jinja_eval(r, n->b, f, out);
    case JINJA_NOT:
    case JINJA_NEG:
    case JINJA_POS:
        return eval_unary(r, n, f, out);
    case JINJA_BINARY:
        if (!jinja_eval(r, n->a, f, &a) || !jinja_eval(r, n->b, f, &b)) return false;
        r->line = n->line;
        return jinja_binary(r, (enum jinja_op)n->op, a, b, out);
    case JINJA_COMPARE:
        return eval_comparison(r, n, f, out);
    case JINJA_CONCAT:
        return eval_concat(r, n, f, out);
    case JINJA_GETATTR:
        if (!jinja_eval(r, n->a, f, &a)) return false;
        r->line = n->line;
        return jinja_getattr(r, a, n->value, out);
    case JINJA_GETITEM:
        return eval_item(r, n, f, out);
    case JINJA_CALL:
        return jinja_eval_call(r, n, f, jv_missing(), out);
    case JINJA_FILTER:
        return jinja_eval_filter(r, n, f, jv_missing(), out);
    case JINJA_TEST:
        return jinja_eval(r, n->a, f, &a) && eval_builtin(r, n, f, a, out);
    default:
        return jinja_fail(r, "a slice may only stand alone in brackets");
    }
}

bool jinja_eval(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv *out)
{
    r->line = n->line;
    if (n->kind == JINJA_CONST) {
        *out = n->value;
        return jinja_work(r, 1);
    }
    if (n->kind == JINJA_NAME) return eval_name(n, f, out) && jinja_work(r, 1);
    if (!jinja_enter(r)) return false;
    bool ok = eval_kind(r, n, f, out);
    jinja_leave(r);
    return ok;
}

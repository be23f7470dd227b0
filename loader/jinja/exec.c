/* Statements: what a template writes. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

/* ---- frames ---- */

static struct jv variable(const struct jinja_run *r, const struct jinja_symbol *y)
{
    const struct jv *v = jinja_dict_get_str(r->vars, y->name, y->len);
    if (!v) v = jinja_dict_get_str(r->given, y->name, y->len);
    if (v) return *v;
    const struct jinja_builtin *b = jinja_function_find(y->name, y->len);
    return b ? (struct jv){.type = JV_FUNCTION, .as.function = b} : jv_missing();
}

bool jinja_frame_load(struct jinja_run *r, struct jinja_frame *f)
{
    const struct jinja_frame *outer;
    for (const struct jinja_symbol *y = f->scope->first; y; y = y->next) {
        switch ((enum jinja_load)y->load) {
        case JINJA_LOAD_PARAMETER:
            break;
        case JINJA_LOAD_RESOLVE:
            f->slots[y->slot] = variable(r, y);
            break;
        case JINJA_LOAD_ALIAS:
            outer = f;
            for (unsigned hops = y->hops; hops > 0; hops--) outer = outer->parent;
            f->slots[y->slot] = outer->slots[y->outer];
            break;
        case JINJA_LOAD_UNDEFINED:
            f->slots[y->slot] = jv_missing();
            break;
        }
    }
    return jinja_work(r, 1u + f->scope->n / 8);
}

struct jinja_frame *jinja_frame_new(struct jinja_run *r, const struct jinja_scope *s,
                                    struct jinja_frame *parent)
{
    struct jinja_frame *f = jinja_alloc(r, 1, sizeof *f + s->n * sizeof(struct jv));
    if (!f) return NULL;
    f->parent = parent;
    f->scope = s;
    return jinja_frame_load(r, f) ? f : NULL;
}

/* ---- assignment ---- */

static struct jv *slot_of(const struct jinja_node *n, struct jinja_frame *f)
{
    for (unsigned hops = n->hops; hops > 0; hops--) f = f->parent;
    return &f->slots[n->slot];
}

static bool is_namespace(struct jinja_run *r, const struct jinja_node *n, struct jv v)
{
    return v.type == JV_NAMESPACE ||
           jinja_fail(r, "'%.*s' is no namespace: attributes of nothing else can be set",
                      (int)(n->name_len < 60 ? n->name_len : 60), n->name);
}

static bool assign_name(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv v)
{
    struct jv *slot = slot_of(n, f);
    if (n->kind == JINJA_NSREF)
        return is_namespace(r, n, *slot) && jinja_dict_set(r, slot->as.dict, n->value, v);
    *slot = v;
    return !n->exported || jinja_dict_set(r, r->vars, jv_str(n->name, n->name_len), v);
}

bool jinja_assign(struct jinja_run *r, const struct jinja_node *target, struct jinja_frame *f, struct jv v)
{
    if (target->kind != JINJA_TUPLE) return assign_name(r, target, f, v);
    r->line = target->line;
    if (v.type == JV_UNDEFINED && target->list.n) return jinja_fail_undefined(r, v);
    struct jinja_list *l = v.type == JV_LIST || v.type == JV_TUPLE ? v.as.list : jinja_collect(r, v);
    if (!l) return false;
    if (l->n != target->list.n)
        return jinja_fail(r, "%u values cannot be unpacked into %u names", (unsigned)l->n,
                          (unsigned)target->list.n);
    for (uint32_t i = 0; i < l->n; i++) {
        if (!jinja_assign(r, target->list.v[i], f, l->items[i])) return false;
    }
    return true;
}

/* ---- capturing what a body writes ---- */

enum jinja_flow jinja_capture(struct jinja_run *r, const struct jinja_nodes *body, struct jinja_frame *f,
                              struct jv *text)
{
    struct jv *before = r->out, acc = jv_ascii("");
    r->out = &acc;
    enum jinja_flow flow = jinja_exec(r, body, f);
    r->out = before;
    *text = acc;
    return flow;
}

static bool write(struct jinja_run *r, struct jv v)
{
    if (!jinja_append_value(r, r->out, v)) return false;
    if (r->out->len <= r->max_output) return true;
    return jinja_fail(r, "the text is longer than %zu bytes: no more is accepted", r->max_output);
}

/* ---- macros ---- */

static bool macro_error(struct jinja_run *r, const struct jinja_macro *m, const char *what, struct jv name)
{
    const struct jinja_node *n = m->node;
    bool named = n->kind == JINJA_MACRO;
    return jinja_fail(r, "macro '%.*s' %s%s%.*s%s",
                      named ? (int)(n->a->name_len < 60 ? n->a->name_len : 60) : 6,
                      named ? n->a->name : "caller", what, name.len ? " '" : "",
                      (int)(name.len < 60 ? name.len : 60), name.len ? name.as.s : "", name.len ? "'" : "");
}

/* Takes the argument of that name out of those that are left; missing where there is none. */
static struct jv take_kwarg(const struct jinja_args *args, bool *taken, const char *name, size_t len)
{
    for (uint32_t i = 0; i < args->n_kw; i++) {
        if (taken[i] || args->kw[i].name.len != len || memcmp(args->kw[i].name.as.s, name, len) != 0)
            continue;
        taken[i] = true;
        return args->kw[i].value;
    }
    return jv_missing();
}

/* What is left of the arguments: to kwargs and varargs, or an error. */
static bool bind_rest(struct jinja_run *r, const struct jinja_macro *m, const struct jinja_args *args,
                      bool *taken, struct jinja_frame *f)
{
    const struct jinja_node *n = m->node;
    struct jinja_dict *rest = n->kwargs ? jinja_dict_new(r) : NULL;
    if (n->kwargs && !rest) return false;
    for (uint32_t i = 0; i < args->n_kw; i++) {
        if (taken[i]) continue;
        if (!rest) return macro_error(r, m, "takes no argument", args->kw[i].name);
        if (!jinja_dict_set(r, rest, args->kw[i].name, args->kw[i].value)) return false;
    }
    if (rest) f->slots[n->kwargs->slot] = jv_dict(rest);
    if (!n->varargs)
        return args->n_pos <= n->params.n || macro_error(r, m, "is given too many arguments", jv_missing());
    struct jinja_list *more = jinja_list_new(r, args->n_pos);
    if (!more) return false;
    for (uint32_t i = n->params.n; i < args->n_pos; i++) more->items[more->n++] = args->pos[i];
    f->slots[n->varargs->slot] = jv_list(JV_TUPLE, more);
    return true;
}

static bool bind_macro(struct jinja_run *r, const struct jinja_macro *m, const struct jinja_args *args,
                       struct jinja_frame *f)
{
    const struct jinja_node *n = m->node;
    bool *taken = jinja_alloc(r, args->n_kw + 1, sizeof *taken);
    if (!taken) return false;
    for (uint32_t i = 0; i < n->params.n; i++) {
        const struct jinja_node *p = n->params.v[i];
        f->slots[p->slot] = i < args->n_pos ? args->pos[i] : take_kwarg(args, taken, p->name, p->name_len);
    }
    if (n->caller) {
        struct jv caller = take_kwarg(args, taken, "caller", 6);
        f->slots[n->caller->slot] = jv_given(caller) ? caller : jv_hint("no caller was given");
    }
    if (!bind_rest(r, m, args, taken, f)) return false;
    /* defaults, in order: each sees the parameters before it */
    uint32_t first = n->params.n - n->defaults.n;
    for (uint32_t i = 0; i < n->params.n; i++) {
        struct jv *slot = &f->slots[n->params.v[i]->slot];
        if (slot->type != JV_MISSING) continue;
        if (i < first)
            *slot = jv_no_name(n->params.v[i]->name, n->params.v[i]->name_len);
        else if (!jinja_eval(r, n->defaults.v[i - first], f, slot))
            return false;
    }
    return true;
}

bool jinja_macro_call(struct jinja_run *r, const struct jinja_macro *m, const struct jinja_args *args,
                      struct jv *out)
{
    if (!jinja_enter(r)) return false;
    struct jinja_frame *f = jinja_frame_new(r, m->node->scope, m->frame);
    bool ok = f && bind_macro(r, m, args, f) && jinja_capture(r, &m->node->list, f, out) != JINJA_FAILED;
    jinja_leave(r);
    return ok;
}

bool jinja_append_macro(struct jinja_run *r, struct jv *acc, const struct jinja_macro *m)
{
    if (m->node->kind != JINJA_MACRO) return jinja_append_text(r, acc, "<Macro anonymous>");
    return jinja_append_text(r, acc, "<Macro ") &&
           jinja_append_repr(r, acc, jv_text(m->node->a->name, m->node->a->name_len)) &&
           jinja_append_text(r, acc, ">");
}

static bool new_macro(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv *out)
{
    struct jinja_macro *m = jinja_alloc(r, 1, sizeof *m);
    if (!m) return false;
    *m = (struct jinja_macro){n, f};
    *out = (struct jv){.type = JV_MACRO, .as.macro = m};
    return true;
}

/* ---- statements ---- */

static enum jinja_flow flow_of(bool ok)
{
    return ok ? JINJA_NORMAL : JINJA_FAILED;
}

static enum jinja_flow exec_output(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f)
{
    struct jv v;
    for (uint32_t i = 0; i < n->list.n; i++) {
        if (!jinja_eval(r, n->list.v[i], f, &v) || !write(r, v)) return JINJA_FAILED;
    }
    return JINJA_NORMAL;
}

static enum jinja_flow exec_if(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f)
{
    struct jv test;
    const struct jinja_node *branch = n;
    for (uint32_t i = 0;; i++) {
        if (branch->a && !jinja_eval(r, branch->a, f, &test)) return JINJA_FAILED;
        if (!branch->a || jinja_truth(test)) return jinja_exec(r, &branch->list, f);
        if (i == n->other.n) return JINJA_NORMAL;
        branch = n->other.v[i];
    }
}

/* Attributes are set on namespaces only: said before anything is evaluated. */
static bool check_target(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f)
{
    for (uint32_t i = 0; i < n->list.n; i++) {
        if (!check_target(r, n->list.v[i], f)) return false;
    }
    return n->kind != JINJA_NSREF || is_namespace(r, n, *slot_of(n, f));
}

static enum jinja_flow exec_set(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f)
{
    struct jv v;
    return flow_of(check_target(r, n->a, f) && jinja_eval(r, n->b, f, &v) && jinja_assign(r, n->a, f, v));
}

static enum jinja_flow exec_captured(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f)
{
    struct jinja_frame *inner = jinja_frame_new(r, n->scope, f);
    struct jv text = jv_missing();
    enum jinja_flow flow = inner ? jinja_capture(r, &n->list, inner, &text) : JINJA_FAILED;
    if (flow != JINJA_NORMAL) return flow;
    if (n->b && !jinja_eval_filter(r, n->b, inner, text, &text)) return JINJA_FAILED;
    return flow_of(n->kind == JINJA_SET_BLOCK ? jinja_assign(r, n->a, f, text) : write(r, text));
}

static enum jinja_flow exec_call_block(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f)
{
    struct jv caller, v;
    return flow_of(new_macro(r, n, f, &caller) && jinja_eval_call(r, n->b, f, caller, &v) && write(r, v));
}

static enum jinja_flow exec_with(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f)
{
    struct jinja_frame *inner = jinja_frame_new(r, n->scope, f);
    struct jv v;
    for (uint32_t i = 0; inner && i < n->params.n; i++) {
        if (!jinja_eval(r, n->defaults.v[i], f, &v) || !jinja_assign(r, n->params.v[i], inner, v))
            return JINJA_FAILED;
    }
    return inner ? jinja_exec(r, &n->list, inner) : JINJA_FAILED;
}

static enum jinja_flow exec_frame(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f)
{
    struct jinja_frame *inner = jinja_frame_new(r, n->scope, n->scope->parent ? f : NULL);
    return inner ? jinja_exec(r, &n->list, inner) : JINJA_FAILED;
}

static enum jinja_flow exec_statement(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f)
{
    struct jv v;
    switch (n->kind) {
    case JINJA_OUTPUT:
        return exec_output(r, n, f);
    case JINJA_FOR:
        return jinja_for(r, n, f);
    case JINJA_IF:
        return exec_if(r, n, f);
    case JINJA_SET:
        return exec_set(r, n, f);
    case JINJA_SET_BLOCK:
    case JINJA_FILTER_BLOCK:
        return exec_captured(r, n, f);
    case JINJA_MACRO:
        return flow_of(new_macro(r, n, f, &v) && jinja_assign(r, n->a, f, v));
    case JINJA_CALL_BLOCK:
        return exec_call_block(r, n, f);
    case JINJA_WITH:
        return exec_with(r, n, f);
    case JINJA_BREAK:
        return JINJA_BROKEN;
    case JINJA_CONTINUE:
        return JINJA_CONTINUED;
    default: /* block, generation */
        return exec_frame(r, n, f);
    }
}

enum jinja_flow jinja_exec(struct jinja_run *r, const struct jinja_nodes *body, struct jinja_frame *f)
{
    enum jinja_flow flow = JINJA_NORMAL;
    if (!jinja_enter(r)) return JINJA_FAILED;
    for (uint32_t i = 0; flow == JINJA_NORMAL && i < body->n; i++) {
        r->line = body->v[i]->line;
        flow = jinja_work(r, 1) ? exec_statement(r, body->v[i], f) : JINJA_FAILED;
    }
    jinja_leave(r);
    return flow;
}

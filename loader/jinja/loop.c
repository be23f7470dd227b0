/* {% for %} and what `loop` says within it. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

#include <stdio.h>

/* ---- the items, with a loop's `if` ---- */

struct filtered {
    const struct jinja_node *n;
    struct jinja_iter *inner;
    struct jinja_frame *frame;
};

static enum jinja_step next_filtered(struct jinja_run *r, struct jinja_iter *it, struct jv *out)
{
    struct filtered *x = it->state;
    struct jv test;
    for (;;) {
        enum jinja_step step = jinja_next(r, x->inner, out);
        if (step != JINJA_ITEM) return step;
        if (!jinja_assign(r, x->n->test_target, x->frame, *out) || !jinja_eval(r, x->n->c, x->frame, &test))
            return JINJA_ERROR;
        if (jinja_truth(test)) break;
    }
    if (x->n->a->kind == JINJA_TUPLE && out->type != JV_TUPLE) { /* put together again from its names */
        struct jinja_list *l = jinja_collect(r, *out);
        if (!l) return JINJA_ERROR;
        *out = jv_list(JV_TUPLE, l);
    }
    return JINJA_ITEM;
}

static struct jinja_iter *items_of(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f,
                                   struct jv *iterable)
{
    struct jinja_iter *inner = jinja_iter(r, *iterable);
    if (!inner || !n->c) return inner;
    struct filtered *x = jinja_alloc(r, 1, sizeof *x);
    struct jinja_iter it = {.next = next_filtered, .state = x};
    if (!x) return NULL;
    *x = (struct filtered){n, inner, jinja_frame_new(r, n->test_scope, f)};
    return x->frame && jinja_iter_value(r, it, iterable) ? iterable->as.iter : NULL;
}

/* ---- running ---- */

static enum jinja_step advance(struct jinja_run *r, struct jinja_loop *l, struct jv *item)
{
    enum jinja_step step = JINJA_ITEM;
    if (l->after.type != JV_MISSING) {
        *item = l->after;
        l->after = jv_missing();
    } else {
        step = jinja_next(r, l->iter, item);
    }
    if (step != JINJA_ITEM) return step;
    l->index0++;
    l->before = l->current;
    l->current = *item;
    return JINJA_ITEM;
}

/* One item after the other in the frame lf. *ran: whether a body came to its end (jinja2's else asks that). */
static enum jinja_flow iterate(struct jinja_run *r, const struct jinja_node *n, struct jinja_loop *l,
                               struct jinja_frame *lf, bool *ran)
{
    struct jv item;
    for (;;) {
        r->line = n->line;
        enum jinja_step step = advance(r, l, &item);
        if (step != JINJA_ITEM) return step == JINJA_END ? JINJA_NORMAL : JINJA_FAILED;
        if (!jinja_assign(r, n->a, lf, item) || !jinja_frame_load(r, lf)) return JINJA_FAILED;
        enum jinja_flow flow = jinja_exec(r, &n->list, lf);
        if (flow == JINJA_FAILED) return flow;
        if (flow == JINJA_BROKEN) return JINJA_NORMAL;
        *ran |= flow == JINJA_NORMAL;
    }
}

static enum jinja_flow run(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f,
                           struct jv iterable, int64_t depth0)
{
    struct jinja_loop *l = jinja_alloc(r, 1, sizeof *l);
    if (!l) return JINJA_FAILED;
    *l = (struct jinja_loop){.index0 = -1, .length = -1, .depth0 = depth0, .frame = f};
    l->recursive = n->op & JINJA_RECURSIVE ? n : NULL;
    l->iter = items_of(r, n, f, &iterable);
    l->iterable = iterable;
    struct jinja_frame *lf = l->iter ? jinja_frame_new(r, n->scope, f) : NULL;
    bool ran = false;
    if (!lf) return JINJA_FAILED;
    if (n->loop) lf->slots[n->loop->slot] = (struct jv){.type = JV_LOOP, .as.loop = l};
    enum jinja_flow flow = iterate(r, n, l, lf, &ran);
    if (flow == JINJA_FAILED) return flow;
    /* a macro made in the body sees nothing of it any more */
    for (uint16_t i = 0; !l->recursive && i < n->scope->n; i++) lf->slots[i] = jv_missing();
    if (ran || !n->else_scope) return JINJA_NORMAL;
    struct jinja_frame *ef = jinja_frame_new(r, n->else_scope, f);
    return ef ? jinja_exec(r, &n->other, ef) : JINJA_FAILED;
}

/* A recursive loop's text is put together apart. */
static bool run_recursive(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f,
                          struct jv iterable, int64_t depth0, struct jv *text)
{
    struct jv *before = r->out, acc = jv_ascii("");
    if (!jinja_enter(r)) return false;
    r->out = &acc;
    bool ok = run(r, n, f, iterable, depth0) != JINJA_FAILED;
    r->out = before;
    *text = acc;
    jinja_leave(r);
    return ok;
}

enum jinja_flow jinja_for(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f)
{
    struct jv iterable, text;
    if (!jinja_eval(r, n->b, f, &iterable)) return JINJA_FAILED;
    r->line = n->line;
    if (!(n->op & JINJA_RECURSIVE)) return run(r, n, f, iterable, 0);
    return run_recursive(r, n, f, iterable, 0, &text) && jinja_append(r, r->out, text.as.s, text.len)
               ? JINJA_NORMAL
               : JINJA_FAILED;
}

bool jinja_loop_call(struct jinja_run *r, struct jinja_loop *l, const struct jinja_args *args, struct jv *out)
{
    if (args->n_pos != 1 || args->n_kw) return jinja_fail(r, "loop() takes one argument, what to loop over");
    if (!l->recursive) return jinja_fail(r, "only a loop marked 'recursive' can be called");
    return run_recursive(r, l->recursive, l->frame, args->pos[0], l->depth0 + 1, out);
}

/* ---- loop.name ---- */

bool jinja_loop_length(struct jinja_run *r, struct jinja_loop *l, int64_t *out)
{
    size_t n;
    if (l->length < 0 && jinja_length(r, l->iterable, &n)) {
        l->length = (int64_t)n;
    } else if (l->length < 0) { /* read on to the end, and keep it for the loop */
        struct jinja_list *rest = jinja_collect(r, (struct jv){.type = JV_ITER, .as.iter = l->iter});
        struct jinja_iter *it = rest ? jinja_iter(r, jv_list(JV_LIST, rest)) : NULL;
        if (!it) return false;
        l->iter = it;
        l->length = rest->n + l->index0 + 1 + (l->after.type != JV_MISSING);
    }
    *out = l->length;
    return true;
}

static bool peek(struct jinja_run *r, struct jinja_loop *l)
{
    if (l->after.type != JV_MISSING) return true;
    enum jinja_step step = jinja_next(r, l->iter, &l->after);
    if (step == JINJA_END) l->after = jv_missing();
    return step != JINJA_ERROR;
}

static bool attr_first(struct jinja_run *r, struct jinja_loop *l, struct jv *out)
{
    (void)r;
    *out = jv_bool(l->index0 == 0);
    return true;
}

static bool attr_last(struct jinja_run *r, struct jinja_loop *l, struct jv *out)
{
    if (!peek(r, l)) return false;
    *out = jv_bool(l->after.type == JV_MISSING);
    return true;
}

static bool attr_previtem(struct jinja_run *r, struct jinja_loop *l, struct jv *out)
{
    (void)r;
    *out = l->index0 == 0 ? jv_hint("there is no previous item") : l->before;
    return true;
}

static bool attr_nextitem(struct jinja_run *r, struct jinja_loop *l, struct jv *out)
{
    if (!peek(r, l)) return false;
    *out = l->after.type == JV_MISSING ? jv_hint("there is no next item") : l->after;
    return true;
}

static bool attr_index(struct jinja_run *r, struct jinja_loop *l, struct jv *out)
{
    (void)r;
    *out = jv_int(l->index0 + 1);
    return true;
}

static bool attr_index0(struct jinja_run *r, struct jinja_loop *l, struct jv *out)
{
    (void)r;
    *out = jv_int(l->index0);
    return true;
}

static bool attr_depth(struct jinja_run *r, struct jinja_loop *l, struct jv *out)
{
    (void)r;
    *out = jv_int(l->depth0 + 1);
    return true;
}

static bool attr_depth0(struct jinja_run *r, struct jinja_loop *l, struct jv *out)
{
    (void)r;
    *out = jv_int(l->depth0);
    return true;
}

static bool attr_length(struct jinja_run *r, struct jinja_loop *l, struct jv *out)
{
    int64_t n;
    if (!jinja_loop_length(r, l, &n)) return false;
    *out = jv_int(n);
    return true;
}

static bool attr_revindex(struct jinja_run *r, struct jinja_loop *l, struct jv *out)
{
    if (!attr_length(r, l, out)) return false;
    out->as.i -= l->index0;
    return true;
}

static bool attr_revindex0(struct jinja_run *r, struct jinja_loop *l, struct jv *out)
{
    if (!attr_length(r, l, out)) return false;
    out->as.i -= l->index0 + 1;
    return true;
}

bool jinja_loop_attr(struct jinja_run *r, struct jinja_loop *l, struct jv name, struct jv *out)
{
    static const struct {
        const char *name;
        bool (*get)(struct jinja_run *r, struct jinja_loop *l, struct jv *out);
    } attrs[] = {
        {"index", attr_index},       {"index0", attr_index0},     {"first", attr_first},
        {"last", attr_last},         {"length", attr_length},     {"previtem", attr_previtem},
        {"nextitem", attr_nextitem}, {"revindex", attr_revindex}, {"revindex0", attr_revindex0},
        {"depth", attr_depth},       {"depth0", attr_depth0},
    };
    for (size_t i = 0; i < sizeof attrs / sizeof attrs[0]; i++) {
        if (jv_equals_text(name, attrs[i].name)) return attrs[i].get(r, l, out);
    }
    const struct jinja_builtin *b = jinja_loop_method(name.as.s, name.len);
    if (!b) return true;
    struct jinja_method *m = jinja_alloc(r, 1, sizeof *m);
    if (!m) return false;
    *m = (struct jinja_method){{.type = JV_LOOP, .as.loop = l}, b};
    *out = (struct jv){.type = JV_METHOD, .as.method = m};
    return true;
}

static bool loop_cycle(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out)
{
    if (args->n_pos == 0 || args->n_kw) return jinja_fail(r, "loop.cycle() wants values to choose from");
    *out = args->pos[self.as.loop->index0 % args->n_pos];
    return true;
}

static bool loop_changed(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out)
{
    struct jinja_list *now = jinja_list_new(r, args->n_pos);
    bool same = false;
    if (!now || args->n_kw) return now && jinja_fail(r, "loop.changed() takes no named arguments");
    for (uint32_t i = 0; i < args->n_pos; i++) now->items[now->n++] = args->pos[i];
    if (!jinja_equal(r, self.as.loop->changed, jv_list(JV_TUPLE, now), &same)) return false;
    if (!same) self.as.loop->changed = jv_list(JV_TUPLE, now);
    *out = jv_bool(!same);
    return true;
}

const struct jinja_builtin *jinja_loop_method(const char *name, size_t len)
{
    static const struct jinja_builtin methods[] = {
        {.name = "cycle", .any = loop_cycle},
        {.name = "changed", .any = loop_changed},
    };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strlen(methods[i].name) == len && memcmp(methods[i].name, name, len) == 0) return &methods[i];
    }
    return NULL;
}

bool jinja_append_loop(struct jinja_run *r, struct jv *acc, struct jinja_loop *l)
{
    char text[64];
    int64_t n;
    if (!jinja_loop_length(r, l, &n)) return false;
    snprintf(text, sizeof text, "<LoopContext %lld/%lld>", (long long)l->index0 + 1, (long long)n);
    return jinja_append_text(r, acc, text);
}

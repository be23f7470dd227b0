/* Which variable each name means.
 *
 * jinja2 compiles a template to Python, where a block that opens a frame (for, macro, call, with, set and
 * filter blocks) has variables of its own. What such a variable holds when its frame is entered is decided
 * here, once, by the rules of jinja2's idtracking: a name that is only read is the nearest outer frame's, or
 * else the caller's variable; a name that is set somewhere in a frame is the frame's own there, and starts
 * with what the outer frame has, if that knows it. An `if` opens no frame. */
#include "loader/jinja/ast.h"
#include "loader/jinja/builtins.h"

struct names {
    const struct jinja_source *src;
    const struct jinja_scope *root;
    unsigned in_for; /* `loop` may not be set there */
};

/* ---- frames ---- */

static struct jinja_symbol *find_own(const struct jinja_scope *s, const char *name, uint32_t len)
{
    for (struct jinja_symbol *y = s->first; y; y = y->next) {
        if (y->len == len && memcmp(y->name, name, len) == 0) return y;
    }
    return NULL;
}

static struct jinja_symbol *find(const struct jinja_scope *s, const char *name, uint32_t len, uint16_t *hops)
{
    for (*hops = 0; s; s = s->parent, ++*hops) {
        struct jinja_symbol *y = find_own(s, name, len);
        if (y) return y;
    }
    return NULL;
}

static struct jinja_scope *new_scope(struct names *x, struct jinja_scope *parent)
{
    struct jinja_scope *s = hk_arena_alloc(x->src->arena, 1, sizeof *s, x->src->err);
    if (s) s->parent = parent;
    return s;
}

static struct jinja_symbol *define(struct names *x, struct jinja_scope *s, const struct jinja_node *n,
                                   enum jinja_load load)
{
    if (s->n >= JINJA_MAX_NAMES) {
        jinja_syntax(x->src, n->line, "more than %d names in one block", JINJA_MAX_NAMES);
        return NULL;
    }
    struct jinja_symbol *y = hk_arena_alloc(x->src->arena, 1, sizeof *y, x->src->err);
    if (!y) return NULL;
    y->name = n->name;
    y->len = n->name_len;
    y->load = (uint8_t)load;
    y->slot = s->n++;
    if (s->last)
        s->last->next = y;
    else
        s->first = y;
    s->last = y;
    return y;
}

static bool load(struct names *x, struct jinja_scope *s, const struct jinja_node *n)
{
    uint16_t hops;
    return find(s, n->name, n->name_len, &hops) || define(x, s, n, JINJA_LOAD_RESOLVE);
}

/* What a name that the frame sets holds before. */
static void load_from_outside(const struct jinja_scope *s, struct jinja_symbol *y, enum jinja_load otherwise)
{
    uint16_t hops;
    struct jinja_symbol *outer = find(s->parent, y->name, y->len, &hops);
    y->load = (uint8_t)(outer ? JINJA_LOAD_ALIAS : otherwise);
    if (!outer) return;
    y->hops = (uint16_t)(hops + 1);
    y->outer = outer->slot;
}

static bool store(struct names *x, struct jinja_scope *s, const struct jinja_node *n)
{
    struct jinja_symbol *y = find_own(s, n->name, n->name_len);
    if (!y) {
        if (!(y = define(x, s, n, JINJA_LOAD_UNDEFINED))) return false;
        load_from_outside(s, y, JINJA_LOAD_UNDEFINED);
    }
    y->stored = true;
    return true;
}

static struct jinja_symbol *declare(struct names *x, struct jinja_scope *s, const struct jinja_node *n)
{
    struct jinja_symbol *y = find_own(s, n->name, n->name_len);
    if (!y && !(y = define(x, s, n, JINJA_LOAD_PARAMETER))) return NULL;
    y->load = JINJA_LOAD_PARAMETER;
    y->stored = true;
    return y;
}

static struct jinja_symbol *declare_word(struct names *x, struct jinja_scope *s, const char *word,
                                         uint32_t line)
{
    const struct jinja_node n = {.line = line, .name = word, .name_len = (uint32_t)strlen(word)};
    return declare(x, s, &n);
}

/* ---- a frame's names, from what stands directly in it ---- */

static bool note(struct names *x, struct jinja_scope *s, const struct jinja_node *n);

static bool note_all(struct names *x, struct jinja_scope *s, const struct jinja_nodes *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (!note(x, s, l->v[i])) return false;
    }
    return true;
}

static bool note_target(struct names *x, struct jinja_scope *s, const struct jinja_node *n, bool parameter)
{
    if (n->kind == JINJA_NSREF) return load(x, s, n);
    if (n->kind == JINJA_NAME) return parameter ? declare(x, s, n) != NULL : store(x, s, n);
    for (uint32_t i = 0; i < n->list.n; i++) {
        if (!note_target(x, s, n->list.v[i], parameter)) return false;
    }
    return true;
}

/* What only some branches set may still be what it was before. */
static bool note_if(struct names *x, struct jinja_scope *s, const struct jinja_node *n)
{
    bool known[JINJA_MAX_NAMES];
    uint16_t before = s->n;
    size_t i = 0;
    for (struct jinja_symbol *y = s->first; y; y = y->next) known[i++] = y->stored;
    if ((n->a && !note(x, s, n->a)) || !note_all(x, s, &n->list) || !note_all(x, s, &n->other)) return false;
    i = 0;
    for (struct jinja_symbol *y = s->first; y; y = y->next, i++) {
        if (y->stored && (i >= before || !known[i])) load_from_outside(s, y, JINJA_LOAD_RESOLVE);
    }
    return true;
}

static bool note_call(struct names *x, struct jinja_scope *s, const struct jinja_call *c)
{
    if (!c) return true;
    for (uint32_t i = 0; i < c->n_kw; i++) {
        if (!note(x, s, c->kw[i].value)) return false;
    }
    return note_all(x, s, &c->pos) && (!c->dyn_pos || note(x, s, c->dyn_pos)) &&
           (!c->dyn_kw || note(x, s, c->dyn_kw));
}

static bool note(struct names *x, struct jinja_scope *s, const struct jinja_node *n)
{
    switch (n->kind) {
    case JINJA_NAME:
    case JINJA_NSREF:
        return load(x, s, n);
    case JINJA_SET:
        return note(x, s, n->b) && note_target(x, s, n->a, false);
    case JINJA_SET_BLOCK:
        return note_target(x, s, n->a, false);
    case JINJA_IF:
        return note_if(x, s, n);
    case JINJA_MACRO:
        return store(x, s, n->a);
    case JINJA_FOR:
    case JINJA_CALL_BLOCK:
    case JINJA_FILTER_BLOCK:
        return note(x, s, n->b);
    case JINJA_WITH:
        return note_all(x, s, &n->defaults);
    case JINJA_BLOCK:
    case JINJA_GENERATION:
        return true;
    default:
        return (!n->a || note(x, s, n->a)) && (!n->b || note(x, s, n->b)) && (!n->c || note(x, s, n->c)) &&
               note_all(x, s, &n->list) && note_all(x, s, &n->other) && note_call(x, s, n->call);
    }
}

/* ---- is a special name used in a body? ---- */

enum use { NOT_YET, USED, HIDDEN /* something of that name is set first */ };

static enum use uses(const struct jinja_node *n, const char *word, bool target);

static enum use uses_any(const struct jinja_nodes *l, const char *word, bool target)
{
    enum use u = NOT_YET;
    for (uint32_t i = 0; u == NOT_YET && i < l->n; i++) u = uses(l->v[i], word, target);
    return u;
}

static enum use uses_in_call(const struct jinja_call *c, const char *word)
{
    enum use u = c ? uses_any(&c->pos, word, false) : NOT_YET;
    for (uint32_t i = 0; c && u == NOT_YET && i < c->n_kw; i++) u = uses(c->kw[i].value, word, false);
    if (c && u == NOT_YET && c->dyn_pos) u = uses(c->dyn_pos, word, false);
    if (c && u == NOT_YET && c->dyn_kw) u = uses(c->dyn_kw, word, false);
    return u;
}

static enum use uses(const struct jinja_node *n, const char *word, bool target)
{
    if (n->kind == JINJA_NSREF || n->kind == JINJA_BLOCK) return NOT_YET;
    if (n->kind == JINJA_NAME) {
        bool same = n->name_len == strlen(word) && memcmp(n->name, word, n->name_len) == 0;
        return !same ? NOT_YET : target ? HIDDEN : USED;
    }
    bool sets = n->kind == JINJA_FOR || n->kind == JINJA_SET || n->kind == JINJA_SET_BLOCK;
    enum use u = NOT_YET;
    if (n->kind == JINJA_CALL_BLOCK) u = uses(n->b, word, false);
    if (u == NOT_YET) u = uses_any(&n->params, word, true);
    if (u == NOT_YET) u = uses_any(&n->defaults, word, false);
    if (u == NOT_YET && n->a && n->kind != JINJA_MACRO) u = uses(n->a, word, sets || target);
    if (u == NOT_YET && n->b && n->kind != JINJA_CALL_BLOCK) u = uses(n->b, word, false);
    if (u == NOT_YET && n->c && n->kind != JINJA_FOR) u = uses(n->c, word, false);
    if (u == NOT_YET) u = uses_any(&n->list, word, target);
    if (u == NOT_YET) u = uses_any(&n->other, word, false);
    if (u == NOT_YET && n->c && n->kind == JINJA_FOR) u = uses(n->c, word, false);
    return u == NOT_YET ? uses_in_call(n->call, word) : u;
}

/* ---- every name's slot ---- */

static bool walk(struct names *x, struct jinja_scope *s, struct jinja_node *n, bool soft);

static bool walk_all(struct names *x, struct jinja_scope *s, const struct jinja_nodes *l, bool soft)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (!walk(x, s, l->v[i], soft)) return false;
    }
    return true;
}

static bool bind(struct names *x, struct jinja_scope *s, struct jinja_node *n)
{
    struct jinja_symbol *y = find(s, n->name, n->name_len, &n->hops);
    if (!y) {
        y = define(x, s, n, JINJA_LOAD_RESOLVE);
        n->hops = 0;
    }
    if (y) n->slot = y->slot;
    return y != NULL;
}

static bool walk_target(struct names *x, struct jinja_scope *s, struct jinja_node *n)
{
    for (uint32_t i = 0; i < n->list.n; i++) {
        if (!walk_target(x, s, n->list.v[i])) return false;
    }
    if (n->kind == JINJA_TUPLE) return true;
    if (n->kind == JINJA_NAME && x->in_for && n->name_len == 4 && memcmp(n->name, "loop", 4) == 0)
        return jinja_syntax(x->src, n->line, "within a loop the name 'loop' is the loop's own");
    n->exported = n->kind == JINJA_NAME && s == x->root;
    return bind(x, s, n);
}

static bool walk_call(struct names *x, struct jinja_scope *s, const struct jinja_call *c, bool soft)
{
    if (!c) return true;
    for (uint32_t i = 0; i < c->n_kw; i++) {
        if (!walk(x, s, c->kw[i].value, soft)) return false;
    }
    return walk_all(x, s, &c->pos, soft) && (!c->dyn_pos || walk(x, s, c->dyn_pos, soft)) &&
           (!c->dyn_kw || walk(x, s, c->dyn_kw, soft));
}

/* A body in a frame of its own. */
static bool walk_frame(struct names *x, struct jinja_scope *s, struct jinja_node *n)
{
    n->scope = new_scope(x, s);
    return n->scope && note_all(x, n->scope, &n->list) && walk_all(x, n->scope, &n->list, false);
}

static struct jinja_node *copy_target(struct names *x, const struct jinja_node *n)
{
    struct jinja_node *copy = hk_arena_alloc(x->src->arena, 1, sizeof *copy, x->src->err);
    if (!copy) return NULL;
    *copy = *n;
    copy->list = (struct jinja_nodes){0};
    for (uint32_t i = 0; i < n->list.n; i++) {
        if (!jinja_nodes_add(x->src, &copy->list, copy_target(x, n->list.v[i]))) return NULL;
    }
    return copy;
}

/* A loop's `if` has a frame of its own, in which the target's names are others than in the body's. */
static bool walk_test(struct names *x, struct jinja_scope *s, struct jinja_node *n)
{
    return (n->test_scope = new_scope(x, s)) && (n->test_target = copy_target(x, n->a)) &&
           note_target(x, n->test_scope, n->a, true) && note(x, n->test_scope, n->c) &&
           walk_target(x, n->test_scope, n->test_target) && walk(x, n->test_scope, n->c, false);
}

static bool walk_for(struct names *x, struct jinja_scope *s, struct jinja_node *n, bool soft)
{
    bool extended = (n->op & JINJA_RECURSIVE) || uses_any(&n->list, "loop", false) == USED;
    x->in_for++;
    if (!walk(x, s, n->b, soft)) return false;
    if (n->c && !walk_test(x, s, n)) return false;
    if (n->other.n) {
        if (!(n->else_scope = new_scope(x, s)) || !note_all(x, n->else_scope, &n->other) ||
            !walk_all(x, n->else_scope, &n->other, false))
            return false;
    }
    if (!(n->scope = new_scope(x, s))) return false;
    if (extended) {
        n->op |= JINJA_EXTENDED;
        if (!(n->loop = declare_word(x, n->scope, "loop", n->line))) return false;
    }
    if (!note_target(x, n->scope, n->a, true) || !note_all(x, n->scope, &n->list) ||
        !walk_target(x, n->scope, n->a) || !walk_all(x, n->scope, &n->list, false))
        return false;
    x->in_for--;
    return true;
}

/* A macro, or a call block's body, which is one too. */
static bool walk_function(struct names *x, struct jinja_scope *s, struct jinja_node *n)
{
    static const char *const words[] = {"caller", "kwargs", "varargs"};
    struct jinja_symbol **special[] = {&n->caller, &n->kwargs, &n->varargs};
    if (!(n->scope = new_scope(x, s))) return false;
    for (uint32_t i = 0; i < n->params.n; i++) {
        if (!declare(x, n->scope, n->params.v[i])) return false;
    }
    for (size_t k = 0; k < 3; k++) {
        if (uses_any(&n->list, words[k], false) != USED) continue;
        bool own = find_own(n->scope, words[k], (uint32_t)strlen(words[k])) != NULL;
        if (!own && !(*special[k] = declare_word(x, n->scope, words[k], n->line))) return false;
        for (uint32_t i = 0; own && k == 0 && i < n->params.n - n->defaults.n; i++) {
            if (n->params.v[i]->name_len == 6 && memcmp(n->params.v[i]->name, "caller", 6) == 0)
                return jinja_syntax(x->src, n->line, "a parameter 'caller' needs a default");
        }
    }
    return note_all(x, n->scope, &n->defaults) && note_all(x, n->scope, &n->list) &&
           walk_all(x, n->scope, &n->params, false) && walk_all(x, n->scope, &n->defaults, false) &&
           walk_all(x, n->scope, &n->list, false);
}

static bool walk_with(struct names *x, struct jinja_scope *s, struct jinja_node *n, bool soft)
{
    if (!walk_all(x, s, &n->defaults, soft) || !(n->scope = new_scope(x, s))) return false;
    for (uint32_t i = 0; i < n->params.n; i++) {
        if (!note_target(x, n->scope, n->params.v[i], true)) return false;
    }
    if (!note_all(x, n->scope, &n->list)) return false;
    for (uint32_t i = 0; i < n->params.n; i++) {
        if (!walk_target(x, n->scope, n->params.v[i])) return false;
    }
    return walk_all(x, n->scope, &n->list, false);
}

/* Filters and tests are looked up here. One that does not exist is an error at once, but within an `if`,
 * where it may never be reached, only when it is. */
static bool walk_builtin(struct names *x, const struct jinja_node *n, bool soft)
{
    if (n->builtin || soft) return true;
    return jinja_syntax(x->src, n->line, "there is no %s '%.*s'", n->kind == JINJA_FILTER ? "filter" : "test",
                        (int)(n->name_len < 60 ? n->name_len : 60), n->name);
}

static bool walk(struct names *x, struct jinja_scope *s, struct jinja_node *n, bool soft)
{
    switch (n->kind) {
    case JINJA_NAME:
        return bind(x, s, n);
    case JINJA_SET:
        return walk(x, s, n->b, soft) && walk_target(x, s, n->a);
    case JINJA_SET_BLOCK:
        return walk_frame(x, s, n) && (!n->b || walk(x, n->scope, n->b, false)) && walk_target(x, s, n->a);
    case JINJA_FILTER_BLOCK:
        n->scope = new_scope(x, s);
        return n->scope && note_all(x, n->scope, &n->list) && note(x, n->scope, n->b) &&
               walk_all(x, n->scope, &n->list, false) && walk(x, n->scope, n->b, false);
    case JINJA_GENERATION:
        return walk_frame(x, s, n);
    case JINJA_BLOCK:
        return walk_frame(x, n->op ? s : NULL, n);
    case JINJA_WITH:
        return walk_with(x, s, n, soft);
    case JINJA_FOR:
        return walk_for(x, s, n, soft);
    case JINJA_MACRO:
        n->a->exported = s == x->root;
        return bind(x, s, n->a) && walk_function(x, s, n);
    case JINJA_CALL_BLOCK:
        return walk_function(x, s, n) && walk(x, s, n->b, soft);
    case JINJA_FILTER:
        n->builtin = jinja_filter_find(n->name, n->name_len);
        break;
    case JINJA_TEST:
        n->builtin = jinja_test_find(n->name, n->name_len);
        break;
    case JINJA_IF:
    case JINJA_COND:
        soft = true;
        break;
    default:
        break;
    }
    bool is_builtin = n->kind == JINJA_FILTER || n->kind == JINJA_TEST;
    return (!is_builtin || walk_builtin(x, n, soft)) && (!n->a || walk(x, s, n->a, soft)) &&
           (!n->b || walk(x, s, n->b, soft)) && (!n->c || walk(x, s, n->c, soft)) &&
           walk_all(x, s, &n->list, soft) && walk_all(x, s, &n->other, soft) &&
           walk_call(x, s, n->call, soft);
}

bool jinja_resolve_names(const struct jinja_source *src, struct hk_chat_template *t)
{
    struct names x = {.src = src};
    x.root = t->scope = new_scope(&x, NULL);
    return t->scope && note_all(&x, t->scope, &t->body) && walk_all(&x, t->scope, &t->body, false);
}

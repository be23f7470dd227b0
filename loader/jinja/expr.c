/* Expressions: tokens -> trees, by recursive descent; loosest first: if, or, and, not, comparison, + -, ~,
 * * / // %, **, unary. */
#include "loader/jinja/parse.h"

static struct jinja_node *conditional(struct jinja_parser *p);
static struct jinja_node *unary(struct jinja_parser *p, bool with_filters);

/* ---- tokens ---- */

bool jp_is_name(const struct jinja_parser *p, const char *name)
{
    const struct jinja_token *t = jp_now(p);
    return t->type == JT_NAME && jv_equals_text(t->value, name);
}

bool jp_next_is(const struct jinja_parser *p, enum jinja_token_type type)
{
    return jp_now(p)->type != JT_EOF && p->tokens[p->at + 1].type == type;
}

void jp_step(struct jinja_parser *p)
{
    p->at += !jp_is(p, JT_EOF);
}

bool jp_skip(struct jinja_parser *p, enum jinja_token_type type)
{
    if (!jp_is(p, type)) return false;
    jp_step(p);
    return true;
}

bool jp_skip_name(struct jinja_parser *p, const char *name)
{
    if (!jp_is_name(p, name)) return false;
    jp_step(p);
    return true;
}

bool jp_unexpected(struct jinja_parser *p, const char *wanted)
{
    const struct jinja_token *t = jp_now(p);
    if (t->type == JT_NAME)
        return jinja_syntax(p->src, t->line, "unexpected '%.*s': %s is expected",
                            (int)(t->value.len < 60 ? t->value.len : 60), t->value.as.s, wanted);
    return jinja_syntax(p->src, t->line, "unexpected %s: %s is expected", jinja_token_name(t), wanted);
}

bool jp_expect(struct jinja_parser *p, enum jinja_token_type type)
{
    const struct jinja_token wanted = {.type = (uint8_t)type};
    return jp_skip(p, type) || jp_unexpected(p, jinja_token_name(&wanted));
}

/* ---- nodes ---- */

struct jinja_node *jp_node(struct jinja_parser *p, enum jinja_kind kind, uint32_t line)
{
    struct jinja_node *n = hk_arena_alloc(p->src->arena, 1, sizeof *n, p->src->err);
    if (!n) return NULL;
    n->kind = (uint8_t)kind;
    n->line = line;
    return n;
}

static void raise(uint16_t *height, const struct jinja_node *child)
{
    if (child && child->height >= *height) *height = (uint16_t)(child->height + 1);
}

static void raise_all(uint16_t *height, const struct jinja_nodes *l)
{
    for (uint32_t i = 0; i < l->n; i++) raise(height, l->v[i]);
}

struct jinja_node *jp_done(struct jinja_parser *p, struct jinja_node *n)
{
    uint16_t h = 1;
    raise(&h, n->a);
    raise(&h, n->b);
    raise(&h, n->c);
    raise_all(&h, &n->list);
    raise_all(&h, &n->other);
    raise_all(&h, &n->defaults);
    if (n->call) {
        raise_all(&h, &n->call->pos);
        for (uint32_t i = 0; i < n->call->n_kw; i++) raise(&h, n->call->kw[i].value);
        raise(&h, n->call->dyn_pos);
        raise(&h, n->call->dyn_kw);
    }
    n->height = h;
    if (h <= JINJA_MAX_HEIGHT) return n;
    jinja_syntax(p->src, n->line, "an expression or block is nested deeper than %d levels", JINJA_MAX_HEIGHT);
    return NULL;
}

bool jp_nest(struct jinja_parser *p)
{
    if (++p->nesting <= JINJA_MAX_NESTING) return true;
    return jinja_syntax(p->src, jp_now(p)->line, "expressions or blocks are nested deeper than %d levels",
                        JINJA_MAX_NESTING);
}

static struct jinja_node *binary(struct jinja_parser *p, enum jinja_kind kind, unsigned op, uint32_t line,
                                 struct jinja_node *a, struct jinja_node *b)
{
    struct jinja_node *n = b ? jp_node(p, kind, line) : NULL;
    if (!n) return NULL;
    n->op = (uint8_t)op;
    n->a = a;
    n->b = b;
    return jp_done(p, n);
}

/* ---- the levels ---- */

struct jinja_node *jp_expression(struct jinja_parser *p)
{
    return conditional(p);
}

static struct jinja_node *power(struct jinja_parser *p)
{
    uint32_t line = jp_now(p)->line;
    struct jinja_node *left = unary(p, true);
    while (left && jp_skip(p, JT_POW)) left = binary(p, JINJA_BINARY, JINJA_POW, line, left, unary(p, true));
    return left;
}

static struct jinja_node *product(struct jinja_parser *p)
{
    uint32_t line = jp_now(p)->line;
    struct jinja_node *left = power(p);
    while (left) {
        unsigned op = jp_is(p, JT_MUL)        ? JINJA_MUL
                      : jp_is(p, JT_DIV)      ? JINJA_DIV
                      : jp_is(p, JT_FLOORDIV) ? JINJA_FLOORDIV
                      : jp_is(p, JT_MOD)      ? JINJA_MOD
                                              : JINJA_IN;
        if (op == JINJA_IN) break;
        jp_step(p);
        left = binary(p, JINJA_BINARY, op, line, left, power(p));
    }
    return left;
}

static struct jinja_node *concatenation(struct jinja_parser *p)
{
    struct jinja_node *first = product(p), *n = NULL;
    if (!first || !jp_is(p, JT_TILDE)) return first;
    if (!(n = jp_node(p, JINJA_CONCAT, first->line)) || !jinja_nodes_add(p->src, &n->list, first))
        return NULL;
    while (jp_skip(p, JT_TILDE)) {
        if (!jinja_nodes_add(p->src, &n->list, product(p))) return NULL;
    }
    return jp_done(p, n);
}

static struct jinja_node *sum(struct jinja_parser *p)
{
    uint32_t line = jp_now(p)->line;
    struct jinja_node *left = concatenation(p);
    while (left && (jp_is(p, JT_ADD) || jp_is(p, JT_SUB))) {
        unsigned op = jp_is(p, JT_ADD) ? JINJA_ADD : JINJA_SUB;
        jp_step(p);
        left = binary(p, JINJA_BINARY, op, line, left, concatenation(p));
    }
    return left;
}

/* The comparison operator here, stepped over; false: none. */
static bool comparison_op(struct jinja_parser *p, unsigned *op)
{
    static const struct {
        uint8_t token, op;
    } ops[] = {{JT_EQ, JINJA_EQ}, {JT_NE, JINJA_NE}, {JT_LT, JINJA_LT},
               {JT_LE, JINJA_LE}, {JT_GT, JINJA_GT}, {JT_GE, JINJA_GE}};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        *op = ops[i].op;
        if (jp_skip(p, ops[i].token)) return true;
    }
    *op = JINJA_IN;
    if (jp_skip_name(p, "in")) return true;
    if (!jp_is_name(p, "not") || !jp_next_is(p, JT_NAME)) return false;
    *op = JINJA_NOT_IN;
    jp_step(p);
    if (jp_skip_name(p, "in")) return true;
    p->at--;
    return false;
}

static struct jinja_node *comparison(struct jinja_parser *p)
{
    uint32_t line = jp_now(p)->line;
    unsigned op;
    struct jinja_node *first = sum(p), *n = NULL;
    while (first && comparison_op(p, &op)) {
        if (!n && !(n = jp_node(p, JINJA_COMPARE, line))) return NULL;
        struct jinja_node *operand = jp_node(p, JINJA_OPERAND, line);
        if (!operand || !(operand->a = sum(p))) return NULL;
        operand->op = (uint8_t)op;
        if (!jinja_nodes_add(p->src, &n->list, jp_done(p, operand))) return NULL;
    }
    if (!n) return first;
    n->a = first;
    return jp_done(p, n);
}

static struct jinja_node *negation(struct jinja_parser *p)
{
    uint32_t line = jp_now(p)->line;
    if (!jp_skip_name(p, "not")) return comparison(p);
    struct jinja_node *n = jp_node(p, JINJA_NOT, line);
    if (!n || !jp_nest(p) || !(n->a = negation(p))) return NULL;
    p->nesting--;
    return jp_done(p, n);
}

static struct jinja_node *conjunction(struct jinja_parser *p)
{
    uint32_t line = jp_now(p)->line;
    struct jinja_node *left = negation(p);
    while (left && jp_skip_name(p, "and")) left = binary(p, JINJA_AND, 0, line, left, negation(p));
    return left;
}

static struct jinja_node *disjunction(struct jinja_parser *p)
{
    uint32_t line = jp_now(p)->line;
    struct jinja_node *left = conjunction(p);
    while (left && jp_skip_name(p, "or")) left = binary(p, JINJA_OR, 0, line, left, conjunction(p));
    return left;
}

static struct jinja_node *conditional(struct jinja_parser *p)
{
    uint32_t line = jp_now(p)->line;
    if (!jp_nest(p)) return NULL;
    struct jinja_node *value = disjunction(p);
    while (value && jp_skip_name(p, "if")) {
        struct jinja_node *n = jp_node(p, JINJA_COND, line);
        if (!n || !(n->a = disjunction(p))) return NULL;
        n->b = value;
        if (jp_skip_name(p, "else") && !(n->c = conditional(p))) return NULL;
        value = jp_done(p, n);
    }
    p->nesting--;
    return value;
}

/* ---- operands ---- */

static struct jinja_node *constant(struct jinja_parser *p, struct jv value)
{
    struct jinja_node *n = jp_node(p, JINJA_CONST, jp_now(p)->line);
    if (!n) return NULL;
    n->value = value;
    return jp_done(p, n);
}

static struct jinja_node *name(struct jinja_parser *p, bool attributes)
{
    const struct jinja_token *t = jp_now(p);
    static const struct {
        const char *text;
        uint8_t type, value;
    } words[] = {{"true", JV_BOOL, 1},  {"True", JV_BOOL, 1}, {"false", JV_BOOL, 0},
                 {"False", JV_BOOL, 0}, {"none", JV_NONE, 0}, {"None", JV_NONE, 0}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!jv_equals_text(t->value, words[i].text)) continue;
        struct jinja_node *n = constant(p, (struct jv){.type = words[i].type, .as.i = words[i].value});
        jp_step(p);
        return n;
    }
    struct jinja_node *n = jp_node(p, JINJA_NAME, t->line);
    if (!n) return NULL;
    n->name = t->value.as.s;
    n->name_len = t->value.len;
    jp_step(p);
    if (attributes && jp_skip(p, JT_DOT)) {
        n->kind = JINJA_NSREF;
        n->value = jp_now(p)->value;
        if (!jp_expect(p, JT_NAME)) return NULL;
    }
    return jp_done(p, n);
}

/* Strings side by side are one. */
static struct jinja_node *string(struct jinja_parser *p)
{
    struct jv value = jp_now(p)->value;
    uint32_t line = jp_now(p)->line;
    jp_step(p);
    while (jp_is(p, JT_STRING)) {
        struct jv more = jp_now(p)->value;
        size_t len = (size_t)value.len + more.len;
        char *both = hk_arena_alloc(p->src->arena, len, 1, p->src->err);
        if (!both) return NULL;
        if (value.len) memcpy(both, value.as.s, value.len);
        if (more.len) memcpy(both + value.len, more.as.s, more.len);
        value = jv_text(both, len);
        jp_step(p);
    }
    struct jinja_node *n = constant(p, value);
    if (n) n->line = line;
    return n;
}

static struct jinja_node *list(struct jinja_parser *p)
{
    struct jinja_node *n = jp_node(p, JINJA_LIST, jp_now(p)->line);
    if (!n || !jp_expect(p, JT_LBRACKET)) return NULL;
    while (!jp_is(p, JT_RBRACKET)) {
        if (n->list.n && !jp_expect(p, JT_COMMA)) return NULL;
        if (jp_is(p, JT_RBRACKET)) break;
        if (!jinja_nodes_add(p->src, &n->list, jp_expression(p))) return NULL;
    }
    jp_step(p);
    return jp_done(p, n);
}

static struct jinja_node *dict(struct jinja_parser *p)
{
    struct jinja_node *n = jp_node(p, JINJA_DICT, jp_now(p)->line);
    if (!n || !jp_expect(p, JT_LBRACE)) return NULL;
    while (!jp_is(p, JT_RBRACE)) {
        if (n->list.n && !jp_expect(p, JT_COMMA)) return NULL;
        if (jp_is(p, JT_RBRACE)) break;
        if (!jinja_nodes_add(p->src, &n->list, jp_expression(p)) || !jp_expect(p, JT_COLON) ||
            !jinja_nodes_add(p->src, &n->other, jp_expression(p)))
            return NULL;
    }
    jp_step(p);
    return jp_done(p, n);
}

static struct jinja_node *tuple(struct jinja_parser *p, bool targets, bool attributes, bool cond,
                                bool in_parentheses);

static struct jinja_node *primary(struct jinja_parser *p, bool attributes)
{
    struct jinja_node *n;
    switch (jp_now(p)->type) {
    case JT_NAME:
        return name(p, attributes);
    case JT_STRING:
        return string(p);
    case JT_INTEGER:
    case JT_FLOAT:
        n = constant(p, jp_now(p)->value);
        jp_step(p);
        return n;
    case JT_LPAREN:
        jp_step(p);
        n = tuple(p, false, false, true, true);
        return n && jp_expect(p, JT_RPAREN) ? n : NULL;
    case JT_LBRACKET:
        return list(p);
    case JT_LBRACE:
        return dict(p);
    default:
        jp_unexpected(p, "a value");
        return NULL;
    }
}

static bool tuple_ends(const struct jinja_parser *p)
{
    return jp_is(p, JT_VARIABLE_END) || jp_is(p, JT_BLOCK_END) || jp_is(p, JT_RPAREN);
}

static struct jinja_node *tuple(struct jinja_parser *p, bool targets, bool attributes, bool cond,
                                bool in_parentheses)
{
    struct jinja_node *n = jp_node(p, JINJA_TUPLE, jp_now(p)->line);
    bool is_tuple = false;
    if (!n) return NULL;
    while (!tuple_ends(p)) {
        struct jinja_node *item = targets ? primary(p, attributes) : cond ? conditional(p) : disjunction(p);
        if (!jinja_nodes_add(p->src, &n->list, item)) return NULL;
        if (!jp_skip(p, JT_COMMA)) break;
        is_tuple = true;
    }
    if (!is_tuple && n->list.n) return n->list.v[0];
    if (!is_tuple && !in_parentheses) {
        jp_unexpected(p, "an expression");
        return NULL;
    }
    return jp_done(p, n);
}

struct jinja_node *jp_tuple(struct jinja_parser *p, bool cond)
{
    return tuple(p, false, false, cond, false);
}

static bool can_assign(struct jinja_parser *p, const struct jinja_node *n)
{
    if (n->kind == JINJA_NAME || n->kind == JINJA_NSREF) return true;
    bool ok = n->kind == JINJA_TUPLE;
    for (uint32_t i = 0; ok && i < n->list.n; i++) {
        if (!can_assign(p, n->list.v[i])) return false;
    }
    return ok || jinja_syntax(p->src, n->line, "only names and tuples of names can be assigned to");
}

struct jinja_node *jp_target(struct jinja_parser *p, bool attributes)
{
    struct jinja_node *n = tuple(p, true, attributes, false, false);
    return n && can_assign(p, n) ? n : NULL;
}

/* ---- what follows an operand ---- */

static bool add_keyword(struct jinja_parser *p, struct jinja_call *c)
{
    if (c->n_kw == c->kw_capacity) {
        uint32_t capacity = c->kw_capacity ? 2 * c->kw_capacity : 4;
        struct jinja_keyword *kw = hk_arena_alloc(p->src->arena, capacity, sizeof *kw, p->src->err);
        if (!kw) return false;
        if (c->n_kw) memcpy(kw, c->kw, c->n_kw * sizeof *kw);
        c->kw = kw;
        c->kw_capacity = capacity;
    }
    struct jinja_keyword *k = &c->kw[c->n_kw];
    k->name = jp_now(p)->value.as.s;
    k->len = jp_now(p)->value.len;
    for (uint32_t i = 0; i < c->n_kw; i++) {
        if (c->kw[i].len == k->len && memcmp(c->kw[i].name, k->name, k->len) == 0)
            return jinja_syntax(p->src, jp_now(p)->line, "the argument '%.*s' is given twice", (int)k->len,
                                k->name);
    }
    c->n_kw++;
    jp_step(p);
    jp_step(p);
    return (k->value = jp_expression(p)) != NULL;
}

static bool argument(struct jinja_parser *p, struct jinja_call *c, uint32_t line)
{
    bool ordered = true, ok;
    if (jp_skip(p, JT_MUL)) {
        ordered = !c->dyn_pos && !c->dyn_kw;
        ok = (c->dyn_pos = jp_expression(p)) != NULL;
    } else if (jp_skip(p, JT_POW)) {
        ordered = !c->dyn_kw;
        ok = (c->dyn_kw = jp_expression(p)) != NULL;
    } else if (jp_is(p, JT_NAME) && jp_next_is(p, JT_ASSIGN)) {
        ordered = !c->dyn_kw;
        ok = add_keyword(p, c);
    } else {
        ordered = !c->dyn_pos && !c->dyn_kw && !c->n_kw;
        ok = jinja_nodes_add(p->src, &c->pos, jp_expression(p));
    }
    return ok && (ordered || jinja_syntax(p->src, line,
                                          "arguments in the wrong order: first those without a "
                                          "name, then name=value, *list, **dict"));
}

static struct jinja_call *arguments(struct jinja_parser *p)
{
    uint32_t line = jp_now(p)->line;
    struct jinja_call *c = hk_arena_alloc(p->src->arena, 1, sizeof *c, p->src->err);
    bool first = true;
    if (!c || !jp_expect(p, JT_LPAREN)) return NULL;
    for (; !jp_is(p, JT_RPAREN); first = false) {
        if (!first && !jp_expect(p, JT_COMMA)) return NULL;
        if (!first && jp_is(p, JT_RPAREN)) break;
        if (!argument(p, c, line)) return NULL;
    }
    jp_step(p);
    return c;
}

/* One index, or start:stop:step. */
static struct jinja_node *subscript(struct jinja_parser *p)
{
    struct jinja_node *first = NULL, *n;
    uint32_t line = jp_now(p)->line;
    if (!jp_is(p, JT_COLON) && !(first = jp_expression(p))) return NULL;
    if (!jp_skip(p, JT_COLON)) return first;
    if (!(n = jp_node(p, JINJA_SLICE, line))) return NULL;
    n->a = first;
    if (!jp_is(p, JT_COLON) && !jp_is(p, JT_RBRACKET) && !jp_is(p, JT_COMMA) && !(n->b = jp_expression(p)))
        return NULL;
    if (jp_skip(p, JT_COLON) && !jp_is(p, JT_RBRACKET) && !jp_is(p, JT_COMMA) && !(n->c = jp_expression(p)))
        return NULL;
    return jp_done(p, n);
}

static struct jinja_node *item(struct jinja_parser *p, struct jinja_node *a)
{
    struct jinja_node *n = jp_node(p, JINJA_GETITEM, jp_now(p)->line);
    struct jinja_nodes keys = {0};
    if (!n) return NULL;
    jp_step(p);
    while (!jp_is(p, JT_RBRACKET)) {
        if (keys.n && !jp_expect(p, JT_COMMA)) return NULL;
        if (!jinja_nodes_add(p->src, &keys, subscript(p))) return NULL;
    }
    jp_step(p);
    n->a = a;
    if (keys.n == 1) {
        n->b = keys.v[0];
        return jp_done(p, n);
    }
    struct jinja_node *all = jp_node(p, JINJA_TUPLE, n->line);
    if (!all) return NULL;
    all->list = keys;
    return (n->b = jp_done(p, all)) ? jp_done(p, n) : NULL;
}

static struct jinja_node *attribute(struct jinja_parser *p, struct jinja_node *a)
{
    struct jinja_node *n = jp_node(p, JINJA_GETATTR, jp_now(p)->line);
    if (!n) return NULL;
    jp_step(p);
    n->a = a;
    n->value = jp_now(p)->value;
    if (jp_is(p, JT_INTEGER)) {
        n->kind = JINJA_GETITEM;
        if (!(n->b = constant(p, n->value))) return NULL;
    } else if (!jp_is(p, JT_NAME)) {
        jp_unexpected(p, "a name or a number");
        return NULL;
    }
    jp_step(p);
    return jp_done(p, n);
}

static struct jinja_node *call(struct jinja_parser *p, struct jinja_node *a)
{
    struct jinja_node *n = jp_node(p, JINJA_CALL, jp_now(p)->line);
    if (!n || !(n->call = arguments(p))) return NULL;
    n->a = a;
    return jp_done(p, n);
}

static struct jinja_node *postfix(struct jinja_parser *p, struct jinja_node *n)
{
    while (n) {
        if (jp_is(p, JT_DOT))
            n = attribute(p, n);
        else if (jp_is(p, JT_LBRACKET))
            n = item(p, n);
        else if (jp_is(p, JT_LPAREN))
            n = call(p, n);
        else
            break;
    }
    return n;
}

/* The name of a filter or test: one word, or several with points between. */
static bool dotted_name(struct jinja_parser *p, struct jinja_node *n)
{
    n->name = jp_now(p)->value.as.s;
    n->name_len = jp_now(p)->value.len;
    if (!jp_expect(p, JT_NAME)) return false;
    while (jp_skip(p, JT_DOT)) {
        struct jv more = jp_now(p)->value;
        if (!jp_expect(p, JT_NAME)) return false;
        n->name_len = (uint32_t)(more.as.s + more.len - n->name); /* both point into the template's text */
    }
    return true;
}

bool jp_filters(struct jinja_parser *p, struct jinja_node *a, bool inline_name, struct jinja_node **out)
{
    *out = a;
    while (inline_name || jp_skip(p, JT_PIPE)) {
        struct jinja_node *n = jp_node(p, JINJA_FILTER, jp_now(p)->line);
        if (!n || !dotted_name(p, n)) return false;
        if (jp_is(p, JT_LPAREN) && !(n->call = arguments(p))) return false;
        n->a = *out;
        inline_name = false;
        if (!(*out = jp_done(p, n))) return false;
    }
    return true;
}

static bool starts_test_argument(const struct jinja_parser *p)
{
    switch (jp_now(p)->type) {
    case JT_NAME:
        return !jp_is_name(p, "else") && !jp_is_name(p, "or") && !jp_is_name(p, "and");
    case JT_STRING:
    case JT_INTEGER:
    case JT_FLOAT:
    case JT_LBRACKET:
    case JT_LBRACE:
        return true;
    default:
        return false;
    }
}

static struct jinja_node *test(struct jinja_parser *p, struct jinja_node *a)
{
    uint32_t line = jp_now(p)->line;
    jp_step(p);
    bool negated = jp_skip_name(p, "not");
    struct jinja_node *n = jp_node(p, JINJA_TEST, line), *arg;
    if (!n || !dotted_name(p, n)) return NULL;
    n->a = a;
    if (jp_is(p, JT_LPAREN)) {
        if (!(n->call = arguments(p))) return NULL;
    } else if (starts_test_argument(p)) {
        if (jp_is_name(p, "is")) {
            jinja_syntax(p->src, line, "tests cannot be chained with 'is'");
            return NULL;
        }
        n->call = hk_arena_alloc(p->src->arena, 1, sizeof *n->call, p->src->err);
        arg = n->call ? postfix(p, primary(p, false)) : NULL;
        if (!arg || !jinja_nodes_add(p->src, &n->call->pos, arg)) return NULL;
    }
    if (!(n = jp_done(p, n)) || !negated) return n;
    struct jinja_node *no = jp_node(p, JINJA_NOT, line);
    if (!no) return NULL;
    no->a = n;
    return jp_done(p, no);
}

static struct jinja_node *unary(struct jinja_parser *p, bool with_filters)
{
    uint32_t line = jp_now(p)->line;
    struct jinja_node *n;
    if (jp_is(p, JT_SUB) || jp_is(p, JT_ADD)) {
        if (!(n = jp_node(p, jp_is(p, JT_SUB) ? JINJA_NEG : JINJA_POS, line)) || !jp_nest(p)) return NULL;
        jp_step(p);
        if (!(n->a = unary(p, false))) return NULL;
        p->nesting--;
        n = jp_done(p, n);
    } else {
        n = primary(p, false);
    }
    n = postfix(p, n);
    while (n && with_filters) {
        if (jp_is(p, JT_PIPE)) {
            if (!jp_filters(p, n, false, &n)) return NULL;
        } else if (jp_is_name(p, "is")) {
            n = test(p, n);
        } else if (jp_is(p, JT_LPAREN)) {
            n = call(p, n);
        } else {
            break;
        }
    }
    return n;
}

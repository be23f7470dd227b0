/* Statements: tokens -> a template's tree. */
#include "loader/jinja/parse.h"

#include <stdio.h>
#include <stdlib.h>

static bool fail_at(const struct jinja_source *src, enum hk_code code, uint32_t line, const char *fmt,
                    va_list args)
{
    char text[400];
    vsnprintf(text, sizeof text, fmt, args);
    return hk_fail(src->err, code, "line %u: %s", (unsigned)line, text);
}

bool jinja_syntax(const struct jinja_source *src, uint32_t line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_at(src, HK_ERR_FORMAT, line, fmt, args);
    va_end(args);
    return false;
}

bool jinja_unsupported(const struct jinja_source *src, uint32_t line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_at(src, HK_ERR_UNSUPPORTED, line, fmt, args);
    va_end(args);
    return false;
}

bool jinja_nodes_add(const struct jinja_source *src, struct jinja_nodes *l, struct jinja_node *n)
{
    if (!n) return false;
    if (l->n == l->capacity) {
        uint32_t capacity = l->capacity ? 2 * l->capacity : 4;
        struct jinja_node **v = hk_arena_alloc(src->arena, capacity, sizeof(struct jinja_node *), src->err);
        if (!v) return false;
        if (l->n) memcpy(v, l->v, l->n * sizeof(struct jinja_node *));
        l->v = v;
        l->capacity = capacity;
    }
    l->v[l->n++] = n;
    return true;
}

/* ---- bodies ---- */

static struct jinja_node *statement(struct jinja_parser *p);

enum { MAX_ENDS = 3 };

static bool at_end_word(const struct jinja_parser *p, const char *const ends[MAX_ENDS])
{
    for (size_t i = 0; ends && i < MAX_ENDS && ends[i]; i++) {
        if (jp_is_name(p, ends[i])) return true;
    }
    return false;
}

static bool flush(struct jinja_parser *p, struct jinja_nodes *body, struct jinja_node **output)
{
    if (!*output) return true;
    bool ok = jinja_nodes_add(p->src, body, jp_done(p, *output));
    *output = NULL;
    return ok;
}

/* Text or {{ }}: one more thing that *output writes. */
static bool add_output(struct jinja_parser *p, struct jinja_node **output)
{
    const struct jinja_token *t = jp_now(p);
    struct jinja_node *n;
    if (!*output && !(*output = jp_node(p, JINJA_OUTPUT, t->line))) return false;
    jp_step(p);
    if (t->type == JT_VARIABLE_BEGIN) {
        n = jp_tuple(p, true);
        return jinja_nodes_add(p->src, &(*output)->list, n) && jp_expect(p, JT_VARIABLE_END);
    }
    if (!(n = jp_node(p, JINJA_CONST, t->line))) return false;
    n->value = t->value;
    return jinja_nodes_add(p->src, &(*output)->list, jp_done(p, n));
}

/* Statements up to a tag whose word is one of ends, which is then the token; NULL: up to the template's end. */
static bool statements(struct jinja_parser *p, const char *const ends[MAX_ENDS], struct jinja_nodes *body)
{
    struct jinja_node *output = NULL;
    while (!jp_is(p, JT_EOF)) {
        if (!jp_is(p, JT_BLOCK_BEGIN)) {
            if (!add_output(p, &output)) return false;
            continue;
        }
        if (!flush(p, body, &output)) return false;
        jp_step(p);
        if (at_end_word(p, ends)) return true;
        if (!jinja_nodes_add(p->src, body, statement(p)) || !jp_expect(p, JT_BLOCK_END)) return false;
    }
    return flush(p, body, &output);
}

/* The body of a statement whose tag is just being read, with the colon that Python allows. */
static bool body_until(struct jinja_parser *p, uint32_t line, const char *const ends[MAX_ENDS],
                       struct jinja_nodes *body)
{
    jp_skip(p, JT_COLON);
    if (!jp_expect(p, JT_BLOCK_END) || !statements(p, ends, body)) return false;
    if (!jp_is(p, JT_EOF)) return true;
    const char *last = ends[0];
    for (size_t i = 1; i < MAX_ENDS && ends[i]; i++) last = ends[i];
    return jinja_syntax(p->src, line, "a block has no {%% %s %%}", last);
}

static bool body_of(struct jinja_parser *p, struct jinja_node *n, const char *end)
{
    const char *const ends[MAX_ENDS] = {end};
    if (!body_until(p, n->line, ends, &n->list)) return false;
    jp_step(p);
    return true;
}

/* The body of what is a function of its own: no {% break %} leaves it. */
static bool body_of_function(struct jinja_parser *p, struct jinja_node *n, const char *end)
{
    unsigned loops = p->loops;
    p->loops = 0;
    bool ok = body_of(p, n, end);
    p->loops = loops;
    return ok;
}

/* ---- statements; each starts at its word ---- */

static bool parse_set(struct jinja_parser *p, struct jinja_node *n)
{
    if (!(n->a = jp_target(p, true))) return false;
    if (jp_skip(p, JT_ASSIGN)) return (n->b = jp_tuple(p, true)) != NULL;
    n->kind = JINJA_SET_BLOCK;
    return jp_filters(p, NULL, false, &n->b) && body_of(p, n, "endset");
}

static bool parse_for(struct jinja_parser *p, struct jinja_node *n)
{
    static const char *const ends[MAX_ENDS] = {"else", "endfor"};
    if (!(n->a = jp_target(p, false))) return false;
    if (!jp_skip_name(p, "in")) return jp_unexpected(p, "'in'");
    if (!(n->b = jp_tuple(p, false))) return false;
    if (jp_skip_name(p, "if") && !(n->c = jp_expression(p))) return false;
    if (jp_skip_name(p, "recursive")) n->op = JINJA_RECURSIVE;
    p->loops++;
    if (!body_until(p, n->line, ends, &n->list)) return false;
    p->loops--;
    bool more = jp_is_name(p, "else");
    jp_step(p);
    if (!more) return true;
    const char *const last[MAX_ENDS] = {"endfor"};
    if (!body_until(p, n->line, last, &n->other)) return false;
    jp_step(p);
    return true;
}

/* elif chains hang in `other` one below the other, so that their number does not count as depth: each is an
 * element of the first one's list. */
static bool parse_if(struct jinja_parser *p, struct jinja_node *n)
{
    static const char *const ends[MAX_ENDS] = {"elif", "else", "endif"};
    struct jinja_node *branch = n;
    for (;;) {
        if (!(branch->a = jp_tuple(p, false)) || !body_until(p, branch->line, ends, &branch->list))
            return false;
        uint32_t line = jp_now(p)->line;
        if (!jp_skip_name(p, "elif")) break;
        if (branch != n && !jp_done(p, branch)) return false;
        if (!(branch = jp_node(p, JINJA_IF, line)) || !jinja_nodes_add(p->src, &n->other, branch))
            return false;
    }
    if (branch != n && !jp_done(p, branch)) return false;
    bool more = jp_is_name(p, "else");
    jp_step(p);
    if (!more) return true;
    /* the else: an if that is always taken */
    const char *const last[MAX_ENDS] = {"endif"};
    if (!(branch = jp_node(p, JINJA_IF, jp_now(p)->line)) || !body_until(p, n->line, last, &branch->list))
        return false;
    jp_step(p);
    return jinja_nodes_add(p->src, &n->other, jp_done(p, branch));
}

/* Whether one of the nodes has that name already. */
static bool is_named(const struct jinja_nodes *l, const struct jinja_node *n)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->v[i]->name_len == n->name_len && memcmp(l->v[i]->name, n->name, n->name_len) == 0) return true;
    }
    return false;
}

static bool parse_signature(struct jinja_parser *p, struct jinja_node *n)
{
    if (!jp_expect(p, JT_LPAREN)) return false;
    while (!jp_is(p, JT_RPAREN)) {
        if (n->params.n && !jp_expect(p, JT_COMMA)) return false;
        struct jinja_node *name = jp_node(p, JINJA_NAME, jp_now(p)->line);
        if (!name) return false;
        name->name = jp_now(p)->value.as.s;
        name->name_len = jp_now(p)->value.len;
        if (!jp_expect(p, JT_NAME)) return false;
        if (n->params.n >= JINJA_MAX_NAMES || is_named(&n->params, name))
            return jinja_syntax(p->src, n->line, "more than %d parameters, or two of one name",
                                JINJA_MAX_NAMES);
        if (!jinja_nodes_add(p->src, &n->params, jp_done(p, name))) return false;
        if (jp_skip(p, JT_ASSIGN)) {
            if (!jinja_nodes_add(p->src, &n->defaults, jp_expression(p))) return false;
        } else if (n->defaults.n) {
            return jinja_syntax(p->src, n->line, "a parameter without a default follows one with a default");
        }
    }
    jp_step(p);
    return true;
}

static bool parse_macro(struct jinja_parser *p, struct jinja_node *n)
{
    struct jinja_node *name = jp_node(p, JINJA_NAME, n->line);
    if (!name) return false;
    name->name = jp_now(p)->value.as.s;
    name->name_len = jp_now(p)->value.len;
    return jp_expect(p, JT_NAME) && (n->a = jp_done(p, name)) && parse_signature(p, n) &&
           body_of_function(p, n, "endmacro");
}

static bool parse_call(struct jinja_parser *p, struct jinja_node *n)
{
    if (jp_is(p, JT_LPAREN) && !parse_signature(p, n)) return false;
    if (!(n->b = jp_expression(p))) return false;
    if (n->b->kind != JINJA_CALL) return jinja_syntax(p->src, n->line, "{%% call %%} wants a call");
    return body_of_function(p, n, "endcall");
}

static bool parse_filter(struct jinja_parser *p, struct jinja_node *n)
{
    return jp_filters(p, NULL, true, &n->b) && body_of(p, n, "endfilter");
}

static bool parse_with(struct jinja_parser *p, struct jinja_node *n)
{
    while (!jp_is(p, JT_BLOCK_END)) {
        if (n->params.n && !jp_expect(p, JT_COMMA)) return false;
        if (!jinja_nodes_add(p->src, &n->params, jp_target(p, false)) || !jp_expect(p, JT_ASSIGN) ||
            !jinja_nodes_add(p->src, &n->defaults, jp_expression(p)))
            return false;
    }
    return body_of(p, n, "endwith");
}

static bool parse_block(struct jinja_parser *p, struct jinja_node *n)
{
    n->name = jp_now(p)->value.as.s;
    n->name_len = jp_now(p)->value.len;
    if (!jp_expect(p, JT_NAME)) return false;
    if (jp_skip_name(p, "scoped")) n->op = 1;
    if (jp_is_name(p, "required"))
        return jinja_unsupported(p->src, n->line, "a required block: a chat template stands alone");
    if (p->blocks.n >= JINJA_MAX_NAMES || is_named(&p->blocks, n))
        return jinja_syntax(p->src, n->line, "more than %d blocks, or two of one name", JINJA_MAX_NAMES);
    if (!jinja_nodes_add(p->src, &p->blocks, n) || !body_of_function(p, n, "endblock")) return false;
    if (jp_is(p, JT_NAME) && jp_now(p)->value.len == n->name_len &&
        memcmp(jp_now(p)->value.as.s, n->name, n->name_len) == 0)
        jp_step(p);
    return true;
}

static bool parse_generation(struct jinja_parser *p, struct jinja_node *n)
{
    return body_of_function(p, n, "endgeneration");
}

static bool parse_loop_control(struct jinja_parser *p, struct jinja_node *n)
{
    if (p->loops) return true;
    return jinja_syntax(p->src, n->line, "{%% %s %%} outside of a loop",
                        n->kind == JINJA_BREAK ? "break" : "continue");
}

static bool parse_print(struct jinja_parser *p, struct jinja_node *n)
{
    while (!jp_is(p, JT_BLOCK_END)) {
        if (n->list.n && !jp_expect(p, JT_COMMA)) return false;
        if (!jinja_nodes_add(p->src, &n->list, jp_expression(p))) return false;
    }
    return true;
}

static bool parse_refused(struct jinja_parser *p, struct jinja_node *n)
{
    return jinja_unsupported(p->src, n->line,
                             "{%% %.*s %%}: a chat template stands alone and writes plain text",
                             (int)p->tokens[p->at - 1].value.len, p->tokens[p->at - 1].value.as.s);
}

static const struct {
    const char *word;
    enum jinja_kind kind;
    bool (*parse)(struct jinja_parser *p, struct jinja_node *n);
} statement_words[] = {
    {"if", JINJA_IF, parse_if},
    {"for", JINJA_FOR, parse_for},
    {"set", JINJA_SET, parse_set},
    {"macro", JINJA_MACRO, parse_macro},
    {"call", JINJA_CALL_BLOCK, parse_call},
    {"filter", JINJA_FILTER_BLOCK, parse_filter},
    {"with", JINJA_WITH, parse_with},
    {"block", JINJA_BLOCK, parse_block},
    {"generation", JINJA_GENERATION, parse_generation},
    {"break", JINJA_BREAK, parse_loop_control},
    {"continue", JINJA_CONTINUE, parse_loop_control},
    {"print", JINJA_OUTPUT, parse_print},
    {"include", JINJA_OUTPUT, parse_refused},
    {"import", JINJA_OUTPUT, parse_refused},
    {"from", JINJA_OUTPUT, parse_refused},
    {"extends", JINJA_OUTPUT, parse_refused},
    {"autoescape", JINJA_OUTPUT, parse_refused},
};

static struct jinja_node *statement(struct jinja_parser *p)
{
    const struct jinja_token *t = jp_now(p);
    for (size_t i = 0; i < sizeof statement_words / sizeof statement_words[0]; i++) {
        if (!jp_is_name(p, statement_words[i].word)) continue;
        struct jinja_node *n = jp_node(p, statement_words[i].kind, t->line);
        jp_step(p);
        if (!n || !jp_nest(p) || !statement_words[i].parse(p, n)) return NULL;
        p->nesting--;
        return jp_done(p, n);
    }
    if (t->type != JT_NAME)
        jp_unexpected(p, "a statement's name");
    else
        jinja_syntax(p->src, t->line, "'%.*s' is no statement that may stand here",
                     (int)(t->value.len < 60 ? t->value.len : 60), t->value.as.s);
    return NULL;
}

bool jinja_parse(const struct jinja_source *src, const char *text, size_t len, struct jinja_nodes *body)
{
    struct jinja_tokens tokens = {0};
    bool ok = jinja_lex(src, text, len, &tokens);
    struct jinja_parser p = {.src = src, .tokens = tokens.v};
    ok = ok && statements(&p, NULL, body);
    free(tokens.v);
    return ok;
}

/* What the parser of statements and that of expressions share. Internal to the chat templates.
 * Functions return NULL or false after an error. */
#ifndef HEKLA_LOADER_JINJA_PARSE_H
#define HEKLA_LOADER_JINJA_PARSE_H

#include "loader/jinja/lex.h"

enum { JINJA_MAX_NESTING = 150 }; /* expressions and blocks within one another while parsing */

struct jinja_parser {
    const struct jinja_source *src;
    const struct jinja_token *tokens;
    size_t at;
    unsigned nesting;
    unsigned loops;            /* open {% for %}s that a {% break %} here would leave */
    struct jinja_nodes blocks; /* the {% block %}s so far */
};

static inline const struct jinja_token *jp_now(const struct jinja_parser *p)
{
    return &p->tokens[p->at];
}
static inline bool jp_is(const struct jinja_parser *p, enum jinja_token_type type)
{
    return jp_now(p)->type == type;
}
bool jp_is_name(const struct jinja_parser *p, const char *name); /* the token is that word */
bool jp_next_is(const struct jinja_parser *p, enum jinja_token_type type);
void jp_step(struct jinja_parser *p); /* never beyond the end */
bool jp_skip(struct jinja_parser *p, enum jinja_token_type type);
bool jp_skip_name(struct jinja_parser *p, const char *name);
bool jp_expect(struct jinja_parser *p, enum jinja_token_type type);
bool jp_unexpected(struct jinja_parser *p, const char *wanted); /* an error about this token */

struct jinja_node *jp_node(struct jinja_parser *p, enum jinja_kind kind, uint32_t line);
/* Takes n's height from its children and returns it; NULL when it is too high. */
struct jinja_node *jp_done(struct jinja_parser *p, struct jinja_node *n);
bool jp_nest(struct jinja_parser *p);

struct jinja_node *jp_expression(struct jinja_parser *p);
/* An expression, or several with commas between, which are a tuple. Without `conditional` an `if` is not part
 * of it. */
struct jinja_node *jp_tuple(struct jinja_parser *p, bool conditional);
/* What can be assigned to: a name, a namespace's attribute where allowed, or a tuple of them. */
struct jinja_node *jp_target(struct jinja_parser *p, bool attributes);
/* "|name(...)" as often as there are; with `inline_name` the first bar is not there. NULL with no filter and
 * no error leaves *out NULL. */
bool jp_filters(struct jinja_parser *p, struct jinja_node *a, bool inline_name, struct jinja_node **out);

#endif

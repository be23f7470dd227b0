/* Template text -> tokens. Internal to the chat templates. */
#ifndef HEKLA_LOADER_JINJA_LEX_H
#define HEKLA_LOADER_JINJA_LEX_H

#include "loader/jinja/ast.h"

enum jinja_token_type {
    JT_EOF,
    JT_DATA,
    JT_VARIABLE_BEGIN,
    JT_VARIABLE_END,
    JT_BLOCK_BEGIN,
    JT_BLOCK_END,
    JT_NAME,
    JT_STRING,
    JT_INTEGER,
    JT_FLOAT,
    JT_ADD,
    JT_SUB,
    JT_DIV,
    JT_FLOORDIV,
    JT_MUL,
    JT_MOD,
    JT_POW,
    JT_TILDE,
    JT_LBRACKET,
    JT_RBRACKET,
    JT_LPAREN,
    JT_RPAREN,
    JT_LBRACE,
    JT_RBRACE,
    JT_EQ,
    JT_NE,
    JT_GT,
    JT_GE,
    JT_LT,
    JT_LE,
    JT_ASSIGN,
    JT_DOT,
    JT_COLON,
    JT_PIPE,
    JT_COMMA,
    JT_SEMICOLON,
};

struct jinja_token {
    uint8_t type;
    uint32_t line;
    struct jv value; /* data, names, strings: text; numbers: the number */
};
struct jinja_tokens {
    struct jinja_token *v; /* the last is JT_EOF; free(v) */
    size_t n, capacity;
};

/* text must be UTF-8 that lives as long as the tokens, its line ends already "\n". */
bool jinja_lex(const struct jinja_source *src, const char *text, size_t len, struct jinja_tokens *out);

const char *jinja_token_name(const struct jinja_token *t); /* for errors: "'%}'", "a name" */

#endif

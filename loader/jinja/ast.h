/* A parsed template: its tree, and which frame's slot each name means. Internal to the chat templates. */
#ifndef HEKLA_LOADER_JINJA_AST_H
#define HEKLA_LOADER_JINJA_AST_H

#include "loader/jinja/value.h"

/* Each kind with the fields it uses. A body is `list`; an expression that may be absent is NULL. */
enum jinja_kind {
    /* statements */
    JINJA_OUTPUT,       /* list: expressions whose texts are written */
    JINJA_FOR,          /* target a, over b, if c; body list, else other; op: recursive, extended */
    JINJA_IF,           /* a; body list; other: the elifs' and the else's statements */
    JINJA_SET,          /* target a = b */
    JINJA_SET_BLOCK,    /* target a, filter b; body list */
    JINJA_MACRO,        /* target a (a name); params, defaults; body list */
    JINJA_CALL_BLOCK,   /* the call b; params, defaults; body list */
    JINJA_FILTER_BLOCK, /* filter b; body list */
    JINJA_WITH,         /* params = defaults; body list */
    JINJA_BLOCK,        /* body list; op: scoped */
    JINJA_GENERATION,   /* body list */
    JINJA_BREAK,
    JINJA_CONTINUE,
    /* targets and expressions */
    JINJA_NAME,    /* name; hops, slot */
    JINJA_NSREF,   /* name, hops, slot: the namespace; value: the attribute */
    JINJA_CONST,   /* value */
    JINJA_TUPLE,   /* list */
    JINJA_LIST,    /* list */
    JINJA_DICT,    /* list: keys, other: values */
    JINJA_COND,    /* b if a else c */
    JINJA_AND,     /* a, b */
    JINJA_OR,      /* a, b */
    JINJA_NOT,     /* a */
    JINJA_NEG,     /* a */
    JINJA_POS,     /* a */
    JINJA_BINARY,  /* a op b; op: enum jinja_op */
    JINJA_COMPARE, /* a, then list: JINJA_OPERANDs */
    JINJA_OPERAND, /* op a */
    JINJA_CONCAT,  /* list */
    JINJA_GETATTR, /* a.value */
    JINJA_GETITEM, /* a[b] */
    JINJA_SLICE,   /* a:b:c */
    JINJA_CALL,    /* a(call) */
    JINJA_FILTER,  /* a|name(call); a NULL: the block's text */
    JINJA_TEST,    /* a is name(call) */
};

enum jinja_op {
    JINJA_ADD,
    JINJA_SUB,
    JINJA_MUL,
    JINJA_DIV,
    JINJA_FLOORDIV,
    JINJA_MOD,
    JINJA_POW,
    JINJA_EQ,
    JINJA_NE,
    JINJA_LT,
    JINJA_LE,
    JINJA_GT,
    JINJA_GE,
    JINJA_IN,
    JINJA_NOT_IN,
};

enum jinja_for_flags { JINJA_RECURSIVE = 1, JINJA_EXTENDED = 2 /* uses `loop` */ };

struct jinja_nodes {
    struct jinja_node **v;
    uint32_t n, capacity;
};

struct jinja_keyword {
    const char *name;
    uint32_t len;
    struct jinja_node *value;
};
/* (pos, ..., name=value, ..., *dyn_pos, **dyn_kw) */
struct jinja_call {
    struct jinja_nodes pos;
    struct jinja_keyword *kw;
    uint32_t n_kw, kw_capacity;
    struct jinja_node *dyn_pos, *dyn_kw;
};

struct jinja_node {
    uint8_t kind, op;
    bool exported;   /* a name set outside of any block: later blocks see it */
    uint16_t height; /* of the tree below */
    uint16_t hops, slot;
    uint32_t line;
    struct jinja_node *a, *b, *c;
    struct jinja_nodes list, other;
    struct jinja_nodes params, defaults; /* names; the last of them have defaults */
    const char *name;
    uint32_t name_len;
    struct jv value;
    const struct jinja_builtin *builtin; /* the filter or test; NULL: there is none of that name */
    struct jinja_call *call;
    struct jinja_scope *scope;                   /* the frame that the body opens */
    struct jinja_node *test_target;              /* for: the target again, in the frame of the test */
    struct jinja_scope *test_scope, *else_scope; /* for */
    struct jinja_symbol *loop, *caller, *kwargs, *varargs; /* in scope, or NULL where not used */
};

enum jinja_load {                       /* what a slot holds when its frame is entered */
                  JINJA_LOAD_PARAMETER, /* what was put there before */
                  JINJA_LOAD_RESOLVE,   /* the variable of that name */
                  JINJA_LOAD_ALIAS,     /* what an outer frame's slot holds */
                  JINJA_LOAD_UNDEFINED,
};
struct jinja_symbol {
    const char *name;
    uint32_t len;
    uint8_t load;
    bool stored;
    uint16_t slot;
    uint16_t hops, outer; /* JINJA_LOAD_ALIAS */
    struct jinja_symbol *next;
};
/* One frame's names. Frames nest as the template's blocks do. */
struct jinja_scope {
    struct jinja_scope *parent;
    struct jinja_symbol *first, *last;
    uint16_t n;
};

enum {
    JINJA_MAX_HEIGHT = 250,     /* of a tree */
    JINJA_MAX_SOURCE = 2 << 20, /* bytes of a template */
    JINJA_MAX_NAMES = 1000,     /* in one frame */
};

struct hk_chat_template {
    struct hk_arena arena;
    struct jinja_nodes body;
    struct jinja_scope *scope;
};

/* ---- from text to tree ---- */

/* Everything of one parse: its memory is the template's; errors are "line N: ...". */
struct jinja_source {
    struct hk_arena *arena;
    struct hk_error *err;
};
/* Fills *err with "line N: ..." and returns false. */
bool jinja_syntax(const struct jinja_source *src, uint32_t line, const char *fmt, ...) HK_PRINTF(3, 4);
bool jinja_unsupported(const struct jinja_source *src, uint32_t line, const char *fmt, ...) HK_PRINTF(3, 4);
bool jinja_nodes_add(const struct jinja_source *src, struct jinja_nodes *l, struct jinja_node *n);

bool jinja_parse(const struct jinja_source *src, const char *text, size_t len, struct jinja_nodes *body);
/* Decides which slot each name means. */
bool jinja_resolve_names(const struct jinja_source *src, struct hk_chat_template *t);

#endif

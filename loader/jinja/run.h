/* Evaluating: frames, loops, macros, operators. Internal to the chat templates. */
#ifndef HEKLA_LOADER_JINJA_RUN_H
#define HEKLA_LOADER_JINJA_RUN_H

#include "loader/jinja/chat_template.h"
#include "loader/jinja/ast.h"
#include "loader/jinja/builtins.h"

struct jinja_frame {
    struct jinja_frame *parent;
    const struct jinja_scope *scope;
    struct jv slots[];
};

struct jinja_macro {
    const struct jinja_node *node; /* JINJA_MACRO or JINJA_CALL_BLOCK */
    struct jinja_frame *frame;     /* where it was defined */
};

struct jinja_loop {
    struct jinja_iter *iter;
    struct jv iterable, before, current, after; /* after: peeked, or missing */
    struct jv changed;                          /* what loop.changed() was last given */
    int64_t index0, length;                     /* length -1: not asked for yet */
    int64_t depth0;
    const struct jinja_node *recursive; /* the {% for %}, or NULL */
    struct jinja_frame *frame;          /* around it */
};

enum jinja_flow { JINJA_NORMAL, JINJA_BROKEN, JINJA_CONTINUED, JINJA_FAILED };

/* ---- statements (exec.c, loop.c) ---- */

enum jinja_flow jinja_exec(struct jinja_run *r, const struct jinja_nodes *body, struct jinja_frame *f);
/* A new frame whose slots hold what the scope says. NULL: an error. */
struct jinja_frame *jinja_frame_new(struct jinja_run *r, const struct jinja_scope *s,
                                    struct jinja_frame *parent);
bool jinja_frame_load(struct jinja_run *r, struct jinja_frame *f);
bool jinja_assign(struct jinja_run *r, const struct jinja_node *target, struct jinja_frame *f, struct jv v);
/* The body's text instead of writing it. */
enum jinja_flow jinja_capture(struct jinja_run *r, const struct jinja_nodes *body, struct jinja_frame *f,
                              struct jv *text);

enum jinja_flow jinja_for(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f);
bool jinja_loop_attr(struct jinja_run *r, struct jinja_loop *l, struct jv name, struct jv *out);
bool jinja_loop_length(struct jinja_run *r, struct jinja_loop *l, int64_t *out);
bool jinja_loop_call(struct jinja_run *r, struct jinja_loop *l, const struct jinja_args *args,
                     struct jv *out);
const struct jinja_builtin *jinja_loop_method(const char *name, size_t len);
bool jinja_append_loop(struct jinja_run *r, struct jv *acc, struct jinja_loop *l);

bool jinja_macro_call(struct jinja_run *r, const struct jinja_macro *m, const struct jinja_args *args,
                      struct jv *out);
bool jinja_append_macro(struct jinja_run *r, struct jv *acc, const struct jinja_macro *m);

/* ---- expressions (eval.c) ---- */

bool jinja_eval(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv *out);
/* A filter node; `text` is the block's text where it filters one. */
bool jinja_eval_filter(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv text,
                       struct jv *out);
bool jinja_call_value(struct jinja_run *r, struct jv callee, const struct jinja_args *args, struct jv *out);
/* A call whose arguments get one more, caller=macro, where macro is not missing. */
bool jinja_eval_call(struct jinja_run *r, const struct jinja_node *n, struct jinja_frame *f, struct jv macro,
                     struct jv *out);

/* ---- operators (ops.c) ---- */

bool jinja_binary(struct jinja_run *r, enum jinja_op op, struct jv a, struct jv b, struct jv *out);
bool jinja_negate(struct jinja_run *r, struct jv v, struct jv *out);
bool jinja_compare(struct jinja_run *r, enum jinja_op op, struct jv a, struct jv b, bool *out);
bool jinja_getattr(struct jinja_run *r, struct jv v, struct jv name, struct jv *out); /* v.name */
bool jinja_getitem(struct jinja_run *r, struct jv v, struct jv key, struct jv *out);  /* v[key] */
/* v[from:to:step]; each None or missing where left out. */
bool jinja_slice(struct jinja_run *r, struct jv v, struct jv from, struct jv to, struct jv step,
                 struct jv *out);
/* Python's clamped bounds of a slice of n elements. */
bool jinja_slice_bounds(struct jinja_run *r, struct jv from, struct jv to, int64_t step, int64_t n,
                        int64_t *start, int64_t *stop);
bool jinja_add(struct jinja_run *r, struct jv a, struct jv b, struct jv *out);

#endif

/* Values of the template language: Python's, as far as templates can tell. Internal to the chat templates.
 *
 * Values are small and copied; what they point to lives in the rendering's arena until it ends and is never
 * changed, but for namespaces, loops, cyclers, joiners and iterators. Functions here return false after
 * jinja_fail; the text of the error is in r->err then. */
#ifndef HEKLA_LOADER_JINJA_VALUE_H
#define HEKLA_LOADER_JINJA_VALUE_H

#include <string.h>

#include "loader/base.h"

struct jinja_run;
struct jinja_builtin;

enum jv_type {
    JV_MISSING, /* no value at all: an argument that was not given, a name that has none yet */
    JV_UNDEFINED,
    JV_NONE,
    JV_BOOL,
    JV_INT,
    JV_BIG, /* an integer beyond 64 bits from the JSON: its digits, which can be compared and printed */
    JV_FLOAT,
    JV_STR,
    JV_LIST,
    JV_TUPLE,
    JV_DICT,
    JV_VIEW, /* d.keys(), d.values(), d.items(); flags: enum jv_view */
    JV_RANGE,
    JV_ITER, /* what can be walked once: Python's generators and iterators */
    JV_NAMESPACE,
    JV_MACRO,
    JV_LOOP,
    JV_METHOD, /* bound to its object */
    JV_FUNCTION,
    JV_CYCLER,
    JV_JOINER,
};

enum jv_flags {
    JV_ASCII = 1,  /* string: known to be ASCII, so that characters are bytes */
    JV_MARKUP = 2, /* string: HTML that is not escaped again (markupsafe's Markup) */
    JV_GROWS = 4,  /* string: starts a struct jinja_text, whose free end may be appended to in place */
    JV_GROUP = 8,  /* tuple of groupby, whose items have the names grouper and list too */
};
enum jv_view { JV_KEYS, JV_VALUES, JV_ITEMS };
enum jv_undefined { JV_NO_NAME, JV_NO_ATTRIBUTE, JV_NO_ELEMENT, JV_UNSAFE, JV_HINT };

struct jv {
    uint8_t type, flags;
    uint8_t why, of; /* undefined: enum jv_undefined, and the type it was looked up in */
    uint32_t len;    /* string: bytes; also of the undefined's name or hint */
    union {
        int64_t i; /* also bool: 0 or 1; undefined, JV_NO_ELEMENT with an integer: the index */
        double f;
        const char *s;
        struct jinja_list *list;
        struct jinja_dict *dict; /* also views and namespaces */
        struct jinja_range *range;
        struct jinja_iter *iter;
        struct jinja_macro *macro;
        struct jinja_loop *loop;
        struct jinja_method *method;
        const struct jinja_builtin *function;
        struct jinja_cycler *cycler;
        const void *object;
    } as;
};

struct jinja_list {
    struct jv *items;
    uint32_t n, capacity;
};
struct jinja_entry {
    struct jv key, value;
    uint32_t hash;
};
/* Keeps the order in which keys were added. */
struct jinja_dict {
    struct jinja_entry *entries;
    uint32_t n, capacity;
    uint32_t *index; /* open addressing: entry + 1, or 0; none while the dict is small */
    uint32_t index_size;
};
struct jinja_range {
    int64_t start, stop, step;
    uint32_t n;
};
struct jinja_text {
    uint32_t used, capacity;
    char data[];
};
struct jinja_method {
    struct jv self;
    const struct jinja_builtin *function;
};
struct jinja_cycler {
    struct jinja_list items;
    uint32_t at;
    bool joiner_used;
};

enum jinja_step { JINJA_ITEM, JINJA_END, JINJA_ERROR };

/* What can be walked. `next` gives one item at a time into *out. */
struct jinja_iter {
    enum jinja_step (*next)(struct jinja_run *r, struct jinja_iter *it, struct jv *out);
    struct jv source;
    size_t at; /* an index, or a byte of a string */
    void *state;
};

/* ---- the rendering ---- */

enum {
    JINJA_MAX_DEPTH = 1500
}; /* nested evaluations, of any kind; each takes about 1 KiB of stack at most */

struct jinja_run {
    struct hk_arena arena;
    size_t memory, max_memory; /* bytes */
    uint64_t steps, max_steps;
    size_t max_output;
    struct hk_error *err;
    uint32_t line;  /* of what is being evaluated */
    uint32_t depth; /* nested evaluations */
    const struct hk_chat_template_options *opt;
    struct jinja_dict *given; /* the variables that the caller gave */
    struct jinja_dict *vars;  /* those that the template set outside of any block */
    struct jv *out;           /* the text being written: the output, or what a block captures */
};

/* Fills *r->err with "line N: ..." and returns false. */
bool jinja_fail(struct jinja_run *r, const char *fmt, ...) HK_PRINTF(2, 3);
bool jinja_fail_code(struct jinja_run *r, enum hk_code code, const char *fmt, ...) HK_PRINTF(3, 4);

/* Counts work; false when there was too much. */
bool jinja_work(struct jinja_run *r, uint64_t steps);
bool jinja_enter(struct jinja_run *r); /* one level deeper; false when that is too deep */
void jinja_leave(struct jinja_run *r);

/* Zeroed memory of the rendering; NULL when there is no more. */
void *jinja_alloc(struct jinja_run *r, size_t count, size_t size);

/* ---- making values ---- */

static inline struct jv jv_missing(void)
{
    return (struct jv){.type = JV_MISSING};
}
static inline struct jv jv_none(void)
{
    return (struct jv){.type = JV_NONE};
}
static inline struct jv jv_bool(bool b)
{
    return (struct jv){.type = JV_BOOL, .as.i = b};
}
static inline struct jv jv_int(int64_t i)
{
    return (struct jv){.type = JV_INT, .as.i = i};
}
static inline struct jv jv_float(double f)
{
    return (struct jv){.type = JV_FLOAT, .as.f = f};
}
/* s[0..n) is not copied; n fits, because everything a rendering holds is smaller than 4 GiB. */
static inline struct jv jv_str(const char *s, size_t n)
{
    return (struct jv){.type = JV_STR, .len = (uint32_t)n, .as.s = s};
}
static inline struct jv jv_ascii(const char *s)
{
    return (struct jv){.type = JV_STR, .flags = JV_ASCII, .len = (uint32_t)strlen(s), .as.s = s};
}
static inline struct jv jv_list(enum jv_type type, struct jinja_list *l)
{
    return (struct jv){.type = (uint8_t)type, .as.list = l};
}
static inline struct jv jv_dict(struct jinja_dict *d)
{
    return (struct jv){.type = JV_DICT, .as.dict = d};
}
struct jv jv_text(const char *s, size_t n);         /* as jv_str, and looks whether it is ASCII */
struct jv jv_hint(const char *text);                /* undefined; says text when used */
struct jv jv_no_name(const char *name, size_t len); /* a variable that is not there */
struct jv jv_no_attribute(struct jv of, const char *s, size_t n); /* of.s */
struct jv jv_no_element(struct jv of, struct jv key);             /* of[key] */
struct jv jv_unsafe(struct jv of, const char *s, size_t n);       /* what the sandbox forbids */
bool jinja_fail_undefined(struct jinja_run *r, struct jv v);

static inline bool jv_is_str(struct jv v)
{
    return v.type == JV_STR;
}
/* Python's bool is an int */
static inline bool jv_is_int(struct jv v)
{
    return v.type == JV_INT || v.type == JV_BOOL;
}
static inline bool jv_is_number(struct jv v)
{
    return jv_is_int(v) || v.type == JV_FLOAT;
}
static inline double jv_double(struct jv v)
{
    return v.type == JV_FLOAT ? v.as.f : (double)v.as.i;
}
static inline bool jv_equals_text(struct jv v, const char *s)
{
    return v.type == JV_STR && v.len == strlen(s) && memcmp(v.as.s, s, v.len) == 0;
}
const char *jv_type_name(struct jv v); /* as Python calls it: "str", "NoneType" */

/* ---- strings ---- */

/* Appends to *acc, which is a string or, at first, missing. In place where acc ends its buffer, so that a
 * text which grows piece by piece costs its length. */
bool jinja_append(struct jinja_run *r, struct jv *acc, const char *s, size_t n);
bool jinja_append_value(struct jinja_run *r, struct jv *acc, struct jv v); /* str(v) */
bool jinja_copy(struct jinja_run *r, const char *s, size_t n, struct jv *out);

/* ---- lists and dicts ---- */

struct jinja_list *jinja_list_new(struct jinja_run *r, size_t capacity);
bool jinja_list_add(struct jinja_run *r, struct jinja_list *l, struct jv v);
bool jinja_tuple2(struct jinja_run *r, struct jv a, struct jv b, struct jv *out);
struct jinja_dict *jinja_dict_new(struct jinja_run *r);
/* Sets or replaces. False also when the key is of a type that cannot be one. */
bool jinja_dict_set(struct jinja_run *r, struct jinja_dict *d, struct jv key, struct jv value);
/* NULL: not there. Never fails: a key that cannot be one is not there. */
struct jv *jinja_dict_get(const struct jinja_dict *d, struct jv key);
struct jv *jinja_dict_get_str(const struct jinja_dict *d, const char *s, size_t n);
bool jv_hashable(struct jv v);

/* ---- what Python asks of any value ---- */

bool jinja_truth(struct jv v);
/* Whether a == b: *out. Fails only where values are nested too deep. */
bool jinja_equal(struct jinja_run *r, struct jv a, struct jv b, bool *out);
/* Whether a < b: *out. Fails where they have no order. */
bool jinja_less(struct jinja_run *r, struct jv a, struct jv b, bool *out);
/* len(v); false without an error where v has none. */
bool jinja_length(struct jinja_run *r, struct jv v, size_t *out);
bool jinja_contains(struct jinja_run *r, struct jv needle, struct jv in, bool *out);

/* The order in which keys[0..n) are sorted, stable, n indices; NULL: an error. */
uint32_t *jinja_sorted(struct jinja_run *r, const struct jinja_list *keys, bool reverse);

/* ---- walking ---- */

bool jv_iterable(struct jv v);
struct jinja_iter *jinja_iter(struct jinja_run *r, struct jv v); /* NULL: an error, v cannot be walked */
/* A new iterator as a value. */
bool jinja_iter_value(struct jinja_run *r, struct jinja_iter it, struct jv *out);
/* Iterators may stand on others: each is a level deeper. */
enum jinja_step jinja_next(struct jinja_run *r, struct jinja_iter *it, struct jv *out);
/* All items, as a new list. */
struct jinja_list *jinja_collect(struct jinja_run *r, struct jv v);
bool jinja_reversed(struct jinja_run *r, struct jv v, struct jv *out); /* Python's reversed(v) */

#endif

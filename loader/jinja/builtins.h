/* Filters, tests, methods and functions: tables of rows, and how their arguments are passed. Internal to the
 * chat templates. */
#ifndef HEKLA_LOADER_JINJA_BUILTINS_H
#define HEKLA_LOADER_JINJA_BUILTINS_H

#include "loader/jinja/value.h"

struct jinja_kwarg {
    struct jv name, value; /* name: a string */
};
struct jinja_args {
    const struct jv *pos;
    const struct jinja_kwarg *kw;
    uint32_t n_pos, n_kw;
};

enum { JINJA_MAX_PARAMS = 7 };

struct jinja_builtin {
    const char *name;
    /* Its parameters beyond the value or object it works on, separated by spaces; with '?' those that may be
     * left out, with a leading '/' none can be given by name. */
    const char *params;
    /* a[0]: the value or object; a[1..]: the parameters in order, missing where left out. */
    bool (*fn)(struct jinja_run *r, const struct jv *a, struct jv *out);
    /* Instead of fn: takes any arguments. */
    bool (*any)(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out);
};

/* NULL where there is none. */
const struct jinja_builtin *jinja_filter_find(const char *name, size_t len);
const struct jinja_builtin *jinja_test_find(const char *name, size_t len);
const struct jinja_builtin *jinja_function_find(const char *name, size_t len);
/* A method of values of that type. */
const struct jinja_builtin *jinja_method_find(enum jv_type type, const char *name, size_t len);
/* Methods that Python has but the sandbox forbids, because they change the object. */
bool jinja_method_is_unsafe(enum jv_type type, const char *name, size_t len);

/* The tables, by file; each ends with a row without a name. */
extern const struct jinja_builtin jinja_string_filters[];
extern const struct jinja_builtin jinja_number_filters[];
extern const struct jinja_builtin jinja_list_filters[];
extern const struct jinja_builtin jinja_select_filters[];
extern const struct jinja_builtin jinja_refused_filters[];
extern const struct jinja_builtin jinja_str_methods[];
extern const struct jinja_builtin jinja_str_find_methods[];

bool jinja_call_builtin(struct jinja_run *r, const struct jinja_builtin *b, struct jv self,
                        const struct jinja_args *args, struct jv *out);

/* ---- arguments ---- */

bool jinja_arg_int(struct jinja_run *r, struct jv v, int64_t otherwise,
                   int64_t *out); /* missing: otherwise */
bool jinja_arg_str(struct jinja_run *r, struct jv v, const char *what, struct jv *out); /* must be one */
static inline bool jv_given(struct jv v) /* neither left out nor None */
{
    return v.type != JV_MISSING && v.type != JV_NONE;
}

/* An attribute of filters ("a.b.0") looked up in v: items before attributes. What is undefined on the way
 * becomes `otherwise`, where that is given. */
bool jinja_path(struct jinja_run *r, struct jv v, struct jv path, struct jv otherwise, struct jv *out);

/* printf-style and str.format */
bool jinja_percent(struct jinja_run *r, struct jv format, struct jv values, struct jv *out);
bool jinja_str_format(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out);
bool jinja_str_format_map(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out);

#endif

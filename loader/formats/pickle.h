/* Python pickles, protocols 2 to 5, read as data: nothing is imported, called or executed.
 *
 * A pickle is a program for a stack machine. Numbers, texts, tuples, lists and dictionaries are built as it
 * says; what it names (GLOBAL), calls (REDUCE) or refers to outside (BINPERSID) is looked up in a table of
 * the caller's, and anything that is not there is an error that names it. Opcodes: CPython's
 * Lib/pickletools.py. */
#ifndef HEKLA_LOADER_PICKLE_H
#define HEKLA_LOADER_PICKLE_H

#include "loader/file.h"

enum hk_pickle_kind {
    HK_PICKLE_NONE,
    HK_PICKLE_BOOL,   /* integer */
    HK_PICKLE_INT,    /* integer */
    HK_PICKLE_FLOAT,  /* its value is not kept */
    HK_PICKLE_TEXT,   /* text, n: bytes, a view into the pickle */
    HK_PICKLE_TUPLE,  /* list */
    HK_PICKLE_LIST,   /* list */
    HK_PICKLE_DICT,   /* list: key, value, key, value, ... */
    HK_PICKLE_GLOBAL, /* integer: its row in the table */
    HK_PICKLE_OBJECT, /* object: what the caller's functions made */
    HK_PICKLE_MARK,   /* inside the machine only */
};

struct hk_pickle_list;

struct hk_pickle_value {
    enum hk_pickle_kind kind;
    uint32_t n; /* of a text */
    union {
        int64_t integer;
        const char *text;
        struct hk_pickle_list *list; /* shared by all who refer to it */
        const void *object;
    } u;
};

struct hk_pickle_list {
    struct hk_pickle_value *items;
    size_t n, capacity;
};

struct hk_pickle_machine;

/* A name that a pickle may use. */
struct hk_pickle_global {
    const char *module, *name;
};

/* What a pickle may do besides. Functions return false with the cursor's error set. */
struct hk_pickle_rules {
    const struct hk_pickle_global *globals;
    size_t n_globals;
    /* The value of calling the global in that row with the arguments, a tuple. */
    bool (*call)(struct hk_pickle_machine *m, size_t global, const struct hk_pickle_list *args,
                 struct hk_pickle_value *out);
    /* What a persistent id means. */
    bool (*persistent)(struct hk_pickle_machine *m, const struct hk_pickle_value *id,
                       struct hk_pickle_value *out);
};

struct hk_pickle_machine {
    struct hk_arena *arena;
    struct hk_cursor *cur;
    const struct hk_pickle_rules *rules;
    struct hk_pickle_list stack, memo;
    size_t op_at; /* offset of the running opcode, for messages */
    uint32_t protocol;
};

enum {
    HK_PICKLE_MAX_BYTES = 16 << 20 /* some hundred thousand tensors; values take 64 times that at most */
};

/* Runs one pickle from the cursor, which it leaves behind its end; the value is in the arena, texts point
 * into the cursor's bytes. False and the cursor's error for anything damaged, unknown or not in the rules. */
bool hk_pickle_read(struct hk_arena *a, struct hk_cursor *cur, const struct hk_pickle_rules *rules,
                    struct hk_pickle_value *out);

/* False with "FILE: pickle at byte N: ..." in the cursor's error. */
bool hk_pickle_fail(struct hk_pickle_machine *m, enum hk_code code, const char *fmt, ...) HK_PRINTF(3, 4);

/* An empty list of that kind (tuple, list or dict); NULL and the error without memory. */
struct hk_pickle_list *hk_pickle_list_new(struct hk_pickle_machine *m, enum hk_pickle_kind kind,
                                          struct hk_pickle_value *out);
bool hk_pickle_push(struct hk_pickle_machine *m, struct hk_pickle_list *list, struct hk_pickle_value v);

/* Whether the value is this text. */
bool hk_pickle_is_text(const struct hk_pickle_value *v, const char *text);

#endif

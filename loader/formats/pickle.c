/* The pickle machine. */
#include "loader/formats/pickle.h"

#include <stdio.h>
#include <string.h>

/* ---- values ---- */

bool hk_pickle_fail(struct hk_pickle_machine *m, enum hk_code code, const char *fmt, ...)
{
    char text[384];
    va_list args;
    if (m->cur->failed) return false;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    m->cur->failed = true;
    return hk_fail(m->cur->err, code, "%s: pickle at byte %zu: %s", m->cur->file, m->op_at, text);
}

struct hk_pickle_list *hk_pickle_list_new(struct hk_pickle_machine *m, enum hk_pickle_kind kind,
                                          struct hk_pickle_value *out)
{
    struct hk_pickle_list *list = hk_arena_alloc(m->arena, 1, sizeof *list, m->cur->err);
    *out = (struct hk_pickle_value){.kind = kind, .u.list = list};
    return list;
}

bool hk_pickle_push(struct hk_pickle_machine *m, struct hk_pickle_list *list, struct hk_pickle_value v)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 2;
        struct hk_pickle_value *items = hk_arena_alloc(m->arena, capacity, sizeof *items, m->cur->err);
        if (!items) return false;
        if (list->n) memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = v;
    return true;
}

bool hk_pickle_is_text(const struct hk_pickle_value *v, const char *text)
{
    return v->kind == HK_PICKLE_TEXT && v->n == strlen(text) && memcmp(v->u.text, text, v->n) == 0;
}

static bool push(struct hk_pickle_machine *m, struct hk_pickle_value v)
{
    return hk_pickle_push(m, &m->stack, v);
}

static bool push_integer(struct hk_pickle_machine *m, enum hk_pickle_kind kind, int64_t v)
{
    return push(m, (struct hk_pickle_value){.kind = kind, .u.integer = v});
}

/* The top of the stack, taken off; a mark is no value. */
static bool pop(struct hk_pickle_machine *m, struct hk_pickle_value *out)
{
    *out = (struct hk_pickle_value){0};
    if (m->stack.n == 0 || m->stack.items[m->stack.n - 1].kind == HK_PICKLE_MARK)
        return hk_pickle_fail(m, HK_ERR_FORMAT, "there is no value on the stack");
    *out = m->stack.items[--m->stack.n];
    return true;
}

/* Values above the newest mark: *first is the index of the first. */
static bool above_mark(struct hk_pickle_machine *m, size_t *first)
{
    for (size_t i = m->stack.n; i > 0; i--) {
        if (m->stack.items[i - 1].kind != HK_PICKLE_MARK) continue;
        *first = i;
        return true;
    }
    return hk_pickle_fail(m, HK_ERR_FORMAT, "there is no mark on the stack");
}

/* ---- opcodes ---- */

static bool push_text(struct hk_pickle_machine *m, uint64_t len)
{
    const uint8_t *p = hk_cursor_bytes(m->cur, len, "a text of the pickle");
    return p && push(m, (struct hk_pickle_value){
                            .kind = HK_PICKLE_TEXT, .n = (uint32_t)len, .u.text = (const char *)p});
}

static bool push_long(struct hk_pickle_machine *m)
{
    uint8_t n = hk_cursor_u8(m->cur, "an integer's length");
    const uint8_t *p = hk_cursor_bytes(m->cur, n, "an integer");
    if (!p) return false;
    if (n > 8) return hk_pickle_fail(m, HK_ERR_FORMAT, "an integer of %u bytes: at most 8 are accepted", n);
    uint64_t v = n > 0 && p[n - 1] & 0x80 ? UINT64_MAX : 0; /* two's complement, little-endian */
    for (unsigned i = n; i > 0; i--) v = v << 8 | p[i - 1];
    int64_t signed_v;
    memcpy(&signed_v, &v, sizeof v);
    return push_integer(m, HK_PICKLE_INT, signed_v);
}

static bool make_tuple(struct hk_pickle_machine *m, size_t first, size_t drop)
{
    struct hk_pickle_value tuple;
    struct hk_pickle_list *list = hk_pickle_list_new(m, HK_PICKLE_TUPLE, &tuple);
    size_t n = m->stack.n - first;
    if (!list) return false;
    if (n > 0 && !(list->items = hk_arena_alloc(m->arena, n, sizeof *list->items, m->cur->err))) return false;
    if (n > 0) memcpy(list->items, m->stack.items + first, n * sizeof *list->items);
    list->n = list->capacity = n;
    m->stack.n = first - drop;
    return push(m, tuple);
}

static bool make_short_tuple(struct hk_pickle_machine *m, size_t n)
{
    for (size_t i = 1; i <= n; i++) {
        if (m->stack.n < i || m->stack.items[m->stack.n - i].kind == HK_PICKLE_MARK)
            return hk_pickle_fail(m, HK_ERR_FORMAT, "there are no %zu values on the stack", n);
    }
    return make_tuple(m, m->stack.n - n, 0);
}

/* Moves the values from `first` on into the list or dictionary under them, from which they are `gap` away. */
static bool append(struct hk_pickle_machine *m, enum hk_pickle_kind kind, size_t first, size_t gap)
{
    size_t n = m->stack.n - first;
    if (first < gap + 1 || m->stack.items[first - gap - 1].kind != kind)
        return hk_pickle_fail(m, HK_ERR_FORMAT, "there is no %s to add to",
                              kind == HK_PICKLE_LIST ? "list" : "dictionary");
    if (kind == HK_PICKLE_DICT && n % 2 != 0)
        return hk_pickle_fail(m, HK_ERR_FORMAT, "a dictionary is given a key without a value");
    struct hk_pickle_list *list = m->stack.items[first - gap - 1].u.list;
    for (size_t i = 0; i < n; i++) {
        if (!hk_pickle_push(m, list, m->stack.items[first + i])) return false;
    }
    m->stack.n = first - gap;
    return true;
}

static bool append_some(struct hk_pickle_machine *m, enum hk_pickle_kind kind, size_t n)
{
    for (size_t i = 1; i <= n; i++) {
        if (m->stack.n < i || m->stack.items[m->stack.n - i].kind == HK_PICKLE_MARK)
            return hk_pickle_fail(m, HK_ERR_FORMAT, "there are no %zu values on the stack", n);
    }
    return append(m, kind, m->stack.n - n, 0);
}

static bool append_marked(struct hk_pickle_machine *m, enum hk_pickle_kind kind)
{
    size_t first = 0;
    return above_mark(m, &first) && append(m, kind, first, 1);
}

/* Slots are numbered in the order of their use, so that a number is below the offset of the opcode that has
 * it. */
static bool memo_put(struct hk_pickle_machine *m, uint64_t slot)
{
    if (slot >= m->op_at + 1)
        return hk_pickle_fail(m, HK_ERR_FORMAT, "memo slot %llu is beyond what the pickle can have used",
                              (unsigned long long)slot);
    if (m->stack.n == 0 || m->stack.items[m->stack.n - 1].kind == HK_PICKLE_MARK)
        return hk_pickle_fail(m, HK_ERR_FORMAT, "there is no value on the stack");
    const struct hk_pickle_value empty = {.kind = HK_PICKLE_MARK};
    while (m->memo.n <= slot) {
        if (!hk_pickle_push(m, &m->memo, empty)) return false;
    }
    m->memo.items[slot] = m->stack.items[m->stack.n - 1];
    return true;
}

static bool memo_get(struct hk_pickle_machine *m, uint64_t slot)
{
    if (slot >= m->memo.n || m->memo.items[slot].kind == HK_PICKLE_MARK)
        return hk_pickle_fail(m, HK_ERR_FORMAT, "memo slot %llu is empty", (unsigned long long)slot);
    return push(m, m->memo.items[slot]);
}

static int shown(size_t len)
{
    return len < 80 ? (int)len : 80;
}

static bool find_global(struct hk_pickle_machine *m, const char *module, size_t module_len, const char *name,
                        size_t name_len)
{
    for (size_t i = 0; i < m->rules->n_globals; i++) {
        const struct hk_pickle_global *g = &m->rules->globals[i];
        if (strlen(g->module) == module_len && memcmp(g->module, module, module_len) == 0 &&
            strlen(g->name) == name_len && memcmp(g->name, name, name_len) == 0)
            return push_integer(m, HK_PICKLE_GLOBAL, (int64_t)i);
    }
    return hk_pickle_fail(m, HK_ERR_UNSUPPORTED,
                          "it names %.*s.%.*s: only dictionaries of torch's tensors are read, and nothing is "
                          "executed; save the model as safetensors",
                          shown(module_len), module, shown(name_len), name);
}

static bool read_line(struct hk_pickle_machine *m, const char **text, size_t *len)
{
    const uint8_t *p = m->cur->data + m->cur->pos;
    const uint8_t *end = memchr(p, '\n', hk_cursor_left(m->cur));
    *text = (const char *)p;
    *len = end ? (size_t)(end - p) : hk_cursor_left(m->cur);
    return hk_cursor_bytes(m->cur, *len + 1, "a name of the pickle") != NULL;
}

static bool op_global(struct hk_pickle_machine *m)
{
    const char *module, *name;
    size_t module_len, name_len;
    return read_line(m, &module, &module_len) && read_line(m, &name, &name_len) &&
           find_global(m, module, module_len, name, name_len);
}

static bool op_stack_global(struct hk_pickle_machine *m)
{
    struct hk_pickle_value name, module;
    if (!pop(m, &name) || !pop(m, &module)) return false;
    if (name.kind != HK_PICKLE_TEXT || module.kind != HK_PICKLE_TEXT)
        return hk_pickle_fail(m, HK_ERR_FORMAT, "a name that is no text");
    return find_global(m, module.u.text, module.n, name.u.text, name.n);
}

static bool op_reduce(struct hk_pickle_machine *m)
{
    struct hk_pickle_value args, function, out;
    if (!pop(m, &args) || !pop(m, &function)) return false;
    if (args.kind != HK_PICKLE_TUPLE || function.kind != HK_PICKLE_GLOBAL)
        return hk_pickle_fail(m, HK_ERR_FORMAT,
                              "a call of what is no function, or without a tuple of arguments");
    return m->rules->call(m, (size_t)function.u.integer, args.u.list, &out) && push(m, out);
}

/* Attributes of an object: torch hangs versions of modules on its dictionaries. Read, and dropped. */
static bool op_build(struct hk_pickle_machine *m)
{
    struct hk_pickle_value state;
    if (!pop(m, &state)) return false;
    if (m->stack.n > 0 && m->stack.items[m->stack.n - 1].kind == HK_PICKLE_DICT &&
        state.kind == HK_PICKLE_DICT)
        return true;
    return hk_pickle_fail(m, HK_ERR_UNSUPPORTED, "it sets the state of something that is no dictionary");
}

static bool op_persistent(struct hk_pickle_machine *m)
{
    struct hk_pickle_value id, out;
    return pop(m, &id) && m->rules->persistent(m, &id, &out) && push(m, out);
}

static bool push_list(struct hk_pickle_machine *m, enum hk_pickle_kind kind)
{
    struct hk_pickle_value v;
    return hk_pickle_list_new(m, kind, &v) && push(m, v);
}

static bool op_protocol(struct hk_pickle_machine *m)
{
    m->protocol = hk_cursor_u8(m->cur, "the pickle's protocol");
    if (m->cur->failed || (m->protocol >= 2 && m->protocol <= 5)) return !m->cur->failed;
    return hk_pickle_fail(m, HK_ERR_UNSUPPORTED, "protocol %u: 2 to 5 are read", m->protocol);
}

static bool op_frame(struct hk_pickle_machine *m)
{
    uint64_t n = hk_cursor_u64(m->cur, "a frame's length");
    if (m->cur->failed || n <= hk_cursor_left(m->cur)) return !m->cur->failed;
    return hk_pickle_fail(m, HK_ERR_FORMAT, "truncated: a frame of %llu bytes, of which %zu are there",
                          (unsigned long long)n, hk_cursor_left(m->cur));
}

static int64_t signed32(uint32_t v)
{
    return v < 0x80000000u ? (int64_t)v : (int64_t)v - 0x100000000;
}

/* Opcodes that push a value which stands behind them. */
static bool run_literal(struct hk_pickle_machine *m, uint8_t op, bool *known)
{
    switch (op) {
    case 'N':
        return push_integer(m, HK_PICKLE_NONE, 0);
    case 0x88:
    case 0x89:
        return push_integer(m, HK_PICKLE_BOOL, op == 0x88);
    case 'K':
        return push_integer(m, HK_PICKLE_INT, hk_cursor_u8(m->cur, "an integer"));
    case 'M':
        return push_integer(m, HK_PICKLE_INT, hk_cursor_u16(m->cur, "an integer"));
    case 'J':
        return push_integer(m, HK_PICKLE_INT, signed32(hk_cursor_u32(m->cur, "an integer")));
    case 0x8a:
        return push_long(m);
    case 'G':
        return hk_cursor_bytes(m->cur, 8, "a number") && push_integer(m, HK_PICKLE_FLOAT, 0);
    case 'X': /* Unicode */
    case 'T': /* Python 2's strings */
        return push_text(m, hk_cursor_u32(m->cur, "a text's length"));
    case 0x8c:
    case 'U':
        return push_text(m, hk_cursor_u8(m->cur, "a text's length"));
    case 0x8d:
        return push_text(m, hk_cursor_u64(m->cur, "a text's length"));
    default:
        *known = false;
        return true;
    }
}

static bool run_op(struct hk_pickle_machine *m, uint8_t op)
{
    bool known = true;
    size_t first = 0;
    if (!run_literal(m, op, &known)) return false;
    if (known) return true;
    switch (op) {
    case 0x80:
        return op_protocol(m);
    case 0x95:
        return op_frame(m);
    case '(':
        return push_integer(m, HK_PICKLE_MARK, 0);
    case ')':
        return push_list(m, HK_PICKLE_TUPLE);
    case ']':
        return push_list(m, HK_PICKLE_LIST);
    case '}':
        return push_list(m, HK_PICKLE_DICT);
    case 't':
        return above_mark(m, &first) && make_tuple(m, first, 1);
    case 0x85:
    case 0x86:
    case 0x87:
        return make_short_tuple(m, op - 0x84u);
    case 'a':
        return append_some(m, HK_PICKLE_LIST, 1);
    case 's':
        return append_some(m, HK_PICKLE_DICT, 2);
    case 'e':
        return append_marked(m, HK_PICKLE_LIST);
    case 'u':
        return append_marked(m, HK_PICKLE_DICT);
    case 'q':
        return memo_put(m, hk_cursor_u8(m->cur, "a memo slot"));
    case 'r':
        return memo_put(m, hk_cursor_u32(m->cur, "a memo slot"));
    case 0x94:
        return memo_put(m, m->memo.n);
    case 'h':
        return memo_get(m, hk_cursor_u8(m->cur, "a memo slot"));
    case 'j':
        return memo_get(m, hk_cursor_u32(m->cur, "a memo slot"));
    case 'c':
        return op_global(m);
    case 0x93:
        return op_stack_global(m);
    case 'R':
        return op_reduce(m);
    case 'b':
        return op_build(m);
    case 'Q':
        return op_persistent(m);
    default:
        return hk_pickle_fail(
            m, HK_ERR_UNSUPPORTED,
            "opcode 0x%02x is none that tensors are saved with: save the model as safetensors", op);
    }
}

bool hk_pickle_read(struct hk_arena *a, struct hk_cursor *cur, const struct hk_pickle_rules *rules,
                    struct hk_pickle_value *out)
{
    struct hk_pickle_machine m = {.arena = a, .cur = cur, .rules = rules};
    size_t start = cur->pos;
    for (;;) {
        m.op_at = cur->pos;
        uint8_t op = hk_cursor_u8(cur, "the pickle");
        if (cur->failed) return false;
        if (cur->pos - start > HK_PICKLE_MAX_BYTES)
            return hk_pickle_fail(&m, HK_ERR_UNSUPPORTED, "a pickle of more than %d bytes",
                                  HK_PICKLE_MAX_BYTES);
        if (op == '.') break;
        if (m.op_at == start && op != 0x80)
            return hk_pickle_fail(&m, HK_ERR_UNSUPPORTED, "it does not begin with its protocol (2 to 5)");
        if (!run_op(&m, op) || cur->failed) return false;
    }
    return pop(&m, out);
}

/* Values: memory, strings that grow, lists, dicts. */
#include "loader/jinja/value.h"

#include <math.h>
#include <stdio.h>

/* ---- errors and limits ---- */

static bool fail_line(struct jinja_run *r, enum hk_code code, const char *fmt, va_list args)
{
    if (r->err && r->err->code == HK_OK) {
        char text[sizeof r->err->text];
        vsnprintf(text, sizeof text, fmt, args);
        if (r->line)
            hk_fail(r->err, code, "line %u: %s", (unsigned)r->line, text);
        else /* still reading the variables */
            hk_fail(r->err, code, "%s", text);
    }
    return false;
}

bool jinja_fail(struct jinja_run *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_line(r, HK_ERR_INPUT, fmt, args);
    va_end(args);
    return false;
}

bool jinja_fail_code(struct jinja_run *r, enum hk_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_line(r, code, fmt, args);
    va_end(args);
    return false;
}

bool jinja_work(struct jinja_run *r, uint64_t steps)
{
    if (steps <= r->max_steps - r->steps) {
        r->steps += steps;
        return true;
    }
    return jinja_fail(r, "the template takes more than %llu steps: at most so many are accepted",
                      (unsigned long long)r->max_steps);
}

bool jinja_enter(struct jinja_run *r)
{
    if (r->depth >= JINJA_MAX_DEPTH)
        return jinja_fail(r, "nested deeper than %d levels: macros, loops or values within one another",
                          JINJA_MAX_DEPTH);
    r->depth++;
    return jinja_work(r, 1) || (r->depth--, false);
}

void jinja_leave(struct jinja_run *r)
{
    r->depth--;
}

void *jinja_alloc(struct jinja_run *r, size_t count, size_t size)
{
    uint64_t bytes;
    if (!hk_mul_u64(count, size, &bytes) || bytes > r->max_memory - r->memory) {
        jinja_fail_code(r, HK_ERR_MEMORY, "the template's values take more than %zu MiB: no more is accepted",
                        r->max_memory >> 20);
        return NULL;
    }
    struct hk_error err = {0};
    void *p = hk_arena_alloc(&r->arena, count, size, &err);
    if (!p) jinja_fail_code(r, err.code, "%s", err.text);
    r->memory += (size_t)bytes + 16;
    if (r->memory > r->max_memory) r->memory = r->max_memory;
    return p;
}

/* ---- undefined ---- */

struct jv jv_hint(const char *text)
{
    return (struct jv){.type = JV_UNDEFINED, .why = JV_HINT, .len = (uint32_t)strlen(text), .as.s = text};
}

struct jv jv_no_name(const char *name, size_t len)
{
    return (struct jv){.type = JV_UNDEFINED, .why = JV_NO_NAME, .len = (uint32_t)len, .as.s = name};
}

struct jv jv_no_attribute(struct jv of, const char *s, size_t n)
{
    return (struct jv){
        .type = JV_UNDEFINED, .why = JV_NO_ATTRIBUTE, .of = of.type, .len = (uint32_t)n, .as.s = s};
}

struct jv jv_no_element(struct jv of, struct jv key)
{
    if (key.type == JV_STR) return jv_no_attribute(of, key.as.s, key.len);
    struct jv v = {.type = JV_UNDEFINED, .why = JV_NO_ELEMENT, .of = of.type};
    v.len = key.type == JV_INT;
    v.as.i = key.type == JV_INT ? key.as.i : 0;
    return v;
}

struct jv jv_unsafe(struct jv of, const char *s, size_t n)
{
    return (struct jv){.type = JV_UNDEFINED, .why = JV_UNSAFE, .of = of.type, .len = (uint32_t)n, .as.s = s};
}

bool jinja_fail_undefined(struct jinja_run *r, struct jv v)
{
    const char *of = jv_type_name((struct jv){.type = v.of});
    int len = v.len < 100 ? (int)v.len : 100;
    switch ((enum jv_undefined)v.why) {
    case JV_NO_NAME:
        return jinja_fail(r, "'%.*s' is undefined", len, v.as.s);
    case JV_NO_ATTRIBUTE:
        return jinja_fail(r, "'%s object' has no attribute '%.*s'", of, len, v.as.s);
    case JV_NO_ELEMENT:
        return v.len ? jinja_fail(r, "%s object has no element %lld", of, (long long)v.as.i)
                     : jinja_fail(r, "%s object has no such element", of);
    case JV_UNSAFE:
        return jinja_fail(r, "'%.*s' of a %s changes it or is internal: templates may not", len, v.as.s, of);
    case JV_HINT:
        break;
    }
    return jinja_fail(r, "%.*s", len, v.as.s);
}

const char *jv_type_name(struct jv v)
{
    static const char *const names[] = {
        [JV_MISSING] = "missing",
        [JV_UNDEFINED] = "Undefined",
        [JV_NONE] = "NoneType",
        [JV_BOOL] = "bool",
        [JV_INT] = "int",
        [JV_BIG] = "int beyond 64 bits",
        [JV_FLOAT] = "float",
        [JV_STR] = "str",
        [JV_LIST] = "list",
        [JV_TUPLE] = "tuple",
        [JV_DICT] = "dict",
        [JV_VIEW] = "dict view",
        [JV_RANGE] = "range",
        [JV_ITER] = "generator",
        [JV_NAMESPACE] = "Namespace",
        [JV_MACRO] = "Macro",
        [JV_LOOP] = "LoopContext",
        [JV_METHOD] = "method",
        [JV_FUNCTION] = "function",
        [JV_CYCLER] = "Cycler",
        [JV_JOINER] = "Joiner",
    };
    return names[v.type];
}

/* ---- strings that grow ---- */

static bool is_ascii(const char *s, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t w;
        memcpy(&w, s + i, 8);
        if (w & 0x8080808080808080u) return false;
    }
    for (; i < n; i++) {
        if ((unsigned char)s[i] >= 0x80) return false;
    }
    return true;
}

struct jv jv_text(const char *s, size_t n)
{
    struct jv v = jv_str(s, n);
    if (is_ascii(s, n)) v.flags = JV_ASCII;
    return v;
}

/* The buffer at whose free end acc's next byte may stand; NULL where there is none or no room. */
static struct jinja_text *room_after(struct jv acc, size_t n)
{
    if (!(acc.flags & JV_GROWS)) return NULL;
    struct jinja_text *t = (struct jinja_text *)((uintptr_t)acc.as.s - offsetof(struct jinja_text, data));
    return t->used == acc.len && t->capacity - t->used >= n ? t : NULL;
}

bool jinja_append(struct jinja_run *r, struct jv *acc, const char *s, size_t n)
{
    if (acc->type == JV_MISSING) *acc = jv_ascii("");
    if (n == 0) return true;
    if (!jinja_work(r, n / 64)) return false;
    struct jinja_text *t = room_after(*acc, n);
    if (!t) {
        size_t len = acc->len, need = len + n; /* both below the memory limit, which fits */
        if (need > UINT32_MAX / 4)
            return jinja_fail_code(r, HK_ERR_MEMORY, "a string of more than 1 GiB: no more is accepted");
        size_t capacity = acc->flags & JV_GROWS ? 2 * need : need + need / 8 + 32;
        t = jinja_alloc(r, 1, sizeof *t + capacity);
        if (!t || !jinja_work(r, len / 64)) return false;
        t->capacity = (uint32_t)capacity;
        t->used = acc->len;
        if (len) memcpy(t->data, acc->as.s, len);
        acc->as.s = t->data;
        acc->flags |= JV_GROWS;
    }
    memcpy(t->data + t->used, s, n);
    t->used += (uint32_t)n;
    acc->len += (uint32_t)n;
    if ((acc->flags & JV_ASCII) && !is_ascii(s, n)) acc->flags &= (uint8_t)~JV_ASCII;
    return true;
}

bool jinja_copy(struct jinja_run *r, const char *s, size_t n, struct jv *out)
{
    char *copy = jinja_alloc(r, n, 1);
    if (!copy || !jinja_work(r, n / 64)) return false;
    if (n) memcpy(copy, s, n);
    *out = jv_text(copy, n);
    return true;
}

/* ---- lists ---- */

/* A larger copy of an array of which n elements are in use. */
static void *grow(struct jinja_run *r, const void *old, uint32_t n, uint32_t *capacity, size_t size)
{
    uint32_t wanted = *capacity < 4 ? 4 : *capacity > UINT32_MAX / 4 ? 0 : 2 * *capacity;
    void *p = jinja_alloc(r, wanted ? wanted : SIZE_MAX, size);
    if (!p) return NULL;
    if (n) memcpy(p, old, n * size);
    *capacity = wanted;
    return p;
}

struct jinja_list *jinja_list_new(struct jinja_run *r, size_t capacity)
{
    struct jinja_list *l = jinja_alloc(r, 1, sizeof *l);
    if (!l || capacity == 0) return l;
    if (capacity > UINT32_MAX / 4) capacity = UINT32_MAX / 4;
    l->items = jinja_alloc(r, capacity, sizeof *l->items);
    l->capacity = (uint32_t)capacity;
    return l->items ? l : NULL;
}

bool jinja_list_add(struct jinja_run *r, struct jinja_list *l, struct jv v)
{
    if (l->n == l->capacity && !(l->items = grow(r, l->items, l->n, &l->capacity, sizeof *l->items)))
        return false;
    l->items[l->n++] = v;
    return true;
}

bool jinja_tuple2(struct jinja_run *r, struct jv a, struct jv b, struct jv *out)
{
    struct jinja_list *l = jinja_list_new(r, 2);
    if (!l) return false;
    l->items[0] = a;
    l->items[1] = b;
    l->n = 2;
    *out = jv_list(JV_TUPLE, l);
    return true;
}

/* ---- dicts ---- */

enum { SMALL_DICT = 8, MAX_KEY_DEPTH = 16 };

static bool hashable_at(struct jv v, int depth)
{
    if (v.type == JV_LIST || v.type == JV_DICT || v.type == JV_VIEW) return false;
    if (v.type != JV_TUPLE) return true;
    for (uint32_t i = 0; i < v.as.list->n; i++) {
        if (depth == 0 || !hashable_at(v.as.list->items[i], depth - 1)) return false;
    }
    return true;
}

bool jv_hashable(struct jv v)
{
    return hashable_at(v, MAX_KEY_DEPTH);
}

static uint32_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0x9E3779B97F4A7C15u;
    return (uint32_t)(x >> 32);
}

static uint32_t hash_bytes(const char *s, size_t n)
{
    return mix(hk_hash(HK_HASH_START, s, n));
}

/* Equal keys have equal hashes: 1, 1.0 and true are one key. */
static uint32_t hash(struct jv v)
{
    uint64_t bits = 0;
    switch (v.type) {
    case JV_BOOL:
    case JV_INT:
        return mix((uint64_t)v.as.i);
    case JV_FLOAT:
        if (v.as.f >= -0x1p62 && v.as.f <= 0x1p62 && floor(v.as.f) == v.as.f)
            return mix((uint64_t)(int64_t)v.as.f);
        memcpy(&bits, &v.as.f, sizeof bits);
        return mix(bits);
    case JV_STR:
    case JV_BIG:
        return hash_bytes(v.as.s, v.len);
    case JV_TUPLE:
        for (uint32_t i = 0; i < v.as.list->n; i++) bits = bits * 31 + hash(v.as.list->items[i]);
        return mix(bits);
    default:
        return v.type;
    }
}

static bool key_equal(struct jv a, struct jv b)
{
    if (jv_is_number(a) && jv_is_number(b))
        return a.type == JV_FLOAT || b.type == JV_FLOAT ? jv_double(a) == jv_double(b) : a.as.i == b.as.i;
    if (a.type != b.type) return false;
    switch (a.type) {
    case JV_STR:
    case JV_BIG:
        return a.len == b.len && memcmp(a.as.s, b.as.s, a.len) == 0;
    case JV_TUPLE:
        if (a.as.list->n != b.as.list->n) return false;
        for (uint32_t i = 0; i < a.as.list->n; i++) {
            if (!key_equal(a.as.list->items[i], b.as.list->items[i])) return false;
        }
        return true;
    case JV_NONE:
    case JV_UNDEFINED:
        return true;
    default:
        return a.as.object == b.as.object;
    }
}

struct jinja_dict *jinja_dict_new(struct jinja_run *r)
{
    return jinja_alloc(r, 1, sizeof(struct jinja_dict));
}

/* From place to place in the index of `mask` + 1, by the hash's upper bits: keys that were chosen to collide
 * in the lower ones part ways. */
static uint32_t next_place(uint32_t at, uint32_t h, uint32_t mask)
{
    return (at + (h >> 16 | 1)) & mask;
}

/* The entry, or NULL and the place in the index where it would go. */
static struct jinja_entry *find(const struct jinja_dict *d, struct jv key, uint32_t h, uint32_t *place)
{
    if (!d->index) {
        for (uint32_t i = 0; i < d->n; i++) {
            if (d->entries[i].hash == h && key_equal(d->entries[i].key, key)) return &d->entries[i];
        }
        return NULL;
    }
    uint32_t mask = d->index_size - 1, at = h & mask;
    for (; d->index[at]; at = next_place(at, h, mask)) {
        struct jinja_entry *e = &d->entries[d->index[at] - 1];
        if (e->hash == h && key_equal(e->key, key)) return e;
    }
    *place = at;
    return NULL;
}

static bool reindex(struct jinja_run *r, struct jinja_dict *d)
{
    uint32_t size = d->capacity > UINT32_MAX / 8 ? 0 : 4;
    while (size && size < 2 * d->capacity) size *= 2;
    d->index = jinja_alloc(r, size ? size : SIZE_MAX, sizeof *d->index);
    if (!d->index) return false;
    d->index_size = size;
    for (uint32_t i = 0; i < d->n; i++) {
        uint32_t at = d->entries[i].hash & (size - 1);
        while (d->index[at]) at = next_place(at, d->entries[i].hash, size - 1);
        d->index[at] = i + 1;
    }
    return true;
}

bool jinja_dict_set(struct jinja_run *r, struct jinja_dict *d, struct jv key, struct jv value)
{
    if (!jv_hashable(key)) return jinja_fail(r, "unhashable type: '%s'", jv_type_name(key));
    uint32_t h = hash(key), place = 0;
    struct jinja_entry *e = find(d, key, h, &place);
    if (e) {
        e->value = value;
        return true;
    }
    if (d->n == d->capacity) {
        if (!(d->entries = grow(r, d->entries, d->n, &d->capacity, sizeof *d->entries))) return false;
        if (d->capacity > SMALL_DICT && !reindex(r, d)) return false;
        find(d, key, h, &place);
    }
    if (d->index) d->index[place] = d->n + 1;
    d->entries[d->n++] = (struct jinja_entry){key, value, h};
    return true;
}

struct jv *jinja_dict_get(const struct jinja_dict *d, struct jv key)
{
    uint32_t place;
    if (!jv_hashable(key)) return NULL;
    struct jinja_entry *e = find(d, key, hash(key), &place);
    return e ? &e->value : NULL;
}

struct jv *jinja_dict_get_str(const struct jinja_dict *d, const char *s, size_t n)
{
    return jinja_dict_get(d, jv_str(s, n));
}

/* The GGUF container. */
#include "loader/formats/gguf.h"

#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a value; for strings and arrays the least that one takes. */
static const struct {
    const char *name;
    uint8_t bytes;
} VALUE_TYPES[HK_GGUF_VALUE_TYPES] = {
    [HK_GGUF_U8] = {"uint8", 1},     [HK_GGUF_I8] = {"int8", 1},    [HK_GGUF_U16] = {"uint16", 2},
    [HK_GGUF_I16] = {"int16", 2},    [HK_GGUF_U32] = {"uint32", 4}, [HK_GGUF_I32] = {"int32", 4},
    [HK_GGUF_F32] = {"float32", 4},  [HK_GGUF_BOOL] = {"bool", 1},  [HK_GGUF_STRING] = {"string", 8},
    [HK_GGUF_ARRAY] = {"array", 12}, [HK_GGUF_U64] = {"uint64", 8}, [HK_GGUF_I64] = {"int64", 8},
    [HK_GGUF_F64] = {"float64", 8},
};

/* Names of ggml's types by id, so that an error can say what a file has. NULL: never used, or withdrawn. */
static const char *const ggml_types[] = {
    "F32",   "F16",    "Q4_0",  "Q4_1", NULL,   NULL,      "Q5_0",   "Q5_1",    "Q8_0",  "Q8_1",   "Q2_K",
    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S",
    "IQ2_S", "IQ4_XS", "I8",    "I16",  "I32",  "I64",     "F64",    "IQ1_M",   "BF16",  NULL,     NULL,
    NULL,    "TQ1_0",  "TQ2_0", NULL,   NULL,   NULL,      "MXFP4",  "NVFP4",   "Q1_0",
};

enum {
    MAX_ARRAY_DEPTH = 4,
    MIN_KV_BYTES = 8 + 4 + 1,             /* an empty key, a type, a byte */
    MIN_TENSOR_BYTES = 8 + 1 + 4 + 4 + 8, /* a name of one letter, dimensions, a type, an offset */
    MAX_NAME = 1024,
    DEFAULT_ALIGNMENT = 32,
};

/* A view's length as printf's %.*s wants it; names are quoted in full, hostile ones cut. */
static int shown(uint64_t len)
{
    return len < 80 ? (int)len : 80;
}

static struct hk_gguf_string read_string(struct hk_cursor *c, const char *what)
{
    uint64_t len = hk_cursor_u64(c, what);
    const uint8_t *p = hk_cursor_bytes(c, len, what);
    return p ? (struct hk_gguf_string){(const char *)p, len} : (struct hk_gguf_string){"", 0};
}

struct hk_gguf_string hk_gguf_next_string(const uint8_t **p)
{
    struct hk_gguf_string s = {(const char *)*p + 8, hk_load_u64(*p)};
    *p += 8 + s.len;
    return s;
}

static bool fail_at(struct hk_cursor *c, const char *what, uint64_t value, const char *needed)
{
    if (!c->failed)
        hk_fail(c->err, HK_ERR_FORMAT, "%s: %s is %llu at offset %zu: %s", c->file, what,
                (unsigned long long)value, c->pos, needed);
    c->failed = true;
    return false;
}

/* Skips `count` values of a type, checking every length. */
static bool skip_values(struct hk_cursor *c, uint32_t type, uint64_t count, int depth)
{
    if (count > hk_cursor_left(c) / VALUE_TYPES[type].bytes)
        return fail_at(c, "the number of array elements", count, "the file is too short for them");
    if (type == HK_GGUF_STRING) {
        for (uint64_t i = 0; i < count && !c->failed; i++) read_string(c, "a string");
    } else if (type == HK_GGUF_ARRAY) {
        if (depth >= MAX_ARRAY_DEPTH)
            return fail_at(c, "the depth of nested arrays", 5, "at most 4 are accepted");
        for (uint64_t i = 0; i < count && !c->failed; i++) {
            uint32_t element = hk_cursor_u32(c, "an array's element type");
            uint64_t n = hk_cursor_u64(c, "an array's length");
            if (element >= HK_GGUF_VALUE_TYPES)
                return fail_at(c, "an array's element type", element, "0 to 12 is accepted");
            if (!c->failed) skip_values(c, element, n, depth + 1);
        }
    } else {
        hk_cursor_bytes(c, count * VALUE_TYPES[type].bytes,
                        "values"); /* no overflow: count was bounded above */
    }
    return !c->failed;
}

static bool read_kv(struct hk_cursor *c, struct hk_gguf_kv *kv)
{
    kv->key = read_string(c, "a key");
    uint32_t type = hk_cursor_u32(c, "a value's type"), element = 0;
    if (c->failed) return false;
    if (type >= HK_GGUF_VALUE_TYPES) {
        c->failed = true;
        return hk_fail(c->err, HK_ERR_FORMAT, "%s: key %.*s has a value of type %u: 0 to 12 is accepted",
                       c->file, shown(kv->key.len), kv->key.text, type);
    }
    kv->type = (enum hk_gguf_value_type)type;
    kv->count = 1;
    if (type == HK_GGUF_ARRAY) {
        element = hk_cursor_u32(c, "an array's element type");
        kv->count = hk_cursor_u64(c, "an array's length");
        if (c->failed) return false;
        if (element >= HK_GGUF_VALUE_TYPES)
            return fail_at(c, "an array's element type", element, "0 to 12 is accepted");
        kv->element = (enum hk_gguf_value_type)element;
    }
    size_t start = c->pos;
    bool ok = skip_values(c, type == HK_GGUF_ARRAY ? element : type, kv->count, 1);
    kv->data = c->data + start;
    kv->size = c->pos - start;
    if (!ok) hk_fail_prefix(c->err, "key %.*s", shown(kv->key.len), kv->key.text);
    return ok;
}

static int compare_strings(struct hk_gguf_string a, struct hk_gguf_string b)
{
    int order = memcmp(a.text, b.text, (size_t)(a.len < b.len ? a.len : b.len));
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_kv(const void *a, const void *b)
{
    return compare_strings(((const struct hk_gguf_kv *)a)->key, ((const struct hk_gguf_kv *)b)->key);
}

static bool read_all_kv(struct hk_cursor *cur, struct hk_checkpoint *c, uint64_t n, struct hk_gguf *g)
{
    if (n > hk_cursor_left(cur) / MIN_KV_BYTES)
        return fail_at(cur, "the number of keys", n, "the file is too short for them");
    struct hk_gguf_kv *kv = hk_arena_alloc(&c->arena, (size_t)n, sizeof *kv, cur->err);
    if (!kv) return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!read_kv(cur, &kv[i])) return false;
    }
    if (n) qsort(kv, (size_t)n, sizeof *kv, compare_kv);
    for (uint64_t i = 1; i < n; i++) {
        if (compare_kv(&kv[i - 1], &kv[i]) == 0)
            return hk_fail(cur->err, HK_ERR_FORMAT, "%s: key %.*s occurs twice", cur->file,
                           shown(kv[i].key.len), kv[i].key.text);
    }
    g->kv = kv;
    g->n_kv = (size_t)n;
    return true;
}

static bool unknown_type(struct hk_cursor *cur, const char *tensor, uint32_t id)
{
    char known[HK_WEIGHT_LIST];
    const char *name = id < sizeof ggml_types / sizeof *ggml_types ? ggml_types[id] : NULL;
    return hk_fail(cur->err, HK_ERR_UNSUPPORTED,
                   "%s: tensor %s is stored as %s (GGUF type %u): supported are %s", cur->file, tensor,
                   name ? name : "an unknown type", id,
                   hk_weight_type_list(HK_WEIGHTS_OF_GGUF, known, sizeof known));
}

/* One entry of the directory; t->data is set later, when the data section's place is known. */
static bool read_tensor(struct hk_cursor *cur, struct hk_arena *arena, struct hk_ckpt_tensor *t,
                        uint64_t *offset)
{
    struct hk_gguf_string name = read_string(cur, "a tensor's name");
    uint32_t n_dims = hk_cursor_u32(cur, "a tensor's number of dimensions");
    if (cur->failed) return false;
    if (name.len == 0 || name.len > MAX_NAME || memchr(name.text, 0, (size_t)name.len))
        return fail_at(cur, "the length of a tensor's name", name.len,
                       "1 to 1024 bytes without NUL are accepted");
    t->name = hk_arena_strndup(arena, name.text, (size_t)name.len, cur->err);
    if (!t->name) return false;
    if (n_dims > 4)
        return hk_fail(cur->err, HK_ERR_FORMAT, "%s: tensor %s has %u dimensions: at most 4 are accepted",
                       cur->file, t->name, n_dims);
    for (uint32_t d = 0; d < 4; d++) t->shape[d] = 1;
    for (uint32_t d = 0; d < n_dims; d++) t->shape[n_dims - 1 - d] = hk_cursor_u64(cur, "a dimension");
    t->n_dims = n_dims ? n_dims : 1; /* a scalar is a vector of one */
    uint32_t id = hk_cursor_u32(cur, "a tensor's type");
    *offset = hk_cursor_u64(cur, "a tensor's offset");
    if (cur->failed) return false;
    t->type = hk_weight_type_by_gguf_id(id);
    if (t->type == HK_WEIGHT_TYPE_COUNT) return unknown_type(cur, t->name, id);
    return hk_tensor_bytes(cur->file, t->name, t->type, t->n_dims, t->shape, &t->size, cur->err);
}

static bool place_tensors(struct hk_checkpoint *c, struct hk_extent *extents, const struct hk_cursor *cur,
                          uint32_t alignment)
{
    uint64_t start = hk_align_up(cur->pos, alignment), left = cur->size > start ? cur->size - start : 0;
    for (uint32_t i = 0; i < c->n_tensors; i++) {
        struct hk_ckpt_tensor *t = &c->tensors[i];
        uint64_t offset = extents[i].offset;
        if (offset % alignment != 0)
            return hk_fail(cur->err, HK_ERR_FORMAT,
                           "%s: tensor %s: offset %llu is no multiple of the alignment %u", cur->file,
                           t->name, (unsigned long long)offset, alignment);
        if (offset > left || t->size > left - offset)
            return hk_fail(
                cur->err, HK_ERR_FORMAT,
                "%s: truncated or damaged: tensor %s has %llu bytes at offset %llu of the data section, "
                "which has %llu bytes",
                cur->file, t->name, (unsigned long long)t->size, (unsigned long long)offset,
                (unsigned long long)left);
        t->data = cur->data + start + offset;
        extents[i].size = t->size;
        extents[i].name = t->name;
    }
    return hk_check_extents(cur->file, extents, c->n_tensors, cur->err);
}

static bool read_header(struct hk_cursor *cur, struct hk_gguf *g, uint64_t *n_tensors, uint64_t *n_kv)
{
    const uint8_t *magic = hk_cursor_bytes(cur, 4, "the magic");
    if (!magic) return false;
    if (memcmp(magic, "GGUF", 4) != 0)
        return hk_fail(cur->err, HK_ERR_FORMAT, "%s: does not begin with GGUF", cur->file);
    g->version = hk_cursor_u32(cur, "the version");
    if (cur->failed) return false;
    if (g->version != 0 && (g->version & 0xFFFFu) == 0)
        return hk_fail(
            cur->err, HK_ERR_UNSUPPORTED,
            "%s: is a big-endian GGUF, and only little-endian ones are read: convert it with gguf-py's "
            "gguf-convert-endian FILE little",
            cur->file);
    if (g->version != 2 && g->version != 3)
        return hk_fail(cur->err, HK_ERR_UNSUPPORTED, "%s: is GGUF version %u: versions 2 and 3 are supported",
                       cur->file, g->version);
    *n_tensors = hk_cursor_u64(cur, "the number of tensors");
    *n_kv = hk_cursor_u64(cur, "the number of keys");
    return !cur->failed;
}

bool hk_gguf_parse(struct hk_checkpoint *c, const void *data, size_t size, const char *file,
                   struct hk_gguf *g, struct hk_error *err)
{
    struct hk_cursor cur = hk_cursor_make(data, size, file, err);
    uint64_t n_tensors = 0, n_kv = 0;
    uint32_t alignment = DEFAULT_ALIGNMENT;
    *g = (struct hk_gguf){.file = file, .err = err};
    if (!read_header(&cur, g, &n_tensors, &n_kv) || !read_all_kv(&cur, c, n_kv, g)) return false;
    if (!hk_gguf_u32(g, "general.alignment", 1, 1u << 30, &alignment, NULL)) return false;
    if ((alignment & (alignment - 1)) != 0)
        return hk_fail(err, HK_ERR_FORMAT, "%s: general.alignment is %u: a power of two is needed", file,
                       alignment);
    if (n_tensors > hk_cursor_left(&cur) / MIN_TENSOR_BYTES || n_tensors > UINT32_MAX)
        return fail_at(&cur, "the number of tensors", n_tensors, "the file is too short for them");
    c->tensors = hk_arena_alloc(&c->arena, (size_t)n_tensors, sizeof *c->tensors, err);
    struct hk_extent *extents = hk_arena_alloc(&c->arena, (size_t)n_tensors, sizeof *extents, err);
    if (!c->tensors || !extents) return false;
    for (uint64_t i = 0; i < n_tensors; i++) {
        if (!read_tensor(&cur, &c->arena, &c->tensors[i], &extents[i].offset)) return false;
    }
    c->n_tensors = (uint32_t)n_tensors;
    c->format = g->version == 2 ? "gguf v2" : "gguf v3";
    return place_tensors(c, extents, &cur, alignment) && hk_checkpoint_sort_tensors(c, file, err);
}

/* ---- keys ---- */

struct hk_gguf_key hk_gguf_key_of(const struct hk_hparams *hp, const char *suffix)
{
    struct hk_gguf_key k;
    snprintf(k.text, sizeof k.text, "%s.%s", hp->arch, suffix);
    return k;
}

const struct hk_gguf_kv *hk_gguf_find(const struct hk_gguf *g, const char *key)
{
    struct hk_gguf_kv probe = {.key = {key, strlen(key)}};
    return g->n_kv ? bsearch(&probe, g->kv, g->n_kv, sizeof *g->kv, compare_kv) : NULL;
}

static const struct hk_gguf_kv *find(const struct hk_gguf *g, const char *key, bool *found)
{
    const struct hk_gguf_kv *kv = hk_gguf_find(g, key);
    if (found) *found = kv != NULL;
    return kv;
}

static bool wrong_type(const struct hk_gguf *g, const char *key, const struct hk_gguf_kv *kv,
                       const char *needed)
{
    return hk_fail(g->err, HK_ERR_FORMAT, "%s: key %s is of type %s: %s is needed", g->file, key,
                   VALUE_TYPES[kv->type].name, needed);
}

/* An integer of any width as a sign and a magnitude. */
static bool integer(const struct hk_gguf_kv *kv, bool *negative, uint64_t *magnitude)
{
    uint64_t v, top;
    switch (kv->type) {
    case HK_GGUF_U8:
    case HK_GGUF_BOOL:
        v = kv->data[0], top = 0;
        break;
    case HK_GGUF_U16:
        v = hk_load_u16(kv->data), top = 0;
        break;
    case HK_GGUF_U32:
        v = hk_load_u32(kv->data), top = 0;
        break;
    case HK_GGUF_U64:
        v = hk_load_u64(kv->data), top = 0;
        break;
    case HK_GGUF_I8:
        v = kv->data[0], top = 1u << 7;
        break;
    case HK_GGUF_I16:
        v = hk_load_u16(kv->data), top = 1u << 15;
        break;
    case HK_GGUF_I32:
        v = hk_load_u32(kv->data), top = 1u << 31;
        break;
    case HK_GGUF_I64:
        v = hk_load_u64(kv->data), top = 1ull << 63;
        break;
    default:
        return false;
    }
    *negative = (v & top) != 0;
    *magnitude = *negative ? 2 * top - v : v; /* unsigned: 2 * 2^63 wraps to 0, as it should */
    return true;
}

bool hk_gguf_u32(const struct hk_gguf *g, const char *key, uint32_t lo, uint32_t hi, uint32_t *out,
                 bool *found)
{
    bool negative;
    uint64_t v;
    const struct hk_gguf_kv *kv = find(g, key, found);
    if (!kv) return true;
    if (!integer(kv, &negative, &v)) return wrong_type(g, key, kv, "an integer");
    if (negative || v < lo || v > hi)
        return hk_fail(g->err, HK_ERR_FORMAT, "%s: key %s is %s%llu: %u to %u is accepted", g->file, key,
                       negative ? "-" : "", (unsigned long long)v, lo, hi);
    *out = (uint32_t)v;
    return true;
}

bool hk_gguf_f32(const struct hk_gguf *g, const char *key, float lo, float hi, float *out, bool *found)
{
    const struct hk_gguf_kv *kv = find(g, key, found);
    double v;
    if (!kv) return true;
    if (kv->type == HK_GGUF_F32) {
        v = (double)hk_load_f32(kv->data);
    } else if (kv->type == HK_GGUF_F64) {
        uint64_t bits = hk_load_u64(kv->data);
        memcpy(&v, &bits, sizeof v);
    } else {
        return wrong_type(g, key, kv, "a floating-point number");
    }
    if (!(v >= (double)lo && v <= (double)hi))
        return hk_fail(g->err, HK_ERR_FORMAT, "%s: key %s is %g: %g to %g is accepted", g->file, key, v,
                       (double)lo, (double)hi);
    *out = (float)v;
    return true;
}

bool hk_gguf_bool(const struct hk_gguf *g, const char *key, bool *out, bool *found)
{
    const struct hk_gguf_kv *kv = find(g, key, found);
    if (!kv) return true;
    if (kv->type != HK_GGUF_BOOL) return wrong_type(g, key, kv, "a bool");
    *out = kv->data[0] != 0;
    return true;
}

bool hk_gguf_str(const struct hk_gguf *g, const char *key, struct hk_gguf_string *out, bool *found)
{
    const struct hk_gguf_kv *kv = find(g, key, found);
    if (!kv) return true;
    if (kv->type != HK_GGUF_STRING) return wrong_type(g, key, kv, "a string");
    const uint8_t *p = kv->data;
    *out = hk_gguf_next_string(&p);
    return true;
}

bool hk_gguf_array(const struct hk_gguf *g, const char *key, enum hk_gguf_value_type element,
                   const struct hk_gguf_kv **out)
{
    *out = hk_gguf_find(g, key);
    if (!*out) return true;
    if ((*out)->type == HK_GGUF_ARRAY && (*out)->element == element) return true;
    return hk_fail(g->err, HK_ERR_FORMAT, "%s: key %s is of type %s: an array of %s is needed", g->file, key,
                   VALUE_TYPES[(*out)->type].name, VALUE_TYPES[element].name);
}

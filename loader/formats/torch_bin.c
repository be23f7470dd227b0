/* What torch.save's pickles mean. */
#include "loader/formats/torch_bin.h"
#include "loader/formats/pickle.h"
#include "loader/formats/zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIMS = 8, MAX_NAME = 1024 };

/* ---- the names that a pickle may use ---- */

enum role { DICTIONARY, SIZE, TENSOR_V1, TENSOR_V2, TENSOR_V3, PARAMETER, STORAGE, UNTYPED_STORAGE, DTYPE };

/* module, name; what calling it does, or for a storage and a dtype: safetensors' name, bytes of a number */
#define NAMES(X)                                                                                             \
    X("collections", "OrderedDict", DICTIONARY, NULL, 0)                                                     \
    X("torch", "Size", SIZE, NULL, 0)                                                                        \
    X("torch._utils", "_rebuild_tensor", TENSOR_V1, NULL, 0)                                                 \
    X("torch._utils", "_rebuild_tensor_v2", TENSOR_V2, NULL, 0)                                              \
    X("torch._utils", "_rebuild_tensor_v3", TENSOR_V3, NULL, 0)                                              \
    X("torch._utils", "_rebuild_parameter", PARAMETER, NULL, 0)                                              \
    X("torch", "FloatStorage", STORAGE, "F32", 4)                                                            \
    X("torch", "HalfStorage", STORAGE, "F16", 2)                                                             \
    X("torch", "BFloat16Storage", STORAGE, "BF16", 2)                                                        \
    X("torch", "DoubleStorage", STORAGE, "F64", 8)                                                           \
    X("torch", "LongStorage", STORAGE, "I64", 8)                                                             \
    X("torch", "IntStorage", STORAGE, "I32", 4)                                                              \
    X("torch", "ShortStorage", STORAGE, "I16", 2)                                                            \
    X("torch", "CharStorage", STORAGE, "I8", 1)                                                              \
    X("torch", "ByteStorage", STORAGE, "U8", 1)                                                              \
    X("torch", "BoolStorage", STORAGE, "BOOL", 1)                                                            \
    X("torch", "UntypedStorage", UNTYPED_STORAGE, NULL, 1)                                                   \
    X("torch.storage", "UntypedStorage", UNTYPED_STORAGE, NULL, 1)                                           \
    X("torch", "float32", DTYPE, "F32", 4)                                                                   \
    X("torch", "float16", DTYPE, "F16", 2)                                                                   \
    X("torch", "bfloat16", DTYPE, "BF16", 2)                                                                 \
    X("torch", "float8_e4m3fn", DTYPE, "F8_E4M3", 1)                                                         \
    X("torch", "float8_e5m2", DTYPE, "F8_E5M2", 1)                                                           \
    X("torch", "uint16", DTYPE, "U16", 2)                                                                    \
    X("torch", "uint32", DTYPE, "U32", 4)                                                                    \
    X("torch", "uint64", DTYPE, "U64", 8)

static const struct hk_pickle_global globals[] = {
#define GLOBAL_ROW(module, name, role, dtype, bytes) {module, name},
    NAMES(GLOBAL_ROW)
#undef GLOBAL_ROW
};

static const struct {
    enum role role;
    const char *dtype;
    uint32_t bytes;
} MEANINGS[] = {
#define MEANING_ROW(module, name, role, dtype, bytes) {role, dtype, bytes},
    NAMES(MEANING_ROW)
#undef MEANING_ROW
};

/* ---- objects that pickles make ---- */

struct storage {
    struct hk_pickle_value key; /* a text: the storage's file */
    const char *dtype;          /* or NULL: bytes, whose type the tensor says */
    uint32_t bytes;             /* of a number */
    uint64_t n;                 /* numbers */
};

struct tensor {
    const struct storage *storage;
    const char *dtype;
    uint32_t bytes, n_dims;
    uint64_t offset; /* in numbers */
    uint64_t shape[MAX_DIMS], stride[MAX_DIMS];
};

/* What an object is, told apart by its first member. */
struct object {
    enum { OBJECT_STORAGE, OBJECT_TENSOR } kind;
    struct storage storage;
    struct tensor tensor;
};

static bool natural(const struct hk_pickle_value *v, uint64_t *out)
{
    if (v->kind != HK_PICKLE_INT || v->u.integer < 0) return false;
    *out = (uint64_t)v->u.integer;
    return true;
}

/* A tuple of at most MAX_DIMS numbers that are not negative. */
static bool naturals(const struct hk_pickle_value *v, uint64_t out[MAX_DIMS], uint32_t *n)
{
    if (v->kind != HK_PICKLE_TUPLE || v->u.list->n > MAX_DIMS) return false;
    *n = (uint32_t)v->u.list->n;
    for (uint32_t i = 0; i < *n; i++) {
        if (!natural(&v->u.list->items[i], &out[i])) return false;
    }
    return true;
}

static const struct object *object_of(const struct hk_pickle_value *v, int kind)
{
    const struct object *o = v->kind == HK_PICKLE_OBJECT ? v->u.object : NULL;
    return o && (int)o->kind == kind ? o : NULL;
}

/* (storage, offset, shape, stride, ...): what comes behind (gradients, hooks, metadata) is of no use here. In
 * version 3 the type is the seventh. */
static bool rebuild_tensor(struct hk_pickle_machine *m, enum role role, const struct hk_pickle_list *args,
                           struct hk_pickle_value *out)
{
    size_t at_least = role == TENSOR_V1 ? 4 : role == TENSOR_V2 ? 6 : 7;
    const struct object *storage = args->n >= at_least ? object_of(&args->items[0], OBJECT_STORAGE) : NULL;
    struct object *o = hk_arena_alloc(m->arena, 1, sizeof *o, m->cur->err);
    if (!o) return false;
    struct tensor *t = &o->tensor;
    uint32_t n_strides;
    if (!storage || !natural(&args->items[1], &t->offset) ||
        !naturals(&args->items[2], t->shape, &t->n_dims) ||
        !naturals(&args->items[3], t->stride, &n_strides) || n_strides != t->n_dims)
        return hk_pickle_fail(m, HK_ERR_FORMAT,
                              "a tensor needs a storage, an offset, and up to %d dimensions and strides",
                              MAX_DIMS);
    o->kind = OBJECT_TENSOR;
    t->storage = &storage->storage;
    t->dtype = t->storage->dtype;
    t->bytes = t->storage->bytes;
    if (role == TENSOR_V3) {
        const struct hk_pickle_value *type = &args->items[6];
        if (type->kind != HK_PICKLE_GLOBAL || MEANINGS[type->u.integer].role != DTYPE)
            return hk_pickle_fail(m, HK_ERR_FORMAT, "a tensor's type is no torch dtype");
        t->dtype = MEANINGS[type->u.integer].dtype;
        t->bytes = MEANINGS[type->u.integer].bytes;
    }
    if (!t->dtype)
        return hk_pickle_fail(m, HK_ERR_FORMAT, "a tensor in an untyped storage does not say its type");
    *out = (struct hk_pickle_value){.kind = HK_PICKLE_OBJECT, .u.object = o};
    return true;
}

static bool call(struct hk_pickle_machine *m, size_t global, const struct hk_pickle_list *args,
                 struct hk_pickle_value *out)
{
    const struct hk_pickle_global *g = &globals[global];
    switch (MEANINGS[global].role) {
    case DICTIONARY:
        if (args->n == 0) return hk_pickle_list_new(m, HK_PICKLE_DICT, out) != NULL;
        break;
    case SIZE:
        if (args->n == 1 && args->items[0].kind == HK_PICKLE_TUPLE) {
            *out = args->items[0];
            return true;
        }
        break;
    case TENSOR_V1:
    case TENSOR_V2:
    case TENSOR_V3:
        return rebuild_tensor(m, MEANINGS[global].role, args, out);
    case PARAMETER:
        if (args->n >= 1 && object_of(&args->items[0], OBJECT_TENSOR)) {
            *out = args->items[0];
            return true;
        }
        break;
    case STORAGE:
    case UNTYPED_STORAGE:
    case DTYPE:
        break;
    }
    return hk_pickle_fail(m, HK_ERR_UNSUPPORTED, "it calls %s.%s with arguments that are not torch.save's",
                          g->module, g->name);
}

/* ("storage", type, key, where it lay, numbers), and in old files a view, which may be None. */
static bool persistent(struct hk_pickle_machine *m, const struct hk_pickle_value *id,
                       struct hk_pickle_value *out)
{
    const struct hk_pickle_list *t = id->kind == HK_PICKLE_TUPLE ? id->u.list : NULL;
    const struct hk_pickle_value *type = t && t->n >= 5 ? &t->items[1] : NULL;
    struct object *o = hk_arena_alloc(m->arena, 1, sizeof *o, m->cur->err);
    if (!o) return false;
    uint64_t n;
    if (!type || t->n > 6 || !hk_pickle_is_text(&t->items[0], "storage") || type->kind != HK_PICKLE_GLOBAL ||
        (MEANINGS[type->u.integer].role != STORAGE && MEANINGS[type->u.integer].role != UNTYPED_STORAGE) ||
        t->items[2].kind != HK_PICKLE_TEXT || !natural(&t->items[4], &n))
        return hk_pickle_fail(m, HK_ERR_FORMAT, "a reference to something that is no storage of torch's");
    if (t->n == 6 && t->items[5].kind != HK_PICKLE_NONE)
        return hk_pickle_fail(m, HK_ERR_UNSUPPORTED, "a storage that is a view of another is not read");
    *o = (struct object){.kind = OBJECT_STORAGE,
                         .storage = {.key = t->items[2],
                                     .dtype = MEANINGS[type->u.integer].dtype,
                                     .bytes = MEANINGS[type->u.integer].bytes,
                                     .n = n}};
    *out = (struct hk_pickle_value){.kind = HK_PICKLE_OBJECT, .u.object = o};
    return true;
}

static const struct hk_pickle_rules rules = {globals, sizeof globals / sizeof *globals, call, persistent};

/* ---- where storages lie ---- */

/* A storage's bytes, by key: sorted. */
struct place {
    struct hk_pickle_value key;
    const uint8_t *data;
    uint64_t size;
};

struct torch_file {
    const char *file;
    struct hk_error *err;
    struct hk_arena scratch; /* the pickle's values */
    struct hk_pickle_value root;
    struct hk_zip_entry *entries; /* of a zip archive, */
    size_t n_entries;
    char *prefix;         /* in which FOLDER/data/ begins the names of storages; */
    struct place *places; /* else the storages of an old file */
    size_t n_places;
};

static int compare_texts(const struct hk_pickle_value *a, const struct hk_pickle_value *b)
{
    int order = memcmp(a->u.text, b->u.text, a->n < b->n ? a->n : b->n);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

static int compare_places(const void *a, const void *b)
{
    return compare_texts(&((const struct place *)a)->key, &((const struct place *)b)->key);
}

static bool find_storage(const struct torch_file *f, const struct storage *s, const uint8_t **data,
                         uint64_t *size)
{
    char name[MAX_NAME];
    if (f->entries) {
        int len = snprintf(name, sizeof name, "%sdata/%.*s", f->prefix,
                           (int)(s->key.n < MAX_NAME ? s->key.n : 0), s->key.u.text);
        const struct hk_zip_entry *e =
            len > 0 && (size_t)len < sizeof name ? hk_zip_find(f->entries, f->n_entries, name) : NULL;
        if (!e) return false;
        *data = e->data;
        *size = e->size;
        return true;
    }
    const struct place key = {.key = s->key}, *p = NULL;
    if (f->n_places) p = bsearch(&key, f->places, f->n_places, sizeof key, compare_places);
    if (!p) return false;
    *data = p->data;
    *size = p->size;
    return true;
}

/* ---- tensors ---- */

/* Row-major without gaps, or a matrix that is so the other way round. A dimension of 1 may have any stride. */
static bool plain_order(const struct tensor *t, bool *transposed)
{
    uint64_t step = 1;
    bool plain = true;
    for (uint32_t d = t->n_dims; d > 0; d--) {
        if (t->shape[d - 1] != 1 && t->stride[d - 1] != step) plain = false;
        step *= t->shape[d - 1]; /* wraps only where another one is 0, and the tensor empty */
    }
    *transposed = !plain && t->n_dims == 2 && t->stride[0] == 1 && t->stride[1] == t->shape[0];
    return plain || *transposed;
}

static bool read_tensor(const struct torch_file *f, struct hk_arena *a, const struct hk_pickle_value *name,
                        const struct tensor *t, struct hk_st_tensor *out)
{
    const struct storage *s = t->storage;
    const uint8_t *data;
    uint64_t n = 1, bytes, end, stored;
    out->name = hk_arena_strndup(a, name->u.text, name->n, f->err);
    if (!out->name) return false;
    bool fits = true;
    for (uint32_t d = 0; d < t->n_dims; d++) fits = fits && hk_mul_u64(n, t->shape[d], &n);
    fits = fits && hk_mul_u64(n, t->bytes, &bytes) && hk_add_u64(t->offset, n, &end) &&
           hk_mul_u64(end, t->bytes, &end);
    if (!fits)
        return hk_fail(f->err, HK_ERR_FORMAT, "%s: tensor %.200s: its size does not fit in the address space",
                       f->file, out->name);
    if (!find_storage(f, s, &data, &stored))
        return hk_fail(f->err, HK_ERR_FORMAT, "%s: tensor %.200s: its storage %.*s is not in the file",
                       f->file, out->name, (int)(s->key.n < 40 ? s->key.n : 40), s->key.u.text);
    if (end > stored)
        return hk_fail(
            f->err, HK_ERR_FORMAT,
            "%s: truncated or damaged: tensor %.200s ends at byte %llu of its storage, which has %llu",
            f->file, out->name, (unsigned long long)end, (unsigned long long)stored);
    if (!plain_order(t, &out->transposed))
        return hk_fail(
            f->err, HK_ERR_UNSUPPORTED,
            "%s: tensor %.200s has gaps or another order of dimensions in its storage: save it with "
            ".contiguous()",
            f->file, out->name);
    memcpy(out->dtype, t->dtype, strlen(t->dtype) + 1);
    out->n_dims = t->n_dims;
    for (uint32_t d = 0; d < 4; d++) out->shape[d] = d < t->n_dims ? t->shape[d] : 1;
    out->data = data + t->offset * t->bytes;
    out->size = bytes;
    return true;
}

/* A name and what it names, in a dictionary. */
struct pair {
    struct hk_pickle_value key, value;
};

static int compare_pairs(const void *a, const void *b)
{
    return compare_texts(&((const struct pair *)a)->key, &((const struct pair *)b)->key);
}

static bool no_state_dict(const struct torch_file *f)
{
    return hk_fail(f->err, HK_ERR_UNSUPPORTED,
                   "%s: holds no dictionary of tensors by name: only a model's state dict is read, as "
                   "transformers saves it",
                   f->file);
}

/* Every pair of the dictionary whose value is a tensor. */
static bool read_tensors(struct torch_file *f, struct hk_arena *a, struct hk_st_tensor **tensors, size_t *n)
{
    if (f->root.kind != HK_PICKLE_DICT) return no_state_dict(f);
    const struct hk_pickle_list *dict = f->root.u.list;
    struct pair *pairs = hk_arena_alloc(&f->scratch, dict->n / 2, sizeof *pairs, f->err);
    if (!pairs) return false;
    size_t count = 0;
    for (size_t i = 0; i + 1 < dict->n; i += 2) {
        const struct hk_pickle_value *key = &dict->items[i], *value = &dict->items[i + 1];
        if (!object_of(value, OBJECT_TENSOR)) continue;
        if (key->kind != HK_PICKLE_TEXT || key->n == 0 || key->n > MAX_NAME || memchr(key->u.text, 0, key->n))
            return hk_fail(f->err, HK_ERR_FORMAT,
                           "%s: a tensor's name is no text of 1 to %d bytes without NUL", f->file, MAX_NAME);
        pairs[count++] = (struct pair){*key, *value};
    }
    if (count == 0) return no_state_dict(f);
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    struct hk_st_tensor *list = hk_arena_alloc(a, count, sizeof *list, f->err);
    if (!list) return false;
    for (size_t i = 0; i < count; i++) {
        /* also keeps a name that the pickle repeats from being copied over and over */
        if (i > 0 && compare_pairs(&pairs[i - 1], &pairs[i]) == 0)
            return hk_fail(f->err, HK_ERR_FORMAT, "%s: there are two tensors named %.*s", f->file,
                           (int)(pairs[i].key.n < 200 ? pairs[i].key.n : 200), pairs[i].key.u.text);
        if (!read_tensor(f, a, &pairs[i].key, &object_of(&pairs[i].value, OBJECT_TENSOR)->tensor, &list[i]))
            return false;
    }
    *tensors = list;
    *n = count;
    return true;
}

/* ---- the two kinds of file ---- */

static bool big_endian(const struct torch_file *f)
{
    return hk_fail(f->err, HK_ERR_UNSUPPORTED,
                   "%s: was saved on a big-endian machine: load and save it on a little-endian one", f->file);
}

static bool open_zip(struct torch_file *f, const void *data, size_t size)
{
    static const char pickle_name[] = "data.pkl";
    const struct hk_zip_entry *pickle = NULL;
    if (!hk_zip_open(&f->scratch, data, size, f->file, &f->entries, &f->n_entries, f->err)) return false;
    for (size_t i = 0; i < f->n_entries && !pickle; i++) {
        const char *name = f->entries[i].name;
        size_t len = strlen(name), tail = sizeof pickle_name - 1;
        if (len < tail || strcmp(name + len - tail, pickle_name) != 0 ||
            (len > tail && name[len - tail - 1] != '/'))
            continue;
        pickle = &f->entries[i];
        f->prefix = hk_arena_strndup(&f->scratch, name, len - tail, f->err);
        if (!f->prefix) return false;
    }
    if (!pickle)
        return hk_fail(f->err, HK_ERR_FORMAT,
                       "%s: is a zip archive without data.pkl: not a file that torch.save wrote (TorchScript "
                       "and others are not read)",
                       f->file);
    char name[MAX_NAME];
    int len = snprintf(name, sizeof name, "%sbyteorder", f->prefix);
    const struct hk_zip_entry *order =
        len > 0 && (size_t)len < sizeof name ? hk_zip_find(f->entries, f->n_entries, name) : NULL;
    if (order && order->size == 3 && memcmp(order->data, "big", 3) == 0) return big_endian(f);
    struct hk_cursor cur = hk_cursor_make(pickle->data, (size_t)pickle->size, f->file, f->err);
    return hk_pickle_read(&f->scratch, &cur, &rules, &f->root);
}

/* The pickle of a magic number, with which the files before PyTorch 1.6 begin. */
static const uint8_t old_magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                    0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

/* Storages: each a count of numbers, and the numbers, in the order of the keys. How wide a number is, say the
 * storages that the dictionary refers to. */
static bool place_storages(struct torch_file *f, struct hk_cursor *cur, const struct hk_pickle_list *keys)
{
    const struct hk_pickle_list *dict = f->root.kind == HK_PICKLE_DICT ? f->root.u.list : NULL;
    struct place *known = dict ? hk_arena_alloc(&f->scratch, dict->n / 2, sizeof *known, f->err) : NULL;
    if (!dict) return no_state_dict(f);
    if (!known) return false;
    size_t n = 0;
    for (size_t i = 1; i < dict->n; i += 2) {
        const struct object *o = object_of(&dict->items[i], OBJECT_TENSOR);
        if (o) known[n++] = (struct place){.key = o->tensor.storage->key, .size = o->tensor.storage->bytes};
    }
    if (n) qsort(known, n, sizeof *known, compare_places);
    f->places = hk_arena_alloc(&f->scratch, keys->n, sizeof *f->places, f->err);
    if (!f->places) return false;
    for (size_t i = 0; i < keys->n; i++) {
        struct place *p = &f->places[i], *like = NULL;
        p->key = keys->items[i];
        if (p->key.kind == HK_PICKLE_TEXT && n) like = bsearch(p, known, n, sizeof *p, compare_places);
        if (!like)
            return hk_fail(f->err, HK_ERR_UNSUPPORTED,
                           "%s: storage %zu belongs to no tensor of the dictionary: save the model as "
                           "safetensors",
                           f->file, i);
        uint64_t count = hk_cursor_u64(cur, "a storage's length");
        if (!hk_mul_u64(count, like->size, &p->size)) p->size = UINT64_MAX;
        p->data = hk_cursor_bytes(cur, p->size, "a storage");
        if (!p->data) return false;
    }
    if (keys->n) qsort(f->places, keys->n, sizeof *f->places, compare_places);
    f->n_places = keys->n;
    return true;
}

static bool open_old(struct torch_file *f, const void *data, size_t size)
{
    struct hk_cursor cur = hk_cursor_make(data, size, f->file, f->err);
    struct hk_pickle_value version, system, keys;
    hk_cursor_bytes(&cur, sizeof old_magic, "the magic");
    if (!hk_pickle_read(&f->scratch, &cur, &rules, &version) ||
        !hk_pickle_read(&f->scratch, &cur, &rules, &system))
        return false;
    if (version.kind != HK_PICKLE_INT || version.u.integer != 1001 || system.kind != HK_PICKLE_DICT)
        return hk_fail(f->err, HK_ERR_UNSUPPORTED, "%s: is a file of torch.save's, but not of version 1001",
                       f->file);
    const struct hk_pickle_list *info = system.u.list;
    for (size_t i = 0; i + 1 < info->n; i += 2) {
        if (hk_pickle_is_text(&info->items[i], "little_endian") &&
            (info->items[i + 1].kind != HK_PICKLE_BOOL || !info->items[i + 1].u.integer))
            return big_endian(f);
    }
    if (!hk_pickle_read(&f->scratch, &cur, &rules, &f->root) ||
        !hk_pickle_read(&f->scratch, &cur, &rules, &keys))
        return false;
    if (keys.kind != HK_PICKLE_LIST)
        return hk_fail(f->err, HK_ERR_FORMAT, "%s: damaged: the keys of its storages are no list", f->file);
    return place_storages(f, &cur, keys.u.list);
}

bool hk_torch_bin_probe(const uint8_t *data, size_t size)
{
    return hk_zip_probe(data, size) ||
           (size >= sizeof old_magic && memcmp(data, old_magic, sizeof old_magic) == 0);
}

bool hk_torch_bin_parse(struct hk_arena *a, const void *data, size_t size, const char *file,
                        struct hk_st_tensor **tensors, size_t *n, struct hk_error *err)
{
    struct torch_file f = {.file = file, .err = err};
    bool old = size >= sizeof old_magic && memcmp(data, old_magic, sizeof old_magic) == 0;
    bool ok = (old ? open_old : open_zip)(&f, data, size) && read_tensors(&f, a, tensors, n);
    hk_arena_free(&f.scratch);
    return ok;
}

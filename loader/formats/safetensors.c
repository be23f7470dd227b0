/* safetensors' header. */
#include "loader/formats/safetensors.h"
#include "loader/json.h"

#include <stdlib.h>
#include <string.h>

uint32_t hk_st_dtype_bytes(const char *dtype)
{
    static const struct {
        char name[12];
        uint32_t bytes;
    } dtypes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1},
                  {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},     {"I32", 4},
                  {"F32", 4},  {"U64", 8}, {"I64", 8}, {"F64", 8}};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, dtype) == 0) return dtypes[i].bytes;
    return 0;
}

static bool bad(const struct hk_json_at *at, const char *name, const char *what)
{
    return hk_fail(at->err, HK_ERR_FORMAT, "%s: tensor %.200s: %s", at->file, name, what);
}

static bool read_shape(const struct hk_json_at *at, const char *name, struct hk_st_tensor *t)
{
    const cJSON *shape = hk_json_get(at->obj, "shape"), *item;
    if (!cJSON_IsArray(shape)) return bad(at, name, "\"shape\" is no array");
    for (size_t d = 0; d < 4; d++) t->shape[d] = 1;
    cJSON_ArrayForEach(item, shape)
    {
        uint64_t v;
        if (!hk_json_is_u64(item, &v)) return bad(at, name, "a dimension is no integer from 0 to 2^53");
        if (t->n_dims < 4) t->shape[t->n_dims] = v;
        t->n_dims++;
    }
    return true;
}

static bool read_entry(const cJSON *item, const uint8_t *data, uint64_t size, const char *file,
                       struct hk_arena *a, struct hk_st_tensor *t, struct hk_extent *extent,
                       struct hk_error *err)
{
    const char *name = item->string, *dtype = NULL;
    const struct hk_json_at at = {item, file, err};
    if (!cJSON_IsObject(item)) return bad(&at, name, "its entry is no object");
    if (!hk_json_string(&at, "dtype", HK_JSON_REQUIRED, &dtype))
        return hk_fail_prefix(err, "tensor %.200s", name);
    size_t len = strlen(dtype);
    if (len >= sizeof t->dtype) return bad(&at, name, "its dtype is no known name");
    memcpy(t->dtype, dtype, len + 1);
    if (!read_shape(&at, name, t)) return false;
    const cJSON *offsets = hk_json_get(item, "data_offsets");
    uint64_t begin = 0, end = 0;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !hk_json_is_u64(offsets->child, &begin) || !hk_json_is_u64(offsets->child->next, &end) || begin > end)
        return bad(&at, name, "\"data_offsets\" are not two integers in order");
    if (end > size)
        return hk_fail(
            err, HK_ERR_FORMAT,
            "%s: truncated or damaged: tensor %.200s is bytes %llu to %llu of the data, which has %llu", file,
            name, (unsigned long long)begin, (unsigned long long)end, (unsigned long long)size);
    t->data = data + begin;
    t->size = end - begin;
    t->name = hk_arena_strndup(a, name, strlen(name), err);
    *extent = (struct hk_extent){begin, t->size, t->name};
    return t->name != NULL;
}

static bool read_entries(const cJSON *header, const uint8_t *data, uint64_t size, const char *file,
                         struct hk_arena *a, struct hk_st_tensor **tensors, size_t *n, struct hk_error *err)
{
    if (!cJSON_IsObject(header)) return hk_fail(err, HK_ERR_FORMAT, "%s: the header is no JSON object", file);
    size_t count = 0, used = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, header) count++;
    struct hk_st_tensor *list = hk_arena_alloc(a, count, sizeof *list, err);
    struct hk_extent *extents = hk_calloc(count, sizeof *extents, err);
    bool ok = list && extents;
    cJSON_ArrayForEach(item, header)
    {
        if (!ok || strcmp(item->string, HK_ST_METADATA) == 0) continue;
        ok = read_entry(item, data, size, file, a, &list[used], &extents[used], err);
        used += ok;
    }
    ok = ok && hk_check_extents(file, extents, used, err);
    free(extents);
    *tensors = list;
    *n = used;
    return ok;
}

bool hk_safetensors_parse(struct hk_arena *a, const void *data, size_t size, const char *file,
                          struct hk_st_tensor **tensors, size_t *n, struct hk_error *err)
{
    struct hk_cursor cur = hk_cursor_make(data, size, file, err);
    uint64_t len = hk_cursor_u64(&cur, "the header's length");
    if (!cur.failed && len > HK_ST_MAX_HEADER)
        return hk_fail(err, HK_ERR_FORMAT, "%s: a header of %llu bytes: at most %d are accepted", file,
                       (unsigned long long)len, HK_ST_MAX_HEADER);
    const uint8_t *text = hk_cursor_bytes(&cur, len, "the header");
    if (!text) return false;
    cJSON *header = hk_json_parse((const char *)text, (size_t)len, file, err);
    if (!header) return false;
    bool ok = read_entries(header, text + len, hk_cursor_left(&cur), file, a, tensors, n, err);
    cJSON_Delete(header);
    return ok;
}

/* ZIP's central directory. */
#include "loader/formats/zip.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOCAL_BYTES = 30,   /* "PK\3\4": before each entry's data */
    CENTRAL_BYTES = 46, /* "PK\1\2": in the directory */
    END_BYTES = 22,     /* "PK\5\6": the last record, and up to 65535 bytes of comment */
    END64_BYTES = 56,   /* "PK\6\6": the same in 64 bits */
    LOCATOR_BYTES = 20, /* "PK\6\7": where that is; just before the last record */
    FLAG_ENCRYPTED = 1,
    EXTRA_ZIP64 = 1, /* an extra field with the sizes that do not fit in 32 bits */
};

struct directory {
    uint64_t offset, size, n;
};

bool hk_zip_probe(const uint8_t *data, size_t size)
{
    return size >= 4 && memcmp(data, "PK\3\4", 4) == 0;
}

/* The last record, searched from the end: its comment must fill the rest of the file. NULL if none. */
static const uint8_t *find_end(const uint8_t *data, size_t size)
{
    for (size_t back = END_BYTES; back <= size && back <= END_BYTES + 0xFFFFu; back++) {
        const uint8_t *p = data + size - back;
        if (memcmp(p, "PK\5\6", 4) == 0 && hk_load_u16(p + 20) == back - END_BYTES) return p;
    }
    return NULL;
}

static bool read_end64(const uint8_t *data, const uint8_t *end, struct directory *d)
{
    size_t at = (size_t)(end - data);
    if (at < LOCATOR_BYTES || memcmp(end - LOCATOR_BYTES, "PK\6\7", 4) != 0) return false;
    uint64_t offset = hk_load_u64(end - LOCATOR_BYTES + 8);
    if (offset > at || at - offset < END64_BYTES || memcmp(data + offset, "PK\6\6", 4) != 0) return false;
    const uint8_t *p = data + offset;
    *d = (struct directory){hk_load_u64(p + 48), hk_load_u64(p + 40), hk_load_u64(p + 32)};
    return true;
}

static bool read_end(const uint8_t *data, size_t size, const char *file, struct directory *d,
                     struct hk_error *err)
{
    const uint8_t *end = find_end(data, size);
    if (!end)
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: truncated or damaged: the zip archive has no end-of-directory record", file);
    *d = (struct directory){hk_load_u32(end + 16), hk_load_u32(end + 12), hk_load_u16(end + 10)};
    bool wide = d->offset == UINT32_MAX || d->size == UINT32_MAX || d->n == UINT16_MAX;
    if (wide && !read_end64(data, end, d))
        return hk_fail(err, HK_ERR_FORMAT, "%s: truncated or damaged: the zip64 directory record is missing",
                       file);
    uint64_t at = (uint64_t)(end - data);
    if (d->offset > at || d->size > at - d->offset || d->n > d->size / CENTRAL_BYTES)
        return hk_fail(
            err, HK_ERR_FORMAT,
            "%s: truncated or damaged: the zip directory of %llu entries is bytes %llu to %llu of %zu", file,
            (unsigned long long)d->n, (unsigned long long)d->offset,
            (unsigned long long)(d->offset + d->size), size);
    return true;
}

/* One entry's fields in the directory. */
struct central {
    uint32_t flags, method;
    uint64_t stored, size, offset;
    uint16_t name_len;
};

/* Sizes of 0xFFFFFFFF stand in the zip64 extra field, in this order. */
static bool read_extra(const uint8_t *extra, size_t len, struct central *c)
{
    uint64_t *const wide[] = {&c->size, &c->stored, &c->offset};
    bool missing = c->size == UINT32_MAX || c->stored == UINT32_MAX || c->offset == UINT32_MAX;
    for (size_t at = 0; missing && len - at >= 4;) {
        size_t id = hk_load_u16(extra + at), n = hk_load_u16(extra + at + 2), used = 0;
        at += 4;
        if (n > len - at) return false;
        for (size_t i = 0; id == EXTRA_ZIP64 && i < 3; i++) {
            if (*wide[i] != UINT32_MAX) continue;
            if (n - used < 8) return false;
            *wide[i] = hk_load_u64(extra + at + used);
            used += 8;
        }
        if (id == EXTRA_ZIP64) return true;
        at += n;
    }
    return !missing;
}

static bool place_entry(const uint8_t *data, size_t size, const char *file, const struct central *c,
                        struct hk_zip_entry *e, struct hk_error *err)
{
    if (c->flags & FLAG_ENCRYPTED)
        return hk_fail(err, HK_ERR_UNSUPPORTED, "%s: entry %.200s is encrypted", file, e->name);
    if (c->method != 0 || c->stored != c->size)
        return hk_fail(
            err, HK_ERR_UNSUPPORTED,
            "%s: entry %.200s is compressed (method %u): only stored entries, as torch.save writes "
            "them, are read",
            file, e->name, c->method);
    uint64_t left = size;
    bool fits =
        c->offset <= left && left - c->offset >= LOCAL_BYTES && memcmp(data + c->offset, "PK\3\4", 4) == 0;
    if (fits) {
        const uint8_t *local = data + c->offset;
        uint64_t start = c->offset + LOCAL_BYTES + hk_load_u16(local + 26) + hk_load_u16(local + 28);
        fits = start <= left && c->size <= left - start;
        e->data = data + (fits ? start : 0);
        e->size = c->size;
    }
    if (fits) return true;
    return hk_fail(
        err, HK_ERR_FORMAT,
        "%s: truncated or damaged: entry %.200s of %llu bytes at offset %llu is not in the file of "
        "%zu bytes",
        file, e->name, (unsigned long long)c->size, (unsigned long long)c->offset, size);
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct hk_zip_entry *)a)->name, ((const struct hk_zip_entry *)b)->name);
}

static bool read_central(struct hk_cursor *cur, struct central *c, const uint8_t **name)
{
    const uint8_t *p = hk_cursor_bytes(cur, CENTRAL_BYTES, "a zip directory entry");
    if (!p) return false;
    if (memcmp(p, "PK\1\2", 4) != 0)
        return hk_fail(cur->err, HK_ERR_FORMAT, "%s: damaged: no zip directory entry where one should be",
                       cur->file);
    *c = (struct central){.flags = hk_load_u16(p + 8),
                          .method = hk_load_u16(p + 10),
                          .stored = hk_load_u32(p + 20),
                          .size = hk_load_u32(p + 24),
                          .name_len = hk_load_u16(p + 28),
                          .offset = hk_load_u32(p + 42)};
    uint16_t extra_len = hk_load_u16(p + 30), comment_len = hk_load_u16(p + 32);
    *name = hk_cursor_bytes(cur, c->name_len, "a zip entry's name");
    const uint8_t *extra = hk_cursor_bytes(cur, extra_len, "a zip entry's extra field");
    hk_cursor_bytes(cur, comment_len, "a zip entry's comment");
    if (cur->failed) return false;
    if (!read_extra(extra, extra_len, c))
        return hk_fail(cur->err, HK_ERR_FORMAT, "%s: damaged: a zip64 entry without its sizes", cur->file);
    return true;
}

bool hk_zip_open(struct hk_arena *a, const void *data, size_t size, const char *file,
                 struct hk_zip_entry **entries, size_t *n, struct hk_error *err)
{
    struct directory d = {0};
    if (!read_end(data, size, file, &d, err)) return false;
    struct hk_zip_entry *list = hk_arena_alloc(a, (size_t)d.n, sizeof *list, err);
    if (!list) return false;
    struct hk_cursor cur = hk_cursor_make((const uint8_t *)data + d.offset, (size_t)d.size, file, err);
    for (uint64_t i = 0; i < d.n; i++) {
        struct central c;
        const uint8_t *name = NULL;
        if (!read_central(&cur, &c, &name)) return false;
        list[i].name = hk_arena_strndup(a, (const char *)name, c.name_len, err);
        if (!list[i].name || !place_entry(data, size, file, &c, &list[i], err)) return false;
    }
    qsort(list, (size_t)d.n, sizeof *list, compare_entries);
    for (uint64_t i = 1; i < d.n; i++) {
        if (strcmp(list[i - 1].name, list[i].name) == 0)
            return hk_fail(err, HK_ERR_FORMAT, "%s: damaged: there are two entries named %.200s", file,
                           list[i].name);
    }
    *entries = list;
    *n = (size_t)d.n;
    return true;
}

const struct hk_zip_entry *hk_zip_find(const struct hk_zip_entry *entries, size_t n, const char *name)
{
    const struct hk_zip_entry key = {.name = name};
    return n ? bsearch(&key, entries, n, sizeof key, compare_entries) : NULL;
}

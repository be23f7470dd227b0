/* The safetensors container, from a list of tensors to a file. */
#include "loader/convert/safetensors_write.h"
#include "loader/json.h"
#include "loader/out_file.h"
#include "loader/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 8 }; /* of the data, as the safetensors library has it */

struct hk_st_writer {
    struct hk_out_file *file;
    uint64_t left; /* bytes that are still to come */
    char path[];   /* a copy */
};

/* ---- the list ---- */

static bool is_utf8(const char *s)
{
    return hk_utf8_valid_run(s, strlen(s)) == strlen(s);
}

static bool check_tensor(const char *path, const struct hk_st_tensor *t, struct hk_error *err)
{
    uint64_t bytes = hk_st_dtype_bytes(t->dtype);
    if (!t->name || !*t->name || !is_utf8(t->name) || strcmp(t->name, HK_ST_METADATA) == 0)
        return hk_fail(err, HK_ERR_INPUT,
                       "%s: tensor %.200s: a name in UTF-8, not empty and not %s, would be accepted", path,
                       t->name ? t->name : "", HK_ST_METADATA);
    if (bytes == 0)
        return hk_fail(err, HK_ERR_INPUT,
                       "%s: tensor %.200s: dtype %.15s: F32, F16, BF16 or another of the format's "
                       "would be accepted",
                       path, t->name, t->dtype);
    if (t->n_dims > 4)
        return hk_fail(err, HK_ERR_INPUT, "%s: tensor %.200s: %u dimensions: at most 4 would be accepted",
                       path, t->name, t->n_dims);
    for (uint32_t d = 0; d < t->n_dims; d++) {
        if (!hk_mul_u64(bytes, t->shape[d], &bytes))
            return hk_fail(err, HK_ERR_INPUT, "%s: tensor %.200s: its shape is more than 2^64 bytes", path,
                           t->name);
    }
    return bytes == t->size ||
           hk_fail(err, HK_ERR_INPUT,
                   "%s: tensor %.200s: %llu bytes: the %llu of its shape would be accepted", path, t->name,
                   (unsigned long long)t->size, (unsigned long long)bytes);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool check_names(const char *path, const struct hk_st_tensor *tensors, size_t n, struct hk_error *err)
{
    const char **names = hk_calloc(n, sizeof *names, err);
    bool ok = names != NULL;
    for (size_t i = 0; ok && i < n; i++) names[i] = tensors[i].name;
    if (ok && n) qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 1; ok && i < n; i++)
        ok = strcmp(names[i - 1], names[i]) != 0 ||
             hk_fail(err, HK_ERR_INPUT, "%s: tensor %.200s: is there twice: each name once would be accepted",
                     path, names[i]);
    free(names);
    return ok;
}

/* ---- the header ---- */

/* A member that is an array of numbers, all digits. */
static bool add_numbers(cJSON *entry, const char *key, const uint64_t *v, uint32_t n)
{
    char text[4 * 24];
    size_t at = 0;
    text[at++] = '[';
    for (uint32_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%llu", i ? "," : "", (unsigned long long)v[i]);
    text[at++] = ']';
    text[at] = '\0';
    return cJSON_AddRawToObject(entry, key, text) != NULL;
}

static bool add_tensor(cJSON *header, const struct hk_st_tensor *t, uint64_t begin)
{
    const uint64_t offsets[2] = {begin, begin + t->size};
    cJSON *entry = cJSON_AddObjectToObject(header, t->name);
    return entry && cJSON_AddStringToObject(entry, "dtype", t->dtype) &&
           add_numbers(entry, "shape", t->shape, t->n_dims) && add_numbers(entry, "data_offsets", offsets, 2);
}

static bool add_notes(cJSON *header, const struct hk_st_note *notes, size_t n)
{
    cJSON *metadata = n ? cJSON_AddObjectToObject(header, HK_ST_METADATA) : NULL;
    for (size_t i = 0; metadata && i < n; i++)
        if (!cJSON_AddStringToObject(metadata, notes[i].key, notes[i].value)) return false;
    return metadata || n == 0;
}

/* The header's text, which the caller frees with cJSON_free, and the bytes of all tensors. NULL and *err. */
static char *make_header(const char *path, const struct hk_st_tensor *tensors, size_t n,
                         const struct hk_st_note *notes, size_t n_notes, uint64_t *data, struct hk_error *err)
{
    cJSON *header = cJSON_CreateObject();
    bool ok = header && add_notes(header, notes, n_notes);
    *data = 0;
    for (size_t i = 0; ok && i < n; i++) {
        uint64_t begin = *data;
        if (!hk_add_u64(begin, tensors[i].size, data)) {
            hk_fail(err, HK_ERR_INPUT, "%s: the tensors are more than 2^64 bytes", path);
            cJSON_Delete(header);
            return NULL;
        }
        ok = add_tensor(header, &tensors[i], begin);
    }
    char *text = ok ? cJSON_PrintUnformatted(header) : NULL;
    cJSON_Delete(header);
    if (!text)
        hk_fail(err, HK_ERR_MEMORY, "%s: out of memory for a header of %llu tensors", path,
                (unsigned long long)n);
    return text;
}

static bool write_header(struct hk_st_writer *w, const char *text, struct hk_error *err)
{
    static const char spaces[ALIGNMENT] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};
    uint64_t len = strlen(text), padded = hk_align_up(len, ALIGNMENT);
    unsigned char bytes[8];
    if (padded > HK_ST_MAX_HEADER)
        return hk_fail(err, HK_ERR_INPUT, "%s: a header of %llu bytes: at most %d would be accepted", w->path,
                       (unsigned long long)padded, HK_ST_MAX_HEADER);
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(padded >> 8 * i);
    return hk_out_file_write(w->file, bytes, sizeof bytes, err) &&
           hk_out_file_write(w->file, text, (size_t)len, err) &&
           hk_out_file_write(w->file, spaces, (size_t)(padded - len), err);
}

/* ---- the whole ---- */

struct hk_st_writer *hk_st_writer_open(const char *path, const struct hk_st_tensor *tensors, size_t n,
                                       const struct hk_st_note *notes, size_t n_notes, struct hk_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!check_tensor(path, &tensors[i], err)) return NULL;
    for (size_t i = 0; i < n_notes; i++)
        if (!is_utf8(notes[i].key) || !is_utf8(notes[i].value)) {
            hk_fail(err, HK_ERR_INPUT, "%s: metadata %llu: text in UTF-8 would be accepted", path,
                    (unsigned long long)i);
            return NULL;
        }
    if (!check_names(path, tensors, n, err)) return NULL;
    struct hk_st_writer *w = hk_calloc(1, sizeof *w + strlen(path) + 1, err);
    if (!w) return NULL;
    memcpy(w->path, path, strlen(path) + 1);
    char *header = make_header(path, tensors, n, notes, n_notes, &w->left, err);
    w->file = header ? hk_out_file_open(path, err) : NULL;
    bool ok = w->file && write_header(w, header, err);
    cJSON_free(header);
    if (ok) return w;
    hk_st_writer_abandon(w);
    return NULL;
}

bool hk_st_writer_write(struct hk_st_writer *w, const void *data, size_t size, struct hk_error *err)
{
    if (size > w->left)
        return hk_fail(err, HK_ERR_INPUT, "%s: %llu bytes: the tensors have %llu more", w->path,
                       (unsigned long long)size, (unsigned long long)w->left);
    w->left -= size;
    return hk_out_file_write(w->file, data, size, err);
}

bool hk_st_writer_commit(struct hk_st_writer *w, struct hk_error *err)
{
    bool ok = w->left == 0 || hk_fail(err, HK_ERR_INPUT, "%s: %llu bytes of its tensors did not come",
                                      w->path, (unsigned long long)w->left);
    if (!ok) {
        hk_st_writer_abandon(w);
        return false;
    }
    ok = hk_out_file_commit(w->file, err);
    free(w);
    return ok;
}

void hk_st_writer_abandon(struct hk_st_writer *w)
{
    if (!w) return;
    hk_out_file_abandon(w->file);
    free(w);
}

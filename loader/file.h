/* Files: read-only mappings, a bounds-checked cursor over bytes, and the few questions asked of a file
 * system. The seam to the operating system: file.c is the only file of loader/ that includes system headers. */
#ifndef HEKLA_LOADER_FILE_H
#define HEKLA_LOADER_FILE_H

#include "loader/base.h"

/* A file's bytes, read-only, valid until closed. Where the system can map files, pages come in as they are
 * touched; elsewhere the whole file is read. A file that somebody truncates while it is mapped is not
 * survived. */
struct hk_mapping {
    const uint8_t *data; /* page-aligned where mapped (importable as host memory); never NULL */
    size_t size;         /* bytes */
    const char *path;    /* our copy */
    enum {
        HK_MAPPING_STATIC, /* somebody else's memory, or nothing at all: not ours to give back */
        HK_MAPPING_MAPPED,
        HK_MAPPING_HEAP, /* a copy */
    } kind;
};

/* Opens a regular file. NULL and *err (HK_ERR_IO) when it is missing, is a folder or a device, or cannot be
 * read. */
struct hk_mapping *hk_mapping_open(const char *path, struct hk_error *err);
/* Bytes that are in memory already, under a name that takes the path's place: a view, which must not outlive
 * them. data may be NULL where size is 0. NULL and *err without memory for the view itself. */
struct hk_mapping *hk_mapping_view(const void *data, size_t size, const char *name, struct hk_error *err);
void hk_mapping_close(struct hk_mapping *m); /* NULL is accepted */

/* Hints for data[offset, offset + size), clamped to the mapping, never an error: `willneed` before streaming
 * through it, `done` after an upload, so that a model's pages do not stay resident twice. */
void hk_mapping_willneed(const struct hk_mapping *m, size_t offset, size_t size);
void hk_mapping_done(const struct hk_mapping *m, size_t offset, size_t size);

enum hk_path_kind { HK_PATH_MISSING, HK_PATH_FILE, HK_PATH_FOLDER, HK_PATH_OTHER };
enum hk_path_kind hk_path_kind(const char *path);

/* The file's part of a path (points into it), and "folder/name" made in the arena (NULL and *err without
 * memory). An empty folder means the current one. */
const char *hk_path_base(const char *path);
char *hk_path_join(struct hk_arena *a, const char *folder, const char *name, struct hk_error *err);
/* The folder that a file's path names: "." where it names none. */
char *hk_path_folder(struct hk_arena *a, const char *path, struct hk_error *err);

/* Names in a folder (not "." and ".."), sorted by byte value, in the arena. False and *err when it cannot be
 * read. */
bool hk_folder_list(struct hk_arena *a, const char *folder, const char *const **names, size_t *n,
                    struct hk_error *err);

/* Reads little-endian values from bytes. The first read past the end fills *err ("FILE: truncated: ...") and
 * every read after it gives zeros, so that a parser may check `failed` once per group of reads. */
struct hk_cursor {
    const uint8_t *data;
    size_t size, pos;
    bool failed;
    const char *file;     /* for messages */
    struct hk_error *err; /* may be NULL */
};
struct hk_cursor hk_cursor_make(const void *data, size_t size, const char *file, struct hk_error *err);

/* The next n bytes, or NULL past the end. `what` names them in the message. */
const uint8_t *hk_cursor_bytes(struct hk_cursor *c, uint64_t n, const char *what);
uint8_t hk_cursor_u8(struct hk_cursor *c, const char *what);
uint16_t hk_cursor_u16(struct hk_cursor *c, const char *what);
uint32_t hk_cursor_u32(struct hk_cursor *c, const char *what);
uint64_t hk_cursor_u64(struct hk_cursor *c, const char *what);
int32_t hk_cursor_i32(struct hk_cursor *c, const char *what);
float hk_cursor_f32(struct hk_cursor *c, const char *what);
size_t hk_cursor_left(const struct hk_cursor *c);

#endif

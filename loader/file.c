/* Files. Two bodies for opening one: mmap where the system is POSIX, plain reading elsewhere
 * (or with HK_FILE_NO_MMAP, which is how that body is tested here). */
#define _POSIX_C_SOURCE   200809L
#define _DEFAULT_SOURCE   /* MADV_DONTNEED */
#define _FILE_OFFSET_BITS 64
#include "loader/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <sys/stat.h>

#if !defined(HK_FILE_NO_MMAP) && (defined(__unix__) || defined(__APPLE__))
#define HAVE_MMAP 1
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#else
#define HAVE_MMAP 0
#endif

enum hk_path_kind hk_path_kind(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return HK_PATH_MISSING;
    if (S_ISREG(st.st_mode)) return HK_PATH_FILE;
    return S_ISDIR(st.st_mode) ? HK_PATH_FOLDER : HK_PATH_OTHER;
}

static bool io_error(struct hk_error *err, const char *path, int code)
{
    return hk_fail(err, HK_ERR_IO, "%s: cannot be read: %s", path, strerror(code));
}

#if HAVE_MMAP
static bool map_file(struct hk_mapping *m, struct hk_error *err)
{
    int fd = open(m->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return io_error(err, m->path, errno);
    struct stat st;
    bool ok = false;
    if (fstat(fd, &st) != 0) {
        io_error(err, m->path, errno);
    } else if (st.st_size < 0 || (uint64_t)st.st_size > SIZE_MAX) {
        hk_fail(err, HK_ERR_IO, "%s: %lld bytes do not fit in the address space", m->path,
                (long long)st.st_size);
    } else if (st.st_size == 0) { /* mmap refuses a length of 0 */
        m->data = (const uint8_t *)"";
        ok = true;
    } else {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            io_error(err, m->path, errno);
        } else {
            m->data = p;
            m->size = (size_t)st.st_size;
            m->kind = HK_MAPPING_MAPPED;
            ok = true;
        }
    }
    close(fd);
    return ok;
}
#else
static bool map_file(struct hk_mapping *m, struct hk_error *err)
{
    FILE *f = fopen(m->path, "rb");
    if (!f) return io_error(err, m->path, errno);
    struct hk_bytes all = {0};
    char *chunk = hk_calloc(1 << 20, 1, err);
    bool ok = chunk != NULL;
    for (size_t n; ok && (n = fread(chunk, 1, 1 << 20, f)) > 0;) ok = hk_bytes_append(&all, chunk, n, err);
    if (ok && ferror(f)) ok = io_error(err, m->path, EIO);
    if (ok && !all.data) ok = hk_bytes_append(&all, "", 0, err);
    fclose(f);
    free(chunk);
    if (!ok) hk_bytes_free(&all);
    m->data = (const uint8_t *)all.data;
    m->size = all.len;
    m->kind = HK_MAPPING_HEAP;
    return ok;
}
#endif

/* A mapping of nothing yet, with its copy of the path. */
static struct hk_mapping *mapping_new(const char *path, struct hk_error *err)
{
    size_t len = strlen(path);
    struct hk_mapping *m = hk_calloc(1, sizeof *m + len + 1, err);
    if (!m) return NULL;
    char *copy = (char *)(m + 1);
    memcpy(copy, path, len + 1);
    m->path = copy;
    return m;
}

struct hk_mapping *hk_mapping_view(const void *data, size_t size, const char *name, struct hk_error *err)
{
    struct hk_mapping *m = mapping_new(name, err);
    if (!m) return NULL;
    m->data = size ? data : (const uint8_t *)"";
    m->size = size;
    return m;
}

struct hk_mapping *hk_mapping_open(const char *path, struct hk_error *err)
{
    switch (hk_path_kind(path)) {
    case HK_PATH_MISSING:
        io_error(err, path, errno ? errno : ENOENT);
        return NULL;
    case HK_PATH_FOLDER:
        hk_fail(err, HK_ERR_IO, "%s: is a folder: a file is needed", path);
        return NULL;
    case HK_PATH_OTHER: /* opening a pipe or a device could wait for ever */
        hk_fail(err, HK_ERR_IO, "%s: is neither a file nor a folder: a regular file is needed", path);
        return NULL;
    case HK_PATH_FILE:
        break;
    }
    struct hk_mapping *m = mapping_new(path, err);
    if (!m) return NULL;
    if (!map_file(m, err)) {
        free(m);
        return NULL;
    }
    return m;
}

void hk_mapping_close(struct hk_mapping *m)
{
    if (!m) return;
#if HAVE_MMAP
    if (m->kind == HK_MAPPING_MAPPED) munmap((void *)(uintptr_t)m->data, m->size);
#else
    if (m->kind == HK_MAPPING_HEAP) free((void *)(uintptr_t)m->data);
#endif
    free(m);
}

#if HAVE_MMAP
static void advise(const struct hk_mapping *m, size_t offset, size_t size, int advice)
{
    long page = sysconf(_SC_PAGESIZE);
    if (m->kind != HK_MAPPING_MAPPED || page <= 0 || offset >= m->size) return;
    if (size > m->size - offset) size = m->size - offset;
    size_t start = offset / (size_t)page * (size_t)page;
    /* a hint: what the system answers does not matter */
    (void)madvise((void *)(uintptr_t)(m->data + start), size + (offset - start), advice);
}

void hk_mapping_willneed(const struct hk_mapping *m, size_t offset, size_t size)
{
    advise(m, offset, size, MADV_WILLNEED);
}

void hk_mapping_done(const struct hk_mapping *m, size_t offset, size_t size)
{
    advise(m, offset, size, MADV_DONTNEED);
}
#else
void hk_mapping_willneed(const struct hk_mapping *m, size_t offset, size_t size)
{
    (void)m, (void)offset, (void)size;
}

void hk_mapping_done(const struct hk_mapping *m, size_t offset, size_t size)
{
    (void)m, (void)offset, (void)size;
}
#endif

const char *hk_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *hk_path_join(struct hk_arena *a, const char *folder, const char *name, struct hk_error *err)
{
    size_t nf = strlen(folder), nn = strlen(name);
    bool slash = nf > 0 && folder[nf - 1] != '/';
    char *p = hk_arena_alloc(a, nf + nn + 2, 1, err);
    if (!p) return NULL;
    memcpy(p, folder, nf);
    if (slash) p[nf] = '/';
    memcpy(p + nf + (slash ? 1 : 0), name, nn + 1);
    return p;
}

char *hk_path_folder(struct hk_arena *a, const char *path, struct hk_error *err)
{
    const char *base = hk_path_base(path);
    if (base == path) return hk_arena_strndup(a, ".", 1, err);
    return hk_arena_strndup(a, path, (size_t)(base - path), err);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool hk_folder_list(struct hk_arena *a, const char *folder, const char *const **names, size_t *n,
                    struct hk_error *err)
{
    DIR *d = opendir(*folder ? folder : ".");
    if (!d) return io_error(err, folder, errno);
    const char **list = NULL;
    size_t count = 0, capacity = 0;
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (count == capacity) { /* doubling within the arena: the old array is freed with it */
            size_t bigger = capacity ? capacity * 2 : 32;
            const char **p = hk_arena_alloc(a, bigger, sizeof *p, err);
            if (p && count) memcpy(p, list, count * sizeof *p);
            list = p;
            capacity = bigger;
        }
        ok = list && (list[count] = hk_arena_strndup(a, e->d_name, strlen(e->d_name), err));
        count += ok;
    }
    closedir(d);
    if (!ok) return false;
    if (count) qsort(list, count, sizeof *list, compare_names);
    *names = list;
    *n = count;
    return true;
}

struct hk_cursor hk_cursor_make(const void *data, size_t size, const char *file, struct hk_error *err)
{
    return (struct hk_cursor){.data = data, .size = size, .file = file, .err = err};
}

const uint8_t *hk_cursor_bytes(struct hk_cursor *c, uint64_t n, const char *what)
{
    if (c->failed) return NULL;
    if (n > c->size - c->pos) {
        c->failed = true;
        hk_fail(c->err, HK_ERR_FORMAT,
                "%s: truncated or damaged: %s needs %llu bytes at offset %zu, but the file ends at %zu",
                c->file, what, (unsigned long long)n, c->pos, c->size);
        return NULL;
    }
    const uint8_t *p = c->data + c->pos;
    c->pos += (size_t)n;
    return p;
}

uint8_t hk_cursor_u8(struct hk_cursor *c, const char *what)
{
    const uint8_t *p = hk_cursor_bytes(c, 1, what);
    return p ? *p : 0;
}

uint16_t hk_cursor_u16(struct hk_cursor *c, const char *what)
{
    const uint8_t *p = hk_cursor_bytes(c, 2, what);
    return p ? hk_load_u16(p) : 0;
}

uint32_t hk_cursor_u32(struct hk_cursor *c, const char *what)
{
    const uint8_t *p = hk_cursor_bytes(c, 4, what);
    return p ? hk_load_u32(p) : 0;
}

uint64_t hk_cursor_u64(struct hk_cursor *c, const char *what)
{
    const uint8_t *p = hk_cursor_bytes(c, 8, what);
    return p ? hk_load_u64(p) : 0;
}

int32_t hk_cursor_i32(struct hk_cursor *c, const char *what)
{
    uint32_t u = hk_cursor_u32(c, what);
    int32_t i;
    memcpy(&i, &u, sizeof i);
    return i;
}

float hk_cursor_f32(struct hk_cursor *c, const char *what)
{
    const uint8_t *p = hk_cursor_bytes(c, 4, what);
    return p ? hk_load_f32(p) : 0;
}

size_t hk_cursor_left(const struct hk_cursor *c)
{
    return c->failed ? 0 : c->size - c->pos;
}

/* C11 but for one thing that only POSIX says: whether two names are one file. */
#define _POSIX_C_SOURCE   200809L
#define _FILE_OFFSET_BITS 64
#include "loader/out_file.h"
#include "loader/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#if defined(__unix__) || defined(__APPLE__)
#define HAVE_POSIX 1
#else
#define HAVE_POSIX 0
#endif

struct hk_out_file {
    FILE *file;
    char *path, *temporary; /* behind the struct, in the same allocation */
};

static bool io_error(struct hk_error *err, const char *path, const char *what, int code)
{
    return hk_fail(err, HK_ERR_IO,
                   "%s: cannot be %s: %s: a folder with room, and the right to write there, "
                   "are needed",
                   path, what, strerror(code ? code : EIO));
}

/* A name beside the file's own that nobody has yet: C11's mode "x" makes only new files. */
static bool make_temporary(struct hk_out_file *f, size_t capacity, struct hk_error *err)
{
    enum { TRIES = 100 };
    for (int i = 0; i < TRIES; i++) {
        snprintf(f->temporary, capacity, "%s.partial%d", f->path, i);
        errno = 0;
        f->file = fopen(f->temporary, "wbx");
        if (f->file) return true;
        if (errno != EEXIST) break;
    }
    return io_error(err, f->path, "made", errno);
}

struct hk_out_file *hk_out_file_open(const char *path, struct hk_error *err)
{
    enum hk_path_kind kind = hk_path_kind(path);
    if (kind == HK_PATH_FOLDER || kind == HK_PATH_OTHER || !*path) {
        hk_fail(err, HK_ERR_INPUT, "%s: is %s: a file's name is needed", path,
                kind == HK_PATH_FOLDER ? "a folder"
                : *path                ? "neither a file nor a folder"
                                       : "an empty name");
        return NULL;
    }
    enum { ROOM = 16 }; /* for ".partial99" */
    size_t len = strlen(path);
    struct hk_out_file *f = hk_calloc(1, sizeof *f + 2 * (len + 1) + ROOM, err);
    if (!f) return NULL;
    f->path = (char *)(f + 1);
    memcpy(f->path, path, len + 1);
    f->temporary = f->path + len + 1;
    if (make_temporary(f, len + 1 + ROOM, err)) return f;
    free(f);
    return NULL;
}

bool hk_out_file_write(struct hk_out_file *f, const void *data, size_t size, struct hk_error *err)
{
    errno = 0;
    return size == 0 || fwrite(data, 1, size, f->file) == size || io_error(err, f->path, "written", errno);
}

bool hk_out_file_commit(struct hk_out_file *f, struct hk_error *err)
{
    errno = 0;
    bool ok = fclose(f->file) == 0; /* some file systems say only now that they are full */
    if (!ok) io_error(err, f->path, "written", errno);
#if !HAVE_POSIX
    if (ok) remove(f->path); /* rename may refuse to replace a file there */
#endif
    if (ok && rename(f->temporary, f->path) != 0) ok = io_error(err, f->path, "put in its place", errno);
    if (!ok) remove(f->temporary);
    free(f);
    return ok;
}

void hk_out_file_abandon(struct hk_out_file *f)
{
    if (!f) return;
    fclose(f->file);
    remove(f->temporary);
    free(f);
}

bool hk_same_file(const char *a, const char *b)
{
#if HAVE_POSIX
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
#else
    return strcmp(a, b) == 0;
#endif
}

/* ZIP archives as far as PyTorch writes them: entries stored without compression, so that their bytes can be
 * used where they lie. Zip64 is read. Format: PKWARE's APPNOTE.TXT 6.3. */
#ifndef HEKLA_LOADER_ZIP_H
#define HEKLA_LOADER_ZIP_H

#include "loader/file.h"

struct hk_zip_entry {
    const char *name;    /* a copy; bytes after a NUL in it are cut off */
    const uint8_t *data; /* in the archive */
    uint64_t size;       /* bytes */
};

/* Whether data[0, size) begins as an archive does. */
bool hk_zip_probe(const uint8_t *data, size_t size);

/* Reads the central directory of data[0, size): *entries, *n of them, in the arena, sorted by name. False and
 * *err when the directory or an entry leaves the file, a name occurs twice, or an entry is compressed,
 * encrypted or on another disk. Checksums are not compared (PyTorch can leave them out). */
bool hk_zip_open(struct hk_arena *a, const void *data, size_t size, const char *file,
                 struct hk_zip_entry **entries, size_t *n, struct hk_error *err);

/* The entry of that name, or NULL. */
const struct hk_zip_entry *hk_zip_find(const struct hk_zip_entry *entries, size_t n, const char *name);

#endif

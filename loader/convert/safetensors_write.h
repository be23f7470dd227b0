/* Writing safetensors: a header that says what there is, then the tensors' bytes, in one file that is there whole
 * or not at all. What is written, formats/safetensors.h reads, and so does the safetensors library. */
#ifndef HEKLA_LOADER_SAFETENSORS_WRITE_H
#define HEKLA_LOADER_SAFETENSORS_WRITE_H

#include "loader/formats/safetensors.h"

/* A pair of the header's "__metadata__"; both UTF-8. */
struct hk_st_note {
    const char *key, *value;
};

/* Used by one thread at a time. */
struct hk_st_writer;

/* Begins the file that will be at `path`: n tensors, of each its name (UTF-8, each once), dtype, n_dims (at most 4)
 * and shape are looked at, and size, bytes, which must be what those say. Their bytes stand in the file in the
 * list's order: with dtypes of wide numbers before those of narrow ones, each is aligned. NULL and *err:
 * HK_ERR_INPUT where the list is wrong, HK_ERR_IO, HK_ERR_MEMORY. Nothing of the arguments is kept. */
struct hk_st_writer *hk_st_writer_open(const char *path, const struct hk_st_tensor *tensors, size_t n,
                                       const struct hk_st_note *notes, size_t n_notes, struct hk_error *err);

/* The next `size` bytes of the tensors, little-endian, one tensor after the other, cut as the caller likes. */
bool hk_st_writer_write(struct hk_st_writer *w, const void *data, size_t size, struct hk_error *err);

/* Puts the file in its place and frees w. False and *err (HK_ERR_INPUT: not all bytes came): then nothing is left
 * of it, and what was there before is untouched. */
bool hk_st_writer_commit(struct hk_st_writer *w, struct hk_error *err);

/* Leaves nothing of the file; frees w. NULL is accepted. */
void hk_st_writer_abandon(struct hk_st_writer *w);

#endif

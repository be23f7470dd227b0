/* A file that is written whole or not at all: under a temporary name beside its place, and renamed at the
 * end. out_file.c is the seam to the operating system for writing, as file.c is for reading. */
#ifndef HEKLA_LOADER_OUT_FILE_H
#define HEKLA_LOADER_OUT_FILE_H

#include "loader/base.h"

struct hk_out_file;

/* Begins a file that will be at `path`. NULL and *err where something other than a regular file is there, or
 * none can be made in its folder. End with one of the two functions below. */
struct hk_out_file *hk_out_file_open(const char *path, struct hk_error *err);

/* Appends. False and *err (HK_ERR_IO: the path and the system's reason, "No space left on device") when it
 * cannot. */
bool hk_out_file_write(struct hk_out_file *f, const void *data, size_t size, struct hk_error *err);

/* Brings the file to its place, over what was there; frees f. On failure nothing is left of it, and what was
 * there before is untouched. Like cp, it does not wait for the disk: a power cut soon after may lose it. */
bool hk_out_file_commit(struct hk_out_file *f, struct hk_error *err);

/* Removes what was written; frees f. NULL is accepted. */
void hk_out_file_abandon(struct hk_out_file *f);

/* Whether two paths name one existing file: by what the system says, not by spelling. */
bool hk_same_file(const char *a, const char *b);

#endif

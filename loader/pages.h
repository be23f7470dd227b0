/* The pages of mapped files that tensors lie in: in which order they come, which to ask for, and which to give
 * back, so that a model's weights are not in memory a second time while they are converted or uploaded.
 *
 * Hints only. Pages that were given back and are read again come in again; a checkpoint that is not mapped has
 * none. Any thread may call all of this. */
#ifndef HEKLA_LOADER_PAGES_H
#define HEKLA_LOADER_PAGES_H

#include "loader/checkpoint.h"

/* Where a tensor begins. Where several parts make it (codes, scales), where its codes do. */
struct hk_place {
    uint32_t file;   /* number of the mapping, from 1; 0: none */
    uint64_t offset; /* bytes from its beginning */
};
struct hk_place hk_place_of(const struct hk_checkpoint *c, const struct hk_ckpt_tensor *t);
/* < 0, 0, > 0: tensors that are read in this order are read forward, file by file. */
int hk_place_compare(struct hk_place a, struct hk_place b);

/* Weights [first, first + n) of t are read next: the system may fetch them at once. */
void hk_pages_ask(const struct hk_checkpoint *c, const struct hk_ckpt_tensor *t, uint64_t first, uint64_t n);

/* Weights [first, first + n) of t have been read. Call this for chunks in the order of their places, each once:
 * what the system mapped late for one chunk (its neighbours, while another thread read the next) goes with the
 * next. Of a tensor whose every chunk touches all pages (a transposed one, codes packed along rows) they go
 * with the last chunk. */
void hk_pages_done(const struct hk_checkpoint *c, const struct hk_ckpt_tensor *t, uint64_t first, uint64_t n);

#endif

/* The buffers that a forward's embed, layer and head work in. Each asks for what it needs by
 * a table; what a step of every model has is in struct step (model.h). Nothing in scratch survives a layer. */
#ifndef HEKLA_RUNTIME_SCRATCH_H
#define HEKLA_RUNTIME_SCRATCH_H

#include "runtime/model.h"

struct backend_table;

/* (rows, cols) activations, their rows padded as kernels want them; no memory yet. */
struct hk_tensor scratch_shape(uint32_t rows, uint64_t cols);

/* Adds the bytes that t takes in an arena to *total: false when 64 bits do not hold them. And gives it that
 * memory. */
bool scratch_add_bytes(const struct hk_tensor *t, uint64_t *total);
bool scratch_alloc_tensor(const struct backend_table *be, struct arena *a, struct hk_tensor *t,
                          struct hk_error *err);

/* The same for all of the forward's buffers, of a step of up to n_tokens tokens and n_out outputs.
 * scratch: [MAX_SCRATCH], in the order of the forward's table; views get their addresses too. */
bool scratch_add_plan(const struct hk_model *m, uint32_t n_tokens, uint32_t n_out, uint64_t *total);
bool scratch_alloc(const struct hk_model *m, uint32_t n_tokens, uint32_t n_out, struct arena *a,
                   struct hk_tensor *scratch, struct hk_error *err);

/* Makes them those of a smaller step: their first rows. */
void scratch_shrink(const struct hk_model *m, uint32_t n_tokens, uint32_t n_out, struct hk_tensor *scratch);

#endif

/* Binding: which tensor of a checkpoint goes where in an architecture's structs and in device memory, by the
 * architecture's weight table. upload.h carries it out; two steps, so that the whole need is known before
 * anything is allocated. */
#ifndef HEKLA_RUNTIME_WEIGHTS_H
#define HEKLA_RUNTIME_WEIGHTS_H

#include "runtime/model.h"

/* A piece of device memory: a matrix (or several, stacked), or a vector. */
struct home {
    uint64_t bytes, addr;
    bool zero;           /* filled with zeros first: not every part may come */
    const void *content; /* or with this */
};

/* A field of the architecture's structs that waits for its home's address. */
struct field {
    uint64_t *addr;
    size_t home;
    const struct hk_weight *read_whole; /* a matrix that each decode step reads, or NULL */
};

/* A tensor of the checkpoint on its way to rows first_row.. of a home. */
struct binding {
    const struct hk_ckpt_tensor *tensor;
    const struct hk_weight *w; /* the matrix it becomes a part of, or NULL: a vector */
    uint32_t rows, cols, first_row;
    size_t home;
};

struct weight_plan {
    struct hk_model *m;
    enum hk_weight_type quant;
    struct home *homes;
    struct field *fields;
    struct binding *bindings;
    size_t n_homes, n_fields, n_bindings;
    /* the newest order of columns, which other matrices that read the same input mostly share */
    const uint32_t *order;
    uint32_t order_cols;
    size_t order_home;
    /* of the stack whose parts are being bound: the home of its newest matrix, of its bias, that matrix's
     * order of columns, and where parts begin */
    size_t stack_home, stack_bias_home;
    const uint32_t *stack_order;
    uint32_t stack_start[HK_STACK_PARTS + 1];
};

/* Finds every tensor of m->arch's table in m->ckpt, checks its shape, decides its type on the device, and
 * fills m->global and m->layers but for addresses; fills m->stats (parameters, bytes) and m->f32_only.
 * Matrices that read the same input are stacked where their types allow. quant: HK_WEIGHT_TYPE_COUNT or what
 * F32, F16 and BF16 matrices become. NULL and *err: a tensor is missing or has another shape. */
struct weight_plan *weights_bind(struct hk_model *m, enum hk_weight_type quant, struct hk_error *err);
void weights_plan_free(struct weight_plan *p); /* the model keeps what it needs; NULL is accepted */

#endif

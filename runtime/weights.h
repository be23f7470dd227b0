/* Binding: which tensor of a checkpoint goes where in a forward's structs and in device memory, by the architecture's
 * description. upload.h carries it out; two steps, so that the whole need is known before
 * anything is allocated. */
#ifndef HEKLA_RUNTIME_WEIGHTS_H
#define HEKLA_RUNTIME_WEIGHTS_H

#include "runtime/model.h"

/* A piece of device memory: a matrix (or several, stacked), or a vector. */
struct home {
    uint64_t bytes, addr;
    void *host;          /* mapped, or NULL where the host cannot see it */
    bool zero;           /* filled with zeros first: not every part may come */
    const void *content; /* or with this */
};

/* A field of the forward's structs that waits for its home's address. */
struct field {
    uint64_t *addr;
    size_t home;
    const struct hk_weight *read_whole; /* a matrix that each decode step reads, or NULL */
};

struct weight_plan {
    struct hk_model *m;
    struct hk_arena arena; /* contents of homes */
    enum hk_weight_type quant;
    struct home *homes;
    struct field *fields;
    struct binding *bindings; /* the model's */
    size_t n_homes, n_fields, n_bindings;
    /* the newest order of columns, which other matrices that read the same input mostly share */
    const uint32_t *order;
    uint32_t order_cols;
    size_t order_home;
};

/* Finds every tensor of m->arch in m->ckpt, checks its shape, decides its type on the device, and
 * fills m->global, m->layers and m->bindings but for addresses; fills m->stats (parameters, bytes) and m->f32_only.
 * Matrices that read the same input are stacked where their types allow. quant: HK_WEIGHT_TYPE_COUNT or what
 * F32, F16 and BF16 matrices become. NULL and *err: a tensor is missing or has another shape. */
struct weight_plan *weights_bind(struct hk_model *m, enum hk_weight_type quant, struct hk_error *err);
void weights_plan_free(struct weight_plan *p); /* the model keeps what it needs; NULL is accepted */

#endif

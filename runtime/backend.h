/* What carries out ops: memory, weights, and the recording of steps. Two tables implement it: backend_vulkan.c (a
 * device) and ops_reference.c (the host). All that is above is written against this alone, so every forward pass
 * runs on either. */
#ifndef HEKLA_RUNTIME_BACKEND_H
#define HEKLA_RUNTIME_BACKEND_H

#include "runtime/gpu/gpu.h"
#include "runtime/hekla.h" /* hk_progress_fn */
#include "runtime/op.h"

struct backend;  /* a device */
struct arena;    /* its memory of one lifetime */
struct recorder; /* a step being recorded, then replayed */

struct backend_table {
    uint64_t (*budget)(struct backend *b); /* bytes that can still be allocated */
    uint32_t (*batch)(struct backend *b);  /* tokens worth computing together: a prompt's chunk */

    struct arena *(*arena_new)(struct backend *b, enum gpu_memory kind, uint64_t expected,
                               struct hk_error *err);
    bool (*arena_alloc)(struct arena *a, uint64_t size, struct gpu_span *out, struct hk_error *err);
    void (*arena_free)(struct arena *a);
    bool (*write)(struct backend *b, uint64_t addr, const void *src, uint64_t size, struct hk_error *err);
    bool (*read)(struct backend *b, uint64_t addr, void *dst, uint64_t size, struct hk_error *err);

    /* Weights on their way: rows are packed by any thread, then uploaded by the backend's own; where an arena's
     * span has a host pointer, they are packed into their place. Transfers overlap what follows them; src
     * may be used again at once. upload_finish waits for all of them. */
    uint64_t (*weight_bytes)(const struct hk_weight_layout *l); /* that a weight takes on this backend */
    /* n_rows rows in the file's form at src, row_stride bytes apart, as tiles first_tile.. of a matrix of
     * layout l at dst. The last tile's missing rows become zero. */
    void (*weight_pack)(const struct hk_weight_layout *l, uint32_t first_tile, const void *src,
                        uint64_t row_stride, uint32_t n_rows, void *dst);
    /* Tiles first_tile.. of w, packed as a matrix of their own of layout l. */
    bool (*weight_upload)(struct backend *b, const struct hk_weight *w, uint32_t first_tile,
                          const struct hk_weight_layout *l, const void *src, struct hk_error *err);
    bool (*upload)(struct backend *b, uint64_t addr, const void *src, uint64_t size, struct hk_error *err);
    bool (*upload_finish)(struct backend *b, struct hk_error *err);

    /* For record_begin to recorder_free below. emit gets ops in their order, all that were recorded since the
     * last time: it may fuse or reorder what their operands allow. Its failures go to r->error. */
    struct recorder *(*recorder_new)(struct backend *b, struct hk_error *err);
    void (*emit)(struct recorder *r, const struct op *ops, size_t n);
    bool (*recorder_end)(struct recorder *r, struct hk_error *err);
    void (*recorder_free)(struct recorder *r);
    /* n_positions: how many positions the step's tokens see, summed: what attention costs (op_cost). */
    bool (*submit)(struct backend *b, struct recorder *r, uint64_t n_positions, uint64_t *ticket,
                   struct hk_error *err);
    bool (*wait)(struct backend *b, uint64_t ticket, struct hk_error *err);
    /* Chooses how the matmuls of these weights are done, for each of these numbers of tokens, which stand for all
     * below their double. Measures on the weights, which have their contents, what is not known yet; recording
     * only looks choices up, and has a fixed one where there is none. progress ("tuning") may be NULL. False and
     * *err: it returned false (HK_ERR_CANCELLED), or host memory is out; what cannot be measured keeps the fixed
     * choice. */
    bool (*tune)(struct backend *b, const struct hk_weight *const *weights, size_t n_weights,
                 const uint32_t *n_tokens, size_t n_counts, hk_progress_fn progress, void *user,
                 struct hk_error *err);
    /* How many ways this backend has to do a matmul of n_tokens tokens: 0 where there is nothing to choose.
     * What way i < that is, for people, goes to name; the NMSE it may have against the reference is returned. */
    uint32_t (*n_variants)(struct backend *b, uint32_t n_tokens);
    double (*variant_name)(struct backend *b, uint32_t n_tokens, uint32_t i, char name[48]);
    /* Bytes per second, 1e9, that a plain read of memory reaches; 0 where that means nothing. */
    bool (*read_bandwidth)(struct backend *b, double *gbps, struct hk_error *err);
    void (*close)(struct backend *b);
};

/* Both begin with their table, so that a pointer to either finds it. */
struct backend {
    const struct backend_table *table;
};
struct recorder {
    const struct backend_table *table;
    struct op_list held;     /* recorded, and not yet handed to the backend */
    struct hk_error error;   /* the first failure; later ops are skipped */
    struct hk_tensor sorted; /* (T, most columns): room for a matmul's input in the order of the weight's
                                columns. Lent by whoever records weights that have one. */
};

/* A recorder's life; ops.h's functions come between begin and end. The weights that ops point to must stay as long
 * as it is submitted, like the memory of their tensors. After a failed end only recorder_free may be called; it
 * waits for the last submission, and accepts NULL. Used by one thread at a time, the backend's. */
struct recorder *record_begin(struct backend *b, struct hk_error *err);
void record_op(struct recorder *r, const struct op *op); /* copies it; shapes are the caller's affair */
bool record_end(struct recorder *r, struct hk_error *err);
void recorder_free(struct recorder *r);

struct backend *backend_reference_open(struct hk_error *err);
/* What `tune` does. */
enum tuner_mode {
    /* measures on GPUs; takes tune.c's choice on CPU-type devices, where compiling a candidate takes longer than
     * it can win */
    TUNER_AUTO,
    TUNER_MEASURE, /* measures everywhere */
    TUNER_OFF,     /* takes tune.c's choice everywhere */
};
/* Takes the gpu over: close closes it, also when this fails. */
struct backend *backend_vulkan_open(struct gpu *g, enum tuner_mode tune, const char *cache_dir,
                                    struct hk_error *err);

struct hk_device;
/* hk_device is a backend with what hekla.h promises of a device. */
struct backend *hk_device_backend(struct hk_device *d);

#endif

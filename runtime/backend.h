/* What carries out ops: memory, weights, and the recording of steps. Two tables implement it:
 * backend_vulkan.c (a device) and ops_reference.c (the host). model.c, session.c and selftest.c are written
 * against this alone, so every forward pass runs on either. */
#ifndef HEKLA_RUNTIME_BACKEND_H
#define HEKLA_RUNTIME_BACKEND_H

#include "runtime/gpu/gpu.h"
#include "runtime/ops.h"

enum op_kind {
    OP_EMBED,
    OP_RMSNORM,
    OP_LAYERNORM,
    OP_MATMUL,
    OP_ROPE,
    OP_KV_WRITE,
    OP_ATTENTION,
    OP_ACTIVATE,
    OP_SELECT_ROWS,
    OP_SELECT_COLS,
    OP_ARGMAX,
    OP_KIND_COUNT
};

/* One op with its operands; what each kind uses is what its function in ops.h takes. */
struct op {
    enum op_kind kind;
    bool accumulate;  /* dst += instead of dst = */
    uint32_t variant; /* 0: the backend chooses; else 1 + which of its n_variants: for selftest */
    struct hk_tensor dst, x, y;
    struct hk_tensor gain, bias; /* norms: both; matmul: bias */
    struct hk_tensor ids;        /* token ids, positions or row indices */
    struct hk_tensor fork;       /* kv_write, attention: may be absent */
    const struct hk_weight *w;
    struct hk_kv kv;
    float eps, scale;
    uint32_t n_head, head_dim;
    enum hk_rope_pairing pairing;
    enum hk_activation activation;
};
const char *op_name(enum op_kind kind);

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

    /* Bytes that a weight takes on this backend. */
    uint64_t (*weight_bytes)(const struct hk_weight_layout *l);
    /* Packs and uploads tiles first..first+n of w: rows in the file's form at src, row_stride bytes apart;
     * n_rows of them are there. Calls may overlap the previous one's transfer; weight_finish waits for all. */
    bool (*weight_upload)(struct backend *b, const struct hk_weight *w, uint32_t first_tile, uint32_t n_tiles,
                          const void *src, uint64_t row_stride, uint32_t n_rows, struct hk_error *err);
    bool (*weight_finish)(struct backend *b, struct hk_error *err);

    struct recorder *(*record_begin)(struct backend *b, struct hk_error *err);
    void (*record)(struct recorder *r, const struct op *op);
    void (*record_copy)(struct recorder *r, uint64_t dst, uint64_t src, uint64_t size);
    bool (*record_end)(struct recorder *r, struct hk_error *err);
    void (*recorder_free)(struct recorder *r);
    bool (*submit)(struct backend *b, struct recorder *r, uint64_t *ticket, struct hk_error *err);
    bool (*wait)(struct backend *b, uint64_t ticket, struct hk_error *err);
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
    struct hk_tensor sorted; /* (T, most columns): room for a matmul's input in the order of the weight's
                                columns. Lent by whoever records weights that have one. */
};

struct backend *backend_reference_open(struct hk_error *err);
/* Takes the gpu over: close closes it, also when this fails. */
enum tuner_mode {                /* tuner.h */
                  TUNER_AUTO,    /* measure on GPUs; on CPU-type devices, where compiling a candidate takes
                                    longer than it can win,    take tune.c's own choice */
                  TUNER_MEASURE, /* measure everywhere */
                  TUNER_OFF,     /* tune.c's choice everywhere */
};
struct backend *backend_vulkan_open(struct gpu *g, enum tuner_mode tune, const char *cache_dir,
                                    struct hk_error *err);

struct hk_device;
/* hk_device is a backend with what hekla.h promises of a device. */
struct backend *hk_device_backend(struct hk_device *d);

#endif

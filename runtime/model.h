/* A model: an architecture's weights on a backend. What arch/ sees of it, and the step that it records. */
#ifndef HEKLA_RUNTIME_MODEL_H
#define HEKLA_RUNTIME_MODEL_H

#include "loader/archs/arch.h"
#include "runtime/hekla.h"
#include "runtime/tensor.h"

struct backend;
struct arena;
struct recorder;
struct forward;

/* A tensor of the checkpoint in the model: which it is, and where it went. */
struct binding {
    const struct hk_ckpt_tensor *tensor;
    const struct hk_arch_tensor *row; /* whose names it has: hk_arch_hf_name */
    struct hk_name_numbers numbers;   /* its layer, its expert */
    bool bias;
    const struct hk_weight *w;      /* the matrix it is a part of, or NULL: a vector */
    uint32_t rows, cols, first_row; /* its rows, which are first_row.. of w or of the vector */
    float scale;                    /* what multiplies the rows of a matrix, when it is loaded */
    uint64_t tensor_row; /* the first of the tensor's rows that it has: of several experts in one tensor */
    size_t home;         /* weights.h: of use while loading */
};

struct hk_model {
    struct backend *backend;
    const struct hk_checkpoint *ckpt;
    struct hk_hparams hp;
    const struct hk_arch *arch;    /* what it is */
    const struct forward *forward; /* how it is computed */
    struct arena *arena;           /* the weights */
    void *global;                  /* the forward's struct of global weights */
    void *layers;                  /* n_layer of its struct of layer weights */
    struct binding *bindings;      /* [n_bindings] every tensor that is used; tied ones once */
    size_t n_bindings;
    /* rotary frequencies (rope_dim / 2), scaling applied; NULL where the architecture has none */
    float *inv_freq;
    uint32_t order_cols; /* the most columns of a matrix whose columns have an order; 0: none has */
    bool f32_only;       /* every matrix on the device is f32 */
    struct hk_model_stats stats;
};

/* A row of a forward's table of the buffers it works in (scratch.h): rows as many as the step's tokens or
 * outputs, columns the sum of cols. */
enum { MAX_SCRATCH = 24, MAX_SCRATCH_PARTS = 3 };
enum scratch_rows { PER_TOKEN, PER_OUTPUT };
struct scratch_row {
    const char *name;
    enum scratch_rows rows;
    enum hk_dim cols[MAX_SCRATCH_PARTS];
    bool view; /* columns of row `of` of the table, behind the sum of skip: no memory of its own */
    uint32_t of;
    enum hk_dim skip[MAX_SCRATCH_PARTS];
};

/* The buffers of one step of T = n_tokens tokens, of which n_out want logits: what every model has. */
struct step {
    uint32_t n_tokens, n_out;
    struct hk_tensor tokens;  /* (1, T) ids */
    struct hk_places places;  /* of the T tokens */
    struct hk_tensor out_idx; /* (1, n_out) which of the T */
    struct hk_tensor x;       /* (T, n_embd) residual stream: all that a layer leaves to the next, but kv */
    struct hk_tensor logits;  /* (n_out, DIM_OUT) */
    struct hk_tensor sorted;  /* (T, order_cols) an input in the order of a matrix's columns */
    struct hk_tensor rope;    /* (n_ctx, rope_dim) cos, sin */
    const struct hk_kv *kv;   /* [n_layer] */
    struct hk_tensor scratch[MAX_SCRATCH]; /* the architecture's own */
};

/* Where a forward keeps what the description calls `name` (hk_arch_field). */
enum field_kind {
    FIELD_VECTOR, /* hk_tensor */
    FIELD_MATRIX, /* hk_weight */
    FIELD_STACK,  /* hk_stack: all of the description's tensors of this field, their biases too */
};
struct weight_field {
    const char *name;
    enum field_kind kind;
    size_t offset; /* in the forward's struct */
    size_t bias;   /* the same of the hk_tensor of a vector's or matrix's bias, or 0 */
};

/* How an architecture is computed (and those derived from it): a file in arch/. A field that the description or the
 * checkpoint does not have has rows == 0. */
struct forward {
    const char *name;
    size_t global_size, layer_size;
    const struct weight_field *global_fields, *layer_fields; /* each ends at name == NULL */
    const struct scratch_row *scratch;                       /* ends at name == NULL; at most MAX_SCRATCH */
    /* Record parts of a step: tokens -> x; x -> x by layer i, writing its keys and values; x -> logits of the
     * step's outputs, where it has any. */
    void (*embed)(struct recorder *r, const struct hk_model *m, const struct step *s);
    void (*layer)(struct recorder *r, const struct hk_model *m, const struct step *s, uint32_t i);
    void (*head)(struct recorder *r, const struct hk_model *m, const struct step *s);
};

/* Records a whole step: tokens -> logits (when n_out > 0), writing its keys and values. */
void hk_model_record(struct recorder *r, const struct hk_model *m, const struct step *s);

const struct hk_hparams *hk_model_hparams(const struct hk_model *m);

/* cos and sin of every position: out (n_ctx, rope_dim), as ops.h's rope takes it. */
void hk_rope_table(const struct hk_model *m, uint32_t n_ctx, float *out);

/* Adds what a runner of these options (NULL: the defaults) takes on the device to the plan; false where that
 * does not fit in 64 bits. The model need only be bound, not loaded. */
struct hk_plan;
bool hk_runner_plan(const struct hk_model *m, const struct hk_runner_options *opt, struct hk_plan *plan);

#endif

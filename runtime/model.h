/* A model: an architecture's weights on a backend. What arch/ sees of it, and the step they record. */
#ifndef HEKLA_RUNTIME_MODEL_H
#define HEKLA_RUNTIME_MODEL_H

#include "loader/checkpoint.h"
#include "runtime/hekla.h"
#include "runtime/tensor.h"

struct backend;
struct arena;
struct recorder;
struct arch;

struct hk_model {
    struct backend *backend;
    const struct hk_checkpoint *ckpt;
    struct hk_hparams hp;
    const struct arch *arch;
    struct arena *arena; /* the weights */
    void *global;        /* the architecture's struct of global weights */
    void *layers;        /* n_layer of its struct of layer weights */
    float *inv_freq; /* rotary frequencies (rope_dim / 2), scaling applied; NULL where the architecture has
                        none */
    uint32_t order_cols; /* the most columns of a matrix whose columns have an order; 0: none has */
    bool f32_only;       /* every matrix on the device is f32 */
    struct hk_model_stats stats;
};

/* Sizes that dimensions of weights and buffers can have. */
enum dim {
    DIM_NONE, /* 0 */
    DIM_ONE,
    DIM_EMBD,
    DIM_VOCAB,
    DIM_HEADS,
    DIM_KV,
    DIM_QKV,
    DIM_FF,
    DIM_CTX_TRAIN,
    DIM_OUT, /* what a step gives for a token: n_vocab logits, or a reward model's n_labels */
};
uint32_t hk_dim(const struct hk_hparams *hp, enum dim d);

/* A row of an architecture's weight table: what model.c looks for, checks, packs and uploads. */
struct weight_row {
    const char *name; /* canonical tensor name; %u is the layer */
    size_t offset; /* of the hk_weight (matrix), hk_tensor (vector) or hk_stack (part) in the architecture's
                      struct */
    uint32_t part; /* 1, 2, ..: of a stack, or of its bias; a stack's matrices come before its biases */
    enum dim rows, cols;  /* the shape it must have; a vector (1, cols) has rows DIM_ONE */
    bool optional;        /* absent gives rows == 0 */
    bool keep;            /* not quantized at load */
    const char *fallback; /* use this tensor where `name` is absent: tied embeddings */
    const char *head;     /* use this one, as it is, in a reward model; `name` and `fallback` in the others */
};

/* A row of an architecture's table of the buffers it works in (scratch.h): rows as many as the step's tokens or
 * outputs, columns the sum of cols. */
enum { MAX_SCRATCH = 24, MAX_SCRATCH_PARTS = 3 };
enum scratch_rows { PER_TOKEN, PER_OUTPUT };
struct scratch_row {
    const char *name;
    enum scratch_rows rows;
    enum dim cols[MAX_SCRATCH_PARTS];
    bool view; /* columns of row `of` of the table, behind the sum of skip: no memory of its own */
    uint32_t of;
    enum dim skip[MAX_SCRATCH_PARTS];
};

/* The buffers of one step of T = n_tokens tokens, of which n_out want logits: what every model has. */
struct step {
    uint32_t n_tokens, n_out;
    struct hk_tensor tokens;  /* (1, T) ids */
    struct hk_tensor pos;     /* (1, T) positions; an inactive token has UINT32_MAX */
    struct hk_tensor fork;    /* (T, 2) where positions lie in the cache (ops.h); absent: ordinary */
    struct hk_tensor out_idx; /* (1, n_out) which of the T */
    struct hk_tensor x;       /* (T, n_embd) residual stream: all that a layer leaves to the next, but kv */
    struct hk_tensor logits;  /* (n_out, DIM_OUT) */
    struct hk_tensor sorted;  /* (T, order_cols) an input in the order of a matrix's columns */
    struct hk_tensor rope;    /* (n_ctx, rope_dim) cos, sin */
    const struct hk_kv *kv;   /* [n_layer] */
    struct hk_tensor scratch[MAX_SCRATCH]; /* the architecture's own */
};

struct arch {
    const char *name;
    bool rope;
    size_t global_size, layer_size;
    const struct weight_row *global_rows, *layer_rows; /* each ends at name == NULL */
    const struct scratch_row *scratch;                 /* ends at name == NULL; at most MAX_SCRATCH */
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

/* Bytes of device memory that a session of these options takes; false when that does not fit in 64 bits. Zero
 * options are replaced by the defaults (in *opt). The model need only be bound, not loaded. */
bool hk_session_plan(const struct hk_model *m, struct hk_session_options *opt, uint64_t *bytes);

#endif

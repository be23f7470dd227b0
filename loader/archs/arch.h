/* What an architecture is, in one place: its tensors with their shapes, what GGUF and Hugging Face call them,
 * and what their files say of it. Readers, the GGUF writer, the synthetic checkpoints, the runtime's binding
 * and its memory plan read descriptions; none has a branch for a model. How it is computed: runtime/arch/.
 *
 * A description is a file here and a row in archs.h. Everything in it is constant: any thread may read it. */
#ifndef HEKLA_LOADER_ARCH_H
#define HEKLA_LOADER_ARCH_H

#include "loader/checkpoint.h"

/* Sizes that tensors and activations can have, as numbers of struct hk_hparams. */
enum hk_dim {
    DIM_NONE, /* 0 */
    DIM_ONE,
    DIM_EMBD,
    DIM_VOCAB,
    DIM_HEADS, /* n_head * head_dim */
    DIM_KV,    /* n_head_kv * head_dim */
    DIM_QKV,   /* DIM_HEADS + 2 DIM_KV */
    DIM_HEAD,  /* head_dim */
    DIM_FF,
    DIM_CTX_TRAIN,
    DIM_OUT,    /* what a step gives for a token: n_vocab logits, or a reward model's n_labels */
    DIM_LABELS, /* n_labels */
    DIM_ROPE_PAIRS,
};
uint32_t hk_dim(const struct hk_hparams *hp, enum hk_dim d);

enum hk_tensor_flags {
    HK_OPTIONAL = 1,        /* may be missing */
    HK_BIAS = 2,            /* has a vector beside it, its name with .bias for .weight, */
    HK_BIAS_OPTIONAL = 4,   /* ... or may have */
    HK_TRANSPOSED = 8,      /* Hugging Face stores it (inputs, outputs): a Conv1D */
    HK_LOOKED_UP = 16,      /* its rows are looked up, not multiplied: embeddings */
    HK_KEEP = 32,           /* not quantized at load */
    HK_ROTATED = 64,        /* its rows are heads whose values rotate: GGUF may have them in another order */
    HK_LANGUAGE_HEAD = 128, /* only language models have it: where it is missing, `tied` is it, */
    HK_REWARD_HEAD = 256,   /* and only reward models have this one */
    HK_OTHER_USE = 512,     /* no weight of the forward: read by its name */
    HK_EXPERTS = 1024,      /* a matrix (rows, cols) an expert */
};

/* A tensor. In names '#' stands for the layer, '@' for the expert; they are without ".weight". */
struct hk_arch_tensor {
    const char *name;       /* GGUF's, "blk.#.attn_q"; of experts in one tensor (n_expert, rows, cols) */
    const char *hf;         /* Hugging Face's, without the prefix; NULL: it has none */
    enum hk_dim rows, cols; /* a vector (cols) has rows DIM_ONE. A bias is (rows), or (cols) of a vector's */
    unsigned flags;         /* enum hk_tensor_flags */
    const char
        *field; /* the forward's name for it; NULL: name, without "blk.#.". Rows of one field are a stack:
                          they read the same input, and their outputs come one after the other */
    const char *each; /* HK_EXPERTS: the name of one expert's tensor (rows, cols) */
    const char *tied;
};

/* A switch of config.json that changes the mathematics: only this value is supported. */
struct hk_arch_switch {
    const char *key; /* NULL ends a list */
    bool value;
};

/* How a config.json says a sliding window ("sliding_window", and which layers have it). */
enum hk_arch_window {
    HK_WINDOW_NONE, /* not at all: a key of that name means nothing */
    HK_WINDOW_KEY,  /* every layer has it, where the key is a number */
    HK_WINDOW_SWITCHED, /* only where use_sliding_window is true; max_window_layers, layer_types say which layers */
};

/* The keys of config.json, and what is meant where it does not say them; a key that the architecture does not have is
 * NULL. */
struct hk_arch_config {
    const char *n_ctx, *n_ctx_2, *n_embd, *n_layer, *n_head, *n_head_kv, *head_dim, *n_ff, *eps, *activation;
    const char *activation_default;
    float eps_default;
    uint32_t ff_multiple; /* n_ff is this times n_embd; 0: it must be said */
    bool tied_default;
    const char *prefix; /* before every tensor's name but the head's; may be missing in a file */
    const struct hk_arch_switch *switches;
    const char *const *ignored; /* whole names of buffers that are computed, not learned; ends in NULL */
};

struct hk_arch {
    const char *name;           /* general.architecture of GGUF, and hk_hparams.arch; NULL: of no known one */
    const char *forward;        /* which of runtime/arch/ computes it */
    const struct hk_arch *base; /* whose tensors it has, but for `tensors`; or NULL */
    const struct hk_arch_tensor *tensors; /* ends at name NULL; one of a name of base's stands in its place */
    bool rope;
    /* GGUF */
    enum hk_rope_pairing gguf_pairing; /* q and k of some architectures are permuted when it is written */
    enum hk_activation gguf_activation;
    const char *gguf_eps; /* the key of norm_eps, without the architecture's prefix */
    bool gguf_vocab_size; /* the key is written */
    /* Hugging Face: "model_type", "architectures"[0] of language and of reward models (or NULL) */
    const char *model_type, *model_class, *reward_class;
    const struct hk_arch_config *config;
    enum hk_arch_window window;
    uint32_t head_dim_default; /* where "head_dim" is missing; 0: n_embd / n_head */
};

/* The description of a GGUF architecture; NULL for others, which can be listed but not run. */
const struct hk_arch *hk_arch_find(const char *name);
/* All of them: the i-th, NULL behind the last. Several may have one name (a model_type that GGUF calls llama). */
const struct hk_arch *hk_arch_at(size_t i);
/* Its tensors, the base's first: the i-th, NULL behind the last. */
const struct hk_arch_tensor *hk_arch_tensor(const struct hk_arch *a, size_t i);

/* ---- names ---- */

enum { HK_MAX_TENSOR_NAME = 256 };

static inline bool hk_arch_in_layers(const struct hk_arch_tensor *t)
{
    return t->name[0] == 'b' && t->name[1] == 'l' && t->name[2] == 'k' && t->name[3] == '.';
}
/* The forward's name. */
const char *hk_arch_field(const struct hk_arch_tensor *t);

/* What stood in a name for '#' and '@'; UINT32_MAX: nothing. */
struct hk_name_numbers {
    uint32_t layer, expert;
};
/* Matches the front of a name with a pattern: what follows the match, or NULL. *numbers may be changed then too. */
const char *hk_name_match(const char *pattern, const char *name, struct hk_name_numbers *numbers);
/* The pattern's name with these numbers, and `ending` behind it: cut where it does not fit. */
void hk_name_expand(char out[HK_MAX_TENSOR_NAME], const char *pattern, struct hk_name_numbers numbers,
                    const char *ending);

/* What Hugging Face calls it, with its prefix; ending ".weight" or ".bias". False: it has no such name. */
bool hk_arch_hf_name(const struct hk_arch *a, const struct hk_arch_tensor *t, struct hk_name_numbers numbers,
                     const char *ending, char out[HK_MAX_TENSOR_NAME]);

/* ---- rotary embedding ---- */

/* Where row `row` of a matrix of heads lies when the pairing of its rotation changes from one to the other:
 * of the first rope_dim rows of a head, i and i + rope_dim / 2 of halves are 2i and 2i + 1 of neighbours.
 * Both ways: hk_rope_row(hp, hk_rope_row(hp, r, a, b), b, a) == r. */
uint64_t hk_rope_row(const struct hk_hparams *hp, uint64_t row, enum hk_rope_pairing from,
                     enum hk_rope_pairing to);

/* What divides frequency i < rope_dim / 2, theta^(-2i / rope_dim), by the scaling that hp names; 1 without one. */
double hk_rope_divisor(const struct hk_hparams *hp, uint32_t i);
double hk_rope_frequency(const struct hk_hparams *hp, uint32_t i); /* scaled */

#endif

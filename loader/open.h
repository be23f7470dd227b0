/* Opening a checkpoint, and asking what is in it. What the runtime sees of it: checkpoint.h. */
#ifndef HEKLA_LOADER_OPEN_H
#define HEKLA_LOADER_OPEN_H

#include "loader/api.h"
#include "loader/weights/names.h"

/* A checkpoint: what a file on disk says, whatever its format. Immutable once it is open: threads may share
 * it. All that functions here hand out belongs to it and lives as long. */
struct hk_checkpoint;
/* Its vocabulary: what a tokenizer is made from. Immutable, and shared as the checkpoint is. */
struct hk_vocab;

/* Zero is right for every field. */
struct hk_checkpoint_options {
    const char
        *tokenizer_path; /* tokenizer.bin, tokenizer.json, tokenizer.model; NULL: look beside the model */
};

/* Opens a GGUF file, a Hugging Face folder, or a llama2.c .bin file. Maps, parses and checks everything that
 * can be checked without reading the weights. NULL and *err when anything is wrong. opt may be NULL. Close
 * with hk_checkpoint_close (NULL is accepted). */
HK_API struct hk_checkpoint *hk_checkpoint_open(const char *path, const struct hk_checkpoint_options *opt,
                                                struct hk_error *err);
/* The same for a GGUF file of `size` bytes that is in memory already, a model that is linked into the
 * program. Nothing of the weights is copied: data (any alignment) must stay, unchanged, until the checkpoint
 * is closed. name takes the place of the path, in messages too. HK_ERR_FORMAT where the bytes are no GGUF
 * file. */
HK_API struct hk_checkpoint *hk_checkpoint_open_memory(const void *data, size_t size, const char *name,
                                                       const struct hk_checkpoint_options *opt,
                                                       struct hk_error *err);
HK_API void hk_checkpoint_close(struct hk_checkpoint *c);

/* What a checkpoint says of itself. Numbers are 0 where it says nothing. */
struct hk_checkpoint_info {
    const char *format; /* "gguf v3", "safetensors", "llama2.c" */
    const char *path;
    const char *name;          /* general.name, the folder's or file's name; "" where there is none */
    const char *arch;          /* "llama", "gpt2", ... as the file names it; "" in a vocabulary alone */
    const char *chat_template; /* Jinja, for hk_chat_template_new; or NULL */
    bool is_gguf;
    bool has_sizes;    /* the numbers from here on are there: false for a vocabulary alone */
    uint32_t n_labels; /* 0: a language model; 1: a reward model, which scores texts */
    uint32_t n_vocab, n_ctx_train, n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff;
    const char *activation; /* "silu", "gelu (tanh)", "gelu (erf)", "relu" */
    uint32_t rope_dim;      /* leading dimensions of a head that rotate; 0: learned positions */
    float rope_theta;
    const char *rope_pairing; /* "interleaved", "halves" */
    const char *rope_scaling; /* "none", "linear", "llama3" */
    uint32_t n_tensors;
};
HK_API void hk_checkpoint_describe(const struct hk_checkpoint *c, struct hk_checkpoint_info *out);

struct hk_tensor_info {
    const char *name; /* as GGUF names it: "blk.0.attn_q.weight" */
    enum hk_weight_type type;
    uint32_t n_dims;   /* 1..4 */
    uint64_t shape[4]; /* outermost first: a matrix is (rows = outputs, cols = inputs); [n_dims..] are 1 */
    uint64_t n_weights;
    uint64_t bytes;        /* as it is read, */
    uint64_t stored_bytes; /* and in the files: less where rows are made of codes and scales */
};
/* Tensor i, by name in order; false where i is not below n_tensors. */
HK_API bool hk_checkpoint_tensor_info(const struct hk_checkpoint *c, uint32_t i, struct hk_tensor_info *out);

HK_API const struct hk_vocab *hk_checkpoint_vocab(const struct hk_checkpoint *c);

/* No token; the id of a token that a vocabulary has not. */
#define HK_NO_TOKEN UINT32_MAX

struct hk_vocab_info {
    const char *kind; /* as the file says it ("gpt2", "llama", "bert"); "" where there is no vocabulary */
    const char *pre;  /* pre-tokenizer: "gpt-2", "llama-bpe", ... */
    bool supported;   /* hk_tokenizer_new takes it */
    bool add_bos, add_eos;
    uint32_t n_tokens, n_merges;
    uint32_t bos, eos, unk, pad; /* HK_NO_TOKEN where there is none */
    const uint32_t *stop;        /* tokens that end an answer: eos, end of turn, ... */
    uint32_t n_stop;
    const uint32_t *before, *after; /* tokens that HK_ENCODE_ADD_SPECIAL puts around a text besides: */
    uint32_t n_before, n_after;     /* bos before text after eos */
};
HK_API void hk_vocab_describe(const struct hk_vocab *v, struct hk_vocab_info *out);
/* A token as the vocabulary spells it: byte-level BPE in its printable alphabet, SPM with U+2581. {NULL, 0}
 * for an id beyond it. */
HK_API struct hk_span hk_vocab_token_text(const struct hk_vocab *v, uint32_t id);
/* Whether the token steers the model and is no text ("<|im_end|>"). */
HK_API bool hk_vocab_is_control(const struct hk_vocab *v, uint32_t id);

#endif

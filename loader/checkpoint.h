/* A checkpoint: what a file on disk says, whatever its format. Nothing above loader/ knows which format it
 * was.
 *
 * Names of tensors and of architectures are GGUF's ("blk.0.attn_q.weight", "token_embd.weight", "llama",
 * "gpt2"); the other formats translate theirs. All memory belongs to the checkpoint; tensor data points into
 * mapped files. */
#ifndef HEKLA_LOADER_CHECKPOINT_H
#define HEKLA_LOADER_CHECKPOINT_H

#include "loader/base.h"
#include "loader/open.h"
#include "loader/tokenizer/text_steps.h"
#include "loader/weights/types.h"

struct hk_quantized;

enum hk_rope_pairing {
    /* rotates (x[2i], x[2i+1]): llama2.c, and GGUF files of Llama (whose q and k rows are permuted) */
    HK_ROPE_INTERLEAVED,
    HK_ROPE_HALVES, /* rotates (x[i], x[i + d/2]): Hugging Face, GPT-NeoX */
};
enum hk_rope_scaling { HK_ROPE_SCALING_NONE, HK_ROPE_SCALING_LINEAR, HK_ROPE_SCALING_LLAMA3 };
enum hk_activation { HK_ACT_SILU, HK_ACT_GELU_TANH, HK_ACT_GELU_ERF, HK_ACT_RELU };

/* Hyperparameters. Every number has been checked to be in a sane range (counts > 0, products fit in 32 bits). */
struct hk_hparams {
    char arch[32]; /* "llama", "gpt2", ... as the file names it; a runtime may not know it */
    /* 0: a language model. 1: a reward model: a sequence-classification head, tensor "cls.output.weight"
     * (n_labels, n_embd), stands in the place of the output matrix. */
    uint32_t n_labels;
    uint32_t n_vocab, n_ctx_train, n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff;
    uint32_t n_experts; /* of which a feed-forward layer chooses; 0: it has one, and no choice */
    float norm_eps;
    enum hk_activation activation;
    uint32_t sliding_window; /* a token sees so many positions, its own the last; 0: all before it */
    /* rotary embedding: inv_freq[i] = theta^(-2i/rope_dim), then scaled */
    float rope_theta;
    uint32_t rope_dim; /* leading dimensions of a head that rotate */
    enum hk_rope_pairing rope_pairing;
    enum hk_rope_scaling rope_scaling;
    float rope_factor, rope_low_freq_factor, rope_high_freq_factor;
    uint32_t rope_original_ctx;
};

struct hk_ckpt_tensor {
    const char *name;
    enum hk_weight_type type;
    uint32_t n_dims;   /* 1..4 */
    uint64_t shape[4]; /* outermost first: a matrix is (rows = outputs, cols = inputs); [n_dims..] are 1 */
    bool transposed;   /* stored the other way round, (inputs, outputs), though shape says (outputs, inputs):
                          GPT-2's Conv1D. Only F32, F16, BF16. */
    const void *data;  /* in a mapped file; may be unaligned; NULL where `quantized` is given */
    uint64_t size;     /* bytes, checked to equal what shape and type need */
    const struct hk_quantized *quantized; /* or NULL: rows of `type` that are made of codes and scales when
                                             they are read (weights/quantized.h); never transposed */
    const uint32_t *order; /* or NULL: rows have their columns in this order, (cols): the one at c is of input
                              order[c]. Only matrices that are made. */
};

enum hk_vocab_kind {
    HK_VOCAB_NONE,
    HK_VOCAB_BPE,       /* ranked merges */
    HK_VOCAB_SPM,       /* SentencePiece's BPE: merges by the scores of what they make */
    HK_VOCAB_UNIGRAM,   /* the most likely way to cut a text into pieces */
    HK_VOCAB_WORDPIECE, /* the longest piece first */
};
enum hk_token_type { /* numbers as in GGUF's tokenizer.ggml.token_type */
                     HK_TOKEN_NORMAL = 1,
                     HK_TOKEN_UNKNOWN = 2,
                     HK_TOKEN_CONTROL = 3,
                     HK_TOKEN_USER_DEFINED = 4,
                     HK_TOKEN_UNUSED = 5,
                     HK_TOKEN_BYTE = 6,
};
struct hk_vocab_token {
    const char
        *text;    /* as the vocabulary spells it: byte-level BPE in its printable alphabet, SPM with U+2581 */
    uint32_t len; /* bytes */
    float score;
    uint8_t type;  /* enum hk_token_type */
    uint8_t flags; /* HK_TOKEN_MATCH_...: how an added token is looked for in a text; 0 is right for GGUF */
};
/* As the added tokens of a Hugging Face tokenizer.json have them. */
enum hk_token_match {
    HK_TOKEN_MATCH_LSTRIP = 1,     /* swallows the white space on its left, */
    HK_TOKEN_MATCH_RSTRIP = 2,     /* on its right */
    HK_TOKEN_MATCH_WORD = 4,       /* only where no letter or digit stands beside it */
    HK_TOKEN_MATCH_NORMALIZED = 8, /* looked for after the text was normalised, in normalised spelling */
    HK_TOKEN_MATCH_TEXT = 16, /* a user-defined token that the model itself does not know (pieces_inside) */
};
enum { HK_MAX_STOP_TOKENS = 8, HK_MAX_AFFIX = 32 /* bytes of word_suffix, part_prefix, word_prefix */ };

/* The token type BYTE and the text "<0xXX>": the byte; -1 for other tokens. */
int hk_byte_token(const struct hk_vocab_token *token);

/* Tokenizer data, ready for loader/tokenizer.h. */
struct hk_vocab {
    enum hk_vocab_kind kind;
    /* as the file says it ("gpt2", "llama", "bert"); kind is NONE where it is not supported */
    char kind_name[32];
    char pre[64]; /* pre-tokenizer: "gpt-2", "llama-bpe", ...; "steps" when steps holds it */
    /* false: kind, pre and the fields below say what the steps are (tokenizer/vocab_steps.h) */
    bool has_steps;
    struct hk_text_steps steps; /* what happens to a text before and behind the model */
    uint32_t n_tokens;
    const struct hk_vocab_token *tokens;
    uint32_t n_merges;
    const char *const *merges; /* "left right", in rank order; left_len bytes before the separating space */
    const uint32_t *merge_left_len;
    uint32_t bos, eos, unk, pad;               /* HK_NO_TOKEN where there is none */
    uint32_t stop[HK_MAX_STOP_TOKENS], n_stop; /* tokens that end an answer: eos, end of turn, ... */
    bool add_bos, add_eos;
    /* tokens that a template puts around a text besides: bos before text after eos */
    const uint32_t *before, *after;
    uint32_t n_before, n_after;
    bool add_space_prefix;         /* SPM, UNIGRAM without steps: a text starts with a virtual space, */
    bool remove_extra_whitespaces; /* spaces at the ends go, and of several in a row all but one, */
    struct hk_span charsmap;       /* and this precompiled_charsmap is applied */
    bool replace_broken;           /* bytes that are not UTF-8 become U+FFFD first */
    bool plain;         /* BPE over characters as they are; else over bytes in GPT-2's printable alphabet */
    bool byte_fallback; /* bytes without a token become <0xXX> tokens */
    /* BPE: a character without a token becomes unk; else it leaves nothing, whatever unk is (GPT-2's files name
     * one that its tokenizer never gives) */
    bool emit_unk;
    bool fuse_unk; /* BPE: a run of unknown characters is one unk */
    /* BPE: no list of merges: whatever makes a token merges, the token of the least id first */
    bool rank_merges;
    bool ignore_merges; /* BPE: a word that is a token is that token, whatever the merges say */
    /* SPM, UNIGRAM: user-defined pieces are found by the model itself, and unused ones are not used, as in
     * SentencePiece; else user-defined ones are looked for in the text first */
    bool pieces_inside;
    bool float_sums;            /* UNIGRAM: scores are added as float, as in SentencePiece; else as double */
    const double *scores;       /* UNIGRAM: finer than the tokens' own; or NULL */
    const char *unk_text;       /* what unk decodes to, or NULL: nothing, like a control token */
    struct hk_span word_prefix; /* WORDPIECE: before the first piece of a word, */
    struct hk_span part_prefix; /* before the others; BPE: before symbols that do not begin a word */
    struct hk_span word_suffix; /* BPE: behind the symbol that ends a word */
    unsigned bert_flags;        /* WORDPIECE without steps: enum hk_bert_flags */
    uint32_t max_word_chars;    /* WORDPIECE: longer words are unk */
};

struct hk_checkpoint {
    struct hk_arena arena;
    const char *format; /* "gguf v3", "safetensors", "llama2.c" */
    const char *path;
    const char *name; /* general.name, the folder's or file's name */
    struct hk_hparams hparams;
    bool has_hparams; /* false for vocabulary-only files */
    bool untied; /* said to have an output matrix of its own: where it is missing, the embedding is none */
    uint32_t n_tensors;
    struct hk_ckpt_tensor *tensors; /* sorted by name */
    struct hk_vocab vocab;
    const char *chat_template;    /* or NULL */
    struct hk_mapping **mappings; /* files that stay open as long as the checkpoint */
    uint32_t n_mappings;
    const struct hk_gguf
        *gguf; /* its keys as the file has them (formats/gguf.h), or NULL: it is no GGUF file */
};

/* Sorts the directory by name; false and *err when a name occurs twice. */
bool hk_checkpoint_sort_tensors(struct hk_checkpoint *c, const char *file, struct hk_error *err);

/* Bytes of a tensor of that shape (outermost first, innermost whole blocks). False and *err, which names file
 * and tensor, when a dimension is 0, a row is no whole number of blocks, or the product does not fit. */
bool hk_tensor_bytes(const char *file, const char *name, enum hk_weight_type type, uint32_t n_dims,
                     const uint64_t *shape, uint64_t *bytes, struct hk_error *err);

/* NULL when there is none of that name. */
const struct hk_ckpt_tensor *hk_checkpoint_tensor(const struct hk_checkpoint *c, const char *name);

/* Copies weights [first, first + n) of a tensor that is not transposed, whole blocks of its type and in its
 * type, to dst, whether they lie in the file or are made. And the same for rows of a matrix (a vector is one
 * row; of more dimensions, the innermost one is a row). */
void hk_ckpt_weights(const struct hk_ckpt_tensor *t, uint64_t first, uint64_t n, void *dst);
void hk_ckpt_rows(const struct hk_ckpt_tensor *t, uint64_t first, uint64_t n, void *dst);
/* A tensor that has an order, without it: its columns as the shape says, in a type that has room for each
 * with its own scale. Memory is the arena's; NULL and *err when that is out. */
const struct hk_ckpt_tensor *hk_ckpt_in_order(struct hk_arena *a, const struct hk_ckpt_tensor *t,
                                              struct hk_error *err);
/* Bytes of the tensor in the files: t->size, or what its codes and scales take. */
uint64_t hk_ckpt_stored(const struct hk_ckpt_tensor *t);

#endif

/* Hugging Face folders: config.json, *.safetensors, tokenizer.json and the small files beside them.
 *
 * hf.c reads the folder; archs/hf_arch.c says what config.json and tensor names mean, by archs/arch.h's
 * descriptions. */
#ifndef HEKLA_LOADER_HF_H
#define HEKLA_LOADER_HF_H

#include "loader/archs/arch.h"
#include "loader/formats/formats.h"
#include "loader/formats/hf_quant.h"
#include "loader/json.h"
#include "loader/formats/safetensors.h"

/* ---- archs/hf_arch.c ---- */

enum hk_hf_name_flags {
    HK_HF_TRANSPOSED = 1, /* a Conv1D: its weight is stored (inputs, outputs) */
    HK_HF_IGNORED = 2,    /* a buffer that is computed, not learned */
};

/* The description for a parsed config.json; a generic one (name NULL) for unknown types. */
const struct hk_arch *hk_hf_arch_find(const cJSON *config);

/* Translates a tensor's name into out. False when the description has no such name: then out is the name
 * itself, cut to fit. *flags (enum hk_hf_name_flags) apply to this name; HK_HF_TRANSPOSED only to weights. */
bool hk_hf_translate(const struct hk_arch *a, const char *name, char out[HK_MAX_TENSOR_NAME],
                     unsigned *flags);

/* Reads hyperparameters (all but n_vocab's check against a tokenizer) and whether the head is tied. False and
 * *err for missing or impossible values, and HK_ERR_UNSUPPORTED for rotary scalings, activations and switches
 * not known. */
bool hk_hf_hparams(const struct hk_arch *a, const cJSON *config, const char *file, struct hk_hparams *hp,
                   bool *tied, struct hk_error *err);

/* ---- hf.c ---- */

enum hk_hf_part {
    HK_HF_CONFIG,
    HK_HF_TOKENIZER,
    HK_HF_SPECIAL_TOKENS,
    HK_HF_TOKENIZER_CONFIG,
    HK_HF_GENERATION_CONFIG,
    HK_HF_TEMPLATE,
    HK_HF_TOKENIZER_MODEL, /* the tokenizers of folders without a tokenizer.json: hf_vocab.h */
    HK_HF_VOCAB_JSON,
    HK_HF_MERGES,
    HK_HF_VOCAB_TXT,
    HK_HF_ADDED_TOKENS,
    HK_HF_GPTQ_CONFIG, /* how weights are quantized, where config.json does not say it: hf_quant.h */
    HK_HF_AWQ_CONFIG,
    HK_HF_MODELOPT_CONFIG,
    HK_HF_PARTS,
};

/* One of the folder's text files; text NULL where it is missing. */
struct hk_hf_text {
    const char *text;
    size_t len;
    const char *file; /* for messages */
};

/* What config.json says about the tensors. */
struct hk_hf_model {
    const struct hk_arch *arch; /* NULL without HK_HF_CONFIG */
    bool tied;                  /* the head is the embedding */
    struct hk_hf_quant quant;
};

/* Fills c's hyperparameters, vocabulary and template from the files' texts; the texts may be freed
 * afterwards. */
bool hk_hf_interpret(struct hk_checkpoint *c, const struct hk_hf_text texts[HK_HF_PARTS],
                     struct hk_hf_model *model, struct hk_error *err);

/* Adds a safetensors file's tensors to c's directory under their GGUF names. c->tensors has room for them
 * (and is not sorted yet). *spare_head is the head's entry when the head is tied, so that it can stand in for
 * a missing embedding. */
bool hk_hf_add_tensors(struct hk_checkpoint *c, const struct hk_arch *arch, bool tied,
                       const struct hk_st_tensor *list, size_t n, const char *file,
                       struct hk_ckpt_tensor *spare_head, struct hk_error *err);

#endif

/* How the quantized matrices of a Hugging Face folder lie in its tensors, method by method. */
#ifndef HEKLA_LOADER_HF_QUANT_H
#define HEKLA_LOADER_HF_QUANT_H

#include "loader/json.h"
#include "loader/weights/quantized.h"
#include "loader/formats/safetensors.h"

enum hk_hf_quant_method {
    HK_HF_QUANT_NONE,
    HK_HF_QUANT_GPTQ,
    HK_HF_QUANT_AWQ,
    HK_HF_QUANT_FP8,
    HK_HF_QUANT_NVFP4, /* ModelOpt's */
    HK_HF_QUANT_COMPRESSED_TENSORS
};

/* What config.json's "quantization_config" says. */
struct hk_hf_quant {
    enum hk_hf_quant_method method;
    uint32_t bits;     /* GPTQ, AWQ */
    uint32_t group;    /* GPTQ, AWQ: columns of a group; UINT32_MAX: all of them are one */
    int32_t zero_add;  /* GPTQ: 1 where the file's zeros are one less than they are meant */
    bool any_order;    /* GPTQ, desc_act: columns are in groups by a tensor g_idx */
    uint32_t block[2]; /* FP8: rows and columns that share a scale, where scales are a matrix */
};

/* Reads the key; HK_HF_QUANT_NONE where it is missing. False and *err for methods and settings that are not
 * known, with those that are. */
bool hk_hf_quant_read(const cJSON *config, const char *file, struct hk_hf_quant *q, struct hk_error *err);

/* The same from a file that a method's own program writes beside config.json: its whole object. */
enum hk_hf_quant_file { HK_HF_QUANT_FILE_GPTQ, HK_HF_QUANT_FILE_AWQ, HK_HF_QUANT_FILE_MODELOPT };
bool hk_hf_quant_read_file(enum hk_hf_quant_file kind, const cJSON *json, const char *file,
                           struct hk_hf_quant *q, struct hk_error *err);

/* A tensor of any of the folder's files. */
struct hk_hf_entry {
    struct hk_st_tensor *tensor;
    const char *file; /* for messages */
};

/* Finds the matrices among the tensors of all files: the tensor that holds the codes gets ->quantized, those
 * that were only parts of it ->part. Sorts the entries. False and *err, which names file and tensor, for a
 * part that is missing or has another type or shape than the others ask for. */
bool hk_hf_quant_join(struct hk_arena *a, const struct hk_hf_quant *quant, struct hk_hf_entry *entries,
                      size_t n, struct hk_error *err);

#endif

/* safetensors: https://huggingface.co/docs/safetensors
 *
 * uint64 length of the header, little-endian; the header, a JSON object
 * {"name": {"dtype": "F32", "shape": [...], "data_offsets": [begin, end]}, ..., "__metadata__": {...}}; the
 * data, in which the offsets count from 0. */
#ifndef HEKLA_LOADER_SAFETENSORS_H
#define HEKLA_LOADER_SAFETENSORS_H

#include "loader/formats/formats.h"

enum { HK_ST_MAX_HEADER = 100000000 }; /* bytes: the format's own limit */
#define HK_ST_METADATA "__metadata__"

/* Bytes of a number of that dtype ("F32", "BF16", ...); 0: the format has none of that name, or Hekla does not
 * know it. */
uint32_t hk_st_dtype_bytes(const char *dtype);

struct hk_st_tensor {
    const char *name;    /* as the file spells it */
    char dtype[16];      /* as the file spells it: may be one that Hekla does not know */
    uint32_t n_dims;     /* of the file: may be 0, or more than fits in shape */
    uint64_t shape[4];   /* outermost first; [n_dims..] are 1 */
    const uint8_t *data; /* in the file */
    uint64_t size;       /* bytes */
    bool transposed;     /* stored (columns, rows), though shape says (rows, columns): never in safetensors,
                            but PyTorch's own files can have it */
    /* set by hf_quant.h: what this tensor and others make together; it is one of those others */
    const struct hk_quantized *quantized;
    bool part;
};

/* Reads the header of data[0, size): *tensors in the file's order, *n of them, in the arena. False and *err
 * when the lengths leave the file, tensors overlap, or the header is not what it should be. dtypes and shapes
 * are not judged. */
bool hk_safetensors_parse(struct hk_arena *a, const void *data, size_t size, const char *file,
                          struct hk_st_tensor **tensors, size_t *n, struct hk_error *err);

#endif

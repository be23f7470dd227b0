/* Which tensor becomes which weight type. Internal to conversion. */
#ifndef HEKLA_LOADER_CONVERT_TYPES_H
#define HEKLA_LOADER_CONVERT_TYPES_H

#include "loader/checkpoint.h"

struct hk_mix; /* a row of the table: a weight type for most, and what is kept finer */

/* NULL where there is no row of that name, or its weight type cannot be encoded. */
const struct hk_mix *hk_mix_find(const char *name);
/* llama.cpp's number for it: general.file_type. */
uint32_t hk_mix_file_type(const struct hk_mix *m);

/* What a choice depends on besides the tensor itself. */
struct hk_mix_model {
    bool gguf;        /* a GGUF file: its small tensors are left as they are */
    bool tied;        /* no output matrix of its own: the embedding is it */
    uint32_t n_layer; /* by the tensors' names */
};
struct hk_mix_model hk_mix_model_of(const struct hk_checkpoint *c);

/* The tensor's type in the new file. m NULL: as it is. *wanted: the one it would have if its rows were whole
 * blocks of that; else the same. */
enum hk_weight_type hk_mix_choose(const struct hk_mix *m, const struct hk_mix_model *model,
                                  const struct hk_ckpt_tensor *t, enum hk_weight_type *wanted);

#endif

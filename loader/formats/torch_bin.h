/* Files of torch.save that hold a dictionary of tensors (a "state dict"): pytorch_model.bin.
 *
 * Since PyTorch 1.6 such a file is a zip archive, FOLDER/data.pkl with the dictionary and FOLDER/data/KEY
 * with the bytes of each storage; before, the pickles and then the storages one after the other. Both are
 * read; tensors stay in the file, and nothing of the pickle is executed (pickle.h). */
#ifndef HEKLA_LOADER_TORCH_BIN_H
#define HEKLA_LOADER_TORCH_BIN_H

#include "loader/formats/safetensors.h"

/* Whether data[0, size) begins as such a file does. */
bool hk_torch_bin_probe(const uint8_t *data, size_t size);

/* Reads the directory of data[0, size): *tensors, *n of them, in the arena, sorted by name, with the names
 * that safetensors has for their types. A matrix that is stored the other way round has its `transposed` set.
 * False and *err for damage, for anything that is no dictionary of tensors, and for tensors that have gaps or
 * another order of dimensions in their storage. */
bool hk_torch_bin_parse(struct hk_arena *a, const void *data, size_t size, const char *file,
                        struct hk_st_tensor **tensors, size_t *n, struct hk_error *err);

#endif

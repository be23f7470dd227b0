/* llama2.c's first .bin format ("version 0"), and its tokenizer.bin: https://github.com/karpathy/llama2.c
 *
 * Model, little-endian: int32 dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size (negative when the
 * classifier is not the embedding), seq_len; then float32 token embedding (vocab, dim), and for all layers
 * together, one kind after the other: attention norm (dim), wq (dim, dim), wk (kv_dim, dim), wv (kv_dim,
 * dim), wo (dim, dim), ffn norm (dim), w1 (hidden, dim), w2 (dim, hidden), w3 (hidden, dim); then the final
 * norm (dim), two tables of seq_len * head_dim / 2 that are not needed, and the classifier (vocab, dim) when
 * it is stored. */
#ifndef HEKLA_LOADER_LLAMA2C_H
#define HEKLA_LOADER_LLAMA2C_H

#include "loader/formats/formats.h"

/* Fills c's hyperparameters and tensor directory (in c's arena, pointing into data). False and *err when the
 * header is impossible or the file is not exactly as long as it says. */
bool hk_llama2c_parse(struct hk_checkpoint *c, const void *data, size_t size, const char *file,
                      struct hk_error *err);

/* Fills c->vocab from a tokenizer.bin: int32 longest; then for each of hparams.n_vocab tokens float32 score,
 * int32 length, bytes. Copies what it needs. False and *err when the file holds more or fewer tokens. */
bool hk_llama2c_tokenizer(struct hk_checkpoint *c, const void *data, size_t size, const char *file,
                          struct hk_error *err);

#endif

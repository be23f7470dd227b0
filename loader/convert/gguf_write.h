/* Writing GGUF, version 3, little-endian: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * gguf_write.c makes the container's front: the keys and the tensor directory, whose offsets follow from the
 * tensors' sizes. The data comes behind it, streamed by convert.c. gguf_keys.c and gguf_vocab_keys.c say
 * which keys a checkpoint of another format has. */
#ifndef HEKLA_LOADER_GGUF_WRITE_H
#define HEKLA_LOADER_GGUF_WRITE_H

#include "loader/formats/gguf.h"

enum { HK_GGUF_ALIGNMENT = 32 };

/* Zero-initialise and set alignment (a power of two) and err; release with hk_gguf_writer_free. The first
 * failure (memory) fills *err, and everything after it does nothing: hk_gguf_front tells. */
struct hk_gguf_writer {
    struct hk_bytes kv, directory;
    uint64_t n_kv, n_tensors;
    uint64_t data_size; /* of the tensors so far, each padded to the alignment */
    uint32_t alignment;
    bool failed;
    struct hk_error *err;
};
void hk_gguf_writer_free(struct hk_gguf_writer *w);

void hk_gguf_put_u32(struct hk_gguf_writer *w, const char *key, uint32_t v);
void hk_gguf_put_f32(struct hk_gguf_writer *w, const char *key, float v);
void hk_gguf_put_bool(struct hk_gguf_writer *w, const char *key, bool v);
void hk_gguf_put_string(struct hk_gguf_writer *w, const char *key, const char *text, size_t len);
/* n bytes as an array of u8. */
void hk_gguf_put_bytes(struct hk_gguf_writer *w, const char *key, const char *bytes, size_t n);
/* A pair as a file has it, of whatever type. */
void hk_gguf_put_kv(struct hk_gguf_writer *w, const struct hk_gguf_kv *kv);

/* An array of n elements (u32 or i32, f32, strings): begin, then n elements by the functions below. */
void hk_gguf_begin_array(struct hk_gguf_writer *w, const char *key, enum hk_gguf_value_type element,
                         uint64_t n);
void hk_gguf_add_u32(struct hk_gguf_writer *w, uint32_t v);
void hk_gguf_add_f32(struct hk_gguf_writer *w, float v);
void hk_gguf_add_string(struct hk_gguf_writer *w, const char *text, size_t len);

/* A tensor of `size` bytes at the end of the data section so far; shape as in struct hk_ckpt_tensor. */
void hk_gguf_put_tensor(struct hk_gguf_writer *w, const char *name, enum hk_weight_type type, uint32_t n_dims,
                        const uint64_t *shape, uint64_t size);

/* Zeros that a tensor of that many bytes has behind it. */
uint32_t hk_gguf_padding(const struct hk_gguf_writer *w, uint64_t size);

/* Everything before the data section, padded to its beginning, appended to *out. False and *err when anything
 * failed on the way. */
bool hk_gguf_front(struct hk_gguf_writer *w, struct hk_bytes *out);

/* ---- what a checkpoint says, as keys ---- */

/* Says something that the user should know and that is no error; may be NULL. */
typedef void hk_note_fn(void *user, const char *text);

/* general.* and <arch>.* of a checkpoint that was no GGUF file, as llama.cpp's converters write them;
 * file_type is llama.cpp's number for the mixture of weight types. False and *err (HK_ERR_UNSUPPORTED) where
 * GGUF has no words for what the checkpoint says: an architecture or an activation. */
bool hk_gguf_put_hparams(struct hk_gguf_writer *w, const struct hk_checkpoint *c, uint32_t file_type,
                         struct hk_error *err);

/* tokenizer.*: HK_ERR_UNSUPPORTED where llama.cpp has no name for how the tokenizer cuts words, or cannot
 * merge as it does. */
bool hk_gguf_put_vocab(struct hk_gguf_writer *w, const struct hk_checkpoint *c, hk_note_fn *note, void *user,
                       struct hk_error *err);

/* Checks that the tensors are those that GGUF's architecture has: none that it does not know, none missing. */
bool hk_gguf_check_tensors(const struct hk_checkpoint *c, struct hk_error *err);

/* Whether llama.cpp's converter permutes the tensor's rows, head by head, from rotating halves to rotating
 * neighbours: q and k (weights and biases) of the architectures whose GGUF files are interleaved, from a
 * checkpoint that is not. *heads: how many heads its rows are. */
bool hk_gguf_is_permuted(const struct hk_checkpoint *c, const char *name, uint32_t *heads);

/* Llama 3's rotary scaling as the tensor rope_freqs.weight, F32, rope_dim / 2 divisors of the frequencies, in
 * the arena. NULL and *err without memory. */
float *hk_gguf_rope_freqs(struct hk_arena *a, const struct hk_hparams *hp, struct hk_error *err);

#endif

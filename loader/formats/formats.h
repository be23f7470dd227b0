/* What the readers of the checkpoint formats share, and the row that each adds to list.c's table.
 * Internal to loader/: users of a checkpoint include checkpoint.h. */
#ifndef HEKLA_LOADER_FORMATS_H
#define HEKLA_LOADER_FORMATS_H

#include "loader/checkpoint.h"
#include "loader/file.h"

/* An empty checkpoint that knows its path and is named after its last part. NULL and *err without memory. */
struct hk_checkpoint *hk_checkpoint_new(const char *path, struct hk_error *err);

/* Opens a file that stays open as long as the checkpoint. NULL and *err when it cannot be read. */
const struct hk_mapping *hk_checkpoint_map(struct hk_checkpoint *c, const char *path, struct hk_error *err);
/* Takes m over: c closes it. NULL where m is NULL, or without memory (then m is closed). */
const struct hk_mapping *hk_checkpoint_keep(struct hk_checkpoint *c, struct hk_mapping *m,
                                            struct hk_error *err);

/* Fills c from the mapped file, or for folders from c->path (then m is NULL). */
typedef bool hk_format_open(struct hk_checkpoint *c, const struct hk_mapping *m,
                            const struct hk_checkpoint_options *opt, struct hk_error *err);
hk_format_open hk_gguf_open, hk_hf_open, hk_llama2c_open;

/* A tensor's place in a file's data section, for the check that no two overlap. */
struct hk_extent {
    uint64_t offset, size; /* bytes */
    const char *name;
};
/* Sorts the extents; false and *err when two share a byte. */
bool hk_check_extents(const char *file, struct hk_extent *extents, size_t n, struct hk_error *err);

/* Checks that every number is in a sane range and that they agree with each other (checkpoint.h promises it). */
bool hk_hparams_check(const struct hk_hparams *hp, const char *file, struct hk_error *err);

/* The head of a reward model, tensor "cls.output.weight", which the file spells `name`: false and *err where
 * it is missing or has not one row, and where there is more to it than this matrix. */
bool hk_check_reward_head(const struct hk_checkpoint *c, const char *file, const char *name,
                          struct hk_error *err);

/* No vocabulary: kind NONE, "missing", no special tokens. */
void hk_vocab_clear(struct hk_vocab *v);
/* The id of the token with that text, HK_NO_TOKEN where there is none. A linear search. */
uint32_t hk_vocab_find(const struct hk_vocab *v, const char *text, size_t len);
/* Adds a token that ends an answer; ids outside the vocabulary, repeats and those beyond the table are
 * dropped. */
void hk_vocab_add_stop(struct hk_vocab *v, uint32_t id);
/* Adds eos, and the control tokens by which known chat formats end a turn ("<|eot_id|>", "<|im_end|>", ...). */
void hk_vocab_add_known_stops(struct hk_vocab *v);
/* Replaces the vocabulary by that of opt->tokenizer_path: a tokenizer.json, or llama2.c's tokenizer.bin (for
 * which the model's n_vocab must be known). */
bool hk_vocab_from_option(struct hk_checkpoint *c, const char *path, struct hk_error *err);

#endif

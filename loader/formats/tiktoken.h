/* tiktoken's files: a line "base64 rank" for each token, the rank being its id and its place in the order of
 * merges. */
#ifndef HEKLA_LOADER_TIKTOKEN_H
#define HEKLA_LOADER_TIKTOKEN_H

#include "loader/checkpoint.h"

/* Whether data may be one: its first line is base64 and a number. */
bool hk_is_tiktoken(const uint8_t *data, size_t size);

/* Fills *vocab; strings are made in the arena. Such a file says neither how words are cut nor its special
 * tokens: both are Llama 3's, but where the number of ranks is that of another known encoding. False and *err
 * (HK_ERR_FORMAT) for a broken file. `file` is for messages. */
bool hk_vocab_from_tiktoken(struct hk_arena *arena, const void *data, size_t size, const char *file,
                            struct hk_vocab *vocab, struct hk_error *err);

#endif

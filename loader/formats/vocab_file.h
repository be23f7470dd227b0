/* Files that hold a vocabulary and nothing else: tokenizer.json, SentencePiece's tokenizer.model, tiktoken's
 * ranks. Internal to loader/. */
#ifndef HEKLA_LOADER_VOCAB_FILE_H
#define HEKLA_LOADER_VOCAB_FILE_H

#include "loader/checkpoint.h"

/* The format of the file's bytes, NULL where it is none of these. */
const char *hk_vocab_file_format(const uint8_t *data, size_t size);

/* Fills c->vocab from a file of such a format, and adds the tokens by which known chat formats end a turn.
 * False and *err where it is broken, or what it asks for is not supported. */
bool hk_vocab_file_read(struct hk_checkpoint *c, const uint8_t *data, size_t size, const char *path,
                        struct hk_error *err);

#endif

/* SentencePiece's own file, tokenizer.model (sentencepiece_model.proto). */
#ifndef HEKLA_LOADER_SENTENCEPIECE_MODEL_H
#define HEKLA_LOADER_SENTENCEPIECE_MODEL_H

#include "loader/checkpoint.h"

/* Whether data may be one: it begins with a piece. */
bool hk_is_sentencepiece_model(const uint8_t *data, size_t size);

/* Fills *vocab from a model of type UNIGRAM or BPE, with its normalizer; strings are copied into the arena.
 * add_bos is set for BPE (Llama's kind), add_eos for a unigram without a beginning-of-text piece (T5's):
 * SentencePiece itself leaves both to its caller. False and *err: HK_ERR_FORMAT for a broken file,
 * HK_ERR_UNSUPPORTED for other types and for denormalizers. `file` is for messages. */
bool hk_vocab_from_sentencepiece(struct hk_arena *arena, const void *data, size_t size, const char *file,
                                 struct hk_vocab *vocab, struct hk_error *err);

#endif

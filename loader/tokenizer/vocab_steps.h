/* What a vocabulary's kind, pre-tokenizer's name and flags mean as steps, where the file does not list the
 * steps itself: GGUF and llama2.c. Internal to the tokenizer. */
#ifndef HEKLA_LOADER_VOCAB_STEPS_H
#define HEKLA_LOADER_VOCAB_STEPS_H

#include "loader/checkpoint.h"

/* Fills *out with vocab->steps, or with steps made in the arena. *ignore_merges is set to what the
 * pre-tokenizer's family does. False and *err when the pre-tokenizer is unknown (the message lists the known
 * ones). */
bool hk_vocab_steps(const struct hk_vocab *vocab, struct hk_arena *arena, struct hk_text_steps *out,
                    bool *ignore_merges, struct hk_error *err);

/* Spans of C strings, for lists of steps. */
struct hk_span hk_span_of(const char *s);

#endif

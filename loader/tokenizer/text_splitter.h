/* Carries out a list of pre-tokenizers (text_steps.h): cuts a text into the words that the model sees.
 * Internal to the tokenizer. */
#ifndef HEKLA_LOADER_TEXT_SPLITTER_H
#define HEKLA_LOADER_TEXT_SPLITTER_H

#include "loader/tokenizer/pattern.h"
#include "loader/tokenizer/text_steps.h"

struct hk_text_splitter; /* immutable */

/* The steps and what they point to must outlive the result. NULL and *err when a pattern is bad. */
struct hk_text_splitter *hk_text_splitter_new(const struct hk_pre_step *steps, uint32_t n,
                                              struct hk_error *err);
void hk_text_splitter_free(struct hk_text_splitter *s);

/* Working memory. Zero-initialise; release with hk_splitting_free. */
struct hk_splitting {
    struct hk_bytes *buffers; /* what a step has made of a piece; one for each step */
    uint32_t n_buffers;
    struct hk_matching *matching;
};
void hk_splitting_free(struct hk_splitting *w);

/* One word; false (and *err of whoever splits) stops. */
typedef bool (*hk_word_fn)(void *user, const char *word, size_t len, struct hk_error *err);

/* Cuts text[0..len) by each step in turn, each cutting the pieces that the one before left, and calls fn for
 * every piece that is left, in order. from_start: the text begins here. Bytes that are not UTF-8 are pieces
 * of their own for the first step that cuts, and no other step sees them. False and *err when a pattern or fn
 * failed. */
bool hk_text_splitter_run(const struct hk_text_splitter *s, struct hk_splitting *w, const char *text,
                          size_t len, bool from_start, hk_word_fn fn, void *user, struct hk_error *err);

#endif

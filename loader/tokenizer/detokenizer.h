/* Carries out a list of decoders (text_steps.h): what each token is as text, and what the tokens' texts are
 * together. Internal to the tokenizer. */
#ifndef HEKLA_LOADER_DETOKENIZER_H
#define HEKLA_LOADER_DETOKENIZER_H

#include "loader/checkpoint.h"

enum hk_token_place { HK_PLACE_MIDDLE, HK_PLACE_FIRST, HK_PLACE_LAST, HK_PLACES };

struct hk_detokenizer; /* immutable */

/* The steps and the vocab must outlive the result. NULL and *err when a pattern is bad, a step cannot stand
 * where it does (HK_ERR_UNSUPPORTED), or memory is out. */
struct hk_detokenizer *hk_detokenizer_new(const struct hk_vocab *vocab, const struct hk_decode_step *steps,
                                          uint32_t n, struct hk_error *err);
void hk_detokenizer_free(struct hk_detokenizer *d);

/* What token `id` (below the vocabulary's size) is at such a place of a text, before the steps that see the
 * whole text. */
struct hk_span hk_detokenizer_token(const struct hk_detokenizer *d, uint32_t id, enum hk_token_place place);
/* Whether the last token is another text than it would be amid the others. */
bool hk_detokenizer_last_differs(const struct hk_detokenizer *d);

/* What the decoding steps that see the whole text have seen of it. */
struct hk_fused_state {
    uint32_t stripped; /* characters taken off at the start */
    uint32_t held;     /* characters that may be the last ones: not written yet */
    uint8_t n_partial; /* bytes of `partial`: the beginning of a text that may be replaced */
    char partial[15];
    bool begun; /* something that is not stripped came */
};

/* Whether there are steps that see the whole text. */
bool hk_detokenizer_fuses(const struct hk_detokenizer *d);
/* Appends what can be said of the text after another piece of it; `last`: and all that was held back. */
bool hk_detokenizer_fuse(const struct hk_detokenizer *d, struct hk_fused_state *state, struct hk_span text,
                         bool last, struct hk_bytes *out, struct hk_error *err);

#endif

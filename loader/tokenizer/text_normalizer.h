/* Carries out a list of normalizers (text_steps.h). Internal to the tokenizer. */
#ifndef HEKLA_LOADER_TEXT_NORMALIZER_H
#define HEKLA_LOADER_TEXT_NORMALIZER_H

#include "loader/tokenizer/pattern.h"
#include "loader/tokenizer/piece_trie.h"
#include "loader/tokenizer/text_steps.h"

struct hk_text_normalizer; /* immutable */

/* The steps and what they point to must outlive the result; user_defined (may be NULL) are the pieces for
 * HK_SP_USER_DEFINED. NULL and *err when a pattern or charsmap is bad. */
struct hk_text_normalizer *hk_text_normalizer_new(const struct hk_norm_step *steps, uint32_t n,
                                                  const struct hk_trie *user_defined, struct hk_error *err);
void hk_text_normalizer_free(struct hk_text_normalizer *n);

/* Working memory, reused from text to text. Zero-initialise; release with hk_normalizing_free. */
struct hk_normalizing {
    struct hk_bytes buffers[2];
    unsigned next; /* the buffer that the next step writes to */
    struct hk_matching matching;
    size_t limit; /* bytes that a step may make of the text */
    bool cut;     /* the step took the first character away */
};
void hk_normalizing_free(struct hk_normalizing *w);

/* Makes *text what it is after all steps: itself, or a view into w that is valid until the next call.
 * *from_start is set to false when the first character was taken away. False and *err when memory is out or a
 * pattern fails. */
bool hk_text_normalizer_run(const struct hk_text_normalizer *n, struct hk_normalizing *w,
                            struct hk_span *text, bool *from_start, struct hk_error *err);

#endif

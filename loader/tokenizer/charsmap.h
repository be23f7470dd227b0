/* SentencePiece's precompiled_charsmap: which strings of a text become which others. The format is
 *   u32 n | n bytes: a double array (Darts-clone) of u32 units | replacements, each with a NUL behind it
 * where a string's value in the array is its replacement's offset. Internal to the tokenizer. */
#ifndef HEKLA_LOADER_CHARSMAP_H
#define HEKLA_LOADER_CHARSMAP_H

#include "loader/tokenizer/text_steps.h"

struct hk_charsmap {
    const uint8_t *units; /* little-endian u32, maybe unaligned */
    size_t n_units;
    const char *texts; /* ends in NUL */
    size_t texts_len;
};

/* Views the blob, which must outlive the map. False and *err (HK_ERR_FORMAT) when its lengths do not fit. An
 * empty blob is a map that changes nothing. */
bool hk_charsmap_init(struct hk_charsmap *m, struct hk_span blob, struct hk_error *err);

enum hk_charsmap_match { HK_CHARSMAP_LONGEST, HK_CHARSMAP_SHORTEST };

/* The longest (or shortest) prefix of text[0..len) that the map knows: its length, and *replacement; 0 where
 * there is none. Whatever the array holds, it is only read inside its bounds. */
size_t hk_charsmap_find(const struct hk_charsmap *m, const char *text, size_t len,
                        enum hk_charsmap_match match, struct hk_span *replacement);

#endif

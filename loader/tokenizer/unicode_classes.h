/* Which characters a tokenizer takes for spaces, punctuation, marks, ...: as Hugging Face's tokenizers does,
 * independent of the Unicode version of any library here. Internal to the tokenizer. */
#ifndef HEKLA_LOADER_UNICODE_CLASSES_H
#define HEKLA_LOADER_UNICODE_CLASSES_H

#include "loader/tokenizer/text_steps.h"

bool hk_char_is(enum hk_char_class c, uint32_t code_point);

/* Han characters as BERT counts them. */
bool hk_char_is_chinese(uint32_t code_point);

/* Writes the lower case of a character, at most 2 code points, and returns how many (full case mapping of
 * single characters). */
size_t hk_char_lower(uint32_t code_point, uint32_t out[2]);

#endif

/* What happens to a text before it is cut into tokens. Internal to the tokenizer's files. */
#ifndef HEKLA_LOADER_NORMALIZE_H
#define HEKLA_LOADER_NORMALIZE_H

#include "base.h"

/* Appends text[0..len) in Unicode normalization form C (UAX #15). Bytes that are not UTF-8 stay as they are.
 * Time is O(len log len). False and *err when memory is out. */
bool hk_normalize_nfc(const char *text, size_t len, struct hk_bytes *out, struct hk_error *err);

/* "Metaspace": SentencePiece's spelling of a space, U+2581. */
#define HK_METASPACE "\xE2\x96\x81"
enum { HK_METASPACE_LEN = 3 };

/* Appends text with every space spelt U+2581, and back. */
bool hk_metaspace_append(const char *text, size_t len, struct hk_bytes *out, struct hk_error *err);
/* out has room for len bytes; returns how many it got. */
size_t hk_metaspace_undo(const char *text, size_t len, char *out);

/* Whether a U+2581 stands behind another character. A vocabulary without such tokens can be applied to a text
 * word by word, each with the spaces before it, and gives what the whole text would give. */
bool hk_metaspace_inside(const char *text, size_t len);
/* Bytes of the first such word of text[0..len). */
size_t hk_metaspace_word(const char *text, size_t len);

#endif

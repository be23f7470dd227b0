/* "Metaspace": SentencePiece's spelling of a space, U+2581. Internal to the tokenizer. */
#ifndef HEKLA_LOADER_METASPACE_H
#define HEKLA_LOADER_METASPACE_H

#include <stdbool.h>
#include <stddef.h>

#define HK_METASPACE "\xE2\x96\x81"
enum { HK_METASPACE_LEN = 3 };

/* Whether a U+2581 stands behind another character. A vocabulary without such tokens can be applied to a text
 * word by word, each with the spaces before it, and gives what the whole text would give. */
bool hk_metaspace_inside(const char *text, size_t len);
/* Bytes of the first such word of text[0..len). */
size_t hk_metaspace_word(const char *text, size_t len);

#endif

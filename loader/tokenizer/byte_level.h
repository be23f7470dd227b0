/* GPT-2's alphabet, in which byte-level vocabularies spell bytes: printable Latin-1 stands for itself, the 68
 * other bytes for U+0100 and on. Internal to the tokenizer. */
#ifndef HEKLA_LOADER_BYTE_LEVEL_H
#define HEKLA_LOADER_BYTE_LEVEL_H

#include "loader/base.h"

/* The character (below U+0200) that spells a byte. */
uint32_t hk_byte_level_char(uint8_t byte);

/* The bytes that a text in this alphabet stands for. False, *out_len untouched, where a character is none of
 * it. out has room for len bytes. */
bool hk_byte_level_decode(const char *text, size_t len, char *out, size_t *out_len);

#endif

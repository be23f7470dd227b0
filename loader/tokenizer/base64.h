/* Base64 (RFC 4648, section 4), as charsmaps and tiktoken files use it. */
#ifndef HEKLA_LOADER_BASE64_H
#define HEKLA_LOADER_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes text[0..len), whose padding may be missing, into out, which has room for len / 4 * 3 + 3 bytes.
 * False when a character is not of the alphabet or the length is impossible. */
bool hk_base64_decode(const char *text, size_t len, char *out, size_t *out_len);

#endif

/* UTF-8 (RFC 3629), byte by byte: what a tokenizer needs to know about bytes that may not be UTF-8 at all. */
#ifndef HEKLA_LOADER_UTF8_H
#define HEKLA_LOADER_UTF8_H

#include "loader/base.h"

/* Bytes (1..4) of the well-formed character at s[0..n); 0 when there is none. No overlong forms, no
 * surrogates. */
size_t hk_utf8_len(const char *s, size_t n);

/* Bytes from s[0..n) that are well-formed characters one after the other. */
size_t hk_utf8_valid_run(const char *s, size_t n);

/* Bytes from s[0..n) of which none starts a well-formed character. */
size_t hk_utf8_broken_run(const char *s, size_t n);

/* Whether more bytes could make s[0..n), 1 <= n <= 3, a well-formed character. */
bool hk_utf8_is_prefix(const char *s, size_t n);

/* The code point of a well-formed character of `len` bytes (as hk_utf8_len said). */
uint32_t hk_utf8_decode(const char *s, size_t len);

/* Writes cp (< 0x110000) as 1..4 bytes and returns how many. */
size_t hk_utf8_encode(uint32_t cp, char out[4]);

#endif

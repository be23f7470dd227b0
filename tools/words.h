/* Numbers, names and tables as people read them. */
#ifndef HEKLA_TOOLS_WORDS_H
#define HEKLA_TOOLS_WORDS_H

#include <stdio.h>

#include "runtime/hekla.h"

/* "1.2 GiB" and "254.1 M"; buf is returned. */
const char *format_bytes(uint64_t n, char buf[32]);
const char *format_count(uint64_t n, char buf[32]);
/* Writes text on one line: control characters and the characters of `also` escaped as in C, and bytes beyond
 * ASCII too where the text is no UTF-8. */
void print_escaped(FILE *f, const char *text, size_t len, const char *also);
const char *device_type_name(enum hk_device_type t); /* "discrete", "cpu", ... */
const char *kv_type_name(enum hk_kv_type t);
/* The time by kernel since the device was opened, as a table on stderr. */
bool print_profile(struct hk_device *d, struct hk_error *err);

#endif

/* Unicode normalization forms (UAX #15) of texts that may be broken. Internal to the tokenizer. */
#ifndef HEKLA_LOADER_UNICODE_FORMS_H
#define HEKLA_LOADER_UNICODE_FORMS_H

#include "loader/base.h"

enum hk_unicode_form { HK_FORM_C, HK_FORM_D, HK_FORM_KC, HK_FORM_KD };

/* Appends text[0..len) in that form. Bytes that are not UTF-8 stay as they are. Time is O(len). False and
 * *err when memory is out. */
bool hk_unicode_normalize(enum hk_unicode_form form, const char *text, size_t len, struct hk_bytes *out,
                          struct hk_error *err);

#endif

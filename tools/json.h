/* Making JSON out of bytes that a model or a file gave. */
#ifndef HEKLA_TOOLS_JSON_H
#define HEKLA_TOOLS_JSON_H

#include <stdio.h>

#include <cjson/cJSON.h>

#include "runtime/hekla.h"

/* Adds "key": text; where that is not what the bytes are, also "bytes_key": [numbers], unless bytes_key is
 * NULL. False when memory is out. */
bool json_add_text(cJSON *object, const char *key, const char *bytes_key, const char *text, size_t len);

/* Adds "key": [ids]. */
bool json_add_ids(cJSON *object, const char *key, const uint32_t *ids, size_t n);

/* Prints it, indented, with a newline. False and *err when memory is out or the file cannot be written. */
bool json_print(const cJSON *json, FILE *f, struct hk_error *err);

#endif

/* JSON (RFC 8259) from files that may be hostile: cJSON behind a scan that bounds nesting and the number of
 * values, and typed getters that say which key of which file is wrong. */
#ifndef HEKLA_LOADER_JSON_UTIL_H
#define HEKLA_LOADER_JSON_UTIL_H

#include "loader/base.h"

#include <cjson/cJSON.h>

enum {
    HK_JSON_MAX_DEPTH = 128,      /* nested arrays and objects: cJSON parses and frees recursively */
    HK_JSON_MAX_VALUES = 1 << 23, /* values in a text: each becomes about 100 bytes */
};

/* Parses text[0, len), which needs no NUL after it. NULL and *err ("FILE: ...", HK_ERR_FORMAT) when it is not
 * one JSON value, is nested too deep or has too many values. Release with cJSON_Delete. */
cJSON *hk_json_parse(const char *text, size_t len, const char *file, struct hk_error *err);

/* The member `key` (case matters); NULL when obj is no object, or the member is missing or null. */
const cJSON *hk_json_get(const cJSON *obj, const char *key);

/* Where the getters below read, and where they complain. */
struct hk_json_at {
    const cJSON *obj;
    const char *file;
    struct hk_error *err;
};

enum hk_json_need { HK_JSON_OPTIONAL, HK_JSON_REQUIRED };

/* Each sets *out when the member is there. True when it is there and right, or missing and optional (then
 * *out keeps its value); false and *err (HK_ERR_FORMAT) when it is missing and required, of another type, no
 * integer where one is needed, or outside [lo, hi]. A null counts as missing. Strings point into the tree. */
bool hk_json_u64(const struct hk_json_at *at, const char *key, enum hk_json_need need, uint64_t lo,
                 uint64_t hi, uint64_t *out);
bool hk_json_u32(const struct hk_json_at *at, const char *key, enum hk_json_need need, uint32_t lo,
                 uint32_t hi, uint32_t *out);
bool hk_json_f32(const struct hk_json_at *at, const char *key, enum hk_json_need need, double lo, double hi,
                 float *out);
bool hk_json_bool(const struct hk_json_at *at, const char *key, enum hk_json_need need, bool *out);
bool hk_json_string(const struct hk_json_at *at, const char *key, enum hk_json_need need, const char **out);

/* A number that is an integer in [0, 2^53]. */
bool hk_json_is_u64(const cJSON *item, uint64_t *out);

#endif

/* JSON from files that may be hostile. */
#include "loader/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bounds what cJSON will see. Strings are skipped as cJSON skips them, so that up to the first mistake in the
 * text both agree about the nesting; after it cJSON has stopped. */
static bool scan(const char *text, size_t len, const char *file, struct hk_error *err)
{
    size_t depth = 0, values = 1;
    for (size_t i = 0; i < len; i++) {
        switch (text[i]) {
        case '"':
            for (i++; i < len && text[i] != '"'; i++) {
                if (text[i] == '\\') i++;
            }
            break;
        case '[':
        case '{':
            values++;
            if (++depth > HK_JSON_MAX_DEPTH)
                return hk_fail(err, HK_ERR_FORMAT,
                               "%s: JSON is nested deeper than %d levels at byte %zu: no file "
                               "that Hekla reads needs more",
                               file, HK_JSON_MAX_DEPTH, i);
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ',':
            values++;
            break;
        default:
            break;
        }
    }
    if (values > HK_JSON_MAX_VALUES)
        return hk_fail(err, HK_ERR_FORMAT, "%s: JSON has about %zu values: at most %d are accepted", file,
                       values, HK_JSON_MAX_VALUES);
    return true;
}

cJSON *hk_json_parse(const char *text, size_t len, const char *file, struct hk_error *err)
{
    if (!scan(text, len, file, err)) return NULL;
    /* A copy with zeros behind it: cJSON before 1.7.18 reads a little past the end of some incomplete texts. */
    enum { PADDING = 16 };
    if (len > SIZE_MAX - PADDING) {
        hk_fail(err, HK_ERR_FORMAT, "%s: too large to parse", file);
        return NULL;
    }
    char *copy = hk_calloc(len + PADDING, 1, err);
    if (!copy) return NULL;
    if (len) memcpy(copy, text, len);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(copy, len + 1, &end, 0);
    size_t at = end ? (size_t)(end - copy) : 0;
    if (root) {
        while (at < len && strchr(" \t\r\n", copy[at]) && copy[at]) at++;
        if (at < len) {
            cJSON_Delete(root);
            root = NULL;
        }
    }
    free(copy);
    if (!root) hk_fail(err, HK_ERR_FORMAT, "%s: not valid JSON near byte %zu of %zu", file, at, len);
    return root;
}

const cJSON *hk_json_get(const cJSON *obj, const char *key)
{
    if (!cJSON_IsObject(obj)) return NULL;
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);
    return item && !cJSON_IsNull(item) ? item : NULL;
}

bool hk_json_is_u64(const cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item)) return false;
    double d = item->valuedouble;
    if (!(d >= 0 && d <= 0x1p53) || floor(d) != d) return false;
    *out = (uint64_t)d;
    return true;
}

/* The member; *ok says whether the caller's answer is true when there is none. */
static const cJSON *member(const struct hk_json_at *at, const char *key, enum hk_json_need need, bool *ok)
{
    const cJSON *item = hk_json_get(at->obj, key);
    *ok = item || need == HK_JSON_OPTIONAL;
    if (!*ok) hk_fail(at->err, HK_ERR_FORMAT, "%s: \"%s\" is missing", at->file, key);
    return item;
}

bool hk_json_u64(const struct hk_json_at *at, const char *key, enum hk_json_need need, uint64_t lo,
                 uint64_t hi, uint64_t *out)
{
    bool ok;
    uint64_t v = 0;
    const cJSON *item = member(at, key, need, &ok);
    if (!item) return ok;
    if (!hk_json_is_u64(item, &v) || v < lo || v > hi)
        return hk_fail(at->err, HK_ERR_FORMAT, "%s: \"%s\" is not an integer from %llu to %llu", at->file,
                       key, (unsigned long long)lo, (unsigned long long)hi);
    *out = v;
    return true;
}

bool hk_json_u32(const struct hk_json_at *at, const char *key, enum hk_json_need need, uint32_t lo,
                 uint32_t hi, uint32_t *out)
{
    uint64_t v = *out;
    if (!hk_json_u64(at, key, need, lo, hi, &v)) return false;
    *out = (uint32_t)v;
    return true;
}

bool hk_json_f32(const struct hk_json_at *at, const char *key, enum hk_json_need need, double lo, double hi,
                 float *out)
{
    bool ok;
    const cJSON *item = member(at, key, need, &ok);
    if (!item) return ok;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= lo && item->valuedouble <= hi))
        return hk_fail(at->err, HK_ERR_FORMAT, "%s: \"%s\" is not a number from %g to %g", at->file, key, lo,
                       hi);
    *out = (float)item->valuedouble;
    return true;
}

bool hk_json_bool(const struct hk_json_at *at, const char *key, enum hk_json_need need, bool *out)
{
    bool ok;
    const cJSON *item = member(at, key, need, &ok);
    if (!item) return ok;
    if (!cJSON_IsBool(item))
        return hk_fail(at->err, HK_ERR_FORMAT, "%s: \"%s\" is not true or false", at->file, key);
    *out = cJSON_IsTrue(item);
    return true;
}

bool hk_json_string(const struct hk_json_at *at, const char *key, enum hk_json_need need, const char **out)
{
    bool ok;
    const cJSON *item = member(at, key, need, &ok);
    if (!item) return ok;
    if (!cJSON_IsString(item))
        return hk_fail(at->err, HK_ERR_FORMAT, "%s: \"%s\" is not a string", at->file, key);
    *out = item->valuestring;
    return true;
}

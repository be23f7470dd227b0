#include "tools/json.h"

#include <stdlib.h>

/* Length of the UTF-8 character at s[0..n), n > 0. Where there is none: 0, and *bad bytes, 1 to 3, are what
 * one replacement stands for. Table 3-7 of the Unicode standard. */
static size_t utf8_length(const unsigned char *s, size_t n, size_t *bad)
{
    unsigned char c = s[0], lo = 0x80, hi = 0xbf;
    size_t want = c < 0x80                 ? 1
                  : c >= 0xc2 && c <= 0xdf ? 2
                  : c >= 0xe0 && c <= 0xef ? 3
                  : c >= 0xf0 && c <= 0xf4 ? 4
                                           : 0;
    *bad = 1;
    if (want < 2) return want;
    if (c == 0xe0) lo = 0xa0; /* overlong */
    if (c == 0xed) hi = 0x9f; /* surrogates */
    if (c == 0xf0) lo = 0x90; /* overlong */
    if (c == 0xf4) hi = 0x8f; /* beyond U+10FFFF */
    for (size_t i = 1; i < want; i++) {
        *bad = i;
        if (i >= n || s[i] < lo || s[i] > hi) return 0;
        lo = 0x80;
        hi = 0xbf;
    }
    return want;
}

bool json_utf8(const char *text, size_t len, struct hk_bytes *out, bool *clean, struct hk_error *err)
{
    const unsigned char *s = (const unsigned char *)text;
    if (clean) *clean = true;
    if (!hk_bytes_append(out, "", 0, err)) return false;
    for (size_t i = 0, bad = 1; i < len;) {
        size_t n = s[i] ? utf8_length(s + i, len - i, &bad) : 0;
        if (!s[i]) bad = 1;
        if (n == 0 && clean) *clean = false;
        if (!(n ? hk_bytes_append(out, s + i, n, err) : hk_bytes_append(out, "\xef\xbf\xbd", 3, err)))
            return false;
        i += n ? n : bad;
    }
    return true;
}

bool json_add_text(cJSON *object, const char *key, const char *bytes_key, const char *text, size_t len)
{
    struct hk_bytes b = {0};
    struct hk_error err;
    bool clean = true;
    bool ok =
        json_utf8(text, len, &b, &clean, &err) && cJSON_AddStringToObject(object, key, b.data ? b.data : "");
    hk_bytes_free(&b);
    if (!ok || clean || !bytes_key) return ok;
    cJSON *list = cJSON_AddArrayToObject(object, bytes_key);
    for (size_t i = 0; list && i < len; i++) {
        if (!cJSON_AddItemToArray(list, cJSON_CreateNumber((unsigned char)text[i]))) return false;
    }
    return list != NULL;
}

bool json_add_ids(cJSON *object, const char *key, const uint32_t *ids, size_t n)
{
    cJSON *list = cJSON_AddArrayToObject(object, key);
    for (size_t i = 0; list && i < n; i++) {
        if (!cJSON_AddItemToArray(list, cJSON_CreateNumber(ids[i]))) return false;
    }
    return list != NULL;
}

bool json_print(const cJSON *json, FILE *f, struct hk_error *err)
{
    char *text = json ? cJSON_Print(json) : NULL;
    if (!text) return hk_fail(err, HK_ERR_MEMORY, "out of memory for the JSON text");
    bool ok = fputs(text, f) >= 0 && fputc('\n', f) != EOF && fflush(f) == 0;
    cJSON_free(text);
    return ok ||
           hk_fail(err, HK_ERR_IO, "the JSON text cannot be written: a file with room would be accepted");
}

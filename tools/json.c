#include "tools/json.h"

#include <stdlib.h>

bool json_add_text(cJSON *object, const char *key, const char *bytes_key, const char *text, size_t len)
{
    struct hk_bytes b = {0};
    struct hk_error err;
    bool clean = true;
    bool ok = hk_bytes_append_utf8(&b, text, len, &clean, &err) &&
              cJSON_AddStringToObject(object, key, b.data ? b.data : "");
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

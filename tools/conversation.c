#include "tools/conversation.h"

#include <errno.h>
#include <string.h>

#include "tools/json.h"

cJSON *message_json(const char *role, const char *text, size_t len, bool bytes)
{
    cJSON *m = cJSON_CreateObject();
    if (m && cJSON_AddStringToObject(m, "role", role) &&
        json_add_text(m, "content", bytes ? "content_bytes" : NULL, text, len))
        return m;
    cJSON_Delete(m);
    return NULL;
}

cJSON *conversation_json(struct hk_conversation *c, bool open, bool bytes)
{
    size_t n = 0;
    const struct hk_chat_message *m = hk_conversation_messages(c, 0, open, &n, NULL);
    cJSON *list = m ? cJSON_CreateArray() : NULL;
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = cJSON_AddItemToArray(list, message_json(m[i].role, m[i].text, m[i].len, bytes));
    if (ok) return list;
    cJSON_Delete(list);
    return NULL;
}

bool conversation_save(struct hk_conversation *c, const char *path, struct hk_error *err)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *list = root ? conversation_json(c, false, true) : NULL;
    bool ok = cJSON_AddItemToObject(root, "messages", list);
    FILE *f = ok ? fopen(path, "wb") : NULL;
    if (!ok) {
        hk_fail(err, HK_ERR_MEMORY, "out of memory for the conversation");
    } else if (!f) {
        ok = hk_fail(err, HK_ERR_IO, "%s: %s: a path in a folder of yours would be accepted", path,
                     strerror(errno));
    } else {
        ok = json_print(root, f, err);
        if (fclose(f) != 0 && ok) ok = hk_fail(err, HK_ERR_IO, "%s: %s", path, strerror(errno));
    }
    cJSON_Delete(root);
    return ok;
}

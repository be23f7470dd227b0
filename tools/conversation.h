/* Conversations as JSON. */
#ifndef HEKLA_TOOLS_CONVERSATION_H
#define HEKLA_TOOLS_CONVERSATION_H

#include <cjson/cJSON.h>

#include "runtime/hekla.h"

/* The tokens that end an answer. */
struct stop_tokens {
    uint32_t ids[HK_CHAT_STOPS], n;
};

/* A JSON list [{"role", "content"}, ...] of the system text, if any, and the turns, the last one without its
 * answer if `open`. Bytes that are not UTF-8 are U+FFFD, with the bytes beside them ("content_bytes") if
 * `bytes`. NULL when memory is out. */
cJSON *conversation_json(struct hk_conversation *c, bool open, bool bytes);
/* {"role", "content"} alone. */
cJSON *message_json(const char *role, const char *text, size_t len, bool bytes);

/* Writes {"messages": [{"role", "content"}, ...]}. */
bool conversation_save(struct hk_conversation *c, const char *path, struct hk_error *err);

#endif

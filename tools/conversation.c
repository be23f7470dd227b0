#include "tools/conversation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/json.h"

static char *copy(const char *s, struct hk_error *err)
{
    size_t size = strlen(s) + 1;
    char *p = hk_calloc(size, 1, err);
    if (p) memcpy(p, s, size);
    return p;
}

static void turn_free(struct turn *t)
{
    free(t->question);
    free(t->answer.ids);
    hk_bytes_free(&t->text);
}

void conversation_clear(struct conversation *c)
{
    while (c->n > 0) turn_free(&c->turns[--c->n]);
}

void conversation_free(struct conversation *c)
{
    conversation_clear(c);
    free(c->turns);
    free(c->system);
    *c = (struct conversation){0};
}

bool conversation_set_system(struct conversation *c, const char *text, struct hk_error *err)
{
    char *p = copy(text, err);
    if (!p) return false;
    free(c->system);
    c->system = p;
    return true;
}

bool conversation_ask(struct conversation *c, const char *question, struct hk_error *err)
{
    if (c->n == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 16;
        struct turn *grown = realloc(c->turns, capacity * sizeof *grown);
        if (!grown) return hk_fail(err, HK_ERR_MEMORY, "out of memory for the conversation");
        c->turns = grown;
        c->capacity = capacity;
    }
    char *p = copy(question, err);
    if (!p) return false;
    c->turns[c->n++] = (struct turn){.question = p};
    return true;
}

void conversation_drop(struct conversation *c, size_t i)
{
    if (i >= c->n) return;
    turn_free(&c->turns[i]);
    c->n--;
    memmove(c->turns + i, c->turns + i + 1, (c->n - i) * sizeof *c->turns);
}

bool conversation_answer(struct conversation *c, uint32_t token, const char *text, size_t len,
                         struct hk_error *err)
{
    struct turn *t = &c->turns[c->n - 1];
    if (token != HK_NO_TOKEN && !hk_tokens_append(&t->answer, &token, 1, err)) return false;
    return hk_bytes_append(&t->text, text, len, err);
}

/* Plain continuation: what was typed and what was answered, one after the other. */
static bool running_text(const struct conversation *c, size_t from, struct hk_bytes *out,
                         struct hk_error *err)
{
    for (size_t i = from; i < c->n; i++) {
        const struct turn *t = &c->turns[i];
        if (i > from && !hk_bytes_append(out, "\n", 1, err)) return false;
        if (!hk_bytes_append(out, t->question, strlen(t->question), err)) return false;
        if (t->text.len && !hk_bytes_append(out, t->text.data, t->text.len, err)) return false;
    }
    return true;
}

/* The turns as messages, the last one's answer answer[0..len) or, where that is NULL, left out. own: the
 * model that reads them wrote the answers. Free the list. */
static struct hk_chat_message *messages_of(const struct conversation *c, size_t from, bool own,
                                           const char *answer, size_t len, size_t *n, struct hk_error *err)
{
    struct hk_chat_message *list = hk_calloc(1 + 2 * (c->n - from), sizeof *list, err);
    *n = 0;
    if (!list) return NULL;
    if (c->system && *c->system)
        list[(*n)++] = (struct hk_chat_message){"system", c->system, strlen(c->system), NULL};
    for (size_t i = from; i < c->n; i++) {
        const struct turn *t = &c->turns[i];
        list[(*n)++] = (struct hk_chat_message){"user", t->question, strlen(t->question), NULL};
        if (i + 1 < c->n) {
            list[(*n)++] = (struct hk_chat_message){"assistant", t->text.data ? t->text.data : "",
                                                    t->text.len, own ? &t->answer : NULL};
        } else if (answer) {
            list[(*n)++] = (struct hk_chat_message){"assistant", answer, len, NULL};
        }
    }
    return list;
}

bool conversation_tokens(const struct conversation *c, size_t from, const struct hk_tokenizer *t,
                         const struct hk_vocab *v, struct hk_tokens *out, struct hk_error *err)
{
    out->n = 0;
    if (c->writer) {
        size_t n;
        struct hk_chat_message *m = messages_of(c, from, true, NULL, 0, &n, err);
        bool ok = m && hk_chat_writer_tokens(c->writer, m, n, true, out, err);
        free(m);
        return ok;
    }
    struct hk_bytes text = {0};
    bool ok = hk_bytes_append(&text, "", 0, err) && running_text(c, from, &text, err) &&
              hk_tokenizer_encode(t, text.data, text.len, HK_ENCODE_ADD_SPECIAL, out, err);
    struct hk_vocab_info info;
    hk_vocab_describe(v, &info);
    if (ok && info.add_eos && out->n > 1 && out->ids[out->n - 1] == info.eos) out->n--;
    hk_bytes_free(&text);
    return ok;
}

void conversation_stops(const struct conversation *c, const struct hk_vocab *v, struct stop_tokens *out)
{
    out->n = hk_chat_stops(c->writer, v, out->ids);
}

bool conversation_read(const struct conversation *c, const struct hk_chat_writer *writer,
                       const struct hk_tokenizer *t, size_t from, const char *answer, size_t len,
                       struct hk_tokens *out, struct hk_error *err)
{
    out->n = 0;
    if (writer) {
        size_t n;
        struct hk_chat_message *m = messages_of(c, from, false, answer, len, &n, err);
        bool ok = m && hk_chat_writer_tokens(writer, m, n, false, out, err);
        free(m);
        return ok;
    }
    struct hk_bytes text = {0};
    bool ok = running_text(c, from, &text, err) && hk_bytes_append(&text, answer, len, err) &&
              hk_tokenizer_encode(t, text.data, text.len, HK_ENCODE_ADD_SPECIAL, out, err);
    hk_bytes_free(&text);
    return ok;
}

/* ---- as JSON ---- */

cJSON *message_json(const char *role, const char *text, size_t len, bool bytes)
{
    cJSON *m = cJSON_CreateObject();
    if (m && cJSON_AddStringToObject(m, "role", role) &&
        json_add_text(m, "content", bytes ? "content_bytes" : NULL, text, len))
        return m;
    cJSON_Delete(m);
    return NULL;
}

static bool add_message(cJSON *list, const char *role, const char *text, size_t len, bool bytes)
{
    return cJSON_AddItemToArray(list, message_json(role, text, len, bytes));
}

cJSON *conversation_json(const struct conversation *c, bool open, bool bytes)
{
    cJSON *list = cJSON_CreateArray();
    bool ok = list != NULL;
    if (ok && c->system && *c->system) ok = add_message(list, "system", c->system, strlen(c->system), bytes);
    for (size_t i = 0; ok && i < c->n; i++) {
        const struct turn *t = &c->turns[i];
        ok = add_message(list, "user", t->question, strlen(t->question), bytes) &&
             ((open && i + 1 == c->n) ||
              add_message(list, "assistant", t->text.data ? t->text.data : "", t->text.len, bytes));
    }
    if (ok) return list;
    cJSON_Delete(list);
    return NULL;
}

bool conversation_save(const struct conversation *c, const char *path, struct hk_error *err)
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

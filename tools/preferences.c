#include "tools/preferences.h"

#include <errno.h>
#include <string.h>

#include "tools/json.h"

static bool cannot(const struct preferences *p, struct hk_error *err)
{
    return hk_fail(err, HK_ERR_IO,
                   "--save-preferences %s: %s: a file that can be appended to would be accepted", p->path,
                   errno ? strerror(errno) : "cannot be written");
}

bool preferences_open(struct preferences *p, const char *path, struct hk_error *err)
{
    p->path = path;
    errno = 0;
    p->f = fopen(path, "ab+");
    if (!p->f) return cannot(p, err);
    setvbuf(p->f, NULL, _IONBF, 0); /* a record is one write: programs that append to one file mix no lines */
    if (fseek(p->f, -1, SEEK_END) != 0) return true; /* empty, or no file that has an end */
    int last = fgetc(p->f);
    fseek(p->f, 0, SEEK_END);
    return last == '\n' || last == EOF || fputc('\n', p->f) != EOF || cannot(p, err);
}

bool preferences_close(struct preferences *p, struct hk_error *err)
{
    FILE *f = p->f;
    p->f = NULL;
    errno = 0;
    return !f || fclose(f) == 0 || cannot(p, err);
}

static bool add_answer(cJSON *record, const char *key, bool chat, const struct answer_text *a)
{
    if (!chat) return json_add_text(record, key, NULL, a->text, a->len);
    cJSON *list = cJSON_AddArrayToObject(record, key);
    return list && cJSON_AddItemToArray(list, message_json("assistant", a->text, a->len, false));
}

static bool add_prompt(cJSON *record, struct hk_conversation *c, bool chat)
{
    struct hk_span question = hk_conversation_turn(c, hk_conversation_turns(c) - 1).question;
    if (!chat) return json_add_text(record, "prompt", NULL, question.data, question.len);
    return cJSON_AddItemToObject(record, "prompt", conversation_json(c, true, false));
}

bool preferences_add(struct preferences *p, struct hk_conversation *c, bool chat,
                     const struct answer_text *chosen, const struct answer_text *rejected,
                     struct hk_error *err)
{
    if (!p->f) return true;
    cJSON *record = cJSON_CreateObject();
    bool ok = record && add_prompt(record, c, chat) && add_answer(record, "chosen", chat, chosen) &&
              add_answer(record, "rejected", chat, rejected);
    char *text = ok ? cJSON_PrintUnformatted(record) : NULL;
    struct hk_bytes line = {0};
    cJSON_Delete(record);
    ok = text && hk_bytes_append(&line, text, strlen(text), err) && hk_bytes_append(&line, "\n", 1, err);
    cJSON_free(text);
    if (!text) hk_fail(err, HK_ERR_MEMORY, "out of memory for a preference record");
    errno = 0;
    if (ok && fwrite(line.data, 1, line.len, p->f) != line.len) ok = cannot(p, err);
    hk_bytes_free(&line);
    return ok;
}

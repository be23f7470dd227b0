/* A conversation: its turns, and the tokens they make. Answers are kept as the tokens that the model chose,
 * so that the sequence, which is synced to the whole of it each time, reuses all but the new question (where
 * the template writes earlier turns as it did before: what it writes in another way is computed again). */
#ifndef HEKLA_TOOLS_CONVERSATION_H
#define HEKLA_TOOLS_CONVERSATION_H

#include <cjson/cJSON.h>

#include "runtime/hekla.h"

struct turn {
    char *question;
    struct hk_tokens answer; /* without its stop token */
    struct hk_bytes text;    /* of the answer */
};

struct conversation {
    /* NULL: plain continuation; questions and answers are one running text */
    const struct hk_chat_writer *writer;
    char *system; /* or NULL */
    struct turn *turns;
    size_t n, capacity;
};

void conversation_free(struct conversation *c);
void conversation_clear(struct conversation *c); /* forgets the turns; writer and system stay */
bool conversation_set_system(struct conversation *c, const char *text, struct hk_error *err);
/* A new turn without an answer. */
bool conversation_ask(struct conversation *c, const char *question, struct hk_error *err);
void conversation_drop(struct conversation *c, size_t i); /* turn i is forgotten */
/* One more token and piece of text of the last answer. token may be HK_NO_TOKEN. */
bool conversation_answer(struct conversation *c, uint32_t token, const char *text, size_t len,
                         struct hk_error *err);

/* The tokens that end an answer: the vocabulary's, and the one that the template writes there, which some
 * files forget to name. */
struct stop_tokens {
    uint32_t ids[HK_CHAT_STOPS], n;
};
void conversation_stops(const struct conversation *c, const struct hk_vocab *v, struct stop_tokens *out);

/* The prompt for the last turn's answer, replacing *out; turns before `from` are left out. */
bool conversation_tokens(const struct conversation *c, size_t from, const struct hk_tokenizer *t,
                         const struct hk_vocab *v, struct hk_tokens *out, struct hk_error *err);

/* The whole conversation, with answer[0..len) as the last turn's, as another model reads it, replacing *out;
 * turns before `from` are left out. writer: of that model; NULL: questions and answers as running text. */
bool conversation_read(const struct conversation *c, const struct hk_chat_writer *writer,
                       const struct hk_tokenizer *t, size_t from, const char *answer, size_t len,
                       struct hk_tokens *out, struct hk_error *err);

/* A JSON list [{"role", "content"}, ...] of the system text, if any, and the turns, the last one without its
 * answer if `open`. Bytes that are not UTF-8 are U+FFFD, with the bytes beside them ("content_bytes") if
 * `bytes`. NULL when memory is out. */
cJSON *conversation_json(const struct conversation *c, bool open, bool bytes);
/* {"role", "content"} alone. */
cJSON *message_json(const char *role, const char *text, size_t len, bool bytes);

/* Writes {"messages": [{"role", "content"}, ...]}. */
bool conversation_save(const struct conversation *c, const char *path, struct hk_error *err);

#endif

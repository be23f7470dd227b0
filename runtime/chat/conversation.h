/* A conversation: its turns, and the tokens they make. Answers are kept as the tokens that the model chose, so
 * that a sequence, which is synced to the whole of it each time, has all but the new question already (where the
 * template writes earlier turns as it did before: what it writes in another way is computed again). */
#ifndef HEKLA_RUNTIME_CHAT_CONVERSATION_H
#define HEKLA_RUNTIME_CHAT_CONVERSATION_H

#include "runtime/chat/writer.h"

/* Used by one thread at a time. */
struct hk_conversation;

/* w: how it is written for a model; NULL: plain continuation, questions and answers are one running text. t: that
 * model's tokenizer. Both must outlive it. */
HK_API struct hk_conversation *hk_conversation_new(const struct hk_chat_writer *w,
                                                   const struct hk_tokenizer *t, struct hk_error *err);
HK_API void hk_conversation_free(struct hk_conversation *c);
/* Forgets the turns; the system text stays. */
HK_API void hk_conversation_clear(struct hk_conversation *c);
HK_API bool hk_conversation_set_system(struct hk_conversation *c, const char *text, struct hk_error *err);
/* "": none. Valid until it is set again. */
HK_API const char *hk_conversation_system(const struct hk_conversation *c);

/* A new turn without an answer. */
HK_API bool hk_conversation_ask(struct hk_conversation *c, const char *question, size_t len,
                                struct hk_error *err);
/* One more token and piece of text of the last turn's answer. token may be HK_NO_TOKEN; a token that ended the
 * answer is none of it. */
HK_API bool hk_conversation_answer(struct hk_conversation *c, uint32_t token, const char *text, size_t len,
                                   struct hk_error *err);
/* Turn i is forgotten. */
HK_API void hk_conversation_drop(struct hk_conversation *c, size_t i);

/* A turn; what it points to is valid until the conversation changes. Texts have a NUL behind them. */
struct hk_turn {
    struct hk_span question, answer;
};
HK_API size_t hk_conversation_turns(const struct hk_conversation *c);
HK_API struct hk_turn hk_conversation_turn(const struct hk_conversation *c, size_t i); /* i < turns */
/* The system's text, where there is one, and the turns from `from` on as messages, the last one with its answer
 * unless `open`: in *n, valid until the conversation changes. NULL and *err when memory is out. */
HK_API const struct hk_chat_message *hk_conversation_messages(struct hk_conversation *c, size_t from,
                                                              bool open, size_t *n, struct hk_error *err);

/* The prompt for the last turn's answer, replacing *out; turns before `from` are left out. */
HK_API bool hk_conversation_tokens(struct hk_conversation *c, size_t from, struct hk_tokens *out,
                                   struct hk_error *err);
/* The same for a context of n_ctx tokens, of which an answer shall have `room`: the oldest turns are forgotten
 * until that is so; *forgotten (may be NULL) is how many. HK_ERR_INPUT where the last question alone is longer
 * than the context. */
HK_API bool hk_conversation_prompt(struct hk_conversation *c, uint32_t n_ctx, uint32_t room,
                                   struct hk_tokens *out, size_t *forgotten, struct hk_error *err);
/* The whole conversation, with answer[0..len) as the last turn's, as another model reads it, replacing *out;
 * turns before `from` are left out. w and t: of that model; w NULL: questions and answers as running text. */
HK_API bool hk_conversation_read(struct hk_conversation *c, const struct hk_chat_writer *w,
                                 const struct hk_tokenizer *t, size_t from, const char *answer, size_t len,
                                 struct hk_tokens *out, struct hk_error *err);

#endif

/* Chatting with a model: a conversation on a sequence of its own. What is typed is never read as a control token. */
#ifndef HEKLA_RUNTIME_CHAT_CHAT_H
#define HEKLA_RUNTIME_CHAT_CHAT_H

#include "loader/api.h"
#include "runtime/chat/complete.h"
#include "runtime/chat/conversation.h"
#include "runtime/chat/writer.h"

struct hk_runner;
struct hk_sampler_options;

/* Zero is right for every field. */
struct hk_chat_options {
    const char *system;                        /* what the model is told before; NULL: nothing. Copied */
    const struct hk_sampler_options *sampling; /* NULL: its defaults. Copied */
    uint32_t n_answer; /* tokens of an answer at most; 0: until the model ends it, or the context does */
    struct hk_wall_time now;              /* the time that the template is told */
    const struct hk_tokenizer *tokenizer; /* the model's, which must outlive the chat; NULL: one of its own */
};

/* Used by one thread at a time, with its runner. */
struct hk_chat;
/* The runner must outlive the chat. opt may be NULL. HK_ERR_INPUT where the model has no chat template, or one
 * that is of no use, or scores texts. */
HK_API struct hk_chat *hk_chat_open(struct hk_runner *r, const struct hk_chat_options *opt,
                                    struct hk_error *err);
HK_API void hk_chat_close(struct hk_chat *c);

/* A piece of an answer: whole UTF-8 characters, no control token's text. Returns false to stop: what came so far
 * is the answer then. */
typedef bool (*hk_text_fn)(void *user, const char *text, size_t len);

/* Asks text[0..len) and hands the answer on as it comes (on_text may be NULL: the conversation has it then).
 * When the context is full the oldest turns are forgotten; *forgotten (may be NULL) is how many this time. r
 * (may be NULL): how the answer ended, and what it took. On failure the question is taken back. */
HK_API bool hk_chat_say(struct hk_chat *c, const char *text, size_t len, hk_text_fn on_text, void *user,
                        size_t *forgotten, struct hk_complete_result *r, struct hk_error *err);

/* The conversation so far: its turns and messages; it may be cleared, its turns dropped and its system text set.
 * Lives as long as the chat. */
HK_API struct hk_conversation *hk_chat_conversation(struct hk_chat *c);

#endif

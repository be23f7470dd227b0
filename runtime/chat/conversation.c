#include "runtime/chat/conversation.h"

#include <stdlib.h>
#include <string.h>

#include "loader/checkpoint.h"
#include "runtime/chat/complete.h"

struct turn {
    struct hk_bytes question, answer;
    struct hk_tokens tokens; /* the answer's */
};

struct hk_conversation {
    const struct hk_chat_writer *writer;
    const struct hk_tokenizer *tokenizer;
    struct hk_bytes system;
    struct turn *turns;
    size_t n, capacity;
    struct hk_chat_message *messages; /* what hk_conversation_messages gave last */
};

static void turn_free(struct turn *t)
{
    hk_bytes_free(&t->question);
    hk_bytes_free(&t->answer);
    hk_tokens_free(&t->tokens);
}

struct hk_conversation *hk_conversation_new(const struct hk_chat_writer *w, const struct hk_tokenizer *t,
                                            struct hk_error *err)
{
    struct hk_conversation *c = hk_calloc(1, sizeof *c, err);
    if (!c) return NULL;
    c->writer = w;
    c->tokenizer = t;
    return c;
}

void hk_conversation_clear(struct hk_conversation *c)
{
    while (c->n > 0) turn_free(&c->turns[--c->n]);
}

void hk_conversation_free(struct hk_conversation *c)
{
    if (!c) return;
    hk_conversation_clear(c);
    hk_bytes_free(&c->system);
    free(c->turns);
    free(c->messages);
    free(c);
}

bool hk_conversation_set_system(struct hk_conversation *c, const char *text, struct hk_error *err)
{
    struct hk_bytes copy = {0};
    if (!hk_bytes_append(&copy, text, strlen(text), err)) return false;
    hk_bytes_free(&c->system);
    c->system = copy;
    return true;
}

const char *hk_conversation_system(const struct hk_conversation *c)
{
    return c->system.len ? c->system.data : "";
}

bool hk_conversation_ask(struct hk_conversation *c, const char *question, size_t len, struct hk_error *err)
{
    if (c->n == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 16;
        struct turn *grown = realloc(c->turns, capacity * sizeof *grown);
        if (!grown) return hk_fail(err, HK_ERR_MEMORY, "out of memory for the conversation");
        c->turns = grown;
        c->capacity = capacity;
    }
    struct turn t = {0};
    if (!hk_bytes_append(&t.question, question, len, err) || !hk_bytes_append(&t.answer, "", 0, err)) {
        turn_free(&t);
        return false;
    }
    c->turns[c->n++] = t;
    return true;
}

bool hk_conversation_answer(struct hk_conversation *c, uint32_t token, const char *text, size_t len,
                            struct hk_error *err)
{
    if (c->n == 0) return hk_fail(err, HK_ERR_INPUT, "an answer: nothing was asked yet");
    struct turn *t = &c->turns[c->n - 1];
    if (token != HK_NO_TOKEN && !hk_tokens_append(&t->tokens, &token, 1, err)) return false;
    return hk_bytes_append(&t->answer, text, len, err);
}

void hk_conversation_drop(struct hk_conversation *c, size_t i)
{
    if (i >= c->n) return;
    turn_free(&c->turns[i]);
    c->n--;
    memmove(c->turns + i, c->turns + i + 1, (c->n - i) * sizeof *c->turns);
}

size_t hk_conversation_turns(const struct hk_conversation *c)
{
    return c->n;
}

static struct hk_span span_of(const struct hk_bytes *b)
{
    return (struct hk_span){b->data, b->len};
}

struct hk_turn hk_conversation_turn(const struct hk_conversation *c, size_t i)
{
    return (struct hk_turn){span_of(&c->turns[i].question), span_of(&c->turns[i].answer)};
}

/* The turns as messages; `last` takes the place of the last one's answer, {NULL, 0}: it is left out. own: the
 * model that reads them wrote the answers. */
static bool make_messages(struct hk_conversation *c, size_t from, bool own, struct hk_span last, size_t *n,
                          struct hk_error *err)
{
    *n = 0;
    free(c->messages);
    c->messages = hk_calloc(1 + 2 * (c->n - from), sizeof *c->messages, err);
    if (!c->messages) return false;
    if (c->system.len)
        c->messages[(*n)++] = (struct hk_chat_message){"system", c->system.data, c->system.len, NULL};
    for (size_t i = from; i < c->n; i++) {
        const struct turn *t = &c->turns[i];
        bool is_last = i + 1 == c->n;
        struct hk_span answer = is_last ? last : span_of(&t->answer);
        c->messages[(*n)++] = (struct hk_chat_message){"user", t->question.data, t->question.len, NULL};
        if (answer.data)
            c->messages[(*n)++] =
                (struct hk_chat_message){"assistant", answer.data, answer.len,
                                         own && answer.data == t->answer.data ? &t->tokens : NULL};
    }
    return true;
}

const struct hk_chat_message *hk_conversation_messages(struct hk_conversation *c, size_t from, bool open,
                                                       size_t *n, struct hk_error *err)
{
    struct hk_span last = {NULL, 0};
    *n = 0;
    if (from > c->n) from = c->n;
    if (!open && c->n > 0) last = span_of(&c->turns[c->n - 1].answer);
    return make_messages(c, from, true, last, n, err) ? c->messages : NULL;
}

/* Plain continuation: what was typed and what was answered, one after the other. */
static bool running_text(const struct hk_conversation *c, size_t from, struct hk_bytes *out,
                         struct hk_error *err)
{
    if (!hk_bytes_append(out, "", 0, err)) return false;
    for (size_t i = from; i < c->n; i++) {
        const struct turn *t = &c->turns[i];
        if (i > from && !hk_bytes_append(out, "\n", 1, err)) return false;
        if (!hk_bytes_append(out, t->question.data, t->question.len, err) ||
            !hk_bytes_append(out, t->answer.data, t->answer.len, err))
            return false;
    }
    return true;
}

bool hk_conversation_tokens(struct hk_conversation *c, size_t from, struct hk_tokens *out,
                            struct hk_error *err)
{
    out->n = 0;
    if (c->writer) {
        size_t n;
        return make_messages(c, from, true, (struct hk_span){NULL, 0}, &n, err) &&
               hk_chat_writer_tokens(c->writer, c->messages, n, true, out, err);
    }
    struct hk_bytes text = {0};
    bool ok = running_text(c, from, &text, err) &&
              hk_prompt_tokens(c->tokenizer, text.data, text.len, HK_ENCODE_ADD_SPECIAL, out, err);
    hk_bytes_free(&text);
    return ok;
}

bool hk_conversation_prompt(struct hk_conversation *c, uint32_t n_ctx, uint32_t room, struct hk_tokens *out,
                            size_t *forgotten, struct hk_error *err)
{
    size_t from = 0;
    if (forgotten) *forgotten = 0;
    for (;; from++) {
        if (!hk_conversation_tokens(c, from, out, err)) return false;
        if (out->n + room <= n_ctx || from + 1 >= c->n) break;
    }
    if (out->n > n_ctx)
        return hk_fail(err, HK_ERR_INPUT,
                       "the question takes %zu tokens: with this context at most %u would be accepted",
                       out->n, (unsigned)n_ctx);
    if (forgotten) *forgotten = from;
    for (; from > 0; from--) hk_conversation_drop(c, 0);
    return true;
}

bool hk_conversation_read(struct hk_conversation *c, const struct hk_chat_writer *w,
                          const struct hk_tokenizer *t, size_t from, const char *answer, size_t len,
                          struct hk_tokens *out, struct hk_error *err)
{
    out->n = 0;
    if (w) {
        size_t n;
        return make_messages(c, from, false, (struct hk_span){answer, len}, &n, err) &&
               hk_chat_writer_tokens(w, c->messages, n, false, out, err);
    }
    struct hk_bytes text = {0};
    bool ok = running_text(c, from, &text, err) && hk_bytes_append(&text, answer, len, err) &&
              hk_tokenizer_encode(t, text.data, text.len, HK_ENCODE_ADD_SPECIAL, out, err);
    hk_bytes_free(&text);
    return ok;
}

#include "runtime/chat/chat.h"

#include <stdlib.h>

#include "loader/checkpoint.h"
#include "runtime/hekla.h"

struct hk_chat {
    struct hk_runner *runner;
    struct hk_tokenizer *own;             /* or NULL: */
    const struct hk_tokenizer *tokenizer; /* somebody else's */
    struct hk_chat_writer *writer;
    struct hk_conversation *conversation;
    struct hk_sequence *sequence;
    struct hk_sampler *sampler; /* NULL: greedy, on the device */
    struct hk_tokens prompt;
    uint32_t stop[HK_CHAT_STOPS], n_stop;
    uint32_t n_answer;
    uint64_t stream; /* the next answer's: no two share random numbers */
};

/* Whether the device may choose the tokens itself. */
static bool is_plain_greedy(const struct hk_sampler_options *o)
{
    bool penalty = o->repeat_penalty > 0 && (o->repeat_penalty < 1 || o->repeat_penalty > 1);
    return o->greedy && o->n_bias == 0 && !penalty;
}

static bool open_parts(struct hk_chat *c, const struct hk_chat_options *opt, struct hk_error *err)
{
    static const struct hk_sampler_options defaults = {0};
    const struct hk_sampler_options *sampling = opt->sampling ? opt->sampling : &defaults;
    const struct hk_model *m = hk_runner_model(c->runner);
    const struct hk_checkpoint *ckpt = hk_model_checkpoint(m);
    if (hk_model_is_reward(m))
        return hk_fail(err, HK_ERR_INPUT, "%s: scores texts: a chat model would be accepted", ckpt->path);
    if (!opt->tokenizer && !(c->own = hk_tokenizer_new(&ckpt->vocab, err))) return false;
    c->tokenizer = opt->tokenizer ? opt->tokenizer : c->own;
    c->stream = sampling->stream;
    if (!(c->writer = hk_chat_writer_new(ckpt, c->tokenizer, &opt->now, err)) ||
        !(c->conversation = hk_conversation_new(c->writer, c->tokenizer, err)) ||
        !(c->sequence = hk_sequence_new(c->runner, err)) ||
        (opt->system && !hk_conversation_set_system(c->conversation, opt->system, err)))
        return false;
    c->n_stop = hk_chat_stops(c->writer, &ckpt->vocab, c->stop);
    if (is_plain_greedy(sampling)) return true;
    return (c->sampler = hk_sampler_new(sampling, hk_model_n_vocab(m), err)) != NULL;
}

struct hk_chat *hk_chat_open(struct hk_runner *r, const struct hk_chat_options *opt, struct hk_error *err)
{
    static const struct hk_chat_options defaults = {0};
    struct hk_chat *c = hk_calloc(1, sizeof *c, err);
    if (!c) return NULL;
    if (!opt) opt = &defaults;
    c->runner = r;
    c->n_answer = opt->n_answer;
    if (open_parts(c, opt, err)) return c;
    hk_chat_close(c);
    return NULL;
}

void hk_chat_close(struct hk_chat *c)
{
    if (!c) return;
    hk_sampler_free(c->sampler);
    hk_sequence_free(c->sequence);
    hk_conversation_free(c->conversation);
    hk_chat_writer_free(c->writer);
    hk_tokenizer_free(c->own);
    hk_tokens_free(&c->prompt);
    free(c);
}

struct hk_conversation *hk_chat_conversation(struct hk_chat *c)
{
    return c->conversation;
}

struct answer {
    struct hk_chat *c;
    hk_text_fn on_text;
    void *user;
    struct hk_error *err;
    bool failed;
};

static bool on_piece(void *user, const struct hk_piece *p)
{
    struct answer *a = user;
    if (!hk_conversation_answer(a->c->conversation, p->token, p->text, p->len, a->err)) {
        a->failed = true;
        return false;
    }
    return p->len == 0 || !a->on_text || a->on_text(a->user, p->text, p->len);
}

static bool answer(struct hk_chat *c, struct answer *a, size_t *forgotten, struct hk_complete_result *r)
{
    uint32_t n_ctx = hk_runner_ctx(c->runner), room = n_ctx / 4;
    if (c->n_answer && c->n_answer < room) room = c->n_answer;
    if (!hk_conversation_prompt(c->conversation, n_ctx, room, &c->prompt, forgotten, a->err)) return false;
    if (c->sampler) hk_sampler_set_stream(c->sampler, c->stream++);
    struct hk_complete_options o = {.prompt = c->prompt.ids,
                                    .n_prompt = (uint32_t)c->prompt.n,
                                    .n = c->n_answer,
                                    .sampler = c->sampler,
                                    .stop = c->stop,
                                    .n_stop = c->n_stop,
                                    .at_start = true,
                                    .piece = on_piece,
                                    .user = a};
    return hk_complete(c->sequence, c->tokenizer, &o, r, a->err) && !a->failed;
}

bool hk_chat_say(struct hk_chat *c, const char *text, size_t len, hk_text_fn on_text, void *user,
                 size_t *forgotten, struct hk_complete_result *r, struct hk_error *err)
{
    struct hk_complete_result own;
    struct answer a = {.c = c, .on_text = on_text, .user = user, .err = err};
    if (forgotten) *forgotten = 0;
    if (!hk_conversation_ask(c->conversation, text, len, err)) return false;
    if (answer(c, &a, forgotten, r ? r : &own)) return true;
    hk_conversation_drop(c->conversation, hk_conversation_turns(c->conversation) - 1);
    return false;
}

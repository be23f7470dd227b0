#include "runtime/chat/complete.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/hekla.h"
#include "runtime/os.h"

struct completion {
    struct hk_sequence *s;
    const struct hk_complete_options *o;
    struct hk_complete_result *r;
    struct hk_error *err;
    uint32_t n, n_ctx, n_vocab;
    struct hk_decoder decoder;
    struct hk_bytes text;
    struct hk_token_logprob *top;
    bool failed, ended;
};

const char *hk_end_name(enum hk_end end)
{
    static const char *const names[] = {"length", "stop", "context", "interrupted"};
    return names[end];
}

bool hk_prompt_tokens(const struct hk_tokenizer *t, const char *text, size_t len, unsigned flags,
                      struct hk_tokens *out, struct hk_error *err)
{
    struct hk_vocab_info v;
    size_t before = out->n;
    hk_vocab_describe(hk_tokenizer_vocab(t), &v);
    if (!hk_tokenizer_encode(t, text, len, flags | HK_ENCODE_ADD_SPECIAL, out, err)) return false;
    size_t n = out->n - before;
    if (v.add_eos && n > (v.add_bos ? 1u : 0u) && out->ids[out->n - 1] == v.eos) n = --out->n - before;
    if (len > 0 && n > 0) {
        if (out->n < HK_NO_TOKEN) return true;
        return hk_fail(err, HK_ERR_INPUT, "prompt: too many tokens");
    }
    uint32_t bos = v.bos != HK_NO_TOKEN ? v.bos : v.eos;
    out->n = before;
    if (bos != HK_NO_TOKEN) return hk_tokens_append(out, &bos, 1, err);
    return hk_fail(
        err, HK_ERR_INPUT,
        "prompt: empty, and the vocabulary has no beginning-of-text token: a text would be accepted");
}

static bool is_stop(const struct hk_complete_options *o, uint32_t token)
{
    for (uint32_t i = 0; i < o->n_stop; i++) {
        if (o->stop[i] == token) return true;
    }
    return false;
}

static bool end(struct completion *x, enum hk_end why)
{
    x->r->end = why;
    x->ended = true;
    return false;
}

/* An hk_token_fn: one token is there. False ends the completion. */
static bool on_token(void *user, uint32_t token)
{
    struct completion *x = user;
    if (is_stop(x->o, token)) {
        x->r->stop_token = token;
        return end(x, HK_END_STOP);
    }
    struct hk_piece piece = {.token = token};
    if (x->o->logprobs) {
        const float *logits = hk_sequence_logits(x->s);
        piece.logprob = hk_logprob(logits, x->n_vocab, token);
        piece.top = x->top;
        if (x->o->n_top) piece.n_top = hk_top_logprobs(logits, x->n_vocab, x->o->n_top, x->top);
    }
    x->text.len = 0;
    if (!hk_decoder_push(&x->decoder, token, &x->text, x->err)) {
        x->failed = true;
        return false;
    }
    piece.text = x->text.data ? x->text.data : "";
    piece.len = x->text.len;
    x->r->n++;
    return x->o->piece(x->o->user, &piece) || end(x, HK_END_INTERRUPTED);
}

/* The device feeds its own tokens from step to step. */
static bool decode_on_device(struct completion *x)
{
    uint32_t n = 0;
    bool ok = hk_sequence_greedy(x->s, x->n, on_token, x, &n, x->err);
    x->r->steps = n;
    if (ok && !x->ended && !x->failed && x->r->n < x->n) x->r->end = HK_END_CONTEXT;
    return ok;
}

/* One step, one look at the logits, one choice on the host. */
static bool decode_on_host(struct completion *x)
{
    for (uint32_t i = 0; i < x->n; i++) {
        uint32_t n_tokens, token;
        const uint32_t *tokens = hk_sequence_tokens(x->s, &n_tokens);
        const float *logits = hk_sequence_logits(x->s);
        struct hk_token_logprob best;
        if (x->o->sampler) {
            token = hk_sampler_next(x->o->sampler, logits, tokens, n_tokens);
        } else {
            hk_top_logprobs(logits, x->n_vocab, 1, &best);
            token = best.token;
        }
        if (!on_token(x, token) || i + 1 == x->n) return true;
        if (n_tokens >= x->n_ctx) return end(x, HK_END_CONTEXT), true;
        if (!hk_sequence_append(x->s, &token, 1, x->err) || !hk_runner_run(hk_sequence_runner(x->s), x->err))
            return false;
        x->r->steps++;
    }
    return true;
}

/* Broken weights, or a broken device, show as logits that are no numbers: whatever came out of them would be
 * noise. */
static bool check_finite(const struct hk_sequence *s, uint32_t n_vocab, struct hk_error *err)
{
    const float *logits = hk_sequence_logits(s);
    if (!logits)
        return hk_fail(err, HK_ERR_INPUT, "the model: is a reward model: a language model would be accepted");
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (isfinite(logits[i])) return true;
    }
    return hk_fail(err, HK_ERR_FORMAT,
                   "the model: its logits are no numbers: either its weights are broken, or this device is: "
                   "compare hk_device_options.select \"reference\", and hk_selftest");
}

static uint32_t vocab_size(const struct hk_sequence *s)
{
    return hk_model_n_vocab(hk_runner_model(hk_sequence_runner(s)));
}

bool hk_complete_prompt(struct hk_sequence *s, const uint32_t *prompt, uint32_t n_prompt,
                        struct hk_complete_result *r, struct hk_error *err)
{
    double start = hk_os_seconds();
    bool ok = hk_sequence_sync(s, prompt, n_prompt, err);
    r->n_computed = hk_sequence_n_computed(s);
    r->prompt_seconds = hk_os_seconds() - start;
    return ok && check_finite(s, vocab_size(s), err);
}

static bool run(struct completion *x)
{
    const struct hk_complete_options *o = x->o;
    if (!hk_complete_prompt(x->s, o->prompt, o->n_prompt, x->r, x->err)) return false;
    double start = hk_os_seconds();
    bool ok = !o->sampler && !o->logprobs ? decode_on_device(x) : decode_on_host(x);
    x->r->decode_seconds = hk_os_seconds() - start;
    if (!ok || x->failed) return false;
    x->text.len = 0;
    if (!hk_decoder_finish(&x->decoder, &x->text, x->err)) return false;
    struct hk_piece rest = {.token = HK_NO_TOKEN, .text = x->text.data, .len = x->text.len};
    if (rest.len) o->piece(o->user, &rest);
    return true;
}

bool hk_complete(struct hk_sequence *s, const struct hk_tokenizer *t, const struct hk_complete_options *opt,
                 struct hk_complete_result *r, struct hk_error *err)
{
    struct completion x = {.s = s, .o = opt, .r = r, .err = err, .n = opt->n ? opt->n : UINT32_MAX};
    x.n_ctx = hk_runner_ctx(hk_sequence_runner(s));
    x.n_vocab = vocab_size(s);
    *r = (struct hk_complete_result){.end = HK_END_LENGTH, .stop_token = HK_NO_TOKEN};
    hk_decoder_init(&x.decoder, t, opt->at_start, false);
    x.top = opt->logprobs ? hk_calloc((size_t)opt->n_top + 1, sizeof *x.top, err) : NULL;
    bool ok = (x.top || !opt->logprobs) && run(&x);
    free(x.top);
    hk_bytes_free(&x.text);
    return ok;
}

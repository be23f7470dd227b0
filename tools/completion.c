#include "tools/completion.h"

#include <math.h>
#include <stdlib.h>

#include "tools/term.h"

struct run {
    struct engine *e;
    const struct completion_options *o;
    struct completion_result *r;
    struct hk_error *err;
    struct hk_decoder decoder;
    struct hk_bytes text;
    struct hk_token_logprob *top;
    bool failed, ended;
};

const char *completion_end_name(enum completion_end end)
{
    const char *names[] = {"length", "stop", "context", "interrupted"};
    return names[end];
}

static bool is_stop(const struct completion_options *o, uint32_t token)
{
    for (uint32_t i = 0; i < o->n_stop; i++) {
        if (o->stop[i] == token) return true;
    }
    return false;
}

static bool end(struct run *x, enum completion_end why)
{
    x->r->end = why;
    x->ended = true;
    return false;
}

/* An hk_token_fn: one token is there. False ends the completion. */
static bool on_token(void *user, uint32_t token)
{
    struct run *x = user;
    if (is_stop(x->o, token)) {
        x->r->stop_token = token;
        return end(x, COMPLETION_STOP);
    }
    struct completion_piece piece = {.token = token};
    if (x->o->logprobs != COMPLETION_NO_LOGPROBS) {
        const float *logits = hk_sequence_logits(x->e->sequence);
        uint32_t n_vocab = hk_model_n_vocab(x->e->model);
        piece.logprob = hk_logprob(logits, n_vocab, token);
        piece.top = x->top;
        if (x->o->logprobs) piece.n_top = hk_top_logprobs(logits, n_vocab, x->o->logprobs, x->top);
    }
    x->text.len = 0;
    if (!hk_decoder_push(&x->decoder, token, &x->text, x->err)) {
        x->failed = true;
        return false;
    }
    piece.text = x->text.data ? x->text.data : "";
    piece.len = x->text.len;
    x->r->n++;
    if (!x->o->piece(x->o->user, &piece)) return end(x, COMPLETION_INTERRUPTED);
    return term_interrupted() ? end(x, COMPLETION_INTERRUPTED) : true;
}

/* The device feeds its own tokens from step to step. */
static bool decode_greedy(struct run *x)
{
    uint32_t n = 0;
    if (!hk_sequence_greedy(x->e->sequence, x->o->n, on_token, x, &n, x->err)) return false;
    x->r->steps = n;
    if (!x->ended && x->r->n < x->o->n) x->r->end = COMPLETION_CONTEXT;
    return true;
}

/* One step, one look at the logits, one choice on the host. */
static bool decode_sampled(struct run *x, struct hk_tokens *all)
{
    uint32_t n_ctx = hk_runner_ctx(x->e->runner);
    for (uint32_t i = 0; i < x->o->n; i++) {
        uint32_t token =
            hk_sampler_next(x->o->sampler, hk_sequence_logits(x->e->sequence), all->ids, (uint32_t)all->n);
        if (!on_token(x, token)) return true;
        if (i + 1 == x->o->n) return true;
        if (all->n >= n_ctx) {
            x->r->end = COMPLETION_CONTEXT;
            return true;
        }
        all->ids[all->n++] = token;
        if (!hk_sequence_append(x->e->sequence, &token, 1, x->err) || !hk_runner_run(x->e->runner, x->err))
            return false;
        x->r->steps++;
    }
    return true;
}

/* Broken weights, or a broken device, show as logits that are no numbers: whatever came out of them would be
 * noise. */
static bool check_finite(const struct engine *e, struct hk_error *err)
{
    const float *logits = hk_sequence_logits(e->sequence);
    uint32_t n_vocab = hk_model_n_vocab(e->model);
    for (uint32_t i = 0; i < n_vocab; i++)
        if (isfinite(logits[i])) return true;
    return hk_fail(
        err, HK_ERR_FORMAT,
        "the model: its logits are no numbers: either its weights are broken, or this device is: compare "
        "--device reference, and `hekla selftest`");
}

bool completion_begin(struct engine *e, const uint32_t *prompt, uint32_t n_prompt,
                      struct completion_result *r, struct hk_error *err)
{
    double start = term_seconds();
    bool ok = hk_sequence_sync(e->sequence, prompt, n_prompt, err);
    r->n_computed = hk_sequence_n_computed(e->sequence);
    progress_clear(&e->progress);
    r->prompt_seconds = term_seconds() - start;
    return ok && check_finite(e, err);
}

static bool run(struct run *x, struct hk_tokens *all)
{
    const struct completion_options *o = x->o;
    uint32_t n_ctx = hk_runner_ctx(x->e->runner);
    bool ok = completion_begin(x->e, o->prompt, o->n_prompt, x->r, x->err);
    if (!ok || o->n == 0) return ok;
    double start = 0;
    bool bar = x->e->progress.enabled;
    x->e->progress.enabled = false; /* from here on the completion itself is on the screen */
    if (!o->sampler && o->logprobs == COMPLETION_NO_LOGPROBS) {
        start = term_seconds();
        ok = decode_greedy(x);
    } else {
        all->ids = malloc(((size_t)n_ctx + 1) * sizeof *all->ids);
        for (; all->ids && all->n < o->n_prompt; all->n++) all->ids[all->n] = o->prompt[all->n];
        start = term_seconds();
        ok = all->ids ? decode_sampled(x, all)
                      : hk_fail(x->err, HK_ERR_MEMORY, "out of memory for %u token ids", (unsigned)n_ctx);
    }
    x->r->decode_seconds = term_seconds() - start;
    x->r->fed = x->r->steps;
    x->e->progress.enabled = bar;
    if (!ok || x->failed) return false;
    x->text.len = 0;
    if (!hk_decoder_finish(&x->decoder, &x->text, x->err)) return false;
    if (x->text.len)
        o->piece(o->user, &(struct completion_piece){HK_NO_TOKEN, x->text.data, x->text.len, 0, NULL, 0});
    return true;
}

bool completion_run(struct engine *e, const struct completion_options *o, struct completion_result *r,
                    struct hk_error *err)
{
    struct run x = {.e = e, .o = o, .r = r, .err = err};
    struct hk_tokens all = {0};
    *r = (struct completion_result){.end = COMPLETION_LENGTH, .stop_token = HK_NO_TOKEN};
    hk_decoder_init(&x.decoder, e->tokenizer, o->at_start, false);
    bool ok = true;
    if (o->logprobs != COMPLETION_NO_LOGPROBS) {
        x.top = hk_calloc(o->logprobs + 1u, sizeof *x.top, err);
        ok = x.top != NULL;
    }
    ok = ok && run(&x, &all);
    free(all.ids);
    free(x.top);
    hk_bytes_free(&x.text);
    return ok;
}

bool completion_prompt(const struct engine *e, const char *text, size_t len, struct hk_tokens *out,
                       struct hk_error *err)
{
    const struct hk_vocab_info *v = &e->vocab;
    if (!hk_tokenizer_encode(e->tokenizer, text, len, HK_ENCODE_ADD_SPECIAL | HK_ENCODE_PARSE_SPECIAL, out,
                             err)) {
        return false;
    }
    if (v->add_eos && out->n > 0 && out->ids[out->n - 1] == v->eos && out->n > (v->add_bos ? 1u : 0u))
        out->n--;
    if (len > 0 && out->n > 0) {
        if (out->n < HK_NO_TOKEN) return true;
        return hk_fail(err, HK_ERR_INPUT, "prompt: too many tokens");
    }
    uint32_t bos = v->bos != HK_NO_TOKEN ? v->bos : v->eos;
    if (bos == HK_NO_TOKEN) {
        return hk_fail(
            err, HK_ERR_INPUT,
            "prompt: empty, and the vocabulary has no beginning-of-text token: a text would be accepted");
    }
    uint32_t *ids = realloc(out->ids, sizeof *ids);
    if (!ids) return hk_fail(err, HK_ERR_MEMORY, "out of memory");
    ids[0] = bos;
    *out = (struct hk_tokens){ids, 1, 1};
    return true;
}

static bool ignore_token(void *user, uint32_t token)
{
    (void)user, (void)token;
    return true;
}

bool completion_warm_up(struct engine *e, struct hk_error *err)
{
    /* kernels differ by how many tokens they take: many, as in a question's prompt, and one */
    enum { QUESTION = 32 };
    uint32_t tokens[QUESTION] = {0}, n_ctx = hk_runner_ctx(e->runner), n = 0;
    e->progress.last = 0;
    progress_say(&e->progress, "compiling for this device: some seconds at its first run");
    bool ok = hk_sequence_sync(e->sequence, tokens, n_ctx < QUESTION ? n_ctx : QUESTION, err) &&
              hk_sequence_greedy(e->sequence, 3, ignore_token, NULL, &n, err);
    progress_clear(&e->progress);
    return ok;
}

double completion_prompt_rate(const struct completion_result *r)
{
    return r->prompt_seconds > 0 ? r->n_computed / r->prompt_seconds : 0;
}

double completion_decode_rate(const struct completion_result *r)
{
    return r->decode_seconds > 0 ? r->fed / r->decode_seconds : 0;
}

double completion_weight_rate(const struct engine *e, const struct completion_result *r)
{
    double steps = r->decode_seconds > 0 ? r->steps / r->decode_seconds : 0;
    return steps * (double)hk_model_stats(e->model)->step_weight_bytes * 1e-9;
}

void completion_print_timing(const struct engine *e, const struct completion_result *r)
{
    fprintf(stderr,
            "hekla: prompt %u token%s, %.1f tokens/s; completion %u token%s, %.1f tokens/s, %.2f GB/s\n",
            (unsigned)r->n_computed, r->n_computed == 1 ? "" : "s", completion_prompt_rate(r), (unsigned)r->n,
            r->n == 1 ? "" : "s", completion_decode_rate(r), completion_weight_rate(e, r));
}

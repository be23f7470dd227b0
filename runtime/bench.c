/* Prefill and decode speed of a model, timed as a user meets it: through a sequence, waiting for each result. */
#include "runtime/hekla.h"
#include "runtime/backend.h"
#include "runtime/model.h"
#include "runtime/os.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPEATS = 100 };

struct run {
    struct hk_runner *runner;
    struct hk_sequence *s;
    const struct hk_bench_options *opt;
    struct hk_bench_result *out;
    uint32_t depth;
    double prefill[MAX_REPEATS], decode[MAX_REPEATS]; /* tokens per second */
};

static bool keep_going(void *user, uint32_t token)
{
    (void)user, (void)token;
    return true;
}

/* Some token ids that differ from run to run, so that no prefix is reused. */
static void fill(uint32_t *tokens, uint32_t n, uint32_t salt, uint32_t n_vocab)
{
    for (uint32_t i = 0; i < n; i++) tokens[i] = (salt * 7919u + i * 104729u + 1) % n_vocab;
}

/* n_decode steps of forks of r->s, a token of each in one step. */
static bool decode_together(struct run *r, struct hk_sequence **fork, uint32_t n_vocab, struct hk_error *err)
{
    for (uint32_t i = 0; i < r->out->n_decode; i++) {
        for (uint32_t b = 0; b < r->out->n_sequences; b++) {
            uint32_t token = (i * 7919u + b * 31u + 1) % n_vocab;
            if (!hk_sequence_append(fork[b], &token, 1, err)) return false;
        }
        if (!hk_runner_run(r->runner, err)) return false;
    }
    return true;
}

/* Tokens per second of all sequences. */
static bool time_together(struct run *r, uint32_t n_vocab, double *decode, struct hk_error *err)
{
    uint32_t n = r->out->n_sequences;
    struct hk_sequence **fork = hk_calloc(n, sizeof *fork, err);
    bool ok = fork != NULL;
    for (uint32_t b = 0; ok && b < n; b++) ok = (fork[b] = hk_sequence_fork(r->s, err)) != NULL;
    double start = hk_os_seconds();
    ok = ok && decode_together(r, fork, n_vocab, err);
    *decode = (double)n * r->out->n_decode / (hk_os_seconds() - start);
    for (uint32_t b = 0; fork && b < n; b++) hk_sequence_free(fork[b]);
    free(fork);
    return ok;
}

static bool time_alone(struct run *r, double *decode, struct hk_error *err)
{
    uint32_t n = 0;
    double start = hk_os_seconds();
    /* The first token comes from the prompt's logits: n_decode steps give n_decode + 1 tokens. */
    if (!hk_sequence_greedy(r->s, r->out->n_decode + 1, keep_going, NULL, &n, err)) return false;
    *decode = (n - 1) / (hk_os_seconds() - start);
    return true;
}

static bool run_once(struct run *r, uint32_t *tokens, uint32_t salt, uint32_t n_vocab, double *prefill,
                     double *decode, struct hk_error *err)
{
    fill(tokens, r->out->n_prompt, salt, n_vocab);
    double start = hk_os_seconds();
    if (!hk_sequence_sync(r->s, tokens, r->out->n_prompt, err)) return false;
    *prefill = r->out->n_prompt / (hk_os_seconds() - start);

    fill(tokens, r->depth, salt, n_vocab);
    if (!hk_sequence_sync(r->s, tokens, r->depth, err)) return false;
    return r->out->n_sequences > 1 ? time_together(r, n_vocab, decode, err) : time_alone(r, decode, err);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void summarize(double *samples, uint32_t n, double out[3])
{
    qsort(samples, n, sizeof *samples, ascending);
    out[0] = samples[0];
    out[1] = n % 2 ? samples[n / 2] : 0.5 * (samples[n / 2 - 1] + samples[n / 2]);
    out[2] = samples[n - 1];
}

static bool run_all(struct run *r, struct hk_model *m, struct hk_error *err)
{
    uint32_t n_vocab = m->hp.n_vocab, most = r->depth > r->out->n_prompt ? r->depth : r->out->n_prompt;
    uint32_t *tokens = hk_calloc(most, sizeof *tokens, err);
    double ignored[2];
    /* The first run compiles pipelines and records steps. */
    bool ok = tokens && run_once(r, tokens, 0, n_vocab, &ignored[0], &ignored[1], err);
    for (uint32_t i = 0; ok && i < r->out->repeats; i++) {
        if (r->opt->progress && !r->opt->progress(r->opt->user, "measuring", i, r->out->repeats))
            ok = hk_fail(err, HK_ERR_CANCELLED, "the benchmark was cancelled");
        ok = ok && run_once(r, tokens, i + 1, n_vocab, &r->prefill[i], &r->decode[i], err);
    }
    if (ok && r->opt->progress) r->opt->progress(r->opt->user, "measuring", r->out->repeats, r->out->repeats);
    free(tokens);
    return ok;
}

bool hk_bench(struct hk_model *m, const struct hk_bench_options *opt, struct hk_bench_result *out,
              struct hk_error *err)
{
    struct run r = {.opt = opt, .out = out};
    *out = (struct hk_bench_result){.n_prompt = opt->n_prompt ? opt->n_prompt : 128,
                                    .n_decode = opt->n_decode ? opt->n_decode : 32,
                                    .n_sequences = opt->n_sequences ? opt->n_sequences : 1,
                                    .repeats = opt->repeats ? opt->repeats : 3};
    if (out->repeats > MAX_REPEATS) out->repeats = MAX_REPEATS;
    r.depth = opt->depth ? opt->depth : out->n_prompt;
    uint64_t most = (r.depth > out->n_prompt ? r.depth : out->n_prompt) + (uint64_t)out->n_decode + 1;
    if (most > m->hp.n_ctx_train)
        return hk_fail(err, HK_ERR_INPUT,
                       "the benchmark wants %llu positions, the model has %u: fewer tokens",
                       (unsigned long long)most, m->hp.n_ctx_train);
    uint64_t extra =
        out->n_sequences > 1 ? out->n_sequences * (out->n_decode + 64ull) : 0; /* a tail of each */
    struct hk_runner_options ro = {.n_ctx = (uint32_t)most,
                                   .n_sequences = out->n_sequences,
                                   .n_extra = extra < UINT32_MAX ? (uint32_t)extra : UINT32_MAX,
                                   .kv = opt->kv};
    r.runner = hk_runner_open(m, &ro, err);
    r.s = r.runner ? hk_sequence_new(r.runner, err) : NULL;
    bool ok = r.s && run_all(&r, m, err);
    hk_runner_close(r.runner);
    if (!ok) return false;
    summarize(r.prefill, out->repeats, out->prefill_tps);
    summarize(r.decode, out->repeats, out->decode_tps);
    out->decode_gbps = out->decode_tps[1] / out->n_sequences * (double)m->stats.step_weight_bytes / 1e9;
    return m->backend->table->read_bandwidth(m->backend, &out->read_gbps, err);
}

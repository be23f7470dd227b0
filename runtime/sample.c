/* Logits -> token. The order of the steps is the usual one: bias, repetition penalty, temperature, top-k,
 * top-p, min-p, then a draw, whose random number is that of (seed, stream, position). Sums are in double and
 * candidates are sorted with ties by token id, so that the same logits and seed give the same token
 * everywhere. */
#include "runtime/hekla.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
    uint32_t token;
    float logit;
};

struct hk_sampler {
    struct hk_sampler_options opt;
    struct hk_logit_bias *bias; /* copied */
    uint32_t n_vocab;
    float *logits;                /* [n_vocab] after bias and penalty */
    struct candidate *candidates; /* [n_vocab] */
    double *probs;                /* [n_vocab] */
    uint32_t *seen;               /* [n_vocab] the draw in which a token was last penalised */
    uint32_t draw;
};

/* ---- random numbers: splitmix64 (Steele, Lea & Flood 2014), by counter ---- */

#define GOLDEN 0x9e3779b97f4a7c15u

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* In [0, 1), 53 bits: the number `position` of the generator that starts at a hash of seed and stream. */
static double uniform(uint64_t seed, uint64_t stream, uint64_t position)
{
    uint64_t start = mix(mix(seed + GOLDEN) + stream);
    return (double)(mix(start + (position + 1) * GOLDEN) >> 11) * 0x1p-53;
}

/* ---- log-probabilities ---- */

/* log(sum(exp(x))). NaN and -inf contribute nothing. */
static double log_sum_exp(const float *x, uint32_t n)
{
    double largest = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        if ((double)x[i] > largest) largest = (double)x[i];
    if (isinf(largest)) return largest;
    for (uint32_t i = 0; i < n; i++)
        if (!isnan(x[i])) sum += exp((double)x[i] - largest);
    return largest + log(sum);
}

void hk_target_of(const float *logits, uint32_t n_vocab, uint32_t token, struct hk_target *out)
{
    double lse = log_sum_exp(logits, n_vocab), mean = 0;
    for (uint32_t i = 0; i < n_vocab; i++) { /* sum p log p: what is impossible adds nothing */
        double logprob = (double)logits[i] - lse, p = exp(logprob);
        if (p > 0) mean += p * logprob;
    }
    *out = (struct hk_target){
        .logprob = hk_logprob(logits, n_vocab, token), .logsumexp = (float)lse, .entropy = (float)-mean};
}

float hk_logprob(const float *logits, uint32_t n_vocab, uint32_t token)
{
    return token < n_vocab ? (float)((double)logits[token] - log_sum_exp(logits, n_vocab)) : -INFINITY;
}

/* Whether a comes after b: smaller logit, or the same and a higher id. NaN comes last. */
static bool after(struct candidate a, struct candidate b)
{
    if (isnan(a.logit) != isnan(b.logit)) return isnan(a.logit);
    if (a.logit < b.logit) return true;
    if (a.logit > b.logit) return false;
    return a.token > b.token;
}

static int by_rank(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return after(*x, *y) ? 1 : after(*y, *x) ? -1 : 0;
}

/* Moves the k best of c[0..n) to its front, in any order: quickselect (Hoare 1961). */
static void select_best(struct candidate *c, uint32_t n, uint32_t k)
{
    uint32_t lo = 0, hi = n;
    while (hi - lo > 1 && k > lo && k < hi) {
        struct candidate pivot = c[lo + (hi - 1 - lo) / 2]; /* never the last: both halves get smaller */
        uint32_t i = lo, j = hi - 1;
        for (;;) {
            while (after(pivot, c[i])) i++;
            while (after(c[j], pivot)) j--;
            if (i >= j) break;
            struct candidate t = c[i];
            c[i++] = c[j];
            c[j--] = t;
        }
        /* c[lo..i) are not after the pivot, c[j + 1..hi) not before it */
        if (k <= j + 1)
            hi = j + 1;
        else
            lo = j + 1;
    }
}

uint32_t hk_top_logprobs(const float *logits, uint32_t n_vocab, uint32_t k, struct hk_token_logprob *out)
{
    double total = log_sum_exp(logits, n_vocab);
    uint32_t n = 0;
    if (k > n_vocab) k = n_vocab;
    for (uint32_t i = 0; i < n_vocab && k > 0; i++) { /* an insertion sort of the k best: k is small */
        struct candidate c = {i, logits[i]};
        if (n == k && !after((struct candidate){out[n - 1].token, out[n - 1].logprob}, c)) continue;
        uint32_t at = n < k ? n++ : n - 1;
        while (at > 0 && after((struct candidate){out[at - 1].token, out[at - 1].logprob}, c)) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = (struct hk_token_logprob){i, logits[i]};
    }
    for (uint32_t i = 0; i < n; i++) out[i].logprob = (float)((double)out[i].logprob - total);
    return n;
}

/* ---- the sampler ---- */

/* The options with their defaults filled in; *o where a number is 0. */
static struct hk_sampler_options complete(const struct hk_sampler_options *o)
{
    struct hk_sampler_options x = *o;
    if (x.temperature == 0) x.temperature = 0.8f;
    if (x.top_k == 0) x.top_k = 40;
    if (x.top_p == 0) x.top_p = 0.95f;
    if (x.min_p == 0) x.min_p = 0.05f;
    if (x.min_p == HK_NO_MIN_P) x.min_p = 0;
    if (x.repeat_penalty == 0) x.repeat_penalty = 1;
    if (x.repeat_last == 0) x.repeat_last = 64;
    return x;
}

static bool check_options(const struct hk_sampler_options *o, uint32_t n_vocab, struct hk_error *err)
{
    if (!(o->temperature > 0 && isfinite(o->temperature)))
        return hk_fail(err, HK_ERR_INPUT,
                       "hk_sampler_options.temperature: %g: a number above 0 would be accepted",
                       (double)o->temperature);
    if (!(o->top_p > 0 && o->top_p <= 1))
        return hk_fail(err, HK_ERR_INPUT,
                       "hk_sampler_options.top_p: %g: a number above 0, at most 1, would be accepted",
                       (double)o->top_p);
    if (!(o->min_p >= 0 && o->min_p <= 1))
        return hk_fail(err, HK_ERR_INPUT,
                       "hk_sampler_options.min_p: %g: a number from 0 to 1 would be accepted",
                       (double)o->min_p);
    if (!(o->repeat_penalty > 0 && isfinite(o->repeat_penalty)))
        return hk_fail(err, HK_ERR_INPUT,
                       "hk_sampler_options.repeat_penalty: %g: a number above 0 would be accepted",
                       (double)o->repeat_penalty);
    for (uint32_t i = 0; i < o->n_bias; i++)
        if (o->bias[i].token >= n_vocab)
            return hk_fail(err, HK_ERR_INPUT,
                           "hk_sampler_options.bias: token %u: ids below %u would be accepted",
                           (unsigned)o->bias[i].token, (unsigned)n_vocab);
    return true;
}

struct hk_sampler *hk_sampler_new(const struct hk_sampler_options *o, uint32_t n_vocab, struct hk_error *err)
{
    static const struct hk_sampler_options defaults = {0};
    struct hk_sampler_options all = complete(o ? o : &defaults);
    if (!check_options(&all, n_vocab, err)) return NULL;
    struct hk_sampler *s = hk_calloc(1, sizeof *s, err);
    if (!s) return NULL;
    s->opt = all;
    o = &s->opt;
    s->n_vocab = n_vocab;
    bool ok = (s->bias = hk_calloc(o->n_bias, sizeof *s->bias, err)) != NULL &&
              (s->logits = hk_calloc(n_vocab, sizeof *s->logits, err)) != NULL &&
              (s->candidates = hk_calloc(n_vocab, sizeof *s->candidates, err)) != NULL &&
              (s->probs = hk_calloc(n_vocab, sizeof *s->probs, err)) != NULL &&
              (s->seen = hk_calloc(n_vocab, sizeof *s->seen, err)) != NULL;
    if (!ok) {
        hk_sampler_free(s);
        return NULL;
    }
    if (o->n_bias) memcpy(s->bias, o->bias, sizeof *s->bias * o->n_bias);
    return s;
}

void hk_sampler_free(struct hk_sampler *s)
{
    if (!s) return;
    free(s->bias);
    free(s->logits);
    free(s->candidates);
    free(s->probs);
    free(s->seen);
    free(s);
}

void hk_sampler_set_stream(struct hk_sampler *s, uint64_t stream)
{
    s->opt.stream = stream;
}

/* Repetition penalty (Keskar et al. 2019): a token seen lately has its logit divided by it where positive,
 * multiplied where negative. */
static void penalise(struct hk_sampler *s, const uint32_t *history, uint32_t n)
{
    float p = s->opt.repeat_penalty;
    uint32_t last = s->opt.repeat_last < n ? s->opt.repeat_last : n;
    s->draw++;
    for (uint32_t i = n - last; i < n && p != 1.0f; i++) {
        uint32_t t = history[i];
        if (t >= s->n_vocab || s->seen[t] == s->draw) continue;
        s->seen[t] = s->draw;
        s->logits[t] = s->logits[t] > 0 ? s->logits[t] / p : s->logits[t] * p;
    }
}

/* How many of the sorted candidates remain after top-p and min-p; probs gets their weights. */
static uint32_t truncate(struct hk_sampler *s, uint32_t n, double *total)
{
    double temperature = (double)s->opt.temperature, sum = 0, kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        s->probs[i] = exp(((double)s->candidates[i].logit - (double)s->candidates[0].logit) / temperature);
        if (isnan(s->probs[i])) s->probs[i] = 0;
        sum += s->probs[i];
    }
    uint32_t keep = 0;
    while (keep < n &&
           (keep == 0 || (kept < (double)s->opt.top_p * sum && s->probs[keep] >= (double)s->opt.min_p)))
        kept += s->probs[keep++];
    *total = kept;
    return keep;
}

uint32_t hk_sampler_next(struct hk_sampler *s, const float *logits, const uint32_t *history,
                         uint32_t n_history)
{
    memcpy(s->logits, logits, sizeof *logits * s->n_vocab);
    for (uint32_t i = 0; i < s->opt.n_bias; i++) s->logits[s->bias[i].token] += s->bias[i].bias;
    penalise(s, history, n_history);

    struct hk_token_logprob best;
    if (s->opt.greedy || s->opt.top_k == 1) {
        hk_top_logprobs(s->logits, s->n_vocab, 1, &best);
        return best.token;
    }
    for (uint32_t i = 0; i < s->n_vocab; i++) s->candidates[i] = (struct candidate){i, s->logits[i]};
    uint32_t n = s->opt.top_k && s->opt.top_k < s->n_vocab ? s->opt.top_k : s->n_vocab;
    select_best(s->candidates, s->n_vocab, n);
    qsort(s->candidates, n, sizeof *s->candidates, by_rank);

    double total = 0;
    uint32_t keep = truncate(s, n, &total);
    double at = uniform(s->opt.seed, s->opt.stream, n_history) * total;
    for (uint32_t i = 0; i < keep; i++) {
        at -= s->probs[i];
        if (at < 0) return s->candidates[i].token;
    }
    return s->candidates[keep - 1].token;
}

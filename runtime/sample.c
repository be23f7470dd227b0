/* Logits -> token. The order of the steps is the usual one: bias, repetition penalty, temperature, top-k,
 * top-p, min-p, then a draw. Sums are in double and candidates are sorted with ties by token id, so that the
 * same logits and seed give the same token everywhere. */
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
    uint64_t state[4];          /* xoshiro256** */
    uint32_t n_vocab;
    float *logits;                /* [n_vocab] after bias and penalty */
    struct candidate *candidates; /* [n_vocab] */
    double *probs;                /* [n_vocab] */
    uint32_t *seen;               /* [n_vocab] the draw in which a token was last penalised */
    uint32_t draw;
};

/* ---- random numbers: xoshiro256** seeded by splitmix64 (Blackman & Vigna 2018) ---- */

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static void seed(uint64_t state[4], uint64_t x)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = x += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        state[i] = z ^ (z >> 31);
    }
}

/* In [0, 1), 53 bits. */
static double uniform(uint64_t s[4])
{
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return (double)(result >> 11) * 0x1p-53;
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

void hk_sampler_defaults(struct hk_sampler_options *o)
{
    *o = (struct hk_sampler_options){.temperature = 0.8f,
                                     .top_k = 40,
                                     .top_p = 0.95f,
                                     .min_p = 0.05f,
                                     .repeat_penalty = 1.0f,
                                     .repeat_last = 64};
}

static bool check_options(const struct hk_sampler_options *o, uint32_t n_vocab, struct hk_error *err)
{
    if (!(o->temperature >= 0 && isfinite(o->temperature)))
        return hk_fail(err, HK_ERR_INPUT, "temperature %g: 0 or more is needed", (double)o->temperature);
    if (!(o->top_p > 0 && o->top_p <= 1))
        return hk_fail(err, HK_ERR_INPUT, "top-p %g: above 0, at most 1", (double)o->top_p);
    if (!(o->min_p >= 0 && o->min_p <= 1))
        return hk_fail(err, HK_ERR_INPUT, "min-p %g: 0 to 1", (double)o->min_p);
    if (!(o->repeat_penalty > 0 && isfinite(o->repeat_penalty)))
        return hk_fail(err, HK_ERR_INPUT, "repeat penalty %g: above 0", (double)o->repeat_penalty);
    for (uint32_t i = 0; i < o->n_bias; i++)
        if (o->bias[i].token >= n_vocab)
            return hk_fail(err, HK_ERR_INPUT, "logit bias for token %u: the vocabulary has %u",
                           o->bias[i].token, n_vocab);
    return true;
}

struct hk_sampler *hk_sampler_new(const struct hk_sampler_options *o, uint32_t n_vocab, struct hk_error *err)
{
    if (!check_options(o, n_vocab, err)) return NULL;
    struct hk_sampler *s = hk_calloc(1, sizeof *s, err);
    if (!s) return NULL;
    s->opt = *o;
    s->n_vocab = n_vocab;
    seed(s->state, o->seed);
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
    if (s->opt.temperature <= 0 || s->opt.top_k == 1) {
        hk_top_logprobs(s->logits, s->n_vocab, 1, &best);
        return best.token;
    }
    for (uint32_t i = 0; i < s->n_vocab; i++) s->candidates[i] = (struct candidate){i, s->logits[i]};
    uint32_t n = s->opt.top_k && s->opt.top_k < s->n_vocab ? s->opt.top_k : s->n_vocab;
    select_best(s->candidates, s->n_vocab, n);
    qsort(s->candidates, n, sizeof *s->candidates, by_rank);

    double total = 0;
    uint32_t keep = truncate(s, n, &total);
    double at = uniform(s->state) * total;
    for (uint32_t i = 0; i < keep; i++) {
        at -= s->probs[i];
        if (at < 0) return s->candidates[i].token;
    }
    return s->candidates[keep - 1].token;
}

/* Sampling: every choice against a computation of the test's own that sorts all tokens and walks down the
 * list, over random logits, ties, infinities and NaN; the draws' frequencies against their probabilities. */
#include "tests/loader_testing.h"

#include "runtime/hekla.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 5000 };

static uint32_t random_state = 1;
static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

static float random_logit(void)
{
    return (float)random_below(1u << 20) / (float)(1u << 16) - 8.0f;
}

static struct hk_sampler_options plain(void)
{
    return (struct hk_sampler_options){.temperature = 1.0f,
                                       .top_k = HK_ALL_TOKENS,
                                       .top_p = 1.0f,
                                       .min_p = HK_NO_MIN_P,
                                       .repeat_penalty = 1.0f};
}

static struct hk_sampler *open_sampler(const struct hk_sampler_options *o, uint32_t n_vocab)
{
    struct hk_error err = {0};
    struct hk_sampler *s = hk_sampler_new(o, n_vocab, &err);
    if (!s) fail_msg("%s", err.text);
    return s;
}

static uint32_t next_once(const struct hk_sampler_options *o, const float *logits, uint32_t n_vocab)
{
    struct hk_sampler *s = open_sampler(o, n_vocab);
    uint32_t token = hk_sampler_next(s, logits, NULL, 0);
    hk_sampler_free(s);
    return token;
}

/* ---- the test's own computation ---- */

struct oracle {
    uint32_t n;           /* tokens that may be drawn */
    uint32_t token[MOST]; /* the likeliest first */
    double probability[MOST];
};

/* What may come next, from the options' definitions: bias, then penalty, then temperature, top-k, top-p,
 * min-p. Finite logits. */
static void compute(struct oracle *o, const struct hk_sampler_options *opt, const float *logits, uint32_t n,
                    const uint32_t *history, uint32_t n_history)
{
    static double l[MOST];
    for (uint32_t i = 0; i < n; i++) l[i] = (double)logits[i];
    for (uint32_t i = 0; i < opt->n_bias; i++) l[opt->bias[i].token] += (double)opt->bias[i].bias;
    for (uint32_t t = 0; t < n; t++) {
        bool seen = false;
        for (uint32_t back = 1; back <= (opt->repeat_last ? opt->repeat_last : 64) && back <= n_history;
             back++)
            seen = seen || history[n_history - back] == t;
        if (seen) l[t] = l[t] > 0 ? l[t] / (double)opt->repeat_penalty : l[t] * (double)opt->repeat_penalty;
    }
    uint32_t most = opt->top_k && opt->top_k < n ? opt->top_k : n;
    static bool taken[MOST];
    memset(taken, 0, sizeof taken);
    double sum = 0, before = 0;
    for (uint32_t i = 0; i < most; i++) { /* a selection sort: nothing that could go wrong */
        uint32_t best = n;
        for (uint32_t t = 0; t < n; t++)
            if (!taken[t] && (best == n || l[t] > l[best])) best = t;
        taken[best] = true;
        o->token[i] = best;
        o->probability[i] = exp((l[best] - l[o->token[0]]) / (double)opt->temperature);
        sum += o->probability[i];
    }
    for (o->n = 0; o->n < most; o->n++) {
        if (o->n > 0 && opt->top_p < 1.0f && before / sum >= (double)opt->top_p) break;
        if (o->n > 0 && o->probability[o->n] < (double)opt->min_p) break;
        before += o->probability[o->n];
    }
    for (uint32_t i = 0; i < o->n; i++) o->probability[i] /= before;
}

/* Draws `draws` tokens: none may be outside the computed set, and each probability above 2 % must come out as
 * often as computed, within six standard deviations. */
static void check_draws(const struct hk_sampler_options *opt, const float *logits, uint32_t n,
                        const uint32_t *history, uint32_t n_history, uint32_t draws)
{
    static struct oracle o;
    static uint32_t count[MOST];
    compute(&o, opt, logits, n, history, n_history);
    memset(count, 0, sizeof count);
    struct hk_sampler *s = open_sampler(opt, n);
    for (uint32_t i = 0; i < draws; i++) {
        hk_sampler_set_stream(s, i); /* the position stays: each stream has a draw of its own there */
        uint32_t t = hk_sampler_next(s, logits, history, n_history);
        assert_true(t < n);
        count[t]++;
    }
    hk_sampler_free(s);
    uint32_t inside = 0;
    for (uint32_t i = 0; i < o.n; i++) {
        double p = o.probability[i], expected = p * draws, deviation = sqrt(expected * (1 - p)) + 1e-9;
        inside += count[o.token[i]];
        if (p > 0.02 && fabs(count[o.token[i]] - expected) > 6 * deviation + 1)
            fail_msg("token %u of %u came %u times in %u, not %.1f", o.token[i], n, count[o.token[i]], draws,
                     expected);
    }
    assert_int_equal(inside, draws);
}

/* ---- tests ---- */

static void draws_follow_the_options(void **state)
{
    (void)state;
    static const struct {
        uint32_t n, top_k;
        float temperature, top_p, min_p;
    } CASES[] = {
        {7, 0, 1.0f, 1.0f, 0.0f},    {7, 3, 1.0f, 1.0f, 0.0f},       {7, 7, 0.5f, 1.0f, 0.0f},
        {7, 100, 2.0f, 1.0f, 0.0f},  {40, 0, 1.0f, 0.5f, 0.0f},      {40, 5, 1.0f, 0.9f, 0.0f},
        {40, 0, 1.0f, 1.0f, 0.3f},   {40, 20, 0.7f, 0.8f, 0.1f},     {1, 0, 1.0f, 1.0f, 0.0f},
        {1, 40, 0.8f, 0.95f, 0.05f}, {2, 2, 1.0f, 0.000001f, 0.0f},  {1000, 40, 0.8f, 0.95f, 0.05f},
        {1000, 0, 3.0f, 1.0f, 1.0f}, {1000, 999, 1.0f, 0.99f, 0.0f},
    };
    static float logits[MOST];
    for (size_t c = 0; c < sizeof CASES / sizeof *CASES; c++) {
        for (uint32_t i = 0; i < CASES[c].n; i++) logits[i] = random_logit() / 4;
        struct hk_sampler_options o = plain();
        o.top_k = CASES[c].top_k ? CASES[c].top_k : HK_ALL_TOKENS;
        o.temperature = CASES[c].temperature;
        o.top_p = CASES[c].top_p;
        o.min_p = CASES[c].min_p > 0 ? CASES[c].min_p : HK_NO_MIN_P;
        o.seed = c;
        check_draws(&o, logits, CASES[c].n, NULL, 0, 4000);
    }
}

static void penalty_and_bias(void **state)
{
    (void)state;
    static float logits[50];
    uint32_t history[80];
    for (uint32_t i = 0; i < 50; i++) logits[i] = random_logit() / 4;
    for (uint32_t i = 0; i < 80; i++) history[i] = random_below(25); /* many twice: penalised once */
    struct hk_logit_bias bias[] = {{3, 4.0f}, {7, -100.0f}, {3, -1.0f}, {49, 2.5f}};
    for (uint32_t last = 0; last <= 100; last += 20) {
        struct hk_sampler_options o = plain();
        o.repeat_penalty = 1.7f;
        o.repeat_last = last;
        o.seed = last;
        check_draws(&o, logits, 50, history, 80, 3000);
        o.bias = bias;
        o.n_bias = 4;
        check_draws(&o, logits, 50, history, 80, 3000);
        check_draws(&o, logits, 50, history, 1, 1000);
        check_draws(&o, logits, 50, NULL, 0, 1000);
    }
    struct hk_sampler_options o = plain();
    o.greedy = true;
    o.repeat_penalty = 1.5f;
    float l[] = {3.0f, 2.5f,
                 -1.0f}; /* 3 / 1.5 falls behind 2.5; ids outside the vocabulary count for nothing */
    uint32_t h[] = {0, 99, 0};
    struct hk_sampler *s = open_sampler(&o, 3);
    assert_int_equal(hk_sampler_next(s, l, h, 3), 1);
    assert_int_equal(hk_sampler_next(s, l, h + 1, 1), 0);
    hk_sampler_free(s);
    float negative[] = {-1.0f, -1.2f}; /* -1 * 1.5 falls behind -1.2 */
    s = open_sampler(&o, 2);
    assert_int_equal(hk_sampler_next(s, negative, h, 1), 1);
    assert_true(negative[0] > -1.1f); /* the caller's logits stay as they are */
    hk_sampler_free(s);
}

static void bias_is_copied_and_forbids(void **state)
{
    (void)state;
    float logits[] = {5.0f, 4.9f, 4.8f};
    struct hk_logit_bias bias[] = {{0, -INFINITY}, {1, -1e9f}};
    struct hk_sampler_options o = plain();
    o.bias = bias;
    o.n_bias = 2;
    struct hk_sampler *s = open_sampler(&o, 3);
    memset(bias, 0, sizeof bias);
    for (int i = 0; i < 500; i++) assert_int_equal(hk_sampler_next(s, logits, NULL, 0), 2);
    hk_sampler_free(s);
}

static void greedy_in_two_ways(void **state)
{
    (void)state;
    static float logits[MOST];
    for (uint32_t round = 0; round < 200; round++) {
        uint32_t n = 1 + random_below(300), best = 0;
        for (uint32_t i = 0; i < n; i++) { /* coarse, so that there are ties: the lower id wins */
            logits[i] = (float)random_below(9);
            if (logits[i] > logits[best]) best = i;
        }
        struct hk_sampler_options o = plain();
        o.seed = round;
        o.greedy = true;
        assert_int_equal(next_once(&o, logits, n), best);
        o.greedy = false;
        o.temperature = 0.8f;
        o.top_k = 1;
        assert_int_equal(next_once(&o, logits, n), best);
        o.top_k = HK_ALL_TOKENS;
        o.top_p = 1e-6f;
        assert_int_equal(next_once(&o, logits, n), best);
    }
}

/* Draws at positions 0 .. n - 1, or, `backwards`, from the last to the first. */
static void draw_all(const struct hk_sampler_options *o, const float *logits, uint32_t n_vocab, uint32_t n,
                     bool backwards, uint32_t *out)
{
    static const uint32_t history[MOST];
    struct hk_sampler *s = open_sampler(o, n_vocab);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t position = backwards ? n - 1 - i : i;
        out[position] = hk_sampler_next(s, logits, history, position);
    }
    hk_sampler_free(s);
}

static uint32_t count_equal(const uint32_t *a, const uint32_t *b, uint32_t n)
{
    uint32_t same = 0;
    for (uint32_t i = 0; i < n; i++) same += a[i] == b[i];
    return same;
}

/* The random number is that of (seed, stream, position), whatever was drawn before. */
static void draws_have_their_place(void **state)
{
    (void)state;
    enum { N = 300 };
    static float logits[500];
    uint32_t first[N], other[N];
    for (uint32_t i = 0; i < 500; i++) logits[i] = random_logit() / 8;
    struct hk_sampler_options o = plain();
    o.seed = 42;
    draw_all(&o, logits, 500, N, false, first);
    draw_all(&o, logits, 500, N, true, other);
    assert_int_equal(count_equal(first, other, N), N);
    o.stream = 1;
    draw_all(&o, logits, 500, N, false, other);
    assert_true(count_equal(first, other, N) < 100);
    o.seed = 43;
    o.stream = 0;
    draw_all(&o, logits, 500, N, false, other);
    assert_true(count_equal(first, other, N) < 100);
    assert_true(count_equal(first + 1, first, N - 1) < 100);
    struct hk_sampler *s = open_sampler(&o, 500); /* a stream set later is the one given at first */
    o.stream = 7;
    draw_all(&o, logits, 500, N, false, first);
    hk_sampler_set_stream(s, 7);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(hk_sampler_next(s, logits, first, i), first[i]);
    hk_sampler_free(s);
}

/* Over positions, over streams and over seeds: even in sixteen classes. (chi-squared, 15 degrees of freedom:
 * above 50 once in 90,000) */
static void draws_are_even(void **state)
{
    (void)state;
    enum { N = 16000, CLASSES = 16 };
    static const float logits[CLASSES];
    static uint32_t history[N];
    for (int what = 0; what < 3; what++) {
        double expected = N / CLASSES, sum = 0;
        uint32_t count[CLASSES] = {0};
        struct hk_sampler_options o = plain();
        struct hk_sampler *s = open_sampler(&o, CLASSES);
        for (uint32_t i = 0; i < N; i++) {
            if (what == 1) hk_sampler_set_stream(s, i);
            if (what == 2) o.seed = i;
            count[what == 2 ? next_once(&o, logits, CLASSES)
                            : hk_sampler_next(s, logits, history, what == 0 ? i : 9)]++;
        }
        hk_sampler_free(s);
        for (int i = 0; i < CLASSES; i++) sum += (count[i] - expected) * (count[i] - expected) / expected;
        assert_true(sum < 50);
    }
}

static void zero_is_the_default(void **state)
{
    (void)state;
    enum { N = 400 };
    static float logits[500];
    uint32_t by_zero[N], said[N];
    for (uint32_t i = 0; i < 500; i++) logits[i] = random_logit() / 4;
    struct hk_sampler_options zero = {0};
    const struct hk_sampler_options all = {.temperature = 0.8f,
                                           .top_k = 40,
                                           .top_p = 0.95f,
                                           .min_p = 0.05f,
                                           .repeat_penalty = 1.0f,
                                           .repeat_last = 64};
    draw_all(&zero, logits, 500, N, false, by_zero);
    draw_all(&all, logits, 500, N, false, said);
    assert_int_equal(count_equal(by_zero, said, N), N);
    struct hk_sampler *s = hk_sampler_new(NULL, 500, NULL);
    assert_non_null(s);
    assert_int_equal(hk_sampler_next(s, logits, said, 0), said[0]);
    hk_sampler_free(s);
    check_draws(&all, logits, 500, NULL, 0, 4000);
}

/* Orders that a selection with a badly chosen pivot handles badly or wrongly, at every k. */
static void selection_of_any_order(void **state)
{
    (void)state;
    enum { N = 97 };
    float logits[N];
    for (int order = 0; order < 8; order++) {
        for (int i = 0; i < N; i++) {
            const float orders[] = {(float)i,
                                    (float)(N - i),
                                    1.0f,
                                    (float)(i % 2),
                                    (float)(i < N / 2 ? i : N - i),
                                    (float)abs(i - N / 2),
                                    (float)((i * 37) % N),
                                    i == N / 2 ? 1.0f
                                    : i % 2    ? 0.0f
                                               : -0.0f};
            logits[i] = orders[order];
        }
        for (uint32_t k = 1; k <= N + 1; k++) {
            struct hk_sampler_options o = plain();
            o.top_k = k;
            o.temperature = 50.0f; /* nearly even: every candidate is drawn sometime */
            check_draws(&o, logits, N, NULL, 0, 60);
        }
    }
}

static void numbers_that_are_none(void **state)
{
    (void)state;
    struct hk_sampler_options o = plain();
    const float one_nan[] = {NAN, 1.0f, 2.0f}, all_nan[] = {NAN, NAN, NAN};
    const float one_inf[] = {1.0f, INFINITY, 2.0f, INFINITY};
    const float none[] = {-INFINITY, -INFINITY}, last[] = {-INFINITY, -INFINITY, -3.0f};
    for (uint64_t seed = 0; seed < 50; seed++) {
        o.seed = seed;
        for (uint32_t k = 0; k < 4; k++) {
            o.top_k = k ? k : HK_ALL_TOKENS;
            assert_int_not_equal(next_once(&o, one_nan, 3), 0);
            assert_true(next_once(&o, all_nan, 3) < 3);
            assert_int_equal(next_once(&o, one_inf, 4) % 2, 1);
            assert_true(next_once(&o, none, 2) < 2);
            assert_int_equal(next_once(&o, last, 3), 2);
        }
    }
    o.greedy = true;
    assert_int_equal(next_once(&o, one_nan, 3), 2);
    assert_true(next_once(&o, all_nan, 3) < 3);
    assert_int_equal(next_once(&o, one_inf, 4), 1);
    o.greedy = false;
    o.temperature = 1e-30f; /* differences overflow to infinity, not to NaN */
    assert_int_equal(next_once(&o, last, 3), 2);
    const float wide[] = {-3e38f, 3e38f, 0.0f};
    assert_int_equal(next_once(&o, wide, 3), 1);
    struct hk_token_logprob top[4];
    assert_int_equal(hk_top_logprobs(one_nan, 3, 4, top), 3);
    assert_int_equal(top[0].token, 2);
    assert_int_equal(top[2].token, 0); /* NaN comes last */
    assert_true(fabsf(top[0].logprob + log1pf(expf(-1.0f))) < 1e-6f);
    assert_int_equal(hk_top_logprobs(last, 3, 1, top), 1);
    assert_true(top[0].token == 2 && top[0].logprob == 0.0f);
}

static void logprobs_against_a_sort(void **state)
{
    (void)state;
    static float logits[MOST];
    static struct oracle o;
    static struct hk_token_logprob top[MOST];
    static const uint32_t SIZES[] = {1, 2, 33, 512};
    struct hk_sampler_options opt = plain();
    for (size_t c = 0; c < sizeof SIZES / sizeof *SIZES; c++) {
        uint32_t n = SIZES[c];
        for (uint32_t i = 0; i < n; i++)
            logits[i] = floorf(random_logit() * 4) + 1000.0f; /* ties; exp overflows */
        compute(&o, &opt, logits, n, NULL, 0);
        for (uint32_t k = 0; k <= n + 1; k += n > 50 ? 37 : 1) {
            uint32_t got = hk_top_logprobs(logits, n, k, top);
            assert_int_equal(got, k < n ? k : n);
            for (uint32_t i = 0; i < got; i++) {
                assert_int_equal(top[i].token, o.token[i]);
                assert_true(fabs((double)top[i].logprob - log(o.probability[i])) < 1e-4);
                assert_true(top[i].logprob == hk_logprob(logits, n, top[i].token));
            }
        }
        assert_true(isinf(hk_logprob(logits, n, n)));
    }
}

static void options_out_of_range(void **state)
{
    (void)state;
    const struct hk_logit_bias outside = {10, 1.0f};
    struct hk_sampler_options bad[12];
    for (int i = 0; i < 12; i++) bad[i] = plain();
    bad[0].temperature = -1.0f;
    bad[1].temperature = NAN;
    bad[2].temperature = INFINITY;
    bad[3].top_p = -0.5f;
    bad[4].top_p = 1.5f;
    bad[5].top_p = NAN;
    bad[6].min_p = -0.1f;
    bad[7].min_p = NAN;
    bad[8].repeat_penalty = -1.0f;
    bad[9].repeat_penalty = NAN;
    bad[10].min_p = 1.1f;
    bad[11].bias = &outside;
    bad[11].n_bias = 1;
    for (int i = 0; i < 12; i++) {
        struct hk_error err = {0};
        assert_null(hk_sampler_new(&bad[i], 10, &err));
        assert_int_equal(err.code, HK_ERR_INPUT);
        assert_true(strlen(err.text) > 10);
    }
    hk_sampler_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_options),   cmocka_unit_test(penalty_and_bias),
        cmocka_unit_test(bias_is_copied_and_forbids), cmocka_unit_test(greedy_in_two_ways),
        cmocka_unit_test(draws_have_their_place),     cmocka_unit_test(draws_are_even),
        cmocka_unit_test(zero_is_the_default),        cmocka_unit_test(selection_of_any_order),
        cmocka_unit_test(numbers_that_are_none),      cmocka_unit_test(logprobs_against_a_sort),
        cmocka_unit_test(options_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

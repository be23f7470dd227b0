#include "tests/sequences_testing.h"

#include <math.h>

static double limit; /* of a logit's difference */

enum { N_VOCAB = 131, MOST = 128 }; /* of llama-gqa; its context, and gpt2's */

/* A token that depends on where it is and on a salt; small, so that every golden's vocabulary has it. */
static uint32_t token_of(uint32_t salt, uint32_t i)
{
    return (7 + 31 * salt + 17 * i + i * i % 13) % 90;
}

/* A sequence and what it should be. */
struct line {
    struct hk_sequence *s;
    uint32_t tokens[MOST], n;
};

static void expect_logits(const float *got, struct rig *alone, const struct line *l, const char *what)
{
    struct hk_error err = {0};
    uint32_t n_vocab = hk_model_hparams(alone->model)->n_vocab;
    if (!got) fail_msg("%s: no logits behind %u tokens", what, l->n);
    struct hk_sequence *fresh = hk_sequence_new(alone->runner, &err);
    assert_non_null(fresh);
    if (!hk_sequence_sync(fresh, l->tokens, l->n, &err)) fail_msg("%s", err.text);
    double d = largest_difference(got, hk_sequence_logits(fresh), n_vocab);
    if (!(d <= limit)) fail_msg("%s: %u tokens: differs by %g from the sequence alone", what, l->n, d);
    hk_sequence_free(fresh);
}

static void expect_line(const struct line *l, struct rig *alone, const char *what)
{
    uint32_t n = 0;
    const uint32_t *tokens = hk_sequence_tokens(l->s, &n);
    assert_int_equal(n, l->n);
    assert_memory_equal(tokens, l->tokens, n * sizeof *tokens);
    expect_logits(hk_sequence_logits(l->s), alone, l, what);
}

static void request(struct line *l)
{
    struct hk_error err = {0};
    if (!hk_sequence_request(l->s, l->tokens, l->n, &err)) fail_msg("%s", err.text);
}

static void append(struct line *l, uint32_t token)
{
    struct hk_error err = {0};
    l->tokens[l->n++] = token;
    if (!hk_sequence_append(l->s, &token, 1, &err)) fail_msg("%s", err.text);
}

static void run(struct rig *r)
{
    struct hk_error err = {0};
    if (!hk_runner_run(r->runner, &err)) fail_msg("%s", err.text);
}

static uint32_t available(const struct rig *r)
{
    uint32_t n = 0;
    hk_runner_pool(r->runner, &n);
    return n;
}

static struct hk_sequence *new_sequence(struct rig *r)
{
    struct hk_error err = {0};
    struct hk_sequence *s = hk_sequence_new(r->runner, &err);
    if (!s) fail_msg("%s", err.text);
    return s;
}

static struct hk_sequence *fork_of(struct hk_sequence *from)
{
    struct hk_error err = {0};
    struct hk_sequence *s = hk_sequence_fork(from, &err);
    if (!s) fail_msg("%s", err.text);
    return s;
}

/* The model, and it again with runners that compute one sequence alone and share nothing. */
struct pair {
    struct rig together, alone;
};

static struct pair open_pair(const char *name, const struct hk_runner_options *o)
{
    char path[HK_TEST_PATH];
    struct hk_runner_options alone = {.n_ctx = MOST, .kv = o->kv, .outputs = HK_OUTPUTS_ALL};
    struct pair p = {rig_open(golden_path(name, "", path), HK_WEIGHT_TYPE_COUNT, o),
                     rig_open(golden_path(name, "", path), HK_WEIGHT_TYPE_COUNT, &alone)};
    return p;
}

static void close_pair(struct pair *p)
{
    rig_close(&p->together);
    rig_close(&p->alone);
}

/* ---- many at once ---- */

enum { N_LINES = 10 };

/* Prompts of different lengths, several with one beginning, some steps behind each other; then single tokens
 * of all. */
static void check_mixed(const char *name, uint32_t n_batch, uint32_t n_sequences)
{
    static const uint32_t LENGTHS[N_LINES] = {1, 5, 31, 32, 33, 40, 64, 70, 100, 3};
    struct hk_runner_options o = {
        .n_ctx = 128, .n_batch = n_batch, .n_sequences = n_sequences, .n_extra = 1280, .kv = HK_KV_F32};
    struct pair p = open_pair(name, &o);
    struct line lines[N_LINES] = {{0}};
    struct hk_error err = {0};
    for (uint32_t i = 0; i < N_LINES; i++) {
        lines[i].s = new_sequence(&p.together);
        lines[i].n = LENGTHS[i];
        /* from the fifth on, the first 32 tokens are the same */
        for (uint32_t k = 0; k < LENGTHS[i]; k++) lines[i].tokens[k] = token_of(i > 4 && k < 32 ? 4 : i, k);
        request(&lines[i]);
        assert_true(hk_sequence_pending(lines[i].s));
        if (i % 3 == 2 && !hk_runner_step(p.together.runner, NULL, &err)) fail_msg("%s", err.text);
        for (uint32_t k = 0; k < i; k++) /* those that are done go on meanwhile */
            if (!hk_sequence_pending(lines[k].s) && lines[k].n < 120) append(&lines[k], token_of(k + 50, i));
    }
    run(&p.together);
    for (uint32_t i = 0; i < N_LINES; i++) expect_line(&lines[i], &p.alone, "prompts");
    for (uint32_t step = 0; step < 3; step++) {
        for (uint32_t i = 0; i < N_LINES; i++)
            if ((i + step) % 4) append(&lines[i], token_of(i, step + 20));
        run(&p.together);
    }
    for (uint32_t i = 0; i < N_LINES; i++) expect_line(&lines[i], &p.alone, "single tokens");
    for (uint32_t i = 0; i < N_LINES; i++) hk_sequence_free(lines[i].s);
    assert_int_equal(available(&p.together), hk_runner_pool(p.together.runner, NULL));
    close_pair(&p);
}

static void mixed_steps_equal_sequences_alone(void **state)
{
    (void)state;
    check_mixed("llama-gqa", 24, 10);
    check_mixed("llama-gqa", 7, 3); /* fewer in a step than there are */
    check_mixed("gpt2", 64, 10);
    check_mixed("llama-head6", 16, 4); /* heads that are no whole words */
}

static bool keep(void *user, uint32_t token)
{
    uint32_t *out = user;
    out[1 + out[0]++] = token;
    return true;
}

/* Greedy decoding on the device beside others: the same text, and the others as they were. */
static void greedy_beside_others(void **state)
{
    (void)state;
    struct hk_runner_options o = {.n_ctx = 128, .n_sequences = 3, .n_extra = 256, .kv = HK_KV_F32};
    struct pair p = open_pair("llama-gqa", &o);
    struct hk_error err = {0};
    struct line lines[3] = {{0}};
    uint32_t want[64] = {0}, got[64], n = 0;
    for (uint32_t i = 0; i < 3; i++) {
        lines[i].s = new_sequence(&p.together);
        for (; lines[i].n < 30 + i; lines[i].n++) lines[i].tokens[lines[i].n] = token_of(3, lines[i].n);
        request(&lines[i]);
    }
    run(&p.together);
    rig_sync(&p.alone, lines[1].tokens, lines[1].n);
    assert_true(hk_sequence_greedy(p.alone.sequence, 40, keep, want, &n, &err));
    struct hk_sequence *fork = fork_of(lines[1].s);
    for (int turn = 0; turn < 2; turn++) { /* of the fork, then of what it was forked from */
        memset(got, 0, sizeof got);
        if (!hk_sequence_greedy(turn ? lines[1].s : fork, 40, keep, got, &n, &err)) fail_msg("%s", err.text);
        assert_int_equal(n, 40);
        assert_memory_equal(got, want, sizeof got);
    }
    expect_line(&lines[0], &p.alone, "before");
    append(&lines[0], 5);
    append(&lines[2], 6);
    run(&p.together);
    expect_line(&lines[0], &p.alone, "beside greedy decoding");
    expect_line(&lines[2], &p.alone, "beside greedy decoding");
    close_pair(&p);
}

/* A pool that is full of somebody else's request, older than the one that decodes. */
static void greedy_in_a_full_pool(void **state)
{
    (void)state;
    struct hk_runner_options o = {.n_ctx = 96, .n_batch = 40, .n_sequences = 2, .kv = HK_KV_F32};
    struct pair p = open_pair("llama-gqa", &o);
    struct hk_error err = {0};
    struct line other = {.s = new_sequence(&p.together), .n = 70},
                line = {.s = new_sequence(&p.together), .n = 5};
    uint32_t want[96] = {0}, got[96] = {0}, n = 0;
    for (uint32_t i = 0; i < other.n; i++) other.tokens[i] = token_of(4, i);
    for (uint32_t i = 0; i < line.n; i++) line.tokens[i] = token_of(5, i);
    request(&other); /* 32 tokens of it, and all of the second, in one step */
    request(&line);
    if (!hk_runner_step(p.together.runner, NULL, &err)) fail_msg("%s", err.text);
    assert_true(hk_sequence_pending(other.s) && !hk_sequence_pending(line.s));
    if (!hk_sequence_greedy(line.s, 75, keep, got, &n, &err)) fail_msg("%s", err.text);
    rig_sync(&p.alone, line.tokens, line.n);
    assert_true(hk_sequence_greedy(p.alone.sequence, 75, keep, want, &n, &err));
    assert_memory_equal(got, want, sizeof got);
    run(&p.together);
    expect_line(&other, &p.alone, "after giving way");
    close_pair(&p);
}

/* ---- shared prefixes ---- */

static void prefixes_are_computed_once(void **state)
{
    (void)state;
    struct hk_runner_options o = {
        .n_ctx = 128, .n_sequences = 4, .n_extra = 512, .n_batch = 40, .kv = HK_KV_F32};
    struct pair p = open_pair("llama-gqa", &o);
    struct line lines[4] = {{0}};
    for (uint32_t i = 0; i < 4; i++) { /* all at once, 70 tokens in common */
        lines[i].s = new_sequence(&p.together);
        lines[i].n = 80 + i;
        for (uint32_t k = 0; k < lines[i].n; k++) lines[i].tokens[k] = token_of(k < 70 ? 1 : i + 2, k);
        request(&lines[i]);
    }
    run(&p.together);
    uint32_t computed = 0, whole = hk_runner_pool(p.together.runner, NULL);
    for (uint32_t i = 0; i < 4; i++) {
        expect_line(&lines[i], &p.alone, "a common prefix");
        computed += hk_sequence_n_computed(lines[i].s);
    }
    /* two whole blocks of the 70 tokens once, the rest four times */
    assert_int_equal(computed, 64 + (16 + 17 + 18 + 19));
    assert_int_equal(whole - available(&p.together), 32 * (2 + 4));
    /* the same prompt later, when nobody holds it any more: the last token alone, for its logits */
    struct line again = lines[0];
    for (uint32_t i = 0; i < 4; i++) hk_sequence_free(lines[i].s);
    again.n = 64;
    again.s = new_sequence(&p.together);
    request(&again);
    run(&p.together);
    assert_int_equal(hk_sequence_n_computed(again.s), 1);
    expect_line(&again, &p.alone, "a prefix that was kept");
    close_pair(&p);
}

/* Sixteen forks of a prompt of 400 tokens take the memory of one and sixteen tails, and compute it once. */
static void forks_share_their_prompt(void **state)
{
    (void)state;
    enum { FORKS = 16, PROMPT = 400, TAIL = 10 };
    static uint32_t prompt[PROMPT + TAIL];
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct hk_runner_options o = {.n_ctx = 448, .n_sequences = FORKS, .n_extra = FORKS * 64, .kv = HK_KV_F32};
    struct hk_runner_options one = {.n_ctx = 448, .outputs = HK_OUTPUTS_ALL, .kv = HK_KV_F32};
    struct rig r = rig_open(golden_path("llama-gqa", "", path), HK_WEIGHT_TYPE_COUNT, &o);
    struct rig alone = rig_open(path, HK_WEIGHT_TYPE_COUNT, &one);
    struct hk_sequence *fork[FORKS];
    uint32_t whole = hk_runner_pool(r.runner, NULL), computed = 0,
             n_vocab = hk_model_hparams(r.model)->n_vocab;
    for (uint32_t i = 0; i < PROMPT; i++) prompt[i] = token_of(9, i);
    rig_sync(&r, prompt, PROMPT);
    computed = hk_sequence_n_computed(r.sequence);
    assert_int_equal(computed, PROMPT);
    for (uint32_t b = 0; b < FORKS; b++) fork[b] = fork_of(r.sequence);
    assert_int_equal(whole - available(&r), 416); /* 12.5 blocks */
    assert_memory_equal(hk_sequence_logits(fork[7]), hk_sequence_logits(r.sequence), sizeof(float) * n_vocab);
    for (uint32_t i = 0; i < TAIL; i++) {
        for (uint32_t b = 0; b < FORKS; b++) {
            uint32_t token = token_of(b, i);
            if (!hk_sequence_append(fork[b], &token, 1, &err)) fail_msg("%s", err.text);
        }
        run(&r);
        for (uint32_t b = 0; b < FORKS; b++) {
            assert_int_equal(hk_sequence_n_computed(fork[b]), 1);
            computed++;
        }
    }
    assert_int_equal(computed, PROMPT + FORKS * TAIL);
    assert_int_equal(whole - available(&r), 416 + FORKS * 32); /* a tail of half a block each */
    for (uint32_t b = 0; b < FORKS; b += 5) {
        for (uint32_t i = 0; i < TAIL; i++) prompt[PROMPT + i] = token_of(b, i);
        rig_sync(&alone, prompt, PROMPT + TAIL);
        double d =
            largest_difference(hk_sequence_logits(fork[b]), hk_sequence_logits(alone.sequence), n_vocab);
        if (!(d <= limit)) fail_msg("fork %u differs by %g", b, d);
    }
    for (uint32_t b = 0; b < FORKS; b++) hk_sequence_free(fork[b]);
    assert_int_equal(whole - available(&r), 416);
    rig_close(&r);
    rig_close(&alone);
}

/* What is kept of every token is what the logits before it say, whether it came with a prompt or one by one. */
static void targets_are_kept(void **state)
{
    (void)state;
    struct hk_runner_options o = {
        .n_ctx = 128, .n_batch = 16, .n_sequences = 2, .kv = HK_KV_F32, .outputs = HK_OUTPUTS_TARGETS};
    struct pair p = open_pair("llama-gqa", &o);
    struct line line = {.s = p.together.sequence, .n = 50};
    struct hk_target got, want;
    for (uint32_t i = 0; i < line.n; i++) line.tokens[i] = token_of(2, i);
    request(&line);
    run(&p.together);
    for (uint32_t i = 0; i < 5; i++) append(&line, token_of(3, i)), run(&p.together);
    struct hk_sequence *fork = fork_of(line.s);
    rig_sync(&p.alone, line.tokens, line.n);
    assert_false(hk_sequence_target(line.s, 0, &got));
    assert_false(hk_sequence_target(line.s, line.n, &got));
    for (uint32_t i = 1; i < line.n; i++) {
        const float *logits = hk_sequence_logits_at(p.alone.sequence, i - 1);
        double total = 0, entropy = 0;
        hk_target_of(logits, N_VOCAB, line.tokens[i], &want);
        for (uint32_t k = 0; k < N_VOCAB; k++) total += exp((double)logits[k]);
        for (uint32_t k = 0; k < N_VOCAB; k++) {
            double q = exp((double)logits[k]) / total;
            entropy -= q * log(q);
        }
        assert_true(fabs((double)want.logsumexp - log(total)) < 1e-5);
        assert_true(fabs((double)want.entropy - entropy) < 1e-5);
        assert_true(fabs((double)want.logprob - ((double)logits[line.tokens[i]] - log(total))) < 1e-5);
        assert_true(hk_sequence_target(i % 2 ? line.s : fork, i, &got));
        double d = fmax(fabs((double)got.logprob - (double)want.logprob),
                        fabs((double)got.entropy - (double)want.entropy));
        if (!(d <= 2 * limit)) fail_msg("token %u: differs by %g", i, d);
    }
    hk_sequence_rewind(line.s, 20);
    assert_true(hk_sequence_target(line.s, 19, &got));
    assert_false(hk_sequence_target(line.s, 20, &got));
    close_pair(&p);
}

/* ---- too little room ---- */

/* Eight sequences of up to 100 positions in a pool of half of what they need. */
static void a_small_pool_finishes_all(void **state)
{
    (void)state;
    enum { N = 8, STEPS = 40 };
    struct hk_runner_options o = {
        .n_ctx = 128, .n_sequences = N, .n_extra = 8 * 128 / 2 - 128, .kv = HK_KV_F32};
    struct pair p = open_pair("llama-gqa", &o);
    struct hk_error err = {0};
    struct line lines[N] = {{0}};
    uint32_t chosen[N][STEPS], n_chosen[N] = {0}, n_done = 0, n_computed = 0;
    for (uint32_t i = 0; i < N; i++) {
        lines[i].s = new_sequence(&p.together);
        lines[i].n = 60 + i;
        for (uint32_t k = 0; k < lines[i].n; k++) lines[i].tokens[k] = token_of(i, k);
        request(&lines[i]);
    }
    while (n_done < N) { /* greedy by hand, each at its own pace */
        if (!hk_runner_step(p.together.runner, NULL, &err)) fail_msg("%s", err.text);
        for (uint32_t i = 0; i < N; i++) {
            struct hk_token_logprob best;
            if (hk_sequence_pending(lines[i].s) || n_chosen[i] == STEPS) continue;
            n_computed += hk_sequence_n_computed(lines[i].s);
            hk_top_logprobs(hk_sequence_logits(lines[i].s), N_VOCAB, 1, &best);
            chosen[i][n_chosen[i]++] = best.token;
            if (n_chosen[i] == STEPS)
                n_done++;
            else
                append(&lines[i], best.token);
        }
    }
    for (uint32_t i = 0; i < N; i++) {
        uint32_t got[1 + STEPS] = {0}, n = 0;
        rig_sync(&p.alone, lines[i].tokens, 60 + i);
        assert_true(hk_sequence_greedy(p.alone.sequence, STEPS, keep, got, &n, &err));
        assert_memory_equal(got + 1, chosen[i], sizeof chosen[i]);
    }
    assert_true(n_computed > N * (STEPS - 1) + 8 * 63); /* some had to give way, and were computed again */
    close_pair(&p);
}

static void cancelling_leaves_others_alone(void **state)
{
    (void)state;
    struct hk_runner_options o = {
        .n_ctx = 128, .n_batch = 8, .n_sequences = 3, .n_extra = 256, .kv = HK_KV_F32};
    struct pair p = open_pair("llama-gqa", &o);
    struct hk_error err = {0};
    for (uint32_t stop = 0; stop < 14; stop++) { /* after so many steps */
        struct line lines[3] = {{0}};
        for (uint32_t i = 0; i < 3; i++) {
            lines[i].s = new_sequence(&p.together);
            lines[i].n = 20 + 10 * i;
            for (uint32_t k = 0; k < lines[i].n; k++) lines[i].tokens[k] = token_of(stop * 3 + i, k);
            request(&lines[i]);
        }
        for (uint32_t step = 0; step < stop; step++)
            if (!hk_runner_step(p.together.runner, NULL, &err)) fail_msg("%s", err.text);
        struct line *gone = &lines[stop % 3];
        bool done = !hk_sequence_pending(gone->s);
        hk_sequence_cancel(gone->s);
        assert_false(hk_sequence_pending(gone->s));
        if (!done) hk_sequence_tokens(gone->s, &gone->n); /* what was computed stays */
        run(&p.together);
        for (uint32_t i = 0; i < 3; i++)
            if (&lines[i] != gone || done) expect_line(&lines[i], &p.alone, "beside one that was cancelled");
        append(gone, 7); /* and goes on from there */
        run(&p.together);
        expect_line(gone, &p.alone, "cancelled, and going on");
        for (uint32_t i = 0; i < 3; i++) hk_sequence_free(lines[i].s);
    }
    assert_int_equal(available(&p.together), hk_runner_pool(p.together.runner, NULL));
    close_pair(&p);
}

/* hk_sequence_sync is cancelled by what its progress says. */
struct stop {
    uint32_t calls, after;
};
static bool stop_after(void *user, const char *what, uint64_t done, uint64_t total)
{
    struct stop *s = user;
    (void)what;
    assert_true(done <= total);
    return ++s->calls <= s->after;
}

static void progress_cancels(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct stop stop = {.after = 2};
    struct hk_runner_options o = {.n_ctx = 128, .n_batch = 8, .progress = stop_after, .user = &stop};
    struct rig r = rig_open(golden_path("llama-gqa", "", path), HK_WEIGHT_TYPE_COUNT, &o);
    uint32_t tokens[100], n = 0;
    for (uint32_t i = 0; i < 100; i++) tokens[i] = token_of(1, i);
    assert_false(hk_sequence_sync(r.sequence, tokens, 100, &err));
    assert_int_equal(err.code, HK_ERR_CANCELLED);
    hk_sequence_tokens(r.sequence, &n);
    assert_int_equal(n, 16);
    assert_false(hk_sequence_pending(r.sequence));
    assert_null(hk_sequence_logits(r.sequence));
    stop = (struct stop){.after = 100};
    rig_sync(&r, tokens, 100);
    assert_int_equal(hk_sequence_n_computed(r.sequence), 84);
    rig_close(&r);
}

static void limits_are_held(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct hk_runner_options o = {.n_ctx = 64, .n_sequences = 2}, many = {.n_sequences = 5000};
    struct hk_runner_options huge = {.n_ctx = 1u << 27, .n_extra = UINT32_MAX - 100};
    struct rig r = rig_open(golden_path("llama-gqa", "", path), HK_WEIGHT_TYPE_COUNT, &o);
    uint32_t tokens[65] = {0}, n = 0;
    assert_int_equal(hk_runner_pool(r.runner, NULL), 64);
    assert_null(hk_runner_open(r.model, &many, &err));
    hk_test_error_says(&err, "5000 sequences");
    assert_null(hk_runner_open(r.model, &huge, &err));
    assert_int_equal(err.code, HK_ERR_MEMORY);
    hk_test_error_says(&err, "a context of 134217728 and 4294967195 positions");
    rig_sync(&r, tokens, 60);
    assert_false(hk_sequence_append(r.sequence, tokens, 5, &err));
    hk_test_error_says(&err, "65 tokens, but the context has room for 64");
    assert_false(hk_sequence_pending(r.sequence)); /* nothing has changed */
    assert_non_null(hk_sequence_logits(r.sequence));
    assert_true(hk_sequence_append(r.sequence, tokens, 4, &err));
    run(&r);
    assert_false(hk_sequence_append(r.sequence, tokens, 1, &err));
    assert_false(hk_sequence_append(r.sequence, tokens, 0, &err));
    hk_sequence_rewind(r.sequence, 70);
    hk_sequence_tokens(r.sequence, &n);
    assert_int_equal(n, 64);
    hk_sequence_rewind(r.sequence, 0);
    assert_null(hk_sequence_logits(r.sequence));
    assert_false(hk_sequence_greedy(r.sequence, 1, keep, tokens, &n, &err));
    hk_test_error_says(&err, "needs a synced prompt");
    assert_int_equal(available(&r), 64);
    rig_close(&r);
}

/* ---- anything, in any order ---- */

static uint32_t draw(uint32_t *state, uint32_t n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

enum { N_RANDOM = 9, RANDOM_CTX = 90 };

/* One operation on one of the lines. */
static void operate(struct pair *p, struct line *l, struct line *lines, uint32_t *state)
{
    struct hk_error err = {0};
    uint32_t what = draw(state, 12), n;
    if (!l->s) {
        struct line *from = &lines[draw(state, N_RANDOM)];
        if (from->s && what < 8) {
            *l = *from;
            l->s = fork_of(from->s);
        } else {
            *l = (struct line){.s = new_sequence(&p->together)};
        }
        return;
    }
    switch (what) {
    case 0: /* another prompt, with one of three beginnings */
    case 1:
        n = 1 + draw(state, RANDOM_CTX);
        for (uint32_t i = 0, salt = draw(state, 3), at = draw(state, n); i < n; i++)
            l->tokens[i] = token_of(i < at ? salt : salt + 10 + draw(state, 5), i);
        l->n = n;
        request(l);
        break;
    case 2:
        n = draw(state, l->n + 1);
        hk_sequence_rewind(l->s, n);
        l->n = n;
        break;
    case 3:
        hk_sequence_free(l->s);
        l->s = NULL;
        break;
    case 4:
        hk_sequence_cancel(l->s);
        hk_sequence_tokens(l->s, &l->n);
        break;
    case 5:
    case 6:
    case 7:
        n = 1 + draw(state, 4);
        for (uint32_t i = 0; i < n && l->n < RANDOM_CTX; i++) append(l, draw(state, N_VOCAB));
        break;
    default:
        if (!hk_runner_step(p->together.runner, NULL, &err)) fail_msg("%s", err.text);
    }
}

void hk_test_random_schedule(uint32_t n_operations, uint32_t each)
{
    struct hk_runner_options o = {
        .n_ctx = RANDOM_CTX, .n_batch = 24, .n_sequences = 5, .n_extra = 300, .kv = HK_KV_F32};
    struct pair p = open_pair("llama-gqa", &o);
    struct line lines[N_RANDOM] = {{0}};
    uint32_t state = 20, checked = 0;
    for (uint32_t i = 0; i < n_operations; i++) {
        struct line *l = &lines[draw(&state, N_RANDOM)];
        operate(&p, l, lines, &state);
        if (i % each || !l->s || l->n == 0) continue;
        if (i % 5 == 0) {
            request(l); /* whatever it was, its logits are wanted now */
            run(&p.together);
        }
        if (hk_sequence_pending(l->s) || !hk_sequence_logits(l->s)) continue;
        expect_line(l, &p.alone, "a random schedule");
        checked++;
    }
    print_message("%u comparisons\n", checked);
    assert_true(checked > n_operations / each / 4);
    for (uint32_t i = 0; i < N_RANDOM; i++) hk_sequence_free(lines[i].s);
    assert_int_equal(available(&p.together), hk_runner_pool(p.together.runner, NULL));
    close_pair(&p);
}

int hk_test_sequences_main(const char *select, double differ, const struct CMUnitTest *more, size_t n_more)
{
    struct CMUnitTest tests[16] = {
        cmocka_unit_test(mixed_steps_equal_sequences_alone),
        cmocka_unit_test(greedy_beside_others),
        cmocka_unit_test(prefixes_are_computed_once),
        cmocka_unit_test(forks_share_their_prompt),
        cmocka_unit_test(a_small_pool_finishes_all),
        cmocka_unit_test(cancelling_leaves_others_alone),
        cmocka_unit_test(progress_cancels),
        cmocka_unit_test(limits_are_held),
        cmocka_unit_test(targets_are_kept),
        cmocka_unit_test(greedy_in_a_full_pool),
    };
    size_t n = 10;
    limit = differ;
    for (size_t i = 0; i < n_more && n < 16; i++) tests[n++] = more[i];
    return rig_main(select, tests, n);
}

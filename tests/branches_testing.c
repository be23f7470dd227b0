#include "tests/branches_testing.h"
#include "tests/rig.h"
#include "runtime/model.h"

enum { N_BRANCHES = 4, N_STEPS = 11, MAX_TOKENS = 128 };

/* Tokens that differ from branch to branch, from step to step, and with the salt. */
static uint32_t token_of(uint32_t branch, uint32_t step, uint32_t salt)
{
    return (7 + 31 * branch + 11 * step + 53 * salt) % 101;
}

/* Every branch rests now and then, the last more often; the first never. */
static bool rests(uint32_t branch, uint32_t step)
{
    return branch > 0 && (step + branch) % (N_BRANCHES + 1 - branch) == 0;
}

static void fork_into(struct rig *r, uint32_t n)
{
    struct hk_error err = {0};
    if (!hk_session_fork(r->session, n, &err)) fail_msg("%s", err.text);
}

static void step(struct rig *r, const uint32_t *tokens)
{
    struct hk_error err = {0};
    if (!hk_session_branch_step(r->session, tokens, &err)) fail_msg("%s", err.text);
}

static void expect_equal(const float *got, const float *want, uint32_t n, double limit, const char *what,
                         uint32_t branch, uint32_t length)
{
    if (!got || !want) fail_msg("%s: branch %u at %u: no logits", what, branch, length);
    double d = largest_difference(got, want, n);
    if (!(d <= limit)) fail_msg("%s: branch %u at %u tokens differs by %g", what, branch, length, d);
}

/* One way to test: which model, with which cache and weights. */
struct setup {
    const char *name;
    enum hk_weight_type quant;
    enum hk_kv_type kv;
    double limit;
};

/* Forks behind prefix[0..n), and holds every branch's logits after every step against a session that has no
 * branches, synced to the prefix and that branch's tokens. */
static void fork_and_compare(const struct setup *u, struct rig *r, struct rig *plain, const uint32_t *prefix,
                             uint32_t n, uint32_t n_branches, uint32_t salt)
{
    uint32_t lines[N_BRANCHES][MAX_TOKENS], length[N_BRANCHES], tokens[N_BRANCHES];
    uint32_t n_vocab = hk_model_hparams(r->model)->n_vocab;
    fork_into(r, n_branches);
    for (uint32_t b = 0; b < n_branches; b++) {
        memcpy(lines[b], prefix, n * sizeof *prefix);
        length[b] = n;
        expect_equal(hk_session_branch_logits(r->session, b), hk_session_logits(r->session), n_vocab, 0,
                     u->name, b, n);
    }
    assert_null(hk_session_branch_logits(r->session, n_branches));
    for (uint32_t i = 0; i < N_STEPS; i++) {
        for (uint32_t b = 0; b < n_branches; b++) {
            tokens[b] = rests(b, i) ? HK_NO_TOKEN : token_of(b, i, salt);
            if (tokens[b] != HK_NO_TOKEN) lines[b][length[b]++] = tokens[b];
        }
        step(r, tokens);
        for (uint32_t b = 0; b < n_branches; b++) {
            const float *got = hk_session_branch_logits(r->session, b);
            if (tokens[b] == HK_NO_TOKEN) {
                assert_null(got);
                continue;
            }
            rig_sync(plain, lines[b], length[b]);
            expect_equal(got, hk_session_logits(plain->session), n_vocab, u->limit, u->name, b, length[b]);
        }
    }
    for (uint32_t b = 1; b < n_branches; b++) assert_int_not_equal(length[b], length[b - 1]);
}

static void check_setup(const struct setup *u)
{
    static const uint32_t PREFIXES[] = {1, 5, 40}; /* the last is read in several chunks */
    char path[HK_TEST_PATH];
    struct hk_session_options so = {.n_ctx = 64,
                                    .n_batch = 3, /* fewer than branches */
                                    .kv = u->kv,
                                    .n_branches = N_BRANCHES,
                                    .branch_tokens = N_STEPS};
    struct hk_session_options ordinary = {.n_ctx = 64, .n_batch = 16, .kv = u->kv};
    struct rig r = rig_open(golden_path(u->name, "", path), u->quant, &so);
    struct rig plain = rig_open(golden_path(u->name, "", path), u->quant, &ordinary);
    uint32_t n_vocab = hk_model_hparams(r.model)->n_vocab, prefix[64];
    float *before = calloc(n_vocab, sizeof *before);
    assert_non_null(before);
    for (uint32_t i = 0; i < 64; i++) prefix[i] = (3 + 17 * i) % 101;
    for (uint32_t p = 0; p < 3; p++) {
        rig_sync(&r, prefix, PREFIXES[p]);
        memcpy(before, hk_session_logits(r.session), sizeof *before * n_vocab);
        fork_and_compare(u, &r, &plain, prefix, PREFIXES[p], N_BRANCHES, p);
        /* the timeline is what it was: again, with other tokens and fewer branches */
        fork_and_compare(u, &r, &plain, prefix, PREFIXES[p], N_BRANCHES - 1, p + 10);
        uint32_t n = 0;
        const uint32_t *timeline = hk_session_tokens(r.session, &n);
        assert_int_equal(n, PREFIXES[p]);
        assert_memory_equal(timeline, prefix, n * sizeof *prefix);
        assert_memory_equal(before, hk_session_logits(r.session), sizeof *before * n_vocab);
        /* and goes on as if there had been none */
        rig_sync(&r, prefix, PREFIXES[p] + 9);
        assert_null(hk_session_branch_logits(r.session, 0));
        rig_sync(&plain, prefix, PREFIXES[p] + 9);
        expect_equal(hk_session_logits(r.session), hk_session_logits(plain.session), n_vocab, u->limit,
                     u->name, 0, PREFIXES[p] + 9);
    }
    free(before);
    rig_close(&r);
    rig_close(&plain);
}

static void branches_equal_fresh_sessions(void **state)
{
    (void)state;
    static const struct setup SETUPS[] = {
        {"llama-gqa", HK_WEIGHT_TYPE_COUNT, HK_KV_F32, 1e-3},
        {"gpt2", HK_WEIGHT_TYPE_COUNT, HK_KV_F32, 1e-3},
        {"llama-head6", HK_WEIGHT_TYPE_COUNT, HK_KV_F32, 1e-3}, /* heads that are no whole words */
        {"llama-gqa", HK_F16, HK_KV_F16, 2e-2},
    };
    for (size_t i = 0; i < sizeof SETUPS / sizeof *SETUPS; i++) check_setup(&SETUPS[i]);
}

static bool keep(void *user, uint32_t token)
{
    *(uint32_t *)user = token;
    return true;
}

/* Greedy decoding, branches and syncs in turn: each kind of step has recordings of its own. */
static void branches_and_greedy_decoding(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct hk_session_options so = {.n_ctx = 64, .n_branches = 1, .branch_tokens = 8};
    struct rig r = rig_open(golden_path("llama-gqa", "", path), HK_WEIGHT_TYPE_COUNT, &so);
    uint32_t n_vocab = hk_model_hparams(r.model)->n_vocab, tokens[4] = {5, 9, 70, 3};
    for (int round = 0; round < 3; round++) {
        struct hk_token_logprob best;
        uint32_t last = 0, out = 0, chosen[4];
        rig_sync(&r, tokens, 4);
        fork_into(&r, 1); /* greedy by hand on a branch */
        for (int i = 0; i < 4; i++) {
            hk_top_logprobs(hk_session_branch_logits(r.session, 0), n_vocab, 1, &best);
            chosen[i] = best.token;
            step(&r, &chosen[i]);
        }
        for (uint32_t n = 1; n <= 4; n++) {
            rig_sync(&r, tokens, 4);
            fork_into(&r, 1);
            if (!hk_session_greedy(r.session, n, keep, &last, &out, &err)) fail_msg("%s", err.text);
            assert_int_equal(out, n);
            assert_int_equal(last, chosen[n - 1]);
            assert_null(hk_session_branch_logits(r.session, 0)); /* greedy decoding ends branches */
        }
        tokens[2] += 7;
    }
    rig_close(&r);
}

static void expect_refused(bool ok, struct hk_error *err, const char *says)
{
    assert_false(ok);
    assert_int_equal(err->code, HK_ERR_INPUT);
    hk_test_error_says(err, says);
    *err = (struct hk_error){0};
}

static void limits_are_held(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct hk_session_options so = {.n_ctx = 128, .n_branches = 2, .branch_tokens = 60};
    struct rig r = rig_open(golden_path("gpt2", "", path), HK_WEIGHT_TYPE_COUNT, &so);
    struct hk_session *s = r.session;
    uint32_t prefix[125], tokens[2] = {1, 2}, n_vocab = hk_model_hparams(r.model)->n_vocab;
    for (uint32_t i = 0; i < 125; i++) prefix[i] = i % 90;
    assert_int_equal(hk_model_hparams(r.model)->n_ctx_train, 128); /* positions; the cache has more rows */

    expect_refused(hk_session_fork(s, 1, &err), &err, "needs a synced prompt");
    expect_refused(hk_session_branch_step(s, tokens, &err), &err, "there are none");
    rig_sync(&r, prefix, 4);
    expect_refused(hk_session_branch_step(s, tokens, &err), &err, "there are none");
    expect_refused(hk_session_fork(s, 0, &err), &err, "0 branches");
    expect_refused(hk_session_fork(s, 3, &err), &err, "3 branches");
    fork_into(&r, 2);
    tokens[1] = n_vocab;
    expect_refused(hk_session_branch_step(s, tokens, &err), &err, "for branch 1");
    assert_non_null(hk_session_branch_logits(s, 0)); /* nothing changed */
    tokens[1] = HK_NO_TOKEN;
    for (int i = 0; i < 60; i++) step(&r, tokens);
    expect_refused(hk_session_branch_step(s, tokens, &err), &err, "branch 0 has 60 tokens");
    tokens[0] = HK_NO_TOKEN, tokens[1] = 2;
    step(&r, tokens); /* the other has room */
    tokens[1] = HK_NO_TOKEN;
    step(&r, tokens); /* all rest */
    assert_null(hk_session_branch_logits(s, 0));
    assert_null(hk_session_branch_logits(s, 1));

    rig_sync(&r, prefix, 125);
    fork_into(&r, 1);
    tokens[0] = 1;
    for (int i = 0; i < 3; i++) step(&r, tokens);
    expect_refused(hk_session_branch_step(s, tokens, &err), &err,
                   "branch 0 has 3 tokens behind 125: the context of 128");

    struct hk_session_options none = {.n_ctx = 16}, empty = {.n_branches = 2};
    struct hk_session_options many = {.n_branches = 5000, .branch_tokens = 1};
    expect_refused(hk_session_open(r.model, &empty, &err) != NULL, &err, "2 branches of 0");
    expect_refused(hk_session_open(r.model, &many, &err) != NULL, &err, "5000 branches");
    struct hk_session *other = hk_session_open(r.model, &none, &err);
    if (!other) fail_msg("%s", err.text);
    assert_true(hk_session_sync(other, prefix, 3, &err));
    expect_refused(hk_session_fork(other, 1, &err), &err, "1 branches");
    hk_session_close(other);
    rig_close(&r);
}

/* What branches need is known before it is taken. */
static void plans_count_branches(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct rig r = rig_open(golden_path("llama-gqa", "", path), HK_WEIGHT_TYPE_COUNT, NULL);
    const struct hk_hparams *hp = hk_model_hparams(r.model);
    struct hk_session_options without = {.n_ctx = 64, .n_batch = 8}, with = without;
    with.n_branches = 8;
    with.branch_tokens = 32;
    uint64_t less = 0, more = 0, row = 16ull * hp->n_head_kv * hk_kv_head_words(hp->head_dim, false);
    assert_true(hk_session_plan(r.model, &without, &less));
    assert_true(hk_session_plan(r.model, &with, &more));
    assert_true(more - less >= 2ull * hp->n_layer * row * 8 * 32);

    struct hk_session_options huge = {.n_ctx = 1u << 27, .n_branches = 4000, .branch_tokens = 1u << 27};
    assert_null(hk_session_open(r.model, &huge, &err));
    assert_int_equal(err.code, HK_ERR_MEMORY);
    hk_test_error_says(&err, "4000 branches of 134217728 tokens");
    rig_close(&r);
}

int hk_test_branches_main(const char *select)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branches_equal_fresh_sessions),
        cmocka_unit_test(branches_and_greedy_decoding),
        cmocka_unit_test(limits_are_held),
        cmocka_unit_test(plans_count_branches),
    };
    return rig_main(select, tests, sizeof tests / sizeof *tests);
}

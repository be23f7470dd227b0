#include "tests/logits_testing.h"
#include "tests/rig.h"
#include "runtime/backend.h"
#include "runtime/model.h"

#include <math.h>

static const char *const goldens[] = {
    "gpt2",           "gpt2-f16",     "gpt2-odd",          "llama-bf16",        "llama-biases",
    "llama-gqa",      "llama-head6",  "llama-rope-linear", "llama-rope-llama3", "llama-f16-sharded",
    "llama-head-dim", "llama-odd",    "llama-tied",        "llama-tokenizer",   "qwen2",
    "qwen3",          "qwen2-window", "mistral",
};
enum { N_GOLDENS = sizeof goldens / sizeof *goldens };

/* Whose matrices are quantized; logits by numpy (make_quant_goldens.py). */
static const char *const quantized[] = {
    "quant-gptq",          "quant-gptq-act", "quant-gptq8-v2", "quant-awq", "quant-ct-int4",
    "quant-ct-int4-zeros", "quant-ct-int8",  "quant-f8-block", "quant-f8",  "quant-nvfp4",
    "quant-ct-nvfp4",      "quant-ct-mxfp4", "quant-ct-mxfp8",
};
enum { N_QUANTIZED = sizeof quantized / sizeof *quantized };

/* ---- against transformers ---- */

/* The largest difference over all positions of all prompts; *nmse (may be NULL): the squares of all of them
 * over those of the golden's logits. */
static double golden_error(const char *name, enum hk_weight_type quant, enum hk_kv_type kv, double *nmse)
{
    double wrong = 0, right = 0;
    char path[HK_TEST_PATH];
    size_t size = 0;
    cJSON *json = read_json(golden_path(name, "prompts.json", path));
    float *want = (float *)(void *)read_all(golden_path(name, "logits.f32", path), &size);
    struct hk_runner_options so = {.kv = kv, .outputs = HK_OUTPUTS_ALL, .n_batch = 24};
    struct rig r = rig_open(golden_path(name, "", path), quant, &so);
    uint32_t n_vocab = hk_model_hparams(r.model)->n_vocab, positions = 0;
    double largest = 0;
    const cJSON *prompt;
    cJSON_ArrayForEach(prompt, cJSON_GetObjectItem(json, "prompts"))
    {
        uint32_t n, *ids = ids_of(prompt, &n);
        assert_true((positions + n) * sizeof(float) * n_vocab <= size);
        rig_sync(&r, ids, n);
        for (uint32_t p = 0; p < n; p++) {
            /* The first tokens may be shared with the last prompt; then the last sync computed them. */
            const float *got = hk_sequence_logits_at(r.sequence, p);
            const float *expected = want + (size_t)(positions + p) * n_vocab;
            if (!got) continue;
            largest = fmax(largest, largest_difference(got, expected, n_vocab));
            for (uint32_t i = 0; i < n_vocab; i++) {
                double d = (double)got[i] - (double)expected[i];
                wrong += d * d;
                right += (double)expected[i] * (double)expected[i];
            }
        }
        positions += n;
        free(ids);
    }
    assert_int_equal(positions * sizeof(float) * n_vocab, size);
    assert_true(positions >= 64 && right > 0);
    if (nmse) *nmse = wrong / right;
    rig_close(&r);
    free(want);
    cJSON_Delete(json);
    return largest;
}

static double golden_difference(const char *name, enum hk_weight_type quant, enum hk_kv_type kv)
{
    return golden_error(name, quant, kv, NULL);
}

static void check_goldens(enum hk_weight_type quant, enum hk_kv_type kv, double limit)
{
    for (int i = 0; i < N_GOLDENS; i++) {
        double d = golden_difference(goldens[i], quant, kv);
        print_message("%-20s %.2g\n", goldens[i], d);
        if (!(d <= limit))
            fail_msg("%s: logits differ from transformers' by %g, more than %g", goldens[i], d, limit);
    }
}

static void logits_equal_transformers(void **state)
{
    (void)state;
    check_goldens(HK_WEIGHT_TYPE_COUNT, HK_KV_F32, 1e-3);
}

static void logits_of_quantized_folders(void **state)
{
    (void)state;
    for (int i = 0; i <= N_QUANTIZED; i++) {
        /* at the end once more: what is plain when it is read can be quantized again */
        const char *name = i < N_QUANTIZED ? quantized[i] : "quant-f8";
        double nmse,
            d = golden_error(name, i < N_QUANTIZED ? HK_WEIGHT_TYPE_COUNT : HK_F32, HK_KV_F32, &nmse);
        print_message("%-20s %.2g, normalised mean square %.2g\n", name, d, nmse);
        if (!(nmse <= 1e-6))
            fail_msg("%s: logits differ from numpy's: normalised mean square %g", name, nmse);
    }
}

static void logits_with_f16_weights_and_cache(void **state)
{
    (void)state;
    check_goldens(HK_F16, HK_KV_F16, 2e-2);
}

/* A reward model's score after every position, and what it refuses; a language model has no score. */
static void check_scores(const char *name, enum hk_weight_type quant, enum hk_kv_type kv, double limit)
{
    char path[HK_TEST_PATH];
    size_t size = 0;
    cJSON *json = read_json(golden_path(name, "prompts.json", path));
    float *want = (float *)(void *)read_all(golden_path(name, "logits.f32", path), &size), score = 0;
    struct hk_runner_options so = {.kv = kv, .n_batch = 24};
    struct rig r = rig_open(golden_path(name, "", path), quant, &so);
    struct hk_error err = {0};
    assert_true(hk_model_is_reward(r.model));
    assert_int_equal(hk_model_hparams(r.model)->n_labels, 1);
    uint32_t positions = 0;
    double largest = 0;
    const cJSON *prompt;
    cJSON_ArrayForEach(prompt, cJSON_GetObjectItem(json, "prompts"))
    {
        uint32_t n, *ids = ids_of(prompt, &n);
        assert_true((positions + n) * sizeof(float) <= size);
        for (uint32_t i = 0; i <= n; i++) { /* the whole first, in chunks; then token by token */
            uint32_t length = i ? i : n;
            if (!hk_sequence_score(r.sequence, ids, length, &score, &err)) fail_msg("%s", err.text);
            largest = fmax(largest, largest_difference(&score, want + positions + length - 1, 1));
        }
        positions += n;
        free(ids);
    }
    assert_int_equal(positions * sizeof(float), size);
    print_message("%-20s %.2g\n", name, largest);
    if (!(largest <= limit)) fail_msg("%s: scores differ by %g, more than %g", name, largest, limit);

    uint32_t out = 0;
    assert_null(hk_sequence_logits(r.sequence)); /* no caller takes the score for a vocabulary's logits */
    assert_false(hk_sequence_greedy(r.sequence, 1, NULL, NULL, &out, &err));
    hk_test_error_says(&err, "is a reward model");
    err = (struct hk_error){0};
    struct hk_runner_options all = {.outputs = HK_OUTPUTS_ALL};
    assert_null(hk_runner_open(r.model, &all, &err));
    hk_test_error_says(&err, "is a reward model");
    rig_close(&r);
    free(want);
    cJSON_Delete(json);
}

static void scores_equal_transformers(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    check_scores("llama-reward", HK_WEIGHT_TYPE_COUNT, HK_KV_F32, 1e-3);
    check_scores("gpt2-reward", HK_WEIGHT_TYPE_COUNT, HK_KV_F32, 1e-3);
    check_scores("llama-reward", HK_F16, HK_KV_F16, 2e-2);

    struct rig r = rig_open(golden_path("llama-tied", "", path), HK_WEIGHT_TYPE_COUNT, NULL);
    struct hk_error err = {0};
    uint32_t token = 1;
    float score;
    assert_false(hk_model_is_reward(r.model));
    assert_false(hk_sequence_score(r.sequence, &token, 1, &score, &err));
    hk_test_error_says(&err, "is a language model");
    rig_close(&r);
}

/* ---- consistency ---- */

static void fill(uint32_t *tokens, uint32_t n, uint32_t first, uint32_t step)
{
    for (uint32_t i = 0; i < n; i++) tokens[i] = (first + step * i) % 97;
}

/* Prefill of N tokens and N single steps give the same logits. */
static void prefill_equals_steps(void **state)
{
    (void)state;
    static const char *const names[] = {"llama-gqa", "gpt2"};
    for (int m = 0; m < 2; m++) {
        char path[HK_TEST_PATH];
        uint32_t tokens[60];
        fill(tokens, 60, 5, 13);
        struct hk_runner_options whole = {.kv = HK_KV_F16, .outputs = HK_OUTPUTS_ALL, .n_batch = 23},
                                 single = {.kv = HK_KV_F16};
        struct rig a = rig_open(golden_path(names[m], "", path), HK_WEIGHT_TYPE_COUNT, &whole);
        struct rig b = rig_open(golden_path(names[m], "", path), HK_WEIGHT_TYPE_COUNT, &single);
        uint32_t n_vocab = hk_model_hparams(a.model)->n_vocab;
        rig_sync(&a, tokens, 60);
        for (uint32_t n = 1; n <= 60; n++) {
            rig_sync(&b, tokens, n);
            double d = largest_difference(hk_sequence_logits(b.sequence),
                                          hk_sequence_logits_at(a.sequence, n - 1), n_vocab);
            if (!(d <= 1e-3)) fail_msg("%s: position %u differs by %g", names[m], n - 1, d);
        }
        rig_close(&a);
        rig_close(&b);
    }
}

/* A sequence synced to another continuation, a shorter prefix, or the same again equals a fresh one. */
static void diverging_prefix_equals_fresh(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    uint32_t tokens[50], other[50], n = 0;
    fill(tokens, 50, 3, 7);
    fill(other, 50, 3, 7);
    fill(other + 20, 30, 11, 5);
    struct hk_runner_options so = {.n_batch = 16};
    struct rig used = rig_open(golden_path("llama-tied", "", path), HK_WEIGHT_TYPE_COUNT, &so);
    uint32_t n_vocab = hk_model_hparams(used.model)->n_vocab;
    const struct {
        const uint32_t *tokens;
        uint32_t n;
    } steps[] = {{tokens, 50}, {other, 50}, {tokens, 50}, {tokens, 33},
                 {tokens, 33}, {other, 21}, {tokens, 1},  {other, 50}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        rig_sync(&used, steps[i].tokens, steps[i].n);
        struct rig fresh = rig_open(golden_path("llama-tied", "", path), HK_WEIGHT_TYPE_COUNT, &so);
        rig_sync(&fresh, steps[i].tokens, steps[i].n);
        double d = largest_difference(hk_sequence_logits(used.sequence), hk_sequence_logits(fresh.sequence),
                                      n_vocab);
        if (!(d <= 1e-4)) fail_msg("step %zu differs by %g", i, d);
        const uint32_t *timeline = hk_sequence_tokens(used.sequence, &n);
        assert_int_equal(n, steps[i].n);
        assert_memory_equal(timeline, steps[i].tokens, n * sizeof *timeline);
        rig_close(&fresh);
    }
    rig_close(&used);
}

struct emitted {
    uint32_t ids[512], n, stop_after;
};

static bool keep(void *user, uint32_t token)
{
    struct emitted *e = user;
    assert_true(e->n < 512);
    e->ids[e->n++] = token;
    return e->n != e->stop_after;
}

static uint32_t greedy(struct rig *r, uint32_t n, struct emitted *e)
{
    struct hk_error err = {0};
    uint32_t out = 0;
    if (!hk_sequence_greedy(r->sequence, n, keep, e, &out, &err)) fail_msg("%s", err.text);
    assert_int_equal(out, e->n);
    return out;
}

/* The greedy chain on the device gives what choosing on the host gives; stopping, going on, and the end of
 * the context leave a sequence that can be used. */
static void greedy_on_the_device(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_runner_options so = {.n_ctx = 64};
    struct rig r = rig_open(golden_path("llama-gqa", "", path), HK_WEIGHT_TYPE_COUNT, &so);
    uint32_t n_vocab = hk_model_hparams(r.model)->n_vocab, tokens[128], n = 9;
    fill(tokens, n, 1, 19);
    for (; n < 65; n++) { /* on the host: the token after a full context too */
        struct hk_token_logprob best;
        rig_sync(&r, tokens, n);
        hk_top_logprobs(hk_sequence_logits(r.sequence), n_vocab, 1, &best);
        tokens[n] = best.token;
    }
    struct emitted e = {.stop_after = 7};
    rig_sync(&r, tokens, 9);
    assert_int_equal(greedy(&r, 30, &e), 7);
    assert_memory_equal(e.ids, tokens + 9, 7 * sizeof *tokens);

    rig_sync(&r, tokens, 16); /* goes on where it stopped */
    e = (struct emitted){0};
    assert_int_equal(greedy(&r, 20, &e), 20);
    assert_memory_equal(e.ids, tokens + 16, 20 * sizeof *tokens);

    rig_sync(&r, tokens, 16);
    e = (struct emitted){0};
    assert_int_equal(greedy(&r, 500, &e), 49); /* to the end of the context, and what comes after it */
    assert_memory_equal(e.ids, tokens + 16, 49 * sizeof *tokens);
    e = (struct emitted){0};
    rig_sync(&r, tokens, 64); /* full from the start */
    assert_int_equal(greedy(&r, 500, &e), 1);
    assert_int_equal(e.ids[0], tokens[64]);
    e = (struct emitted){0};
    rig_sync(&r, tokens, 9);
    assert_int_equal(greedy(&r, 1, &e), 1);
    assert_int_equal(e.ids[0], tokens[9]);
    rig_close(&r);
}

/* Steps that were recorded before read a scale where it lies: it may be another one by then. */
static void a_scale_rewritten_in_place(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    uint32_t tokens[5], n = 0;
    float *logits[3];
    for (uint32_t i = 0; i < 5; i++) tokens[i] = 3 * i + 1; /* of a vocabulary of 16 */
    struct rig r = rig_open(golden_path("quant-nvfp4", "", path), HK_WEIGHT_TYPE_COUNT, NULL);
    struct backend *backend = r.model->backend;
    uint32_t n_vocab = hk_model_hparams(r.model)->n_vocab;
    for (int i = 0; i < 3; i++) {
        n = 0;
        for (size_t k = 0; k < r.model->n_bindings; k++) {
            const struct binding *b = &r.model->bindings[k];
            float scale = i == 1 ? -b->scale : b->scale;
            if (!b->w || !b->w->scale) continue;
            assert_true(backend->table->write(backend, b->w->scale, &scale, sizeof scale, &err));
            n++;
        }
        assert_true(n > 0);
        rig_sync(&r, tokens + 4, 1);
        rig_sync(&r, tokens, 5);
        logits[i] = malloc(sizeof(float) * n_vocab);
        assert_non_null(logits[i]);
        memcpy(logits[i], hk_sequence_logits(r.sequence), sizeof(float) * n_vocab);
    }
    assert_true(largest_difference(logits[0], logits[1], n_vocab) > 0.1);
    assert_memory_equal(logits[0], logits[2], sizeof(float) * n_vocab);
    for (int i = 0; i < 3; i++) free(logits[i]);
    rig_close(&r);
}

/* ---- real models ---- */

static void check_reference(const char *model, const char *reference)
{
    char path[HK_TEST_PATH];
    cJSON *json = read_json(hk_test_shared(reference, path));
    uint32_t n, n_greedy, *ids = ids_of(cJSON_GetObjectItem(json, "prompt_ids"), &n);
    uint32_t *want_ids = ids_of(cJSON_GetObjectItem(json, "greedy_ids"), &n_greedy);
    const cJSON *want = cJSON_GetObjectItem(json, "logits_after_prompt"), *item;
    struct hk_runner_options so = {.kv = HK_KV_F32};
    struct rig r = rig_open(hk_test_shared(model, path), HK_WEIGHT_TYPE_COUNT, &so);
    rig_sync(&r, ids, n);
    const float *got = hk_sequence_logits(r.sequence);
    uint32_t i = 0;
    assert_int_equal(cJSON_GetArraySize(want), hk_model_hparams(r.model)->n_vocab);
    cJSON_ArrayForEach(item, want)
    {
        if (!(fabs((double)got[i] - item->valuedouble) <= 1e-3))
            fail_msg("%s: logit %u is %g, not %g", model, i, (double)got[i], item->valuedouble);
        i++;
    }
    struct emitted e = {0};
    greedy(&r, n_greedy, &e);
    assert_int_equal(e.n, n_greedy);
    assert_memory_equal(e.ids, want_ids, n_greedy * sizeof *want_ids);
    rig_close(&r);
    free(ids);
    free(want_ids);
    cJSON_Delete(json);
}

static void stories_bin(void **state)
{
    (void)state;
    check_reference("models/stories260K/stories260K.bin", "models/stories260K/reference.json");
}

static void stories_gguf(void **state)
{
    (void)state;
    check_reference("models/stories260K/stories260K.gguf", "models/stories260K/reference.json");
}

static void tarotble(void **state)
{
    (void)state;
    check_reference("models/tarotble", "models/tarotble/reference.json");
}

/* ---- refusals ---- */

static void refusals(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct hk_runner_options so = {.n_ctx = 40};
    struct rig r = rig_open(golden_path("llama-gqa", "", path), HK_WEIGHT_TYPE_COUNT, &so);
    uint32_t tokens[41] = {0};
    assert_false(hk_sequence_sync(r.sequence, tokens, 41, &err));
    assert_non_null(strstr(err.text, "41"));
    assert_non_null(strstr(err.text, "40"));
    tokens[2] = 5000;
    assert_false(hk_sequence_sync(r.sequence, tokens, 3, &err));
    assert_non_null(strstr(err.text, "5000"));
    assert_false(hk_sequence_sync(r.sequence, tokens, 0, &err));
    tokens[2] = 1;
    rig_sync(&r, tokens, 40); /* the sequence lives on */

    struct hk_runner_options huge = {.n_ctx = 4000000000u};
    assert_null(hk_runner_open(r.model, &huge, &err));
    assert_int_equal(err.code, HK_ERR_MEMORY);
    assert_non_null(strstr(err.text, "4000000000"));
    rig_close(&r);

    r = rig_open(golden_path("gpt2", "", path), HK_WEIGHT_TYPE_COUNT, &so);
    struct hk_runner_options longer = {.n_ctx = hk_model_hparams(r.model)->n_ctx_train + 1};
    assert_null(hk_runner_open(r.model, &longer, &err));
    assert_int_equal(err.code, HK_ERR_INPUT);

    char arch[sizeof r.ckpt->hparams.arch];
    memcpy(arch, r.ckpt->hparams.arch, sizeof arch);
    memcpy(r.ckpt->hparams.arch, "mamba", 6);
    assert_null(hk_model_open(hk_test_device, r.ckpt, NULL, &err));
    assert_int_equal(err.code, HK_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "mamba"));
    assert_non_null(strstr(err.text, "llama, gpt2"));
    memcpy(r.ckpt->hparams.arch, arch, sizeof arch);
    r.ckpt->hparams.head_dim = 512;
    assert_null(hk_model_open(hk_test_device, r.ckpt, NULL, &err));
    assert_non_null(strstr(err.text, "512"));
    r.ckpt->hparams.head_dim = hk_model_hparams(r.model)->head_dim;
    r.ckpt->hparams.n_ff++;
    assert_null(hk_model_open(hk_test_device, r.ckpt, NULL, &err));
    assert_non_null(strstr(err.text, "ffn_up"));
    rig_close(&r);
}

int hk_test_logits_main(const char *select)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_transformers),
        cmocka_unit_test(logits_of_quantized_folders),
        cmocka_unit_test(logits_with_f16_weights_and_cache),
        cmocka_unit_test(scores_equal_transformers),
        cmocka_unit_test(prefill_equals_steps),
        cmocka_unit_test(diverging_prefix_equals_fresh),
        cmocka_unit_test(greedy_on_the_device),
        cmocka_unit_test(a_scale_rewritten_in_place),
        cmocka_unit_test(stories_bin),
        cmocka_unit_test(stories_gguf),
        cmocka_unit_test(tarotble),
        cmocka_unit_test(refusals),
    };
    return rig_main(select, tests, sizeof tests / sizeof *tests);
}

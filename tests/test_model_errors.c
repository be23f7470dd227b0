/* Checkpoints that lie, through checkpoint, model and sequence on the C reference: one line of error, nothing
 * leaked, and what is damaged in a way that cannot be seen computes something. */
#include "tests/loader_testing.h"

#include "runtime/model.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>

static struct hk_device *device;

/* ---- folders ---------------------------------------------------------------------------------------------- */

struct file {
    char *data;
    size_t size;
};

static struct file read_file(const char *folder, const char *name)
{
    char path[HK_TEST_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct hk_error err = {0};
    struct hk_mapping *m = hk_mapping_open(path, &err);
    if (!m) fail_msg("%s", err.text);
    struct file f = {malloc(m->size + 1), m->size};
    assert_non_null(f.data);
    memcpy(f.data, m->data, m->size);
    f.data[m->size] = 0;
    hk_mapping_close(m);
    return f;
}

static const char *golden(const char *name, char out[HK_TEST_PATH])
{
    snprintf(out, HK_TEST_PATH, "%s/tests/golden/hf/%s",
             getenv("HEKLA_SOURCE_DIR") ? getenv("HEKLA_SOURCE_DIR") : HEKLA_SOURCE_DIR, name);
    return out;
}

/* A copy of a golden checkpoint whose config.json has `key` set to the JSON `value` (NULL: removed). */
static void make_folder(char folder[HK_TEST_PATH], const char *source, const char *key, const char *value)
{
    char from[HK_TEST_PATH];
    hk_test_folder_make(folder);
    golden(source, from);
    struct file weights = read_file(from, "model.safetensors"), config = read_file(from, "config.json");
    hk_test_write(folder, "model.safetensors", weights.data, weights.size);
    cJSON *json = cJSON_Parse(config.data);
    assert_non_null(json);
    if (key) cJSON_DeleteItemFromObjectCaseSensitive(json, key);
    if (key && value) assert_true(cJSON_AddRawToObject(json, key, value) != NULL);
    char *text = cJSON_PrintUnformatted(json);
    assert_non_null(text);
    hk_test_write_text(folder, "config.json", text);
    cJSON_free(text);
    cJSON_Delete(json);
    free(weights.data);
    free(config.data);
}

/* Opens all there is to open and runs three tokens; false and *err on the first failure. */
static bool run(const char *path, const struct hk_model_options *mo, const struct hk_runner_options *so,
                struct hk_error *err)
{
    const uint32_t tokens[] = {1, 2, 3};
    struct hk_checkpoint *c = hk_checkpoint_open(path, NULL, err);
    struct hk_model *m = c ? hk_model_open(device, c, mo, err) : NULL;
    struct hk_runner *r = m ? hk_runner_open(m, so, err) : NULL;
    struct hk_sequence *s = r ? hk_sequence_new(r, err) : NULL;
    bool ok = s && hk_sequence_sync(s, tokens, 3, err);
    hk_runner_close(r);
    hk_model_close(m);
    hk_checkpoint_close(c);
    return ok;
}

static void refuses(const char *source, const char *key, const char *value, const char *says)
{
    char folder[HK_TEST_PATH];
    struct hk_error err = {0};
    make_folder(folder, source, key, value);
    bool ok = run(folder, NULL, NULL, &err);
    hk_test_folder_remove(folder);
    if (ok) fail_msg("%s: %s: it was accepted", key, value ? value : "(removed)");
    hk_test_error_says(&err, says);
}

/* ---- tests ------------------------------------------------------------------------------------------------ */

static void a_config_that_lies(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *says;
    } CASES[] = {
        {"num_hidden_layers", "4294967295", "layers"},
        {"num_hidden_layers", "16384", "blk.2.attn_norm.weight is missing"},
        {"num_hidden_layers", "0", "num_hidden_layers"},
        {"num_hidden_layers", "1e300", "num_hidden_layers"},
        {"num_attention_heads", "3", "heads"},
        {"num_attention_heads", "0", "num_attention_heads"},
        {"num_attention_heads", "8", ""},
        {"num_key_value_heads", "0", "num_key_value_heads"},
        {"num_key_value_heads", "3", "evenly"},
        {"num_key_value_heads", "8", "key-value heads"},
        {"num_key_value_heads", "4",
         "attn_k.weight: its shape is (16, 32): the configuration asks for (32, 32)"},
        {"num_key_value_heads", "1", "attn_k.weight"},
        {"head_dim", "0", "head_dim"},
        {"head_dim", "7", "even"},
        {"head_dim", "1000", "1000"}, /* more than the kernels hold */
        {"head_dim", "16", "attn_q.weight"},
        {"head_dim", "4294967295", "head"},
        {"hidden_size", "36", "token_embd.weight"},
        {"hidden_size", "16777216", "16777216"},
        {"hidden_size", "4294967295", "hidden_size"},
        {"intermediate_size", "91", "ffn_gate.weight"},
        {"intermediate_size", "268435456", "ffn_gate.weight"},
        {"vocab_size", "130", "token_embd.weight"},
        {"vocab_size", "4294967295", "vocabulary"},
        {"max_position_embeddings", "0", "max_position_embeddings"},
        {"max_position_embeddings", "4294967295", "context"},
        {"rms_norm_eps", "-1", "rms_norm_eps"},
        {"rms_norm_eps", "1e999", "rms_norm_eps"},
        {"rms_norm_eps", "NaN", "not valid JSON"},
        {"hidden_act", "\"tanh\"", "silu"},
        {"rope_parameters", "{\"rope_type\":\"yarn\"}", "linear"},
        {"rope_parameters", "{\"rope_type\":\"linear\",\"factor\":0}", "factor"},
        {"rope_parameters", "{\"rope_type\":\"llama3\",\"factor\":8}", "low_freq_factor"},
        {"rope_parameters",
         "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4,"
         "\"original_max_position_embeddings\":32}",
         "low_freq_factor"},
        {"rope_parameters", "{\"rope_theta\":0}", "rope_theta"},
        {"model_type", "\"mamba\"", "llama, gpt2"},
        {"quantization_config", "{\"quant_method\":\"gptq\"}", "gptq"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        refuses("llama-gqa", CASES[i].key, CASES[i].value, CASES[i].says);
    refuses("gpt2", "n_embd", "64", "token_embd.weight");
    refuses("gpt2", "n_positions", "127", "position_embd.weight");
    refuses("gpt2", "n_head", "5", "heads");
    refuses("gpt2", "n_inner", "129", "ffn_up.weight");
}

/* A model saved without its head runs with the embedding only where the configuration says so. */
static void a_head_that_is_missing(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH];
    struct hk_error err = {0};
    refuses("llama-tied", "tie_word_embeddings", "false", "lm_head");
    make_folder(folder, "llama-tied", NULL, NULL);
    if (!run(folder, NULL, NULL, &err)) fail_msg("%s", err.text);
    hk_test_folder_remove(folder);

    /* "architectures" says which head is meant; it alone is enough to know the rest by */
    refuses("llama-gqa", "architectures", "[\"LlamaForSequenceClassification\"]", "score.weight is missing");
    refuses("llama-reward", "architectures", "[\"LlamaForCausalLM\"]", "lm_head");
    refuses("gpt2", "architectures", "[\"GPT2ForSequenceClassification\"]", "score.weight is missing");
    make_folder(folder, "llama-reward", "model_type", NULL);
    struct hk_checkpoint *c = hk_checkpoint_open(folder, NULL, &err);
    if (!c) fail_msg("%s", err.text);
    assert_int_equal(c->hparams.n_labels, 1);
    hk_checkpoint_close(c);
    hk_test_folder_remove(folder);
}

static void a_deep_config(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    char *deep = malloc(DEEP + 1);
    assert_non_null(deep);
    memset(deep, '[', DEEP);
    deep[DEEP] = 0;
    refuses("llama-gqa", "x", deep, "nested");
    free(deep);
}

static void runners_that_cannot_be(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct hk_runner_options so = {.n_ctx = 1u << 30};
    assert_false(run(golden("llama-gqa", path), NULL, &so, &err));
    assert_int_equal(err.code, HK_ERR_MEMORY);
    hk_test_error_says(&err, "MiB");
    so.n_ctx = UINT32_MAX;
    assert_false(run(path, NULL, &so, &err));
    hk_test_error_says(&err, "hk_runner_options.n_ctx");
    struct hk_model_options mo = {.plan_ctx = 1u << 30};
    assert_false(run(path, &mo, NULL, &err)); /* before anything is loaded */
    hk_test_error_says(&err, "MiB");
    so.n_ctx = 129;
    assert_false(run(golden("gpt2", path), NULL, &so, &err));
    hk_test_error_says(&err, "128");
    so.n_ctx = 2; /* run() wants three */
    assert_false(run(path, NULL, &so, &err));
    hk_test_error_says(&err, "3 tokens, but the context has room for 2");
    so.n_ctx = 3;
    assert_true(run(path, NULL, &so, &err));
}

/* After a refused prompt the sequence is what it was. */
static void prompts_that_cannot_be(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct hk_runner_options so = {.n_ctx = 8};
    struct hk_checkpoint *c = hk_checkpoint_open(golden("llama-gqa", path), NULL, &err);
    struct hk_model *m = hk_model_open(device, c, NULL, &err);
    struct hk_runner *r = hk_runner_open(m, &so, &err);
    struct hk_sequence *s = r ? hk_sequence_new(r, &err) : NULL;
    if (!s) fail_msg("%s", err.text);
    uint32_t n_vocab = hk_model_hparams(m)->n_vocab, n;
    uint32_t tokens[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, outside[2] = {1, n_vocab}, far[1] = {UINT32_MAX};
    assert_null(hk_sequence_logits(s));
    assert_false(hk_sequence_greedy(s, 3, NULL, NULL, &n, &err)); /* nothing synced */
    assert_true(hk_sequence_sync(s, tokens, 8, &err));
    float before = hk_sequence_logits(s)[5];
    assert_false(hk_sequence_sync(s, tokens, 9, &err));
    hk_test_error_says(&err, "9 tokens, but the context has room for 8");
    assert_false(hk_sequence_sync(s, tokens, 0, &err));
    hk_test_error_says(&err, "empty");
    assert_false(hk_sequence_sync(s, outside, 2, &err));
    hk_test_error_says(&err, "vocabulary");
    assert_false(hk_sequence_sync(s, far, 1, &err));
    hk_sequence_tokens(s, &n);
    assert_int_equal(n, 8);
    assert_true(hk_sequence_logits(s) && hk_sequence_logits(s)[5] == before);
    assert_null(hk_sequence_logits_at(s, 7)); /* not asked for */
    hk_runner_close(r);
    hk_model_close(m);
    hk_checkpoint_close(c);
}

/* Weights that are no numbers cannot crash what reads their logits. */
static void weights_that_are_no_numbers(void **state)
{
    (void)state;
    char from[HK_TEST_PATH], folder[HK_TEST_PATH];
    struct hk_error err = {0};
    const uint32_t tokens[] = {1, 2, 3};
    make_folder(folder, "llama-gqa", NULL, NULL);
    struct file f = read_file(golden("llama-gqa", from), "model.safetensors");
    memset(f.data + f.size / 2, 0xff, f.size - f.size / 2); /* NaN */
    hk_test_write(folder, "model.safetensors", f.data, f.size);
    struct hk_checkpoint *c = hk_checkpoint_open(folder, NULL, &err);
    struct hk_model *m = hk_model_open(device, c, NULL, &err);
    struct hk_runner *r = hk_runner_open(m, NULL, &err);
    struct hk_sequence *s = r ? hk_sequence_new(r, &err) : NULL;
    if (!s) fail_msg("%s", err.text);
    assert_true(hk_sequence_sync(s, tokens, 3, &err));
    uint32_t n_vocab = hk_model_hparams(m)->n_vocab;
    struct hk_token_logprob top[3];
    assert_int_equal(hk_top_logprobs(hk_sequence_logits(s), n_vocab, 3, top), 3);
    struct hk_sampler *sampler = hk_sampler_new(NULL, n_vocab, &err);
    assert_non_null(sampler);
    for (int i = 0; i < 20; i++)
        assert_true(hk_sampler_next(sampler, hk_sequence_logits(s), tokens, 3) < n_vocab);
    hk_sampler_free(sampler);
    hk_runner_close(r);
    hk_model_close(m);
    hk_checkpoint_close(c);
    hk_test_folder_remove(folder);
    free(f.data);
}

/* ---- a number for a whole matrix ---- */

enum { N_SCALES = 3 };
struct scale {
    const char *name;
    float value;
    enum hk_weight_type type;
};

/* The synthetic model with such tensors, sorted in among its own; the logits after three tokens, NULL where
 * it is refused. Free them. */
static float *scaled_logits(enum hk_weight_type type, const struct scale scales[N_SCALES], uint32_t *n_vocab,
                            struct hk_error *err)
{
    const uint32_t tokens[] = {1, 2, 3};
    struct hk_checkpoint *c = hk_synthetic_checkpoint("llama-2m", type, err);
    if (!c) fail_msg("%s", err->text);
    struct hk_ckpt_tensor *more = calloc(c->n_tensors + N_SCALES, sizeof *more), *own = c->tensors;
    assert_non_null(more);
    uint32_t n = 0, n_own = c->n_tensors, s = 0;
    for (uint32_t t = 0; t < n_own; more[n++] = own[t++]) {
        for (; s < N_SCALES && scales[s].name && strcmp(scales[s].name, own[t].name) < 0; s++)
            more[n++] = (struct hk_ckpt_tensor){.name = scales[s].name,
                                                .type = scales[s].type,
                                                .n_dims = 1,
                                                .shape = {1, 1, 1, 1},
                                                .size = 4,
                                                .data = &scales[s].value};
    }
    assert_true(s == N_SCALES || !scales[s].name);
    c->tensors = more;
    c->n_tensors = n;
    float *out = NULL;
    struct hk_model *m = hk_model_open(device, c, NULL, err);
    if (m) {
        struct hk_runner *r = hk_runner_open(m, NULL, err);
        struct hk_sequence *one = r ? hk_sequence_new(r, err) : NULL;
        if (!one || !hk_sequence_sync(one, tokens, 3, err)) fail_msg("%s", err->text);
        *n_vocab = hk_model_hparams(m)->n_vocab;
        out = malloc(*n_vocab * sizeof *out);
        assert_non_null(out);
        memcpy(out, hk_sequence_logits(one), *n_vocab * sizeof *out);
        hk_runner_close(r);
    }
    hk_model_close(m);
    c->tensors = own;
    c->n_tensors = n_own;
    hk_checkpoint_close(c);
    free(more);
    return out;
}

/* Powers of two, so that nothing is rounded. */
static void a_scale_of_a_matrix(void **state)
{
    (void)state;
    static const struct {
        struct scale scales[N_SCALES];
        float times; /* the logits without them */
    } ROWS[] = {
        {{{"output.scale", 0.25f, HK_F32}}, 0.25f},
        /* q and k, which are a stack: of no consequence for their products */
        {{{"blk.0.attn_k.scale", 0.5f, HK_F32}, {"blk.0.attn_q.scale", 2.0f, HK_F32}}, 1.0f},
        {{{"blk.0.attn_output.scale", 2.0f, HK_F32}, {"blk.0.attn_v.scale", 0.5f, HK_F32}}, 1.0f},
    };
    static const enum hk_weight_type TYPES[] = {HK_NVFP4, HK_F32, HK_Q4_K};
    static const struct scale NONE[N_SCALES];
    for (size_t t = 0; t < sizeof TYPES / sizeof *TYPES; t++) {
        struct hk_error err = {0};
        uint32_t n = 0;
        float *plain = scaled_logits(TYPES[t], NONE, &n, &err);
        assert_non_null(plain);
        for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
            float *scaled = scaled_logits(TYPES[t], ROWS[i].scales, &n, &err);
            if (!scaled) fail_msg("%s", err.text);
            for (uint32_t v = 0; v < n; v++)
                assert_float_equal(scaled[v], plain[v] * ROWS[i].times, 1e-5f * (1.0f + fabsf(plain[v])));
            free(scaled);
        }
        free(plain);
    }
}

static void a_scale_that_is_none(void **state)
{
    (void)state;
    const struct scale BAD[][N_SCALES] = {{{"blk.0.ffn_up.scale", NAN, HK_F32}},
                                          {{"blk.0.ffn_up.scale", 1.0f, HK_F16}}};
    for (size_t i = 0; i < 2; i++) {
        struct hk_error err = {0};
        uint32_t n = 0;
        assert_null(scaled_logits(HK_NVFP4, BAD[i], &n, &err));
        hk_test_error_says(&err, "tensor blk.0.ffn_up.weight: is to be multiplied by blk.0.ffn_up.scale");
    }
}

/* Every tensor of the folder, one after the other, with its first dimension one less in the header. */
static void a_tensor_of_another_shape(void **state)
{
    (void)state;
    char from[HK_TEST_PATH], folder[HK_TEST_PATH];
    static const char *const SOURCES[] = {"llama-gqa", "llama-biases", "gpt2", "llama-reward"};
    for (size_t i = 0; i < 4; i++) {
        make_folder(folder, SOURCES[i], NULL, NULL);
        struct file f = read_file(golden(SOURCES[i], from), "model.safetensors");
        uint64_t len = hk_load_u64(f.data);
        char *at = f.data + 8, *end = f.data + 8 + len;
        size_t refused = 0;
        for (; at < end; at++) {
            if (strncmp(at, "\"shape\":[", 9) != 0) continue;
            char *digit = at + 9;
            while (digit[1] >= '0' && digit[1] <= '9') digit++;
            char was = *digit;
            *digit = was == '0' ? '1' : (char)(was - 1);
            hk_test_write(folder, "model.safetensors", f.data, f.size);
            struct hk_error err = {0};
            if (run(folder, NULL, NULL, &err)) fail_msg("%s: %.60s: it was accepted", SOURCES[i], at);
            hk_test_error_says(&err, "tensor ");
            *digit = was;
            refused++;
        }
        assert_true(refused > 15);
        hk_test_folder_remove(folder);
        free(f.data);
    }
}

static int open_device(void **state)
{
    (void)state;
    struct hk_error err = {0};
    device = hk_device_open(&(struct hk_device_options){.select = "reference"}, &err);
    return device ? 0 : -1;
}

static int close_device(void **state)
{
    (void)state;
    hk_device_close(device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_that_lies),
        cmocka_unit_test(a_head_that_is_missing),
        cmocka_unit_test(a_deep_config),
        cmocka_unit_test(runners_that_cannot_be),
        cmocka_unit_test(prompts_that_cannot_be),
        cmocka_unit_test(weights_that_are_no_numbers),
        cmocka_unit_test(a_tensor_of_another_shape),
        cmocka_unit_test(a_scale_of_a_matrix),
        cmocka_unit_test(a_scale_that_is_none),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}

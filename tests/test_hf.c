/* Hugging Face folders and safetensors. */
#include "tests/loader_testing.h"
#include "loader/formats/hf.h"

#include <stdio.h>

/* ---- small safetensors files, made in memory ---- */

struct st_builder {
    struct hk_bytes json, data;
};

/* An entry whose data is n floats; shape is JSON. */
static void st_add(struct st_builder *b, const char *name, const char *dtype, const char *shape, size_t bytes)
{
    char entry[512];
    int len =
        snprintf(entry, sizeof entry, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                 b->json.len ? "," : "", name, dtype, shape, b->data.len, b->data.len + bytes);
    hk_test_put(&b->json, entry, (size_t)len);
    for (size_t i = 0; i < bytes; i++) hk_test_put(&b->data, &"\0\0\x80\x3F"[i & 3], 1); /* floats of 1 */
}

static struct hk_bytes st_raw(const char *json, size_t data_bytes)
{
    struct hk_bytes out = {0};
    hk_test_put_u64(&out, strlen(json));
    hk_test_put(&out, json, strlen(json));
    for (size_t i = 0; i < data_bytes; i++) hk_test_put(&out, "", 1);
    return out;
}

static struct hk_bytes st_file(struct st_builder *b)
{
    struct hk_bytes out = {0};
    hk_test_put_u64(&out, b->json.len + 2);
    hk_test_put(&out, "{", 1);
    hk_test_put(&out, b->json.data, b->json.len);
    hk_test_put(&out, "}", 1);
    hk_test_put(&out, b->data.data, b->data.len);
    hk_bytes_free(&b->json);
    hk_bytes_free(&b->data);
    return out;
}

static void st_write(const char *folder, const char *name, struct st_builder *b)
{
    struct hk_bytes out = st_file(b);
    hk_test_write(folder, name, out.data, out.len);
    hk_bytes_free(&out);
}

/* ---- a small folder ---- */

#define LLAMA_BASE                                                                                           \
    "\"model_type\":\"llama\",\"vocab_size\":6,\"hidden_size\":8,\"num_hidden_layers\":1,\"num_attention_"   \
    "heads\":2,"                                                                                             \
    "\"intermediate_size\":12,\"max_position_embeddings\":64"
#define GPT2_BASE                                                                                            \
    "\"model_type\":\"gpt2\",\"vocab_size\":6,\"n_embd\":8,\"n_layer\":1,\"n_head\":2,\"n_positions\":64"

static const char TOKENIZER[] =
    "{\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true},{\"id\":4,\"content\":\"</"
    "s>\",\"special\":true},"
    "{\"id\":5,\"content\":\"<|im_end|>\",\"special\":true}],"
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":"
    "true},"
    "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";

static void llama_weights(struct st_builder *b, const char *prefix)
{
    char name[64];
    snprintf(name, sizeof name, "%sembed_tokens.weight", prefix);
    st_add(b, name, "F32", "[6,8]", 192);
    snprintf(name, sizeof name, "%slayers.0.self_attn.q_proj.weight", prefix);
    st_add(b, name, "BF16", "[8,8]", 128);
    snprintf(name, sizeof name, "%slayers.0.self_attn.q_proj.bias", prefix);
    st_add(b, name, "F16", "[8]", 16);
    snprintf(name, sizeof name, "%slayers.0.self_attn.rotary_emb.inv_freq", prefix);
    st_add(b, name, "F64", "[2]", 16);
    snprintf(name, sizeof name, "%snorm.weight", prefix);
    st_add(b, name, "F32", "[8]", 32);
    st_add(b, "lm_head.weight", "F32", "[6,8]", 192);
}

/* A folder with the texts of the files; NULL ones are left out. */
static void make_folder(char folder[HK_TEST_PATH], const char *config, const char *tokenizer)
{
    hk_test_folder_make(folder);
    if (config) hk_test_write_text(folder, "config.json", config);
    if (tokenizer) hk_test_write_text(folder, "tokenizer.json", tokenizer);
}

static struct hk_checkpoint *open_ok(const char *folder)
{
    struct hk_error err = {0};
    struct hk_checkpoint *c = hk_checkpoint_open(folder, NULL, &err);
    if (!c) fail_msg("%s", err.text);
    return c;
}

static void expect_refusal(const char *folder, const char *says)
{
    struct hk_error err = {0};
    struct hk_checkpoint *c = hk_checkpoint_open(folder, NULL, &err);
    if (c) fail_msg("accepted, though it should say \"%s\"", says);
    hk_test_error_says(&err, says);
    hk_test_error_says(&err, hk_path_base(folder));
}

static void llama_folder_opens(void **state)
{
    (void)state;
    static const char *const PREFIXES[] = {"model.", ""};
    for (int i = 0; i < 2; i++) {
        char folder[HK_TEST_PATH];
        struct st_builder b = {0};
        make_folder(folder, "{" LLAMA_BASE "}", TOKENIZER);
        llama_weights(&b, PREFIXES[i]);
        st_write(folder, "model.safetensors", &b);
        struct hk_checkpoint *c = open_ok(folder);
        assert_string_equal(c->format, "safetensors");
        assert_string_equal(c->hparams.arch, "llama");
        assert_true(c->has_hparams);
        assert_int_equal(c->hparams.rope_pairing, HK_ROPE_HALVES);
        assert_int_equal(c->hparams.rope_dim, 4);
        assert_true(c->hparams.rope_theta == 10000.0f && c->hparams.norm_eps == 1e-6f);
        assert_int_equal(c->n_tensors, 5);
        const struct hk_ckpt_tensor *q = hk_checkpoint_tensor(c, "blk.0.attn_q.weight");
        assert_true(q && q->type == HK_BF16 && q->size == 128 && !q->transposed && q->shape[0] == 8);
        const struct hk_ckpt_tensor *bias = hk_checkpoint_tensor(c, "blk.0.attn_q.bias");
        assert_true(bias && bias->type == HK_F16 && bias->n_dims == 1);
        assert_non_null(hk_checkpoint_tensor(c, "output.weight"));
        assert_non_null(hk_checkpoint_tensor(c, "output_norm.weight"));
        assert_non_null(hk_checkpoint_tensor(c, "token_embd.weight"));
        hk_checkpoint_close(c);
        hk_test_folder_remove(folder);
    }
}

static void tied_heads_are_left_out(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH];
    struct st_builder b = {0};
    make_folder(folder, "{" LLAMA_BASE ",\"tie_word_embeddings\":true}", NULL);
    llama_weights(&b, "model.");
    st_write(folder, "model.safetensors", &b);
    struct hk_checkpoint *c = open_ok(folder);
    assert_null(hk_checkpoint_tensor(c, "output.weight"));
    assert_int_equal(c->n_tensors, 4);
    hk_checkpoint_close(c);
    /* only the head was saved: it is the embedding */
    st_add(&b, "lm_head.weight", "F32", "[6,8]", 192);
    st_write(folder, "model.safetensors", &b);
    c = open_ok(folder);
    assert_int_equal(c->n_tensors, 1);
    const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, "token_embd.weight");
    assert_true(t && t->shape[0] == 6);
    hk_checkpoint_close(c);
    hk_test_folder_remove(folder);
}

static void gpt2_folder_opens(void **state)
{
    (void)state;
    static const char *const PREFIXES[] = {"transformer.", ""};
    for (int i = 0; i < 2; i++) {
        char folder[HK_TEST_PATH], name[64];
        struct st_builder b = {0};
        static const struct {
            const char *name, *dtype, *shape;
            size_t bytes;
        } ENTRIES[] = {
            {"wte.weight", "F32", "[6,8]", 192},
            {"wpe.weight", "F32", "[64,8]", 2048},
            {"h.0.attn.bias", "U8", "[1,1,2,2]", 4},
            {"h.0.attn.masked_bias", "F32", "[]", 4},
            {"h.0.attn.c_attn.weight", "F32", "[8,24]", 768},
            {"h.0.attn.c_attn.bias", "F32", "[24]", 96},
            {"h.0.mlp.c_fc.weight", "F32", "[8,32]", 1024},
            {"h.0.ln_1.weight", "F32", "[8]", 32},
            {"ln_f.bias", "F32", "[8]", 32},
        };
        make_folder(folder, "{" GPT2_BASE ",\"n_inner\":null}", TOKENIZER);
        for (size_t k = 0; k < sizeof ENTRIES / sizeof *ENTRIES; k++) {
            snprintf(name, sizeof name, "%s%s", PREFIXES[i], ENTRIES[k].name);
            st_add(&b, name, ENTRIES[k].dtype, ENTRIES[k].shape, ENTRIES[k].bytes);
        }
        st_add(&b, "lm_head.weight", "F32", "[6,8]", 192);
        st_write(folder, "model.safetensors", &b);
        struct hk_checkpoint *c = open_ok(folder);
        assert_int_equal(c->n_tensors, 7);
        const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, "blk.0.attn_qkv.weight");
        assert_true(t && t->transposed && t->shape[0] == 24 && t->shape[1] == 8);
        t = hk_checkpoint_tensor(c, "blk.0.attn_qkv.bias");
        assert_true(t && !t->transposed && t->shape[0] == 24);
        t = hk_checkpoint_tensor(c, "blk.0.ffn_up.weight");
        assert_true(t && t->transposed && t->shape[0] == 32);
        t = hk_checkpoint_tensor(c, "position_embd.weight");
        assert_true(t && !t->transposed && t->shape[0] == 64);
        assert_non_null(hk_checkpoint_tensor(c, "blk.0.attn_norm.weight"));
        assert_non_null(hk_checkpoint_tensor(c, "output_norm.bias"));
        assert_int_equal(c->hparams.n_ff, 32);
        assert_int_equal(c->hparams.activation, HK_ACT_GELU_TANH);
        assert_int_equal(c->hparams.rope_dim, 0);
        hk_checkpoint_close(c);
        hk_test_folder_remove(folder);
    }
}

/* Parses a config.json alone. */
static bool config_parses(const char *config, struct hk_hparams *hp, struct hk_error *err)
{
    struct hk_hf_text texts[HK_HF_PARTS] = {0};
    uint8_t *copy = hk_test_copy(config, strlen(config));
    struct hk_hf_model model;
    struct hk_checkpoint *c = hk_checkpoint_new("folder", err);
    assert_non_null(c);
    *err = (struct hk_error){0};
    texts[HK_HF_CONFIG] = (struct hk_hf_text){(const char *)copy, strlen(config), "config.json"};
    bool ok = hk_hf_interpret(c, texts, &model, err);
    *hp = c->hparams;
    hk_checkpoint_close(c);
    free(copy);
    return ok;
}

static void rotary_parameters_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum hk_rope_scaling scaling;
        float theta, factor;
    } GOOD[] = {
        {"\"rope_scaling\":null", HK_ROPE_SCALING_NONE, 10000.0f, 0.0f},
        {"\"rope_theta\":500000.0,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}",
         HK_ROPE_SCALING_LINEAR, 5e5f, 2.0f},
        {"\"rope_scaling\":{\"rope_type\":\"default\"}", HK_ROPE_SCALING_NONE, 10000.0f, 0.0f},
        {"\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":777.0}", HK_ROPE_SCALING_NONE, 777.0f,
         0.0f},
        {"\"rope_theta\":500000,\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_"
         "factor\":1.0,"
         "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}",
         HK_ROPE_SCALING_LLAMA3, 5e5f, 8.0f},
        {"\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":500000.0,\"factor\":8.0,\"low_freq_"
         "factor\":1.0,"
         "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}",
         HK_ROPE_SCALING_LLAMA3, 5e5f, 8.0f},
    };
    struct hk_hparams hp;
    struct hk_error err;
    char config[1024];
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        snprintf(config, sizeof config, "{%s,%s}", LLAMA_BASE, GOOD[i].json);
        if (!config_parses(config, &hp, &err)) fail_msg("%s", err.text);
        assert_int_equal(hp.rope_scaling, GOOD[i].scaling);
        assert_true(hp.rope_theta == GOOD[i].theta && hp.rope_factor == GOOD[i].factor);
        if (hp.rope_scaling == HK_ROPE_SCALING_LLAMA3) {
            assert_int_equal(hp.rope_original_ctx, 8192);
            assert_true(hp.rope_low_freq_factor == 1.0f && hp.rope_high_freq_factor == 4.0f);
        }
    }
}

/* Qwen3's heads have a size of their own, whatever the embedding's is. */
static void a_head_size_that_is_not_said(void **state)
{
    (void)state;
    static const char REST[] =
        "\"vocab_size\":6,\"hidden_size\":24,\"num_hidden_layers\":1,\"num_attention_heads\":2,"
        "\"intermediate_size\":12,\"max_position_embeddings\":64";
    struct hk_hparams hp;
    struct hk_error err;
    char config[512];
    snprintf(config, sizeof config, "{\"model_type\":\"qwen3\",%s}", REST);
    if (!config_parses(config, &hp, &err)) fail_msg("%s", err.text);
    assert_int_equal(hp.head_dim, 128);
    assert_int_equal(hp.rope_dim, 128);
    snprintf(config, sizeof config, "{\"model_type\":\"qwen3\",\"head_dim\":32,%s}", REST);
    if (!config_parses(config, &hp, &err)) fail_msg("%s", err.text);
    assert_int_equal(hp.head_dim, 32);
    snprintf(config, sizeof config, "{\"model_type\":\"qwen2\",%s}", REST);
    if (!config_parses(config, &hp, &err)) fail_msg("%s", err.text);
    assert_int_equal(hp.head_dim, 12);
}

/* A window that not every layer has is refused, one that is switched off is none. */
static void sliding_windows_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *model, *json;
        uint32_t window;
        const char *says; /* or NULL */
    } CASES[] = {
        {"llama", "\"sliding_window\":16", 0, NULL}, /* means nothing there */
        {"mistral", "\"sliding_window\":16", 16, NULL},
        {"mistral", "\"sliding_window\":null", 0, NULL},
        {"mistral", "\"rms_norm_eps\":1e-5", 4096, NULL},
        {"qwen2", "\"sliding_window\":16,\"max_window_layers\":0", 0, NULL},
        {"qwen2", "\"use_sliding_window\":false,\"sliding_window\":16,\"max_window_layers\":1", 0, NULL},
        {"qwen2", "\"use_sliding_window\":true,\"sliding_window\":16,\"max_window_layers\":4", 0, NULL},
        {"qwen2", "\"use_sliding_window\":true,\"sliding_window\":16,\"max_window_layers\":0", 16, NULL},
        {"qwen2", "\"use_sliding_window\":true,\"max_window_layers\":0", 4096, NULL},
        {"qwen2", "\"use_sliding_window\":true,\"sliding_window\":null,\"max_window_layers\":0", 0, NULL},
        {"qwen2", "\"use_sliding_window\":true,\"sliding_window\":16", 0, NULL}, /* from layer 28 on */
        {"qwen2", "\"use_sliding_window\":true,\"sliding_window\":16,\"max_window_layers\":3", 0,
         "1 of 4 layers have a sliding window"},
        {"qwen2",
         "\"use_sliding_window\":true,\"sliding_window\":16,\"layer_types\":[\"full_attention\",\"sliding_"
         "attention\"]",
         0, "1 of 4 layers have a sliding window"},
        {"qwen2", "\"use_sliding_window\":true,\"layer_types\":[\"linear_attention\"]", 0, "layer_types"},
        {"qwen2", "\"use_sliding_window\":true,\"sliding_window\":0,\"max_window_layers\":0", 0,
         "\"sliding_window\" is not an integer"},
        {"qwen2", "\"use_sliding_window\":1", 0, "use_sliding_window"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct hk_hparams hp;
        struct hk_error err;
        char config[1024];
        snprintf(config, sizeof config,
                 "{\"model_type\":\"%s\",\"vocab_size\":6,\"hidden_size\":8,\"num_hidden_layers\":4,"
                 "\"num_attention_heads\":2,\"intermediate_size\":12,\"max_position_embeddings\":64,%s}",
                 CASES[i].model, CASES[i].json);
        bool ok = config_parses(config, &hp, &err);
        if (ok != !CASES[i].says) fail_msg("%s: %s", config, ok ? "it was accepted" : err.text);
        if (ok)
            assert_int_equal(hp.sliding_window, CASES[i].window);
        else
            hk_test_error_says(&err, CASES[i].says);
    }
}

static void bad_configs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } BAD[] = {
        {LLAMA_BASE ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2.0}",
         "rotary scaling \"dynamic\" is not"},
        {LLAMA_BASE ",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":2.0}", "\"yarn\""},
        {LLAMA_BASE ",\"rope_scaling\":{\"type\":\"linear\"}", "\"factor\" is missing"},
        {LLAMA_BASE ",\"rope_scaling\":7", "no object"},
        {LLAMA_BASE ",\"rope_theta\":\"x\"", "\"rope_theta\" is not a number"},
        {LLAMA_BASE ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":4.0,"
                    "\"high_freq_factor\":1.0,\"original_max_position_embeddings\":64}",
         "llama3 rotary scaling needs"},
        {LLAMA_BASE ",\"hidden_act\":\"mish\"", "\"hidden_act\" is mish"},
        {LLAMA_BASE ",\"num_key_value_heads\":4", "number of key-value heads is 4"},
        {LLAMA_BASE ",\"num_key_value_heads\":0", "\"num_key_value_heads\" is not an integer from 1"},
        {LLAMA_BASE ",\"head_dim\":7", "an even number up to the head dimension"},
        {LLAMA_BASE ",\"tie_word_embeddings\":\"yes\"", "not true or false"},
        {LLAMA_BASE ",\"quantization_config\":{\"quant_method\":\"bitsandbytes\"}",
         "quantized by \"bitsandbytes\": gptq, awq,"},
        {LLAMA_BASE ",\"rms_norm_eps\":2.0", "\"rms_norm_eps\" is not a number from 0 to 1"},
        {"\"model_type\":\"llama\",\"vocab_size\":6", "\"max_position_embeddings\" is missing"},
        {"\"model_type\":\"llama\",\"vocab_size\":-1", "\"vocab_size\" is not an integer"},
        {"\"model_type\":\"llama\",\"vocab_size\":1.5", "\"vocab_size\" is not an integer"},
        {"\"model_type\":\"llama\",\"vocab_size\":1e99", "\"vocab_size\" is not an integer"},
        {"\"model_type\":\"gpt2\",\"vocab_size\":6,\"n_embd\":7,\"n_layer\":1,\"n_head\":2,\"n_positions\":6",
         "\"n_embd\" 7 cannot be split over 2 heads"},
        {GPT2_BASE ",\"scale_attn_by_inverse_layer_idx\":true",
         "\"scale_attn_by_inverse_layer_idx\" is true"},
        {GPT2_BASE ",\"scale_attn_weights\":false", "\"scale_attn_weights\" is false"},
        {GPT2_BASE ",\"add_cross_attention\":true", "\"add_cross_attention\" is true"},
        {"\"vocab_size\":6", "neither \"model_type\" nor \"architectures\""},
        {"\"model_type\":7", "neither \"model_type\" nor \"architectures\""},
    };
    struct hk_hparams hp;
    struct hk_error err;
    char config[1024];
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        snprintf(config, sizeof config, "{%s}", BAD[i].json);
        if (config_parses(config, &hp, &err)) fail_msg("accepted: %s", config);
        hk_test_error_says(&err, BAD[i].says);
        hk_test_error_says(&err, "config.json");
    }
    assert_false(config_parses("[]", &hp, &err));
    hk_test_error_says(&err, "config.json: is no JSON object");
    assert_false(config_parses("", &hp, &err));
    hk_test_error_says(&err, "config.json: not valid JSON");
    /* every truncation */
    const char *whole = "{" LLAMA_BASE ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}}";
    for (size_t len = 0; len < strlen(whole); len++) {
        snprintf(config, sizeof config, "%.*s", (int)len, whole);
        assert_false(config_parses(config, &hp, &err));
        hk_test_error_says(&err, "config.json");
    }
    assert_true(config_parses(whole, &hp, &err));
}

static void other_types_can_be_listed(void **state)
{
    (void)state;
    struct hk_hparams hp;
    struct hk_error err;
    assert_true(config_parses("{\"model_type\":\"mamba2\"}", &hp, &err));
    assert_string_equal(hp.arch, "mamba2");
    assert_true(config_parses("{\"architectures\":[\"StrangeForCausalLM\"]}", &hp, &err));
    assert_string_equal(hp.arch, "StrangeForCausalLM");
    assert_true(
        config_parses("{\"architectures\":[\"GPT2LMHeadModel\"],\"vocab_size\":6,\"n_embd\":8,\"n_layer\":1,"
                      "\"n_head\":2,\"n_ctx\":64}",
                      &hp, &err));
    assert_string_equal(hp.arch, "gpt2");
    assert_int_equal(hp.n_ctx_train, 64);
    char folder[HK_TEST_PATH];
    struct st_builder b = {0};
    make_folder(folder, "{\"model_type\":\"qwen9\",\"hidden_size\":8}",
                "{\"model\":{\"type\":\"WordLevel\"}}");
    llama_weights(&b, "model.");
    st_add(&b, "position_ids", "I64", "[2]", 16);
    st_add(&b, "phases", "C64", "[2]", 16);
    st_write(folder, "model.safetensors", &b);
    expect_refusal(folder, "is stored as C64"); /* of an unknown model every tensor may be a weight */
    st_add(&b, "model.embed_tokens.weight", "F32", "[6,8]", 192);
    st_add(&b, "position_ids", "I64", "[2]", 16);
    st_write(folder, "model.safetensors", &b);
    struct hk_checkpoint *c = open_ok(folder);
    assert_string_equal(c->hparams.arch, "qwen9");
    assert_false(c->has_hparams);
    assert_int_equal(c->n_tensors, 1);
    assert_int_equal(c->vocab.kind, HK_VOCAB_NONE);
    hk_checkpoint_close(c);
    hk_test_folder_remove(folder);
}

static void safetensors_headers_are_checked(void **state)
{
    (void)state;
#define T(shape, offsets) "{\"t\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
    static const struct {
        const char *json, *says;
    } BAD[] = {
        {"[]", "the header is no JSON object"},
        {"{\"t\":1}", "tensor t: its entry is no object"},
        {"{\"t\":{}}", "tensor t: f: \"dtype\" is missing"},
        {"{\"t\":{\"dtype\":\"F32F32F32F32F32F32\"}}", "dtype"},
        {"{\"t\":{\"dtype\":\"F32\"}}", "\"shape\" is no array"},
        {T("[-1]", "[0,4]"), "a dimension is no integer"},
        {T("[1]", "[0]"), "are not two integers in order"},
        {T("[1]", "[8,4]"), "are not two integers in order"},
        {T("[1]", "[0,-4]"), "are not two integers in order"},
        {T("[1]", "[0,1e300]"), "are not two integers in order"},
        {T("[1]", "[0,68]"), "tensor t is bytes 0 to 68 of the data, which has 64"},
        {T("[1]", "[64,9007199254740992]"), "tensor t is bytes 64 to 9007199254740992"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         "tensors a and b overlap"},
        {"{\"t\":", "not valid JSON"},
    };
#undef T
    struct hk_error err;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct hk_arena a = {0};
        struct hk_st_tensor *list;
        size_t n;
        struct hk_bytes raw = st_raw(BAD[i].json, 64);
        uint8_t *copy = hk_test_copy(raw.data, raw.len);
        err = (struct hk_error){0};
        if (hk_safetensors_parse(&a, copy, raw.len, "f", &list, &n, &err))
            fail_msg("accepted: %s", BAD[i].json);
        hk_test_error_says(&err, BAD[i].says);
        hk_arena_free(&a);
        free(copy);
        hk_bytes_free(&raw);
    }
    struct hk_arena a = {0};
    struct hk_st_tensor *list;
    size_t n;
    const uint8_t huge[16] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, '{', '}'};
    assert_false(hk_safetensors_parse(&a, huge, 16, "f", &list, &n, &err));
    hk_test_error_says(&err, "f: a header of 18446744073709551615 bytes");
    const uint8_t longer[16] = {9, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    assert_false(hk_safetensors_parse(&a, longer, 16, "f", &list, &n, &err));
    hk_test_error_says(&err, "f: truncated or damaged: the header needs 9 bytes");
    hk_arena_free(&a);
}

static void wrong_tensors_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *dtype, *shape;
        size_t bytes;
        const char *says;
    } BAD[] = {
        {"model.norm.weight", "F32", "[8]", 28, "its shape and type need 32 bytes, its offsets give 28"},
        {"model.norm.weight", "F8_E8M0", "[8]", 8, "is stored as F8_E8M0: F64, F32, F16 and BF16"},
        {"model.norm.weight", "I32", "[8]", 32, "is stored as I32"},
        {"model.norm.weight", "F32", "[1,1,1,1,8]", 32, "has 5 dimensions"},
        {"model.norm.weight", "F32", "[0]", 0, "dimension 0 is 0"},
        {"model.norm.weight", "F32", "[4294967296,4294967296,4294967296]", 0, "does not fit"},
        {"model.embed_tokens.weight", "F32", "[8]", 32, "two tensors named token_embd.weight"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        char folder[HK_TEST_PATH];
        struct st_builder b = {0};
        make_folder(folder, "{" LLAMA_BASE "}", NULL);
        st_add(&b, "model.embed_tokens.weight", "F32", "[6,8]", 192);
        st_add(&b, BAD[i].name, BAD[i].dtype, BAD[i].shape, BAD[i].bytes);
        st_write(folder, "model.safetensors", &b);
        expect_refusal(folder, BAD[i].says);
        hk_test_folder_remove(folder);
    }
}

static void shards_are_joined(void **state)
{
    (void)state;
    static const struct {
        const char *map, *says;
    } BAD[] = {
        {"{}", "\"weight_map\" is missing"},
        {"{\"weight_map\":{\"t\":\"../a.safetensors\"}}", "no name of a file in this folder"},
        {"{\"weight_map\":{\"t\":7}}", "no name of a file in this folder"},
        {"{\"weight_map\":{\"t\":\"absent.safetensors\"}}", "absent.safetensors: cannot be read"},
        {"{\"weight_map\":{\"model.norm.weight\":\"b.safetensors\",\"model.embed_tokens.weight\":\"b."
         "safetensors\"}}",
         "tensor model.embed_tokens.weight is not in b.safetensors"},
        {"{\"weight_map\":", "not valid JSON"},
    };
    char folder[HK_TEST_PATH];
    struct st_builder b = {0};
    make_folder(folder, "{" LLAMA_BASE "}", NULL);
    st_add(&b, "model.embed_tokens.weight", "F32", "[6,8]", 192);
    st_write(folder, "a.safetensors", &b);
    st_add(&b, "model.norm.weight", "F32", "[8]", 32);
    st_write(folder, "b.safetensors", &b);
    expect_refusal(folder, "2 safetensors files but no model.safetensors.index.json");
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        hk_test_write_text(folder, "model.safetensors.index.json", BAD[i].map);
        expect_refusal(folder, BAD[i].says);
    }
    hk_test_write_text(folder, "model.safetensors.index.json",
                       "{\"metadata\":{},\"weight_map\":{\"model.norm.weight\":\"b.safetensors\","
                       "\"model.embed_tokens.weight\":\"a.safetensors\"}}");
    struct hk_checkpoint *c = open_ok(folder);
    assert_int_equal(c->n_tensors, 2);
    assert_int_equal(c->n_mappings, 2);
    hk_checkpoint_close(c);
    hk_test_folder_remove(folder);
}

static void incomplete_folders_are_explained(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH];
    hk_test_folder_make(folder);
    expect_refusal(folder, "has no config.json");
    hk_test_write_text(folder, "config.json", "{" LLAMA_BASE "}");
    expect_refusal(folder, "has no weights");
    hk_test_write_text(folder, "model.pth", "PK");
    expect_refusal(folder, "has weights only in model.pth: pytorch_model.bin, its index, or safetensors are");
    char *deep = malloc(100001);
    assert_non_null(deep);
    memset(deep, '[', 100000);
    deep[100000] = 0;
    hk_test_write_text(folder, "config.json", deep);
    expect_refusal(folder, "config.json: JSON is nested deeper than 128 levels");
    hk_test_write_text(folder, "config.json", "{" LLAMA_BASE "}");
    hk_test_write_text(folder, "generation_config.json", deep);
    expect_refusal(folder, "generation_config.json: JSON is nested deeper");
    hk_test_folder_remove(folder);
    free(deep);
    make_folder(folder, NULL, TOKENIZER); /* a vocabulary only */
    struct hk_checkpoint *c = open_ok(folder);
    assert_false(c->has_hparams);
    assert_int_equal(c->vocab.n_tokens, 6);
    hk_checkpoint_close(c);
    hk_test_folder_remove(folder);
}

static void special_tokens_are_gathered(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH];
    make_folder(folder, "{" LLAMA_BASE ",\"bos_token_id\":0,\"eos_token_id\":[1,2,99,-1,\"x\"]}", TOKENIZER);
    struct hk_checkpoint *c = open_ok(folder);
    assert_int_equal(c->vocab.bos, 0); /* config.json wins over a guess */
    assert_int_equal(c->vocab.eos, 1);
    assert_int_equal(c->vocab.n_stop, 3);
    assert_int_equal(c->vocab.stop[2], 5); /* <|im_end|> */
    assert_null(c->chat_template);
    hk_checkpoint_close(c);
    hk_test_write_text(folder, "generation_config.json", "{\"eos_token_id\":0}");
    hk_test_write_text(folder, "tokenizer_config.json",
                       "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</s>\"},\"pad_token\":null,"
                       "\"add_bos_token\":true,\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"T\"},"
                       "{\"name\":\"default\",\"template\":\"D\"}]}");
    c = open_ok(folder);
    assert_int_equal(c->vocab.bos, 3);
    assert_int_equal(c->vocab.eos, 4);
    assert_true(c->vocab.add_bos);
    const uint32_t stops[] = {4, 0, 1, 2, 5};
    assert_int_equal(c->vocab.n_stop, 5);
    assert_memory_equal(c->vocab.stop, stops, sizeof stops);
    assert_string_equal(c->chat_template, "D");
    hk_checkpoint_close(c);
    hk_test_write_text(folder, "chat_template.jinja", "J\n");
    c = open_ok(folder);
    assert_string_equal(c->chat_template, "J\n");
    hk_checkpoint_close(c);
    hk_test_write_text(folder, "config.json",
                       "{" LLAMA_BASE ",\"eos_token_id\":1}"); /* a number, not a list */
    hk_test_write_text(folder, "generation_config.json", "{}");
    c = open_ok(folder);
    assert_int_equal(c->vocab.n_stop, 3);
    hk_checkpoint_close(c);
    hk_test_folder_remove(folder);
}

static void real_model_opens(void **state)
{
    (void)state;
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    hk_test_shared("models/tarotble", path);
    struct hk_checkpoint *c = open_ok(path);
    assert_string_equal(c->hparams.arch, "gpt2");
    assert_int_equal(c->n_tensors, 52);
    assert_int_equal(c->hparams.n_ctx_train, 64);
    assert_int_equal(c->hparams.n_ff, 512);
    assert_int_equal(c->vocab.kind, HK_VOCAB_BPE);
    assert_int_equal(c->vocab.n_tokens, 1000);
    assert_int_equal(c->vocab.eos, 0);
    assert_int_equal(c->vocab.n_stop, 1);
    const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, "blk.3.ffn_down.weight");
    assert_true(t && t->transposed && t->shape[0] == 128 && t->shape[1] == 512);
    hk_checkpoint_close(c);

    hk_test_shared("models/tarotble/model.safetensors", path);
    struct hk_mapping *m = hk_mapping_open(path, &err);
    assert_non_null(m);
    for (size_t i = 0; i < 300; i++) {
        size_t len = i < 64 ? i : i < 164 ? 64 + (i - 64) * 60 : m->size * (i - 164) / 136;
        struct hk_arena a = {0};
        struct hk_st_tensor *list;
        size_t n;
        uint8_t *copy = hk_test_copy(m->data, len);
        assert_false(hk_safetensors_parse(&a, copy, len, "m.safetensors", &list, &n, &err));
        hk_test_error_says(&err, "m.safetensors");
        free(copy);
        hk_arena_free(&a);
    }
    hk_mapping_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama_folder_opens),
        cmocka_unit_test(tied_heads_are_left_out),
        cmocka_unit_test(gpt2_folder_opens),
        cmocka_unit_test(rotary_parameters_are_read),
        cmocka_unit_test(a_head_size_that_is_not_said),
        cmocka_unit_test(sliding_windows_are_read),
        cmocka_unit_test(bad_configs_are_refused),
        cmocka_unit_test(other_types_can_be_listed),
        cmocka_unit_test(safetensors_headers_are_checked),
        cmocka_unit_test(wrong_tensors_are_refused),
        cmocka_unit_test(shards_are_joined),
        cmocka_unit_test(incomplete_folders_are_explained),
        cmocka_unit_test(special_tokens_are_gathered),
        cmocka_unit_test(real_model_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What config.json and the tensor names of each model_type mean. */
#include "loader/formats/hf.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct hk_hf_name LLAMA_NAMES[] = {
    {"layers.#.self_attn.rotary_emb.inv_freq", NULL, HK_HF_IGNORED},
    {"rotary_emb.inv_freq", NULL, HK_HF_IGNORED},
    {"embed_tokens", "token_embd", 0},
    {"layers.#.input_layernorm", "blk.#.attn_norm", 0},
    {"layers.#.self_attn.q_proj", "blk.#.attn_q", 0},
    {"layers.#.self_attn.k_proj", "blk.#.attn_k", 0},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v", 0},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output", 0},
    {"layers.#.post_attention_layernorm", "blk.#.ffn_norm", 0},
    {"layers.#.mlp.gate_proj", "blk.#.ffn_gate", 0},
    {"layers.#.mlp.up_proj", "blk.#.ffn_up", 0},
    {"layers.#.mlp.down_proj", "blk.#.ffn_down", 0},
    {"norm", "output_norm", 0},
    {"lm_head", "output", 0},
    {"score", "cls.output", 0},
    {NULL, NULL, 0},
};

static const struct hk_hf_name GPT2_NAMES[] = {
    {"h.#.attn.bias", NULL, HK_HF_IGNORED}, /* the causal mask */
    {"h.#.attn.masked_bias", NULL, HK_HF_IGNORED},
    {"wte", "token_embd", 0},
    {"wpe", "position_embd", 0},
    {"h.#.ln_1", "blk.#.attn_norm", 0},
    {"h.#.attn.c_attn", "blk.#.attn_qkv", HK_HF_TRANSPOSED},
    {"h.#.attn.c_proj", "blk.#.attn_output", HK_HF_TRANSPOSED},
    {"h.#.ln_2", "blk.#.ffn_norm", 0},
    {"h.#.mlp.c_fc", "blk.#.ffn_up", HK_HF_TRANSPOSED},
    {"h.#.mlp.c_proj", "blk.#.ffn_down", HK_HF_TRANSPOSED},
    {"ln_f", "output_norm", 0},
    {"lm_head", "output", 0},
    {"score", "cls.output", 0},
    {NULL, NULL, 0},
};

static const struct hk_hf_name NO_NAMES[] = {{NULL, NULL, 0}};
static const char *const NO_SWITCHES[] = {NULL};
static const char *const GPT2_SWITCHES[] = {"scale_attn_by_inverse_layer_idx", "add_cross_attention", NULL};

static const struct hk_hf_keys LLAMA_KEYS = {
    .n_ctx = "max_position_embeddings",
    .n_embd = "hidden_size",
    .n_layer = "num_hidden_layers",
    .n_head = "num_attention_heads",
    .n_head_kv = "num_key_value_heads",
    .head_dim = "head_dim",
    .n_ff = "intermediate_size",
    .eps = "rms_norm_eps",
    .activation = "hidden_act",
};

static const struct hk_hf_keys GPT2_KEYS = {
    .n_ctx = "n_positions",
    .n_ctx_2 = "n_ctx",
    .n_embd = "n_embd",
    .n_layer = "n_layer",
    .n_head = "n_head",
    .n_ff = "n_inner",
    .eps = "layer_norm_epsilon",
    .activation = "activation_function",
};

static const struct hk_hf_arch HF_ARCHS[] = {
    {
        .model_type = "llama",
        .model_class = "LlamaForCausalLM",
        .reward_class = "LlamaForSequenceClassification",
        .arch = "llama",
        .prefix = "model.",
        .keys = &LLAMA_KEYS,
        .eps = 1e-6f,
        .activation = "silu",
        .rope = true,
        .must_be_false = NO_SWITCHES,
        .names = LLAMA_NAMES,
    },
    {
        .model_type = "gpt2",
        .model_class = "GPT2LMHeadModel",
        .reward_class = "GPT2ForSequenceClassification",
        .arch = "gpt2",
        .prefix = "transformer.",
        .keys = &GPT2_KEYS,
        .ff_multiple = 4,
        .eps = 1e-5f,
        .activation = "gelu_new",
        .tied = true,
        .must_be_false = GPT2_SWITCHES,
        .names = GPT2_NAMES,
    },
};

/* For types not listed: most newer ones spell their sizes as Llama does, which is enough to list them. */
static const struct hk_hf_arch OTHER = {
    .prefix = "model.",
    .keys = &LLAMA_KEYS,
    .eps = 1e-6f,
    .activation = "silu",
    .rope = true,
    .must_be_false = NO_SWITCHES,
    .names = NO_NAMES,
};

static bool is_reward(const struct hk_hf_arch *a, const cJSON *class)
{
    return a->reward_class && cJSON_IsString(class) && strcmp(class->valuestring, a->reward_class) == 0;
}

const struct hk_hf_arch *hk_hf_arch_find(const cJSON *config)
{
    const cJSON *type = hk_json_get(config, "model_type"), *classes = hk_json_get(config, "architectures");
    const cJSON *class = cJSON_IsArray(classes) ? classes->child : NULL;
    for (size_t i = 0; i < sizeof HF_ARCHS / sizeof *HF_ARCHS; i++) {
        const struct hk_hf_arch *a = &HF_ARCHS[i];
        bool of_class =
            cJSON_IsString(class) && (strcmp(class->valuestring, a->model_class) == 0 || is_reward(a, class));
        if (cJSON_IsString(type) ? strcmp(type->valuestring, a->model_type) == 0 : of_class) return a;
    }
    return &OTHER;
}

/* ---- names ---- */

/* Matches the front of name against a pattern in which '#' is a number. What follows the match, or NULL. */
static const char *match(const char *pattern, const char *name, const char **number, size_t *digits)
{
    for (; *pattern; pattern++) {
        if (*pattern == '#') {
            size_t n = 0;
            while (n < 6 && isdigit((unsigned char)name[n])) n++;
            if (n == 0) return NULL;
            *number = name;
            *digits = n;
            name += n;
        } else if (*name++ != *pattern) {
            return NULL;
        }
    }
    return name;
}

static bool translate_row(const struct hk_hf_name *row, const char *name, char out[HK_HF_MAX_NAME],
                          unsigned *flags)
{
    const char *number = "", *rest;
    size_t digits = 0;
    rest = match(row->hf, name, &number, &digits);
    if (!rest) return false;
    if (row->flags & HK_HF_IGNORED) {
        *flags = row->flags;
        return *rest == 0;
    }
    bool weight = strcmp(rest, ".weight") == 0;
    if (!weight && strcmp(rest, ".bias") != 0) return false;
    const char *hash = strchr(row->gguf, '#');
    int front = hash ? (int)(hash - row->gguf) : 0;
    snprintf(out, HK_HF_MAX_NAME, "%.*s%.*s%s%s", front, row->gguf, hash ? (int)digits : 0, number,
             hash ? hash + 1 : row->gguf, rest);
    *flags = weight ? row->flags : 0;
    return true;
}

bool hk_hf_translate(const struct hk_hf_arch *a, const char *name, char out[HK_HF_MAX_NAME], unsigned *flags)
{
    size_t prefix = strlen(a->prefix);
    const char *plain = strncmp(name, a->prefix, prefix) == 0 ? name + prefix : name;
    *flags = 0;
    for (const struct hk_hf_name *row = a->names; row->hf; row++) {
        if (translate_row(row, plain, out, flags)) {
            if (row->flags & HK_HF_IGNORED) snprintf(out, HK_HF_MAX_NAME, "%s", name);
            return true;
        }
    }
    *flags = 0;
    snprintf(out, HK_HF_MAX_NAME, "%s", name);
    return false;
}

/* ---- hyperparameters ---- */

static bool read_activation(const struct hk_hf_arch *a, const struct hk_json_at *at, enum hk_activation *out)
{
    static const struct {
        const char *name;
        enum hk_activation activation;
    } KNOWN[] = {
        {"silu", HK_ACT_SILU},          {"swish", HK_ACT_SILU},
        {"gelu_new", HK_ACT_GELU_TANH}, {"gelu_pytorch_tanh", HK_ACT_GELU_TANH},
        {"gelu", HK_ACT_GELU_ERF},      {"gelu_python", HK_ACT_GELU_ERF},
        {"relu", HK_ACT_RELU},          {"gelu_fast", HK_ACT_GELU_TANH},
    };
    const char *name = a->activation;
    if (!hk_json_string(at, a->keys->activation, HK_JSON_OPTIONAL, &name)) return false;
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        if (strcmp(name, KNOWN[i].name) == 0) {
            *out = KNOWN[i].activation;
            return true;
        }
    }
    return hk_fail(at->err, HK_ERR_UNSUPPORTED,
                   "%s: \"%s\" is %.80s: silu, gelu, gelu_new, gelu_pytorch_tanh and relu are supported",
                   at->file, a->keys->activation, name);
}

/* "rope_theta" and "rope_scaling" as they were up to transformers 4, or both in "rope_parameters". */
static bool read_rope(const struct hk_json_at *at, struct hk_hparams *hp)
{
    const cJSON *parameters = hk_json_get(at->obj, "rope_parameters"),
                *scaling = hk_json_get(at->obj, "rope_scaling");
    struct hk_json_at in = {parameters ? parameters : scaling, at->file, at->err};
    const char *kind = "default";
    float fraction = 1.0f;
    hp->rope_theta = 10000.0f;
    hp->rope_pairing = HK_ROPE_HALVES;
    if (!hk_json_f32(at, "rope_theta", HK_JSON_OPTIONAL, 1e-6, 1e30, &hp->rope_theta) ||
        !hk_json_f32(at, "partial_rotary_factor", HK_JSON_OPTIONAL, 0.0, 1.0, &fraction))
        return false;
    if (in.obj && !cJSON_IsObject(in.obj))
        return hk_fail(at->err, HK_ERR_FORMAT, "%s: the rotary parameters are no object", at->file);
    if (in.obj && (!hk_json_f32(&in, "rope_theta", HK_JSON_OPTIONAL, 1e-6, 1e30, &hp->rope_theta) ||
                   !hk_json_f32(&in, "partial_rotary_factor", HK_JSON_OPTIONAL, 0.0, 1.0, &fraction) ||
                   !hk_json_string(&in, "type", HK_JSON_OPTIONAL, &kind) ||
                   !hk_json_string(&in, "rope_type", HK_JSON_OPTIONAL, &kind)))
        return false;
    hp->rope_dim = (uint32_t)((float)hp->head_dim * fraction);
    if (strcmp(kind, "default") == 0 || strcmp(kind, "none") == 0) return true;
    bool linear = strcmp(kind, "linear") == 0;
    if (!linear && strcmp(kind, "llama3") != 0)
        return hk_fail(at->err, HK_ERR_UNSUPPORTED,
                       "%s: rotary scaling \"%.80s\" is not supported: default, linear and llama3 are",
                       at->file, kind);
    hp->rope_scaling = linear ? HK_ROPE_SCALING_LINEAR : HK_ROPE_SCALING_LLAMA3;
    if (!hk_json_f32(&in, "factor", HK_JSON_REQUIRED, 1e-6, 1e9, &hp->rope_factor)) return false;
    if (linear) return true;
    return hk_json_f32(&in, "low_freq_factor", HK_JSON_REQUIRED, 1e-6, 1e9, &hp->rope_low_freq_factor) &&
           hk_json_f32(&in, "high_freq_factor", HK_JSON_REQUIRED, 1e-6, 1e9, &hp->rope_high_freq_factor) &&
           hk_json_u32(&in, "original_max_position_embeddings", HK_JSON_REQUIRED, 1, UINT32_MAX,
                       &hp->rope_original_ctx);
}

static bool check_switches(const struct hk_hf_arch *a, const struct hk_json_at *at)
{
    for (const char *const *key = a->must_be_false; *key; key++) {
        bool on = false;
        if (!hk_json_bool(at, *key, HK_JSON_OPTIONAL, &on)) return false;
        if (on)
            return hk_fail(at->err, HK_ERR_UNSUPPORTED, "%s: \"%s\" is true: only false is supported",
                           at->file, *key);
    }
    bool scaled = true;
    if (!hk_json_bool(at, "scale_attn_weights", HK_JSON_OPTIONAL, &scaled)) return false;
    if (!scaled)
        return hk_fail(at->err, HK_ERR_UNSUPPORTED,
                       "%s: \"scale_attn_weights\" is false: only true is supported", at->file);
    return true;
}

static bool read_sizes(const struct hk_hf_arch *a, const struct hk_json_at *at, struct hk_hparams *hp)
{
    const struct hk_hf_keys *k = a->keys;
    const uint32_t most = UINT32_MAX;
    bool has_ctx = !k->n_ctx_2 || hk_json_get(at->obj, k->n_ctx);
    if (!hk_json_u32(at, "vocab_size", HK_JSON_REQUIRED, 1, most, &hp->n_vocab) ||
        !hk_json_u32(at, has_ctx ? k->n_ctx : k->n_ctx_2, HK_JSON_REQUIRED, 1, most, &hp->n_ctx_train) ||
        !hk_json_u32(at, k->n_embd, HK_JSON_REQUIRED, 1, 1 << 24, &hp->n_embd) ||
        !hk_json_u32(at, k->n_layer, HK_JSON_REQUIRED, 1, most, &hp->n_layer) ||
        !hk_json_u32(at, k->n_head, HK_JSON_REQUIRED, 1, most, &hp->n_head))
        return false;
    hp->n_head_kv = hp->n_head;
    hp->head_dim = hp->n_embd / hp->n_head;
    hp->n_ff = a->ff_multiple * hp->n_embd;
    hp->norm_eps = a->eps;
    bool head_given = k->head_dim && hk_json_get(at->obj, k->head_dim);
    if ((k->n_head_kv && !hk_json_u32(at, k->n_head_kv, HK_JSON_OPTIONAL, 1, most, &hp->n_head_kv)) ||
        (k->head_dim && !hk_json_u32(at, k->head_dim, HK_JSON_OPTIONAL, 1, most, &hp->head_dim)) ||
        !hk_json_u32(at, k->n_ff, a->ff_multiple ? HK_JSON_OPTIONAL : HK_JSON_REQUIRED, 1, most, &hp->n_ff) ||
        !hk_json_f32(at, k->eps, HK_JSON_OPTIONAL, 0.0, 1.0, &hp->norm_eps))
        return false;
    if (!head_given && hp->n_embd % hp->n_head != 0)
        return hk_fail(at->err, HK_ERR_FORMAT, "%s: \"%s\" %u cannot be split over %u heads", at->file,
                       k->n_embd, hp->n_embd, hp->n_head);
    return true;
}

bool hk_hf_hparams(const struct hk_hf_arch *a, const cJSON *config, const char *file, struct hk_hparams *hp,
                   bool *tied, struct hk_error *err)
{
    const struct hk_json_at at = {config, file, err};
    const cJSON *classes = hk_json_get(config, "architectures");
    if (cJSON_IsArray(classes)) hp->n_labels = is_reward(a, classes->child);
    *tied = a->tied;
    return hk_json_bool(&at, "tie_word_embeddings", HK_JSON_OPTIONAL, tied) && check_switches(a, &at) &&
           read_sizes(a, &at, hp) && read_activation(a, &at, &hp->activation) &&
           (!a->rope || read_rope(&at, hp)) && hk_hparams_check(hp, file, err);
}

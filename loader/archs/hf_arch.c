/* What config.json and the tensor names of a folder mean, by the architecture's description. */
#include "loader/archs/archs.h"
#include "loader/formats/hf.h"

#include <stdio.h>
#include <string.h>

/* For types not listed: most newer ones spell their sizes as Llama does, which is enough to list them. */
static const struct hk_arch other = {.rope = true, .config = &hk_llama_config};

static bool is_reward(const struct hk_arch *a, const cJSON *class)
{
    return a->reward_class && cJSON_IsString(class) && strcmp(class->valuestring, a->reward_class) == 0;
}

const struct hk_arch *hk_hf_arch_find(const cJSON *config)
{
    const cJSON *type = hk_json_get(config, "model_type"), *classes = hk_json_get(config, "architectures");
    const cJSON *class = cJSON_IsArray(classes) ? classes->child : NULL;
    const struct hk_arch *a;
    for (size_t i = 0; (a = hk_arch_at(i)) != NULL; i++) {
        bool of_class =
            cJSON_IsString(class) && (strcmp(class->valuestring, a->model_class) == 0 || is_reward(a, class));
        if (cJSON_IsString(type) ? strcmp(type->valuestring, a->model_type) == 0 : of_class) return a;
    }
    return &other;
}

/* ---- names ---- */

static bool is_ignored(const struct hk_arch *a, const char *plain)
{
    struct hk_name_numbers n;
    for (const char *const *name = a->config->ignored; *name; name++) {
        const char *rest = hk_name_match(*name, plain, &n);
        if (rest && *rest == 0) return true;
    }
    return false;
}

/* Whether the name is the row's, with .weight or .bias. */
static bool translate_row(const struct hk_arch_tensor *row, const char *plain, char out[HK_MAX_TENSOR_NAME],
                          unsigned *flags)
{
    struct hk_name_numbers n = {UINT32_MAX, UINT32_MAX};
    const char *rest = row->hf ? hk_name_match(row->hf, plain, &n) : NULL;
    bool weight = rest && strcmp(rest, ".weight") == 0;
    if (!weight && (!rest || strcmp(rest, ".bias") != 0)) return false;
    hk_name_expand(out, row->flags & HK_EXPERTS ? row->each : row->name, n, rest);
    *flags = weight && (row->flags & HK_TRANSPOSED) ? HK_HF_TRANSPOSED : 0;
    return true;
}

bool hk_hf_translate(const struct hk_arch *a, const char *name, char out[HK_MAX_TENSOR_NAME], unsigned *flags)
{
    size_t prefix = strlen(a->config->prefix);
    const char *plain = strncmp(name, a->config->prefix, prefix) == 0 ? name + prefix : name;
    const struct hk_arch_tensor *row;
    snprintf(out, HK_MAX_TENSOR_NAME, "%s", name);
    *flags = a->name && is_ignored(a, plain) ? HK_HF_IGNORED : 0;
    if (*flags) return true;
    for (size_t i = 0; (row = hk_arch_tensor(a, i)) != NULL; i++)
        if (translate_row(row, plain, out, flags)) return true;
    return false;
}

/* ---- hyperparameters ---- */

static bool read_activation(const struct hk_arch *a, const struct hk_json_at *at, enum hk_activation *out)
{
    static const struct {
        const char *name;
        enum hk_activation activation;
    } known[] = {
        {"silu", HK_ACT_SILU},          {"swish", HK_ACT_SILU},
        {"gelu_new", HK_ACT_GELU_TANH}, {"gelu_pytorch_tanh", HK_ACT_GELU_TANH},
        {"gelu", HK_ACT_GELU_ERF},      {"gelu_python", HK_ACT_GELU_ERF},
        {"relu", HK_ACT_RELU},          {"gelu_fast", HK_ACT_GELU_TANH},
    };
    const char *name = a->config->activation_default;
    if (!hk_json_string(at, a->config->activation, HK_JSON_OPTIONAL, &name)) return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) == 0) {
            *out = known[i].activation;
            return true;
        }
    }
    return hk_fail(at->err, HK_ERR_UNSUPPORTED,
                   "%s: \"%s\" is %.80s: silu, gelu, gelu_new, gelu_pytorch_tanh and relu are supported",
                   at->file, a->config->activation, name);
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

/* How many of the layers have a sliding window: as "layer_types" lists them, else those from
 * "max_window_layers" on. */
static bool count_window_layers(const struct hk_json_at *at, uint32_t n_layer, uint32_t *n)
{
    const cJSON *types = hk_json_get(at->obj, "layer_types"), *type;
    uint32_t first = 28; /* transformers' default */
    if (!hk_json_u32(at, "max_window_layers", HK_JSON_OPTIONAL, 0, UINT32_MAX, &first)) return false;
    *n = first < n_layer ? n_layer - first : 0;
    if (!types) return true;
    *n = 0;
    cJSON_ArrayForEach(type, types)
    {
        bool sliding = cJSON_IsString(type) && strcmp(type->valuestring, "sliding_attention") == 0;
        if (!sliding && (!cJSON_IsString(type) || strcmp(type->valuestring, "full_attention") != 0))
            return hk_fail(at->err, HK_ERR_UNSUPPORTED,
                           "%s: \"layer_types\" has a layer that is neither \"full_attention\" nor "
                           "\"sliding_attention\"",
                           at->file);
        *n += sliding;
    }
    return true;
}

static bool read_window(const struct hk_arch *a, const struct hk_json_at *at, struct hk_hparams *hp)
{
    bool on = a->window == HK_WINDOW_KEY;
    uint32_t window = 4096, n = hp->n_layer; /* transformers' default, where the key is missing */
    if (a->window == HK_WINDOW_NONE) return true;
    if (a->window == HK_WINDOW_SWITCHED && (!hk_json_bool(at, "use_sliding_window", HK_JSON_OPTIONAL, &on) ||
                                            (on && !count_window_layers(at, hp->n_layer, &n))))
        return false;
    if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(at->obj, "sliding_window"))) on = false;
    if (!on || n == 0) return true;
    if (n < hp->n_layer)
        return hk_fail(at->err, HK_ERR_UNSUPPORTED,
                       "%s: %u of %u layers have a sliding window (\"max_window_layers\", \"layer_types\"): "
                       "only a window "
                       "of all layers is supported",
                       at->file, n, hp->n_layer);
    if (!hk_json_u32(at, "sliding_window", HK_JSON_OPTIONAL, 1, UINT32_MAX, &window)) return false;
    hp->sliding_window = window;
    return true;
}

static bool check_switches(const struct hk_arch *a, const struct hk_json_at *at)
{
    for (const struct hk_arch_switch *s = a->config->switches; s->key; s++) {
        bool value = s->value;
        if (!hk_json_bool(at, s->key, HK_JSON_OPTIONAL, &value)) return false;
        if (value != s->value)
            return hk_fail(at->err, HK_ERR_UNSUPPORTED, "%s: \"%s\" is %s: only %s is supported", at->file,
                           s->key, value ? "true" : "false", s->value ? "true" : "false");
    }
    return true;
}

static bool read_sizes(const struct hk_arch *a, const struct hk_json_at *at, struct hk_hparams *hp)
{
    const struct hk_arch_config *k = a->config;
    const uint32_t most = UINT32_MAX;
    bool has_ctx = !k->n_ctx_2 || hk_json_get(at->obj, k->n_ctx);
    if (!hk_json_u32(at, "vocab_size", HK_JSON_REQUIRED, 1, most, &hp->n_vocab) ||
        !hk_json_u32(at, has_ctx ? k->n_ctx : k->n_ctx_2, HK_JSON_REQUIRED, 1, most, &hp->n_ctx_train) ||
        !hk_json_u32(at, k->n_embd, HK_JSON_REQUIRED, 1, 1 << 24, &hp->n_embd) ||
        !hk_json_u32(at, k->n_layer, HK_JSON_REQUIRED, 1, most, &hp->n_layer) ||
        !hk_json_u32(at, k->n_head, HK_JSON_REQUIRED, 1, most, &hp->n_head))
        return false;
    hp->n_head_kv = hp->n_head;
    hp->head_dim = a->head_dim_default ? a->head_dim_default : hp->n_embd / hp->n_head;
    hp->n_ff = k->ff_multiple * hp->n_embd;
    hp->norm_eps = k->eps_default;
    bool head_given = a->head_dim_default || (k->head_dim && hk_json_get(at->obj, k->head_dim));
    if ((k->n_head_kv && !hk_json_u32(at, k->n_head_kv, HK_JSON_OPTIONAL, 1, most, &hp->n_head_kv)) ||
        (k->head_dim && !hk_json_u32(at, k->head_dim, HK_JSON_OPTIONAL, 1, most, &hp->head_dim)) ||
        !hk_json_u32(at, k->n_ff, k->ff_multiple ? HK_JSON_OPTIONAL : HK_JSON_REQUIRED, 1, most, &hp->n_ff) ||
        !hk_json_f32(at, k->eps, HK_JSON_OPTIONAL, 0.0, 1.0, &hp->norm_eps))
        return false;
    if (!head_given && hp->n_embd % hp->n_head != 0)
        return hk_fail(at->err, HK_ERR_FORMAT, "%s: \"%s\" %u cannot be split over %u heads", at->file,
                       k->n_embd, hp->n_embd, hp->n_head);
    return true;
}

bool hk_hf_hparams(const struct hk_arch *a, const cJSON *config, const char *file, struct hk_hparams *hp,
                   bool *tied, struct hk_error *err)
{
    const struct hk_json_at at = {config, file, err};
    const cJSON *classes = hk_json_get(config, "architectures");
    if (cJSON_IsArray(classes)) hp->n_labels = is_reward(a, classes->child);
    *tied = a->config->tied_default;
    return hk_json_bool(&at, "tie_word_embeddings", HK_JSON_OPTIONAL, tied) && check_switches(a, &at) &&
           read_sizes(a, &at, hp) && read_activation(a, &at, &hp->activation) &&
           (!a->rope || read_rope(&at, hp)) && read_window(a, &at, hp) && hk_hparams_check(hp, file, err);
}

/* A checkpoint of another format in GGUF's words: hyperparameters, and which tensors there are. The keys are
 * those that llama.cpp's convert_hf_to_gguf.py writes. */
#include "loader/convert/gguf_write.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum tensor_need { OPTIONAL, NEEDED };

/* A tensor that GGUF's architecture knows; '#' is a layer's number. */
struct known_tensor {
    const char *name;
    enum tensor_need need;
};

static const struct known_tensor LLAMA_TENSORS[] = {
    {"token_embd.weight", NEEDED},     {"output_norm.weight", NEEDED},
    {"output.weight", OPTIONAL},       {"cls.output.weight", OPTIONAL},
    {"rope_freqs.weight", OPTIONAL},   {"blk.#.attn_norm.weight", NEEDED},
    {"blk.#.attn_q.weight", NEEDED},   {"blk.#.attn_k.weight", NEEDED},
    {"blk.#.attn_v.weight", NEEDED},   {"blk.#.attn_output.weight", NEEDED},
    {"blk.#.ffn_norm.weight", NEEDED}, {"blk.#.ffn_gate.weight", NEEDED},
    {"blk.#.ffn_up.weight", NEEDED},   {"blk.#.ffn_down.weight", NEEDED},
    {"blk.#.attn_q.bias", OPTIONAL},   {"blk.#.attn_k.bias", OPTIONAL},
    {"blk.#.attn_v.bias", OPTIONAL},   {"blk.#.attn_output.bias", OPTIONAL},
    {"blk.#.ffn_gate.bias", OPTIONAL}, {"blk.#.ffn_up.bias", OPTIONAL},
    {"blk.#.ffn_down.bias", OPTIONAL}, {NULL, OPTIONAL},
};

static const struct known_tensor GPT2_TENSORS[] = {
    {"token_embd.weight", NEEDED},
    {"position_embd.weight", NEEDED},
    {"output_norm.weight", NEEDED},
    {"output_norm.bias", NEEDED},
    {"output.weight", OPTIONAL},
    {"cls.output.weight", OPTIONAL},
    {"blk.#.attn_norm.weight", NEEDED},
    {"blk.#.attn_norm.bias", NEEDED},
    {"blk.#.attn_qkv.weight", NEEDED},
    {"blk.#.attn_qkv.bias", NEEDED},
    {"blk.#.attn_output.weight", NEEDED},
    {"blk.#.attn_output.bias", NEEDED},
    {"blk.#.ffn_norm.weight", NEEDED},
    {"blk.#.ffn_norm.bias", NEEDED},
    {"blk.#.ffn_up.weight", NEEDED},
    {"blk.#.ffn_up.bias", NEEDED},
    {"blk.#.ffn_down.weight", NEEDED},
    {"blk.#.ffn_down.bias", NEEDED},
    {NULL, OPTIONAL},
};

/* What is said of an architecture; its name is also the prefix of its keys. */
static const struct written_arch {
    const char *arch;
    const char *eps_key;
    bool vocab_size; /* has the key */
    const struct known_tensor *tensors;
} ARCHS[] = {
    {"llama", "attention.layer_norm_rms_epsilon", true, LLAMA_TENSORS},
    {"gpt2", "attention.layer_norm_epsilon", false, GPT2_TENSORS},
};

static const struct written_arch *find_arch(const struct hk_checkpoint *c, struct hk_error *err)
{
    for (size_t i = 0; i < sizeof ARCHS / sizeof *ARCHS; i++) {
        if (c->has_hparams && hk_arch_traits(ARCHS[i].arch) && strcmp(ARCHS[i].arch, c->hparams.arch) == 0)
            return &ARCHS[i];
    }
    hk_fail(err, HK_ERR_UNSUPPORTED,
            "%s: architecture '%s' cannot be written as GGUF yet: llama and gpt2 can, and a GGUF file of any "
            "architecture",
            c->path, c->hparams.arch);
    return NULL;
}

/* ---- tensors ---- */

/* Whether the name is the pattern's; *layer is its number. */
static bool matches(const char *pattern, const char *name, uint32_t *layer)
{
    for (; *pattern; pattern++) {
        if (*pattern == '#') {
            size_t n = 0;
            for (*layer = 0; n < 6 && isdigit((unsigned char)name[n]); n++)
                *layer = *layer * 10 + (uint32_t)(name[n] - '0');
            if (n == 0) return false;
            name += n;
        } else if (*name++ != *pattern) {
            return false;
        }
    }
    return *name == 0;
}

/* `name.scale` goes with `name.weight`. */
static bool is_known(const struct written_arch *a, const struct hk_checkpoint *c, const char *name)
{
    char weight[64];
    size_t len = strlen(name), stem = len - (sizeof ".scale" - 1);
    if (len >= sizeof ".scale" && strcmp(name + stem, ".scale") == 0) {
        int n = snprintf(weight, sizeof weight, "%.*s.weight", (int)stem, name);
        if (n < 0 || (size_t)n >= sizeof weight || !hk_checkpoint_tensor(c, weight)) return false;
        name = weight;
    }
    for (const struct known_tensor *k = a->tensors; k->name; k++) {
        uint32_t layer = 0;
        if (matches(k->name, name, &layer)) return layer < c->hparams.n_layer;
    }
    return false;
}

static bool has_tensor(const struct hk_checkpoint *c, const char *pattern, uint32_t layer,
                       struct hk_error *err)
{
    char name[64];
    const char *hash = strchr(pattern, '#');
    if (hash)
        snprintf(name, sizeof name, "%.*s%u%s", (int)(hash - pattern), pattern, layer, hash + 1);
    else
        snprintf(name, sizeof name, "%s", pattern);
    return hk_checkpoint_tensor(c, name) ||
           hk_fail(err, HK_ERR_FORMAT, "%s: tensor %s is missing: %s needs it", c->path, name,
                   c->hparams.arch);
}

bool hk_gguf_check_tensors(const struct hk_checkpoint *c, struct hk_error *err)
{
    const struct written_arch *a = find_arch(c, err);
    if (!a) return false;
    for (uint32_t i = 0; i < c->n_tensors; i++) {
        if (!is_known(a, c, c->tensors[i].name))
            return hk_fail(err, HK_ERR_UNSUPPORTED, "%s: tensor %.200s: GGUF's %s of %u layers has none such",
                           c->path, c->tensors[i].name, a->arch, c->hparams.n_layer);
    }
    for (const struct known_tensor *k = a->tensors; k->name; k++) {
        uint32_t n = strchr(k->name, '#') ? c->hparams.n_layer : 1;
        for (uint32_t layer = 0; k->need == NEEDED && layer < n; layer++)
            if (!has_tensor(c, k->name, layer, err)) return false;
    }
    bool language = !c->hparams.n_labels;
    return !(language && c->untied) || has_tensor(c, "output.weight", 0, err);
}

bool hk_gguf_is_permuted(const struct hk_checkpoint *c, const char *name, uint32_t *heads)
{
    const struct hk_arch_traits *t = hk_arch_traits(c->hparams.arch);
    uint32_t layer;
    if (!t || !t->rope || t->gguf_pairing != HK_ROPE_INTERLEAVED || c->hparams.rope_pairing != HK_ROPE_HALVES)
        return false;
    bool q = matches("blk.#.attn_q.weight", name, &layer) || matches("blk.#.attn_q.bias", name, &layer);
    bool k = matches("blk.#.attn_k.weight", name, &layer) || matches("blk.#.attn_k.bias", name, &layer);
    *heads = q ? c->hparams.n_head : c->hparams.n_head_kv;
    return q || k;
}

float *hk_gguf_rope_freqs(struct hk_arena *a, const struct hk_hparams *hp, struct hk_error *err)
{
    uint32_t half = hp->rope_dim / 2;
    float *out = hk_arena_alloc(a, half, sizeof *out, err);
    double low = (double)hp->rope_low_freq_factor, high = (double)hp->rope_high_freq_factor;
    double factor = (double)hp->rope_factor, ctx = hp->rope_original_ctx;
    for (uint32_t i = 0; out && i < half; i++) {
        double freq = pow((double)hp->rope_theta, -2.0 * i / hp->rope_dim);
        double wavelength = 2.0 * 3.14159265358979323846 / freq;
        double smooth = (ctx / wavelength - low) / (high - low);
        out[i] = wavelength < ctx / high  ? 1.0f
                 : wavelength > ctx / low ? (float)factor
                                          : (float)(1.0 / ((1.0 - smooth) / factor + smooth));
    }
    return out;
}

/* ---- hyperparameters ---- */

struct key {
    char text[96];
};
static struct key key_of(const struct hk_hparams *hp, const char *suffix)
{
    struct key k;
    snprintf(k.text, sizeof k.text, "%s.%s", hp->arch, suffix);
    return k;
}

static void put_rope(struct hk_gguf_writer *w, const struct hk_hparams *hp)
{
    hk_gguf_put_u32(w, key_of(hp, "rope.dimension_count").text, hp->rope_dim);
    hk_gguf_put_f32(w, key_of(hp, "rope.freq_base").text, hp->rope_theta);
    if (hp->rope_scaling == HK_ROPE_SCALING_LINEAR) {
        hk_gguf_put_string(w, key_of(hp, "rope.scaling.type").text, "linear", 6);
        hk_gguf_put_f32(w, key_of(hp, "rope.scaling.factor").text, hp->rope_factor);
    }
}

bool hk_gguf_put_hparams(struct hk_gguf_writer *w, const struct hk_checkpoint *c, uint32_t file_type,
                         struct hk_error *err)
{
    enum { POOLING_RANK = 4 }; /* llama.cpp's enum llama_pooling_type */
    const struct hk_hparams *hp = &c->hparams;
    const struct written_arch *a = find_arch(c, err);
    if (!a) return false;
    const struct hk_arch_traits *t = hk_arch_traits(hp->arch);
    if (t->activation != hp->activation)
        return hk_fail(err, HK_ERR_UNSUPPORTED,
                       "%s: its activation function is not the one that GGUF's %s means: only %s models with "
                       "that can be written",
                       c->path, hp->arch, hp->arch);
    hk_gguf_put_string(w, "general.architecture", hp->arch, strlen(hp->arch));
    hk_gguf_put_string(w, "general.type", "model", 5);
    hk_gguf_put_string(w, "general.name", c->name, strlen(c->name));
    hk_gguf_put_u32(w, "general.file_type", file_type);
    hk_gguf_put_u32(w, "general.quantization_version", 2);
    hk_gguf_put_u32(w, key_of(hp, "block_count").text, hp->n_layer);
    hk_gguf_put_u32(w, key_of(hp, "context_length").text, hp->n_ctx_train);
    hk_gguf_put_u32(w, key_of(hp, "embedding_length").text, hp->n_embd);
    hk_gguf_put_u32(w, key_of(hp, "feed_forward_length").text, hp->n_ff);
    hk_gguf_put_u32(w, key_of(hp, "attention.head_count").text, hp->n_head);
    hk_gguf_put_u32(w, key_of(hp, "attention.head_count_kv").text, hp->n_head_kv);
    if ((uint64_t)hp->head_dim * hp->n_head != hp->n_embd) { /* else it is what readers take it for */
        hk_gguf_put_u32(w, key_of(hp, "attention.key_length").text, hp->head_dim);
        hk_gguf_put_u32(w, key_of(hp, "attention.value_length").text, hp->head_dim);
    }
    hk_gguf_put_f32(w, key_of(hp, a->eps_key).text, hp->norm_eps);
    if (a->vocab_size) hk_gguf_put_u32(w, key_of(hp, "vocab_size").text, hp->n_vocab);
    if (t->rope) put_rope(w, hp);
    if (hp->n_labels) hk_gguf_put_u32(w, key_of(hp, "pooling_type").text, POOLING_RANK);
    return true;
}

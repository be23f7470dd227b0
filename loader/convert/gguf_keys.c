/* A checkpoint of another format in GGUF's words: hyperparameters, and which tensors there are, by the architecture's
 * description. The keys are those that llama.cpp's convert_hf_to_gguf.py writes. */
#include "loader/archs/arch.h"
#include "loader/convert/gguf_write.h"

#include <stdio.h>
#include <string.h>

static const struct hk_arch *find_arch(const struct hk_checkpoint *c, struct hk_error *err)
{
    const struct hk_arch *a = c->has_hparams ? hk_arch_find(c->hparams.arch) : NULL;
    if (a) return a;
    char known[256] = "";
    for (size_t i = 0; (a = hk_arch_at(i)) != NULL; i++) {
        size_t at = strlen(known);
        snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", a->model_type);
    }
    hk_fail(
        err, HK_ERR_UNSUPPORTED,
        "%s: architecture '%s' cannot be written as GGUF yet: %s can, and a GGUF file of any architecture",
        c->path, c->hparams.arch, known);
    return NULL;
}

/* ---- tensors ---- */

/* The description's row of a tensor, and which of it: ".weight" or ".bias"; NULL where there is none. */
static const struct hk_arch_tensor *find_row(const struct hk_arch *a, const char *name, uint32_t *layer,
                                             const char **ending)
{
    const struct hk_arch_tensor *t;
    for (size_t i = 0; (t = hk_arch_tensor(a, i)) != NULL; i++) {
        struct hk_name_numbers n = {0, 0};
        *ending = hk_name_match(t->name, name, &n);
        *layer = n.layer;
        bool bias = *ending && strcmp(*ending, ".bias") == 0 && (t->flags & (HK_BIAS | HK_BIAS_OPTIONAL));
        if (bias || (*ending && strcmp(*ending, ".weight") == 0)) return t;
    }
    return NULL;
}

/* `name.scale` goes with `name.weight`. */
static bool is_known(const struct hk_arch *a, const struct hk_checkpoint *c, const char *name)
{
    char weight[64];
    size_t len = strlen(name), stem = len - (sizeof ".scale" - 1);
    if (len >= sizeof ".scale" && strcmp(name + stem, ".scale") == 0) {
        int n = snprintf(weight, sizeof weight, "%.*s.weight", (int)stem, name);
        if (n < 0 || (size_t)n >= sizeof weight || !hk_checkpoint_tensor(c, weight)) return false;
        name = weight;
    }
    uint32_t layer;
    const char *ending;
    return find_row(a, name, &layer, &ending) && layer < c->hparams.n_layer;
}

static bool has_tensor(const struct hk_checkpoint *c, const struct hk_arch_tensor *t, uint32_t layer,
                       const char *ending, struct hk_error *err)
{
    char name[HK_MAX_TENSOR_NAME];
    hk_name_expand(name, t->name, (struct hk_name_numbers){layer, UINT32_MAX}, ending);
    return hk_checkpoint_tensor(c, name) ||
           hk_fail(err, HK_ERR_FORMAT, "%s: tensor %s is missing: %s needs it", c->path, name,
                   c->hparams.arch);
}

/* Whether the checkpoint must have the row's weight. */
static bool is_needed(const struct hk_checkpoint *c, const struct hk_arch_tensor *t)
{
    if (t->flags & HK_LANGUAGE_HEAD) return c->untied && !c->hparams.n_labels;
    return !(t->flags & (HK_OPTIONAL | HK_REWARD_HEAD));
}

bool hk_gguf_check_tensors(const struct hk_checkpoint *c, struct hk_error *err)
{
    const struct hk_arch *a = find_arch(c, err);
    if (!a) return false;
    for (uint32_t i = 0; i < c->n_tensors; i++) {
        if (!is_known(a, c, c->tensors[i].name))
            return hk_fail(err, HK_ERR_UNSUPPORTED, "%s: tensor %.200s: GGUF's %s of %u layers has none such",
                           c->path, c->tensors[i].name, a->name, c->hparams.n_layer);
    }
    const struct hk_arch_tensor *t;
    for (size_t i = 0; (t = hk_arch_tensor(a, i)) != NULL; i++) {
        uint32_t n = hk_arch_in_layers(t) ? c->hparams.n_layer : 1;
        for (uint32_t layer = 0; layer < n; layer++)
            if ((is_needed(c, t) && !has_tensor(c, t, layer, ".weight", err)) ||
                ((t->flags & HK_BIAS) && !has_tensor(c, t, layer, ".bias", err)))
                return false;
    }
    return true;
}

bool hk_gguf_is_permuted(const struct hk_checkpoint *c, const char *name, uint32_t *heads)
{
    const struct hk_arch *a = hk_arch_find(c->hparams.arch);
    uint32_t layer;
    const char *ending;
    if (!a || !a->rope || a->gguf_pairing == c->hparams.rope_pairing ||
        c->hparams.rope_pairing != HK_ROPE_HALVES)
        return false;
    const struct hk_arch_tensor *t = find_row(a, name, &layer, &ending);
    if (!t || !(t->flags & HK_ROTATED)) return false;
    *heads = hk_dim(&c->hparams, t->rows) / c->hparams.head_dim;
    return true;
}

float *hk_gguf_rope_freqs(struct hk_arena *a, const struct hk_hparams *hp, struct hk_error *err)
{
    uint32_t half = hp->rope_dim / 2;
    float *out = hk_arena_alloc(a, half, sizeof *out, err);
    for (uint32_t i = 0; out && i < half; i++) out[i] = (float)hk_rope_divisor(hp, i);
    return out;
}

/* ---- hyperparameters ---- */

static void put_rope(struct hk_gguf_writer *w, const struct hk_hparams *hp)
{
    hk_gguf_put_u32(w, hk_gguf_key_of(hp, "rope.dimension_count").text, hp->rope_dim);
    hk_gguf_put_f32(w, hk_gguf_key_of(hp, "rope.freq_base").text, hp->rope_theta);
    if (hp->rope_scaling == HK_ROPE_SCALING_LINEAR) {
        hk_gguf_put_string(w, hk_gguf_key_of(hp, "rope.scaling.type").text, "linear", 6);
        hk_gguf_put_f32(w, hk_gguf_key_of(hp, "rope.scaling.factor").text, hp->rope_factor);
    }
}

bool hk_gguf_put_hparams(struct hk_gguf_writer *w, const struct hk_checkpoint *c, uint32_t file_type,
                         struct hk_error *err)
{
    enum { POOLING_RANK = 4 }; /* llama.cpp's enum llama_pooling_type */
    const struct hk_hparams *hp = &c->hparams;
    const struct hk_arch *a = find_arch(c, err);
    if (!a) return false;
    if (a->gguf_activation != hp->activation)
        return hk_fail(err, HK_ERR_UNSUPPORTED,
                       "%s: its activation function is not the one that GGUF's %s means: only %s models with "
                       "that can be written",
                       c->path, hp->arch, hp->arch);
    hk_gguf_put_string(w, "general.architecture", hp->arch, strlen(hp->arch));
    hk_gguf_put_string(w, "general.type", "model", 5);
    hk_gguf_put_string(w, "general.name", c->name, strlen(c->name));
    hk_gguf_put_u32(w, "general.file_type", file_type);
    hk_gguf_put_u32(w, "general.quantization_version", 2);
    hk_gguf_put_u32(w, hk_gguf_key_of(hp, "block_count").text, hp->n_layer);
    hk_gguf_put_u32(w, hk_gguf_key_of(hp, "context_length").text, hp->n_ctx_train);
    hk_gguf_put_u32(w, hk_gguf_key_of(hp, "embedding_length").text, hp->n_embd);
    hk_gguf_put_u32(w, hk_gguf_key_of(hp, "feed_forward_length").text, hp->n_ff);
    hk_gguf_put_u32(w, hk_gguf_key_of(hp, "attention.head_count").text, hp->n_head);
    hk_gguf_put_u32(w, hk_gguf_key_of(hp, "attention.head_count_kv").text, hp->n_head_kv);
    if ((uint64_t)hp->head_dim * hp->n_head != hp->n_embd) { /* else it is what readers take it for */
        hk_gguf_put_u32(w, hk_gguf_key_of(hp, "attention.key_length").text, hp->head_dim);
        hk_gguf_put_u32(w, hk_gguf_key_of(hp, "attention.value_length").text, hp->head_dim);
    }
    if (hp->sliding_window)
        hk_gguf_put_u32(w, hk_gguf_key_of(hp, "attention.sliding_window").text, hp->sliding_window);
    hk_gguf_put_f32(w, hk_gguf_key_of(hp, a->gguf_eps).text, hp->norm_eps);
    if (a->gguf_vocab_size) hk_gguf_put_u32(w, hk_gguf_key_of(hp, "vocab_size").text, hp->n_vocab);
    if (a->rope) put_rope(w, hp);
    if (hp->n_labels) hk_gguf_put_u32(w, hk_gguf_key_of(hp, "pooling_type").text, POOLING_RANK);
    return true;
}

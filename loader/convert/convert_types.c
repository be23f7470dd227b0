/* The table of what a file can be converted to.
 *
 * As llama.cpp's quantizer has it: vectors, norms, positions and a reward model's head stay; the output
 * matrix (or the embedding where that is it) is finer than the rest; the two mixtures give the value and down
 * projections of half the layers more bits, those near both ends and every third between. Its exceptions for
 * single models (70B, mixtures of experts) are left out. */
#include "loader/convert/convert_types.h"
#include "loader/convert/convert.h"

#include <ctype.h>
#include <string.h>

struct hk_mix {
    const char *name;
    uint32_t file_type;
    const char *base;   /* weight type of most matrices */
    const char *output; /* of the output matrix; NULL: base */
    const char *more;   /* of attn_v and ffn_down in the layers with more bits; NULL: base */
    const char *qkv;    /* of attn_qkv; NULL: base */
};

static const struct hk_mix mixes[] = {
    {"f32", 0, "f32", NULL, NULL, NULL},          {"f16", 1, "f16", NULL, NULL, NULL},
    {"bf16", 32, "bf16", NULL, NULL, NULL},       {"q8_0", 7, "q8_0", NULL, NULL, NULL},
    {"q4_0", 2, "q4_0", "q6_k", NULL, NULL},      {"q4_1", 3, "q4_1", "q6_k", NULL, NULL},
    {"q5_0", 8, "q5_0", "q6_k", NULL, NULL},      {"q5_1", 9, "q5_1", "q6_k", NULL, NULL},
    {"q2_k", 10, "q2_k", "q6_k", NULL, NULL},     {"q3_k", 11, "q3_k", "q6_k", NULL, NULL},
    {"q4_k", 14, "q4_k", "q6_k", NULL, NULL},     {"q4_k_m", 15, "q4_k", "q6_k", "q6_k", "q5_k"},
    {"q5_k", 16, "q5_k", "q6_k", NULL, NULL},     {"q5_k_m", 17, "q5_k", "q6_k", "q6_k", "q6_k"},
    {"q6_k", 18, "q6_k", NULL, NULL, NULL},       {"iq4_nl", 25, "iq4_nl", "q6_k", NULL, NULL},
    {"iq4_xs", 30, "iq4_xs", "q6_k", NULL, NULL}, {"mxfp4", 38, "mxfp4", "q8_0", NULL, NULL},
};
enum { N_MIXES = sizeof mixes / sizeof *mixes };

/* Where rows are no whole blocks of the first, the second; f16 for all others. */
static const struct {
    const char *type, *instead;
} FALLBACKS[] = {
    {"q6_k", "q8_0"},   {"q5_k", "q5_1"},   {"q4_k", "q5_0"},
    {"q3_k", "iq4_nl"}, {"q2_k", "iq4_nl"}, {"iq4_xs", "iq4_nl"},
};

static bool can_encode(const char *name)
{
    enum hk_weight_type t = hk_weight_type_by_name(name);
    return t != HK_WEIGHT_TYPE_COUNT && hk_weight_type_info(t)->encode;
}

const struct hk_mix *hk_mix_find(const char *name)
{
    for (size_t i = 0; i < N_MIXES; i++) {
        const struct hk_mix *m = &mixes[i];
        if (strcmp(m->name, name) == 0 && can_encode(m->base) && (!m->more || can_encode(m->more))) return m;
    }
    return NULL;
}

uint32_t hk_mix_file_type(const struct hk_mix *m)
{
    return m->file_type;
}

bool hk_convert_type_known(const char *name)
{
    return hk_mix_find(name) != NULL;
}

void hk_convert_type_names(char *out, size_t size)
{
    size_t used = 0;
    if (size == 0) return;
    for (size_t i = 0; i < N_MIXES; i++) {
        size_t len = strlen(mixes[i].name), comma = used ? 2 : 0;
        if (!hk_mix_find(mixes[i].name)) continue;
        if (used + comma + len + 1 > size) break;
        memcpy(out + used, ", ", comma);
        memcpy(out + used + comma, mixes[i].name, len);
        used += comma + len;
    }
    out[used] = 0;
}

/* ---- the model ---- */

/* The number in "blk.N.rest", and the rest; NULL for other names. */
static const char *layer_of(const char *name, uint32_t *layer)
{
    size_t n = 4;
    *layer = 0;
    if (strncmp(name, "blk.", 4) != 0) return NULL;
    for (; n < 10 && isdigit((unsigned char)name[n]); n++) *layer = *layer * 10 + (uint32_t)(name[n] - '0');
    return n > 4 && name[n] == '.' ? name + n + 1 : NULL;
}

struct hk_mix_model hk_mix_model_of(const struct hk_checkpoint *c)
{
    struct hk_mix_model model = {.gguf = c->gguf != NULL, .tied = !hk_checkpoint_tensor(c, "output.weight")};
    for (uint32_t i = 0; i < c->n_tensors; i++) {
        uint32_t layer;
        if (layer_of(c->tensors[i].name, &layer) && layer >= model.n_layer) model.n_layer = layer + 1;
    }
    return model;
}

/* ---- choosing ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Tensors that are never quantized: small, or of much effect. */
static bool is_kept(const struct hk_ckpt_tensor *t)
{
    static const char *const kept_ends[] = {"_norm.weight", "position_embd.weight", "token_types.weight",
                                            "cls.output.weight", "ffn_gate_inp.weight"};
    if (t->n_dims < 2 || !ends_with(t->name, ".weight")) return true;
    for (size_t i = 0; i < sizeof kept_ends / sizeof *kept_ends; i++)
        if (ends_with(t->name, kept_ends[i])) return true;
    return false;
}

static bool has_more_bits(uint32_t layer, uint32_t n_layer)
{
    return layer < n_layer / 8 || layer >= 7 * n_layer / 8 || (layer - n_layer / 8) % 3 == 2;
}

static const char *wanted_type(const struct hk_mix *m, const struct hk_mix_model *model, const char *name)
{
    uint32_t layer;
    const char *part = layer_of(name, &layer), *type = m->base;
    if (strcmp(name, model->tied ? "token_embd.weight" : "output.weight") == 0) type = m->output;
    if (part && strcmp(part, "attn_qkv.weight") == 0) type = m->qkv;
    if (part && (strcmp(part, "attn_v.weight") == 0 || strcmp(part, "ffn_down.weight") == 0) &&
        has_more_bits(layer, model->n_layer))
        type = m->more;
    return type ? type : m->base;
}

static const char *fallback(const char *type)
{
    for (size_t i = 0; i < sizeof FALLBACKS / sizeof *FALLBACKS; i++)
        if (strcmp(FALLBACKS[i].type, type) == 0) return FALLBACKS[i].instead;
    return "f16";
}

enum hk_weight_type hk_mix_choose(const struct hk_mix *m, const struct hk_mix_model *model,
                                  const struct hk_ckpt_tensor *t, enum hk_weight_type *wanted)
{
    *wanted = t->type;
    if (is_kept(t)) return *wanted = model->gguf ? t->type : HK_F32;
    if (!m && t->type == HK_F64 && !model->gguf) return *wanted = HK_F32; /* llama.cpp has no such matrices */
    if (!m && hk_weight_type_info(t->type)->gguf_id == HK_NO_GGUF_ID) return *wanted = HK_F16;
    if (!m) return t->type;
    const char *type = wanted_type(m, model, t->name);
    while (!can_encode(type)) type = fallback(type); /* ends at f16, which every build encodes */
    *wanted = hk_weight_type_by_name(type);
    uint64_t cols = t->shape[t->n_dims - 1];
    /* the same chain for rows; a block of one weight divides them all */
    while (!can_encode(type) || cols % hk_weight_type_info(hk_weight_type_by_name(type))->block_len != 0)
        type = fallback(type);
    return hk_weight_type_by_name(type);
}

/* Descriptions: finding them, deriving one from another, their names, and what rotation means. */
#include "loader/archs/archs.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct hk_arch *const archs[] = {
#define ARCH_ENTRY(name) &hk_arch_##name,
    HK_ARCHS(ARCH_ENTRY)
#undef ARCH_ENTRY
};

const struct hk_arch *hk_arch_at(size_t i)
{
    return i < sizeof archs / sizeof *archs ? archs[i] : NULL;
}

const struct hk_arch *hk_arch_find(const char *name)
{
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        if (strcmp(archs[i]->name, name) == 0) return archs[i];
    return NULL;
}

/* ---- tensors ---- */

static const struct hk_arch_tensor *named(const struct hk_arch *a, const char *name)
{
    for (const struct hk_arch_tensor *t = a->tensors; t && t->name; t++)
        if (strcmp(t->name, name) == 0) return t;
    return NULL;
}

const struct hk_arch_tensor *hk_arch_tensor(const struct hk_arch *a, size_t i)
{
    size_t n_base = 0;
    for (; a->base && a->base->tensors[n_base].name; n_base++) { /* a base has no base */
        if (n_base < i) continue;
        const struct hk_arch_tensor *own = named(a, a->base->tensors[i].name);
        return own ? own : &a->base->tensors[i];
    }
    i -= n_base;
    for (const struct hk_arch_tensor *t = a->tensors; t && t->name; t++) {
        if (a->base && named(a->base, t->name)) continue;
        if (i-- == 0) return t;
    }
    return NULL;
}

uint32_t hk_dim(const struct hk_hparams *hp, enum hk_dim d)
{
    switch (d) {
    case DIM_NONE:
        return 0;
    case DIM_ONE:
        return 1;
    case DIM_EMBD:
        return hp->n_embd;
    case DIM_VOCAB:
        return hp->n_vocab;
    case DIM_HEADS:
        return hp->n_head * hp->head_dim;
    case DIM_KV:
        return hp->n_head_kv * hp->head_dim;
    case DIM_QKV:
        return (hp->n_head + 2 * hp->n_head_kv) * hp->head_dim;
    case DIM_HEAD:
        return hp->head_dim;
    case DIM_FF:
        return hp->n_ff;
    case DIM_CTX_TRAIN:
        return hp->n_ctx_train;
    case DIM_OUT:
        return hp->n_labels ? hp->n_labels : hp->n_vocab;
    case DIM_LABELS:
        return hp->n_labels;
    case DIM_ROPE_PAIRS:
        return hp->rope_dim / 2;
    }
    return 0;
}

/* ---- names ---- */

const char *hk_arch_field(const struct hk_arch_tensor *t)
{
    if (t->field) return t->field;
    return hk_arch_in_layers(t) ? t->name + sizeof "blk.#." - 1 : t->name;
}

const char *hk_name_match(const char *pattern, const char *name, struct hk_name_numbers *numbers)
{
    for (; *pattern; pattern++) {
        if (*pattern == '#' || *pattern == '@') {
            uint32_t value = 0;
            size_t n = 0;
            for (; n < 6 && isdigit((unsigned char)name[n]); n++)
                value = value * 10 + (uint32_t)(name[n] - '0');
            if (n == 0 || (n > 1 && name[0] == '0')) return NULL;
            *(*pattern == '#' ? &numbers->layer : &numbers->expert) = value;
            name += n;
        } else if (*name++ != *pattern) {
            return NULL;
        }
    }
    return name;
}

void hk_name_expand(char out[HK_MAX_TENSOR_NAME], const char *pattern, struct hk_name_numbers numbers,
                    const char *ending)
{
    size_t at = 0;
    for (; *pattern && at + 1 < HK_MAX_TENSOR_NAME; pattern++) {
        if (*pattern != '#' && *pattern != '@') {
            out[at++] = *pattern;
            continue;
        }
        int n = snprintf(out + at, HK_MAX_TENSOR_NAME - at, "%u",
                         *pattern == '#' ? numbers.layer : numbers.expert);
        at += n > 0 && (size_t)n < HK_MAX_TENSOR_NAME - at ? (size_t)n : HK_MAX_TENSOR_NAME - 1 - at;
    }
    snprintf(out + at, HK_MAX_TENSOR_NAME - at, "%s", ending);
}

bool hk_arch_hf_name(const struct hk_arch *a, const struct hk_arch_tensor *t, struct hk_name_numbers numbers,
                     const char *ending, char out[HK_MAX_TENSOR_NAME])
{
    if (!t->hf) return false;
    char plain[HK_MAX_TENSOR_NAME];
    bool head = t->flags & (HK_LANGUAGE_HEAD | HK_REWARD_HEAD);
    hk_name_expand(plain, t->hf, numbers, ending);
    int n = snprintf(out, HK_MAX_TENSOR_NAME, "%s%s", head ? "" : a->config->prefix, plain);
    return n > 0 && n < HK_MAX_TENSOR_NAME;
}

/* ---- rotary embedding ---- */

uint64_t hk_rope_row(const struct hk_hparams *hp, uint64_t row, enum hk_rope_pairing from,
                     enum hk_rope_pairing to)
{
    uint64_t i = row % hp->head_dim, half = hp->rope_dim / 2, head = row - i;
    if (from == to || i >= 2 * half) return row;
    if (from == HK_ROPE_HALVES) return head + (i < half ? 2 * i : 2 * (i - half) + 1);
    return head + (i % 2 ? half + i / 2 : i / 2);
}

static double base_frequency(const struct hk_hparams *hp, uint32_t i)
{
    return pow((double)hp->rope_theta, -2.0 * i / hp->rope_dim);
}

double hk_rope_divisor(const struct hk_hparams *hp, uint32_t i)
{
    if (hp->rope_scaling == HK_ROPE_SCALING_LINEAR) return (double)hp->rope_factor;
    if (hp->rope_scaling != HK_ROPE_SCALING_LLAMA3) return 1.0;
    /* Llama 3's: long wavelengths are slowed down by the factor, short ones kept, between them a ramp. */
    double factor = (double)hp->rope_factor, ctx = hp->rope_original_ctx;
    double low = (double)hp->rope_low_freq_factor, high = (double)hp->rope_high_freq_factor;
    double wavelength = 2.0 * 3.14159265358979323846 / base_frequency(hp, i);
    if (wavelength < ctx / high) return 1.0;
    if (wavelength > ctx / low) return factor;
    double ramp = (ctx / wavelength - low) / (high - low);
    return 1.0 / ((1.0 - ramp) / factor + ramp);
}

double hk_rope_frequency(const struct hk_hparams *hp, uint32_t i)
{
    return base_frequency(hp, i) / hk_rope_divisor(hp, i);
}

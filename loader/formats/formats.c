/* What every reader of a format needs: an empty checkpoint, and checks of what was read into it. */
#include "loader/formats/formats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

void hk_vocab_clear(struct hk_vocab *v)
{
    *v = (struct hk_vocab){.bos = HK_NO_TOKEN, .eos = HK_NO_TOKEN, .unk = HK_NO_TOKEN, .pad = HK_NO_TOKEN};
    memcpy(v->kind_name, "missing", sizeof "missing");
}

struct hk_checkpoint *hk_checkpoint_new(const char *path, struct hk_error *err)
{
    struct hk_checkpoint *c = hk_calloc(1, sizeof *c, err);
    if (!c) return NULL;
    hk_vocab_clear(&c->vocab);
    size_t len = strlen(path);
    c->path = hk_arena_strndup(&c->arena, path, len, err);
    while (len > 1 && path[len - 1] == '/') len--; /* "model/" is named "model" */
    char *name = c->path ? hk_arena_strndup(&c->arena, path, len, err) : NULL;
    if (!name) {
        hk_checkpoint_close(c);
        return NULL;
    }
    c->name = hk_path_base(name);
    return c;
}

const struct hk_mapping *hk_checkpoint_keep(struct hk_checkpoint *c, struct hk_mapping *m,
                                            struct hk_error *err)
{
    if (!m) return NULL;
    /* few files: a new array for each is simpler than growing one, and the arena frees them all */
    struct hk_mapping **list = hk_arena_alloc(&c->arena, (size_t)c->n_mappings + 1, sizeof *list, err);
    if (!list) {
        hk_mapping_close(m);
        return NULL;
    }
    if (c->n_mappings) memcpy(list, c->mappings, c->n_mappings * sizeof *list);
    list[c->n_mappings++] = m;
    c->mappings = list;
    return m;
}

const struct hk_mapping *hk_checkpoint_map(struct hk_checkpoint *c, const char *path, struct hk_error *err)
{
    return hk_checkpoint_keep(c, hk_mapping_open(path, err), err);
}

/* ---- tensors ---- */

static int compare_extents(const void *a, const void *b)
{
    const struct hk_extent *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

bool hk_check_extents(const char *file, struct hk_extent *e, size_t n, struct hk_error *err)
{
    if (n) qsort(e, n, sizeof *e, compare_extents);
    for (size_t i = 1; i < n; i++) {
        if (e[i].offset - e[i - 1].offset < e[i - 1].size)
            return hk_fail(
                err, HK_ERR_FORMAT,
                "%s: tensors %s and %s overlap: %llu bytes at offset %llu, the next at offset %llu", file,
                e[i - 1].name, e[i].name, (unsigned long long)e[i - 1].size,
                (unsigned long long)e[i - 1].offset, (unsigned long long)e[i].offset);
    }
    return true;
}

/* ---- hyperparameters ---- */

static bool in_range(const char *what, uint32_t value, uint32_t most, const char *file, struct hk_error *err)
{
    if (value >= 1 && value <= most) return true;
    return hk_fail(err, HK_ERR_FORMAT, "%s: %s is %u: a number from 1 to %u is needed", file, what, value,
                   most);
}

bool hk_hparams_check(const struct hk_hparams *hp, const char *file, struct hk_error *err)
{
    /* far above any model, far below what would overflow a product of two */
    enum { MANY = 1 << 28, WIDE = 1 << 24, DEEP = 1 << 14, HEADS = 1 << 16 };
    if (!in_range("the vocabulary size", hp->n_vocab, MANY, file, err) ||
        !in_range("the context length", hp->n_ctx_train, MANY, file, err) ||
        !in_range("the embedding length", hp->n_embd, WIDE, file, err) ||
        !in_range("the number of layers", hp->n_layer, DEEP, file, err) ||
        !in_range("the number of heads", hp->n_head, HEADS, file, err) ||
        !in_range("the number of key-value heads", hp->n_head_kv, hp->n_head, file, err) ||
        !in_range("the head dimension", hp->head_dim, HEADS, file, err) ||
        !in_range("the feed-forward length", hp->n_ff, MANY, file, err))
        return false;
    if (hp->n_head % hp->n_head_kv != 0)
        return hk_fail(err, HK_ERR_FORMAT, "%s: %u heads cannot share %u key-value heads evenly", file,
                       hp->n_head, hp->n_head_kv);
    if ((uint64_t)hp->n_head * hp->head_dim > MANY)
        return hk_fail(err, HK_ERR_FORMAT, "%s: %u heads of dimension %u are more than %d numbers", file,
                       hp->n_head, hp->head_dim, MANY);
    if (!(isfinite(hp->norm_eps) && hp->norm_eps >= 0.0f && hp->norm_eps < 1.0f))
        return hk_fail(err, HK_ERR_FORMAT, "%s: the norm's epsilon is %g: a number from 0 to 1 is needed",
                       file, (double)hp->norm_eps);
    if (hp->rope_dim % 2 != 0 || hp->rope_dim > hp->head_dim)
        return hk_fail(
            err, HK_ERR_FORMAT,
            "%s: %u dimensions of a head rotate: an even number up to the head dimension %u is needed", file,
            hp->rope_dim, hp->head_dim);
    if (hp->rope_dim > 0 && !(isfinite(hp->rope_theta) && hp->rope_theta > 0.0f))
        return hk_fail(err, HK_ERR_FORMAT, "%s: the rotary base is %g: a positive number is needed", file,
                       (double)hp->rope_theta);
    if (hp->rope_scaling != HK_ROPE_SCALING_NONE && !(isfinite(hp->rope_factor) && hp->rope_factor > 0.0f))
        return hk_fail(err, HK_ERR_FORMAT, "%s: the rotary scaling factor is %g: a positive number is needed",
                       file, (double)hp->rope_factor);
    if (hp->rope_scaling == HK_ROPE_SCALING_LLAMA3 &&
        !(hp->rope_original_ctx > 0 && hp->rope_low_freq_factor > 0.0f &&
          hp->rope_high_freq_factor > hp->rope_low_freq_factor))
        return hk_fail(
            err, HK_ERR_FORMAT,
            "%s: llama3 rotary scaling needs 0 < low_freq_factor (%g) < high_freq_factor (%g) and an "
            "original context (%u) above 0",
            file, (double)hp->rope_low_freq_factor, (double)hp->rope_high_freq_factor, hp->rope_original_ctx);
    return true;
}

bool hk_check_reward_head(const struct hk_checkpoint *c, const char *file, const char *name,
                          struct hk_error *err)
{
    /* a bias, or a dense layer before it */
    static const char *const head_tensors[] = {"cls.output.bias", "cls.weight", "cls.bias",
                                               "cls.norm.weight"};
    const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, "cls.output.weight");
    if (!t)
        return hk_fail(err, HK_ERR_FORMAT, "%s: tensor %s is missing: a reward model's head is needed", file,
                       name);
    uint64_t rows = t->n_dims > 1 ? t->shape[0] : 1;
    if (rows != 1)
        return hk_fail(err, HK_ERR_UNSUPPORTED,
                       "%s: tensor %s has %llu rows (num_labels): only reward models, with one score, are "
                       "supported",
                       file, name, (unsigned long long)rows);
    for (size_t i = 0; i < sizeof head_tensors / sizeof *head_tensors; i++) {
        if (hk_checkpoint_tensor(c, head_tensors[i]))
            return hk_fail(err, HK_ERR_UNSUPPORTED,
                           "%s: tensor %s: a reward model's head is supported as one matrix without a bias",
                           file, head_tensors[i]);
    }
    return true;
}

/* ---- vocabularies ---- */

uint32_t hk_vocab_find(const struct hk_vocab *v, const char *text, size_t len)
{
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        if (v->tokens[i].len == len && memcmp(v->tokens[i].text, text, len) == 0) return i;
    }
    return HK_NO_TOKEN;
}

void hk_vocab_add_stop(struct hk_vocab *v, uint32_t id)
{
    if (id >= v->n_tokens || v->n_stop >= HK_MAX_STOP_TOKENS) return;
    for (uint32_t i = 0; i < v->n_stop; i++) {
        if (v->stop[i] == id) return;
    }
    v->stop[v->n_stop++] = id;
}

void hk_vocab_add_known_stops(struct hk_vocab *v)
{
    static const char *const ends[] = {
        "<|eot_id|>", "<|im_end|>",      "<end_of_turn>", "<|end|>",
        "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>",
    };
    hk_vocab_add_stop(v, v->eos);
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        const struct hk_vocab_token *t = &v->tokens[i];
        if (t->type != HK_TOKEN_CONTROL && t->type != HK_TOKEN_USER_DEFINED) continue;
        for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
            if (strlen(ends[k]) == t->len && memcmp(ends[k], t->text, t->len) == 0) hk_vocab_add_stop(v, i);
        }
    }
}

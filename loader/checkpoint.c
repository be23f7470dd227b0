/* Checkpoints whatever their format: the list of formats, and the checks that all of them share. */
#include "loader/formats/formats.h"
#include "loader/weights/quantized.h"
#include "loader/formats/llama2c.h"
#include "loader/formats/vocab_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list of formats ---- */

static bool is_gguf(const uint8_t *p, size_t n)
{
    return n >= 4 && memcmp(p, "GGUF", 4) == 0;
}

static bool is_vocab_file(const uint8_t *p, size_t n)
{
    return hk_vocab_file_format(p, n) != NULL;
}

static bool is_safetensors(const uint8_t *p, size_t n)
{
    return n > 8 && p[8] == '{' && hk_load_u64(p) <= n - 8;
}

static bool is_pytorch(const uint8_t *p, size_t n)
{
    return n >= 4 &&
           (memcmp(p, "PK\3\4", 4) == 0 || (p[0] == 0x80 && p[1] >= 2 && p[1] <= 5 && p[3] == 0x8a));
}

static bool is_anything(const uint8_t *p, size_t n)
{
    (void)p, (void)n;
    return true; /* llama2.c's first format has no magic: its numbers are checked instead */
}

static hk_format_open vocab_file_open;

static const struct {
    const char *what;
    enum hk_path_kind kind;
    bool (*probe)(const uint8_t *data, size_t size);
    hk_format_open *open;
    const char *advice; /* where open is NULL */
} FORMATS[] = {
    {"Hugging Face folder", HK_PATH_FOLDER, NULL, hk_hf_open, NULL},
    {"GGUF", HK_PATH_FILE, is_gguf, hk_gguf_open, NULL},
    {"a vocabulary", HK_PATH_FILE, is_vocab_file, vocab_file_open, NULL},
    {"a safetensors file", HK_PATH_FILE, is_safetensors, NULL,
     "name the folder that holds it together with config.json and tokenizer.json"},
    {"a PyTorch pickle file", HK_PATH_FILE, is_pytorch, NULL,
     "name the folder that holds it, as pytorch_model.bin, together with config.json and tokenizer.json"},
    {"llama2.c", HK_PATH_FILE, is_anything, hk_llama2c_open, NULL},
};

static bool open_format(struct hk_checkpoint *c, const struct hk_checkpoint_options *opt,
                        struct hk_error *err)
{
    enum hk_path_kind kind = hk_path_kind(c->path);
    const struct hk_mapping *m = NULL;
    if (kind != HK_PATH_FOLDER && !(m = hk_checkpoint_map(c, c->path, err))) return false;
    if (m && m->size == 0)
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: is empty: a GGUF file, a Hugging Face folder or a llama2.c .bin file is needed",
                       c->path);
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++) {
        if ((FORMATS[i].kind == HK_PATH_FOLDER) != (m == NULL)) continue;
        if (m && !FORMATS[i].probe(m->data, m->size)) continue;
        if (FORMATS[i].open) return FORMATS[i].open(c, m, opt, err);
        return hk_fail(err, HK_ERR_UNSUPPORTED, "%s: is %s: %s", c->path, FORMATS[i].what, FORMATS[i].advice);
    }
    return hk_fail(err, HK_ERR_FORMAT, "%s: is of no known format",
                   c->path); /* not reached: the last row takes all */
}

struct hk_checkpoint *hk_checkpoint_open(const char *path, const struct hk_checkpoint_options *opt,
                                         struct hk_error *err)
{
    struct hk_checkpoint *c = hk_checkpoint_new(path, err);
    if (!c) return NULL;
    if (!open_format(c, opt, err)) {
        hk_checkpoint_close(c);
        return NULL;
    }
    return c;
}

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

/* Takes m over: c closes it. NULL where m is NULL, or without memory (then m is closed). */
static const struct hk_mapping *add_mapping(struct hk_checkpoint *c, struct hk_mapping *m,
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
    return add_mapping(c, hk_mapping_open(path, err), err);
}

struct hk_checkpoint *hk_checkpoint_open_memory(const void *data, size_t size, const char *name,
                                                const struct hk_checkpoint_options *opt, struct hk_error *err)
{
    struct hk_checkpoint *c = hk_checkpoint_new(name, err);
    if (!c) return NULL;
    const struct hk_mapping *m = add_mapping(c, hk_mapping_view(data, size, c->path, err), err);
    if (!m || !hk_gguf_open(c, m, opt, err)) {
        hk_checkpoint_close(c);
        return NULL;
    }
    return c;
}

void hk_checkpoint_close(struct hk_checkpoint *c)
{
    if (!c) return;
    for (uint32_t i = 0; i < c->n_mappings; i++) hk_mapping_close(c->mappings[i]);
    hk_arena_free(&c->arena);
    free(c);
}

/* ---- the tensor directory ---- */

bool hk_tensor_bytes(const char *file, const char *name, enum hk_weight_type type, uint32_t n_dims,
                     const uint64_t *shape, uint64_t *bytes, struct hk_error *err)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(type);
    uint64_t rows = 1, cols = shape[n_dims - 1];
    bool fits = true;
    for (uint32_t d = 0; d < n_dims; d++) {
        if (shape[d] == 0)
            return hk_fail(err, HK_ERR_FORMAT, "%s: tensor %s: dimension %u is 0", file, name, d);
        if (d + 1 < n_dims) fits = fits && hk_mul_u64(rows, shape[d], &rows);
    }
    if (cols % info->block_len != 0)
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: tensor %s: rows of %llu weights are no whole number of %s blocks of %u", file,
                       name, (unsigned long long)cols, info->name, info->block_len);
    if (!fits || !hk_weight_bytes(type, rows, cols, bytes) || *bytes > SIZE_MAX / 2)
        return hk_fail(err, HK_ERR_FORMAT, "%s: tensor %s: its size does not fit in the address space", file,
                       name);
    return true;
}

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

static int compare_tensors(const void *a, const void *b)
{
    return strcmp(((const struct hk_ckpt_tensor *)a)->name, ((const struct hk_ckpt_tensor *)b)->name);
}

bool hk_checkpoint_sort_tensors(struct hk_checkpoint *c, const char *file, struct hk_error *err)
{
    if (c->n_tensors) qsort(c->tensors, c->n_tensors, sizeof *c->tensors, compare_tensors);
    for (uint32_t i = 1; i < c->n_tensors; i++) {
        if (strcmp(c->tensors[i - 1].name, c->tensors[i].name) == 0)
            return hk_fail(err, HK_ERR_FORMAT, "%s: there are two tensors named %s", file,
                           c->tensors[i].name);
    }
    return true;
}

const struct hk_ckpt_tensor *hk_checkpoint_tensor(const struct hk_checkpoint *c, const char *name)
{
    if (c->n_tensors == 0) return NULL;
    const struct hk_ckpt_tensor key = {.name = name};
    return bsearch(&key, c->tensors, c->n_tensors, sizeof *c->tensors, compare_tensors);
}

void hk_ckpt_weights(const struct hk_ckpt_tensor *t, uint64_t first, uint64_t n, void *dst)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(t->type);
    if (t->quantized)
        hk_quantized_weights(t->quantized, first, n, dst);
    else
        memcpy(dst, (const char *)t->data + (size_t)(first / info->block_len) * info->block_bytes,
               (size_t)(n / info->block_len) * info->block_bytes);
}

void hk_ckpt_rows(const struct hk_ckpt_tensor *t, uint64_t first, uint64_t n, void *dst)
{
    uint64_t cols = t->shape[t->n_dims - 1];
    hk_ckpt_weights(t, first * cols, n * cols, dst);
}

const struct hk_ckpt_tensor *hk_ckpt_in_order(struct hk_arena *a, const struct hk_ckpt_tensor *t,
                                              struct hk_error *err)
{
    struct hk_ckpt_tensor *out = hk_arena_alloc(a, 1, sizeof *out, err);
    struct hk_quantized *q = out ? hk_arena_alloc(a, 1, sizeof *q, err) : NULL;
    if (!q) return NULL;
    *q = *t->quantized;
    q->order = NULL;
    if (!hk_quantized_choose(q, t->name, err)) return NULL;
    *out = *t;
    out->quantized = q;
    out->order = NULL;
    out->type = q->type;
    return hk_tensor_bytes(t->name, t->name, out->type, t->n_dims, t->shape, &out->size, err) ? out : NULL;
}

uint64_t hk_ckpt_stored(const struct hk_ckpt_tensor *t)
{
    return t->quantized ? t->quantized->stored : t->size;
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

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int hk_byte_token(const struct hk_vocab_token *token)
{
    const char *s = token->text;
    if (token->type != HK_TOKEN_BYTE || token->len != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>') return -1;
    int hi = hex_digit(s[3]), lo = hex_digit(s[4]);
    return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

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

bool hk_vocab_from_option(struct hk_checkpoint *c, const char *path, struct hk_error *err)
{
    struct hk_mapping *m = hk_mapping_open(path, err);
    if (!m) return false;
    hk_vocab_clear(&c->vocab);
    bool ok = is_vocab_file(m->data, m->size) ? hk_vocab_file_read(c, m->data, m->size, path, err)
                                              : hk_llama2c_tokenizer(c, m->data, m->size, path, err);
    hk_mapping_close(m);
    return ok;
}

/* A vocabulary alone: enough for `tokenize`. */
static bool vocab_file_open(struct hk_checkpoint *c, const struct hk_mapping *m,
                            const struct hk_checkpoint_options *opt, struct hk_error *err)
{
    (void)opt;
    c->format = hk_vocab_file_format(m->data, m->size);
    return hk_vocab_file_read(c, m->data, m->size, c->path, err);
}

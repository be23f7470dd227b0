/* A checkpoint's tensors, whatever its format: finding them, their sizes, their weights. */
#include "loader/checkpoint.h"
#include "loader/file.h"
#include "loader/weights/quantized.h"

#include <stdlib.h>
#include <string.h>

void hk_checkpoint_close(struct hk_checkpoint *c)
{
    if (!c) return;
    for (uint32_t i = 0; i < c->n_mappings; i++) hk_mapping_close(c->mappings[i]);
    hk_arena_free(&c->arena);
    free(c);
}

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

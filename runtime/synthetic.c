/* Checkpoints in memory with random weights of a named shape, for benchmarks: no file is needed, nothing is
 * read from disk, and every weight type can be timed at every size. All matrices share one block of random
 * rows (a device gets its own copy of each), so that the host needs little memory. */
#include "loader/archs/arch.h"
#include "runtime/hekla.h"
#include "runtime/synthetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shape {
    const char *name;
    const char *arch;
    uint32_t n_embd, n_layer, n_ff, n_head, n_head_kv, n_vocab, n_ctx,
        head_dim; /* head_dim: or 0, n_embd / n_head */
};
static const struct shape shapes[] = {
    {"llama-2m", "llama", 256, 2, 512, 4, 1, 480, 256}, /* for tests */
    {"llama-15m", "llama", 288, 6, 768, 6, 6, 32000, 1024},
    {"llama-254m", "llama", 1024, 16, 2816, 16, 8, 32000, 2048},
    {"llama-1b", "llama", 2048, 16, 8192, 32, 8, 128256, 8192},
    {"llama-8b", "llama", 4096, 32, 14336, 32, 8, 128256, 8192},
    {"mistral-7b", "llama", 4096, 32, 14336, 32, 8, 32768, 32768},
    {"qwen3-0.6b", "qwen3", 1024, 28, 3072, 16, 8, 151936, 40960, 128},
    {"gpt2-124m", "gpt2", 768, 12, 3072, 12, 12, 50257, 1024},
};

/* A number in [-1, 1) from a linear congruential sequence: any noise will do. */
static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(int32_t)*state * 0x1p-31f;
}

static void set_half(unsigned char *at, float value)
{
    hk_store_u16(at, hk_f32_to_f16(value));
}

/* IQ1_M's: the topmost nibbles of four words. */
static void set_scattered_half(unsigned char *at, float value)
{
    uint16_t h = hk_f32_to_f16(value);
    for (int i = 0; i < 4; i++)
        at[2 * i + 1] = (unsigned char)((at[2 * i + 1] & 15) | (h >> 4 * i & 15) << 4);
}

void hk_weight_random(enum hk_weight_type type, void *out, uint64_t n, uint32_t state)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(type);
    unsigned char *dst = out;
    float values[256];
    uint32_t step = info->block_len < 256 ? 256 / info->block_len * info->block_len : 256;
    for (uint64_t done = 0; done < n; done += step) {
        uint32_t count = n - done < step ? (uint32_t)(n - done) : step;
        uint32_t bytes = count / info->block_len * info->block_bytes;
        if (info->encode) {
            for (uint32_t i = 0; i < count; i++) values[i] = 0.05f * noise(&state);
            info->encode(values, dst, count);
        } else { /* random quants; the f16 scales get a small number, so that all values are finite */
            for (uint32_t i = 0; i < bytes; i++) dst[i] = (unsigned char)(noise(&state) * 127.0f + 128.0f);
            for (uint32_t at = 0; at < bytes; at += info->block_bytes) {
                for (uint32_t i = 0; i < info->n_halves; i++) set_half(dst + at + info->half_at[i], 1e-4f);
                if (type == HK_IQ1_M) set_scattered_half(dst + at + 48, 1e-4f);
            }
        }
        dst += bytes;
    }
}

static void fill_hparams(struct hk_checkpoint *c, const struct shape *s, const struct hk_arch *a)
{
    struct hk_hparams *hp = &c->hparams;
    *hp = (struct hk_hparams){.n_vocab = s->n_vocab,
                              .n_ctx_train = s->n_ctx,
                              .n_embd = s->n_embd,
                              .n_layer = s->n_layer,
                              .n_head = s->n_head,
                              .n_head_kv = s->n_head_kv,
                              .head_dim = s->head_dim ? s->head_dim : s->n_embd / s->n_head,
                              .n_ff = s->n_ff,
                              .norm_eps = 1e-5f,
                              .activation = a->gguf_activation,
                              .rope_theta = 10000.0f,
                              .rope_pairing = HK_ROPE_HALVES,
                              .rope_factor = 1.0f};
    snprintf(hp->arch, sizeof hp->arch, "%s", a->name);
    hp->rope_dim = a->rope ? hp->head_dim : 0;
    c->has_hparams = true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct hk_ckpt_tensor *)a)->name, ((const struct hk_ckpt_tensor *)b)->name);
}

/* Adds one tensor without data: a matrix, or a vector (n_rows 0). */
static bool add_tensor(struct hk_checkpoint *c, const char *name, uint32_t n_rows, uint32_t cols,
                       enum hk_weight_type type, struct hk_error *err)
{
    struct hk_ckpt_tensor *t = &c->tensors[c->n_tensors++];
    *t = (struct hk_ckpt_tensor){.type = type, .shape = {n_rows, cols, 1, 1}, .n_dims = 2};
    if (!n_rows) *t = (struct hk_ckpt_tensor){.type = HK_F32, .shape = {cols, 1, 1, 1}, .n_dims = 1};
    if (cols % hk_weight_type_info(t->type)->block_len) t->type = HK_F16;
    t->name = hk_arena_strndup(&c->arena, name, strlen(name), err);
    return t->name && hk_weight_bytes(t->type, n_rows ? n_rows : 1, cols, &t->size);
}

/* A row of the description, with the bias that it must have. */
static bool add_row(struct hk_checkpoint *c, const struct hk_arch_tensor *row, uint32_t layer,
                    enum hk_weight_type type, struct hk_error *err)
{
    char name[HK_MAX_TENSOR_NAME];
    struct hk_name_numbers numbers = {layer, UINT32_MAX};
    bool vector = row->rows == DIM_ONE;
    uint32_t rows = hk_dim(&c->hparams, row->rows), cols = hk_dim(&c->hparams, row->cols);
    hk_name_expand(name, row->name, numbers, ".weight");
    if (!add_tensor(c, name, vector ? 0 : rows, cols, type, err)) return false;
    hk_name_expand(name, row->name, numbers, ".bias");
    return !(row->flags & HK_BIAS) || add_tensor(c, name, 0, vector ? cols : rows, type, err);
}

static bool fill_tensors(struct hk_checkpoint *c, const struct hk_arch *a, enum hk_weight_type type,
                         struct hk_error *err)
{
    const struct hk_arch_tensor *row;
    size_t n_rows = 0;
    while (hk_arch_tensor(a, n_rows)) n_rows++;
    c->tensors = hk_arena_alloc(&c->arena, 2 * n_rows * (c->hparams.n_layer + 1), sizeof *c->tensors, err);
    if (!c->tensors) return false;
    for (size_t i = 0; (row = hk_arch_tensor(a, i)) != NULL; i++) {
        bool tied_head = (row->flags & HK_LANGUAGE_HEAD) && a->config->tied_default;
        if (tied_head || (row->flags & (HK_OPTIONAL | HK_REWARD_HEAD))) continue;
        uint32_t n = hk_arch_in_layers(row) ? c->hparams.n_layer : 1;
        for (uint32_t layer = 0; layer < n; layer++)
            if (!add_row(c, row, layer, type, err)) return false;
    }
    qsort(c->tensors, c->n_tensors, sizeof *c->tensors, by_name);

    /* One block of noise a type, as large as its largest tensor: 64 Ki blocks of it are random, the rest
     * repeats them. */
    for (enum hk_weight_type t = 0; t < HK_WEIGHT_TYPE_COUNT; t++) {
        uint64_t largest = 0;
        for (uint32_t i = 0; i < c->n_tensors; i++)
            if (c->tensors[i].type == t && c->tensors[i].size > largest) largest = c->tensors[i].size;
        if (!largest) continue;
        const struct hk_weight_type_info *info = hk_weight_type_info(t);
        unsigned char *data = hk_arena_alloc(&c->arena, largest, 1, err);
        if (!data) return false;
        uint64_t n = largest / info->block_bytes, fresh = n < 65536 ? n : 65536;
        hk_weight_random(t, data, fresh * info->block_len, 1);
        for (uint64_t at = fresh; at < n; at += fresh) {
            uint64_t count = n - at < fresh ? n - at : fresh;
            memcpy(data + at * info->block_bytes, data, (size_t)(count * info->block_bytes));
        }
        for (uint32_t i = 0; i < c->n_tensors; i++)
            if (c->tensors[i].type == t) c->tensors[i].data = data;
    }
    return true;
}

struct hk_checkpoint *hk_synthetic_checkpoint(const char *shape, enum hk_weight_type type,
                                              struct hk_error *err)
{
    char known[256] = "";
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t at = strlen(known);
        snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", shapes[i].name);
        if (strcmp(shapes[i].name, shape) != 0) continue;
        struct hk_checkpoint *c = hk_calloc(1, sizeof *c, err);
        if (!c) return NULL;
        c->format = "synthetic";
        c->path = c->name = shapes[i].name;
        const struct hk_arch *a = hk_arch_find(shapes[i].arch);
        fill_hparams(c, &shapes[i], a);
        if (fill_tensors(c, a, type, err)) return c;
        hk_checkpoint_close(c);
        return NULL;
    }
    hk_fail(err, HK_ERR_INPUT, "shape '%s' is not known: %s", shape, known);
    return NULL;
}

/* The reference backend: every op in plain C on the host, one short function each, accumulating in double. It
 * is what selftest and the tests hold a device against; nothing in it is fast. Addresses are host pointers;
 * weights keep the file's blocks and are decoded by loader/weights/types.c, so that the packing of the device path is
 * tested too. */
#include "runtime/backend.h"
#include "runtime/os.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct arena {
    struct span_list {
        struct span_list *next;
        void *data;
    } * spans;
};

struct reference_recorder {
    struct recorder base;
    struct step {
        struct op op; /* of a copy: dst.addr, x.addr, kv.k = size, and kind = OP_KIND_COUNT */
    } * steps;
    size_t n, capacity;
    bool failed;
};

/* ---- access ---- */

static float *row(const struct hk_tensor *t, uint32_t r)
{
    return (float *)(uintptr_t)t->addr + (size_t)r * t->ld;
}

static const uint32_t *ids_of(const struct op *op)
{
    return (const uint32_t *)(uintptr_t)op->ids.addr;
}

static void weight_row(const struct hk_weight *w, uint32_t r, float *out)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(w->layout.type);
    size_t row_bytes = (size_t)w->cols / info->block_len * info->block_bytes;
    info->decode((const char *)(uintptr_t)w->addr + row_bytes * r, out, w->cols);
    for (uint32_t i = 0; i < w->cols; i++) out[i] *= w->scale;
}

/* The row of the cache that holds position p of token t's timeline. */
static uint32_t kv_row(const struct op *op, uint32_t t, uint32_t p)
{
    if (!hk_tensor_given(&op->fork)) return p;
    const uint32_t *fork = (const uint32_t *)(uintptr_t)op->fork.addr + 2 * (size_t)t;
    return p < fork[0] ? p : p + fork[1];
}

/* Element i of the head's vector in row p, in the layout of struct hk_kv. */
static void *kv_element(const struct hk_kv *kv, bool is_k, uint32_t head, uint32_t p, uint32_t i)
{
    uint32_t per_word = kv->f16 ? 8 : 4;
    size_t word =
        is_k ? (((size_t)head * (kv->n_rows / 32) + p / 32) * kv->head_words + i / per_word) * 32 + p % 32
             : ((size_t)head * kv->n_rows + p) * kv->head_words + i / per_word;
    return (char *)(uintptr_t)(is_k ? kv->k : kv->v) + word * 16 + (size_t)(i % per_word) * (kv->f16 ? 2 : 4);
}

static void kv_put(const struct hk_kv *kv, bool is_k, uint32_t head, uint32_t p, uint32_t i, float value)
{
    void *e = kv_element(kv, is_k, head, p, i);
    if (kv->f16) {
        uint16_t h = hk_f32_to_f16(value);
        memcpy(e, &h, sizeof h);
    } else {
        memcpy(e, &value, sizeof value);
    }
}

static double kv_get(const struct hk_kv *kv, bool is_k, uint32_t head, uint32_t p, uint32_t i)
{
    const void *e = kv_element(kv, is_k, head, p, i);
    uint16_t h;
    float f;
    if (kv->f16) {
        memcpy(&h, e, sizeof h);
        return (double)hk_f16_to_f32(h);
    }
    memcpy(&f, e, sizeof f);
    return (double)f;
}

/* ---- ops ---- */

static bool do_embed(const struct op *op)
{
    float *w = malloc(sizeof(float) * op->w->cols);
    if (!w) return false;
    for (uint32_t t = 0; t < op->dst.rows; t++) {
        float *dst = row(&op->dst, t);
        bool known = ids_of(op)[t] < op->w->rows;
        if (known) weight_row(op->w, ids_of(op)[t], w);
        for (uint32_t i = 0; i < op->dst.cols; i++)
            dst[i] = (op->accumulate ? dst[i] : 0.0f) + (known ? w[i] : 0.0f);
    }
    free(w);
    return true;
}

static bool do_rmsnorm(const struct op *op)
{
    const float *gain = row(&op->gain, 0);
    for (uint32_t t = 0; t < op->x.rows; t++) {
        const float *x = row(&op->x, t);
        float *dst = row(&op->dst, t);
        double sum = 0;
        for (uint32_t i = 0; i < op->x.cols; i++) sum += (double)x[i] * (double)x[i];
        double scale = 1.0 / sqrt(sum / op->x.cols + (double)op->eps);
        for (uint32_t i = 0; i < op->x.cols; i++) dst[i] = (float)((double)x[i] * scale * (double)gain[i]);
    }
    return true;
}

static bool do_layernorm(const struct op *op)
{
    const float *gain = row(&op->gain, 0), *bias = hk_tensor_given(&op->bias) ? row(&op->bias, 0) : NULL;
    for (uint32_t t = 0; t < op->x.rows; t++) {
        const float *x = row(&op->x, t);
        float *dst = row(&op->dst, t);
        double mean = 0, var = 0;
        for (uint32_t i = 0; i < op->x.cols; i++) mean += (double)x[i];
        mean /= op->x.cols;
        for (uint32_t i = 0; i < op->x.cols; i++) var += ((double)x[i] - mean) * ((double)x[i] - mean);
        double scale = 1.0 / sqrt(var / op->x.cols + (double)op->eps);
        for (uint32_t i = 0; i < op->x.cols; i++)
            dst[i] =
                (float)(((double)x[i] - mean) * scale * (double)gain[i] + (bias ? (double)bias[i] : 0.0));
    }
    return true;
}

static bool do_matmul(const struct op *op)
{
    const float *bias = hk_tensor_given(&op->bias) ? row(&op->bias, 0) : NULL;
    float *w = malloc(sizeof(float) * op->w->cols);
    if (!w) return false;
    for (uint32_t r = 0; r < op->w->rows; r++) {
        weight_row(op->w, r, w);
        for (uint32_t t = 0; t < op->x.rows; t++) {
            const float *x = row(&op->x, t);
            float *dst = row(&op->dst, t) + r;
            double sum = bias ? (double)bias[r] : 0.0;
            for (uint32_t k = 0; k < op->w->cols; k++) sum += (double)w[k] * (double)x[k];
            *dst = (float)((op->accumulate ? (double)*dst : 0.0) + sum);
        }
    }
    free(w);
    return true;
}

static bool do_rope(const struct op *op)
{
    uint32_t half = op->y.cols / 2, n_heads = op->x.cols / op->head_dim;
    for (uint32_t t = 0; t < op->x.rows; t++) {
        if (ids_of(op)[t] >= op->y.rows) continue;
        const float *cs = row(&op->y, ids_of(op)[t]);
        for (uint32_t h = 0; h < n_heads; h++) {
            float *x = row(&op->dst, t) + (size_t)h * op->head_dim;
            for (uint32_t i = 0; i < half; i++) {
                uint32_t ia = op->pairing == HK_ROPE_INTERLEAVED ? 2 * i : i;
                uint32_t ib = op->pairing == HK_ROPE_INTERLEAVED ? 2 * i + 1 : i + half;
                double a = (double)x[ia], b = (double)x[ib], c = (double)cs[2 * i], s = (double)cs[2 * i + 1];
                x[ia] = (float)(a * c - b * s);
                x[ib] = (float)(a * s + b * c);
            }
        }
    }
    return true;
}

static bool do_kv_write(const struct op *op)
{
    const struct hk_kv *kv = &op->kv;
    for (uint32_t t = 0; t < op->x.rows; t++) {
        if (ids_of(op)[t] >= kv->n_rows) continue;
        uint32_t p = kv_row(op, t, ids_of(op)[t]);
        for (uint32_t h = 0; h < kv->n_head_kv; h++)
            for (uint32_t i = 0; i < kv->head_dim; i++) {
                kv_put(kv, true, h, p, i, row(&op->x, t)[h * kv->head_dim + i]);
                kv_put(kv, false, h, p, i, row(&op->y, t)[h * kv->head_dim + i]);
            }
    }
    return true;
}

/* One head of one token; score has room for n_kv values. */
static void attend(const struct op *op, uint32_t t, uint32_t head, uint32_t n_kv, double *score)
{
    const struct hk_kv *kv = &op->kv;
    uint32_t kv_head = head / (op->n_head / kv->n_head_kv);
    const float *q = row(&op->x, t) + (size_t)head * kv->head_dim;
    float *dst = row(&op->dst, t) + (size_t)head * kv->head_dim;
    double largest = -INFINITY, sum = 0;
    for (uint32_t p = 0; p < n_kv; p++) {
        score[p] = 0;
        for (uint32_t i = 0; i < kv->head_dim; i++)
            score[p] += (double)q[i] * kv_get(kv, true, kv_head, kv_row(op, t, p), i);
        score[p] *= (double)op->scale;
        largest = fmax(largest, score[p]);
    }
    for (uint32_t p = 0; p < n_kv; p++) sum += score[p] = exp(score[p] - largest);
    for (uint32_t i = 0; i < kv->head_dim; i++) {
        double out = 0;
        for (uint32_t p = 0; p < n_kv; p++) out += score[p] * kv_get(kv, false, kv_head, kv_row(op, t, p), i);
        dst[i] = (float)(out / sum);
    }
}

static bool do_attention(const struct op *op)
{
    double *score = malloc(sizeof(double) * op->kv.n_rows);
    if (!score) return false;
    for (uint32_t t = 0; t < op->x.rows; t++) {
        uint32_t pos = ids_of(op)[t];
        if (pos >= op->kv.n_rows)
            memset(row(&op->dst, t), 0, sizeof(float) * op->dst.cols);
        else
            for (uint32_t h = 0; h < op->n_head; h++) attend(op, t, h, pos + 1, score);
    }
    free(score);
    return true;
}

static double activation(enum hk_activation f, double x)
{
    switch (f) {
    case HK_ACT_SILU:
        return x / (1.0 + exp(-x));
    case HK_ACT_GELU_TANH:
        return 0.5 * x * (1.0 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case HK_ACT_GELU_ERF:
        return 0.5 * x * (1.0 + erf(x * 0.7071067811865476));
    case HK_ACT_RELU:
        return x > 0 ? x : 0;
    }
    return x;
}

static bool do_activate(const struct op *op)
{
    for (uint32_t t = 0; t < op->x.rows; t++)
        for (uint32_t i = 0; i < op->x.cols; i++) {
            double up = hk_tensor_given(&op->y) ? (double)row(&op->y, t)[i] : 1.0;
            row(&op->dst, t)[i] = (float)(activation(op->activation, (double)row(&op->x, t)[i]) * up);
        }
    return true;
}

static bool do_select_rows(const struct op *op)
{
    for (uint32_t i = 0; i < op->dst.rows; i++)
        if (ids_of(op)[i] < op->x.rows)
            memcpy(row(&op->dst, i), row(&op->x, ids_of(op)[i]), sizeof(float) * op->dst.cols);
    return true;
}

static bool do_select_cols(const struct op *op)
{
    for (uint32_t i = 0; i < op->dst.rows; i++)
        for (uint32_t c = 0; c < op->dst.cols; c++)
            if (ids_of(op)[c] < op->x.cols) row(&op->dst, i)[c] = row(&op->x, i)[ids_of(op)[c]];
    return true;
}

static bool do_argmax(const struct op *op)
{
    for (uint32_t i = 0; i < op->x.rows; i++) {
        const float *x = row(&op->x, i);
        uint32_t best = 0;
        for (uint32_t k = 1; k < op->x.cols; k++)
            if (x[k] > x[best]) best = k;
        ((uint32_t *)(uintptr_t)op->dst.addr)[i] = best;
    }
    return true;
}

static bool (*const run[OP_KIND_COUNT])(const struct op *op) = {
    [OP_EMBED] = do_embed,
    [OP_RMSNORM] = do_rmsnorm,
    [OP_LAYERNORM] = do_layernorm,
    [OP_MATMUL] = do_matmul,
    [OP_ROPE] = do_rope,
    [OP_KV_WRITE] = do_kv_write,
    [OP_ATTENTION] = do_attention,
    [OP_ACTIVATE] = do_activate,
    [OP_SELECT_ROWS] = do_select_rows,
    [OP_SELECT_COLS] = do_select_cols,
    [OP_ARGMAX] = do_argmax,
};

/* ---- backend ---- */

static uint64_t ref_budget(struct backend *b)
{
    (void)b;
    uint64_t available = hk_os_memory_available();
    return available ? available : UINT64_MAX;
}

static uint32_t ref_batch(struct backend *b)
{
    (void)b;
    return 64;
}

static struct arena *ref_arena_new(struct backend *b, enum gpu_memory kind, uint64_t expected,
                                   struct hk_error *err)
{
    (void)b, (void)kind, (void)expected;
    return hk_calloc(1, sizeof(struct arena), err);
}

static bool ref_arena_alloc(struct arena *a, uint64_t size, struct gpu_span *out, struct hk_error *err)
{
    struct span_list *s = hk_calloc(1, sizeof *s, err);
    if (!s) return false;
    uint64_t rounded = hk_align_up(size, 256);
    s->data = rounded <= SIZE_MAX ? aligned_alloc(256, (size_t)rounded) : NULL;
    if (!s->data) {
        free(s);
        return hk_fail(err, HK_ERR_MEMORY, "reference device: %llu bytes: host memory is out",
                       (unsigned long long)size);
    }
    memset(s->data, 0, (size_t)rounded);
    s->next = a->spans;
    a->spans = s;
    *out = (struct gpu_span){.addr = (uintptr_t)s->data, .size = size, .host = s->data};
    return true;
}

static void ref_arena_free(struct arena *a)
{
    while (a && a->spans) {
        struct span_list *s = a->spans;
        a->spans = s->next;
        free(s->data);
        free(s);
    }
    free(a);
}

static bool ref_write(struct backend *b, uint64_t addr, const void *src, uint64_t size, struct hk_error *err)
{
    (void)b, (void)err;
    memcpy((void *)(uintptr_t)addr, src, (size_t)size);
    return true;
}

static bool ref_read(struct backend *b, uint64_t addr, void *dst, uint64_t size, struct hk_error *err)
{
    (void)b, (void)err;
    memcpy(dst, (const void *)(uintptr_t)addr, (size_t)size);
    return true;
}

static size_t ref_row_bytes(const struct hk_weight_layout *l)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(l->type);
    return (size_t)l->cols / info->block_len * info->block_bytes;
}

static uint64_t ref_weight_bytes(const struct hk_weight_layout *l)
{
    return (uint64_t)ref_row_bytes(l) * l->rows;
}

static bool ref_weight_upload(struct backend *b, const struct hk_weight *w, uint32_t first_tile,
                              uint32_t n_tiles, const void *src, uint64_t row_stride, uint32_t n_rows,
                              struct hk_error *err)
{
    (void)b, (void)n_tiles, (void)err;
    size_t row_bytes = ref_row_bytes(&w->layout);
    char *dst = (char *)(uintptr_t)w->addr + row_bytes * first_tile * HK_TILE_ROWS;
    for (uint32_t r = 0; r < n_rows; r++)
        memcpy(dst + row_bytes * r, (const char *)src + row_stride * r, row_bytes);
    return true;
}

static bool ref_weight_finish(struct backend *b, struct hk_error *err)
{
    (void)b, (void)err;
    return true;
}

static struct recorder *ref_record_begin(struct backend *b, struct hk_error *err)
{
    struct reference_recorder *r = hk_calloc(1, sizeof *r, err);
    if (!r) return NULL;
    r->base.table = b->table;
    return &r->base;
}

static void ref_record(struct recorder *base, const struct op *op)
{
    struct reference_recorder *r = (struct reference_recorder *)base;
    if (r->n == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 64;
        struct step *steps = realloc(r->steps, capacity * sizeof *steps);
        if (!steps) {
            r->failed = true;
            return;
        }
        r->steps = steps;
        r->capacity = capacity;
    }
    r->steps[r->n++].op = *op;
}

static void ref_record_copy(struct recorder *r, uint64_t dst, uint64_t src, uint64_t size)
{
    ref_record(r, &(struct op){.kind = OP_KIND_COUNT, .dst.addr = dst, .x.addr = src, .kv.k = size});
}

static bool ref_record_end(struct recorder *r, struct hk_error *err)
{
    if (((struct reference_recorder *)r)->failed)
        return hk_fail(err, HK_ERR_MEMORY, "reference device: host memory is out");
    return true;
}

static void ref_recorder_free(struct recorder *base)
{
    struct reference_recorder *r = (struct reference_recorder *)base;
    if (r) free(r->steps);
    free(r);
}

static bool ref_submit(struct backend *b, struct recorder *base, uint64_t *ticket, struct hk_error *err)
{
    (void)b;
    const struct reference_recorder *r = (const struct reference_recorder *)base;
    for (size_t i = 0; i < r->n; i++) {
        const struct op *op = &r->steps[i].op;
        if (op->kind == OP_KIND_COUNT)
            memcpy((void *)(uintptr_t)op->dst.addr, (const void *)(uintptr_t)op->x.addr, (size_t)op->kv.k);
        else if (!run[op->kind](op))
            return hk_fail(err, HK_ERR_MEMORY, "reference device: %s: host memory is out", op_name(op->kind));
    }
    if (ticket) *ticket = 0;
    return true;
}

static bool ref_wait(struct backend *b, uint64_t ticket, struct hk_error *err)
{
    (void)b, (void)ticket, (void)err;
    return true;
}

static uint32_t ref_n_variants(struct backend *b, uint32_t n_tokens)
{
    (void)b, (void)n_tokens;
    return 0;
}

static double ref_variant_name(struct backend *b, uint32_t n_tokens, uint32_t i, char name[48])
{
    (void)b, (void)n_tokens, (void)i;
    name[0] = 0;
    return 0;
}

static bool ref_read_bandwidth(struct backend *b, double *gbps, struct hk_error *err)
{
    (void)b, (void)err;
    *gbps = 0;
    return true;
}

static void ref_close(struct backend *b)
{
    free(b);
}

static const struct backend_table reference_table = {
    .budget = ref_budget,
    .batch = ref_batch,
    .arena_new = ref_arena_new,
    .arena_alloc = ref_arena_alloc,
    .arena_free = ref_arena_free,
    .write = ref_write,
    .read = ref_read,
    .weight_bytes = ref_weight_bytes,
    .weight_upload = ref_weight_upload,
    .weight_finish = ref_weight_finish,
    .record_begin = ref_record_begin,
    .record = ref_record,
    .record_copy = ref_record_copy,
    .record_end = ref_record_end,
    .recorder_free = ref_recorder_free,
    .submit = ref_submit,
    .wait = ref_wait,
    .n_variants = ref_n_variants,
    .variant_name = ref_variant_name,
    .read_bandwidth = ref_read_bandwidth,
    .close = ref_close,
};

struct backend *backend_reference_open(struct hk_error *err)
{
    struct backend *b = hk_calloc(1, sizeof *b, err);
    if (b) b->table = &reference_table;
    return b;
}

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
    struct op_list ops; /* of the step: what submit runs */
};

/* ---- access ---- */

static float *row(const struct hk_tensor *t, uint32_t r)
{
    return (float *)(uintptr_t)t->addr + (size_t)r * t->ld;
}

static const uint32_t *numbers(const struct hk_tensor *t)
{
    return (const uint32_t *)(uintptr_t)t->addr;
}

static void weight_row(const struct hk_weight *w, uint32_t r, float *out)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(w->layout.type);
    size_t row_bytes = (size_t)w->cols / info->block_len * info->block_bytes;
    info->decode((const char *)(uintptr_t)w->addr + row_bytes * r, out, w->cols);
    const float *scale = (const float *)(uintptr_t)w->scale;
    for (uint32_t i = 0; scale && i < w->cols; i++) out[i] *= *scale;
}

/* The row of the cache that holds position p of token t's sequence. */
static uint32_t kv_row(const struct op_attention *op, uint32_t t, uint32_t p)
{
    uint32_t block = numbers(&op->blocks)[numbers(&op->table)[t] + p / HK_BLOCK_ROWS];
    return block * HK_BLOCK_ROWS + p % HK_BLOCK_ROWS;
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

static bool do_embed(const struct op_embed *op)
{
    float *w = malloc(sizeof(float) * op->w->cols);
    if (!w) return false;
    for (uint32_t t = 0; t < op->dst.rows; t++) {
        float *dst = row(&op->dst, t);
        bool known = numbers(&op->ids)[t] < op->w->rows;
        if (known) weight_row(op->w, numbers(&op->ids)[t], w);
        for (uint32_t i = 0; i < op->dst.cols; i++)
            dst[i] = (op->accumulate ? dst[i] : 0.0f) + (known ? w[i] : 0.0f);
    }
    free(w);
    return true;
}

static void rmsnorm_row(const float *x, const float *gain, uint32_t n, float eps, float *dst)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    double scale = 1.0 / sqrt(sum / n + (double)eps);
    for (uint32_t i = 0; i < n; i++) dst[i] = (float)((double)x[i] * scale * (double)gain[i]);
}

static bool do_rmsnorm(const struct op_rmsnorm *op)
{
    uint32_t n = op->gain.cols;
    for (uint32_t t = 0; t < op->x.rows; t++)
        for (uint32_t i = 0; i < op->x.cols; i += n)
            rmsnorm_row(row(&op->x, t) + i, row(&op->gain, 0), n, op->eps, row(&op->dst, t) + i);
    return true;
}

static bool do_layernorm(const struct op_layernorm *op)
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

static bool do_matmul(const struct op_matmul *op)
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

static bool do_rope(const struct op_rope *op)
{
    uint32_t half = op->table.cols / 2, n_heads = op->x.cols / op->head_dim;
    for (uint32_t t = 0; t < op->x.rows; t++) {
        uint32_t pos = numbers(&op->pos)[t];
        if (pos >= op->table.rows) continue;
        const float *cs = row(&op->table, pos);
        for (uint32_t h = 0; h < n_heads; h++) {
            float *x = row(&op->x, t) + (size_t)h * op->head_dim;
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

static bool do_kv_write(const struct op_kv_write *op)
{
    const struct hk_kv *kv = &op->kv;
    for (uint32_t t = 0; t < op->k.rows; t++) {
        uint32_t p = numbers(&op->row)[t];
        if (p >= kv->n_rows) continue;
        for (uint32_t h = 0; h < kv->n_head_kv; h++)
            for (uint32_t i = 0; i < kv->head_dim; i++) {
                kv_put(kv, true, h, p, i, row(&op->k, t)[h * kv->head_dim + i]);
                kv_put(kv, false, h, p, i, row(&op->v, t)[h * kv->head_dim + i]);
            }
    }
    return true;
}

static bool do_kv_copy(const struct op_kv_copy *op)
{
    /* a head's block lies together in both, struct hk_kv */
    const struct hk_kv *kv = &op->kv;
    size_t size = (size_t)16 * kv->head_words * HK_BLOCK_ROWS;
    uint32_t n_blocks = kv->n_rows / HK_BLOCK_ROWS;
    for (uint32_t i = 0; i < op->pairs.rows; i++) {
        const uint32_t *pair = numbers(&op->pairs) + 2 * (size_t)i;
        if (pair[0] >= n_blocks || pair[1] >= n_blocks) continue;
        for (uint32_t h = 0; h < kv->n_head_kv; h++) {
            char *k = (char *)(uintptr_t)kv->k + size * n_blocks * h,
                 *v = (char *)(uintptr_t)kv->v + size * n_blocks * h;
            memcpy(k + size * pair[1], k + size * pair[0], size);
            memcpy(v + size * pair[1], v + size * pair[0], size);
        }
    }
    return true;
}

/* One head of one token; score has room for n_kv values. */
static void attend(const struct op_attention *op, uint32_t t, uint32_t head, uint32_t n_kv, double *score)
{
    uint32_t first = op->window && op->window < n_kv ? n_kv - op->window : 0;
    const struct hk_kv *kv = &op->kv;
    uint32_t kv_head = head / (op->n_head / kv->n_head_kv);
    const float *q = row(&op->q, t) + (size_t)head * kv->head_dim;
    float *dst = row(&op->dst, t) + (size_t)head * kv->head_dim;
    double largest = -INFINITY, sum = 0;
    for (uint32_t p = first; p < n_kv; p++) {
        score[p] = 0;
        for (uint32_t i = 0; i < kv->head_dim; i++)
            score[p] += (double)q[i] * kv_get(kv, true, kv_head, kv_row(op, t, p), i);
        score[p] *= (double)op->scale;
        largest = fmax(largest, score[p]);
    }
    for (uint32_t p = first; p < n_kv; p++) sum += score[p] = exp(score[p] - largest);
    for (uint32_t i = 0; i < kv->head_dim; i++) {
        double out = 0;
        for (uint32_t p = first; p < n_kv; p++)
            out += score[p] * kv_get(kv, false, kv_head, kv_row(op, t, p), i);
        dst[i] = (float)(out / sum);
    }
    if (hk_tensor_given(&op->lse)) row(&op->lse, t)[head] = (float)(largest + log(sum));
}

static bool do_attention(const struct op_attention *op)
{
    double *score = malloc(sizeof(double) * op->kv.n_rows);
    if (!score) return false;
    for (uint32_t t = 0; t < op->q.rows; t++) {
        uint32_t pos = numbers(&op->pos)[t];
        if (pos != UINT32_MAX) {
            for (uint32_t h = 0; h < op->n_head; h++) attend(op, t, h, pos + 1, score);
            continue;
        }
        memset(row(&op->dst, t), 0, sizeof(float) * op->dst.cols);
        if (hk_tensor_given(&op->lse)) memset(row(&op->lse, t), 0, sizeof(float) * op->n_head);
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

static bool do_activate(const struct op_activate *op)
{
    for (uint32_t t = 0; t < op->x.rows; t++)
        for (uint32_t i = 0; i < op->x.cols; i++) {
            double up = hk_tensor_given(&op->up) ? (double)row(&op->up, t)[i] : 1.0;
            row(&op->dst, t)[i] = (float)(activation(op->f, (double)row(&op->x, t)[i]) * up);
        }
    return true;
}

static bool do_select_rows(const struct op_select_rows *op)
{
    for (uint32_t i = 0; i < op->dst.rows; i++)
        if (numbers(&op->idx)[i] < op->x.rows)
            memcpy(row(&op->dst, i), row(&op->x, numbers(&op->idx)[i]), sizeof(float) * op->dst.cols);
    return true;
}

static bool do_select_cols(const struct op_select_cols *op)
{
    for (uint32_t i = 0; i < op->dst.rows; i++)
        for (uint32_t c = 0; c < op->dst.cols; c++)
            if (numbers(&op->idx)[c] < op->x.cols) row(&op->dst, i)[c] = row(&op->x, i)[numbers(&op->idx)[c]];
    return true;
}

static bool do_argmax(const struct op_argmax *op)
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

static bool do_copy_tensor(const struct op_copy_tensor *op)
{
    memcpy(row(&op->dst, 0), row(&op->x, 0), (size_t)hk_tensor_extent(&op->x));
    return true;
}

static bool run(const struct op *op)
{
    switch (op->kind) {
#define RUN(KIND, name, operands)                                                                            \
    case OP_##KIND:                                                                                          \
        return do_##name(&op->name);
        HK_OPS(RUN)
#undef RUN
    case OP_KIND_COUNT:
        break;
    }
    return false;
}

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

/* The reference keeps rows as the file has them. */
static void ref_weight_pack(const struct hk_weight_layout *l, uint32_t first_tile, const void *src,
                            uint64_t row_stride, uint32_t n_rows, void *dst)
{
    size_t row_bytes = ref_row_bytes(l);
    char *to = (char *)dst + row_bytes * first_tile * HK_TILE_ROWS;
    for (uint32_t r = 0; r < n_rows; r++)
        memcpy(to + row_bytes * r, (const char *)src + row_stride * r, row_bytes);
}

static bool ref_weight_upload(struct backend *b, const struct hk_weight *w, uint32_t first_tile,
                              const struct hk_weight_layout *l, const void *src, struct hk_error *err)
{
    return ref_write(b, w->addr + (uint64_t)ref_row_bytes(l) * first_tile * HK_TILE_ROWS, src,
                     ref_weight_bytes(l), err);
}

static bool ref_upload_finish(struct backend *b, struct hk_error *err)
{
    (void)b, (void)err;
    return true;
}

static struct recorder *ref_recorder_new(struct backend *b, struct hk_error *err)
{
    (void)b;
    struct reference_recorder *r = hk_calloc(1, sizeof *r, err);
    return r ? &r->base : NULL;
}

static void ref_emit(struct recorder *r, const struct op *ops, size_t n)
{
    if (!op_list_add(&((struct reference_recorder *)r)->ops, ops, n))
        hk_fail(&r->error, HK_ERR_MEMORY, "reference device: host memory is out");
}

static bool ref_recorder_end(struct recorder *r, struct hk_error *err)
{
    (void)r, (void)err;
    return true;
}

static void ref_recorder_free(struct recorder *r)
{
    free(((struct reference_recorder *)r)->ops.op);
    free(r);
}

static bool ref_submit(struct backend *b, struct recorder *r, uint64_t n_positions, uint64_t *ticket,
                       struct hk_error *err)
{
    (void)b, (void)n_positions;
    const struct op_list *list = &((const struct reference_recorder *)r)->ops;
    for (size_t i = 0; i < list->n; i++)
        if (!run(&list->op[i]))
            return hk_fail(err, HK_ERR_MEMORY, "reference device: %s: host memory is out",
                           op_name(list->op[i].kind));
    if (ticket) *ticket = 0;
    return true;
}

static bool ref_wait(struct backend *b, uint64_t ticket, struct hk_error *err)
{
    (void)b, (void)ticket, (void)err;
    return true;
}

static bool ref_tune(struct backend *b, const struct hk_weight *const *weights, size_t n_weights,
                     const uint32_t *n_tokens, size_t n_counts, hk_progress_fn progress, void *user,
                     struct hk_error *err)
{
    (void)b, (void)weights, (void)n_weights, (void)n_tokens, (void)n_counts, (void)progress, (void)user,
        (void)err;
    return true; /* there is one way */
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
    .weight_pack = ref_weight_pack,
    .weight_upload = ref_weight_upload,
    .upload = ref_write,
    .upload_finish = ref_upload_finish,
    .recorder_new = ref_recorder_new,
    .emit = ref_emit,
    .recorder_end = ref_recorder_end,
    .recorder_free = ref_recorder_free,
    .submit = ref_submit,
    .wait = ref_wait,
    .tune = ref_tune,
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

/* Each op: assert that the shapes fit, then hand one struct op to the recorder. */
#include "runtime/ops.h"
#include "runtime/backend.h"

#include <assert.h>

static bool same_shape(struct hk_tensor a, struct hk_tensor b)
{
    return a.rows == b.rows && a.cols == b.cols;
}

/* Whether `v` is a vector (1, n), or absent where that is allowed. */
static bool is_vector(struct hk_tensor v, uint32_t n)
{
    return v.rows == 1 && v.cols == n;
}

static void record_embed(struct recorder *r, struct hk_tensor dst, const struct hk_weight *w,
                         struct hk_tensor ids, bool accumulate)
{
    assert(dst.cols == w->cols && is_vector(ids, dst.rows));
    record_op(r, &(struct op){OP_EMBED, .embed = {.dst = dst, .w = w, .ids = ids, .accumulate = accumulate}});
}

void embed(struct recorder *r, struct hk_tensor dst, const struct hk_weight *w, struct hk_tensor ids)
{
    record_embed(r, dst, w, ids, false);
}

void embed_add(struct recorder *r, struct hk_tensor dst, const struct hk_weight *w, struct hk_tensor ids)
{
    record_embed(r, dst, w, ids, true);
}

void rmsnorm(struct recorder *r, struct hk_tensor dst, struct hk_tensor x, struct hk_tensor gain, float eps)
{
    assert(same_shape(dst, x) && is_vector(gain, gain.cols) && x.cols % gain.cols == 0);
    record_op(r, &(struct op){OP_RMSNORM, .rmsnorm = {.dst = dst, .x = x, .gain = gain, .eps = eps}});
}

void layernorm(struct recorder *r, struct hk_tensor dst, struct hk_tensor x, struct hk_tensor gain,
               struct hk_tensor bias, float eps)
{
    assert(same_shape(dst, x) && is_vector(gain, x.cols));
    assert(!hk_tensor_given(&bias) || is_vector(bias, x.cols));
    record_op(r, &(struct op){OP_LAYERNORM,
                              .layernorm = {.dst = dst, .x = x, .gain = gain, .bias = bias, .eps = eps}});
}

static void record_matmul(struct recorder *r, struct hk_tensor dst, const struct hk_weight *w,
                          struct hk_tensor bias, struct hk_tensor x, bool accumulate)
{
    assert(!w->n_experts); /* hk_weight_expert */
    assert(dst.rows == x.rows && dst.cols == w->rows && x.cols == w->cols);
    assert(x.ld % HK_ROW_ALIGN == 0 && x.addr % 16 == 0);
    assert(!hk_tensor_given(&bias) || is_vector(bias, w->rows));
    record_op(r,
              &(struct op){OP_MATMUL,
                           .matmul = {.dst = dst, .w = w, .bias = bias, .x = x, .accumulate = accumulate}});
}

/* x as w reads it. */
static struct hk_tensor in_order(struct recorder *r, const struct hk_weight *w, struct hk_tensor x)
{
    if (!hk_tensor_given(&w->order)) return x;
    assert(r->sorted.rows >= x.rows && r->sorted.cols >= x.cols);
    struct hk_tensor sorted = hk_tensor_rows(hk_tensor_cols(r->sorted, 0, x.cols), x.rows);
    select_cols(r, sorted, x, w->order);
    return sorted;
}

void matmul(struct recorder *r, struct hk_tensor dst, const struct hk_weight *w, struct hk_tensor bias,
            struct hk_tensor x)
{
    record_matmul(r, dst, w, bias, in_order(r, w, x), false);
}

void matmul_add(struct recorder *r, struct hk_tensor dst, const struct hk_weight *w, struct hk_tensor bias,
                struct hk_tensor x)
{
    record_matmul(r, dst, w, bias, in_order(r, w, x), true);
}

void matmul_stack(struct recorder *r, struct hk_tensor dst, const struct hk_stack *w, struct hk_tensor x)
{
    assert(dst.cols == w->rows);
    struct hk_tensor in = x;
    for (uint32_t i = 0, at = 0; i < w->n; at += w->part[i++].rows) {
        const struct hk_weight *part = &w->part[i];
        struct hk_tensor bias = hk_tensor_given(&w->bias) ? hk_tensor_cols(w->bias, at, part->rows) : w->bias;
        bool as_before = i > 0 && part->order.addr == w->part[i - 1].order.addr;
        if (!as_before) in = in_order(r, part, x);
        record_matmul(r, hk_tensor_cols(dst, at, part->rows), part, bias, in, false);
    }
}

void rope(struct recorder *r, struct hk_tensor x, struct hk_tensor table, struct hk_tensor pos,
          uint32_t head_dim, enum hk_rope_pairing pairing)
{
    assert(x.cols % head_dim == 0 && table.cols <= head_dim && table.cols % 2 == 0 && is_vector(pos, x.rows));
    record_op(r, &(struct op){
                     OP_ROPE,
                     .rope = {.x = x, .table = table, .pos = pos, .head_dim = head_dim, .pairing = pairing}});
}

void kv_write(struct recorder *r, const struct hk_kv *kv, struct hk_tensor k, struct hk_tensor v,
              struct hk_tensor row)
{
    assert(same_shape(k, v) && k.cols == kv->n_head_kv * kv->head_dim && is_vector(row, k.rows));
    record_op(r, &(struct op){OP_KV_WRITE, .kv_write = {.kv = *kv, .k = k, .v = v, .row = row}});
}

void kv_copy(struct recorder *r, const struct hk_kv *kv, struct hk_tensor pairs)
{
    assert(pairs.cols == 2 && pairs.ld == 2 && kv->n_rows % HK_BLOCK_ROWS == 0);
    record_op(r, &(struct op){OP_KV_COPY, .kv_copy = {.kv = *kv, .pairs = pairs}});
}

void attention(struct recorder *r, struct hk_tensor dst, struct hk_tensor lse, struct hk_tensor q,
               const struct hk_kv *kv, const struct hk_places *at, uint32_t n_head, float scale,
               uint32_t window)
{
    assert(kv->head_dim <= HK_MAX_HEAD_DIM);
    assert(same_shape(dst, q) && q.cols == n_head * kv->head_dim && n_head % kv->n_head_kv == 0);
    assert(is_vector(at->pos, q.rows) && is_vector(at->table, q.rows) && at->blocks.rows == 1);
    assert(!hk_tensor_given(&lse) || (lse.rows == q.rows && lse.cols == n_head));
    record_op(r, &(struct op){OP_ATTENTION, .attention = {.dst = dst,
                                                          .lse = lse,
                                                          .q = q,
                                                          .kv = *kv,
                                                          .pos = at->pos,
                                                          .table = at->table,
                                                          .blocks = at->blocks,
                                                          .n_head = n_head,
                                                          .scale = scale,
                                                          .window = window}});
}

void activate(struct recorder *r, struct hk_tensor dst, struct hk_tensor x, enum hk_activation f)
{
    assert(same_shape(dst, x));
    record_op(r, &(struct op){OP_ACTIVATE, .activate = {.dst = dst, .x = x, .f = f}});
}

void activate_mul(struct recorder *r, struct hk_tensor dst, struct hk_tensor gate, struct hk_tensor up,
                  enum hk_activation f)
{
    assert(same_shape(dst, gate) && same_shape(dst, up));
    record_op(r, &(struct op){OP_ACTIVATE, .activate = {.dst = dst, .x = gate, .up = up, .f = f}});
}

void select_rows(struct recorder *r, struct hk_tensor dst, struct hk_tensor x, struct hk_tensor idx)
{
    assert(dst.cols == x.cols && is_vector(idx, dst.rows));
    record_op(r, &(struct op){OP_SELECT_ROWS, .select_rows = {.dst = dst, .x = x, .idx = idx}});
}

void select_cols(struct recorder *r, struct hk_tensor dst, struct hk_tensor x, struct hk_tensor idx)
{
    assert(dst.rows == x.rows && is_vector(idx, dst.cols));
    record_op(r, &(struct op){OP_SELECT_COLS, .select_cols = {.dst = dst, .x = x, .idx = idx}});
}

void argmax(struct recorder *r, struct hk_tensor dst, struct hk_tensor x)
{
    assert(is_vector(dst, x.rows));
    record_op(r, &(struct op){OP_ARGMAX, .argmax = {.dst = dst, .x = x}});
}

void copy_tensor(struct recorder *r, struct hk_tensor dst, struct hk_tensor x)
{
    assert(same_shape(dst, x) && dst.ld == x.ld);
    record_op(r, &(struct op){OP_COPY, .copy_tensor = {.dst = dst, .x = x}});
}

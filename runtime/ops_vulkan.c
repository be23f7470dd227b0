/* Each op on the device: choose a variant, fill its args struct, dispatch. Nothing else. */
#include "runtime/ops_vulkan.h"
#include "runtime/tuner.h"

#include "shaders/args.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- helpers ---- */

/* A dispatch in the making. */
struct call {
    struct vulkan_recorder *r;
    struct gpu_dispatch d;
    uint32_t spec[GPU_MAX_SPEC], n_spec;
};

static struct hk_addr addr(uint64_t a)
{
    return (struct hk_addr){.lo = (uint32_t)a, .hi = (uint32_t)(a >> 32)};
}

static struct hk_addr tensor_addr(const struct hk_tensor *t)
{
    return addr(hk_tensor_given(t) ? t->addr : 0);
}

static void spec(struct call *c, uint32_t value)
{
    assert(c->n_spec < GPU_MAX_SPEC);
    c->spec[c->n_spec++] = value;
}

static void touch(struct call *c, uint64_t at, uint64_t bytes, bool write)
{
    assert(c->d.n_access < GPU_MAX_ACCESS);
    c->d.access[c->d.n_access++] = (struct gpu_access){.addr = at, .size = bytes, .write = write};
}

/* What the op reads and writes, and what it costs, from its operands. */
static struct call begin(struct vulkan_recorder *r, const struct op *op)
{
    struct op_cost cost = op_cost(op);
    struct call c = {.r = r,
                     .d = {.label = op_name(op->kind),
                           .bytes = cost.bytes,
                           .flops = cost.flops,
                           .unit_bytes = cost.bytes_per_position,
                           .unit_flops = cost.flops_per_position}};
    struct operand operand[OP_MAX_OPERANDS];
    uint32_t n = op_operands(op, operand);
    for (uint32_t i = 0; i < n; i++) {
        const struct operand *o = &operand[i];
        bool write = o->role != OPERAND_IN;
        if (o->tensor) touch(&c, o->tensor->addr, hk_tensor_extent(o->tensor), write);
        if (o->weight) touch(&c, o->weight->addr, o->weight->layout.bytes, write);
        if (o->weight && o->weight->scale) touch(&c, o->weight->scale, sizeof(float), write);
        if (!o->kv) continue;
        uint64_t plane = hk_kv_plane_bytes(o->kv->n_head_kv, o->kv->head_words, o->kv->n_rows);
        touch(&c, o->kv->k, plane, write);
        touch(&c, o->kv->v, plane, write);
    }
    return c;
}

void vulkan_kernel_name(const char *kernel, const struct hk_weight *w, char out[64])
{
    snprintf(out, 64, "%s%s%s", kernel, w ? "_" : "", w ? hk_weight_type_info(w->layout.type)->name : "");
}

static void dispatch(struct call *c, const char *kernel, const struct hk_weight *w, const void *args,
                     size_t size)
{
    char name[64];
    vulkan_kernel_name(kernel, w, name);
    c->d.kernel = gpu_kernel_get(c->r->gpu, name, c->spec, c->n_spec, &c->r->base.error);
    if (!c->d.kernel) return;
    c->d.push = args;
    c->d.push_size = (uint32_t)size;
    gpu_record_dispatch(c->r->rec, &c->d);
}

static void groups(struct call *c, uint64_t x, uint64_t y)
{
    c->d.groups[0] = (uint32_t)x;
    c->d.groups[1] = (uint32_t)y;
    c->d.groups[2] = 1;
}

static uint32_t row_lanes(const struct call *c, uint32_t cols)
{
    return tune_row_lanes(gpu_capabilities(c->r->gpu), cols);
}

/* Lanes take elements, one each: workgroups over cols, and rows. */
static void elementwise(struct call *c, uint32_t cols, uint32_t rows)
{
    uint32_t lanes = row_lanes(c, cols);
    spec(c, lanes);
    groups(c, hk_div_up(cols, lanes), rows);
}

/* ---- ops ---- */

static void plane_addrs(const struct hk_weight *w, struct hk_addr out[HK_MAX_PLANES])
{
    for (uint32_t i = 0; i < HK_MAX_PLANES; i++)
        out[i] = addr(i < w->layout.n_planes ? w->addr + w->layout.plane_offset[i] : 0);
}

static void do_embed(struct call *c, const struct op_embed *op)
{
    const struct hk_weight_layout *l = &op->w->layout;
    struct hk_addr w[HK_MAX_PLANES];
    plane_addrs(op->w, w);
    spec(c, row_lanes(c, l->n_blocks));
    groups(c, op->dst.rows, 1);
    struct embed_args args = {.w0 = w[0],
                              .w1 = w[1],
                              .w2 = w[2],
                              .w3 = w[3],
                              .dst = tensor_addr(&op->dst),
                              .ids = tensor_addr(&op->ids),
                              .rows = op->w->rows,
                              .cols = op->w->cols,
                              .n_blocks = l->n_blocks,
                              .dst_ld = op->dst.ld,
                              .n_tokens = op->dst.rows,
                              .accumulate = op->accumulate,
                              .scale = addr(op->w->scale)};
    dispatch(c, "embed", op->w, &args, sizeof args);
}

static void norm(struct call *c, bool layer, const struct op_layernorm *op)
{
    uint32_t cols = op->gain.cols;
    spec(c, row_lanes(c, cols));
    spec(c, layer);
    groups(c, op->x.rows, op->x.cols / cols);
    struct norm_args args = {.dst = tensor_addr(&op->dst),
                             .x = tensor_addr(&op->x),
                             .gain = tensor_addr(&op->gain),
                             .bias = tensor_addr(&op->bias),
                             .cols = cols,
                             .dst_ld = op->dst.ld,
                             .x_ld = op->x.ld,
                             .eps = op->eps};
    dispatch(c, "norm", NULL, &args, sizeof args);
}

static void do_rmsnorm(struct call *c, const struct op_rmsnorm *op)
{
    norm(c, false, &(struct op_layernorm){.dst = op->dst, .x = op->x, .gain = op->gain, .eps = op->eps});
}

static void do_layernorm(struct call *c, const struct op_layernorm *op)
{
    norm(c, true, op);
}

static const char *const matmul_kernel[] = {
    [MATMUL_MATVEC] = "matvec", [MATMUL_TILES] = "matmul", [MATMUL_COOPMAT] = "matmul_coopmat"};

static void matmul_as(struct call *c, const struct op_matmul *op, struct matmul_variant v)
{
    const struct hk_weight_layout *l = &op->w->layout;
    struct hk_addr w[HK_MAX_PLANES];
    plane_addrs(op->w, w);
    c->n_spec = tune_matmul_spec(gpu_capabilities(c->r->gpu), &v, c->spec);
    groups(c, hk_div_up(l->n_tiles, v.tiles), hk_div_up(op->x.rows, v.tokens));
    struct matvec_args args = {.w0 = w[0],
                               .w1 = w[1],
                               .w2 = w[2],
                               .w3 = w[3],
                               .x = tensor_addr(&op->x),
                               .y = tensor_addr(&op->dst),
                               .bias = tensor_addr(&op->bias),
                               .rows = l->rows,
                               .n_blocks = l->n_blocks,
                               .x_ld = op->x.ld,
                               .y_ld = op->dst.ld,
                               .n_tokens = op->x.rows,
                               .accumulate = op->accumulate,
                               .scale = addr(op->w->scale)};
    dispatch(c, matmul_kernel[v.kind], op->w, &args, sizeof args);
}

static void do_matmul(struct call *c, const struct op_matmul *op)
{
    struct matmul_variant list[TUNE_MAX_CANDIDATES];
    if (op->variant && op->variant <= tune_matmul_candidates(gpu_capabilities(c->r->gpu), op->x.rows, list))
        matmul_as(c, op, list[op->variant - 1]);
    else
        matmul_as(c, op, tuner_matmul(c->r->tuner, op->w, op->x.rows));
}

static void do_rope(struct call *c, const struct op_rope *op)
{
    uint32_t half_dim = op->table.cols / 2, n_pairs = op->x.cols / op->head_dim * half_dim;
    elementwise(c, n_pairs, op->x.rows);
    struct rope_args args = {.x = tensor_addr(&op->x),
                             .table = tensor_addr(&op->table),
                             .pos = tensor_addr(&op->pos),
                             .x_ld = op->x.ld,
                             .n_pairs = n_pairs,
                             .half_dim = half_dim,
                             .head_dim = op->head_dim,
                             .table_rows = op->table.rows,
                             .interleaved = op->pairing == HK_ROPE_INTERLEAVED};
    dispatch(c, "rope", NULL, &args, sizeof args);
}

static void do_kv_write(struct call *c, const struct op_kv_write *op)
{
    const struct hk_kv *kv = &op->kv;
    elementwise(c, kv->n_head_kv * kv->head_words, op->k.rows);
    spec(c, kv->f16);
    struct kv_write_args args = {.k_cache = addr(kv->k),
                                 .v_cache = addr(kv->v),
                                 .k = tensor_addr(&op->k),
                                 .v = tensor_addr(&op->v),
                                 .row = tensor_addr(&op->row),
                                 .ld = op->k.ld,
                                 .n_head_kv = kv->n_head_kv,
                                 .head_dim = kv->head_dim,
                                 .head_words = kv->head_words,
                                 .n_rows = kv->n_rows};
    dispatch(c, "kv_write", NULL, &args, sizeof args);
}

static void do_kv_copy(struct call *c, const struct op_kv_copy *op)
{
    const struct hk_kv *kv = &op->kv;
    uint32_t block_words = kv->head_words * HK_BLOCK_ROWS;
    elementwise(c, kv->n_head_kv * block_words, op->pairs.rows);
    struct kv_copy_args args = {.k_cache = addr(kv->k),
                                .v_cache = addr(kv->v),
                                .pairs = tensor_addr(&op->pairs),
                                .n_head_kv = kv->n_head_kv,
                                .block_words = block_words,
                                .n_blocks = kv->n_rows / HK_BLOCK_ROWS};
    dispatch(c, "kv_copy", NULL, &args, sizeof args);
}

static void do_attention(struct call *c, const struct op_attention *op)
{
    const struct hk_kv *kv = &op->kv;
    spec(c, tune_attention_lanes(gpu_capabilities(c->r->gpu), kv->head_words));
    spec(c, kv->f16);
    groups(c, op->n_head, op->q.rows);
    struct attention_args args = {.k_cache = addr(kv->k),
                                  .v_cache = addr(kv->v),
                                  .q = tensor_addr(&op->q),
                                  .dst = tensor_addr(&op->dst),
                                  .lse = tensor_addr(&op->lse),
                                  .pos = tensor_addr(&op->pos),
                                  .table = tensor_addr(&op->table),
                                  .blocks = tensor_addr(&op->blocks),
                                  .q_ld = op->q.ld,
                                  .dst_ld = op->dst.ld,
                                  .lse_ld = op->lse.ld,
                                  .group = op->n_head / kv->n_head_kv,
                                  .head_dim = kv->head_dim,
                                  .head_words = kv->head_words,
                                  .n_rows = kv->n_rows,
                                  .scale = op->scale,
                                  .window = op->window};
    dispatch(c, "attention", NULL, &args, sizeof args);
}

static void do_activate(struct call *c, const struct op_activate *op)
{
    elementwise(c, op->x.cols, op->x.rows);
    spec(c, op->f);
    struct activate_args args = {.dst = tensor_addr(&op->dst),
                                 .x = tensor_addr(&op->x),
                                 .y = tensor_addr(&op->up),
                                 .cols = op->x.cols,
                                 .dst_ld = op->dst.ld,
                                 .x_ld = op->x.ld,
                                 .y_ld = op->up.ld};
    dispatch(c, "activate", NULL, &args, sizeof args);
}

static void select_by(struct call *c, bool by_col, const struct op_select_rows *op)
{
    elementwise(c, op->dst.cols, op->dst.rows);
    spec(c, by_col);
    struct select_args args = {.dst = tensor_addr(&op->dst),
                               .x = tensor_addr(&op->x),
                               .idx = tensor_addr(&op->idx),
                               .cols = op->dst.cols,
                               .dst_ld = op->dst.ld,
                               .x_ld = op->x.ld,
                               .n_from = by_col ? op->x.cols : op->x.rows};
    dispatch(c, "select", NULL, &args, sizeof args);
}

static void do_select_rows(struct call *c, const struct op_select_rows *op)
{
    select_by(c, false, op);
}

static void do_select_cols(struct call *c, const struct op_select_cols *op)
{
    select_by(c, true, &(struct op_select_rows){.dst = op->dst, .x = op->x, .idx = op->idx});
}

static void do_argmax(struct call *c, const struct op_argmax *op)
{
    spec(c, row_lanes(c, op->x.cols));
    groups(c, op->x.rows, 1);
    struct argmax_args args = {
        .dst = tensor_addr(&op->dst), .x = tensor_addr(&op->x), .cols = op->x.cols, .x_ld = op->x.ld};
    dispatch(c, "argmax", NULL, &args, sizeof args);
}

static void do_copy_tensor(struct call *c, const struct op_copy_tensor *op)
{
    gpu_record_copy(c->r->rec, op->dst.addr, op->x.addr, hk_tensor_extent(&op->x));
}

void vulkan_emit_matmul(struct vulkan_recorder *r, const struct op *op, struct matmul_variant v)
{
    struct call c = begin(r, op);
    matmul_as(&c, &op->matmul, v);
}

static void emit_one(struct vulkan_recorder *r, const struct op *op)
{
    struct call c = begin(r, op);
    switch (op->kind) {
#define EMIT(KIND, name, operands)                                                                           \
    case OP_##KIND:                                                                                          \
        do_##name(&c, &op->name);                                                                            \
        break;
        HK_OPS(EMIT)
#undef EMIT
    case OP_KIND_COUNT:
        break;
    }
}

void vulkan_emit(struct recorder *base, const struct op *ops, size_t n)
{
    struct vulkan_recorder *r = (struct vulkan_recorder *)base;
    for (size_t i = 0; i < n && base->error.code == HK_OK; i++) emit_one(r, &ops[i]);
}

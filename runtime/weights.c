/* A checkpoint's tensors -> a forward's structs and places in device memory, by the architecture's description. */
#include "runtime/weights.h"
#include "runtime/backend.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* n_experts: 0, or what a dimension before the others must be. */
static bool check_shape(const struct hk_ckpt_tensor *t, uint32_t n_experts, uint32_t rows, uint32_t cols,
                        struct hk_error *err)
{
    uint64_t have_rows = t->n_dims >= 2 ? t->shape[0] : 1,
             have_cols = t->n_dims >= 2 ? t->shape[1] : t->shape[0];
    if (!n_experts && t->n_dims <= 2 && have_rows == rows && have_cols == cols) return true;
    if (n_experts && t->n_dims == 3 && t->shape[0] == n_experts && t->shape[1] == rows && t->shape[2] == cols)
        return true;
    char want[48];
    if (n_experts)
        snprintf(want, sizeof want, "(%u, %u, %u)", n_experts, rows, cols);
    else if (rows == 1)
        snprintf(want, sizeof want, "(%u)", cols);
    else
        snprintf(want, sizeof want, "(%u, %u)", rows, cols);
    char have[96];
    int at = snprintf(have, sizeof have, "(%llu", (unsigned long long)t->shape[0]);
    for (uint32_t i = 1; i < t->n_dims && i < 4; i++)
        at += snprintf(have + at, sizeof have - (size_t)at, ", %llu", (unsigned long long)t->shape[i]);
    return hk_fail(err, HK_ERR_FORMAT, "tensor %s: its shape is %s): the configuration asks for %s", t->name,
                   have, want);
}

static enum hk_weight_type device_type(const struct weight_plan *p, const struct binding *b)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(b->tensor->type);
    enum hk_weight_type as_it_is = hk_weight_on_device(info) ? b->tensor->type : HK_F32;
    bool kept = b->row->flags & (HK_KEEP | HK_REWARD_HEAD);
    if (p->quant == HK_WEIGHT_TYPE_COUNT || !hk_weight_type_is_float(b->tensor->type) || kept)
        return as_it_is;
    return b->cols % hk_weight_type_info(p->quant)->block_len == 0 ? p->quant : as_it_is;
}

static size_t add_home(struct weight_plan *p, uint64_t bytes, bool zero)
{
    p->homes[p->n_homes] = (struct home){.bytes = bytes, .zero = zero};
    return p->n_homes++;
}

static void add_field(struct weight_plan *p, uint64_t *addr, size_t home, const struct hk_weight *read_whole)
{
    p->fields[p->n_fields++] = (struct field){.addr = addr, .home = home, .read_whole = read_whole};
}

static void add_binding(struct weight_plan *p, const struct binding *b)
{
    p->bindings[p->n_bindings++] = *b;
    p->m->n_bindings = p->n_bindings;
    p->m->stats.n_params += (uint64_t)b->rows * b->cols;
}

/* The home for whose address a field waits. */
static size_t home_of(const struct weight_plan *p, const uint64_t *field)
{
    size_t i = 0;
    while (p->fields[i].addr != field) i++;
    return p->fields[i].home;
}

/* `name.scale` beside `name.weight`: one number for each of its n matrices, 1 where there is none. NVFP4 files have
 * it, after ModelOpt's second scale. */
static bool find_scale(const struct weight_plan *p, const struct hk_ckpt_tensor *t, float *scale, uint32_t n,
                       struct hk_error *err)
{
    static const char weight[] = ".weight";
    size_t len = strlen(t->name), stem = len - (sizeof weight - 1);
    char name[128];
    for (uint32_t i = 0; i < n; i++) scale[i] = 1.0f;
    if (len < sizeof weight || strcmp(t->name + stem, weight) != 0 || len >= sizeof name) return true;
    snprintf(name, sizeof name, "%.*s.scale", (int)stem, t->name);
    const struct hk_ckpt_tensor *s = hk_checkpoint_tensor(p->m->ckpt, name);
    if (!s) return true;
    bool ok = s->type == HK_F32 && s->size == sizeof *scale * (uint64_t)n;
    if (ok) hk_weight_type_info(HK_F32)->decode(s->data, scale, n);
    for (uint32_t i = 0; ok && i < n; i++) ok = isfinite(scale[i]);
    if (ok) return true;
    return hk_fail(err, HK_ERR_UNSUPPORTED,
                   "tensor %s: is to be multiplied by %s, which is not one finite number in F32", t->name,
                   name);
}

static bool shape_weight(struct hk_weight *w, const struct binding *b, enum hk_weight_type type,
                         uint32_t rows, struct hk_error *err)
{
    w->name = b->tensor->name;
    w->rows = rows;
    w->cols = b->cols;
    return hk_weight_layout(type, rows, b->cols, &w->layout, err) ||
           hk_fail_prefix(err, "tensor %s", w->name);
}

/* A place for the scale beside the weight, where it is not 1: recordings have its address. */
static bool bind_scale(struct weight_plan *p, const float *scale, uint32_t n, struct hk_weight *w,
                       struct hk_error *err)
{
    uint32_t i = 0;
    while (i < n && scale[i] == 1.0f) i++;
    if (i == n) return true;
    float *content = hk_arena_alloc(&p->arena, n, sizeof *content, err);
    if (!content) return false;
    memcpy(content, scale, sizeof *content * n);
    size_t home = add_home(p, sizeof *content * (uint64_t)n, false);
    p->homes[home].content = content;
    add_field(p, &w->scale, home, NULL);
    return true;
}

static uint64_t device_bytes(const struct weight_plan *p, const struct hk_weight *w)
{
    return p->m->backend->table->weight_bytes(&w->layout);
}

/* The order of the tensor's columns, or the newest one where that is the same. */
static const uint32_t *find_order(const struct weight_plan *p, const struct hk_ckpt_tensor *t, uint32_t cols)
{
    bool same = t->order && p->order && p->order_cols == cols &&
                memcmp(t->order, p->order, sizeof *p->order * cols) == 0;
    return same ? p->order : t->order;
}

static void bind_order(struct weight_plan *p, const uint32_t *order, struct hk_weight *w)
{
    if (order != p->order) {
        p->order = order;
        p->order_cols = w->cols;
        p->order_home = add_home(p, 4ull * w->cols, false);
        p->homes[p->order_home].content = order;
    }
    if (w->cols > p->m->order_cols) p->m->order_cols = w->cols;
    w->order = (struct hk_tensor){.rows = 1, .cols = w->cols, .ld = w->cols};
    add_field(p, &w->order.addr, p->order_home, NULL);
}

/* The binding of the newest part of a matrix, or NULL. */
static const struct binding *newest(const struct weight_plan *p, const struct hk_weight *w)
{
    for (size_t i = p->n_bindings; w && i > 0; i--)
        if (p->bindings[i - 1].w == w) return &p->bindings[i - 1];
    return NULL;
}

static bool bind_matrix(struct weight_plan *p, struct binding b, struct hk_weight *w, struct hk_error *err)
{
    bool looked_up = b.row->flags & HK_LOOKED_UP;
    for (size_t i = 0; b.row->tied && i < p->n_bindings; i++)
        if (p->bindings[i].tensor == b.tensor) { /* the same memory */
            *w = *p->bindings[i].w;
            add_field(p, &w->addr, p->bindings[i].home, looked_up ? NULL : w);
            if (p->bindings[i].scale != 1.0f)
                add_field(p, &w->scale, home_of(p, &p->bindings[i].w->scale), NULL);
            return true;
        }
    enum hk_weight_type type = device_type(p, &b);
    if (type != HK_F32) p->m->f32_only = false;
    if (!find_scale(p, b.tensor, &b.scale, 1, err) || !shape_weight(w, &b, type, b.rows, err) ||
        !bind_scale(p, &b.scale, 1, w, err))
        return false;
    b.home = add_home(p, device_bytes(p, w), false);
    b.w = w;
    assert(!(b.tensor->order && looked_up)); /* loader/formats/hf.c has seen to that */
    if (b.tensor->order) bind_order(p, find_order(p, b.tensor, b.cols), w);
    add_field(p, &w->addr, b.home, looked_up ? NULL : w);
    add_binding(p, &b);
    return true;
}

/* A part of a stack: more rows of its newest matrix, where that has the type, scale and order and ends with a
 * whole tile; else a matrix of its own. */
static bool bind_part(struct weight_plan *p, struct binding b, struct hk_stack *stack, struct hk_error *err)
{
    enum hk_weight_type type = device_type(p, &b);
    if (!find_scale(p, b.tensor, &b.scale, 1, err)) return false;
    stack->rows += b.rows;
    struct hk_weight *last = stack->n ? &stack->part[stack->n - 1] : NULL;
    const struct binding *before = newest(p, last);
    if (!before || last->layout.type != type || before->scale != b.scale || last->rows % HK_TILE_ROWS != 0 ||
        find_order(p, before->tensor, b.cols) != find_order(p, b.tensor, b.cols)) {
        assert(stack->n < HK_STACK_PARTS);
        return bind_matrix(p, b, &stack->part[stack->n++], err);
    }
    b.first_row = last->rows;
    b.w = last;
    b.home = before->home;
    if (!shape_weight(last, &b, type, b.first_row + b.rows, err)) return false;
    p->homes[b.home].bytes = device_bytes(p, last);
    add_binding(p, &b);
    return true;
}

static void bind_vector(struct weight_plan *p, struct binding b, struct hk_tensor *v)
{
    *v = (struct hk_tensor){.rows = 1, .cols = b.cols, .ld = b.cols};
    b.home = add_home(p, 4ull * hk_align_up(b.cols, HK_ROW_ALIGN), false);
    add_field(p, &v->addr, b.home, NULL);
    add_binding(p, &b);
}

/* Rows of the stack before this one's. */
static uint32_t rows_before(const struct weight_plan *p, const struct hk_arch_tensor *row)
{
    uint32_t n = 0;
    const struct hk_arch_tensor *other;
    for (size_t i = 0; (other = hk_arch_tensor(p->m->arch, i)) != row; i++)
        if (strcmp(hk_arch_field(other), hk_arch_field(row)) == 0) n += hk_dim(&p->m->hp, other->rows);
    return n;
}

/* A stack's biases are one vector; where the checkpoint has some of them only, the rest is zero. */
static void bind_part_bias(struct weight_plan *p, struct binding b, struct hk_stack *stack)
{
    struct hk_tensor *v = &stack->bias;
    if (!hk_tensor_given(v)) {
        *v = (struct hk_tensor){.rows = 1, .cols = stack->rows, .ld = stack->rows};
        add_field(p, &v->addr, add_home(p, 4ull * hk_align_up(v->cols, HK_ROW_ALIGN), true), NULL);
    }
    b.home = home_of(p, &v->addr);
    b.first_row = rows_before(p, b.row);
    add_binding(p, &b);
}

/* The tensor of one expert. */
static bool find_expert(const struct weight_plan *p, struct binding *b, struct hk_error *err)
{
    char name[HK_MAX_TENSOR_NAME];
    hk_name_expand(name, b->row->each, b->numbers, ".weight");
    b->tensor = hk_checkpoint_tensor(p->m->ckpt, name);
    if (b->tensor) return check_shape(b->tensor, 0, b->rows, b->cols, err);
    return hk_fail(err, HK_ERR_FORMAT, "tensor %s is missing: %s needs it", name, p->m->arch->name);
}

/* Matrices one an expert, from one tensor (n_experts, rows, cols) or from one each. */
static bool bind_experts(struct weight_plan *p, struct binding b, struct hk_weight *w, struct hk_error *err)
{
    uint32_t n = p->m->hp.n_experts;
    char name[HK_MAX_TENSOR_NAME];
    hk_name_expand(name, b.row->name, b.numbers, ".weight");
    const struct hk_ckpt_tensor *all = hk_checkpoint_tensor(p->m->ckpt, name);
    if (!n || n > p->m->ckpt->n_tensors + (all ? all->shape[0] : 0))
        return hk_fail(err, HK_ERR_FORMAT, "tensor %s: %u experts: as many as the file has are needed", name,
                       n);
    float *scale = hk_arena_alloc(&p->arena, n, sizeof *scale, err);
    if (!scale || (all && (!check_shape(all, n, b.rows, b.cols, err) || !find_scale(p, all, scale, n, err))))
        return false;
    b.w = w;
    b.home = add_home(p, 0, false);
    for (uint32_t e = 0; e < n; e++) {
        b.numbers.expert = e;
        b.tensor = all;
        b.tensor_row = all ? (uint64_t)e * b.rows : 0;
        if (!all && (!find_expert(p, &b, err) || !find_scale(p, b.tensor, &scale[e], 1, err))) return false;
        enum hk_weight_type type = device_type(p, &b);
        if (e == 0 && !shape_weight(w, &b, type, b.rows, err)) return false;
        if (type != w->layout.type || b.tensor->order)
            return hk_fail(err, HK_ERR_UNSUPPORTED,
                           "tensor %s: experts of several types, or of columns in an order of their own, are "
                           "not supported",
                           b.tensor->name);
        b.scale = scale[e];
        add_binding(p, &b);
    }
    if (w->layout.type != HK_F32) p->m->f32_only = false;
    w->n_experts = n;
    w->stride = hk_align_up(device_bytes(p, w), 256);
    if (!hk_mul_u64(w->stride, n, &p->homes[b.home].bytes))
        return hk_fail(err, HK_ERR_MEMORY, "tensor %s: its size does not fit in 64 bits", name);
    add_field(p, &w->addr, b.home, w);
    return bind_scale(p, scale, n, w, err);
}

/* b's tensor; NULL where the checkpoint does not have it and need not. */
static bool find_tensor(const struct weight_plan *p, struct binding *b, struct hk_error *err)
{
    const struct hk_checkpoint *c = p->m->ckpt;
    bool may_miss = b->row->flags & (b->bias ? HK_BIAS_OPTIONAL : HK_OPTIONAL);
    char name[HK_MAX_TENSOR_NAME], tied[HK_MAX_TENSOR_NAME];
    hk_name_expand(name, b->row->name, b->numbers, b->bias ? ".bias" : ".weight");
    b->tensor = hk_checkpoint_tensor(c, name);
    if (!b->tensor && b->row->tied && !b->bias) {
        if (c->untied)
            return hk_fail(
                err, HK_ERR_FORMAT,
                "tensor %s (lm_head) is missing, and the configuration does not tie it to the embedding: a "
                "model saved with its head is needed (LlamaForCausalLM, not LlamaModel)",
                name);
        hk_name_expand(tied, b->row->tied, b->numbers, ".weight");
        b->tensor = hk_checkpoint_tensor(c, tied);
    }
    return b->tensor || may_miss ||
           hk_fail(err, HK_ERR_FORMAT, "tensor %s is missing: %s needs it", name, p->m->arch->name);
}

static const struct weight_field *find_field(const struct weight_plan *p, const struct hk_arch_tensor *row)
{
    const struct forward *forward = p->m->forward;
    const struct weight_field *f = hk_arch_in_layers(row) ? forward->layer_fields : forward->global_fields;
    while (f->name && strcmp(f->name, hk_arch_field(row)) != 0) f++;
    assert(f->name); /* a forward has room for all that its descriptions have */
    return f;
}

/* One tensor of the description, its weight or its bias, into the forward's struct at base. */
static bool bind_row(struct weight_plan *p, const struct hk_arch_tensor *row, uint32_t layer, bool bias,
                     char *base, struct hk_error *err)
{
    bool vector = row->rows == DIM_ONE || bias, reward = p->m->hp.n_labels > 0;
    if ((row->flags & HK_OTHER_USE) || (row->flags & (reward ? HK_LANGUAGE_HEAD : HK_REWARD_HEAD)) ||
        (bias && !(row->flags & (HK_BIAS | HK_BIAS_OPTIONAL))))
        return true;
    const struct weight_field *field = find_field(p, row);
    assert((row->rows == DIM_ONE) == (field->kind == FIELD_VECTOR) &&
           (!bias || field->kind == FIELD_STACK || field->bias));
    struct binding b = {.row = row, .numbers = {layer, UINT32_MAX}, .bias = bias, .scale = 1.0f};
    b.rows = vector ? 1 : hk_dim(&p->m->hp, row->rows);
    b.cols = hk_dim(&p->m->hp, bias && row->rows != DIM_ONE ? row->rows : row->cols);
    if (row->flags & HK_EXPERTS) return bind_experts(p, b, (void *)(base + field->offset), err);
    if (!find_tensor(p, &b, err)) return false;
    if (!b.tensor) return true;
    if (!check_shape(b.tensor, 0, b.rows, b.cols, err)) return false;
    void *target = base + (bias && field->kind != FIELD_STACK ? field->bias : field->offset);
    if (!vector)
        return (field->kind == FIELD_STACK ? bind_part(p, b, target, err) : bind_matrix(p, b, target, err));
    if (field->kind == FIELD_STACK)
        bind_part_bias(p, b, target);
    else
        bind_vector(p, b, target);
    return true;
}

/* The tensors of the whole model (layer UINT32_MAX), or of a layer. Biases come after all matrices: a stack's is as
 * long as all of them. */
static bool bind_group(struct weight_plan *p, uint32_t layer, char *base, struct hk_error *err)
{
    const struct hk_arch_tensor *row;
    for (int bias = 0; bias < 2; bias++)
        for (size_t i = 0; (row = hk_arch_tensor(p->m->arch, i)) != NULL; i++)
            if (hk_arch_in_layers(row) == (layer != UINT32_MAX) && !bind_row(p, row, layer, bias, base, err))
                return false;
    return true;
}

static bool bind_all(struct weight_plan *p, struct hk_error *err)
{
    struct hk_model *m = p->m;
    if (!bind_group(p, UINT32_MAX, m->global, err)) return false;
    for (uint32_t i = 0; i < m->hp.n_layer; i++)
        if (!bind_group(p, i, (char *)m->layers + m->forward->layer_size * i, err)) return false;
    for (size_t i = 0; i < p->n_fields; i++)
        if (p->fields[i].read_whole) m->stats.step_weight_bytes += device_bytes(p, p->fields[i].read_whole);
    for (size_t i = 0; i < p->n_homes; i++) m->stats.weight_bytes += hk_align_up(p->homes[i].bytes, 256);
    return true;
}

static size_t count_rows(const struct hk_arch *a)
{
    size_t n = 0;
    while (hk_arch_tensor(a, n)) n++;
    return n;
}

struct weight_plan *weights_bind(struct hk_model *m, enum hk_weight_type quant, struct hk_error *err)
{
    /* Every row makes at most one of each, and two more of two for an order of columns and a scale; a model
     * names at most as many rows as the checkpoint has tensors, and a few that are tied or absent, so the
     * layers of a lying configuration are not counted. */
    size_t most = count_rows(m->arch) + (size_t)m->ckpt->n_tensors, n_bindings = most;
    for (uint32_t i = 0; i < m->ckpt->n_tensors; i++) /* a tensor of experts is bound once for each */
        if (m->ckpt->tensors[i].n_dims == 3) n_bindings += (size_t)m->ckpt->tensors[i].shape[0];
    struct weight_plan *p = hk_calloc(1, sizeof *p, err);
    if (!p) return NULL;
    p->m = m;
    p->quant = quant;
    p->homes = hk_calloc(most, 3 * sizeof *p->homes, err);
    p->fields = hk_calloc(most, 3 * sizeof *p->fields, err);
    p->bindings = m->bindings = hk_calloc(n_bindings, sizeof *p->bindings, err);
    if (p->homes && p->fields && p->bindings && bind_all(p, err)) return p;
    weights_plan_free(p);
    return NULL;
}

void weights_plan_free(struct weight_plan *p)
{
    if (!p) return;
    hk_arena_free(&p->arena);
    free(p->homes);
    free(p->fields);
    free(p);
}

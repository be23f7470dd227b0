/* A checkpoint's tensors -> an architecture's structs and places in device memory, by the architecture's weight
 * table. */
#include "runtime/weights.h"
#include "runtime/backend.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool check_shape(const struct hk_ckpt_tensor *t, uint32_t rows, uint32_t cols, struct hk_error *err)
{
    uint64_t have_rows = t->n_dims >= 2 ? t->shape[0] : 1,
             have_cols = t->n_dims >= 2 ? t->shape[1] : t->shape[0];
    if (t->n_dims <= 2 && have_rows == rows && have_cols == cols) return true;
    char want[48];
    if (rows == 1)
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

/* Whether the row stands for a reward model's head. */
static bool is_head(const struct weight_plan *p, const struct weight_row *row)
{
    return row->head && p->m->hp.n_labels;
}

static enum hk_weight_type device_type(const struct weight_plan *p, const struct weight_row *row,
                                       const struct hk_ckpt_tensor *t, uint32_t cols)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(t->type);
    enum hk_weight_type as_it_is = hk_weight_on_device(info) ? t->type : HK_F32;
    bool plain = hk_weight_type_is_float(t->type);
    if (p->quant == HK_WEIGHT_TYPE_COUNT || !plain || row->keep || is_head(p, row)) return as_it_is;
    return cols % hk_weight_type_info(p->quant)->block_len == 0 ? p->quant : as_it_is;
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

static void add_binding(struct weight_plan *p, const struct hk_ckpt_tensor *t, const struct hk_weight *w,
                        uint32_t rows, uint32_t cols, uint32_t first_row, size_t home)
{
    p->bindings[p->n_bindings++] = (struct binding){
        .tensor = t, .w = w, .rows = rows, .cols = cols, .first_row = first_row, .home = home};
    p->m->stats.n_params += (uint64_t)rows * cols;
}

/* `name.scale` beside `name.weight`: one number for the whole matrix, 1 where there is none. NVFP4 files have
 * it, after ModelOpt's second scale. */
static bool find_scale(const struct weight_plan *p, const struct hk_ckpt_tensor *t, float *scale,
                       struct hk_error *err)
{
    static const char weight[] = ".weight";
    size_t len = strlen(t->name), stem = len - (sizeof weight - 1);
    char name[128];
    *scale = 1.0f;
    if (len < sizeof weight || strcmp(t->name + stem, weight) != 0 || len >= sizeof name) return true;
    snprintf(name, sizeof name, "%.*s.scale", (int)stem, t->name);
    const struct hk_ckpt_tensor *s = hk_checkpoint_tensor(p->m->ckpt, name);
    if (!s) return true;
    if (s->type == HK_F32 && s->size == sizeof *scale) {
        hk_weight_type_info(HK_F32)->decode(s->data, scale, 1);
        if (isfinite(*scale)) return true;
    }
    return hk_fail(err, HK_ERR_UNSUPPORTED,
                   "tensor %s: is to be multiplied by %s, which is not one finite number in F32", t->name,
                   name);
}

static bool shape_weight(struct hk_weight *w, const struct hk_ckpt_tensor *t, enum hk_weight_type type,
                         uint32_t rows, uint32_t cols, float scale, struct hk_error *err)
{
    w->scale = scale;
    w->name = t->name;
    w->rows = rows;
    w->cols = cols;
    return hk_weight_layout(type, rows, cols, &w->layout, err) || hk_fail_prefix(err, "tensor %s", t->name);
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

static bool bind_matrix(struct weight_plan *p, const struct weight_row *row, const struct hk_ckpt_tensor *t,
                        struct hk_weight *w, struct hk_error *err)
{
    uint32_t rows = hk_dim(&p->m->hp, row->rows), cols = hk_dim(&p->m->hp, row->cols);
    /* Embeddings and positions are looked up, not read whole. */
    bool looked_up = row->rows == DIM_CTX_TRAIN || row->rows == DIM_VOCAB;
    for (size_t i = 0; row->fallback && i < p->n_bindings; i++)
        if (p->bindings[i].tensor == t) { /* tied: the same memory */
            *w = *p->bindings[i].w;
            add_field(p, &w->addr, p->bindings[i].home, looked_up ? NULL : w);
            return true;
        }
    enum hk_weight_type type = device_type(p, row, t, cols);
    float scale;
    if (type != HK_F32) p->m->f32_only = false;
    if (!find_scale(p, t, &scale, err) || !shape_weight(w, t, type, rows, cols, scale, err)) return false;
    size_t home = add_home(p, device_bytes(p, w), false);
    assert(!(t->order && looked_up)); /* loader/formats/hf.c has seen to that */
    if (t->order) bind_order(p, find_order(p, t, cols), w);
    add_field(p, &w->addr, home, looked_up ? NULL : w);
    add_binding(p, t, w, rows, cols, 0, home);
    return true;
}

/* A part of a stack: more rows of its newest matrix, where that has the type, scale and order and ends with a
 * whole tile; else a matrix of its own. */
static bool bind_part(struct weight_plan *p, const struct weight_row *row, const struct hk_ckpt_tensor *t,
                      struct hk_stack *stack, struct hk_error *err)
{
    uint32_t rows = hk_dim(&p->m->hp, row->rows), cols = hk_dim(&p->m->hp, row->cols);
    enum hk_weight_type type = device_type(p, row, t, cols);
    float scale;
    if (!find_scale(p, t, &scale, err)) return false;
    if (row->part == 1) p->stack_start[1] = 0;
    p->stack_start[row->part + 1 <= HK_STACK_PARTS ? row->part + 1 : 0] = p->stack_start[row->part] + rows;
    stack->rows += rows;
    struct hk_weight *last = stack->n ? &stack->part[stack->n - 1] : NULL;
    const uint32_t *order = find_order(p, t, cols);
    if (!last || last->layout.type != type || last->scale != scale || p->stack_order != order ||
        last->rows % HK_TILE_ROWS != 0) {
        struct hk_weight *w = &stack->part[stack->n++];
        if (!bind_matrix(p, row, t, w, err)) return false;
        p->stack_home = p->bindings[p->n_bindings - 1].home;
        p->stack_order = order;
        return true;
    }
    uint32_t first_row = last->rows;
    if (!shape_weight(last, t, type, first_row + rows, cols, scale, err)) return false;
    p->homes[p->stack_home].bytes = device_bytes(p, last);
    add_binding(p, t, last, rows, cols, first_row, p->stack_home);
    return true;
}

static void bind_vector(struct weight_plan *p, const struct weight_row *row, const struct hk_ckpt_tensor *t,
                        struct hk_tensor *v)
{
    uint32_t cols = hk_dim(&p->m->hp, row->cols);
    *v = (struct hk_tensor){.rows = 1, .cols = cols, .ld = cols};
    size_t home = add_home(p, 4ull * hk_align_up(cols, HK_ROW_ALIGN), false);
    add_field(p, &v->addr, home, NULL);
    add_binding(p, t, NULL, 1, cols, 0, home);
}

/* A stack's biases are one vector; where the checkpoint has some of them only, the rest is zero. */
static void bind_part_bias(struct weight_plan *p, const struct weight_row *row,
                           const struct hk_ckpt_tensor *t, struct hk_stack *stack)
{
    if (!hk_tensor_given(&stack->bias)) {
        stack->bias = (struct hk_tensor){.rows = 1, .cols = stack->rows, .ld = stack->rows};
        p->stack_bias_home = add_home(p, 4ull * hk_align_up(stack->rows, HK_ROW_ALIGN), true);
        add_field(p, &stack->bias.addr, p->stack_bias_home, NULL);
    }
    add_binding(p, t, NULL, 1, hk_dim(&p->m->hp, row->cols), p->stack_start[row->part], p->stack_bias_home);
}

static const struct hk_ckpt_tensor *find_tensor(const struct weight_plan *p, const struct weight_row *row,
                                                uint32_t layer, struct hk_error *err)
{
    const struct hk_checkpoint *c = p->m->ckpt;
    const char *fallback = is_head(p, row) ? NULL : row->fallback;
    char name[128];
    snprintf(name, sizeof name, is_head(p, row) ? row->head : row->name, layer);
    const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(c, name);
    if (!t && fallback && c->untied) {
        hk_fail(err, HK_ERR_FORMAT,
                "tensor %s (lm_head) is missing, and the configuration does not tie it to the embedding: a "
                "model saved "
                "with its head is needed (LlamaForCausalLM, not LlamaModel)",
                name);
        return NULL;
    }
    if (!t && fallback) t = hk_checkpoint_tensor(c, fallback);
    if (!t && !row->optional)
        hk_fail(err, HK_ERR_FORMAT, "tensor %s is missing: %s needs it", name, p->m->arch->name);
    return t;
}

static bool bind_row(struct weight_plan *p, const struct weight_row *row, uint32_t layer, char *base,
                     struct hk_error *err)
{
    const struct hk_ckpt_tensor *t = find_tensor(p, row, layer, err);
    if (!t) return row->optional;
    if (!check_shape(t, hk_dim(&p->m->hp, row->rows), hk_dim(&p->m->hp, row->cols), err)) return false;
    void *target = base + row->offset;
    bool matrix = row->rows != DIM_ONE;
    if (matrix) return row->part ? bind_part(p, row, t, target, err) : bind_matrix(p, row, t, target, err);
    if (row->part)
        bind_part_bias(p, row, t, target);
    else
        bind_vector(p, row, t, target);
    return true;
}

static bool bind_all(struct weight_plan *p, struct hk_error *err)
{
    struct hk_model *m = p->m;
    for (const struct weight_row *row = m->arch->global_rows; row->name; row++)
        if (!bind_row(p, row, 0, m->global, err)) return false;
    for (uint32_t i = 0; i < m->hp.n_layer; i++)
        for (const struct weight_row *row = m->arch->layer_rows; row->name; row++)
            if (!bind_row(p, row, i, (char *)m->layers + m->arch->layer_size * i, err)) return false;
    for (size_t i = 0; i < p->n_fields; i++)
        if (p->fields[i].read_whole) m->stats.step_weight_bytes += device_bytes(p, p->fields[i].read_whole);
    for (size_t i = 0; i < p->n_homes; i++) m->stats.weight_bytes += hk_align_up(p->homes[i].bytes, 256);
    return true;
}

static size_t count_rows(const struct weight_row *row)
{
    size_t n = 0;
    while (row[n].name) n++;
    return n;
}

struct weight_plan *weights_bind(struct hk_model *m, enum hk_weight_type quant, struct hk_error *err)
{
    /* Every row makes at most one of each, and one more of two for an order of columns; a model names at most
     * as many rows as the checkpoint has tensors, and a few that are tied or absent, so the layers of a lying
     * configuration are not counted. */
    size_t most = count_rows(m->arch->global_rows) + (size_t)m->ckpt->n_tensors;
    struct weight_plan *p = hk_calloc(1, sizeof *p, err);
    if (!p) return NULL;
    p->m = m;
    p->quant = quant;
    p->homes = hk_calloc(most, 2 * sizeof *p->homes, err);
    p->fields = hk_calloc(most, 2 * sizeof *p->fields, err);
    p->bindings = hk_calloc(most, sizeof *p->bindings, err);
    if (p->homes && p->fields && p->bindings && bind_all(p, err)) return p;
    weights_plan_free(p);
    return NULL;
}

void weights_plan_free(struct weight_plan *p)
{
    if (!p) return;
    free(p->homes);
    free(p->fields);
    free(p->bindings);
    free(p);
}

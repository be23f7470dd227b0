/* A checkpoint's tensors -> an architecture's structs and device memory, by the architecture's weight table. */
#include "runtime/weights.h"
#include "runtime/backend.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UPLOAD_GROUP_BYTES = 2 << 20 }; /* of source rows converted and packed at a time */

/* A piece of device memory: a matrix (or several, stacked), or a vector. */
struct home {
    uint64_t bytes, addr;
    bool zero;           /* filled with zeros first: not every part may come */
    const void *content; /* or with this */
};

/* A field of the architecture's structs that waits for its home's address. */
struct field {
    uint64_t *addr;
    size_t home;
    const struct hk_weight *read_whole; /* a matrix that each decode step reads, or NULL */
};

/* A tensor of the checkpoint on its way to rows first_row.. of a home. */
struct binding {
    const struct hk_ckpt_tensor *tensor;
    const struct hk_weight *w; /* the matrix it becomes a part of, or NULL: a vector */
    uint32_t rows, cols, first_row;
    size_t home;
};

struct weight_plan {
    struct hk_model *m;
    enum hk_weight_type quant;
    struct home *homes;
    struct field *fields;
    struct binding *bindings;
    size_t n_homes, n_fields, n_bindings;
    /* the newest order of columns, which other matrices that read the same input mostly share */
    const uint32_t *order;
    uint32_t order_cols;
    size_t order_home;
    /* of the stack whose parts are being bound: the home of its newest matrix, of its bias, that matrix's
     * order of columns, and where parts begin */
    size_t stack_home, stack_bias_home;
    const uint32_t *stack_order;
    uint32_t stack_start[HK_STACK_PARTS + 1];
};

/* ---- binding ---------------------------------------------------------------------------------------------- */

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
    bool plain = hk_weight_is_float(info);
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

/* ---- upload ----------------------------------------------------------------------------------------------- */

/* n_rows rows from `first` of a tensor as float: out (n_rows, cols). src is where they lie, unless the tensor
 * is transposed. */
static void read_float_rows(const struct hk_ckpt_tensor *t, const char *src, uint32_t first, uint32_t n_rows,
                            uint32_t rows, uint32_t cols, float *out)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(t->type);
    const char *data = t->data;
    if (!t->transposed) {
        size_t row_bytes = (size_t)cols / info->block_len * info->block_bytes;
        for (uint32_t r = 0; r < n_rows; r++) info->decode(src + row_bytes * r, out + (size_t)r * cols, cols);
        return;
    }
    float column[HK_TILE_ROWS];
    for (uint32_t c = 0; c < cols; c++) /* stored (cols, rows): 32 outputs of one input lie together */
        for (uint32_t r = 0; r < n_rows; r += HK_TILE_ROWS) {
            uint32_t n = n_rows - r < HK_TILE_ROWS ? n_rows - r : HK_TILE_ROWS;
            info->decode(data + ((size_t)c * rows + first + r) * info->block_bytes, column, n);
            for (uint32_t i = 0; i < n; i++) out[(size_t)(r + i) * cols + c] = column[i];
        }
}

/* Buffers for a group of rows on its way: as the tensor has them, where they do not lie in the file, then for
 * converting them. */
struct convert {
    char *made;
    float *floats;
    char *blocks;
};

static bool upload_matrix(struct weight_plan *p, const struct binding *b, struct hk_error *err)
{
    struct backend *backend = p->m->backend;
    const struct hk_ckpt_tensor *t = b->tensor;
    enum hk_weight_type type = b->w->layout.type;
    const struct hk_weight_type_info *from = hk_weight_type_info(t->type), *to = hk_weight_type_info(type);
    bool convert = t->transposed || type != t->type;
    size_t from_row = (size_t)b->cols / from->block_len * from->block_bytes;
    size_t to_row = (size_t)b->cols / to->block_len * to->block_bytes;
    uint32_t group = UPLOAD_GROUP_BYTES / (uint32_t)(to_row > from_row ? to_row : from_row) / HK_TILE_ROWS;
    if (group == 0) group = 1;

    struct convert c = {0};
    if (convert) {
        c.floats = hk_calloc((size_t)group * HK_TILE_ROWS * b->cols, sizeof(float), err);
        c.blocks = c.floats ? hk_calloc((size_t)group * HK_TILE_ROWS, to_row, err) : NULL;
    }
    if (t->quantized) c.made = hk_calloc((size_t)group * HK_TILE_ROWS, from_row, err);
    bool ok = (!convert || c.blocks) && (!t->quantized || c.made);
    for (uint32_t first = 0; ok && first < b->rows; first += group * HK_TILE_ROWS) {
        uint32_t left = b->rows - first, n_rows = left < group * HK_TILE_ROWS ? left : group * HK_TILE_ROWS;
        const char *src = t->quantized ? c.made : (const char *)t->data + from_row * first;
        if (t->quantized) hk_ckpt_rows(t, first, n_rows, c.made);
        if (convert) {
            read_float_rows(t, src, first, n_rows, b->rows, b->cols, c.floats);
            for (uint32_t r = 0; r < n_rows; r++)
                to->encode(c.floats + (size_t)r * b->cols, c.blocks + to_row * r, b->cols);
            src = c.blocks;
        }
        ok = backend->table->weight_upload(backend, b->w, (b->first_row + first) / HK_TILE_ROWS,
                                           (uint32_t)hk_div_up(n_rows, HK_TILE_ROWS), src,
                                           convert ? to_row : from_row, n_rows, err);
    }
    free(c.made);
    free(c.floats);
    free(c.blocks);
    return ok;
}

static bool upload_vector(struct weight_plan *p, const struct binding *b, struct hk_error *err)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(b->tensor->type);
    if (b->cols % info->block_len)
        return hk_fail(err, HK_ERR_FORMAT, "%u values in blocks of %u: a whole number of blocks is needed",
                       b->cols, info->block_len);
    float *f = hk_calloc(b->cols, sizeof *f, err);
    void *row = f ? hk_calloc((size_t)b->tensor->size, 1, err) : NULL;
    if (!row) {
        free(f);
        return false;
    }
    hk_ckpt_rows(b->tensor, 0, 1, row);
    info->decode(row, f, b->cols);
    free(row);
    uint64_t addr = p->homes[b->home].addr + 4ull * b->first_row;
    bool ok = p->m->backend->table->write(p->m->backend, addr, f, 4ull * b->cols, err);
    free(f);
    return ok;
}

static bool make_homes(struct weight_plan *p, struct hk_error *err)
{
    const struct backend_table *be = p->m->backend->table;
    p->m->arena = be->arena_new(p->m->backend, GPU_MEMORY_WEIGHTS, p->m->stats.weight_bytes, err);
    for (size_t i = 0; p->m->arena && i < p->n_homes; i++) {
        struct home *h = &p->homes[i];
        struct gpu_span span;
        if (!be->arena_alloc(p->m->arena, h->bytes, &span, err)) return false;
        h->addr = span.addr;
        void *zeros = h->zero ? hk_calloc((size_t)h->bytes, 1, err) : NULL;
        const void *content = h->zero ? zeros : h->content;
        bool ok =
            (!h->zero || zeros) && (!content || be->write(p->m->backend, h->addr, content, h->bytes, err));
        free(zeros);
        if (!ok) return false;
    }
    for (size_t i = 0; p->m->arena && i < p->n_fields; i++)
        *p->fields[i].addr = p->homes[p->fields[i].home].addr;
    return p->m->arena != NULL;
}

bool weights_upload(struct weight_plan *p, hk_progress_fn progress, void *user, struct hk_error *err)
{
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < p->n_bindings; i++) total += p->bindings[i].tensor->size;
    if (!make_homes(p, err)) return false;
    for (size_t i = 0; i < p->n_bindings; i++) {
        const struct binding *b = &p->bindings[i];
        if (progress && !progress(user, "loading", done, total))
            return hk_fail(err, HK_ERR_CANCELLED, "loading was cancelled");
        if (!(b->w ? upload_matrix : upload_vector)(p, b, err))
            return hk_fail_prefix(err, "tensor %s", b->tensor->name);
        done += b->tensor->size;
    }
    if (!p->m->backend->table->weight_finish(p->m->backend, err)) return false;
    if (progress) progress(user, "loading", total, total);
    return true;
}

/* Binds an architecture's weight table to a checkpoint: finds every tensor, checks its shape, converts where
 * asked, packs and uploads. Nothing is allocated on the device before the whole need is known and compared
 * with the budget. */
#include "model.h"
#include "archs.h"
#include "backend.h"
#include "os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UPLOAD_GROUP_BYTES = 2 << 20 }; /* of source rows converted and packed at a time */

static const struct arch *const archs[] = {
#define ARCH_ENTRY(name) &arch_##name,
    HK_ARCHS(ARCH_ENTRY)
#undef ARCH_ENTRY
};

const char *hk_known_architectures(void)
{
#define ARCH_NAME(name) ", " #name
    static const char names[] = HK_ARCHS(ARCH_NAME);
#undef ARCH_NAME
    return names + 2;
}

uint32_t hk_dim(const struct hk_hparams *hp, enum dim d)
{
    switch (d) {
    case DIM_ONE:
        return 1;
    case DIM_EMBD:
        return hp->n_embd;
    case DIM_VOCAB:
        return hp->n_vocab;
    case DIM_HEADS:
        return hp->n_head * hp->head_dim;
    case DIM_KV:
        return hp->n_head_kv * hp->head_dim;
    case DIM_QKV:
        return (hp->n_head + 2 * hp->n_head_kv) * hp->head_dim;
    case DIM_FF:
        return hp->n_ff;
    case DIM_CTX_TRAIN:
        return hp->n_ctx_train;
    }
    return 0;
}

/* ---- binding
 * ------------------------------------------------------------------------------------------------ */

/* One tensor of the checkpoint bound to one field of the architecture's structs. */
struct binding {
    const struct hk_ckpt_tensor *tensor;
    void *target; /* struct hk_weight or hk_tensor */
    bool matrix;
    enum hk_weight_type type; /* on the device */
    uint64_t bytes;           /* on the device; 0 where `same` has them */
    size_t same;              /* index of an earlier binding of the same tensor, or its own index */
};

struct binder {
    struct hk_model *m;
    enum hk_weight_type quant;
    struct binding *list;
    size_t n, capacity;
    uint64_t bytes, source_bytes;
};

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

static enum hk_weight_type device_type(const struct binder *b, const struct weight_row *row,
                                       const struct hk_ckpt_tensor *t, uint32_t cols)
{
    bool plain = t->type == HK_F32 || t->type == HK_F16 || t->type == HK_BF16;
    if (b->quant == HK_WEIGHT_TYPE_COUNT || !plain || row->keep) return t->type;
    return cols % hk_weight_type_info(b->quant)->block_len == 0 ? b->quant : t->type;
}

static bool bind_row(struct binder *b, const struct weight_row *row, uint32_t layer, char *base,
                     struct hk_error *err)
{
    char name[128];
    snprintf(name, sizeof name, row->name, layer);
    const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(b->m->ckpt, name);
    if (!t && row->fallback && b->m->ckpt->untied)
        return hk_fail(err, HK_ERR_FORMAT,
                       "tensor %s (lm_head) is missing, and the configuration does not tie it to the "
                       "embedding: a model saved with its head is needed (LlamaForCausalLM, not LlamaModel)",
                       name);
    if (!t && row->fallback) t = hk_checkpoint_tensor(b->m->ckpt, row->fallback);
    if (!t && row->optional) return true;
    if (!t) return hk_fail(err, HK_ERR_FORMAT, "tensor %s is missing: %s needs it", name, b->m->arch->name);

    uint32_t rows = hk_dim(&b->m->hp, row->rows), cols = hk_dim(&b->m->hp, row->cols);
    if (!check_shape(t, rows, cols, err)) return false;
    if (b->n == b->capacity) {
        size_t capacity = b->capacity ? 2 * b->capacity : 256;
        struct binding *list = realloc(b->list, capacity * sizeof *list);
        if (!list) return hk_fail(err, HK_ERR_MEMORY, "binding weights: host memory is out");
        b->list = list;
        b->capacity = capacity;
    }
    struct binding *bind = &b->list[b->n];
    *bind = (struct binding){
        .tensor = t, .target = base + row->offset, .matrix = row->rows != DIM_ONE, .same = b->n};
    for (size_t i = 0; row->fallback && i < b->n; i++)
        if (b->list[i].tensor == t) bind->same = i;

    if (bind->matrix) {
        struct hk_weight *w = bind->target;
        bind->type = device_type(b, row, t, cols);
        if (!hk_weight_layout(bind->type, rows, cols, &w->layout, err))
            return hk_fail_prefix(err, "tensor %s", t->name);
        w->name = t->name;
        w->rows = rows;
        w->cols = cols;
        bind->bytes = b->m->backend->table->weight_bytes(&w->layout);
        if (bind->type != HK_F32) b->m->f32_only = false;
        if (row->rows != DIM_CTX_TRAIN && (row->rows != DIM_VOCAB || row->fallback))
            b->m->stats.step_weight_bytes += bind->bytes; /* embeddings are looked up, not read whole */
    } else {
        *(struct hk_tensor *)bind->target = (struct hk_tensor){.rows = 1, .cols = cols, .ld = cols};
        bind->type = HK_F32;
        bind->bytes = 4ull * hk_align_up(cols, HK_ROW_ALIGN);
    }
    if (bind->same != b->n)
        bind->bytes = 0;
    else
        b->m->stats.n_params += (uint64_t)rows * cols;
    b->bytes += hk_align_up(bind->bytes, 256);
    b->source_bytes += bind->same == b->n ? t->size : 0;
    b->n++;
    return true;
}

static bool bind_all(struct binder *b, struct hk_error *err)
{
    struct hk_model *m = b->m;
    for (const struct weight_row *row = m->arch->global_rows; row->name; row++)
        if (!bind_row(b, row, 0, m->global, err)) return false;
    for (uint32_t i = 0; i < m->hp.n_layer; i++)
        for (const struct weight_row *row = m->arch->layer_rows; row->name; row++)
            if (!bind_row(b, row, i, (char *)m->layers + m->arch->layer_size * i, err)) return false;
    return true;
}

/* ---- upload
 * ------------------------------------------------------------------------------------------------- */

/* n_rows rows from `first` of a plain tensor as float: out (n_rows, cols). */
static void read_float_rows(const struct hk_ckpt_tensor *t, uint32_t first, uint32_t n_rows, uint32_t rows,
                            uint32_t cols, float *out)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(t->type);
    const char *data = t->data;
    if (!t->transposed) {
        size_t row_bytes = (size_t)cols / info->block_len * info->block_bytes;
        for (uint32_t r = 0; r < n_rows; r++)
            info->decode(data + row_bytes * (first + r), out + (size_t)r * cols, cols);
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

/* Buffers for converting a group of rows. */
struct convert {
    float *floats;
    char *blocks;
};

static bool upload_matrix(struct binder *b, const struct binding *bind, struct hk_error *err)
{
    struct backend *backend = b->m->backend;
    const struct hk_weight *w = bind->target;
    const struct hk_ckpt_tensor *t = bind->tensor;
    const struct hk_weight_type_info *from = hk_weight_type_info(t->type),
                                     *to = hk_weight_type_info(bind->type);
    bool convert = t->transposed || bind->type != t->type;
    size_t from_row = (size_t)w->cols / from->block_len * from->block_bytes;
    size_t to_row = (size_t)w->cols / to->block_len * to->block_bytes;
    uint32_t group = UPLOAD_GROUP_BYTES / (uint32_t)(to_row > from_row ? to_row : from_row) / HK_TILE_ROWS;
    if (group == 0) group = 1;

    struct convert c = {0};
    if (convert) {
        c.floats = hk_calloc((size_t)group * HK_TILE_ROWS * w->cols, sizeof(float), err);
        c.blocks = c.floats ? hk_calloc((size_t)group * HK_TILE_ROWS, to_row, err) : NULL;
    }
    bool ok = !convert || c.blocks;
    for (uint32_t tile = 0; ok && tile < w->layout.n_tiles; tile += group) {
        uint32_t n_tiles = w->layout.n_tiles - tile < group ? w->layout.n_tiles - tile : group;
        uint32_t first = tile * HK_TILE_ROWS, left = w->rows - first;
        uint32_t n_rows = left < n_tiles * HK_TILE_ROWS ? left : n_tiles * HK_TILE_ROWS;
        const char *src = (const char *)t->data + from_row * first;
        if (convert) {
            read_float_rows(t, first, n_rows, w->rows, w->cols, c.floats);
            for (uint32_t r = 0; r < n_rows; r++)
                to->encode(c.floats + (size_t)r * w->cols, c.blocks + to_row * r, w->cols);
            src = c.blocks;
        }
        ok = backend->table->weight_upload(backend, w, tile, n_tiles, src, convert ? to_row : from_row,
                                           n_rows, err);
    }
    free(c.floats);
    free(c.blocks);
    return ok;
}

static bool upload_vector(struct binder *b, const struct binding *bind, struct hk_error *err)
{
    const struct hk_tensor *v = bind->target;
    const struct hk_weight_type_info *info = hk_weight_type_info(bind->tensor->type);
    if (v->cols % info->block_len)
        return hk_fail(err, HK_ERR_FORMAT,
                       "tensor %s: %u values in blocks of %u: a whole number of blocks is needed",
                       bind->tensor->name, v->cols, info->block_len);
    float *f = hk_calloc(v->cols, sizeof *f, err);
    if (!f) return false;
    info->decode(bind->tensor->data, f, v->cols);
    bool ok = b->m->backend->table->write(b->m->backend, v->addr, f, 4ull * v->cols, err);
    free(f);
    return ok;
}

static bool upload_all(struct binder *b, const struct hk_model_options *opt, struct hk_error *err)
{
    const struct backend_table *be = b->m->backend->table;
    uint64_t done = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct binding *bind = &b->list[i];
        if (opt->progress && !opt->progress(opt->user, "loading", done, b->source_bytes))
            return hk_fail(err, HK_ERR_CANCELLED, "loading was cancelled");
        if (bind->same != i) {
            struct hk_weight *w = bind->target;
            w->addr = ((const struct hk_weight *)b->list[bind->same].target)->addr;
            continue;
        }
        struct gpu_span span;
        if (!be->arena_alloc(b->m->arena, bind->bytes, &span, err)) return false;
        if (bind->matrix)
            ((struct hk_weight *)bind->target)->addr = span.addr;
        else
            ((struct hk_tensor *)bind->target)->addr = span.addr;
        if (!(bind->matrix ? upload_matrix : upload_vector)(b, bind, err))
            return hk_fail_prefix(err, "tensor %s", bind->tensor->name);
        done += bind->tensor->size;
    }
    if (!be->weight_finish(b->m->backend, err)) return false;
    if (opt->progress) opt->progress(opt->user, "loading", b->source_bytes, b->source_bytes);
    return true;
}

/* ---- rotary frequencies
 * ------------------------------------------------------------------------------------- */

/* Llama 3's frequency scaling: long wavelengths are slowed down by the factor, short ones kept, between them
 * a ramp. */
static double llama3_scale(const struct hk_hparams *hp, double freq)
{
    double wavelength = 2.0 * 3.14159265358979323846 / freq, ctx = hp->rope_original_ctx;
    double low = (double)hp->rope_low_freq_factor, high = (double)hp->rope_high_freq_factor;
    if (wavelength < ctx / high) return freq;
    if (wavelength > ctx / low) return freq / (double)hp->rope_factor;
    double ramp = (ctx / wavelength - low) / (high - low);
    return (1.0 - ramp) * freq / (double)hp->rope_factor + ramp * freq;
}

/* inv_freq[i] = theta^(-2i / rope_dim), scaled as the configuration says or divided by the rope_freqs tensor.
 */
static bool make_inv_freq(struct hk_model *m, struct hk_error *err)
{
    const struct hk_hparams *hp = &m->hp;
    uint32_t half = hp->rope_dim / 2;
    m->inv_freq = hk_calloc(half, sizeof *m->inv_freq, err);
    float *factors = hk_calloc(half, sizeof *factors, err);
    if (!m->inv_freq || !factors) {
        free(factors);
        return false;
    }
    for (uint32_t i = 0; i < half; i++) factors[i] = 1.0f;
    const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(m->ckpt, "rope_freqs.weight");
    bool ok = true;
    if (t && (t->type != HK_F32 || t->n_dims != 1 || t->shape[0] != half))
        ok = hk_fail(err, HK_ERR_FORMAT, "tensor rope_freqs.weight: want %u values of f32", half);
    else if (t)
        hk_weight_type_info(HK_F32)->decode(t->data, factors, half);
    for (uint32_t i = 0; ok && i < half; i++) {
        if (!(factors[i] > 0 && isfinite(factors[i])))
            ok = hk_fail(err, HK_ERR_FORMAT, "tensor rope_freqs.weight: value %u is %g: above 0 is needed", i,
                         (double)factors[i]);
        double freq = pow((double)hp->rope_theta, -2.0 * i / hp->rope_dim) / (double)factors[i];
        if (hp->rope_scaling == HK_ROPE_SCALING_LINEAR) freq /= (double)hp->rope_factor;
        if (hp->rope_scaling == HK_ROPE_SCALING_LLAMA3) freq = llama3_scale(hp, freq);
        m->inv_freq[i] = (float)freq;
    }
    free(factors);
    return ok;
}

void hk_rope_table(const struct hk_model *m, uint32_t n_ctx, float *out)
{
    uint32_t half = m->hp.rope_dim / 2;
    for (uint32_t p = 0; p < n_ctx; p++)
        for (uint32_t i = 0; i < half; i++) {
            double angle = (double)p * (double)m->inv_freq[i];
            *out++ = (float)cos(angle);
            *out++ = (float)sin(angle);
        }
}

/* ---- open
 * --------------------------------------------------------------------------------------------------- */

static const struct arch *find_arch(const struct hk_checkpoint *c, struct hk_error *err)
{
    if (!c->n_tensors) {
        hk_fail(err, HK_ERR_UNSUPPORTED, "%s: holds a vocabulary but no model", c->path);
        return NULL;
    }
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        if (strcmp(archs[i]->name, c->hparams.arch) == 0 && c->has_hparams) return archs[i];
    hk_fail(err, HK_ERR_UNSUPPORTED, "%s: architecture '%s' is not known: this build runs %s", c->path,
            c->hparams.arch, hk_known_architectures());
    return NULL;
}

/* Weights and the session that is planned must fit in what the device has left. */
static bool check_budget(const struct hk_model *m, uint64_t weight_bytes, uint32_t plan_ctx,
                         struct hk_error *err)
{
    struct hk_session_options so = {.n_ctx = plan_ctx};
    uint64_t session_bytes = 0, need = 0, budget = m->backend->table->budget(m->backend);
    if (!hk_session_plan(m, &so, &session_bytes) || !hk_add_u64(weight_bytes, session_bytes, &need))
        return hk_fail(err, HK_ERR_MEMORY,
                       "a context of %u does not fit in memory: choose a smaller one (--ctx)", so.n_ctx);
    if (need <= budget) return true;
    return hk_fail(
        err, HK_ERR_MEMORY,
        "%s needs %.1f MiB (weights %.1f, context of %u %.1f), but the device has %.1f MiB: choose a smaller "
        "--ctx or a smaller weight type (--quant)",
        m->ckpt->name, (double)need / 0x1p20, (double)weight_bytes / 0x1p20, so.n_ctx,
        (double)session_bytes / 0x1p20, (double)budget / 0x1p20);
}

static bool load(struct hk_model *m, const struct hk_model_options *opt, struct hk_error *err)
{
    double start = hk_os_seconds();
    struct binder b = {.m = m, .quant = opt->quant};
    m->global = hk_calloc(1, m->arch->global_size, err);
    m->layers = m->global ? hk_calloc(m->hp.n_layer, m->arch->layer_size, err) : NULL;
    bool ok = m->layers && (!m->arch->rope || make_inv_freq(m, err)) && bind_all(&b, err) &&
              check_budget(m, b.bytes, opt->plan_ctx, err);
    if (ok) {
        m->arena = m->backend->table->arena_new(m->backend, GPU_MEMORY_WEIGHTS, b.bytes, err);
        ok = m->arena && upload_all(&b, opt, err);
    }
    free(b.list);
    m->stats.weight_bytes = b.bytes;
    m->stats.load_seconds = hk_os_seconds() - start;
    return ok;
}

struct hk_model *hk_model_open(struct hk_device *d, const struct hk_checkpoint *c,
                               const struct hk_model_options *opt, struct hk_error *err)
{
    static const struct hk_model_options defaults = {.quant = HK_WEIGHT_TYPE_COUNT};
    if (!opt) opt = &defaults;
    const struct arch *arch = find_arch(c, err);
    struct hk_model *m = arch ? hk_calloc(1, sizeof *m, err) : NULL;
    if (!m) return NULL;
    m->backend = hk_device_backend(d);
    m->ckpt = c;
    m->hp = c->hparams;
    m->arch = arch;
    m->f32_only = true;
    if (!load(m, opt, err)) {
        hk_model_close(m);
        return NULL;
    }
    return m;
}

void hk_model_close(struct hk_model *m)
{
    if (!m) return;
    if (m->arena) m->backend->table->arena_free(m->arena);
    free(m->inv_freq);
    free(m->layers);
    free(m->global);
    free(m);
}

const struct hk_hparams *hk_model_hparams(const struct hk_model *m)
{
    return &m->hp;
}

const struct hk_model_stats *hk_model_stats(const struct hk_model *m)
{
    return &m->stats;
}

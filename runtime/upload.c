/* From the checkpoint's files to the device: rows are read, converted, packed and uploaded. */
#include "runtime/upload.h"
#include "runtime/backend.h"

#include <stdlib.h>

enum { UPLOAD_GROUP_BYTES = 2 << 20 }; /* of source rows converted and packed at a time */

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

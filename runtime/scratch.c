/* A forward's table of buffers -> shapes, memory, and the first rows of them. */
#include "runtime/scratch.h"
#include "runtime/backend.h"

#include <assert.h>

struct hk_tensor scratch_shape(uint32_t rows, uint64_t cols)
{
    return (struct hk_tensor){
        .rows = rows, .cols = (uint32_t)cols, .ld = (uint32_t)hk_align_up(cols, HK_ROW_ALIGN)};
}

bool scratch_add_bytes(const struct hk_tensor *t, uint64_t *total)
{
    uint64_t size = 0;
    /* 512: what an arena's alignment may add */
    return hk_mul_u64(4ull * t->rows, t->ld, &size) && hk_add_u64(size, 512, &size) &&
           hk_add_u64(*total, size, total);
}

bool scratch_alloc_tensor(const struct backend_table *be, struct arena *a, struct hk_tensor *t,
                          struct hk_error *err)
{
    struct gpu_span span;
    uint64_t bytes = 4ull * t->rows * t->ld;
    if (!be->arena_alloc(a, bytes ? bytes : 4, &span, err)) return false;
    t->addr = span.addr;
    return true;
}

static uint64_t sum(const struct hk_model *m, const enum hk_dim dims[MAX_SCRATCH_PARTS])
{
    uint64_t n = 0;
    for (int i = 0; i < MAX_SCRATCH_PARTS; i++) n += hk_dim(&m->hp, dims[i]);
    return n;
}

static uint32_t rows_of(const struct scratch_row *row, uint32_t n_tokens, uint32_t n_out)
{
    return row->rows == PER_OUTPUT ? n_out : n_tokens;
}

bool scratch_add_plan(const struct hk_model *m, uint32_t n_tokens, uint32_t n_out, uint64_t *total)
{
    for (const struct scratch_row *row = m->forward->scratch; row->name; row++) {
        struct hk_tensor t = scratch_shape(rows_of(row, n_tokens, n_out), sum(m, row->cols));
        if (!row->view && !scratch_add_bytes(&t, total)) return false;
    }
    return true;
}

bool scratch_alloc(const struct hk_model *m, uint32_t n_tokens, uint32_t n_out, struct arena *a,
                   struct hk_tensor *scratch, struct hk_error *err)
{
    const struct backend_table *be = m->backend->table;
    for (const struct scratch_row *row = m->forward->scratch; row->name; row++, scratch++) {
        uint64_t cols = sum(m, row->cols);
        if (row->view) { /* of a row before it */
            const struct hk_tensor *whole = scratch - (row - m->forward->scratch) + row->of;
            assert(row->of < row - m->forward->scratch && sum(m, row->skip) + cols <= whole->cols);
            *scratch = hk_tensor_cols(*whole, (uint32_t)sum(m, row->skip), (uint32_t)cols);
            continue;
        }
        *scratch = scratch_shape(rows_of(row, n_tokens, n_out), cols);
        if (!scratch_alloc_tensor(be, a, scratch, err))
            return hk_fail_prefix(err, "a step's buffer %s", row->name);
    }
    return true;
}

void scratch_shrink(const struct hk_model *m, uint32_t n_tokens, uint32_t n_out, struct hk_tensor *scratch)
{
    for (const struct scratch_row *row = m->forward->scratch; row->name; row++, scratch++)
        *scratch = hk_tensor_rows(*scratch, rows_of(row, n_tokens, n_out));
}

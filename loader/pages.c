/* From a tensor's weights to bytes of files, and hints about those. */
#include "loader/pages.h"
#include "loader/file.h"
#include "loader/weights/quantized.h"

/* How far behind a chunk the system may have mapped pages again that were given back. */
enum { BEFORE = 1 << 20 };

/* Bytes of a mapping; data NULL: none. */
struct extent {
    const uint8_t *data;
    uint64_t size;
};

enum { MAX_PARTS = 4 };

static uint32_t find_mapping(const struct hk_checkpoint *c, const uint8_t *data)
{
    uintptr_t at = (uintptr_t)data;
    for (uint32_t i = 0; data && i < c->n_mappings; i++) {
        uintptr_t start = (uintptr_t)c->mappings[i]->data;
        if (at >= start && at - start < c->mappings[i]->size) return i + 1;
    }
    return 0;
}

struct hk_place hk_place_of(const struct hk_checkpoint *c, const struct hk_ckpt_tensor *t)
{
    const uint8_t *data = t->quantized ? t->quantized->codes.data : t->data;
    struct hk_place p = {.file = find_mapping(c, data)};
    if (p.file) p.offset = (uint64_t)((uintptr_t)data - (uintptr_t)c->mappings[p.file - 1]->data);
    return p;
}

int hk_place_compare(struct hk_place a, struct hk_place b)
{
    if (a.file != b.file) return a.file < b.file ? -1 : 1;
    return (a.offset > b.offset) - (a.offset < b.offset);
}

/* Whether every few rows of the codes touch all of them. */
static bool is_scattered(const struct hk_quantized *q)
{
    return q->codes.along_rows ||
           q->codes.row_stride < hk_div_up(q->cols, q->codes.per) * q->codes.col_stride;
}

/* Where n_rows rows of packed codes of `cols` columns lie; with along_rows, row begins a word. */
static struct extent packed_extent(const struct hk_packed *p, uint64_t row, uint64_t n_rows, uint64_t cols)
{
    if (!p->data) return (struct extent){0};
    uint64_t word = p->per == 1 ? 1 : 4, per_row = p->along_rows ? p->per : 1,
             per_col = p->along_rows ? 1 : p->per;
    uint64_t first = row / per_row * p->row_stride;
    uint64_t last = (row + n_rows - 1) / per_row * p->row_stride + (cols - 1) / per_col * p->col_stride;
    return (struct extent){p->data + first * word, (last - first + 1) * word};
}

static uint32_t quantized_parts(const struct hk_quantized *q, uint64_t first, uint64_t n, bool all,
                                struct extent out[MAX_PARTS])
{
    uint64_t row = all ? 0 : first / q->cols, end = all ? q->rows : hk_div_up(first + n, q->cols);
    uint64_t scale = q->scales.kind != HK_SCALES_PLAIN ? 1 : q->scales.type == HK_F32 ? 4 : 2;
    out[0] = packed_extent(&q->codes, row, end - row, q->cols);
    if (!all) return 1;
    out[1] = packed_extent(&q->zeros, 0, q->rows, q->n_groups);
    out[2] = (struct extent){q->scales.data, q->scales.n * scale};
    out[3] = (struct extent){q->groups, 4 * q->cols};
    return MAX_PARTS;
}

/* What weights [first, first + n) take; `all`: what the whole tensor does, with all that makes it. */
static uint32_t parts_of(const struct hk_ckpt_tensor *t, uint64_t first, uint64_t n, bool all,
                         struct extent out[MAX_PARTS])
{
    if (t->quantized) return quantized_parts(t->quantized, first, n, all, out);
    const struct hk_weight_type_info *info = hk_weight_type_info(t->type);
    out[0] = (struct extent){t->data, t->size};
    if (all) return 1;
    out[0].data += first / info->block_len * info->block_bytes;
    out[0].size = n / info->block_len * info->block_bytes;
    return 1;
}

static uint64_t weights_of(const struct hk_ckpt_tensor *t)
{
    uint64_t n = 1;
    for (uint32_t d = 0; d < t->n_dims; d++) n *= t->shape[d]; /* checked when it was opened */
    return n;
}

typedef void hint_fn(const struct hk_mapping *m, size_t offset, size_t size);

static void hint(const struct hk_checkpoint *c, const struct extent *part, uint32_t n, uint64_t before,
                 hint_fn *fn)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t file = find_mapping(c, part[i].data);
        if (!file) continue;
        const struct hk_mapping *m = c->mappings[file - 1];
        uint64_t start = (uint64_t)(part[i].data - m->data), end = start + part[i].size;
        start = start > before ? start - before : 0;
        fn(m, (size_t)start, (size_t)(end - start));
    }
}

void hk_pages_ask(const struct hk_checkpoint *c, const struct hk_ckpt_tensor *t, uint64_t first, uint64_t n)
{
    struct extent part[MAX_PARTS];
    bool scattered = t->transposed || (t->quantized && is_scattered(t->quantized));
    if (scattered && first > 0) return;
    hint(c, part, parts_of(t, first, n, scattered, part), 0, hk_mapping_willneed);
}

void hk_pages_done(const struct hk_checkpoint *c, const struct hk_ckpt_tensor *t, uint64_t first, uint64_t n)
{
    struct extent part[MAX_PARTS];
    bool scattered = t->transposed || (t->quantized && is_scattered(t->quantized));
    bool last = first + n >= weights_of(t);
    if (scattered && !last) return;
    bool all = scattered || (last && t->quantized);
    hint(c, part, parts_of(t, first, n, all, part), BEFORE, hk_mapping_done);
}

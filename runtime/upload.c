/* Weights come in pieces: some rows of a matrix, or a vector. Small ones share an item of the pipeline. */
#include "runtime/upload.h"
#include "runtime/backend.h"

#include "loader/pages.h"
#include "loader/pipeline.h"

#include <assert.h>
#include <stdlib.h>

enum {
    ITEM_BYTES = 1 << 20,       /* read and made for an item: what a processor's cache holds */
    MAX_SLOTS_BYTES = 64 << 20, /* with what is read for them */
    FEW_ITEMS = 4,              /* are done before a thread has begun */
    FEW_BYTES = 64 << 10,       /* of a file are not worth a call of the system */
};

struct piece {
    const struct binding *b;
    uint32_t first, n_rows; /* of the tensor's rows */
    size_t packed_at;       /* in its slot, where it is not packed into its place */
};

/* What a thread works in. Parts: the rows as the tensor has them, where they do not lie in the file; as floats
 * and in another type, where that is not the file's; packed for the upload. */
struct slot {
    char *made, *floats, *blocks, *packed;
};

struct load {
    const struct weight_plan *p;
    struct piece *pieces;
    size_t *first_piece; /* of each item, and one more */
    size_t n_pieces, n_items;
    size_t made, floats, blocks, packed; /* bytes of a slot's parts */
    struct slot *slots;
    hk_progress_fn progress;
    void *user;
    uint64_t done, total;
};

/* From the file's rows to those that are packed. */
struct route {
    const struct hk_weight_type_info *from, *to;
    bool convert;
    size_t from_row, to_row; /* bytes */
};

static struct route route_of(const struct binding *b)
{
    struct route r = {.from = hk_weight_type_info(b->tensor->type),
                      .to = hk_weight_type_info(b->w ? b->w->layout.type : HK_F32)};
    r.convert = b->w && (b->tensor->transposed || r.from != r.to);
    r.from_row = (size_t)b->cols / r.from->block_len * r.from->block_bytes;
    r.to_row = (size_t)b->cols / r.to->block_len * r.to->block_bytes;
    return r;
}

/* ---- the plan ---- */

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Bytes that a row is on its way. */
static size_t row_bytes(const struct binding *b)
{
    struct route r = route_of(b);
    return r.from_row + r.to_row + (r.convert ? sizeof(float) * b->cols : 0);
}

static uint32_t rows_of_a_piece(const struct binding *b)
{
    size_t tiles = ITEM_BYTES / HK_TILE_ROWS / row_bytes(b);
    return b->w ? HK_TILE_ROWS * (tiles ? (uint32_t)tiles : 1) : 1;
}

/* The layout of a piece of a matrix as a matrix of its own. */
static struct hk_weight_layout piece_layout(const struct piece *q)
{
    struct hk_weight_layout l;
    bool ok = hk_weight_layout(q->b->w->layout.type, q->n_rows, q->b->cols, &l, NULL);
    assert(ok); /* the whole has one */
    (void)ok;
    return l;
}

/* The matrix that it is rows of: of an expert, that one's. */
static struct hk_weight matrix_of(const struct binding *b)
{
    return b->w->n_experts ? hk_weight_expert(b->w, b->numbers.expert) : *b->w;
}

static void *place_on_host(const struct load *x, const struct binding *b)
{
    char *host = x->p->homes[b->home].host;
    return host && b->w ? host + (matrix_of(b).addr - b->w->addr) : host;
}

/* Bytes that a piece takes when it is packed and not yet in its place. */
static size_t packed_bytes(const struct load *x, const struct piece *q)
{
    if (place_on_host(x, q->b)) return 0;
    if (!q->b->w) return sizeof(float) * q->b->cols;
    struct hk_weight_layout l = piece_layout(q);
    return (size_t)x->p->m->backend->table->weight_bytes(&l);
}

static void add_piece(struct load *x, const struct binding *b, uint32_t first, uint32_t n_rows)
{
    struct route r = route_of(b);
    x->pieces[x->n_pieces++] = (struct piece){.b = b, .first = first, .n_rows = n_rows};
    if (b->tensor->quantized) x->made = most(x->made, n_rows * r.from_row);
    if (r.convert) {
        x->floats = most(x->floats, sizeof(float) * n_rows * b->cols);
        x->blocks = most(x->blocks, n_rows * r.to_row);
    }
}

/* Puts pieces together until they are worth an item. */
static void make_items(struct load *x)
{
    size_t bytes = 0, packed = 0;
    for (size_t i = 0; i < x->n_pieces; i++) {
        struct piece *q = &x->pieces[i];
        q->packed_at = packed;
        packed += (size_t)hk_align_up(packed_bytes(x, q), 64);
        bytes += q->n_rows * row_bytes(q->b);
        if (bytes < ITEM_BYTES && i + 1 < x->n_pieces) continue;
        x->packed = most(x->packed, packed);
        x->first_piece[++x->n_items] = i + 1;
        bytes = packed = 0;
    }
}

struct placed {
    struct hk_place place;
    const struct binding *b;
};

static int compare_placed(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    int order = hk_place_compare(x->place, y->place);
    return order ? order : (x->b > y->b) - (x->b < y->b);
}

/* Bindings in the order of the files. The caller frees them. */
static struct placed *sort_bindings(const struct weight_plan *p, struct hk_error *err)
{
    struct placed *list = hk_calloc(p->n_bindings, sizeof *list, err);
    for (size_t i = 0; list && i < p->n_bindings; i++)
        list[i] = (struct placed){hk_place_of(p->m->ckpt, p->bindings[i].tensor), &p->bindings[i]};
    if (list && p->n_bindings) qsort(list, p->n_bindings, sizeof *list, compare_placed);
    return list;
}

static bool plan_pieces(struct load *x, struct hk_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < x->p->n_bindings; i++) {
        const struct binding *b = &x->p->bindings[i];
        uint32_t block = route_of(b).from->block_len;
        if (b->cols % block)
            return hk_fail(err, HK_ERR_FORMAT,
                           "tensor %s: %u values in blocks of %u: a whole number of blocks is needed",
                           b->tensor->name, b->cols, block);
        n += (size_t)hk_div_up(b->rows, rows_of_a_piece(b));
        x->total += b->rows * (uint64_t)route_of(b).from_row;
    }
    struct placed *list = sort_bindings(x->p, err);
    x->pieces = list ? hk_calloc(n, sizeof *x->pieces, err) : NULL;
    x->first_piece = x->pieces ? hk_calloc(n + 1, sizeof *x->first_piece, err) : NULL;
    for (size_t i = 0; x->first_piece && i < x->p->n_bindings; i++) {
        const struct binding *b = list[i].b;
        uint32_t step = rows_of_a_piece(b);
        for (uint32_t first = 0; first < b->rows; first += step)
            add_piece(x, b, first, b->rows - first < step ? b->rows - first : step);
    }
    free(list);
    if (!x->first_piece) return false;
    make_items(x);
    return true;
}

/* ---- making: on any thread ---- */

/* n_rows rows from `first` of a tensor as float: out (n_rows, cols). src is where they lie, unless the tensor
 * is transposed. */
static void read_float_rows(const struct hk_ckpt_tensor *t, const char *src, uint32_t first, uint32_t n_rows,
                            uint32_t rows, uint32_t cols, float *out)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(t->type);
    const char *data = t->data;
    if (!t->transposed) {
        size_t stride = (size_t)cols / info->block_len * info->block_bytes;
        for (uint32_t r = 0; r < n_rows; r++) info->decode(src + stride * r, out + (size_t)r * cols, cols);
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

static void make_matrix(const struct load *x, const struct piece *q, const struct slot *s, const char *src)
{
    const struct binding *b = q->b;
    struct route r = route_of(b);
    if (r.convert) {
        float *floats = (float *)(void *)s->floats;
        read_float_rows(b->tensor, src, q->first, q->n_rows, b->rows, b->cols, floats);
        for (uint32_t i = 0; i < q->n_rows; i++)
            r.to->encode(floats + (size_t)i * b->cols, s->blocks + r.to_row * i, b->cols);
        src = s->blocks;
    }
    const struct backend_table *be = x->p->m->backend->table;
    size_t stride = r.convert ? r.to_row : r.from_row;
    if (place_on_host(x, b)) {
        be->weight_pack(&b->w->layout, (b->first_row + q->first) / HK_TILE_ROWS, src, stride, q->n_rows,
                        place_on_host(x, b));
    } else {
        struct hk_weight_layout l = piece_layout(q);
        be->weight_pack(&l, 0, src, stride, q->n_rows, s->packed + q->packed_at);
    }
}

/* Pieces of a few bytes come and go with their neighbours: hk_pages_done gives back what is a little before. */
static bool has_pages(const struct load *x, const struct piece *q)
{
    bool large = q->b->tensor->quantized || q->n_rows * route_of(q->b).from_row >= FEW_BYTES;
    return large && x->n_items >= FEW_ITEMS;
}

static void make_vector(const struct load *x, const struct piece *q, const struct slot *s, const char *src)
{
    float *place = place_on_host(x, q->b), *packed = (float *)(void *)(s->packed + q->packed_at);
    route_of(q->b).from->decode(src, place ? place + q->b->first_row : packed, q->b->cols);
}

static bool make_item(void *user, uint64_t item, uint32_t slot, struct hk_error *err)
{
    const struct load *x = user;
    const struct slot *s = &x->slots[slot];
    (void)err; /* nothing here can fail */
    for (size_t i = x->first_piece[item]; i < x->first_piece[item + 1]; i++) {
        const struct piece *q = &x->pieces[i];
        const struct hk_ckpt_tensor *t = q->b->tensor;
        uint64_t first = (q->b->tensor_row + q->first) * q->b->cols, n = (uint64_t)q->n_rows * q->b->cols;
        if (has_pages(x, q)) hk_pages_ask(x->p->m->ckpt, t, first, n);
        if (t->quantized) hk_ckpt_weights(t, first, n, s->made);
        size_t at = route_of(q->b).from_row * (size_t)(q->b->tensor_row + q->first);
        const char *src = t->quantized ? s->made : (const char *)t->data + at;
        (q->b->w ? make_matrix : make_vector)(x, q, s, src);
    }
    return true;
}

/* ---- taking: on the caller's thread, in order ---- */

static bool upload_piece(const struct load *x, const struct piece *q, const struct slot *s,
                         struct hk_error *err)
{
    struct backend *backend = x->p->m->backend;
    const struct binding *b = q->b;
    const char *src = s->packed + q->packed_at;
    if (place_on_host(x, b)) return true; /* it is there already */
    if (!b->w) {
        uint64_t addr = x->p->homes[b->home].addr + sizeof(float) * b->first_row;
        return backend->table->upload(backend, addr, src, sizeof(float) * b->cols, err);
    }
    struct hk_weight_layout l = piece_layout(q);
    struct hk_weight w = matrix_of(b);
    return backend->table->weight_upload(backend, &w, (b->first_row + q->first) / HK_TILE_ROWS, &l, src, err);
}

static bool take_item(void *user, uint64_t item, uint32_t slot, struct hk_error *err)
{
    struct load *x = user;
    if (x->progress && !x->progress(x->user, "loading", x->done, x->total))
        return hk_fail(err, HK_ERR_CANCELLED, "loading was cancelled");
    for (size_t i = x->first_piece[item]; i < x->first_piece[item + 1]; i++) {
        const struct piece *q = &x->pieces[i];
        if (!upload_piece(x, q, &x->slots[slot], err))
            return hk_fail_prefix(err, "tensor %s", q->b->tensor->name);
        x->done += q->n_rows * route_of(q->b).from_row;
        if (has_pages(x, q))
            hk_pages_done(x->p->m->ckpt, q->b->tensor, (uint64_t)q->first * q->b->cols,
                          (uint64_t)q->n_rows * q->b->cols);
    }
    return true;
}

/* ---- the whole ---- */

/* n slots, each in one piece of memory, which begins at its first part. */
static struct slot *slots_new(const struct load *x, uint32_t n, size_t bytes, struct hk_error *err)
{
    struct slot *slots = hk_calloc(n, sizeof *slots, err);
    for (uint32_t i = 0; slots && i < n; i++) {
        char *at = hk_calloc(bytes, 1, err);
        if (!at) {
            while (i > 0) free(slots[--i].made);
            free(slots);
            return NULL;
        }
        slots[i].made = at;
        slots[i].floats = slots[i].made + x->made;
        slots[i].blocks = slots[i].floats + x->floats;
        slots[i].packed = slots[i].blocks + x->blocks;
    }
    return slots;
}

static bool run(struct load *x, struct hk_error *err)
{
    x->made = (size_t)hk_align_up(x->made, 64);
    x->floats = (size_t)hk_align_up(x->floats, 64);
    x->blocks = (size_t)hk_align_up(x->blocks, 64);
    size_t bytes = most(x->made + x->floats + x->blocks + x->packed, 64);
    uint32_t n_threads = x->n_items < FEW_ITEMS ? 0 : hk_pipeline_processors();
    uint32_t n_slots = n_threads ? 2 * n_threads : 1;
    uint32_t fit = (uint32_t)(MAX_SLOTS_BYTES / (bytes + ITEM_BYTES));
    if (n_slots > fit) n_slots = fit ? fit : 1;
    if (n_threads > n_slots) n_threads = n_slots;
    x->slots = slots_new(x, n_slots, bytes, err);
    const struct hk_pipeline p = {.n_items = x->n_items,
                                  .n_threads = n_threads,
                                  .n_slots = n_slots,
                                  .make = make_item,
                                  .take = take_item,
                                  .user = x};
    bool ok = x->slots && hk_pipeline_run(&p, err);
    for (uint32_t i = 0; x->slots && i < n_slots; i++) free(x->slots[i].made);
    free(x->slots);
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
        h->host = span.host;
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
    struct load x = {.p = p, .progress = progress, .user = user};
    bool ok = make_homes(p, err) && plan_pieces(&x, err) && run(&x, err) &&
              p->m->backend->table->upload_finish(p->m->backend, err);
    if (ok && progress) progress(user, "loading", x.total, x.total);
    free(x.pieces);
    free(x.first_piece);
    return ok;
}

bool weight_upload_whole(struct backend *b, const struct hk_weight *w, const void *rows, struct hk_error *err)
{
    const struct hk_weight_layout *l = &w->layout;
    const struct hk_weight_type_info *info = hk_weight_type_info(l->type);
    void *packed = hk_calloc((size_t)b->table->weight_bytes(l), 1, err);
    if (!packed) return false;
    b->table->weight_pack(l, 0, rows, (uint64_t)l->cols / info->block_len * info->block_bytes, l->rows,
                          packed);
    bool ok = b->table->weight_upload(b, w, 0, l, packed, err) && b->table->upload_finish(b, err);
    free(packed);
    return ok;
}

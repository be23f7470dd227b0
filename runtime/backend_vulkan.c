/* The device backend: memory and recordings of gpu/gpu.h behind the backend's table; weights packed into device
 * layout on their way up. The ops themselves are in ops_vulkan.c. */
#include "runtime/ops_vulkan.h"
#include "runtime/os.h"
#include "runtime/tuner.h"

#include "shaders/args.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static struct gpu *gpu_of(struct backend *b)
{
    return ((struct vulkan_backend *)b)->gpu;
}

static uint64_t vk_budget(struct backend *b)
{
    return gpu_memory_budget(gpu_of(b));
}

static uint32_t vk_batch(struct backend *b)
{
    return tune_batch(gpu_capabilities(gpu_of(b)));
}

/* An arena of the backend is the gpu's. */
static struct arena *vk_arena_new(struct backend *b, enum gpu_memory kind, uint64_t expected,
                                  struct hk_error *err)
{
    return (struct arena *)gpu_arena_new(gpu_of(b), kind, expected, err);
}

static bool vk_arena_alloc(struct arena *a, uint64_t size, struct gpu_span *out, struct hk_error *err)
{
    return gpu_arena_alloc((struct gpu_arena *)a, size, out, err);
}

static void vk_arena_free(struct arena *a)
{
    gpu_arena_free((struct gpu_arena *)a);
}

static bool vk_write(struct backend *b, uint64_t addr, const void *src, uint64_t size, struct hk_error *err)
{
    return gpu_write(gpu_of(b), addr, src, size, err);
}

static bool vk_read(struct backend *b, uint64_t addr, void *dst, uint64_t size, struct hk_error *err)
{
    return gpu_read(gpu_of(b), addr, dst, size, err);
}

static uint64_t vk_weight_bytes(const struct hk_weight_layout *l)
{
    return l->bytes;
}

static void vk_weight_pack(const struct hk_weight_layout *l, uint32_t first_tile, const void *src,
                           uint64_t row_stride, uint32_t n_rows, void *dst)
{
    for (uint32_t p = 0; p < l->n_planes; p++) {
        char *plane = (char *)dst + l->plane_offset[p];
        uint64_t tile_bytes = l->plane_tile_bytes[p];
        if (tile_bytes == 0) { /* the codebook is there once, and comes with the first tile */
            if (first_tile == 0) hk_weight_pack_grid(l, plane);
            continue;
        }
        for (uint32_t row = 0, tile = first_tile; row < n_rows; row += HK_TILE_ROWS, tile++) {
            uint32_t rows = n_rows - row < HK_TILE_ROWS ? n_rows - row : HK_TILE_ROWS;
            hk_weight_pack_tile(l, p, (const char *)src + row_stride * row, row_stride, rows,
                                plane + tile_bytes * tile);
        }
    }
}

static bool vk_weight_upload(struct backend *b, const struct hk_weight *w, uint32_t first_tile,
                             const struct hk_weight_layout *l, const void *src, struct hk_error *err)
{
    for (uint32_t p = 0; p < l->n_planes; p++) {
        uint64_t tile_bytes = l->plane_tile_bytes[p];
        if (tile_bytes == 0 && first_tile != 0) continue; /* the codebook again */
        uint64_t addr = w->addr + w->layout.plane_offset[p] + tile_bytes * first_tile;
        if (!gpu_upload(gpu_of(b), addr, (const char *)src + l->plane_offset[p], l->plane_bytes[p], err))
            return false;
    }
    return true;
}

static bool vk_upload(struct backend *b, uint64_t addr, const void *src, uint64_t size, struct hk_error *err)
{
    return gpu_upload(gpu_of(b), addr, src, size, err);
}

static bool vk_upload_finish(struct backend *b, struct hk_error *err)
{
    return gpu_upload_finish(gpu_of(b), err);
}

static struct recorder *vk_recorder_new(struct backend *b, struct hk_error *err)
{
    struct vulkan_recorder *r = hk_calloc(1, sizeof *r, err);
    if (!r) return NULL;
    r->gpu = gpu_of(b);
    r->tuner = ((struct vulkan_backend *)b)->tuner;
    r->rec = gpu_record_begin(r->gpu, err);
    if (r->rec) return &r->base;
    free(r);
    return NULL;
}

static bool vk_recorder_end(struct recorder *r, struct hk_error *err)
{
    return gpu_record_end(((struct vulkan_recorder *)r)->rec, err);
}

static void vk_recorder_free(struct recorder *r)
{
    gpu_recorder_free(((struct vulkan_recorder *)r)->rec);
    free(r);
}

static bool vk_submit(struct backend *b, struct recorder *r, uint64_t n_positions, uint64_t *ticket,
                      struct hk_error *err)
{
    return gpu_submit(gpu_of(b), ((struct vulkan_recorder *)r)->rec, n_positions, ticket, err);
}

static bool vk_wait(struct backend *b, uint64_t ticket, struct hk_error *err)
{
    return gpu_wait(gpu_of(b), ticket, err);
}

static bool vk_tune(struct backend *b, const struct hk_weight *const *weights, size_t n_weights,
                    const uint32_t *n_tokens, size_t n_counts, hk_progress_fn progress, void *user,
                    struct hk_error *err)
{
    struct tuner *t = ((struct vulkan_backend *)b)->tuner;
    return tuner_measure(t, weights, n_weights, n_tokens, n_counts, progress, user, err);
}

static uint32_t vk_n_variants(struct backend *b, uint32_t n_tokens)
{
    struct matmul_variant list[TUNE_MAX_CANDIDATES];
    return tune_matmul_candidates(gpu_capabilities(gpu_of(b)), n_tokens, list);
}

static double vk_variant_name(struct backend *b, uint32_t n_tokens, uint32_t i, char name[48])
{
    struct matmul_variant list[TUNE_MAX_CANDIDATES];
    if (i >= tune_matmul_candidates(gpu_capabilities(gpu_of(b)), n_tokens, list)) i = 0;
    if (list[i].kind != MATMUL_MATVEC)
        snprintf(name, 48, "%s, %u rows, %u tokens", list[i].kind == MATMUL_TILES ? "tiles" : "matrices",
                 list[i].tiles * HK_TILE_ROWS, list[i].tokens);
    else
        snprintf(name, 48, "%u lanes, %u a tile, %u tiles", list[i].lanes, list[i].tile_lanes, list[i].tiles);
    return tune_matmul_limit(&list[i]);
}

enum { READ_BYTES = 256 << 20, READ_PASSES = 4 };

/* Best of a few passes over memory that no cache holds. */
static bool time_reads(struct gpu *g, const struct gpu_span *span, double *gbps, struct hk_error *err)
{
    uint32_t lanes = 128;
    struct gpu_kernel *kernel = gpu_kernel_get(g, "read", &lanes, 1, err);
    struct gpu_recorder *rec = kernel ? gpu_record_begin(g, err) : NULL;
    if (!rec) return false;
    uint64_t bytes = span->size - 256, dst = span->addr + bytes;
    struct read_args args = {.src = {(uint32_t)span->addr, (uint32_t)(span->addr >> 32)},
                             .dst = {(uint32_t)dst, (uint32_t)(dst >> 32)},
                             .n_words = (uint32_t)(bytes / 16)};
    gpu_record_dispatch(rec, &(struct gpu_dispatch){.kernel = kernel,
                                                    .label = "read",
                                                    .push = &args,
                                                    .push_size = sizeof args,
                                                    .groups = {4096, 1, 1},
                                                    .n_access = 2,
                                                    .access = {{span->addr, bytes, false}, {dst, 4, true}},
                                                    .bytes = bytes});
    bool ok = gpu_record_end(rec, err);
    for (int i = 0; ok && i < READ_PASSES; i++) {
        double start = hk_os_seconds();
        ok = gpu_submit(g, rec, 0, NULL, err) && gpu_wait_idle(g, err);
        double rate = (double)bytes / (hk_os_seconds() - start) / 1e9;
        if (rate > *gbps) *gbps = rate;
    }
    gpu_recorder_free(rec);
    return ok;
}

static bool vk_read_bandwidth(struct backend *b, double *gbps, struct hk_error *err)
{
    struct gpu_span span;
    uint64_t bytes = READ_BYTES;
    *gbps = 0;
    if (gpu_memory_budget(gpu_of(b)) < 2 * bytes) return true; /* no room to measure in */
    struct gpu_arena *a = gpu_arena_new(gpu_of(b), GPU_MEMORY_STATE, bytes, err);
    bool ok = a && gpu_arena_alloc(a, bytes, &span, err) && time_reads(gpu_of(b), &span, gbps, err);
    gpu_arena_free(a);
    return ok;
}

static void vk_close(struct backend *b)
{
    tuner_free(((struct vulkan_backend *)b)->tuner);
    gpu_close(gpu_of(b));
    free(b);
}

static const struct backend_table vulkan_table = {
    .budget = vk_budget,
    .batch = vk_batch,
    .arena_new = vk_arena_new,
    .arena_alloc = vk_arena_alloc,
    .arena_free = vk_arena_free,
    .write = vk_write,
    .read = vk_read,
    .weight_bytes = vk_weight_bytes,
    .weight_pack = vk_weight_pack,
    .weight_upload = vk_weight_upload,
    .upload = vk_upload,
    .upload_finish = vk_upload_finish,
    .recorder_new = vk_recorder_new,
    .emit = vulkan_emit,
    .recorder_end = vk_recorder_end,
    .recorder_free = vk_recorder_free,
    .submit = vk_submit,
    .wait = vk_wait,
    .tune = vk_tune,
    .n_variants = vk_n_variants,
    .variant_name = vk_variant_name,
    .read_bandwidth = vk_read_bandwidth,
    .close = vk_close,
};

struct backend *backend_vulkan_open(struct gpu *g, enum tuner_mode tune, const char *cache_dir,
                                    struct hk_error *err)
{
    struct vulkan_backend *b = hk_calloc(1, sizeof *b, err);
    if (b) b->tuner = tuner_new(g, tune, cache_dir, err);
    if (!b || !b->tuner) {
        free(b);
        gpu_close(g);
        return NULL;
    }
    b->base.table = &vulkan_table;
    b->gpu = g;
    return &b->base;
}

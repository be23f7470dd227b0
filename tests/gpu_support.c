#include "tests/gpu_support.h"

#include "shaders/args.h"

#include <stdio.h>

const struct gpu_pretend modes[N_MODES] = {{0},
                                           {.no_timeline = true},
                                           {.no_direct = true},
                                           {.no_timeline = true, .no_direct = true, .no_timestamps = true}};

static const struct gpu_options no_cache = {.cache_dir = ""};

struct gpu *open_as(const struct gpu_pretend *pretend)
{
    struct hk_error err = {0};
    struct gpu *g = gpui_open(&no_cache, pretend, &err);
    if (!g) fail_msg("open: %s", err.text);
    return g;
}

static struct hk_addr addr_of(uint64_t a)
{
    return (struct hk_addr){(uint32_t)a, (uint32_t)(a >> 32)};
}

struct gpu_kernel *scale_add(struct gpu *g)
{
    struct hk_error err = {0};
    const uint32_t spec[1] = {128};
    struct gpu_kernel *k = gpu_kernel_get(g, "scale_add", spec, 1, &err);
    if (!k) fail_msg("%s", err.text);
    return k;
}

void record(struct gpu_recorder *rec, struct gpu_kernel *k, uint64_t dst, uint64_t src, uint32_t n,
            uint32_t factor, uint32_t term, uint32_t repeats, uint64_t params)
{
    const struct scale_add_args args = {.dst = addr_of(dst),
                                        .src = addr_of(src),
                                        .params = addr_of(params),
                                        .n = n,
                                        .factor = factor,
                                        .term = term,
                                        .repeats = repeats};
    struct gpu_dispatch d = {.kernel = k,
                             .label = "scale_add",
                             .push = &args,
                             .push_size = sizeof args,
                             .groups = {(n + 127) / 128, 1, 1},
                             .access = {{dst, n * 4ull, true}, {src, n * 4ull, false}, {params, 4, false}},
                             .n_access = params ? 3 : 2,
                             .bytes = n * 8ull,
                             .flops = n * 2ull * repeats,
                             .unit_bytes = n};
    gpu_record_dispatch(rec, &d);
}

struct gpu_span alloc(struct gpu_arena *a, uint64_t size)
{
    struct hk_error err = {0};
    struct gpu_span s;
    CHECK(gpu_arena_alloc(a, size, &s, &err));
    assert_int_equal(s.addr % 256, 0);
    assert_int_equal(s.size, size);
    return s;
}

struct gpu_arena *arena(struct gpu *g, enum gpu_memory kind)
{
    struct hk_error err = {0};
    struct gpu_arena *a = gpu_arena_new(g, kind, 0, &err);
    CHECK(a);
    return a;
}

bool have_device(void)
{
    struct hk_error err = {0};
    struct gpu *g = gpu_open(&no_cache, &err);
    if (!g) printf("skipped: %s\n", err.text);
    bool found = g != NULL;
    gpu_close(g);
    return found;
}

/* gpu.h on a real device: memory in and out, kernels, order, replay, splitting, failures. Every test runs on
 * the device as it is and as it pretends to be: with fences for a timeline, and with memory that the host
 * cannot see. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "gpu_pretend.h"

#include "../shaders/args.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what the tests share --------------------------------------------------------------------------- */

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if (!(call)) fail_msg("%s: %s", #call, err.text);                                                    \
    } while (0)

static const struct gpu_options no_cache = {.cache_dir = ""};

static struct gpu *open_as(const struct gpu_pretend *pretend)
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

static struct gpu_kernel *scale_add(struct gpu *g)
{
    struct hk_error err = {0};
    const uint32_t spec[1] = {128};
    struct gpu_kernel *k = gpu_kernel_get(g, "scale_add", spec, 1, &err);
    if (!k) fail_msg("%s", err.text);
    return k;
}

/* Records dst[i] = (src[i] * factor + term), `repeats` times over, for i < n. */
static void record(struct gpu_recording *rec, struct gpu_kernel *k, uint64_t dst, uint64_t src, uint32_t n,
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
                             .flops = n * 2ull * repeats};
    gpu_record_dispatch(rec, &d);
}

static struct gpu_span alloc(struct gpu_arena *a, uint64_t size)
{
    struct hk_error err = {0};
    struct gpu_span s;
    CHECK(gpu_arena_alloc(a, size, &s, &err));
    assert_int_equal(s.addr % 256, 0);
    assert_int_equal(s.size, size);
    return s;
}

static struct gpu_arena *arena(struct gpu *g, enum gpu_memory kind)
{
    struct hk_error err = {0};
    struct gpu_arena *a = gpu_arena_new(g, kind, 0, &err);
    CHECK(a);
    return a;
}

/* The device as it is, and as it pretends to be. */
static const struct gpu_pretend modes[] = {{0},
                                           {.no_timeline = true},
                                           {.no_direct = true},
                                           {.no_timeline = true, .no_direct = true, .no_timestamps = true}};
enum { N_MODES = sizeof modes / sizeof modes[0] };
#define FOR_EACH_MODE(m) for (const struct gpu_pretend *m = modes; m < modes + N_MODES; m++)

/* ---- devices ---------------------------------------------------------------------------------------- */

static void devices_are_listed(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct gpu_caps *caps;
    uint32_t n;
    CHECK(gpu_list(&caps, &n, &err));
    assert_true(n > 0);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(caps[i].name[0] && caps[i].driver[0] && caps[i].driver_version[0] &&
                    caps[i].api_version[0]);
        assert_true(caps[i].usable == !caps[i].unusable_why[0]);
        if (!caps[i].usable) continue;
        assert_true(caps[i].n_heaps > 0 && caps[i].heaps[0].size > 0);
        assert_true(caps[i].max_invocations >= 128 && caps[i].shared_bytes >= 16384);
        assert_true(caps[i].max_allocation >= 1 << 20);
        assert_true(caps[i].n_features > 10);
        for (uint32_t j = 0; j < caps[i].n_features; j++) {
            const struct gpu_feature *f = &caps[i].features[j];
            assert_true(f->present || !f->used);
            if (!f->used && !f->why[0]) fail_msg("%s: not used, and not why", f->name);
        }
    }
    free(caps);
}

static void wrong_names_are_refused(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct gpu_options opt = {.select = "no such device, surely", .cache_dir = ""};
    assert_null(gpu_open(&opt, &err));
    assert_int_equal(err.code, HK_ERR_INPUT);
    assert_non_null(strstr(err.text, "there are: 0 "));
    opt.select = "4000000000";
    assert_null(gpu_open(&opt, &err));
    assert_non_null(strstr(err.text, "no such number"));
    opt.select = "0";
    struct gpu *g = gpu_open(&opt, &err);
    CHECK(g);
    gpu_close(g);
    gpu_close(NULL);
}

static void two_devices_at_once(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct gpu *g[2] = {open_as(NULL), open_as(&modes[1])};
    struct gpu_arena *a[2];
    struct gpu_span s[2];
    uint32_t back[2] = {0};
    for (uint32_t i = 0; i < 2; i++) {
        a[i] = arena(g[i], GPU_MEMORY_STATE);
        s[i] = alloc(a[i], 4);
        CHECK(gpu_write(g[i], s[i].addr, &(uint32_t){i + 5}, 4, &err));
    }
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(gpu_read(g[i], s[i].addr, &back[i], 4, &err));
        assert_int_equal(back[i], i + 5);
    }
    gpu_arena_free(a[0]);
    gpu_close(g[0]);
    CHECK(gpu_read(g[1], s[1].addr, &back[1], 4, &err));
    gpu_arena_free(a[1]);
    gpu_close(g[1]);
}

/* ---- memory ----------------------------------------------------------------------------------------- */

static void data_goes_in_and_out(void **state)
{
    (void)state;
    struct hk_error err = {0};
    enum { N = GPU_UPLOAD_MAX * 3 / 4 + 1234 }; /* words: three pieces and a bit */
    uint32_t *data = malloc(N * 4ull), *back = malloc(N * 4ull);
    assert_true(data && back);
    for (uint32_t i = 0; i < N; i++) data[i] = i * 2654435761u;
    FOR_EACH_MODE(m)
    {
        struct gpu *g = open_as(m);
        struct gpu_arena *a = arena(g, GPU_MEMORY_WEIGHTS);
        struct gpu_span before = alloc(a, 300), s = alloc(a, N * 4ull), after = alloc(a, 300);
        assert_true(!!s.host == (!m->no_direct && s.host));
        uint32_t guard = 0xabcd1234;
        CHECK(gpu_write(g, before.addr + 296, &guard, 4, &err));
        CHECK(gpu_write(g, after.addr, &guard, 4, &err));
        CHECK(gpu_write(g, s.addr, data, N * 4ull, &err));
        memset(back, 0, N * 4ull);
        CHECK(gpu_read(g, s.addr, back, N * 4ull, &err));
        assert_memory_equal(back, data, N * 4ull);
        CHECK(gpu_read(g, s.addr + 4, back, 4, &err));
        assert_int_equal(back[0], data[1]);
        CHECK(gpu_read(g, before.addr + 296, back, 4, &err));
        assert_int_equal(back[0], guard);
        CHECK(gpu_read(g, after.addr, back, 4, &err));
        assert_int_equal(back[0], guard);
        assert_true(gpu_arena_size(a) >= N * 4ull + 600);
        gpu_arena_free(a);
        gpu_close(g);
    }
    free(data);
    free(back);
}

static void many_small_uploads(void **state)
{
    (void)state;
    struct hk_error err = {0};
    enum { N = 1000, EACH = 37 };
    static uint32_t back[N * 64];
    FOR_EACH_MODE(m)
    {
        struct gpu *g = open_as(m);
        struct gpu_arena *a = arena(g, GPU_MEMORY_WEIGHTS);
        struct gpu_span s = alloc(a, sizeof back);
        for (uint32_t i = 0; i < N; i++) {
            uint32_t *p = gpu_upload_begin(g, s.addr + i * 256, EACH * 4, &err);
            CHECK(p);
            for (uint32_t j = 0; j < EACH; j++) p[j] = i * 1000 + j;
            CHECK(gpu_upload_end(g, &err));
        }
        CHECK(gpu_upload_finish(g, &err));
        CHECK(gpu_read(g, s.addr, back, sizeof back, &err));
        for (uint32_t i = 0; i < N; i++)
            for (uint32_t j = 0; j < EACH; j++) assert_int_equal(back[i * 64 + j], i * 1000 + j);
        for (uint32_t i = 0; i < 100; i++) { /* to one place: the last one counts */
            uint32_t *p = gpu_upload_begin(g, s.addr + 4 * (i % 2), 8, &err);
            CHECK(p);
            p[0] = p[1] = i;
            CHECK(gpu_upload_end(g, &err));
        }
        CHECK(gpu_read(g, s.addr, back, 12, &err));
        assert_int_equal(back[0], 98);
        assert_int_equal(back[1], 99);
        assert_int_equal(back[2], 99);
        gpu_arena_free(a);
        gpu_close(g);
    }
}

static void state_begins_as_zeros(void **state)
{
    (void)state;
    struct hk_error err = {0};
    static unsigned char back[100000];
    FOR_EACH_MODE(m)
    {
        struct gpu *g = open_as(m);
        for (int kind = GPU_MEMORY_STATE; kind <= GPU_MEMORY_HOST; kind++) {
            struct gpu_arena *a = arena(g, (enum gpu_memory)kind);
            for (int i = 0; i < 12; i++) {
                struct gpu_span s = alloc(a, sizeof back);
                if (kind == GPU_MEMORY_HOST) assert_non_null(s.host);
                CHECK(gpu_read(g, s.addr, back, sizeof back, &err));
                for (size_t j = 0; j < sizeof back; j++) assert_int_equal(back[j], 0);
                memset(back, 0xee, sizeof back); /* so that the next one's zeros are its own */
                CHECK(gpu_write(g, s.addr, back, sizeof back, &err));
            }
            gpu_arena_free(a);
        }
        gpu_close(g);
    }
}

static void wrong_transfers_are_refused(void **state)
{
    (void)state;
    struct hk_error err = {0};
    unsigned char byte = 0;
    FOR_EACH_MODE(m)
    {
        struct gpu *g = open_as(m);
        struct gpu_arena *a = gpu_arena_new(g, GPU_MEMORY_STATE, 4096, &err);
        CHECK(a);
        struct gpu_span s = alloc(a, 4096);
        assert_null(gpu_upload_begin(g, s.addr, GPU_UPLOAD_MAX + 1, &err));
        assert_null(gpu_upload_begin(g, s.addr, 0, &err));
        assert_null(gpu_upload_begin(g, 64, 1, &err));
        assert_null(gpu_upload_begin(g, s.addr + 4000, 97, &err));
        assert_null(gpu_upload_begin(g, UINT64_MAX, 100, &err));
        assert_false(gpu_upload_end(g, &err));
        assert_false(gpu_read(g, s.addr, &byte, UINT64_MAX, &err));
        assert_false(gpu_read(g, s.addr + 4096, &byte, 1, &err));
        CHECK(gpu_upload_begin(g, s.addr, 16, &err));
        assert_null(gpu_upload_begin(g, s.addr, 16, &err));
        assert_false(gpu_upload_finish(g, &err));
        assert_false(gpu_read(g, s.addr, &byte, 1, &err));
        CHECK(gpu_upload_end(g, &err));
        CHECK(gpu_read(g, s.addr, &byte, 1, &err));
        gpu_arena_free(a);
        gpu_close(g);
    }
}

static void out_of_memory_says_need_and_budget(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct gpu_span s;
    struct gpu *g = open_as(&(struct gpu_pretend){.memory = 8 << 20});
    assert_int_equal(gpu_memory_budget(g), 8 << 20);
    struct gpu_arena *a = arena(g, GPU_MEMORY_STATE);
    alloc(a, 3 << 20);
    assert_false(gpu_arena_alloc(a, 6 << 20, &s, &err));
    assert_int_equal(err.code, HK_ERR_MEMORY);
    if (!strstr(err.text, "6.0 MiB more needed for session state, 5.0 MiB left of 8.0 MiB"))
        fail_msg("%s", err.text);
    alloc(a, 4 << 20); /* what fits is still given */
    assert_true(gpu_memory_budget(g) <= 1 << 20);
    gpu_arena_free(a);
    assert_int_equal(gpu_memory_budget(g), 8 << 20);

    gpui_pretend(g)->memory = 0;
    a = arena(g, GPU_MEMORY_WEIGHTS);
    assert_false(gpu_arena_alloc(a, UINT64_C(1) << 50, &s, &err));
    assert_int_equal(err.code, HK_ERR_MEMORY);
    assert_non_null(strstr(err.text, "one allocation has at most"));
    assert_false(gpu_arena_alloc(a, UINT64_MAX, &s, &err));
    gpu_arena_free(a);
    gpu_close(g);
}

static void arenas_are_made_of_blocks(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct gpu *g = open_as(&(struct gpu_pretend){.max_allocation = 1 << 20});
    struct gpu_arena *a = gpu_arena_new(g, GPU_MEMORY_WEIGHTS, 5 << 20, &err);
    CHECK(a);
    uint64_t seen[20];
    for (uint32_t i = 0; i < 20; i++) { /* each block of 1 MiB takes four */
        seen[i] = alloc(a, 250000).addr;
        for (uint32_t j = 0; j < i; j++)
            assert_true(seen[j] + 250000 <= seen[i] || seen[i] + 250000 <= seen[j]);
        CHECK(gpu_write(g, seen[i], &i, 4, &err));
    }
    assert_int_equal(gpu_arena_size(a), 5 << 20);
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t back;
        CHECK(gpu_read(g, seen[i], &back, 4, &err));
        assert_int_equal(back, i);
    }
    gpu_arena_free(a);
    gpu_close(g);
}

/* ---- order ------------------------------------------------------------------------------------------ */

/* A chain in which each dispatch and copy depends on the one before by RAW, WAR or WAW: any that ran too
 * early shows. */
static void chains_run_in_order(void **state)
{
    (void)state;
    struct hk_error err = {0};
    enum { N = 30000, STEPS = 40 };
    uint32_t *data = malloc(N * 4ull);
    assert_non_null(data);
    FOR_EACH_MODE(m)
    {
        struct gpu *g = open_as(m);
        struct gpu_kernel *k = scale_add(g);
        struct gpu_arena *a = arena(g, GPU_MEMORY_STATE);
        struct gpu_span x = alloc(a, N * 4ull), y = alloc(a, N * 4ull), z = alloc(a, N * 4ull);
        for (uint32_t i = 0; i < N; i++) data[i] = i;
        CHECK(gpu_write(g, x.addr, data, N * 4ull, &err));
        struct gpu_recording *rec = gpu_record_begin(g, &err);
        CHECK(rec);
        uint32_t factor = 1, term = 0; /* of the whole chain: x becomes x * factor + term */
        for (uint32_t i = 0; i < STEPS; i++) {
            record(rec, k, y.addr, x.addr, N, 3, i, 1 + i % 3, 0);
            for (uint32_t j = 0; j < 1 + i % 3; j++) {
                factor *= 3;
                term = term * 3 + i;
            }
            record(rec, k, x.addr, x.addr, N, 0, 0, 1, 0);  /* WAR: y must have read x */
            gpu_record_copy(rec, z.addr, y.addr, N * 4ull); /* RAW by a copy */
            record(rec, k, y.addr, y.addr, N, 7, 1, 1, 0);  /* WAR by a copy */
            record(rec, k, x.addr, z.addr, N, 1, 0, 1, 0);  /* WAW with the zeros */
        }
        CHECK(gpu_record_end(rec, &err));
        CHECK(gpu_submit(g, rec, NULL, &err));
        CHECK(gpu_read(g, x.addr, data, N * 4ull, &err));
        for (uint32_t i = 0; i < N; i++) assert_int_equal(data[i], i * factor + term);
        gpu_recording_free(rec);
        gpu_arena_free(a);
        gpu_close(g);
    }
    free(data);
}

static void recordings_are_replayed(void **state)
{
    (void)state;
    struct hk_error err = {0};
    enum { N = 1000 };
    FOR_EACH_MODE(m)
    {
        struct gpu *g = open_as(m);
        struct gpu_kernel *k = scale_add(g);
        struct gpu_arena *a = arena(g, GPU_MEMORY_STATE), *h = arena(g, GPU_MEMORY_HOST);
        struct gpu_span x = alloc(a, N * 4), in = alloc(h, 4), out = alloc(h, N * 4);
        struct gpu_recording *rec = gpu_record_begin(g, &err);
        CHECK(rec);
        record(rec, k, x.addr, x.addr, N, 0, 1, 1, in.addr); /* x = x * in + 1 */
        gpu_record_copy(rec, out.addr, x.addr, N * 4);
        CHECK(gpu_record_end(rec, &err));
        uint32_t want = 0;
        uint64_t ticket = 0, before = 0;
        for (uint32_t i = 0; i < 100; i++) {
            *(uint32_t *)in.host = i * 2 + 1;
            want = want * (i * 2 + 1) + 1;
            CHECK(gpu_submit(g, rec, &ticket, &err));
            assert_true(ticket > before);
            before = ticket;
            CHECK(gpu_wait(g, ticket, &err));
            assert_int_equal(((uint32_t *)out.host)[0], want);
            assert_int_equal(((uint32_t *)out.host)[N - 1], want);
        }
        for (uint32_t i = 0; i < 50; i++) { /* queued ahead, without waiting */
            CHECK(gpu_submit(g, rec, &ticket, &err));
            want = want * 199 + 1;
        }
        CHECK(gpu_wait(g, ticket, &err));
        CHECK(gpu_wait(g, before, &err)); /* long done */
        assert_int_equal(((uint32_t *)out.host)[N / 2], want);
        assert_false(gpu_wait(g, ticket + 1, &err));
        CHECK(gpu_submit(g, rec, &ticket, &err));
        gpu_recording_free(rec); /* waits by itself */
        gpu_arena_free(a);
        gpu_arena_free(h);
        gpu_close(g);
    }
}

/* An upload comes after what was submitted before it, and before what is submitted after it. */
static void uploads_keep_their_place(void **state)
{
    (void)state;
    struct hk_error err = {0};
    enum { N = 100000 };
    FOR_EACH_MODE(m)
    {
        struct gpu *g = open_as(m);
        struct gpu_kernel *k = scale_add(g);
        struct gpu_arena *a = arena(g, GPU_MEMORY_WEIGHTS), *h = arena(g, GPU_MEMORY_HOST);
        struct gpu_span in = alloc(a, 256), out = alloc(h, N * 4ull), zeros = alloc(h, N * 4ull);
        struct gpu_recording *rec = gpu_record_begin(g, &err);
        CHECK(rec);
        record(rec, k, out.addr, zeros.addr, N, 1, 1, 200, in.addr); /* out = 200 with factor 1 */
        record(rec, k, out.addr, out.addr, N, 1, 0, 1, in.addr);     /* times the factor */
        CHECK(gpu_record_end(rec, &err));
        for (uint32_t i = 0; i < 10; i++) {
            uint32_t *p = gpu_upload_begin(g, in.addr, 4, &err);
            CHECK(p);
            *p = i & 1;
            CHECK(gpu_upload_end(g, &err));
            uint64_t ticket;
            CHECK(gpu_submit(g, rec, &ticket, &err));
            p = gpu_upload_begin(g, in.addr, 4, &err); /* must not reach the submission above */
            CHECK(p);
            *p = 77;
            CHECK(gpu_upload_end(g, &err));
            CHECK(gpu_wait(g, ticket, &err));
            for (uint32_t j = 0; j < N; j += 997)
                assert_int_equal(((uint32_t *)out.host)[j], i & 1 ? 200 : 0);
        }
        gpu_recording_free(rec);
        gpu_arena_free(a);
        gpu_arena_free(h);
        gpu_close(g);
    }
}

static void long_work_is_split(void **state)
{
    (void)state;
    struct hk_error err = {0};
    enum { N = 4096, STEPS = 40 };
    FOR_EACH_MODE(m)
    {
        struct gpu_pretend slow = *m;
        struct gpu *g = open_as(&slow);
        struct gpu_kernel *k = scale_add(g);
        struct gpu_arena *a = arena(g, GPU_MEMORY_STATE);
        struct gpu_span x = alloc(a, N * 4);
        /* 2 * N * 1024 operations cost 1 MiB and a bit: at this rate 25 ms */
        gpui_pretend(g)->rate = (1 << 20) / 25e-3;
        struct gpu_recording *rec = gpu_record_begin(g, &err);
        CHECK(rec);
        uint32_t want = 0;
        for (uint32_t i = 0; i < STEPS; i++) {
            record(rec, k, x.addr, x.addr, N, 5, i, 1024, 0);
            for (int j = 0; j < 1024; j++) want = want * 5 + i;
        }
        CHECK(gpu_record_end(rec, &err));
        uint64_t before = gpui_submissions(g);
        CHECK(gpu_submit(g, rec, NULL, &err));
        uint64_t n = gpui_submissions(g) - before;
        assert_true(n > 1 && n <= STEPS);
        uint32_t back[2];
        CHECK(gpu_read(g, x.addr, back, 4, &err));
        CHECK(gpu_read(g, x.addr + 4 * (N - 1), &back[1], 4, &err));
        assert_int_equal(back[0], want);
        assert_int_equal(back[1], want);
        gpu_recording_free(rec);
        gpu_arena_free(a);
        gpu_close(g);
    }
}

/* ---- kernels and recordings that cannot be ---------------------------------------------------------- */

static void kernels_are_made_once(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct gpu *g = open_as(NULL);
    uint32_t spec[GPU_MAX_SPEC + 1] = {128};
    struct gpu_kernel *k = gpu_kernel_get(g, "scale_add", spec, 1, &err);
    CHECK(k);
    assert_ptr_equal(gpu_kernel_get(g, "scale_add", spec, 1, &err), k);
    spec[0] = 64;
    struct gpu_kernel *other = gpu_kernel_get(g, "scale_add", spec, 1, &err);
    CHECK(other);
    assert_ptr_not_equal(other, k);
    assert_null(gpu_kernel_get(g, "no_such_kernel", NULL, 0, &err));
    assert_non_null(strstr(err.text, "no_such_kernel"));
    spec[0] = gpu_capabilities(g)->max_invocations + 1;
    assert_null(gpu_kernel_get(g, "scale_add", spec, 1, &err));
    assert_non_null(strstr(err.text, "at most"));
    assert_null(gpu_kernel_get(g, "scale_add", spec, GPU_MAX_SPEC + 1, &err));
    gpu_close(g);
}

static void expect_bad_dispatch(struct gpu *g, struct gpu_dispatch d, const char *part)
{
    struct hk_error err = {0};
    struct gpu_recording *rec = gpu_record_begin(g, &err);
    CHECK(rec);
    gpu_record_dispatch(rec, &d);
    struct gpu_dispatch nothing = {.label = "second failure"};
    gpu_record_dispatch(rec, &nothing);
    gpu_record_copy(rec, 1, 2, 3);
    assert_false(gpu_record_end(rec, &err));
    if (!strstr(err.text, part) || !strstr(err.text, "first"))
        fail_msg("'%s' does not say '%s'", err.text, part);
    assert_false(gpu_submit(g, rec, NULL, &err));
    gpu_recording_free(rec);
}

static void bad_dispatches_stick(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct gpu *g = open_as(NULL);
    struct gpu_arena *a = gpu_arena_new(g, GPU_MEMORY_STATE, 256, &err);
    CHECK(a);
    struct gpu_span s = alloc(a, 256);
    static const unsigned char push[GPU_MAX_PUSH + 4];
    const struct gpu_dispatch good = {.kernel = scale_add(g),
                                      .label = "first",
                                      .push = push,
                                      .push_size = 40,
                                      .groups = {1, 1, 1},
                                      .access = {{s.addr, 256, true}},
                                      .n_access = 1};
    struct gpu_dispatch d = good;
    d.kernel = NULL;
    expect_bad_dispatch(g, d, "no kernel");
    d = good;
    d.push_size = GPU_MAX_PUSH + 4;
    expect_bad_dispatch(g, d, "push constants");
    d.push_size = 6;
    expect_bad_dispatch(g, d, "push constants");
    d = good;
    d.groups[1] = 0;
    expect_bad_dispatch(g, d, "0 workgroups in dimension 1");
    const uint32_t most = gpu_capabilities(g)->max_groups[2];
    if (most < UINT32_MAX) {
        d = good;
        d.groups[2] = most + 1;
        expect_bad_dispatch(g, d, "workgroups in dimension 2");
    }
    d = good;
    d.access[0].size = 257;
    expect_bad_dispatch(g, d, "lie in no span");
    d.access[0] = (struct gpu_access){s.addr - 8, 8, false};
    expect_bad_dispatch(g, d, "reads 8 bytes");
    d = good;
    d.n_access = GPU_MAX_ACCESS + 1;
    expect_bad_dispatch(g, d, "accesses");

    struct gpu_recording *rec = gpu_record_begin(g, &err);
    CHECK(rec);
    assert_false(gpu_submit(g, rec, NULL, &err)); /* not ended */
    gpu_record_copy(rec, s.addr, s.addr + 10, 20);
    assert_false(gpu_record_end(rec, &err));
    assert_non_null(strstr(err.text, "overlap"));
    gpu_recording_free(rec);
    rec = gpu_record_begin(g, &err); /* nothing in it: nothing happens */
    CHECK(rec);
    CHECK(gpu_record_end(rec, &err));
    CHECK(gpu_submit(g, rec, NULL, &err));
    CHECK(gpu_wait_idle(g, &err));
    gpu_recording_free(rec);
    gpu_recording_free(NULL);
    gpu_arena_free(a);
    gpu_arena_free(NULL);
    gpu_close(g);
}

/* ---- profile ---------------------------------------------------------------------------------------- */

static void profile_counts_and_times(void **state)
{
    (void)state;
    struct hk_error err = {0};
    enum { N = 20000, STEPS = 700 }; /* more than one pool of queries */
    struct gpu *g = gpui_open(&(struct gpu_options){.cache_dir = "", .profile = true}, NULL, &err);
    CHECK(g);
    struct gpu_kernel *k = scale_add(g);
    struct gpu_arena *a = arena(g, GPU_MEMORY_STATE);
    struct gpu_span x = alloc(a, N * 4ull), y = alloc(a, N * 4ull);
    struct gpu_recording *rec = gpu_record_begin(g, &err);
    CHECK(rec);
    for (int i = 0; i < STEPS; i++) record(rec, k, x.addr, x.addr, N, 3, 1, i == 0 ? 2000 : 1, 0);
    gpu_record_copy(rec, y.addr, x.addr, N * 4ull);
    CHECK(gpu_record_end(rec, &err));
    struct gpu_profile_row *rows;
    uint32_t n;
    CHECK(gpu_profile(g, &rows, &n, &err));
    assert_int_equal(n, 0);
    free(rows);
    for (int i = 0; i < 3; i++) CHECK(gpu_submit(g, rec, NULL, &err));
    CHECK(gpu_profile(g, &rows, &n, &err));
    if (gpu_capabilities(g)->timestamps) {
        assert_int_equal(n, 2);
        assert_string_equal(rows[0].label, "scale_add");
        assert_string_equal(rows[0].kernel, "scale_add");
        assert_int_equal(rows[0].calls, 3 * STEPS);
        assert_int_equal(rows[0].bytes, 3ull * STEPS * N * 8);
        assert_string_equal(rows[1].label, "copy");
        assert_int_equal(rows[1].calls, 3);
        assert_true(rows[0].seconds > rows[1].seconds && rows[0].seconds > 1e-6 && rows[0].seconds < 100);
    } else {
        assert_int_equal(n, 0);
    }
    free(rows);
    gpu_profile_reset(g);
    CHECK(gpu_profile(g, &rows, &n, &err));
    assert_int_equal(n, 0);
    free(rows);
    gpu_recording_free(rec);
    gpu_arena_free(a);
    gpu_close(g);
}

/* ---- the cache on disk ------------------------------------------------------------------------------ */

/* The one file in dir; false: there is none. */
static bool only_file(const char *dir, char *path, size_t capacity)
{
    DIR *d = opendir(dir);
    if (!d) return false;
    int found = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, capacity, "%s/%s", dir, e->d_name);
        found++;
    }
    closedir(d);
    assert_true(found <= 1);
    return found == 1;
}

/* Whether the cache was taken. */
static bool compile_once(const char *dir)
{
    struct hk_error err = {0};
    struct gpu *g = gpu_open(&(struct gpu_options){.cache_dir = dir}, &err);
    CHECK(g);
    bool loaded = gpui_cache_loaded(g);
    scale_add(g);
    gpu_close(g);
    return loaded;
}

static size_t read_file(const char *path, unsigned char *buf, size_t capacity)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(buf, 1, capacity, f);
    fclose(f);
    assert_true(n < capacity);
    return n;
}

static void write_file(const char *path, const unsigned char *buf, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(buf, 1, n, f), n);
    fclose(f);
}

static void damaged_caches_are_ignored(void **state)
{
    (void)state;
    static unsigned char good[4 << 20], bad[4 << 20], now[4 << 20];
    char dir[] = "/tmp/hekla-test-XXXXXX", sub[64], path[512];
    assert_non_null(mkdtemp(dir));
    snprintf(sub, sizeof sub, "%s/a/b", dir); /* made as needed */
    assert_false(compile_once(sub));
    assert_true(only_file(sub, path, sizeof path));
    size_t n = read_file(path, good, sizeof good);
    assert_true(n > 64);
    for (int i = 0; i < 6; i++) {
        size_t m = n;
        memcpy(bad, good, n);
        if (i == 0) m = 0;
        if (i == 1) m = n / 2;
        if (i == 2) m = 10;
        if (i == 3) bad[n - 1] ^= 1; /* damage in the driver's part */
        if (i == 4) bad[30] ^= 1;    /* another device's */
        if (i == 5) memset(bad, 0xff, n);
        write_file(path, bad, m);
        assert_false(compile_once(sub));
        size_t k = read_file(path, now, sizeof now); /* and is replaced by a good one */
        assert_true(k > 64 && memcmp(now, good, 32) == 0);
        assert_true(only_file(sub, path, sizeof path)); /* no temporary file stays */
        assert_true(compile_once(sub));                 /* a good one is taken */
    }
    write_file(path, good, n);
    assert_true(compile_once(sub));
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0); /* a directory in its place */
    assert_false(compile_once(sub));
    rmdir(path);
    rmdir(sub);
    snprintf(sub, sizeof sub, "%s/a", dir);
    rmdir(sub);
    snprintf(sub, sizeof sub, "%s/file", dir);
    write_file(sub, good, 1);
    assert_false(compile_once(sub)); /* a cache directory that cannot be */
    unlink(sub);
    assert_int_equal(rmdir(dir), 0);
}

/* ---- failures --------------------------------------------------------------------------------------- */

static void a_lost_device_is_an_error(void **state)
{
    (void)state;
    FOR_EACH_MODE(m)
    {
        struct hk_error err = {0};
        struct gpu *g = open_as(m);
        struct gpu_kernel *k = scale_add(g);
        struct gpu_arena *a = arena(g, GPU_MEMORY_STATE);
        struct gpu_span s = alloc(a, 4096), t;
        struct gpu_recording *rec = gpu_record_begin(g, &err), *open = gpu_record_begin(g, &err);
        CHECK(rec && open);
        record(rec, k, s.addr, s.addr, 1024, 3, 1, 1, 0);
        record(open, k, s.addr, s.addr, 1024, 3, 1, 1, 0);
        CHECK(gpu_record_end(rec, &err));
        uint64_t ticket;
        CHECK(gpu_submit(g, rec, &ticket, &err));
        gpui_lose(g);
        uint32_t word = 0, n;
        struct gpu_profile_row *rows;
#define LOST(call)                                                                                           \
    do {                                                                                                     \
        memset(&err, 0, sizeof err);                                                                         \
        assert_false(call);                                                                                  \
        assert_int_equal(err.code, HK_ERR_DEVICE_LOST);                                                      \
        assert_non_null(strstr(err.text, "lost"));                                                           \
    } while (0)
        LOST(gpu_wait(g, ticket, &err));
        LOST(gpu_wait_idle(g, &err));
        LOST(gpu_submit(g, rec, NULL, &err));
        LOST(gpu_read(g, s.addr, &word, 4, &err));
        LOST(gpu_write(g, s.addr, &word, 4, &err));
        LOST(gpu_arena_alloc(a, 4, &t, &err));
        LOST(gpu_arena_new(g, GPU_MEMORY_STATE, 0, &err));
        LOST(gpu_record_begin(g, &err));
        LOST(gpu_upload_finish(g, &err));
        LOST(gpu_profile(g, &rows, &n, &err));
        LOST(gpu_kernel_get(g, "scale_add", NULL, 0, &err));
        record(open, k, s.addr, s.addr, 1024, 3, 1, 1, 0);
        LOST(gpu_record_end(open, &err));
        gpu_recording_free(open);
        gpu_recording_free(rec);
        gpu_arena_free(a);
        gpu_close(g);
        gpu_close(open_as(m)); /* and can be opened again */
    }
}

/* Everything once; false at the first failure, with all freed. *left: of pretend->fail_allocation, 0 when it
 * fell. */
static bool whole_life(const struct gpu_pretend *pretend, uint32_t *left, struct hk_error *err)
{
    *left = 0;
    struct gpu *g = gpui_open(&(struct gpu_options){.cache_dir = "", .profile = true}, pretend, err);
    if (!g) return false;
    struct gpu_arena *a = gpu_arena_new(g, GPU_MEMORY_STATE, 0, err);
    struct gpu_recording *rec = NULL;
    struct gpu_profile_row *rows = NULL;
    struct gpu_span s, t;
    uint32_t word = 5, n, spec[1] = {64};
    bool ok = a && gpu_arena_alloc(a, 1024, &s, err) && gpu_arena_alloc(a, 2 << 20, &t, err) &&
              gpu_write(g, s.addr, &word, 4, err);
    struct gpu_kernel *k = ok ? gpu_kernel_get(g, "scale_add", spec, 1, err) : NULL;
    ok = ok && k && (rec = gpu_record_begin(g, err));
    if (ok) record(rec, k, s.addr, s.addr, 1, 3, 1, 1, 0);
    ok = ok && gpu_record_end(rec, err) && gpu_submit(g, rec, NULL, err) &&
         gpu_read(g, s.addr, &word, 4, err) && gpu_profile(g, &rows, &n, err);
    if (ok) assert_int_equal(word, 16);
    *left = gpui_pretend(g)->fail_allocation;
    free(rows);
    gpu_recording_free(rec);
    gpu_arena_free(a);
    gpu_close(g);
    return ok;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const struct gpu_pretend *last = &modes[N_MODES - 1], *both[2] = {&modes[0], last};
    for (int i = 0; i < 2; i++) {
        uint32_t failures = 0, left = 0;
        for (uint32_t k = 1; !left; k++) {
            struct hk_error err = {0};
            struct gpu_pretend p = *both[i];
            p.fail_allocation = k;
            if (whole_life(&p, &left, &err))
                continue; /* a block that failed was made smaller; or all went well */
            failures++;
            assert_int_equal(err.code, HK_ERR_MEMORY);
            assert_true(strlen(err.text) > 10);
        }
        assert_true(failures > 8 && failures < 60);
    }
}

int main(void)
{
    struct hk_error err = {0};
    struct gpu *g = gpu_open(&no_cache, &err);
    if (!g) {
        printf("skipped: %s\n", err.text);
        return 77;
    }
    gpu_close(g);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_are_listed),          cmocka_unit_test(wrong_names_are_refused),
        cmocka_unit_test(two_devices_at_once),         cmocka_unit_test(data_goes_in_and_out),
        cmocka_unit_test(many_small_uploads),          cmocka_unit_test(state_begins_as_zeros),
        cmocka_unit_test(wrong_transfers_are_refused), cmocka_unit_test(out_of_memory_says_need_and_budget),
        cmocka_unit_test(arenas_are_made_of_blocks),   cmocka_unit_test(chains_run_in_order),
        cmocka_unit_test(recordings_are_replayed),     cmocka_unit_test(uploads_keep_their_place),
        cmocka_unit_test(long_work_is_split),          cmocka_unit_test(kernels_are_made_once),
        cmocka_unit_test(bad_dispatches_stick),        cmocka_unit_test(profile_counts_and_times),
        cmocka_unit_test(damaged_caches_are_ignored),  cmocka_unit_test(a_lost_device_is_an_error),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

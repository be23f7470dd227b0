/* runtime/gpu/gpu.h on a real device: devices, memory in and out, order, replay, splitting. Every test runs on the device
 * as it is and as it pretends to be: with fences for a timeline, and with memory that the host cannot see. */
#include "tests/gpu_support.h"

#include <stdlib.h>
#include <string.h>

/* ---- devices ---- */

static void devices_are_listed(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct hk_device_caps *caps;
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
            const struct hk_device_feature *f = &caps[i].features[j];
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

/* ---- memory ---- */

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

/* ---- order ---- */

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
        struct gpu_recorder *rec = gpu_record_begin(g, &err);
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
        CHECK(gpu_submit(g, rec, 0, NULL, &err));
        CHECK(gpu_read(g, x.addr, data, N * 4ull, &err));
        for (uint32_t i = 0; i < N; i++) assert_int_equal(data[i], i * factor + term);
        gpu_recorder_free(rec);
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
        struct gpu_recorder *rec = gpu_record_begin(g, &err);
        CHECK(rec);
        record(rec, k, x.addr, x.addr, N, 0, 1, 1, in.addr); /* x = x * in + 1 */
        gpu_record_copy(rec, out.addr, x.addr, N * 4);
        CHECK(gpu_record_end(rec, &err));
        uint32_t want = 0;
        uint64_t ticket = 0, before = 0;
        for (uint32_t i = 0; i < 100; i++) {
            *(uint32_t *)in.host = i * 2 + 1;
            want = want * (i * 2 + 1) + 1;
            CHECK(gpu_submit(g, rec, 0, &ticket, &err));
            assert_true(ticket > before);
            before = ticket;
            CHECK(gpu_wait(g, ticket, &err));
            assert_int_equal(((uint32_t *)out.host)[0], want);
            assert_int_equal(((uint32_t *)out.host)[N - 1], want);
        }
        for (uint32_t i = 0; i < 50; i++) { /* queued ahead, without waiting */
            CHECK(gpu_submit(g, rec, 0, &ticket, &err));
            want = want * 199 + 1;
        }
        CHECK(gpu_wait(g, ticket, &err));
        CHECK(gpu_wait(g, before, &err)); /* long done */
        assert_int_equal(((uint32_t *)out.host)[N / 2], want);
        assert_false(gpu_wait(g, ticket + 1, &err));
        CHECK(gpu_submit(g, rec, 0, &ticket, &err));
        gpu_recorder_free(rec); /* waits by itself */
        gpu_arena_free(a);
        gpu_arena_free(h);
        gpu_close(g);
    }
}

/* What the submission says of the work's size decides into how many pieces it falls. */
static void units_split_a_recording(void **state)
{
    (void)state;
    struct hk_error err = {0};
    enum { N = 20000, STEPS = 10 };
    const struct gpu_pretend slow = {
        .rate = 1e7}; /* 50 ms are 500 thousand; a dispatch of N costs 230 thousand */
    struct gpu *g = open_as(&slow);
    struct gpu_arena *a = arena(g, GPU_MEMORY_STATE);
    struct gpu_span x = alloc(a, N * 4ull);
    struct gpu_recorder *rec = gpu_record_begin(g, &err);
    CHECK(rec);
    for (int i = 0; i < STEPS; i++) record(rec, scale_add(g), x.addr, x.addr, N, 3, 1, 1, 0);
    CHECK(gpu_record_end(rec, &err));
    uint64_t first = 0, few = 0, many = 0;
    CHECK(gpu_submit(g, rec, 0, &first, &err));
    CHECK(gpu_submit(g, rec, 0, &few, &err));
    CHECK(gpu_submit(g, rec, 100, &many, &err));
    assert_int_equal(few - first, STEPS / 2); /* two dispatches in each: tickets count submissions */
    assert_int_equal(many - few, STEPS);
    gpu_recorder_free(rec);
    gpu_arena_free(a);
    gpu_close(g);
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
        struct gpu_recorder *rec = gpu_record_begin(g, &err);
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
            CHECK(gpu_submit(g, rec, 0, &ticket, &err));
            p = gpu_upload_begin(g, in.addr, 4, &err); /* must not reach the submission above */
            CHECK(p);
            *p = 77;
            CHECK(gpu_upload_end(g, &err));
            CHECK(gpu_wait(g, ticket, &err));
            for (uint32_t j = 0; j < N; j += 997)
                assert_int_equal(((uint32_t *)out.host)[j], i & 1 ? 200 : 0);
        }
        gpu_recorder_free(rec);
        gpu_arena_free(a);
        gpu_arena_free(h);
        gpu_close(g);
    }
}

/* With the queue busy, the ring's pieces are all waiting when the fourth is wanted: it must not be
 * overwritten. */
static void uploads_wait_for_their_ring(void **state)
{
    (void)state;
    struct hk_error err = {0};
    enum { N = 5 * GPU_UPLOAD_MAX / 4, LONG = 20000 };
    uint32_t *data = malloc(N * 4ull), *back = malloc(N * 4ull);
    assert_true(data && back);
    for (uint32_t i = 0; i < N; i++) data[i] = i * 2246822519u;
    for (int i = 1; i < N_MODES; i++) {
        struct gpu *g = open_as(&modes[i]);
        struct gpu_arena *a = arena(g, GPU_MEMORY_WEIGHTS), *b = arena(g, GPU_MEMORY_STATE);
        struct gpu_span s = alloc(a, N * 4ull), x = alloc(b, LONG * 4);
        struct gpu_recorder *rec = gpu_record_begin(g, &err);
        CHECK(rec);
        record(rec, scale_add(g), x.addr, x.addr, LONG, 3, 1, 3000, 0);
        CHECK(gpu_record_end(rec, &err));
        CHECK(gpu_submit(g, rec, 0, NULL, &err));
        CHECK(gpu_write(g, s.addr, data, N * 4ull, &err));
        CHECK(gpu_read(g, s.addr, back, N * 4ull, &err));
        assert_memory_equal(back, data, N * 4ull);
        gpu_recorder_free(rec);
        gpu_arena_free(a);
        gpu_arena_free(b);
        gpu_close(g);
    }
    free(data);
    free(back);
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
        struct gpu_recorder *rec = gpu_record_begin(g, &err);
        CHECK(rec);
        uint32_t want = 0;
        for (uint32_t i = 0; i < STEPS; i++) {
            record(rec, k, x.addr, x.addr, N, 5, i, 1024, 0);
            for (int j = 0; j < 1024; j++) want = want * 5 + i;
        }
        CHECK(gpu_record_end(rec, &err));
        uint64_t before = gpui_submissions(g);
        CHECK(gpu_submit(g, rec, 0, NULL, &err));
        uint64_t n = gpui_submissions(g) - before;
        assert_true(n > 1 && n <= STEPS);
        uint32_t back[2];
        CHECK(gpu_read(g, x.addr, back, 4, &err));
        CHECK(gpu_read(g, x.addr + 4 * (N - 1), &back[1], 4, &err));
        assert_int_equal(back[0], want);
        assert_int_equal(back[1], want);
        gpu_recorder_free(rec);
        gpu_arena_free(a);
        gpu_close(g);
    }
}

int main(void)
{
    if (!have_device()) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_are_listed),          cmocka_unit_test(wrong_names_are_refused),
        cmocka_unit_test(two_devices_at_once),         cmocka_unit_test(data_goes_in_and_out),
        cmocka_unit_test(many_small_uploads),          cmocka_unit_test(state_begins_as_zeros),
        cmocka_unit_test(wrong_transfers_are_refused), cmocka_unit_test(out_of_memory_says_need_and_budget),
        cmocka_unit_test(arenas_are_made_of_blocks),   cmocka_unit_test(chains_run_in_order),
        cmocka_unit_test(recordings_are_replayed),     cmocka_unit_test(uploads_keep_their_place),
        cmocka_unit_test(uploads_wait_for_their_ring), cmocka_unit_test(long_work_is_split),
        cmocka_unit_test(units_split_a_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

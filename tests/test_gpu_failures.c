/* runtime/gpu/gpu.h when things go wrong, and what is beside the main path: recordings that cannot be, the profile, the
 * cache on disk, a lost device, memory that runs out anywhere. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "tests/gpu_support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- kernels and recordings that cannot be ---- */

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
    struct gpu_recorder *rec = gpu_record_begin(g, &err);
    CHECK(rec);
    gpu_record_dispatch(rec, &d);
    struct gpu_dispatch nothing = {.label = "second failure"};
    gpu_record_dispatch(rec, &nothing);
    gpu_record_copy(rec, 1, 2, 3);
    assert_false(gpu_record_end(rec, &err));
    if (!strstr(err.text, part) || !strstr(err.text, "first"))
        fail_msg("'%s' does not say '%s'", err.text, part);
    assert_false(gpu_submit(g, rec, 0, NULL, &err));
    gpu_recorder_free(rec);
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

    struct gpu_recorder *rec = gpu_record_begin(g, &err);
    CHECK(rec);
    assert_false(gpu_submit(g, rec, 0, NULL, &err)); /* not ended */
    gpu_record_copy(rec, s.addr, s.addr + 10, 20);
    assert_false(gpu_record_end(rec, &err));
    assert_non_null(strstr(err.text, "overlap"));
    gpu_recorder_free(rec);
    rec = gpu_record_begin(g, &err); /* nothing in it: nothing happens */
    CHECK(rec);
    CHECK(gpu_record_end(rec, &err));
    CHECK(gpu_submit(g, rec, 0, NULL, &err));
    CHECK(gpu_wait_idle(g, &err));
    gpu_recorder_free(rec);
    gpu_recorder_free(NULL);
    gpu_arena_free(a);
    gpu_arena_free(NULL);
    gpu_close(g);
}

/* ---- profile ---- */

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
    struct gpu_recorder *rec = gpu_record_begin(g, &err);
    CHECK(rec);
    for (int i = 0; i < STEPS; i++) record(rec, k, x.addr, x.addr, N, 3, 1, i == 0 ? 2000 : 1, 0);
    gpu_record_copy(rec, y.addr, x.addr, N * 4ull);
    CHECK(gpu_record_end(rec, &err));
    struct hk_profile_row *rows;
    uint32_t n;
    CHECK(gpu_profile(g, &rows, &n, &err));
    assert_int_equal(n, 0);
    free(rows);
    for (uint64_t i = 0; i < 3; i++) CHECK(gpu_submit(g, rec, i, NULL, &err));
    CHECK(gpu_profile(g, &rows, &n, &err));
    if (gpu_capabilities(g)->timestamps) {
        assert_int_equal(n, 2);
        assert_string_equal(rows[0].label, "scale_add");
        assert_string_equal(rows[0].kernel, "scale_add");
        assert_int_equal(rows[0].calls, 3 * STEPS);
        assert_int_equal(rows[0].bytes,
                         3ull * STEPS * N * 8 + (0 + 1 + 2) * STEPS * N); /* with their units */
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
    gpu_recorder_free(rec);
    gpu_arena_free(a);
    gpu_close(g);
}

/* ---- the cache on disk ---- */

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

/* ---- failures ---- */

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
        struct gpu_recorder *rec = gpu_record_begin(g, &err), *open = gpu_record_begin(g, &err);
        CHECK(rec && open);
        record(rec, k, s.addr, s.addr, 1024, 3, 1, 1, 0);
        record(open, k, s.addr, s.addr, 1024, 3, 1, 1, 0);
        CHECK(gpu_record_end(rec, &err));
        uint64_t ticket;
        CHECK(gpu_submit(g, rec, 0, &ticket, &err));
        gpui_lose(g);
        uint32_t word = 0, n;
        struct hk_profile_row *rows;
#define LOST(call)                                                                                           \
    do {                                                                                                     \
        memset(&err, 0, sizeof err);                                                                         \
        assert_false(call);                                                                                  \
        assert_int_equal(err.code, HK_ERR_DEVICE_LOST);                                                      \
        assert_non_null(strstr(err.text, "lost"));                                                           \
    } while (0)
        LOST(gpu_wait(g, ticket, &err));
        LOST(gpu_wait_idle(g, &err));
        LOST(gpu_submit(g, rec, 0, NULL, &err));
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
        gpu_recorder_free(open);
        gpu_recorder_free(rec);
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
    struct gpu_recorder *rec = NULL;
    struct hk_profile_row *rows = NULL;
    struct gpu_span s, t;
    uint32_t word = 5, n, spec[1] = {64};
    bool ok = a && gpu_arena_alloc(a, 1024, &s, err) && gpu_arena_alloc(a, 2 << 20, &t, err) &&
              gpu_write(g, s.addr, &word, 4, err);
    struct gpu_kernel *k = ok ? gpu_kernel_get(g, "scale_add", spec, 1, err) : NULL;
    ok = ok && k && (rec = gpu_record_begin(g, err));
    if (ok) record(rec, k, s.addr, s.addr, 1, 3, 1, 1, 0);
    ok = ok && gpu_record_end(rec, err) && gpu_submit(g, rec, 0, NULL, err) &&
         gpu_read(g, s.addr, &word, 4, err) && gpu_profile(g, &rows, &n, err);
    if (ok) assert_int_equal(word, 16);
    *left = gpui_pretend(g)->fail_allocation;
    free(rows);
    gpu_recorder_free(rec);
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
    if (!have_device()) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_are_made_once),     cmocka_unit_test(bad_dispatches_stick),
        cmocka_unit_test(profile_counts_and_times),  cmocka_unit_test(damaged_caches_are_ignored),
        cmocka_unit_test(a_lost_device_is_an_error), cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

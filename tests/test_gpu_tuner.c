/* The tuner on a real device: what it chooses computes what the reference computes; it is kept and found
 * again; a damaged cache is measured anew. */
#include "runtime/backend.h"
#include "runtime/ops.h"
#include "tests/loader_testing.h"
#include "runtime/synthetic.h"
#include "runtime/upload.h"
#include "runtime/tuner.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 1024, COLS = 1056, TOKENS = 1 };

static char folder[HK_TEST_PATH];

static struct backend *open_backend(enum tuner_mode mode)
{
    struct hk_error err = {0};
    struct gpu_options go = {.cache_dir = ""};
    struct gpu *g = gpu_open(&go, &err);
    struct backend *b = g ? backend_vulkan_open(g, mode, folder, &err) : NULL;
    if (!b) fail_msg("%s", err.text);
    return b;
}

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if (!(call)) fail_msg("%s: %s", #call, err.text);                                                    \
    } while (0)

struct watch {
    uint32_t calls;
    bool stop;
};

static bool watch(void *user, const char *what, uint64_t done, uint64_t total)
{
    struct watch *w = user;
    assert_string_equal(what, "tuning");
    assert_true(done <= total && total == 1);
    w->calls++;
    return !w->stop;
}

/* One matmul of TOKENS tokens with fixed operands; out (TOKENS, ROWS). Tuned before where w is given. */
static void run_matmul(struct backend *b, struct watch *watched, float *out)
{
    const struct backend_table *t = b->table;
    struct hk_error err = {0};
    struct arena *a = t->arena_new(b, GPU_MEMORY_STATE, 0, &err);
    struct hk_weight w = {.name = "w", .rows = ROWS, .cols = COLS};
    uint64_t bytes = 0, ticket = 0;
    CHECK(a && hk_weight_layout(HK_Q8_0, ROWS, COLS, &w.layout, &err) &&
          hk_weight_bytes(HK_Q8_0, ROWS, COLS, &bytes));
    void *blocks = test_malloc((size_t)bytes);
    hk_weight_random(HK_Q8_0, blocks, (uint64_t)ROWS * COLS, 7);
    float *x_values = test_calloc(TOKENS * COLS, sizeof *x_values);
    for (int i = 0; i < TOKENS * COLS; i++) x_values[i] = (float)(i % 19) / 9.0f - 1.0f;

    struct gpu_span ws, xs, ys;
    CHECK(t->arena_alloc(a, t->weight_bytes(&w.layout), &ws, &err) &&
          t->arena_alloc(a, 4 * TOKENS * COLS, &xs, &err) && t->arena_alloc(a, 4 * TOKENS * ROWS, &ys, &err));
    w.addr = ws.addr;
    CHECK(weight_upload_whole(b, &w, blocks, &err));
    CHECK(t->write(b, xs.addr, x_values, 4 * TOKENS * COLS, &err));
    if (watched) {
        const struct hk_weight *weights[2] = {&w, &w}; /* a shape is measured once */
        uint32_t tokens = TOKENS;
        bool ok = t->tune(b, weights, 2, &tokens, 1, watch, watched, &err);
        assert_int_equal(ok ? HK_OK : err.code, watched->stop && watched->calls ? HK_ERR_CANCELLED : HK_OK);
    }
    struct recorder *r = record_begin(b, &err);
    CHECK(r);
    matmul(r, (struct hk_tensor){ys.addr, TOKENS, ROWS, ROWS}, &w, (struct hk_tensor){0},
           (struct hk_tensor){xs.addr, TOKENS, COLS, COLS});
    CHECK(record_end(r, &err) && t->submit(b, r, 0, &ticket, &err) && t->wait(b, ticket, &err));
    CHECK(t->read(b, ys.addr, out, 4 * TOKENS * ROWS, &err));
    recorder_free(r);
    t->arena_free(a);
    test_free(blocks);
    test_free(x_values);
}

static void assert_close(const float *got, const float *want)
{
    double diff = 0, norm = 0;
    for (int i = 0; i < TOKENS * ROWS; i++) {
        diff += pow((double)got[i] - (double)want[i], 2);
        norm += pow((double)want[i], 2);
    }
    assert_true(norm > 1);
    if (!(diff <= 1e-9 * norm)) fail_msg("differs by %g", diff / norm);
}

/* The one file in the folder; its text (test_free it), or NULL. */
static char *cache_text(char path[HK_TEST_PATH])
{
    struct hk_arena a = {0};
    const char *const *names;
    size_t n;
    assert_true(hk_folder_list(&a, folder, &names, &n, NULL));
    char *text = NULL;
    if (n) {
        assert_int_equal(n, 1);
        assert_true(strlen(folder) + strlen(names[0]) + 2 <= HK_TEST_PATH);
        strcat(strcat(strcpy(path, folder), "/"), names[0]);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        text = test_calloc(8192, 1);
        assert_true(fread(text, 1, 8191, f) > 0);
        fclose(f);
    }
    hk_arena_free(&a);
    return text;
}

static void measures_and_remembers(void **state)
{
    (void)state;
    static float want[TOKENS * ROWS], got[TOKENS * ROWS];
    struct hk_error err = {0};
    struct backend *b = backend_reference_open(&err);
    CHECK(b);
    struct watch w = {0}, stopped = {.stop = true};
    run_matmul(b, &w, want);
    b->table->close(b);

    hk_test_folder_make(folder);
    char path[HK_TEST_PATH];
    b = open_backend(TUNER_OFF);
    run_matmul(b, &w, got);
    assert_close(got, want);
    b->table->close(b);
    b = open_backend(TUNER_MEASURE);
    run_matmul(b, NULL, got); /* recording measures nothing */
    assert_close(got, want);
    assert_int_equal(w.calls, 0);
    run_matmul(b, &stopped, got);
    assert_close(got, want);
    b->table->close(b);
    assert_int_equal(stopped.calls, 1);
    assert_null(cache_text(path));

    b = open_backend(TUNER_MEASURE);
    run_matmul(b, &w, got);
    assert_close(got, want);
    assert_int_equal(w.calls, 2); /* before and after */
    char *first = cache_text(path);
    assert_non_null(first); /* kept at once */
    assert_non_null(strstr(first, "\nmatmul "));
    run_matmul(b, &w, got);
    assert_int_equal(w.calls, 2); /* known */
    b->table->close(b);

    /* Another variant put into the file is taken as it is: the cache is what decides. */
    char *choice = strstr(first, "= ");
    assert_non_null(choice);
    char *other = strstr(choice, "= 0 32 32 1 ") ? "= 0 64 32 1 1\n" : "= 0 32 32 1 1\n";
    char changed[8192];
    snprintf(changed, sizeof changed, "%.*s%s", (int)(choice - first), first, other);
    hk_test_write_text(folder, strrchr(path, '/') + 1, changed);
    b = open_backend(TUNER_MEASURE);
    run_matmul(b, &w, got);
    assert_close(got, want);
    b->table->close(b);
    assert_int_equal(w.calls, 2);
    char *kept = cache_text(path);
    assert_string_equal(kept, changed);

    /* A variant that no build would try, a foreign header, noise: measured anew. */
    static const char *const bad[] = {"= 0 100000 3 900 77\n", "\n\n\xff\xfe"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(changed, sizeof changed, "%.*s%s", (int)(choice - first), first, bad[i]);
        if (i == 1) changed[15] ^= 1;
        hk_test_write_text(folder, strrchr(path, '/') + 1, changed);
        b = open_backend(TUNER_MEASURE);
        run_matmul(b, &w, got);
        assert_close(got, want);
        b->table->close(b);
        char *again = cache_text(path);
        assert_string_not_equal(again, changed);
        assert_memory_equal(again, first, (size_t)(choice - first));
        test_free(again);
    }
    test_free(first);
    test_free(kept);
    hk_test_folder_remove(folder);
}

int main(void)
{
    struct hk_error err = {0};
    struct gpu *g = gpu_open(&(struct gpu_options){.cache_dir = ""}, &err);
    if (!g) {
        print_message("skipped: %s\n", err.text);
        return 77;
    }
    gpu_close(g);
    const struct CMUnitTest tests[] = {cmocka_unit_test(measures_and_remembers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

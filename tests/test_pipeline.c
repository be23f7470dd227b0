/* The ordered pipeline, both bodies: every item made once and taken in order, whatever the number of threads
 * and slots; the first failure ends it. And files that are written whole or not at all. */
#include "tests/loader_testing.h"
#include "loader/out_file.h"
#include "loader/pipeline.h"

#include <stdio.h>

/* The body for systems without threads, under other names. */
#define HK_NO_THREADS
#undef _POSIX_C_SOURCE /* it defines them itself */
#undef _DEFAULT_SOURCE
#define hk_pipeline_run        run_without_threads
#define hk_pipeline_processors processors_without_threads
bool run_without_threads(const struct hk_pipeline *p, struct hk_error *err);
uint32_t processors_without_threads(void);
#include "loader/pipeline.c"
#undef hk_pipeline_run
#undef hk_pipeline_processors

typedef bool run_fn(const struct hk_pipeline *p, struct hk_error *err);
static run_fn *const RUNS[] = {hk_pipeline_run, run_without_threads};

enum { N_ITEMS = 500, MAX_SLOTS = 300, NEVER = N_ITEMS };

struct work {
    uint64_t in_slot[MAX_SLOTS]; /* what was made there */
    uint8_t made[N_ITEMS];       /* each written by one thread */
    uint64_t taken;
    uint64_t fail_make, fail_take;
};

static bool make(void *user, uint64_t item, uint32_t slot, struct hk_error *err)
{
    struct work *w = user;
    uint64_t state = item;
    volatile uint64_t busy = 0; /* some items take longer, so that they are ready out of order */
    for (uint64_t i = 0, n = hk_test_random(&state) % 20000; i < n; i++) busy += i;
    w->made[item] = (uint8_t)(w->made[item] + (busy < UINT64_MAX)); /* always one more */
    w->in_slot[slot] = item;
    return item != w->fail_make ||
           hk_fail(err, HK_ERR_IO, "item %llu was not made", (unsigned long long)item);
}

static bool take(void *user, uint64_t item, uint32_t slot, struct hk_error *err)
{
    struct work *w = user;
    if (item != w->taken || w->in_slot[slot] != item || w->made[item] != 1)
        return hk_fail(err, HK_ERR_FORMAT, "item %llu was not its turn", (unsigned long long)item);
    w->taken++;
    return item != w->fail_take ||
           hk_fail(err, HK_ERR_IO, "item %llu was not taken", (unsigned long long)item);
}

static const uint32_t SHAPES[][2] = {{1, 1}, {1, 2}, {2, 1}, {3, 6}, {8, 5}, {HK_PIPELINE_MAX_THREADS, 256}};
enum { N_SHAPES = sizeof SHAPES / sizeof *SHAPES };

static struct hk_pipeline pipeline_of(struct work *w, size_t shape)
{
    return (struct hk_pipeline){.n_items = N_ITEMS,
                                .n_threads = SHAPES[shape][0],
                                .n_slots = SHAPES[shape][1],
                                .make = make,
                                .take = take,
                                .user = w};
}

static void in_order(void **state)
{
    (void)state;
    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < N_SHAPES; i++) {
            struct work w = {.fail_make = NEVER, .fail_take = NEVER};
            struct hk_pipeline p = pipeline_of(&w, i);
            struct hk_error err = {0};
            if (!RUNS[r](&p, &err)) fail_msg("%s", err.text);
            assert_int_equal(w.taken, N_ITEMS);
            p.n_items = 0;
            assert_true(RUNS[r](&p, &err));
        }
}

static void failures(void **state)
{
    (void)state;
    static const uint64_t AT[] = {0, 1, 17, N_ITEMS - 1};
    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < N_SHAPES; i++)
            for (size_t k = 0; k < sizeof AT / sizeof *AT; k++) {
                struct hk_error err = {0};
                struct work w = {.fail_make = AT[k], .fail_take = NEVER};
                struct hk_pipeline p = pipeline_of(&w, i);
                assert_false(RUNS[r](&p, &err));
                hk_test_error_says(&err, "not made");
                assert_int_equal(w.taken, AT[k]);
                w = (struct work){.fail_make = NEVER, .fail_take = AT[k]};
                assert_false(RUNS[r](&p, &err));
                hk_test_error_says(&err, "not taken");
                assert_int_equal(w.taken, AT[k] + 1);
                assert_false(RUNS[r](&p, NULL)); /* nobody asks why */
            }
}

static void processors(void **state)
{
    (void)state;
    assert_true(hk_pipeline_processors() >= 1);
    assert_true(hk_pipeline_processors() <= HK_PIPELINE_MAX_THREADS);
    assert_int_equal(processors_without_threads(), 1);
}

/* ---- files ---- */

static bool exists(const char *folder, const char *name)
{
    char path[HK_TEST_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return hk_path_kind(path) != HK_PATH_MISSING;
}

static void whole_or_not(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], path[HK_TEST_PATH + 8];
    struct hk_error err = {0};
    hk_test_folder_make(folder);
    snprintf(path, sizeof path, "%s/f", folder);
    struct hk_out_file *f = hk_out_file_open(path, &err), *g = hk_out_file_open(path, &err);
    assert_non_null(f);
    assert_non_null(g); /* two at a time do not meet */
    assert_true(hk_out_file_write(f, "one", 3, &err) && hk_out_file_write(f, "", 0, &err));
    assert_true(hk_out_file_write(g, "another", 7, &err));
    assert_false(exists(folder, "f"));
    assert_true(hk_out_file_commit(f, &err));
    assert_true(exists(folder, "f"));
    hk_out_file_abandon(g);
    hk_out_file_abandon(NULL);

    struct hk_mapping *m = hk_mapping_open(path, &err);
    assert_int_equal(m->size, 3);
    assert_memory_equal(m->data, "one", 3);
    hk_mapping_close(m);

    char other[HK_TEST_PATH + 16];
    snprintf(other, sizeof other, "%s/./f", folder);
    assert_true(hk_same_file(path, other));
    hk_test_write_text(folder, "h", "one");
    snprintf(other, sizeof other, "%s/h", folder);
    assert_false(hk_same_file(path, other));
    assert_false(hk_same_file(path, "/no/such/file"));

    assert_null(hk_out_file_open(folder, &err));
    hk_test_error_says(&err, "is a folder");
    assert_null(hk_out_file_open("", &err));
    hk_test_error_says(&err, "empty");
    assert_null(hk_out_file_open("/dev/null", &err));
    hk_test_error_says(&err, "neither");
    snprintf(other, sizeof other, "%s/no/f", folder);
    assert_null(hk_out_file_open(other, &err));
    hk_test_error_says(&err, "cannot be made");
    hk_test_folder_remove(folder); /* which also says that nothing else is in it: no folders */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(failures),
        cmocka_unit_test(processors),
        cmocka_unit_test(whole_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

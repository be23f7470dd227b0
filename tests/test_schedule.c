/* The decisions of runtime/gpu/plan.h: which device, where a barrier, how much at once. Needs no device. */
#include "runtime/gpu/plan.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- which device ---- */

static struct hk_device_caps device(const char *name, enum hk_device_type type, bool usable)
{
    struct hk_device_caps c = {.type = type, .usable = usable};
    snprintf(c.name, sizeof c.name, "%s", name);
    if (!usable) snprintf(c.unusable_why, sizeof c.unusable_why, "bufferDeviceAddress is missing");
    return c;
}

static void expect_choice(const struct hk_device_caps *caps, uint32_t n, const char *select, uint32_t want)
{
    uint32_t index = 99;
    struct hk_error err = {0};
    if (!gpu_choose(caps, n, select, &index, &err)) fail_msg("%s: %s", select ? select : "best", err.text);
    assert_int_equal(index, want);
}

static void expect_refusal(const struct hk_device_caps *caps, uint32_t n, const char *select,
                           const char *part)
{
    uint32_t index = 99;
    struct hk_error err = {0};
    assert_false(gpu_choose(caps, n, select, &index, &err));
    if (!strstr(err.text, part)) fail_msg("'%s' does not say '%s'", err.text, part);
}

static void best_by_type(void **state)
{
    (void)state;
    struct hk_device_caps c[5] = {
        device("llvmpipe", HK_DEVICE_CPU, true),       device("Virtio", HK_DEVICE_VIRTUAL, true),
        device("Iris Xe", HK_DEVICE_INTEGRATED, true), device("RX 580", HK_DEVICE_DISCRETE, true),
        device("RX 7900", HK_DEVICE_DISCRETE, true),
    };
    expect_choice(c, 5, NULL, 3);
    expect_choice(c, 5, "", 3);
    expect_choice(c, 3, NULL, 2);
    expect_choice(c, 2, NULL, 1);
    expect_choice(c, 1, NULL, 0);
    c[3].usable = false; /* below the floor: passed over */
    expect_choice(c, 5, NULL, 4);
    expect_choice(c, 4, NULL, 2);
    expect_refusal(c, 0, NULL, "there is none");
}

static void by_number_or_name(void **state)
{
    (void)state;
    struct hk_device_caps c[3] = {device("AMD Radeon RX 7900", HK_DEVICE_DISCRETE, true),
                                  device("AMD Radeon RX 580", HK_DEVICE_DISCRETE, true),
                                  device("GeForce 210", HK_DEVICE_DISCRETE, false)};
    expect_choice(c, 3, "1", 1);
    expect_choice(c, 3, "rx 58", 1);
    expect_choice(c, 3, "rX 7900", 0);
    expect_refusal(c, 3, "3", "0 AMD Radeon RX 7900, 1 AMD Radeon RX 580, 2 GeForce 210");
    expect_refusal(c, 3, "99999999999999999999", "no such number");
    expect_refusal(c, 3, "radeon",
                   "2 devices match; say a number: 0 AMD Radeon RX 7900, 1 AMD Radeon RX 580");
    expect_refusal(c, 3, "intel", "no device has that name; there are: 0 AMD");
    expect_refusal(c, 3, "2", "bufferDeviceAddress is missing");
    expect_refusal(c, 3, "geforce", "GeForce 210");
    expect_refusal(&c[2], 1, NULL, "bufferDeviceAddress is missing");
}

/* ---- barriers ---- */

static bool next(struct gpu_hazards *h, uint64_t read, uint64_t write)
{
    struct gpu_access a[2] = {{read, 100, false}, {write, 100, true}};
    bool barrier;
    struct hk_error err = {0};
    assert_true(gpu_plan_hazards_next(h, a, write ? 2 : 1, &barrier, &err));
    return barrier;
}

static void kinds_of_hazard(void **state)
{
    (void)state;
    struct gpu_hazards h = {0};
    assert_false(next(&h, 1000, 2000));
    assert_false(next(&h, 1000, 3000)); /* read after read */
    assert_false(next(&h, 1050, 4000));
    assert_true(next(&h, 2099, 5000));  /* RAW, one byte of overlap */
    assert_false(next(&h, 2199, 6000)); /* beside it */
    assert_true(next(&h, 7000, 5001));  /* WAW */
    assert_false(next(&h, 7000, 8000));
    assert_true(next(&h, 1, 7050));     /* WAR */
    assert_false(next(&h, 2000, 0));    /* the barrier has settled what was before it */
    assert_false(next(&h, 9000, 9000)); /* a dispatch that works in place waits only for others */
    assert_true(next(&h, 9000, 9000));
    gpu_plan_hazards_free(&h);
}

static void empty_accesses_wait_for_nothing(void **state)
{
    (void)state;
    struct gpu_hazards h = {0};
    struct hk_error err = {0};
    bool barrier = true;
    const struct gpu_access a[2] = {{100, 50, true}, {120, 0, true}};
    assert_true(gpu_plan_hazards_next(&h, &a[0], 1, &barrier, &err));
    assert_true(gpu_plan_hazards_next(&h, &a[1], 1, &barrier, &err));
    assert_false(barrier);
    assert_true(gpu_plan_hazards_next(&h, NULL, 0, &barrier, &err));
    assert_false(barrier);
    gpu_plan_hazards_free(&h);
}

static bool overlap(const struct gpu_access *a, const struct gpu_access *b)
{
    return (a->write || b->write) && a->addr < b->addr + b->size && b->addr < a->addr + a->size;
}

static bool commands_conflict(const struct gpu_access *a, const struct gpu_access *b)
{
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            if (overlap(&a[i], &b[j])) return true;
    return false;
}

/* Random commands: between two that conflict there is a barrier, and each barrier has such a reason. */
static void every_hazard_and_no_other(void **state)
{
    (void)state;
    enum { N = 300 };
    static struct gpu_access a[N][4];
    bool barrier[N];
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct gpu_hazards h = {0};
        srand(seed);
        int last = 0, barriers = 0;
        for (int i = 0; i < N; i++) {
            struct hk_error err = {0};
            for (int j = 0; j < 4; j++)
                a[i][j] = (struct gpu_access){(uint64_t)(rand() % 2000), (uint64_t)(1 + rand() % 40),
                                              rand() % 4 == 0};
            assert_true(gpu_plan_hazards_next(&h, a[i], 4, &barrier[i], &err));
            bool reason = false;
            for (int j = last; j < i; j++) reason = reason || commands_conflict(a[j], a[i]);
            assert_int_equal(barrier[i], reason);
            if (barrier[i]) last = i;
            barriers += barrier[i];
        }
        assert_true(barriers > 5 && barriers < N);
        gpu_plan_hazards_free(&h);
    }
}

/* ---- how much at once ---- */

static void splits_stay_within_the_target(void **state)
{
    (void)state;
    enum { N = 200 };
    double cost[N];
    struct gpu_rate r = {1e9, true};
    for (int i = 0; i < N; i++) cost[i] = 5e6; /* 5 ms each */
    assert_int_equal(gpu_plan_split(cost, N, &r), 10);
    assert_int_equal(gpu_plan_split(cost, 3, &r), 3);
    r.per_second = 1e11;
    assert_int_equal(gpu_plan_split(cost, N, &r), N);
    cost[0] = 1e15; /* one that is too long still runs, alone */
    assert_int_equal(gpu_plan_split(cost, N, &r), 1);
}

static void rate_follows_the_device(void **state)
{
    (void)state;
    struct gpu_rate r = gpu_plan_rate_guess(HK_DEVICE_DISCRETE);
    assert_true(r.per_second > gpu_plan_rate_guess(HK_DEVICE_CPU).per_second);
    for (int i = 0; i < 60; i++) gpu_plan_rate_sample(&r, 400e9 * 0.05, 0.05);
    assert_true(r.per_second > 390e9 && r.per_second <= 400e9);
    double before = r.per_second;
    gpu_plan_rate_sample(&r, 1e6, 1e-3); /* 1 ms of mostly latency says nothing */
    assert_true(r.per_second == before);
    gpu_plan_rate_sample(&r, 0, 1);
    gpu_plan_rate_sample(&r, 1e9, 0);
    assert_true(r.per_second == before);
    gpu_plan_rate_sample(&r, 1e9, 0.1); /* 10e9: falls at once to about half */
    assert_true(r.per_second < before * 0.6);
    for (int i = 0; i < 60; i++) gpu_plan_rate_sample(&r, 1e9, 0.1);
    assert_true(r.per_second < 10.1e9 && r.per_second > 9.9e9);
    for (int i = 0; i < 200; i++) gpu_plan_rate_sample(&r, 1, 1e9);
    assert_true(r.per_second >= 1e6); /* never so low that work is cut to nothing */
}

static void cost_has_no_overflow(void **state)
{
    (void)state;
    assert_true(gpu_plan_cost(0, 0) > 0);
    assert_true(gpu_plan_cost(UINT64_MAX, UINT64_MAX) > 1.8e19);
    assert_true(gpu_plan_cost(0, 8000000) > gpu_plan_cost(900000, 0));
}

/* ---- blocks ---- */

static void blocks_fit_what_is_expected(void **state)
{
    (void)state;
    const uint64_t mib = 1 << 20, gib = 1 << 30;
    /* all that is expected, in pieces of 1 GiB */
    assert_int_equal(gpu_plan_block(5 * mib, 100 * mib, 0, 0, 2 * gib), 100 * mib);
    assert_int_equal(gpu_plan_block(5 * mib, 9 * gib, 0, 0, 2 * gib), gib);
    assert_int_equal(gpu_plan_block(5 * mib, 9 * gib, 8 * gib + 7 * mib, 8 * gib, 2 * gib), gib - 7 * mib);
    /* a span larger than 1 GiB gets its own */
    assert_int_equal(gpu_plan_block(3 * gib / 2, 9 * gib, 0, 0, 2 * gib), 3 * gib / 2);
    /* a device with small allocations */
    assert_int_equal(gpu_plan_block(5 * mib, 9 * gib, 0, 0, 256 * mib), 256 * mib);
    /* unknown or exceeded: grows with what there is, between 1 and 64 MiB */
    assert_int_equal(gpu_plan_block(300, 0, 0, 0, 2 * gib), mib);
    assert_int_equal(gpu_plan_block(300, 0, 100 * mib, 100 * mib, 2 * gib), 25 * mib);
    assert_int_equal(gpu_plan_block(300, 0, gib, gib, 2 * gib), 64 * mib);
    assert_int_equal(gpu_plan_block(300, 100, 256, 256, 2 * gib), mib);
    assert_int_equal(gpu_plan_block(80 * mib, 0, gib, gib, 2 * gib), 80 * mib);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_by_type),
        cmocka_unit_test(by_number_or_name),
        cmocka_unit_test(kinds_of_hazard),
        cmocka_unit_test(empty_accesses_wait_for_nothing),
        cmocka_unit_test(every_hazard_and_no_other),
        cmocka_unit_test(splits_stay_within_the_target),
        cmocka_unit_test(rate_follows_the_device),
        cmocka_unit_test(cost_has_no_overflow),
        cmocka_unit_test(blocks_fit_what_is_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

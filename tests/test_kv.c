/* The pool of blocks alone: who holds what, what is found again, what is copied, what gives way. */
#include "tests/loader_testing.h"
#include "runtime/kv.h"

enum { B = KV_BLOCK_ROWS, MOST = 16 };

struct line {
    struct kv_table t;
    uint32_t block[MOST], tokens[MOST * B], n;
};

static struct line *line_of(uint32_t first, uint32_t n)
{
    struct line *l = calloc(1, sizeof *l);
    assert_non_null(l);
    l->t.block = l->block;
    l->n = n;
    for (uint32_t i = 0; i < n; i++) l->tokens[i] = first + i;
    return l;
}

static struct kv_pool *pool_of(uint32_t n, bool share)
{
    struct hk_error err = {0};
    struct kv_pool *p = kv_pool_new(n, share, &err);
    assert_non_null(p);
    assert_int_equal(kv_pool_blocks(p), n);
    assert_int_equal(kv_pool_available(p), n);
    return p;
}

/* As if positions up to n had been computed. Returns how many blocks had to be copied. */
static int compute(struct kv_pool *p, struct line *l, uint32_t n)
{
    struct kv_copy copy;
    assert_true(kv_reserve(p, &l->t, n, &copy));
    kv_commit(p, &l->t, l->tokens, n);
    assert_int_equal(l->t.n_rows, n);
    return copy.from != KV_NONE;
}

static void finish(struct kv_pool *p, struct line *l)
{
    kv_truncate(p, &l->t, 0);
    assert_int_equal(l->t.n_rows, 0);
    assert_int_equal(l->t.n_blocks, 0);
    free(l);
}

static void prefixes_are_found(void **state)
{
    (void)state;
    struct kv_pool *p = pool_of(8, true);
    struct line *a = line_of(0, 3 * B), *b = line_of(0, 3 * B), *c = line_of(0, 3 * B);
    compute(p, a, 2 * B + 5);
    assert_int_equal(kv_pool_available(p), 5);
    b->tokens[B + 3] = 999; /* the second block differs */
    kv_find(p, &b->t, b->tokens, b->n);
    assert_int_equal(b->t.n_rows, B);
    assert_int_equal(b->block[0], a->block[0]);
    kv_find(p, &c->t, c->tokens, 2 * B - 1); /* whole blocks of what is asked for alone */
    assert_int_equal(c->t.n_rows, B);
    kv_find(p, &c->t, c->tokens, c->n);
    assert_int_equal(c->t.n_rows, 2 * B); /* a's third is not full */
    assert_int_equal(kv_pool_available(p), 5);
    /* the same tokens behind another beginning are another block */
    struct line *d = line_of(B, 2 * B);
    kv_find(p, &d->t, d->tokens, d->n);
    assert_int_equal(d->t.n_rows, 0);
    finish(p, a);
    finish(p, b);
    finish(p, c);
    assert_int_equal(kv_pool_available(p), 8);
    /* and what nobody holds is still found */
    struct line *e = line_of(0, 3 * B);
    kv_find(p, &e->t, e->tokens, e->n);
    assert_int_equal(e->t.n_rows, 2 * B);
    finish(p, d);
    finish(p, e);
    kv_pool_free(p);
}

static void forks_copy_when_they_write(void **state)
{
    (void)state;
    struct kv_pool *p = pool_of(8, true);
    struct line *a = line_of(0, 3 * B), *b = line_of(0, 3 * B), *c = line_of(0, 3 * B);
    compute(p, a, B + 7);
    kv_fork(p, &b->t, &a->t);
    kv_fork(p, &c->t, &a->t);
    assert_int_equal(kv_pool_available(p), 6);
    uint32_t shared = a->block[1];
    b->tokens[B + 7] = 500;
    c->tokens[B + 7] = 600;
    assert_int_equal(kv_needed(p, &b->t, B + 8), 1);
    assert_int_equal(compute(p, b, B + 8), 1);
    assert_int_not_equal(b->block[1], shared);
    assert_int_equal(compute(p, c, B + 8), 1);
    assert_int_not_equal(c->block[1], b->block[1]);
    assert_int_equal(kv_needed(p, &a->t, B + 8), 0);
    assert_int_equal(compute(p, a, B + 8), 0); /* the last one has it for itself */
    assert_int_equal(a->block[1], shared);
    assert_int_equal(b->block[0], a->block[0]);
    assert_int_equal(kv_pool_available(p), 4);
    finish(p, a);
    finish(p, b);
    finish(p, c);
    assert_int_equal(kv_pool_available(p), 8);
    kv_pool_free(p);
}

/* Two that fill a block with the same tokens at the same time end with one. */
static void equal_blocks_become_one(void **state)
{
    (void)state;
    struct kv_pool *p = pool_of(4, true);
    struct line *a = line_of(0, 2 * B), *b = line_of(0, 2 * B);
    compute(p, a, B - 1);
    compute(p, b, B - 1);
    assert_int_equal(kv_pool_available(p), 2);
    compute(p, a, B);
    compute(p, b, B);
    assert_int_equal(a->block[0], b->block[0]);
    assert_int_equal(kv_pool_available(p), 3);
    finish(p, a);
    finish(p, b);
    assert_int_equal(kv_pool_available(p), 4);
    kv_pool_free(p);
}

/* A block that was full and is written anew is found by nobody; nor is what stood behind it. */
static void rewinding_forgets(void **state)
{
    (void)state;
    struct kv_pool *p = pool_of(8, true);
    struct line *a = line_of(0, 3 * B), *old = line_of(0, 3 * B);
    compute(p, a, 3 * B);
    kv_truncate(p, &a->t, B + 4);
    a->tokens[B + 4] = 700;
    compute(p, a, 2 * B);
    kv_find(p, &old->t, old->tokens, old->n);
    assert_int_equal(old->t.n_rows, B); /* the second is another one now, and so the third has no parent */
    struct line *now = line_of(0, 3 * B);
    now->tokens[B + 4] = 700;
    kv_find(p, &now->t, now->tokens, now->n);
    assert_int_equal(now->t.n_rows, 2 * B);
    finish(p, a);
    finish(p, old);
    finish(p, now);
    kv_pool_free(p);
}

static void oldest_gives_way(void **state)
{
    (void)state;
    struct kv_pool *p = pool_of(4, true);
    struct line *a = line_of(0, B), *b = line_of(100, B), *c = line_of(200, 3 * B);
    compute(p, a, B);
    finish(p, a);
    compute(p, b, B);
    finish(p, b);
    assert_int_equal(kv_pool_available(p), 4);
    compute(p, c, 3 * B); /* two that are empty, and a's */
    struct line *again = line_of(0, B), *kept = line_of(100, B);
    kv_find(p, &again->t, again->tokens, B);
    assert_int_equal(again->t.n_rows, 0);
    kv_find(p, &kept->t, kept->tokens, B);
    assert_int_equal(kept->t.n_rows, B);
    assert_int_equal(kv_pool_available(p), 0);
    struct kv_copy copy;
    assert_false(kv_reserve(p, &again->t, 1, &copy)); /* and nothing has changed */
    assert_int_equal(again->t.n_blocks, 0);
    finish(p, kept);
    assert_true(kv_reserve(p, &again->t, 1, &copy));
    finish(p, again);
    finish(p, c);
    assert_int_equal(kv_pool_available(p), 4);
    kv_pool_free(p);
}

static void pools_that_do_not_share(void **state)
{
    (void)state;
    struct kv_pool *p = pool_of(4, false);
    struct line *a = line_of(0, B), *b = line_of(0, B), *c = line_of(0, B);
    compute(p, a, B);
    kv_find(p, &b->t, b->tokens, B);
    assert_int_equal(b->t.n_rows, 0);
    compute(p, b, B);
    assert_int_not_equal(a->block[0], b->block[0]);
    kv_fork(p, &c->t, &a->t); /* a fork still does */
    assert_int_equal(c->block[0], a->block[0]);
    finish(p, a);
    finish(p, b);
    finish(p, c);
    assert_int_equal(kv_pool_available(p), 4);
    kv_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_are_found),      cmocka_unit_test(forks_copy_when_they_write),
        cmocka_unit_test(equal_blocks_become_one), cmocka_unit_test(rewinding_forgets),
        cmocka_unit_test(oldest_gives_way),        cmocka_unit_test(pools_that_do_not_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The list of ops (runtime/op.h) and the recorder that holds them back. Needs no device. */
#include "runtime/backend.h"
#include "runtime/ops.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct hk_tensor tensor(uint64_t addr, uint32_t rows, uint32_t cols)
{
    return (struct hk_tensor){.addr = addr, .rows = rows, .cols = cols, .ld = cols};
}

/* ---- operands ---- */

/* "dst=add w=in ...": the operands' names and roles. */
static void expect_operands(const struct op *op, const char *want)
{
    static const char *const roles[] = {
        [OPERAND_IN] = "in", [OPERAND_OUT] = "out", [OPERAND_ADD] = "add", [OPERAND_UPDATE] = "update"};
    char got[256] = "";
    struct operand operand[OP_MAX_OPERANDS];
    uint32_t n = op_operands(op, operand);
    for (uint32_t i = 0; i < n; i++) {
        size_t at = strlen(got);
        snprintf(got + at, sizeof got - at, "%s%s=%s", i ? " " : "", operand[i].name, roles[operand[i].role]);
        assert_int_equal(!!operand[i].tensor + !!operand[i].weight + !!operand[i].kv, 1);
    }
    assert_string_equal(got, want);
}

static void operands_have_roles(void **state)
{
    (void)state;
    struct hk_weight w = {.name = "w"};
    struct hk_tensor t = tensor(4096, 3, 5);
    struct op op = {OP_MATMUL, .matmul = {.dst = t, .w = &w, .x = t, .bias = t, .accumulate = true}};
    expect_operands(&op, "dst=add w=in bias=in x=in");
    op.matmul.accumulate = false;
    op.matmul.bias.rows = 0;
    expect_operands(&op, "dst=out w=in x=in");
    op = (struct op){OP_ATTENTION, .attention = {.dst = t, .q = t, .pos = t}};
    expect_operands(&op, "dst=out q=in kv=in pos=in");
    op.attention.lse = op.attention.blocks = t;
    expect_operands(&op, "dst=out lse=out q=in kv=in pos=in blocks=in");
    op = (struct op){OP_KV_WRITE, .kv_write = {.k = t, .v = t, .row = t}};
    expect_operands(&op, "kv=update k=in v=in row=in");
    op = (struct op){OP_ROPE, .rope = {.x = t, .table = t, .pos = t}};
    expect_operands(&op, "x=update table=in pos=in");
    op = (struct op){OP_COPY, .copy_tensor = {.dst = t, .x = t}};
    expect_operands(&op, "dst=out x=in");

    struct operand operand[OP_MAX_OPERANDS];
    op = (struct op){OP_EMBED, .embed = {.dst = t, .w = &w, .ids = t}};
    assert_int_equal(op_operands(&op, operand), 3);
    assert_ptr_equal(operand[0].tensor, &op.embed.dst);
    assert_ptr_equal(operand[1].weight, &w);
}

/* ---- cost ---- */

static void costs(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct hk_weight w = {.rows = 1000, .cols = 64};
    assert_true(hk_weight_layout(HK_F32, w.rows, w.cols, &w.layout, &err));
    struct op op = {OP_MATMUL, .matmul = {.dst = tensor(0, 2, 1000), .w = &w, .x = tensor(0, 2, 64)}};
    struct op_cost c = op_cost(&op);
    assert_int_equal(c.flops, 2 * 1000 * 64 * 2);
    assert_int_equal(c.bytes, w.layout.bytes + 4 * (2 * 1000 + 2 * 64));
    op.matmul.accumulate = true; /* reads dst too */
    assert_int_equal(op_cost(&op).bytes, c.bytes + 4 * 2 * 1000);

    op = (struct op){OP_EMBED, .embed = {.dst = tensor(0, 2, 64), .w = &w, .ids = tensor(0, 1, 2)}};
    assert_int_equal(op_cost(&op).bytes, w.layout.bytes / 1000 * 2 + 4 * (2 * 64 + 2)); /* not the table */

    struct hk_kv kv = {.n_head_kv = 2, .head_dim = 64, .head_words = 8, .n_rows = 4096, .f16 = true};
    op = (struct op){OP_ATTENTION, .attention = {.dst = tensor(0, 3, 4 * 64),
                                                 .q = tensor(0, 3, 4 * 64),
                                                 .kv = kv,
                                                 .pos = tensor(0, 1, 3),
                                                 .n_head = 4}};
    c = op_cost(&op);
    assert_int_equal(c.bytes, 4 * (2 * 3 * 4 * 64 + 3)); /* none of the cache yet */
    assert_int_equal(c.bytes_per_position, 2 * 2 * 64 * 2);
    assert_int_equal(c.flops_per_position, 4 * 4 * 64);
}

/* ---- holding back ---- */

/* A backend that only counts. */
struct counting {
    struct recorder base;
    size_t n_emits, n_ops[4];
    enum op_kind last;
};

static struct recorder *counting_new(struct backend *b, struct hk_error *err)
{
    (void)b;
    struct counting *c = hk_calloc(1, sizeof *c, err);
    return c ? &c->base : NULL;
}

static void counting_emit(struct recorder *r, const struct op *ops, size_t n)
{
    struct counting *c = (struct counting *)r;
    assert_true(c->n_emits < sizeof c->n_ops / sizeof *c->n_ops);
    c->n_ops[c->n_emits++] = n;
    if (n) c->last = ops[n - 1].kind;
    if (c->last == OP_ARGMAX) hk_fail(&r->error, HK_ERR_UNSUPPORTED, "no argmax here");
}

static bool counting_end(struct recorder *r, struct hk_error *err)
{
    (void)r, (void)err;
    return true;
}

static void counting_free(struct recorder *r)
{
    free(r);
}

static const struct backend_table counting_table = {.recorder_new = counting_new,
                                                    .emit = counting_emit,
                                                    .recorder_end = counting_end,
                                                    .recorder_free = counting_free};

static void ops_wait_for_the_end_of_their_layer(void **state)
{
    (void)state;
    struct backend b = {&counting_table};
    struct hk_error err = {0};
    struct recorder *r = record_begin(&b, &err);
    struct counting *c = (struct counting *)r;
    assert_non_null(r);
    struct hk_tensor x = tensor(4096, 2, 32);
    for (int i = 0; i < 100; i++) activate(r, x, x, HK_ACT_SILU);
    assert_int_equal(c->n_emits, 0);
    end_layer(r);
    assert_int_equal(c->n_emits, 1);
    assert_int_equal(c->n_ops[0], 100);
    activate(r, x, x, HK_ACT_SILU);
    copy_tensor(r, x, x);
    assert_true(record_end(r, &err)); /* the rest comes with the end */
    assert_int_equal(c->n_emits, 2);
    assert_int_equal(c->n_ops[1], 2);
    assert_int_equal(c->last, OP_COPY);
    recorder_free(r);
    recorder_free(NULL);
}

static void a_failure_sticks(void **state)
{
    (void)state;
    struct backend b = {&counting_table};
    struct hk_error err = {0};
    struct recorder *r = record_begin(&b, &err);
    struct counting *c = (struct counting *)r;
    assert_non_null(r);
    argmax(r, tensor(0, 1, 2), tensor(4096, 2, 32));
    end_layer(r);
    copy_tensor(r, tensor(0, 1, 2), tensor(4096, 1, 2));
    assert_false(record_end(r, &err));
    assert_string_equal(err.text, "no argmax here");
    assert_int_equal(c->n_emits, 1);
    recorder_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_have_roles),
        cmocka_unit_test(costs),
        cmocka_unit_test(ops_wait_for_the_end_of_their_layer),
        cmocka_unit_test(a_failure_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

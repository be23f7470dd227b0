/* A description with experts, bound from one tensor (n_experts, rows, cols) and from a tensor an expert; each expert's
 * matrix is read back by a matmul with its view. */
#include "tests/experts_testing.h"
#include "tests/rig.h"

#include "runtime/backend.h"
#include "runtime/ops.h"
#include "runtime/synthetic.h"
#include "runtime/upload.h"

#include <math.h>
#include <stdio.h>

enum { N_EXPERTS = 3, ROWS = 40, COLS = 64 };

static const struct hk_arch_tensor tensors[] = {
    {"blk.#.ffn_gate_exps", "layers.#.mlp.experts.@.gate_proj", DIM_FF, DIM_EMBD, HK_EXPERTS,
     .each = "blk.#.ffn_gate.@"},
    {0},
};
static const struct weight_field fields[] = {{"ffn_gate_exps", FIELD_MATRIX, 0}, {0}};
static const struct weight_field no_fields[] = {{0}};
static const struct forward forward = {
    .layer_size = sizeof(struct hk_weight), .global_fields = no_fields, .layer_fields = fields};
static const struct hk_arch arch = {.name = "experts", .tensors = tensors};

/* What the files hold: the matrices one after the other, and what multiplies them. */
struct content {
    enum hk_weight_type type;
    uint64_t bytes; /* of a matrix */
    unsigned char *blocks;
    unsigned char scale[4 * N_EXPERTS];
    float scales[N_EXPERTS];
    char names[2 * N_EXPERTS][HK_MAX_TENSOR_NAME];
};

static struct content content_new(enum hk_weight_type type)
{
    struct content x = {.type = type, .scales = {0.5f, 1.0f, -2.0f}};
    assert_true(hk_weight_bytes(type, ROWS, COLS, &x.bytes));
    x.blocks = malloc(N_EXPERTS * (size_t)x.bytes);
    assert_non_null(x.blocks);
    hk_weight_random(type, x.blocks, N_EXPERTS * ROWS * COLS, 7);
    hk_weight_type_info(HK_F32)->encode(x.scales, x.scale, N_EXPERTS);
    return x;
}

/* The checkpoint's tensors, sorted by name. Returns how many. */
static uint32_t fill_tensors(struct content *x, bool together, struct hk_ckpt_tensor *out)
{
    uint32_t n = 0;
    const struct hk_ckpt_tensor scale = {.type = HK_F32, .n_dims = 1, .shape = {1, 1, 1, 1}};
    for (uint32_t e = 0; e < (together ? 1 : N_EXPERTS); e++) {
        const char *pattern = together ? tensors[0].name : tensors[0].each;
        hk_name_expand(x->names[n], pattern, (struct hk_name_numbers){0, e}, ".scale");
        out[n] = scale;
        out[n].shape[0] = together ? N_EXPERTS : 1;
        out[n].size = 4 * out[n].shape[0];
        out[n].data = x->scale + 4 * e;
        out[n].name = x->names[n];
        n++;
        hk_name_expand(x->names[n], pattern, (struct hk_name_numbers){0, e}, ".weight");
        out[n] = (struct hk_ckpt_tensor){.type = x->type,
                                         .name = x->names[n],
                                         .n_dims = 2,
                                         .shape = {ROWS, COLS, 1, 1},
                                         .data = x->blocks + e * x->bytes,
                                         .size = x->bytes};
        if (together) {
            out[n].n_dims = 3;
            out[n].shape[0] = N_EXPERTS, out[n].shape[1] = ROWS, out[n].shape[2] = COLS;
            out[n].size *= N_EXPERTS;
        }
        n++;
    }
    return n;
}

/* y (1, ROWS) = W x of one expert, as the backend has it. */
static void multiply(struct backend *b, const struct hk_weight *w, const float x[COLS], float y[ROWS])
{
    struct hk_error err = {0};
    struct gpu_span in, out;
    uint64_t ticket;
    struct arena *a = b->table->arena_new(b, GPU_MEMORY_STATE, 0, &err);
    assert_true(a && b->table->arena_alloc(a, 4 * COLS, &in, &err) &&
                b->table->arena_alloc(a, 4 * 64, &out, &err));
    assert_true(b->table->write(b, in.addr, x, 4 * COLS, &err));
    struct recorder *r = record_begin(b, &err);
    assert_non_null(r);
    matmul(r, (struct hk_tensor){out.addr, 1, ROWS, 64}, w, (struct hk_tensor){0},
           (struct hk_tensor){in.addr, 1, COLS, COLS});
    assert_true(record_end(r, &err) && b->table->submit(b, r, 0, &ticket, &err) &&
                b->table->wait(b, ticket, &err));
    assert_true(b->table->read(b, out.addr, y, 4 * ROWS, &err));
    recorder_free(r);
    b->table->arena_free(a);
}

static void check_expert(struct backend *b, const struct hk_weight *w, const struct content *x, uint32_t e)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(x->type);
    struct hk_weight one = hk_weight_expert(w, e);
    float in[COLS], row[COLS], got[ROWS];
    for (uint32_t i = 0; i < COLS; i++) in[i] = sinf((float)i);
    multiply(b, &one, in, got);
    for (uint32_t r = 0; r < ROWS; r++) {
        double want = 0;
        info->decode(x->blocks + e * x->bytes + x->bytes / ROWS * r, row, COLS);
        for (uint32_t i = 0; i < COLS; i++) want += (double)row[i] * (double)in[i];
        want *= (double)x->scales[e];
        if (!(fabs((double)got[r] - want) <= 1e-5)) /* NaN too */
            fail_msg("expert %u, row %u: %g, not %g", e, r, (double)got[r], want);
    }
}

/* Binds; uploads where that worked, and checks every expert. False and *err: it was refused. */
static bool bind_and_check(struct content *x, struct hk_ckpt_tensor *list, uint32_t n, uint32_t n_experts,
                           struct hk_error *err)
{
    struct hk_checkpoint c = {.path = "experts", .tensors = list, .n_tensors = n};
    struct hk_weight layer = {0};
    struct hk_model m = {.backend = hk_device_backend(hk_test_device),
                         .ckpt = &c,
                         .hp = {.n_layer = 1, .n_ff = ROWS, .n_embd = COLS, .n_experts = n_experts},
                         .arch = &arch,
                         .forward = &forward,
                         .layers = &layer};
    struct weight_plan *p = weights_bind(&m, HK_WEIGHT_TYPE_COUNT, err);
    bool ok = p && weights_upload(p, NULL, NULL, err);
    weights_plan_free(p);
    if (ok) {
        assert_int_equal(layer.n_experts, N_EXPERTS);
        assert_int_equal(m.n_bindings, N_EXPERTS);
        for (uint32_t e = 0; e < N_EXPERTS; e++) {
            assert_int_equal(m.bindings[e].numbers.expert, e);
            check_expert(m.backend, &layer, x, e);
        }
    }
    if (m.arena) m.backend->table->arena_free(m.arena);
    free(m.bindings);
    return ok;
}

static void from_one_tensor_or_several(void **state)
{
    (void)state;
    static const enum hk_weight_type types[] = {HK_F32, HK_Q8_0, HK_Q4_0};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        struct content x = content_new(types[t]);
        for (int together = 0; together < 2; together++) {
            struct hk_ckpt_tensor list[2 * N_EXPERTS];
            struct hk_error err = {0};
            uint32_t n = fill_tensors(&x, together, list);
            if (!bind_and_check(&x, list, n, N_EXPERTS, &err)) fail_msg("%s", err.text);
        }
        free(x.blocks);
    }
}

static void experts_that_do_not_fit(void **state)
{
    (void)state;
    struct content x = content_new(HK_F32);
    struct hk_ckpt_tensor list[2 * N_EXPERTS];
    struct hk_error err = {0};
    uint32_t n = fill_tensors(&x, true, list);
    assert_false(bind_and_check(&x, list, n, N_EXPERTS - 1, &err));
    hk_test_error_says(&err, "(3, 40, 64): the configuration asks for (2, 40, 64)");
    assert_false(bind_and_check(&x, list, n, UINT32_MAX, &err));
    hk_test_error_says(&err, "4294967295 experts");
    n = fill_tensors(&x, false, list);
    assert_false(bind_and_check(&x, list, n - 2, N_EXPERTS, &err));
    hk_test_error_says(&err, "tensor blk.0.ffn_gate.2.weight is missing");
    list[3].type = HK_F16;
    list[3].size /= 2;
    assert_false(bind_and_check(&x, list, n, N_EXPERTS, &err));
    hk_test_error_says(&err, "several types");
    free(x.blocks);
}

int hk_test_experts_main(const char *select)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_one_tensor_or_several),
        cmocka_unit_test(experts_that_do_not_fit),
    };
    return rig_main(select, tests, sizeof tests / sizeof *tests);
}

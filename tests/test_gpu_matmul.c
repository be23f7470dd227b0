/* The matmuls for many tokens against the reference: awkward shapes, and numbers for which f16 has no room.
 * Compared token by token: a small one next to a large one must be right too. */
#include "runtime/backend.h"
#include "tests/loader_testing.h"
#include "runtime/synthetic.h"
#include "runtime/upload.h"

#include <math.h>
#include <stdio.h>

static struct backend *sides[2]; /* the device, the reference */

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if (!(call)) fail_msg("%s: %s", #call, err.text);                                                    \
    } while (0)

struct shape {
    enum hk_weight_type type;
    uint32_t rows, cols, tokens;
    bool more; /* with a bias, added to what is there */
};

/* What goes in: blocks of W, x (tokens, ld), bias (rows). */
struct operands {
    void *blocks;
    uint64_t bytes;
    float *x, *bias;
    uint32_t ld, y_ld;
};

static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(int32_t)*state * 0x1p-31f;
}

/* Values of token t and column k are noise times size(t, k). */
static struct operands make_operands(const struct shape *s, float (*size)(uint32_t t, uint32_t k))
{
    struct operands o = {.ld = (uint32_t)hk_align_up(s->cols, HK_ROW_ALIGN),
                         .y_ld = (uint32_t)hk_align_up(s->rows, HK_ROW_ALIGN)};
    uint32_t state = s->rows * 7 + s->cols;
    assert_true(hk_weight_bytes(s->type, s->rows, s->cols, &o.bytes));
    o.blocks = test_malloc((size_t)o.bytes);
    hk_weight_random(s->type, o.blocks, (uint64_t)s->rows * s->cols, state);
    o.x = test_calloc((size_t)s->tokens * o.ld, sizeof *o.x);
    for (uint32_t t = 0; t < s->tokens; t++)
        for (uint32_t k = 0; k < s->cols; k++) o.x[(size_t)t * o.ld + k] = noise(&state) * size(t, k);
    o.bias = test_calloc(s->rows, sizeof *o.bias);
    for (uint32_t i = 0; i < s->rows; i++) o.bias[i] = noise(&state);
    return o;
}

static void free_operands(struct operands *o)
{
    test_free(o->blocks);
    test_free(o->x);
    test_free(o->bias);
}

static uint64_t put(struct backend *b, struct arena *a, const void *values, uint64_t bytes)
{
    struct hk_error err = {0};
    struct gpu_span span;
    CHECK(b->table->arena_alloc(a, bytes, &span, &err));
    if (values) CHECK(b->table->write(b, span.addr, values, bytes, &err));
    return span.addr;
}

/* y (tokens, y_ld) by one variant, 0: what the backend chooses. */
static float *run(struct backend *b, const struct shape *s, const struct operands *o, uint32_t variant)
{
    const struct backend_table *t = b->table;
    struct hk_error err = {0};
    uint64_t ticket = 0, y_bytes = 4ull * s->tokens * o->y_ld;
    float *y = test_calloc((size_t)s->tokens * o->y_ld, sizeof *y);
    for (uint32_t i = 0; i < s->tokens * o->y_ld; i++) y[i] = 0.25f; /* added to, or overwritten */
    struct arena *a = t->arena_new(b, GPU_MEMORY_STATE, 0, &err);
    struct hk_weight w = {.name = "w", .rows = s->rows, .cols = s->cols};
    const float scale = 1.25f;
    CHECK(a && hk_weight_layout(s->type, s->rows, s->cols, &w.layout, &err));
    w.addr = put(b, a, NULL, t->weight_bytes(&w.layout));
    w.scale = put(b, a, &scale, sizeof scale);
    CHECK(weight_upload_whole(b, &w, o->blocks, &err));
    struct op op = {OP_MATMUL,
                    .matmul = {.accumulate = s->more,
                               .variant = variant,
                               .w = &w,
                               .dst = {put(b, a, y, y_bytes), s->tokens, s->rows, o->y_ld},
                               .x = {put(b, a, o->x, 4ull * s->tokens * o->ld), s->tokens, s->cols, o->ld}}};
    if (s->more) op.matmul.bias = (struct hk_tensor){put(b, a, o->bias, 4ull * s->rows), 1, s->rows, s->rows};
    struct recorder *r = record_begin(b, &err);
    CHECK(r);
    record_op(r, &op);
    CHECK(record_end(r, &err) && t->submit(b, r, 0, &ticket, &err) && t->wait(b, ticket, &err));
    CHECK(t->read(b, op.matmul.dst.addr, y, y_bytes, &err));
    recorder_free(r);
    t->arena_free(a);
    return y;
}

/* The largest of the tokens' normalised mean squared errors; NaN where one is. */
static double worst(const struct shape *s, uint32_t ld, const float *got, const float *want)
{
    double most = 0;
    for (uint32_t t = 0; t < s->tokens; t++) {
        double diff = 0, norm = 0;
        for (uint32_t i = 0; i < s->rows; i++) {
            double g = (double)got[t * ld + i], w = (double)want[t * ld + i];
            diff += (g - w) * (g - w);
            norm += w * w;
        }
        if (diff > 0 || isnan(diff)) diff /= norm;
        if (!(diff <= most)) most = diff;
    }
    return most;
}

/* Every variant that is for many tokens only. */
static void compare(const struct shape *s, float (*size)(uint32_t t, uint32_t k), const char *what)
{
    const struct backend_table *t = sides[0]->table;
    struct operands o = make_operands(s, size);
    float *want = run(sides[1], s, &o, 0);
    uint32_t few = t->n_variants(sides[0], 1), many = t->n_variants(sides[0], s->tokens);
    for (uint32_t i = few; i < many; i++) {
        char name[48];
        double limit = t->variant_name(sides[0], s->tokens, i, name);
        float *got = run(sides[0], s, &o, i + 1);
        double error = worst(s, o.y_ld, got, want);
        if (!(error <= limit) || getenv("HEKLA_TEST_VERBOSE"))
            print_message("type %d, (%u, %u) x %u, %s, %s: %.2g\n", (int)s->type, s->rows, s->cols, s->tokens,
                          what, name, error);
        assert_true(error <= limit);
        test_free(got);
    }
    free_operands(&o);
    test_free(want);
}

static float as_it_is(uint32_t t, uint32_t k)
{
    (void)t, (void)k;
    return 1;
}
static float huge(uint32_t t, uint32_t k)
{
    (void)t, (void)k;
    return 1e30f;
}
static float tiny(uint32_t t, uint32_t k)
{
    (void)t, (void)k;
    return 1e-25f;
}
/* Columns grow beyond what the first ones let expect; others are zero until late. */
static float growing(uint32_t t, uint32_t k)
{
    (void)t;
    return k < 64 ? 0.0f : ldexpf(1.0f, (int)(k / 32));
}
/* Tokens of very different size in one tile, one of them zero. */
static float mixed(uint32_t t, uint32_t k)
{
    (void)k;
    return t == 5 ? 0.0f : t % 3 == 0 ? 3000.0f : t % 3 == 1 ? 1.0f : 0.05f;
}

static void shapes(void **state)
{
    (void)state;
    static const uint32_t sizes[][3] = {/* rows, columns in units of the type, tokens */
                                        {1, 1, 16},
                                        {33, 2, 17},
                                        {100, 3, 31},
                                        {129, 1, 65},
                                        {64, 5, 130}};
    /* One of every length of blocks and way to read them; the self-test has them all. */
    static const enum hk_weight_type types[] = {HK_F32,  HK_F16,  HK_BF16,  HK_Q8_0, HK_Q4_0,
                                                HK_Q4_K, HK_Q6_K, HK_NVFP4, HK_IQ3_S};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        enum hk_weight_type type = types[t];
        uint32_t block = hk_weight_type_info(type)->block_len;
        for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct shape s = {type, sizes[i][0], sizes[i][1] * (block < 4 ? 36 : block), sizes[i][2], i % 2};
            compare(&s, as_it_is, "plain");
        }
    }
}

static void magnitudes(void **state)
{
    (void)state;
    static const enum hk_weight_type types[] = {HK_Q8_0, HK_BF16};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct shape s = {types[i], 70, 512, 40, false};
        compare(&s, huge, "huge");
        compare(&s, tiny, "tiny");
        compare(&s, growing, "growing");
        compare(&s, mixed, "mixed");
    }
}

/* Weights may be anything, too: a row of huge ones, one of tiny ones. */
static void weights(void **state)
{
    (void)state;
    struct shape s = {HK_F32, 40, 96, 20, false};
    const float sizes[] = {1e25f, 1.0f, 1e-30f};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct operands o = make_operands(&s, as_it_is);
        for (uint32_t k = 0; k < s.rows * s.cols; k++) ((float *)o.blocks)[k] *= sizes[i];
        float *want = run(sides[1], &s, &o, 0);
        uint32_t few = sides[0]->table->n_variants(sides[0], 1);
        uint32_t many = sides[0]->table->n_variants(sides[0], s.tokens);
        for (uint32_t v = few; v < many; v++) {
            char name[48];
            double limit = sides[0]->table->variant_name(sides[0], s.tokens, v, name);
            float *got = run(sides[0], &s, &o, v + 1);
            double error = worst(&s, o.y_ld, got, want);
            if (!(error <= limit)) fail_msg("weights of %g, %s: %g", (double)sizes[i], name, error);
            test_free(got);
        }
        free_operands(&o);
        test_free(want);
    }
}

int main(void)
{
    struct hk_error err = {0};
    struct gpu *g = gpu_open(&(struct gpu_options){.cache_dir = ""}, &err);
    if (!g) {
        print_message("skipped: %s\n", err.text);
        return 77;
    }
    sides[0] = backend_vulkan_open(g, TUNER_OFF, "", &err);
    sides[1] = backend_reference_open(&err);
    if (!sides[0] || !sides[1]) {
        print_message("%s\n", err.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(shapes), cmocka_unit_test(magnitudes),
                                       cmocka_unit_test(weights)};
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    sides[0]->table->close(sides[0]);
    sides[1]->table->close(sides[1]);
    return failures;
}

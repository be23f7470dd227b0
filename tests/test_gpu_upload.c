/* Weights on their way to the device: what arrives through staging memory is to the bit what is packed in place, by
 * however many threads; progress is told, and cancels. */
#include "runtime/backend.h"
#include "runtime/model.h"
#include "runtime/upload.h"
#include "tests/gpu_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACE,
    STAGED,
    N_WAYS
}; /* where the host sees the device's memory, weights are packed in their place */

struct upload {
    struct hk_model m;
    struct weight_plan *plan;
    struct hk_error err;
    uint64_t calls, done, total, cancel_at;
};

static bool on_progress(void *user, const char *what, uint64_t done, uint64_t total)
{
    struct upload *u = user;
    assert_string_equal(what, "loading");
    assert_true(done >= u->done && done <= total);
    u->done = done;
    u->total = total;
    return ++u->calls != u->cancel_at;
}

static bool upload(struct upload *u, struct backend *b, const struct hk_model *like,
                   enum hk_weight_type quant)
{
    u->m = (struct hk_model){
        .backend = b, .ckpt = like->ckpt, .hp = like->hp, .arch = like->arch, .forward = like->forward};
    u->m.global = test_calloc(1, like->forward->global_size);
    u->m.layers = test_calloc(like->hp.n_layer, like->forward->layer_size);
    u->plan = weights_bind(&u->m, quant, &u->err);
    return u->plan && weights_upload(u->plan, on_progress, u, &u->err);
}

static void release(struct upload *u)
{
    weights_plan_free(u->plan);
    u->m.backend->table->arena_free(u->m.arena);
    free(u->m.bindings);
    test_free(u->m.global);
    test_free(u->m.layers);
}

static struct backend *open_backend(int way)
{
    struct hk_error err = {0};
    struct gpu_pretend pretend = {.no_direct = way == STAGED};
    struct backend *b = backend_vulkan_open(open_as(&pretend), TUNER_OFF, "", &err);
    if (!b) fail_msg("%s", err.text);
    return b;
}

/* The same bytes of both devices, beginning `at` bytes behind each binding's home. */
static void compare(const struct upload u[N_WAYS], const struct binding *b, uint64_t at, uint64_t bytes)
{
    struct hk_error err = {0};
    char *got[N_WAYS];
    for (int w = 0; w < N_WAYS; w++) {
        struct backend *backend = u[w].m.backend;
        got[w] = test_malloc((size_t)bytes);
        CHECK(backend->table->read(backend, u[w].plan->homes[b->home].addr + at, got[w], bytes, &err));
    }
    if (memcmp(got[PLACE], got[STAGED], (size_t)bytes) != 0) fail_msg("%s differs", b->tensor->name);
    for (int w = 0; w < N_WAYS; w++) test_free(got[w]);
}

/* Closes the checkpoint; NULL fails with *e. */
static void check(struct backend *backend[N_WAYS], struct hk_device *reference, struct hk_checkpoint *c,
                  enum hk_weight_type quant, const struct hk_error *e)
{
    if (!c) fail_msg("%s", e->text);
    struct upload u[N_WAYS] = {0};
    struct hk_error err = {0};
    struct hk_model *like = hk_model_open(reference, c, NULL, &err);
    if (!like) fail_msg("%s", err.text);
    for (int w = 0; w < N_WAYS; w++) {
        if (!upload(&u[w], backend[w], like, quant)) fail_msg("%s", u[w].err.text);
        assert_true(u[w].calls >= 2 && u[w].done == u[w].total);
    }
    for (size_t i = 0; i < u[0].plan->n_bindings; i++) {
        const struct binding *b = &u[0].plan->bindings[i];
        if (!b->w) compare(u, b, sizeof(float) * b->first_row, sizeof(float) * b->cols);
        for (uint32_t p = 0; b->w && p < b->w->layout.n_planes; p++)
            compare(u, b, b->w->layout.plane_offset[p], b->w->layout.plane_bytes[p]);
    }
    for (int w = 0; w < N_WAYS; w++) {
        struct upload cancelled = {.cancel_at = u[w].calls > 3 ? 3 : 1};
        assert_false(upload(&cancelled, backend[w], like, quant));
        assert_int_equal(cancelled.err.code, HK_ERR_CANCELLED);
        assert_int_equal(cancelled.calls, cancelled.cancel_at);
        release(&cancelled);
        release(&u[w]);
    }
    hk_model_close(like);
    hk_checkpoint_close(c);
}

static struct hk_checkpoint *golden(const char *name, struct hk_error *err)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/hf/%s", HEKLA_SOURCE_DIR, name);
    return hk_checkpoint_open(path, NULL, err);
}

static void staged_is_as_in_place(void **state)
{
    (void)state;
    const enum hk_weight_type as_it_is = HK_WEIGHT_TYPE_COUNT;
    struct hk_error e = {0};
    struct backend *b[N_WAYS] = {open_backend(PLACE), open_backend(STAGED)};
    struct hk_device *reference = hk_device_open(&(struct hk_device_options){.select = "reference"}, &e);
    if (!reference) fail_msg("%s", e.text);
    /* matrices of several pieces */
    check(b, reference, hk_synthetic_checkpoint("llama-15m", HK_BF16, &e), as_it_is, &e);
    check(b, reference, hk_synthetic_checkpoint("llama-15m", HK_F32, &e), HK_Q8_0, &e);
    check(b, reference, hk_synthetic_checkpoint("llama-2m", HK_Q6_K, &e), as_it_is, &e);
    /* with a codebook; transposed; in several files, with biases; made of codes and scales */
    check(b, reference, hk_synthetic_checkpoint("llama-2m", HK_IQ3_S, &e), as_it_is, &e);
    check(b, reference, golden("gpt2-odd", &e), as_it_is, &e);
    check(b, reference, golden("llama-f16-sharded", &e), as_it_is, &e);
    check(b, reference, golden("llama-biases", &e), as_it_is, &e);
    check(b, reference, golden("quant-gptq-act", &e), as_it_is, &e);
    check(b, reference, golden("quant-nvfp4", &e), as_it_is, &e);
    hk_device_close(reference);
    for (int w = 0; w < N_WAYS; w++) b[w]->table->close(b[w]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(staged_is_as_in_place)};
    if (!have_device()) return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

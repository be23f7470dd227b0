/* A small model in every weight type, as it is in a file and as --quant makes it: the device's logits against
 * the reference's, and what becomes of the bits on the device. */
#include "runtime/model.h"
#include "loader/checkpoint.h"
#include "loader/weights/types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char SHAPE[] = "llama-2m";

enum { DEV, REF, N_SIDES };
static struct hk_device *sides[N_SIDES];

/* The checkpoint on both sides, a prompt of three tokens, then `steps` single ones: sum (a - b)^2 / sum b^2
 * of all logits. */
static double difference(enum hk_weight_type type, enum hk_weight_type quant, uint32_t steps,
                         struct hk_model_stats *stats)
{
    static const uint32_t tokens[] = {7, 401, 33, 250, 90};
    struct hk_error err = {0};
    struct hk_model *model[N_SIDES] = {0};
    struct hk_runner *runner[N_SIDES] = {0};
    struct hk_sequence *sequence[N_SIDES] = {0};
    struct hk_checkpoint *c = hk_synthetic_checkpoint(SHAPE, type, &err);
    for (int s = 0; c && s < N_SIDES; s++) {
        struct hk_model_options mo = {.quant =
                                          quant == HK_WEIGHT_TYPE_COUNT ? NULL : hk_weight_type_name(quant)};
        struct hk_runner_options so = {.n_ctx = 32, .kv = HK_KV_F32, .outputs = HK_OUTPUTS_ALL};
        model[s] = hk_model_open(sides[s], c, &mo, &err);
        if (model[s]) runner[s] = hk_runner_open(model[s], &so, &err);
        if (runner[s]) sequence[s] = hk_sequence_new(runner[s], &err);
    }
    if (!sequence[DEV] || !sequence[REF]) fail_msg("%s: %s", hk_weight_type_info(type)->name, err.text);
    uint32_t n_vocab = hk_model_hparams(model[DEV])->n_vocab;
    double diff = 0, norm = 0;
    for (uint32_t n = 3; n <= 3 + steps; n++) {
        for (int s = 0; s < N_SIDES; s++)
            if (!hk_sequence_sync(sequence[s], tokens, n, &err)) fail_msg("%s", err.text);
        for (uint32_t p = n == 3 ? 0 : n - 1; p < n; p++) {
            const float *a = hk_sequence_logits_at(sequence[DEV], p),
                        *b = hk_sequence_logits_at(sequence[REF], p);
            assert_true(a && b);
            for (uint32_t i = 0; i < n_vocab; i++) {
                diff += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
                norm += (double)b[i] * (double)b[i];
            }
        }
    }
    *stats = *hk_model_stats(model[DEV]);
    for (int s = 0; s < N_SIDES; s++) {
        hk_runner_close(runner[s]);
        hk_model_close(model[s]);
    }
    hk_checkpoint_close(c);
    assert_true(norm > 0);
    return diff / norm;
}

static void check(enum hk_weight_type type, enum hk_weight_type quant, uint32_t steps)
{
    struct hk_model_stats stats;
    double d = difference(type, quant, steps, &stats);
    const char *name = hk_weight_type_info(type)->name;
    print_message("%s%s%s: %.2g, %.3g bits a weight\n", name, quant < HK_WEIGHT_TYPE_COUNT ? " as " : "",
                  quant < HK_WEIGHT_TYPE_COUNT ? hk_weight_type_info(quant)->name : "", d,
                  (double)stats.weight_bytes * 8 / (double)stats.n_params);
    if (!(d <= 1e-6)) fail_msg("%s: logits differ by %g", name, d);
    /* No more memory than the file: norms, codebooks and padding are 5 % of this small model. */
    const struct hk_weight_type_info *on_device =
        hk_weight_type_info(quant < HK_WEIGHT_TYPE_COUNT                     ? quant
                            : hk_weight_on_device(hk_weight_type_info(type)) ? type
                                                                             : HK_F32);
    double bits = 8.0 * on_device->block_bytes / on_device->block_len;
    assert_true((double)stats.weight_bytes * 8 <= (1.05 * bits + 0.4) * (double)stats.n_params);
}

static void as_in_the_file(void **state)
{
    (void)state;
    for (unsigned t = 0; t < HK_WEIGHT_TYPE_COUNT;
         t++) /* one of each kind of kernel also a token at a time */
        check((enum hk_weight_type)t, HK_WEIGHT_TYPE_COUNT, t == HK_Q8_0 || t == HK_Q4_K || t == HK_IQ2_XS);
}

static void quantized_at_load(void **state)
{
    (void)state;
    static const enum hk_weight_type plain[] = {HK_F32, HK_F16, HK_BF16, HK_F64};
    uint32_t n = 0;
    for (unsigned t = 0; t < HK_WEIGHT_TYPE_COUNT; t++)
        if (hk_weight_type_quantizes((enum hk_weight_type)t))
            check(plain[n++ % 4], (enum hk_weight_type)t, 0);
    assert_true(n >= 10);
}

int main(void)
{
    struct hk_error err = {0};
    sides[DEV] = hk_device_open(&(struct hk_device_options){0}, &err);
    if (!sides[DEV]) {
        print_message("skipped: %s\n", err.text);
        return 77;
    }
    sides[REF] = hk_device_open(&(struct hk_device_options){.select = "reference"}, &err);
    if (!sides[REF]) {
        print_message("%s\n", err.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_in_the_file), cmocka_unit_test(quantized_at_load)};
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    for (int s = 0; s < N_SIDES; s++) hk_device_close(sides[s]);
    return failures;
}

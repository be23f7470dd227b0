/* What the tests that run models share: run by test_X.c on the C reference and by test_gpu_X.c on devices. */
#ifndef HEKLA_TESTS_RIG_H
#define HEKLA_TESTS_RIG_H

#include "tests/loader_testing.h"
#include "runtime/model.h"

#include <cjson/cJSON.h>

/* Opened by rig_main before the tests run. */
extern struct hk_device *hk_test_device;

/* Runs the tests on the device of this name (NULL: the machine's). Returns main's status: 77 without a
 * device. */
int rig_main(const char *select, const struct CMUnitTest *tests, size_t n);

/* A model, a runner on it, and a sequence of that. */
struct rig {
    struct hk_checkpoint *ckpt;
    struct hk_model *model;
    struct hk_runner *runner;
    struct hk_sequence *sequence;
};

/* Fails the test where anything does. HK_WEIGHT_TYPE_COUNT: weights as they are. */
struct rig rig_open(const char *path, enum hk_weight_type quant, const struct hk_runner_options *so);
void rig_close(struct rig *r);
void rig_sync(struct rig *r, const uint32_t *tokens, uint32_t n);

/* A golden checkpoint's folder, or a file in it. */
const char *golden_path(const char *name, const char *file, char out[HK_TEST_PATH]);
/* A whole file with a NUL behind it; free it. */
char *read_all(const char *path, size_t *size);
cJSON *read_json(const char *path);
/* The numbers of a JSON array; free it. */
uint32_t *ids_of(const cJSON *array, uint32_t *n);
/* NaN where either has one; a is not NULL. */
double largest_difference(const float *a, const float *b, size_t n);

#endif

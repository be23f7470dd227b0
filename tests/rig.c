#include "tests/rig.h"

#include <math.h>
#include <stdio.h>

struct hk_device *hk_test_device;

struct rig rig_open(const char *path, enum hk_weight_type quant, const struct hk_runner_options *so)
{
    struct hk_error err = {0};
    struct rig r = {.ckpt = hk_checkpoint_open(path, NULL, &err)};
    struct hk_model_options mo = {.quant = quant == HK_WEIGHT_TYPE_COUNT ? NULL : hk_weight_type_name(quant)};
    if (r.ckpt) r.model = hk_model_open(hk_test_device, r.ckpt, &mo, &err);
    if (r.model) r.runner = hk_runner_open(r.model, so, &err);
    if (r.runner) r.sequence = hk_sequence_new(r.runner, &err);
    if (!r.sequence) fail_msg("%s: %s", path, err.text);
    return r;
}

void rig_close(struct rig *r)
{
    hk_runner_close(r->runner);
    hk_model_close(r->model);
    hk_checkpoint_close(r->ckpt);
}

void rig_sync(struct rig *r, const uint32_t *tokens, uint32_t n)
{
    struct hk_error err = {0};
    if (!hk_sequence_sync(r->sequence, tokens, n, &err)) fail_msg("%s", err.text);
}

const char *golden_path(const char *name, const char *file, char out[HK_TEST_PATH])
{
    snprintf(out, HK_TEST_PATH, "%s/tests/golden/hf/%s%s%s",
             getenv("HEKLA_SOURCE_DIR") ? getenv("HEKLA_SOURCE_DIR") : ".", name, *file ? "/" : "", file);
    return out;
}

char *read_all(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s: cannot be opened", path);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long n = ftell(f);
    assert_true(n >= 0);
    rewind(f);
    char *data = malloc((size_t)n + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)n, f), n);
    data[n] = 0;
    fclose(f);
    if (size) *size = (size_t)n;
    return data;
}

cJSON *read_json(const char *path)
{
    char *text = read_all(path, NULL);
    cJSON *json = cJSON_Parse(text);
    free(text);
    assert_non_null(json);
    return json;
}

/* The numbers of a JSON array; free it. */
uint32_t *ids_of(const cJSON *array, uint32_t *n)
{
    *n = (uint32_t)cJSON_GetArraySize(array);
    uint32_t *ids = calloc(*n + 1, sizeof *ids), i = 0;
    assert_non_null(ids);
    const cJSON *item;
    cJSON_ArrayForEach(item, array) ids[i++] = (uint32_t)item->valuedouble;
    return ids;
}

double largest_difference(const float *a, const float *b, size_t n)
{
    double largest = 0;
    assert_non_null(a);
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= largest)) largest = d; /* NaN too */
    }
    return largest;
}

int rig_main(const char *select, const struct CMUnitTest *tests, size_t n)
{
    struct hk_error err = {0};
    struct hk_device_options opt = {.select = select};
    hk_test_device = hk_device_open(&opt, &err);
    if (!hk_test_device) {
        print_message("skipped: %s\n", err.text);
        return 77;
    }
    print_message("on %s\n", hk_device_name(hk_test_device));
    int failed = _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
    hk_device_close(hk_test_device);
    return failed;
}

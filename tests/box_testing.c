#include "tests/box_testing.h"
#include "tests/rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *in_source(const char *folder, const char *name, const char *end, char out[HK_TEST_PATH])
{
    const char *source = getenv("HEKLA_SOURCE_DIR");
    snprintf(out, HK_TEST_PATH, "%s/%s/%s%s", source ? source : ".", folder, name, end);
    return out;
}

/* The ids of the text, by the tokenizers library, are those of our tokenizer: the text spells its
 * beginning-of-text token and the turns' marks. */
static void check_ids(const struct hk_tokenizer *t, const cJSON *prompt, const uint32_t *ids, uint32_t n)
{
    const char *text = cJSON_GetObjectItem(prompt, "text")->valuestring;
    struct hk_tokens got = {0};
    struct hk_error err = {0};
    assert_true(hk_tokenizer_encode(t, text, strlen(text), HK_ENCODE_PARSE_SPECIAL, &got, &err));
    assert_int_equal(got.n, n);
    assert_memory_equal(got.ids, ids, n * sizeof *ids);
    free(got.ids);
}

static void check_model(const char *name)
{
    char path[HK_TEST_PATH];
    size_t size = 0;
    cJSON *json = read_json(in_source("tests/golden/box", name, ".json", path));
    float *want = (float *)(void *)read_all(in_source("tests/golden/box", name, ".f32", path), &size);
    uint32_t columns = (uint32_t)cJSON_GetObjectItem(json, "columns")->valuedouble, row = 0;
    struct hk_runner_options so = {.kv = HK_KV_F32, .n_ctx = 256};
    struct rig r = rig_open(in_source("tools/box/models", name, ".gguf", path), HK_WEIGHT_TYPE_COUNT, &so);
    struct hk_error err = {0};
    struct hk_tokenizer *tokenizer = hk_tokenizer_new(&r.ckpt->vocab, &err);
    assert_non_null(tokenizer);
    double largest = 0;
    const cJSON *prompt;
    cJSON_ArrayForEach(prompt, cJSON_GetObjectItem(json, "prompts"))
    {
        uint32_t n, *ids = ids_of(cJSON_GetObjectItem(prompt, "ids"), &n);
        float score;
        const float *got = &score;
        check_ids(tokenizer, prompt, ids, n);
        assert_true((row + 1ull) * columns * sizeof(float) <= size);
        if (hk_model_is_reward(r.model)) {
            assert_int_equal(columns, 1);
            if (!hk_sequence_score(r.sequence, ids, n, &score, &err)) fail_msg("%s", err.text);
        } else {
            assert_int_equal(columns, hk_model_hparams(r.model)->n_vocab);
            rig_sync(&r, ids, n);
            got = hk_sequence_logits(r.sequence);
        }
        largest = fmax(largest, largest_difference(got, want + (size_t)row++ * columns, columns));
        free(ids);
    }
    assert_true(row >= 8);
    assert_int_equal((uint64_t)row * columns * sizeof(float), size);
    print_message("box:%-8s %.2g\n", name, largest);
    if (!(largest <= 1e-3)) fail_msg("box:%s: differs from PyTorch by %g", name, largest);
    hk_tokenizer_free(tokenizer);
    rig_close(&r);
    free(want);
    cJSON_Delete(json);
}

static void base(void **state)
{
    (void)state;
    check_model("base");
}

static void chat(void **state)
{
    (void)state;
    check_model("chat");
}

static void reward(void **state)
{
    (void)state;
    check_model("reward");
}

int hk_test_box_main(const char *select)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(base), cmocka_unit_test(chat),
                                       cmocka_unit_test(reward)};
    return rig_main(select, tests, sizeof tests / sizeof *tests);
}

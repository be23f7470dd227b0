/* What the tests of the checkpoint formats share. */
#define _DEFAULT_SOURCE /* mkdtemp */
#define _POSIX_C_SOURCE 200809L
#include "tests/loader_testing.h"

#include <stdio.h>
#include <unistd.h>

const char *hk_test_shared(const char *name, char out[HK_TEST_PATH])
{
    const char *shared = getenv("HEKLA_SHARED"), *source = getenv("HEKLA_SOURCE_DIR");
    if (shared)
        snprintf(out, HK_TEST_PATH, "%s/%s", shared, name);
    else
        snprintf(out, HK_TEST_PATH, "%s/../shared/%s", source ? source : ".", name);
    if (hk_path_kind(out) == HK_PATH_MISSING) {
        print_message("skipped: %s is not here (HEKLA_SHARED names the folder of the test material)\n", out);
        skip();
    }
    return out;
}

void hk_test_folder_make(char out[HK_TEST_PATH])
{
    const char *tmp = getenv("TMPDIR");
    snprintf(out, HK_TEST_PATH, "%s/hekla-test-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(out));
}

void hk_test_folder_remove(const char *folder)
{
    struct hk_arena a = {0};
    const char *const *names;
    size_t n;
    assert_true(hk_folder_list(&a, folder, &names, &n, NULL));
    for (size_t i = 0; i < n; i++) assert_int_equal(remove(hk_path_join(&a, folder, names[i], NULL)), 0);
    assert_int_equal(rmdir(folder), 0);
    hk_arena_free(&a);
}

void hk_test_write(const char *folder, const char *name, const void *data, size_t len)
{
    char path[HK_TEST_PATH + 256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(len ? fwrite(data, 1, len, f) : 0, len);
    assert_int_equal(fclose(f), 0);
}

void hk_test_write_text(const char *folder, const char *name, const char *text)
{
    hk_test_write(folder, name, text, strlen(text));
}

void hk_test_error_says(const struct hk_error *err, const char *part)
{
    assert_int_not_equal(err->code, HK_OK);
    assert_true(strlen(err->text) > 10);
    assert_null(strpbrk(err->text, "\n\r"));
    if (part && !strstr(err->text, part))
        fail_msg("the error is \"%s\", which has no \"%s\"", err->text, part);
}

uint8_t *hk_test_copy(const void *data, size_t len)
{
    uint8_t *p = malloc(len ? len : 1);
    assert_non_null(p);
    if (len) memcpy(p, data, len);
    return p;
}

void hk_test_put(struct hk_bytes *b, const void *data, size_t len)
{
    assert_true(hk_bytes_append(b, data, len, NULL));
}

void hk_test_put_u32(struct hk_bytes *b, uint32_t v)
{
    const uint8_t p[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    hk_test_put(b, p, 4);
}

void hk_test_put_u64(struct hk_bytes *b, uint64_t v)
{
    hk_test_put_u32(b, (uint32_t)v);
    hk_test_put_u32(b, (uint32_t)(v >> 32));
}

void hk_test_put_f32(struct hk_bytes *b, float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    hk_test_put_u32(b, u);
}

uint64_t hk_test_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Errors, arenas, byte buffers, mappings, cursors and JSON. */
#include "tests/loader_testing.h"
#include "loader/json.h"

#include <stdio.h>

static void errors_are_one_line(void **state)
{
    (void)state;
    struct hk_error err = {0};
    assert_false(hk_fail(&err, HK_ERR_FORMAT, "a\nb\tc\x1b[2J%s", "\r"));
    assert_string_equal(err.text, "a?b?c?[2J?");
    assert_int_equal(err.code, HK_ERR_FORMAT);
    assert_false(hk_fail_prefix(&err, "file %d", 7));
    assert_string_equal(err.text, "file 7: a?b?c?[2J?");
    assert_int_equal(err.code, HK_ERR_FORMAT);
    assert_false(hk_fail(&err, HK_ERR_IO, "again: %s", err.text)); /* quotes itself */
    assert_string_equal(err.text, "again: file 7: a?b?c?[2J?");
    assert_false(hk_fail(NULL, HK_ERR_IO, "nobody listens"));
    assert_false(hk_fail_prefix(NULL, "nobody listens"));
}

static void long_errors_are_cut_between_characters(void **state)
{
    (void)state;
    struct hk_error err = {0};
    char text[700];
    for (size_t pad = 0; pad < 3; pad++) {
        memset(text, 'x', pad);
        for (size_t i = pad; i + 2 < sizeof text; i += 2) memcpy(text + i, "\xC3\xA9", 3);
        hk_fail(&err, HK_ERR_IO, "%s", text);
        size_t len = strlen(err.text);
        assert_true(len >= sizeof err.text - 3 && len < sizeof err.text);
        assert_int_equal((uint8_t)err.text[len - 1], 0xA9);
    }
}

static void arithmetic_is_checked(void **state)
{
    (void)state;
    uint64_t v = 5;
    assert_true(hk_mul_u64(1ull << 32, (1ull << 32) - 1, &v));
    assert_true(v == 0xFFFFFFFF00000000u);
    assert_false(hk_mul_u64(1ull << 32, 1ull << 32, &v));
    assert_true(v == 0xFFFFFFFF00000000u);
    assert_true(hk_mul_u64(UINT64_MAX, 0, &v) && v == 0);
    assert_true(hk_add_u64(UINT64_MAX, 0, &v) && v == UINT64_MAX);
    assert_false(hk_add_u64(UINT64_MAX, 1, &v));
    assert_int_equal(hk_div_up(9, 4), 3);
    assert_int_equal(hk_div_up(8, 4), 2);
    assert_int_equal(hk_align_up(33, 32), 64);
    assert_int_equal(hk_align_up(64, 32), 64);
    struct hk_error err = {0};
    assert_null(hk_calloc(SIZE_MAX / 2, 3, &err));
    hk_test_error_says(&err, "out of memory");
}

static void arena_memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    struct hk_arena a = {0};
    struct hk_error err = {0};
    unsigned char *last = NULL;
    for (size_t i = 1; i < 2000; i++) {
        unsigned char *p = hk_arena_alloc(&a, i % 37, 1 + i % 91, &err);
        size_t n = i % 37 * (1 + i % 91);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t k = 0; k < n; k++) assert_int_equal(p[k], 0);
        memset(p, 0xAA, n);
        assert_ptr_not_equal(p, last);
        last = p;
    }
    assert_non_null(hk_arena_alloc(&a, 3, 1 << 20, &err)); /* larger than any block so far */
    assert_string_equal(hk_arena_strndup(&a, "text and more", 4, &err), "text");
    assert_null(hk_arena_alloc(&a, SIZE_MAX, 2, &err));
    hk_test_error_says(&err, "out of memory");
    assert_null(hk_arena_strndup(&a, "", SIZE_MAX, &err));
    hk_arena_free(&a);
    hk_arena_free(&a);
}

static void bytes_grow(void **state)
{
    (void)state;
    struct hk_bytes b = {0};
    for (int i = 0; i < 1000; i++) assert_true(hk_bytes_append(&b, "ab", 2, NULL));
    assert_int_equal(b.len, 2000);
    assert_int_equal(strlen(b.data), 2000);
    assert_true(hk_bytes_append(&b, NULL, 0, NULL));
    assert_false(hk_bytes_append(&b, "x", SIZE_MAX, NULL));
    hk_bytes_free(&b);
}

static void mappings_open_files_only(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], path[HK_TEST_PATH + 16];
    struct hk_error err = {0};
    hk_test_folder_make(folder);
    hk_test_write(folder, "full", "0123456789", 10);
    hk_test_write(folder, "empty", "", 0);
    snprintf(path, sizeof path, "%s/full", folder);
    struct hk_mapping *m = hk_mapping_open(path, &err);
    assert_non_null(m);
    assert_int_equal(m->size, 10);
    assert_memory_equal(m->data, "0123456789", 10);
    hk_mapping_willneed(m, 3, SIZE_MAX);
    hk_mapping_done(m, 0, 10);
    hk_mapping_done(m, 11, 1);
    assert_memory_equal(m->data, "0123456789", 10);
    hk_mapping_close(m);
    snprintf(path, sizeof path, "%s/empty", folder);
    m = hk_mapping_open(path, &err);
    assert_non_null(m);
    assert_int_equal(m->size, 0);
    assert_non_null(m->data);
    hk_mapping_close(m);
    hk_mapping_close(NULL);
    snprintf(path, sizeof path, "%s/missing", folder);
    assert_null(hk_mapping_open(path, &err));
    assert_int_equal(err.code, HK_ERR_IO);
    hk_test_error_says(&err, "missing");
    assert_null(hk_mapping_open(folder, &err));
    hk_test_error_says(&err, "is a folder");
    assert_null(hk_mapping_open("/dev/null", &err));
    hk_test_error_says(&err, "regular file");
    hk_test_folder_remove(folder);
}

static void paths_join(void **state)
{
    (void)state;
    struct hk_arena a = {0};
    assert_string_equal(hk_path_join(&a, "a", "b", NULL), "a/b");
    assert_string_equal(hk_path_join(&a, "a/", "b", NULL), "a/b");
    assert_string_equal(hk_path_join(&a, "", "b", NULL), "b");
    assert_string_equal(hk_path_folder(&a, "x/y.bin", NULL), "x/");
    assert_string_equal(hk_path_folder(&a, "y.bin", NULL), ".");
    assert_string_equal(hk_path_base("x/y.bin"), "y.bin");
    hk_arena_free(&a);
}

static void cursor_errors_stick(void **state)
{
    (void)state;
    struct hk_error err = {0};
    const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0x80, 0xBF, 0xFF, 0xFF, 0xFF, 0xFF, 9};
    uint8_t *data = hk_test_copy(bytes, sizeof bytes);
    struct hk_cursor c = hk_cursor_make(data, sizeof bytes, "f.bin", &err);
    assert_true(hk_cursor_u64(&c, "eight") == 0x0807060504030201u);
    assert_true(hk_cursor_f32(&c, "four") == -1.0f);
    assert_int_equal(hk_cursor_i32(&c, "four"), -1);
    assert_int_equal(hk_cursor_left(&c), 1);
    assert_int_equal(hk_cursor_u16(&c, "a pair"), 0);
    assert_true(c.failed);
    hk_test_error_says(
        &err, "f.bin: truncated or damaged: a pair needs 2 bytes at offset 16, but the file ends at 17");
    assert_int_equal(hk_cursor_u8(&c, "one"), 0); /* there is one, but an error came before */
    assert_null(hk_cursor_bytes(&c, 0, "none"));
    hk_test_error_says(&err, "a pair");
    c = hk_cursor_make(data, sizeof bytes, "f.bin", NULL);
    assert_null(hk_cursor_bytes(&c, UINT64_MAX, "everything"));
    free(data);
}

static void json_depth_is_bounded(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    struct hk_error err = {0};
    char *text = malloc(2 * DEEP);
    assert_non_null(text);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    assert_null(hk_json_parse(text, 2 * DEEP, "deep.json", &err));
    hk_test_error_says(&err, "deep.json: JSON is nested deeper than 128 levels at byte 128");
    for (size_t i = 0; i < DEEP; i++) memcpy(text + 2 * i, "{\"", 2); /* never closed, half in strings */
    assert_null(hk_json_parse(text, 2 * DEEP, "deep.json", &err));
    hk_test_error_says(&err, "deep.json");
    memset(text, '[', 128);
    memset(text + 128, ']', 128);
    cJSON *fits = hk_json_parse(text, 256, "deep.json", &err);
    assert_non_null(fits);
    cJSON_Delete(fits);
    memset(text, ',', DEEP);
    free(text);
    cJSON *brackets = hk_json_parse("\"[[[[\\\"[[[[\"", 12, "s", &err); /* brackets in a string do not nest */
    assert_non_null(brackets);
    cJSON_Delete(brackets);
}

static void json_must_be_one_value(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",    " ",    "{",       "{\"a\":1,", "[1,2", "nul",
                                      "1 2", "{} x", "\"\\u12", "\"abc",     "\\",   "\"\\"};
    struct hk_error err;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        size_t len = strlen(BAD[i]);
        uint8_t *copy = hk_test_copy(BAD[i], len);
        err = (struct hk_error){0};
        assert_null(hk_json_parse((const char *)copy, len, "bad.json", &err));
        hk_test_error_says(&err, "bad.json: not valid JSON");
        free(copy);
    }
    cJSON *ok = hk_json_parse(" {\"a\": [1]}\n\t ", 14, "ok", &err);
    assert_non_null(ok);
    cJSON_Delete(ok);
    assert_null(hk_json_parse("{}\0x", 4, "nul", &err));
}

static void json_getters_check(void **state)
{
    (void)state;
    struct hk_error err = {0};
    const char *text =
        "{\"n\": 7, \"f\": 1.5, \"neg\": -1, \"big\": 1e300, \"s\": \"x\", \"b\": true, \"z\": null}";
    cJSON *obj = hk_json_parse(text, strlen(text), "t.json", &err);
    assert_non_null(obj);
    const struct hk_json_at at = {obj, "t.json", &err};
    uint32_t u = 99;
    float f = 0;
    bool b = false;
    const char *s = NULL;
    assert_true(hk_json_u32(&at, "n", HK_JSON_REQUIRED, 1, 7, &u) && u == 7);
    assert_false(hk_json_u32(&at, "n", HK_JSON_REQUIRED, 1, 6, &u));
    hk_test_error_says(&err, "t.json: \"n\" is not an integer from 1 to 6");
    assert_false(hk_json_u32(&at, "f", HK_JSON_OPTIONAL, 0, 10, &u));
    assert_false(hk_json_u32(&at, "neg", HK_JSON_OPTIONAL, 0, 10, &u));
    assert_false(hk_json_u32(&at, "big", HK_JSON_OPTIONAL, 0, UINT32_MAX, &u));
    assert_false(hk_json_u32(&at, "s", HK_JSON_OPTIONAL, 0, 10, &u));
    assert_true(hk_json_u32(&at, "z", HK_JSON_OPTIONAL, 0, 10, &u) && u == 7);
    assert_false(hk_json_u32(&at, "z", HK_JSON_REQUIRED, 0, 10, &u));
    hk_test_error_says(&err, "\"z\" is missing");
    assert_true(hk_json_f32(&at, "f", HK_JSON_REQUIRED, 0, 2, &f) && f == 1.5f);
    assert_false(hk_json_f32(&at, "big", HK_JSON_REQUIRED, 0, 2, &f));
    assert_true(hk_json_bool(&at, "b", HK_JSON_REQUIRED, &b) && b);
    assert_false(hk_json_bool(&at, "n", HK_JSON_REQUIRED, &b));
    assert_true(hk_json_string(&at, "s", HK_JSON_REQUIRED, &s) && !strcmp(s, "x"));
    assert_false(hk_json_string(&at, "n", HK_JSON_OPTIONAL, &s));
    assert_null(hk_json_get(obj, "N"));
    cJSON_Delete(obj);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_one_line),
        cmocka_unit_test(long_errors_are_cut_between_characters),
        cmocka_unit_test(arithmetic_is_checked),
        cmocka_unit_test(arena_memory_is_zeroed_and_aligned),
        cmocka_unit_test(bytes_grow),
        cmocka_unit_test(mappings_open_files_only),
        cmocka_unit_test(paths_join),
        cmocka_unit_test(cursor_errors_stick),
        cmocka_unit_test(json_depth_is_bounded),
        cmocka_unit_test(json_must_be_one_value),
        cmocka_unit_test(json_getters_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

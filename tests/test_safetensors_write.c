/* Files of tensors, written and read back by our own reader; whole, or not there at all.
 * `test_safetensors_write FILE` only writes a file, for check_safetensors.py, which reads it with the library. */
#include "loader/convert/safetensors_write.h"
#include "loader/file.h"
#include "tests/loader_testing.h"

#include <stdio.h>

/* check_safetensors.py has the same list. */
static const struct hk_st_tensor sample[] = {
    {.name = "f64", .dtype = "F64", .n_dims = 1, .shape = {3, 1, 1, 1}, .size = 24},
    {.name = "i64 of no dimension", .dtype = "I64", .n_dims = 0, .shape = {1, 1, 1, 1}, .size = 8},
    {.name = "base_model.model.layers.0.q_proj.lora_A.weight",
     .dtype = "F32",
     .n_dims = 2,
     .shape = {2, 5, 1, 1},
     .size = 40},
    {.name = "four dimensions", .dtype = "BF16", .n_dims = 4, .shape = {2, 1, 3, 5}, .size = 60},
    {.name = "nothing", .dtype = "F16", .n_dims = 2, .shape = {0, 7, 1, 1}, .size = 0},
    {.name = "f16", .dtype = "F16", .n_dims = 1, .shape = {1001, 1, 1, 1}, .size = 2002},
    {.name = "\"quoted\"\\ \xC3\xA4\xE2\x82\xAC\t",
     .dtype = "U8",
     .n_dims = 1,
     .shape = {3, 1, 1, 1},
     .size = 3},
};
enum { N_SAMPLE = sizeof sample / sizeof *sample };
static const struct hk_st_note notes[] = {{"format", "pt"}, {"who", "Hekla's \"tests\"\n"}};
enum { N_NOTES = sizeof notes / sizeof *notes };

/* Byte i of tensor k. */
static uint8_t byte_of(size_t k, uint64_t i)
{
    return (uint8_t)(k * 31 + i * 7);
}

static bool write_sample(const char *path, struct hk_error *err)
{
    struct hk_st_writer *w = hk_st_writer_open(path, sample, N_SAMPLE, notes, N_NOTES, err);
    bool ok = w != NULL;
    for (size_t k = 0; ok && k < N_SAMPLE; k++)
        for (uint64_t i = 0; ok && i < sample[k].size;) {
            uint8_t piece[97];
            size_t n = sample[k].size - i < sizeof piece ? (size_t)(sample[k].size - i) : sizeof piece;
            for (size_t j = 0; j < n; j++) piece[j] = byte_of(k, i + j);
            ok = hk_st_writer_write(w, piece, n, err);
            i += n;
        }
    if (ok) return hk_st_writer_commit(w, err);
    hk_st_writer_abandon(w);
    return false;
}

static void is_read_back(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], path[HK_TEST_PATH + 8];
    hk_test_folder_make(folder);
    snprintf(path, sizeof path, "%s/a", folder);
    struct hk_error err = {0};
    if (!write_sample(path, &err)) fail_msg("%s", err.text);

    struct hk_mapping *m = hk_mapping_open(path, &err);
    assert_non_null(m);
    struct hk_arena a = {0};
    struct hk_st_tensor *list;
    size_t n;
    if (!hk_safetensors_parse(&a, m->data, m->size, path, &list, &n, &err)) fail_msg("%s", err.text);
    assert_int_equal(n, N_SAMPLE);
    for (size_t k = 0; k < n; k++) {
        assert_string_equal(list[k].name, sample[k].name);
        assert_string_equal(list[k].dtype, sample[k].dtype);
        assert_int_equal(list[k].n_dims, sample[k].n_dims);
        assert_memory_equal(list[k].shape, sample[k].shape, sizeof list[k].shape);
        assert_int_equal(list[k].size, sample[k].size);
        for (uint64_t i = 0; i < list[k].size; i++) assert_int_equal(list[k].data[i], byte_of(k, i));
        assert_int_equal((list[k].data - m->data) % hk_st_dtype_bytes(list[k].dtype),
                         0); /* wide ones first */
    }
    hk_arena_free(&a);
    hk_mapping_close(m);
    hk_test_folder_remove(folder);
}

/* Opens, and fails with `part`. */
static void refuse(const char *path, const struct hk_st_tensor *t, size_t n, const struct hk_st_note *note,
                   const char *part)
{
    struct hk_error err = {0};
    assert_null(hk_st_writer_open(path, t, n, note, note ? 1 : 0, &err));
    assert_int_equal(err.code, HK_ERR_INPUT);
    hk_test_error_says(&err, part);
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], path[HK_TEST_PATH + 8];
    hk_test_folder_make(folder);
    snprintf(path, sizeof path, "%s/a", folder);
    const struct hk_st_tensor good = {
        .name = "t", .dtype = "F32", .n_dims = 1, .shape = {2, 1, 1, 1}, .size = 8};
    struct hk_st_tensor t[2] = {good, good};
    refuse(path, t, 2, NULL, "tensor t: is there twice");
    t[1] = (struct hk_st_tensor){.name = "u", .dtype = "Q8_0", .n_dims = 1, .shape = {2, 1, 1, 1}, .size = 8};
    refuse(path, t, 2, NULL, "tensor u: dtype Q8_0");
    t[1] = good;
    for (int i = 0; i < 4; i++) {
        static const char *const bad[] = {NULL, "", "\xFF", "__metadata__"};
        t[1].name = bad[i];
        refuse(path, t, 2, NULL, "a name in UTF-8");
    }
    t[1].name = "u";
    t[1].size = 9;
    refuse(path, t, 2, NULL, "9 bytes: the 8 of its shape");
    t[1].shape[0] = UINT64_MAX / 2;
    refuse(path, t, 2, NULL, "more than 2^64 bytes");
    t[1].n_dims = 5;
    refuse(path, t, 2, NULL, "5 dimensions: at most 4");
    t[1] = (struct hk_st_tensor){
        .name = "u", .dtype = "U8", .n_dims = 1, .shape = {UINT64_MAX, 1, 1, 1}, .size = UINT64_MAX};
    refuse(path, t, 2, NULL, "the tensors are more than 2^64 bytes");
    refuse(path, t, 1, &(struct hk_st_note){"key", "\xC3"}, "text in UTF-8");
    refuse(folder, t, 1, NULL, "is a folder");
    assert_int_equal(hk_path_kind(path), HK_PATH_MISSING);
    hk_test_folder_remove(folder);
}

static void is_whole_or_not_there(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], path[HK_TEST_PATH + 8];
    struct hk_error err = {0};
    struct hk_arena a = {0};
    const char *const *names;
    size_t n;
    hk_test_folder_make(folder);
    snprintf(path, sizeof path, "%s/a", folder);
    hk_test_write_text(folder, "a", "what was there");
    for (int way = 0; way < 3; way++) {
        struct hk_st_writer *w = hk_st_writer_open(path, sample, N_SAMPLE, NULL, 0, &err);
        assert_non_null(w);
        uint8_t bytes[2100] = {0};
        assert_true(hk_st_writer_write(w, bytes, 2100, &err));
        if (way == 0) { /* 37 bytes are left */
            assert_false(hk_st_writer_write(w, bytes, 38, &err));
            hk_test_error_says(&err, "38 bytes: the tensors have 37 more");
            hk_st_writer_abandon(w);
        } else if (way == 1) {
            assert_false(hk_st_writer_commit(w, &err));
            hk_test_error_says(&err, "37 bytes of its tensors did not come");
        } else {
            hk_st_writer_abandon(w);
        }
        assert_true(hk_folder_list(&a, folder, &names, &n, &err));
        assert_int_equal(n, 1);
        struct hk_mapping *m = hk_mapping_open(path, &err);
        assert_true(m && m->size == 14 && memcmp(m->data, "what was there", 14) == 0);
        hk_mapping_close(m);
    }
    hk_st_writer_abandon(NULL);
    hk_arena_free(&a);
    hk_test_folder_remove(folder);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_read_back),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(is_whole_or_not_there),
    };
    struct hk_error err = {0};
    if (argc < 2) return cmocka_run_group_tests(tests, NULL, NULL);
    if (write_sample(argv[1], &err)) return 0;
    fprintf(stderr, "%s\n", err.text);
    return 1;
}

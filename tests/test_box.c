/* The models in the box: a file that the assembler copied into the program is that file, byte for byte, and
 * names say what is there. Here a seed of the fuzz targets stands for a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "loader/checkpoint.h"

#define FILE_IN_BOX    HEKLA_SOURCE_DIR "/tests/fuzz/seeds/fuzz_gguf/spm.gguf"
#define HEKLA_BOX_CHAT FILE_IN_BOX
#include "tools/box.c"

static void same_bytes(void **state)
{
    (void)state;
    const struct box_model *m = box_find("box:chat");
    assert_non_null(m);
    FILE *f = fopen(FILE_IN_BOX, "rb");
    assert_non_null(f);
    size_t n = 0;
    for (int c; (c = fgetc(f)) != EOF; n++) {
        assert_true(n < (size_t)(m->end - m->data));
        assert_int_equal(m->data[n], c);
    }
    fclose(f);
    assert_int_equal(m->end - m->data, n);
    assert_int_equal((uintptr_t)m->data % 64, 0); /* as a mapped file, tensors are aligned in it */
}

static void opens(void **state)
{
    (void)state;
    struct hk_error err = {0};
    struct hk_checkpoint *by_path = hk_checkpoint_open(FILE_IN_BOX, NULL, &err);
    assert_non_null(by_path);
    struct hk_checkpoint *c = box_open("box", NULL, &err);
    assert_non_null(c);
    assert_string_equal(c->path, "box:chat");
    assert_string_equal(c->format, by_path->format);
    assert_int_equal(c->n_tensors, by_path->n_tensors);
    assert_int_equal(c->vocab.n_tokens, by_path->vocab.n_tokens);
    hk_checkpoint_close(c);
    hk_checkpoint_close(by_path);
}

static void names(void **state)
{
    (void)state;
    const char *in_box[] = {"box", "box:chat", "box:", "box:no such", "box:chat/x"};
    const char *files[] = {"", "bo", "boxes", "./box", "box/chat", "box.gguf", "/box", "BOX", "./box:chat"};
    for (size_t i = 0; i < sizeof in_box / sizeof in_box[0]; i++) assert_true(box_is_name(in_box[i]));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) assert_false(box_is_name(files[i]));
    assert_ptr_equal(box_find("box"), box_find("box:chat"));
    assert_null(box_find("box:base")); /* not in this one */
    struct hk_error err = {0};
    assert_null(box_open("box:chat/x", NULL, &err));
    assert_int_equal(err.code, HK_ERR_INPUT);
    assert_non_null(strstr(err.text, "box:chat/x: not in the box: box:chat would be accepted"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes),
        cmocka_unit_test(opens),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests_name("box", tests, NULL, NULL);
}

#include "tests/convert_testing.h"

#include <stdio.h>

void convert_path(const char *folder, const char *name, char out[HK_TEST_PATH])
{
    assert_true(snprintf(out, HK_TEST_PATH, "%s/%s", folder, name) < HK_TEST_PATH);
}

static void keep_note(void *user, const char *text)
{
    struct notes *n = user;
    size_t len = strlen(n->text);
    snprintf(n->text + len, sizeof n->text - len, "%s\n", text);
}

struct hk_checkpoint *convert_open(const char *path)
{
    struct hk_error err = {0};
    struct hk_checkpoint *c = hk_checkpoint_open(path, NULL, &err);
    if (!c) fail_msg("%s: %s", path, err.text);
    return c;
}

void convert_file(const char *in, const char *out, const char *type, struct notes *notes)
{
    struct hk_error err = {0};
    struct notes unread = {{0}};
    struct hk_checkpoint *c = convert_open(in);
    struct hk_convert_options opt = {
        .type = type, .n_threads = 3, .note = keep_note, .user = notes ? notes : &unread};
    if (!hk_convert(c, out, &opt, NULL, &err)) fail_msg("%s: %s", in, err.text);
    hk_checkpoint_close(c);
}

size_t convert_n_files(const char *folder)
{
    struct hk_arena a = {0};
    const char *const *names;
    size_t n = 0;
    assert_true(hk_folder_list(&a, folder, &names, &n, NULL));
    hk_arena_free(&a);
    return n;
}

void convert_refuse(struct hk_checkpoint *c, const char *folder, const char *name, const char *part)
{
    char out[HK_TEST_PATH];
    struct hk_error err = {0};
    size_t before = convert_n_files(folder);
    convert_path(folder, name, out);
    assert_false(hk_convert(c, out, NULL, NULL, &err));
    hk_test_error_says(&err, part);
    assert_int_equal(convert_n_files(folder), before);
}

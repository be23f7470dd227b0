#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "runtime/gpu/shader_table.h"

static void every_kernel_is_found_and_is_spirv(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < hk_n_shaders; i++) {
        assert_ptr_equal(hk_shader_find(hk_shaders[i].name), &hk_shaders[i]);
        assert_true(hk_shaders[i].n_words > 5);
        assert_int_equal(hk_shaders[i].words[0], 0x07230203); /* SPIR-V's magic number, in our byte order */
        if (i > 0) assert_true(strcmp(hk_shaders[i - 1].name, hk_shaders[i].name) < 0);
    }
    assert_true(hk_n_shaders > 0);
}

static void unknown_names_are_not_found(void **state)
{
    (void)state;
    static const char *const names[] = {"", "0", "no_such_kernel", "zzzz", "~"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) assert_null(hk_shader_find(names[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_is_found_and_is_spirv),
        cmocka_unit_test(unknown_names_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

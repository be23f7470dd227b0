/* Sequences on a device, under each driver. */
#include "tests/sequences_testing.h"

static void random_schedule(void **state)
{
    (void)state;
    hk_test_random_schedule(300, 10);
}

int main(void)
{
    const struct CMUnitTest more[] = {cmocka_unit_test(random_schedule)};
    return hk_test_sequences_main(NULL, 1e-3, more, 1);
}

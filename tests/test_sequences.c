/* Sequences on the C reference, and a long random schedule of what can be done with them. */
#include "tests/sequences_testing.h"

static void random_schedule(void **state)
{
    (void)state;
    hk_test_random_schedule(10000, 6);
}

int main(void)
{
    const struct CMUnitTest more[] = {cmocka_unit_test(random_schedule)};
    return hk_test_sequences_main("reference", 1e-5, more, 1);
}

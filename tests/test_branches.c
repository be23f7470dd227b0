/* Branches on the C reference. */
#include "tests/branches_testing.h"

int main(void)
{
    return hk_test_branches_main("reference");
}

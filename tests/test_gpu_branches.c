/* Branches on a device, under each driver. */
#include "tests/branches_testing.h"

int main(void)
{
    return hk_test_branches_main(NULL);
}

/* The models in the box on the C reference. */
#include "tests/box_testing.h"

int main(void)
{
    return hk_test_box_main("reference");
}

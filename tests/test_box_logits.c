/* The models in the box on the C reference. */
#include "box_testing.h"

int main(void)
{
    return hk_test_box_main("reference");
}

/* The models in the box on a Vulkan device. */
#include "tests/box_testing.h"

#include <stddef.h>

int main(void)
{
    return hk_test_box_main(NULL);
}

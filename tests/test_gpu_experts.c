/* Weights with an expert axis on a Vulkan device. */
#include "tests/experts_testing.h"

int main(void)
{
    return hk_test_experts_main(0);
}

/* Weights with an expert axis on the C reference. */
#include "tests/experts_testing.h"

int main(void)
{
    return hk_test_experts_main("reference");
}

/* Models on a Vulkan device. */
#include "tests/logits_testing.h"

int main(void)
{
    return hk_test_logits_main(NULL);
}

/* Models on the C reference. */
#include "tests/logits_testing.h"

int main(void)
{
    return hk_test_logits_main("reference");
}

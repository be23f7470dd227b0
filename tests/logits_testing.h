/* Models against what others computed: run by test_logits.c on the C reference and by test_gpu_logits.c on
 * devices. */
#ifndef HEKLA_TESTS_LOGITS_TESTING_H
#define HEKLA_TESTS_LOGITS_TESTING_H

#include <stddef.h>

/* Runs all of them with cmocka on the device of this name (NULL: the machine's). Returns main's status. */
int hk_test_logits_main(const char *select);

#endif

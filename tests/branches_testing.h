/* Branches of a session: run by test_branches.c on the C reference and by test_gpu_branches.c on devices. */
#ifndef HEKLA_TESTS_BRANCHES_TESTING_H
#define HEKLA_TESTS_BRANCHES_TESTING_H

#include <stddef.h>

/* As rig_main. */
int hk_test_branches_main(const char *select);

#endif

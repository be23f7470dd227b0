/* Weights with an expert axis; shared by test_experts.c and test_gpu_experts.c. */
#ifndef HEKLA_TESTS_EXPERTS_TESTING_H
#define HEKLA_TESTS_EXPERTS_TESTING_H

/* As rig_main's. */
int hk_test_experts_main(const char *select);

#endif

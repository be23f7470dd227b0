/* The models in the box against PyTorch: run by test_box_logits.c on the C reference and by
 * test_gpu_box_logits.c on devices. */
#ifndef HEKLA_TESTS_BOX_TESTING_H
#define HEKLA_TESTS_BOX_TESTING_H

/* Runs them with cmocka on the device of this name (NULL: the machine's). Returns main's status. */
int hk_test_box_main(const char *select);

#endif

/* Sequences of one runner: run by test_sequences.c on the C reference and by test_gpu_sequences.c on devices. */
#ifndef HEKLA_TESTS_SEQUENCES_TESTING_H
#define HEKLA_TESTS_SEQUENCES_TESTING_H

#include "tests/rig.h"

/* As rig_main; and what only one of the two runs. limit: by how much a logit may differ from that of the
 * sequence alone. */
int hk_test_sequences_main(const char *select, double limit, const struct CMUnitTest *more, size_t n_more);

/* Operations in random order on sequences of one runner, `each` of them between two comparisons with fresh sequences;
 * at the end every block is free. */
void hk_test_random_schedule(uint32_t n_operations, uint32_t each);

#endif

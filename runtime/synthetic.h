/* Random weights, for benchmarks and self-tests. */
#ifndef HEKLA_RUNTIME_SYNTHETIC_H
#define HEKLA_RUNTIME_SYNTHETIC_H

#include "loader/weights/types.h"

/* n random weights of magnitude about 0.05 in a type's file form at out: n / block_len blocks. */
void hk_weight_random(enum hk_weight_type type, void *out, uint64_t n, uint32_t seed);

#endif

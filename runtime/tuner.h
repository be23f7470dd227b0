/* Variants chosen by measuring on the user's device.
 *
 * When a model is opened, for each weight type and class of shapes that it has, the candidates of tune.h are run
 * on the model's own weights: a candidate whose result differs from the plainest one's is struck out, the fastest
 * of the rest is kept, in the user's cache directory, for this device, driver and kernel. */
#ifndef HEKLA_RUNTIME_TUNER_H
#define HEKLA_RUNTIME_TUNER_H

#include "runtime/backend.h"
#include "runtime/tensor.h"
#include "runtime/tune.h"

struct tuner;

/* cache_dir as in struct gpu_options. A cache that is missing, foreign or damaged is ignored. */
struct tuner *tuner_new(struct gpu *g, enum tuner_mode mode, const char *cache_dir, struct hk_error *err);
void tuner_free(struct tuner *t); /* NULL is accepted */

/* The backend's tune. Runs work on the device and waits for it, but touches no memory of the caller's; keeps what
 * it measured in the cache. */
bool tuner_measure(struct tuner *t, const struct hk_weight *const *weights, size_t n_weights,
                   const uint32_t *n_tokens, size_t n_counts, hk_progress_fn progress, void *user,
                   struct hk_error *err);

/* How to carry out dst (n_tokens, rows) = W x: as measured for such a shape, else as tune.c chooses. */
struct matmul_variant tuner_matmul(struct tuner *t, const struct hk_weight *w, uint32_t n_tokens);

#endif

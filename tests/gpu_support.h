/* What the tests of runtime/gpu/gpu.h share: a device that may pretend, and work whose results are exact. */
#ifndef HEKLA_TESTS_GPU_SUPPORT_H
#define HEKLA_TESTS_GPU_SUPPORT_H

#include "runtime/gpu/pretend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Fails the test with err.text unless the call succeeds. */
#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if (!(call)) fail_msg("%s: %s", #call, err.text);                                                    \
    } while (0)

/* The device as it is, and as it pretends to be. */
enum { N_MODES = 4 };
extern const struct gpu_pretend modes[N_MODES];
#define FOR_EACH_MODE(m) for (const struct gpu_pretend *m = modes; m < modes + N_MODES; m++)

/* Each fails the test when it cannot. */
struct gpu *open_as(const struct gpu_pretend *pretend); /* without a cache on disk */
struct gpu_kernel *scale_add(struct gpu *g);
struct gpu_arena *arena(struct gpu *g, enum gpu_memory kind);
struct gpu_span alloc(struct gpu_arena *a, uint64_t size);

/* Records dst[i] = src[i] * factor + term, `repeats` times over on the result, for i < n; 32-bit words.
 * params: the address of the factor, or 0. */
void record(struct gpu_recorder *rec, struct gpu_kernel *k, uint64_t dst, uint64_t src, uint32_t n,
            uint32_t factor, uint32_t term, uint32_t repeats, uint64_t params);

/* Whether there is a device; says on stdout why not. */
bool have_device(void);

#endif

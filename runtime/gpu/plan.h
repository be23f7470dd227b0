/* The decisions behind gpu.h that need no device: where a barrier, how much work at once, and gpu_choose.
 * Plain logic, no Vulkan: tests/test_schedule.c runs it anywhere. */
#ifndef HEKLA_RUNTIME_GPU_PLAN_H
#define HEKLA_RUNTIME_GPU_PLAN_H

#include "runtime/gpu/gpu.h"

/* What commands since the last barrier have read and written. Zero-initialise; gpu_plan_hazards_free
 * releases. */
struct gpu_range {
    uint64_t begin, end; /* device addresses, [begin, end) */
    bool write;
};
struct gpu_hazards {
    struct gpu_range *ranges;
    uint32_t n, capacity;
};

/* Notes the next command's accesses. *barrier: it has to wait for commands before it, because it reads what
 * one of them writes (RAW), or writes what one of them writes (WAW) or reads (WAR); reads after reads wait
 * for nothing. The barrier is a full one, so all earlier accesses are forgotten with it. False: out of
 * memory. */
bool gpu_plan_hazards_next(struct gpu_hazards *h, const struct gpu_access *access, uint32_t n, bool *barrier,
                           struct hk_error *err);
void gpu_plan_hazards_free(struct gpu_hazards *h);

/* What a dispatch costs, in bytes of memory traffic: arithmetic counts 1 byte for 8 operations (the balance
 * of most devices is between 5 and 30), the launch itself 64 KiB. */
double gpu_plan_cost(uint64_t bytes, uint64_t flops);
double gpu_plan_work(uint64_t bytes, uint64_t flops); /* without the launch */

/* How fast the device works through cost. */
struct gpu_rate {
    double per_second;
    bool measured;
};
enum {
    GPU_PLAN_TARGET_MS = 50
}; /* aim of a submission; half of the promise, as rates differ between kernels */

/* A guess that errs to the slow side, by type, until there is a measurement. */
struct gpu_rate gpu_plan_rate_guess(enum hk_device_type type);

/* Takes in that work of this cost kept the device busy for so long. Falls fast and rises slowly, as a
 * submission that is too long hurts and one too short costs little. A very short one says only that the rate
 * is no lower. */
void gpu_plan_rate_sample(struct gpu_rate *r, double cost, double seconds);

/* Cost up to which dispatches share a command buffer: command buffers are the grains that submissions are
 * made of. */
double gpu_plan_grain(enum hk_device_type type);

/* How many of the n > 0 grains from the first on go into one submission: as many as stay within the target,
 * at least 1. */
uint32_t gpu_plan_split(const double *cost, uint32_t n, const struct gpu_rate *r);

/* Size of an arena's next block: see gpu_arena_new. need: bytes of the span at hand; expected: of all spans,
 * 0 unknown; allocated: bytes of spans so far; taken: bytes of blocks so far; most: what one allocation may
 * have. */
uint64_t gpu_plan_block(uint64_t need, uint64_t expected, uint64_t allocated, uint64_t taken, uint64_t most);

#endif

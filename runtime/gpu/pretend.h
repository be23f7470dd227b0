/* For tests alone: a device that pretends to be weaker than it is, or to fail, or tells more. No Vulkan here. */
#ifndef HEKLA_RUNTIME_GPU_PRETEND_H
#define HEKLA_RUNTIME_GPU_PRETEND_H

#include "runtime/gpu/gpu.h"

/* All zero: nothing is pretended. */
struct gpu_pretend {
    bool no_timeline; /* fences instead of a timeline semaphore */
    bool no_direct;   /* device memory that the host cannot see: everything goes through staging */
    bool no_timestamps;
    uint32_t fail_allocation; /* the k-th allocation (host or device) from the opening on fails; 0: none */
    double rate;             /* of work, cost per second, instead of the guess and of measurements; 0: none */
    uint64_t max_allocation; /* bytes; 0: the device's own */
    uint64_t memory;         /* bytes of device memory in all; 0: the device's own */
    /* where the device can (VK_KHR_pipeline_executable_properties), its compiler says what it made of each kernel */
    bool statistics;
};

/* gpu_open on a device that pretends. pretend may be NULL. */
struct gpu *gpui_open(const struct gpu_options *opt, const struct gpu_pretend *pretend, struct hk_error *err);

/* What the open device pretends, to be changed while it is open (all but no_timeline, no_direct,
 * no_timestamps). */
struct gpu_pretend *gpui_pretend(struct gpu *g);

/* From now on the device is lost. */
void gpui_lose(struct gpu *g);

/* Submissions to the queue so far. */
uint64_t gpui_submissions(const struct gpu *g);

/* Whether the pipeline cache on disk was there, whole, and this device's. */
bool gpui_cache_loaded(const struct gpu *g);

#endif

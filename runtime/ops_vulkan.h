/* Between backend_vulkan.c and ops_vulkan.c. */
#ifndef HEKLA_RUNTIME_OPS_VULKAN_H
#define HEKLA_RUNTIME_OPS_VULKAN_H

#include "runtime/backend.h"
#include "runtime/tune.h"

struct tuner;

struct vulkan_backend {
    struct backend base;
    struct gpu *gpu;
    struct tuner *tuner;
};

struct vulkan_recorder {
    struct recorder base;
    struct gpu *gpu;
    struct tuner *tuner;
    struct gpu_recording *rec;
    struct hk_error error; /* the first failure; later ops are skipped */
};

/* Chooses the variant, fills its argument struct, dispatches. */
void vulkan_record(struct recorder *r, const struct op *op);

/* A matmul in one variant: what vulkan_record does once the tuner has chosen, and what the tuner times. */
void vulkan_record_matmul(struct vulkan_recorder *r, const struct op *op, struct matmul_variant v);
/* The kernel's name is its shader's, with the weight type where it reads weights ("matvec_q8_0"). */
void vulkan_kernel_name(const char *kernel, const struct hk_weight *w, char out[64]);

#endif

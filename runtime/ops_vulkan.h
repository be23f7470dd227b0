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
    struct gpu_recorder *rec;
};

/* The backend's emit: of each op chooses the variant, fills its argument struct, dispatches. */
void vulkan_emit(struct recorder *r, const struct op *ops, size_t n);

/* A matmul in one variant: what vulkan_emit does once the tuner has chosen, and what the tuner times. */
void vulkan_emit_matmul(struct vulkan_recorder *r, const struct op *op, struct matmul_variant v);
/* The kernel's name is its shader's, with the weight type where it reads weights ("matvec_q8_0"). */
void vulkan_kernel_name(const char *kernel, const struct hk_weight *w, char out[64]);

#endif

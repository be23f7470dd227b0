/* Between backend_vulkan.c and ops_vulkan.c. */
#ifndef HEKLA_RUNTIME_OPS_VULKAN_H
#define HEKLA_RUNTIME_OPS_VULKAN_H

#include "backend.h"

struct vulkan_backend {
    struct backend base;
    struct gpu *gpu;
};

struct vulkan_recorder {
    struct recorder base;
    struct gpu *gpu;
    struct gpu_recording *rec;
    struct hk_error error; /* the first failure; later ops are skipped */
};

/* Chooses the variant, fills its argument struct, dispatches. */
void vulkan_record(struct recorder *r, const struct op *op);

#endif

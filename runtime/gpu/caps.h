/* What a device is and can do, and where its time went: gpu.h's part of the public interface. */
#ifndef HEKLA_RUNTIME_GPU_CAPS_H
#define HEKLA_RUNTIME_GPU_CAPS_H

#include "loader/api.h"

enum hk_device_type {
    HK_DEVICE_OTHER,
    HK_DEVICE_INTEGRATED,
    HK_DEVICE_DISCRETE,
    HK_DEVICE_VIRTUAL,
    HK_DEVICE_CPU
};

enum { HK_MAX_HEAPS = 16, HK_MAX_FEATURES = 24 };

/* An optional feature: whether the device has it, whether Hekla uses it here, and if not, why. */
struct hk_device_feature {
    const char *name;
    bool present, used;
    char why[96]; /* "", or why it is not used, or what is used instead */
};

struct hk_device_heap {
    uint64_t size;   /* bytes */
    uint64_t budget; /* what this process may still take (VK_EXT_memory_budget, else size) */
    bool device_local, host_visible;
};

/* What a device is and can do: everything `hekla devices` prints and everything the variants depend on. */
struct hk_device_caps {
    char name[256], driver[256], driver_version[256];
    char api_version[16];
    enum hk_device_type type;
    uint32_t vendor_id, device_id;
    uint8_t uuid[16];           /* of the pipeline cache: device and driver build */
    bool usable;                /* meets the floor: Vulkan 1.1 + bufferDeviceAddress */
    char unusable_why[128];     /* the missing feature */
    uint32_t subgroup_size;     /* default size; a path may not depend on it */
    uint32_t max_invocations;   /* per workgroup */
    uint32_t max_group_size[3]; /* per dimension */
    uint32_t max_groups[3];     /* per dispatch dimension */
    uint32_t shared_bytes;      /* shared memory of a workgroup */
    uint64_t max_allocation;    /* bytes in one allocation */
    bool unified_memory;        /* device-local memory that the host sees, all of it */
    bool fp16, int8_dot, coopmat, subgroup_arithmetic, timestamps;
    /* (m, k) x (k, n) of f16 into f32 by a subgroup, powers of two; 0 where !coopmat */
    uint32_t coopmat_m, coopmat_n, coopmat_k;
    double timestamp_ns; /* nanoseconds per tick */
    uint32_t n_heaps;
    struct hk_device_heap heaps[HK_MAX_HEAPS];
    uint32_t n_features;
    struct hk_device_feature features[HK_MAX_FEATURES];
};

/* Time by kernel. */
struct hk_profile_row {
    const char *label;
    const char *kernel; /* shader's name */
    uint64_t calls;
    double seconds;
    uint64_t bytes, flops;
};
#endif

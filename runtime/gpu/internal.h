/* What the .c files of this folder share. The only header that includes Vulkan; beside them only tests see it.
 *
 * instance.c  the Vulkan library, the devices, what each can do        -> struct gpu_probe
 * device.c    opening one of them                                      -> struct gpu
 * memory.c    blocks of device memory, arenas, uploads through staging
 * kernel.c    pipelines and their cache on disk
 * scheduler.c recorders, submissions, waiting, profile
 *
 * There is one queue. Each submission gets the next ticket (1, 2, ...) and ends with a full memory barrier,
 * so that a submission sees everything before it, and a ticket is done when all earlier ones are. */
#ifndef HEKLA_RUNTIME_GPU_INTERNAL_H
#define HEKLA_RUNTIME_GPU_INTERNAL_H

#include <volk.h>

#include "runtime/gpu/gpu.h"
#include "runtime/gpu/plan.h"
#include "runtime/gpu/pretend.h"

/* ---- instance and devices: instance.c ---- */

/* Feature structs as Vulkan fills them; after gpui_probe only the bits that Hekla enables are left. */
struct gpu_enabled {
    VkPhysicalDeviceFeatures2 core; /* the head of the chain */
    VkPhysicalDevice16BitStorageFeatures storage16;
    VkPhysicalDevice8BitStorageFeatures storage8;
    VkPhysicalDeviceShaderFloat16Int8Features float16_int8;
    VkPhysicalDeviceBufferDeviceAddressFeatures address;
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline;
    VkPhysicalDeviceVulkanMemoryModelFeatures memory_model;
    VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_size;
    VkPhysicalDeviceShaderIntegerDotProductFeatures dot;
    VkPhysicalDeviceMaintenance4Features maintenance4;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables; /* only where gpu_pretend asks */
#ifdef VK_KHR_cooperative_matrix
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR coopmat;
#endif
};

enum { GPUI_MAX_EXTENSIONS = 16 };

/* A device before it is opened. Holds pointers into itself: never copied. */
struct gpu_probe {
    VkPhysicalDevice handle;
    struct hk_device_caps caps;
    struct gpu_enabled enabled;
    const char *extensions[GPUI_MAX_EXTENSIONS]; /* to enable: those that its version does not contain */
    uint32_t n_extensions;
    uint32_t version; /* of Vulkan, as far as instance and device both have it, at most 1.3 */
    uint32_t family;  /* queue family */
    VkQueueFamilyProperties queue;
    VkSubgroupFeatureFlags subgroup_operations; /* in compute shaders */
    bool memory_budget;
    bool direct; /* unified memory that the host caches */
};

bool gpui_instance_open(VkInstance *instance, struct hk_error *err);
/* *devices is freed by the caller; an empty list is an error. */
bool gpui_devices(VkInstance instance, VkPhysicalDevice **devices, uint32_t *n, struct hk_error *err);
bool gpui_probe(VkPhysicalDevice device, struct gpu_probe *p, struct hk_error *err);
/* Fills heaps[].budget: what this process may still take. memory_budget: whether the device has the
 * extension. */
void gpui_read_budget(VkPhysicalDevice device, bool memory_budget, struct hk_device_caps *caps);

/* ---- an open device: device.c ---- */

struct gpu_block { /* one allocation with one buffer over all of it */
    VkBuffer buffer;
    VkDeviceMemory memory;
    uint64_t addr, size, used;
    unsigned char *host; /* mapped, or NULL */
    struct gpu_block *next;
    uint32_t heap;
};

enum { GPUI_STAGING_PIECES = 3, GPUI_STAGING_COPIES = 64 };

struct gpu_staging_piece {
    VkCommandBuffer commands;
    uint64_t ticket; /* of its last submission */
    uint64_t used;   /* bytes */
    uint32_t n;
    struct {
        VkBuffer dst;
        VkBufferCopy region;
    } copy[GPUI_STAGING_COPIES];
};

struct gpu_staging { /* made at first use; never on a device whose memory the host writes directly */
    struct gpu_block *block;
    VkCommandPool pool;
    uint32_t current;
    struct gpu_staging_piece piece[GPUI_STAGING_PIECES];
};

enum { GPUI_FENCES = 16, GPUI_COSTS = 256, GPUI_KERNEL_BUCKETS = 64 };

struct gpu {
    struct hk_device_caps caps;
    struct gpu_probe *probe;
    struct gpu_pretend pretend;
    bool profile, lost, budget_ext;
    char cache_path[1024]; /* of the pipeline cache; "": none */

    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    struct VolkDeviceTable vk;
    PFN_vkGetBufferDeviceAddress get_address;
    PFN_vkWaitSemaphores wait_semaphores;
    PFN_vkGetSemaphoreCounterValue semaphore_value;

    /* memory */
    VkPhysicalDeviceMemoryProperties memory;
    bool direct;               /* weights and state are mapped and cached: the host writes them in place */
    struct gpu_block **blocks; /* all blocks by address */
    uint32_t n_blocks, blocks_capacity;
    uint64_t taken[VK_MAX_MEMORY_HEAPS];
    struct gpu_staging staging;
    bool upload_open, upload_direct;

    /* kernels */
    VkPipelineLayout layout;
    VkPipelineCache cache;
    bool cache_dirty, cache_loaded;
    uint64_t cache_checksum; /* of what was loaded */
    struct gpu_kernel *kernels[GPUI_KERNEL_BUCKETS];

    /* schedule */
    VkSemaphore timeline; /* or, without: */
    struct {
        VkFence fence;
        uint64_t ticket;
    } fences[GPUI_FENCES];
    uint64_t submitted, completed; /* tickets */
    struct gpu_rate rate;
    double total_cost;          /* submitted so far */
    double cost_at[GPUI_COSTS]; /* total_cost up to ticket t, at t % GPUI_COSTS */
    uint64_t mark_ticket;       /* at mark_time exactly this ticket was done and nothing after it had begun */
    double mark_time;           /* 0: no such moment is known */
    struct gpu_recorder *recorders; /* all, with profile */
    struct hk_profile_row *rows;
    uint32_t n_rows, rows_capacity;
};

/* False and *err for any result but VK_SUCCESS; notes a lost device. what: "submit", ... */
bool gpui_ok(struct gpu *g, VkResult r, const char *what, struct hk_error *err);
/* False and *err on a lost device. */
bool gpui_alive(const struct gpu *g, const char *what, struct hk_error *err);
/* Whether the pretended failure falls on this allocation; counts it. */
bool gpui_fails(struct gpu *g);
/* calloc, subject to gpui_fails. */
void *gpui_calloc(struct gpu *g, size_t count, size_t size, struct hk_error *err);
const char *gpui_result_name(VkResult r);

/* ---- memory: memory.c ---- */

bool gpui_memory_open(struct gpu *g, struct hk_error *err);
void gpui_memory_close(struct gpu *g);
/* The block that [addr, addr + size) lies in, or NULL. */
struct gpu_block *gpui_find(const struct gpu *g, uint64_t addr, uint64_t size);
/* Submits uploads that wait in the staging ring, so that they come before what is submitted next. */
bool gpui_flush_uploads(struct gpu *g, struct hk_error *err);

/* ---- kernels: kernel.c ---- */

struct gpu_kernel {
    struct gpu_kernel *next; /* in its bucket */
    const char *name;
    VkPipeline pipeline;
    uint32_t n_spec, spec[GPU_MAX_SPEC];
};

/* Capabilities by their numbers in the SPIR-V specification, 3.31: those that a kernel may ask a device for. */
enum gpui_capability {
    SPV_SHADER = 1,
    SPV_FLOAT16 = 9,
    SPV_INT16 = 22,
    SPV_INT8 = 39,
    SPV_SUBGROUP = 61,
    SPV_SUBGROUP_VOTE,
    SPV_SUBGROUP_ARITHMETIC,
    SPV_SUBGROUP_BALLOT,
    SPV_SUBGROUP_SHUFFLE,
    SPV_SUBGROUP_SHUFFLE_RELATIVE,
    SPV_SUBGROUP_CLUSTERED,
    SPV_SUBGROUP_QUAD,
    SPV_STORAGE_16 = 4433,
    SPV_UNIFORM_STORAGE_16,
    SPV_STORAGE_8 = 4448,
    SPV_UNIFORM_STORAGE_8,
    SPV_MEMORY_MODEL = 5345,
    SPV_MEMORY_MODEL_DEVICE_SCOPE,
    SPV_ADDRESSES, /* PhysicalStorageBufferAddresses */
    SPV_DOT_INPUT_ALL = 6016,
    SPV_DOT_INPUT_4X8,
    SPV_DOT_INPUT_4X8_PACKED,
    SPV_DOT,
    SPV_COOPMAT = 6022, /* CooperativeMatrixKHR */
};
/* Whether a kernel of this build declares the capability. */
bool gpui_build_uses(enum gpui_capability capability);

bool gpui_kernels_open(struct gpu *g, const char *cache_dir, struct hk_error *err);
void gpui_kernels_close(struct gpu *g);

/* ---- schedule: scheduler.c ---- */

bool gpui_schedule_open(struct gpu *g, struct hk_error *err);
void gpui_schedule_close(struct gpu *g);
/* Submits one command buffer list as one submission that costs so much. */
bool gpui_submit(struct gpu *g, const VkCommandBuffer *commands, uint32_t n, double cost, uint64_t *ticket,
                 struct hk_error *err);
/* Everything before becomes visible to everything after, on the device and to the host. */
void gpui_full_barrier(struct gpu *g, VkCommandBuffer commands);
bool gpui_begin(struct gpu *g, VkCommandBuffer commands, VkCommandBufferUsageFlags flags,
                struct hk_error *err);

#endif

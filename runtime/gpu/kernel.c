/* Kernels: pipelines made at first use from embedded SPIR-V, and the driver's cache of them on disk. */
#include "runtime/gpu/internal.h"

#include "runtime/os.h"
#include "runtime/gpu/shader_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the cache on disk ---- */

/* A file of ours begins with this; Vulkan's own data follows. Drivers check their part, but not for damage. */
struct cache_header {
    char magic[8];
    uint32_t vendor_id, device_id, driver_version, reserved;
    uint8_t uuid[16];
    uint64_t length, checksum; /* of the data after this header */
};
static const char cache_magic[8] = {'h', 'k', 'p', 'i', 'p', 'e', '0', '1'};
static const size_t cache_max = (size_t)256 << 20;

static struct cache_header header_for(const struct gpu *g, const void *data, size_t length)
{
    VkPhysicalDeviceProperties p;
    vkGetPhysicalDeviceProperties(g->physical, &p);
    struct cache_header h = {
        .vendor_id = p.vendorID, .device_id = p.deviceID, .driver_version = p.driverVersion};
    memcpy(h.magic, cache_magic, sizeof h.magic);
    memcpy(h.uuid, p.pipelineCacheUUID, sizeof h.uuid);
    h.length = length;
    h.checksum = hk_hash(HK_HASH_START, data, length);
    return h;
}

/* The data of a cache file that was written for this device and arrived whole, else nothing. */
static const void *checked(const struct gpu *g, const unsigned char *file, size_t size, size_t *length)
{
    *length = 0;
    if (size < sizeof(struct cache_header)) return NULL;
    const unsigned char *data = file + sizeof(struct cache_header);
    size_t n = size - sizeof(struct cache_header);
    struct cache_header want = header_for(g, data, n);
    if (memcmp(file, &want, sizeof want) != 0) return NULL;
    *length = n;
    return data;
}

/* One file for each device and driver build, named by what tells them apart. */
static void cache_path(struct gpu *g, const char *dir)
{
    char user[512], name[33];
    if (!dir && hk_os_cache_dir(user, sizeof user)) dir = user;
    if (!dir || !*dir || !hk_os_make_dirs(dir)) return;
    for (int i = 0; i < 16; i++) snprintf(name + 2 * i, 3, "%02x", g->caps.uuid[i]);
    VkPhysicalDeviceProperties p;
    vkGetPhysicalDeviceProperties(g->physical, &p);
    int n = snprintf(g->cache_path, sizeof g->cache_path, "%s/pipelines-%s-%08x", dir, name, p.driverVersion);
    if (n < 0 || (size_t)n >= sizeof g->cache_path) g->cache_path[0] = 0;
}

static bool open_cache(struct gpu *g, struct hk_error *err)
{
    size_t size = 0, length = 0;
    unsigned char *file = g->cache_path[0] ? hk_os_read_file(g->cache_path, cache_max, &size) : NULL;
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    if (file) info.pInitialData = checked(g, file, size, &length);
    info.initialDataSize = length;
    VkResult r = g->vk.vkCreatePipelineCache(g->device, &info, NULL, &g->cache);
    if (r != VK_SUCCESS && length) { /* the driver dislikes what it wrote itself: start afresh */
        info.initialDataSize = 0;
        info.pInitialData = NULL;
        r = g->vk.vkCreatePipelineCache(g->device, &info, NULL, &g->cache);
    }
    g->cache_loaded = r == VK_SUCCESS && info.initialDataSize > 0;
    if (g->cache_loaded) g->cache_checksum = hk_hash(HK_HASH_START, info.pInitialData, length);
    free(file);
    return gpui_ok(g, r, "making a pipeline cache", err);
}

bool gpui_cache_loaded(const struct gpu *g)
{
    return g->cache_loaded;
}

/* Failure to save costs the next start some time and nothing else. */
static void save_cache(struct gpu *g)
{
    size_t n = 0;
    if (!g->cache_path[0] || !g->cache_dirty || g->lost) return;
    if (g->vk.vkGetPipelineCacheData(g->device, g->cache, &n, NULL) != VK_SUCCESS || !n || n > cache_max)
        return;
    unsigned char *file = malloc(sizeof(struct cache_header) + n);
    if (!file) return;
    if (g->vk.vkGetPipelineCacheData(g->device, g->cache, &n, file + sizeof(struct cache_header)) ==
        VK_SUCCESS) {
        struct cache_header h = header_for(g, file + sizeof h, n);
        memcpy(file, &h, sizeof h);
        if (!g->cache_loaded || g->cache_checksum != h.checksum)
            hk_os_replace_file(g->cache_path, file, sizeof h + n);
    }
    free(file);
}

/* ---- kernels ---- */

bool gpui_kernels_open(struct gpu *g, const char *cache_dir, struct hk_error *err)
{
    const VkPushConstantRange push = {VK_SHADER_STAGE_COMPUTE_BIT, 0, GPU_MAX_PUSH};
    const VkPipelineLayoutCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                             .pushConstantRangeCount = 1,
                                             .pPushConstantRanges = &push};
    if (!gpui_ok(g, g->vk.vkCreatePipelineLayout(g->device, &info, NULL, &g->layout),
                 "making a pipeline layout", err))
        return false;
    cache_path(g, cache_dir);
    return open_cache(g, err);
}

void gpui_kernels_close(struct gpu *g)
{
    if (g->cache) save_cache(g);
    for (int i = 0; i < GPUI_KERNEL_BUCKETS; i++) {
        while (g->kernels[i]) {
            struct gpu_kernel *k = g->kernels[i];
            g->kernels[i] = k->next;
            g->vk.vkDestroyPipeline(g->device, k->pipeline, NULL);
            free(k);
        }
    }
    g->vk.vkDestroyPipelineCache(g->device, g->cache, NULL);
    g->vk.vkDestroyPipelineLayout(g->device, g->layout, NULL);
}

/* The capability that the module declares at word *i (5 to begin with: they come first), 0 after the last. */
static uint32_t next_capability(const struct hk_shader *shader, uint32_t *i)
{
    const uint32_t op_capability = 17;
    if (*i + 1 >= shader->n_words || (shader->words[*i] & 0xffff) != op_capability) return 0;
    *i += 2;
    return shader->words[*i - 1];
}

bool gpui_build_uses(enum gpui_capability capability)
{
    for (uint32_t s = 0; s < hk_n_shaders; s++)
        for (uint32_t i = 5, c; (c = next_capability(&hk_shaders[s], &i));)
            if (c == (uint32_t)capability) return true;
    return false;
}

/* What a capability asks of a device; NULL: the device has it. */
static const char *lacks(const struct gpu *g, uint32_t capability)
{
    const struct gpu_enabled *f = &g->probe->enabled;
    VkSubgroupFeatureFlags s = g->probe->subgroup_operations;
    switch (capability) {
    case SPV_SHADER:
    case SPV_ADDRESSES:
        return NULL;
    case SPV_FLOAT16:
        return f->float16_int8.shaderFloat16 ? NULL : "fp16 arithmetic";
    case SPV_INT16:
        return f->core.features.shaderInt16 ? NULL : "16-bit integers";
    case SPV_INT8:
        return f->float16_int8.shaderInt8 ? NULL : "8-bit integers";
    case SPV_STORAGE_16:
        return f->storage16.storageBuffer16BitAccess ? NULL : "16-bit storage";
    case SPV_UNIFORM_STORAGE_16:
        return f->storage16.uniformAndStorageBuffer16BitAccess ? NULL : "16-bit storage";
    case SPV_STORAGE_8:
        return f->storage8.storageBuffer8BitAccess ? NULL : "8-bit storage";
    case SPV_UNIFORM_STORAGE_8:
        return f->storage8.uniformAndStorageBuffer8BitAccess ? NULL : "8-bit storage";
    case SPV_SUBGROUP:
        return s & VK_SUBGROUP_FEATURE_BASIC_BIT ? NULL : "subgroup operations";
    case SPV_SUBGROUP_VOTE:
        return s & VK_SUBGROUP_FEATURE_VOTE_BIT ? NULL : "subgroup votes";
    case SPV_SUBGROUP_ARITHMETIC:
        return s & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT ? NULL : "subgroup arithmetic";
    case SPV_SUBGROUP_BALLOT:
        return s & VK_SUBGROUP_FEATURE_BALLOT_BIT ? NULL : "subgroup ballots";
    case SPV_SUBGROUP_SHUFFLE:
        return s & VK_SUBGROUP_FEATURE_SHUFFLE_BIT ? NULL : "subgroup shuffles";
    case SPV_SUBGROUP_SHUFFLE_RELATIVE:
        return s & VK_SUBGROUP_FEATURE_SHUFFLE_RELATIVE_BIT ? NULL : "relative subgroup shuffles";
    case SPV_SUBGROUP_CLUSTERED:
        return s & VK_SUBGROUP_FEATURE_CLUSTERED_BIT ? NULL : "clustered subgroup operations";
    case SPV_SUBGROUP_QUAD:
        return s & VK_SUBGROUP_FEATURE_QUAD_BIT ? NULL : "quad operations";
    case SPV_MEMORY_MODEL:
        return f->memory_model.vulkanMemoryModel ? NULL : "the Vulkan memory model";
    case SPV_MEMORY_MODEL_DEVICE_SCOPE:
        return f->memory_model.vulkanMemoryModelDeviceScope ? NULL : "device scope in the memory model";
    case SPV_DOT_INPUT_ALL:
    case SPV_DOT_INPUT_4X8:
    case SPV_DOT_INPUT_4X8_PACKED:
    case SPV_DOT:
        return f->dot.shaderIntegerDotProduct ? NULL : "integer dot products";
#ifdef VK_KHR_cooperative_matrix
    case SPV_COOPMAT:
        return f->coopmat.cooperativeMatrix ? NULL : "cooperative matrices";
#endif
    default:
        return "a capability that Hekla does not enable";
    }
}

/* Refuses a shader that needs what the device lacks: a driver may crash on it instead. */
static bool supported(const struct gpu *g, const struct hk_shader *shader, struct hk_error *err)
{
    for (uint32_t i = 5, c; (c = next_capability(shader, &i));) {
        const char *missing = lacks(g, c);
        if (missing)
            return hk_fail(err, HK_ERR_UNSUPPORTED, "%s: kernel %s needs %s (SPIR-V capability %u)",
                           g->caps.name, shader->name, missing, c);
    }
    return true;
}

static bool make_pipeline(struct gpu *g, struct gpu_kernel *k, const struct hk_shader *shader,
                          struct hk_error *err)
{
    VkSpecializationMapEntry entries[GPU_MAX_SPEC];
    for (uint32_t i = 0; i < k->n_spec; i++) entries[i] = (VkSpecializationMapEntry){i, i * 4, 4};
    const VkSpecializationInfo spec = {k->n_spec, entries, k->n_spec * sizeof k->spec[0], k->spec};
    const VkShaderModuleCreateInfo module_info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                                  .codeSize = (size_t)shader->n_words * 4,
                                                  .pCode = shader->words};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .pName = "main",
                  .pSpecializationInfo = &spec},
        .layout = g->layout};
    if (g->probe->enabled.executables.pipelineExecutableInfo)
        info.flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR |
                     VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
    VkResult r = g->vk.vkCreateShaderModule(g->device, &module_info, NULL, &info.stage.module);
    if (r == VK_SUCCESS) {
        r = g->vk.vkCreateComputePipelines(g->device, g->cache, 1, &info, NULL, &k->pipeline);
        g->vk.vkDestroyShaderModule(g->device, info.stage.module, NULL);
    }
    if (gpui_ok(g, r, "compiling", err)) return true;
    return hk_fail_prefix(err, "kernel %s", shader->name);
}

struct gpu_kernel *gpu_kernel_get(struct gpu *g, const char *name, const uint32_t *spec, uint32_t n_spec,
                                  struct hk_error *err)
{
    if (n_spec > GPU_MAX_SPEC) {
        hk_fail(err, HK_ERR_INPUT, "kernel %s: %u specialization constants: at most %d", name, n_spec,
                GPU_MAX_SPEC);
        return NULL;
    }
    size_t spec_size = n_spec * sizeof *spec;
    uint64_t h = hk_hash(HK_HASH_START, name, strlen(name));
    if (n_spec) h = hk_hash(h, spec, spec_size);
    struct gpu_kernel **bucket = &g->kernels[h % GPUI_KERNEL_BUCKETS];
    for (struct gpu_kernel *k = *bucket; k; k = k->next)
        if (k->n_spec == n_spec && !strcmp(k->name, name) && (!n_spec || !memcmp(k->spec, spec, spec_size)))
            return k;

    if (!gpui_alive(g, "making a kernel", err)) return NULL;
    const struct hk_shader *shader = hk_shader_find(name);
    if (!shader) {
        hk_fail(err, HK_ERR_UNSUPPORTED, "kernel %s: not in this build (its glslang may be too old)", name);
        return NULL;
    }
    if (!supported(g, shader, err)) return NULL;
    if (n_spec && (spec[0] > g->caps.max_invocations || spec[0] > g->caps.max_group_size[0])) {
        hk_fail(err, HK_ERR_UNSUPPORTED, "%s: kernel %s: workgroups of %u: at most %u", g->caps.name, name,
                spec[0], g->caps.max_invocations);
        return NULL;
    }
    struct gpu_kernel *k = gpui_calloc(g, 1, sizeof *k, err);
    if (!k) return NULL;
    k->name = shader->name;
    k->n_spec = n_spec;
    if (n_spec) memcpy(k->spec, spec, spec_size);
    if (!make_pipeline(g, k, shader, err)) {
        free(k);
        return NULL;
    }
    k->next = *bucket;
    *bucket = k;
    g->cache_dirty = true;
    return k;
}

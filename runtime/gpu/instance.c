/* The Vulkan library, its devices, and what each of them can do. */
#include "runtime/gpu/internal.h"

#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- instance ---- */

static bool instance_has(const char *extension)
{
    uint32_t n = 0;
    if (vkEnumerateInstanceExtensionProperties(NULL, &n, NULL) != VK_SUCCESS || !n) return false;
    VkExtensionProperties *list = calloc(n, sizeof *list);
    if (!list) return false;
    bool found = false;
    if (vkEnumerateInstanceExtensionProperties(NULL, &n, list) >= 0)
        for (uint32_t i = 0; i < n && !found; i++) found = !strcmp(list[i].extensionName, extension);
    free(list);
    return found;
}

bool gpui_instance_open(VkInstance *instance, struct hk_error *err)
{
    /* The library stays loaded for the life of the process: unloading drivers and loading them again is
     * fragile. */
    if (!vkGetInstanceProcAddr && volkInitialize() != VK_SUCCESS)
        return hk_fail(err, HK_ERR_DEVICE,
                       "Vulkan: the library (libvulkan.so.1) was not found: install libvulkan1 "
                       "(Fedora, Arch: vulkan-loader)");
    if (volkGetInstanceVersion() < VK_API_VERSION_1_1)
        return hk_fail(err, HK_ERR_DEVICE,
                       "Vulkan: the library is version 1.0: install a libvulkan1 of 1.1 or newer");
    const VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                   .pApplicationName = "hekla",
                                   .apiVersion = VK_API_VERSION_1_3};
    const char *extensions[1];
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                 .pApplicationInfo = &app,
                                 .ppEnabledExtensionNames = extensions};
    if (instance_has(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) {
        /* else the loader hides MoltenVK and other layered drivers */
        extensions[info.enabledExtensionCount++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
        info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    }
    VkResult r = vkCreateInstance(&info, NULL, instance);
    if (r == VK_ERROR_INCOMPATIBLE_DRIVER)
        return hk_fail(err, HK_ERR_DEVICE,
                       "Vulkan: no driver (ICD) was found: install mesa-vulkan-drivers or your "
                       "GPU's own driver");
    if (r != VK_SUCCESS)
        return hk_fail(err, HK_ERR_DEVICE, "Vulkan: the library could not start: %s", gpui_result_name(r));
    volkLoadInstanceOnly(*instance);
    return true;
}

bool gpui_devices(VkInstance instance, VkPhysicalDevice **devices, uint32_t *n, struct hk_error *err)
{
    *devices = NULL;
    *n = 0;
    VkResult r = vkEnumeratePhysicalDevices(instance, n, NULL);
    /* the loader reports a driver without a device as a failed initialization */
    if (r == VK_ERROR_INITIALIZATION_FAILED || (r == VK_SUCCESS && *n == 0))
        return hk_fail(err, HK_ERR_DEVICE,
                       "Vulkan: a driver is installed, but it shows no device: check that you may "
                       "open /dev/dri/renderD* (group render), or install mesa-vulkan-drivers for "
                       "a software device");
    if (r != VK_SUCCESS)
        return hk_fail(err, HK_ERR_DEVICE, "Vulkan: listing devices failed: %s", gpui_result_name(r));
    *devices = hk_calloc(*n, sizeof **devices, err);
    if (!*devices) return false;
    r = vkEnumeratePhysicalDevices(instance, n, *devices);
    if (r == VK_SUCCESS || r == VK_INCOMPLETE) return true;
    free(*devices);
    *devices = NULL;
    return hk_fail(err, HK_ERR_DEVICE, "Vulkan: listing devices failed: %s", gpui_result_name(r));
}

/* ---- what a device can do ---- */

struct extensions {
    VkExtensionProperties *list;
    uint32_t n;
};

static bool listed(const struct extensions *e, const char *name)
{
    for (uint32_t i = 0; i < e->n; i++)
        if (!strcmp(e->list[i].extensionName, name)) return true;
    return false;
}

/* Whether the device has the extension, or a version that contains it (0: none does). Notes it for enabling. */
static bool take(struct gpu_probe *p, const struct extensions *e, const char *name, uint32_t core_since)
{
    if (core_since && p->version >= core_since) return true;
    if (!listed(e, name) || p->n_extensions == GPUI_MAX_EXTENSIONS) return false;
    p->extensions[p->n_extensions++] = name;
    return true;
}

static void chain(void **tail[], void *feature, void **next)
{
    **tail = feature;
    *tail = next;
}

/* Asks for the features, then leaves only those bits that Hekla enables. */
static void probe_features(struct gpu_probe *p, const struct extensions *e)
{
    struct gpu_enabled *f = &p->enabled;
    *f = (struct gpu_enabled){.core.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    void **tail = &f->core.pNext;
#define HAVE(field, type, extension, core_since)                                                             \
    if (take(p, e, extension, core_since)) {                                                                 \
        f->field.sType = type;                                                                               \
        chain(&tail, &f->field, &f->field.pNext);                                                            \
    }
    HAVE(storage16, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES, "VK_KHR_16bit_storage",
         VK_API_VERSION_1_1)
    HAVE(storage8, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES, "VK_KHR_8bit_storage",
         VK_API_VERSION_1_2)
    HAVE(float16_int8, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
         "VK_KHR_shader_float16_int8", VK_API_VERSION_1_2)
    HAVE(address, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES,
         "VK_KHR_buffer_device_address", VK_API_VERSION_1_2)
    HAVE(timeline, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, "VK_KHR_timeline_semaphore",
         VK_API_VERSION_1_2)
    HAVE(memory_model, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES,
         "VK_KHR_vulkan_memory_model", VK_API_VERSION_1_2)
    HAVE(subgroup_size, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
         "VK_EXT_subgroup_size_control", VK_API_VERSION_1_3)
    HAVE(dot, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
         "VK_KHR_shader_integer_dot_product", VK_API_VERSION_1_3)
    HAVE(maintenance4, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES, "VK_KHR_maintenance4",
         VK_API_VERSION_1_3)
#ifdef VK_KHR_cooperative_matrix
    HAVE(coopmat, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
         "VK_KHR_cooperative_matrix", 0)
#endif
#undef HAVE
    vkGetPhysicalDeviceFeatures2(p->handle, &f->core);

    VkBool32 int16 = f->core.features.shaderInt16;
    f->core.features = (VkPhysicalDeviceFeatures){.shaderInt16 = int16};
    f->storage16.storagePushConstant16 = f->storage16.storageInputOutput16 = VK_FALSE;
    f->storage8.storagePushConstant8 = VK_FALSE;
    f->address.bufferDeviceAddressCaptureReplay = f->address.bufferDeviceAddressMultiDevice = VK_FALSE;
    f->memory_model.vulkanMemoryModelAvailabilityVisibilityChains = VK_FALSE;
#ifdef VK_KHR_cooperative_matrix
    f->coopmat.cooperativeMatrixRobustBufferAccess = VK_FALSE;
#endif
}

static void version_text(char *buf, size_t capacity, uint32_t v)
{
    snprintf(buf, capacity, "%u.%u.%u", VK_API_VERSION_MAJOR(v), VK_API_VERSION_MINOR(v),
             VK_API_VERSION_PATCH(v));
}

static enum hk_device_type type_of(VkPhysicalDeviceType t)
{
    switch (t) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return HK_DEVICE_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return HK_DEVICE_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return HK_DEVICE_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return HK_DEVICE_CPU;
    default:
        return HK_DEVICE_OTHER;
    }
}

static void fill_limits(struct hk_device_caps *c, const VkPhysicalDeviceProperties *p)
{
    snprintf(c->name, sizeof c->name, "%s", p->deviceName);
    version_text(c->api_version, sizeof c->api_version, p->apiVersion);
    snprintf(c->driver, sizeof c->driver, "unknown");
    snprintf(c->driver_version, sizeof c->driver_version, "0x%x", p->driverVersion);
    c->type = type_of(p->deviceType);
    c->vendor_id = p->vendorID;
    c->device_id = p->deviceID;
    memcpy(c->uuid, p->pipelineCacheUUID, sizeof c->uuid);
    c->max_invocations = p->limits.maxComputeWorkGroupInvocations;
    for (int i = 0; i < 3; i++) {
        c->max_group_size[i] = p->limits.maxComputeWorkGroupSize[i];
        c->max_groups[i] = p->limits.maxComputeWorkGroupCount[i];
    }
    c->shared_bytes = p->limits.maxComputeSharedMemorySize;
    c->timestamp_ns = (double)p->limits.timestampPeriod;
    c->max_allocation = UINT64_C(1) << 30; /* what every device of 1.1 can do; raised below */
}

static void probe_properties(struct gpu_probe *p, const struct extensions *e)
{
    struct hk_device_caps *c = &p->caps;
    VkPhysicalDeviceSubgroupProperties subgroup = {.sType =
                                                       VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceMaintenance3Properties m3 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, .pNext = &subgroup};
    VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceMaintenance4Properties m4 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &m3};
    void **tail = &subgroup.pNext;
    bool has_driver = p->version >= VK_API_VERSION_1_2 || listed(e, "VK_KHR_driver_properties");
    if (has_driver) chain(&tail, &driver, &driver.pNext);
    if (p->enabled.maintenance4.maintenance4) chain(&tail, &m4, &m4.pNext);
    vkGetPhysicalDeviceProperties2(p->handle, &all);

    if (has_driver) {
        snprintf(c->driver, sizeof c->driver, "%s", driver.driverName);
        if (driver.driverInfo[0])
            snprintf(c->driver_version, sizeof c->driver_version, "%s", driver.driverInfo);
    }
    c->max_allocation = m3.maxMemoryAllocationSize;
    if (m4.maxBufferSize && m4.maxBufferSize < c->max_allocation) c->max_allocation = m4.maxBufferSize;
    c->subgroup_size = subgroup.subgroupSize;
    if (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT)
        p->subgroup_operations = subgroup.supportedOperations;
    c->subgroup_arithmetic = p->subgroup_operations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
}

/* A queue family for compute: one without graphics where there is such, as the desktop's watchdog and the
 * desktop itself live on the other. */
static bool probe_queue(struct gpu_probe *p)
{
    VkQueueFamilyProperties list[32];
    uint32_t n = sizeof list / sizeof *list;
    vkGetPhysicalDeviceQueueFamilyProperties(p->handle, &n, list);
    bool found = false;
    for (uint32_t i = 0; i < n; i++) {
        if (!(list[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || !list[i].queueCount) continue;
        if (found &&
            ((list[i].queueFlags & VK_QUEUE_GRAPHICS_BIT) || !(p->queue.queueFlags & VK_QUEUE_GRAPHICS_BIT)))
            continue;
        p->family = i;
        p->queue = list[i];
        found = true;
    }
    p->caps.timestamps = found && p->queue.timestampValidBits >= 32 && p->caps.timestamp_ns > 0;
    return found;
}

static void probe_heaps(struct gpu_probe *p)
{
    struct hk_device_caps *c = &p->caps;
    VkPhysicalDeviceMemoryProperties m;
    vkGetPhysicalDeviceMemoryProperties(p->handle, &m);
    c->n_heaps = m.memoryHeapCount;
    uint32_t largest = 0;
    uint64_t largest_size = 0;
    for (uint32_t i = 0; i < m.memoryHeapCount; i++) {
        c->heaps[i].size = m.memoryHeaps[i].size;
        c->heaps[i].device_local = m.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT;
        if (c->heaps[i].device_local && m.memoryHeaps[i].size > largest_size) {
            largest = i;
            largest_size = m.memoryHeaps[i].size;
        }
    }
    const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                                         VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    for (uint32_t i = 0; i < m.memoryTypeCount; i++) {
        VkMemoryPropertyFlags flags = m.memoryTypes[i].propertyFlags;
        if (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)
            c->heaps[m.memoryTypes[i].heapIndex].host_visible = true;
        if (m.memoryTypes[i].heapIndex != largest || (flags & wanted) != wanted) continue;
        c->unified_memory = true;
        if (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) p->direct = true;
    }
    gpui_read_budget(p->handle, p->memory_budget, c);
}

void gpui_read_budget(VkPhysicalDevice device, bool memory_budget, struct hk_device_caps *c)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT b = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 m = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
                                           .pNext = memory_budget ? &b : NULL};
    vkGetPhysicalDeviceMemoryProperties2(device, &m);
    /* A CPU's device memory is main memory; drivers without the extension name a fixed size there. */
    uint64_t available = c->type == HK_DEVICE_CPU && !memory_budget ? hk_os_memory_available() : 0;
    for (uint32_t i = 0; i < c->n_heaps; i++) {
        if (memory_budget)
            c->heaps[i].budget = b.heapBudget[i] > b.heapUsage[i] ? b.heapBudget[i] - b.heapUsage[i] : 0;
        else
            c->heaps[i].budget = available ? available : c->heaps[i].size;
    }
}

/* ---- cooperative matrices ---- */

#ifdef VK_KHR_cooperative_matrix
/* How well matmul_coopmat.comp can use a shape: 0 not at all; best is 16x16x16, which hardware has, else the
 * largest. */
static uint32_t shape_value(const VkCooperativeMatrixPropertiesKHR *s)
{
    if (s->AType != VK_COMPONENT_TYPE_FLOAT16_KHR || s->BType != VK_COMPONENT_TYPE_FLOAT16_KHR ||
        s->CType != VK_COMPONENT_TYPE_FLOAT32_KHR || s->ResultType != VK_COMPONENT_TYPE_FLOAT32_KHR ||
        s->scope != VK_SCOPE_SUBGROUP_KHR)
        return 0;
    const uint32_t sizes[3] = {s->MSize, s->NSize, s->KSize};
    for (int i = 0; i < 3; i++)
        if (sizes[i] != 8 && sizes[i] != 16 && sizes[i] != 32) return 0;
    if (s->MSize == 16 && s->NSize == 16 && s->KSize == 16) return UINT32_MAX;
    return s->MSize * s->NSize * s->KSize;
}

static void best_shape(struct hk_device_caps *c, const VkCooperativeMatrixPropertiesKHR *list, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t value = shape_value(&list[i]);
        if (value <= best) continue;
        best = value;
        c->coopmat_m = list[i].MSize;
        c->coopmat_n = list[i].NSize;
        c->coopmat_k = list[i].KSize;
    }
}
#endif

/* Fills coopmat_m, n, k where a kernel of this build can use the device's cooperative matrices. */
static void probe_coopmat(struct gpu_probe *p)
{
#ifdef VK_KHR_cooperative_matrix
    const struct gpu_enabled *f = &p->enabled;
    if (!f->coopmat.cooperativeMatrix || !f->float16_int8.shaderFloat16 ||
        !f->memory_model.vulkanMemoryModel || p->version < VK_API_VERSION_1_2 || !p->caps.subgroup_size ||
        !gpui_build_uses(SPV_COOPMAT) || !vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)
        return;
    uint32_t n = 0;
    if (vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(p->handle, &n, NULL) != VK_SUCCESS || !n) return;
    VkCooperativeMatrixPropertiesKHR *list = calloc(n, sizeof *list);
    if (!list) return;
    for (uint32_t i = 0; i < n; i++) list[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    if (vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(p->handle, &n, list) >= 0)
        best_shape(&p->caps, list, n);
    free(list);
#else
    (void)p;
#endif
}

/* ---- the table of optional features ---- */

static void feature(struct hk_device_caps *c, const char *name, bool present, bool used, const char *why)
{
    if (c->n_features == HK_MAX_FEATURES) return;
    struct hk_device_feature *f = &c->features[c->n_features++];
    f->name = name;
    f->present = present;
    f->used = present && used;
    snprintf(f->why, sizeof f->why, "%s", f->used ? "" : why);
}

/* One that is used where a kernel of this build asks for it. */
static void kernel_feature(struct hk_device_caps *c, const char *name, bool present,
                           enum gpui_capability capability, const char *instead)
{
    char why[96];
    bool asked = gpui_build_uses(capability);
    snprintf(why, sizeof why, "%s%s", present && !asked ? "no kernel of this build needs it: " : "", instead);
    feature(c, name, present, asked, why);
}

static void coopmat_feature(struct gpu_probe *p, const struct extensions *e)
{
    struct hk_device_caps *c = &p->caps;
    const char *why = "no kernel of this build needs it: shared-memory tiles are used";
    probe_coopmat(p);
    c->coopmat = c->coopmat_m != 0;
#ifdef VK_KHR_cooperative_matrix
    bool present = p->enabled.coopmat.cooperativeMatrix;
    if (present && gpui_build_uses(SPV_COOPMAT))
        why = "it multiplies no halves into floats in a subgroup, or lacks fp16 or the memory model";
#else
    bool present = listed(e, "VK_KHR_cooperative_matrix");
    if (present) why = "this build's Vulkan headers are too old for it";
#endif
    if (c->coopmat) why = "this device emulates them: only the self-test runs that kernel";
    if (!present) why = "shared-memory tiles are used instead";
    (void)e;
    feature(c, "cooperative matrix", present, c->coopmat && c->type != HK_DEVICE_CPU, why);
}

static void fill_features(struct gpu_probe *p, const struct extensions *e)
{
    struct hk_device_caps *c = &p->caps;
    const struct gpu_enabled *f = &p->enabled;
    c->fp16 = f->float16_int8.shaderFloat16;
    c->int8_dot = f->dot.shaderIntegerDotProduct;

    feature(c, "buffer device address", f->address.bufferDeviceAddress, true, "it is required");
    feature(c, "timeline semaphore", f->timeline.timelineSemaphore, true, "fences are used instead");
    feature(c, "unified memory", c->unified_memory, p->direct,
            c->unified_memory ? "the host does not cache it: weights go through a staging ring"
                              : "weights go through a staging ring");
    feature(c, "memory budget", p->memory_budget, true,
            c->type == HK_DEVICE_CPU ? "the host's free memory is taken instead"
                                     : "heap sizes are taken instead");
    feature(c, "timestamps", c->timestamps, true, "no profile by kernel");
    kernel_feature(c, "subgroup arithmetic", c->subgroup_arithmetic, SPV_SUBGROUP_ARITHMETIC,
                   "lanes add up through shared memory");
    feature(c, "subgroup size control", f->subgroup_size.subgroupSizeControl, false,
            "kernels take any subgroup size");
    kernel_feature(c, "fp16 arithmetic", c->fp16, SPV_FLOAT16, "kernels compute in fp32");
    kernel_feature(c, "16-bit storage", f->storage16.storageBuffer16BitAccess, SPV_STORAGE_16,
                   "kernels load 32-bit words and unpack");
    kernel_feature(c, "16-bit integers", f->core.features.shaderInt16, SPV_INT16,
                   "kernels compute in 32 bits");
    kernel_feature(c, "8-bit storage", f->storage8.storageBuffer8BitAccess, SPV_STORAGE_8,
                   "kernels load 32-bit words and unpack");
    kernel_feature(c, "8-bit integers", f->float16_int8.shaderInt8, SPV_INT8, "kernels compute in 32 bits");
    kernel_feature(c, "integer dot product", c->int8_dot, SPV_DOT, "quants are decoded to fp32");
    coopmat_feature(p, e);
    kernel_feature(c, "Vulkan memory model", f->memory_model.vulkanMemoryModel, SPV_MEMORY_MODEL,
                   "only cooperative matrices would");
    feature(c, "imported host memory", listed(e, "VK_EXT_external_memory_host"), false,
            "weights are repacked, so the file's pages are no use");
}

/* ---- a device ---- */

static void below_floor(struct hk_device_caps *c, const char *missing)
{
    c->usable = false;
    if (!c->unusable_why[0]) snprintf(c->unusable_why, sizeof c->unusable_why, "%s", missing);
}

bool gpui_probe(VkPhysicalDevice device, struct gpu_probe *p, struct hk_error *err)
{
    memset(p, 0, sizeof *p);
    p->handle = device;
    struct hk_device_caps *c = &p->caps;
    VkPhysicalDeviceProperties basic;
    vkGetPhysicalDeviceProperties(device, &basic);
    fill_limits(c, &basic);
    p->version = basic.apiVersion < VK_API_VERSION_1_3 ? basic.apiVersion : VK_API_VERSION_1_3;
    if (volkGetInstanceVersion() < p->version) p->version = volkGetInstanceVersion();
    c->usable = true;
    if (p->version < VK_API_VERSION_1_1) {
        below_floor(c, "Vulkan 1.1 is missing (the device has 1.0)");
        return true;
    }
    struct extensions e = {0};
    VkResult r = vkEnumerateDeviceExtensionProperties(device, NULL, &e.n, NULL);
    e.list = hk_calloc(e.n, sizeof *e.list, err);
    if (!e.list) return false;
    if (r == VK_SUCCESS) r = vkEnumerateDeviceExtensionProperties(device, NULL, &e.n, e.list);
    if (r != VK_SUCCESS && r != VK_INCOMPLETE) {
        free(e.list);
        return hk_fail(err, HK_ERR_DEVICE, "%s: listing its extensions failed: %s", c->name,
                       gpui_result_name(r));
    }
    probe_features(p, &e);
    probe_properties(p, &e);
    p->memory_budget = take(p, &e, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME, 0);
    take(p, &e, "VK_KHR_portability_subset", 0); /* a device that has it demands that it be enabled */
    if (!probe_queue(p)) below_floor(c, "a compute queue is missing");
    probe_heaps(p);
    fill_features(p, &e);
    if (!p->enabled.address.bufferDeviceAddress)
        below_floor(c, "bufferDeviceAddress is missing (VK_KHR_buffer_device_address or Vulkan 1.2)");
    if (c->max_invocations < 128) below_floor(c, "workgroups of 128 invocations are missing");
    free(e.list);
    return true;
}

bool gpu_list(struct hk_device_caps **caps, uint32_t *n, struct hk_error *err)
{
    VkInstance instance;
    VkPhysicalDevice *devices = NULL;
    *caps = NULL;
    *n = 0;
    if (!gpui_instance_open(&instance, err)) return false;
    uint32_t count = 0;
    struct gpu_probe *probe = hk_calloc(1, sizeof *probe, err);
    bool ok = probe && gpui_devices(instance, &devices, &count, err);
    struct hk_device_caps *list = ok ? hk_calloc(count, sizeof *list, err) : NULL;
    ok = list != NULL;
    for (uint32_t i = 0; ok && i < count; i++) {
        ok = gpui_probe(devices[i], probe, err);
        list[i] = probe->caps;
    }
    free(probe);
    free(devices);
    vkDestroyInstance(instance, NULL);
    if (!ok) {
        free(list);
        return false;
    }
    *caps = list;
    *n = count;
    return true;
}

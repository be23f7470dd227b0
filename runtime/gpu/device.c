/* Opening and closing one device. */
#include "runtime/gpu/internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- results and failures ---- */

const char *gpui_result_name(VkResult r)
{
    switch (r) {
    case VK_SUCCESS:
        return "success";
    case VK_NOT_READY:
        return "not ready";
    case VK_TIMEOUT:
        return "timeout";
    case VK_INCOMPLETE:
        return "incomplete";
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return "out of device memory";
    case VK_ERROR_INITIALIZATION_FAILED:
        return "initialization failed";
    case VK_ERROR_DEVICE_LOST:
        return "device lost";
    case VK_ERROR_MEMORY_MAP_FAILED:
        return "memory could not be mapped";
    case VK_ERROR_LAYER_NOT_PRESENT:
        return "layer not present";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
        return "extension not present";
    case VK_ERROR_FEATURE_NOT_PRESENT:
        return "feature not present";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
        return "incompatible driver";
    case VK_ERROR_TOO_MANY_OBJECTS:
        return "too many objects";
    case VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS:
        return "invalid address";
    default:
        return "unknown error";
    }
}

bool gpui_ok(struct gpu *g, VkResult r, const char *what, struct hk_error *err)
{
    if (r == VK_SUCCESS) return true;
    enum hk_code code = HK_ERR_DEVICE;
    if (r == VK_ERROR_DEVICE_LOST) {
        g->lost = true;
        code = HK_ERR_DEVICE_LOST;
    } else if (r == VK_ERROR_OUT_OF_HOST_MEMORY || r == VK_ERROR_OUT_OF_DEVICE_MEMORY) {
        code = HK_ERR_MEMORY;
    }
    return hk_fail(err, code, "%s: %s: %s", g->caps.name, what, gpui_result_name(r));
}

bool gpui_alive(const struct gpu *g, const char *what, struct hk_error *err)
{
    if (!g->lost) return true;
    return hk_fail(err, HK_ERR_DEVICE_LOST, "%s: %s: the device was lost; close it and open it again",
                   g->caps.name, what);
}

bool gpui_fails(struct gpu *g)
{
    return g->pretend.fail_allocation && --g->pretend.fail_allocation == 0;
}

void *gpui_calloc(struct gpu *g, size_t count, size_t size, struct hk_error *err)
{
    if (!gpui_fails(g)) return hk_calloc(count, size, err);
    hk_fail(err, HK_ERR_MEMORY, "out of memory: %zu objects of %zu bytes", count, size);
    return NULL;
}

void gpui_lose(struct gpu *g)
{
    if (g->device) g->vk.vkDeviceWaitIdle(g->device); /* nothing real may still run on what is freed next */
    g->lost = true;
}

struct gpu_pretend *gpui_pretend(struct gpu *g)
{
    return &g->pretend;
}

uint64_t gpui_submissions(const struct gpu *g)
{
    return g->submitted;
}

/* ---- opening ---- */

/* Probes all devices and keeps the chosen one in g->probe. */
static bool choose(struct gpu *g, const char *select, struct hk_error *err)
{
    VkPhysicalDevice *devices = NULL;
    uint32_t n = 0, index = 0;
    if (!gpui_devices(g->instance, &devices, &n, err)) return false;
    struct hk_device_caps *caps = gpui_calloc(g, n, sizeof *caps, err);
    g->probe = caps ? gpui_calloc(g, 1, sizeof *g->probe, err) : NULL;
    bool ok = g->probe != NULL;
    for (uint32_t i = 0; ok && i < n; i++) {
        ok = gpui_probe(devices[i], g->probe, err);
        caps[i] = g->probe->caps;
    }
    ok = ok && gpu_choose(caps, n, select, &index, err) && gpui_probe(devices[index], g->probe, err);
    free(caps);
    free(devices);
    return ok;
}

static void apply_pretend(struct gpu *g)
{
    struct hk_device_caps *c = &g->probe->caps;
    if (g->pretend.no_timeline) g->probe->enabled.timeline.timelineSemaphore = VK_FALSE;
    if (g->pretend.no_timestamps) c->timestamps = false;
    if (g->pretend.max_allocation) c->max_allocation = g->pretend.max_allocation;
}

/* Has the device's compiler tell about its kernels; a device that cannot stays as it is. */
static bool ask_for_statistics(struct gpu *g, struct hk_error *err)
{
    struct gpu_probe *p = g->probe;
    const char *const name = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    uint32_t n = 0;
    if (p->n_extensions == GPUI_MAX_EXTENSIONS ||
        vkEnumerateDeviceExtensionProperties(p->handle, NULL, &n, NULL) != VK_SUCCESS)
        return true;
    VkExtensionProperties *list = gpui_calloc(g, n, sizeof *list, err);
    if (!list) return false;
    bool found = false;
    if (vkEnumerateDeviceExtensionProperties(p->handle, NULL, &n, list) == VK_SUCCESS)
        for (uint32_t i = 0; i < n && !found; i++) found = !strcmp(list[i].extensionName, name);
    free(list);
    if (!found) return true;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR *f = &p->enabled.executables;
    *f = (VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR};
    VkPhysicalDeviceFeatures2 asked = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = f};
    vkGetPhysicalDeviceFeatures2(p->handle, &asked);
    if (!f->pipelineExecutableInfo) return true;
    p->extensions[p->n_extensions++] = name;
    f->pNext = p->enabled.core.pNext;
    p->enabled.core.pNext = f;
    return true;
}

static bool open_device(struct gpu *g, struct hk_error *err)
{
    struct gpu_probe *p = g->probe;
    if (g->pretend.statistics && !ask_for_statistics(g, err)) return false;
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = p->family,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                     .pNext = &p->enabled.core,
                                     .queueCreateInfoCount = 1,
                                     .pQueueCreateInfos = &queue,
                                     .enabledExtensionCount = p->n_extensions,
                                     .ppEnabledExtensionNames = p->extensions};
    if (!gpui_ok(g, vkCreateDevice(p->handle, &info, NULL, &g->device), "opening the device", err))
        return false;
    volkLoadDeviceTable(&g->vk, g->device);
    g->vk.vkGetDeviceQueue(g->device, p->family, 0, &g->queue);
    /* By version, not by what is not NULL: a loader may hand out entry points that the device does not have. */
    bool core = p->version >= VK_API_VERSION_1_2;
    g->get_address = core ? g->vk.vkGetBufferDeviceAddress : g->vk.vkGetBufferDeviceAddressKHR;
    g->wait_semaphores = core ? g->vk.vkWaitSemaphores : g->vk.vkWaitSemaphoresKHR;
    g->semaphore_value = core ? g->vk.vkGetSemaphoreCounterValue : g->vk.vkGetSemaphoreCounterValueKHR;
    return true;
}

struct gpu *gpui_open(const struct gpu_options *opt, const struct gpu_pretend *pretend, struct hk_error *err)
{
    static const struct gpu_options defaults;
    if (!opt) opt = &defaults;
    struct gpu *g = hk_calloc(1, sizeof *g, err);
    if (!g) return NULL;
    if (pretend) g->pretend = *pretend;
    if (!gpui_instance_open(&g->instance, err) || !choose(g, opt->select, err)) goto fail;
    apply_pretend(g);
    g->caps = g->probe->caps;
    g->physical = g->probe->handle;
    g->budget_ext = g->probe->memory_budget;
    g->profile = opt->profile && g->caps.timestamps;
    if (!open_device(g, err)) goto fail;
    if (!gpui_schedule_open(g, err) || !gpui_memory_open(g, err) ||
        !gpui_kernels_open(g, opt->cache_dir, err))
        goto fail;
    return g;
fail:
    gpu_close(g);
    return NULL;
}

struct gpu *gpu_open(const struct gpu_options *opt, struct hk_error *err)
{
    return gpui_open(opt, NULL, err);
}

/* Also takes a half-opened device. */
void gpu_close(struct gpu *g)
{
    if (!g) return;
    if (g->device) {
        g->vk.vkDeviceWaitIdle(g->device);
        gpui_kernels_close(g);
        gpui_memory_close(g);
        gpui_schedule_close(g);
        g->vk.vkDestroyDevice(g->device, NULL);
    }
    if (g->instance) vkDestroyInstance(g->instance, NULL);
    free(g->probe);
    free(g);
}

const struct hk_device_caps *gpu_capabilities(const struct gpu *g)
{
    return &g->caps;
}

/* Breaks one of Vulkan's rules on purpose, so that run_validated.sh is known to see it:
 *   none    nothing wrong: the layers must stay silent
 *   usage   a buffer of 0 bytes (VUID-VkBufferCreateInfo-size-00912)
 *   hazard  two fills of one buffer without a barrier between them (SYNC-HAZARD-WRITE-AFTER-WRITE) */
#include <volk.h>

#include <stdio.h>
#include <string.h>

static int fill_twice(VkPhysicalDevice physical, VkDevice device, VkBuffer buffer, VkQueue queue, int barrier)
{
    VkMemoryRequirements need;
    vkGetBufferMemoryRequirements(device, buffer, &need);
    VkPhysicalDeviceMemoryProperties types;
    vkGetPhysicalDeviceMemoryProperties(physical, &types);
    uint32_t type = 0;
    while (type < types.memoryTypeCount && !(need.memoryTypeBits & (1u << type))) type++;
    VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                     .allocationSize = need.size,
                                     .memoryTypeIndex = type};
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkCommandPool pool = VK_NULL_HANDLE;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    VkCommandPoolCreateInfo pool_info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    if (vkAllocateMemory(device, &allocate, NULL, &memory) || vkBindBufferMemory(device, buffer, memory, 0) ||
        vkCreateCommandPool(device, &pool_info, NULL, &pool))
        return 2;
    VkCommandBufferAllocateInfo commands_info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                 .commandPool = pool,
                                                 .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                 .commandBufferCount = 1};
    if (vkAllocateCommandBuffers(device, &commands_info, &commands)) return 2;
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    vkBeginCommandBuffer(commands, &begin);
    vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, 1);
    VkMemoryBarrier between = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                               .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                               .dstAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT};
    if (barrier)
        vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1,
                             &between, 0, NULL, 0, NULL);
    vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, 2);
    vkEndCommandBuffer(commands);
    VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &commands};
    int failed = vkQueueSubmit(queue, 1, &submit, VK_NULL_HANDLE) != VK_SUCCESS;
    vkDeviceWaitIdle(device);
    vkDestroyCommandPool(device, pool, NULL);
    vkDestroyBuffer(device, buffer, NULL);
    vkFreeMemory(device, memory, NULL);
    return failed ? 2 : 0;
}

int main(int argc, char **argv)
{
    const char *rule = argc > 1 ? argv[1] : "none";
    VkInstance instance = VK_NULL_HANDLE;
    VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_1};
    VkInstanceCreateInfo instance_info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                          .pApplicationInfo = &app};
    if (volkInitialize() || vkCreateInstance(&instance_info, NULL, &instance)) {
        fprintf(stderr, "canary: no Vulkan instance\n");
        return 2;
    }
    volkLoadInstance(instance);
    uint32_t n = 1;
    VkPhysicalDevice physical = VK_NULL_HANDLE;
    VkResult result = vkEnumeratePhysicalDevices(instance, &n, &physical);
    if (result < 0 || n == 0) {
        fprintf(stderr, "canary: no Vulkan device\n");
        return 2;
    }
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue_info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority};
    VkDeviceCreateInfo device_info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                      .queueCreateInfoCount = 1,
                                      .pQueueCreateInfos = &queue_info};
    VkDevice device = VK_NULL_HANDLE;
    if (vkCreateDevice(physical, &device_info, NULL, &device)) return 2;
    volkLoadDevice(device);
    VkQueue queue = VK_NULL_HANDLE;
    vkGetDeviceQueue(device, 0, 0, &queue);

    VkBufferCreateInfo buffer_info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                      .size = strcmp(rule, "usage") == 0 ? 0 : 1024,
                                      .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    VkBuffer buffer = VK_NULL_HANDLE;
    int status = 0;
    if (strcmp(rule, "usage") == 0)
        vkCreateBuffer(device, &buffer_info, NULL,
                       &buffer); /* whatever comes of it: the layers have spoken */
    else if (vkCreateBuffer(device, &buffer_info, NULL, &buffer))
        status = 2;
    else
        status = fill_twice(physical, device, buffer, queue, strcmp(rule, "hazard") != 0);
    if (strcmp(rule, "usage") == 0 && buffer) vkDestroyBuffer(device, buffer, NULL);
    vkDestroyDevice(device, NULL);
    vkDestroyInstance(instance, NULL);
    return status;
}

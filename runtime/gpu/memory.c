/* Device memory: blocks, arenas, and the ways in and out.
 *
 * Where weights and state live in memory that the host sees through its caches (integrated GPUs, CPUs), it
 * writes and reads them in place. Elsewhere, also where the host sees them uncached over a bus, everything
 * goes through a ring of staging pieces: the device copies one while the host fills the next. */
#include "runtime/gpu/internal.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t alignment = 256;

struct gpu_arena {
    struct gpu *g;
    enum gpu_memory kind;
    uint64_t expected, allocated, taken;
    struct gpu_block *blocks; /* newest first */
};

/* ---- memory types ---- */

/* How well a memory type suits; < 0: not at all. */
static int suits(const struct gpu *g, uint32_t type, enum gpu_memory kind)
{
    VkMemoryPropertyFlags f = g->memory.memoryTypes[type].propertyFlags;
    const VkMemoryPropertyFlags plain =
        VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
        VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    const VkMemoryPropertyFlags mapped =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    bool local = f & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, cached = f & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    if (f & ~plain) return -1; /* protected, lazily allocated, uncached for the device, ... */
    if (kind == GPU_MEMORY_HOST) {
        if ((f & mapped) != mapped) return -1;
        return (cached ? 2 : 0) + (local ? 0 : 1);
    }
    if (!local) return -1;
    if ((f & mapped) == mapped && cached) return 2;
    return (f & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) ? 0 : 1;
}

/* The type in the largest heap that suits best; UINT32_MAX: none among `allowed` (bits). */
static uint32_t choose_type(const struct gpu *g, uint32_t allowed, enum gpu_memory kind)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < g->memory.memoryTypeCount; i++) {
        int s = suits(g, i, kind);
        if (s < 0 || !(allowed >> i & 1)) continue;
        if (best != UINT32_MAX) {
            uint64_t a = g->memory.memoryHeaps[g->memory.memoryTypes[i].heapIndex].size;
            uint64_t b = g->memory.memoryHeaps[g->memory.memoryTypes[best].heapIndex].size;
            int t = suits(g, best, kind);
            /* a small window into device memory is worth less than the whole of it */
            if (kind == GPU_MEMORY_HOST ? s <= t : (a < b || (a == b && s <= t))) continue;
        }
        best = i;
    }
    return best;
}

bool gpui_memory_open(struct gpu *g, struct hk_error *err)
{
    vkGetPhysicalDeviceMemoryProperties(g->physical, &g->memory);
    uint32_t type = choose_type(g, UINT32_MAX, GPU_MEMORY_WEIGHTS);
    if (type == UINT32_MAX || choose_type(g, UINT32_MAX, GPU_MEMORY_HOST) == UINT32_MAX)
        return hk_fail(err, HK_ERR_DEVICE,
                       "%s: its driver offers no plain device-local or host-visible memory", g->caps.name);
    g->direct = suits(g, type, GPU_MEMORY_WEIGHTS) == 2 && !g->pretend.no_direct;
    return true;
}

/* ---- blocks ---- */

static uint32_t weights_heap(const struct gpu *g)
{
    return g->memory.memoryTypes[choose_type(g, UINT32_MAX, GPU_MEMORY_WEIGHTS)].heapIndex;
}

static uint64_t heap_budget(struct gpu *g, uint32_t heap)
{
    if (g->pretend.memory) return g->pretend.memory > g->taken[heap] ? g->pretend.memory - g->taken[heap] : 0;
    struct hk_device_caps now = g->caps;
    gpui_read_budget(g->physical, g->budget_ext, &now);
    uint64_t budget = now.heaps[heap].budget;
    /* Without the extension a heap's size knows nothing of what was taken; a CPU's free memory does. */
    if (!g->budget_ext && budget == now.heaps[heap].size)
        budget = budget > g->taken[heap] ? budget - g->taken[heap] : 0;
    return budget;
}

uint64_t gpu_memory_budget(struct gpu *g)
{
    return heap_budget(g, weights_heap(g));
}

static void free_block(struct gpu *g, struct gpu_block *b)
{
    if (!b) return;
    if (b->memory) g->taken[b->heap] -= b->size;
    for (uint32_t i = 0; i < g->n_blocks; i++) {
        if (g->blocks[i] != b) continue;
        memmove(&g->blocks[i], &g->blocks[i + 1], (g->n_blocks - i - 1) * sizeof *g->blocks);
        g->n_blocks--;
        break;
    }
    g->vk.vkDestroyBuffer(g->device, b->buffer, NULL);
    g->vk.vkFreeMemory(g->device, b->memory, NULL); /* unmaps */
    free(b);
}

/* Puts the block in the list by address. */
static bool register_block(struct gpu *g, struct gpu_block *b, struct hk_error *err)
{
    if (g->n_blocks == g->blocks_capacity) {
        uint32_t grown = g->blocks_capacity ? g->blocks_capacity * 2 : 16;
        struct gpu_block **p = gpui_fails(g) ? NULL : realloc(g->blocks, grown * sizeof *p);
        if (!p) return hk_fail(err, HK_ERR_MEMORY, "out of memory: a list of %u blocks", grown);
        g->blocks = p;
        g->blocks_capacity = grown;
    }
    uint32_t i = g->n_blocks;
    for (; i > 0 && g->blocks[i - 1]->addr > b->addr; i--) g->blocks[i] = g->blocks[i - 1];
    g->blocks[i] = b;
    g->n_blocks++;
    return true;
}

struct gpu_block *gpui_find(const struct gpu *g, uint64_t addr, uint64_t size)
{
    uint32_t lo = 0, hi = g->n_blocks; /* the last block that begins at or before addr is lo - 1 */
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (g->blocks[mid]->addr <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (!lo) return NULL;
    struct gpu_block *b = g->blocks[lo - 1];
    uint64_t offset = addr - b->addr;
    return offset <= b->size && size <= b->size - offset ? b : NULL;
}

static const char *purpose(enum gpu_memory kind)
{
    return kind == GPU_MEMORY_WEIGHTS ? "weights"
           : kind == GPU_MEMORY_STATE ? "session state"
                                      : "host transfers";
}

static bool out_of_memory(struct gpu *g, enum gpu_memory kind, uint32_t heap, uint64_t size,
                          struct hk_error *err)
{
    return hk_fail(
        err, HK_ERR_MEMORY,
        "%s: out of device memory: %.1f MiB more needed for %s, %.1f MiB left of %.1f MiB; a smaller model "
        "or context may fit",
        g->caps.name, (double)size / 1048576, purpose(kind), (double)heap_budget(g, heap) / 1048576,
        (double)(g->pretend.memory ? g->pretend.memory : g->memory.memoryHeaps[heap].size) / 1048576);
}

/* Allocates memory for b->buffer, binds and maps it. On VK_ERROR_OUT_OF_*_MEMORY *err names need and budget. */
static bool back_block(struct gpu *g, struct gpu_block *b, enum gpu_memory kind, struct hk_error *err)
{
    VkMemoryRequirements need;
    g->vk.vkGetBufferMemoryRequirements(g->device, b->buffer, &need);
    uint32_t type = choose_type(g, need.memoryTypeBits, kind);
    if (type == UINT32_MAX)
        return hk_fail(err, HK_ERR_DEVICE, "%s: no memory type fits a buffer for %s", g->caps.name,
                       purpose(kind));
    uint32_t heap = g->memory.memoryTypes[type].heapIndex;
    const VkMemoryAllocateFlagsInfo flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                             .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    const VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                       .pNext = &flags,
                                       .allocationSize = need.size,
                                       .memoryTypeIndex = type};
    VkResult r = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    bool fits = !g->pretend.memory || need.size <= heap_budget(g, heap);
    if (fits && !gpui_fails(g)) r = g->vk.vkAllocateMemory(g->device, &info, NULL, &b->memory);
    if (r == VK_ERROR_OUT_OF_DEVICE_MEMORY || r == VK_ERROR_OUT_OF_HOST_MEMORY)
        return out_of_memory(g, kind, heap, need.size, err);
    if (!gpui_ok(g, r, "allocating memory", err)) return false;
    b->heap = heap;
    g->taken[heap] += b->size;
    if (!gpui_ok(g, g->vk.vkBindBufferMemory(g->device, b->buffer, b->memory, 0), "binding memory", err))
        return false;
    if (kind == GPU_MEMORY_HOST || g->direct) {
        void *host = NULL;
        if (!gpui_ok(g, g->vk.vkMapMemory(g->device, b->memory, 0, VK_WHOLE_SIZE, 0, &host), "mapping memory",
                     err))
            return false;
        b->host = host;
    }
    return true;
}

static struct gpu_block *new_block(struct gpu *g, enum gpu_memory kind, uint64_t size, struct hk_error *err)
{
    struct gpu_block *b = gpui_calloc(g, 1, sizeof *b, err);
    if (!b) return NULL;
    b->size = size;
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT};
    if (!gpui_ok(g, g->vk.vkCreateBuffer(g->device, &info, NULL, &b->buffer), "creating a buffer", err))
        goto fail;
    if (!back_block(g, b, kind, err)) goto fail;
    const VkBufferDeviceAddressInfo where = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                             .buffer = b->buffer};
    b->addr = g->get_address(g->device, &where);
    if (!b->addr || b->addr % alignment) {
        /* Kernels load 16-byte words and spans promise 256; drivers give whole pages. */
        hk_fail(err, HK_ERR_DEVICE, "%s: its driver gave a buffer an address that 256 does not divide",
                g->caps.name);
        goto fail;
    }
    if (!register_block(g, b, err)) goto fail;
    return b;
fail:
    free_block(g, b);
    return NULL;
}

/* ---- arenas ---- */

struct gpu_arena *gpu_arena_new(struct gpu *g, enum gpu_memory kind, uint64_t expected, struct hk_error *err)
{
    if (!gpui_alive(g, "new arena", err)) return NULL;
    struct gpu_arena *a = gpui_calloc(g, 1, sizeof *a, err);
    if (!a) return NULL;
    a->g = g;
    a->kind = kind;
    a->expected = expected;
    return a;
}

/* STATE memory that the host does not see is zeroed by the device, a block at a time. */
static bool zero_on_device(struct gpu *g, struct gpu_block *b, struct hk_error *err)
{
    const VkCommandPoolCreateInfo pool_info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                               .queueFamilyIndex = g->probe->family};
    VkCommandPool pool;
    if (!gpui_ok(g, g->vk.vkCreateCommandPool(g->device, &pool_info, NULL, &pool), "zeroing memory", err))
        return false;
    const VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                              .commandPool = pool,
                                              .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                              .commandBufferCount = 1};
    VkCommandBuffer commands;
    uint64_t ticket;
    bool ok =
        gpui_ok(g, g->vk.vkAllocateCommandBuffers(g->device, &info, &commands), "zeroing memory", err) &&
        gpui_begin(g, commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, err);
    if (ok) {
        g->vk.vkCmdFillBuffer(commands, b->buffer, 0, VK_WHOLE_SIZE, 0);
        gpui_full_barrier(g, commands);
        ok = gpui_ok(g, g->vk.vkEndCommandBuffer(commands), "zeroing memory", err) &&
             gpui_submit(g, &commands, 1, gpu_plan_cost(b->size, 0), &ticket, err) &&
             gpu_wait(g, ticket, err);
    }
    g->vk.vkDestroyCommandPool(g->device, pool, NULL);
    return ok;
}

static struct gpu_block *grow(struct gpu_arena *a, uint64_t need, struct hk_error *err)
{
    struct gpu *g = a->g;
    uint64_t most = g->caps.max_allocation & ~(alignment - 1);
    if (need > most) {
        hk_fail(err, HK_ERR_MEMORY,
                "%s: %.1f MiB are needed in one piece for %s, but one allocation has at most %.1f MiB",
                g->caps.name, (double)need / 1048576, purpose(a->kind), (double)most / 1048576);
        return NULL;
    }
    uint64_t size = hk_align_up(gpu_plan_block(need, a->expected, a->allocated, a->taken, most), alignment);
    if (size > most) size = most;
    struct gpu_block *b = new_block(g, a->kind, size, err);
    if (!b && size > need && !g->lost) b = new_block(g, a->kind, need, err); /* room for this one at least */
    if (!b) return NULL;
    if (a->kind == GPU_MEMORY_STATE && !b->host && !zero_on_device(g, b, err)) {
        free_block(g, b);
        return NULL;
    }
    b->next = a->blocks;
    a->blocks = b;
    a->taken += b->size;
    return b;
}

bool gpu_arena_alloc(struct gpu_arena *a, uint64_t size, struct gpu_span *out, struct hk_error *err)
{
    *out = (struct gpu_span){0};
    if (!gpui_alive(a->g, "allocating memory", err)) return false;
    if (size > UINT64_MAX - alignment)
        return hk_fail(err, HK_ERR_MEMORY, "%s: span of 2^64 bytes", purpose(a->kind));
    uint64_t need = hk_align_up(size ? size : 1, alignment);
    struct gpu_block *b = a->blocks;
    while (b && need > b->size - b->used) b = b->next;
    if (!b) b = grow(a, need, err);
    if (!b) return false;
    out->addr = b->addr + b->used;
    out->size = size;
    out->host = b->host ? b->host + b->used : NULL;
    b->used += need;
    a->allocated += need;
    if (out->host && a->kind != GPU_MEMORY_WEIGHTS) memset(out->host, 0, size);
    return true;
}

uint64_t gpu_arena_size(const struct gpu_arena *a)
{
    return a->taken;
}

void gpu_arena_free(struct gpu_arena *a)
{
    if (!a) return;
    if (a->blocks && !a->g->lost) {
        gpui_flush_uploads(a->g, NULL); /* pieces in the ring may name these buffers */
        gpu_wait_idle(a->g, NULL);
    }
    while (a->blocks) {
        struct gpu_block *b = a->blocks;
        a->blocks = b->next;
        free_block(a->g, b);
    }
    free(a);
}

/* ---- staging ---- */

static bool staging_open(struct gpu *g, struct hk_error *err)
{
    struct gpu_staging *s = &g->staging;
    if (s->block && s->pool) return true;
    if (!s->block)
        s->block = new_block(g, GPU_MEMORY_HOST, (uint64_t)GPU_UPLOAD_MAX * GPUI_STAGING_PIECES, err);
    if (!s->block) return false;
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT |
                                                   VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
                                          .queueFamilyIndex = g->probe->family};
    if (!gpui_ok(g, g->vk.vkCreateCommandPool(g->device, &pool, NULL, &s->pool), "staging", err))
        return false;
    VkCommandBuffer commands[GPUI_STAGING_PIECES];
    const VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                              .commandPool = s->pool,
                                              .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                              .commandBufferCount = GPUI_STAGING_PIECES};
    if (!gpui_ok(g, g->vk.vkAllocateCommandBuffers(g->device, &info, commands), "staging", err)) {
        g->vk.vkDestroyCommandPool(g->device, s->pool, NULL);
        s->pool = VK_NULL_HANDLE;
        return false;
    }
    for (int i = 0; i < GPUI_STAGING_PIECES; i++) s->piece[i].commands = commands[i];
    return true;
}

void gpui_memory_close(struct gpu *g)
{
    if (g->staging.pool) g->vk.vkDestroyCommandPool(g->device, g->staging.pool, NULL);
    free_block(g, g->staging.block);
    free(g->blocks);
}

/* Submits the current piece's copies and goes on to the next piece. */
static bool submit_piece(struct gpu *g, struct hk_error *err)
{
    struct gpu_staging *s = &g->staging;
    struct gpu_staging_piece *p = &s->piece[s->current];
    if (!p->n) return true;
    if (!gpui_begin(g, p->commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, err)) return false;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        g->vk.vkCmdCopyBuffer(p->commands, s->block->buffer, p->copy[i].dst, 1, &p->copy[i].region);
        bytes += p->copy[i].region.size;
    }
    gpui_full_barrier(g, p->commands);
    if (!gpui_ok(g, g->vk.vkEndCommandBuffer(p->commands), "upload", err)) return false;
    if (!gpui_submit(g, &p->commands, 1, gpu_plan_cost(bytes, 0), &p->ticket, err)) return false;
    p->n = 0;
    p->used = 0;
    s->current = (s->current + 1) % GPUI_STAGING_PIECES;
    return true;
}

bool gpui_flush_uploads(struct gpu *g, struct hk_error *err)
{
    if (g->upload_open) return hk_fail(err, HK_ERR_INPUT, "upload: begun and not ended");
    return !g->staging.pool || submit_piece(g, err);
}

/* Room for size bytes in the ring; waits until the device has read what was there. NULL and *err on failure. */
static unsigned char *staging_room(struct gpu *g, uint64_t size, struct hk_error *err)
{
    struct gpu_staging *s = &g->staging;
    if (!staging_open(g, err)) return NULL;
    struct gpu_staging_piece *p = &s->piece[s->current];
    if (p->n == GPUI_STAGING_COPIES || size > GPU_UPLOAD_MAX - p->used) {
        if (!submit_piece(g, err)) return NULL;
        p = &s->piece[s->current];
    }
    if (!gpu_wait(g, p->ticket, err)) return NULL;
    return s->block->host + s->current * (uint64_t)GPU_UPLOAD_MAX + p->used;
}

/* Whether a copy that waits in the current piece writes there too: copies of one submission have no order. */
static bool rewrites(const struct gpu *g, const struct gpu_block *b, uint64_t offset, uint64_t size)
{
    const struct gpu_staging_piece *p = &g->staging.piece[g->staging.current];
    for (uint32_t i = 0; i < p->n; i++) {
        const VkBufferCopy *r = &p->copy[i].region;
        if (p->copy[i].dst == b->buffer && offset < r->dstOffset + r->size && r->dstOffset < offset + size)
            return true;
    }
    return false;
}

/* ---- uploads ---- */

void *gpu_upload_begin(struct gpu *g, uint64_t addr, uint64_t size, struct hk_error *err)
{
    if (!gpui_alive(g, "upload", err)) return NULL;
    if (g->upload_open) {
        hk_fail(err, HK_ERR_INPUT, "upload: begun before the last one was ended");
        return NULL;
    }
    if (!size || size > GPU_UPLOAD_MAX) {
        hk_fail(err, HK_ERR_INPUT, "upload: %llu bytes: 1 to %d are possible at once",
                (unsigned long long)size, GPU_UPLOAD_MAX);
        return NULL;
    }
    struct gpu_block *b = gpui_find(g, addr, size);
    if (!b) {
        hk_fail(err, HK_ERR_INPUT, "upload: %llu bytes at 0x%llx lie in no span", (unsigned long long)size,
                (unsigned long long)addr);
        return NULL;
    }
    if (b->host) {
        if (!gpu_wait_idle(g, err)) return NULL; /* submitted work may still read what was there */
        g->upload_open = g->upload_direct = true;
        return b->host + (addr - b->addr);
    }
    if (rewrites(g, b, addr - b->addr, size) && !submit_piece(g, err)) return NULL;
    unsigned char *room = staging_room(g, size, err);
    if (!room) return NULL;
    struct gpu_staging_piece *p = &g->staging.piece[g->staging.current];
    p->copy[p->n].dst = b->buffer;
    p->copy[p->n].region = (VkBufferCopy){
        .srcOffset = (uint64_t)(room - g->staging.block->host), .dstOffset = addr - b->addr, .size = size};
    g->upload_open = true;
    g->upload_direct = false;
    return room;
}

bool gpu_upload_end(struct gpu *g, struct hk_error *err)
{
    if (!g->upload_open) return hk_fail(err, HK_ERR_INPUT, "upload: ended before it was begun");
    g->upload_open = false;
    if (!gpui_alive(g, "upload", err)) return false;
    if (g->upload_direct) return true;
    struct gpu_staging_piece *p = &g->staging.piece[g->staging.current];
    p->used = hk_align_up(p->used + p->copy[p->n].region.size, 16);
    p->n++;
    /* Small uploads share a submission; a large one starts at once, while the caller fills the next. */
    return p->used < GPU_UPLOAD_MAX / 4 || submit_piece(g, err);
}

bool gpu_upload(struct gpu *g, uint64_t addr, const void *src, uint64_t size, struct hk_error *err)
{
    const unsigned char *from = src;
    for (uint64_t done = 0; done < size;) {
        uint64_t n = size - done < GPU_UPLOAD_MAX ? size - done : GPU_UPLOAD_MAX;
        void *to = gpu_upload_begin(g, addr + done, n, err);
        if (!to) return false;
        memcpy(to, from + done, n);
        if (!gpu_upload_end(g, err)) return false;
        done += n;
    }
    return true;
}

bool gpu_upload_finish(struct gpu *g, struct hk_error *err)
{
    if (!gpui_alive(g, "upload", err) || !gpui_flush_uploads(g, err)) return false;
    uint64_t last = 0;
    for (int i = 0; i < GPUI_STAGING_PIECES; i++)
        if (g->staging.piece[i].ticket > last) last = g->staging.piece[i].ticket;
    return gpu_wait(g, last, err);
}

bool gpu_write(struct gpu *g, uint64_t addr, const void *src, uint64_t size, struct hk_error *err)
{
    return gpu_upload(g, addr, src, size, err) && gpu_upload_finish(g, err);
}

/* ---- read-back ---- */

bool gpu_read(struct gpu *g, uint64_t addr, void *dst, uint64_t size, struct hk_error *err)
{
    if (!gpui_alive(g, "read", err)) return false;
    struct gpu_block *b = gpui_find(g, addr, size);
    if (!b)
        return hk_fail(err, HK_ERR_INPUT, "read: %llu bytes at 0x%llx lie in no span",
                       (unsigned long long)size, (unsigned long long)addr);
    if (!gpui_flush_uploads(g, err) || !gpu_wait_idle(g, err)) return false;
    if (b->host) {
        memcpy(dst, b->host + (addr - b->addr), size);
        return true;
    }
    unsigned char *to = dst;
    for (uint64_t done = 0; done < size;) {
        uint64_t n = size - done < GPU_UPLOAD_MAX ? size - done : GPU_UPLOAD_MAX;
        unsigned char *room = staging_room(g, n, err);
        if (!room) return false;
        struct gpu_staging_piece *p = &g->staging.piece[g->staging.current];
        const VkBufferCopy region = {.srcOffset = addr - b->addr + done,
                                     .dstOffset = (uint64_t)(room - g->staging.block->host),
                                     .size = n};
        if (!gpui_begin(g, p->commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, err)) return false;
        g->vk.vkCmdCopyBuffer(p->commands, b->buffer, g->staging.block->buffer, 1, &region);
        gpui_full_barrier(g, p->commands);
        if (!gpui_ok(g, g->vk.vkEndCommandBuffer(p->commands), "read", err) ||
            !gpui_submit(g, &p->commands, 1, gpu_plan_cost(n, 0), &p->ticket, err) ||
            !gpu_wait(g, p->ticket, err))
            return false;
        memcpy(to + done, room, n);
        done += n;
    }
    return true;
}

/* Recordings, submissions, waiting, profile.
 *
 * A recorder is a row of command buffers, each a grain of work that is small on any device; gpu_submit
 * gathers grains into submissions by the rate that the device has shown. Barriers do not care about either: a
 * pipeline barrier orders everything before it on the queue, wherever it was submitted. */
#include "runtime/gpu/internal.h"

#include "runtime/os.h"

#include <stdlib.h>
#include <string.h>

enum { QUERIES_PER_POOL = 512 };

struct timed { /* one dispatch in a profile: the time between two timestamps */
    const char *label, *kernel;
    uint64_t bytes, flops, unit_bytes, unit_flops;
    uint32_t query; /* of its end; its begin is the one before */
};

struct grain {
    VkCommandBuffer commands;
    double cost, unit_cost; /* of a submission: cost + units * unit_cost */
};

struct gpu_recorder {
    struct gpu *g;
    struct hk_error error; /* the first failure; code HK_OK: none */
    bool ended;
    VkCommandPool pool;
    struct grain *grains; /* the last is open until gpu_record_end */
    uint32_t n, capacity;
    struct gpu_kernel *bound; /* in the open command buffer */
    struct gpu_hazards hazards;
    uint64_t ticket, n_units; /* of its last submission */
    /* with profile: */
    VkQueryPool *queries;
    uint32_t n_pools, n_queries; /* n_queries: used, of n_pools * QUERIES_PER_POOL */
    struct timed *timed;
    uint32_t n_timed, timed_capacity;
    uint64_t collected; /* ticket up to which its times are in g->rows */
    struct gpu_recorder *next, *previous;
};

/* ---- queue ---- */

bool gpui_schedule_open(struct gpu *g, struct hk_error *err)
{
    g->rate = gpu_plan_rate_guess(g->caps.type);
    if (!g->probe->enabled.timeline.timelineSemaphore) return true;
    const VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                            .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    return gpui_ok(g, g->vk.vkCreateSemaphore(g->device, &info, NULL, &g->timeline), "making a semaphore",
                   err);
}

void gpui_schedule_close(struct gpu *g)
{
    g->vk.vkDestroySemaphore(g->device, g->timeline, NULL);
    for (int i = 0; i < GPUI_FENCES; i++) g->vk.vkDestroyFence(g->device, g->fences[i].fence, NULL);
    free(g->rows);
}

bool gpui_begin(struct gpu *g, VkCommandBuffer commands, VkCommandBufferUsageFlags flags,
                struct hk_error *err)
{
    const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                           .flags = flags};
    return gpui_ok(g, g->vk.vkBeginCommandBuffer(commands, &info), "recording", err);
}

static void barrier(struct gpu *g, VkCommandBuffer commands, VkPipelineStageFlags also,
                    VkAccessFlags also_access)
{
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                         VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT | also_access};
    g->vk.vkCmdPipelineBarrier(commands, stages, stages | also, 0, 1, &memory, 0, NULL, 0, NULL);
}

void gpui_full_barrier(struct gpu *g, VkCommandBuffer commands)
{
    barrier(g, commands, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

/* A fence for the next ticket; the oldest one's, waited for, when all are taken. */
static bool next_fence(struct gpu *g, uint32_t *slot, struct hk_error *err)
{
    *slot = (uint32_t)((g->submitted + 1) % GPUI_FENCES);
    VkFence *fence = &g->fences[*slot].fence;
    if (!*fence) {
        const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
        return gpui_ok(g, g->vk.vkCreateFence(g->device, &info, NULL, fence), "making a fence", err);
    }
    return gpu_wait(g, g->fences[*slot].ticket, err) &&
           gpui_ok(g, g->vk.vkResetFences(g->device, 1, fence), "resetting a fence", err);
}

bool gpui_submit(struct gpu *g, const VkCommandBuffer *commands, uint32_t n, double cost, uint64_t *ticket,
                 struct hk_error *err)
{
    if (!gpui_alive(g, "submit", err)) return false;
    uint64_t value = g->submitted + 1;
    const VkTimelineSemaphoreSubmitInfo signal = {.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                                  .signalSemaphoreValueCount = 1,
                                                  .pSignalSemaphoreValues = &value};
    VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = n, .pCommandBuffers = commands};
    VkFence fence = VK_NULL_HANDLE;
    uint32_t slot = 0;
    if (g->timeline) {
        info.pNext = &signal;
        info.signalSemaphoreCount = 1;
        info.pSignalSemaphores = &g->timeline;
    } else {
        if (!next_fence(g, &slot, err)) return false;
        fence = g->fences[slot].fence;
        g->fences[slot].ticket = 0;
    }
    if (g->completed == g->submitted) { /* idle: the work starts now */
        g->mark_ticket = g->submitted;
        g->mark_time = hk_os_seconds();
        g->cost_at[g->submitted % GPUI_COSTS] = g->total_cost;
    }
    if (!gpui_ok(g, g->vk.vkQueueSubmit(g->queue, 1, &info, fence), "submit", err)) return false;
    if (!g->timeline) g->fences[slot].ticket = value;
    g->submitted = value;
    g->total_cost += cost;
    g->cost_at[value % GPUI_COSTS] = g->total_cost;
    *ticket = value;
    return true;
}

/* Learns from having seen ticket t end at this moment, if it is also known when its work began. */
static void learn_rate(struct gpu *g, uint64_t t)
{
    double now = hk_os_seconds();
    if (g->mark_time > 0 && t > g->mark_ticket && g->submitted - g->mark_ticket < GPUI_COSTS)
        gpu_plan_rate_sample(&g->rate, g->cost_at[t % GPUI_COSTS] - g->cost_at[g->mark_ticket % GPUI_COSTS],
                             now - g->mark_time);
    g->mark_ticket = t;
    g->mark_time = now;
}

static bool wait_timeline(struct gpu *g, uint64_t ticket, struct hk_error *err)
{
    uint64_t value = 0;
    if (!gpui_ok(g, g->semaphore_value(g->device, g->timeline, &value), "wait", err)) return false;
    if (value > g->submitted) value = g->submitted; /* drivers set UINT64_MAX on a lost device */
    if (value > g->completed) g->completed = value;
    if (value >= ticket) {
        g->mark_time = 0; /* it ended at a time that nobody saw */
        return true;
    }
    const VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                      .semaphoreCount = 1,
                                      .pSemaphores = &g->timeline,
                                      .pValues = &ticket};
    if (!gpui_ok(g, g->wait_semaphores(g->device, &info, UINT64_MAX), "wait", err)) return false;
    learn_rate(g, ticket);
    g->completed = ticket;
    return true;
}

static bool wait_fence(struct gpu *g, uint64_t ticket, struct hk_error *err)
{
    /* Tickets end in order, and each of the last GPUI_FENCES has its own fence. */
    uint32_t slot = (uint32_t)(ticket % GPUI_FENCES);
    if (g->fences[slot].ticket == ticket) {
        bool seen = g->vk.vkGetFenceStatus(g->device, g->fences[slot].fence) == VK_NOT_READY;
        if (!gpui_ok(g, g->vk.vkWaitForFences(g->device, 1, &g->fences[slot].fence, VK_TRUE, UINT64_MAX),
                     "wait", err))
            return false;
        if (seen)
            learn_rate(g, ticket);
        else
            g->mark_time = 0;
    }
    if (ticket > g->completed) g->completed = ticket;
    return true;
}

bool gpu_wait(struct gpu *g, uint64_t ticket, struct hk_error *err)
{
    if (!gpui_alive(g, "wait", err)) return false;
    if (ticket <= g->completed) return true;
    if (ticket > g->submitted)
        return hk_fail(err, HK_ERR_INPUT, "wait: ticket %llu was never given; the last is %llu",
                       (unsigned long long)ticket, (unsigned long long)g->submitted);
    return g->timeline ? wait_timeline(g, ticket, err) : wait_fence(g, ticket, err);
}

bool gpu_wait_idle(struct gpu *g, struct hk_error *err)
{
    return gpu_wait(g, g->submitted, err);
}

/* ---- recording ---- */

/* p with room for one more than n; NULL and *err on failure, p stays. */
static void *room_for_one(struct gpu *g, void *p, uint32_t n, uint32_t *capacity, size_t size,
                          struct hk_error *err)
{
    if (n < *capacity) return p;
    uint32_t grown = *capacity ? *capacity * 2 : 16;
    void *q = gpui_fails(g) ? NULL : realloc(p, grown * size);
    if (!q) {
        hk_fail(err, HK_ERR_MEMORY, "recording: out of memory for %u entries of %zu bytes", grown, size);
        return NULL;
    }
    *capacity = grown;
    return q;
}

/* Queries for one more timestamp; a new pool is reset where its first query is about to be used. */
static bool stamp(struct gpu_recorder *rec, VkCommandBuffer commands)
{
    struct gpu *g = rec->g;
    if (rec->n_queries == rec->n_pools * QUERIES_PER_POOL) {
        VkQueryPool *p = gpui_fails(g) ? NULL : realloc(rec->queries, (rec->n_pools + 1) * sizeof *p);
        if (!p) return hk_fail(&rec->error, HK_ERR_MEMORY, "recording: out of memory for timestamps");
        rec->queries = p;
        const VkQueryPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                            .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                            .queryCount = QUERIES_PER_POOL};
        if (!gpui_ok(g, g->vk.vkCreateQueryPool(g->device, &info, NULL, &p[rec->n_pools]),
                     "making timestamps", &rec->error))
            return false;
        g->vk.vkCmdResetQueryPool(commands, p[rec->n_pools], 0, QUERIES_PER_POOL);
        rec->n_pools++;
    }
    VkQueryPool pool = rec->queries[rec->n_queries / QUERIES_PER_POOL];
    g->vk.vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool,
                              rec->n_queries % QUERIES_PER_POOL);
    rec->n_queries++;
    return true;
}

/* Opens a command buffer. */
static bool open_grain(struct gpu_recorder *rec)
{
    struct gpu *g = rec->g;
    struct grain *grains = room_for_one(g, rec->grains, rec->n, &rec->capacity, sizeof *grains, &rec->error);
    if (!grains) return false;
    rec->grains = grains;
    const VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                              .commandPool = rec->pool,
                                              .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                              .commandBufferCount = 1};
    VkCommandBuffer opened;
    if (!gpui_ok(g, g->vk.vkAllocateCommandBuffers(g->device, &info, &opened), "recording", &rec->error) ||
        !gpui_begin(g, opened, VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT, &rec->error))
        return false;
    rec->grains[rec->n++] = (struct grain){.commands = opened};
    rec->bound = NULL;
    return !g->profile || stamp(rec, opened);
}

static bool close_grain(struct gpu_recorder *rec)
{
    return gpui_ok(rec->g, rec->g->vk.vkEndCommandBuffer(rec->grains[rec->n - 1].commands), "recording",
                   &rec->error);
}

struct gpu_recorder *gpu_record_begin(struct gpu *g, struct hk_error *err)
{
    if (!gpui_alive(g, "recording", err)) return NULL;
    struct gpu_recorder *rec = gpui_calloc(g, 1, sizeof *rec, err);
    if (!rec) return NULL;
    rec->g = g;
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = g->probe->family};
    if (!gpui_ok(g, g->vk.vkCreateCommandPool(g->device, &pool, NULL, &rec->pool), "recording", err)) {
        free(rec);
        return NULL;
    }
    rec->next = g->recorders;
    if (rec->next) rec->next->previous = rec;
    g->recorders = rec;
    return rec;
}

static bool check_access(struct gpu_recorder *rec, const char *label, const struct gpu_access *a)
{
    if (!a->size || gpui_find(rec->g, a->addr, a->size)) return true;
    return hk_fail(&rec->error, HK_ERR_INPUT, "dispatch %s: %s %llu bytes at 0x%llx, which lie in no span",
                   label, a->write ? "writes" : "reads", (unsigned long long)a->size,
                   (unsigned long long)a->addr);
}

static bool check_dispatch(struct gpu_recorder *rec, const struct gpu_dispatch *d)
{
    const struct hk_device_caps *c = &rec->g->caps;
    const char *label = d->label ? d->label : "?";
    if (!d->kernel) return hk_fail(&rec->error, HK_ERR_INPUT, "dispatch %s: no kernel", label);
    if (d->push_size > GPU_MAX_PUSH || d->push_size % 4)
        return hk_fail(&rec->error, HK_ERR_INPUT,
                       "dispatch %s: %u bytes of push constants: at most %d, and 4 divides them", label,
                       d->push_size, GPU_MAX_PUSH);
    for (int i = 0; i < 3; i++)
        if (!d->groups[i] || d->groups[i] > c->max_groups[i])
            return hk_fail(&rec->error, HK_ERR_INPUT,
                           "dispatch %s: %u workgroups in dimension %d: 1 to %u are possible", label,
                           d->groups[i], i, c->max_groups[i]);
    if (d->n_access > GPU_MAX_ACCESS)
        return hk_fail(&rec->error, HK_ERR_INPUT, "dispatch %s: %u accesses: at most %d", label, d->n_access,
                       GPU_MAX_ACCESS);
    for (uint32_t i = 0; i < d->n_access; i++)
        if (!check_access(rec, label, &d->access[i])) return false;
    return true;
}

/* The command buffer for a command of this cost and these accesses, with its barrier already in it. NULL:
 * failed. */
static VkCommandBuffer prepare(struct gpu_recorder *rec, double cost, const struct gpu_access *access,
                               uint32_t n)
{
    struct gpu *g = rec->g;
    bool wait;
    if (!gpui_alive(g, "recording", &rec->error)) return VK_NULL_HANDLE;
    double grain = gpu_plan_grain(g->caps.type);
    if (g->pretend.rate > 0) grain = g->pretend.rate * (double)GPU_PLAN_TARGET_MS * 0.5e-3;
    const struct grain *last = rec->n ? &rec->grains[rec->n - 1] : NULL;
    bool full = last && last->cost > 0 && last->cost + cost > grain;
    if (full && !close_grain(rec)) return VK_NULL_HANDLE;
    if ((full || !rec->n) && !open_grain(rec)) return VK_NULL_HANDLE;
    if (!gpu_plan_hazards_next(&rec->hazards, access, n, &wait, &rec->error)) return VK_NULL_HANDLE;
    VkCommandBuffer commands = rec->grains[rec->n - 1].commands;
    /* A profile gives each dispatch its own time, so it lets none overlap. */
    if (wait || g->profile) barrier(g, commands, 0, 0);
    rec->grains[rec->n - 1].cost += cost;
    return commands;
}

/* After a command; t without its query. */
static void note_timed(struct gpu_recorder *rec, VkCommandBuffer commands, struct timed t)
{
    struct gpu *g = rec->g;
    if (!g->profile) return;
    struct timed *p = room_for_one(g, rec->timed, rec->n_timed, &rec->timed_capacity, sizeof *p, &rec->error);
    if (!p || !stamp(rec, commands)) return;
    rec->timed = p;
    t.query = rec->n_queries - 1;
    p[rec->n_timed++] = t;
}

void gpu_record_dispatch(struct gpu_recorder *rec, const struct gpu_dispatch *d)
{
    struct gpu *g = rec->g;
    if (rec->error.code || rec->ended || !check_dispatch(rec, d)) return;
    VkCommandBuffer commands = prepare(rec, gpu_plan_cost(d->bytes, d->flops), d->access, d->n_access);
    if (!commands) return;
    if (rec->bound != d->kernel) {
        g->vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->kernel->pipeline);
        rec->bound = d->kernel;
    }
    if (d->push_size)
        g->vk.vkCmdPushConstants(commands, g->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, d->push_size, d->push);
    g->vk.vkCmdDispatch(commands, d->groups[0], d->groups[1], d->groups[2]);
    rec->grains[rec->n - 1].unit_cost += gpu_plan_work(d->unit_bytes, d->unit_flops);
    note_timed(rec, commands,
               (struct timed){.label = d->label ? d->label : "?",
                              .kernel = d->kernel->name,
                              .bytes = d->bytes,
                              .flops = d->flops,
                              .unit_bytes = d->unit_bytes,
                              .unit_flops = d->unit_flops});
}

void gpu_record_copy(struct gpu_recorder *rec, uint64_t dst, uint64_t src, uint64_t size)
{
    struct gpu *g = rec->g;
    if (rec->error.code || rec->ended || !size) return;
    const struct gpu_access access[2] = {{src, size, false}, {dst, size, true}};
    if (!check_access(rec, "copy", &access[0]) || !check_access(rec, "copy", &access[1])) return;
    if (src < dst + size && dst < src + size) {
        hk_fail(&rec->error, HK_ERR_INPUT, "copy: source and destination overlap");
        return;
    }
    VkCommandBuffer commands = prepare(rec, gpu_plan_cost(2 * size, 0), access, 2);
    if (!commands) return;
    struct gpu_block *from = gpui_find(g, src, size), *to = gpui_find(g, dst, size);
    const VkBufferCopy region = {.srcOffset = src - from->addr, .dstOffset = dst - to->addr, .size = size};
    g->vk.vkCmdCopyBuffer(commands, from->buffer, to->buffer, 1, &region);
    note_timed(rec, commands, (struct timed){.label = "copy", .kernel = "copy", .bytes = 2 * size});
}

bool gpu_record_end(struct gpu_recorder *rec, struct hk_error *err)
{
    if (!rec->error.code && !rec->ended) {
        if (rec->n || open_grain(rec)) { /* an empty recording is one empty command buffer */
            gpui_full_barrier(rec->g, rec->grains[rec->n - 1].commands);
            close_grain(rec);
        }
        gpu_plan_hazards_free(&rec->hazards);
        rec->ended = true;
    }
    if (!rec->error.code) return true;
    if (err) *err = rec->error;
    return false;
}

static void collect(struct gpu_recorder *rec);

void gpu_recorder_free(struct gpu_recorder *rec)
{
    if (!rec) return;
    struct gpu *g = rec->g;
    if (!g->lost) gpu_wait(g, rec->ticket, NULL);
    collect(rec);
    if (rec->next) rec->next->previous = rec->previous;
    if (rec->previous)
        rec->previous->next = rec->next;
    else
        g->recorders = rec->next;
    for (uint32_t i = 0; i < rec->n_pools; i++) g->vk.vkDestroyQueryPool(g->device, rec->queries[i], NULL);
    g->vk.vkDestroyCommandPool(g->device, rec->pool, NULL);
    gpu_plan_hazards_free(&rec->hazards);
    free(rec->queries);
    free(rec->timed);
    free(rec->grains);
    free(rec);
}

/* ---- submitting ---- */

/* The grains from `first` on, as many as one submission takes. */
static bool submit_some(struct gpu_recorder *rec, uint32_t *first, struct hk_error *err)
{
    enum { MOST = 64 };
    struct gpu *g = rec->g;
    struct gpu_rate rate = g->rate;
    if (g->pretend.rate > 0) rate.per_second = g->pretend.rate;
    VkCommandBuffer commands[MOST];
    double cost[MOST], sum = 0;
    uint32_t n = 0;
    for (; n < MOST && *first + n < rec->n; n++) {
        const struct grain *grain = &rec->grains[*first + n];
        commands[n] = grain->commands;
        cost[n] = grain->cost + (double)rec->n_units * grain->unit_cost;
    }
    n = gpu_plan_split(cost, n, &rate);
    for (uint32_t i = 0; i < n; i++) sum += cost[i];
    *first += n;
    return gpui_submit(g, commands, n, sum, &rec->ticket, err);
}

bool gpu_submit(struct gpu *g, struct gpu_recorder *rec, uint64_t n_units, uint64_t *ticket,
                struct hk_error *err)
{
    if (!gpui_alive(g, "submit", err)) return false;
    if (rec->error.code) {
        if (err) *err = rec->error;
        return false;
    }
    if (!rec->ended) return hk_fail(err, HK_ERR_INPUT, "submit: the recording was not ended");
    if (!gpui_flush_uploads(g, err)) return false;
    if (g->profile) { /* its timestamps are about to be written again */
        if (!gpu_wait(g, rec->ticket, err)) return false;
        collect(rec);
    }
    rec->n_units = n_units;
    for (uint32_t i = 0; i < rec->n;)
        if (!submit_some(rec, &i, err)) return false;
    if (ticket) *ticket = rec->ticket;
    return true;
}

/* ---- profile ---- */

static struct hk_profile_row *row_for(struct gpu *g, const struct timed *t)
{
    for (uint32_t i = 0; i < g->n_rows; i++)
        if (!strcmp(g->rows[i].label, t->label) && !strcmp(g->rows[i].kernel, t->kernel)) return &g->rows[i];
    struct hk_profile_row *p = room_for_one(g, g->rows, g->n_rows, &g->rows_capacity, sizeof *p, NULL);
    if (!p) return NULL;
    g->rows = p;
    p[g->n_rows] = (struct hk_profile_row){.label = t->label, .kernel = t->kernel};
    return &p[g->n_rows++];
}

/* Adds the times of the recording's last submission, which is done, to the rows; once for each submission. */
static void collect(struct gpu_recorder *rec)
{
    struct gpu *g = rec->g;
    if (!g->profile || g->lost || rec->ticket <= rec->collected) return;
    rec->collected = rec->ticket;
    uint64_t *value = calloc(rec->n_queries ? rec->n_queries : 1, sizeof *value);
    if (!value) return;
    for (uint32_t i = 0; i < rec->n_pools; i++) {
        uint32_t first = i * QUERIES_PER_POOL, n = rec->n_queries - first;
        if (n > QUERIES_PER_POOL) n = QUERIES_PER_POOL;
        g->vk.vkGetQueryPoolResults(g->device, rec->queries[i], 0, n, n * sizeof *value, value + first,
                                    sizeof *value, VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    }
    uint32_t bits = g->probe->queue.timestampValidBits;
    uint64_t mask = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    for (uint32_t i = 0; i < rec->n_timed; i++) {
        const struct timed *t = &rec->timed[i];
        struct hk_profile_row *row = row_for(g, t);
        if (!row) break;
        row->calls++;
        row->seconds +=
            (double)((value[t->query] - value[t->query - 1]) & mask) * g->caps.timestamp_ns * 1e-9;
        row->bytes += t->bytes + rec->n_units * t->unit_bytes;
        row->flops += t->flops + rec->n_units * t->unit_flops;
    }
    free(value);
}

static int by_time(const void *a, const void *b)
{
    double x = ((const struct hk_profile_row *)a)->seconds, y = ((const struct hk_profile_row *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

bool gpu_profile(struct gpu *g, struct hk_profile_row **rows, uint32_t *n, struct hk_error *err)
{
    *rows = NULL;
    *n = 0;
    if (!gpu_wait_idle(g, err)) return false;
    for (struct gpu_recorder *rec = g->recorders; rec; rec = rec->next) collect(rec);
    struct hk_profile_row *copy = gpui_calloc(g, g->n_rows, sizeof *copy, err);
    if (!copy) return false;
    if (g->n_rows) {
        memcpy(copy, g->rows, g->n_rows * sizeof *copy);
        qsort(copy, g->n_rows, sizeof *copy, by_time);
    }
    *rows = copy;
    *n = g->n_rows;
    return true;
}

void gpu_profile_reset(struct gpu *g)
{
    if (!g->lost) gpu_wait_idle(g, NULL);
    for (struct gpu_recorder *rec = g->recorders; rec; rec = rec->next) rec->collected = rec->ticket;
    g->n_rows = 0;
}

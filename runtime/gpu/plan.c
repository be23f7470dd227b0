#include "runtime/gpu/plan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which device ---- */

static bool name_contains(const char *name, const char *part)
{
    for (; *name; name++) {
        size_t i = 0;
        while (part[i] && name[i] && tolower((unsigned char)name[i]) == tolower((unsigned char)part[i])) i++;
        if (!part[i]) return true;
    }
    return false;
}

static int rank_of(enum hk_device_type type)
{
    switch (type) {
    case HK_DEVICE_DISCRETE:
        return 4;
    case HK_DEVICE_INTEGRATED:
        return 3;
    case HK_DEVICE_VIRTUAL:
        return 2;
    case HK_DEVICE_OTHER:
        return 1;
    case HK_DEVICE_CPU:
        return 0;
    }
    return 0;
}

/* "0 llvmpipe, 1 Radeon ..." of all devices, or of those whose name contains part; cut where it does not fit. */
static void list_names(const struct hk_device_caps *caps, uint32_t n, const char *part, char *buf,
                       size_t capacity)
{
    size_t len = 0;
    buf[0] = 0;
    for (uint32_t i = 0; i < n && len < capacity; i++) {
        if (part && !name_contains(caps[i].name, part)) continue;
        int k = snprintf(buf + len, capacity - len, "%s%u %s", len ? ", " : "", i, caps[i].name);
        if (k < 0) return;
        len += (size_t)k;
    }
}

static bool choose_number(uint32_t n, const char *select, uint32_t *index)
{
    char *end;
    unsigned long v = strtoul(select, &end, 10);
    if (*end || v >= n) return false;
    *index = (uint32_t)v;
    return true;
}

static bool choose_name(const struct hk_device_caps *caps, uint32_t n, const char *select, uint32_t *index,
                        struct hk_error *err)
{
    uint32_t matches = 0;
    char names[300];
    for (uint32_t i = 0; i < n; i++) {
        if (!name_contains(caps[i].name, select)) continue;
        *index = i;
        matches++;
    }
    if (matches == 1) return true;
    list_names(caps, n, matches ? select : NULL, names, sizeof names);
    if (matches)
        return hk_fail(err, HK_ERR_INPUT, "device '%.60s': %u devices match; say a number: %s", select,
                       matches, names);
    return hk_fail(err, HK_ERR_INPUT, "device '%.60s': no device has that name; there are: %s", select,
                   names);
}

bool gpu_choose(const struct hk_device_caps *caps, uint32_t n, const char *select, uint32_t *index,
                struct hk_error *err)
{
    char names[300];
    if (!n) return hk_fail(err, HK_ERR_DEVICE, "device: there is none");
    if (select && *select) {
        if (strspn(select, "0123456789") == strlen(select)) {
            if (!choose_number(n, select, index)) {
                list_names(caps, n, NULL, names, sizeof names);
                return hk_fail(err, HK_ERR_INPUT, "device %.20s: no such number; there are: %s", select,
                               names);
            }
        } else if (!choose_name(caps, n, select, index, err)) {
            return false;
        }
        if (caps[*index].usable) return true;
        return hk_fail(err, HK_ERR_DEVICE, "device %u (%s): cannot be used: %s", *index, caps[*index].name,
                       caps[*index].unusable_why);
    }
    bool found = false;
    for (uint32_t i = 0; i < n; i++) {
        if (!caps[i].usable || (found && rank_of(caps[i].type) <= rank_of(caps[*index].type))) continue;
        *index = i;
        found = true;
    }
    if (found) return true;
    return hk_fail(err, HK_ERR_DEVICE,
                   "device: none of %u can be used: %s: %s; newer drivers or mesa-vulkan-drivers may help", n,
                   caps[0].name, caps[0].unusable_why);
}

/* ---- barriers ---- */

static bool conflicts(const struct gpu_hazards *h, const struct gpu_access *a)
{
    for (uint32_t i = 0; i < h->n; i++) {
        const struct gpu_range *r = &h->ranges[i];
        if ((a->write || r->write) && a->addr < r->end && r->begin < a->addr + a->size) return true;
    }
    return false;
}

static bool note(struct gpu_hazards *h, const struct gpu_access *a, struct hk_error *err)
{
    if (!a->size) return true;
    /* Newest first: a tensor is mostly read again by the commands right after the one that read it. */
    for (uint32_t i = h->n; i-- > 0;) {
        const struct gpu_range *r = &h->ranges[i];
        if (r->write == a->write && r->begin <= a->addr && a->addr + a->size <= r->end) return true;
    }
    if (h->n == h->capacity) {
        uint32_t grown = h->capacity ? h->capacity * 2 : 64;
        struct gpu_range *p = realloc(h->ranges, grown * sizeof *p);
        if (!p) return hk_fail(err, HK_ERR_MEMORY, "recording: out of memory for %u accesses", grown);
        h->ranges = p;
        h->capacity = grown;
    }
    h->ranges[h->n++] = (struct gpu_range){a->addr, a->addr + a->size, a->write};
    return true;
}

bool gpu_plan_hazards_next(struct gpu_hazards *h, const struct gpu_access *access, uint32_t n, bool *barrier,
                           struct hk_error *err)
{
    *barrier = false;
    for (uint32_t i = 0; i < n && !*barrier; i++) *barrier = access[i].size && conflicts(h, &access[i]);
    if (*barrier) h->n = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!note(h, &access[i], err)) return false;
    return true;
}

void gpu_plan_hazards_free(struct gpu_hazards *h)
{
    free(h->ranges);
    *h = (struct gpu_hazards){0};
}

/* ---- how much at once ---- */

double gpu_plan_work(uint64_t bytes, uint64_t flops)
{
    return (double)bytes + (double)flops / 8;
}

double gpu_plan_cost(uint64_t bytes, uint64_t flops)
{
    return 65536.0 + gpu_plan_work(bytes, flops);
}

struct gpu_rate gpu_plan_rate_guess(enum hk_device_type type)
{
    switch (type) {
    case HK_DEVICE_DISCRETE:
        return (struct gpu_rate){20e9, false};
    case HK_DEVICE_INTEGRATED:
    case HK_DEVICE_VIRTUAL:
        return (struct gpu_rate){5e9, false};
    default:
        return (struct gpu_rate){1e9, false};
    }
}

void gpu_plan_rate_sample(struct gpu_rate *r, double cost, double seconds)
{
    if (!(cost > 0) || !(seconds > 0)) return;
    double seen = cost / seconds;
    if (seconds < 2e-3 && seen <= r->per_second) return; /* mostly latency */
    double weight = seen < r->per_second ? 0.5 : r->measured ? 0.125 : 0.5;
    r->per_second += weight * (seen - r->per_second);
    if (r->per_second < 1e6) r->per_second = 1e6;
    r->measured = true;
}

double gpu_plan_grain(enum hk_device_type type)
{
    return gpu_plan_rate_guess(type).per_second * (GPU_PLAN_TARGET_MS / 2) * 1e-3;
}

uint32_t gpu_plan_split(const double *cost, uint32_t n, const struct gpu_rate *r)
{
    double limit = r->per_second * (double)GPU_PLAN_TARGET_MS * 1e-3;
    double sum = cost[0];
    uint32_t k = 1;
    while (k < n && sum + cost[k] <= limit) sum += cost[k++];
    return k;
}

/* ---- blocks of an arena ---- */

uint64_t gpu_plan_block(uint64_t need, uint64_t expected, uint64_t allocated, uint64_t taken, uint64_t most)
{
    const uint64_t mib = 1 << 20;
    uint64_t cap = most < 1024 * mib ? most : 1024 * mib;
    uint64_t size;
    if (expected > allocated) {
        size = expected - allocated;
    } else { /* unknown or exceeded: in proportion to what there is, so that the number of blocks stays small */
        size = taken / 4;
        if (size < mib) size = mib;
        if (size > 64 * mib) size = 64 * mib;
    }
    if (size > cap) size = cap;
    return size < need ? need : size;
}

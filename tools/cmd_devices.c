/* hekla devices: every Vulkan device, and what of it will be used. */
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/engine.h"
#include "tools/json.h"
#include "tools/words.h"

struct devices {
    struct verbosity v;
    const char *device;
    bool json;
};

static const struct opt opts[] = {
    {.name = "json",
     .kind = OPT_FLAG,
     .field = offsetof(struct devices, json),
     .help = "print one JSON array"},
    {.name = "device",
     .kind = OPT_TEXT,
     .field = offsetof(struct devices, device),
     .metavar = "N|NAME",
     .help = "show only this one: its number here, or a part of its name"},
    {0},
};

static const struct opt_command command = {
    .name = "devices",
    .usage = "hekla devices [--json] [--device N|NAME]",
    .about =
        "Lists every Vulkan device: driver, memory, limits, and for each optional feature whether Hekla "
        "uses it and why not. The one that other commands take without --device is marked; a device below "
        "the floor (Vulkan 1.1 and bufferDeviceAddress) is listed with what it lacks.",
    .examples = "  hekla devices\n"
                "  hekla devices --json\n",
    .groups = {{"options", opts, 0}, {"messages", verbosity_opts, offsetof(struct devices, v)}},
};

static const uint32_t no_device = UINT32_MAX;

/* ---- text ---- */

static void print_memory(const struct hk_device_caps *c)
{
    char size[32], budget[32];
    for (uint32_t i = 0; i < c->n_heaps; i++) {
        const struct hk_device_heap *h = &c->heaps[i];
        const char *where = h->device_local ? "on the device" : "of the host";
        printf("    %-24s%s %s%s, %s can be taken now\n", i ? "" : "memory", format_bytes(h->size, size),
               where, h->device_local && h->host_visible ? ", seen by the host" : "",
               format_bytes(h->budget, budget));
    }
    printf("    %-24s%s in one allocation\n", "", format_bytes(c->max_allocation, size));
}

static void print_limits(const struct hk_device_caps *c)
{
    char shared[32];
    printf("    %-24s%u invocations (%u x %u x %u), %s shared, subgroups of %u\n", "workgroup",
           (unsigned)c->max_invocations, (unsigned)c->max_group_size[0], (unsigned)c->max_group_size[1],
           (unsigned)c->max_group_size[2], format_bytes(c->shared_bytes, shared), (unsigned)c->subgroup_size);
    printf("    %-24s%u x %u x %u workgroups\n", "dispatch", (unsigned)c->max_groups[0],
           (unsigned)c->max_groups[1], (unsigned)c->max_groups[2]);
}

static void print_features(const struct hk_device_caps *c)
{
    for (uint32_t i = 0; i < c->n_features; i++) {
        const struct hk_device_feature *f = &c->features[i];
        const char *how = f->used ? "used" : f->present ? "not used" : "absent";
        printf("    %-24s%s%s%s\n", f->name, how, f->why[0] ? ": " : "", f->why);
    }
}

static void print_device(const struct hk_device_caps *c, uint32_t index, bool best, uint32_t n)
{
    const char *only = c->type == HK_DEVICE_CPU && n == 1 ? ", as there is no other" : "";
    printf("%u  %s%s%s%s\n", (unsigned)index, c->name, best ? "  (used by default" : "", best ? only : "",
           best ? ")" : "");
    if (!c->usable) printf("    %-24s%s\n", "cannot be used", c->unusable_why);
    printf("    %-24s%s, vendor 0x%04x, device 0x%04x\n", "type", device_type_name(c->type),
           (unsigned)c->vendor_id, (unsigned)c->device_id);
    printf("    %-24s%s %s, Vulkan %s\n", "driver", c->driver, c->driver_version, c->api_version);
    print_memory(c);
    print_limits(c);
    print_features(c);
}

/* ---- JSON ---- */

static bool add_text(cJSON *o, const char *key, const char *text)
{
    char bytes_key[48];
    snprintf(bytes_key, sizeof bytes_key, "%s_bytes", key);
    return json_add_text(o, key, bytes_key, text, strlen(text));
}

static bool add_number(cJSON *o, const char *key, double v)
{
    return cJSON_AddNumberToObject(o, key, v) != NULL;
}

static bool add_bool(cJSON *o, const char *key, bool v)
{
    return cJSON_AddBoolToObject(o, key, v) != NULL;
}

static bool add_three(cJSON *o, const char *key, const uint32_t v[3])
{
    const uint32_t copy[3] = {v[0], v[1], v[2]};
    return json_add_ids(o, key, copy, 3);
}

/* A new object at the end of the array, or NULL. */
static cJSON *append(cJSON *array)
{
    cJSON *o = cJSON_CreateObject();
    if (o && cJSON_AddItemToArray(array, o)) return o;
    cJSON_Delete(o);
    return NULL;
}

static bool json_heaps(cJSON *device, const struct hk_device_caps *c)
{
    cJSON *array = cJSON_AddArrayToObject(device, "heaps");
    for (uint32_t i = 0; i < c->n_heaps; i++) {
        const struct hk_device_heap *h = &c->heaps[i];
        cJSON *o = array ? append(array) : NULL;
        if (!o || !add_number(o, "bytes", (double)h->size) || !add_number(o, "budget", (double)h->budget) ||
            !add_bool(o, "device_local", h->device_local) || !add_bool(o, "host_visible", h->host_visible))
            return false;
    }
    return array;
}

static bool json_features(cJSON *device, const struct hk_device_caps *c)
{
    cJSON *array = cJSON_AddArrayToObject(device, "features");
    for (uint32_t i = 0; i < c->n_features; i++) {
        const struct hk_device_feature *f = &c->features[i];
        cJSON *o = array ? append(array) : NULL;
        if (!o || !add_text(o, "name", f->name) || !add_bool(o, "present", f->present) ||
            !add_bool(o, "used", f->used) || !add_text(o, "why", f->why))
            return false;
    }
    return array;
}

static bool json_limits(cJSON *device, const struct hk_device_caps *c)
{
    cJSON *o = cJSON_AddObjectToObject(device, "limits");
    return o && add_number(o, "subgroup_size", c->subgroup_size) &&
           add_number(o, "workgroup_invocations", c->max_invocations) &&
           add_three(o, "workgroup_size", c->max_group_size) && add_three(o, "workgroups", c->max_groups) &&
           add_number(o, "shared_bytes", c->shared_bytes) &&
           add_number(o, "allocation_bytes", (double)c->max_allocation);
}

static bool json_device(cJSON *o, const struct hk_device_caps *c, uint32_t index, bool best)
{
    return o && add_number(o, "index", index) && add_text(o, "name", c->name) &&
           add_text(o, "type", device_type_name(c->type)) && add_bool(o, "default", best) &&
           add_bool(o, "usable", c->usable) && add_text(o, "unusable_why", c->unusable_why) &&
           add_text(o, "driver", c->driver) && add_text(o, "driver_version", c->driver_version) &&
           add_text(o, "vulkan", c->api_version) && add_number(o, "vendor_id", c->vendor_id) &&
           add_number(o, "device_id", c->device_id) && add_bool(o, "unified_memory", c->unified_memory) &&
           json_heaps(o, c) && json_limits(o, c) && json_features(o, c);
}

static bool print_json(const struct hk_device_caps *caps, uint32_t n, uint32_t only, uint32_t best,
                       struct hk_error *err)
{
    cJSON *root = cJSON_CreateArray();
    bool ok = root;
    for (uint32_t i = 0; ok && i < n; i++)
        if (only == no_device || only == i) ok = json_device(append(root), &caps[i], i, i == best);
    ok = json_print(ok ? root : NULL, stdout, err);
    cJSON_Delete(root);
    return ok;
}

/* ---- the command ---- */

/* The device that --device names, usable or not, or no_device without it. */
static bool find_only(const struct hk_device_caps *caps, uint32_t n, const char *select, uint32_t *only,
                      struct hk_error *err)
{
    *only = no_device;
    if (!select) return true;
    return hk_device_choose(caps, n, select, only, err) || (*only < n && !caps[*only].usable);
}

int cmd_devices(int argc, char **argv)
{
    struct devices o = {0};
    struct hk_error err = {0};
    int n_args, status;
    if (!tool_options(&command, argc, argv, &o, &n_args, &status)) return status;
    struct hk_device_caps *caps;
    uint32_t n, only, best = no_device;
    if (!hk_device_list(&caps, &n, &err)) return tool_fail(&err);
    bool ok = find_only(caps, n, o.device, &only, &err);
    if (ok) {
        if (!hk_device_choose(caps, n, NULL, &best, NULL)) best = no_device;
        if (o.json) ok = print_json(caps, n, only, best, &err);
        for (uint32_t i = 0; !o.json && i < n; i++) {
            if (only != no_device && only != i) continue;
            if (i && only == no_device) putchar('\n');
            print_device(&caps[i], i, i == best, n);
        }
    }
    free(caps);
    return ok ? tool_finish(TOOL_DONE) : tool_fail(&err);
}

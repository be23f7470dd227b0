/* hk_device: a backend under the public API's name. */
#include "runtime/backend.h"
#include "runtime/hekla.h"

#include <stdlib.h>
#include <string.h>

struct hk_device {
    struct backend *backend;
    struct gpu *gpu; /* NULL: the reference. Owned by the backend */
};

struct hk_device *hk_device_open(const struct hk_device_options *opt, struct hk_error *err)
{
    static const struct hk_device_options defaults = {0};
    if (!opt) opt = &defaults;
    struct hk_device *d = hk_calloc(1, sizeof *d, err);
    if (!d) return NULL;
    if (opt->select && strcmp(opt->select, "reference") == 0) {
        d->backend = backend_reference_open(err);
    } else {
        struct gpu_options go = {.select = opt->select, .cache_dir = opt->cache_dir, .profile = opt->profile};
        d->gpu = gpu_open(&go, err);
        d->backend = d->gpu ? backend_vulkan_open(d->gpu, TUNER_AUTO, opt->cache_dir, err) : NULL;
    }
    if (d->backend) return d;
    free(d);
    return NULL;
}

void hk_device_close(struct hk_device *d)
{
    if (!d) return;
    d->backend->table->close(d->backend);
    free(d);
}

const char *hk_device_name(const struct hk_device *d)
{
    return d->gpu ? gpu_capabilities(d->gpu)->name : "reference (C, on the host)";
}

const struct hk_device_caps *hk_device_caps(const struct hk_device *d)
{
    return d->gpu ? gpu_capabilities(d->gpu) : NULL;
}

bool hk_device_profile(struct hk_device *d, struct hk_profile_row **rows, uint32_t *n, struct hk_error *err)
{
    *rows = NULL;
    *n = 0;
    return !d->gpu || gpu_profile(d->gpu, rows, n, err);
}

bool hk_device_list(struct hk_device_caps **caps, uint32_t *n, struct hk_error *err)
{
    return gpu_list(caps, n, err);
}

bool hk_device_choose(const struct hk_device_caps *caps, uint32_t n, const char *select, uint32_t *index,
                      struct hk_error *err)
{
    return gpu_choose(caps, n, select, index, err);
}

void hk_device_profile_reset(struct hk_device *d)
{
    if (d->gpu) gpu_profile_reset(d->gpu);
}

struct backend *hk_device_backend(struct hk_device *d)
{
    return d->backend;
}

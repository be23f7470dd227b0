/* A memory plan: what will be allocated on a device, by name, before anything is. */
#ifndef HEKLA_RUNTIME_PLAN_H
#define HEKLA_RUNTIME_PLAN_H

#include "loader/base.h"

enum { HK_PLAN_PARTS = 8 };
struct hk_plan {
    struct {
        const char *name; /* "weights", "cache", ...: a static string */
        uint64_t bytes;
    } part[HK_PLAN_PARTS];
    uint32_t n;
    uint64_t total;
};

/* Adds a part; false, and nothing added, where the total does not fit in 64 bits. */
bool hk_plan_add(struct hk_plan *p, const char *name, uint64_t bytes);
/* Adds rows * row_bytes to a part's bytes; false where that does not fit. */
bool hk_plan_sum(uint64_t *bytes, uint64_t rows, uint64_t row_bytes);
/* "weights 240.0 MiB, cache 64.0, steps 3.1": out is returned. */
const char *hk_plan_text(const struct hk_plan *p, char out[160]);

#endif

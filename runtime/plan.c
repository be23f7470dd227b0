#include "runtime/plan.h"

#include <assert.h>
#include <stdio.h>

bool hk_plan_add(struct hk_plan *p, const char *name, uint64_t bytes)
{
    assert(p->n < HK_PLAN_PARTS);
    if (!hk_add_u64(p->total, bytes, &p->total)) return false;
    p->part[p->n].name = name;
    p->part[p->n++].bytes = bytes;
    return true;
}

bool hk_plan_sum(uint64_t *bytes, uint64_t rows, uint64_t row_bytes)
{
    uint64_t more = 0;
    return hk_mul_u64(rows, row_bytes, &more) && hk_add_u64(*bytes, more, bytes);
}

const char *hk_plan_text(const struct hk_plan *p, char out[160])
{
    int at = 0;
    out[0] = 0;
    for (uint32_t i = 0; i < p->n && at < 160; i++)
        at += snprintf(out + at, 160 - (size_t)at, "%s%s %.1f%s", i ? ", " : "", p->part[i].name,
                       (double)p->part[i].bytes / 0x1p20, i ? "" : " MiB");
    return out;
}

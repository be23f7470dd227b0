#include "runtime/gpu/shader_table.h"

#include <string.h>

const struct hk_shader *hk_shader_find(const char *name)
{
    uint32_t low = 0, high = hk_n_shaders;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = strcmp(name, hk_shaders[mid].name);
        if (order == 0) return &hk_shaders[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

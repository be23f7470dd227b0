/* Any bytes as a safetensors file of a Llama. */
#include "loader/formats/hf.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hk_error err = {0};
    struct hk_st_tensor *list;
    struct hk_ckpt_tensor head = {0};
    size_t n;
    cJSON *config = cJSON_Parse("{\"model_type\":\"llama\"}");
    struct hk_checkpoint *c = hk_checkpoint_new("fuzz", &err);
    if (!c || !config) return 0;
    const struct hk_arch *arch = hk_hf_arch_find(config);
    bool ok = hk_safetensors_parse(&c->arena, data, size, "fuzz.safetensors", &list, &n, &err);
    if (ok) {
        c->tensors = hk_arena_alloc(&c->arena, n, sizeof *c->tensors, &err);
        ok = c->tensors && hk_hf_add_tensors(c, arch, n % 2 == 0, list, n, "fuzz.safetensors", &head, &err) &&
             hk_checkpoint_sort_tensors(c, "fuzz", &err);
    }
    if (!ok && !err.text[0]) __builtin_trap(); /* refused without a reason */
    for (uint32_t i = 0; ok && i < c->n_tensors; i++) {
        const struct hk_ckpt_tensor *t = &c->tensors[i];
        const uint8_t *p = t->data;
        if (t->size == 0 || p < data || t->size > (size_t)(data + size - p)) __builtin_trap();
    }
    hk_checkpoint_close(c);
    cJSON_Delete(config);
    return 0;
}

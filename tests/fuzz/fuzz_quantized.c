/* Any bytes as a safetensors file of a Llama whose matrices are quantized: the first byte chooses the method,
 * the rest is the file. All rows of what is accepted are read. */
#include "loader/formats/hf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hk_hf_quant METHODS[] = {
    {.method = HK_HF_QUANT_NONE},
    {.method = HK_HF_QUANT_GPTQ, .bits = 4, .group = 8, .zero_add = 1},
    {.method = HK_HF_QUANT_GPTQ, .bits = 8, .group = UINT32_MAX, .any_order = true},
    {.method = HK_HF_QUANT_AWQ, .bits = 4, .group = 32},
    {.method = HK_HF_QUANT_FP8, .block = {3, 5}},
    {.method = HK_HF_QUANT_COMPRESSED_TENSORS, .block = {16, 16}},
    {.method = HK_HF_QUANT_NVFP4},
};

static void read_rows(const struct hk_ckpt_tensor *t)
{
    if (t->size > 1 << 22) return; /* scales and codes are in the file: rows are not much more */
    uint64_t rows = t->n_dims == 2 ? t->shape[0] : 1, block = hk_weight_type_info(t->type)->block_len;
    uint64_t n = rows * t->shape[t->n_dims - 1] / block, at = n / 3;
    void *out = malloc((size_t)t->size);
    if (!out) return;
    hk_ckpt_rows(t, 0, rows, out);
    hk_ckpt_weights(t, at * block, (n - at) * block, out);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MAX_TENSORS = 64 };
    struct hk_error err = {0};
    struct hk_st_tensor *list;
    struct hk_ckpt_tensor head = {0};
    struct hk_hf_entry entries[MAX_TENSORS];
    size_t n;
    if (size == 0) return 0;
    const struct hk_hf_quant *quant = &METHODS[data[0] % (sizeof METHODS / sizeof *METHODS)];
    cJSON *config = cJSON_Parse("{\"model_type\":\"llama\"}");
    struct hk_checkpoint *c = hk_checkpoint_new("fuzz", &err);
    if (!c || !config) return 0;
    const struct hk_arch *arch = hk_hf_arch_find(config);
    bool ok = hk_safetensors_parse(&c->arena, data + 1, size - 1, "fuzz.safetensors", &list, &n, &err);
    if (ok && n <= MAX_TENSORS) {
        for (size_t i = 0; i < n; i++) entries[i] = (struct hk_hf_entry){&list[i], "fuzz.safetensors"};
        c->tensors = hk_arena_alloc(&c->arena, n, sizeof *c->tensors, &err);
        ok = c->tensors && hk_hf_quant_join(&c->arena, quant, entries, n, &err) &&
             hk_hf_add_tensors(c, arch, false, list, n, "fuzz.safetensors", &head, &err) &&
             hk_checkpoint_sort_tensors(c, "fuzz", &err);
    }
    if (!ok && !err.text[0]) __builtin_trap(); /* refused without a reason */
    for (uint32_t i = 0; ok && i < c->n_tensors; i++) {
        if (c->tensors[i].quantized) read_rows(&c->tensors[i]);
    }
    hk_checkpoint_close(c);
    cJSON_Delete(config);
    return 0;
}

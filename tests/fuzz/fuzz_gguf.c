/* Any bytes as a GGUF file. */
#include "loader/formats/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hk_error err = {0};
    struct hk_gguf g;
    struct hk_checkpoint *c = hk_checkpoint_new("fuzz.gguf", &err);
    if (!c) return 0;
    bool ok = hk_gguf_parse(c, data, size, "fuzz.gguf", &g, &err) && hk_gguf_interpret(c, &g, &err);
    if (!ok && !err.text[0]) __builtin_trap(); /* refused without a reason */
    for (uint32_t i = 0; ok && i < c->n_tensors; i++) {
        const struct hk_ckpt_tensor *t = &c->tensors[i];
        const uint8_t *p = t->data;
        if (t->size == 0 || p < data || t->size > (size_t)(data + size - p)) __builtin_trap();
    }
    hk_checkpoint_close(c);
    return 0;
}

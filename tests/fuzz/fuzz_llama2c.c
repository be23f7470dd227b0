/* Any bytes as a llama2.c model, and the same bytes as its tokenizer.bin (for a vocabulary of 1 to 256
 * tokens, by the last byte). */
#include "loader/formats/llama2c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hk_error err = {0};
    struct hk_checkpoint *c = hk_checkpoint_new("fuzz.bin", &err);
    if (!c) return 0;
    bool ok = hk_llama2c_parse(c, data, size, "fuzz.bin", &err);
    if (!ok && !err.text[0]) __builtin_trap(); /* refused without a reason */
    for (uint32_t i = 0; ok && i < c->n_tensors; i++) {
        const struct hk_ckpt_tensor *t = &c->tensors[i];
        const uint8_t *p = t->data;
        if (t->size == 0 || p < data || t->size > (size_t)(data + size - p)) __builtin_trap();
    }
    err.text[0] = 0;
    c->hparams.n_vocab = size ? data[size - 1] + 1u : 1;
    ok = hk_llama2c_tokenizer(c, data, size, "tok.bin", &err);
    if (!ok && !err.text[0]) __builtin_trap();
    hk_checkpoint_close(c);
    return 0;
}

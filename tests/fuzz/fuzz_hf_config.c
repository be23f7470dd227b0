/* Any texts as the small files of a Hugging Face folder: the input is cut at bytes 0xFF into config.json,
 * tokenizer_config.json, generation_config.json and special_tokens_map.json; tokenizer.json is a fixed one. */
#include "loader/formats/hf.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char TOKENIZER[] =
    "{\"added_tokens\":[{\"id\":2,\"content\":\"<s>\",\"special\":true}],"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},"
    "\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[]}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum hk_hf_part PARTS[] = {HK_HF_CONFIG, HK_HF_TOKENIZER_CONFIG, HK_HF_GENERATION_CONFIG,
                                            HK_HF_SPECIAL_TOKENS};
    struct hk_hf_text texts[HK_HF_PARTS] = {{0}};
    struct hk_error err = {0};
    struct hk_hf_model model;
    texts[HK_HF_TOKENIZER] = (struct hk_hf_text){TOKENIZER, sizeof TOKENIZER - 1, "tokenizer.json"};
    for (size_t i = 0; i < 4 && size > 0; i++) {
        const uint8_t *cut = memchr(data, 0xFF, size);
        size_t len = cut ? (size_t)(cut - data) : size;
        texts[PARTS[i]] = (struct hk_hf_text){(const char *)data, len, "fuzz.json"};
        data += cut ? len + 1 : len;
        size -= cut ? len + 1 : len;
    }
    struct hk_checkpoint *c = hk_checkpoint_new("fuzz", &err);
    if (!c) return 0;
    bool ok = hk_hf_interpret(c, texts, &model, &err);
    if (!ok && !err.text[0]) __builtin_trap(); /* refused without a reason */
    if (ok && c->has_hparams && (c->hparams.n_head == 0 || c->hparams.n_head % c->hparams.n_head_kv != 0))
        __builtin_trap();
    hk_checkpoint_close(c);
    return 0;
}

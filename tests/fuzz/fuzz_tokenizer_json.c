/* Any bytes as a tokenizer.json; what is accepted is used. */
#include "loader/tokenizer/tokenizer.h"
#include "loader/formats/tokenizer_json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] =
        "The lamp's 12  \r\n\n<s>ab</s> \xC3\xA9\xE6\x97\xA5\xF0\x9F\x98\x80\xFF e\xCC\x81";
    struct hk_arena arena = {0};
    struct hk_error err = {0};
    struct hk_vocab vocab;
    struct hk_tokens ids = {0};
    struct hk_bytes out = {0};
    struct hk_tokenizer *t = NULL;
    bool ok = hk_vocab_from_tokenizer_json(&arena, (const char *)data, size, &vocab, &err);
    if (ok) t = hk_tokenizer_new(&vocab, &err);
    if (t && hk_tokenizer_encode(t, text, sizeof text - 1, 3, &ids, &err)) {
        struct hk_decoder d;
        hk_decoder_init(&d, t, true, true);
        for (size_t i = 0; i < ids.n; i++) {
            if (ids.ids[i] >= vocab.n_tokens || !hk_decoder_push(&d, ids.ids[i], &out, &err))
                __builtin_trap();
        }
        if (!hk_decoder_finish(&d, &out, &err)) __builtin_trap();
    }
    if ((!ok || !t) && !err.text[0]) __builtin_trap(); /* refused without a reason */
    hk_bytes_free(&out);
    free(ids.ids);
    hk_tokenizer_free(t);
    hk_arena_free(&arena);
    return 0;
}

/* Any bytes as a template, and behind the first NUL as its variables; without one the variables are these
 * below. */
#include "loader/jinja/chat_template.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char plain[] =
        "{\"messages\": [{\"role\": \"system\", \"content\": \" Be brief.\\n\"}, {\"role\": \"user\", "
        "\"content\": "
        "\"\\u00e9\\u65e5 x\"}, {\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"id\": "
        "\"abcdefghi\", "
        "\"function\": {\"name\": \"f\", \"arguments\": {\"a\": [1, 2.5, true, null]}}}]}], \"tools\": "
        "[{\"type\": "
        "\"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"properties\": {\"a\": {\"type\": "
        "\"string\"}}}}}], \"add_generation_prompt\": true, \"n\": 18446744073709551615, \"d\": {\"a\": 1, "
        "\"b\": "
        "{}}}";
    const struct hk_chat_template_options opt = {
        .now = {2025, 7, 26, 12, 0, 0},
        .max_steps = 100000,
        .max_output = 1 << 20,
        .max_memory = 8 << 20,
        .bos = "<s>",
        .eos = "</s>",
    };
    const char *text = (const char *)data, *end = size ? memchr(text, 0, size) : NULL;
    size_t len = end ? (size_t)(end - text) : size;
    const char *json = end ? end + 1 : plain;
    size_t json_len = end ? size - len - 1 : sizeof plain - 1;
    struct hk_error err = {0};
    struct hk_bytes out = {0}, again = {0};
    struct hk_chat_template *t = hk_chat_template_new(text, len, &err);
    bool ok = t && hk_chat_template_render(t, json, json_len, &opt, &out, &err);
    if (!ok && (!err.text[0] || err.code == HK_OK || out.len))
        __builtin_trap(); /* refused without a reason */
    if (ok && (!hk_chat_template_render(t, json, json_len, &opt, &again, &err) || again.len != out.len ||
               (out.len && memcmp(out.data, again.data, out.len) != 0)))
        __builtin_trap(); /* a rendering depends on the one before */
    hk_bytes_free(&out);
    hk_bytes_free(&again);
    hk_chat_template_free(t);
    return 0;
}

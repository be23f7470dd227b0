#include "chat_format.h"

#include <stdio.h>
#include <string.h>

/* The first row that fits counts: rows with the rarer markers come first. */
static const struct chat_format formats[] = {
    {.name = "ChatML",
     .marker = "<|im_start|>",
     .system_before = "<|im_start|>system\n",
     .system_after = "<|im_end|>\n",
     .user_before = "<|im_start|>user\n",
     .user_after = "<|im_end|>\n<|im_start|>assistant\n",
     .answer_after = "<|im_end|>\n",
     .end = "<|im_end|>"},
    {.name = "Llama 3",
     .marker = "<|start_header_id|>",
     .system_before = "<|start_header_id|>system<|end_header_id|>\n\n",
     .system_after = "<|eot_id|>",
     .user_before = "<|start_header_id|>user<|end_header_id|>\n\n",
     .user_after = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
     .answer_after = "<|eot_id|>",
     .end = "<|eot_id|>"},
    {.name = "Gemma",
     .marker = "<start_of_turn>",
     .system_before = "",
     .system_after = "\n\n",
     .system_inside = true,
     .user_before = "<start_of_turn>user\n",
     .user_after = "<end_of_turn>\n<start_of_turn>model\n",
     .answer_after = "<end_of_turn>\n",
     .end = "<end_of_turn>"},
    {.name = "Llama 2",
     .marker = "[INST]",
     .also = "<<SYS>>",
     .system_before = "<<SYS>>\n",
     .system_after = "\n<</SYS>>\n\n",
     .system_inside = true,
     .user_before = "[INST] ",
     .user_after = " [/INST]",
     .answer_after = "</s><s>",
     .end = "</s>"},
    {.name = "Mistral",
     .marker = "[INST]",
     .system_before = "",
     .system_after = "\n\n",
     .system_inside = true,
     .user_before = "[INST] ",
     .user_after = " [/INST]",
     .answer_after = "</s>",
     .end = "</s>"},
    {.name = "Phi-3",
     .marker = "<|user|>",
     .also = "<|end|>",
     .system_before = "<|system|>\n",
     .system_after = "<|end|>\n",
     .user_before = "<|user|>\n",
     .user_after = "<|end|>\n<|assistant|>\n",
     .answer_after = "<|end|>\n",
     .end = "<|end|>"},
    {.name = "Zephyr",
     .marker = "<|user|>",
     .system_before = "<|system|>\n",
     .system_after = "</s>\n",
     .user_before = "<|user|>\n",
     .user_after = "</s>\n<|assistant|>\n",
     .answer_after = "</s>\n",
     .end = "</s>"},
};
enum { N_FORMATS = sizeof formats / sizeof formats[0] };

const struct chat_format *chat_format_find(const char *chat_template)
{
    for (size_t i = 0; chat_template && i < N_FORMATS; i++) {
        const struct chat_format *f = &formats[i];
        if (strstr(chat_template, f->marker) && (!f->also || strstr(chat_template, f->also))) return f;
    }
    return NULL;
}

void chat_format_names(char *buf, size_t size)
{
    size_t len = 0;
    buf[0] = 0;
    for (size_t i = 0; i < N_FORMATS; i++) {
        snprintf(buf + len, size - len, "%s%s", i ? ", " : "", formats[i].name);
        len = strlen(buf);
    }
}

static bool add(struct hk_bytes *out, const char *s, struct hk_error *err)
{
    return hk_bytes_append(out, s, strlen(s), err);
}

bool chat_format_turn(const struct chat_format *f, bool first, const char *system, const char *user,
                      struct hk_bytes *out, struct hk_error *err)
{
    bool with_system = first && system && *system;
    bool ok = first || add(out, f->answer_after, err);
    if (f->system_inside) ok = ok && add(out, f->user_before, err);
    if (with_system) {
        ok = ok && add(out, f->system_before, err) && add(out, system, err) && add(out, f->system_after, err);
    }
    if (!f->system_inside) ok = ok && add(out, f->user_before, err);
    return ok && add(out, user, err) && add(out, f->user_after, err);
}

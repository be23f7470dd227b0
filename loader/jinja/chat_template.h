/* Chat templates: the Jinja in which a model's makers say how a conversation is written for it.
 *
 * Semantics are those of Python's jinja2 3.1 as Hugging Face transformers sets it up: the immutable sandbox,
 * trim_blocks and lstrip_blocks, loop controls, {% generation %}, tojson without ASCII escapes,
 * raise_exception and strftime_now. The rendered text is the same byte for byte, and what fails there fails
 * here, with these exceptions: integers have 64 bits (a longer one in the JSON is kept and printed,
 * arithmetic beyond is an error); what reads other templates (include, import, extends), autoescape, the
 * filters urlize, wordwrap, pprint, striptags and random, lipsum and "\N{...}" in strings are refused; where
 * Python prints an object's address, its kind and name stand.
 *
 * A template is hostile input: its nesting, steps, memory and output are bounded. */
#ifndef HEKLA_LOADER_CHAT_TEMPLATE_H
#define HEKLA_LOADER_CHAT_TEMPLATE_H

#include "loader/api.h"

struct hk_chat_template; /* immutable once made; may be rendered by several threads at once */

/* Parses text[0..len), which is copied. NULL and *err when it is not UTF-8, is longer than 2 MiB, or is no
 * template: HK_ERR_FORMAT, or HK_ERR_UNSUPPORTED for what is Jinja but not read here; the text begins with
 * "line N: ". */
HK_API struct hk_chat_template *hk_chat_template_new(const char *text, size_t len, struct hk_error *err);
HK_API void hk_chat_template_free(struct hk_chat_template *t);

/* A date and time of day, as a clock on the wall shows them: year 2025, month 1..12, day 1..31. */
struct hk_wall_time {
    int year, month, day, hour, minute, second;
};

/* Zero is right for every field. */
struct hk_chat_template_options {
    struct hk_wall_time now; /* what strftime_now says; a template that asks with year 0 fails */
    uint64_t max_steps;      /* expressions and statements evaluated, bytes touched / 64; 0: 50 million */
    size_t max_output;       /* bytes; 0: 64 MiB */
    size_t max_memory;       /* bytes that the values of one rendering may take; 0: 512 MiB */
    const char *bos, *eos;   /* bos_token and eos_token where the variables have none; may be NULL */
};

/* Renders with the members of a JSON object as variables ("messages", "tools", "add_generation_prompt", ...)
 * and appends the text, UTF-8, to *out. JSON as text, not as a cJSON tree, because that has one kind of
 * number: a schema's 0.0 must not become 0. opt may be NULL. On failure *out is as it was, and *err says why:
 * HK_ERR_FORMAT when the JSON is not valid or no object; HK_ERR_INPUT when the template refuses the messages
 * (raise_exception) or cannot be evaluated with them; HK_ERR_MEMORY beyond max_memory, or when memory is out.
 * Uses at most 2 MiB of stack. */
HK_API bool hk_chat_template_render(const struct hk_chat_template *t, const char *json, size_t json_len,
                                    const struct hk_chat_template_options *opt, struct hk_bytes *out,
                                    struct hk_error *err);

#endif

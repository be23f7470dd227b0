/* Messages -> the text that a chat template makes of them, and where in it the messages' own words stand.
 *
 * A template is a program, and its text does not say what of it was typed by somebody and what is the
 * template's own. It is therefore rendered a second time with marks in the place of the words (private-use
 * characters that occur nowhere else); where the second text with the words put back is the first one, byte
 * for byte, the places are known. The text is always that of the first rendering. */
#ifndef HEKLA_RUNTIME_CHAT_INTERNAL_H
#define HEKLA_RUNTIME_CHAT_INTERNAL_H

#include "loader/checkpoint.h"
#include "runtime/chat/writer.h"

struct chat_renderer {
    const struct hk_chat_template *template;
    const char *source; /* of the template: a mark must not occur in it */
    struct hk_chat_template_options options;
    bool bare; /* tools and documents are undefined, not none */
    /* What must not come from a message: texts of tokens that steer the model, none empty. Where a template
     * looks into messages, places are still found for these in them. */
    const struct hk_span *barred;
    size_t n_barred;
};

/* hk_chat_writer_text's part without the system's message. The variables are those of transformers'
 * apply_chat_template: messages, tools and documents (none, unless bare), add_generation_prompt (`open`),
 * bos_token and eos_token. */
bool chat_text_render(const struct chat_renderer *r, const struct hk_chat_message *m, size_t n, bool open,
                      struct hk_chat_text *out, struct hk_error *err);

struct hk_chat_writer {
    struct hk_chat_template *template;
    const struct hk_checkpoint *checkpoint;
    const struct hk_tokenizer *tokenizer;
    struct chat_renderer renderer;
    struct hk_bytes bos, eos; /* their texts */
    struct hk_span *barred;   /* the renderer's */
    uint32_t *markers;        /* tokens that steer the model though they are no control tokens */
    size_t n_markers;
    bool system_apart; /* the template has a place for a system text; else it goes into the first question */
    uint32_t stop;     /* the token by which the template closes an answer, or HK_NO_TOKEN */
};

#endif

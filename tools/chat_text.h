/* Messages -> the text that a chat template makes of them, and where in it the messages' own words stand.
 *
 * A template is a program, and its text does not say what of it was typed by somebody and what is the
 * template's own. It is therefore rendered a second time with marks in the place of the words (private-use
 * characters that occur nowhere else); where the second text with the words put back is the first one, byte
 * for byte, the places are known. The text is always that of the first rendering. */
#ifndef HEKLA_TOOLS_CHAT_TEXT_H
#define HEKLA_TOOLS_CHAT_TEXT_H

#include "runtime/hekla.h"

struct chat_message {
    const char *role; /* "system", "user", "assistant" */
    const char *text; /* bytes that are not UTF-8, and NUL, become U+FFFD */
    size_t len;
    const struct hk_tokens *own; /* an answer of the model's itself: its tokens; NULL: somebody typed it */
};

struct chat_place {
    size_t start, end; /* of text */
    size_t message;    /* whose words stand there */
    bool whole;        /* all of that message's */
};
struct chat_text {
    struct hk_bytes text;
    struct chat_place *places; /* in their order, apart from each other, none empty */
    size_t n, capacity;
};
void chat_text_free(struct chat_text *t);

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

/* Replaces *out. The variables are those of transformers' apply_chat_template: messages, tools and documents
 * (none, unless bare), add_generation_prompt (`open`), bos_token and eos_token. HK_ERR_INPUT where the
 * template refuses the messages.
 *
 * Places: the words of every message, without the white space at their ends, which templates trim. Where that
 * is not known, because the template reads, changes or repeats the messages in other ways: the barred texts
 * in messages, except those that the template itself looks for; where one is left, the messages as far as
 * they are found in the text as they are. */
bool chat_text_render(const struct chat_renderer *r, const struct chat_message *m, size_t n, bool open,
                      struct chat_text *out, struct hk_error *err);

#endif

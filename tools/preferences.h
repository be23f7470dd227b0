/* Preference data out: one JSON object on a line for each answered prompt, {"prompt", "chosen", "rejected"},
 * as libraries that train on preferences read it (TRL's standard and conversational formats:
 * https://huggingface.co/docs/trl/dataset_formats). */
#ifndef HEKLA_TOOLS_PREFERENCES_H
#define HEKLA_TOOLS_PREFERENCES_H

#include <stdio.h>

#include "tools/conversation.h"

/* Zero-initialise. */
struct preferences {
    FILE *f; /* NULL: nothing is kept */
    const char *path;
};

/* Opens the file to append to; what is in it stays, and an unfinished line at its end is ended. A path that
 * cannot be written is HK_ERR_IO, before anything is generated for it. */
bool preferences_open(struct preferences *p, const char *path, struct hk_error *err);
/* False and *err when the system says only now that something could not be written. Accepts one that is not
 * open. */
bool preferences_close(struct preferences *p, struct hk_error *err);

struct answer_text {
    const char *text;
    size_t len;
};

/* Appends one whole line. c's last turn is the prompt: with chat, as lists of {"role", "content"} of the
 * whole conversation before the answer and of each answer; else as three strings. Bytes that are not UTF-8
 * become U+FFFD. Does nothing where no file is open. */
bool preferences_add(struct preferences *p, struct hk_conversation *c, bool chat,
                     const struct answer_text *chosen, const struct answer_text *rejected,
                     struct hk_error *err);

#endif

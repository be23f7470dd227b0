/* How a conversation is written for a model, for the common families of chat templates. They are recognised
 * by the markers in a checkpoint's own template. */
#ifndef HEKLA_TOOLS_CHAT_FORMAT_H
#define HEKLA_TOOLS_CHAT_FORMAT_H

#include "../runtime/hekla.h"

struct chat_format {
    const char *name;
    const char *marker, *also; /* both are in the template; also may be NULL */
    /* One turn: [system_before SYSTEM system_after] user_before USER user_after ANSWER answer_after.
     * The system text comes in the first turn only; with system_inside it stands between user_before and
     * USER. */
    const char *system_before, *system_after, *user_before, *user_after, *answer_after;
    bool system_inside;
    const char *end; /* the control token by which the model ends an answer */
};

/* NULL where the template is none of the known ones. */
const struct chat_format *chat_format_find(const char *chat_template);
/* The names, separated by ", ". */
void chat_format_names(char *buf, size_t size);

/* Appends what stands between the previous answer (or the beginning of the text) and the next answer. system:
 * NULL or "" where there is none; it is written in the first turn only. */
bool chat_format_turn(const struct chat_format *f, bool first, const char *system, const char *user,
                      struct hk_bytes *out, struct hk_error *err);

#endif

/* A reward model that reads conversations: what `rank` prints, and what chooses the best of N answers. */
#ifndef HEKLA_TOOLS_SCORER_H
#define HEKLA_TOOLS_SCORER_H

#include "tools/conversation.h"
#include "tools/engine.h"

/* Zero-initialise; scorer_close closes whatever is open. */
struct scorer {
    struct engine e;
    struct hk_chat_writer *writer; /* of the reward model; NULL: it has no template and reads plain text */
    struct hk_tokens tokens;       /* what it read last */
};

/* Opens what m names, as far as no device is needed. Refuses a language model. */
bool scorer_open_checkpoint(struct scorer *s, const struct model_options *m, struct hk_error *err);
/* The rest, on the device of `beside`, which must outlive the scorer, or, where that is NULL, on the one that
 * d names. */
bool scorer_open_model(struct scorer *s, const struct engine *beside, const struct model_options *m,
                       const struct device_options *d, struct hk_error *err);
void scorer_close(struct scorer *s);

/* The score of answer[0..len) as the answer of c's last turn, in *score: the head's output after the last
 * token of the conversation in the reward model's own chat format, or, where it has none, of question and
 * answer as running text. Where that is longer than its context, the oldest turns are left out. What the
 * conversation shares with the last one that was scored is not computed again. s->tokens.n is then how many
 * tokens were read. */
bool scorer_score(struct scorer *s, struct hk_conversation *c, const char *answer, size_t len, float *score,
                  struct hk_error *err);

#endif

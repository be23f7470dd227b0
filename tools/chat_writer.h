/* How a conversation is written for a model: by the template in its checkpoint, as tokens. */
#ifndef HEKLA_TOOLS_CHAT_WRITER_H
#define HEKLA_TOOLS_CHAT_WRITER_H

#include "tools/chat_text.h"

/* Zero-initialise; chat_writer_close closes whatever is open. */
struct chat_writer {
    struct hk_chat_template *template; /* NULL: not open */
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

/* Parses the checkpoint's template, of which there must be one, and tries what it can write: a question must
 * be (HK_ERR_INPUT, HK_ERR_FORMAT, HK_ERR_UNSUPPORTED say that the template is of no use). The checkpoint and
 * its tokenizer must outlive the writer. now: what the template is told all along, so that the beginning of a
 * conversation stays the same. */
bool chat_writer_open(struct chat_writer *w, const struct hk_checkpoint *c, const struct hk_tokenizer *t,
                      const struct hk_wall_time *now, struct hk_error *err);
void chat_writer_close(struct chat_writer *w);

/* The messages as text, replacing *out (chat_text.h). The first may be the system's: where the template has
 * no place for it, it stands before the first question, with an empty line between, since a template that
 * refuses it or leaves it out does not know what else to do with what the user wants. `open`: an answer
 * follows. */
bool chat_writer_text(const struct chat_writer *w, const struct chat_message *m, size_t n, bool open,
                      struct chat_text *out, struct hk_error *err);

/* The same as tokens, replacing *out: what the template writes is read with its control tokens, what the
 * messages say without, so that no message can end its turn or begin another. The beginning-of-text token
 * comes first where the vocabulary wants it, once; none is put at the end. An answer of the model's own
 * keeps its tokens where it stands in the text as it is and a control token follows: a session that has
 * written it then has all of it already. */
bool chat_writer_tokens(const struct chat_writer *w, const struct chat_message *m, size_t n, bool open,
                        struct hk_tokens *out, struct hk_error *err);

/* Appends ids[0..n). */
bool tokens_append(struct hk_tokens *to, const uint32_t *ids, size_t n, struct hk_error *err);

#endif

/* How a conversation is written for a model: by the template in its checkpoint, as text and as tokens, so that
 * no message can end its turn or begin another. */
#ifndef HEKLA_RUNTIME_CHAT_WRITER_H
#define HEKLA_RUNTIME_CHAT_WRITER_H

#include "loader/api.h"
#include "loader/jinja/chat_template.h"
#include "loader/open.h"
#include "loader/tokenizer/tokenizer.h"

struct hk_chat_message {
    const char *role; /* "system", "user", "assistant" */
    const char *text; /* bytes that are not UTF-8, and NUL, become U+FFFD */
    size_t len;
    const struct hk_tokens *own; /* an answer of the model's itself: its tokens; NULL: somebody typed it */
};

/* Where words of a message stand in a text. */
struct hk_chat_place {
    size_t start, end; /* bytes of the text */
    size_t message;    /* whose words stand there */
    bool whole;        /* all of that message's, without the white space at its ends */
};
/* Zero-initialise, release with hk_chat_text_free. Used by one thread at a time. */
struct hk_chat_text {
    struct hk_bytes text;
    struct hk_chat_place *places; /* in their order, apart from each other, none empty */
    size_t n, capacity;
};
HK_API void hk_chat_text_free(struct hk_chat_text *t);

/* Immutable once made: threads may share it. */
struct hk_chat_writer;

/* Parses the checkpoint's template and tries what it can write: a question must be (HK_ERR_INPUT,
 * HK_ERR_FORMAT, HK_ERR_UNSUPPORTED say that the template is of no use, or that there is none). The checkpoint
 * and its tokenizer must outlive the writer. now: what the template is told all along, so that the beginning
 * of a conversation stays the same; NULL: a template that asks for the time fails. */
HK_API struct hk_chat_writer *hk_chat_writer_new(const struct hk_checkpoint *c, const struct hk_tokenizer *t,
                                                 const struct hk_wall_time *now, struct hk_error *err);
HK_API void hk_chat_writer_free(struct hk_chat_writer *w);

/* The tokens that end an answer, the vocabulary's and the one that the template writes there, which some files
 * forget to name, in ids; how many, at most HK_CHAT_STOPS. w may be NULL: the vocabulary's. */
enum { HK_CHAT_STOPS = 9 };
HK_API uint32_t hk_chat_stops(const struct hk_chat_writer *w, const struct hk_vocab *v,
                              uint32_t ids[HK_CHAT_STOPS]);

/* The messages as text, replacing *out. The first may be the system's: where the template has no place for it,
 * it stands before the first question, with an empty line between, since a template that refuses it or leaves
 * it out does not know what else to do with what the user wants (its words' place is then the question's).
 * `open`: an answer follows. HK_ERR_INPUT where the template refuses the messages.
 *
 * Places: the words of every message, without the white space at their ends, which templates trim. Where that
 * is not known, because the template reads, changes or repeats the messages in other ways: the texts in
 * messages that would steer the model, except those that the template itself looks for; where one is left, the
 * messages as far as they are found in the text as they are. */
HK_API bool hk_chat_writer_text(const struct hk_chat_writer *w, const struct hk_chat_message *m, size_t n,
                                bool open, struct hk_chat_text *out, struct hk_error *err);

/* The same as tokens, replacing *out: what the template writes is read with its control tokens, what the
 * messages say without. The beginning-of-text token comes first where the vocabulary wants it, once; none is
 * put at the end. An answer of the model's own keeps its tokens where it stands in the text as it is and a
 * control token follows: what has written it then has all of it already. */
HK_API bool hk_chat_writer_tokens(const struct hk_chat_writer *w, const struct hk_chat_message *m, size_t n,
                                  bool open, struct hk_tokens *out, struct hk_error *err);

#endif

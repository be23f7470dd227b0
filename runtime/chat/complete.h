/* A prompt's tokens -> the completion, token by token, as text that can be shown. */
#ifndef HEKLA_RUNTIME_CHAT_COMPLETE_H
#define HEKLA_RUNTIME_CHAT_COMPLETE_H

#include "loader/api.h"
#include "loader/tokenizer/tokenizer.h"

struct hk_sampler;
struct hk_sequence;
struct hk_token_logprob;

/* Appends the tokens of a text as a prompt: with the beginning-of-text token where the vocabulary wants it,
 * without an end-of-text token after it; flags: HK_ENCODE_PARSE_SPECIAL or 0. An empty text is the
 * beginning-of-text token alone; HK_ERR_INPUT where there is none. */
HK_API bool hk_prompt_tokens(const struct hk_tokenizer *t, const char *text, size_t len, unsigned flags,
                             struct hk_tokens *out, struct hk_error *err);

/* One token of a completion and the text that can be shown now: whole UTF-8 characters, so it may be empty or
 * belong in part to the token before. */
struct hk_piece {
    uint32_t token; /* HK_NO_TOKEN: what was held back at the end */
    const char *text;
    size_t len;
    float logprob; /* with logprobs: of this token, and of the most likely ones */
    const struct hk_token_logprob *top;
    uint32_t n_top;
};
/* Returns false to stop. */
typedef bool (*hk_piece_fn)(void *user, const struct hk_piece *piece);

/* Zero is right for every field but prompt and piece. */
struct hk_complete_options {
    const uint32_t *prompt;
    uint32_t n_prompt;
    uint32_t n;                 /* tokens at most; 0: as many as the context has room for */
    struct hk_sampler *sampler; /* NULL: greedy, on the device where there are no logprobs */
    bool logprobs;              /* each piece has its token's, and those of the n_top most likely tokens */
    uint32_t n_top;
    const uint32_t *stop; /* tokens that end it and are not handed on */
    uint32_t n_stop;
    bool at_start; /* the completion begins a text: the first word's virtual space is dropped */
    hk_piece_fn piece;
    void *user;
};

enum hk_end { HK_END_LENGTH, HK_END_STOP, HK_END_CONTEXT, HK_END_INTERRUPTED /* piece returned false */ };

struct hk_complete_result {
    enum hk_end end;
    uint32_t stop_token; /* where end is HK_END_STOP, else HK_NO_TOKEN */
    uint32_t n;          /* tokens handed on */
    uint32_t n_computed; /* tokens of the prompt that were not in the sequence already */
    uint32_t steps;      /* of decoding, in decode_seconds */
    double prompt_seconds, decode_seconds;
};

/* "length", "stop", "context", "interrupted" */
HK_API const char *hk_end_name(enum hk_end end);

/* Syncs the sequence to the prompt and continues it. t: the model's tokenizer. False and *err where that fails,
 * HK_ERR_CANCELLED where the runner's progress function ended it; *r (never NULL) is then what was done. */
HK_API bool hk_complete(struct hk_sequence *s, const struct hk_tokenizer *t,
                        const struct hk_complete_options *opt, struct hk_complete_result *r,
                        struct hk_error *err);

/* The first part of it: the prompt's last token has its logits then, and they are numbers. Fills r's fields of
 * the prompt. */
HK_API bool hk_complete_prompt(struct hk_sequence *s, const uint32_t *prompt, uint32_t n_prompt,
                               struct hk_complete_result *r, struct hk_error *err);

#endif

/* A prompt's tokens -> the completion, token by token, as `generate` and `chat` need it. */
#ifndef HEKLA_TOOLS_COMPLETION_H
#define HEKLA_TOOLS_COMPLETION_H

#include "tools/engine.h"

#define COMPLETION_NO_LOGPROBS UINT32_MAX

/* One token of the completion and the text that can be printed now: whole UTF-8 characters, so it may be
 * empty or belong in part to the token before. */
struct completion_piece {
    uint32_t token; /* HK_NO_TOKEN: what was held back at the end */
    const char *text;
    size_t len;
    float logprob; /* with logprobs: of this token, and of the most likely ones */
    const struct hk_token_logprob *top;
    uint32_t n_top;
};
/* Returns false to stop. */
typedef bool (*completion_fn)(void *user, const struct completion_piece *piece);

struct completion_options {
    const uint32_t *prompt;
    uint32_t n_prompt;
    uint32_t n;                 /* tokens at most */
    struct hk_sampler *sampler; /* NULL: greedy on the device, no logprobs */
    uint32_t logprobs;          /* how many of the most likely tokens, or COMPLETION_NO_LOGPROBS */
    const uint32_t *stop;       /* tokens that end it and are not handed on */
    uint32_t n_stop;
    bool at_start; /* the completion begins a text: the first word's virtual space is dropped */
    completion_fn piece;
    void *user;
};

enum completion_end { COMPLETION_LENGTH, COMPLETION_STOP, COMPLETION_CONTEXT, COMPLETION_INTERRUPTED };

struct completion_result {
    enum completion_end end;
    uint32_t stop_token; /* where end is COMPLETION_STOP */
    uint32_t n;          /* tokens handed on */
    uint32_t n_computed; /* tokens of the prompt that were computed: the others were there already */
    double prompt_seconds, decode_seconds;
    uint32_t steps; /* decode steps in decode_seconds, */
    uint32_t fed;   /* and the tokens fed in them: more where a step feeds several branches */
};

const char *completion_end_name(enum completion_end end); /* "length", "stop", "context", "interrupted" */

/* Syncs the sequence to the prompt and continues it. Ctrl-C ends it with what was handed on so far; during the
 * prompt it is HK_ERR_CANCELLED. False and *err also leave in *r what was done. */
bool completion_run(struct engine *e, const struct completion_options *o, struct completion_result *r,
                    struct hk_error *err);

/* The first part of it: syncs the sequence to the prompt, whose last token's logits are then there and are
 * numbers, and fills r's fields of the prompt. Clears the progress bar. */
bool completion_begin(struct engine *e, const uint32_t *prompt, uint32_t n_prompt,
                      struct completion_result *r, struct hk_error *err);

/* Runs some tokens through the sequence, as a prompt and as steps: what a driver compiles at its first use is
 * then compiled when the first question comes. What the timeline holds after it is of no meaning. */
bool completion_warm_up(struct engine *e, struct hk_error *err);

/* The tokens of a text as a prompt: with the beginning-of-text token where the vocabulary wants it, without
 * an end-of-text token after it; the text's own control tokens are recognised. An empty text is the
 * beginning-of-text token alone. */
bool completion_prompt(const struct engine *e, const char *text, size_t len, struct hk_tokens *out,
                       struct hk_error *err);

/* One line on stderr: tokens per second of the prompt and of the completion, GB/s of weights. */
void completion_print_timing(const struct engine *e, const struct completion_result *r);
double completion_prompt_rate(const struct completion_result *r); /* tokens per second; 0: not measured */
double completion_decode_rate(const struct completion_result *r);
double completion_weight_rate(const struct engine *e, const struct completion_result *r); /* 1e9 bytes/s */

#endif

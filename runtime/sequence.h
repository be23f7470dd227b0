/* sequence: tokens, and where their rows are. Between runner.c, which decides what is computed when, and hekla.h. */
#ifndef HEKLA_RUNTIME_SEQUENCE_H
#define HEKLA_RUNTIME_SEQUENCE_H

#include "runtime/hekla.h"
#include "runtime/kv.h"

struct hk_sequence {
    struct hk_runner *runner;
    /* the runner's list, by when they last were given something new to compute */
    struct hk_sequence *older, *younger;
    uint32_t *tokens; /* [n_ctx] */
    uint32_t n_tokens;
    struct kv_table kv;  /* the first kv.n_rows of the tokens are in the cache */
    bool pending;        /* the output behind the last token is wanted and not there yet */
    uint32_t n_computed; /* tokens computed for the newest request */
    float *output;       /* (DIM_OUT) behind the last token; where has_output */
    bool has_output;
    struct hk_target *targets; /* with HK_OUTPUTS_TARGETS and _ALL: [n_ctx], of tokens 1 .. n_targets - 1 */
    uint32_t n_targets;
    float *all; /* with HK_OUTPUTS_ALL: (all_n, n_vocab) of positions all_first .. */
    uint32_t all_first, all_n;
    size_t all_capacity; /* rows */
};

/* Gives up the rows in the cache, and not the tokens: they are computed again when they are needed. */
void sequence_evict(struct hk_sequence *s);
/* Takes the logits behind position pos: keeps what they say of the next token, and with HK_OUTPUTS_ALL them. */
bool sequence_take(struct hk_sequence *s, uint32_t pos, const float *logits, struct hk_error *err);

/* ---- runner.c ---- */

/* Puts the sequence behind all others, or takes it out of the list. */
void runner_add(struct hk_runner *r, struct hk_sequence *s);
void runner_remove(struct hk_runner *r, struct hk_sequence *s);
struct kv_pool *runner_pool(struct hk_runner *r);
const struct hk_runner_options *runner_options(const struct hk_runner *r);

#endif

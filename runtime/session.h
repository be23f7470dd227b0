/* What session.c and branches.c share: a session's memory, and how a step is filled in and submitted. */
#ifndef HEKLA_RUNTIME_SESSION_H
#define HEKLA_RUNTIME_SESSION_H

#include "runtime/backend.h"
#include "runtime/model.h"

enum {
    N_SLOTS =
        3, /* step inputs in flight: the device runs one while the host reads the last and fills the next */
    N_RECORDINGS = 8, /* kept, least recently used dropped */
    MAX_BATCH = 4096,
};

/* What a step takes from host-visible memory, written between submissions: arrays of one number a token, one
 * after the other; the last of two, ops.h's fork. */
enum input { IN_TOKENS, IN_POS, IN_OUT, IN_FORK, INPUT_NUMBERS = IN_FORK + 2 };
struct slot {
    uint32_t *host; /* INPUT_NUMBERS * step_rows */
    uint64_t addr;
};

/* What a step is for, which says where its logits go. */
enum step_kind {
    STEP_SYNC,     /* to the host: the timeline's */
    STEP_GREEDY,   /* their largest: its token goes into the next slot's inputs */
    STEP_BRANCHES, /* to the host: the branches'. Only these steps read IN_FORK */
};
struct recording {
    struct recorder *recorder;
    uint32_t n_tokens, n_out, slot;
    enum step_kind kind;
    uint64_t used; /* a clock of uses */
};

/* A continuation of the timeline: token i of it has position fork + i. */
struct branch {
    uint32_t n_tokens;
    const float *logits; /* NULL: it rested in the latest step */
};

struct hk_session {
    struct hk_model *model;
    struct backend *backend;
    struct hk_session_options opt; /* defaults filled in */
    struct arena *state, *host;
    struct step full; /* buffers for step_rows tokens; a smaller step takes their first rows */
    struct hk_kv *kv; /* [n_layer] */
    struct slot slots[N_SLOTS];
    const float *logits_host; /* (sync_outputs, DIM_OUT), of the newest sync; rows full.logits.ld apart */
    const float *branch_logits_host; /* (n_branches, DIM_OUT), of the newest step of branches */
    uint64_t logits_host_addr, branch_logits_host_addr;
    struct recording recordings[N_RECORDINGS];
    uint64_t clock;

    uint32_t *tokens; /* [n_ctx] the timeline */
    uint32_t n_tokens;
    bool logits_valid;   /* the logits after the last token are on the host */
    uint32_t logits_row; /* ... in this row of logits_host */
    float *all;          /* with all_logits: (all_n, n_vocab) of positions all_first.. */
    uint32_t all_first, all_n;
    size_t all_capacity; /* rows */

    struct branch *branches; /* [n_branches], of which n_forked live behind the whole timeline */
    uint32_t n_forked;
};

/* The most tokens of one step: a prompt's chunk, or one of every branch. */
static inline uint32_t step_rows(const struct hk_session_options *opt)
{
    return opt->n_batch > opt->n_branches ? opt->n_batch : opt->n_branches;
}

static inline uint32_t *slot_input(const struct hk_session *s, uint32_t slot, enum input which)
{
    return s->slots[slot].host + (size_t)which * step_rows(&s->opt);
}

/* What the head gave for the timeline's last token: (DIM_OUT), or NULL. */
static inline const float *timeline_output(const struct hk_session *s)
{
    return s->logits_valid ? s->logits_host + (size_t)s->logits_row * s->full.logits.ld : NULL;
}

/* Submits the step that key describes (recorder and used are not read), recorded now or before. */
bool submit_step(struct hk_session *s, struct recording key, uint64_t *ticket, struct hk_error *err);

/* What needs logits over the vocabulary refuses the models that have none. */
bool needs_logits(const struct hk_model *m, const char *what, struct hk_error *err);

#endif

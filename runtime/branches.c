/* Branches: several continuations of a session's timeline, a token of each in one step.
 *
 * The branches share the keys and values of the timeline; behind it each has rows of the cache for itself,
 * branch b those from n_ctx + b * branch_tokens on. Where a token's positions lie is an input of the step
 * like its position, so that the same recording serves every token of every fork. */
#include "runtime/session.h"

#include <string.h>

bool hk_session_fork(struct hk_session *s, uint32_t n, struct hk_error *err)
{
    if (!needs_logits(s->model, "a branch", err)) return false;
    if (n == 0 || n > s->opt.n_branches)
        return hk_fail(err, HK_ERR_INPUT, "%u branches: this session was opened for 1 to %u", n,
                       s->opt.n_branches);
    if (!s->logits_valid) return hk_fail(err, HK_ERR_INPUT, "a branch needs a synced prompt");
    for (uint32_t b = 0; b < n; b++) s->branches[b] = (struct branch){.logits = timeline_output(s)};
    s->n_forked = n;
    return true;
}

static bool check_step(const struct hk_session *s, const uint32_t *tokens, struct hk_error *err)
{
    const struct hk_session_options *opt = &s->opt;
    if (!s->n_forked)
        return hk_fail(err, HK_ERR_INPUT, "a step of branches: there are none: fork the timeline first");
    for (uint32_t b = 0; b < s->n_forked; b++) {
        uint32_t n = s->branches[b].n_tokens;
        if (tokens[b] == HK_NO_TOKEN) continue;
        if (tokens[b] >= s->model->hp.n_vocab)
            return hk_fail(err, HK_ERR_INPUT, "token %u for branch %u: the vocabulary has %u", tokens[b], b,
                           s->model->hp.n_vocab);
        if (n >= opt->branch_tokens)
            return hk_fail(err, HK_ERR_INPUT, "branch %u has %u tokens, and has room for no more", b, n);
        if (n >= opt->n_ctx - s->n_tokens)
            return hk_fail(err, HK_ERR_INPUT,
                           "branch %u has %u tokens behind %u: the context of %u has room for no more", b, n,
                           s->n_tokens, opt->n_ctx);
    }
    return true;
}

/* The inputs of a step of all branches; those that rest are inactive tokens. Returns how many do not. */
static uint32_t fill_inputs(struct hk_session *s, const uint32_t *tokens)
{
    uint32_t *ids = slot_input(s, 0, IN_TOKENS), *pos = slot_input(s, 0, IN_POS);
    uint32_t *out = slot_input(s, 0, IN_OUT), *fork = slot_input(s, 0, IN_FORK), n_active = 0;
    for (uint32_t b = 0; b < s->n_forked; b++) {
        bool rests = tokens[b] == HK_NO_TOKEN;
        uint32_t first_row = s->opt.n_ctx + b * s->opt.branch_tokens;
        ids[b] = tokens[b];
        pos[b] = rests ? UINT32_MAX : s->n_tokens + s->branches[b].n_tokens;
        out[b] = b;
        fork[2 * b] = s->n_tokens;
        fork[2 * b + 1] = first_row - s->n_tokens;
        n_active += !rests;
    }
    return n_active;
}

bool hk_session_branch_step(struct hk_session *s, const uint32_t *tokens, struct hk_error *err)
{
    if (!check_step(s, tokens, err)) return false;
    uint32_t n = s->n_forked;
    struct recording key = {.n_tokens = n, .n_out = n, .kind = STEP_BRANCHES};
    uint64_t ticket = 0;
    if (fill_inputs(s, tokens) > 0) {
        s->n_forked = 0; /* unless all goes well */
        if (!submit_step(s, key, &ticket, err) || !s->backend->table->wait(s->backend, ticket, err))
            return false;
        s->n_forked = n;
    }
    for (uint32_t b = 0; b < n; b++) {
        bool rests = tokens[b] == HK_NO_TOKEN;
        s->branches[b].n_tokens += !rests;
        s->branches[b].logits = rests ? NULL : s->branch_logits_host + (size_t)b * s->full.logits.ld;
    }
    return true;
}

const float *hk_session_branch_logits(const struct hk_session *s, uint32_t b)
{
    return b < s->n_forked ? s->branches[b].logits : NULL;
}

/* Which sequences a step computes, and what of them: admission, fairness, and who gives way when the pool is
 * full.
 *
 * Sequences stand in the order of their requests. Every step goes through them from the oldest: single tokens
 * are never left out, prompts share what is left of the step's tokens. Whoever needs a block that is not to
 * be had takes it from a sequence that has nothing to compute, else from the youngest. So the oldest always
 * goes on, and all get their turn. */
#include "runtime/backend.h"
#include "runtime/model.h"
#include "runtime/sequence.h"
#include "runtime/steps.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_CTX = 4096, MAX_BATCH = 4096, MAX_SEQUENCES = 1024 };

/* What a step computes of a sequence: tokens first .. first + n - 1. */
struct part {
    struct hk_sequence *s;
    uint32_t first, n;
    uint32_t output; /* its first output in the step, where n_outputs > 0 */
    uint32_t n_outputs;
};

struct hk_runner {
    struct hk_model *model;
    struct hk_runner_options opt; /* defaults filled in */
    struct step_limits limits;
    struct kv_pool *pool;
    struct steps *steps;
    struct hk_sequence *oldest, *youngest;
    struct part *parts; /* [n_sequences] of the step that is being made */
    uint32_t n_parts;
};

/* ---- opening ---- */

static void fill_defaults(const struct hk_model *m, struct hk_runner_options *opt)
{
    const struct hk_hparams *hp = &m->hp;
    if (opt->kv == HK_KV_AUTO) opt->kv = m->f32_only ? HK_KV_F32 : HK_KV_F16;
    if (!opt->n_ctx) opt->n_ctx = hp->n_ctx_train < DEFAULT_CTX ? hp->n_ctx_train : DEFAULT_CTX;
    if (!opt->n_batch) opt->n_batch = m->backend->table->batch(m->backend);
    if (opt->n_batch > MAX_BATCH) opt->n_batch = MAX_BATCH;
    if (opt->n_batch > opt->n_ctx) opt->n_batch = opt->n_ctx;
    if (!opt->n_sequences) opt->n_sequences = 1;
}

/* False where the pool's rows do not fit in 32 bits. */
static bool limits_of(const struct hk_runner_options *opt, struct step_limits *l)
{
    uint32_t n_tokens = opt->n_batch > opt->n_sequences ? opt->n_batch : opt->n_sequences;
    uint64_t blocks = hk_div_up(opt->n_ctx, KV_BLOCK_ROWS) + hk_div_up(opt->n_extra, KV_BLOCK_ROWS);
    *l = (struct step_limits){.n_tokens = n_tokens,
                              .n_outputs = opt->outputs != HK_OUTPUTS_LAST ? n_tokens : opt->n_sequences,
                              .n_tables = opt->n_sequences,
                              .n_blocks = (uint32_t)hk_div_up(opt->n_ctx, KV_BLOCK_ROWS),
                              .n_ctx = opt->n_ctx,
                              .n_pool_blocks = (uint32_t)blocks,
                              .kv = opt->kv};
    return blocks * KV_BLOCK_ROWS < KV_NONE;
}

bool hk_runner_plan(const struct hk_model *m, const struct hk_runner_options *opt, struct hk_plan *plan)
{
    struct hk_runner_options o = opt ? *opt : (struct hk_runner_options){0};
    struct step_limits limits;
    fill_defaults(m, &o);
    return limits_of(&o, &limits) && steps_plan(m, &limits, plan);
}

/* "a context of 512", "a context of 512 and 4096 positions for other sequences" */
static const char *asked_for(const struct hk_runner_options *opt, char out[96])
{
    int n = snprintf(out, 96, "a context of %u", opt->n_ctx);
    if (opt->n_extra)
        snprintf(out + n, 96 - (size_t)n, " and %u positions for other sequences", opt->n_extra);
    return out;
}

static bool check_options(const struct hk_runner *r, struct hk_error *err)
{
    const struct hk_model *m = r->model;
    const struct hk_runner_options *opt = &r->opt;
    struct step_limits limits;
    struct hk_plan plan = {0};
    char text[96], parts[160];
    if (opt->outputs != HK_OUTPUTS_LAST && hk_model_is_reward(m))
        return hk_fail(
            err, HK_ERR_INPUT,
            "%s: is a reward model, which scores texts: logits of every position need a language model",
            m->ckpt->path);
    if (opt->n_sequences > MAX_SEQUENCES)
        return hk_fail(err, HK_ERR_INPUT, "%u sequences in a step: up to %u would be accepted",
                       opt->n_sequences, (unsigned)MAX_SEQUENCES);
    if (!limits_of(opt, &limits) || !steps_plan(m, &limits, &plan))
        return hk_fail(err, HK_ERR_MEMORY,
                       "%s does not fit in memory: a smaller hk_runner_options.n_ctx would be accepted",
                       asked_for(opt, text));
    if (!m->arch->rope && opt->n_ctx > m->hp.n_ctx_train)
        return hk_fail(err, HK_ERR_INPUT,
                       "context of %u: this model has learned positions for %u only: an "
                       "hk_runner_options.n_ctx of %u or less would "
                       "be accepted",
                       opt->n_ctx, m->hp.n_ctx_train, m->hp.n_ctx_train);
    uint64_t budget = m->backend->table->budget(m->backend);
    if (plan.total > budget)
        return hk_fail(err, HK_ERR_MEMORY,
                       "%s needs %.1f MiB (%s), but the device has %.1f MiB left: a smaller "
                       "hk_runner_options.n_ctx would be accepted",
                       asked_for(opt, text), (double)plan.total / 0x1p20, hk_plan_text(&plan, parts),
                       (double)budget / 0x1p20);
    return true;
}

struct hk_runner *hk_runner_open(struct hk_model *m, const struct hk_runner_options *opt,
                                 struct hk_error *err)
{
    struct hk_runner *r = hk_calloc(1, sizeof *r, err);
    if (!r) return NULL;
    r->model = m;
    if (opt) r->opt = *opt;
    fill_defaults(m, &r->opt);
    if (check_options(r, err) && limits_of(&r->opt, &r->limits) &&
        (r->parts = hk_calloc(r->opt.n_sequences, sizeof *r->parts, err)) &&
        (r->pool = kv_pool_new(r->limits.n_pool_blocks, r->opt.outputs == HK_OUTPUTS_LAST, err)) &&
        (r->steps = steps_new(m, &r->limits, err)))
        return r;
    hk_runner_close(r);
    return NULL;
}

void hk_runner_close(struct hk_runner *r)
{
    if (!r) return;
    while (r->oldest) hk_sequence_free(r->oldest);
    steps_free(r->steps);
    kv_pool_free(r->pool);
    free(r->parts);
    free(r);
}

uint32_t hk_runner_ctx(const struct hk_runner *r)
{
    return r->opt.n_ctx;
}

uint32_t hk_runner_pool(const struct hk_runner *r, uint32_t *available)
{
    if (available) *available = kv_pool_available(r->pool) * KV_BLOCK_ROWS;
    return kv_pool_blocks(r->pool) * KV_BLOCK_ROWS;
}

struct kv_pool *runner_pool(struct hk_runner *r)
{
    return r->pool;
}

const struct hk_runner_options *runner_options(const struct hk_runner *r)
{
    return &r->opt;
}

struct hk_model *hk_runner_model(const struct hk_runner *r)
{
    return r->model;
}

/* ---- the list ---- */

void runner_add(struct hk_runner *r, struct hk_sequence *s)
{
    s->older = r->youngest;
    s->younger = NULL;
    *(r->youngest ? &r->youngest->younger : &r->oldest) = s;
    r->youngest = s;
}

void runner_remove(struct hk_runner *r, struct hk_sequence *s)
{
    *(s->older ? &s->older->younger : &r->oldest) = s->younger;
    *(s->younger ? &s->younger->older : &r->youngest) = s->older;
}

/* ---- room in the pool ---- */

/* Who gives way to s: a sequence that has nothing to compute, the one that asked longest ago first; else the
 * youngest behind s. NULL: nobody. */
static struct hk_sequence *find_victim(const struct hk_runner *r, const struct hk_sequence *s)
{
    for (struct hk_sequence *v = r->oldest; v; v = v->younger)
        if (v != s && !v->pending && v->kv.n_blocks) return v;
    for (struct hk_sequence *v = r->youngest; v && v != s; v = v->older)
        if (v->kv.n_blocks) return v;
    return NULL;
}

/* At most how many blocks s can get from others, what they share counted for each. */
static uint64_t obtainable(const struct hk_runner *r, const struct hk_sequence *s)
{
    uint64_t n = kv_pool_available(r->pool);
    bool behind = false;
    for (const struct hk_sequence *v = r->oldest; v; v = v->younger) {
        if (v == s) behind = true;
        if (v != s && (behind || !v->pending)) n += v->kv.n_blocks;
    }
    return n;
}

/* Makes positions up to n_rows of s writable. False: s has to wait. */
static bool make_room(struct hk_runner *r, struct hk_sequence *s, uint32_t n_rows, struct kv_copy *copy)
{
    /* One that holds nothing yet begins when all of it can be had: else it would hold blocks and wait with them. */
    uint32_t all = s->kv.n_rows ? n_rows : s->n_tokens;
    if (kv_needed(r->pool, &s->kv, all) > obtainable(r, s)) return false;
    while (!kv_reserve(r->pool, &s->kv, n_rows, copy)) {
        struct hk_sequence *v = find_victim(r, s);
        if (!v) return false;
        sequence_evict(v);
    }
    return true;
}

/* ---- a step ---- */

/* Whether another sequence of this step computes the block that s needs next: s finds it when it is there. */
static bool is_being_computed(const struct hk_runner *r, const struct hk_sequence *s)
{
    uint32_t end = s->kv.n_rows + KV_BLOCK_ROWS;
    if (r->opt.outputs != HK_OUTPUTS_LAST || s->kv.n_rows % KV_BLOCK_ROWS != 0 || s->n_tokens < end)
        return false;
    for (uint32_t i = 0; i < r->n_parts; i++) {
        const struct hk_sequence *o = r->parts[i].s;
        if (o->n_tokens >= end && r->parts[i].first < end &&
            memcmp(o->tokens, s->tokens, sizeof *s->tokens * end) == 0)
            return true;
    }
    return false;
}

/* Tokens of s that are to be computed; the last one always, for its output. */
static uint32_t n_to_compute(const struct hk_sequence *s)
{
    return s->kv.n_rows < s->n_tokens ? s->n_tokens - s->kv.n_rows : 1;
}

/* How many of them in this step, of which `left` tokens are left: all but a token for each of the others
 * behind s that goes on by one, shared with the other prompts. */
static uint32_t share(const struct hk_sequence *s, uint32_t left)
{
    uint32_t want = n_to_compute(s), single = 0, prompts = 1;
    if (want == 1) return 1;
    for (const struct hk_sequence *o = s->younger; o; o = o->younger)
        if (o->pending) *(n_to_compute(o) == 1 ? &single : &prompts) += 1;
    uint32_t rest = left > single ? left - single : 1;
    uint32_t part = rest / prompts > KV_BLOCK_ROWS ? rest / prompts : KV_BLOCK_ROWS;
    if (part > rest) part = rest;
    return want < part ? want : part;
}

static void add_part(struct hk_runner *r, struct step_input *in, struct hk_sequence *s, uint32_t n,
                     const struct kv_copy *copy)
{
    struct part *p = &r->parts[r->n_parts++];
    *p = (struct part){.s = s, .first = s->n_tokens - n_to_compute(s), .n = n};
    step_add_copy(in, copy);
    uint32_t table = step_add_table(in, &s->kv);
    for (uint32_t i = p->first; i < p->first + n; i++) {
        bool output = r->opt.outputs != HK_OUTPUTS_LAST || i + 1 == s->n_tokens, there = i < s->kv.n_rows;
        uint32_t row = there ? KV_NONE : kv_row(&s->kv, i);
        uint32_t out = step_add_token(in, s->tokens[i], i, row, table, output);
        if (output && p->n_outputs++ == 0) p->output = out;
    }
}

static void choose_parts(struct hk_runner *r, struct step_input *in)
{
    uint32_t left = r->limits.n_tokens;
    struct kv_copy copy;
    r->n_parts = 0;
    for (struct hk_sequence *s = r->oldest; s && left && r->n_parts < r->opt.n_sequences; s = s->younger) {
        if (!s->pending) continue;
        kv_find(r->pool, &s->kv, s->tokens, s->n_tokens);
        if (is_being_computed(r, s)) continue;
        uint32_t n = share(s, left), first = s->n_tokens - n_to_compute(s);
        if (!make_room(r, s, first + n, &copy)) continue;
        add_part(r, in, s, n, &copy);
        left -= n;
    }
}

static bool finish_part(struct hk_runner *r, const struct part *p, struct hk_error *err)
{
    struct hk_sequence *s = p->s;
    uint32_t end = p->first + p->n;
    kv_commit(r->pool, &s->kv, s->tokens, end);
    s->n_computed += p->n;
    if (!p->n_outputs) return true;
    for (uint32_t i = 0; r->opt.outputs != HK_OUTPUTS_LAST && i < p->n_outputs; i++)
        if (!sequence_take(s, p->first + i, steps_output(r->steps, p->output + i), err)) return false;
    if (end < s->n_tokens) return true;
    memcpy(s->output, steps_output(r->steps, p->output + p->n_outputs - 1),
           sizeof *s->output * hk_dim(&r->model->hp, DIM_OUT));
    s->has_output = true;
    s->pending = false;
    return true;
}

bool hk_runner_step(struct hk_runner *r, bool *more, struct hk_error *err)
{
    uint64_t ticket = 0;
    struct step_input *in = steps_fill(r->steps);
    if (more) *more = false;
    choose_parts(r, in);
    if (r->n_parts == 0) return true;
    bool ok = steps_submit(r->steps, in, STEP_OUTPUTS, &ticket, err) && steps_wait(r->steps, ticket, err);
    for (uint32_t i = 0; i < r->n_parts; i++) {
        if (ok) ok = finish_part(r, &r->parts[i], err);
        if (!ok) sequence_evict(r->parts[i].s); /* what its rows hold is not known */
    }
    for (struct hk_sequence *s = r->oldest; more && s; s = s->younger) *more |= s->pending;
    return ok;
}

bool hk_runner_run(struct hk_runner *r, struct hk_error *err)
{
    bool more = true;
    while (more)
        if (!hk_runner_step(r, &more, err)) return false;
    return true;
}

/* ---- greedy decoding ---- */

/* Steps that are under way at once: one runs while the host handles the token of another. */
enum { GREEDY_AHEAD = STEPS_IN_FLIGHT - 1 };

struct greedy {
    struct hk_runner *r;
    struct hk_sequence *s;
    uint32_t first; /* the token that step 0 feeds; the others find theirs in their input */
    uint32_t begin, n_steps, submitted;
    uint64_t tickets[STEPS_IN_FLIGHT];
    const struct step_input *into[STEPS_IN_FLIGHT]; /* where step i puts its token */
};

/* While one sequence decodes greedily nobody else is computed: all others can give way to it. */
static bool make_room_alone(struct hk_runner *r, struct hk_sequence *s, uint32_t n_rows, struct kv_copy *copy)
{
    if (make_room(r, s, n_rows, copy)) return true;
    for (struct hk_sequence *v = r->oldest; v; v = v->younger)
        if (v != s) sequence_evict(v);
    return kv_reserve(r->pool, &s->kv, n_rows, copy);
}

/* Submits the step that feeds position begin + submitted. */
static bool submit_greedy(struct greedy *g, struct hk_error *err)
{
    struct hk_runner *r = g->r;
    struct hk_sequence *s = g->s;
    uint32_t i = g->submitted, pos = g->begin + i;
    struct step_input *in = steps_fill(r->steps);
    struct kv_copy copy;
    if (!make_room_alone(r, s, pos + 1, &copy))
        return hk_fail(err, HK_ERR_MEMORY, "position %u: the pool of %u positions has no room", pos,
                       hk_runner_pool(r, NULL));
    step_add_copy(in, &copy);
    uint32_t table = step_add_table(in, &s->kv), row = kv_row(&s->kv, pos);
    if (i == 0)
        step_add_token(in, g->first, pos, row, table, true);
    else
        step_add_fed_token(in, pos, row, table);
    if (!steps_submit(r->steps, in, STEP_GREEDY, &g->tickets[i % STEPS_IN_FLIGHT], err)) return false;
    g->into[i % STEPS_IN_FLIGHT] = steps_fill(r->steps);
    g->submitted++;
    return true;
}

/* The first token comes from the prompt's logits; step i feeds token i and finds token i + 1. The last one is
 * not fed, so that it needs no place in the context. */
static bool run_greedy(struct greedy *g, hk_token_fn emit, void *user, uint32_t *n_out, struct hk_error *err)
{
    struct hk_sequence *s = g->s;
    uint32_t left = g->r->opt.n_ctx - g->begin, token = g->first;
    for (uint32_t i = 0; i < g->n_steps; i++) {
        while (g->submitted + 1 < g->n_steps && g->submitted < i + GREEDY_AHEAD)
            if (!submit_greedy(g, err)) return false;
        if (i > 0) {
            if (!steps_wait(g->r->steps, g->tickets[(i - 1) % STEPS_IN_FLIGHT], err)) return false;
            token = step_token(g->into[(i - 1) % STEPS_IN_FLIGHT], 0);
        }
        if (i < left) s->tokens[g->begin + i] = token;
        (*n_out)++;
        s->n_tokens = g->begin + (i < g->submitted ? i + 1 : i); /* the last token is emitted, but not fed */
        kv_commit(g->r->pool, &s->kv, s->tokens, g->begin + i);  /* what steps 0 .. i - 1 have fed */
        if (!emit(user, token)) break;
    }
    return g->submitted == 0 ||
           steps_wait(g->r->steps, g->tickets[(g->submitted - 1) % STEPS_IN_FLIGHT], err);
}

bool hk_sequence_greedy(struct hk_sequence *s, uint32_t n, hk_token_fn emit, void *user, uint32_t *n_out,
                        struct hk_error *err)
{
    struct hk_runner *r = s->runner;
    struct hk_token_logprob best;
    *n_out = 0;
    if (hk_model_is_reward(r->model))
        return hk_fail(err, HK_ERR_INPUT,
                       "%s: is a reward model, which scores texts: greedy decoding needs a language model",
                       r->model->ckpt->path);
    if (!s->has_output) return hk_fail(err, HK_ERR_INPUT, "greedy decoding needs a synced prompt");
    if (n == 0) return true;
    hk_top_logprobs(s->output, r->model->hp.n_vocab, 1, &best);
    uint32_t left = r->opt.n_ctx - s->n_tokens;
    struct greedy g = {
        .r = r, .s = s, .first = best.token, .begin = s->n_tokens, .n_steps = n <= left ? n : left + 1};
    s->has_output = false;
    bool ok = run_greedy(&g, emit, user, n_out, err);
    if (ok) {
        kv_commit(r->pool, &s->kv, s->tokens, s->n_tokens);
        kv_truncate(r->pool, &s->kv, s->n_tokens);
    } else {
        sequence_evict(s);
    }
    return ok;
}

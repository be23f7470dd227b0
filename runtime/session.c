/* One timeline on a model: a KV cache, and the tokens that are in it. The caller gives the whole prefix it
 * wants; what the cache already holds of it is kept, the rest is computed in chunks. Steps are recorded once
 * for each number of tokens and replayed: what changes (ids, positions) lives in a small buffer that the host
 * writes. */
#include "runtime/session.h"
#include "runtime/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_CTX = 4096 };

/* ---- memory ---- */

/* How many logits a sync's step gives at most. */
static uint32_t sync_outputs(const struct hk_session_options *opt)
{
    return opt->all_logits ? opt->n_batch : 1;
}

static void fill_defaults(const struct hk_model *m, struct hk_session_options *opt)
{
    const struct hk_hparams *hp = &m->hp;
    if (opt->kv == HK_KV_AUTO) opt->kv = m->f32_only ? HK_KV_F32 : HK_KV_F16;
    if (!opt->n_ctx) opt->n_ctx = hp->n_ctx_train < DEFAULT_CTX ? hp->n_ctx_train : DEFAULT_CTX;
    if (!opt->n_batch) opt->n_batch = m->backend->table->batch(m->backend);
    if (opt->n_batch > MAX_BATCH) opt->n_batch = MAX_BATCH;
    if (opt->n_batch > opt->n_ctx) opt->n_batch = opt->n_ctx;
    if (opt->branch_tokens > opt->n_ctx) opt->branch_tokens = opt->n_ctx;
    if (!opt->n_branches) opt->branch_tokens = 0;
}

/* The most outputs of a step. */
static uint32_t step_outputs(const struct hk_session_options *opt)
{
    uint32_t n = sync_outputs(opt);
    return n > opt->n_branches ? n : opt->n_branches;
}

/* The shapes of the step buffers that every model has, without memory. */
static void shape_step(const struct hk_model *m, const struct hk_session_options *opt, struct step *s)
{
    const struct hk_hparams *hp = &m->hp;
    uint32_t t = step_rows(opt), n_out = step_outputs(opt);
    *s = (struct step){.n_tokens = t, .n_out = n_out};
    s->x = scratch_shape(t, hp->n_embd);
    s->sorted = scratch_shape(t, m->order_cols);
    s->logits = scratch_shape(n_out, hk_dim(hp, DIM_OUT));
    s->rope = (struct hk_tensor){.rows = opt->n_ctx, .cols = hp->rope_dim, .ld = hp->rope_dim};
}

enum { N_STEP_BUFFERS = 4 };
static void step_buffers(struct step *s, struct hk_tensor *out[N_STEP_BUFFERS])
{
    struct hk_tensor *all[N_STEP_BUFFERS] = {&s->x, &s->sorted, &s->logits, &s->rope};
    memcpy(out, all, sizeof all);
}

/* Rows of the cache: the timeline's, the branches', and what a tile wants. */
static uint64_t kv_rows(const struct hk_session_options *opt)
{
    return hk_align_up(opt->n_ctx + (uint64_t)opt->n_branches * opt->branch_tokens, HK_TILE_ROWS);
}

static struct hk_kv kv_shape(const struct hk_hparams *hp, const struct hk_session_options *opt)
{
    bool f16 = opt->kv == HK_KV_F16;
    return (struct hk_kv){.n_head_kv = hp->n_head_kv,
                          .head_dim = hp->head_dim,
                          .head_words = hk_kv_head_words(hp->head_dim, f16),
                          .n_rows = (uint32_t)kv_rows(opt),
                          .f16 = f16};
}

bool hk_session_plan(const struct hk_model *m, struct hk_session_options *opt, uint64_t *bytes)
{
    const struct hk_hparams *hp = &m->hp;
    fill_defaults(m, opt);
    if (kv_rows(opt) > UINT32_MAX - HK_TILE_ROWS) return false;
    struct step s;
    shape_step(m, opt, &s);
    struct hk_tensor *buffers[N_STEP_BUFFERS];
    step_buffers(&s, buffers);
    struct hk_kv kv = kv_shape(hp, opt);

    uint64_t plane = 0, total = 0; /* 16 * heads * words * n_rows, checked */
    if (!hk_mul_u64(16ull * kv.n_head_kv, kv.head_words, &plane) || !hk_mul_u64(plane, kv.n_rows, &plane) ||
        !hk_mul_u64(hk_align_up(plane, 256), 2ull * hp->n_layer, &total))
        return false;
    for (int i = 0; i < N_STEP_BUFFERS; i++)
        if (!scratch_add_bytes(buffers[i], &total)) return false;
    *bytes = total;
    return scratch_add_plan(m, s.n_tokens, s.n_out, bytes);
}

static bool alloc_state(struct hk_session *s, uint64_t bytes, struct hk_error *err)
{
    const struct backend_table *be = s->backend->table;
    const struct hk_hparams *hp = &s->model->hp;
    s->state = be->arena_new(s->backend, GPU_MEMORY_STATE, bytes, err);
    if (!s->state) return false;
    shape_step(s->model, &s->opt, &s->full);
    struct hk_tensor *buffers[N_STEP_BUFFERS];
    step_buffers(&s->full, buffers);
    for (int i = 0; i < N_STEP_BUFFERS; i++)
        if (!scratch_alloc_tensor(be, s->state, buffers[i], err)) return false;
    if (!scratch_alloc(s->model, s->full.n_tokens, s->full.n_out, s->state, s->full.scratch, err))
        return false;

    s->kv = hk_calloc(hp->n_layer, sizeof *s->kv, err);
    if (!s->kv) return false;
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        s->kv[i] = kv_shape(hp, &s->opt);
        uint64_t plane = hk_kv_plane_bytes(s->kv[i].n_head_kv, s->kv[i].head_words, s->kv[i].n_rows);
        struct gpu_span k, v;
        if (!be->arena_alloc(s->state, plane, &k, err) || !be->arena_alloc(s->state, plane, &v, err))
            return false;
        s->kv[i].k = k.addr;
        s->kv[i].v = v.addr;
    }
    s->full.kv = s->kv;
    return true;
}

static bool alloc_host(struct hk_session *s, struct hk_error *err)
{
    const struct backend_table *be = s->backend->table;
    uint64_t slot_bytes = 4ull * INPUT_NUMBERS * step_rows(&s->opt), row_bytes = 4ull * s->full.logits.ld;
    uint64_t sync_bytes = row_bytes * sync_outputs(&s->opt), branch_bytes = row_bytes * s->opt.n_branches;
    s->host = be->arena_new(s->backend, GPU_MEMORY_HOST,
                            N_SLOTS * (slot_bytes + 256) + sync_bytes + branch_bytes + 512, err);
    if (!s->host) return false;
    struct gpu_span span;
    for (int i = 0; i < N_SLOTS; i++) {
        if (!be->arena_alloc(s->host, slot_bytes, &span, err)) return false;
        s->slots[i] = (struct slot){.host = span.host, .addr = span.addr};
    }
    if (!be->arena_alloc(s->host, sync_bytes, &span, err)) return false;
    s->logits_host = span.host;
    s->logits_host_addr = span.addr;
    if (!branch_bytes) return true;
    if (!be->arena_alloc(s->host, branch_bytes, &span, err)) return false;
    s->branch_logits_host = span.host;
    s->branch_logits_host_addr = span.addr;
    return true;
}

static bool write_rope_table(struct hk_session *s, struct hk_error *err)
{
    const struct hk_tensor *t = &s->full.rope;
    if (!s->model->inv_freq || !t->cols) return true;
    float *table = hk_calloc((size_t)t->rows * t->cols, sizeof *table, err);
    if (!table) return false;
    hk_rope_table(s->model, t->rows, table);
    bool ok = s->backend->table->write(s->backend, t->addr, table, 4ull * t->rows * t->cols, err);
    free(table);
    return ok;
}

bool needs_logits(const struct hk_model *m, const char *what, struct hk_error *err)
{
    return !hk_model_is_reward(m) ||
           hk_fail(err, HK_ERR_INPUT, "%s: is a reward model, which scores texts: %s needs a language model",
                   m->ckpt->path, what);
}

/* "a context of 512", "a context of 512 with 8 branches of 100 tokens" */
struct plan_text {
    char text[96];
};
static struct plan_text plan_text(const struct hk_session_options *opt)
{
    struct plan_text t;
    int n = snprintf(t.text, sizeof t.text, "a context of %u", opt->n_ctx);
    if (opt->n_branches)
        snprintf(t.text + n, sizeof t.text - (size_t)n, " with %u branches of %u tokens", opt->n_branches,
                 opt->branch_tokens);
    return t;
}

static bool check_options(const struct hk_session *s, uint64_t *bytes, struct hk_error *err)
{
    const struct hk_hparams *hp = &s->model->hp;
    struct hk_session_options opt = s->opt;
    if (opt.all_logits && !needs_logits(s->model, "logits of every position", err)) return false;
    if (opt.n_branches > MAX_BATCH || (opt.n_branches && !opt.branch_tokens))
        return hk_fail(err, HK_ERR_INPUT, "%u branches of %u tokens: up to %u of 1 or more would be accepted",
                       opt.n_branches, opt.branch_tokens, (unsigned)MAX_BATCH);
    if (!hk_session_plan(s->model, &opt, bytes))
        return hk_fail(err, HK_ERR_MEMORY, "%s does not fit in memory: choose a smaller one (--ctx)",
                       plan_text(&opt).text);
    if (!s->model->arch->rope && opt.n_ctx > hp->n_ctx_train)
        return hk_fail(err, HK_ERR_INPUT,
                       "context of %u: this model has learned positions for %u only: choose --ctx %u or less",
                       opt.n_ctx, hp->n_ctx_train, hp->n_ctx_train);
    uint64_t budget = s->backend->table->budget(s->backend);
    if (*bytes > budget)
        return hk_fail(err, HK_ERR_MEMORY,
                       "%s needs %.1f MiB, but the device has %.1f MiB left: choose a smaller --ctx",
                       plan_text(&opt).text, (double)*bytes / 0x1p20, (double)budget / 0x1p20);
    return true;
}

struct hk_session *hk_session_open(struct hk_model *m, const struct hk_session_options *opt,
                                   struct hk_error *err)
{
    struct hk_session *s = hk_calloc(1, sizeof *s, err);
    if (!s) return NULL;
    s->model = m;
    s->backend = m->backend;
    if (opt) s->opt = *opt;
    fill_defaults(m, &s->opt);
    uint64_t bytes = 0;
    bool ok = check_options(s, &bytes, err) && alloc_state(s, bytes, err) && alloc_host(s, err) &&
              write_rope_table(s, err);
    if (ok) ok = (s->tokens = hk_calloc(s->opt.n_ctx, sizeof *s->tokens, err)) != NULL;
    if (ok) ok = (s->branches = hk_calloc(s->opt.n_branches + 1u, sizeof *s->branches, err)) != NULL;
    if (!ok) {
        hk_session_close(s);
        return NULL;
    }
    return s;
}

void hk_session_close(struct hk_session *s)
{
    if (!s) return;
    const struct backend_table *be = s->backend->table;
    for (int i = 0; i < N_RECORDINGS; i++) recorder_free(s->recordings[i].recorder);
    if (s->state) be->arena_free(s->state);
    if (s->host) be->arena_free(s->host);
    free(s->kv);
    free(s->tokens);
    free(s->branches);
    free(s->all);
    free(s);
}

/* ---- steps ---- */

static struct hk_tensor slot_row(const struct hk_session *s, uint32_t slot, enum input which, uint32_t n)
{
    return (struct hk_tensor){
        .addr = s->slots[slot].addr + 4ull * which * step_rows(&s->opt), .rows = 1, .cols = n, .ld = n};
}

/* The buffers of a step of n tokens: the first rows of the full ones. */
static struct step make_step(const struct hk_session *s, const struct recording *key)
{
    struct step step = s->full;
    uint32_t n = key->n_tokens, n_out = key->n_out;
    step.n_tokens = n;
    step.n_out = n_out;
    step.tokens = slot_row(s, key->slot, IN_TOKENS, n);
    step.pos = slot_row(s, key->slot, IN_POS, n);
    step.out_idx = slot_row(s, key->slot, IN_OUT, n_out);
    if (key->kind == STEP_BRANCHES)
        step.fork = (struct hk_tensor){
            .addr = slot_row(s, key->slot, IN_FORK, n).addr, .rows = n, .cols = 2, .ld = 2};
    step.x.rows = n;
    step.logits.rows = n_out;
    scratch_shrink(s->model, n, n_out, step.scratch);
    return step;
}

/* Where the step's logits go for the host to read: (n_out, DIM_OUT). */
static struct hk_tensor logits_on_host(const struct hk_session *s, const struct recording *key,
                                       struct hk_tensor logits)
{
    logits.addr = key->kind == STEP_BRANCHES ? s->branch_logits_host_addr : s->logits_host_addr;
    return logits;
}

static struct recorder *record(struct hk_session *s, const struct recording *key, struct hk_error *err)
{
    struct recorder *r = record_begin(s->backend, err);
    if (!r) return NULL;
    struct step step = make_step(s, key);
    r->sorted = step.sorted;
    hk_model_record(r, s->model, &step);
    if (key->kind == STEP_GREEDY)
        argmax(r, slot_row(s, (key->slot + 1) % N_SLOTS, IN_TOKENS, 1), step.logits);
    else if (key->n_out)
        copy_tensor(r, logits_on_host(s, key, step.logits), step.logits);
    if (record_end(r, err)) return r;
    recorder_free(r);
    return NULL;
}

/* The recording of such a step: kept from before, or made now in the place of the least recently used. */
static struct recorder *find_recording(struct hk_session *s, struct recording key, struct hk_error *err)
{
    struct recording *oldest = &s->recordings[0];
    for (int i = 0; i < N_RECORDINGS; i++) {
        struct recording *r = &s->recordings[i];
        if (r->recorder && r->n_tokens == key.n_tokens && r->n_out == key.n_out && r->slot == key.slot &&
            r->kind == key.kind) {
            r->used = ++s->clock;
            return r->recorder;
        }
        if (r->used < oldest->used) oldest = r;
    }
    recorder_free(oldest->recorder);
    *oldest = key;
    oldest->recorder = record(s, &key, err);
    oldest->used = oldest->recorder ? ++s->clock : 0;
    return oldest->recorder;
}

bool submit_step(struct hk_session *s, struct recording key, uint64_t *ticket, struct hk_error *err)
{
    struct recorder *r = find_recording(s, key, err);
    const uint32_t *pos = slot_input(s, key.slot, IN_POS);
    uint64_t n_positions = 0; /* an inactive token sees none */
    for (uint32_t i = 0; i < key.n_tokens; i++) n_positions += pos[i] < s->opt.n_ctx ? pos[i] + 1ull : 0;
    return r && s->backend->table->submit(s->backend, r, n_positions, ticket, err);
}

/* Computes tokens[first..first + n) (n <= n_batch) behind a timeline of `first` tokens. n_out 0, 1 (the last)
 * or n. */
static bool run_chunk(struct hk_session *s, const uint32_t *tokens, uint32_t first, uint32_t n,
                      uint32_t n_out, struct hk_error *err)
{
    uint32_t *ids = slot_input(s, 0, IN_TOKENS), *pos = slot_input(s, 0, IN_POS);
    uint32_t *out = slot_input(s, 0, IN_OUT);
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = tokens[first + i];
        pos[i] = first + i;
    }
    for (uint32_t i = 0; i < n_out; i++) out[i] = n - n_out + i;
    uint64_t ticket = 0;
    return submit_step(s, (struct recording){.n_tokens = n, .n_out = n_out}, &ticket, err) &&
           s->backend->table->wait(s->backend, ticket, err);
}

static bool keep_all_logits(struct hk_session *s, uint32_t n, struct hk_error *err)
{
    uint32_t n_vocab = s->model->hp.n_vocab;
    if (s->all_n + n > s->all_capacity) {
        size_t capacity = s->all_n + n > 2 * s->all_capacity ? s->all_n + n : 2 * s->all_capacity;
        uint64_t bytes = 0;
        float *all = hk_mul_u64(capacity, 4ull * n_vocab, &bytes) && bytes <= SIZE_MAX
                         ? realloc(s->all, (size_t)bytes)
                         : NULL;
        if (!all)
            return hk_fail(err, HK_ERR_MEMORY, "logits of %zu positions of %u: host memory is out", capacity,
                           n_vocab);
        s->all = all;
        s->all_capacity = capacity;
    }
    for (uint32_t i = 0; i < n; i++)
        memcpy(s->all + (size_t)(s->all_n + i) * n_vocab, s->logits_host + (size_t)i * s->full.logits.ld,
               sizeof(float) * n_vocab);
    s->all_n += n;
    return true;
}

static bool check_tokens(const struct hk_session *s, const uint32_t *tokens, uint32_t n, struct hk_error *err)
{
    if (n == 0) return hk_fail(err, HK_ERR_INPUT, "an empty prompt: at least one token is needed");
    if (n > s->opt.n_ctx)
        return hk_fail(err, HK_ERR_INPUT,
                       "the prompt has %u tokens, but the context has room for %u: shorten it or raise --ctx",
                       n, s->opt.n_ctx);
    for (uint32_t i = 0; i < n; i++)
        if (tokens[i] >= s->model->hp.n_vocab)
            return hk_fail(err, HK_ERR_INPUT, "token %u of the prompt is %u: the vocabulary has %u", i,
                           tokens[i], s->model->hp.n_vocab);
    return true;
}

bool hk_session_sync(struct hk_session *s, const uint32_t *tokens, uint32_t n, struct hk_error *err)
{
    if (!check_tokens(s, tokens, n, err)) return false;
    s->n_forked = 0;
    uint32_t common = 0;
    while (common < n && common < s->n_tokens && tokens[common] == s->tokens[common]) common++;
    if (common == n && s->n_tokens == n && s->logits_valid) return true;
    if (common == n) common--; /* the last token again: for its logits */

    s->logits_valid = false;
    s->all_first = common;
    s->all_n = 0;
    s->n_tokens = common;
    for (uint32_t first = common; first < n;) {
        if (n - common > s->opt.n_batch && s->opt.progress &&
            !s->opt.progress(s->opt.user, "reading the prompt", first - common, n - common))
            return hk_fail(err, HK_ERR_CANCELLED, "reading the prompt was cancelled");
        uint32_t chunk = n - first < s->opt.n_batch ? n - first : s->opt.n_batch;
        uint32_t n_out = s->opt.all_logits ? chunk : first + chunk == n ? 1 : 0;
        if (!run_chunk(s, tokens, first, chunk, n_out, err)) return false;
        if (s->opt.all_logits && !keep_all_logits(s, chunk, err)) return false;
        memcpy(s->tokens + first, tokens + first, sizeof *tokens * chunk);
        first += chunk;
        s->n_tokens = first;
        s->logits_row = n_out - (n_out > 0);
    }
    if (n - common > s->opt.n_batch && s->opt.progress)
        s->opt.progress(s->opt.user, "reading the prompt", n - common, n - common);
    s->logits_valid = true;
    return true;
}

uint32_t hk_session_ctx(const struct hk_session *s)
{
    return s->opt.n_ctx;
}

const uint32_t *hk_session_tokens(const struct hk_session *s, uint32_t *n)
{
    *n = s->n_tokens;
    return s->tokens;
}

const float *hk_session_logits(struct hk_session *s)
{
    return hk_model_is_reward(s->model) ? NULL : timeline_output(s);
}

bool hk_session_score(struct hk_session *s, const uint32_t *tokens, uint32_t n, float *score,
                      struct hk_error *err)
{
    if (!hk_model_is_reward(s->model))
        return hk_fail(err, HK_ERR_INPUT,
                       "%s: is a language model: a score needs a reward model (num_labels 1)",
                       s->model->ckpt->path);
    if (!hk_session_sync(s, tokens, n, err)) return false;
    *score = timeline_output(s)[0];
    return true;
}

const float *hk_session_logits_at(struct hk_session *s, uint32_t pos)
{
    if (pos < s->all_first || pos - s->all_first >= s->all_n) return NULL;
    return s->all + (size_t)(pos - s->all_first) * s->model->hp.n_vocab;
}

/* ---- greedy decoding ---- */

/* Submits the step that feeds position pos; its token is already in the slot's inputs, or will be put there
 * by the step before it. */
static bool submit_greedy(struct hk_session *s, uint32_t slot, uint32_t pos, uint64_t *ticket,
                          struct hk_error *err)
{
    *slot_input(s, slot, IN_POS) = pos;
    *slot_input(s, slot, IN_OUT) = 0;
    return submit_step(s, (struct recording){.n_tokens = 1, .n_out = 1, .slot = slot, .kind = STEP_GREEDY},
                       ticket, err);
}

/* Positions below the context's end whose steps are under way at once: one runs while the host handles
 * another. */
enum { GREEDY_AHEAD = N_SLOTS - 1 };

bool hk_session_greedy(struct hk_session *s, uint32_t n, hk_token_fn emit, void *user, uint32_t *n_out,
                       struct hk_error *err)
{
    *n_out = 0;
    if (!needs_logits(s->model, "greedy decoding", err)) return false;
    if (!s->logits_valid) return hk_fail(err, HK_ERR_INPUT, "greedy decoding needs a synced prompt");
    struct hk_token_logprob best;
    hk_top_logprobs(hk_session_logits(s), s->model->hp.n_vocab, 1, &best);
    if (n == 0) return true;

    /* The first token comes from the prompt's logits; step i feeds token i and finds token i + 1. The last
     * one is not fed, so that it needs no place in the context. */
    uint64_t tickets[N_SLOTS] = {0};
    uint32_t begin = s->n_tokens, left = s->opt.n_ctx - begin, token = best.token, submitted = 0;
    uint32_t n_steps = n <= left ? n : left + 1;
    *slot_input(s, 0, IN_TOKENS) = token;
    s->logits_valid = false;
    s->n_forked = 0;
    for (uint32_t i = 0; i < n_steps; i++) {
        while (submitted + 1 < n_steps && submitted < i + GREEDY_AHEAD) {
            if (!submit_greedy(s, submitted % N_SLOTS, begin + submitted, &tickets[submitted % N_SLOTS], err))
                return false;
            submitted++;
        }
        if (i > 0) {
            if (!s->backend->table->wait(s->backend, tickets[(i - 1) % N_SLOTS], err)) return false;
            token = *slot_input(s, i % N_SLOTS, IN_TOKENS);
        }
        if (i < left) s->tokens[begin + i] = token;
        (*n_out)++;
        s->n_tokens = begin + (i < submitted ? i + 1 : i); /* the last token is emitted, but not fed */
        if (!emit(user, token)) break;
    }
    return submitted == 0 || s->backend->table->wait(s->backend, tickets[(submitted - 1) % N_SLOTS], err);
}

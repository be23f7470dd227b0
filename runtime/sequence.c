#include "runtime/sequence.h"
#include "runtime/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

struct hk_sequence *hk_sequence_new(struct hk_runner *r, struct hk_error *err)
{
    uint32_t n_ctx = runner_options(r)->n_ctx;
    struct hk_sequence *s = hk_calloc(1, sizeof *s, err);
    if (!s) return NULL;
    s->runner = r;
    s->tokens = hk_calloc(n_ctx, sizeof *s->tokens, err);
    s->kv.block = hk_calloc((size_t)hk_div_up(n_ctx, KV_BLOCK_ROWS), sizeof *s->kv.block, err);
    s->output = hk_calloc(hk_dim(&hk_runner_model(r)->hp, DIM_OUT), sizeof *s->output, err);
    bool targets = runner_options(r)->outputs != HK_OUTPUTS_LAST;
    if (targets) s->targets = hk_calloc(n_ctx, sizeof *s->targets, err);
    runner_add(r, s);
    if (s->tokens && s->kv.block && s->output && (s->targets || !targets)) return s;
    hk_sequence_free(s);
    return NULL;
}

struct hk_sequence *hk_sequence_fork(struct hk_sequence *from, struct hk_error *err)
{
    struct hk_sequence *s = hk_sequence_new(from->runner, err);
    if (!s) return NULL;
    memcpy(s->tokens, from->tokens, sizeof *s->tokens * from->n_tokens);
    s->n_tokens = from->n_tokens;
    s->pending = from->pending;
    s->has_output = from->has_output;
    if (s->has_output)
        memcpy(s->output, from->output, sizeof *s->output * hk_dim(&hk_runner_model(s->runner)->hp, DIM_OUT));
    if (s->targets) memcpy(s->targets, from->targets, sizeof *s->targets * from->n_targets);
    s->n_targets = from->n_targets;
    kv_fork(runner_pool(s->runner), &s->kv, &from->kv);
    return s;
}

void hk_sequence_free(struct hk_sequence *s)
{
    if (!s) return;
    sequence_evict(s);
    runner_remove(s->runner, s);
    free(s->tokens);
    free(s->kv.block);
    free(s->output);
    free(s->targets);
    free(s->all);
    free(s);
}

void sequence_evict(struct hk_sequence *s)
{
    kv_truncate(runner_pool(s->runner), &s->kv, 0);
}

/* ---- requests ---- */

static bool check_tokens(const struct hk_sequence *s, const uint32_t *tokens, uint32_t n, uint32_t behind,
                         struct hk_error *err)
{
    uint32_t n_ctx = runner_options(s->runner)->n_ctx, n_vocab = hk_runner_model(s->runner)->hp.n_vocab;
    if (n == 0) return hk_fail(err, HK_ERR_INPUT, "an empty prompt: at least one token is needed");
    if (n > n_ctx - behind)
        return hk_fail(err, HK_ERR_INPUT,
                       "the prompt has %llu tokens, but the context has room for %u: a shorter one or a "
                       "larger hk_runner_options.n_ctx would be accepted",
                       (unsigned long long)behind + n, n_ctx);
    for (uint32_t i = 0; i < n; i++)
        if (tokens[i] >= n_vocab)
            return hk_fail(err, HK_ERR_INPUT, "token %u of the prompt is %u: the vocabulary has %u",
                           behind + i, tokens[i], n_vocab);
    return true;
}

/* Takes off all but the first n tokens, and with them the output, unless nothing changes. */
static void cut(struct hk_sequence *s, uint32_t n)
{
    if (n >= s->n_tokens) return;
    s->n_tokens = n;
    s->has_output = false;
    if (s->n_targets > n) s->n_targets = n;
    kv_truncate(runner_pool(s->runner), &s->kv, n);
}

/* What the logits behind the token before it say of token pos. */
static void keep_target(struct hk_sequence *s, uint32_t pos, const float *logits)
{
    if (pos == 0 || pos > s->n_targets) return; /* not in one line with what is known */
    hk_target_of(logits, hk_runner_model(s->runner)->hp.n_vocab, s->tokens[pos], &s->targets[pos]);
    s->n_targets = pos + 1;
}

static void begin_request(struct hk_sequence *s, const uint32_t *tokens, uint32_t n)
{
    memcpy(s->tokens + s->n_tokens, tokens, sizeof *tokens * n);
    if (n > 0 && s->has_output && s->targets) keep_target(s, s->n_tokens, s->output);
    s->n_tokens += n;
    s->pending = true;
    s->has_output = false;
    s->n_computed = 0;
    s->all_first = s->all_n = 0;
}

bool hk_sequence_request(struct hk_sequence *s, const uint32_t *tokens, uint32_t n, struct hk_error *err)
{
    if (!check_tokens(s, tokens, n, 0, err)) return false;
    uint32_t common = 0;
    while (common < n && common < s->n_tokens && tokens[common] == s->tokens[common]) common++;
    runner_remove(s->runner, s); /* to the end: whoever asked before comes before */
    runner_add(s->runner, s);
    if (common == n && s->n_tokens == n && s->has_output) {
        s->n_computed = 0;
        return true;
    }
    cut(s, common);
    begin_request(s, tokens + common, n - common);
    return true;
}

bool hk_sequence_append(struct hk_sequence *s, const uint32_t *tokens, uint32_t n, struct hk_error *err)
{
    if (!check_tokens(s, tokens, n, s->n_tokens, err)) return false;
    begin_request(s, tokens, n);
    return true;
}

bool hk_sequence_pending(const struct hk_sequence *s)
{
    return s->pending;
}

void hk_sequence_cancel(struct hk_sequence *s)
{
    if (!s->pending) return;
    s->pending = false;
    cut(s, s->kv.n_rows);
}

void hk_sequence_rewind(struct hk_sequence *s, uint32_t n)
{
    if (n >= s->n_tokens) return;
    s->pending = false;
    cut(s, n);
}

bool hk_sequence_sync(struct hk_sequence *s, const uint32_t *tokens, uint32_t n, struct hk_error *err)
{
    static const char what[] = "reading the prompt";
    const struct hk_runner_options *opt = runner_options(s->runner);
    if (!hk_sequence_request(s, tokens, n, err)) return false;
    uint32_t first = s->kv.n_rows, rest = n - first;
    bool ok = true, tell = rest > opt->n_batch && opt->progress;
    while (ok && s->pending) {
        uint32_t done = s->kv.n_rows > first ? s->kv.n_rows - first : 0;
        if (tell && !opt->progress(opt->user, what, done, rest))
            ok = hk_fail(err, HK_ERR_CANCELLED, "%s was cancelled", what);
        ok = ok && hk_runner_step(s->runner, NULL, err);
    }
    if (!ok) hk_sequence_cancel(s);
    if (ok && tell) opt->progress(opt->user, what, rest, rest);
    return ok;
}

/* ---- results ---- */

static bool keep_logits(struct hk_sequence *s, uint32_t pos, const float *logits, struct hk_error *err)
{
    uint32_t n_vocab = hk_runner_model(s->runner)->hp.n_vocab;
    if (pos != s->all_first + s->all_n) { /* the first of a request, or it had to give way and begins anew */
        s->all_first = pos;
        s->all_n = 0;
    }
    if (s->all_n == s->all_capacity) {
        size_t capacity = s->all_capacity ? 2 * s->all_capacity : 32;
        uint64_t bytes = 0;
        bool fits = hk_mul_u64(capacity, 4ull * n_vocab, &bytes) && bytes <= SIZE_MAX;
        float *all = fits ? realloc(s->all, (size_t)bytes) : NULL;
        if (!all)
            return hk_fail(err, HK_ERR_MEMORY, "logits of %zu positions of %u: host memory is out", capacity,
                           n_vocab);
        s->all = all;
        s->all_capacity = capacity;
    }
    memcpy(s->all + (size_t)s->all_n++ * n_vocab, logits, sizeof *logits * n_vocab);
    return true;
}

bool sequence_take(struct hk_sequence *s, uint32_t pos, const float *logits, struct hk_error *err)
{
    if (pos == 0 && s->n_targets == 0) s->n_targets = 1;
    if (pos + 1 < s->n_tokens) keep_target(s, pos + 1, logits);
    return runner_options(s->runner)->outputs != HK_OUTPUTS_ALL || keep_logits(s, pos, logits, err);
}

bool hk_sequence_target(const struct hk_sequence *s, uint32_t pos, struct hk_target *out)
{
    if (pos == 0 || pos >= s->n_targets) return false;
    *out = s->targets[pos];
    return true;
}

struct hk_runner *hk_sequence_runner(const struct hk_sequence *s)
{
    return s->runner;
}

const uint32_t *hk_sequence_tokens(const struct hk_sequence *s, uint32_t *n)
{
    *n = s->n_tokens;
    return s->tokens;
}

uint32_t hk_sequence_n_computed(const struct hk_sequence *s)
{
    return s->n_computed;
}

const float *hk_sequence_logits(const struct hk_sequence *s)
{
    return s->has_output && !hk_model_is_reward(hk_runner_model(s->runner)) ? s->output : NULL;
}

const float *hk_sequence_logits_at(const struct hk_sequence *s, uint32_t pos)
{
    if (pos < s->all_first || pos - s->all_first >= s->all_n) return NULL;
    return s->all + (size_t)(pos - s->all_first) * hk_runner_model(s->runner)->hp.n_vocab;
}

bool hk_sequence_score(struct hk_sequence *s, const uint32_t *tokens, uint32_t n, float *score,
                       struct hk_error *err)
{
    const struct hk_model *m = hk_runner_model(s->runner);
    if (!hk_model_is_reward(m))
        return hk_fail(err, HK_ERR_INPUT,
                       "%s: is a language model: a score needs a reward model (num_labels 1)", m->ckpt->path);
    if (!hk_sequence_sync(s, tokens, n, err)) return false;
    *score = s->output[0];
    return true;
}

#include "tools/best_of.h"

#include <stdlib.h>
#include <string.h>

#include "tools/box.h"
#include "tools/engine.h"
#include "tools/json.h"
#include "tools/progress.h"
#include "tools/sampling_options.h"
#include "tools/term.h"
#include "tools/words.h"

/* ---- options ---- */

const struct opt best_of_opts[] = {
    {.name = "best-of",
     .kind = OPT_U32,
     .field = offsetof(struct best_of_options, n),
     .min = 2,
     .max = BEST_OF_MAX,
     .metavar = "N",
     .help = "write N answers at once, each with its own random numbers, and print the one that the reward "
             "model likes best. The temperature is then 1 unless --temp says it. -v shows all of them"},
    {.name = "reward",
     .kind = OPT_TEXT,
     .field = offsetof(struct best_of_options, reward),
     .metavar = "MODEL",
     .help = "the reward model that chooses, as for `hekla rank`. Default for box:chat: box:reward"},
    {.name = "save-preferences",
     .kind = OPT_TEXT,
     .field = offsetof(struct best_of_options, preferences),
     .metavar = "FILE",
     .help = "append to FILE a line of JSON for each prompt: prompt, chosen (the best answer) and rejected "
             "(the worst), as libraries that train on preferences read them"},
    {0},
};

bool best_of_check(struct best_of_options *o, const char *command, const char *model,
                   struct sampling_options *sampling, struct hk_error *err)
{
    if (!o->n) {
        const char *idle = o->reward ? "reward" : o->preferences ? "save-preferences" : NULL;
        return !idle ||
               hk_fail(err, HK_ERR_INPUT,
                       "%s: --%s: there is nothing to choose from: --best-of N with it would be accepted",
                       command, idle);
    }
    /* not given is below 0 */
    if (sampling->temperature >= 0 && sampling->temperature <= 0) {
        return hk_fail(
            err, HK_ERR_INPUT,
            "%s: --best-of with --temp 0: all answers would be the same one: a temperature above 0 "
            "would be accepted, or --temp 0 alone",
            command);
    }
    const struct box_model *box = box_is_name(model) ? box_find(model) : NULL;
    if (!o->reward && box) o->reward = box->reward;
    if (!o->reward) {
        return hk_fail(err, HK_ERR_INPUT,
                       "%s: --best-of: nothing to choose by: --reward MODEL with it would be accepted",
                       command);
    }
    sampling_default_temperature(sampling, 1);
    return true;
}

/* ---- writing ---- */

struct fork {
    struct hk_sequence *sequence;
    struct hk_sampler *sampler;
    struct hk_decoder decoder;
    uint32_t *all; /* the prompt's tokens and this fork's, for the repetition penalty */
    bool live;
};

struct writing {
    struct engine *e;
    const struct best_of_request *q;
    struct best_of *out;
    struct fork *forks;
    uint32_t limit; /* tokens that a sample can have */
};

static bool open_fork(struct writing *w, uint32_t b, struct hk_error *err)
{
    const struct best_of_request *q = w->q;
    struct fork *x = &w->forks[b];
    struct best_of_sample *s = &w->out->samples[b];
    struct sampling_options own = *q->sampling;
    uint64_t size = (uint64_t)q->n_prompt + w->limit; /* no larger than two contexts */
    own.seed_given = true;
    own.seed = q->seed + b;
    *s = (struct best_of_sample){.index = b, .stop_token = HK_NO_TOKEN};
    x->sequence = hk_sequence_fork(w->e->sequence, err);
    if (!x->sequence) return false;
    if (!sampling_open(&own, hk_model_n_vocab(w->e->model), true, &x->sampler, err)) return false;
    x->all = hk_calloc((size_t)size, sizeof *x->all, err);
    s->tokens.ids = x->all ? hk_calloc(w->limit, sizeof *s->tokens.ids, err) : NULL;
    if (!s->tokens.ids) return false;
    s->tokens.capacity = w->limit;
    memcpy(x->all, q->prompt, q->n_prompt * sizeof *x->all);
    hk_decoder_init(&x->decoder, w->e->tokenizer, q->at_start, false);
    x->live = true;
    return true;
}

static bool is_stop(const struct best_of_request *q, uint32_t token)
{
    for (uint32_t i = 0; i < q->n_stop; i++) {
        if (q->stop[i] == token) return true;
    }
    return false;
}

static void end(struct writing *w, uint32_t b, enum hk_end why)
{
    w->out->samples[b].end = why;
    w->forks[b].live = false;
}

/* One token more for fork b, which its sequence asks for unless the fork ends with it. */
static bool choose(struct writing *w, uint32_t b, const float *logits, struct hk_error *err)
{
    struct fork *x = &w->forks[b];
    struct best_of_sample *s = &w->out->samples[b];
    uint32_t n_all = w->q->n_prompt + (uint32_t)s->tokens.n;
    uint32_t token = hk_sampler_next(x->sampler, logits, x->all, n_all);
    s->logprob += (double)hk_logprob(logits, hk_model_n_vocab(w->e->model), token);
    if (is_stop(w->q, token)) {
        s->stop_token = token;
        end(w, b, HK_END_STOP);
        return true;
    }
    if (!hk_decoder_push(&x->decoder, token, &s->text, err)) return false;
    x->all[n_all] = s->tokens.ids[s->tokens.n++] = token;
    w->out->r.n++;
    if (s->tokens.n < w->limit) return hk_sequence_append(x->sequence, &token, 1, err);
    end(w, b, w->limit == w->q->n ? HK_END_LENGTH : HK_END_CONTEXT);
    return true;
}

/* Chooses for every live fork. *n_live: those that go on. */
static bool choose_all(struct writing *w, uint32_t *n_live, struct hk_error *err)
{
    *n_live = 0;
    for (uint32_t b = 0; b < w->q->n_samples; b++) {
        struct fork *x = &w->forks[b];
        if (!x->live) continue;
        const float *logits = hk_sequence_logits(x->sequence);
        if (!logits) return hk_fail(err, HK_ERR_DEVICE, "answer %u: no logits", (unsigned)b);
        if (!choose(w, b, logits, err)) return false;
        *n_live += x->live;
    }
    return true;
}

static void interrupt(struct writing *w)
{
    for (uint32_t b = 0; b < w->q->n_samples; b++) {
        if (w->forks[b].live) end(w, b, HK_END_INTERRUPTED);
    }
}

static bool write_all(struct writing *w, struct hk_error *err)
{
    struct hk_complete_result *r = &w->out->r;
    uint32_t n = w->q->n_samples, n_live = n;
    for (;;) {
        if (!choose_all(w, &n_live, err)) return false;
        progress_say(&w->e->progress, "%u answers: %u tokens, %u finished", (unsigned)n, (unsigned)r->n,
                     (unsigned)(n - n_live));
        if (n_live == 0) return true;
        bool ok = !term_interrupted() && hk_runner_run(w->e->runner, err);
        if (!ok && term_interrupted()) {
            interrupt(w);
            return true;
        }
        if (!ok) return false;
        r->steps++;
        w->out->fed += n_live;
    }
}

static bool run(struct writing *w, struct hk_error *err)
{
    struct engine *e = w->e;
    const struct best_of_request *q = w->q;
    uint32_t n_ctx = hk_runner_ctx(e->runner);
    if (!completion_begin(e, q->prompt, q->n_prompt, &w->out->r, err)) return false;
    /* what fits in the context, and one more token, which nothing has to be computed behind */
    w->limit = q->n < n_ctx - q->n_prompt + 1 ? q->n : n_ctx - q->n_prompt + 1;
    for (uint32_t b = 0; b < q->n_samples; b++) {
        if (!open_fork(w, b, err)) return false;
    }
    double start = term_seconds();
    bool ok = write_all(w, err);
    w->out->r.decode_seconds = term_seconds() - start;
    progress_clear(&e->progress);
    for (uint32_t b = 0; ok && b < q->n_samples; b++) {
        struct best_of_sample *s = &w->out->samples[b];
        ok = hk_decoder_finish(&w->forks[b].decoder, &s->text, err) && hk_bytes_append(&s->text, "", 0, err);
    }
    return ok;
}

static bool write_samples(struct engine *e, const struct best_of_request *q, struct best_of *out,
                          struct hk_error *err)
{
    struct writing w = {.e = e, .q = q, .out = out};
    *out = (struct best_of){.n = q->n_samples};
    bool ok = (out->samples = hk_calloc(q->n_samples, sizeof *out->samples, err)) &&
              (w.forks = hk_calloc(q->n_samples, sizeof *w.forks, err)) && run(&w, err);
    for (uint32_t b = 0; w.forks && b < q->n_samples; b++) {
        hk_sequence_free(w.forks[b].sequence);
        hk_sampler_free(w.forks[b].sampler);
        free(w.forks[b].all);
    }
    free(w.forks);
    return ok;
}

void best_of_free(struct best_of *b)
{
    for (uint32_t i = 0; b->samples && i < b->n; i++) {
        free(b->samples[i].tokens.ids);
        hk_bytes_free(&b->samples[i].text);
    }
    free(b->samples);
    *b = (struct best_of){0};
}

/* ---- choosing ---- */

static int compare(const void *a, const void *b)
{
    const struct best_of_sample *x = a, *y = b;
    bool cut_x = x->end == HK_END_INTERRUPTED, cut_y = y->end == HK_END_INTERRUPTED;
    if (cut_x != cut_y) return cut_x ? 1 : -1;
    if (x->score < y->score) return 1;
    if (x->score > y->score) return -1;
    return x->index < y->index ? -1 : 1;
}

static bool rank(struct best_of *b, struct scorer *s, struct hk_conversation *c, struct hk_error *err)
{
    double start = term_seconds();
    bool ok = true, bar = s->e.progress.enabled;
    s->e.progress.enabled = false; /* one bar for each answer would flicker */
    for (uint32_t i = 0; ok && i < b->n; i++) {
        struct best_of_sample *x = &b->samples[i];
        ok = scorer_score(s, c, x->text.data, x->text.len, &x->score, err);
    }
    s->e.progress.enabled = bar;
    if (!ok) return false;
    b->score_seconds = term_seconds() - start;
    qsort(b->samples, b->n, sizeof *b->samples, compare);
    b->r.end = b->samples[0].end;
    b->r.stop_token = b->samples[0].stop_token;
    return true;
}

/* The best and the worst finished sample, where they are two different texts. */
static bool save(const struct best_of *b, struct best_of_judge *j, struct hk_conversation *c,
                 struct hk_error *err)
{
    const struct best_of_sample *best = &b->samples[0];
    for (uint32_t i = b->n; i-- > 1;) {
        const struct best_of_sample *x = &b->samples[i];
        bool same = x->text.len == best->text.len && memcmp(x->text.data, best->text.data, x->text.len) == 0;
        if (same || x->end == HK_END_INTERRUPTED) continue;
        return preferences_add(&j->preferences, c, j->chat,
                               &(struct answer_text){best->text.data, best->text.len},
                               &(struct answer_text){x->text.data, x->text.len}, err);
    }
    return true;
}

bool best_of_open(struct best_of_judge *j, const struct best_of_options *o,
                  const struct model_options *reward, struct hk_error *err)
{
    return (!o->preferences || preferences_open(&j->preferences, o->preferences, err)) &&
           scorer_open_checkpoint(&j->scorer, reward, err);
}

bool best_of_close(struct best_of_judge *j, struct hk_error *err)
{
    scorer_close(&j->scorer);
    return preferences_close(&j->preferences, err);
}

bool best_of_run(struct engine *e, struct best_of_judge *j, const struct best_of_request *q,
                 struct hk_conversation *c, struct best_of *out, struct hk_error *err)
{
    if (!write_samples(e, q, out, err)) return false;
    term_clear_interrupt(); /* what is written is still to be scored */
    return rank(out, &j->scorer, c, err) && save(out, j, c, err);
}

bool best_of_warm_up(struct engine *e, struct best_of_judge *j, uint32_t n, struct hk_error *err)
{
    uint32_t tokens[BEST_OF_MAX] = {0}, n_ctx = hk_runner_ctx(j->scorer.e.runner);
    struct hk_sequence *fork[BEST_OF_MAX] = {0};
    float score;
    if (!completion_warm_up(e, err)) return false;
    progress_say(&e->progress, "compiling for this device: some seconds at its first run");
    bool ok = hk_sequence_sync(e->sequence, tokens, 1, err);
    for (uint32_t b = 0; ok && b < n; b++) {
        fork[b] = hk_sequence_fork(e->sequence, err);
        ok = fork[b] && hk_sequence_append(fork[b], tokens, 1, err);
    }
    ok = ok && hk_runner_run(e->runner, err) &&
         hk_sequence_score(j->scorer.e.sequence, tokens, n_ctx < BEST_OF_MAX ? n_ctx : BEST_OF_MAX, &score,
                           err);
    for (uint32_t b = 0; b < n; b++) hk_sequence_free(fork[b]);
    progress_clear(&e->progress);
    return ok;
}

uint32_t best_of_finished(const struct best_of *b)
{
    uint32_t n = 0;
    while (n < b->n && b->samples[n].end != HK_END_INTERRUPTED) n++; /* they come first */
    return n;
}

/* ---- telling ---- */

static cJSON *json_sample(const struct best_of_sample *s, uint64_t seed)
{
    cJSON *o = cJSON_CreateObject();
    char text[24]; /* all 64 bits: cJSON's numbers are doubles */
    snprintf(text, sizeof text, "%llu", (unsigned long long)(seed + s->index));
    if (o && cJSON_AddNumberToObject(o, "index", s->index) && cJSON_AddRawToObject(o, "seed", text) &&
        cJSON_AddNumberToObject(o, "score", (double)s->score) &&
        cJSON_AddNumberToObject(o, "logprob", s->logprob) &&
        cJSON_AddNumberToObject(o, "tokens", (double)s->tokens.n) &&
        json_add_ids(o, "token_ids", s->tokens.ids, s->tokens.n) &&
        cJSON_AddStringToObject(o, "stop_reason", hk_end_name(s->end)) &&
        (s->end != HK_END_STOP || cJSON_AddNumberToObject(o, "stop_token", s->stop_token)) &&
        json_add_text(o, "text", "text_bytes", s->text.data, s->text.len))
        return o;
    cJSON_Delete(o);
    return NULL;
}

cJSON *best_of_json(const struct best_of *b, uint64_t seed)
{
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; list && i < b->n; i++) {
        if (cJSON_AddItemToArray(list, json_sample(&b->samples[i], seed))) continue;
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

void best_of_print(const struct best_of *b, bool table)
{
    if (table) fprintf(stderr, "%9s %9s %6s  %s\n", "score", "logprob", "tokens", "answer");
    for (uint32_t i = 0; table && i < b->n; i++) {
        const struct best_of_sample *s = &b->samples[i];
        fprintf(stderr, "%9.4f %9.3f %6zu  ", (double)s->score, s->logprob, s->tokens.n);
        print_escaped(stderr, s->text.data, s->text.len, "");
        if (s->end != HK_END_STOP) fprintf(stderr, " (%s)", hk_end_name(s->end));
        fputc('\n', stderr);
    }
    fprintf(
        stderr,
        "hekla: prompt %u token%s, %.1f tokens/s; %u answers of %u tokens, %.1f tokens/s; scored in %.2f s\n",
        (unsigned)b->r.n_computed, b->r.n_computed == 1 ? "" : "s", completion_prompt_rate(&b->r),
        (unsigned)b->n, (unsigned)b->r.n, completion_decode_rate(&b->r, b->fed), b->score_seconds);
}

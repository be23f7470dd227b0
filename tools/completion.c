#include "tools/completion.h"

#include "tools/term.h"

struct run {
    struct engine *e;
    const struct hk_complete_options *o;
};

static bool on_piece(void *user, const struct hk_piece *p)
{
    struct run *x = user;
    progress_clear(&x->e->progress); /* from here on the completion itself is on the screen */
    return x->o->piece(x->o->user, p) && !term_interrupted();
}

bool completion_run(struct engine *e, const struct hk_complete_options *o, struct hk_complete_result *r,
                    struct hk_error *err)
{
    struct run x = {e, o};
    struct hk_complete_options with = *o;
    with.piece = on_piece;
    with.user = &x;
    bool ok = hk_complete(e->sequence, e->tokenizer, &with, r, err);
    progress_clear(&e->progress);
    return ok;
}

bool completion_begin(struct engine *e, const uint32_t *prompt, uint32_t n_prompt,
                      struct hk_complete_result *r, struct hk_error *err)
{
    bool ok = hk_complete_prompt(e->sequence, prompt, n_prompt, r, err);
    progress_clear(&e->progress);
    return ok;
}

static bool ignore_token(void *user, uint32_t token)
{
    (void)user, (void)token;
    return true;
}

bool completion_warm_up(struct engine *e, struct hk_error *err)
{
    /* kernels differ by how many tokens they take: many, as in a question's prompt, and one */
    enum { QUESTION = 32 };
    uint32_t tokens[QUESTION] = {0}, n_ctx = hk_runner_ctx(e->runner), n = 0;
    e->progress.last = 0;
    progress_say(&e->progress, "compiling for this device: some seconds at its first run");
    bool ok = hk_sequence_sync(e->sequence, tokens, n_ctx < QUESTION ? n_ctx : QUESTION, err) &&
              hk_sequence_greedy(e->sequence, 3, ignore_token, NULL, &n, err);
    progress_clear(&e->progress);
    return ok;
}

double completion_prompt_rate(const struct hk_complete_result *r)
{
    return r->prompt_seconds > 0 ? r->n_computed / r->prompt_seconds : 0;
}

double completion_decode_rate(const struct hk_complete_result *r, uint32_t fed)
{
    return r->decode_seconds > 0 ? fed / r->decode_seconds : 0;
}

double completion_weight_rate(const struct engine *e, const struct hk_complete_result *r)
{
    double steps = r->decode_seconds > 0 ? r->steps / r->decode_seconds : 0;
    return steps * (double)hk_model_stats(e->model)->step_weight_bytes * 1e-9;
}

void completion_print_timing(const struct engine *e, const struct hk_complete_result *r)
{
    fprintf(stderr,
            "hekla: prompt %u token%s, %.1f tokens/s; completion %u token%s, %.1f tokens/s, %.2f GB/s\n",
            (unsigned)r->n_computed, r->n_computed == 1 ? "" : "s", completion_prompt_rate(r), (unsigned)r->n,
            r->n == 1 ? "" : "s", completion_decode_rate(r, r->steps), completion_weight_rate(e, r));
}

#include "tools/scorer.h"

#include <math.h>
#include <stdlib.h>

#include "tools/now.h"

bool scorer_open_checkpoint(struct scorer *s, const struct model_options *m, struct hk_error *err)
{
    struct model_options reward = *m;
    reward.use = MODEL_SCORES;
    if (!engine_open_checkpoint(&s->e, &reward, err) || !engine_open_tokenizer(&s->e, err)) return false;
    struct hk_wall_time now;
    if (!s->e.info.chat_template) return true;
    /* a text in another form than the model was trained on would get a score that says nothing */
    return tool_now(&now, err) &&
           ((s->writer = hk_chat_writer_new(s->e.checkpoint, s->e.tokenizer, &now, err)) ||
            hk_fail_prefix(err, "%s", s->e.info.path));
}

bool scorer_open_model(struct scorer *s, const struct engine *beside, const struct model_options *m,
                       const struct device_options *d, struct hk_error *err)
{
    struct engine *e = &s->e;
    if (beside) {
        e->device = beside->device;
        e->device_shared = true;
        e->progress = beside->progress;
    } else if (!engine_open_device(e, d, false, err)) {
        return false;
    }
    return engine_open_model(e, m, d, err) && engine_open_runner(e, m, HK_OUTPUTS_LAST, err);
}

void scorer_close(struct scorer *s)
{
    hk_chat_writer_free(s->writer);
    engine_close(&s->e);
    free(s->tokens.ids);
    *s = (struct scorer){0};
}

/* As the model's own tokenizer reads the rendered text, what the messages say being text alone. */
static bool read_text(struct scorer *s, struct hk_conversation *c, size_t from, const char *answer,
                      size_t len, struct hk_error *err)
{
    struct hk_tokens *t = &s->tokens;
    const struct hk_chat_writer *w = s->writer;
    if (!hk_conversation_read(c, w, s->e.tokenizer, from, answer, len, t, err))
        return w ? hk_fail_prefix(err, "%s", s->e.info.path) : false;
    if (t->n > 0 && t->n < HK_NO_TOKEN) return true;
    return hk_fail(err, HK_ERR_INPUT, "%s: %s", s->e.info.path,
                   t->n ? "too many tokens"
                        : "nothing to score: an answer of one token or more would be accepted");
}

bool scorer_score(struct scorer *s, struct hk_conversation *c, const char *answer, size_t len, float *score,
                  struct hk_error *err)
{
    uint32_t n_ctx = hk_runner_ctx(s->e.runner);
    for (size_t from = 0;; from++) {
        if (!read_text(s, c, from, answer, len, err)) return false;
        if (s->tokens.n <= n_ctx || from + 1 >= hk_conversation_turns(c)) break;
    }
    bool ok = hk_sequence_score(s->e.sequence, s->tokens.ids, (uint32_t)s->tokens.n, score, err);
    if (!ok) return err->code == HK_ERR_CANCELLED ? false : hk_fail_prefix(err, "%s", s->e.info.path);
    return isfinite(*score) ||
           hk_fail(err, HK_ERR_FORMAT,
                   "%s: its score is no number: either its weights are broken, or this device is: compare "
                   "--device reference, and `hekla selftest`",
                   s->e.info.path);
}

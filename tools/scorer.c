#include "scorer.h"

#include <math.h>
#include <stdlib.h>

bool scorer_open_checkpoint(struct scorer *s, const struct model_options *m, struct hk_error *err)
{
    struct model_options reward = *m;
    reward.use = MODEL_SCORES;
    if (!engine_open_checkpoint(&s->e, &reward, err) || !engine_open_tokenizer(&s->e, err)) return false;
    s->format = chat_format_find(s->e.checkpoint->chat_template);
    return true;
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
    return engine_open_model(e, m, d, err) && engine_open_session(e, m, false, err);
}

void scorer_close(struct scorer *s)
{
    engine_close(&s->e);
    hk_bytes_free(&s->text);
    free(s->tokens.ids);
    *s = (struct scorer){0};
}

/* As the model's own tokenizer reads the rendered text: control tokens in it are such. */
static bool read_text(struct scorer *s, const struct conversation *c, size_t from, const char *answer,
                      size_t len, struct hk_error *err)
{
    const struct hk_vocab *v = &s->e.checkpoint->vocab;
    struct hk_tokens *t = &s->tokens;
    t->n = 0;
    unsigned flags = HK_ENCODE_ADD_SPECIAL | (s->format ? (unsigned)HK_ENCODE_PARSE_SPECIAL : 0);
    if (!conversation_text(c, s->format, from, answer, len, &s->text, err) ||
        !hk_tokenizer_encode(s->e.tokenizer, s->text.data, s->text.len, flags, t, err))
        return false;
    /* the template has said how the text ends */
    if (s->format && v->add_eos && t->n > 1 && t->ids[t->n - 1] == v->eos) t->n--;
    if (t->n > 0 && t->n < HK_NO_TOKEN) return true;
    return hk_fail(err, HK_ERR_INPUT, "%s: %s", s->e.checkpoint->path,
                   t->n ? "too many tokens"
                        : "nothing to score: an answer of one token or more would be accepted");
}

bool scorer_score(struct scorer *s, const struct conversation *c, const char *answer, size_t len,
                  float *score, struct hk_error *err)
{
    uint32_t n_ctx = hk_session_ctx(s->e.session);
    for (size_t from = 0;; from++) {
        if (!read_text(s, c, from, answer, len, err)) return false;
        if (s->tokens.n <= n_ctx || from + 1 >= c->n) break;
    }
    bool ok = hk_session_score(s->e.session, s->tokens.ids, (uint32_t)s->tokens.n, score, err);
    if (!ok) return err->code == HK_ERR_CANCELLED ? false : hk_fail_prefix(err, "%s", s->e.checkpoint->path);
    return isfinite(*score) ||
           hk_fail(err, HK_ERR_FORMAT,
                   "%s: its score is no number: either its weights are broken, or this device is: compare "
                   "--device reference, and `hekla selftest`",
                   s->e.checkpoint->path);
}

#include "runtime/chat/internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- which tokens steer the model ---- */

static bool is_control(const struct hk_vocab_token *t)
{
    return t->type == HK_TOKEN_CONTROL || t->type == HK_TOKEN_UNKNOWN;
}

/* Whether a token that is found in every text is one of the template's marks: some vocabularies have
 * "<|user|>" as such. One that is made like a mark, in brackets, and that the template writes or looks for. */
static bool is_marker(const struct hk_vocab_token *t, const char *template)
{
    char text[64];
    if (t->type != HK_TOKEN_USER_DEFINED || t->len < 3 || t->len >= sizeof text) return false;
    char first = t->text[0], last = t->text[t->len - 1];
    if (!(first == '<' && last == '>') && !(first == '[' && last == ']')) return false;
    memcpy(text, t->text, t->len);
    text[t->len] = 0;
    return strlen(text) == t->len && strstr(template, text) != NULL;
}

static bool find_barred_tokens(struct hk_chat_writer *w, struct hk_error *err)
{
    const struct hk_vocab *v = &w->checkpoint->vocab;
    const char *template = w->checkpoint->chat_template;
    size_t n = 0;
    w->barred = hk_calloc(v->n_tokens, sizeof *w->barred, err);
    w->markers = w->barred ? hk_calloc(v->n_tokens, sizeof *w->markers, err) : NULL;
    if (!w->markers) return false;
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        const struct hk_vocab_token *t = &v->tokens[i];
        bool marker = is_marker(t, template);
        if (marker) w->markers[w->n_markers++] = i;
        if (t->len > 0 && (marker || is_control(t))) w->barred[n++] = (struct hk_span){t->text, t->len};
    }
    w->renderer.barred = w->barred;
    w->renderer.n_barred = n;
    return true;
}

/* The control token, or mark, that text[0..len) begins with, the longest; HK_NO_TOKEN where there is none. */
static uint32_t control_at(const struct hk_chat_writer *w, const char *text, size_t len)
{
    const struct hk_vocab *v = &w->checkpoint->vocab;
    uint32_t best = HK_NO_TOKEN;
    size_t marker = 0;
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        const struct hk_vocab_token *t = &v->tokens[i];
        while (marker < w->n_markers && w->markers[marker] < i) marker++;
        if (!is_control(t) && !(marker < w->n_markers && w->markers[marker] == i)) continue;
        if (t->len == 0 || t->len > len || memcmp(t->text, text, t->len) != 0) continue;
        if (best == HK_NO_TOKEN || t->len > v->tokens[best].len) best = i;
    }
    return best;
}

/* ---- opening ---- */

/* A token's text as bos_token or eos_token; NULL where there is none. */
static bool token_text(const struct hk_vocab *v, uint32_t id, struct hk_bytes *bytes, const char **text,
                       struct hk_error *err)
{
    if (id >= v->n_tokens) return true;
    if (!hk_bytes_append(bytes, v->tokens[id].text, v->tokens[id].len, err)) return false;
    *text = bytes->data;
    return true;
}

/* What the template does with a question, a system text, and an answer. */
static bool try_out(struct hk_chat_writer *w, struct hk_chat_text *t, struct hk_error *err)
{
    static const struct hk_chat_message m[] = {
        {.role = "system", .text = "Be brief.", .len = 9},
        {.role = "user", .text = "What is it?", .len = 11},
        {.role = "assistant", .text = "It is that.", .len = 11},
    };
    struct hk_error refused = {0};
    if (!chat_text_render(&w->renderer, m + 1, 1, true, t, err)) {
        /* templates for conversations with tools alone go through a list that transformers does not give */
        w->renderer.bare = true;
        if (!chat_text_render(&w->renderer, m + 1, 1, true, t, &refused)) return false;
    }
    bool rendered = chat_text_render(&w->renderer, m, 2, true, t, &refused);
    if (!rendered && refused.code == HK_ERR_MEMORY) return hk_fail(err, refused.code, "%s", refused.text);
    w->system_apart = rendered && strstr(t->text.data, m[0].text);
    rendered = chat_text_render(&w->renderer, m + 1, 2, false, t, &refused);
    if (!rendered && refused.code == HK_ERR_MEMORY) return hk_fail(err, refused.code, "%s", refused.text);
    const char *answer = rendered ? strstr(t->text.data, m[2].text) : NULL;
    if (!answer) return true; /* such an answer is then ended by what the vocabulary says */
    const char *after = answer + m[2].len;
    after += strspn(after, " \t\r\n");
    uint32_t stop = control_at(w, after, strlen(after));
    const struct hk_vocab *v = &w->checkpoint->vocab;
    if (stop != v->bos || stop == v->eos) w->stop = stop;
    return true;
}

static bool open_template(struct hk_chat_writer *w, const struct hk_wall_time *now, struct hk_error *err)
{
    const struct hk_vocab *v = &w->checkpoint->vocab;
    const char *text = w->checkpoint->chat_template;
    struct hk_chat_template_options *o = &w->renderer.options;
    if (!(w->template = hk_chat_template_new(text, strlen(text), err))) return false;
    w->renderer.template = w->template;
    w->renderer.source = text;
    o->now = *now;
    struct hk_chat_text tried = {0};
    bool ok = token_text(v, v->bos, &w->bos, &o->bos, err) && token_text(v, v->eos, &w->eos, &o->eos, err) &&
              find_barred_tokens(w, err) && try_out(w, &tried, err);
    hk_chat_text_free(&tried);
    return ok;
}

struct hk_chat_writer *hk_chat_writer_new(const struct hk_checkpoint *c, const struct hk_tokenizer *t,
                                          const struct hk_wall_time *now, struct hk_error *err)
{
    static const struct hk_wall_time never = {0};
    if (!c->chat_template) {
        hk_fail(err, HK_ERR_INPUT, "%s: has no chat template: a chat model would be accepted", c->path);
        return NULL;
    }
    struct hk_chat_writer *w = hk_calloc(1, sizeof *w, err);
    if (!w) return NULL;
    *w = (struct hk_chat_writer){.checkpoint = c, .tokenizer = t, .stop = HK_NO_TOKEN};
    if (open_template(w, now ? now : &never, err)) return w;
    hk_chat_writer_free(w);
    hk_fail_prefix(err, "the chat template");
    return NULL;
}

void hk_chat_writer_free(struct hk_chat_writer *w)
{
    if (!w) return;
    hk_chat_template_free(w->template);
    hk_bytes_free(&w->bos);
    hk_bytes_free(&w->eos);
    free(w->barred);
    free(w->markers);
    free(w);
}

uint32_t hk_chat_stops(const struct hk_chat_writer *w, const struct hk_vocab *v, uint32_t ids[HK_CHAT_STOPS])
{
    _Static_assert((int)HK_CHAT_STOPS == HK_MAX_STOP_TOKENS + 1, "the vocabulary's and the template's");
    uint32_t n = 0;
    bool known = !w || w->stop == HK_NO_TOKEN;
    for (; n < v->n_stop; n++) {
        ids[n] = v->stop[n];
        known = known || ids[n] == w->stop;
    }
    if (!known) ids[n++] = w->stop;
    return n;
}

/* ---- writing ---- */

static bool refused(struct hk_error *err)
{
    return err->code == HK_ERR_MEMORY ? false : hk_fail_prefix(err, "the chat template");
}

/* The system's message and the first question in one, in *joined. */
static bool join_system(const struct hk_chat_message *m, struct hk_bytes *joined,
                        struct hk_chat_message *first, struct hk_error *err)
{
    *first = (struct hk_chat_message){.role = m[1].role};
    if (!hk_bytes_append(joined, m[0].text, m[0].len, err) || !hk_bytes_append(joined, "\n\n", 2, err) ||
        !hk_bytes_append(joined, m[1].text, m[1].len, err))
        return false;
    first->text = joined->data;
    first->len = joined->len;
    return true;
}

/* What is rendered in place of the messages: a list in *list, which the caller frees, or the messages
 * themselves, *list NULL. */
static bool arrange(const struct hk_chat_writer *w, const struct hk_chat_message **m, size_t *n,
                    struct hk_chat_message **list, struct hk_bytes *joined, struct hk_error *err)
{
    *list = NULL;
    if (w->system_apart || *n < 2 || strcmp((*m)[0].role, "system") != 0) return true;
    if (!(*list = hk_calloc(*n - 1, sizeof **list, err))) return false;
    memcpy(*list, *m + 1, (*n - 1) * sizeof **list);
    if (!join_system(*m, joined, &(*list)[0], err)) return false;
    *m = *list;
    --*n;
    return true;
}

bool hk_chat_writer_text(const struct hk_chat_writer *w, const struct hk_chat_message *m, size_t n, bool open,
                         struct hk_chat_text *out, struct hk_error *err)
{
    struct hk_chat_message *list;
    struct hk_bytes joined = {0};
    struct hk_error own = {0};
    if (!err) err = &own;
    bool ok = arrange(w, &m, &n, &list, &joined, err) &&
              (chat_text_render(&w->renderer, m, n, open, out, err) || refused(err));
    /* places name the caller's messages: the joined question is the second of them */
    for (size_t i = 0; list && ok && i < out->n; i++) out->places[i].message++;
    free(list);
    hk_bytes_free(&joined);
    return ok;
}

/* Where an answer stands as it is and may keep its tokens: its place and the white space at its ends. */
static bool keeps_tokens(const struct hk_chat_writer *w, const struct hk_chat_text *t,
                         const struct hk_chat_place *p, const struct hk_chat_message *m, size_t *start,
                         size_t *end)
{
    if (!p->whole || !m->own || m->own->n == 0) return false;
    size_t core = p->end - p->start, before = 0;
    while (before < m->len && memcmp(m->text + before, t->text.data + p->start, 1) != 0) before++;
    if (before > p->start || before + core > m->len) return false;
    *start = p->start - before;
    *end = *start + m->len;
    return *end <= t->text.len && memcmp(t->text.data + *start, m->text, m->len) == 0 &&
           control_at(w, t->text.data + *end, t->text.len - *end) != HK_NO_TOKEN;
}

/* text[from..to), in which these parts were typed. */
static bool encode(const struct hk_chat_writer *w, const struct hk_chat_text *t, struct hk_typed *typed,
                   size_t n, size_t from, size_t to, struct hk_tokens *out, struct hk_error *err)
{
    for (size_t i = 0; i < n; i++) {
        typed[i].start -= from;
        typed[i].end -= from;
    }
    return hk_tokenizer_encode_typed(w->tokenizer, t->text.data + from, to - from, HK_ENCODE_PARSE_SPECIAL,
                                     typed, n, out, err);
}

/* The text's tokens, own answers' kept. m: what was rendered. */
static bool add_text(const struct hk_chat_writer *w, const struct hk_chat_text *t,
                     const struct hk_chat_message *m, struct hk_tokens *out, struct hk_error *err)
{
    struct hk_typed *typed = hk_calloc(t->n, sizeof *typed, err);
    size_t from = 0, n = 0, start, end;
    bool ok = typed != NULL;
    for (size_t i = 0; ok && i < t->n; i++) {
        const struct hk_chat_place *p = &t->places[i];
        const struct hk_chat_message *x = &m[p->message];
        if (p->start >= from && keeps_tokens(w, t, p, x, &start, &end) && start >= from) {
            ok = encode(w, t, typed, n, from, start, out, err) &&
                 hk_tokens_append(out, x->own->ids, x->own->n, err);
            from = end;
            n = 0;
            continue;
        }
        typed[n++] =
            (struct hk_typed){p->start, p->end, x->own ? NULL : w->markers, x->own ? 0 : w->n_markers};
    }
    ok = ok && encode(w, t, typed, n, from, t->text.len, out, err);
    free(typed);
    return ok;
}

/* The tokens that begin a text. */
static bool begin_text(const struct hk_vocab *v, struct hk_tokens *t, struct hk_error *err)
{
    bool bos = v->add_bos && v->bos != HK_NO_TOKEN;
    return (!bos || hk_tokens_append(t, &v->bos, 1, err)) && hk_tokens_append(t, v->before, v->n_before, err);
}

bool hk_chat_writer_tokens(const struct hk_chat_writer *w, const struct hk_chat_message *m, size_t n,
                           bool open, struct hk_tokens *out, struct hk_error *err)
{
    const struct hk_vocab *v = &w->checkpoint->vocab;
    struct hk_chat_message *list;
    struct hk_bytes joined = {0};
    struct hk_chat_text text = {0};
    struct hk_error own = {0};
    if (!err) err = &own;
    out->n = 0;
    bool ok = arrange(w, &m, &n, &list, &joined, err) &&
              (chat_text_render(&w->renderer, m, n, open, &text, err) || refused(err)) &&
              begin_text(v, out, err);
    size_t begun = out->n;
    ok = ok && add_text(w, &text, m, out, err);
    if (ok && begun && out->n > begun && out->ids[begun] == v->bos) { /* the template wrote it */
        memmove(out->ids, out->ids + begun, (out->n - begun) * sizeof *out->ids);
        out->n -= begun;
    }
    hk_chat_text_free(&text);
    free(list);
    hk_bytes_free(&joined);
    return ok;
}

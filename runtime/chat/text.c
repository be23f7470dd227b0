#include "runtime/chat/internal.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rendering ---- */

static cJSON *message_of(const char *role, const struct hk_bytes *content)
{
    cJSON *m = cJSON_CreateObject();
    if (m && cJSON_AddStringToObject(m, "role", role) &&
        cJSON_AddStringToObject(m, "content", content->data ? content->data : ""))
        return m;
    cJSON_Delete(m);
    return NULL;
}

/* {"messages": [...], "tools": null, "documents": null, "add_generation_prompt": open} */
static char *variables(const struct hk_chat_message *m, const struct hk_bytes *contents, size_t n, bool open,
                       bool bare)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *list = root ? cJSON_AddArrayToObject(root, "messages") : NULL;
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < n; i++) ok = cJSON_AddItemToArray(list, message_of(m[i].role, &contents[i]));
    ok = ok && (bare || (cJSON_AddNullToObject(root, "tools") && cJSON_AddNullToObject(root, "documents"))) &&
         cJSON_AddBoolToObject(root, "add_generation_prompt", open);
    char *text = ok ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return text;
}

struct rendering {
    const struct chat_renderer *r;
    const struct hk_chat_message *messages;
    size_t n;
    bool open;
    struct hk_bytes *contents; /* [n]: the messages' texts as UTF-8 */
    struct hk_bytes *marked;   /* [n]: with marks */
    char mark[32];             /* how a mark begins */
    struct hk_span *words;     /* what the marks stand for, by number, */
    size_t *from;              /* and whose words they are */
    size_t n_words, words_capacity;
    bool starts[256]; /* the bytes that barred texts begin with */
    struct hk_chat_text *out;
    struct hk_error *err;
};

static bool render(const struct rendering *x, const struct hk_bytes *contents, struct hk_bytes *out,
                   struct hk_error *err)
{
    char *json = variables(x->messages, contents, x->n, x->open, x->r->bare);
    if (!json) return hk_fail(err, HK_ERR_MEMORY, "out of memory for the conversation");
    bool ok = hk_chat_template_render(x->r->template, json, strlen(json), &x->r->options, out, err);
    cJSON_free(json);
    return ok;
}

static bool clean(struct rendering *x)
{
    for (size_t i = 0; i < x->n; i++) {
        const struct hk_chat_message *m = &x->messages[i];
        if (!hk_bytes_append_utf8(&x->contents[i], m->text ? m->text : "", m->len, NULL, x->err))
            return false;
    }
    return true;
}

/* ---- places ---- */

static bool add_place(struct hk_chat_text *t, struct hk_chat_place p, struct hk_error *err)
{
    if (p.start == p.end) return true;
    if (t->n == t->capacity) {
        size_t capacity = t->capacity ? t->capacity * 2 : 16;
        struct hk_chat_place *grown = realloc(t->places, capacity * sizeof *grown);
        if (!grown) return hk_fail(err, HK_ERR_MEMORY, "out of memory for the conversation");
        t->places = grown;
        t->capacity = capacity;
    }
    t->places[t->n++] = p;
    return true;
}

static const char *find(const char *text, size_t len, const char *part, size_t part_len)
{
    if (part_len == 0) return NULL;
    for (const char *end = text + len; (size_t)(end - text) >= part_len; text++) {
        text = memchr(text, part[0], (size_t)(end - text) - part_len + 1);
        if (!text) return NULL;
        if (memcmp(text, part, part_len) == 0) return text;
    }
    return NULL;
}

/* The largest number of up to nine digits behind a U+E5A7 in a text. */
static unsigned long largest_mark(const char *text, size_t len)
{
    unsigned long most = 0;
    const char *end = text + len, *p = text;
    while ((p = find(p, (size_t)(end - p), "\xee\x96\xa7", 3)) != NULL) {
        unsigned long number = 0;
        p += 3;
        for (int i = 0; i < 9 && p < end && *p >= '0' && *p <= '9'; i++)
            number = number * 10 + (unsigned long)(*p++ - '0');
        if (number > most) most = number;
    }
    return most;
}

/* A beginning of marks that neither a message nor the template contains: U+E5A7, a number, ':'. */
static void choose_mark(struct rendering *x)
{
    unsigned long most = largest_mark(x->r->source, strlen(x->r->source));
    for (size_t i = 0; i < x->n; i++) {
        unsigned long m = largest_mark(x->contents[i].data, x->contents[i].len);
        if (m > most) most = m;
    }
    snprintf(x->mark, sizeof x->mark, "\xee\x96\xa7%lu:", most + 1);
}

static void begin_marking(struct rendering *x)
{
    for (size_t i = 0; i < x->n; i++) x->marked[i].len = 0;
    x->n_words = 0;
}

/* Appends to a marked content a mark for words of that message: the beginning, its number, U+E5A8. */
static bool put_mark(struct rendering *x, size_t message, const char *words, size_t len)
{
    if (x->n_words == x->words_capacity) {
        size_t capacity = x->words_capacity ? x->words_capacity * 2 : 16;
        struct hk_span *grown = realloc(x->words, capacity * sizeof *grown);
        if (grown) x->words = grown;
        size_t *from = grown ? realloc(x->from, capacity * sizeof *from) : NULL;
        if (from) x->from = from;
        if (!from) return hk_fail(x->err, HK_ERR_MEMORY, "out of memory for the conversation");
        x->words_capacity = capacity;
    }
    char number[32];
    snprintf(number, sizeof number, "%zu\xee\x96\xa8", x->n_words);
    x->words[x->n_words] = (struct hk_span){words, len};
    x->from[x->n_words++] = message;
    struct hk_bytes *to = &x->marked[message];
    return hk_bytes_append(to, x->mark, strlen(x->mark), x->err) &&
           hk_bytes_append(to, number, strlen(number), x->err);
}

/* The number in the mark at s[0..len), which begins with the beginning of marks; its length, or 0 where the
 * template has changed it. */
static size_t read_mark(const struct rendering *x, const char *s, size_t len, size_t *number)
{
    size_t at = strlen(x->mark), first = at;
    *number = 0;
    for (; at < len && s[at] >= '0' && s[at] <= '9' && *number < x->n_words; at++)
        *number = *number * 10 + (size_t)(s[at] - '0');
    bool ok = at > first && *number < x->n_words && len - at >= 3 && memcmp(s + at, "\xee\x96\xa8", 3) == 0;
    return ok ? at + 3 : 0;
}

/* Puts the words back into text[0..len), which was rendered with marks. *same: the text is out->text then,
 * and out->places are where the words stand. */
static bool put_back(struct rendering *x, const char *text, size_t len, bool whole, bool *same)
{
    const struct hk_bytes *real = &x->out->text;
    size_t at = 0, to = 0, number;
    x->out->n = 0;
    *same = false;
    while (at < len) {
        const char *mark = find(text + at, len - at, x->mark, strlen(x->mark));
        size_t n = mark ? (size_t)(mark - text) - at : len - at;
        if (n > real->len - to || memcmp(text + at, real->data + to, n) != 0) return true;
        at += n;
        to += n;
        if (!mark) break;
        size_t mark_len = read_mark(x, mark, len - at, &number);
        if (!mark_len) return true;
        struct hk_span w = x->words[number];
        if (w.len > real->len - to || memcmp(w.data, real->data + to, w.len) != 0) return true;
        if (!add_place(x->out, (struct hk_chat_place){to, to + w.len, x->from[number], whole}, x->err))
            return false;
        at += mark_len;
        to += w.len;
    }
    *same = to == real->len;
    return true;
}

/* Renders what is marked. *same as above; a template that fails with marks is not the same. */
static bool compare(struct rendering *x, bool whole, bool *same)
{
    struct hk_bytes text = {0};
    struct hk_error problem = {0};
    *same = false;
    bool ok = true;
    if (render(x, x->marked, &text, &problem))
        ok = put_back(x, text.data ? text.data : "", text.len, whole, same);
    else if (problem.code == HK_ERR_MEMORY)
        ok = hk_fail(x->err, problem.code, "%s", problem.text);
    if (!*same) x->out->n = 0;
    hk_bytes_free(&text);
    return ok;
}

/* ---- the messages' words as a whole ---- */

/* What Python's strip() takes off, as far as it is ASCII. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

/* A content without the white space at its ends: the white space stays, so that trim finds it. */
static struct hk_span core_of(const struct hk_bytes *content)
{
    const char *s = content->data;
    size_t start = 0, end = content->len;
    while (start < end && is_space(s[start])) start++;
    while (end > start && is_space(s[end - 1])) end--;
    return (struct hk_span){s + start, end - start};
}

static bool mark_cores(struct rendering *x)
{
    begin_marking(x);
    for (size_t i = 0; i < x->n; i++) {
        const struct hk_bytes *c = &x->contents[i];
        struct hk_span core = core_of(c);
        size_t before = (size_t)(core.data - c->data), after = c->len - before - core.len;
        if (!hk_bytes_append(&x->marked[i], c->data, before, x->err) ||
            (core.len && !put_mark(x, i, core.data, core.len)) ||
            !hk_bytes_append(&x->marked[i], core.data + core.len, after, x->err))
            return false;
    }
    return true;
}

/* ---- the barred texts in them ---- */

/* The longest of the barred texts that are in use at s[0..len); n_barred where there is none. */
static size_t barred_at(const struct rendering *x, const bool *use, const char *s, size_t len)
{
    const struct chat_renderer *r = x->r;
    size_t best = r->n_barred;
    for (size_t i = 0; x->starts[(unsigned char)s[0]] && i < r->n_barred; i++) {
        const struct hk_span *b = &r->barred[i];
        if (use[i] && b->data[0] == s[0] && b->len <= len && memcmp(b->data, s, b->len) == 0 &&
            (best == r->n_barred || b->len > r->barred[best].len))
            best = i;
    }
    return best;
}

/* seen (may be NULL) is set for each that there is. */
static bool mark_barred(struct rendering *x, const bool *use, bool *seen)
{
    begin_marking(x);
    for (size_t i = 0; i < x->n; i++) {
        const struct hk_bytes *c = &x->contents[i];
        size_t done = 0;
        for (size_t at = 0; at < c->len;) {
            size_t b = barred_at(x, use, c->data + at, c->len - at);
            if (b == x->r->n_barred) {
                at++;
                continue;
            }
            size_t len = x->r->barred[b].len;
            if (seen) seen[b] = true;
            if (!hk_bytes_append(&x->marked[i], c->data + done, at - done, x->err) ||
                !put_mark(x, i, c->data + at, len))
                return false;
            at += len;
            done = at;
        }
        if (!hk_bytes_append(&x->marked[i], c->data + done, c->len - done, x->err)) return false;
    }
    return true;
}

/* The words of these messages where they stand in the text as they are, each behind the one before. *all:
 * every one was found. */
static bool find_contents(struct rendering *x, const bool *which, bool *all)
{
    const struct hk_bytes *text = &x->out->text;
    size_t at = 0;
    x->out->n = 0;
    *all = true;
    for (size_t i = 0; i < x->n; i++) {
        struct hk_span core = core_of(&x->contents[i]);
        const char *p = find(text->data + at, text->len - at, core.data, core.len);
        *all = *all && (p || !which[i]);
        if (!p) continue;
        size_t start = (size_t)(p - text->data);
        at = start + core.len;
        if (which[i] && !add_place(x->out, (struct hk_chat_place){start, at, i, false}, x->err)) return false;
    }
    return true;
}

/* Which of the barred texts that were seen the template leaves alone: each is tried by itself. *left: not all
 * of them. */
static bool choose_barred(struct rendering *x, bool *seen, bool *left)
{
    enum { MOST = 16 }; /* renderings */
    bool *one = hk_calloc(x->r->n_barred, sizeof *one, x->err), ok = one != NULL;
    size_t tried = 0;
    *left = false;
    for (size_t i = 0; ok && i < x->r->n_barred; i++) {
        bool same = false;
        if (!seen[i]) continue;
        one[i] = true;
        ok = ++tried > MOST || (mark_barred(x, one, NULL) && compare(x, false, &same));
        one[i] = false;
        *left = *left || !same;
        seen[i] = same;
    }
    free(one);
    return ok;
}

/* The same with memory for which of them are in use and were seen, and which messages they are in. */
static bool find_barred_with(struct rendering *x, bool *use, bool *seen, bool *holds)
{
    bool same = false, left = false, all = false;
    for (size_t i = 0; i < x->r->n_barred; i++) {
        use[i] = true;
        x->starts[(unsigned char)x->r->barred[i].data[0]] = true;
    }
    if (!mark_barred(x, use, seen)) return false;
    if (x->n_words == 0) return true;
    for (size_t i = 0; i < x->n_words; i++) holds[x->from[i]] = true;
    if (!compare(x, false, &same)) return false;
    if (same) return true;
    if (!choose_barred(x, seen, &left)) return false;
    if (left && !find_contents(x, holds, &all)) return false;
    if (left && all) return true;
    if (!mark_barred(x, seen, NULL) || !compare(x, false, &same)) return false;
    return same || find_contents(x, holds, &all);
}

static bool find_barred(struct rendering *x)
{
    size_t n = x->r->n_barred;
    bool *use = hk_calloc(n, sizeof *use, x->err), *seen = hk_calloc(n, sizeof *seen, x->err),
         *holds = hk_calloc(x->n, sizeof *holds, x->err);
    bool ok = use && seen && holds && find_barred_with(x, use, seen, holds);
    free(use);
    free(seen);
    free(holds);
    return ok;
}

/* ---- all of it ---- */

void hk_chat_text_free(struct hk_chat_text *t)
{
    hk_bytes_free(&t->text);
    free(t->places);
    *t = (struct hk_chat_text){0};
}

bool chat_text_render(const struct chat_renderer *r, const struct hk_chat_message *m, size_t n, bool open,
                      struct hk_chat_text *out, struct hk_error *err)
{
    struct rendering x = {.r = r, .messages = m, .n = n, .open = open, .out = out, .err = err};
    bool same = false;
    out->text.len = out->n = 0;
    x.contents = hk_calloc(n, sizeof *x.contents, err);
    x.marked = x.contents ? hk_calloc(n, sizeof *x.marked, err) : NULL;
    bool ok = x.marked && clean(&x) && hk_bytes_append(&out->text, "", 0, err) &&
              render(&x, x.contents, &out->text, err);
    if (ok) {
        choose_mark(&x);
        ok = mark_cores(&x) && compare(&x, true, &same) && (same || find_barred(&x));
    }
    for (size_t i = 0; x.marked && i < n; i++) {
        hk_bytes_free(&x.contents[i]);
        hk_bytes_free(&x.marked[i]);
    }
    free(x.contents);
    free(x.marked);
    free(x.words);
    free(x.from);
    return ok;
}

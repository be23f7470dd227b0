/* Where in a text its tokens stand: their bytes, laid along the text. */
#include "loader/checkpoint.h"
#include "loader/tokenizer/tokenizer.h"

#include <string.h>

struct walk {
    const struct hk_tokenizer *t;
    const struct hk_vocab *vocab;
    const char *text;
    size_t len, at;
    size_t open; /* the first of the unknown tokens before this one, whose end is not known yet, */
    size_t n_open;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool stands_at(const struct walk *w, size_t at, const char *bytes, size_t n)
{
    return n <= w->len - at && memcmp(w->text + at, bytes, n) == 0;
}

/* Whether the token stands at `at`, as it is or without the space that a vocabulary puts before a word. */
static bool matches(const struct walk *w, size_t at, const char *bytes, size_t n, struct hk_token_span *span)
{
    bool whole = stands_at(w, at, bytes, n);
    size_t skip = !whole && n > 0 && bytes[0] == ' ' ? 1 : 0;
    if (!whole && !(skip && stands_at(w, at, bytes + 1, n - 1))) return false;
    *span = (struct hk_token_span){at, at + n - skip};
    return true;
}

/* The same behind white space that the tokenizer takes away, or, behind an unknown token, further on. */
static bool find(const struct walk *w, const char *bytes, size_t n, struct hk_token_span *span)
{
    for (size_t at = w->at + (w->n_open > 0); at <= w->len; at++) {
        if (matches(w, at, bytes, n, span)) return true;
        if (w->n_open == 0 && (at == w->len || !is_space(w->text[at]))) return false;
    }
    return false;
}

/* Unknown tokens: the first of several stands for all that lies up to `end`. */
static void close_unknown(struct walk *w, size_t end, struct hk_token_span *spans)
{
    for (size_t k = 0; k < w->n_open; k++)
        spans[w->open + k] = (struct hk_token_span){k == 0 ? w->at : end, end};
    w->n_open = 0;
}

bool hk_tokenizer_spans(const struct hk_tokenizer *t, const char *text, size_t len, const uint32_t *ids,
                        size_t n, struct hk_token_span *spans, struct hk_error *err)
{
    struct walk w = {.t = t, .vocab = hk_tokenizer_vocab(t), .text = text, .len = len};
    for (size_t i = 0; i < n; i++) {
        const char *bytes;
        size_t n_bytes = hk_tokenizer_bytes(t, ids[i], true, &bytes);
        struct hk_token_span span = {w.at, w.at};
        bool control = hk_vocab_is_control(w.vocab, ids[i]);
        bool found = n_bytes > 0 && find(&w, bytes, n_bytes, &span);
        if (!found && ids[i] == w.vocab->unk) { /* also one that is written as such in the text */
            if (w.n_open++ == 0) w.open = i;
            continue;
        }
        if (!found && n_bytes > 0 && !control)
            return hk_fail(err, HK_ERR_UNSUPPORTED,
                           "token %zu of %zu: is not in the text behind byte %zu: tokens of this text, of a "
                           "vocabulary that leaves texts as they are, would be accepted",
                           i, n, w.at);
        if (found) {
            close_unknown(&w, span.start, spans);
            w.at = span.end;
        }
        spans[i] = span;
    }
    close_unknown(&w, len, spans);
    return true;
}

/* Two tries: pieces that begin a word, and pieces that go on, each without its mark. */
#include "loader/tokenizer/wordpiece.h"
#include "loader/utf8.h"

#include <stdlib.h>
#include <string.h>

struct hk_wordpiece {
    const struct hk_vocab *vocab;
    struct hk_trie first, next;
};

/* Pieces with that prefix. Where a prefix is empty every piece is one, marked or not. */
static bool add(const struct hk_vocab *v, struct hk_trie *trie, struct hk_span prefix, struct hk_error *err)
{
    struct hk_piece *pieces = hk_calloc(v->n_tokens, sizeof *pieces, err);
    size_t n = 0;
    if (!pieces) return false;
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        const struct hk_vocab_token *t = &v->tokens[i];
        if (t->len <= prefix.len || (prefix.len > 0 && memcmp(t->text, prefix.data, prefix.len) != 0))
            continue;
        pieces[n++] = (struct hk_piece){t->text + prefix.len, t->len - (uint32_t)prefix.len, i};
    }
    bool ok = hk_trie_init(trie, pieces, n, err);
    free(pieces);
    return ok;
}

struct hk_wordpiece *hk_wordpiece_new(const struct hk_vocab *vocab, struct hk_error *err)
{
    struct hk_wordpiece *w = hk_calloc(1, sizeof *w, err);
    if (!w) return NULL;
    w->vocab = vocab;
    bool ok = vocab->unk != HK_NO_TOKEN ||
              hk_fail(err, HK_ERR_FORMAT, "tokenizer: WordPiece without an unknown token in its vocabulary");
    if (ok && add(vocab, &w->first, vocab->word_prefix, err) && add(vocab, &w->next, vocab->part_prefix, err))
        return w;
    hk_wordpiece_free(w);
    return NULL;
}

void hk_wordpiece_free(struct hk_wordpiece *w)
{
    if (!w) return;
    hk_trie_free(&w->first);
    hk_trie_free(&w->next);
    free(w);
}

/* Pieces end where characters end: a vocabulary of bytes that are no characters matches nowhere else. */
static size_t longest(const struct hk_trie *t, const char *s, size_t len, uint32_t *id)
{
    size_t best = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < len; i++) {
        node = hk_trie_step(t, node, (uint8_t)s[i]);
        if (node == 0) break;
        bool ends = i + 1 == len || ((uint8_t)s[i + 1] & 0xC0) != 0x80;
        if (t->nodes[node].id == HK_TRIE_NONE || !ends) continue;
        best = i + 1;
        *id = t->nodes[node].id;
    }
    return best;
}

static bool too_long(const struct hk_vocab *v, const char *word, size_t len)
{
    uint32_t chars = 0;
    if (len <= v->max_word_chars) return false;
    for (size_t i = 0; i < len && chars <= v->max_word_chars; i++) chars += ((uint8_t)word[i] & 0xC0) != 0x80;
    return chars > v->max_word_chars;
}

bool hk_wordpiece_encode(const struct hk_wordpiece *w, const char *word, size_t len, struct hk_tokens *out,
                         struct hk_error *err)
{
    size_t before = out->n;
    bool whole = !too_long(w->vocab, word, len);
    for (size_t i = 0; whole && i < len;) {
        uint32_t id = 0;
        size_t n = longest(i == 0 ? &w->first : &w->next, word + i, len - i, &id);
        whole = n > 0;
        i += n;
        if (whole && !hk_tokens_push(out, id, err)) return false;
    }
    if (whole) return true;
    out->n = before;
    return hk_tokens_push(out, w->vocab->unk, err);
}

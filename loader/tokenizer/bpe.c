/* Byte-pair encoding: which pairs merge, and by what rank. The merging itself is merge.c's. */
#include "loader/tokenizer/bpe.h"
#include "loader/tokenizer/byte_level.h"
#include "loader/tokenizer/metaspace.h"
#include "loader/tokenizer/pair_map.h"
#include "loader/utf8.h"

#include <stdlib.h>
#include <string.h>

struct hk_bpe {
    const struct hk_vocab *vocab;
    struct hk_arena arena;     /* of the words, */
    struct hk_vocab_map words; /* what a token stands for -> token */
    uint32_t byte_id[256];     /* the token of a byte: its own one, or <0xXX> */
    struct hk_pair_map pairs;
    bool ignore_merges;
    bool affixes;      /* symbols are spelt with a prefix or suffix */
    bool word_by_word; /* plain: no token reaches from one word into the next */
};

/* ---- tables ---- */

/* What token i stands for: bytes, or its text where the vocabulary is plain. False where it is no spelling of
 * bytes. */
static bool word_of(const struct hk_bpe *b, uint32_t i, char *bytes, const char **text, size_t *len)
{
    const struct hk_vocab_token *t = &b->vocab->tokens[i];
    *text = b->vocab->plain ? t->text : bytes;
    *len = t->len;
    return t->len > 0 && t->type != HK_TOKEN_BYTE &&
           (b->vocab->plain || hk_byte_level_decode(t->text, t->len, bytes, len));
}

/* Tokens that text may become. Those of the plain kind are put last, so that they win over others of equal
 * text. */
static bool add_words(struct hk_bpe *b, struct hk_error *err)
{
    const struct hk_vocab *v = b->vocab;
    size_t total = 0, len;
    for (uint32_t i = 0; !v->plain && i < v->n_tokens; i++) total += v->tokens[i].len;
    char *bytes = hk_arena_alloc(&b->arena, total + 1, 1, err);
    if (!bytes || !hk_vocab_map_init(&b->words, v->n_tokens, err)) return false;
    b->word_by_word = v->plain && !b->ignore_merges && !b->affixes;
    for (int normal = 0; normal < 2; normal++) {
        for (uint32_t i = 0; i < v->n_tokens; i++) {
            const char *text;
            if ((v->tokens[i].type == HK_TOKEN_NORMAL) != normal || !word_of(b, i, bytes, &text, &len))
                continue;
            hk_vocab_map_put(&b->words, text, (uint32_t)len, i);
            if (b->word_by_word && hk_metaspace_inside(text, len)) b->word_by_word = false;
            if (!v->plain) bytes += len;
        }
    }
    return true;
}

static void add_bytes(struct hk_bpe *b)
{
    const struct hk_vocab *v = b->vocab;
    for (unsigned i = 0; i < 256; i++) {
        char byte = (char)i;
        uint32_t id = v->plain ? HK_NO_TOKEN : hk_vocab_map_get(&b->words, &byte, 1);
        /* an added token stands for its spelling, which is not the byte unless that is ASCII */
        bool added = id != HK_NO_TOKEN && v->tokens[id].len > 1 && v->tokens[id].type != HK_TOKEN_NORMAL &&
                     v->tokens[id].type != HK_TOKEN_UNUSED;
        b->byte_id[i] = added ? HK_NO_TOKEN : id;
    }
    for (uint32_t i = 0; v->plain && v->byte_fallback && i < v->n_tokens; i++) {
        int byte = hk_byte_token(&v->tokens[i]);
        if (byte >= 0) b->byte_id[byte] = i;
    }
}

/* One side of a merge in the map's spelling. */
static bool merge_side(const struct hk_bpe *b, const char *text, size_t len, struct hk_bytes *out,
                       struct hk_error *err)
{
    size_t at = out->len, n = len;
    if (!hk_bytes_append(out, text, len, err)) return false;
    if (!b->vocab->plain && !hk_byte_level_decode(text, len, out->data + at, &n)) return false;
    out->len = at + n;
    return true;
}

static bool add_merge(struct hk_bpe *b, uint32_t rank, struct hk_bytes *buf, struct hk_error *err)
{
    const char *text = b->vocab->merges[rank];
    size_t len = strlen(text), left = b->vocab->merge_left_len[rank];
    struct hk_error memory = {0};
    uint32_t l = HK_NO_TOKEN, r = HK_NO_TOKEN, both = HK_NO_TOKEN;
    bool spelt = false;
    buf->len = 0;
    if (left < len && merge_side(b, text, left, buf, &memory)) {
        size_t cut = buf->len;
        spelt = merge_side(b, text + left + 1, len - left - 1, buf, &memory);
        if (spelt) {
            l = hk_vocab_map_get(&b->words, buf->data, cut);
            r = hk_vocab_map_get(&b->words, buf->data + cut, buf->len - cut);
            size_t prefix = b->vocab->part_prefix.len; /* only the first symbol of a word is without it */
            if (prefix <= buf->len - cut) {
                memmove(buf->data + cut, buf->data + cut + prefix, buf->len - cut - prefix);
                both = hk_vocab_map_get(&b->words, buf->data, buf->len - prefix);
            }
        }
    }
    if (memory.code != HK_OK) {
        if (err) *err = memory;
        return false;
    }
    if (!spelt && left < len) return true; /* characters that no byte is spelt with: nothing it could merge */
    if (l == HK_NO_TOKEN || r == HK_NO_TOKEN || both == HK_NO_TOKEN)
        return hk_fail(err, HK_ERR_FORMAT,
                       "tokenizer: merge %u \"%.60s\": a side or their union is no token of the vocabulary",
                       rank, text);
    hk_pair_map_put(&b->pairs, l, r, rank, both);
    return true;
}

/* tiktoken's rule as pairs: every way to put a token together from two others. m NULL: only counts. */
static bool add_rank_merges(const struct hk_bpe *b, struct hk_pair_map *m, size_t *n, struct hk_error *err)
{
    const struct hk_vocab *v = b->vocab;
    struct hk_bytes bytes = {0};
    bool ok = hk_bytes_append(&bytes, "", 0, err);
    *n = 0;
    for (uint32_t id = 0; ok && id < v->n_tokens; id++) {
        size_t len = v->tokens[id].len;
        bytes.len = 0;
        if (v->tokens[id].type != HK_TOKEN_NORMAL ||
            !(ok = hk_bytes_append(&bytes, v->tokens[id].text, len, err)))
            continue;
        if (!v->plain && !hk_byte_level_decode(v->tokens[id].text, len, bytes.data, &len)) continue;
        *n += hk_pair_map_splits(m, &b->words, bytes.data, len, id, id);
    }
    hk_bytes_free(&bytes);
    return ok;
}

static bool add_merges(struct hk_bpe *b, struct hk_error *err)
{
    size_t n = b->vocab->n_merges;
    if (b->vocab->rank_merges && !add_rank_merges(b, NULL, &n, err)) return false;
    if (!hk_pair_map_init(&b->pairs, n, err)) return false;
    if (b->vocab->rank_merges) return add_rank_merges(b, &b->pairs, &n, err);
    struct hk_bytes buf = {0};
    bool ok = hk_bytes_append(&buf, "", 0, err);
    for (uint32_t i = 0; ok && i < b->vocab->n_merges; i++) ok = add_merge(b, i, &buf, err);
    hk_bytes_free(&buf);
    return ok;
}

struct hk_bpe *hk_bpe_new(const struct hk_vocab *vocab, bool ignore_merges, struct hk_error *err)
{
    struct hk_bpe *b = hk_calloc(1, sizeof *b, err);
    if (!b) return NULL;
    b->vocab = vocab;
    b->ignore_merges = ignore_merges;
    b->affixes = vocab->part_prefix.len > 0 || vocab->word_suffix.len > 0;
    if (!add_words(b, err) || !add_merges(b, err)) {
        hk_bpe_free(b);
        return NULL;
    }
    add_bytes(b);
    return b;
}

void hk_bpe_free(struct hk_bpe *b)
{
    if (!b) return;
    hk_vocab_map_free(&b->words);
    hk_arena_free(&b->arena);
    hk_pair_map_free(&b->pairs);
    free(b);
}

/* ---- encoding ---- */

static bool rule(const void *ctx, const char *text, const struct hk_symbol *l, const struct hk_symbol *r,
                 uint32_t *priority, uint32_t *id)
{
    (void)text;
    const struct hk_bpe *b = ctx;
    if (l->id == HK_NO_TOKEN || r->id == HK_NO_TOKEN) return false;
    const struct hk_pair *p = hk_pair_map_get(&b->pairs, l->id, r->id);
    if (!p) return false;
    *priority = p->priority;
    *id = p->id;
    return true;
}

/* A stretch of the word that has no token. */
static void add_unknown(const struct hk_bpe *b, size_t at, size_t len, struct hk_merger *m)
{
    if (!b->vocab->emit_unk || b->vocab->unk == HK_NO_TOKEN) return;
    struct hk_symbol *last = m->n_symbols > 0 ? &m->symbols[m->n_symbols - 1] : NULL;
    if (b->vocab->fuse_unk && last && last->id == b->vocab->unk && last->start + last->len == at)
        last->len += (uint32_t)len;
    else
        hk_merger_add(m, at, len, b->vocab->unk);
}

/* The token of a character with what the vocabulary puts before and behind it. */
static uint32_t affixed(const struct hk_bpe *b, const char *c, size_t len, bool first, bool last)
{
    char text[2 * HK_MAX_AFFIX + 4];
    struct hk_span before = b->vocab->part_prefix, behind = b->vocab->word_suffix;
    size_t n = 0;
    if (!first && before.len > 0) memcpy(text, before.data, n = before.len);
    memcpy(text + n, c, len);
    n += len;
    if (last && behind.len > 0) {
        memcpy(text + n, behind.data, behind.len);
        n += behind.len;
    }
    return hk_vocab_map_get(&b->words, text, n);
}

/* One character (of a byte-level vocabulary, one byte): its token, the tokens of its bytes, or unknown. */
static void add_character(const struct hk_bpe *b, const char *word, size_t word_len, size_t at, size_t len,
                          struct hk_merger *m)
{
    uint32_t id = b->affixes ? affixed(b, word + at, len, at == 0, at + len == word_len)
                             : hk_vocab_map_get(&b->words, word + at, len);
    if (id != HK_NO_TOKEN) {
        hk_merger_add(m, at, len, id);
        return;
    }
    bool bytes = b->vocab->plain;
    for (size_t i = 0; bytes && i < len; i++) bytes = b->byte_id[(uint8_t)word[at + i]] != HK_NO_TOKEN;
    if (!bytes) add_unknown(b, at, len, m);
    for (size_t i = 0; bytes && i < len; i++) hk_merger_add(m, at + i, 1, b->byte_id[(uint8_t)word[at + i]]);
}

static bool encode_new_word(const struct hk_bpe *b, const char *word, size_t len, struct hk_merger *m,
                            struct hk_tokens *out, struct hk_error *err)
{
    if (b->ignore_merges) {
        uint32_t id = hk_vocab_map_get(&b->words, word, len);
        if (id != HK_NO_TOKEN && b->vocab->tokens[id].type != HK_TOKEN_CONTROL)
            return hk_tokens_push(out, id, err);
    }
    if (!hk_merger_begin(m, len, err)) return false;
    for (size_t i = 0, n = 1; i < len; i += n) {
        if (!b->vocab->plain && !b->affixes && b->byte_id[(uint8_t)word[i]] != HK_NO_TOKEN) {
            hk_merger_add(m, i, 1, b->byte_id[(uint8_t)word[i]]);
            continue;
        }
        if (!b->vocab->plain && !b->affixes) {
            add_unknown(b, i, 1, m);
            continue;
        }
        if (b->vocab->plain) n = hk_utf8_len(word + i, len - i);
        if (n == 0) n = 1;
        add_character(b, word, len, i, n, m);
    }
    hk_merger_run(m, word, rule, b);
    for (uint32_t i = 0; i < m->n_symbols; i++) {
        if (m->symbols[i].len > 0 && !hk_tokens_push(out, m->symbols[i].id, err)) return false;
    }
    return true;
}

static bool encode_word(const struct hk_bpe *b, const char *word, size_t len, struct hk_merger *m,
                        struct hk_tokens *out, struct hk_error *err)
{
    size_t from = out->n;
    int known = hk_word_cache_get(&m->cache, word, len, out, err);
    if (known) return known > 0;
    if (!encode_new_word(b, word, len, m, out, err)) return false;
    hk_word_cache_put(&m->cache, word, len, out, from);
    return true;
}

bool hk_bpe_encode(const struct hk_bpe *b, const char *word, size_t len, struct hk_merger *m,
                   struct hk_tokens *out, struct hk_error *err)
{
    if (!b->word_by_word) return len == 0 || encode_word(b, word, len, m, out, err);
    for (size_t i = 0; i < len;) {
        size_t n = hk_metaspace_word(word + i, len - i);
        if (!encode_word(b, word + i, n, m, out, err)) return false;
        i += n;
    }
    return true;
}

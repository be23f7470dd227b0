/* Byte-pair encoding: which pairs merge, and by what rank. The merging itself is merge.c's. */
#include "bpe.h"
#include "normalize.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

struct pair {
    uint64_t key; /* left << 32 | right; NO_PAIR: free */
    uint32_t rank, id;
};
#define NO_PAIR UINT64_MAX

struct hk_bpe {
    const struct hk_vocab *vocab;
    struct hk_vocab_map words; /* what a token stands for -> token */
    uint32_t byte_id[256];     /* the token of a byte: its own one, or <0xXX> */
    struct pair *pairs;
    size_t mask;
    bool ignore_merges;
    bool word_by_word; /* metaspace: no token reaches from one word into the next */
};

/* ---- GPT-2's alphabet ---- */

/* Printable Latin-1 stands for itself; the 68 other bytes are U+0100 + their number among the others. */
static bool is_printable(unsigned b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

static int byte_of_code_point(uint32_t cp)
{
    if (cp < 0x100) return is_printable(cp) ? (int)cp : -1;
    uint32_t other = cp - 0x100;
    if (other <= 0x20) return (int)other;                 /* 00..20 */
    if (other <= 0x20 + 0x22) return (int)(other + 0x5E); /* 7F..A0 */
    return other == 0x43 ? 0xAD : -1;
}

bool hk_byte_level_decode(const char *text, size_t len, char *out, size_t *out_len)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        size_t k = hk_utf8_len(text + i, len - i);
        int b = k > 0 ? byte_of_code_point(hk_utf8_decode(text + i, k)) : -1;
        if (b < 0) return false;
        out[n++] = (char)b;
        i += k;
    }
    *out_len = n;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

int hk_byte_token(const struct hk_vocab_token *token)
{
    const char *s = token->text;
    if (token->type != HK_TOKEN_BYTE || token->len != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>') return -1;
    int hi = hex_digit(s[3]), lo = hex_digit(s[4]);
    return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

/* ---- tables ---- */

static size_t pair_slot(const struct hk_bpe *b, uint64_t key)
{
    uint64_t h = key * 0x9E3779B97F4A7C15u;
    size_t i = (size_t)(h ^ h >> 32) & b->mask;
    while (b->pairs[i].key != key && b->pairs[i].key != NO_PAIR) i = (i + 1) & b->mask;
    return i;
}

/* Tokens that text may become. Those of the plain kind are put last, so that they win over others of equal
 * text. */
static bool add_words(struct hk_bpe *b, const char *const *texts, const uint32_t *lens, struct hk_error *err)
{
    const struct hk_vocab *v = b->vocab;
    if (!hk_vocab_map_init(&b->words, v->n_tokens, err)) return false;
    for (int plain = 0; plain < 2; plain++) {
        for (uint32_t i = 0; i < v->n_tokens; i++) {
            if (!texts[i] || lens[i] == 0 || (v->tokens[i].type == HK_TOKEN_NORMAL) != plain) continue;
            if (v->tokens[i].type == HK_TOKEN_BYTE) continue;
            hk_vocab_map_put(&b->words, texts[i], lens[i], i);
        }
    }
    return true;
}

static void add_bytes(struct hk_bpe *b)
{
    const struct hk_vocab *v = b->vocab;
    for (unsigned i = 0; i < 256; i++) {
        char byte = (char)i;
        uint32_t id = v->metaspace ? HK_NO_TOKEN : hk_vocab_map_get(&b->words, &byte, 1);
        /* an added token stands for its spelling, which is not the byte unless that is ASCII */
        bool added = id != HK_NO_TOKEN && v->tokens[id].len > 1 && v->tokens[id].type != HK_TOKEN_NORMAL &&
                     v->tokens[id].type != HK_TOKEN_UNUSED;
        b->byte_id[i] = added ? HK_NO_TOKEN : id;
    }
    for (uint32_t i = 0; v->metaspace && v->byte_fallback && i < v->n_tokens; i++) {
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
    if (!b->vocab->metaspace && !hk_byte_level_decode(text, len, out->data + at, &n)) return false;
    out->len = at + n;
    return true;
}

static bool add_merge(struct hk_bpe *b, uint32_t rank, struct hk_bytes *buf, struct hk_error *err)
{
    const char *text = b->vocab->merges[rank];
    size_t len = strlen(text), left = b->vocab->merge_left_len[rank];
    struct hk_error memory = {0};
    uint32_t l = HK_NO_TOKEN, r = HK_NO_TOKEN, both = HK_NO_TOKEN;
    buf->len = 0;
    if (left < len && merge_side(b, text, left, buf, &memory)) {
        size_t cut = buf->len;
        if (merge_side(b, text + left + 1, len - left - 1, buf, &memory)) {
            l = hk_vocab_map_get(&b->words, buf->data, cut);
            r = hk_vocab_map_get(&b->words, buf->data + cut, buf->len - cut);
            both = hk_vocab_map_get(&b->words, buf->data, buf->len);
        }
    }
    if (memory.code != HK_OK) {
        if (err) *err = memory;
        return false;
    }
    if (l == HK_NO_TOKEN || r == HK_NO_TOKEN || both == HK_NO_TOKEN)
        return hk_fail(err, HK_ERR_FORMAT,
                       "tokenizer: merge %u \"%.60s\": a side or their union is no token of the vocabulary",
                       rank, text);
    uint64_t key = (uint64_t)l << 32 | r;
    b->pairs[pair_slot(b, key)] = (struct pair){key, rank, both};
    return true;
}

static bool add_merges(struct hk_bpe *b, struct hk_error *err)
{
    size_t n = 16;
    while (n / 2 < b->vocab->n_merges) n *= 2;
    b->pairs = hk_calloc(n, sizeof *b->pairs, err);
    if (!b->pairs) return false;
    b->mask = n - 1;
    for (size_t i = 0; i < n; i++) b->pairs[i].key = NO_PAIR;
    struct hk_bytes buf = {0};
    bool ok = hk_bytes_append(&buf, "", 0, err);
    for (uint32_t i = 0; ok && i < b->vocab->n_merges; i++) ok = add_merge(b, i, &buf, err);
    hk_bytes_free(&buf);
    return ok;
}

struct hk_bpe *hk_bpe_new(const struct hk_vocab *vocab, bool ignore_merges, const char *const *texts,
                          const uint32_t *lens, struct hk_error *err)
{
    struct hk_bpe *b = hk_calloc(1, sizeof *b, err);
    if (!b) return NULL;
    b->vocab = vocab;
    b->ignore_merges = ignore_merges;
    if (!add_words(b, texts, lens, err) || !add_merges(b, err)) {
        hk_bpe_free(b);
        return NULL;
    }
    add_bytes(b);
    b->word_by_word = vocab->metaspace && !ignore_merges;
    for (uint32_t i = 0; b->word_by_word && i < vocab->n_tokens; i++) {
        if (texts[i] && hk_metaspace_inside(texts[i], lens[i])) b->word_by_word = false;
    }
    return b;
}

void hk_bpe_free(struct hk_bpe *b)
{
    if (!b) return;
    hk_vocab_map_free(&b->words);
    free(b->pairs);
    free(b);
}

/* ---- encoding ---- */

static bool rule(const void *ctx, const char *text, const struct hk_symbol *l, const struct hk_symbol *r,
                 uint32_t *priority, uint32_t *id)
{
    (void)text;
    const struct hk_bpe *b = ctx;
    if (l->id == HK_NO_TOKEN || r->id == HK_NO_TOKEN) return false;
    const struct pair *p = &b->pairs[pair_slot(b, (uint64_t)l->id << 32 | r->id)];
    *priority = p->rank;
    *id = p->id;
    return p->key != NO_PAIR;
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

/* One character: its token, the tokens of its bytes, or unknown. */
static void add_character(const struct hk_bpe *b, const char *word, size_t at, size_t len,
                          struct hk_merger *m)
{
    uint32_t id = hk_vocab_map_get(&b->words, word + at, len);
    if (id != HK_NO_TOKEN) {
        hk_merger_add(m, at, len, id);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        if (b->byte_id[(uint8_t)word[at + i]] == HK_NO_TOKEN) {
            add_unknown(b, at, len, m);
            return;
        }
    }
    for (size_t i = 0; i < len; i++) hk_merger_add(m, at + i, 1, b->byte_id[(uint8_t)word[at + i]]);
}

static bool encode_word(const struct hk_bpe *b, const char *word, size_t len, struct hk_merger *m,
                        struct hk_tokens *out, struct hk_error *err)
{
    if (b->ignore_merges) {
        uint32_t id = hk_vocab_map_get(&b->words, word, len);
        if (id != HK_NO_TOKEN && b->vocab->tokens[id].type != HK_TOKEN_CONTROL)
            return hk_tokens_push(out, id, err);
    }
    if (!hk_merger_begin(m, len, err)) return false;
    for (size_t i = 0; i < len;) {
        size_t n = 1;
        if (b->vocab->metaspace) {
            n = hk_utf8_len(word + i, len - i);
            if (n == 0) n = 1;
            add_character(b, word, i, n, m);
        } else if (b->byte_id[(uint8_t)word[i]] != HK_NO_TOKEN) {
            hk_merger_add(m, i, 1, b->byte_id[(uint8_t)word[i]]);
        } else {
            add_unknown(b, i, 1, m);
        }
        i += n;
    }
    hk_merger_run(m, word, rule, b);
    for (uint32_t i = 0; i < m->n_symbols; i++) {
        if (m->symbols[i].len > 0 && !hk_tokens_push(out, m->symbols[i].id, err)) return false;
    }
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

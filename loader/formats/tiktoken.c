/* tiktoken's files -> struct hk_vocab. */
#include "loader/formats/tiktoken.h"
#include "loader/tokenizer/base64.h"
#include "loader/tokenizer/byte_level.h"
#include "loader/formats/formats.h"
#include "loader/utf8.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RANKS = 1 << 22, MAX_TOKEN_BYTES = 4096, MAX_HOLES = 1 << 16, LLAMA3_SPECIALS = 256 };

/* ---- lines ---- */

struct line {
    struct hk_span token; /* base64 */
    uint32_t rank;
};

/* The next line; *p is moved behind it. False when it is none. */
static bool next_line(const char **p, const char *end, struct line *out)
{
    const char *s = *p, *space = memchr(s, ' ', (size_t)(end - s)), *digits = space ? space + 1 : end,
               *d = digits;
    uint32_t rank = 0;
    for (; d < end && *d >= '0' && *d <= '9' && rank < MAX_RANKS; d++)
        rank = rank * 10 + (uint32_t)(*d - '0');
    if (!space || space == s || d == digits || rank >= MAX_RANKS) return false;
    *out = (struct line){{s, (size_t)(space - s)}, rank};
    if (d < end && *d == '\r') d++;
    if (d < end && *d++ != '\n') return false;
    *p = d;
    return true;
}

static bool is_base64(struct hk_span s)
{
    char out[64];
    size_t n;
    return s.len <= 64 && hk_base64_decode(s.data, s.len, out, &n) && n > 0;
}

bool hk_is_tiktoken(const uint8_t *data, size_t size)
{
    struct line line;
    const char *p = (const char *)data;
    /* only the beginning is looked at: a long file without a line would be searched for one */
    return next_line(&p, p + (size < 100 ? size : 100), &line) && is_base64(line.token);
}

/* ---- encodings ---- */

/* What an encoding adds to its ranks. */
struct encoding {
    uint32_t n_ranks;
    const char *pre; /* a row of tokenizer/pretokenizers.c */
    struct {
        const char *text;
        uint32_t id;
    } specials[5];
};

static const struct encoding encodings[] = {
    {100256,
     "cl100k",
     {{"<|endoftext|>", 100257},
      {"<|fim_prefix|>", 100258},
      {"<|fim_middle|>", 100259},
      {"<|fim_suffix|>", 100260},
      {"<|endofprompt|>", 100276}}},
    {199998, "gpt-4o", {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
};

/* Llama 3's 256 special tokens behind its 128000 ranks: some have names. */
static void llama3_special(uint32_t i, char *out, size_t size)
{
    static const struct {
        uint32_t i;
        const char *name;
    } NAMES[] = {{0, "<|begin_of_text|>"},
                 {1, "<|end_of_text|>"},
                 {6, "<|start_header_id|>"},
                 {7, "<|end_header_id|>"},
                 {9, "<|eot_id|>"}};
    uint32_t named = 0; /* before this one: the reserved ones are numbered without them */
    for (size_t k = 0; k < sizeof NAMES / sizeof *NAMES; k++) {
        if (NAMES[k].i == i) {
            snprintf(out, size, "%s", NAMES[k].name);
            return;
        }
        named += NAMES[k].i < i;
    }
    snprintf(out, size, "<|reserved_special_token_%u|>", i - named);
}

/* ---- tokens ---- */

struct builder {
    struct hk_arena *arena;
    struct hk_vocab *v;
    struct hk_vocab_token *tokens;
    const char *file;
    struct hk_error *err;
};

/* The bytes in GPT-2's alphabet, as all byte-level vocabularies have them. */
static bool set_rank(const struct builder *b, uint32_t rank, const char *bytes, size_t n)
{
    char *text = hk_arena_alloc(b->arena, 2 * n + 1, 1, b->err);
    size_t len = 0;
    if (!text) return false;
    for (size_t i = 0; i < n; i++) {
        char utf8[4];
        size_t k = hk_utf8_encode(hk_byte_level_char((uint8_t)bytes[i]), utf8);
        memcpy(text + len, utf8, k);
        len += k;
    }
    b->tokens[rank] = (struct hk_vocab_token){.text = text, .len = (uint32_t)len, .type = HK_TOKEN_NORMAL};
    return true;
}

static bool set_special(const struct builder *b, uint32_t id, const char *text)
{
    size_t len = strlen(text);
    const char *copy = hk_arena_strndup(b->arena, text, len, b->err);
    b->tokens[id] = (struct hk_vocab_token){.text = copy, .len = (uint32_t)len, .type = HK_TOKEN_CONTROL};
    return copy != NULL;
}

/* Counts the lines and finds the greatest rank. */
static bool survey(const struct builder *b, const char *p, const char *end, uint32_t *n_lines,
                   uint32_t *n_ranks)
{
    struct line line;
    *n_lines = *n_ranks = 0;
    while (p < end) {
        if (*p == '\n' || *p == '\r') {
            p++;
            continue;
        }
        if (!next_line(&p, end, &line) || line.token.len > MAX_TOKEN_BYTES)
            return hk_fail(b->err, HK_ERR_FORMAT, "%s: line %u is not \"base64 rank\"", b->file,
                           *n_lines + 1);
        if (line.rank >= *n_ranks) *n_ranks = line.rank + 1;
        (*n_lines)++;
    }
    if (*n_lines == 0 || *n_ranks > *n_lines + MAX_HOLES)
        return hk_fail(b->err, HK_ERR_FORMAT, "%s: %u lines, but ranks up to %u", b->file, *n_lines,
                       *n_ranks);
    return true;
}

static bool read_ranks(const struct builder *b, const char *p, const char *end)
{
    struct line line;
    char bytes[MAX_TOKEN_BYTES];
    while (p < end) {
        size_t n;
        if (*p == '\n' || *p == '\r') {
            p++;
            continue;
        }
        if (!next_line(&p, end, &line)) return false; /* survey has read them all */
        if (!hk_base64_decode(line.token.data, line.token.len, bytes, &n) || n == 0)
            return hk_fail(b->err, HK_ERR_FORMAT, "%s: the token of rank %u is not base64", b->file,
                           line.rank);
        if (b->tokens[line.rank].len > 0)
            return hk_fail(b->err, HK_ERR_FORMAT, "%s: rank %u occurs twice", b->file, line.rank);
        if (!set_rank(b, line.rank, bytes, n)) return false;
    }
    return true;
}

static bool add_specials(const struct builder *b, const struct encoding *e, uint32_t n_ranks)
{
    char name[64];
    for (size_t i = 0; e && i < sizeof e->specials / sizeof *e->specials && e->specials[i].text; i++) {
        if (!set_special(b, e->specials[i].id, e->specials[i].text)) return false;
    }
    for (uint32_t i = 0; !e && n_ranks + i < b->v->n_tokens; i++) {
        llama3_special(i, name, sizeof name);
        if (!set_special(b, n_ranks + i, name)) return false;
    }
    b->v->eos = hk_vocab_find(b->v, "<|endoftext|>", 13);
    if (e || n_ranks == b->v->n_tokens) return true;
    b->v->bos = n_ranks;
    b->v->eos = n_ranks + 1;
    b->v->add_bos = true;
    return true;
}

bool hk_vocab_from_tiktoken(struct hk_arena *arena, const void *data, size_t size, const char *file,
                            struct hk_vocab *vocab, struct hk_error *err)
{
    enum { LLAMA3_RANKS = 128000 };
    const char *p = data, *end = p + size;
    struct builder b = {.arena = arena, .v = vocab, .file = file, .err = err};
    const struct encoding *e = NULL;
    uint32_t n_lines, n_ranks;
    hk_vocab_clear(vocab);
    if (!survey(&b, p, end, &n_lines, &n_ranks)) return false;
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        if (encodings[i].n_ranks == n_ranks) e = &encodings[i];
    }
    vocab->n_tokens = n_ranks + (n_ranks == LLAMA3_RANKS ? LLAMA3_SPECIALS : 0);
    for (size_t i = 0; e && i < sizeof e->specials / sizeof *e->specials && e->specials[i].text; i++) {
        if (e->specials[i].id >= vocab->n_tokens) vocab->n_tokens = e->specials[i].id + 1;
    }
    b.tokens = hk_arena_alloc(arena, vocab->n_tokens, sizeof *b.tokens, err);
    if (!b.tokens) return false;
    vocab->tokens = b.tokens;
    for (uint32_t i = 0; i < vocab->n_tokens; i++)
        b.tokens[i] = (struct hk_vocab_token){.text = "", .type = HK_TOKEN_UNUSED};
    if (!read_ranks(&b, p, end) || !add_specials(&b, e, n_ranks)) return false;
    vocab->kind = HK_VOCAB_BPE;
    vocab->rank_merges = vocab->ignore_merges = true;
    memcpy(vocab->kind_name, "tiktoken", sizeof "tiktoken");
    snprintf(vocab->pre, sizeof vocab->pre, "%s", e ? e->pre : "llama-bpe");
    return true;
}

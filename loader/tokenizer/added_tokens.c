/* A sorted array searched byte by byte: a trie without nodes. The matches are those of Hugging Face's
 * tokenizers: leftmost, then longest, then looked at for what stands beside them. */
#include "loader/tokenizer/added_tokens.h"
#include "loader/tokenizer/tokenizer.h"
#include "loader/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

bool hk_added_tokens_add(struct hk_added_tokens *a, struct hk_added_token token, struct hk_error *err)
{
    if (token.len == 0) return true;
    if (a->n == a->capacity) {
        size_t capacity = a->capacity ? 2 * a->capacity : 64;
        struct hk_added_token *grown = NULL;
        if (capacity <= SIZE_MAX / sizeof *grown) grown = realloc(a->tokens, capacity * sizeof *grown);
        if (!grown) return hk_fail(err, HK_ERR_MEMORY, "tokenizer: no memory for %zu added tokens", capacity);
        a->tokens = grown;
        a->capacity = capacity;
    }
    a->tokens[a->n++] = token;
    return true;
}

static int by_text(const void *pa, const void *pb)
{
    const struct hk_added_token *a = pa, *b = pb;
    int c = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
    if (c != 0) return c;
    if (a->len != b->len) return a->len < b->len ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

void hk_added_tokens_sort(struct hk_added_tokens *a)
{
    if (a->n > 0) qsort(a->tokens, a->n, sizeof *a->tokens, by_text);
    size_t i = 0;
    for (unsigned b = 0; b < 257; b++) {
        while (i < a->n && (uint8_t)a->tokens[i].text[0] < b) i++;
        a->first[b] = i;
    }
}

void hk_added_tokens_free(struct hk_added_tokens *a)
{
    free(a->tokens);
    memset(a, 0, sizeof *a);
}

/* The first of tokens[lo..hi), which share `depth` bytes, whose next byte is at least `want`. */
static size_t bound(const struct hk_added_tokens *a, size_t lo, size_t hi, size_t depth, unsigned want)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct hk_added_token *t = &a->tokens[mid];
        unsigned byte = t->len > depth ? (uint8_t)t->text[depth] : 0;
        if (t->len > depth && byte >= want)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static bool barred(const struct hk_typed *p, const struct hk_added_token *t)
{
    bool found = t->control;
    for (size_t i = 0; !found && i < p->n_also; i++) found = p->also[i] == t->id;
    return found;
}

bool hk_added_tokens_allow(const struct hk_added_rules *r, const struct hk_added_token *t, size_t at)
{
    if (t->control && !r->control) return false;
    if (r->n_typed == 0) return true;
    if (r->all_typed) return !barred(r->typed, t);
    size_t lo = 0, hi = r->n_typed;
    while (lo < hi) { /* the first part that ends behind the token's first byte */
        size_t mid = lo + (hi - lo) / 2;
        if (r->typed[mid].end > at)
            hi = mid;
        else
            lo = mid + 1;
    }
    for (; lo < r->n_typed && r->typed[lo].start < at + t->len; lo++) {
        if (barred(&r->typed[lo], t)) return false;
    }
    return true;
}

/* The longest token at text[at..len). */
static const struct hk_added_token *longest(const struct hk_added_tokens *a, const char *text, size_t at,
                                            size_t len, const struct hk_added_rules *rules)
{
    text += at;
    len -= at;
    size_t lo = a->first[(uint8_t)text[0]], hi = a->first[(uint8_t)text[0] + 1];
    const struct hk_added_token *best = NULL;
    for (size_t depth = 1; lo < hi; depth++) {
        /* the one whose text ends here stands first; of equal ones the last */
        for (size_t i = lo; i < hi && a->tokens[i].len == depth; i++) {
            if (hk_added_tokens_allow(rules, &a->tokens[i], at)) best = &a->tokens[i];
        }
        if (depth >= len) break;
        unsigned byte = (uint8_t)text[depth];
        lo = bound(a, lo, hi, depth, byte);
        hi = bound(a, lo, hi, depth, byte + 1);
    }
    return best;
}

/* Unicode's White_Space. */
static bool is_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || cp == 0x20 || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F ||
           cp == 0x3000;
}

static bool is_word(uint32_t cp)
{
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return false;
    }
}

/* The character behind and the one before a place; its length, 0 where there is none. */
static size_t char_at(const char *s, size_t len, size_t at, uint32_t *cp)
{
    size_t n = hk_utf8_len(s + at, len - at);
    if (n > 0) *cp = hk_utf8_decode(s + at, n);
    return n;
}

static size_t char_before(const char *s, size_t at, uint32_t *cp)
{
    for (size_t n = 1; n <= 4 && n <= at; n++) {
        if (hk_utf8_len(s + at - n, n) == n) {
            *cp = hk_utf8_decode(s + at - n, n);
            return n;
        }
    }
    return 0;
}

static bool touches_word(const char *text, size_t len, size_t start, size_t end)
{
    uint32_t cp = 0;
    return (char_before(text, start, &cp) > 0 && is_word(cp)) ||
           (char_at(text, len, end, &cp) > 0 && is_word(cp));
}

bool hk_added_tokens_find(const struct hk_added_tokens *a, const char *text, size_t len, size_t from,
                          size_t floor, const struct hk_added_rules *rules, struct hk_added_match *match)
{
    if (a->n == 0) return false;
    for (size_t i = from; i < len; i++) {
        if (a->first[(uint8_t)text[i]] == a->first[(uint8_t)text[i] + 1]) continue;
        const struct hk_added_token *t = longest(a, text, i, len, rules);
        if (!t) continue;
        size_t s = i, e = i + t->len, n;
        uint32_t cp = 0;
        if (t->flags & HK_TOKEN_MATCH_WORD && touches_word(text, len, s, e)) {
            i = e - 1;
            continue;
        }
        if (t->flags & HK_TOKEN_MATCH_LSTRIP) {
            while ((n = char_before(text, s, &cp)) > 0 && s >= floor + n && is_space(cp)) s -= n;
            if (s < floor) s = floor;
        }
        if (t->flags & HK_TOKEN_MATCH_RSTRIP) {
            while ((n = char_at(text, len, e, &cp)) > 0 && is_space(cp)) e += n;
        }
        *match = (struct hk_added_match){.token = t, .start = s, .end = e, .next = i + t->len};
        return true;
    }
    return false;
}

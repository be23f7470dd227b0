/* Symbols in a doubly linked list, candidate pairs in a heap. A candidate whose pair has changed since
 * is recognised when it comes up: symbols only grow, so that the pair is the same exactly when its length is. */
#include "loader/tokenizer/merge.h"

#include <stdlib.h>
#include <string.h>

bool hk_merger_begin(struct hk_merger *m, size_t n, struct hk_error *err)
{
    m->n_symbols = 0;
    m->n_heap = 0;
    if (n <= m->capacity) return true;
    if (n > UINT32_MAX / 4)
        return hk_fail(err, HK_ERR_INPUT, "tokenizer: a word of %zu characters: at most %u are accepted", n,
                       UINT32_MAX / 4);
    size_t capacity = n < 128 ? 128 : n;
    free(m->symbols);
    free(m->heap);
    m->symbols = NULL;
    m->heap = NULL;
    m->capacity = 0;
    m->symbols = hk_calloc(capacity, sizeof *m->symbols, err);
    /* n-1 pairs at first; each merge takes one out and puts at most two in */
    m->heap = m->symbols ? hk_calloc(2 * capacity, sizeof *m->heap, err) : NULL;
    if (!m->heap) return false;
    m->capacity = (uint32_t)capacity;
    return true;
}

void hk_merger_free(struct hk_merger *m)
{
    free(m->symbols);
    free(m->heap);
    free(m->notes);
    hk_word_cache_free(&m->cache);
    memset(m, 0, sizeof *m);
}

void hk_merger_add(struct hk_merger *m, size_t start, size_t len, uint32_t id)
{
    uint32_t i = m->n_symbols++;
    m->symbols[i] = (struct hk_symbol){
        .start = (uint32_t)start, .len = (uint32_t)len, .id = id, .prev = i - 1, .next = HK_NO_SYMBOL};
    if (i == 0)
        m->symbols[i].prev = HK_NO_SYMBOL;
    else
        m->symbols[i - 1].next = i;
}

static bool before(const struct hk_merge_candidate *a, const struct hk_merge_candidate *b)
{
    uint64_t x = (uint64_t)a->priority << 32 | a->left, y = (uint64_t)b->priority << 32 | b->left;
    return x < y;
}

/* Four children each: half the levels of a binary heap, and the four lie side by side. */
enum { ARITY = 4 };

static void heap_push(struct hk_merger *m, struct hk_merge_candidate c)
{
    uint32_t i = m->n_heap++;
    while (i > 0 && before(&c, &m->heap[(i - 1) / ARITY])) {
        m->heap[i] = m->heap[(i - 1) / ARITY];
        i = (i - 1) / ARITY;
    }
    m->heap[i] = c;
}

static struct hk_merge_candidate heap_pop(struct hk_merger *m)
{
    struct hk_merge_candidate top = m->heap[0], last = m->heap[--m->n_heap];
    uint32_t i = 0;
    for (;;) {
        uint32_t first = ARITY * i + 1, end = first + ARITY < m->n_heap ? first + ARITY : m->n_heap;
        if (first >= m->n_heap) break;
        uint32_t least = first;
        for (uint32_t k = first + 1; k < end; k++) {
            if (before(&m->heap[k], &m->heap[least])) least = k;
        }
        if (!before(&m->heap[least], &last)) break;
        m->heap[i] = m->heap[least];
        i = least;
    }
    m->heap[i] = last;
    return top;
}

static void consider(struct hk_merger *m, uint32_t left, const char *text, hk_merge_rule rule,
                     const void *ctx)
{
    if (left == HK_NO_SYMBOL) return;
    const struct hk_symbol *l = &m->symbols[left];
    if (l->next == HK_NO_SYMBOL) return;
    const struct hk_symbol *r = &m->symbols[l->next];
    struct hk_merge_candidate c = {.left = left, .len = l->len + r->len};
    if (rule(ctx, text, l, r, &c.priority, &c.id)) heap_push(m, c);
}

void hk_merger_run(struct hk_merger *m, const char *text, hk_merge_rule rule, const void *ctx)
{
    for (uint32_t i = 0; i + 1 < m->n_symbols; i++) consider(m, i, text, rule, ctx);
    while (m->n_heap > 0) {
        struct hk_merge_candidate c = heap_pop(m);
        struct hk_symbol *l = &m->symbols[c.left];
        if (l->len == 0 || l->next == HK_NO_SYMBOL) continue;
        struct hk_symbol *r = &m->symbols[l->next];
        if (l->len + r->len != c.len) continue;
        l->len = c.len;
        l->id = c.id;
        l->next = r->next;
        r->len = 0;
        if (l->next != HK_NO_SYMBOL) m->symbols[l->next].prev = c.left;
        consider(m, l->prev, text, rule, ctx);
        consider(m, c.left, text, rule, ctx);
    }
}

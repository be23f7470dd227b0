/* Nodes in the order of their depth, a node's children side by side: built from the sorted pieces in one pass
 * for each depth, and nothing has to be searched for free places. */
#include "loader/tokenizer/piece_trie.h"

#include <stdlib.h>
#include <string.h>

static int by_text(const void *pa, const void *pb)
{
    const struct hk_piece *a = pa, *b = pb;
    int c = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
    if (c != 0) return c;
    if (a->len != b->len) return a->len < b->len ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* The sorted pieces below a node: those share its `depth` bytes. */
struct range {
    size_t from, to;
};

/* A node for each byte at `depth` among the pieces of one parent. */
static bool add_children(struct hk_trie *t, uint32_t parent, struct range r, size_t depth,
                         const struct hk_piece *p, struct range *ranges, size_t capacity)
{
    size_t i = r.from;
    while (i < r.to && p[i].len == depth) t->nodes[parent].id = p[i++].id;
    t->nodes[parent].first = t->n_nodes;
    while (i < r.to) {
        uint8_t label = (uint8_t)p[i].text[depth];
        size_t from = i;
        while (i < r.to && (uint8_t)p[i].text[depth] == label) i++;
        if (t->n_nodes == capacity) return false;
        ranges[t->n_nodes] = (struct range){from, i};
        t->nodes[t->n_nodes++] = (struct hk_trie_node){.label = label, .id = HK_TRIE_NONE};
        t->nodes[parent].n++;
    }
    return true;
}

bool hk_trie_init(struct hk_trie *t, struct hk_piece *pieces, size_t n, struct hk_error *err)
{
    memset(t, 0, sizeof *t);
    uint64_t most = 1;
    for (size_t i = 0; i < n; i++) most += pieces[i].len;
    if (most >= UINT32_MAX / 2)
        return hk_fail(err, HK_ERR_MEMORY, "tokenizer: the pieces are too long for a trie");
    if (n > 0) qsort(pieces, n, sizeof *pieces, by_text);
    size_t first = 0;
    while (first < n && pieces[first].len == 0) first++;
    t->nodes = hk_calloc((size_t)most, sizeof *t->nodes, err);
    struct range *ranges = t->nodes ? hk_calloc((size_t)most, sizeof *ranges, err) : NULL;
    if (!ranges) {
        hk_trie_free(t);
        return false;
    }
    t->nodes[0].id = HK_TRIE_NONE;
    ranges[0] = (struct range){first, n};
    t->n_nodes = 1;
    bool fits = true;
    for (uint32_t node = 0, end = 1, depth = 0; fits && node < t->n_nodes; depth++) {
        for (end = t->n_nodes; fits && node < end; node++)
            fits = add_children(t, node, ranges[node], depth, pieces, ranges, (size_t)most);
    }
    free(ranges);
    for (uint32_t i = 0; i < t->nodes[0].n; i++)
        t->root[t->nodes[t->nodes[0].first + i].label] = t->nodes[0].first + i;
    struct hk_trie_node *exact = realloc(t->nodes, t->n_nodes * sizeof *exact);
    if (exact) t->nodes = exact;
    return fits || hk_fail(err, HK_ERR_MEMORY, "tokenizer: the pieces do not fit in a trie");
}

void hk_trie_free(struct hk_trie *t)
{
    free(t->nodes);
    memset(t, 0, sizeof *t);
}

size_t hk_trie_longest(const struct hk_trie *t, const char *text, size_t len, uint32_t *id)
{
    size_t best = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < len; i++) {
        node = hk_trie_step(t, node, (uint8_t)text[i]);
        if (node == 0) break;
        if (t->nodes[node].id != HK_TRIE_NONE) {
            best = i + 1;
            *id = t->nodes[node].id;
        }
    }
    return best;
}

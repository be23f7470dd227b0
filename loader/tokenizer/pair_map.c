/* Pairs of tokens. */
#include "loader/tokenizer/pair_map.h"

#include <stdlib.h>
#include <string.h>

bool hk_pair_map_init(struct hk_pair_map *m, size_t n, struct hk_error *err)
{
    size_t slots = 16;
    while (slots / 2 < n) {
        if (slots > SIZE_MAX / 4) return hk_fail(err, HK_ERR_MEMORY, "tokenizer: %zu merges are too many", n);
        slots *= 2;
    }
    m->slots = hk_calloc(slots, sizeof *m->slots, err);
    m->mask = slots - 1;
    for (size_t i = 0; m->slots && i < slots; i++) m->slots[i].key = HK_NO_PAIR;
    return m->slots != NULL;
}

void hk_pair_map_free(struct hk_pair_map *m)
{
    free(m->slots);
    memset(m, 0, sizeof *m);
}

void hk_pair_map_put(struct hk_pair_map *m, uint32_t left, uint32_t right, uint32_t priority, uint32_t id)
{
    uint64_t key = (uint64_t)left << 32 | right;
    m->slots[hk_pair_slot(m, key)] = (struct hk_pair){key, priority, id};
}

size_t hk_pair_map_splits(struct hk_pair_map *m, const struct hk_vocab_map *words, const char *text,
                          size_t len, uint32_t priority, uint32_t id)
{
    size_t n = 0;
    for (size_t k = 1; k < len; k++) {
        uint32_t l = hk_vocab_map_get(words, text, k);
        uint32_t r = l == HK_NO_TOKEN ? l : hk_vocab_map_get(words, text + k, len - k);
        if (r == HK_NO_TOKEN) continue;
        if (m) hk_pair_map_put(m, l, r, priority, id);
        n++;
    }
    return n;
}

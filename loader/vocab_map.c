/* Text -> token id. */
#include "vocab_map.h"

#include <stdlib.h>
#include <string.h>

/* Eight bytes at a time: multiply by an odd constant, fold the high half down. */
static uint64_t hash(const char *s, size_t len)
{
    uint64_t h = len * 0x9E3779B97F4A7C15u;
    while (len > 0) {
        uint64_t word = 0;
        size_t n = len < 8 ? len : 8;
        memcpy(&word, s, n);
        h = (h ^ word) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
        s += n;
        len -= n;
    }
    return h;
}

bool hk_vocab_map_init(struct hk_vocab_map *m, size_t count, struct hk_error *err)
{
    memset(m, 0, sizeof *m);
    size_t n = 16;
    while (n / 2 < count) {
        if (n > SIZE_MAX / 4) return hk_fail(err, HK_ERR_MEMORY, "tokenizer: %zu tokens are too many", count);
        n *= 2;
    }
    m->slots = hk_calloc(n, sizeof *m->slots, err);
    m->mask = n - 1;
    return m->slots != NULL;
}

void hk_vocab_map_free(struct hk_vocab_map *m)
{
    free(m->slots);
    memset(m, 0, sizeof *m);
}

static struct hk_vocab_slot *find(const struct hk_vocab_map *m, const char *text, size_t len)
{
    size_t i = (size_t)hash(text, len) & m->mask;
    while (m->slots[i].text && (m->slots[i].len != len || memcmp(m->slots[i].text, text, len) != 0))
        i = (i + 1) & m->mask;
    return &m->slots[i];
}

void hk_vocab_map_put(struct hk_vocab_map *m, const char *text, uint32_t len, uint32_t id)
{
    struct hk_vocab_slot *slot = find(m, text, len);
    slot->text = text;
    slot->len = len;
    slot->id = id;
    if (len > m->longest) m->longest = len;
}

uint32_t hk_vocab_map_get(const struct hk_vocab_map *m, const char *text, size_t len)
{
    if (len > m->longest) return HK_NO_TOKEN;
    const struct hk_vocab_slot *slot = find(m, text, len);
    return slot->text ? slot->id : HK_NO_TOKEN;
}

bool hk_tokens_push(struct hk_tokens *t, uint32_t id, struct hk_error *err)
{
    if (t->n == t->capacity) {
        size_t capacity = t->capacity < 64 ? 64 : t->capacity * 2;
        uint32_t *ids = NULL;
        if (t->capacity <= SIZE_MAX / (2 * sizeof *ids)) ids = realloc(t->ids, capacity * sizeof *ids);
        if (!ids) return hk_fail(err, HK_ERR_MEMORY, "tokenizer: no memory for %zu tokens", capacity);
        t->ids = ids;
        t->capacity = capacity;
    }
    t->ids[t->n++] = id;
    return true;
}

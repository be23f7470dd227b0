/* Text -> token id. */
#include "loader/tokenizer/vocab_map.h"

#include <stdlib.h>
#include <string.h>

/* Up to eight bytes as a number: of 4 and more two that may overlap. */
static uint64_t load_short(const char *s, size_t n)
{
    uint32_t a = 0, b = 0;
    if (n >= 4) {
        memcpy(&a, s, 4);
        memcpy(&b, s + n - 4, 4);
    } else if (n > 0) {
        a = (uint32_t)(uint8_t)s[0] | (uint32_t)(uint8_t)s[n / 2] << 8 | (uint32_t)(uint8_t)s[n - 1] << 16;
    }
    return (uint64_t)b << 32 | a;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

/* Eight bytes at a time: multiply by an odd constant, fold the high half down. */
uint64_t hk_text_hash(const char *s, size_t len)
{
    uint64_t h = len * 0x9E3779B97F4A7C15u, word;
    for (; len > 8; s += 8, len -= 8) {
        memcpy(&word, s, 8);
        h = mix(h, word);
    }
    return mix(h, load_short(s, len));
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

static struct hk_vocab_slot *find(const struct hk_vocab_map *m, const char *text, size_t len, uint64_t h)
{
    uint32_t tag = (uint32_t)(h >> 32);
    size_t i = (size_t)h & m->mask;
    for (;; i = (i + 1) & m->mask) {
        struct hk_vocab_slot *s = &m->slots[i];
        if (!s->text || (s->tag == tag && s->len == len && memcmp(s->text, text, len) == 0)) return s;
    }
}

void hk_vocab_map_put(struct hk_vocab_map *m, const char *text, uint32_t len, uint32_t id)
{
    uint64_t h = hk_text_hash(text, len);
    struct hk_vocab_slot *slot = find(m, text, len, h);
    slot->tag = (uint32_t)(h >> 32);
    slot->text = text;
    slot->len = len;
    slot->id = id;
    if (len > m->longest) m->longest = len;
}

uint32_t hk_vocab_map_get(const struct hk_vocab_map *m, const char *text, size_t len)
{
    if (len > m->longest) return HK_NO_TOKEN;
    const struct hk_vocab_slot *slot = find(m, text, len, hk_text_hash(text, len));
    return slot->text ? slot->id : HK_NO_TOKEN;
}

static bool grow(struct hk_tokens *t, size_t n, struct hk_error *err)
{
    size_t capacity = t->capacity < 64 ? 64 : t->capacity;
    while (capacity - t->n < n && capacity <= SIZE_MAX / 2) capacity *= 2;
    uint32_t *ids = NULL;
    if (capacity <= SIZE_MAX / sizeof *ids && capacity - t->n >= n)
        ids = realloc(t->ids, capacity * sizeof *ids);
    if (!ids) return hk_fail(err, HK_ERR_MEMORY, "tokens: no memory for %zu of them", capacity);
    t->ids = ids;
    t->capacity = capacity;
    return true;
}

bool hk_tokens_push(struct hk_tokens *t, uint32_t id, struct hk_error *err)
{
    if (t->n == t->capacity && !grow(t, 1, err)) return false;
    t->ids[t->n++] = id;
    return true;
}

bool hk_tokens_append(struct hk_tokens *to, const uint32_t *ids, size_t n, struct hk_error *err)
{
    if (to->capacity - to->n < n && !grow(to, n, err)) return false;
    for (size_t i = 0; i < n; i++) to->ids[to->n++] = ids[i];
    return true;
}

void hk_tokens_free(struct hk_tokens *t)
{
    free(t->ids);
    *t = (struct hk_tokens){0};
}

/* Errors (api.h), checked arithmetic, little-endian numbers, a hash, arenas: what every file of loader/ and
 * runtime/ stands on. */
#ifndef HEKLA_LOADER_BASE_H
#define HEKLA_LOADER_BASE_H

#include <stdarg.h>
#include <string.h>

#include "loader/api.h"

/* *out = a * b or a + b; false, leaving *out alone, when the result does not fit. */
bool hk_mul_u64(uint64_t a, uint64_t b, uint64_t *out);
bool hk_add_u64(uint64_t a, uint64_t b, uint64_t *out);

/* a / b rounded up, and a rounded up to a multiple of b (b > 0, no overflow checks: for sizes already
 * checked). */
uint64_t hk_div_up(uint64_t a, uint64_t b);
uint64_t hk_align_up(uint64_t a, uint64_t b);

/* Loads and stores of little-endian numbers, byte by byte: at any alignment, whatever the host. */
static inline uint16_t hk_load_u16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}
static inline uint32_t hk_load_u32(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline uint64_t hk_load_u64(const void *p)
{
    const uint8_t *b = p;
    return hk_load_u32(b) | (uint64_t)hk_load_u32(b + 4) << 32;
}
static inline float hk_load_f32(const void *p)
{
    uint32_t u = hk_load_u32(p);
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static inline void hk_store_u16(void *p, uint16_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}
static inline void hk_store_u32(void *p, uint32_t v)
{
    uint8_t *b = p;
    hk_store_u16(b, (uint16_t)v);
    hk_store_u16(b + 2, (uint16_t)(v >> 16));
}

/* FNV-1a of n bytes, 64 bits, behind those that gave h; before the first, h is HK_HASH_START. */
#define HK_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t hk_hash(uint64_t h, const void *data, size_t n);

/* A bump allocator: many small things with one lifetime, freed together. Zero-initialise, then use. */
struct hk_arena {
    struct hk_arena_block *blocks;
    size_t used, capacity; /* of the newest block, bytes */
};
/* `count` objects of `size` bytes, zeroed, aligned to 16. NULL and *err when memory is out or the product
 * overflows. */
void *hk_arena_alloc(struct hk_arena *a, size_t count, size_t size, struct hk_error *err);
/* A copy of `len` bytes with a NUL after them. */
char *hk_arena_strndup(struct hk_arena *a, const char *s, size_t len, struct hk_error *err);
void hk_arena_free(struct hk_arena *a);

#endif

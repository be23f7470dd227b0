/* Errors (api.h), checked arithmetic and arenas: what every file of loader/ and runtime/ stands on. */
#ifndef HEKLA_LOADER_BASE_H
#define HEKLA_LOADER_BASE_H

#include <stdarg.h>

#include "loader/api.h"

/* *out = a * b or a + b; false, leaving *out alone, when the result does not fit. */
bool hk_mul_u64(uint64_t a, uint64_t b, uint64_t *out);
bool hk_add_u64(uint64_t a, uint64_t b, uint64_t *out);

/* a / b rounded up, and a rounded up to a multiple of b (b > 0, no overflow checks: for sizes already
 * checked). */
uint64_t hk_div_up(uint64_t a, uint64_t b);
uint64_t hk_align_up(uint64_t a, uint64_t b);

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

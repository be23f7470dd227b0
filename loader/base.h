/* Errors, checked arithmetic and arenas: what every file of loader/ and runtime/ stands on.
 * Includes only the C library. */
#ifndef HEKLA_LOADER_BASE_H
#define HEKLA_LOADER_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hk_code {
    HK_OK = 0,
    HK_ERR_IO,          /* a file could not be opened or read */
    HK_ERR_FORMAT,      /* a file says something impossible */
    HK_ERR_UNSUPPORTED, /* well-formed, but nothing Hekla knows */
    HK_ERR_MEMORY,      /* host or device memory: the text has need and budget */
    HK_ERR_INPUT,       /* what the caller asked for cannot be done */
    HK_ERR_DEVICE,      /* no device, or the device refused */
    HK_ERR_DEVICE_LOST, /* the device is gone; objects on it may only be closed */
    HK_ERR_CANCELLED,   /* a callback asked to stop */
};

/* What went wrong. `text` is one line without a trailing newline: what, where, what would be accepted. */
struct hk_error {
    enum hk_code code;
    char text[512];
};

#if defined(__GNUC__)
#define HK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define HK_PRINTF(fmt, args)
#endif

/* Fills *err (which may be NULL) and returns false, so that a caller can `return hk_fail(...)`.
 * Control characters in the text are replaced by '?': file contents may be quoted in it. */
bool hk_fail(struct hk_error *err, enum hk_code code, const char *fmt, ...) HK_PRINTF(3, 4);

/* Puts "what: " before an error's text: adds where it happened on the way up. Returns false. */
bool hk_fail_prefix(struct hk_error *err, const char *fmt, ...) HK_PRINTF(2, 3);

/* *out = a * b or a + b; false, leaving *out alone, when the result does not fit. */
bool hk_mul_u64(uint64_t a, uint64_t b, uint64_t *out);
bool hk_add_u64(uint64_t a, uint64_t b, uint64_t *out);

/* a / b rounded up, and a rounded up to a multiple of b (b > 0, no overflow checks: for sizes already
 * checked). */
uint64_t hk_div_up(uint64_t a, uint64_t b);
uint64_t hk_align_up(uint64_t a, uint64_t b);

/* calloc with an error. NULL (and *err) when count * size overflows or memory is out; count or size 0 gives a
 * valid pointer that free accepts. */
void *hk_calloc(size_t count, size_t size, struct hk_error *err);

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

/* A growing byte buffer. Zero-initialise, then use; release with hk_bytes_free. */
struct hk_bytes {
    char *data; /* NUL after the last byte once anything was appended */
    size_t len, capacity;
};
bool hk_bytes_append(struct hk_bytes *b, const void *data, size_t len, struct hk_error *err);
void hk_bytes_free(struct hk_bytes *b);

#endif

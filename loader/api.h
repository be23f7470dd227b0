/* What Hekla's public headers stand on: errors, texts that others own, growing bytes.
 *
 * A public header is one that runtime/hekla.h includes; together, in one file, they are what is installed
 * (runtime/install_header.cmake). They include only one another and the C library, are C11 and C++17, and
 * have no static data, no inline functions and no fields that are nobody's business. */
#ifndef HEKLA_LOADER_API_H
#define HEKLA_LOADER_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function of the public interface: the only ones that the library shows (everything else is hidden). */
#if defined(__GNUC__)
#define HK_API               __attribute__((visibility("default")))
#define HK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define HK_API
#define HK_PRINTF(fmt, args)
#endif

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

/* What went wrong. `text` is one line without a trailing newline: what, where, what would be accepted; where
 * it says what to change, it names a field of this interface: "a smaller hk_model_options.plan_ctx would be
 * accepted". The caller's: one thread fills it at a time. */
struct hk_error {
    enum hk_code code;
    char text[512];
};

/* Fills *err (which may be NULL) and returns false, so that a caller can `return hk_fail(...)`.
 * Control characters in the text are replaced by '?': file contents may be quoted in it. */
HK_API bool hk_fail(struct hk_error *err, enum hk_code code, const char *fmt, ...) HK_PRINTF(3, 4);

/* Puts "what: " before an error's text: adds where it happened on the way up. Returns false. */
HK_API bool hk_fail_prefix(struct hk_error *err, const char *fmt, ...) HK_PRINTF(2, 3);

/* calloc with an error. NULL (and *err) when count * size overflows or memory is out; count or size 0 gives a
 * valid pointer that free accepts. */
HK_API void *hk_calloc(size_t count, size_t size, struct hk_error *err);

/* Bytes that someone else owns. */
struct hk_span {
    const char *data;
    size_t len;
};

/* A growing byte buffer. Zero-initialise, then use; release with hk_bytes_free. Used by one thread at a time. */
struct hk_bytes {
    char *data; /* NUL after the last byte once anything was appended */
    size_t len, capacity;
};
HK_API bool hk_bytes_append(struct hk_bytes *b, const void *data, size_t len, struct hk_error *err);
/* Appends text[0..len) with every byte sequence that is not UTF-8, and every NUL (which C strings end at),
 * replaced by U+FFFD, one for each maximal part of a character as the Unicode standard recommends
 * (chapter 3.9). *clean, where not NULL, says whether nothing was replaced. */
HK_API bool hk_bytes_append_utf8(struct hk_bytes *b, const char *text, size_t len, bool *clean,
                                 struct hk_error *err);
HK_API void hk_bytes_free(struct hk_bytes *b);

#endif

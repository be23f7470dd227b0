/* Unicode's form C by utf8proc's tables, and SentencePiece's spelling of the space. */
#include "normalize.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- form C ---- */

struct code_points {
    utf8proc_int32_t *cp, *scratch;
    size_t n, capacity;
};

static bool reserve(struct code_points *c, size_t n, struct hk_error *err)
{
    if (n <= c->capacity) return true;
    size_t capacity = c->capacity * 2 > n ? c->capacity * 2 : n + 64;
    if (capacity > SIZE_MAX / sizeof *c->cp / 2)
        return hk_fail(err, HK_ERR_MEMORY, "tokenizer: no memory for %zu characters", n);
    utf8proc_int32_t *cp = realloc(c->cp, capacity * sizeof *cp);
    if (cp) c->cp = cp;
    utf8proc_int32_t *scratch = cp ? realloc(c->scratch, capacity * sizeof *scratch) : NULL;
    if (!scratch) return hk_fail(err, HK_ERR_MEMORY, "tokenizer: no memory for %zu characters", n);
    c->scratch = scratch;
    c->capacity = capacity;
    return true;
}

static int combining_class(utf8proc_int32_t cp)
{
    return cp < 0x300 ? 0 : utf8proc_get_property(cp)->combining_class;
}

/* Stable counting sort of cp[from..to), all of class > 0, by class: utf8proc's own is quadratic in a run's
 * length. */
static void sort_marks(struct code_points *c, size_t from, size_t to)
{
    size_t start[257] = {0};
    for (size_t i = from; i < to; i++) start[combining_class(c->cp[i]) + 1]++;
    for (size_t k = 1; k < 257; k++) start[k] += start[k - 1];
    for (size_t i = from; i < to; i++) c->scratch[start[combining_class(c->cp[i])]++] = c->cp[i];
    memcpy(c->cp + from, c->scratch, (to - from) * sizeof *c->cp);
}

static void sort_all_marks(struct code_points *c)
{
    for (size_t i = 0; i < c->n;) {
        size_t from = i;
        while (i < c->n && combining_class(c->cp[i]) > 0) i++;
        if (i - from > 1) sort_marks(c, from, i);
        if (i == from) i++;
    }
}

/* text is UTF-8. */
static bool nfc_valid(struct code_points *c, const char *text, size_t len, struct hk_bytes *out,
                      struct hk_error *err)
{
    c->n = 0;
    for (size_t i = 0; i < len;) {
        size_t n = hk_utf8_len(text + i, len - i);
        utf8proc_int32_t parts[8];
        int boundary = 0;
        utf8proc_ssize_t k = utf8proc_decompose_char((utf8proc_int32_t)hk_utf8_decode(text + i, n), parts, 8,
                                                     UTF8PROC_DECOMPOSE, &boundary);
        if (k < 0 || k > 8) { /* cannot be: no canonical decomposition is longer than four */
            k = 1;
            parts[0] = (utf8proc_int32_t)hk_utf8_decode(text + i, n);
        }
        if (!reserve(c, c->n + (size_t)k, err)) return false;
        memcpy(c->cp + c->n, parts, (size_t)k * sizeof *parts);
        c->n += (size_t)k;
        i += n;
    }
    sort_all_marks(c);
    utf8proc_ssize_t n = utf8proc_normalize_utf32(c->cp, (utf8proc_ssize_t)c->n,
                                                  (utf8proc_option_t)(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        char utf8[4];
        if (!hk_bytes_append(out, utf8, hk_utf8_encode((uint32_t)c->cp[i], utf8), err)) return false;
    }
    return true;
}

/* Below U+0300 nothing composes and nothing is reordered. */
static size_t plain_run(const char *s, size_t len)
{
    size_t i = 0;
    while (i < len && (uint8_t)s[i] < 0xCC) i++;
    /* the last character may have a mark behind it, or be incomplete */
    if (i < len) {
        while (i > 0 && ((uint8_t)s[i - 1] & 0xC0) == 0x80) i--;
        if (i > 0) i--;
    }
    return i;
}

bool hk_normalize_nfc(const char *text, size_t len, struct hk_bytes *out, struct hk_error *err)
{
    struct code_points c = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < len;) {
        size_t n = plain_run(text + i, len - i);
        ok = hk_bytes_append(out, text + i, n, err);
        i += n;
        n = hk_utf8_valid_run(text + i, len - i);
        if (ok && n > 0) ok = nfc_valid(&c, text + i, n, out, err);
        i += n;
        n = hk_utf8_broken_run(text + i, len - i);
        if (ok) ok = hk_bytes_append(out, text + i, n, err);
        i += n;
    }
    free(c.cp);
    free(c.scratch);
    return ok;
}

/* ---- U+2581 ---- */

static bool is_metaspace(const char *s, size_t len)
{
    return len >= HK_METASPACE_LEN && memcmp(s, HK_METASPACE, HK_METASPACE_LEN) == 0;
}

bool hk_metaspace_append(const char *text, size_t len, struct hk_bytes *out, struct hk_error *err)
{
    for (size_t i = 0; i < len;) {
        const char *space = memchr(text + i, ' ', len - i);
        size_t n = space ? (size_t)(space - (text + i)) : len - i;
        if (!hk_bytes_append(out, text + i, n, err)) return false;
        if (space && !hk_bytes_append(out, HK_METASPACE, HK_METASPACE_LEN, err)) return false;
        i += n + (space != NULL);
    }
    return true;
}

size_t hk_metaspace_undo(const char *text, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        bool space = is_metaspace(text + i, len - i);
        out[n++] = space ? ' ' : text[i];
        i += space ? HK_METASPACE_LEN : 1;
    }
    return n;
}

bool hk_metaspace_inside(const char *text, size_t len)
{
    return len > 0 && hk_metaspace_word(text, len) < len;
}

size_t hk_metaspace_word(const char *text, size_t len)
{
    size_t i = 0;
    while (is_metaspace(text + i, len - i)) i += HK_METASPACE_LEN;
    while (i < len && !is_metaspace(text + i, len - i)) i++;
    return i;
}

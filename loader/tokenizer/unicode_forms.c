/* Unicode's normalization forms by utf8proc's tables. */
#include "loader/tokenizer/unicode_forms.h"
#include "loader/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

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

/* Characters whose compatibility mapping is younger than the tables of Hugging Face's tokenizers: it leaves
 * them alone, and so did the models' makers. */
static bool is_younger(uint32_t cp)
{
    return cp == 0x32FF || (cp >= 0xA7F2 && cp <= 0xA7F4) || cp == 0xAB69 ||
           (cp >= 0x10781 && cp <= 0x107BA) || cp == 0x11938 || (cp >= 0x1E030 && cp <= 0x1E06D) ||
           cp == 0x1F16C || (cp >= 0x1FBF0 && cp <= 0x1FBF9);
}

static bool decompose(struct code_points *c, uint32_t cp, bool compat, struct hk_error *err)
{
    enum { LONGEST = 32 }; /* U+FDFA becomes 18 */
    utf8proc_int32_t parts[LONGEST];
    int boundary = 0;
    utf8proc_option_t options = UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0);
    utf8proc_ssize_t k =
        is_younger(cp) ? 0
                       : utf8proc_decompose_char((utf8proc_int32_t)cp, parts, LONGEST, options, &boundary);
    if (k <= 0 || k > LONGEST) {
        k = 1;
        parts[0] = (utf8proc_int32_t)cp;
    }
    if (!reserve(c, c->n + (size_t)k, err)) return false;
    memcpy(c->cp + c->n, parts, (size_t)k * sizeof *parts);
    c->n += (size_t)k;
    return true;
}

/* text is UTF-8. */
static bool normalize_valid(struct code_points *c, enum hk_unicode_form form, const char *text, size_t len,
                            struct hk_bytes *out, struct hk_error *err)
{
    bool compat = form == HK_FORM_KC || form == HK_FORM_KD;
    c->n = 0;
    for (size_t i = 0, n; i < len; i += n) {
        n = hk_utf8_len(text + i, len - i);
        if (!decompose(c, hk_utf8_decode(text + i, n), compat, err)) return false;
    }
    sort_all_marks(c);
    utf8proc_ssize_t n = (utf8proc_ssize_t)c->n;
    if (form == HK_FORM_C || form == HK_FORM_KC)
        n = utf8proc_normalize_utf32(c->cp, n, (utf8proc_option_t)(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        char utf8[4];
        if (!hk_bytes_append(out, utf8, hk_utf8_encode((uint32_t)c->cp[i], utf8), err)) return false;
    }
    return true;
}

/* Characters from the start that stay what they are: for form C those below U+0300, else ASCII. */
static size_t plain_run(enum hk_unicode_form form, const char *s, size_t len)
{
    uint8_t first = form == HK_FORM_C ? 0xCC : 0x80;
    size_t i = 0;
    while (i < len && (uint8_t)s[i] < first) i++;
    /* the last character may have a mark behind it, or be incomplete */
    if (i < len) {
        while (i > 0 && ((uint8_t)s[i - 1] & 0xC0) == 0x80) i--;
        if (i > 0) i--;
    }
    return i;
}

/* Characters from the start up to a place where ASCII begins again that nothing before can change: keeps the
 * buffer small in a long text. */
static size_t changed_run(const char *s, size_t len)
{
    size_t i = 0, ascii = 0;
    for (; i < len && ascii < 8; i++) ascii = (uint8_t)s[i] < 0x80 ? ascii + 1 : 0;
    return ascii == 8 ? i - 1 : i; /* a mark may follow the last one */
}

bool hk_unicode_normalize(enum hk_unicode_form form, const char *text, size_t len, struct hk_bytes *out,
                          struct hk_error *err)
{
    struct code_points c = {0};
    bool ok = hk_bytes_append(out, "", 0, err); /* an empty text is one, not none */
    for (size_t i = 0; ok && i < len;) {
        size_t n = plain_run(form, text + i, len - i);
        ok = hk_bytes_append(out, text + i, n, err);
        i += n;
        n = hk_utf8_valid_run(text + i, changed_run(text + i, len - i));
        if (ok && n > 0) ok = normalize_valid(&c, form, text + i, n, out, err);
        i += n;
        n = n > 0 ? 0 : hk_utf8_broken_run(text + i, len - i);
        if (ok) ok = hk_bytes_append(out, text + i, n, err);
        i += n;
    }
    free(c.cp);
    free(c.scratch);
    return ok;
}

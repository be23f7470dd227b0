/* A unit of the array: bits 0..7 and 31 its label, bit 8 whether a value hangs below it, the rest the way to
 * its children, which is xored to the position. A value is the lower 31 bits of its own unit. */
#include "loader/tokenizer/charsmap.h"
#include "loader/file.h"

#include <string.h>

static uint32_t label_of(uint32_t unit)
{
    return unit & (1u << 31 | 0xFF);
}

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

bool hk_charsmap_init(struct hk_charsmap *m, struct hk_span blob, struct hk_error *err)
{
    memset(m, 0, sizeof *m);
    if (blob.len == 0) return true;
    const uint8_t *p = (const uint8_t *)blob.data;
    uint32_t n = blob.len >= 4 ? hk_load_u32(p) : 0;
    if (blob.len < 5 || n > blob.len - 5 || n % 4 != 0 || n == 0 || p[blob.len - 1] != 0)
        return hk_fail(
            err, HK_ERR_FORMAT,
            "precompiled_charsmap: %zu bytes, an array of %u: a multiple of 4, then strings that end in "
            "NUL, are needed",
            blob.len, n);
    m->units = p + 4;
    m->n_units = n / 4;
    m->texts = blob.data + 4 + n;
    m->texts_len = blob.len - 4 - n;
    return true;
}

size_t hk_charsmap_find(const struct hk_charsmap *m, const char *text, size_t len,
                        enum hk_charsmap_match match, struct hk_span *replacement)
{
    size_t found = 0;
    if (m->n_units == 0) return 0;
    size_t at = offset_of(hk_load_u32(m->units));
    for (size_t i = 0; i < len && text[i] != 0; i++) {
        at ^= (uint8_t)text[i];
        if (at >= m->n_units) break;
        uint32_t unit = hk_load_u32(m->units + 4 * at);
        if (label_of(unit) != (uint8_t)text[i]) break;
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        if (at >= m->n_units) break;
        size_t value = hk_load_u32(m->units + 4 * at) & 0x7FFFFFFF;
        if (value >= m->texts_len) break;
        found = i + 1;
        *replacement = (struct hk_span){m->texts + value, strlen(m->texts + value)};
        if (match == HK_CHARSMAP_SHORTEST) break;
    }
    return found;
}

/* UTF-8 by RFC 3629's table 3-7: the first byte fixes the length and the range of the second. */
#include "loader/utf8.h"

#include <string.h>

/* Length by the first byte and the range of the second; 0 where no character starts so. */
static size_t lead(uint8_t b, uint8_t *lo, uint8_t *hi)
{
    *lo = 0x80;
    *hi = 0xBF;
    if (b < 0x80) return 1;
    if (b < 0xC2) return 0;
    if (b < 0xE0) return 2;
    if (b < 0xF0) {
        if (b == 0xE0) *lo = 0xA0; /* shorter forms exist */
        if (b == 0xED) *hi = 0x9F; /* surrogates */
        return 3;
    }
    if (b > 0xF4) return 0;
    if (b == 0xF0) *lo = 0x90;
    if (b == 0xF4) *hi = 0x8F; /* beyond U+10FFFF */
    return 4;
}

/* How many of the n bytes are right for a character that starts with s[0]; *need: its length. */
static size_t matching(const char *s, size_t n, size_t *need)
{
    uint8_t lo, hi;
    *need = n ? lead((uint8_t)s[0], &lo, &hi) : 0;
    if (*need == 0) return 0;
    size_t i = 1;
    for (; i < *need && i < n; i++) {
        uint8_t b = (uint8_t)s[i];
        if (b < lo || b > hi) break;
        lo = 0x80;
        hi = 0xBF;
    }
    return i;
}

size_t hk_utf8_len(const char *s, size_t n)
{
    size_t need;
    size_t have = matching(s, n, &need);
    return have == need ? need : 0;
}

size_t hk_utf8_valid_run(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        if ((uint8_t)s[i] < 0x80) {
            i++;
            continue;
        }
        size_t len = hk_utf8_len(s + i, n - i);
        if (len == 0) break;
        i += len;
    }
    return i;
}

size_t hk_utf8_broken_run(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && hk_utf8_len(s + i, n - i) == 0) i++;
    return i;
}

bool hk_utf8_is_prefix(const char *s, size_t n)
{
    size_t need;
    return matching(s, n, &need) == n && n < need;
}

uint32_t hk_utf8_decode(const char *s, size_t len)
{
    static const uint8_t first_bits[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t cp = (uint8_t)s[0] & first_bits[len];
    for (size_t i = 1; i < len; i++) cp = cp << 6 | ((uint8_t)s[i] & 0x3F);
    return cp;
}

size_t hk_utf8_encode(uint32_t cp, char out[4])
{
    size_t len = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    static const uint8_t mark[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (cp & 0x3F));
        cp >>= 6;
    }
    out[0] = (char)(mark[len] | cp);
    return len;
}

/* Bytes that one replacement character stands for, where no well-formed character begins. */
static size_t maximal_part(const char *s, size_t n)
{
    size_t part = 1;
    if (!hk_utf8_is_prefix(s, 1)) return 1;
    while (part < 3 && part < n && hk_utf8_is_prefix(s, part + 1)) part++;
    return part;
}

bool hk_bytes_append_utf8(struct hk_bytes *b, const char *text, size_t len, bool *clean, struct hk_error *err)
{
    if (clean) *clean = true;
    if (!hk_bytes_append(b, "", 0, err)) return false;
    for (size_t i = 0; i < len;) {
        size_t n = text[i] ? hk_utf8_len(text + i, len - i) : 0;
        if (n == 0 && clean) *clean = false;
        if (!(n ? hk_bytes_append(b, text + i, n, err) : hk_bytes_append(b, "\xef\xbf\xbd", 3, err)))
            return false;
        i += n ? n : maximal_part(text + i, len - i);
    }
    return true;
}

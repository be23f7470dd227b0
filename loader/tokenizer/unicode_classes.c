/* Sorted ranges, searched by halving; ASCII by a bit each. */
#include "loader/tokenizer/unicode_classes.h"

#include <utf8proc.h>

struct range {
    uint32_t first, last;
};

static const struct range space_ranges[] = {
    {0x9, 0xD},       {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
    {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
};

#include "loader/tokenizer/unicode_classes.inc"

#define ROW(name, lo, hi)                                                                                    \
    {                                                                                                        \
        name##_ranges, sizeof name##_ranges / sizeof *name##_ranges,                                         \
        {                                                                                                    \
            lo, hi                                                                                           \
        }                                                                                                    \
    }

static const struct {
    const struct range *ranges;
    size_t n;
    uint64_t ascii[2];
} classes[HK_CHAR_CLASSES] = {
    [HK_CHAR_SPACE] = ROW(space, 0x100003E00, 0),
    [HK_CHAR_NUMERIC] = ROW(numeric, 0x03FF000000000000, 0),
    [HK_CHAR_PUNCTUATION] = ROW(punctuation, 0xFC00FFFE00000000, 0x78000001F8000001),
    [HK_CHAR_WORD] = ROW(word, 0x03FF000000000000, 0x07FFFFFE87FFFFFE),
    [HK_CHAR_MARK] = ROW(mark, 0, 0),
    [HK_CHAR_NONSPACING] = ROW(nonspacing, 0, 0),
    [HK_CHAR_OTHER] = ROW(other, 0xFFFFD9FE, 0x8000000000000000),
};

static bool in_ranges(const struct range *r, size_t n, uint32_t cp)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (cp > r[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && cp >= r[lo].first;
}

bool hk_char_is(enum hk_char_class c, uint32_t cp)
{
    if (cp < 128) return classes[c].ascii[cp / 64] >> cp % 64 & 1;
    return in_ranges(classes[c].ranges, classes[c].n, cp);
}

bool hk_char_is_chinese(uint32_t cp)
{
    static const struct range han[] = {
        {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
        {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F},
    };
    return cp >= 0x3400 && in_ranges(han, sizeof han / sizeof *han, cp);
}

size_t hk_char_lower(uint32_t cp, uint32_t out[2])
{
    if (cp < 128) {
        out[0] = cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
        return 1;
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
    out[1] = 0x307;
    if (cp != 0x130) return 1;
    out[0] = 'i'; /* the only character whose lower case is two */
    return 2;
}

/* U+2581. */
#include "loader/tokenizer/metaspace.h"

#include <string.h>

static bool is_metaspace(const char *s, size_t len)
{
    return len >= HK_METASPACE_LEN && memcmp(s, HK_METASPACE, HK_METASPACE_LEN) == 0;
}

bool hk_metaspace_inside(const char *text, size_t len)
{
    return len > 0 && hk_metaspace_word(text, len) < len;
}

size_t hk_metaspace_word(const char *text, size_t len)
{
    size_t i = 0;
    while (is_metaspace(text + i, len - i)) i += HK_METASPACE_LEN;
    while (i < len) {
        const char *next = memchr(text + i, HK_METASPACE[0], len - i);
        if (!next) return len;
        i = (size_t)(next - text);
        if (is_metaspace(next, len - i)) return i;
        i++;
    }
    return len;
}

/* Base64. */
#include "loader/tokenizer/base64.h"

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool hk_base64_decode(const char *text, size_t len, char *out, size_t *out_len)
{
    unsigned bits = 0, have = 0;
    size_t n = 0;
    for (int i = 0; i < 2 && len > 0 && text[len - 1] == '='; i++) len--;
    if (len % 4 == 1) return false;
    for (size_t i = 0; i < len; i++) {
        int v = value_of(text[i]);
        if (v < 0) return false;
        bits = (bits << 6 | (unsigned)v) & 0xFFFFFF;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        out[n++] = (char)(bits >> have & 0xFF);
    }
    *out_len = n;
    return true;
}

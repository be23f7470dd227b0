/* GPT-2's alphabet. */
#include "loader/tokenizer/byte_level.h"
#include "loader/utf8.h"

/* Printable Latin-1 stands for itself; the 68 other bytes are U+0100 + their number among the others. */
static bool is_printable(unsigned b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

static int byte_of_code_point(uint32_t cp)
{
    if (cp < 0x100) return is_printable(cp) ? (int)cp : -1;
    uint32_t other = cp - 0x100;
    if (other <= 0x20) return (int)other;                 /* 00..20 */
    if (other <= 0x20 + 0x22) return (int)(other + 0x5E); /* 7F..A0 */
    return other == 0x43 ? 0xAD : -1;
}

uint32_t hk_byte_level_char(uint8_t byte)
{
    if (is_printable(byte)) return byte;
    if (byte <= 0x20) return 0x100u + byte;
    return byte == 0xAD ? 0x143 : 0x100u + byte - 0x5E;
}

bool hk_byte_level_decode(const char *text, size_t len, char *out, size_t *out_len)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        size_t k = hk_utf8_len(text + i, len - i);
        int b = k > 0 ? byte_of_code_point(hk_utf8_decode(text + i, k)) : -1;
        if (b < 0) return false;
        out[n++] = (char)b;
        i += k;
    }
    *out_len = n;
    return true;
}

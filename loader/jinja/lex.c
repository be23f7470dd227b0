/* Template text -> tokens, with the white space around tags removed as trim_blocks, lstrip_blocks and the
 * signs in the tags say. */
#include "loader/jinja/lex.h"
#include "loader/jinja/text.h"
#include "loader/utf8.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *text;
    uint8_t type;
} operators[] = {
    /* the longer first */
    {"//", JT_FLOORDIV}, {"**", JT_POW},   {"==", JT_EQ},      {"!=", JT_NE},      {">=", JT_GE},
    {"<=", JT_LE},       {"+", JT_ADD},    {"-", JT_SUB},      {"/", JT_DIV},      {"*", JT_MUL},
    {"%", JT_MOD},       {"~", JT_TILDE},  {"[", JT_LBRACKET}, {"]", JT_RBRACKET}, {"(", JT_LPAREN},
    {")", JT_RPAREN},    {"{", JT_LBRACE}, {"}", JT_RBRACE},   {">", JT_GT},       {"<", JT_LT},
    {"=", JT_ASSIGN},    {".", JT_DOT},    {":", JT_COLON},    {"|", JT_PIPE},     {",", JT_COMMA},
    {";", JT_SEMICOLON},
};

const char *jinja_token_name(const struct jinja_token *t)
{
    switch (t->type) {
    case JT_EOF:
        return "the end of the template";
    case JT_DATA:
        return "text";
    case JT_VARIABLE_BEGIN:
        return "{{";
    case JT_VARIABLE_END:
        return "}}";
    case JT_BLOCK_BEGIN:
        return "{%";
    case JT_BLOCK_END:
        return "%}";
    case JT_NAME:
        return "a name";
    case JT_STRING:
        return "a string";
    case JT_INTEGER:
    case JT_FLOAT:
        return "a number";
    default:
        break;
    }
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (operators[i].type == t->type) return operators[i].text;
    }
    return "?";
}

enum { MAX_BRACKETS = 256 };

struct lexer {
    const struct jinja_source *src;
    struct jinja_tokens *out;
    const char *s;
    size_t n, at;
    uint32_t line;
    bool line_starting;          /* what was read last ended a line */
    char brackets[MAX_BRACKETS]; /* what closes those that are open */
    size_t n_brackets;
};

static bool add(struct lexer *x, uint8_t type, struct jv value)
{
    struct jinja_tokens *o = x->out;
    if (o->n == o->capacity) {
        size_t capacity = o->capacity ? 2 * o->capacity : 256;
        struct jinja_token *v = realloc(o->v, capacity * sizeof *v);
        if (!v) return hk_fail(x->src->err, HK_ERR_MEMORY, "out of memory for a template's tokens");
        o->v = v;
        o->capacity = capacity;
    }
    o->v[o->n++] = (struct jinja_token){type, x->line, value};
    return true;
}

static bool at_text(const struct lexer *x, size_t i, const char *text)
{
    size_t n = strlen(text);
    return i <= x->n && x->n - i >= n && memcmp(x->s + i, text, n) == 0;
}

static size_t skip_space(const struct lexer *x, size_t i)
{
    size_t bytes;
    while (i < x->n && jinja_is_space(jinja_char_at(x->s + i, &bytes))) i += bytes;
    return i;
}

/* Goes on at i: counts the lines between. */
static void move_to(struct lexer *x, size_t i)
{
    for (; x->at < i; x->at++) x->line += x->s[x->at] == '\n';
    x->line_starting = i > 0 && x->s[i - 1] == '\n';
}

/* Where a tag's end at i ends itself: sign, mark ("%}" or "#}"), and the white space that it swallows; 0 when
 * there is none. `plus`: "+%}" is one too, and a mark alone swallows one line end. */
static size_t tag_end(const struct lexer *x, size_t i, const char *mark, bool plus)
{
    char sign = i < x->n && (x->s[i] == '-' || x->s[i] == '+') ? x->s[i] : 0;
    if (!at_text(x, i + (sign != 0), mark) || (sign == '+' && !plus)) return 0;
    i += (sign != 0) + strlen(mark);
    if (sign == '-') return skip_space(x, i);
    return i + (!sign && plus && at_text(x, i, "\n"));
}

/* ---- text between the tags ---- */

/* Adds the text x->at .. tag, which a tag with that sign follows, without the white space that it removes. */
static bool add_data(struct lexer *x, size_t tag, char sign, bool is_variable)
{
    size_t from = x->at, to = tag;
    if (sign == '-') {
        to = from + jinja_strip(jv_str(x->s + from, to - from), jv_missing(), JINJA_RIGHT).len;
    } else if (sign != '+' && !is_variable) {
        size_t start = tag;
        while (start > from && x->s[start - 1] != '\n') start--;
        if ((start > from || x->line_starting) && skip_space(x, start) >= tag) to = start;
    }
    if (to > from && !add(x, JT_DATA, jv_text(x->s + from, to - from))) return false;
    move_to(x, tag);
    return true;
}

/* {% raw %}: where its text begins; 0 when the tag at i is another. */
static size_t raw_begin(const struct lexer *x, size_t i)
{
    i += 2;
    if (i < x->n && (x->s[i] == '-' || x->s[i] == '+')) i++;
    i = skip_space(x, i);
    if (!at_text(x, i, "raw")) return 0;
    return tag_end(x, skip_space(x, i + 3), "%}", false);
}

/* {% endraw %} at i: where it ends, or 0. */
static size_t raw_end(const struct lexer *x, size_t i, char *sign)
{
    if (!at_text(x, i, "{%")) return 0;
    i += 2;
    *sign = i < x->n && (x->s[i] == '-' || x->s[i] == '+') ? x->s[i] : 0;
    i = skip_space(x, i + (*sign != 0));
    return at_text(x, i, "endraw") ? tag_end(x, skip_space(x, i + 6), "%}", true) : 0;
}

static bool lex_raw(struct lexer *x, size_t begin)
{
    uint32_t line = x->line;
    move_to(x, begin);
    for (size_t i = begin; i < x->n; i++) {
        char sign;
        size_t end = raw_end(x, i, &sign);
        if (!end) continue;
        if (!add_data(x, i, sign, false)) return false;
        move_to(x, end);
        return true;
    }
    return jinja_syntax(x->src, line, "{%% raw %%} without {%% endraw %%}");
}

static bool lex_comment(struct lexer *x)
{
    uint32_t line = x->line;
    size_t i = x->at + 2;
    if (i < x->n && (x->s[i] == '-' || x->s[i] == '+')) i++;
    for (; i < x->n; i++) {
        size_t end = tag_end(x, i, "#}", true);
        if (!end) continue;
        move_to(x, end);
        return true;
    }
    return jinja_syntax(x->src, line, "a comment {# without #}");
}

/* ---- inside of tags ---- */

static bool is_digit(char c, int base)
{
    int d = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : 99;
    return d < base;
}

/* Digits of that base at i with single underscores between them: where they end. */
static size_t digits(const struct lexer *x, size_t i, int base)
{
    size_t end = i;
    while (end < x->n &&
           (is_digit(x->s[end], base) || (x->s[end] == '_' && end > i && end + 1 < x->n &&
                                          x->s[end - 1] != '_' && is_digit(x->s[end + 1], base))))
        end++;
    return end;
}

/* The end of the float at i, or 0. One that follows a point is none: x.1.2 */
static size_t float_end(const struct lexer *x, size_t i)
{
    if (i > 0 && x->s[i - 1] == '.') return 0;
    size_t end = digits(x, i, 10), whole = end;
    if (end == i) return 0;
    if (end < x->n && x->s[end] == '.' && digits(x, end + 1, 10) > end + 1) end = digits(x, end + 1, 10);
    if (end < x->n && (x->s[end] == 'e' || x->s[end] == 'E')) {
        size_t e = end + 1;
        if (e < x->n && (x->s[e] == '+' || x->s[e] == '-')) e++;
        if (digits(x, e, 10) > e) return digits(x, e, 10);
    }
    return end > whole ? end : 0;
}

static size_t integer_end(const struct lexer *x, size_t i, int *base)
{
    *base = 10;
    if (!is_digit(x->s[i], 10)) return 0;
    if (x->s[i] != '0') return digits(x, i, 10);
    char mark = i + 1 < x->n ? x->s[i + 1] : 0;
    int other = mark == 'x' || mark == 'X'   ? 16
                : mark == 'o' || mark == 'O' ? 8
                : mark == 'b' || mark == 'B' ? 2
                                             : 0;
    if (other) {
        size_t from = i + 2 + (i + 2 < x->n && x->s[i + 2] == '_');
        if (digits(x, from, other) > from) {
            *base = other;
            return digits(x, from, other);
        }
    }
    size_t end = i; /* zeros alone: 00 is 0, 07 is 0 and then 7 */
    while (end < x->n && (x->s[end] == '0' || (x->s[end] == '_' && end > i && at_text(x, end + 1, "0"))))
        end++;
    return end;
}

static bool add_number(struct lexer *x, size_t end, int base, bool is_float)
{
    char *text = hk_arena_alloc(x->src->arena, end - x->at + 1, 1, x->src->err);
    size_t n = 0;
    if (!text) return false;
    for (size_t i = x->at + (base == 10 ? 0 : 2); i < end; i++) {
        if (x->s[i] != '_') text[n++] = x->s[i];
    }
    struct jv value;
    if (is_float) {
        value = jv_float(strtod(text, NULL));
    } else {
        while (text[0] == '0' && text[1]) text++, n--;
        uint64_t v = 0;
        bool fits = true;
        for (size_t i = 0; i < n && fits; i++) {
            uint64_t d = (uint64_t)(text[i] <= '9' ? text[i] - '0' : (text[i] | 32) - 'a' + 10);
            fits = v <= ((uint64_t)INT64_MAX - d) / (unsigned)base;
            if (fits) v = v * (unsigned)base + d;
        }
        if (!fits && base != 10)
            return jinja_unsupported(x->src, x->line, "%.40s: integers of up to 64 bits are accepted", text);
        value = jv_int((int64_t)v);
        if (!fits) value = (struct jv){.type = JV_BIG, .len = (uint32_t)n, .as.s = text};
    }
    if (!add(x, is_float ? JT_FLOAT : JT_INTEGER, value)) return false;
    move_to(x, end);
    return true;
}

/* Hexadecimal digits at s[0..n); UINT32_MAX where one is none. */
static uint32_t hex(const char *s, size_t n)
{
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i], 16)) return UINT32_MAX;
        v = v << 4 | (uint32_t)(s[i] <= '9' ? s[i] - '0' : (s[i] | 32) - 'a' + 10);
    }
    return v;
}

/* The escape behind a backslash at s[i]: its bytes to out, how many to *n. Returns where it ends; 0: wrong. */
static size_t escape(const char *s, size_t i, size_t end, char out[12], size_t *n)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    char c = s[i];
    const char *named = c ? strchr(from, c) : NULL;
    *n = 1;
    if (named) {
        out[0] = to[named - from];
        return i + 1;
    }
    if (c == '\n') {
        *n = 0;
        return i + 1;
    }
    uint32_t code = 0;
    size_t len = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (len) {
        if (end - i - 1 < len || (code = hex(s + i + 1, len)) > 0x10FFFF) return 0;
        if (code >= 0xD800 && code < 0xE000) return 0;
        *n = hk_utf8_encode(code, out);
        return i + 1 + len;
    }
    if (c >= '0' && c <= '7') {
        size_t e = i;
        for (; e < end && e < i + 3 && s[e] >= '0' && s[e] <= '7'; e++)
            code = code * 8 + (uint32_t)(s[e] - '0');
        *n = hk_utf8_encode(code, out);
        return e;
    }
    out[0] = '\\';                  /* an unknown one stays as it is */
    if ((unsigned char)c >= 0x80) { /* Python writes it as an escape first, whose backslash is then escaped */
        size_t bytes;
        uint32_t u = jinja_char_at(s + i, &bytes);
        *n = (size_t)snprintf(out, 12,
                              u < 0x100     ? "\\x%02x"
                              : u < 0x10000 ? "\\u%04x"
                                            : "\\U%08x",
                              (unsigned)u);
        return i + bytes;
    }
    return c == 'N' ? 0 : i;
}

static bool add_string(struct lexer *x)
{
    char quote = x->s[x->at];
    size_t from = x->at + 1, end = from;
    while (end < x->n && x->s[end] != quote) end += x->s[end] == '\\' && end + 1 < x->n ? 2 : 1;
    if (end >= x->n) return jinja_syntax(x->src, x->line, "a string has no end");
    struct hk_bytes text = {0};
    bool ok = true;
    for (size_t i = from, start = from; ok && i <= end; i++) {
        if (i < end && x->s[i] != '\\') continue;
        ok = hk_bytes_append(&text, x->s + start, i - start, x->src->err);
        if (i == end) break;
        char out[12];
        size_t n = 0;
        start = escape(x->s, i + 1, end, out, &n);
        if (!start && x->s[i + 1] == 'N') {
            ok = jinja_unsupported(x->src, x->line, "\\N{...} in a string: \\u and four digits are accepted");
            break;
        }
        if (!start) {
            ok = jinja_syntax(x->src, x->line, "an escape in a string that means no character: '%.*s'",
                              (int)(end - i < 10 ? end - i : 10), x->s + i);
            break;
        }
        ok = hk_bytes_append(&text, out, n, x->src->err);
        i = start - 1;
    }
    const char *copy =
        ok ? hk_arena_strndup(x->src->arena, text.len ? text.data : "", text.len, x->src->err) : NULL;
    ok = copy && add(x, JT_STRING, jv_text(copy, text.len));
    hk_bytes_free(&text);
    if (ok) move_to(x, end + 1);
    return ok;
}

static bool add_operator(struct lexer *x)
{
    size_t i = 0;
    for (; i < sizeof operators / sizeof operators[0]; i++) {
        if (at_text(x, x->at, operators[i].text)) break;
    }
    if (i == sizeof operators / sizeof operators[0]) {
        size_t bytes = jinja_char_bytes(x->s + x->at);
        return jinja_syntax(x->src, x->line, "unexpected character '%.*s'", (int)bytes, x->s + x->at);
    }
    char c = operators[i].text[0];
    if (c == '(' || c == '[' || c == '{') {
        if (x->n_brackets == MAX_BRACKETS)
            return jinja_syntax(x->src, x->line, "more than %d open brackets", MAX_BRACKETS);
        x->brackets[x->n_brackets++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (x->n_brackets == 0) return jinja_syntax(x->src, x->line, "unexpected '%c'", c);
        char expected = x->brackets[--x->n_brackets];
        if (c != expected)
            return jinja_syntax(x->src, x->line, "unexpected '%c', expected '%c'", c, expected);
    }
    if (!add(x, operators[i].type, jv_missing())) return false;
    move_to(x, x->at + strlen(operators[i].text));
    return true;
}

/* One token at x->at, which is neither white space nor the tag's end. */
static bool lex_token(struct lexer *x)
{
    int base;
    size_t bytes, end = float_end(x, x->at);
    if (end) return add_number(x, end, 10, true);
    end = integer_end(x, x->at, &base);
    if (end) return add_number(x, end, base, false);
    uint32_t c = jinja_char_at(x->s + x->at, &bytes);
    if (c == '"' || c == '\'') return add_string(x);
    if (!jinja_is_word(c)) return add_operator(x);
    for (end = x->at; end < x->n; end += bytes) {
        uint32_t part = jinja_char_at(x->s + end, &bytes);
        if (!jinja_is_word(part) && (part < 0x80 || jinja_is_space(part) || !jinja_is(part, JINJA_PRINTABLE)))
            break;
    }
    if (jinja_is(c, JINJA_DECIMAL)) return jinja_syntax(x->src, x->line, "a name may not start with a digit");
    if (!add(x, JT_NAME, jv_text(x->s + x->at, end - x->at))) return false;
    move_to(x, end);
    return true;
}

/* {{ ... }} or {% ... %}; x->at is at the tag. */
static bool lex_tag(struct lexer *x, bool is_variable, bool signed_tag)
{
    if (!add(x, is_variable ? JT_VARIABLE_BEGIN : JT_BLOCK_BEGIN, jv_missing())) return false;
    move_to(x, x->at + 2 + signed_tag);
    x->n_brackets = 0;
    for (;;) {
        move_to(x, skip_space(x, x->at));
        if (x->at >= x->n) return true; /* the parser says what is missing */
        /* within brackets the end's characters are operators */
        size_t end = x->n_brackets ? 0 : tag_end(x, x->at, is_variable ? "}}" : "%}", !is_variable);
        if (end) {
            bool ok = add(x, is_variable ? JT_VARIABLE_END : JT_BLOCK_END, jv_missing());
            move_to(x, end);
            return ok;
        }
        if (!lex_token(x)) return false;
    }
}

/* The next tag from i on: its place, or x->n. */
static size_t find_tag(const struct lexer *x, size_t i)
{
    for (; i + 1 < x->n; i++) {
        if (x->s[i] == '{' && (x->s[i + 1] == '{' || x->s[i + 1] == '%' || x->s[i + 1] == '#')) return i;
    }
    return x->n;
}

bool jinja_lex(const struct jinja_source *src, const char *text, size_t len, struct jinja_tokens *out)
{
    struct lexer x = {.src = src, .out = out, .s = text, .n = len, .line = 1, .line_starting = true};
    while (x.at < len) {
        size_t tag = find_tag(&x, x.at);
        if (tag == len) {
            if (!add(&x, JT_DATA, jv_text(text + x.at, len - x.at))) return false;
            break;
        }
        char kind = text[tag + 1], sign = tag + 2 < len ? text[tag + 2] : 0;
        if (sign != '-' && sign != '+') sign = 0;
        size_t raw = kind == '%' ? raw_begin(&x, tag) : 0;
        if (!add_data(&x, tag, sign, kind == '{')) return false;
        bool ok = raw           ? lex_raw(&x, raw)
                  : kind == '#' ? lex_comment(&x)
                                : lex_tag(&x, kind == '{', sign != 0);
        if (!ok) return false;
    }
    return add(&x, JT_EOF, jv_missing());
}

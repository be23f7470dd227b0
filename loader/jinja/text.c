/* Values as text: Python's str() and repr(). */
#include "loader/jinja/text.h"
#include "loader/jinja/run.h"
#include "loader/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool jinja_append_text(struct jinja_run *r, struct jv *acc, const char *s)
{
    return jinja_append(r, acc, s, strlen(s));
}

bool jinja_append_char(struct jinja_run *r, struct jv *acc, uint32_t c)
{
    char bytes[4];
    return jinja_append(r, acc, bytes, hk_utf8_encode(c, bytes));
}

bool jinja_append_repeat(struct jinja_run *r, struct jv *acc, struct jv s, size_t times)
{
    bool ok = true;
    if (s.len == 0) return true;
    for (; ok && times > 0; times--) ok = jinja_work(r, 1) && jinja_append(r, acc, s.as.s, s.len);
    return ok;
}

/* ---- numbers ---- */

/* d.ddde+xx, with `digits` digits after the point, into digits without the point and the decimal exponent. */
static int split_float(double f, int digits, char text[32], int *exponent)
{
    char raw[48];
    int n = 0;
    snprintf(raw, sizeof raw, "%.*e", digits, f);
    const char *p = raw;
    for (; *p && *p != 'e'; p++) { /* whatever the locale's decimal point is */
        if (*p >= '0' && *p <= '9') text[n++] = *p;
    }
    text[n] = 0;
    *exponent = *p ? atoi(p + 1) : 0;
    return n;
}

/* Writes digits d1 d2 ... with the decimal point that the exponent says, as repr does: with an exponent below
 * 1e-4 and from 1e16 on. */
static void layout(const char *d, int n, int exponent, bool negative, char *out)
{
    if (negative) *out++ = '-';
    if (exponent < -4 || exponent >= 16) {
        *out++ = d[0];
        if (n > 1) *out++ = '.';
        for (int i = 1; i < n; i++) *out++ = d[i];
        snprintf(out, 14, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0) {
        *out++ = '0';
        *out++ = '.';
        for (int i = -1; i > exponent; i--) *out++ = '0';
        for (int i = 0; i < n; i++) *out++ = d[i];
    } else {
        for (int i = 0; i < n || i <= exponent; i++) {
            if (i == exponent + 1) *out++ = '.';
            *out++ = i < n ? d[i] : '0';
        }
        if (n <= exponent + 1) {
            *out++ = '.';
            *out++ = '0';
        }
    }
    *out = 0;
}

void jinja_float_repr(double f, char out[JINJA_FLOAT_CHARS])
{
    if (isnan(f) || isinf(f)) {
        snprintf(out, JINJA_FLOAT_CHARS, "%s", isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
        return;
    }
    for (int digits = 0;; digits++) {
        char d[32], sci[48];
        int exponent, n = split_float(fabs(f), digits, d, &exponent);
        snprintf(sci, sizeof sci, "%.*e", digits, fabs(f));
        if (digits < 16 && strtod(sci, NULL) != fabs(f)) continue;
        while (n > 1 && d[n - 1] == '0') n--;
        layout(d, n, exponent, signbit(f) != 0, out);
        return;
    }
}

static bool append_int(struct jinja_run *r, struct jv *acc, int64_t i)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, i);
    return jinja_append_text(r, acc, text);
}

struct jv jinja_parse_number(struct jinja_run *r, const char *s, size_t n)
{
    char *clean = jinja_alloc(r, n + 2, 1);
    size_t len = 0, digits = 0, i = 0;
    bool is_float = false, digit = false;
    if (!clean || n == 0) return jv_missing();
    if (s[0] == '-') clean[len++] = '-';
    if (s[0] == '-' || s[0] == '+') i = 1;
    for (; i < n; i++) {
        char c = s[i];
        if (c >= '0' && c <= '9') {
            digits++;
        } else if (c == '_') { /* only between digits */
            if (!digit || i + 1 == n || s[i + 1] < '0' || s[i + 1] > '9') return jv_missing();
            continue;
        } else if (c == '.' || ((c == 'e' || c == 'E') && digits)) {
            if (c == '.' && is_float) return jv_missing();
            if (c != '.' && memchr(clean, 'e', len)) return jv_missing();
            is_float = true;
            c = c == '.' ? '.' : 'e';
        } else if (!((c == '-' || c == '+') && len && clean[len - 1] == 'e')) {
            return jv_missing();
        }
        digit = c >= '0' && c <= '9';
        clean[len++] = c;
    }
    if (!digits ||
        (is_float && len && (clean[len - 1] < '0' || clean[len - 1] > '9') && clean[len - 1] != '.'))
        return jv_missing();
    if (is_float) return jv_float(strtod(clean, NULL));
    bool negative = clean[0] == '-';
    const char *d = clean + negative;
    while (d[0] == '0' && d[1]) d++;
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + negative;
    for (const char *p = d; *p; p++) {
        uint64_t add = (uint64_t)(*p - '0');
        if (value > (limit - add) / 10) {
            struct jv big = {.type = JV_BIG, .as.s = negative ? d - 1 : d};
            if (negative) clean[d - 1 - clean] = '-';
            big.len = (uint32_t)strlen(big.as.s);
            return big;
        }
        value = value * 10 + add;
    }
    return jv_int(negative ? (int64_t)(0 - value) : (int64_t)value);
}

/* ---- repr ---- */

static bool append_escaped_char(struct jinja_run *r, struct jv *acc, uint32_t c)
{
    char text[16];
    if (c == '\n' || c == '\r' || c == '\t')
        snprintf(text, sizeof text, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else
        snprintf(text, sizeof text, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
    return jinja_append_text(r, acc, text);
}

static bool append_str_repr(struct jinja_run *r, struct jv *acc, struct jv s)
{
    bool single = s.len && memchr(s.as.s, '\'', s.len), twice = s.len && memchr(s.as.s, '"', s.len);
    char quote = single && !twice ? '"' : '\'';
    bool ok = jinja_append(r, acc, &quote, 1);
    size_t n, start = 0;
    for (size_t i = 0; ok && i < s.len; i += n) {
        uint32_t c = jinja_char_at(s.as.s + i, &n);
        bool slash = c == '\\' || c == (uint32_t)quote;
        if (!slash && (c < 0x7F ? c >= ' ' : jinja_is(c, JINJA_PRINTABLE))) continue;
        ok = jinja_append(r, acc, s.as.s + start, i - start) &&
             (slash ? jinja_append_text(r, acc, "\\") : append_escaped_char(r, acc, c));
        start = slash ? i : i + n;
    }
    return ok && jinja_append(r, acc, s.as.s + start, s.len - start) && jinja_append(r, acc, &quote, 1);
}

static bool append_items(struct jinja_run *r, struct jv *acc, const struct jinja_list *l, const char *open,
                         const char *close)
{
    bool ok = jinja_append_text(r, acc, open);
    for (uint32_t i = 0; ok && i < l->n; i++)
        ok = (i == 0 || jinja_append_text(r, acc, ", ")) && jinja_append_repr(r, acc, l->items[i]);
    return ok && jinja_append_text(r, acc, close);
}

static bool append_dict(struct jinja_run *r, struct jv *acc, const struct jinja_dict *d)
{
    bool ok = jinja_append_text(r, acc, "{");
    for (uint32_t i = 0; ok && i < d->n; i++)
        ok = (i == 0 || jinja_append_text(r, acc, ", ")) && jinja_append_repr(r, acc, d->entries[i].key) &&
             jinja_append_text(r, acc, ": ") && jinja_append_repr(r, acc, d->entries[i].value);
    return ok && jinja_append_text(r, acc, "}");
}

static bool append_view(struct jinja_run *r, struct jv *acc, struct jv v)
{
    static const char *const open[] = {"dict_keys([", "dict_values([", "dict_items(["};
    struct jinja_list *l = jinja_collect(r, v);
    return l && append_items(r, acc, l, open[v.flags], "])");
}

static bool append_range(struct jinja_run *r, struct jv *acc, const struct jinja_range *g)
{
    bool ok = jinja_append_text(r, acc, "range(") && append_int(r, acc, g->start) &&
              jinja_append_text(r, acc, ", ") && append_int(r, acc, g->stop);
    if (ok && g->step != 1) ok = jinja_append_text(r, acc, ", ") && append_int(r, acc, g->step);
    return ok && jinja_append_text(r, acc, ")");
}

/* Python prints an address of such a thing; we its name. */
static bool append_object(struct jinja_run *r, struct jv *acc, struct jv v)
{
    const struct jinja_builtin *b = v.type == JV_METHOD ? v.as.method->function : v.as.function;
    bool named = v.type == JV_METHOD || v.type == JV_FUNCTION;
    return jinja_append_text(r, acc, "<") && jinja_append_text(r, acc, jv_type_name(v)) &&
           (!named || (jinja_append_text(r, acc, " ") && jinja_append_text(r, acc, b->name))) &&
           jinja_append_text(r, acc, ">");
}

static bool append_container(struct jinja_run *r, struct jv *acc, struct jv v)
{
    switch (v.type) {
    case JV_LIST:
        return append_items(r, acc, v.as.list, "[", "]");
    case JV_TUPLE:
        return append_items(r, acc, v.as.list, "(", v.as.list->n == 1 ? ",)" : ")");
    case JV_DICT:
        return append_dict(r, acc, v.as.dict);
    case JV_VIEW:
        return append_view(r, acc, v);
    case JV_NAMESPACE:
        return jinja_append_text(r, acc, "<Namespace ") && append_dict(r, acc, v.as.dict) &&
               jinja_append_text(r, acc, ">");
    case JV_RANGE:
        return append_range(r, acc, v.as.range);
    case JV_MACRO:
        return jinja_append_macro(r, acc, v.as.macro);
    case JV_LOOP:
        return jinja_append_loop(r, acc, v.as.loop);
    default:
        return append_object(r, acc, v);
    }
}

bool jinja_append_repr(struct jinja_run *r, struct jv *acc, struct jv v)
{
    char text[JINJA_FLOAT_CHARS];
    switch (v.type) {
    case JV_MISSING:
    case JV_UNDEFINED:
        return jinja_append_text(r, acc, "Undefined");
    case JV_NONE:
        return jinja_append_text(r, acc, "None");
    case JV_BOOL:
        return jinja_append_text(r, acc, v.as.i ? "True" : "False");
    case JV_INT:
        return append_int(r, acc, v.as.i);
    case JV_BIG:
        return jinja_append(r, acc, v.as.s, v.len);
    case JV_FLOAT:
        jinja_float_repr(v.as.f, text);
        return jinja_append_text(r, acc, text);
    case JV_STR:
        if (!(v.flags & JV_MARKUP)) return append_str_repr(r, acc, v);
        return jinja_append_text(r, acc, "Markup(") && append_str_repr(r, acc, v) &&
               jinja_append_text(r, acc, ")");
    default: {
        if (!jinja_enter(r)) return false;
        bool ok = append_container(r, acc, v);
        jinja_leave(r);
        return ok;
    }
    }
}

bool jinja_append_value(struct jinja_run *r, struct jv *acc, struct jv v)
{
    if (v.type == JV_STR) return jinja_append(r, acc, v.as.s, v.len);
    if (v.type == JV_UNDEFINED || v.type == JV_MISSING) return true;
    return jinja_append_repr(r, acc, v);
}

bool jinja_str(struct jinja_run *r, struct jv v, struct jv *out)
{
    if (v.type == JV_STR) {
        *out = v;
        return true;
    }
    struct jv acc = jv_ascii("");
    if (!jinja_append_value(r, &acc, v)) return false;
    *out = acc;
    return true;
}

/* Numbers and strings laid out: "%5.1f" % x, and "{:>5}".format(x). */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_PRECISION = 1000, MAX_NUMBER = MAX_PRECISION + 400 };

struct spec {
    struct jv fill; /* one character */
    char align;     /* '<' '>' '^' '=', or 0 */
    char sign;      /* '+', ' ' or 0 */
    char type;      /* or 0 */
    char group;     /* ',' '_' or 0 */
    bool alternate; /* '#' */
    int64_t width;
    int64_t precision; /* -1: none */
};

/* ---- laying out ---- */

/* text at the given place within the width. */
static bool append_aligned(struct jinja_run *r, struct jv *acc, struct jv text, const struct spec *s,
                           char align)
{
    int64_t pad = s->width - (int64_t)jinja_str_chars(text);
    if (pad <= 0) return jinja_append(r, acc, text.as.s, text.len);
    if ((uint64_t)pad > r->max_memory)
        return jinja_fail_code(r, HK_ERR_MEMORY, "a width of %lld is too large", (long long)s->width);
    int64_t left = align == '<' ? 0 : align == '^' ? pad / 2 : pad;
    return jinja_append_repeat(r, acc, s->fill, (size_t)left) && jinja_append(r, acc, text.as.s, text.len) &&
           jinja_append_repeat(r, acc, s->fill, (size_t)(pad - left));
}

/* The leading digits of a number with a separator before every `every` of them, at least `least` characters. */
static bool append_grouped(struct jinja_run *r, struct jv *acc, const char *digits, size_t n, char group,
                           size_t every, int64_t least)
{
    size_t total = n;
    while ((int64_t)(total + (group ? (total - 1) / every : 0)) < least) total++;
    bool ok = total - n <= 100000 || jinja_fail(r, "a number of more than 100000 digits");
    for (size_t i = 0; ok && i < total; i++) {
        if (group && i > 0 && (total - i) % every == 0) ok = jinja_append(r, acc, &group, 1);
        ok = ok && jinja_append(r, acc, i < total - n ? "0" : &digits[i - (total - n)], 1);
    }
    return ok;
}

/* A number's text: [-]digits and whatever follows them, with its sign, prefix, grouping and width. */
static bool append_number(struct jinja_run *r, struct jv *acc, const char *text, const char *prefix,
                          const struct spec *s)
{
    bool negative = *text == '-', zeros = s->align == '=' && jv_equals_text(s->fill, "0");
    struct jv number = jv_ascii("");
    char sign[2] = {negative ? '-' : s->sign, 0};
    text += negative;
    size_t digits = 0;
    while (strchr("0123456789abcdefABCDEF", text[digits]) && text[digits] && text[digits] != '.') {
        if ((text[digits] == 'e' || text[digits] == 'E') && !strchr("xX", s->type ? s->type : 'd')) break;
        digits++;
    }
    bool binary = s->type && strchr("boxX", s->type);
    int64_t rest = (int64_t)(strlen(text) - digits + strlen(sign) + strlen(prefix));
    if (digits == 0) { /* inf, nan */
        if (!jinja_append_text(r, &number, text)) return false;
    } else if (!append_grouped(r, &number, text, digits, s->group, binary ? 4 : 3,
                               zeros ? s->width - rest : 0) ||
               !jinja_append_text(r, &number, text + digits)) {
        return false;
    }
    if (s->align == '=') {
        int64_t pad = s->width - (int64_t)number.len - (int64_t)strlen(sign) - (int64_t)strlen(prefix);
        if (pad > 0 && (uint64_t)pad > r->max_memory)
            return jinja_fail_code(r, HK_ERR_MEMORY, "a width of %lld is too large", (long long)s->width);
        return jinja_append_text(r, acc, sign) && jinja_append_text(r, acc, prefix) &&
               (pad <= 0 || jinja_append_repeat(r, acc, s->fill, (size_t)pad)) &&
               jinja_append(r, acc, number.as.s, number.len);
    }
    struct jv all = jv_ascii("");
    return jinja_append_text(r, &all, sign) && jinja_append_text(r, &all, prefix) &&
           jinja_append(r, &all, number.as.s, number.len) &&
           append_aligned(r, acc, all, s, s->align ? s->align : '>');
}

/* ---- numbers as text ---- */

static void int_text(int64_t i, char type, char out[72])
{
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    char bits[72];
    size_t n = 0;
    *out = '-';
    out += i < 0;
    if (type == 'x' || type == 'X' || type == 'o') {
        snprintf(out, 64, type == 'x' ? "%" PRIx64 : type == 'X' ? "%" PRIX64 : "%" PRIo64, u);
    } else if (type == 'b') {
        do {
            bits[n++] = (char)('0' + (u & 1));
            u >>= 1;
        } while (u);
        while (n > 0) *out++ = bits[--n];
        *out = 0;
    } else {
        snprintf(out, 64, "%" PRIu64, u);
    }
}

/* format() of a float without a type but with a precision: like g, yet never without a point. */
static void general_with_point(double f, int precision, char *out, size_t size)
{
    char sci[MAX_NUMBER];
    if (precision == 0) precision = 1;
    snprintf(sci, sizeof sci, "%.*e", precision - 1, f);
    int exponent = atoi(strchr(sci, 'e') + 1);
    bool fixed = exponent >= -4 && exponent < precision - 1;
    snprintf(out, size, fixed ? "%.*f" : "%.*e", fixed ? precision - 1 - exponent : precision - 1, f);
    char *e = strchr(out, 'e'), tail[16] = "";
    if (e) {
        snprintf(tail, sizeof tail, "%s", e);
        *e = 0;
    }
    size_t n = strlen(out);
    if (strchr(out, '.')) {
        while (out[n - 1] == '0') out[--n] = 0;
        if (out[n - 1] == '.') out[fixed ? n++ : --n] = fixed ? '0' : 0;
        out[n] = 0;
    } else if (fixed) {
        snprintf(out + n, size - n, ".0");
    }
    n = strlen(out);
    snprintf(out + n, size - n, "%s", tail);
}

static void float_text(double f, const struct spec *s, char out[MAX_NUMBER])
{
    int precision = s->precision < 0 ? 6 : (int)s->precision;
    char type = s->type, format[8] = "%.*f";
    bool percent = type == '%';
    if (percent) f *= 100;
    if (!isfinite(f)) {
        snprintf(out, MAX_NUMBER, "%s%s", isnan(f) ? "nan" : f < 0 ? "-inf" : "inf", percent ? "%" : "");
        for (char *p = out; (type == 'F' || type == 'E' || type == 'G') && *p; p++)
            if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 32);
        return;
    }
    if (!type && s->precision < 0) {
        jinja_float_repr(f, out);
        return;
    }
    if (!type) {
        general_with_point(f, precision, out, MAX_NUMBER);
        return;
    }
    snprintf(format, sizeof format, s->alternate ? "%%#.*%c" : "%%.*%c",
             percent       ? 'f'
             : type == 'n' ? 'g'
                           : type);
    snprintf(out, MAX_NUMBER - 2, format, precision, f);
    for (char *p = out; *p; p++) {
        if (*p == ',') *p = '.'; /* a locale's decimal point */
    }
    if (percent) strcat(out, "%");
}

static const char *prefix_of(const struct spec *s)
{
    return !s->alternate    ? ""
           : s->type == 'x' ? "0x"
           : s->type == 'X' ? "0X"
           : s->type == 'o' ? "0o"
           : s->type == 'b' ? "0b"
                            : "";
}

static bool append_char_code(struct jinja_run *r, struct jv *acc, int64_t c)
{
    if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return jinja_fail(r, "%%c: %lld is no character's code", (long long)c);
    return jinja_append_char(r, acc, (uint32_t)c);
}

static bool append_float(struct jinja_run *r, struct jv *acc, double f, const struct spec *s)
{
    char text[MAX_NUMBER];
    if (s->precision > MAX_PRECISION)
        return jinja_fail(r, "a precision of more than %d digits", MAX_PRECISION);
    float_text(f, s, text);
    return append_number(r, acc, text, "", s);
}

/* ---- "..." % values ---- */

struct percent {
    struct jinja_run *r;
    struct jv format, values;
    size_t at;
    uint32_t next; /* of the values */
    bool is_tuple, is_mapping;
};

static bool next_value(struct percent *p, struct jv *out)
{
    uint32_t n = p->is_tuple ? p->values.as.list->n : 1;
    if (p->next >= n) return jinja_fail(p->r, "not enough values for a format string");
    *out = p->is_tuple ? p->values.as.list->items[p->next] : p->values;
    p->next++;
    return true;
}

static char peek(const struct percent *p)
{
    return p->at < p->format.len ? p->format.as.s[p->at] : 0;
}

/* A number, or '*' for one of the values. */
static bool read_size(struct percent *p, int64_t *out)
{
    struct jv v;
    if (peek(p) == '*') {
        p->at++;
        return next_value(p, &v) && jinja_arg_int(p->r, v, 0, out);
    }
    for (*out = 0; peek(p) >= '0' && peek(p) <= '9'; p->at++) {
        *out = *out * 10 + (peek(p) - '0');
        if (*out > INT32_MAX) return jinja_fail(p->r, "a width or precision in a format string is too large");
    }
    return true;
}

/* (name): which of a mapping's values. */
static bool read_name(struct percent *p, struct jv *value)
{
    size_t start = ++p->at;
    for (int open = 1; open > 0; p->at++) {
        if (p->at >= p->format.len) return jinja_fail(p->r, "a name in a format string has no ')'");
        open += peek(p) == '(' ? 1 : peek(p) == ')' ? -1 : 0;
    }
    if (p->values.type != JV_DICT) return jinja_fail(p->r, "a format string with names wants a mapping");
    size_t n = p->at - 1 - start;
    const struct jv *v = jinja_dict_get_str(p->values.as.dict, p->format.as.s + start, n);
    if (!v)
        return jinja_fail(p->r, "format: there is no value '%.*s'", (int)(n < 60 ? n : 60),
                          p->format.as.s + start);
    *value = *v;
    return true;
}

static bool read_conversion(struct percent *p, struct spec *s, bool *left, bool *zero, struct jv *value)
{
    *s = (struct spec){.fill = jv_ascii(" "), .precision = -1};
    *left = *zero = false;
    if (peek(p) == '(' && !read_name(p, value)) return false;
    for (;; p->at++) {
        char c = peek(p);
        if (c == '-')
            *left = true;
        else if (c == '0')
            *zero = true;
        else if (c == '#')
            s->alternate = true;
        else if (c == '+' || (c == ' ' && !s->sign))
            s->sign = c;
        else if (c != ' ')
            break;
    }
    if (!read_size(p, &s->width)) return false;
    if (s->width < 0) {
        *left = true;
        s->width = s->width == INT64_MIN ? INT64_MAX : -s->width;
    }
    if (peek(p) == '.') {
        p->at++;
        if (!read_size(p, &s->precision)) return false;
        if (s->precision < 0) s->precision = 0;
    }
    while (peek(p) == 'l' || peek(p) == 'h' || peek(p) == 'L') p->at++;
    s->type = peek(p);
    if (!s->type) return jinja_fail(p->r, "a format string ends within a conversion");
    p->at++;
    return true;
}

static bool percent_text(struct percent *p, struct jv *acc, struct spec *s, struct jv v, bool left)
{
    struct jv text = jv_ascii("");
    bool ok = s->type == 's'                                ? jinja_append_value(p->r, &text, v)
              : s->type != 'c'                              ? jinja_append_repr(p->r, &text, v)
              : v.type == JV_STR && jinja_str_chars(v) == 1 ? jinja_append_value(p->r, &text, v)
              : jv_is_int(v)                                ? append_char_code(p->r, &text, v.as.i)
                             : jinja_fail(p->r, "%%c wants an integer or one character");
    if (ok && s->precision >= 0 && s->type != 'c')
        text = jinja_slice_bytes(text, 0, jinja_offset(text, (size_t)s->precision));
    return ok && append_aligned(p->r, acc, text, s, left ? '<' : '>');
}

static bool percent_number(struct percent *p, struct jv *acc, struct spec *s, struct jv v)
{
    char text[72];
    bool integer = strchr("diuxXo", s->type) != NULL;
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(p->r, v);
    if (!jv_is_number(v) || (v.type == JV_FLOAT && integer && strchr("xXo", s->type)))
        return jinja_fail(p->r, "%%%c wants a number, not '%s'", s->type, jv_type_name(v));
    if (!integer) return append_float(p->r, acc, jv_double(v), s);
    if (v.type == JV_FLOAT) {
        if (!(v.as.f > -0x1p63 && v.as.f < 0x1p63)) return jinja_fail(p->r, "%%d: an integer beyond 64 bits");
        v = jv_int((int64_t)v.as.f);
    }
    int_text(v.as.i, s->type, text);
    if (s->precision > MAX_PRECISION)
        return jinja_fail(p->r, "a precision of more than %d digits", MAX_PRECISION);
    size_t negative = text[0] == '-', n = strlen(text) - negative;
    if (s->precision > (int64_t)n) { /* at least so many digits */
        char padded[MAX_NUMBER];
        size_t zeros = (size_t)s->precision - n;
        padded[0] = '-';
        memset(padded + negative, '0', zeros);
        memcpy(padded + negative + zeros, text + negative, n + 1);
        return append_number(p->r, acc, padded, prefix_of(s), s);
    }
    return append_number(p->r, acc, text, prefix_of(s), s);
}

static bool convert(struct percent *p, struct jv *acc)
{
    struct spec s;
    bool left, zero;
    struct jv v = jv_missing();
    if (!read_conversion(p, &s, &left, &zero, &v)) return false;
    if (s.type == '%') return jinja_append_text(p->r, acc, "%");
    if (v.type == JV_MISSING && !next_value(p, &v)) return false;
    if (strchr("sarc", s.type)) return percent_text(p, acc, &s, v, left);
    if (!strchr("diuxXofFeEgG", s.type)) return jinja_fail(p->r, "unsupported format character '%c'", s.type);
    s.align = left ? '<' : zero ? '=' : '>';
    if (zero && !left) s.fill = jv_ascii("0");
    return percent_number(p, acc, &s, v);
}

bool jinja_percent(struct jinja_run *r, struct jv format, struct jv values, struct jv *out)
{
    struct percent p = {.r = r, .format = format, .values = values, .is_tuple = values.type == JV_TUPLE};
    p.is_mapping = values.type == JV_DICT || values.type == JV_LIST || values.type == JV_RANGE ||
                   values.type == JV_UNDEFINED;
    struct jv acc = jv_ascii("");
    while (p.at < format.len) {
        const char *rest = format.as.s + p.at, *mark = memchr(rest, '%', format.len - p.at);
        size_t n = mark ? (size_t)(mark - rest) : format.len - p.at;
        if (!jinja_append(r, &acc, rest, n)) return false;
        p.at += n;
        if (!mark) break;
        p.at++;
        if (!jinja_work(r, 1) || !convert(&p, &acc)) return false;
    }
    if (!p.is_mapping && p.next < (p.is_tuple ? values.as.list->n : 1))
        return jinja_fail(r, "not all values are used by the format string");
    *out = acc;
    out->flags |= format.flags & JV_MARKUP;
    return true;
}

/* ---- "{...}".format(...) ---- */

/* [[fill]align][sign][#][0][width][grouping][.precision][type] */
static bool parse_spec(struct jinja_run *r, struct jv text, struct spec *s)
{
    const char *p = text.as.s, *end = p + text.len;
    size_t fill = p < end ? jinja_char_bytes(p) : 0;
    *s = (struct spec){.fill = jv_ascii(" "), .precision = -1};
    if ((size_t)(end - p) > fill && fill && strchr("<>=^", p[fill])) {
        s->fill = jv_text(p, fill);
        s->align = p[fill];
        p += fill + 1;
    } else if (p < end && strchr("<>=^", *p)) {
        s->align = *p++;
    }
    if (p < end && strchr("+- ", *p)) {
        s->sign = *p == '-' ? 0 : *p;
        p++;
    }
    if (p < end && *p == '#') s->alternate = *p++ == '#';
    if (p < end && *p == '0') {
        if (!s->align) {
            s->align = '=';
            s->fill = jv_ascii("0");
        }
        p++;
    }
    for (; p < end && *p >= '0' && *p <= '9' && s->width <= INT32_MAX; p++)
        s->width = s->width * 10 + (*p - '0');
    if (p < end && (*p == ',' || *p == '_')) s->group = *p++;
    if (p < end && *p == '.') {
        const char *digits = ++p;
        for (s->precision = 0; p < end && *p >= '0' && *p <= '9' && s->precision <= INT32_MAX; p++)
            s->precision = s->precision * 10 + (*p - '0');
        if (p == digits) return jinja_fail(r, "a format specification has no digits behind its point");
    }
    if (p < end) s->type = *p++;
    if (p == end && s->width <= INT32_MAX && s->precision <= INT32_MAX) return true;
    return jinja_fail(r, "invalid format specification '%.*s'", (int)(text.len < 60 ? text.len : 60),
                      text.as.s);
}

static bool format_str(struct jinja_run *r, struct jv *acc, struct jv v, const struct spec *s)
{
    if ((s->type && s->type != 's') || s->sign || s->alternate || s->group ||
        (s->align == '=' && !jv_equals_text(s->fill, "0")))
        return jinja_fail(r, "this format specification is not for strings");
    if (s->precision >= 0) v = jinja_slice_bytes(v, 0, jinja_offset(v, (size_t)s->precision));
    return append_aligned(r, acc, v, s, s->align == '=' || !s->align ? '<' : s->align);
}

static bool format_int(struct jinja_run *r, struct jv *acc, int64_t i, const struct spec *s)
{
    char text[72];
    if (s->type && strchr("eEfFgG%", s->type)) return append_float(r, acc, (double)i, s);
    if (s->type == 'c') {
        struct jv c = jv_ascii("");
        return append_char_code(r, &c, i) && append_aligned(r, acc, c, s, s->align ? s->align : '<');
    }
    if (s->precision >= 0) return jinja_fail(r, "a precision is not for integers");
    if (s->type && !strchr("dboxXn", s->type))
        return jinja_fail(r, "unknown format code '%c' for an integer", s->type);
    if (s->group == ',' && s->type && strchr("boxX", s->type))
        return jinja_fail(r, "',' groups decimal digits only");
    int_text(i, s->type, text);
    return append_number(r, acc, text, prefix_of(s), s);
}

/* format(v, spec), appended. */
static bool format_value(struct jinja_run *r, struct jv *acc, struct jv v, struct jv spec)
{
    struct spec s;
    if (spec.len == 0) return jinja_append_value(r, acc, v);
    if (v.type != JV_STR && !jv_is_number(v))
        return jinja_fail(r, "a format specification is not for '%s'", jv_type_name(v));
    if (!parse_spec(r, spec, &s)) return false;
    if (v.type == JV_STR) return format_str(r, acc, v, &s);
    if (jv_is_int(v)) return format_int(r, acc, v.as.i, &s);
    if (s.type && !strchr("eEfFgGn%", s.type))
        return jinja_fail(r, "unknown format code '%c' for a float", s.type);
    return append_float(r, acc, v.as.f, &s);
}

struct braces {
    struct jinja_run *r;
    const struct jinja_args *args;
    const struct jinja_dict *map; /* format_map's */
    int64_t next;                 /* of the fields without a number; -1: fields have numbers */
};

static bool find_field(struct braces *b, struct jv name, struct jv *out)
{
    struct jv number = name.len ? jinja_parse_number(b->r, name.as.s, name.len) : jv_missing();
    bool digits = number.type == JV_INT && name.as.s[0] >= '0' && name.as.s[0] <= '9';
    if (name.len == 0 || digits) {
        int64_t at = digits ? number.as.i : b->next;
        if (digits ? b->next > 0 : b->next < 0)
            return jinja_fail(b->r, "format: fields with and without numbers cannot be mixed");
        b->next = digits ? -1 : b->next + 1;
        if (at >= b->args->n_pos) return jinja_fail(b->r, "format: there is no value %lld", (long long)at);
        *out = b->args->pos[at];
        return true;
    }
    const struct jv *v = b->map ? jinja_dict_get(b->map, name) : NULL;
    for (uint32_t i = 0; !v && i < b->args->n_kw; i++) {
        if (jv_equals_text(b->args->kw[i].name, "") || b->args->kw[i].name.len != name.len) continue;
        if (memcmp(b->args->kw[i].name.as.s, name.as.s, name.len) == 0) v = &b->args->kw[i].value;
    }
    if (!v)
        return jinja_fail(b->r, "format: there is no value '%.*s'", (int)(name.len < 60 ? name.len : 60),
                          name.as.s);
    *out = *v;
    return true;
}

/* name[.attribute | [item]]* */
static bool field_value(struct braces *b, struct jv field, struct jv *out)
{
    size_t at = 0;
    while (at < field.len && field.as.s[at] != '.' && field.as.s[at] != '[') at++;
    if (!find_field(b, jinja_slice_bytes(field, 0, at), out)) return false;
    while (at < field.len) {
        bool item = field.as.s[at] == '[';
        size_t start = ++at;
        while (at < field.len &&
               (item ? field.as.s[at] != ']' : field.as.s[at] != '.' && field.as.s[at] != '['))
            at++;
        struct jv key = jv_text(field.as.s + start, at - start), number;
        if (key.len == 0 || (item && at == field.len))
            return jinja_fail(b->r, "format: an empty attribute or an item without ']'");
        number = item ? jinja_parse_number(b->r, key.as.s, key.len) : jv_missing();
        if (number.type == JV_INT && key.as.s[0] >= '0' && key.as.s[0] <= '9') key = number;
        if (item ? !jinja_getitem(b->r, *out, key, out) : !jinja_getattr(b->r, *out, key, out)) return false;
        at += item;
        if (item && at < field.len && field.as.s[at] != '.' && field.as.s[at] != '[')
            return jinja_fail(b->r, "format: only '.' or '[' may follow ']'");
    }
    return true;
}

static bool append_braces(struct braces *b, struct jv *acc, struct jv text, int depth);

/* {field!conversion:spec}; text is what stands between the braces. */
static bool append_field(struct braces *b, struct jv *acc, struct jv text, int depth)
{
    size_t at = 0;
    bool within = false;
    while (at < text.len && (within || (text.as.s[at] != '!' && text.as.s[at] != ':'))) {
        within = text.as.s[at] == '[' || (within && text.as.s[at] != ']');
        at++;
    }
    struct jv v, spec = jv_ascii(""), shown = jv_ascii("");
    char conversion = 0;
    if (!field_value(b, jinja_slice_bytes(text, 0, at), &v)) return false;
    if (at < text.len && text.as.s[at] == '!') {
        conversion = at + 1 < text.len ? text.as.s[at + 1] : 0;
        at += 2;
        if (!conversion || !strchr("rsa", conversion) || (at < text.len && text.as.s[at] != ':'))
            return jinja_fail(b->r, "format: after '!' comes r, s or a");
    }
    if (at < text.len && !append_braces(b, &spec, jinja_slice_bytes(text, at + 1, text.len), depth - 1))
        return false;
    if (conversion == 's' ? !jinja_append_value(b->r, &shown, v)
                          : conversion && !jinja_append_repr(b->r, &shown, v))
        return false;
    return format_value(b->r, acc, conversion ? shown : v, spec);
}

static bool append_braces(struct braces *b, struct jv *acc, struct jv text, int depth)
{
    if (depth < 0) return jinja_fail(b->r, "format: fields are nested too deep");
    for (size_t i = 0; i < text.len; i++) {
        char c = text.as.s[i];
        bool doubled = (c == '{' || c == '}') && i + 1 < text.len && text.as.s[i + 1] == c;
        if (doubled || (c != '{' && c != '}')) {
            if (!jinja_append(b->r, acc, &c, 1)) return false;
            i += doubled;
            continue;
        }
        if (c == '}') return jinja_fail(b->r, "format: a single '}'");
        size_t start = i + 1;
        for (int open = 1; open > 0;) {
            if (++i >= text.len) return jinja_fail(b->r, "format: a field has no '}'");
            open += text.as.s[i] == '{' ? 1 : text.as.s[i] == '}' ? -1 : 0;
        }
        if (!jinja_work(b->r, 1) || !append_field(b, acc, jinja_slice_bytes(text, start, i), depth))
            return false;
    }
    return true;
}

bool jinja_str_format(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out)
{
    struct braces b = {.r = r, .args = args};
    struct jv acc = jv_ascii("");
    if (!append_braces(&b, &acc, self, 1)) return false;
    *out = acc;
    out->flags |= self.flags & JV_MARKUP;
    return true;
}

bool jinja_str_format_map(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out)
{
    if (args->n_pos != 1 || args->n_kw || args->pos[0].type != JV_DICT)
        return jinja_fail(r, "format_map wants one mapping");
    struct jinja_args none = {0};
    struct braces b = {.r = r, .args = &none, .map = args->pos[0].as.dict};
    struct jv acc = jv_ascii("");
    if (!append_braces(&b, &acc, self, 1)) return false;
    *out = acc;
    return true;
}

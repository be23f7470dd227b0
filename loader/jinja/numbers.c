/* Filters that make numbers. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool f_abs(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    if (a[0].type == JV_FLOAT) {
        *out = jv_float(fabs(a[0].as.f));
        return true;
    }
    if (!jv_is_int(a[0])) return jinja_fail(r, "abs: '%s' is no number", jv_type_name(a[0]));
    *out = jv_int(a[0].as.i);
    return a[0].as.i >= 0 || jinja_negate(r, a[0], out);
}

/* ---- text to numbers ---- */

/* Python's float(text): missing where it is none. */
static struct jv parse_float(struct jinja_run *r, struct jv s)
{
    static const struct {
        const char *text;
        double value;
    } words[] = {{"inf", INFINITY}, {"infinity", INFINITY}, {"nan", NAN}};
    s = jinja_strip(s, jv_missing(), JINJA_LEFT | JINJA_RIGHT);
    struct jv v = jinja_parse_number(r, s.as.s, s.len);
    if (v.type == JV_INT) return jv_float((double)v.as.i);
    if (v.type == JV_BIG) {
        char *digits = jinja_alloc(r, (size_t)v.len + 1, 1);
        if (!digits) return jv_missing();
        memcpy(digits, v.as.s, v.len);
        return jv_float(strtod(digits, NULL));
    }
    if (v.type == JV_FLOAT) return v;
    bool sign = s.len && (s.as.s[0] == '-' || s.as.s[0] == '+');
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i].text), k = 0;
        if (s.len - sign != n) continue;
        while (k < n && (s.as.s[sign + k] | 32) == words[i].text[k]) k++;
        if (k == n) return jv_float(sign && s.as.s[0] == '-' ? -words[i].value : words[i].value);
    }
    return jv_missing();
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'z' ? (c | 32) - 'a' + 10 : 99;
}

/* Python's int(text, base): missing where it is none. Fails beyond 64 bits. */
static bool parse_int(struct jinja_run *r, struct jv s, int64_t base, struct jv *out)
{
    *out = jv_missing();
    s = jinja_strip(s, jv_missing(), JINJA_LEFT | JINJA_RIGHT);
    if (base == 10) {
        struct jv v = jinja_parse_number(r, s.as.s, s.len);
        if (v.type == JV_INT || v.type == JV_BIG) *out = v;
        return true;
    }
    const char *p = s.as.s, *end = p + s.len;
    bool negative = p < end && *p == '-', digit = false;
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (base != 0 && (base < 2 || base > 36)) return true;
    if (end - p > 2 && *p == '0') {
        int marked = (p[1] | 32) == 'x' ? 16 : (p[1] | 32) == 'o' ? 8 : (p[1] | 32) == 'b' ? 2 : 0;
        if (marked && (base == 0 || base == marked)) {
            base = marked;
            p += 2;
            digit = true; /* an underscore may follow */
        }
    }
    bool zeros_only = base == 0 && p < end && *p == '0';
    if (base == 0) base = 10;
    uint64_t value = 0;
    for (; p < end; p++) {
        if (*p == '_' && digit) {
            digit = false;
            continue;
        }
        int d = digit_of(*p);
        if (d >= base || (zeros_only && d)) return true;
        if (value > ((uint64_t)INT64_MAX - (uint64_t)d) / (uint64_t)base)
            return jinja_fail(r, "int: an integer beyond 64 bits");
        value = value * (uint64_t)base + (uint64_t)d;
        digit = true;
    }
    if (digit) *out = jv_int(negative ? -(int64_t)value : (int64_t)value);
    return true;
}

static bool truncate_float(struct jinja_run *r, double f, struct jv *out)
{
    f = trunc(f);
    if (!(f >= -0x1p63 && f < 0x1p63)) return jinja_fail(r, "int: an integer beyond 64 bits");
    *out = jv_int((int64_t)f);
    return true;
}

static bool f_int(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    int64_t base;
    struct jv v = a[0];
    *out = a[1].type == JV_MISSING ? jv_int(0) : a[1];
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(r, v);
    if (!jinja_arg_int(r, a[2], 10, &base)) return false;
    if (jv_is_int(v) || v.type == JV_BIG) {
        *out = v.type == JV_BOOL ? jv_int(v.as.i) : v;
        return true;
    }
    if (v.type == JV_FLOAT) return isnan(v.as.f) || truncate_float(r, v.as.f, out);
    if (v.type != JV_STR) return true;
    struct jv parsed;
    if (!parse_int(r, v, base, &parsed)) return false;
    if (parsed.type == JV_MISSING) { /* "42.9" is 42 */
        parsed = parse_float(r, v);
        if (parsed.type == JV_MISSING || !isfinite(parsed.as.f)) return true;
        return truncate_float(r, parsed.as.f, out);
    }
    *out = parsed;
    return true;
}

static bool f_float(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv v = a[0];
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(r, v);
    if (jv_is_number(v))
        *out = jv_float(jv_double(v));
    else
        *out = v.type == JV_STR || v.type == JV_BIG ? parse_float(r, v) : jv_missing();
    if (out->type == JV_MISSING) *out = a[1].type == JV_MISSING ? jv_float(0) : a[1];
    return true;
}

/* ---- rounding ---- */

/* round(x, digits) of a float: to the nearest, exact ties to even, which is how printf rounds. */
static bool round_float(struct jinja_run *r, double x, int64_t digits, struct jv *out)
{
    char text[800]; /* 309 digits before the point, 400 after */
    *out = jv_float(x);
    if (!isfinite(x) || digits > 330 || x == 0) return true;
    if (digits >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, x);
        *out = jv_float(strtod(text, NULL));
        return true;
    }
    if (digits < -308) {
        *out = jv_float(copysign(0, x));
        return true;
    }
    /* before the point: to so many significant digits */
    snprintf(text, sizeof text, "%.17e", fabs(x));
    int keep = atoi(strchr(text, 'e') + 1) + (int)digits;
    double rounded = 0;
    if (keep >= 0) {
        snprintf(text, sizeof text, "%.*e", keep, fabs(x));
        rounded = strtod(text, NULL);
    } else if (keep == -1) { /* below the unit, but perhaps above its half */
        double unit = pow(10, (double)-digits);
        rounded = fabs(x) > unit / 2 ? unit : 0;
    }
    if (!isfinite(rounded)) return jinja_fail(r, "round: the result is too large for a float");
    *out = jv_float(copysign(rounded, x));
    return true;
}

static bool round_int(struct jinja_run *r, int64_t i, int64_t digits, struct jv *out)
{
    int64_t unit = 1;
    *out = jv_int(i);
    if (digits >= 0) return true;
    if (digits < -18) {
        *out = jv_int(0);
        return true;
    }
    for (; digits < 0; digits++) unit *= 10;
    int64_t rest = ((i % unit) + unit) % unit, down = i / unit - (i % unit < 0);
    bool up = rest > unit / 2 || (rest == unit / 2 && (down & 1));
    struct jv steps = jv_int(down + up);
    return jinja_binary(r, JINJA_MUL, steps, jv_int(unit), out);
}

static bool f_round(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv v = a[0], method = a[2].type == JV_MISSING ? jv_ascii("common") : a[2], unit;
    int64_t digits;
    bool ceiling = jv_equals_text(method, "ceil");
    if (v.type == JV_UNDEFINED) return jinja_fail_undefined(r, v);
    if (!ceiling && !jv_equals_text(method, "floor") && !jv_equals_text(method, "common"))
        return jinja_fail(r, "round: the method is common, ceil or floor");
    if (!jv_is_number(v)) return jinja_fail(r, "round: '%s' is no number", jv_type_name(v));
    if (jv_equals_text(method, "common")) {
        bool none = a[1].type == JV_NONE; /* then even a float becomes an integer */
        if (!jinja_arg_int(r, none ? jv_missing() : a[1], 0, &digits)) return false;
        if (jv_is_int(v)) return round_int(r, v.as.i, digits, out);
        return round_float(r, v.as.f, digits, out) && (!none || truncate_float(r, out->as.f, out));
    }
    if (!jinja_arg_int(r, a[1], 0, &digits) ||
        !jinja_binary(r, JINJA_POW, jv_int(10), jv_int(digits), &unit) ||
        !jinja_binary(r, JINJA_MUL, v, unit, out))
        return false;
    if (out->type == JV_FLOAT && !truncate_float(r, ceiling ? ceil(out->as.f) : floor(out->as.f), out))
        return false;
    return jinja_binary(r, JINJA_DIV, *out, unit, out);
}

static bool f_filesizeformat(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    static const char letters[] = "kMGTPEZY";
    struct jv v;
    char text[64];
    bool binary = a[1].type != JV_MISSING && jinja_truth(a[1]);
    double base = binary ? 1024 : 1000;
    if (a[0].type == JV_UNDEFINED) return jinja_fail_undefined(r, a[0]);
    v = jv_is_number(a[0])    ? jv_float(jv_double(a[0]))
        : a[0].type == JV_STR ? parse_float(r, a[0])
                              : jv_missing();
    if (v.type == JV_MISSING || !isfinite(v.as.f)) return jinja_fail(r, "filesizeformat: no number of bytes");
    if (v.as.f == 1) {
        snprintf(text, sizeof text, "1 Byte");
    } else if (v.as.f < base) {
        snprintf(text, sizeof text, "%lld Bytes", (long long)v.as.f);
    } else {
        double unit = base * base;
        size_t i = 0;
        for (; i < 7 && v.as.f >= unit; i++) unit *= base;
        char letter = binary && letters[i] == 'k' ? 'K' : letters[i];
        snprintf(text, sizeof text, "%.1f %c%sB", base * v.as.f / unit, letter, binary ? "i" : "");
    }
    return jinja_copy(r, text, strlen(text), out);
}

const struct jinja_builtin jinja_number_filters[] = {
    {"abs", "", f_abs, NULL},
    {"int", "?default ?base", f_int, NULL},
    {"float", "?default", f_float, NULL},
    {"round", "?precision ?method", f_round, NULL},
    {"filesizeformat", "?binary", f_filesizeformat, NULL},
    {0},
};

/* JSON as Python's json module reads and writes it: integers stay integers, 1.0 stays 1.0, keys keep their
 * order. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"
#include "loader/utf8.h"

#include <math.h>
#include <stdio.h>

/* ---- writing ---- */

static bool append_string(struct jinja_run *r, struct jv *acc, struct jv s, bool ascii)
{
    char text[16];
    size_t n, start = 0;
    bool ok = jinja_append_text(r, acc, "\"");
    for (size_t i = 0; ok && i < s.len; i += n) {
        uint32_t c = jinja_char_at(s.as.s + i, &n);
        if (c >= ' ' && c != '"' && c != '\\' && (!ascii || c < 0x7F)) continue;
        static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
        const char *named = c < 0x80 && c ? strchr(from, (int)c) : NULL;
        if (named)
            snprintf(text, sizeof text, "\\%c", to[named - from]);
        else if (c < 0x10000)
            snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
        else
            snprintf(text, sizeof text, "\\u%04x\\u%04x", (unsigned)(0xD7C0 + (c >> 10)),
                     (unsigned)(0xDC00 + (c & 0x3FF)));
        ok = jinja_append(r, acc, s.as.s + start, i - start) && jinja_append_text(r, acc, text);
        start = i + n;
    }
    return ok && jinja_append(r, acc, s.as.s + start, s.len - start) && jinja_append_text(r, acc, "\"");
}

/* Numbers, true, false, null: as values and as keys. */
static bool append_scalar(struct jinja_run *r, struct jv *acc, struct jv v)
{
    if (v.type == JV_NONE) return jinja_append_text(r, acc, "null");
    if (v.type == JV_BOOL) return jinja_append_text(r, acc, v.as.i ? "true" : "false");
    if (v.type == JV_FLOAT && isnan(v.as.f)) return jinja_append_text(r, acc, "NaN");
    if (v.type == JV_FLOAT && isinf(v.as.f))
        return jinja_append_text(r, acc, v.as.f < 0 ? "-Infinity" : "Infinity");
    return jinja_append_repr(r, acc, v);
}

static bool is_scalar(struct jv v)
{
    return v.type == JV_NONE || v.type == JV_BOOL || v.type == JV_INT || v.type == JV_BIG ||
           v.type == JV_FLOAT;
}

static bool append_at(struct jinja_run *r, struct jv *acc, struct jv v, const struct jinja_json_style *s,
                      size_t level);

static bool new_line(struct jinja_run *r, struct jv *acc, const struct jinja_json_style *s, size_t level)
{
    if (s->indent.type != JV_STR) return true;
    return jinja_append_text(r, acc, "\n") && jinja_append_repeat(r, acc, s->indent, level);
}

static bool append_array(struct jinja_run *r, struct jv *acc, const struct jinja_list *l,
                         const struct jinja_json_style *s, size_t level)
{
    if (l->n == 0) return jinja_append_text(r, acc, "[]");
    bool ok = jinja_append_text(r, acc, "[");
    for (uint32_t i = 0; ok && i < l->n; i++)
        ok = (i == 0 || jinja_append_value(r, acc, s->item_sep)) && new_line(r, acc, s, level + 1) &&
             append_at(r, acc, l->items[i], s, level + 1);
    return ok && new_line(r, acc, s, level) && jinja_append_text(r, acc, "]");
}

static bool append_key(struct jinja_run *r, struct jv *acc, struct jv key, const struct jinja_json_style *s)
{
    if (key.type == JV_STR) return append_string(r, acc, key, s->ascii);
    if (!is_scalar(key))
        return jinja_fail(r, "tojson: keys must be str, int, float, bool or None, not %s", jv_type_name(key));
    return jinja_append_text(r, acc, "\"") && append_scalar(r, acc, key) && jinja_append_text(r, acc, "\"");
}

static bool append_object(struct jinja_run *r, struct jv *acc, const struct jinja_dict *d,
                          const struct jinja_json_style *s, size_t level)
{
    if (d->n == 0) return jinja_append_text(r, acc, "{}");
    uint32_t *order = NULL;
    if (s->sort) {
        struct jinja_list *keys = jinja_collect(r, (struct jv){.type = JV_DICT, .as.dict = (void *)d});
        if (!keys || !(order = jinja_sorted(r, keys, false))) return false;
    }
    bool ok = jinja_append_text(r, acc, "{");
    for (uint32_t i = 0; ok && i < d->n; i++) {
        const struct jinja_entry *e = &d->entries[order ? order[i] : i];
        ok = (i == 0 || jinja_append_value(r, acc, s->item_sep)) && new_line(r, acc, s, level + 1) &&
             append_key(r, acc, e->key, s) && jinja_append_value(r, acc, s->key_sep) &&
             append_at(r, acc, e->value, s, level + 1);
    }
    return ok && new_line(r, acc, s, level) && jinja_append_text(r, acc, "}");
}

static bool append_at(struct jinja_run *r, struct jv *acc, struct jv v, const struct jinja_json_style *s,
                      size_t level)
{
    if (v.type == JV_STR) return append_string(r, acc, v, s->ascii);
    if (is_scalar(v)) return append_scalar(r, acc, v);
    bool array = v.type == JV_LIST || v.type == JV_TUPLE;
    if (!array && v.type != JV_DICT)
        return jinja_fail(r, "tojson: Object of type %s is not JSON serializable", jv_type_name(v));
    if (!jinja_enter(r)) return false;
    bool ok = array ? append_array(r, acc, v.as.list, s, level) : append_object(r, acc, v.as.dict, s, level);
    jinja_leave(r);
    return ok;
}

bool jinja_append_json(struct jinja_run *r, struct jv *acc, struct jv v, const struct jinja_json_style *s)
{
    return append_at(r, acc, v, s, 0);
}

/* ---- reading ---- */

struct reader {
    struct jinja_run *r;
    const char *s;
    size_t n, at;
};

static bool wrong(struct reader *j, const char *what)
{
    return jinja_fail_code(j->r, HK_ERR_FORMAT, "not valid JSON at byte %zu of %zu: %s", j->at, j->n, what);
}

static void skip_space(struct reader *j)
{
    while (j->at < j->n && strchr(" \t\r\n", j->s[j->at]) && j->s[j->at]) j->at++;
}

static bool take(struct reader *j, char c)
{
    skip_space(j);
    if (j->at >= j->n || j->s[j->at] != c) return false;
    j->at++;
    return true;
}

/* Four hexadecimal digits; UINT32_MAX where they are none. */
static uint32_t hex4(const struct reader *j, size_t at)
{
    uint32_t v = 0;
    if (j->n < 4 || at > j->n - 4) return UINT32_MAX;
    for (size_t i = at; i < at + 4; i++) {
        char c = j->s[i];
        uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                            : 16;
        if (d == 16) return UINT32_MAX;
        v = v << 4 | d;
    }
    return v;
}

/* What follows a backslash; j->at is behind it. */
static bool read_escape(struct reader *j, struct jv *acc)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->at >= j->n) return wrong(j, "a string has no end");
    char c = j->s[j->at++];
    const char *named = c ? strchr(from, c) : NULL;
    if (named) return jinja_append(j->r, acc, &to[named - from], 1);
    if (c != 'u') return wrong(j, "an unknown escape in a string");
    uint32_t u = hex4(j, j->at);
    if (u == UINT32_MAX) return wrong(j, "\\u wants four hexadecimal digits");
    j->at += 4;
    if (u >= 0xD800 && u < 0xE000) {
        bool pair = u < 0xDC00 && j->n - j->at >= 6 && j->s[j->at] == '\\' && j->s[j->at + 1] == 'u';
        uint32_t low = pair ? hex4(j, j->at + 2) : 0;
        if (low < 0xDC00 || low > 0xDFFF) return wrong(j, "half of a surrogate pair is no character");
        j->at += 6;
        u = 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
    }
    return jinja_append_char(j->r, acc, u);
}

/* j->at is behind the opening quote. Without escapes the value points into the text. */
static bool read_string(struct reader *j, struct jv *out)
{
    struct jv acc = jv_missing();
    size_t start = j->at;
    for (;; j->at++) {
        if (j->at >= j->n) return wrong(j, "a string has no end");
        char c = j->s[j->at];
        if ((unsigned char)c < 0x20) return wrong(j, "a control character in a string");
        if (c == '"') break;
        if (c != '\\') continue;
        if (!jinja_append(j->r, &acc, j->s + start, j->at - start)) return false;
        j->at++;
        if (!read_escape(j, &acc)) return false;
        start = j->at--;
    }
    size_t n = j->at++ - start;
    if (acc.type == JV_MISSING) {
        *out = jv_text(j->s + start, n);
        return true;
    }
    if (!jinja_append(j->r, &acc, j->s + start, n)) return false;
    *out = acc;
    return true;
}

static bool read_value(struct reader *j, struct jv *out);

static bool read_array(struct reader *j, struct jv *out)
{
    struct jinja_list *l = jinja_list_new(j->r, 0);
    struct jv item;
    if (!l) return false;
    *out = jv_list(JV_LIST, l);
    if (take(j, ']')) return true;
    do {
        if (!read_value(j, &item) || !jinja_list_add(j->r, l, item)) return false;
    } while (take(j, ','));
    return take(j, ']') || wrong(j, "',' or ']' is expected");
}

static bool read_object(struct reader *j, struct jv *out)
{
    struct jinja_dict *d = jinja_dict_new(j->r);
    struct jv key, value;
    if (!d) return false;
    *out = jv_dict(d);
    if (take(j, '}')) return true;
    do {
        if (!take(j, '"')) return wrong(j, "a key in quotes is expected");
        if (!read_string(j, &key)) return false;
        if (!take(j, ':')) return wrong(j, "':' is expected");
        if (!read_value(j, &value) || !jinja_dict_set(j->r, d, key, value)) return false;
    } while (take(j, ','));
    return take(j, '}') || wrong(j, "',' or '}' is expected");
}

static size_t count_digits(const struct reader *j, size_t at)
{
    size_t n = 0;
    while (at + n < j->n && j->s[at + n] >= '0' && j->s[at + n] <= '9') n++;
    return n;
}

static bool read_number(struct reader *j, struct jv *out)
{
    size_t i = j->at, digits;
    if (j->s[i] == '-') i++;
    digits = count_digits(j, i);
    if (digits == 0 || (digits > 1 && j->s[i] == '0')) return wrong(j, "a value is expected");
    i += digits;
    if (i < j->n && j->s[i] == '.') {
        digits = count_digits(j, i + 1);
        if (digits == 0) return wrong(j, "a number has no digits behind its point");
        i += 1 + digits;
    }
    if (i < j->n && (j->s[i] == 'e' || j->s[i] == 'E')) {
        i++;
        if (i < j->n && (j->s[i] == '+' || j->s[i] == '-')) i++;
        digits = count_digits(j, i);
        if (digits == 0) return wrong(j, "a number's exponent has no digits");
        i += digits;
    }
    *out = jinja_parse_number(j->r, j->s + j->at, i - j->at);
    j->at = i;
    return out->type != JV_MISSING;
}

static bool read_word(struct reader *j, struct jv *out)
{
    static const char *const words[] = {"null", "false", "true"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if (j->n - j->at < n || memcmp(j->s + j->at, words[i], n) != 0) continue;
        j->at += n;
        *out = i == 0 ? jv_none() : jv_bool(i == 2);
        return true;
    }
    return wrong(j, "a value is expected");
}

static bool read_value(struct reader *j, struct jv *out)
{
    skip_space(j);
    if (j->at >= j->n) return wrong(j, "a value is expected");
    char c = j->s[j->at];
    if (c == '-' || (c >= '0' && c <= '9')) return read_number(j, out);
    if (c != '"' && c != '[' && c != '{') return read_word(j, out);
    j->at++;
    if (c == '"') return read_string(j, out);
    if (!jinja_enter(j->r)) return false;
    bool ok = c == '[' ? read_array(j, out) : read_object(j, out);
    jinja_leave(j->r);
    return ok;
}

bool jinja_parse_json(struct jinja_run *r, const char *text, size_t len, struct jv *out)
{
    struct reader j = {.r = r, .s = text, .n = len};
    size_t valid = hk_utf8_valid_run(text, len);
    if (valid < len) {
        j.at = valid;
        return wrong(&j, "not UTF-8");
    }
    if (len > UINT32_MAX / 4)
        return jinja_fail_code(r, HK_ERR_MEMORY, "JSON of more than 1 GiB: no more is accepted");
    if (!read_value(&j, out)) return false;
    skip_space(&j);
    return j.at == len || wrong(&j, "more text after the value");
}

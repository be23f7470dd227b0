/* Filters that make strings. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

#include <stdio.h>

/* ---- as the methods of the same names ---- */

static bool to_case(struct jinja_run *r, struct jv v, enum jinja_case k, struct jv *out)
{
    struct jv s;
    return jinja_str(r, v, &s) && jinja_to_case(r, s, k, out);
}

static bool f_upper(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return to_case(r, a[0], JINJA_TO_UPPER, out);
}

static bool f_lower(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return to_case(r, a[0], JINJA_TO_LOWER, out);
}

static bool f_capitalize(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return to_case(r, a[0], JINJA_TO_CAPITALIZED, out);
}

/* Not the method: words end at white space and opening brackets only. */
static bool f_title(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv s, part, acc = jv_ascii("");
    size_t n;
    bool ok = jinja_str(r, a[0], &s);
    for (size_t i = 0; ok && i < s.len;) {
        uint32_t c = jinja_char_at(s.as.s + i, &n);
        size_t first = i + n, end = first;
        bool between = jinja_is_space(c) || (c < 0x80 && c && strchr("-({[<", (int)c));
        while (!between && end < s.len) {
            c = jinja_char_at(s.as.s + end, &n);
            if (jinja_is_space(c) || (c < 0x80 && c && strchr("-({[<", (int)c))) break;
            end += n;
        }
        ok = jinja_to_case(r, jinja_slice_bytes(s, i, first), JINJA_TO_UPPER, &part) &&
             jinja_append(r, &acc, part.as.s, part.len) &&
             jinja_to_case(r, jinja_slice_bytes(s, first, end), JINJA_TO_LOWER, &part) &&
             jinja_append(r, &acc, part.as.s, part.len);
        i = end;
    }
    *out = acc;
    return ok;
}

static bool f_trim(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv s;
    if (jv_given(a[1]) && a[1].type != JV_STR)
        return jinja_fail(r, "trim: the characters must be a string, not '%s'", jv_type_name(a[1]));
    if (!jinja_str(r, a[0], &s)) return false;
    *out = jinja_strip(s, a[1], JINJA_LEFT | JINJA_RIGHT);
    return jinja_work(r, s.len / 64);
}

static bool f_replace(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv s, from, to;
    int64_t count;
    return jinja_str(r, a[0], &s) && jinja_str(r, a[1], &from) && jinja_str(r, a[2], &to) &&
           jinja_arg_int(r, jv_given(a[3]) ? a[3] : jv_missing(), -1, &count) &&
           (s.flags &= (uint8_t)~JV_MARKUP, jinja_replace(r, s, from, to, count, out));
}

static bool f_string(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return jinja_str(r, a[0], out);
}

static bool f_format(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out)
{
    struct jv s, values;
    if (args->n_pos && args->n_kw)
        return jinja_fail(r, "format: give values by position or by name, not both");
    if (!jinja_str(r, self, &s)) return false;
    if (args->n_kw) {
        struct jinja_dict *d = jinja_dict_new(r);
        for (uint32_t i = 0; d && i < args->n_kw; i++) {
            if (!jinja_dict_set(r, d, args->kw[i].name, args->kw[i].value)) return false;
        }
        values = jv_dict(d);
        return d && jinja_percent(r, s, values, out);
    }
    struct jinja_list *l = jinja_list_new(r, args->n_pos);
    for (uint32_t i = 0; l && i < args->n_pos; i++) l->items[l->n++] = args->pos[i];
    return l && jinja_percent(r, s, jv_list(JV_TUPLE, l), out);
}

/* ---- HTML ---- */

static bool f_escape(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    return jinja_escape(r, a[0], out);
}

static bool f_forceescape(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv s;
    if (!jinja_str(r, a[0], &s)) return false;
    s.flags &= (uint8_t)~JV_MARKUP;
    return jinja_escape(r, s, out);
}

static bool f_safe(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    if (!jinja_str(r, a[0], out)) return false;
    out->flags |= JV_MARKUP;
    return true;
}

static bool append_quoted(struct jinja_run *r, struct jv *acc, struct jv v, bool query)
{
    struct jv s;
    if (!jinja_str(r, v, &s)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < s.len; i++) {
        char c = s.as.s[i], hex[4];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("_.-~", c)) || (c == '/' && !query);
        if (!plain) snprintf(hex, sizeof hex, "%%%02X", (unsigned)(unsigned char)c);
        ok = plain ? jinja_append(r, acc, &c, 1) : jinja_append_text(r, acc, c == ' ' && query ? "+" : hex);
    }
    return ok;
}

static bool f_urlencode(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv acc = jv_ascii(""), items = a[0], pair;
    if (a[0].type == JV_STR || !jv_iterable(a[0])) {
        if (!append_quoted(r, &acc, a[0], false)) return false;
        *out = acc;
        return true;
    }
    if (items.type == JV_DICT)
        items = (struct jv){.type = JV_VIEW, .flags = JV_ITEMS, .as.dict = a[0].as.dict};
    struct jinja_iter *it = jinja_iter(r, items);
    for (bool first = true; it; first = false) {
        enum jinja_step step = jinja_next(r, it, &pair);
        if (step == JINJA_END) break;
        struct jinja_list *l = step == JINJA_ITEM ? jinja_collect(r, pair) : NULL;
        if (!l) return false;
        if (l->n != 2) return jinja_fail(r, "urlencode wants pairs");
        if ((!first && !jinja_append_text(r, &acc, "&")) || !append_quoted(r, &acc, l->items[0], true) ||
            !jinja_append_text(r, &acc, "=") || !append_quoted(r, &acc, l->items[1], true))
            return false;
    }
    *out = acc;
    return it != NULL;
}

static bool f_xmlattr(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv acc = jv_ascii(""), value;
    bool space = a[1].type == JV_MISSING || jinja_truth(a[1]), first = true;
    if (a[0].type == JV_UNDEFINED) return jinja_fail_undefined(r, a[0]);
    if (a[0].type != JV_DICT) return jinja_fail(r, "xmlattr wants a dict, not '%s'", jv_type_name(a[0]));
    for (uint32_t i = 0; i < a[0].as.dict->n; i++) {
        const struct jinja_entry *e = &a[0].as.dict->entries[i];
        if (e->value.type == JV_NONE || e->value.type == JV_UNDEFINED) continue;
        if (e->key.type != JV_STR) return jinja_fail(r, "xmlattr: names must be strings");
        for (size_t k = 0; k < e->key.len; k++) {
            if (e->key.as.s[k] && strchr(" \t\n\r\f\v/>=", e->key.as.s[k]))
                return jinja_fail(r, "xmlattr: a name may not contain white space, '/', '>' or '='");
        }
        if ((!first || space) && !jinja_append_text(r, &acc, " ")) return false;
        first = false;
        if (!jinja_escape(r, e->key, &value) || !jinja_append(r, &acc, value.as.s, value.len) ||
            !jinja_append_text(r, &acc, "=\"") || !jinja_escape(r, e->value, &value) ||
            !jinja_append(r, &acc, value.as.s, value.len) || !jinja_append_text(r, &acc, "\""))
            return false;
    }
    *out = acc;
    return true;
}

/* ---- layout ---- */

static bool spaces(struct jinja_run *r, int64_t n, struct jv *out)
{
    struct jv acc = jv_ascii("");
    if (n > 0 && (uint64_t)n > r->max_memory)
        return jinja_fail_code(r, HK_ERR_MEMORY, "a width of %lld is too large", (long long)n);
    if (n > 0 && !jinja_append_repeat(r, &acc, jv_ascii(" "), (size_t)n)) return false;
    *out = acc;
    return true;
}

static bool f_indent(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv s, by, acc = jv_missing();
    struct jinja_list *lines;
    int64_t width = 4;
    bool first = a[2].type != JV_MISSING && jinja_truth(a[2]);
    bool blank = a[3].type != JV_MISSING && jinja_truth(a[3]);
    if (!jinja_arg_str(r, a[0], "indent: what is indented", &s)) return false;
    if (a[1].type == JV_STR)
        by = a[1];
    else if (!jinja_arg_int(r, a[1], 4, &width) || !spaces(r, width, &by))
        return false;
    if (!jinja_append(r, &acc, s.as.s, s.len) || !jinja_append_text(r, &acc, "\n") ||
        !jinja_split_lines(r, acc, false, &lines))
        return false;
    struct jv text = jv_ascii("");
    bool ok = true;
    for (uint32_t i = 0; ok && i < lines->n; i++) {
        struct jv line = lines->items[i];
        bool indented = i == 0 ? first : blank || line.len > 0;
        ok = (i == 0 || jinja_append_text(r, &text, "\n")) &&
             (!indented || jinja_append(r, &text, by.as.s, by.len)) &&
             jinja_append(r, &text, line.as.s, line.len);
    }
    *out = text;
    out->flags |= s.flags & JV_MARKUP;
    return ok;
}

static bool f_center(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv s, left, right;
    int64_t width;
    if (!jinja_str(r, a[0], &s) || !jinja_arg_int(r, a[1], 80, &width)) return false;
    int64_t pad = width - (int64_t)jinja_str_chars(s);
    *out = s;
    if (pad <= 0) return true;
    int64_t before = pad / 2 + (pad & width & 1);
    if (!spaces(r, before, &left) || !spaces(r, pad - before, &right)) return false;
    *out = left;
    return jinja_append(r, out, s.as.s, s.len) && jinja_append(r, out, right.as.s, right.len);
}

static bool f_truncate(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv s, end = jv_ascii("...");
    int64_t length, leeway;
    bool killwords = a[2].type != JV_MISSING && jinja_truth(a[2]);
    size_t n;
    if (!jinja_length(r, a[0], &n))
        return jinja_fail(r, "truncate: a '%s' has no length", jv_type_name(a[0]));
    if (!jinja_arg_int(r, a[1], 255, &length) ||
        (a[3].type != JV_MISSING && !jinja_arg_str(r, a[3], "truncate: the end", &end)) ||
        !jinja_arg_int(r, jv_given(a[4]) ? a[4] : jv_missing(), 5, &leeway))
        return false;
    int64_t end_chars = (int64_t)jinja_str_chars(end), chars = (int64_t)n;
    if (length < end_chars || leeway < 0)
        return jinja_fail(r, "truncate: the length must be %lld or more, the leeway 0 or more",
                          (long long)end_chars);
    *out = a[0];
    if (leeway > INT64_MAX - length || chars <= length + leeway) return true;
    if (!jinja_arg_str(r, a[0], "truncate: the text", &s)) return false;
    size_t to = jinja_offset(s, (size_t)(length - end_chars));
    if (!killwords) { /* back to the last space */
        for (size_t i = to; i > 0; i--) {
            if (s.as.s[i - 1] != ' ') continue;
            to = i - 1;
            break;
        }
    }
    *out = jinja_slice_bytes(s, 0, to);
    return jinja_append(r, out, end.as.s, end.len);
}

static bool f_wordcount(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv s;
    int64_t words = 0;
    bool within = false;
    size_t n;
    if (!jinja_str(r, a[0], &s) || !jinja_work(r, s.len / 8)) return false;
    for (size_t i = 0; i < s.len; i += n) {
        bool word = jinja_is_word(jinja_char_at(s.as.s + i, &n));
        words += word && !within;
        within = word;
    }
    *out = jv_int(words);
    return true;
}

/* ---- any value ---- */

static bool json_separators(struct jinja_run *r, struct jv v, struct jinja_json_style *style)
{
    struct jinja_list *l = jinja_collect(r, v);
    if (!l) return false;
    if (l->n != 2) return jinja_fail(r, "tojson: separators are two strings");
    return jinja_arg_str(r, l->items[0], "tojson: a separator", &style->item_sep) &&
           jinja_arg_str(r, l->items[1], "tojson: a separator", &style->key_sep);
}

static bool f_tojson(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jinja_json_style style = {.item_sep = jv_ascii(", "), .key_sep = jv_ascii(": ")};
    style.ascii = a[1].type != JV_MISSING && jinja_truth(a[1]);
    style.sort = a[4].type != JV_MISSING && jinja_truth(a[4]);
    if (jv_given(a[2])) {
        int64_t width;
        style.item_sep = jv_ascii(",");
        if (a[2].type == JV_STR)
            style.indent = a[2];
        else if (!jinja_arg_int(r, a[2], 0, &width) || !spaces(r, width, &style.indent))
            return false;
    }
    if (jv_given(a[3]) && !json_separators(r, a[3], &style)) return false;
    struct jv acc = jv_ascii("");
    if (!jinja_append_json(r, &acc, a[0], &style)) return false;
    *out = acc;
    return true;
}

static bool f_default(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    (void)r;
    bool falsy = a[2].type != JV_MISSING && jinja_truth(a[2]);
    *out = a[0];
    if (a[0].type == JV_UNDEFINED || (falsy && !jinja_truth(a[0])))
        *out = a[1].type == JV_MISSING ? jv_ascii("") : a[1];
    return true;
}

static bool f_attr(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv name;
    if (!jinja_arg_str(r, a[1], "attr: the name", &name)) return false;
    if (a[0].type == JV_UNDEFINED) return jinja_fail_undefined(r, a[0]);
    if (a[0].type == JV_DICT) { /* attributes only, never items */
        struct jv empty = jv_dict(jinja_dict_new(r));
        if (!empty.as.dict || !jinja_getattr(r, empty, name, out)) return false;
        if (out->type == JV_METHOD) return jinja_getattr(r, a[0], name, out);
        return true;
    }
    return jinja_getattr(r, a[0], name, out);
}

const struct jinja_builtin jinja_string_filters[] = {
    {"upper", "", f_upper, NULL},
    {"lower", "", f_lower, NULL},
    {"capitalize", "", f_capitalize, NULL},
    {"title", "", f_title, NULL},
    {"trim", "?chars", f_trim, NULL},
    {"replace", "old new ?count", f_replace, NULL},
    {"string", "", f_string, NULL},
    {"format", NULL, NULL, f_format},
    {"escape", "", f_escape, NULL},
    {"e", "", f_escape, NULL},
    {"forceescape", "", f_forceescape, NULL},
    {"safe", "", f_safe, NULL},
    {"urlencode", "", f_urlencode, NULL},
    {"xmlattr", "?autospace", f_xmlattr, NULL},
    {"indent", "?width ?first ?blank", f_indent, NULL},
    {"center", "?width", f_center, NULL},
    {"truncate", "?length ?killwords ?end ?leeway", f_truncate, NULL},
    {"wordcount", "", f_wordcount, NULL},
    {"tojson", "?ensure_ascii ?indent ?separators ?sort_keys", f_tojson, NULL},
    {"default", "?default_value ?boolean", f_default, NULL},
    {"d", "?default_value ?boolean", f_default, NULL},
    {"attr", "name", f_attr, NULL},
    {0},
};

/* What jinja2 has and no chat template needs: known by name, so that `is filter` is right. */
static bool f_refused(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out)
{
    (void)self, (void)args, (void)out;
    return jinja_fail_code(r, HK_ERR_UNSUPPORTED,
                           "the filters urlize, wordwrap, pprint, striptags and random "
                           "are not supported");
}

const struct jinja_builtin jinja_refused_filters[] = {
    {"urlize", NULL, NULL, f_refused}, {"wordwrap", NULL, NULL, f_refused},
    {"pprint", NULL, NULL, f_refused}, {"striptags", NULL, NULL, f_refused},
    {"random", NULL, NULL, f_refused}, {0},
};

/* The functions that a template finds without being given them. */
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"

#include <stdio.h>

/* ---- values ---- */

enum { MAX_RANGE = 100000 }; /* the sandbox's */

static bool f_range(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out)
{
    (void)self;
    int64_t v[3] = {0, 0, 1};
    if (args->n_kw || args->n_pos < 1 || args->n_pos > 3)
        return jinja_fail(r, "range takes one to three integers");
    for (uint32_t i = 0; i < args->n_pos; i++) {
        uint32_t at = args->n_pos == 1 ? 1 : i;
        if (!jinja_arg_int(r, args->pos[i], 0, &v[at])) return false;
    }
    if (v[2] == 0) return jinja_fail(r, "range: the step must not be zero");
    uint64_t distance = 0, step = v[2] > 0 ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
    if (v[2] > 0 && v[0] < v[1]) distance = (uint64_t)v[1] - (uint64_t)v[0];
    if (v[2] < 0 && v[0] > v[1]) distance = (uint64_t)v[0] - (uint64_t)v[1];
    uint64_t n = hk_div_up(distance, step);
    if (n > MAX_RANGE) return jinja_fail(r, "a range of more than %d numbers", MAX_RANGE);
    struct jinja_range *g = jinja_alloc(r, 1, sizeof *g);
    if (!g) return false;
    *g = (struct jinja_range){v[0], v[1], v[2], (uint32_t)n};
    *out = (struct jv){.type = JV_RANGE, .as.range = g};
    return true;
}

/* dict(mapping or pairs, name=value, ...) */
static bool fill_dict(struct jinja_run *r, const struct jinja_args *args, struct jinja_dict *d)
{
    struct jv from = args->n_pos ? args->pos[0] : jv_missing();
    if (args->n_pos > 1) return jinja_fail(r, "dict takes one mapping, and name=value");
    if (from.type == JV_DICT) {
        for (uint32_t i = 0; i < from.as.dict->n; i++) {
            if (!jinja_dict_set(r, d, from.as.dict->entries[i].key, from.as.dict->entries[i].value))
                return false;
        }
    } else if (args->n_pos) {
        struct jinja_list *pairs = jinja_collect(r, from), *pair;
        for (uint32_t i = 0; pairs && i < pairs->n; i++) {
            if (!(pair = jinja_collect(r, pairs->items[i]))) return false;
            if (pair->n != 2) return jinja_fail(r, "dict wants pairs of a key and a value");
            if (!jinja_dict_set(r, d, pair->items[0], pair->items[1])) return false;
        }
        if (!pairs) return false;
    }
    for (uint32_t i = 0; i < args->n_kw; i++) {
        if (!jinja_dict_set(r, d, args->kw[i].name, args->kw[i].value)) return false;
    }
    return true;
}

static bool f_dict(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out)
{
    (void)self;
    struct jinja_dict *d = jinja_dict_new(r);
    if (!d || !fill_dict(r, args, d)) return false;
    *out = jv_dict(d);
    return true;
}

static bool f_namespace(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out)
{
    if (!f_dict(r, self, args, out)) return false;
    out->type = JV_NAMESPACE;
    return true;
}

static bool new_cycler(struct jinja_run *r, enum jv_type type, const struct jv *items, uint32_t n,
                       struct jv *out)
{
    struct jinja_cycler *c = jinja_alloc(r, 1, sizeof *c);
    for (uint32_t i = 0; c && i < n; i++) {
        if (!jinja_list_add(r, &c->items, items[i])) return false;
    }
    *out = (struct jv){.type = (uint8_t)type, .as.cycler = c};
    return c != NULL;
}

static bool f_cycler(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out)
{
    (void)self;
    if (args->n_pos == 0 || args->n_kw) return jinja_fail(r, "cycler wants items to go through");
    return new_cycler(r, JV_CYCLER, args->pos, args->n_pos, out);
}

static bool f_joiner(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    struct jv between = a[1].type == JV_MISSING ? jv_ascii(", ") : a[1];
    return new_cycler(r, JV_JOINER, &between, 1, out);
}

static bool f_lipsum(struct jinja_run *r, struct jv self, const struct jinja_args *args, struct jv *out)
{
    (void)self, (void)args, (void)out;
    return jinja_fail_code(r, HK_ERR_UNSUPPORTED, "lipsum, which writes random text, is not supported");
}

/* ---- what transformers adds ---- */

static bool f_raise(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    (void)out;
    struct jv text;
    if (!jinja_str(r, a[1], &text)) return false;
    return jinja_fail(r, "%.*s", (int)(text.len < 400 ? text.len : 400), text.as.s);
}

/* Days since 1 March of year 0, Gregorian. */
static int64_t day_number(const struct hk_wall_time *t)
{
    int64_t y = t->year - (t->month < 3), m = (t->month + 9) % 12;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + t->day - 1;
}

static int week_day(const struct hk_wall_time *t) /* 0: Sunday */
{
    return (int)((day_number(t) + 3) % 7);
}

static int year_day(const struct hk_wall_time *t) /* 0: 1 January */
{
    struct hk_wall_time first = {.year = t->year, .month = 1, .day = 1};
    return (int)(day_number(t) - day_number(&first));
}

/* ISO 8601's week and the year it belongs to. */
static int iso_week(const struct hk_wall_time *t, int *year)
{
    int monday_based = (week_day(t) + 6) % 7, week = (year_day(t) - monday_based + 10) / 7;
    *year = t->year;
    if (week < 1) {
        struct hk_wall_time last = {.year = --*year, .month = 12, .day = 31};
        return iso_week(&last, year);
    }
    struct hk_wall_time next = {.year = t->year + 1, .month = 1, .day = 1};
    if (week == 53 && (week_day(&next) + 6) % 7 < 4) {
        ++*year;
        return 1;
    }
    return week;
}

static bool put(struct jinja_run *r, struct jv *acc, const char *format, int n)
{
    char text[32];
    snprintf(text, sizeof text, format, n);
    return jinja_append_text(r, acc, text);
}

static bool format_time(struct jinja_run *r, struct jv *acc, const char *format, size_t n, int depth);

static bool put_composed(struct jinja_run *r, struct jv *acc, const char *format, int depth)
{
    return format_time(r, acc, format, strlen(format), depth - 1);
}

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

/* Conversions that are made of others, in the C locale. */
static const struct {
    char letter;
    const char *format;
} composed[] = {{'c', "%a %b %e %H:%M:%S %Y"},
                {'D', "%m/%d/%y"},
                {'F', "%Y-%m-%d"},
                {'r', "%I:%M:%S %p"},
                {'R', "%H:%M"},
                {'T', "%H:%M:%S"},
                {'x', "%m/%d/%y"},
                {'X', "%H:%M:%S"}};

/* One conversion of strftime in the C locale; pad: '0', '_', '-', or 0 for its own. */
static bool put_field(struct jinja_run *r, struct jv *acc, char letter, char pad, int depth)
{
    const struct hk_wall_time *t = &r->opt->now;
    const char *two = pad == '-' ? "%d" : pad == '_' ? "%2d" : "%02d";
    const char *blank = pad == '-' ? "%d" : pad == '0' ? "%02d" : "%2d";
    const char *three = pad == '-' ? "%d" : pad == '_' ? "%3d" : "%03d";
    int hour12 = t->hour % 12 ? t->hour % 12 : 12, year, week = iso_week(t, &year);
    for (size_t i = 0; i < sizeof composed / sizeof composed[0]; i++) {
        if (composed[i].letter == letter) return put_composed(r, acc, composed[i].format, depth);
    }
    switch (letter) {
    case 'a':
        return jinja_append(r, acc, days[week_day(t)], 3);
    case 'A':
        return jinja_append_text(r, acc, days[week_day(t)]);
    case 'b':
    case 'h':
        return jinja_append(r, acc, months[t->month - 1], 3);
    case 'B':
        return jinja_append_text(r, acc, months[t->month - 1]);
    case 'C':
        return put(r, acc, two, t->year / 100);
    case 'd':
        return put(r, acc, two, t->day);
    case 'e':
        return put(r, acc, blank, t->day);
    case 'f':
        return jinja_append_text(r, acc, "000000");
    case 'G':
        return put(r, acc, "%d", year);
    case 'g':
        return put(r, acc, two, year % 100);
    case 'H':
        return put(r, acc, two, t->hour);
    case 'I':
        return put(r, acc, two, hour12);
    case 'j':
        return put(r, acc, three, year_day(t) + 1);
    case 'k':
        return put(r, acc, blank, t->hour);
    case 'l':
        return put(r, acc, blank, hour12);
    case 'm':
        return put(r, acc, two, t->month);
    case 'M':
        return put(r, acc, two, t->minute);
    case 'n':
        return jinja_append_text(r, acc, "\n");
    case 'p':
        return jinja_append_text(r, acc, t->hour < 12 ? "AM" : "PM");
    case 'P':
        return jinja_append_text(r, acc, t->hour < 12 ? "am" : "pm");
    case 'S':
        return put(r, acc, two, t->second);
    case 't':
        return jinja_append_text(r, acc, "\t");
    case 'u':
        return put(r, acc, "%d", week_day(t) ? week_day(t) : 7);
    case 'U':
        return put(r, acc, two, (year_day(t) + 7 - week_day(t)) / 7);
    case 'V':
        return put(r, acc, two, week);
    case 'w':
        return put(r, acc, "%d", week_day(t));
    case 'W':
        return put(r, acc, two, (year_day(t) + 7 - (week_day(t) + 6) % 7) / 7);
    case 'y':
        return put(r, acc, two, t->year % 100);
    case 'Y':
        return put(r, acc, "%d", t->year);
    case 'z':
    case 'Z':
        return true; /* a time on the wall knows no zone */
    case '%':
        return jinja_append_text(r, acc, "%");
    default:
        return jinja_fail(r, "strftime_now: '%%%c' is no conversion", letter);
    }
}

static bool format_time(struct jinja_run *r, struct jv *acc, const char *format, size_t n, int depth)
{
    for (size_t i = 0; i < n; i++) {
        if (format[i] != '%' || i + 1 == n) {
            if (!jinja_append(r, acc, format + i, 1)) return false;
            continue;
        }
        char pad = 0;
        i++;
        if (i + 1 < n && strchr("-_0", format[i])) pad = format[i++];
        if (depth < 0 || !jinja_work(r, 1) || !put_field(r, acc, format[i], pad, depth)) return false;
    }
    return true;
}

static bool f_strftime(struct jinja_run *r, const struct jv *a, struct jv *out)
{
    const struct hk_wall_time *t = &r->opt->now;
    struct jv format, acc = jv_ascii("");
    if (!jinja_arg_str(r, a[1], "strftime_now: the format", &format)) return false;
    if (t->year < 1 || t->year > 9999 || t->month < 1 || t->month > 12 || t->day < 1 || t->day > 31)
        return jinja_fail(r, "strftime_now: the time is not known here");
    if (!format_time(r, &acc, format.as.s, format.len, 2)) return false;
    *out = acc;
    return true;
}

const struct jinja_builtin *jinja_function_find(const char *name, size_t len)
{
    static const struct jinja_builtin functions[] = {
        {"range", NULL, NULL, f_range},
        {"dict", NULL, NULL, f_dict},
        {"namespace", NULL, NULL, f_namespace},
        {"cycler", NULL, NULL, f_cycler},
        {"joiner", "?sep", f_joiner, NULL},
        {"lipsum", NULL, NULL, f_lipsum},
        {"raise_exception", "message", f_raise, NULL},
        {"strftime_now", "format", f_strftime, NULL},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strlen(functions[i].name) == len && memcmp(functions[i].name, name, len) == 0)
            return &functions[i];
    }
    return NULL;
}

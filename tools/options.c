#include "tools/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_WIDTH = 98, HELP_COLUMN = 26 };

bool opt_u64(const char *text, uint64_t *out)
{
    if (*text < '0' || *text > '9') return false; /* strtoull would take spaces and a minus */
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end || errno == ERANGE || v > UINT64_MAX) return false;
    *out = v;
    return true;
}

bool opt_f64(const char *text, double *out)
{
    /* strtod would take spaces, hexadecimal, "inf" and "nan" */
    if (!*text || text[strspn(text, "0123456789.+-eE")]) return false;
    char *end;
    double v = strtod(text, &end);
    if (*end || !isfinite(v)) return false;
    *out = v;
    return true;
}

/* ---- parsing ---- */

/* Appends to err->text as far as there is room. */
static void add_text(struct hk_error *err, const char *s)
{
    size_t len = strlen(err->text);
    size_t room = sizeof err->text - 1 - len, n = strlen(s);
    if (n > room) n = room;
    memcpy(err->text + len, s, n);
    err->text[len + n] = 0;
}

static enum opt_outcome wrong_option(const struct opt_command *c, const char *given, size_t len,
                                     struct hk_error *err)
{
    hk_fail(err, HK_ERR_INPUT, "%s: unknown option %.*s: accepted:", c->name, (int)(len > 60 ? 60 : len),
            given);
    if (!err) return OPT_WRONG;
    for (int g = 0; g < OPT_MAX_GROUPS && c->groups[g].opts; g++) {
        for (const struct opt *o = c->groups[g].opts; o->name; o++) {
            add_text(err, " --");
            add_text(err, o->name);
        }
    }
    add_text(err, " --help");
    return OPT_WRONG;
}

struct match {
    const struct opt *opt;
    size_t base;
};

static struct match find(const struct opt_command *c, const char *name, size_t len, char letter)
{
    for (int g = 0; g < OPT_MAX_GROUPS && c->groups[g].opts; g++) {
        for (const struct opt *o = c->groups[g].opts; o->name; o++) {
            bool hit = name ? strlen(o->name) == len && memcmp(o->name, name, len) == 0 : o->letter == letter;
            if (hit) return (struct match){o, c->groups[g].base};
        }
    }
    return (struct match){0};
}

/* Numbers as people write them: 0.5, 100, 4294967295. */
static void show_number(char *buf, size_t size, double v)
{
    snprintf(buf, size, "%.10g", v);
}

static bool store(const struct opt_command *c, struct match m, const char *value, void *into,
                  struct hk_error *err)
{
    const struct opt *o = m.opt;
    void *field = (char *)into + m.base + o->field;
    if (o->kind == OPT_FLAG) {
        *(bool *)field = true;
        return true;
    }
    if (o->kind == OPT_TEXT) {
        *(const char **)field = value;
        return true;
    }
    if (o->kind == OPT_PARSE) {
        return o->parse(value, field, err) ||
               hk_fail_prefix(err, "%s: --%s '%.40s'", c->name, o->name, value);
    }
    uint64_t u = 0;
    double v = 0;
    bool good = o->kind == OPT_U32 ? opt_u64(value, &u) : opt_f64(value, &v);
    if (o->kind == OPT_U32) v = (double)u;
    if (!good || v < o->min || v > o->max) {
        char lo[32], hi[32];
        show_number(lo, sizeof lo, o->min);
        show_number(hi, sizeof hi, o->max);
        return hk_fail(err, HK_ERR_INPUT, "%s: --%s '%.40s': a %snumber from %s to %s would be accepted",
                       c->name, o->name, value, o->kind == OPT_U32 ? "whole " : "", lo, hi);
    }
    if (o->kind == OPT_U32) {
        *(uint32_t *)field = (uint32_t)u;
    } else {
        *(float *)field = (float)v;
    }
    return true;
}

struct parse {
    const struct opt_command *c;
    int argc, at;
    char **argv;
    void *into;
    struct hk_error *err;
};

/* value: what was written with the option, or NULL: the next argument. */
static enum opt_outcome take(struct parse *p, struct match m, const char *value)
{
    if (!value && m.opt->kind != OPT_FLAG) {
        if (p->at + 1 >= p->argc) {
            hk_fail(p->err, HK_ERR_INPUT, "%s: --%s: a value is missing: --%s %s would be accepted",
                    p->c->name, m.opt->name, m.opt->name, m.opt->metavar);
            return OPT_WRONG;
        }
        value = p->argv[++p->at];
    }
    return store(p->c, m, value, p->into, p->err) ? OPT_RUN : OPT_WRONG;
}

static enum opt_outcome long_option(struct parse *p, const char *name)
{
    const char *eq = strchr(name, '=');
    size_t len = eq ? (size_t)(eq - name) : strlen(name);
    if (!eq && strcmp(name, "help") == 0) return OPT_HELP;
    if (!eq && strcmp(name, "version") == 0) return OPT_VERSION;
    struct match m = find(p->c, name, len, 0);
    if (!m.opt) return wrong_option(p->c, name - 2, len + 2, p->err);
    if (eq && m.opt->kind == OPT_FLAG) {
        hk_fail(p->err, HK_ERR_INPUT, "%s: --%s: takes no value: --%s alone would be accepted", p->c->name,
                m.opt->name, m.opt->name);
        return OPT_WRONG;
    }
    return take(p, m, eq ? eq + 1 : NULL);
}

static enum opt_outcome short_options(struct parse *p, const char *letters)
{
    for (const char *l = letters; *l; l++) {
        struct match m = find(p->c, NULL, 0, *l);
        if (!m.opt && *l == 'h') return OPT_HELP;
        if (!m.opt) {
            char name[] = {'-', *l, 0};
            return wrong_option(p->c, name, 2, p->err);
        }
        if (m.opt->kind != OPT_FLAG) return take(p, m, l[1] ? l + 1 : NULL);
        enum opt_outcome r = take(p, m, NULL);
        if (r != OPT_RUN) return r;
    }
    return OPT_RUN;
}

enum opt_outcome opt_parse(const struct opt_command *c, int argc, char **argv, void *into, int *n_args,
                           struct hk_error *err)
{
    struct parse p = {.c = c, .argc = argc, .argv = argv, .into = into, .err = err};
    bool only_args = false;
    *n_args = 0;
    for (p.at = 0; p.at < argc; p.at++) {
        char *a = argv[p.at];
        enum opt_outcome r = OPT_RUN;
        if (only_args || a[0] != '-' || a[1] == 0) {
            if (*n_args == c->max_args) {
                hk_fail(err, HK_ERR_INPUT, "%s: argument '%.60s': %s", c->name, a,
                        c->max_args ? "one too many: see --help"
                                    : "only options would be accepted: see --help");
                return OPT_WRONG;
            }
            argv[(*n_args)++] = a;
        } else if (strcmp(a, "--") == 0) {
            only_args = true;
        } else {
            r = a[1] == '-' ? long_option(&p, a + 2) : short_options(&p, a + 1);
        }
        if (r != OPT_RUN) return r;
    }
    return OPT_RUN;
}

/* ---- help ---- */

void opt_wrap(FILE *f, const char *text, size_t indent, size_t at)
{
    while (*text) {
        size_t word = strcspn(text, " \n");
        bool first = at <= indent;
        if (!first && at + 1 + word > HELP_WIDTH) {
            fputc('\n', f);
            at = 0;
            first = true;
        }
        if (at < indent) {
            fprintf(f, "%*s", (int)(indent - at), "");
            at = indent;
        }
        if (word) {
            fprintf(f, "%s%.*s", first ? "" : " ", (int)word, text);
            at += word + (first ? 0 : 1);
        }
        text += word;
        if (*text == '\n') {
            fputc('\n', f);
            at = 0;
        }
        if (*text) text++;
    }
    if (at) fputc('\n', f);
}

static void help_option(const struct opt *o, FILE *f)
{
    char left[96];
    int n =
        snprintf(left, sizeof left, "  %c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? "," : " ", o->name, o->metavar ? " " : "", o->metavar ? o->metavar : "");
    size_t at = n > 0 ? strlen(left) : 0;
    fputs(left, f);
    if (at + 1 >= HELP_COLUMN) {
        fputc('\n', f);
        at = 0;
    }
    opt_wrap(f, o->help, HELP_COLUMN, at);
}

void opt_help(const struct opt_command *c, FILE *f)
{
    const char *line = c->usage;
    for (const char *label = "usage: "; *line; label = "       ") {
        size_t len = strcspn(line, "\n");
        fprintf(f, "%s%.*s\n", label, (int)len, line);
        line += len + (line[len] ? 1 : 0);
    }
    fputc('\n', f);
    opt_wrap(f, c->about, 0, 0);
    for (int g = 0; g < OPT_MAX_GROUPS && c->groups[g].opts; g++) {
        fprintf(f, "\n%s:\n", c->groups[g].title);
        for (const struct opt *o = c->groups[g].opts; o->name; o++) help_option(o, f);
    }
    fputs("\n  -h, --help              this text\n      --version           Hekla's version\n", f);
    if (c->examples) fprintf(f, "\nexamples:\n%s", c->examples);
}

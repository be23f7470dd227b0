/* Command-line options, declared: a table per command, from which both the parser and --help are made.
 * Fills the command's own struct; prints nothing but help, and that only when asked to; never exits. */
#ifndef HEKLA_TOOLS_OPTIONS_H
#define HEKLA_TOOLS_OPTIONS_H

#include <stdio.h>

#include "runtime/hekla.h"

enum opt_kind {
    OPT_FLAG,  /* bool, no value */
    OPT_TEXT,  /* const char *, points into argv */
    OPT_U32,   /* uint32_t in [min, max] */
    OPT_F32,   /* float, finite, in [min, max] */
    OPT_PARSE, /* whatever parse() makes of the value */
};

/* Reads one value into the field. On failure *err holds what is wrong with it and what would be accepted. May
 * be called more than once, when the option is repeated. */
typedef bool (*opt_parse_fn)(const char *value, void *field, struct hk_error *err);

struct opt {
    const char *name; /* without the dashes; NULL ends a table */
    char letter;      /* short form, or 0 */
    enum opt_kind kind;
    size_t field; /* offsetof in the group's struct */
    double min, max;
    opt_parse_fn parse;
    const char *metavar; /* NULL for flags */
    const char *help;    /* one paragraph; wrapped by opt_help */
};

/* Options that several commands share are a table over a struct of their own, which the command's struct
 * contains. */
struct opt_group {
    const char *title;
    const struct opt *opts;
    size_t base; /* offsetof the group's struct in the command's */
};

enum { OPT_MAX_GROUPS = 5 };

struct opt_command {
    const char *name;     /* "generate" */
    const char *usage;    /* one or several lines, without the "usage: " */
    const char *about;    /* what it does, a paragraph or more; wrapped */
    const char *examples; /* printed as they are, or NULL */
    struct opt_group groups[OPT_MAX_GROUPS];
    int max_args;         /* how many arguments that are no options it takes */
    const char *arg_name; /* what those are */
};

enum opt_outcome { OPT_RUN, OPT_HELP, OPT_VERSION, OPT_WRONG };

/* Parses argv[0..argc), the arguments after the command's name, into *into (defaults already there).
 * Arguments that are no options are moved to the front of argv; *n_args is how many. Understands --name
 * value, --name=value, -x value, -xvalue, flags run together (-qv) and -- ; --help, -h and --version
 * anywhere. OPT_WRONG fills *err with one line that names the option and what would be accepted. */
enum opt_outcome opt_parse(const struct opt_command *c, int argc, char **argv, void *into, int *n_args,
                           struct hk_error *err);

void opt_help(const struct opt_command *c, FILE *f);

/* Writes text wrapped to the width of help, each line indented; the first line continues at column `at`. */
void opt_wrap(FILE *f, const char *text, size_t indent, size_t at);

/* Strict numbers: the whole of text must be one, without spaces, sign (integers) or hexadecimal. */
bool opt_u64(const char *text, uint64_t *out);
bool opt_f64(const char *text, double *out); /* finite */

#endif

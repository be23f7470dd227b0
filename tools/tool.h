/* What every command does: its options, its errors as one line, its results flushed. */
#ifndef HEKLA_TOOLS_TOOL_H
#define HEKLA_TOOLS_TOOL_H

#include "tools/options.h"

enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2 };

/* Prints "hekla: <text>" on stderr and returns the exit status. */
int tool_fail(const struct hk_error *err);
int tool_usage(const struct hk_error *err);
int tool_usage_text(const char *text);

/* Parses the command's options. True: go on. False: leave with *status (help and version were printed, or an
 * error). */
bool tool_options(const struct opt_command *c, int argc, char **argv, void *into, int *n_args, int *status);

/* Flushes stdout; a failed write (a full disk) is an error. Returns status, or TOOL_FAILED. */
int tool_finish(int status);

/* The whole of a file, or of stdin for "-", appended to *out. */
bool tool_read(const char *path, struct hk_bytes *out, struct hk_error *err);

/* -q, -v */
struct verbosity {
    bool quiet, verbose;
};
extern const struct opt verbosity_opts[];
/* The same rows in another struct's table, where a verbosity lies at offset `at`. */
/* clang-format off */
#define VERBOSITY_ROWS(at)                                                                                   \
    {.name = "quiet",                                                                                        \
     .letter = 'q',                                                                                          \
     .kind = OPT_FLAG,                                                                                       \
     .field = (at) + offsetof(struct verbosity, quiet),                                                      \
     .help = "nothing on stderr but errors"},                                                                \
    {.name = "verbose",                                                                                      \
     .letter = 'v',                                                                                          \
     .kind = OPT_FLAG,                                                                                       \
     .field = (at) + offsetof(struct verbosity, verbose),                                                    \
     .help = "say on stderr what is opened, and how much memory it takes"}
/* clang-format on */

#endif

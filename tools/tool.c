#include "tools/tool.h"

#include <errno.h>
#include <string.h>

#include "tools/flags.h"

int tool_fail(const struct hk_error *err)
{
    fflush(stdout); /* what was printed stands before the error also where both are one file */
    fputs("hekla: ", stderr);
    flags_print(stderr, err->text);
    fputc('\n', stderr);
    return TOOL_FAILED;
}

int tool_usage(const struct hk_error *err)
{
    tool_fail(err);
    return TOOL_USAGE;
}

int tool_usage_text(const char *text)
{
    fprintf(stderr, "hekla: %s\n", text);
    return TOOL_USAGE;
}

bool tool_options(const struct opt_command *c, int argc, char **argv, void *into, int *n_args, int *status)
{
    struct hk_error err = {0};
    switch (opt_parse(c, argc, argv, into, n_args, &err)) {
    case OPT_RUN:
        return true;
    case OPT_HELP:
        opt_help(c, stdout);
        *status = tool_finish(TOOL_DONE);
        return false;
    case OPT_VERSION:
        printf("hekla %s\n", HK_VERSION);
        *status = tool_finish(TOOL_DONE);
        return false;
    case OPT_WRONG:
        break;
    }
    *status = tool_usage(&err);
    return false;
}

int tool_finish(int status)
{
    struct hk_error err;
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    hk_fail(&err, HK_ERR_IO,
            "standard output: cannot be written: a file or pipe with room would be accepted");
    return tool_fail(&err);
}

bool tool_read(const char *path, struct hk_bytes *out, struct hk_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");
    if (!f) {
        return hk_fail(err, HK_ERR_IO, "%s: %s: a readable file, or - for standard input, would be accepted",
                       path, strerror(errno));
    }
    char buf[16384];
    bool ok = true;
    for (size_t n; ok && (n = fread(buf, 1, sizeof buf, f)) > 0;) ok = hk_bytes_append(out, buf, n, err);
    if (ok && ferror(f)) {
        ok = hk_fail(err, HK_ERR_IO, "%s: %s: a readable file would be accepted",
                     is_stdin ? "standard input" : path, strerror(errno));
    }
    if (!is_stdin) fclose(f);
    return ok;
}

const struct opt verbosity_opts[] = {VERBOSITY_ROWS(0), {0}};

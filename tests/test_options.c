/* The option parser of tools/: every form of writing an option, every way of getting it wrong, and the help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/options.c"

struct shared {
    const char *device;
    bool quiet, verbose;
};
struct sample {
    uint32_t n;
    float temp;
    const char *text;
    uint64_t sum;
    struct shared shared;
};

static bool parse_sum(const char *value, void *field, struct hk_error *err)
{
    uint64_t v;
    if (!opt_u64(value, &v)) return hk_fail(err, HK_ERR_INPUT, "a whole number would be accepted");
    *(uint64_t *)field += v;
    return true;
}

static const struct opt opts[] = {
    {.name = "tokens",
     .letter = 'n',
     .kind = OPT_U32,
     .field = offsetof(struct sample, n),
     .min = 1,
     .max = 4294967295.0,
     .metavar = "N",
     .help = "how many"},
    {.name = "temp",
     .kind = OPT_F32,
     .field = offsetof(struct sample, temp),
     .min = 0,
     .max = 2,
     .metavar = "T",
     .help = "heat"},
    {.name = "text",
     .letter = 't',
     .kind = OPT_TEXT,
     .field = offsetof(struct sample, text),
     .metavar = "TEXT",
     .help = "words"},
    {.name = "sum",
     .letter = 's',
     .kind = OPT_PARSE,
     .parse = parse_sum,
     .field = offsetof(struct sample, sum),
     .metavar = "N",
     .help = "adds up"},
    {0},
};
static const struct opt shared_opts[] = {
    {.name = "device",
     .kind = OPT_TEXT,
     .field = offsetof(struct shared, device),
     .metavar = "N|NAME",
     .help = "a long paragraph that does not fit in one line of the help and so has to be wrapped at a word, "
             "with every further line indented like the first"},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPT_FLAG,
     .field = offsetof(struct shared, quiet),
     .help = "less"},
    {.name = "verbose",
     .letter = 'v',
     .kind = OPT_FLAG,
     .field = offsetof(struct shared, verbose),
     .help = "more"},
    {0},
};
static const struct opt_command command = {
    .name = "try",
    .usage = "hekla try [options] FILE\nhekla try --text TEXT",
    .about = "Tries.",
    .examples = "  hekla try x\n",
    .groups = {{"own", opts, 0}, {"shared", shared_opts, offsetof(struct sample, shared)}},
    .max_args = 2,
    .arg_name = "FILE",
};
static const struct opt last_opts[] = {
    {.name = "last", .kind = OPT_FLAG, .field = offsetof(struct sample, shared.quiet), .help = "the end"},
    {0},
};
/* As many groups as there is room for. */
static const struct opt_command full_command = {
    .name = "full",
    .usage = "hekla full",
    .about = "Has all groups.",
    .groups = {{"1", opts, 0},
               {"2", shared_opts, offsetof(struct sample, shared)},
               {"3", opts, 0},
               {"4", opts, 0},
               {"5", last_opts, 0}},
};

struct result {
    struct sample s;
    enum opt_outcome outcome;
    int n_args;
    char *argv[16];
    struct hk_error err;
};

/* Parses words separated by '|' (so that words may be empty and have spaces). */
static void parse(struct result *r, const char *words)
{
    static char text[512];
    int argc = 0;
    memset(r, 0, sizeof *r);
    r->s.n = 7;
    snprintf(text, sizeof text, "%s", words);
    for (char *p = text; *words;) {
        r->argv[argc++] = p;
        p = strchr(p, '|');
        if (!p) break;
        *p++ = 0;
    }
    r->outcome = opt_parse(&command, argc, r->argv, &r->s, &r->n_args, &r->err);
}

static void forms(void **state)
{
    struct result r;
    (void)state;
    parse(&r, "");
    assert_int_equal(r.outcome, OPT_RUN);
    assert_int_equal(r.s.n, 7);
    const char *same[] = {"-n|12",    "-n12", "--tokens|12", "--tokens=12", "-n|3|--tokens=12",
                          "-q|-n|12", "-qn12"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        parse(&r, same[i]);
        assert_int_equal(r.outcome, OPT_RUN);
        assert_int_equal(r.s.n, 12);
        assert_int_equal(r.s.shared.quiet, i >= 5);
    }
    parse(&r, "-qv|--temp|0.5|--device=a b|-t|");
    assert_int_equal(r.outcome, OPT_RUN);
    assert_true(r.s.shared.quiet && r.s.shared.verbose);
    assert_true(r.s.temp > 0.49f && r.s.temp < 0.51f);
    assert_string_equal(r.s.shared.device, "a b");
    assert_string_equal(r.s.text, "");
    parse(&r, "--text=--temp=3|-s1|-s2|--sum=39");
    assert_int_equal(r.outcome, OPT_RUN);
    assert_string_equal(r.s.text, "--temp=3");
    assert_int_equal(r.s.sum, 42);
    parse(&r, "-t|-q");
    assert_string_equal(r.s.text, "-q");
    assert_false(r.s.shared.quiet);
}

static void arguments(void **state)
{
    struct result r;
    (void)state;
    parse(&r, "one|-q|-|-n|5");
    assert_int_equal(r.outcome, OPT_RUN);
    assert_int_equal(r.n_args, 2);
    assert_string_equal(r.argv[0], "one");
    assert_string_equal(r.argv[1], "-");
    assert_int_equal(r.s.n, 5);
    parse(&r, "-q|--|-n");
    assert_int_equal(r.outcome, OPT_RUN);
    assert_int_equal(r.n_args, 1);
    assert_string_equal(r.argv[0], "-n");
    parse(&r, "one|two|three");
    assert_int_equal(r.outcome, OPT_WRONG);
    assert_non_null(strstr(r.err.text, "'three'"));
}

static void help_and_version(void **state)
{
    struct result r;
    (void)state;
    const char *help[] = {"--help", "-h", "-qh", "x|--help", "-n|1|--help|--bogus"};
    for (size_t i = 0; i < sizeof help / sizeof help[0]; i++) {
        parse(&r, help[i]);
        assert_int_equal(r.outcome, OPT_HELP);
    }
    parse(&r, "--version");
    assert_int_equal(r.outcome, OPT_VERSION);
    parse(&r, "-t|--help");
    assert_int_equal(r.outcome, OPT_RUN);
}

static void wrong(void **state)
{
    struct result r;
    (void)state;
    static const struct {
        const char *words, *names, *accepts;
    } cases[] = {
        {"--bogus", "--bogus", "--tokens --temp --text --sum --device --quiet --verbose --help"},
        {"--token|3", "--token", "--tokens"},
        {"--=3", "--", "--tokens"},
        {"-x", "-x", "--tokens"},
        {"-qx", "-x", "--tokens"},
        {"-n", "--tokens", "--tokens N"},
        {"--text", "--text", "--text TEXT"},
        {"--quiet=1", "--quiet", "no value"},
        {"-n|0", "'0'", "whole number from 1 to 4294967295"},
        {"-n|4294967296", "'4294967296'", "to 4294967295"},
        {"-n|99999999999999999999999", "--tokens", "whole number"},
        {"-n|-1", "'-1'", "whole number"},
        {"-n|+1", "'+1'", "whole number"},
        {"-n| 1", "' 1'", "whole number"},
        {"-n|1 ", "'1 '", "whole number"},
        {"-n|1.5", "'1.5'", "whole number"},
        {"-n|0x10", "'0x10'", "whole number"},
        {"-n|", "''", "whole number"},
        {"--temp|nan", "'nan'", "number from 0 to 2"},
        {"--temp|inf", "'inf'", "number from 0 to 2"},
        {"--temp|1e999", "'1e999'", "number from 0 to 2"},
        {"--temp|-0.1", "'-0.1'", "number from 0 to 2"},
        {"--temp|2.1", "'2.1'", "number from 0 to 2"},
        {"--temp|0.5x", "'0.5x'", "number from 0 to 2"},
        {"--temp|0x1p0", "'0x1p0'", "number from 0 to 2"},
        {"--temp|", "''", "number from 0 to 2"},
        {"--temp|.", "'.'", "number from 0 to 2"},
        {"--sum|x", "--sum 'x'", "a whole number would be accepted"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        parse(&r, cases[i].words);
        if (r.outcome != OPT_WRONG) fail_msg("%s was accepted", cases[i].words);
        if (strncmp(r.err.text, "try: ", 5) != 0 || !strstr(r.err.text, cases[i].names) ||
            !strstr(r.err.text, cases[i].accepts) || strchr(r.err.text, '\n')) {
            fail_msg("%s: %s", cases[i].words, r.err.text);
        }
    }
}

static void numbers(void **state)
{
    uint64_t u;
    double v;
    (void)state;
    assert_true(opt_u64("18446744073709551615", &u) && u == UINT64_MAX);
    assert_false(opt_u64("18446744073709551616", &u));
    assert_true(opt_u64("007", &u) && u == 7);
    assert_true(opt_f64("-2.5e-1", &v) && v < -0.249 && v > -0.251);
    assert_true(opt_f64(".5", &v));
    assert_false(opt_f64("1,5", &v));
    assert_false(opt_f64("1e", &v));
    assert_false(opt_f64("infinity", &v));
}

static void help_text(void **state)
{
    char text[4096];
    (void)state;
    FILE *f = tmpfile();
    assert_non_null(f);
    opt_help(&command, f);
    rewind(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    const char *wanted[] = {"usage: hekla try [options] FILE\n       hekla try --text TEXT\n",
                            "  -n, --tokens N          how many\n",
                            "      --temp T            heat\n",
                            "\n                          be wrapped",
                            "shared:\n",
                            "-h, --help",
                            "examples:\n  hekla try x\n"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (!strstr(text, wanted[i])) fail_msg("help lacks '%s':\n%s", wanted[i], text);
    }
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        assert_true(strcspn(line, "\n") <= 100);
        assert_true(line[0] == '\n' || line[strcspn(line, "\n") - 1] != ' ');
    }
}

static void all_groups(void **state)
{
    (void)state;
    struct sample s = {0};
    struct hk_error err = {0};
    int n = 0;
    char last[] = "--last", unknown[] = "--first", *argv[] = {last}, *wrong_argv[] = {unknown};
    assert_int_equal(OPT_MAX_GROUPS, 5);
    assert_int_equal(opt_parse(&full_command, 1, argv, &s, &n, &err), OPT_RUN);
    assert_true(s.shared.quiet);
    assert_int_equal(opt_parse(&full_command, 1, wrong_argv, &s, &n, &err), OPT_WRONG);
    assert_non_null(strstr(err.text, " --last --help"));
    char text[8192];
    FILE *f = tmpfile();
    assert_non_null(f);
    opt_help(&full_command, f);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    assert_non_null(strstr(text, "5:\n      --last              the end\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),      cmocka_unit_test(arguments), cmocka_unit_test(help_and_version),
        cmocka_unit_test(wrong),      cmocka_unit_test(numbers),   cmocka_unit_test(help_text),
        cmocka_unit_test(all_groups),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}

/* Regular expressions in Oniguruma's syntax, which is what tokenizer.json files use. PCRE2 runs them.
 * Internal to the tokenizer. */
#ifndef HEKLA_LOADER_PATTERN_H
#define HEKLA_LOADER_PATTERN_H

#include "loader/base.h"

/* Digits in groups of three counted from the right, where a word ends behind them or where no digit follows.
 * As patterns these look at all that follows for every group; they are recognised by their text and take
 * linear time. */
#define HK_DIGIT_GROUPS_AT_WORD_END "\\d{1,3}(?=(?:\\d{3})*\\b)"
#define HK_DIGIT_GROUPS             "(?=(\\d{3})+(?!\\d))"

struct hk_pattern; /* immutable: may be shared between threads */

/* Compiles one. What means something else to PCRE2 is translated; what cannot be is HK_ERR_UNSUPPORTED. NULL
 * and *err on failure. */
struct hk_pattern *hk_pattern_new(const char *regex, size_t len, struct hk_error *err);
void hk_pattern_free(struct hk_pattern *p);

/* Working memory of a search. Zero-initialise, use with any patterns, release with hk_matching_free. */
struct hk_matching {
    void *data, *context;
    size_t after_last;       /* end of the last match + 1: an empty match there is none */
    size_t run_to, run_left; /* of digits: its end, and how many are left */
};
void hk_matching_free(struct hk_matching *m);

struct hk_match {
    size_t from, to;
};
enum hk_found { HK_FOUND_NONE, HK_FOUND_ONE, HK_FOUND_ERROR };

/* The next match in text[at..len), which is well-formed UTF-8, as Oniguruma's find_iter gives them: a search
 * starts with *at = 0, which moves on. HK_FOUND_ERROR and *err when a match needs more steps or memory than
 * is sane. */
enum hk_found hk_pattern_next(const struct hk_pattern *p, struct hk_matching *m, const char *text, size_t len,
                              size_t *at, struct hk_match *match, struct hk_error *err);

#endif

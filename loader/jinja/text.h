/* Strings of the template language: characters, searching, letter case, and values as text. Internal to the
 * chat templates. Strings are valid UTF-8 throughout; positions in them are in bytes where nothing else is
 * said. */
#ifndef HEKLA_LOADER_JINJA_TEXT_H
#define HEKLA_LOADER_JINJA_TEXT_H

#include "loader/jinja/value.h"

/* ---- characters ---- */

size_t jinja_char_bytes(const char *s); /* of the character at s */
uint32_t jinja_char_at(const char *s, size_t *bytes);
size_t jinja_str_chars(struct jv s);            /* how many code points */
size_t jinja_offset(struct jv s, size_t chars); /* bytes before that character; at most s.len */
struct jv jinja_slice_bytes(struct jv s, size_t from, size_t to);

bool jinja_is_space(uint32_t c); /* as str.isspace() and \s say */
bool jinja_is_word(uint32_t c);  /* as \w says */

enum jinja_class { /* str.isalpha() and its like, of one character */
                   JINJA_ALPHA,
                   JINJA_DIGIT,
                   JINJA_DECIMAL,
                   JINJA_NUMERIC,
                   JINJA_ALNUM,
                   JINJA_LOWER,
                   JINJA_UPPER,
                   JINJA_TITLE,
                   JINJA_PRINTABLE,
};
bool jinja_is(uint32_t c, enum jinja_class k);

/* ---- strings ---- */

/* Where needle first (last) stands in hay[from..to): a byte; SIZE_MAX where it does not. */
bool jinja_find(struct jinja_run *r, struct jv hay, struct jv needle, size_t from, size_t *at);
bool jinja_find_last(struct jinja_run *r, struct jv hay, struct jv needle, size_t *at);

enum { JINJA_LEFT = 1, JINJA_RIGHT = 2 };
/* Without the characters at its ends that are in chars; those that are white space where chars is no string. */
struct jv jinja_strip(struct jv s, struct jv chars, unsigned sides);

enum jinja_case { /* Python's str methods of these names */
                  JINJA_TO_UPPER,
                  JINJA_TO_LOWER,
                  JINJA_TO_TITLE,
                  JINJA_TO_CAPITALIZED,
                  JINJA_TO_SWAPPED,
                  JINJA_TO_FOLDED,
};
bool jinja_to_case(struct jinja_run *r, struct jv s, enum jinja_case k, struct jv *out);

/* Up to three code points that c becomes where one is not enough; 0 where utf8proc's one is right. */
size_t jinja_special_case(uint32_t c, bool title, uint32_t out[3]);

/* All lines, without their ends unless `keep`. */
bool jinja_split_lines(struct jinja_run *r, struct jv s, bool keep, struct jinja_list **out);

/* Every occurrence of `from`, at most `count` (negative: all), becomes `to`. */
bool jinja_replace(struct jinja_run *r, struct jv s, struct jv from, struct jv to, int64_t count,
                   struct jv *out);

/* HTML's special characters as entities; the result is markup. */
bool jinja_escape(struct jinja_run *r, struct jv v, struct jv *out);

/* ---- values as text ---- */

bool jinja_str(struct jinja_run *r, struct jv v, struct jv *out);         /* str(v): a string */
bool jinja_append_repr(struct jinja_run *r, struct jv *acc, struct jv v); /* repr(v) */
bool jinja_append_char(struct jinja_run *r, struct jv *acc, uint32_t c);
bool jinja_append_text(struct jinja_run *r, struct jv *acc, const char *s); /* NUL-terminated */
bool jinja_append_repeat(struct jinja_run *r, struct jv *acc, struct jv s, size_t times);

enum { JINJA_FLOAT_CHARS = 40 };
/* repr(f): the shortest decimal that is f again. */
void jinja_float_repr(double f, char out[JINJA_FLOAT_CHARS]);

/* ---- JSON ---- */

struct jinja_json_style {
    struct jv indent;            /* a string, or missing: all on one line */
    struct jv item_sep, key_sep; /* strings */
    bool ascii, sort;
};
/* json.dumps(v, ...), appended. */
bool jinja_append_json(struct jinja_run *r, struct jv *acc, struct jv v, const struct jinja_json_style *s);

/* json.loads(text): one value, all of it; strings are copied. */
bool jinja_parse_json(struct jinja_run *r, const char *text, size_t len, struct jv *out);

/* A decimal number with an optional sign and nothing else, underscores between digits allowed where Python
 * allows them: an integer (JV_INT, JV_BIG) or, with a point or an exponent, a float. Missing when it is none. */
struct jv jinja_parse_number(struct jinja_run *r, const char *s, size_t n);

#endif

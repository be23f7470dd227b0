/* What a tokenizer does to a text around its model, as data: normalizers change the text, pre-tokenizers cut
 * it into words, decoders make tokens into text again. The names and meanings are those of Hugging Face's
 * tokenizers; the formats' readers fill the lists, text_normalizer.c, text_splitter.c and detokenizer.c carry
 * them out. A new step is an enumerator here and a row in the table of whoever carries it out. */
#ifndef HEKLA_LOADER_TEXT_STEPS_H
#define HEKLA_LOADER_TEXT_STEPS_H

#include "loader/base.h"

/* ---- normalizers ---- */

enum hk_norm_kind {
    HK_NORM_NFC, /* UAX #15 */
    HK_NORM_NFD,
    HK_NORM_NFKC,
    HK_NORM_NFKD,
    HK_NORM_LOWERCASE,
    HK_NORM_STRIP,         /* white space at the ends; enum hk_strip_flags */
    HK_NORM_STRIP_ACCENTS, /* takes combining marks away */
    HK_NORM_REPLACE,       /* every `pattern` by `text` */
    HK_NORM_REPLACE_REGEX, /* the same, `pattern` in Oniguruma's syntax */
    HK_NORM_PREPEND,       /* `text` before a text that is not empty */
    HK_NORM_NMT,           /* takes control characters away, odd spaces become spaces */
    HK_NORM_BERT,          /* enum hk_bert_flags */
    HK_NORM_PRECOMPILED,   /* `pattern` is a SentencePiece charsmap, applied as tokenizers does */
    HK_NORM_BYTE_LEVEL,    /* each byte becomes its character of GPT-2's alphabet */
    HK_NORM_SENTENCEPIECE, /* SentencePiece's own: `pattern` is a charsmap or empty; enum hk_sp_flags */
};
enum hk_strip_flags { HK_STRIP_LEFT = 1, HK_STRIP_RIGHT = 2 };
enum hk_bert_flags {
    HK_BERT_CLEAN = 1,   /* control characters go, white space becomes spaces */
    HK_BERT_CHINESE = 2, /* spaces around Han characters */
    HK_BERT_ACCENTS = 4, /* form D without nonspacing marks */
    HK_BERT_LOWER = 8,
};
enum hk_sp_flags {
    HK_SP_DUMMY_PREFIX = 1,  /* a text begins with a space */
    HK_SP_REMOVE_EXTRA = 2,  /* no spaces at the ends, one in a row */
    HK_SP_ESCAPE = 4,        /* spaces are spelt U+2581 */
    HK_SP_SUFFIX = 8,        /* the dummy space stands at the end */
    HK_SP_USER_DEFINED = 16, /* user-defined pieces are not normalized */
    HK_SP_KEEP_BROKEN = 32,  /* bytes that are not UTF-8 stay; else each is U+FFFD, as in SentencePiece */
};

struct hk_norm_step {
    enum hk_norm_kind kind;
    unsigned flags;
    struct hk_span pattern, text;
};

/* ---- pre-tokenizers ---- */

enum hk_char_class {
    HK_CHAR_SPACE,       /* Unicode's White_Space */
    HK_CHAR_NUMERIC,     /* general category N */
    HK_CHAR_PUNCTUATION, /* general category P and ASCII's symbols */
    HK_CHAR_WORD,        /* \w: letters, marks, digits, connectors */
    HK_CHAR_MARK,        /* general category M */
    HK_CHAR_NONSPACING,  /* Mn */
    HK_CHAR_OTHER,       /* Cc, Cf, Co */
    HK_CHAR_CLASSES,
};

enum hk_pre_kind {
    HK_PRE_REGEX,        /* cuts at matches of `pattern`, Oniguruma's syntax */
    HK_PRE_LITERAL,      /* cuts at every `pattern` */
    HK_PRE_CLASS,        /* cuts at characters of a class */
    HK_PRE_WORDS,        /* leaves runs of \w and runs of [^\w\s] */
    HK_PRE_LENGTH,       /* cuts into pieces of `n` characters */
    HK_PRE_METASPACE,    /* spaces become `pattern`, one is put before by `prefix`; cuts nothing */
    HK_PRE_PREFIX_SPACE, /* a space is put before a piece without one; cuts nothing */
};
enum hk_split_behavior { /* what becomes of a match */
                         HK_SPLIT_ISOLATED,
                         HK_SPLIT_REMOVED,
                         HK_SPLIT_MERGED_PREVIOUS,
                         HK_SPLIT_MERGED_NEXT,
                         HK_SPLIT_CONTIGUOUS, /* neighbouring matches are one piece */
};
enum hk_prefix { HK_PREFIX_NEVER, HK_PREFIX_ALWAYS, HK_PREFIX_FIRST /* only where the text begins */ };

struct hk_pre_step {
    enum hk_pre_kind kind;
    enum hk_split_behavior behavior;
    bool invert; /* what does not match is the match */
    enum hk_char_class class;
    enum hk_prefix prefix;
    uint32_t n;
    struct hk_span pattern;
};

/* ---- decoders ---- */

enum hk_decode_kind {
    HK_DECODE_REPLACE,       /* in each token; behind FUSE in the whole text */
    HK_DECODE_REPLACE_REGEX, /* in each token */
    HK_DECODE_STRIP,     /* up to `start` and `stop` characters `pattern` off the ends of each token; behind
                                    FUSE of the text, with `flag` at its start of each token until text came */
    HK_DECODE_METASPACE, /* `pattern` becomes a space; with `flag` not in the first token, where it goes */
    HK_DECODE_WORDPIECE, /* `pattern` (##) joins, other tokens have a space before; `flag`: cleans up */
    HK_DECODE_SUFFIX,    /* `pattern` (</w>) becomes a space, but in the last token */
    HK_DECODE_BYTE_FALLBACK, /* <0xXX> is a byte */
    HK_DECODE_BYTE_LEVEL,    /* GPT-2's alphabet; fuses */
    HK_DECODE_FUSE,
    HK_DECODE_JOIN, /* a space between tokens: what tokenizers does without a decoder */
};

struct hk_decode_step {
    enum hk_decode_kind kind;
    struct hk_span pattern, text;
    uint32_t start, stop;
    bool flag;
};

/* ---- all of them ---- */

struct hk_text_steps {
    const struct hk_norm_step *norm;
    const struct hk_pre_step *pre;
    const struct hk_decode_step *decode;
    uint32_t n_norm, n_pre, n_decode;
};

#endif

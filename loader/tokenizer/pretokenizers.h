/* Pre-tokenizers by the name that GGUF files give them: how a text is cut into words before byte-level BPE. */
#ifndef HEKLA_LOADER_PRETOKENIZERS_H
#define HEKLA_LOADER_PRETOKENIZERS_H

#include "loader/base.h"

enum { HK_MAX_PRE_REGEX = 6 };

struct hk_pretokenizer {
    const char *name;
    /* Split patterns as the model's own tokenizer.json has them, applied one after the other; ends at NULL */
    const char *regex[HK_MAX_PRE_REGEX + 1];
    /* what tokenizers of this family do besides */
    bool ignore_merges; /* a word that is a token is taken as it is */
    bool rank_merges;   /* there is no list of merges: the order of the tokens says it */
    bool add_bos;       /* a text begins with the beginning-of-text token where the file does not say */
    bool add_sep;       /* and ends with the separator (RoBERTa's kind) */
    bool plain;         /* merges are over characters, the space spelt U+2581, not over bytes */
};

/* GPT-2's pattern: also what Hugging Face's ByteLevel does with use_regex. */
extern const char hk_gpt2_regex[];

/* The row of that name, NULL when there is none. "" is "default". */
const struct hk_pretokenizer *hk_pretokenizer_find(const char *name);

/* Row i, NULL behind the last. */
const struct hk_pretokenizer *hk_pretokenizer_at(size_t i);

/* Writes the known names, separated by ", ", cut to size. */
void hk_pretokenizer_names(char *out, size_t size);

#endif

/* Pre-tokenizers by the name that GGUF files give them: how a text is cut into words before byte-level BPE.
 */
#ifndef HEKLA_LOADER_PRETOKENIZERS_H
#define HEKLA_LOADER_PRETOKENIZERS_H

#include "base.h"

enum { HK_MAX_PRE_REGEX = 6 };

struct hk_pretokenizer {
    const char *name;
    /* Split patterns as the model's own tokenizer.json has them, applied one after the other; ends at NULL */
    const char *regex[HK_MAX_PRE_REGEX + 1];
    bool ignore_merges; /* tokenizers of this family take a word that is a token as it is */
};

/* GPT-2's pattern: also what Hugging Face's ByteLevel does with use_regex. */
extern const char hk_gpt2_regex[];

/* The row of that name, NULL when there is none. "" is "default". */
const struct hk_pretokenizer *hk_pretokenizer_find(const char *name);

/* Row i, NULL behind the last. */
const struct hk_pretokenizer *hk_pretokenizer_at(size_t i);

/* Whether tokenizers of that name end a text with their separator (RoBERTa's kind). */
bool hk_pretokenizer_adds_sep(const char *name);

/* Writes the known names, separated by ", ", cut to size. */
void hk_pretokenizer_names(char *out, size_t size);

#endif

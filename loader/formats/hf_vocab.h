/* The tokenizers of Hugging Face folders without a tokenizer.json: tokenizer.model (SentencePiece or
 * tiktoken), vocab.json with merges.txt (GPT-2's kind), vocab.txt (BERT's). Internal to hf.c. */
#ifndef HEKLA_LOADER_HF_VOCAB_H
#define HEKLA_LOADER_HF_VOCAB_H

#include "loader/formats/hf.h"

/* Whether the folder has one of these, or a tokenizer.json. */
bool hk_hf_has_vocab(const struct hk_hf_text texts[HK_HF_PARTS]);

/* Fills c->vocab from the first that is there, with the tokens that added_tokens.json, tokenizer_config.json
 * and special_tokens_map.json add or name; leaves it as it is where there is none. False and *err for a
 * broken file, and HK_ERR_UNSUPPORTED for a tokenizer_class whose rules for vocab.json are not known. */
bool hk_hf_old_vocab(struct hk_checkpoint *c, const struct hk_hf_text texts[HK_HF_PARTS],
                     struct hk_error *err);

#endif

/* Hugging Face's tokenizer.json (the file format of the tokenizers library). */
#ifndef HEKLA_LOADER_TOKENIZER_JSON_H
#define HEKLA_LOADER_TOKENIZER_JSON_H

#include "loader/checkpoint.h"

/* Fills *vocab from the text of a tokenizer.json; strings are copied into the arena, so that json may be
 * freed. Supported: model BPE, over bytes (ByteLevel) or over characters with U+2581 for the space ("llama 2
 * style"). add_bos and add_eos follow the post_processor; bos and eos that it does not name are guessed from
 * usual names among the special tokens: what config.json says about them should win. False and *err:
 * HK_ERR_FORMAT for a broken file, HK_ERR_UNSUPPORTED for a part whose effect on the tokens Hekla cannot
 * reproduce (the text names it). */
bool hk_vocab_from_tokenizer_json(struct hk_arena *arena, const char *json, size_t len,
                                  struct hk_vocab *vocab, struct hk_error *err);

#endif

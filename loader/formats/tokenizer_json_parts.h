/* What the files that read tokenizer.json share. */
#ifndef HEKLA_LOADER_TOKENIZER_JSON_PARTS_H
#define HEKLA_LOADER_TOKENIZER_JSON_PARTS_H

#include "loader/checkpoint.h"
#include "loader/json.h"

enum { HK_MAX_STEPS = 32 };

struct hk_json_reader {
    struct hk_arena *arena;
    struct hk_vocab *v;
    struct hk_vocab_token *tokens;
    struct hk_norm_step norm[HK_MAX_STEPS];
    struct hk_pre_step pre[HK_MAX_STEPS];
    struct hk_decode_step decode[HK_MAX_STEPS];
    uint32_t n_norm, n_pre, n_decode;
    bool byte_level; /* a ByteLevel pre-tokenizer: the model sees bytes */
    struct hk_error *err;
};

extern const char hk_tokenizer_json_name[]; /* for messages */

/* HK_ERR_UNSUPPORTED: `what` (a kind of part) of that name, and which are known. */
bool hk_reader_refuse(const struct hk_json_reader *r, const char *what, const char *name, const char *known);
/* The member as a string, "" where it is none. */
const char *hk_reader_string(const cJSON *obj, const char *key);
/* An optional boolean member. */
bool hk_reader_flag(const struct hk_json_reader *r, const cJSON *obj, const char *key, bool *out);
/* A copy of the string in the arena. */
bool hk_reader_copy(const struct hk_json_reader *r, const char *s, struct hk_span *out);

/* "normalizer", "pre_tokenizer" and "decoder" of the root into v->steps. */
bool hk_reader_steps(struct hk_json_reader *r, const cJSON *root);
/* "post_processor": what is put around a text. */
bool hk_reader_post_processor(struct hk_json_reader *r, const cJSON *root);

#endif

/* GGUF, versions 2 and 3, little-endian: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * gguf.c reads the container, which is typed key-value pairs and a tensor directory; gguf_split.c joins
 * models of several files; gguf_checkpoint.c says what the keys mean. Keys and strings are views into the
 * file, without a NUL. */
#ifndef HEKLA_LOADER_GGUF_H
#define HEKLA_LOADER_GGUF_H

#include "loader/formats/formats.h"

enum hk_gguf_value_type {
    HK_GGUF_U8,
    HK_GGUF_I8,
    HK_GGUF_U16,
    HK_GGUF_I16,
    HK_GGUF_U32,
    HK_GGUF_I32,
    HK_GGUF_F32,
    HK_GGUF_BOOL,
    HK_GGUF_STRING,
    HK_GGUF_ARRAY,
    HK_GGUF_U64,
    HK_GGUF_I64,
    HK_GGUF_F64,
    HK_GGUF_VALUE_TYPES,
};

struct hk_gguf_string {
    const char *text;
    uint64_t len;
};

struct hk_gguf_kv {
    struct hk_gguf_string key;
    enum hk_gguf_value_type type;
    enum hk_gguf_value_type element; /* of an array */
    uint64_t count;                  /* elements of an array, else 1 */
    const uint8_t *data;             /* the value, or an array's first element, as the file has it */
    size_t size;                     /* bytes of all elements */
};

struct hk_gguf {
    const char *file; /* for messages */
    struct hk_error *err;
    uint32_t version;
    size_t n_kv;
    const struct hk_gguf_kv *kv; /* sorted by key */
};

/* Reads the container in data[0, size) into c's tensor directory and *g, both in c's arena and pointing into
 * data. False and *err when anything is wrong: another version or byte order, lengths or offsets that leave
 * the file, tensors that overlap, names or keys that occur twice, a weight type outside the table. */
bool hk_gguf_parse(struct hk_checkpoint *c, const void *data, size_t size, const char *file,
                   struct hk_gguf *g, struct hk_error *err);

/* Whether the file is one of several parts (split.count above 1). False and *err when its split keys are of
 * unfit types, out of range or incomplete. */
bool hk_gguf_is_split(const struct hk_gguf *g, bool *split);
/* Opens the other parts of the model of which m, parsed into c and *g, is one: they lie beside c->path under
 * its name with their own numbers. c then has the tensors of all parts, and *g the first one's keys. False
 * and *err when a part is missing, is another one or of another model, or m is no file. */
bool hk_gguf_join_parts(struct hk_checkpoint *c, const struct hk_mapping *m, struct hk_gguf *g,
                        struct hk_error *err);

/* Fills c's hyperparameters, vocabulary and template from the keys. */
bool hk_gguf_interpret(struct hk_checkpoint *c, const struct hk_gguf *g, struct hk_error *err);

/* The key "<architecture>.<suffix>"; both are short, so that it always fits. */
struct hk_gguf_key {
    char text[96];
};
struct hk_gguf_key hk_gguf_key_of(const struct hk_hparams *hp, const char *suffix);

/* The pair with that key, or NULL. */
const struct hk_gguf_kv *hk_gguf_find(const struct hk_gguf *g, const char *key);

/* Each sets *out when the key is there; false and *err when the value is of an unfit type or outside the
 * range. Integers of any width are taken where an integer is needed. *found (may be NULL) says whether the
 * key is there. */
bool hk_gguf_u32(const struct hk_gguf *g, const char *key, uint32_t lo, uint32_t hi, uint32_t *out,
                 bool *found);
bool hk_gguf_f32(const struct hk_gguf *g, const char *key, float lo, float hi, float *out, bool *found);
bool hk_gguf_bool(const struct hk_gguf *g, const char *key, bool *out, bool *found);
bool hk_gguf_str(const struct hk_gguf *g, const char *key, struct hk_gguf_string *out, bool *found);
/* The array with that key, or NULL in *out when there is none; false and *err when it is no array of that
 * type. */
bool hk_gguf_array(const struct hk_gguf *g, const char *key, enum hk_gguf_value_type element,
                   const struct hk_gguf_kv **out);

/* Element i of a string array, walked in order: start with *p = kv->data. Parsing has checked the lengths. */
struct hk_gguf_string hk_gguf_next_string(const uint8_t **p);

#endif

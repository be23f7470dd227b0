/* Text -> token id, and the growing list of ids that encoding fills. Internal to the tokenizer's files. */
#ifndef HEKLA_LOADER_VOCAB_MAP_H
#define HEKLA_LOADER_VOCAB_MAP_H

#include "loader/checkpoint.h"
#include "loader/tokenizer/tokenizer.h"

/* A hash table with open addressing, made once. It does not own the texts. */
struct hk_vocab_slot {
    const char *text; /* NULL: free */
    uint32_t len, id;
    uint32_t tag; /* the hash's other half: most other texts are told apart without looking at them */
};
struct hk_vocab_map {
    struct hk_vocab_slot *slots;
    size_t mask;      /* slots - 1; slots is a power of two */
    uint32_t longest; /* bytes of the longest text: what is longer need not be looked up */
};

/* Room for `count` texts. False and *err when memory is out. */
bool hk_vocab_map_init(struct hk_vocab_map *m, size_t count, struct hk_error *err);
void hk_vocab_map_free(struct hk_vocab_map *m);
/* At most `count` times. Of two equal texts the later one wins, as in the vocabularies' own dictionaries. */
void hk_vocab_map_put(struct hk_vocab_map *m, const char *text, uint32_t len, uint32_t id);
/* The id, or HK_NO_TOKEN. */
uint32_t hk_vocab_map_get(const struct hk_vocab_map *m, const char *text, size_t len);

/* A hash of bytes; its low bits are good. */
uint64_t hk_text_hash(const char *s, size_t len);

bool hk_tokens_push(struct hk_tokens *t, uint32_t id, struct hk_error *err);

#endif

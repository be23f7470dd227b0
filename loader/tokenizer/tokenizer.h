/* Text <-> tokens. */
#ifndef HEKLA_LOADER_TOKENIZER_H
#define HEKLA_LOADER_TOKENIZER_H

#include "loader/open.h"

struct hk_tokenizer; /* immutable once made; may be shared between threads */

/* Builds the lookup tables. The vocab must outlive the tokenizer. NULL and *err when the kind is not
 * supported, the pre-tokenizer is unknown (the message lists the known ones), or tables are inconsistent. */
HK_API struct hk_tokenizer *hk_tokenizer_new(const struct hk_vocab *vocab, struct hk_error *err);
HK_API void hk_tokenizer_free(struct hk_tokenizer *t);
HK_API const struct hk_vocab *hk_tokenizer_vocab(const struct hk_tokenizer *t); /* what it was made from */

enum hk_encode_flags {
    HK_ENCODE_ADD_SPECIAL = 1,   /* put bos (and eos) where the vocabulary says so */
    HK_ENCODE_PARSE_SPECIAL = 2, /* control tokens written in the text ("<|eot_id|>") become those tokens */
};

/* A growing list of token ids: zero-initialise, release with hk_tokens_free. Used by one thread at a time. */
struct hk_tokens {
    uint32_t *ids;
    size_t n, capacity;
};
/* Appends ids[0..n). */
HK_API bool hk_tokens_append(struct hk_tokens *to, const uint32_t *ids, size_t n, struct hk_error *err);
HK_API void hk_tokens_free(struct hk_tokens *t);

/* Appends the tokens of text[0..len) to *out. Any bytes are accepted, NUL and broken UTF-8 too. Time is
 * O(len log len) also for pathological input. False and *err when memory is out, or a pattern of the
 * vocabulary's own needs more steps than is sane. */
HK_API bool hk_tokenizer_encode(const struct hk_tokenizer *t, const char *text, size_t len, unsigned flags,
                                struct hk_tokens *out, struct hk_error *err);

/* A part of a text that somebody typed: what stands there is text. No control token is found in it, not even
 * one that begins or ends outside, and of the other added tokens none of `also`. */
struct hk_typed {
    size_t start, end; /* bytes */
    const uint32_t *also;
    size_t n_also;
};
/* The same, with parts that were typed, in their order and apart from each other, the text being UTF-8. Where
 * nothing in those parts is such a token, the tokens are those of hk_tokenizer_encode: no word is cut where a
 * part begins or ends. (In a vocabulary that normalises before it looks for control tokens, a part with one
 * in it is encoded by itself.) Pieces that a SentencePiece model finds itself are not looked at. */
HK_API bool hk_tokenizer_encode_typed(const struct hk_tokenizer *t, const char *text, size_t len,
                                      unsigned flags, const struct hk_typed *typed, size_t n_typed,
                                      struct hk_tokens *out, struct hk_error *err);

/* Where token i stands: bytes [start, end) of the text. */
struct hk_token_span {
    size_t start, end;
};
/* Where in text[0..len) its tokens, those of an encode function, stand, in spans[0..n): in order and apart. A
 * token that was put around the text is an empty span where it would stand; white space that the vocabulary
 * takes away belongs to none; of unknown tokens in a row the first has all of theirs. A span may begin or end
 * inside a UTF-8 character. HK_ERR_UNSUPPORTED where the vocabulary changes the text (letters to lower case,
 * ...), so that its tokens are not in it. */
HK_API bool hk_tokenizer_spans(const struct hk_tokenizer *t, const char *text, size_t len,
                               const uint32_t *ids, size_t n, struct hk_token_span *spans,
                               struct hk_error *err);

/* The bytes that one token stands for, without context: may be part of a UTF-8 character. Control tokens give
 * an empty string unless `special`. *bytes points into the tokenizer. Ids beyond the vocabulary give an empty
 * string. */
HK_API size_t hk_tokenizer_bytes(const struct hk_tokenizer *t, uint32_t id, bool special, const char **bytes);

/* Incremental decoding for streaming: holds back an incomplete UTF-8 character, and what later tokens can
 * change, and drops the leading space that some vocabularies add to the first word. Holds no memory: it may
 * be copied. Used by one thread at a time. */
struct hk_decoder {
    const struct hk_tokenizer *tokenizer;
    uint64_t state[7]; /* the decoder's own */
};
/* at_start: the text begins here, and the first word's virtual space is dropped; special: control tokens are
 * printed too. The tokenizer must outlive the decoder. */
HK_API void hk_decoder_init(struct hk_decoder *d, const struct hk_tokenizer *t, bool at_start, bool special);
/* Appends what can be printed now. Bytes that can never become UTF-8 are passed on as they are. */
HK_API bool hk_decoder_push(struct hk_decoder *d, uint32_t id, struct hk_bytes *out, struct hk_error *err);
/* Appends what was held back. */
HK_API bool hk_decoder_finish(struct hk_decoder *d, struct hk_bytes *out, struct hk_error *err);

#endif

/* What the tests of the tokenizers share: vocabularies out of tests/golden/tokenizers.json. */
#ifndef HEKLA_TESTS_TOKENIZER_TESTING_H
#define HEKLA_TESTS_TOKENIZER_TESTING_H

#include "tests/loader_testing.h"
#include "loader/json.h"
#include "loader/tokenizer/tokenizer.h"

/* How much slower than a release the sanitizers may be. */
#if defined(__SANITIZE_ADDRESS__)
enum { TEST_SLOWER = 5 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { TEST_SLOWER = 5 };
#else
enum { TEST_SLOWER = 1 };
#endif
#else
enum { TEST_SLOWER = 1 };
#endif

struct test_tokenizer {
    struct hk_arena arena;
    struct hk_vocab vocab;
    struct hk_tokenizer *t;
};

/* tests/golden/tokenizers.json, and another file of that folder; release with cJSON_Delete. */
cJSON *test_goldens(void);
cJSON *test_golden_file(const char *name);
/* The tokenizer.json of a variant; release with cJSON_Delete. */
cJSON *test_variant_json(const cJSON *goldens, const cJSON *variant);
/* The tokenizer of that text, which must be good. */
void test_tokenizer_from_json(struct test_tokenizer *t, const char *json);
/* The same of a variant, by its name (test_goldens is read for it), and of the SentencePiece vocabulary. */
void test_tokenizer_of(struct test_tokenizer *t, const char *variant);
void test_tokenizer_spm(struct test_tokenizer *t, const cJSON *goldens);
void test_tokenizer_free(struct test_tokenizer *t);

/* The ids as text, "1 403 407"; valid until the next call. */
const char *test_ids(const struct hk_tokenizer *t, const char *text, size_t len, unsigned flags);
/* Fails unless the ids are these. `what` says which text in the message. */
void test_ids_are(const struct hk_tokenizer *t, const char *text, size_t len, unsigned flags, const char *ids,
                  const char *what);
/* decode(encode(text)), the added bos and eos left out, is text. */
void test_roundtrip(const struct test_tokenizer *t, const char *text, size_t len, unsigned flags,
                    const char *what);

/* The ids ("1 403 407") decode to that text, control tokens printed. */
void test_decoded_is(const struct hk_tokenizer *t, const char *ids, const char *text, const char *what);

/* Compares with the shared vectors tokenizers/ggml-vocab-<name>.gguf.inp and .out: texts separated by a line
 * "__ggml_vocab_test__", one line of ids for each. roundtrip: and each must come back as it was. */
void test_vectors(const struct test_tokenizer *t, const char *name, bool roundtrip);
/* The tokenizer of the shared tokenizers/ggml-vocab-<name>.gguf; close what is returned after freeing it. */
struct hk_checkpoint *test_tokenizer_gguf(struct test_tokenizer *t, const char *name);
/* test_vectors for it. */
void test_gguf_vectors(const char *name, bool roundtrip);

/* Encodes a million bytes of `unit` with `end` behind, whose processor time is bounded. roundtrip: and they
 * come back. */
void test_long_text(const struct test_tokenizer *t, const char *unit, const char *end, const char *what,
                    bool roundtrip);

/* Appends the bytes that hexadecimal digits say. */
void test_unhex(const char *hex, struct hk_bytes *out);
/* The whole of a file. */
void test_read(const char *path, struct hk_bytes *out);

#endif

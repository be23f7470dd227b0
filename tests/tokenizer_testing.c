/* What the tests of the tokenizers share. */
#include "tests/tokenizer_testing.h"
#include "loader/formats/tokenizer_json.h"

#include <stdio.h>
#include <time.h>

void test_read(const char *path, struct hk_bytes *out)
{
    struct hk_error err = {0};
    struct hk_mapping *m = hk_mapping_open(path, &err);
    if (!m) fail_msg("%s", err.text);
    hk_test_put(out, m->data, m->size);
    hk_mapping_close(m);
}

cJSON *test_goldens(void)
{
    return test_golden_file("tokenizers.json");
}

cJSON *test_golden_file(const char *name)
{
    char path[HK_TEST_PATH];
    const char *source = getenv("HEKLA_SOURCE_DIR");
    struct hk_bytes text = {0};
    snprintf(path, sizeof path, "%s/tests/golden/%s", source ? source : ".", name);
    test_read(path, &text);
    cJSON *goldens = hk_json_parse(text.data, text.len, path, NULL);
    assert_non_null(goldens);
    hk_bytes_free(&text);
    return goldens;
}

static void replace(cJSON *obj, const cJSON *item)
{
    cJSON_DeleteItemFromObjectCaseSensitive(obj, item->string);
    assert_true(cJSON_AddItemToObject(obj, item->string, cJSON_Duplicate(item, 1)));
}

cJSON *test_variant_json(const cJSON *goldens, const cJSON *variant)
{
    const char *base = hk_json_get(variant, "base")->valuestring;
    cJSON *json = cJSON_Duplicate(hk_json_get(hk_json_get(goldens, "bases"), base), 1);
    const cJSON *change, *part;
    assert_non_null(json);
    cJSON_ArrayForEach(change, hk_json_get(variant, "set"))
    {
        if (strcmp(change->string, "model") != 0) {
            replace(json, change);
            continue;
        }
        cJSON *model = cJSON_GetObjectItemCaseSensitive(json, "model");
        cJSON_ArrayForEach(part, change) replace(model, part);
    }
    return json;
}

void test_tokenizer_from_json(struct test_tokenizer *t, const char *json)
{
    struct hk_error err = {0};
    *t = (struct test_tokenizer){0};
    if (!hk_vocab_from_tokenizer_json(&t->arena, json, strlen(json), &t->vocab, &err))
        fail_msg("%s", err.text);
    t->t = hk_tokenizer_new(&t->vocab, &err);
    if (!t->t) fail_msg("%s", err.text);
}

void test_tokenizer_of(struct test_tokenizer *t, const char *variant)
{
    cJSON *goldens = test_goldens();
    const cJSON *v;
    t->t = NULL;
    cJSON_ArrayForEach(v, hk_json_get(goldens, "variants"))
    {
        if (strcmp(hk_json_get(v, "name")->valuestring, variant) != 0) continue;
        cJSON *json = test_variant_json(goldens, v);
        char *text = cJSON_PrintUnformatted(json);
        test_tokenizer_from_json(t, text);
        cJSON_free(text);
        cJSON_Delete(json);
    }
    cJSON_Delete(goldens);
    assert_non_null(t->t);
}

void test_tokenizer_spm(struct test_tokenizer *t, const cJSON *goldens)
{
    const cJSON *pieces = hk_json_get(hk_json_get(goldens, "sentencepiece"), "pieces"), *p;
    struct hk_error err = {0};
    *t = (struct test_tokenizer){
        .vocab = {.kind = HK_VOCAB_SPM, .bos = 1, .eos = 2, .unk = 0, .pad = HK_NO_TOKEN, .add_bos = true}};
    struct hk_vocab_token *tokens =
        hk_arena_alloc(&t->arena, (size_t)cJSON_GetArraySize(pieces), sizeof *tokens, NULL);
    assert_non_null(tokens);
    cJSON_ArrayForEach(p, pieces)
    {
        const char *text = p->child->valuestring;
        tokens[t->vocab.n_tokens++] =
            (struct hk_vocab_token){.text = hk_arena_strndup(&t->arena, text, strlen(text), NULL),
                                    .len = (uint32_t)strlen(text),
                                    .score = (float)p->child->next->valuedouble,
                                    .type = (uint8_t)p->child->next->next->valueint};
    }
    t->vocab.tokens = tokens;
    t->vocab.add_space_prefix = t->vocab.byte_fallback = true;
    t->t = hk_tokenizer_new(&t->vocab, &err);
    if (!t->t) fail_msg("%s", err.text);
}

void test_tokenizer_free(struct test_tokenizer *t)
{
    hk_tokenizer_free(t->t);
    hk_arena_free(&t->arena);
}

const char *test_ids(const struct hk_tokenizer *t, const char *text, size_t len, unsigned flags)
{
    static char out[1 << 16];
    struct hk_tokens ids = {0};
    struct hk_error err = {0};
    size_t n = 0;
    /* a copy without a byte to spare: a read past the end is seen by the sanitizers */
    uint8_t *copy = hk_test_copy(text, len);
    if (!hk_tokenizer_encode(t, (const char *)copy, len, flags, &ids, &err)) fail_msg("%s", err.text);
    free(copy);
    out[0] = 0;
    for (size_t i = 0; i < ids.n && n + 16 < sizeof out; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, i > 0 ? " %u" : "%u", ids.ids[i]);
    free(ids.ids);
    return out;
}

void test_ids_are(const struct hk_tokenizer *t, const char *text, size_t len, unsigned flags, const char *ids,
                  const char *what)
{
    const char *got = test_ids(t, text, len, flags);
    if (strcmp(got, ids) != 0)
        fail_msg("%s: \"%.60s\":\n  expected %.400s\n  got      %.400s", what, text, ids, got);
}

/* The tokens of a text that comes back as it was lie along it from one end to the other. */
static void check_spans(const struct test_tokenizer *t, const char *text, size_t len,
                        const struct hk_tokens *ids, const char *what)
{
    struct hk_error err = {0};
    struct hk_token_span *spans = calloc(ids->n + 1, sizeof *spans);
    size_t at = 0;
    uint8_t *copy = hk_test_copy(text, len);
    assert_non_null(spans);
    if (!hk_tokenizer_spans(t->t, (const char *)copy, len, ids->ids, ids->n, spans, &err))
        fail_msg("%s: \"%.60s\": %s", what, text, err.text);
    for (size_t i = 0; i < ids->n; i++) {
        const char *bytes;
        size_t n = hk_tokenizer_bytes(t->t, ids->ids[i], true, &bytes), size = spans[i].end - spans[i].start;
        if (spans[i].start != at || spans[i].end < at || spans[i].end > len)
            fail_msg("%s: \"%.60s\": token %zu is at %zu to %zu, behind %zu", what, text, i, spans[i].start,
                     spans[i].end, at);
        if (size && (size > n || size + 1 < n || memcmp(text + at, bytes + (n - size), size) != 0))
            fail_msg("%s: \"%.60s\": token %zu is not what is at %zu", what, text, i, at);
        at = spans[i].end;
    }
    if (at != len) fail_msg("%s: \"%.60s\": the tokens end at %zu of %zu", what, text, at, len);
    free(copy);
    free(spans);
}

void test_roundtrip(const struct test_tokenizer *t, const char *text, size_t len, unsigned flags,
                    const char *what)
{
    struct hk_tokens ids = {0};
    struct hk_bytes out = {0};
    struct hk_decoder d;
    bool added = flags & HK_ENCODE_ADD_SPECIAL;
    assert_true(hk_tokenizer_encode(t->t, text, len, flags, &ids, NULL));
    hk_decoder_init(&d, t->t, true, true);
    size_t from = added && t->vocab.add_bos, to = ids.n - (added && t->vocab.add_eos);
    for (size_t i = from; i < to; i++) assert_true(hk_decoder_push(&d, ids.ids[i], &out, NULL));
    assert_true(hk_decoder_finish(&d, &out, NULL));
    if (out.len != len || (len > 0 && memcmp(out.data, text, len) != 0))
        fail_msg("%s: \"%.60s\" (%zu bytes) comes back as \"%.60s\" (%zu bytes)", what, text, len, out.data,
                 out.len);
    check_spans(t, text, len, &ids, what);
    hk_bytes_free(&out);
    free(ids.ids);
}

void test_decoded_is(const struct hk_tokenizer *t, const char *ids, const char *text, const char *what)
{
    struct hk_decoder d;
    struct hk_bytes out = {0};
    hk_test_put(&out, "", 0);
    hk_decoder_init(&d, t, true, true);
    for (char *end; *ids; ids = end)
        assert_true(hk_decoder_push(&d, (uint32_t)strtoul(ids, &end, 10), &out, NULL));
    assert_true(hk_decoder_finish(&d, &out, NULL));
    if (strcmp(out.data, text) != 0)
        fail_msg("%s: decodes to \"%.80s\", not to \"%.80s\"", what, out.data, text);
    hk_bytes_free(&out);
}

void test_unhex(const char *hex, struct hk_bytes *out)
{
    hk_test_put(out, "", 0);
    for (; hex[0] && hex[1]; hex += 2) {
        char byte[3] = {hex[0], hex[1], 0};
        char c = (char)strtol(byte, NULL, 16);
        hk_test_put(out, &c, 1);
    }
}

/* Texts separated by a line "__ggml_vocab_test__", one line of ids for each. */
void test_vectors(const struct test_tokenizer *t, const char *name, bool roundtrip)
{
    static const char SEPARATOR[] = "\n__ggml_vocab_test__\n";
    char path[HK_TEST_PATH], file[128];
    struct hk_bytes inp = {0}, out = {0};
    snprintf(file, sizeof file, "tokenizers/ggml-vocab-%s.gguf.inp", name);
    test_read(hk_test_shared(file, path), &inp);
    snprintf(file, sizeof file, "tokenizers/ggml-vocab-%s.gguf.out", name);
    test_read(hk_test_shared(file, path), &out);
    int n = 0;
    char *text = inp.data, *ids = out.data;
    while (*ids) {
        char *end = strstr(text, SEPARATOR), *eol = strchr(ids, '\n');
        assert_non_null(eol);
        *eol = 0;
        size_t len = end ? (size_t)(end - text) : strlen(text);
        while (*ids == ' ') ids++;
        size_t k = strlen(ids);
        while (k > 0 && ids[k - 1] == ' ') ids[--k] = 0;
        test_ids_are(t->t, text, len, 0, ids, name);
        if (roundtrip) test_roundtrip(t, text, len, 0, name);
        n++;
        ids = eol + 1;
        if (!end) break;
        text = end + strlen(SEPARATOR);
    }
    assert_true(n >= 40);
    hk_bytes_free(&inp);
    hk_bytes_free(&out);
}

struct hk_checkpoint *test_tokenizer_gguf(struct test_tokenizer *t, const char *name)
{
    char path[HK_TEST_PATH], file[128];
    struct hk_error err = {0};
    snprintf(file, sizeof file, "tokenizers/ggml-vocab-%s.gguf", name);
    struct hk_checkpoint *c = hk_checkpoint_open(hk_test_shared(file, path), NULL, &err);
    if (!c) fail_msg("%s", err.text);
    *t = (struct test_tokenizer){.vocab = c->vocab};
    t->t = hk_tokenizer_new(&c->vocab, &err);
    if (!t->t) fail_msg("%s", err.text);
    return c;
}

void test_gguf_vectors(const char *name, bool roundtrip)
{
    struct test_tokenizer t;
    struct hk_checkpoint *c = test_tokenizer_gguf(&t, name);
    test_vectors(&t, name, roundtrip);
    test_tokenizer_free(&t);
    hk_checkpoint_close(c);
}

/* A million times a character, with something behind it that makes patterns go back. */
void test_long_text(const struct test_tokenizer *t, const char *unit, const char *end, const char *what,
                    bool roundtrip)
{
    enum { N = 1000 * 1000 };
    struct hk_bytes text = {0};
    while (text.len < N) hk_test_put(&text, unit, strlen(unit));
    hk_test_put(&text, end, strlen(end));
    struct hk_tokens ids = {0};
    struct hk_error err = {0};
    clock_t start = clock();
    if (!hk_tokenizer_encode(t->t, text.data, text.len, HK_ENCODE_ADD_SPECIAL | HK_ENCODE_PARSE_SPECIAL, &ids,
                             &err))
        fail_msg("%s: %s", what, err.text);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (seconds > 2.0 * (double)TEST_SLOWER)
        fail_msg("%s: a megabyte of \"%s\" took %.1f s of processor time", what, unit, seconds);
    free(ids.ids);
    if (roundtrip)
        test_roundtrip(t, text.data, text.len, HK_ENCODE_ADD_SPECIAL | HK_ENCODE_PARSE_SPECIAL, what);
    hk_bytes_free(&text);
}

/* Ids against the original libraries (tests/golden/tokenizers.json, and the vectors of the shared folder),
 * the way back, streaming, long and broken input. */
#include "tests/tokenizer_testing.h"

#include <stdio.h>
#include <time.h>

enum { BOTH = HK_ENCODE_ADD_SPECIAL | HK_ENCODE_PARSE_SPECIAL };

/* ---- goldens ---- */

static void check_variant(const cJSON *goldens, const cJSON *variant)
{
    const char *name = hk_json_get(variant, "name")->valuestring;
    const cJSON *special = hk_json_get(variant, "special"), *hex,
                *plain = hk_json_get(variant, "plain")->child;
    struct test_tokenizer t;
    test_tokenizer_of(&t, name);
    int i = 0;
    cJSON_ArrayForEach(hex, hk_json_get(goldens, "texts"))
    {
        char number[16];
        struct hk_bytes text = {0};
        test_unhex(hex->valuestring, &text);
        snprintf(number, sizeof number, "%d", i++);
        const cJSON *other = hk_json_get(special, number);
        test_ids_are(t.t, text.data, text.len, 0, plain->valuestring, name);
        test_ids_are(t.t, text.data, text.len, BOTH, other ? other->valuestring : plain->valuestring, name);
        bool spelt = t.vocab.plain && strstr(text.data, "\xE2\x96\x81");
        if (cJSON_IsTrue(hk_json_get(variant, "roundtrip")) && !spelt) {
            test_roundtrip(&t, text.data, text.len, 0, name);
            test_roundtrip(&t, text.data, text.len, BOTH, name);
        }
        hk_bytes_free(&text);
        plain = plain->next;
    }
    test_tokenizer_free(&t);
}

static void test_variants(void **state)
{
    (void)state;
    cJSON *goldens = test_goldens();
    const cJSON *variant;
    int n = 0;
    cJSON_ArrayForEach(variant, hk_json_get(goldens, "variants"))
    {
        check_variant(goldens, variant);
        n++;
    }
    assert_true(n >= 17);
    cJSON_Delete(goldens);
}

static void test_sentencepiece(void **state)
{
    (void)state;
    cJSON *goldens = test_goldens();
    const cJSON *hex, *plain = hk_json_get(hk_json_get(goldens, "sentencepiece"), "plain")->child;
    struct test_tokenizer t;
    test_tokenizer_spm(&t, goldens);
    cJSON_ArrayForEach(hex, hk_json_get(goldens, "texts"))
    {
        struct hk_bytes text = {0};
        test_unhex(hex->valuestring, &text);
        if (cJSON_IsString(plain))
            test_ids_are(t.t, text.data, text.len, 0, plain->valuestring, "sentencepiece");
        if (!strstr(text.data, "\xE2\x96\x81"))
            test_roundtrip(&t, text.data, text.len, BOTH, "sentencepiece");
        hk_bytes_free(&text);
        plain = plain->next;
    }
    test_ids_are(t.t, "", 0, BOTH, "1", "the empty text");
    test_tokenizer_free(&t);
    cJSON_Delete(goldens);
}

/* ---- the shared folder ---- */

static void test_gpt2_vectors(void **state)
{
    (void)state;
    test_gguf_vectors("gpt-2", true);
}

static void test_llama_spm_vectors(void **state)
{
    (void)state;
    test_gguf_vectors("llama-spm", true);
}

static void test_more_vectors(void **state)
{
    (void)state;
    test_gguf_vectors("phi-3", true);
    test_gguf_vectors("falcon", true);
    test_gguf_vectors("deepseek-llm", true);
}

/* ---- Llama 3's vocabulary, from its tiktoken form ---- */

struct word {
    char text[300]; /* the bytes in GPT-2's alphabet */
    uint32_t len, id;
};

static int base64_value(char c)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = strchr(DIGITS, c);
    return p && c ? (int)(p - DIGITS) : -1;
}

static void add_byte(struct word *w, unsigned b)
{
    unsigned cp = b, n = 0;
    for (unsigned k = 0; k <= b; k++) {
        bool printable = (k >= 33 && k <= 126) || (k >= 161 && k <= 172) || k >= 174;
        if (k == b && !printable) cp = 256 + n;
        n += !printable;
    }
    assert_true(w->len + 3 < sizeof w->text);
    if (cp < 0x80) {
        w->text[w->len++] = (char)cp;
    } else {
        w->text[w->len++] = (char)(0xC0 | cp >> 6);
        w->text[w->len++] = (char)(0x80 | (cp & 0x3F));
    }
}

static int by_word(const void *pa, const void *pb)
{
    const struct word *a = pa, *b = pb;
    int c = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
    return c ? c : (a->len > b->len) - (a->len < b->len);
}

/* Lines of "base64 rank"; returns how many. */
static uint32_t read_tiktoken(const char *p, struct word *words, uint32_t most)
{
    uint32_t n = 0;
    while (*p && n < most) {
        struct word *w = &words[n++];
        unsigned bits = 0, have = 0;
        *w = (struct word){0};
        for (int v; (v = base64_value(*p)) >= 0; p++) {
            bits = bits << 6 | (unsigned)v;
            have += 6;
            if (have < 8) continue;
            have -= 8;
            add_byte(w, bits >> have & 0xFF);
        }
        p = strchr(p, ' ');
        assert_non_null(p);
        w->id = (uint32_t)strtoul(p, NULL, 10);
        p = strchr(p, '\n');
        if (!p++) break;
    }
    return n;
}

/* Every way to put a token together from two others, tokens in the order of their ranks. */
static void add_merges(struct hk_arena *a, struct hk_vocab *v, const struct word *sorted)
{
    enum { MOST = 400 * 1000 };
    const char **merges = hk_arena_alloc(a, MOST, sizeof *merges, NULL);
    uint32_t *left = hk_arena_alloc(a, MOST, sizeof *left, NULL);
    assert_true(merges && left);
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        const struct hk_vocab_token *t = &v->tokens[i];
        for (uint32_t k = 1; k < t->len; k++) {
            struct word l = {.len = k}, r = {.len = t->len - k};
            memcpy(l.text, t->text, k);
            memcpy(r.text, t->text + k, r.len);
            if (!bsearch(&l, sorted, v->n_tokens, sizeof l, by_word) ||
                !bsearch(&r, sorted, v->n_tokens, sizeof r, by_word))
                continue;
            char both[2 * sizeof l.text];
            snprintf(both, sizeof both, "%.*s %.*s", (int)l.len, l.text, (int)r.len, r.text);
            assert_true(v->n_merges < MOST);
            left[v->n_merges] = k;
            merges[v->n_merges++] = hk_arena_strndup(a, both, strlen(both), NULL);
        }
    }
    v->merges = merges;
    v->merge_left_len = left;
}

static void test_llama3_vectors(void **state)
{
    (void)state;
    enum { N = 128000 };
    char path[HK_TEST_PATH];
    struct hk_bytes file = {0};
    struct hk_error err = {0};
    test_read(hk_test_shared("tokenizers/llama3.tokenizer.model", path), &file);
    struct word *words = calloc(N, sizeof *words);
    struct hk_vocab_token *tokens = calloc(N, sizeof *tokens);
    struct test_tokenizer t = {.vocab = {.kind = HK_VOCAB_BPE, .pre = "llama-bpe", .tokens = tokens}};
    assert_true(words && tokens);
    t.vocab.bos = t.vocab.eos = t.vocab.unk = t.vocab.pad = HK_NO_TOKEN;
    t.vocab.n_tokens = read_tiktoken(file.data, words, N);
    assert_int_equal(t.vocab.n_tokens, N);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(words[i].id, i);
        tokens[i] =
            (struct hk_vocab_token){.text = hk_arena_strndup(&t.arena, words[i].text, words[i].len, NULL),
                                    .len = words[i].len,
                                    .type = HK_TOKEN_NORMAL};
    }
    qsort(words, N, sizeof *words, by_word);
    add_merges(&t.arena, &t.vocab, words);
    assert_int_equal(t.vocab.n_merges, 280147); /* as many as Llama 3's own tokenizer.json has */
    t.t = hk_tokenizer_new(&t.vocab, &err);
    if (!t.t) fail_msg("%s", err.text);
    test_vectors(&t, "llama-bpe", true);
    test_tokenizer_free(&t);
    free(words);
    free(tokens);
    hk_bytes_free(&file);
}

static void check_prompt(const char *model, const char *prompt, const char *ids)
{
    char path[HK_TEST_PATH];
    struct hk_error err = {0};
    struct hk_checkpoint *c = hk_checkpoint_open(hk_test_shared(model, path), NULL, &err);
    if (!c) fail_msg("%s", err.text);
    struct hk_tokenizer *t = hk_tokenizer_new(&c->vocab, &err);
    if (!t) fail_msg("%s", err.text);
    test_ids_are(t, prompt, strlen(prompt), BOTH, ids, model);
    hk_tokenizer_free(t);
    hk_checkpoint_close(c);
}

static void test_prompts(void **state)
{
    (void)state;
    check_prompt("models/stories260K/stories260K.bin", "Once upon a time", "1 403 407 261 378");
    check_prompt("models/stories260K/stories260K.gguf", "Once upon a time", "1 403 407 261 378");
    check_prompt("models/stories260K/stories260K.bin", "", "1");
    check_prompt("models/stories260K/stories260K.gguf", "", "1");
    check_prompt("models/tarotble", "You may feel", "325 393 444");
}

/* ---- long input ---- */

static void test_long(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt2",       "llama3", "Ruby's syntax",
                                        "no pattern", "llama2", "no prefix"};
    static const char *const units[] = {"a",   " ",        "\n",           " \n",  "1", "'",
                                        "the", "\xCC\x80", "\xE6\x97\xA5", "\xFF", "<|"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct test_tokenizer t;
        test_tokenizer_of(&t, names[i]);
        for (size_t k = 0; k < sizeof units / sizeof *units; k++)
            test_long_text(&t, units[k], "x", names[i], true);
        test_tokenizer_free(&t);
    }
}

/* Combining marks in the worst order: sorting them must not be quadratic. */
static void test_long_normalizing(void **state)
{
    (void)state;
    struct test_tokenizer t;
    struct hk_bytes text = {0};
    struct hk_tokens ids = {0};
    test_tokenizer_of(&t, "form C");
    hk_test_put(&text, "a", 1);
    while (text.len < 1000 * 1000) hk_test_put(&text, "\xCC\x95\xCC\x80\xD6\xAE\xCC\x96", 8);
    clock_t start = clock();
    assert_true(hk_tokenizer_encode(t.t, text.data, text.len, 0, &ids, NULL));
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 2.0 * (double)TEST_SLOWER);
    free(ids.ids);
    hk_bytes_free(&text);
    test_tokenizer_free(&t);
}

/* ---- broken UTF-8 ---- */

static void test_broken(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt2",       "llama3", "digits one by one",
                                        "no pattern", "llama2", "no prefix"};
    /* overlong, surrogate, too large, cut off, continuation alone */
    static const char *const cases[] = {
        "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF0\x9F\x98",
        "\x80",     "\xBF\xBF",     "\xE6\x97",     "\xFE\xFF",         "\xF0\x9F\xE6\x97\xA5"};
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct test_tokenizer t;
        test_tokenizer_of(&t, names[i]);
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            char text[64];
            snprintf(text, sizeof text, "%s", cases[k]);
            test_roundtrip(&t, text, strlen(text), 0, names[i]);
            snprintf(text, sizeof text, "The %s lamp%s", cases[k], cases[k]);
            test_roundtrip(&t, text, strlen(text), BOTH, names[i]);
        }
        for (int k = 0; k < 300; k++) {
            char text[48];
            size_t len = hk_test_random(&seed) % sizeof text;
            for (size_t b = 0; b < len; b++) {
                uint64_t r = hk_test_random(&seed);
                text[b] = (char)(r & 0x100 ? "\xF0\x9F\x98\x80 aA\xE6\x97\xA5"[r % 10] : (int)(r & 0xFF));
            }
            test_roundtrip(&t, text, len, BOTH, names[i]);
        }
        test_tokenizer_free(&t);
    }
}

/* What is well-formed around a broken byte keeps the ids that it has alone. */
static void test_broken_between(void **state)
{
    (void)state;
    struct test_tokenizer t;
    char expected[256];
    test_tokenizer_of(&t, "gpt2");
    size_t n = (size_t)snprintf(expected, sizeof expected, "%s ", test_ids(t.t, "The lamp", 8, 0));
    n += (size_t)snprintf(expected + n, sizeof expected - n, "%s ", test_ids(t.t, "\xFF", 1, 0));
    snprintf(expected + n, sizeof expected - n, "%s", test_ids(t.t, " was", 4, 0));
    test_ids_are(t.t, "The lamp\xFF was", 13, 0, expected, "broken between");
    test_tokenizer_free(&t);
}

/* ---- decoding ---- */

/* Pushes ids one by one; each output must be whole characters. */
static void check_streaming(const struct test_tokenizer *t, const char *text)
{
    struct hk_tokens ids = {0};
    struct hk_bytes all = {0};
    struct hk_decoder d;
    hk_test_put(&all, "", 0);
    assert_true(hk_tokenizer_encode(t->t, text, strlen(text), 0, &ids, NULL));
    hk_decoder_init(&d, t->t, true, false);
    for (size_t i = 0; i < ids.n; i++) {
        size_t before = all.len;
        assert_true(hk_decoder_push(&d, ids.ids[i], &all, NULL));
        if (all.len > before) {
            assert_true(((uint8_t)all.data[before] & 0xC0) != 0x80);
            /* the last character is complete: its first byte says so */
            size_t last = all.len - 1;
            while (((uint8_t)all.data[last] & 0xC0) == 0x80) last--;
            uint8_t b = (uint8_t)all.data[last];
            size_t need = b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
            assert_int_equal(all.len - last, need);
        }
    }
    size_t streamed = all.len;
    assert_true(hk_decoder_finish(&d, &all, NULL));
    assert_int_equal(all.len, streamed); /* nothing was held back */
    assert_string_equal(all.data, text);
    hk_bytes_free(&all);
    free(ids.ids);
}

static void test_streaming(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt2", "llama2"};
    for (size_t i = 0; i < 2; i++) {
        struct test_tokenizer t;
        test_tokenizer_of(&t, names[i]);
        check_streaming(&t, "a\xC3\xA9\xE1\x8E\xA0\xF0\x9F\xA6\x84\xF0\x90\x8D\x88 end");
        check_streaming(&t, "\xF0\x9F\xA6\x84");
        test_tokenizer_free(&t);
    }
}

static uint32_t token_of(const struct test_tokenizer *t, const char *text)
{
    uint32_t id = hk_vocab_find(&t->vocab, text, strlen(text));
    assert_int_not_equal(id, HK_NO_TOKEN);
    return id;
}

static void push(struct hk_decoder *d, const struct test_tokenizer *t, const char *token,
                 struct hk_bytes *out)
{
    assert_true(hk_decoder_push(d, token_of(t, token), out, NULL));
}

static void test_decoder(void **state)
{
    (void)state;
    struct test_tokenizer t;
    struct hk_decoder d;
    struct hk_bytes out = {0};
    test_tokenizer_of(&t, "llama2");
    hk_decoder_init(&d, t.t, true, false);
    push(&d, &t, "<s>", &out); /* silent, and still the beginning */
    push(&d, &t, "\xE2\x96\x81the", &out);
    assert_string_equal(out.data, "the");
    push(&d, &t, "\xE2\x96\x81the", &out);
    assert_string_equal(out.data, "the the");
    push(&d, &t, "<0xF0>", &out);
    push(&d, &t, "<0x9F>", &out);
    assert_string_equal(out.data, "the the"); /* may become a character */
    push(&d, &t, "<0x41>", &out);
    assert_string_equal(out.data, "the the\xF0\x9F\x41"); /* never will */
    push(&d, &t, "<0xE6>", &out);
    assert_true(hk_decoder_finish(&d, &out, NULL));
    assert_string_equal(out.data, "the the\xF0\x9F\x41\xE6");
    out.len = 0;
    hk_decoder_init(&d, t.t, false, true); /* amid a text, control tokens printed */
    push(&d, &t, "\xE2\x96\x81the", &out);
    push(&d, &t, "</s>", &out);
    assert_string_equal(out.data, " the</s>");
    hk_bytes_free(&out);
    test_tokenizer_free(&t);
}

static void test_token_bytes(void **state)
{
    (void)state;
    struct test_tokenizer t;
    const char *bytes;
    test_tokenizer_of(&t, "llama2");
    assert_int_equal(hk_tokenizer_bytes(t.t, token_of(&t, "<s>"), false, &bytes), 0);
    assert_string_equal(bytes, "");
    assert_int_equal(hk_tokenizer_bytes(t.t, token_of(&t, "<s>"), true, &bytes), 3);
    assert_int_equal(hk_tokenizer_bytes(t.t, token_of(&t, "<0x0A>"), false, &bytes), 1);
    assert_int_equal(bytes[0], '\n');
    assert_int_equal(hk_tokenizer_bytes(t.t, t.vocab.n_tokens, true, &bytes), 0);
    assert_int_equal(hk_tokenizer_bytes(t.t, UINT32_MAX, true, &bytes), 0);
    test_tokenizer_free(&t);
}

/* ---- flags and refusals ---- */

static void test_flags(void **state)
{
    (void)state;
    struct test_tokenizer t;
    test_tokenizer_of(&t, "metaspace added"); /* <s> ... </s> around a text */
    test_ids_are(t.t, "", 0, HK_ENCODE_ADD_SPECIAL, "1 2", "add");
    test_ids_are(t.t, "", 0, HK_ENCODE_PARSE_SPECIAL, "", "parse");
    test_ids_are(t.t, "</s>", 4, HK_ENCODE_PARSE_SPECIAL, "2", "parse");
    char newlines[16];
    snprintf(newlines, sizeof newlines, "%u", hk_vocab_find(&t.vocab, "\n\n", 2));
    test_ids_are(t.t, "\n\n", 2, 0, newlines, "user-defined tokens are always found");
    assert_null(strstr(test_ids(t.t, "</s>", 4, 0), "2 "));
    struct hk_tokens ids = {0};
    assert_true(hk_tokenizer_encode(t.t, "\n\n", 2, 0, &ids, NULL));
    assert_true(hk_tokenizer_encode(t.t, "</s>", 4, HK_ENCODE_PARSE_SPECIAL, &ids, NULL)); /* appends */
    assert_int_equal(ids.n, 2);
    free(ids.ids);
    test_tokenizer_free(&t);
}

static void check_refused(struct hk_vocab v, enum hk_code code, const char *part)
{
    struct hk_error err = {0};
    assert_null(hk_tokenizer_new(&v, &err));
    assert_int_equal(err.code, code);
    hk_test_error_says(&err, part);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct hk_vocab_token tokens[] = {{"a", 1, 0, HK_TOKEN_NORMAL, 0},
                                                   {"b", 1, 0, HK_TOKEN_NORMAL, 0}};
    static const char *const merges[] = {"a b"};
    static const uint32_t left[] = {1};
    const struct hk_vocab good = {.kind = HK_VOCAB_BPE,
                                  .pre = "gpt-2",
                                  .n_tokens = 2,
                                  .tokens = tokens,
                                  .bos = HK_NO_TOKEN,
                                  .eos = HK_NO_TOKEN,
                                  .unk = HK_NO_TOKEN,
                                  .pad = HK_NO_TOKEN};
    struct hk_tokenizer *t = hk_tokenizer_new(&good, NULL);
    assert_non_null(t);
    test_ids_are(t, "abcab", 5, 0, "0 1 0 1", "unknown bytes leave nothing");
    hk_tokenizer_free(t);
    struct hk_vocab v = good;
    v.unk = 1; /* named, but not by the model itself */
    t = hk_tokenizer_new(&v, NULL);
    assert_non_null(t);
    test_ids_are(t, "acb", 3, 0, "0 1", "nor where an unk is named");
    hk_tokenizer_free(t);
    v = good;
    v.kind = HK_VOCAB_NONE;
    memcpy(v.kind_name, "bert", 5);
    check_refused(v, HK_ERR_UNSUPPORTED, "\"bert\"");
    v = good;
    memcpy(v.pre, "runes", 6);
    check_refused(v, HK_ERR_UNSUPPORTED, "\"runes\" is not supported: known are gpt-2, ");
    v = good;
    v.n_merges = 1, v.merges = merges, v.merge_left_len = left;
    check_refused(v, HK_ERR_FORMAT, "merge 0 \"a b\"");
    v = good;
    v.n_tokens = 0;
    check_refused(v, HK_ERR_FORMAT, "no tokens");
    v = good;
    struct hk_pre_step step = {.kind = HK_PRE_REGEX, .pattern = {"(a", 2}};
    v.has_steps = true, v.steps.pre = &step, v.steps.n_pre = 1;
    check_refused(v, HK_ERR_UNSUPPORTED, "\"(a\"");
    step.pattern = (struct hk_span){"[a[b]]", 6};
    check_refused(v, HK_ERR_UNSUPPORTED, "is not supported");
}

/* A pattern that would search for ever is an error, not other tokens. */
static void test_match_limit(void **state)
{
    (void)state;
    static const struct hk_vocab_token tokens[] = {{"a", 1, 0, HK_TOKEN_NORMAL, 0}};
    static const struct hk_pre_step steps[] = {{.kind = HK_PRE_REGEX, .pattern = {"(?:a+)+[^ac]", 12}}};
    const struct hk_vocab v = {.kind = HK_VOCAB_BPE,
                               .has_steps = true,
                               .n_tokens = 1,
                               .tokens = tokens,
                               .steps = {.pre = steps, .n_pre = 1},
                               .bos = HK_NO_TOKEN,
                               .eos = HK_NO_TOKEN,
                               .unk = HK_NO_TOKEN,
                               .pad = HK_NO_TOKEN};
    struct hk_error err = {0};
    struct hk_tokens ids = {0};
    char text[201];
    memset(text, 'a', 200);
    text[200] = 0;
    struct hk_tokenizer *t = hk_tokenizer_new(&v, &err);
    assert_non_null(t);
    assert_true(hk_tokenizer_encode(t, "aab", 3, 0, &ids, &err));
    assert_int_equal(ids.n, 2);
    text[199] = 'c';
    text[100] = 'b'; /* the first half is a match, the second needs 2^99 tries */
    assert_false(hk_tokenizer_encode(t, text, 200, 0, &ids, &err));
    hk_test_error_says(&err, "pattern \"(?:a+)+[^ac]\"");
    assert_int_equal(ids.n, 2); /* as before */
    free(ids.ids);
    hk_tokenizer_free(t);
}

/* ---- parts that somebody typed ---- */

static size_t count_id(const struct hk_tokens *ids, uint32_t id)
{
    size_t n = 0;
    for (size_t i = 0; i < ids->n; i++) n += ids->ids[i] == id;
    return n;
}

static uint32_t only_id(const struct hk_tokenizer *t, const char *text)
{
    struct hk_tokens ids = {0};
    assert_true(hk_tokenizer_encode(t, text, strlen(text), HK_ENCODE_PARSE_SPECIAL, &ids, NULL));
    assert_true(ids.n >= 1);
    uint32_t id = ids.ids[ids.n - 1]; /* a virtual space may stand before it */
    free(ids.ids);
    return id;
}

/* "{control}" typed "{control}": with harmless words the tokens are those of the whole text; with the control
 * token typed, it is there twice and not more. */
static void check_typed(const char *variant, const char *control)
{
    static const char *const words[] = {"Hello you", " two  spaces ", "\n\nabc", "", "caf\xC3\xA9"};
    struct test_tokenizer t;
    test_tokenizer_of(&t, variant);
    uint32_t id = only_id(t.t, control);
    size_t n = strlen(control);
    for (size_t i = 0; i < 2 * sizeof words / sizeof words[0]; i++) {
        struct hk_bytes text = {0};
        struct hk_tokens ids = {0}, whole = {0};
        bool hostile = i % 2;
        hk_test_put(&text, control, n);
        hk_test_put(&text, words[i / 2], strlen(words[i / 2]));
        if (hostile) hk_test_put(&text, control, n);
        hk_test_put(&text, "x", 1);
        struct hk_typed typed = {.start = n, .end = text.len};
        hk_test_put(&text, control, n);
        assert_true(hk_tokenizer_encode_typed(t.t, text.data, text.len, BOTH, &typed, 1, &ids, NULL));
        assert_true(hk_tokenizer_encode(t.t, text.data, text.len, BOTH, &whole, NULL));
        size_t spare = count_id(&whole, id) - (hostile ? 3 : 2); /* what the vocabulary puts around a text */
        assert_int_equal(count_id(&ids, id), 2 + spare);
        if (!hostile) {
            assert_int_equal(ids.n, whole.n);
            assert_memory_equal(ids.ids, whole.ids, ids.n * sizeof *ids.ids);
        }
        hk_bytes_free(&text);
        free(ids.ids);
        free(whole.ids);
    }
    test_tokenizer_free(&t);
}

/* A token that begins before the part, or is not a control token but named. */
static void check_borders(void)
{
    struct test_tokenizer t;
    struct hk_tokens ids = {0};
    test_tokenizer_of(&t, "added");
    const char *text = "<|sep|>abc";
    uint32_t sep = only_id(t.t, "<|sep|>"), abc = only_id(t.t, "abc");
    const struct hk_typed cases[] = {{6, 10, NULL, 0}, {0, 1, NULL, 0}, {7, 10, &abc, 1}, {7, 10, NULL, 0}};
    static const size_t n_sep[] = {0, 0, 1, 1}, n_abc[] = {0, 0, 0, 1};
    for (size_t i = 0; i < 4; i++) {
        ids.n = 0;
        assert_true(hk_tokenizer_encode_typed(t.t, text, 10, BOTH, &cases[i], 1, &ids, NULL));
        assert_int_equal(count_id(&ids, sep), n_sep[i]);
        if (i >= 2) assert_int_equal(count_id(&ids, abc), n_abc[i]);
    }
    free(ids.ids);
    test_tokenizer_free(&t);
}

/* A control token that is looked for in the normalised text, where it has a space before it. */
static void check_normalized(void)
{
    static const struct {
        const char *text;
        size_t start, end, n; /* what is typed, and how often the token may be there */
    } cases[] = {
        {"<s>Hello  you <s>", 3, 14, 2},
        {"<s>Hello<s>you <s>", 3, 15, 2},
        {"<s>a <s>b", 3, 9, 1},
        {"<s>a <s>b", 3, 4, 2},
        {"<s>a <s>b", 3, 6, 1},
        {"a b", 0, 3, 0},
        {"<s>a", 0, 4, 0},
    };
    struct test_tokenizer t;
    test_tokenizer_of(&t, "metaspace added");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hk_tokens ids = {0}, whole = {0};
        size_t len = strlen(cases[i].text);
        const struct hk_typed typed = {.start = cases[i].start, .end = cases[i].end};
        assert_true(hk_tokenizer_encode_typed(t.t, cases[i].text, len, HK_ENCODE_PARSE_SPECIAL, &typed, 1,
                                              &ids, NULL));
        assert_true(hk_tokenizer_encode(t.t, cases[i].text, len, HK_ENCODE_PARSE_SPECIAL, &whole, NULL));
        assert_int_equal(count_id(&ids, t.vocab.bos), cases[i].n);
        if (count_id(&whole, t.vocab.bos) == cases[i].n) {
            assert_int_equal(ids.n, whole.n);
            assert_memory_equal(ids.ids, whole.ids, ids.n * sizeof *ids.ids);
        }
        free(ids.ids);
        free(whole.ids);
    }
    test_tokenizer_free(&t);
}

static void test_typed_parts(void **state)
{
    (void)state;
    check_typed("gpt2", "<|endoftext|>");
    check_typed("added", "<|sep|>");
    check_typed("metaspace added", "</s>");
    check_normalized();
    check_borders();
}

/* Where the tokens of a text stand: "start-end ..." of text's tokens; on failure the error's code. */
static void spans_are(const char *json, const char *text, const char *want)
{
    struct test_tokenizer t;
    struct hk_tokens ids = {0};
    struct hk_error err = {0};
    struct hk_token_span spans[16];
    char got[128] = "";
    test_tokenizer_from_json(&t, json);
    unsigned flags = HK_ENCODE_ADD_SPECIAL | HK_ENCODE_PARSE_SPECIAL;
    assert_true(hk_tokenizer_encode(t.t, text, strlen(text), flags, &ids, NULL));
    assert_true(ids.n <= 16);
    bool ok = hk_tokenizer_spans(t.t, text, strlen(text), ids.ids, ids.n, spans, &err);
    for (size_t i = 0; ok && i < ids.n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%zu-%zu ", spans[i].start, spans[i].end);
    if (!ok) snprintf(got, sizeof got, "%d", (int)err.code);
    assert_string_equal(got, want);
    hk_tokens_free(&ids);
    test_tokenizer_free(&t);
}

static void test_spans(void **state)
{
    (void)state;
#define MODEL(more)                                                                                          \
    "{\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true}],\"model\":{\"type\":\"BPE\","       \
    "\"vocab\":{\"a\":0,\"b\":1,\"[u]\":2,\"<s>\":3},\"merges\":[],\"unk_token\":\"[u]\"}" more "}"
    static const char plain[] = MODEL(""), lower[] = MODEL(",\"normalizer\":{\"type\":\"Lowercase\"}"),
                      strip[] = MODEL(",\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"}");
    spans_are(plain, "", "");
    spans_are(plain, "abba", "0-1 1-2 2-3 3-4 ");
    spans_are(plain, "a<s>b", "0-1 1-4 4-5 ");
    spans_are(plain, "axyb", "0-1 1-3 3-3 3-4 "); /* the first of the unknown ones has all of theirs */
    spans_are(plain, "xya", "0-2 2-2 2-3 ");
    spans_are(plain, "ax", "0-1 1-2 ");
    spans_are(strip, " a  b ", "0-2 3-5 "); /* decoded, tokens stand apart: the space is theirs */
    spans_are(lower, "ab", "0-1 1-2 ");
    char unsupported[8];
    snprintf(unsupported, sizeof unsupported, "%d", (int)HK_ERR_UNSUPPORTED);
    spans_are(lower, "aB", unsupported);
#undef MODEL
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typed_parts),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_sentencepiece),
        cmocka_unit_test(test_gpt2_vectors),
        cmocka_unit_test(test_llama_spm_vectors),
        cmocka_unit_test(test_more_vectors),
        cmocka_unit_test(test_llama3_vectors),
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_long_normalizing),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_broken_between),
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_streaming),
        cmocka_unit_test(test_decoder),
        cmocka_unit_test(test_token_bytes),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_match_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

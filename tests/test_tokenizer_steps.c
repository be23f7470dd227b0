/* tokenizer.json's parts, one by one and together, against tests/golden/tokenizer_steps.json; and what
 * SentencePiece's and BERT's own files give. */
#include "tests/tokenizer_testing.h"
#include "loader/formats/tokenizer_json.h"

#include <stdio.h>

enum { BOTH = HK_ENCODE_ADD_SPECIAL | HK_ENCODE_PARSE_SPECIAL };

/* How many texts were compared. */
static int check_variant(const cJSON *goldens, const cJSON *variant)
{
    const char *name = hk_json_get(variant, "name")->valuestring;
    const cJSON *special = hk_json_get(variant, "special"), *decoded = hk_json_get(variant, "decoded"), *hex,
                *plain = hk_json_get(variant, "plain")->child;
    struct test_tokenizer t;
    cJSON *json = test_variant_json(goldens, variant);
    char *text = cJSON_PrintUnformatted(json);
    test_tokenizer_from_json(&t, text);
    int n = 0, compared = 0;
    cJSON_ArrayForEach(hex, hk_json_get(goldens, "texts"))
    {
        char number[16];
        snprintf(number, sizeof number, "%d", n++);
        const cJSON *ids = plain, *other = hk_json_get(special, number), *want = hk_json_get(decoded, number);
        plain = plain->next;
        if (!cJSON_IsString(ids)) continue;
        struct hk_bytes bytes = {0};
        test_unhex(hex->valuestring, &bytes);
        test_ids_are(t.t, bytes.data, bytes.len, 0, ids->valuestring, name);
        test_ids_are(t.t, bytes.data, bytes.len, BOTH, other ? other->valuestring : ids->valuestring, name);
        if (want) test_decoded_is(t.t, ids->valuestring, want->valuestring, name);
        hk_bytes_free(&bytes);
        compared++;
    }
    cJSON_free(text);
    cJSON_Delete(json);
    test_tokenizer_free(&t);
    return compared;
}

static void test_variants(void **state)
{
    (void)state;
    cJSON *goldens = test_golden_file("tokenizer_steps.json");
    const cJSON *variant;
    int n = 0, compared = 0;
    cJSON_ArrayForEach(variant, hk_json_get(goldens, "variants"))
    {
        compared += check_variant(goldens, variant);
        n++;
    }
    assert_true(n >= 73);
    assert_true(compared >= 2500);
    cJSON_Delete(goldens);
}

static void test_bert_vectors(void **state)
{
    (void)state;
    test_gguf_vectors("bert-bge", false);
}

/* [CLS] and [SEP] are put around a text, and its words come back with spaces between. */
static void test_bert(void **state)
{
    (void)state;
    struct test_tokenizer t;
    struct hk_checkpoint *c = test_tokenizer_gguf(&t, "bert-bge");
    const char *text = "Hello, World!";
    test_ids_are(t.t, text, strlen(text), BOTH, "101 7592 1010 2088 999 102", "bert");
    struct hk_tokens tokens = {0};
    struct hk_bytes out = {0};
    struct hk_decoder d;
    assert_true(hk_tokenizer_encode(t.t, text, strlen(text), BOTH, &tokens, NULL));
    hk_decoder_init(&d, t.t, true, false);
    for (size_t i = 0; i < tokens.n; i++) assert_true(hk_decoder_push(&d, tokens.ids[i], &out, NULL));
    assert_true(hk_decoder_finish(&d, &out, NULL));
    assert_string_equal(out.data, "hello , world !");
    hk_bytes_free(&out);
    free(tokens.ids);
    /* a word of a hundred letters may be put together, a longer one is unknown */
    char word[101];
    memset(word, 'w', sizeof word);
    assert_string_not_equal(test_ids(t.t, word, 100, 0), "100");
    test_ids_are(t.t, word, 101, 0, "100", "a long word");
    test_ids_are(t.t, "\xFF", 1, 0, "", "a byte that is no character goes like U+FFFD");
    test_tokenizer_free(&t);
    hk_checkpoint_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_bert_vectors),
        cmocka_unit_test(test_bert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

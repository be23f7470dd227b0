/* Chat templates against what jinja2 makes of them (golden/templates.json, by make_template_goldens.py),
 * against the renderings in the shared material, and against templates that mean harm. */
#include "tests/loader_testing.h"

#include <stdio.h>

#include "loader/jinja/chat_template.h"
#include "loader/json.h"
#include "tests/tokenizer_testing.h"

static const struct hk_chat_template_options noon = {.now = {2025, 7, 26, 12, 0, 0}};

/* From copies of exactly their length, so that a sanitizer sees every read past their ends. The text, to be
 * released with hk_bytes_free; false and *err. */
static bool render(const char *template, size_t len, const char *json,
                   const struct hk_chat_template_options *opt, struct hk_bytes *out, struct hk_error *err)
{
    char *t = (char *)hk_test_copy(template, len), *j = (char *)hk_test_copy(json, strlen(json));
    struct hk_chat_template *c = hk_chat_template_new(t, len, err);
    free(t); /* the template keeps nothing of it */
    bool ok = c && hk_chat_template_render(c, j, strlen(json), opt, out, err);
    hk_chat_template_free(c);
    free(j);
    return ok;
}

/* want NULL: it must fail. */
static void expect_of(const char *template, size_t len, const char *json,
                      const struct hk_chat_template_options *opt, const char *want)
{
    struct hk_bytes out = {0};
    struct hk_error err = {0};
    bool ok = render(template, len, json, opt, &out, &err);
    if (want && !ok) fail_msg("%.*s: fails: %s", (int)len, template, err.text);
    if (!want && ok) fail_msg("%.*s: gives '%s' and should fail", (int)len, template, out.data);
    if (!want) {
        assert_true(err.code != HK_OK && err.text[0] && !strpbrk(err.text, "\r\n"));
        assert_int_equal(out.len, 0);
    } else if (strcmp(out.data ? out.data : "", want) != 0) {
        fail_msg("%.*s: gives\n'%s', not\n'%s'", (int)len, template, out.data ? out.data : "", want);
    }
    hk_bytes_free(&out);
}

static void expect(const char *template, const char *json, const char *want)
{
    expect_of(template, strlen(template), json, &noon, want);
}

/* It fails with that code, and part is in the error. */
static void expect_error(const char *template, const char *json, const struct hk_chat_template_options *opt,
                         enum hk_code code, const char *part)
{
    struct hk_bytes out = {0};
    struct hk_error err = {0};
    if (render(template, strlen(template), json, opt, &out, &err)) fail_msg("%.100s: is accepted", template);
    hk_test_error_says(&err, part);
    assert_int_equal(err.code, code);
    assert_int_equal(out.len, 0);
    hk_bytes_free(&out);
}

/* ---- goldens ---- */

static cJSON *goldens(void)
{
    char path[HK_TEST_PATH];
    struct hk_bytes text = {0};
    const char *source = getenv("HEKLA_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/golden/templates.json", source ? source : ".");
    test_read(path, &text);
    cJSON *json = hk_json_parse(text.data, text.len, path, NULL);
    assert_non_null(json);
    hk_bytes_free(&text);
    return json;
}

static const char *text_or_null(const cJSON *item)
{
    assert_true(cJSON_IsString(item) || cJSON_IsNull(item));
    return item->valuestring;
}

static void small_templates(void **state)
{
    (void)state;
    cJSON *all = goldens();
    const cJSON *group, *c;
    size_t n = 0;
    cJSON_ArrayForEach(group, hk_json_get(all, "groups"))
    {
        const char *vars = hk_json_get(group, "vars")->valuestring;
        cJSON_ArrayForEach(c, hk_json_get(group, "cases"))
        {
            expect(cJSON_GetArrayItem(c, 0)->valuestring, vars, text_or_null(cJSON_GetArrayItem(c, 1)));
            n++;
        }
    }
    assert_true(n > 1000);
    cJSON_Delete(all);
}

static void shared_templates(void **state)
{
    (void)state;
    char folder[HK_TEST_PATH], path[HK_TEST_PATH + 256];
    hk_test_shared("templates", folder);
    cJSON *all = goldens();
    const cJSON *file, *messages = hk_json_get(all, "messages");
    size_t n = 0;
    cJSON_ArrayForEach(file, hk_json_get(all, "shared"))
    {
        struct hk_bytes text = {0};
        snprintf(path, sizeof path, "%s/%s", folder, file->string);
        test_read(path, &text);
        const cJSON *want = file->child, *message;
        cJSON_ArrayForEach(message, messages)
        {
            expect_of(text.data, text.len, message->valuestring, &noon, text_or_null(want));
            want = want->next;
            n++;
        }
        assert_null(want);
        hk_bytes_free(&text);
    }
    assert_true(n > 500);
    cJSON_Delete(all);
}

/* What others rendered: messages and texts in expected.json, or that rendering must fail. */
static void shared_renderings(void **state)
{
    (void)state;
    char path[HK_TEST_PATH], file[HK_TEST_PATH];
    struct hk_chat_template_options opt = noon;
    struct hk_bytes text = {0};
    test_read(hk_test_shared("templates/expected.json", path), &text);
    cJSON *all = hk_json_parse(text.data, text.len, path, NULL);
    assert_non_null(all);
    hk_bytes_free(&text);
    opt.bos = "<s>";
    opt.eos = "</s>";
    const cJSON *template, *c;
    size_t n = 0;
    cJSON_ArrayForEach(template, hk_json_get(all, "expected"))
    {
        char name[HK_TEST_PATH];
        snprintf(name, sizeof name, "templates/%.500s", template->string);
        test_read(hk_test_shared(name, file), &text);
        cJSON_ArrayForEach(c, template)
        {
            char *json = cJSON_PrintUnformatted(hk_json_get(hk_json_get(all, "cases"), c->string));
            const cJSON *want = hk_json_get(c, "text");
            assert_true(want || hk_json_get(c, "error"));
            expect_of(text.data, text.len, json, &opt, want ? want->valuestring : NULL);
            free(json);
            n++;
        }
        hk_bytes_free(&text);
    }
    assert_true(n >= 49);
    cJSON_Delete(all);
}

/* ---- variables ---- */

static void numbers_of_json(void **state)
{
    (void)state;
    expect("{{ x }}", "{\"x\": 1}", "1");
    expect("{{ x }}", "{\"x\": 1.0}", "1.0");
    expect("{{ x|tojson }}", "{\"x\": [0.0, -0, -0.0, 1e2, 1E-7, 100]}", "[0.0, 0, -0.0, 100.0, 1e-07, 100]");
    expect("{{ x }}", "{\"x\": 9007199254740993}", "9007199254740993");
    expect("{{ x - 1 }}", "{\"x\": -9223372036854775807}", "-9223372036854775808");
    expect("{{ x - 2 }}", "{\"x\": -9223372036854775807}", NULL);
    /* beyond 64 bits: kept, printed, compared, but not computed with */
    expect("{{ x }} {{ x|tojson }} {{ [x] }}", "{\"x\": 18446744073709551615}",
           "18446744073709551615 18446744073709551615 [18446744073709551615]");
    expect("{{ x is integer and x is number and x > 5 and x == x and x != 3 and -x < 0 }}",
           "{\"x\": 18446744073709551615}", "True");
    expect("{{ [x, 3, y]|sort }}", "{\"x\": 18446744073709551615, \"y\": -18446744073709551616}",
           "[-18446744073709551616, 3, 18446744073709551615]");
    expect("{{ x + 1 }}", "{\"x\": 18446744073709551615}", NULL);
    expect("{{ x }}", "{\"x\": 1e999}", "inf");
}

static void json_that_is_wrong(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "{\"a\"}",
                                      "{\"a\": }",
                                      "{\"a\": 1,}",
                                      "[1,]",
                                      "{\"a\": 01}",
                                      "{\"a\": 1.}",
                                      "{\"a\": .5}",
                                      "{\"a\": 1e}",
                                      "{\"a\": +1}",
                                      "{\"a\": nul}",
                                      "{\"a\": \"x}",
                                      "{\"a\": \"\\x\"}",
                                      "{\"a\": \"\\u12\"}",
                                      "{\"a\": \"\\ud800\"}",
                                      "{\"a\": \"\\udc00\"}",
                                      "{\"a\": \"\\ud800\\u0041\"}",
                                      "{\"a\": \"\n\"}",
                                      "{} {}",
                                      "{\"a\": NaN}",
                                      "{a: 1}",
                                      "{\"a\": 1} x",
                                      "{\"a\": \"\xff\"}",
                                      "{\"a\": --1}",
                                      "\"x",
                                      "]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_error("x", bad[i], NULL, HK_ERR_FORMAT, "not valid JSON at byte");
    expect_error("x", "[]", NULL, HK_ERR_FORMAT, "\"messages\"");
    expect_error("x", "5", NULL, HK_ERR_FORMAT, "no object");
    expect("{{ x }}{{ y }}", "{\"x\": 1, \"x\": \"\\u00e9\\ud83c\\udf0b\\/\\u0041\"}",
           "\xC3\xA9\xF0\x9F\x8C\x8B/A");
    expect("{{ x|length }}", "{\"x\": \"a\\u0000b\"}", "3");
}

static void special_tokens_and_time(void **state)
{
    (void)state;
    const struct hk_chat_template_options opt = {.bos = "<s>"};
    const char *t = "{{ bos_token }}|{{ eos_token is defined }}";
    expect_of(t, strlen(t), "{}", &opt, "<s>|False");
    expect_of(t, strlen(t), "{\"bos_token\": \"B\", \"eos_token\": null}", &opt, "B|True");
    expect_error("\n{{ strftime_now('%Y') }}", "{}", NULL, HK_ERR_INPUT, "line 2: strftime_now");
    const struct hk_chat_template_options year = {.now = {2024, 12, 30, 0, 5, 9}};
    t = "{{ strftime_now('%G-%V %j %U %W %I%p %S %-M %a %y') }}";
    expect_of(t, strlen(t), "{}", &year, "2025-01 365 52 53 12AM 09 5 Mon 24");
    const struct hk_chat_template_options january = {.now = {2027, 1, 1, 23, 59, 59}};
    expect_of(t, strlen(t), "{}", &january, "2026-53 001 00 00 11PM 59 59 Fri 27");
}

/* ---- errors ---- */

static void errors_say_where(void **state)
{
    (void)state;
    expect_error("a\n\n{% if %}", "{}", NULL, HK_ERR_FORMAT, "line 3: ");
    expect_error("{% for x in y %}\n\n", "{}", NULL, HK_ERR_FORMAT, "line 1: a block has no {% endfor %}");
    expect_error("\n{{ 'a }}", "{}", NULL, HK_ERR_FORMAT, "line 2: a string has no end");
    expect_error("{{ a.b }}\n", "{}", NULL, HK_ERR_INPUT, "line 1: 'a' is undefined");
    expect_error("\n\n{{ a.b.c }}\n", "{\"a\": {}}", NULL, HK_ERR_INPUT,
                 "line 3: 'dict object' has no attribute 'b'");
    expect_error("x\n{{ raise_exception('Only \"user\"\nhere') }}", "{}", NULL, HK_ERR_INPUT,
                 "line 2: Only \"user\"?here");
    expect_error("{% macro m(x) %}\n{{ x.y.z }}{% endmacro %}\n{{ m({}) }}", "{}", NULL, HK_ERR_INPUT,
                 "line 2: ");
    expect_error("{% include 'x' %}", "{}", NULL, HK_ERR_UNSUPPORTED, "line 1: {% include %}");
    expect_error("{{ 1|pprint }}", "{}", NULL, HK_ERR_UNSUPPORTED, "pprint");
    expect_error("{{ 1|frob }}", "{}", NULL, HK_ERR_FORMAT, "no filter 'frob'");
    expect_error("ok \xff", "{}", NULL, HK_ERR_FORMAT, "not UTF-8 at byte 3");
    expect_error("{{ [].append(1) }}", "{}", NULL, HK_ERR_INPUT, "'append' of a list changes it");
}

/* ---- templates that mean harm ---- */

static char *repeated(const char *before, const char *s, size_t n, const char *after)
{
    size_t len = strlen(s), a = strlen(before);
    char *text = malloc(a + n * len + strlen(after) + 1);
    assert_non_null(text);
    memcpy(text, before, a);
    for (size_t i = 0; i < n; i++) memcpy(text + a + i * len, s, len);
    strcpy(text + a + n * len, after);
    return text;
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *before, *again, *after;
    } bad[] = {
        {"{{ ", "(", ""},
        {"{{ ", "[", ""},
        {"{{ ", "{1:", ""},
        {"{{ ", "-", "1 }}"},
        {"{{ ", "not ", "1 }}"},
        {"{{ x", "[x", ""},
        {"{{ x", "(x", ""},
        {"{{ 1", " if 1 else 1", " }}"},
        {"{{ 1", " + 1", " }}"},
        {"{{ 1", "|abs", " }}"},
        {"{{ x", ".x", " }}"},
        {"{{ x", "()", " }}"},
        {"{{ 1", " or 1", " }}"},
        {"{{ 1", " is odd is odd", " }}"},
        {"", "{% if 1 %}", ""},
        {"", "{% for x in y %}", ""},
        {"", "{% macro m() %}", ""},
        {"", "{% set x %}", ""},
        {"{% set x", "|upper", " %}{% endset %}"},
        {"{% for ", "(", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *text = repeated(bad[i].before, bad[i].again, 20000, bad[i].after);
        expect(text, "{}", NULL);
        free(text);
    }
    char *json = repeated("{\"x\":", "[", 100000, "");
    expect("{{ x }}", json, NULL);
    free(json);
    /* what is flat may be long */
    char *flat = repeated("{{ 1", " ~ 1", 5000, " }}{% if 0 %}");
    char *more = repeated(flat, "{% elif 0 %}", 5000, "{% endif %}{{ ");
    char *text = repeated(more, "'a' ", 1000, "|length }}");
    struct hk_bytes out = {0};
    assert_true(render(text, strlen(text), "{}", NULL, &out, NULL));
    assert_int_equal(out.len, 5001 + 4);
    hk_bytes_free(&out);
    free(flat);
    free(more);
    free(text);
}

/* Templates that would take more time or memory than any text is worth. */
static const char *const GROWING[] = {
    "{% for i in range(10**9) %}x{% endfor %}",
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "{% for i in range(100000) %}{% for j in range(100000) %}xxxxxxxxxxxxxxxx{% endfor %}{% endfor %}",
    "{{ 'x' * 10**12 }}",
    "{{ [0] * 10**12 }}",
    "{{ 'x' * 9223372036854775807 }}",
    "{{ 'xx' * 9223372036854775807 }}",
    "{{ 'x'.center(10**15) }}",
    "{{ 'x'.zfill(10**15) }}",
    "{{ '\t'.expandtabs(10**15) }}",
    "{{ '%1000000000d' % 5 }}",
    "{{ '%.1000000000f' % 5 }}",
    "{{ '%99999999999999999999d' % 5 }}",
    "{{ '{:1000000000}'.format(5) }}",
    "{{ '{:.1000000000f}'.format(5.0) }}",
    "{{ '{:99999999999999999999}'.format(5) }}",
    "{{ '{:010000000,}'.format(5) }}",
    "{{ 'x'|indent(10**15) }}",
    "{{ [1]|tojson(indent=10**15) }}",
    "{{ [1]|batch(10**15, 1)|list }}",
    "{{ [1]|slice(10**15)|list }}",
    "{{ 2 ** 10**18 }}",
    "{{ 10 ** 19 }}",
    "{{ 9223372036854775807 + 1 }}",
    "{{ -9223372036854775807 - 2 }}",
    "{{ 9223372036854775807 * 2 }}",
    "{{ (-9223372036854775807 - 1) // -1 }}",
    "{{ -(-9223372036854775807 - 1) }}",
    "{{ (-9223372036854775807 - 1)|abs }}",
    "{{ '9' * 400 |int + 1 }}",
    "{{ 1e300|int }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(f) %}{{ f(f) }}{% endmacro %}{{ m(m) }}",
    "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% for x in [[[]]] recursive %}{{ loop([[[]]]) }}{% endfor %}",
    "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ "
    "ns.x }}",
    "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ "
    "ns.x|tojson }}",
    "{% set ns = namespace(x=[], y=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% set ns.y = "
    "[ns.y] "
    "%}{% endfor %}{{ ns.x == ns.y }}",
    "{% set ns = namespace(x=()) %}{% for i in range(9999) %}{% set ns.x = (ns.x,) %}{% endfor %}{{ "
    "{ns.x: 1} }}",
    "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x|replace('a', 'aaaa') %}{% "
    "endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ "
    "ns.x }}",
    "{% set ns = namespace(x=1) %}{% for i in range(99) %}{% set ns.x = {1: ns.x, 2: ns.x} %}{% endfor %}"
    "{{ ns.x == ns.x }}{{ ns.x|tojson|length }}",
    "{% set ns = namespace() %}{% set ns.ns = ns %}{{ ns }}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = ns.x|map('abs') %}{% endfor "
    "%}"
    "{{ ns.x|list }}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = ns.x|select %}{% endfor %}{{ "
    "ns.x|first }}",
    "{% set a = 'a' * 4000000 %}{% for i in range(100000) %}{{ (a ~ 'b') in a }}{% endfor %}",
    "{% set a = 'a' * 2000000 %}{{ a.find('a' * 1000000 + 'b') }}",
    "{% set a = 'a' * 2000000 %}{{ a.rfind('b' + 'a' * 1000000) }}",
    "{% set a = 'a' * 100000 %}{{ a.replace('a', a)|length }}",
    "{% set a = 'a' * 100000 %}{{ a.join(a)|length }}",
    "{% set a = range(100000)|list %}{% for i in a %}{{ a.count(-1) }}{% endfor %}",
    "{% set a = range(100000)|list %}{% for i in a %}{{ -1 in a }}{% endfor %}",
    "{% set a = range(100000)|list %}{% for i in a %}{{ a|sort|length }}{% endfor %}",
    "{% set u = '\xC3\xA9' * 1000000 %}{% for i in range(100000) %}{{ u[999999] }}{% endfor %}",
    "{% set u = '\xC3\xA9' * 1000000 %}{% for i in range(100000) %}{{ u|length }}{% endfor %}",
};

static void growth_is_bounded(void **state)
{
    (void)state;
    const struct hk_chat_template_options small = {.max_steps = 1000000, .max_memory = 8 << 20};
    for (size_t i = 0; i < sizeof GROWING / sizeof GROWING[0]; i++)
        expect_of(GROWING[i], strlen(GROWING[i]), "{}", &small, NULL);
    const struct hk_chat_template_options short_text = {.max_output = 1000};
    expect_error("{% for i in range(2000) %}x{% endfor %}", "{}", &short_text, HK_ERR_INPUT,
                 "longer than 1000");
    expect_error("{{ 'x' * 20000000 }}", "{}", &small, HK_ERR_MEMORY, "too large");
    expect_error("{% for i in range(100000) %}{% for j in range(99) %}{% endfor %}{% endfor %}", "{}", &small,
                 HK_ERR_INPUT, "more than 1000000 steps");
}

/* A text that is put together piece by piece costs its length, not its square. */
static void long_conversations_fit(void **state)
{
    (void)state;
    const struct hk_chat_template_options opt = {.max_memory = 16 << 20, .max_steps = 2000000};
    const char *t =
        "{% set ns = namespace(text='') %}{% for m in messages %}{% set ns.text = ns.text + m.content + "
        "'\\n' %}{% set ns.other = '<' + m.content %}{% endfor %}{{ ns.text|length }}";
    struct hk_bytes json = {0};
    hk_test_put(&json, "{\"messages\": [", 14);
    for (int i = 0; i < 20000; i++) {
        static const char one[] =
            "{\"role\": \"user\", \"content\": \"0123456789012345678901234567890123456789\"},";
        hk_test_put(&json, one, sizeof one - 1);
    }
    hk_test_put(&json, "{\"content\": \"\"}]}", 17);
    expect_of(t, strlen(t), json.data, &opt, "820001");
    hk_bytes_free(&json);
}

static void every_cut_is_answered(void **state)
{
    (void)state;
    static const char whole[] =
        "{%- macro m(a, b='x\\u00e9') -%} {{ a|default(b)|upper }} {%- endmacro %}\n"
        "{% set ns = namespace(n=0) %}{% for k, v in d.items() if v is not none recursive %}\n"
        "  {{- loop.index ~ k + ': ' }}{% if v is mapping %}{{ loop(v.items()) }}{% elif v[1:] %}{{ v[::-1] "
        "}}"
        "{% else %}{% set ns.n = ns.n + 1 %}{{ '%s' % v }}{% endif %}{# note #}{% raw %}{{ }}{% endraw %}\n"
        "{% else %}none{% endfor %}{% call(z) m(1) %}{{ z }}{% endcall %}{{ ns.n if 1 < 2 <= 3 else [1, "
        "(2,), {'a': 1}] }}\n";
    static const char json[] = "{\"d\": {\"a\": {\"b\": \"xy\", \"c\": null}, \"d\": [1, 2.5, \"\\u00e9\"]}}";
    for (size_t n = 0; n < sizeof whole; n++) {
        struct hk_bytes out = {0};
        struct hk_error err = {0};
        if (!render(whole, n, json, &noon, &out, &err)) hk_test_error_says(&err, NULL);
        hk_bytes_free(&out);
    }
    for (size_t n = 0; n < sizeof json - 1; n++) {
        char *cut = repeated("", json, 1, "");
        cut[n] = 0;
        expect("x", cut, NULL);
        free(cut);
    }
}

static void a_template_serves_many_renderings(void **state)
{
    (void)state;
    const char *t = "{% set x = x + 1 %}{{ x }}{% set ns = namespace(a=x) %}{{ ns.a }}";
    struct hk_chat_template *c = hk_chat_template_new(t, strlen(t), NULL);
    assert_non_null(c);
    struct hk_bytes out = {0};
    for (int i = 0; i < 3; i++) assert_true(hk_chat_template_render(c, "{\"x\": 1}", 8, NULL, &out, NULL));
    assert_false(hk_chat_template_render(c, "{}", 2, NULL, &out, NULL)); /* leaves what was there */
    assert_string_equal(out.data, "222222");
    hk_bytes_free(&out);
    hk_chat_template_free(c);
    hk_chat_template_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_templates),       cmocka_unit_test(shared_templates),
        cmocka_unit_test(shared_renderings),     cmocka_unit_test(numbers_of_json),
        cmocka_unit_test(json_that_is_wrong),    cmocka_unit_test(special_tokens_and_time),
        cmocka_unit_test(errors_say_where),      cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(growth_is_bounded),     cmocka_unit_test(long_conversations_fit),
        cmocka_unit_test(every_cut_is_answered), cmocka_unit_test(a_template_serves_many_renderings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* hk_chat on the box's chat model: what is streamed is the conversation's, control tokens that are typed are text,
 * what is stopped or fails leaves the conversation as it should be, and answers have random numbers of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/hekla.h"

struct rig {
    struct hk_checkpoint *file;
    struct hk_device *device;
    struct hk_model *model;
    struct hk_runner *runner;
    struct hk_chat *chat;
    struct hk_bytes said;
    size_t stop_at; /* on_text ends the answer when so many bytes are there; 0: never */
    size_t pieces;
};

static void rig_open(struct rig *r, uint32_t n_ctx, const struct hk_chat_options *how)
{
    struct hk_error err = {0};
    const struct hk_device_options on = {.select = "reference"};
    const struct hk_runner_options with = {.n_ctx = n_ctx};
    *r = (struct rig){.file = hk_checkpoint_open(HEKLA_SOURCE_DIR "/tools/box/models/chat.gguf", NULL, &err)};
    if (r->file) r->device = hk_device_open(&on, &err);
    if (r->device) r->model = hk_model_open(r->device, r->file, NULL, &err);
    if (r->model) r->runner = hk_runner_open(r->model, &with, &err);
    if (r->runner) r->chat = hk_chat_open(r->runner, how, &err);
    if (!r->chat) fail_msg("%s", err.text);
}

static void rig_close(struct rig *r)
{
    hk_chat_close(r->chat);
    hk_runner_close(r->runner);
    hk_model_close(r->model);
    hk_device_close(r->device);
    hk_checkpoint_close(r->file);
    hk_bytes_free(&r->said);
}

static bool on_text(void *user, const char *text, size_t len)
{
    struct rig *r = user;
    assert_true(len > 0);
    assert_true(hk_bytes_append(&r->said, text, len, NULL));
    r->pieces++;
    return r->stop_at == 0 || r->said.len < r->stop_at;
}

static struct hk_complete_result say(struct rig *r, const char *text)
{
    struct hk_error err = {0};
    struct hk_complete_result result;
    r->said.len = r->pieces = 0;
    assert_true(hk_bytes_append(&r->said, "", 0, NULL));
    if (!hk_chat_say(r->chat, text, strlen(text), on_text, r, NULL, &result, &err)) fail_msg("%s", err.text);
    return result;
}

static struct hk_turn last_turn(struct rig *r)
{
    const struct hk_conversation *c = hk_chat_conversation(r->chat);
    assert_true(hk_conversation_turns(c) > 0);
    return hk_conversation_turn(c, hk_conversation_turns(c) - 1);
}

static const struct hk_sampler_options greedy = {.greedy = true};

static void streams_what_it_keeps(void **state)
{
    (void)state;
    struct rig r;
    const struct hk_chat_options how = {.sampling = &greedy, .n_answer = 12};
    rig_open(&r, 0, &how);
    struct hk_complete_result first = say(&r, "Hello");
    assert_true(r.pieces > 1);
    assert_string_equal(last_turn(&r).question.data, "Hello");
    assert_string_equal(last_turn(&r).answer.data, r.said.data);
    assert_int_equal(first.end, HK_END_LENGTH);
    assert_int_equal(first.n, 12);
    /* of the second prompt only what is new is computed */
    struct hk_complete_result second = say(&r, "What is Hekla?");
    assert_int_equal(hk_conversation_turns(hk_chat_conversation(r.chat)), 2);
    assert_true(second.n_computed < first.n_computed + 12);
    /* the same question in a new conversation is the first one again */
    struct hk_bytes answer = {0};
    hk_conversation_clear(hk_chat_conversation(r.chat));
    say(&r, "What is Hekla?");
    assert_true(hk_bytes_append(&answer, r.said.data, r.said.len, NULL));
    hk_conversation_clear(hk_chat_conversation(r.chat));
    say(&r, "What is Hekla?");
    assert_string_equal(r.said.data, answer.data);
    hk_bytes_free(&answer);
    rig_close(&r);
}

/* Tokens that end an answer, in the prompt of this question. */
static size_t count_stops(struct rig *r, const char *question)
{
    struct hk_tokens ids = {0};
    struct hk_vocab_info v;
    size_t stops = 0;
    hk_conversation_clear(hk_chat_conversation(r->chat));
    say(r, question);
    assert_true(hk_conversation_tokens(hk_chat_conversation(r->chat), 0, &ids, NULL));
    hk_vocab_describe(hk_checkpoint_vocab(r->file), &v);
    assert_true(v.n_stop > 0);
    for (size_t i = 0; i < ids.n; i++) {
        for (uint32_t k = 0; k < v.n_stop; k++) stops += ids.ids[i] == v.stop[k];
    }
    hk_tokens_free(&ids);
    return stops;
}

static void what_is_typed_is_text(void **state)
{
    (void)state;
    struct rig r;
    const struct hk_chat_options how = {.sampling = &greedy, .n_answer = 1};
    rig_open(&r, 0, &how);
    size_t plain = count_stops(&r, "x");
    assert_true(plain > 0); /* the template's */
    assert_int_equal(count_stops(&r, "x<|im_end|>"), plain);
    rig_close(&r);
}

static void stopped_and_failed(void **state)
{
    (void)state;
    struct rig r;
    struct hk_error err = {0};
    const struct hk_chat_options how = {.sampling = &greedy};
    rig_open(&r, 64, &how);
    r.stop_at = 5;
    assert_int_equal(say(&r, "Hello").end, HK_END_INTERRUPTED);
    assert_true(r.said.len >= 5);
    assert_string_equal(last_turn(&r).answer.data, r.said.data);
    r.stop_at = 0;
    char long_text[400];
    memset(long_text, 'a', sizeof long_text);
    assert_false(
        hk_chat_say(r.chat, long_text, sizeof long_text, on_text, &r, NULL, NULL, &err)); /* taken back */
    assert_int_equal(err.code, HK_ERR_INPUT);
    assert_int_equal(hk_conversation_turns(hk_chat_conversation(r.chat)), 1);
    assert_string_equal(last_turn(&r).question.data, "Hello");
    size_t forgotten = 0, all = 0;
    for (int i = 0; i < 4; i++) { /* 64 tokens are soon full */
        assert_true(hk_chat_say(r.chat, "Hello", 5, on_text, &r, &forgotten, NULL, &err));
        all += forgotten;
    }
    assert_true(all > 0);
    assert_int_equal(hk_conversation_turns(hk_chat_conversation(r.chat)), 5 - all);
    rig_close(&r);
}

static void answers_draw_for_themselves(void **state)
{
    (void)state;
    struct rig r;
    const struct hk_sampler_options hot = {.temperature = 20, .top_p = 1, .min_p = HK_NO_MIN_P, .seed = 3};
    const struct hk_chat_options how = {.sampling = &hot, .n_answer = 8};
    struct hk_bytes first = {0};
    for (int i = 0; i < 2; i++) {
        rig_open(&r, 0, &how);
        say(&r, "Hello");
        if (i == 0) assert_true(hk_bytes_append(&first, r.said.data, r.said.len, NULL));
        assert_string_equal(r.said.data, first.data); /* the same seed, the same answer */
        hk_conversation_clear(hk_chat_conversation(r.chat));
        say(&r, "Hello"); /* ... and the second is another one */
        assert_string_not_equal(r.said.data, first.data);
        rig_close(&r);
    }
    hk_bytes_free(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_what_it_keeps),
        cmocka_unit_test(what_is_typed_is_text),
        cmocka_unit_test(stopped_and_failed),
        cmocka_unit_test(answers_draw_for_themselves),
    };
    return cmocka_run_group_tests_name("chat", tests, NULL, NULL);
}

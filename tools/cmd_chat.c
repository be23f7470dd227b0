/* hekla chat: an interactive conversation. Answers go to stdout, all else to stderr. */
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "completion.h"
#include "conversation.h"
#include "lines.h"
#include "term.h"

struct chat_options {
    struct model_options model;
    struct device_options device;
    struct sampling_options sampling;
    const char *system;
    uint32_t n;
};

static const struct opt opts[] = {
    {.name = "system",
     .kind = OPT_TEXT,
     .field = offsetof(struct chat_options, system),
     .metavar = "TEXT",
     .help = "what the model is told before the conversation"},
    {.name = "tokens",
     .letter = 'n',
     .kind = OPT_U32,
     .field = offsetof(struct chat_options, n),
     .min = 1,
     .max = 4294967294.0,
     .metavar = "N",
     .help = "an answer's length at most, in tokens. Default: until the model ends it; 256 for models "
             "without a chat "
             "template"},
    {0},
};

static const struct opt_command command = {
    .name = "chat",
    .usage = "hekla chat -m MODEL [--system TEXT] [options]\nhekla MODEL [options]",
    .about = "Talks with a model. /help lists what can be typed besides questions. A line that ends in a "
             "backslash goes "
             "on in the next one. Ctrl-C stops an answer, Ctrl-D leaves. Without a terminal the questions "
             "are read from "
             "standard input, one per line, and the answers alone are printed.\n\n"
             "The model's chat template is recognised by its markers. A model without one (a base model) "
             "continues "
             "what is typed as plain text.",
    .examples = "  hekla model.gguf\n"
                "  hekla chat -m folder --system \"You are a geologist.\" --temp 0.6\n"
                "  echo \"What is a caldera?\" | hekla chat -m model.gguf -q\n",
    .groups = {{"what", opts, 0},
               {"model", model_opts, offsetof(struct chat_options, model)},
               {"sampling", sampling_opts, offsetof(struct chat_options, sampling)},
               {"device and messages", device_opts, offsetof(struct chat_options, device)}},
    .max_args = 1,
    .arg_name = "MODEL",
};

enum { PLAIN_ANSWER = 256 };

struct chat {
    struct chat_options *o;
    struct engine e;
    struct conversation talk;
    struct hk_sampler *sampler;
    struct lines *lines;
    struct hk_tokens prompt;
    struct stop_tokens stop;
    struct completion_result last;
    bool answered, leave;
    bool output_failed;
    struct hk_error *err;
};

/* ---- answering ---- */

static bool on_piece(void *user, const struct completion_piece *p)
{
    struct chat *c = user;
    bool ok = conversation_answer(&c->talk, p->token, p->text, p->len, c->err);
    if (ok && p->len && (fwrite(p->text, 1, p->len, stdout) != p->len || fflush(stdout) != 0)) {
        ok = hk_fail(c->err, HK_ERR_IO,
                     "standard output: cannot be written: a file or pipe with room would be accepted");
    }
    c->output_failed = c->output_failed || !ok;
    return ok;
}

/* The prompt, with the oldest turns forgotten until it leaves room for an answer. */
static bool make_prompt(struct chat *c, struct hk_error *err)
{
    uint32_t n_ctx = hk_session_ctx(c->e.session), room = n_ctx / 4;
    if (c->o->n && c->o->n < room) room = c->o->n;
    size_t from = 0;
    for (;; from++) {
        if (!conversation_tokens(&c->talk, from, c->e.tokenizer, &c->e.checkpoint->vocab, &c->prompt, err))
            return false;
        if (c->prompt.n + room <= n_ctx || from + 1 == c->talk.n) break;
    }
    if (c->prompt.n > n_ctx) {
        return hk_fail(err, HK_ERR_INPUT,
                       "the question takes %zu tokens: with this context at most %u would be accepted",
                       c->prompt.n, (unsigned)n_ctx);
    }
    if (from && !c->o->device.v.quiet) {
        fprintf(stderr, "hekla: the context of %u tokens is full: %zu of %zu earlier answers are forgotten\n",
                (unsigned)n_ctx, from, c->talk.n - 1);
    }
    for (; from > 0; from--) conversation_drop(&c->talk, 0);
    return c->prompt.n > 0 || completion_prompt(&c->e, "", 0, &c->prompt, err);
}

/* Asks and prints. On failure the question is taken back. */
static bool ask(struct chat *c, const char *question, struct hk_error *err)
{
    if (!conversation_ask(&c->talk, question, err)) return false;
    struct completion_options o = {.sampler = c->sampler,
                                   .logprobs = COMPLETION_NO_LOGPROBS,
                                   .stop = c->stop.ids,
                                   .n_stop = c->stop.n,
                                   .at_start = c->talk.format != NULL,
                                   .piece = on_piece,
                                   .user = c};
    bool ok = make_prompt(c, err);
    if (ok) {
        o.prompt = c->prompt.ids;
        o.n_prompt = (uint32_t)c->prompt.n;
        o.n = c->o->n ? c->o->n : c->talk.format ? hk_session_ctx(c->e.session) : PLAIN_ANSWER;
        ok = completion_run(&c->e, &o, &c->last, err) && !c->output_failed;
    }
    bool interrupted = term_interrupted();
    term_clear_interrupt();
    if (!ok && interrupted && err->code == HK_ERR_CANCELLED) {
        conversation_drop(&c->talk, c->talk.n - 1);
        fputs("(stopped)\n", stderr);
        return true;
    }
    if (!ok) {
        conversation_drop(&c->talk, c->talk.n - 1);
        return false;
    }
    c->answered = true;
    putchar('\n');
    fflush(stdout);
    if (c->o->device.v.quiet) return true;
    if (c->last.end == COMPLETION_INTERRUPTED) fputs("(stopped)\n", stderr);
    if (c->last.end == COMPLETION_CONTEXT) fputs("(the context is full: the answer is cut)\n", stderr);
    if (c->o->device.v.verbose) completion_print_timing(&c->e, &c->last);
    return true;
}

/* ---- what can be typed besides questions ---- */

typedef bool (*typed_fn)(struct chat *c, const char *rest, struct hk_error *err);

static bool do_clear(struct chat *c, const char *rest, struct hk_error *err)
{
    (void)rest;
    (void)err;
    conversation_clear(&c->talk);
    fputs("(a new conversation)\n", stderr);
    return true;
}

static bool do_system(struct chat *c, const char *rest, struct hk_error *err)
{
    if (!*rest) {
        fprintf(stderr, "%s\n", c->talk.system && *c->talk.system ? c->talk.system : "(no system text)");
        return true;
    }
    if (!c->talk.format)
        return hk_fail(err, HK_ERR_INPUT, "/system: this model has no chat template to put it in");
    if (!conversation_set_system(&c->talk, rest, err)) return false;
    fputs("(from now on)\n", stderr);
    return true;
}

static bool do_undo(struct chat *c, const char *rest, struct hk_error *err)
{
    (void)rest;
    if (c->talk.n == 0) return hk_fail(err, HK_ERR_INPUT, "/undo: nothing was asked yet");
    conversation_drop(&c->talk, c->talk.n - 1);
    fputs("(the last question and its answer are forgotten)\n", stderr);
    return true;
}

static bool do_retry(struct chat *c, const char *rest, struct hk_error *err)
{
    (void)rest;
    if (c->talk.n == 0) return hk_fail(err, HK_ERR_INPUT, "/retry: nothing was asked yet");
    char *question = c->talk.turns[c->talk.n - 1].question;
    c->talk.turns[c->talk.n - 1].question = NULL;
    conversation_drop(&c->talk, c->talk.n - 1);
    bool ok = ask(c, question, err);
    free(question);
    return ok;
}

static bool do_save(struct chat *c, const char *rest, struct hk_error *err)
{
    if (!*rest) return hk_fail(err, HK_ERR_INPUT, "/save: no file: /save FILE would be accepted");
    if (!conversation_save(&c->talk, rest, err)) return false;
    fprintf(stderr, "(saved as %s)\n", rest);
    return true;
}

static bool do_stats(struct chat *c, const char *rest, struct hk_error *err)
{
    (void)rest;
    if (!c->answered) return hk_fail(err, HK_ERR_INPUT, "/stats: nothing was asked yet");
    uint32_t n = 0;
    hk_session_tokens(c->e.session, &n);
    completion_print_timing(&c->e, &c->last);
    fprintf(stderr, "hekla: %u of %u tokens of the context are in use\n", (unsigned)n,
            (unsigned)hk_session_ctx(c->e.session));
    return true;
}

static bool do_quit(struct chat *c, const char *rest, struct hk_error *err)
{
    (void)rest;
    (void)err;
    c->leave = true;
    return true;
}

static bool do_help(struct chat *c, const char *rest, struct hk_error *err);

static const struct typed {
    const char *name, *args;
    typed_fn run;
    const char *help;
} typed[] = {
    {"/help", "", do_help, "this list"},
    {"/clear", "", do_clear, "begin a new conversation"},
    {"/system", " [TEXT]", do_system, "tell the model TEXT before the conversation; alone: show it"},
    {"/undo", "", do_undo, "forget the last question and its answer"},
    {"/retry", "", do_retry, "answer the last question again"},
    {"/save", " FILE", do_save, "write the conversation to FILE as JSON messages"},
    {"/stats", "", do_stats, "the last answer's speed, and how full the context is"},
    {"/quit", "", do_quit, "leave, like Ctrl-D"},
    {"/exit", "", do_quit, "the same"},
};
enum { N_TYPED = sizeof typed / sizeof typed[0] };

static bool do_help(struct chat *c, const char *rest, struct hk_error *err)
{
    (void)c;
    (void)rest;
    (void)err;
    for (size_t i = 0; i < N_TYPED; i++) {
        fprintf(stderr, "  %s%-*s %s\n", typed[i].name, (int)(16 - strlen(typed[i].name)), typed[i].args,
                typed[i].help);
    }
    fputs(
        "  //TEXT           ask TEXT with one slash before it\n"
        "  A backslash at the end of a line: the question goes on in the next one. Ctrl-C stops an answer.\n",
        stderr);
    return true;
}

static bool run_typed(struct chat *c, const char *line, struct hk_error *err)
{
    size_t word = strcspn(line, " \t\n");
    for (size_t i = 0; i < N_TYPED; i++) {
        if (strlen(typed[i].name) != word || memcmp(line, typed[i].name, word) != 0) continue;
        return typed[i].run(c, line + word + strspn(line + word, " \t"), err);
    }
    return hk_fail(err, HK_ERR_INPUT, "%.*s: no such command: what /help lists would be accepted",
                   (int)(word > 40 ? 40 : word), line);
}

/* ---- the loop ---- */

static bool one_line(struct chat *c, const struct hk_bytes *line, struct hk_error *err)
{
    const char *text = line->data ? line->data : "";
    if (strlen(text) != line->len) {
        return hk_fail(err, HK_ERR_INPUT, "the question contains a NUL byte: text would be accepted");
    }
    if (text[0] == '/' && text[1] == '/') return ask(c, text + 1, err);
    if (text[0] == '/') return run_typed(c, text, err);
    if (!text[strspn(text, " \t\n")] && (c->talk.format || lines_interactive(c->lines)))
        return true; /* nothing */
    return ask(c, text, err);
}

/* On a terminal an error is shown and the conversation goes on; a script's ends. */
static bool survives(const struct chat *c, const struct hk_error *err)
{
    return lines_interactive(c->lines) && !c->output_failed && err->code != HK_ERR_DEVICE_LOST;
}

static bool talk(struct chat *c, struct hk_error *err)
{
    struct hk_bytes line = {0};
    bool ok = true;
    while (ok && !c->leave) {
        enum lines_got got = lines_read(c->lines, "> ", &line, err);
        if (got == LINES_FAILED) ok = false;
        if (got == LINES_END && lines_interactive(c->lines)) fputc('\n', stderr);
        if (got == LINES_CANCELLED) fputs("(Ctrl-D or /quit leaves)\n", stderr);
        if (got == LINES_END || got == LINES_FAILED) break;
        if (got != LINES_LINE) continue;
        ok = one_line(c, &line, err);
        if (!ok && survives(c, err)) {
            tool_fail(err);
            ok = true;
        }
    }
    hk_bytes_free(&line);
    return ok;
}

static bool open_chat(struct chat *c, struct hk_error *err)
{
    struct chat_options *o = c->o;
    if (!engine_open(&c->e, &o->model, &o->device, false, err)) return false;
    const char *template = c->e.checkpoint->chat_template;
    c->talk.format = chat_format_find(template);
    if (o->system && !c->talk.format) {
        return hk_fail(
            err, HK_ERR_INPUT,
            "--system: this model has no chat template to put it in: a chat model would be accepted");
    }
    if (!conversation_stops(&c->talk, c->e.tokenizer, &c->e.checkpoint->vocab, &c->stop, err) ||
        !sampling_open(&o->sampling, hk_model_hparams(c->e.model)->n_vocab, false, &c->sampler, err) ||
        (o->system && !conversation_set_system(&c->talk, o->system, err))) {
        return false;
    }
    char *past = term_state_file("chat_history");
    c->lines = lines_open(past, err);
    free(past);
    if (!c->lines) return false;
    if (!c->talk.format && !o->device.v.quiet) {
        char names[160];
        chat_format_names(names, sizeof names);
        if (template) {
            fprintf(stderr,
                    "hekla: the chat template is none of %s: what is typed is continued as plain text\n",
                    names);
        } else {
            fputs("hekla: a base model, without a chat template: what is typed is continued as plain text\n",
                  stderr);
        }
    }
    if (lines_interactive(c->lines) && !o->device.v.quiet) {
        fprintf(stderr, "%s on %s, %s, context %u. /help lists commands, Ctrl-D leaves.\n",
                c->e.checkpoint->name, hk_device_name(c->e.device),
                c->talk.format ? c->talk.format->name : "plain text", (unsigned)hk_session_ctx(c->e.session));
    }
    return true;
}

int cmd_chat(int argc, char **argv)
{
    struct chat_options o = {0};
    int n_args, status;
    model_options_init(&o.model);
    sampling_options_init(&o.sampling);
    if (tool_options(&command, argc, argv, &o, &n_args, &status)) {
        if (n_args == 1 && !o.model.model) {
            o.model.model = argv[0];
            n_args = 0;
        }
        if (n_args == 1) {
            status = tool_usage_text("chat: two models, an argument and -m: one of them would be accepted");
        } else if (!o.model.model && !box_find("box")) {
            status = tool_usage_text(
                "no model: this build was made without one in its box: hekla MODEL would be accepted, a GGUF "
                "file, a Hugging Face folder or a llama2.c .bin file (hekla --help)");
        } else {
            if (!o.model.model) o.model.model = "box:chat";
            struct hk_error err = {0};
            struct chat c = {.o = &o, .err = &err};
            term_catch_interrupt();
            bool ok = open_chat(&c, &err) && talk(&c, &err);
            lines_close(c.lines);
            hk_sampler_free(c.sampler);
            conversation_free(&c.talk);
            free(c.prompt.ids);
            engine_close(&c.e);
            status = ok ? tool_finish(TOOL_DONE) : tool_fail(&err);
        }
    }
    sampling_options_free(&o.sampling);
    return status;
}

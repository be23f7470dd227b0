/* hekla chat: an interactive conversation. Answers go to stdout, all else to stderr. */
#include <stdlib.h>
#include <string.h>

#include "tools/best_of.h"
#include "tools/box.h"
#include "tools/commands.h"
#include "tools/engine.h"
#include "tools/lines.h"
#include "tools/now.h"
#include "tools/sampling_options.h"
#include "tools/term.h"

struct chat_options {
    struct model_options model;
    struct device_options device;
    struct sampling_options sampling;
    struct best_of_options best;
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
             "without a chat template, and 512 with --best-of"},
    {0},
};

static const struct opt_command command = {
    .name = "chat",
    .usage = "hekla chat [-m MODEL] [--system TEXT] [options]\nhekla [MODEL] [options]",
    .about =
        "Talks with a model; without one, with box:chat, a very small model in the program that answers "
        "questions about Hekla. /help lists what can be typed besides questions. A line that ends in a "
        "backslash goes on in the next one. Ctrl-C stops an answer and keeps what was printed of it, Ctrl-D "
        "leaves. Without a terminal the questions are read from standard input, one per line, and the "
        "answers "
        "alone are printed.\n\n"
        "A question that cannot be answered, because it is longer than the context or no command of the "
        "chat, "
        "is an error on stderr and the conversation goes on; without a terminal the exit status is then 1 in "
        "the end. Whatever else fails ends it.\n\n"
        "The conversation is written as the model's own chat template has it; what is typed is never read "
        "as a control token. A model without one (a base model) continues what is typed as plain text. "
        "With --best-of the best answer is printed when all are "
        "written, and it alone becomes part of the conversation.",
    .examples = "  hekla\n"
                "  hekla model.gguf\n"
                "  hekla chat -m folder --system \"You are a geologist.\" --temp 0.6\n"
                "  echo \"What is a caldera?\" | hekla chat -m model.gguf -q\n"
                "  hekla chat --best-of 8 --save-preferences pairs.jsonl\n",
    .groups = {{"what", opts, 0},
               {"model", model_opts, offsetof(struct chat_options, model)},
               {"sampling", sampling_opts, offsetof(struct chat_options, sampling)},
               {"best of several", best_of_opts, offsetof(struct chat_options, best)},
               {"device and messages", device_opts, offsetof(struct chat_options, device)}},
    .max_args = 1,
    .arg_name = "MODEL",
};

enum { PLAIN_ANSWER = 256, BEST_OF_ANSWER = 512 };

struct chat {
    struct chat_options *o;
    struct engine e;
    struct hk_chat_writer *writer; /* NULL: plain continuation */
    struct hk_conversation *talk;
    struct hk_sampler *sampler;
    struct lines *lines;
    struct hk_tokens prompt;
    struct stop_tokens stop;
    struct hk_complete_result last;
    struct best_of_judge judge;
    uint64_t seed;   /* with --best-of: of the next question's first sample */
    uint32_t length; /* of an answer, in tokens at most */
    uint64_t
        n_asked; /* answers so far: each draws random numbers of its own, also when it is asked for again */
    bool answered, leave;
    bool failed; /* a script's question was refused, and the conversation went on */
    bool output_failed;
    struct hk_error *err;
};

/* ---- answering ---- */

static bool on_piece(void *user, const struct hk_piece *p)
{
    struct chat *c = user;
    bool ok = hk_conversation_answer(c->talk, p->token, p->text, p->len, c->err);
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
    uint32_t n_ctx = hk_runner_ctx(c->e.runner), room = n_ctx / 4;
    if (c->o->n && c->o->n < room) room = c->o->n;
    size_t forgotten, turns = hk_conversation_turns(c->talk);
    if (!hk_conversation_prompt(c->talk, n_ctx, room, &c->prompt, &forgotten, err)) return false;
    if (forgotten && !c->o->device.v.quiet) {
        fprintf(stderr, "hekla: the context of %u tokens is full: %zu of %zu earlier answers are forgotten\n",
                (unsigned)n_ctx, forgotten, turns - 1);
    }
    return true;
}

static bool answer(struct chat *c, struct hk_error *err)
{
    if (c->sampler) hk_sampler_set_stream(c->sampler, c->n_asked++);
    struct hk_complete_options o = {.prompt = c->prompt.ids,
                                    .n_prompt = (uint32_t)c->prompt.n,
                                    .n = c->length,
                                    .sampler = c->sampler,
                                    .stop = c->stop.ids,
                                    .n_stop = c->stop.n,
                                    .at_start = c->writer != NULL,
                                    .piece = on_piece,
                                    .user = c};
    return completion_run(&c->e, &o, &c->last, err) && !c->output_failed;
}

/* Several answers, of which the best is printed. */
static bool answer_best(struct chat *c, struct best_of *all, struct hk_error *err)
{
    struct best_of_request q = {.prompt = c->prompt.ids,
                                .n_prompt = (uint32_t)c->prompt.n,
                                .n_samples = c->o->best.n,
                                .n = c->length,
                                .sampling = &c->o->sampling,
                                .seed = c->seed,
                                .stop = c->stop.ids,
                                .n_stop = c->stop.n,
                                .at_start = c->writer != NULL};
    c->seed += BEST_OF_MAX; /* no two questions share random numbers */
    if (!best_of_run(&c->e, &c->judge, &q, c->talk, all, err)) return false;
    const struct best_of_sample *best = &all->samples[0];
    c->last = all->r;
    for (size_t i = 0; i < best->tokens.n; i++) {
        if (!on_piece(c, &(struct hk_piece){.token = best->tokens.ids[i], .text = ""})) return false;
    }
    return on_piece(c,
                    &(struct hk_piece){.token = HK_NO_TOKEN, .text = best->text.data, .len = best->text.len});
}

/* What is said after an answer. all: of --best-of, else empty. */
static void comment(const struct chat *c, const struct best_of *all)
{
    uint32_t finished = best_of_finished(all);
    if (c->o->device.v.quiet) return;
    if (finished < all->n) {
        fprintf(stderr, "(stopped: %u of %u answers were finished)\n", (unsigned)finished, (unsigned)all->n);
    } else if (c->last.end == HK_END_INTERRUPTED) {
        fputs("(stopped)\n", stderr);
    }
    if (c->last.end == HK_END_CONTEXT) fputs("(the context is full: the answer is cut)\n", stderr);
    if (!c->o->device.v.verbose) return;
    if (all->n) {
        best_of_print(all, true);
    } else {
        completion_print_timing(&c->e, &c->last);
    }
}

/* Asks and prints. On failure the question is taken back. */
static bool ask(struct chat *c, const char *question, struct hk_error *err)
{
    struct best_of all = {0};
    if (!hk_conversation_ask(c->talk, question, strlen(question), err)) return false;
    bool ok = make_prompt(c, err) && (c->o->best.n ? answer_best(c, &all, err) : answer(c, err));
    bool interrupted = term_interrupted();
    term_clear_interrupt();
    if (ok) {
        c->answered = true;
        putchar('\n');
        fflush(stdout);
        comment(c, &all);
    } else {
        hk_conversation_drop(c->talk, hk_conversation_turns(c->talk) - 1);
    }
    best_of_free(&all);
    if (!ok && interrupted && err->code == HK_ERR_CANCELLED) {
        fputs("(stopped)\n", stderr);
        return true;
    }
    return ok;
}

/* ---- what can be typed besides questions ---- */

typedef bool (*typed_fn)(struct chat *c, const char *rest, struct hk_error *err);

static bool do_clear(struct chat *c, const char *rest, struct hk_error *err)
{
    (void)rest;
    (void)err;
    hk_conversation_clear(c->talk);
    fputs("(a new conversation)\n", stderr);
    return true;
}

static bool do_system(struct chat *c, const char *rest, struct hk_error *err)
{
    if (!*rest) {
        const char *system = hk_conversation_system(c->talk);
        fprintf(stderr, "%s\n", *system ? system : "(no system text)");
        return true;
    }
    if (!c->writer)
        return hk_fail(err, HK_ERR_INPUT, "/system: this model has no chat template to put it in");
    if (!hk_conversation_set_system(c->talk, rest, err)) return false;
    fputs("(from now on)\n", stderr);
    return true;
}

static bool do_undo(struct chat *c, const char *rest, struct hk_error *err)
{
    (void)rest;
    if (hk_conversation_turns(c->talk) == 0)
        return hk_fail(err, HK_ERR_INPUT, "/undo: nothing was asked yet");
    hk_conversation_drop(c->talk, hk_conversation_turns(c->talk) - 1);
    fputs("(the last question and its answer are forgotten)\n", stderr);
    return true;
}

static bool do_retry(struct chat *c, const char *rest, struct hk_error *err)
{
    (void)rest;
    if (hk_conversation_turns(c->talk) == 0)
        return hk_fail(err, HK_ERR_INPUT, "/retry: nothing was asked yet");
    size_t last = hk_conversation_turns(c->talk) - 1;
    struct hk_span question = hk_conversation_turn(c->talk, last).question;
    struct hk_bytes again = {0};
    bool ok = hk_bytes_append(&again, question.data, question.len, err);
    if (ok) hk_conversation_drop(c->talk, last);
    ok = ok && ask(c, again.data, err);
    hk_bytes_free(&again);
    return ok;
}

static bool do_save(struct chat *c, const char *rest, struct hk_error *err)
{
    if (!*rest) return hk_fail(err, HK_ERR_INPUT, "/save: no file: /save FILE would be accepted");
    if (!conversation_save(c->talk, rest, err)) return false;
    fprintf(stderr, "(saved as %s)\n", rest);
    return true;
}

static bool do_stats(struct chat *c, const char *rest, struct hk_error *err)
{
    (void)rest;
    if (!c->answered) return hk_fail(err, HK_ERR_INPUT, "/stats: nothing was asked yet");
    uint32_t n = 0;
    hk_sequence_tokens(c->e.sequence, &n);
    completion_print_timing(&c->e, &c->last);
    fprintf(stderr, "hekla: %u of %u tokens of the context are in use\n", (unsigned)n,
            (unsigned)hk_runner_ctx(c->e.runner));
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
    if (!text[strspn(text, " \t\n")] && (c->writer || lines_interactive(c->lines))) return true; /* nothing */
    return ask(c, text, err);
}

/* Whether the conversation goes on after an error: on a terminal, wherever it can; in a script, where the
 * question was wrong, so that those behind it are not lost. */
static bool survives(const struct chat *c, const struct hk_error *err)
{
    if (c->output_failed || err->code == HK_ERR_DEVICE_LOST) return false;
    return lines_interactive(c->lines) || err->code == HK_ERR_INPUT;
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
            c->failed = c->failed || !lines_interactive(c->lines);
            ok = true;
        }
    }
    hk_bytes_free(&line);
    return ok;
}

/* What is told before the first question. */
static void greet(const struct chat *c)
{
    if (c->o->device.v.quiet) return;
    if (!c->writer && !c->e.info.chat_template) {
        fputs("hekla: a base model, without a chat template: what is typed is continued as plain text\n",
              stderr);
    }
    if (!lines_interactive(c->lines)) return;
    fprintf(stderr, "%s on %s, %s, context %u. /help lists commands, Ctrl-D leaves.\n", c->e.info.name,
            hk_device_name(c->e.device), c->writer ? "its own chat template" : "plain text",
            (unsigned)hk_runner_ctx(c->e.runner));
    const struct box_model *box = box_is_name(c->o->model.model) ? box_find(c->o->model.model) : NULL;
    if (box && box->greeting) fprintf(stderr, "%s\n", box->greeting);
}

static bool open_models(struct chat *c, struct hk_error *err)
{
    struct chat_options *o = c->o;
    struct model_options reward = {0};
    reward.model = o->best.reward;
    reward.kv = o->model.kv;
    o->model.n_samples = o->best.n;
    o->model.sample_tokens = o->n ? o->n : BEST_OF_ANSWER;
    if (o->best.n && !best_of_open(&c->judge, &o->best, &reward, err)) return false;
    if (!engine_open(&c->e, &o->model, &o->device, false, err)) return false;
    return !o->best.n || scorer_open_model(&c->judge.scorer, &c->e, &reward, &o->device, err);
}

/* On a terminal, and for a model so small that only compiling takes time: before the first question, not in
 * it. */
static bool warm_up(struct chat *c, struct hk_error *err)
{
    enum { SMALL = 64 << 20 };
    if (!lines_interactive(c->lines) || hk_model_stats(c->e.model)->weight_bytes > SMALL) return true;
    bool ok =
        c->o->best.n ? best_of_warm_up(&c->e, &c->judge, c->o->best.n, err) : completion_warm_up(&c->e, err);
    if (ok || err->code != HK_ERR_CANCELLED) return ok;
    term_clear_interrupt();
    return true;
}

/* A template that is of no use is no reason not to continue text. */
static bool open_writer(struct chat *c, struct hk_error *err)
{
    struct hk_wall_time now;
    if (!c->e.info.chat_template) return true;
    if (!tool_now(&now, err)) return false;
    c->writer = hk_chat_writer_new(c->e.checkpoint, c->e.tokenizer, &now, err);
    if (c->writer) return true;
    if (err->code == HK_ERR_MEMORY) return false;
    if (!c->o->device.v.quiet)
        fprintf(stderr, "hekla: %s: what is typed is continued as plain text\n", err->text);
    *err = (struct hk_error){0};
    return true;
}

static bool open_chat(struct chat *c, struct hk_error *err)
{
    struct chat_options *o = c->o;
    if (!open_models(c, err)) return false;
    if (!open_writer(c, err)) return false;
    if (o->system && !c->writer) {
        return hk_fail(
            err, HK_ERR_INPUT,
            "--system: this model has no chat template to put it in: a chat model would be accepted");
    }
    c->judge.chat = c->writer != NULL;
    c->length = o->n         ? o->n
                : !c->writer ? (uint32_t)PLAIN_ANSWER
                : o->best.n  ? (uint32_t)BEST_OF_ANSWER
                             : hk_runner_ctx(c->e.runner);
    c->stop.n = hk_chat_stops(c->writer, hk_checkpoint_vocab(c->e.checkpoint), c->stop.ids);
    if (!sampling_open(&o->sampling, hk_model_n_vocab(c->e.model), false, &c->sampler, err) ||
        !(c->talk = hk_conversation_new(c->writer, c->e.tokenizer, err)) ||
        (o->system && !hk_conversation_set_system(c->talk, o->system, err))) {
        return false;
    }
    c->seed = o->sampling.seed;
    char *past = term_state_file("chat_history");
    c->lines = lines_open(past, err);
    free(past);
    if (!c->lines) return false;
    greet(c);
    return warm_up(c, err);
}

static int run(struct chat_options *o)
{
    struct hk_error err = {0}, closing = {0};
    struct chat c = {.o = o, .err = &err};
    term_catch_interrupt();
    bool ok = open_chat(&c, &err) && talk(&c, &err);
    lines_close(c.lines);
    hk_sampler_free(c.sampler);
    hk_conversation_free(c.talk);
    hk_chat_writer_free(c.writer);
    free(c.prompt.ids);
    if (!best_of_close(&c.judge, &closing) && ok) {
        err = closing;
        ok = false;
    }
    engine_close(&c.e);
    if (!ok) return tool_fail(&err);
    return tool_finish(c.failed ? TOOL_FAILED : TOOL_DONE);
}

/* False and *err where the options do not go together; else the defaults are filled in. */
static bool check(struct chat_options *o, struct hk_error *err)
{
    if (!o->model.model && !box_find("box")) {
        return hk_fail(
            err, HK_ERR_INPUT,
            "no model: this build was made without one in its box: hekla MODEL would be accepted, a "
            "GGUF file, a Hugging Face folder or a llama2.c .bin file (hekla --help)");
    }
    if (!o->model.model) o->model.model = "box:chat";
    if (!best_of_check(&o->best, "chat", o->model.model, &o->sampling, err)) return false;
    const struct box_model *box = box_is_name(o->model.model) ? box_find(o->model.model) : NULL;
    sampling_default_temperature(&o->sampling, box ? box->temperature : -1);
    return true;
}

int cmd_chat(int argc, char **argv)
{
    struct chat_options o = {0};
    struct hk_error err = {0};
    int n_args, status;
    sampling_options_init(&o.sampling);
    if (tool_options(&command, argc, argv, &o, &n_args, &status)) {
        if (n_args == 1 && o.model.model) {
            status = tool_usage_text("chat: two models, an argument and -m: one of them would be accepted");
        } else {
            if (n_args == 1) o.model.model = argv[0];
            status = check(&o, &err) ? run(&o) : tool_usage(&err);
        }
    }
    sampling_options_free(&o.sampling);
    return status;
}

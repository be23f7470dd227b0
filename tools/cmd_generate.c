/* hekla generate: a prompt's completion on stdout. */
#include <stdlib.h>
#include <string.h>

#include "tools/best_of.h"
#include "tools/box.h"
#include "tools/commands.h"
#include "tools/engine.h"
#include "tools/json.h"
#include "tools/now.h"
#include "tools/sampling_options.h"
#include "tools/term.h"
#include "tools/words.h"

#define NO_LOGPROBS UINT32_MAX /* --logprobs 0 gives each token its own */

struct generate {
    struct model_options model;
    struct device_options device;
    struct sampling_options sampling;
    struct best_of_options best;
    const char *prompt, *file, *system;
    uint32_t n, logprobs;
    bool chat, json, profile, ignore_eos;
};

static const struct opt opts[] = {
    {.name = "prompt",
     .letter = 'p',
     .kind = OPT_TEXT,
     .field = offsetof(struct generate, prompt),
     .metavar = "TEXT",
     .help = "the text to continue; \"\" is the beginning-of-text token alone"},
    {.name = "file",
     .letter = 'f',
     .kind = OPT_TEXT,
     .field = offsetof(struct generate, file),
     .metavar = "FILE",
     .help = "the text to continue, from a file as it is, last newline included; - is standard input"},
    {.name = "tokens",
     .letter = 'n',
     .kind = OPT_U32,
     .field = offsetof(struct generate, n),
     .min = 0,
     .max = 4294967294.0,
     .metavar = "N",
     .help = "how many tokens at most; a stop token or a full context ends it earlier. Default 256"},
    {.name = "chat",
     .kind = OPT_FLAG,
     .field = offsetof(struct generate, chat),
     .help = "the text is one message of a user, written as the model's chat template has it, without a "
             "file's last newline; the answer alone is printed"},
    {.name = "system",
     .kind = OPT_TEXT,
     .field = offsetof(struct generate, system),
     .metavar = "TEXT",
     .help = "with --chat: what the model is told before that message"},
    {.name = "ignore-eos",
     .kind = OPT_FLAG,
     .field = offsetof(struct generate, ignore_eos),
     .help = "go on after a stop token"},
    {.name = "logprobs",
     .kind = OPT_U32,
     .field = offsetof(struct generate, logprobs),
     .min = 0,
     .max = 1000,
     .metavar = "K",
     .help = "the log-probability of each token and of the K most likely in its place, before any sampling "
             "option: "
             "in the JSON, or as a table on stderr"},
    {.name = "json",
     .kind = OPT_FLAG,
     .field = offsetof(struct generate, json),
     .help =
         "print one JSON object when done: model, device, prompt, prompt_tokens, tokens, text, stop_reason, "
         "seed, timings; with --best-of also candidates, best first: score, logprob (the sum over its tokens "
         "and the stop token), tokens, text and more. Bytes that are not UTF-8 become U+FFFD in it, with the "
         "bytes beside them"},
    {.name = "profile",
     .kind = OPT_FLAG,
     .field = offsetof(struct generate, profile),
     .help = "print on stderr where the device's time went: kernel, calls, time, GB/s"},
    {0},
};

static const struct opt_command command = {
    .name = "generate",
    .usage = "hekla generate [-m MODEL] -p TEXT|-f FILE [-n N] [options]\n"
             "hekla generate [-m MODEL] --chat -p TEXT|-f FILE [--best-of N] [options]",
    .about =
        "Completes a text. The completion alone goes to stdout, as it comes; all else goes to stderr. Ctrl-C "
        "ends it with what was printed so far. Without -m the model is box:chat.\n\n"
        "With --best-of, Ctrl-C ends the samples that are being written: of those that were finished the "
        "best "
        "is printed, or, if none was, the best beginning. Sample i is what --seed S+i gives alone.",
    .examples = "  hekla generate -m model.gguf -p \"Once upon a time\" -n 100\n"
                "  hekla generate -m stories260K.bin -p \"\" --temp 0 -n 200\n"
                "  hekla generate -m folder -f notes.txt --temp 0.7 --top-p 0.9 --seed 42\n"
                "  hekla generate -m model.gguf -p \"The capital of France is\" -n 1 --logprobs 5 --json\n"
                "  hekla generate -m folder -p Hello --quant q4_0 --device nvidia --profile\n"
                "  hekla generate --chat -p \"How do I list the devices?\" --best-of 8 --json\n",
    .groups = {{"what", opts, 0},
               {"model", model_opts, offsetof(struct generate, model)},
               {"sampling", sampling_opts, offsetof(struct generate, sampling)},
               {"best of several", best_of_opts, offsetof(struct generate, best)},
               {"device and messages", device_opts, offsetof(struct generate, device)}},
};

/* What is kept of a token for the JSON and the table. */
struct kept {
    uint32_t token;
    float logprob;
    uint32_t n_top;
    struct hk_token_logprob *top;
};

struct output {
    const struct generate *o;
    struct engine *e;
    struct kept *kept;
    size_t n_kept, capacity;
    struct hk_bytes text;
    const struct best_of *best; /* NULL: without --best-of */
    bool failed;
    struct hk_error *err;
};

static bool keep(struct output *out, const struct hk_piece *p)
{
    if (out->n_kept == out->capacity) {
        size_t capacity = out->capacity ? out->capacity * 2 : 256;
        struct kept *grown = realloc(out->kept, capacity * sizeof *grown);
        if (!grown) return hk_fail(out->err, HK_ERR_MEMORY, "out of memory for the tokens");
        out->kept = grown;
        out->capacity = capacity;
    }
    struct kept k = {.token = p->token, .logprob = p->logprob, .n_top = p->n_top};
    if (p->n_top) {
        k.top = hk_calloc(p->n_top, sizeof *k.top, out->err);
        if (!k.top) return false;
        memcpy(k.top, p->top, p->n_top * sizeof *k.top);
    }
    out->kept[out->n_kept++] = k;
    return true;
}

static bool on_piece(void *user, const struct hk_piece *p)
{
    struct output *out = user;
    bool ok = true;
    if (p->token != HK_NO_TOKEN && (out->o->json || out->o->logprobs != NO_LOGPROBS)) ok = keep(out, p);
    if (ok && out->o->json) {
        ok = hk_bytes_append(&out->text, p->text, p->len, out->err);
    } else if (ok && p->len > 0) {
        ok = fwrite(p->text, 1, p->len, stdout) == p->len && fflush(stdout) == 0;
        if (!ok)
            hk_fail(out->err, HK_ERR_IO,
                    "standard output: cannot be written: a file or pipe with room would be accepted");
    }
    out->failed = out->failed || !ok;
    return ok;
}

static size_t token_bytes(const struct engine *e, uint32_t id, const char **bytes)
{
    *bytes = "";
    return hk_tokenizer_bytes(e->tokenizer, id, true, bytes);
}

/* {"id", "text"[, "bytes"][, "logprob"]} */
static cJSON *json_token(const struct engine *e, uint32_t id, bool with_logprob, float logprob)
{
    const char *bytes;
    size_t len = token_bytes(e, id, &bytes);
    cJSON *t = cJSON_CreateObject();
    bool ok = t && cJSON_AddNumberToObject(t, "id", id) && json_add_text(t, "text", "bytes", bytes, len) &&
              (!with_logprob || cJSON_AddNumberToObject(t, "logprob", (double)logprob));
    if (ok) return t;
    cJSON_Delete(t);
    return NULL;
}

static bool json_tokens(cJSON *root, const struct output *out)
{
    bool with = out->o->logprobs != NO_LOGPROBS;
    cJSON *list = cJSON_AddArrayToObject(root, "tokens");
    for (size_t i = 0; list && i < out->n_kept; i++) {
        const struct kept *k = &out->kept[i];
        cJSON *t = json_token(out->e, k->token, with, k->logprob);
        if (!cJSON_AddItemToArray(list, t)) return false;
        cJSON *top = with ? cJSON_AddArrayToObject(t, "top") : NULL;
        if (with && !top) return false;
        for (uint32_t j = 0; j < k->n_top; j++) {
            if (!cJSON_AddItemToArray(top, json_token(out->e, k->top[j].token, true, k->top[j].logprob)))
                return false;
        }
    }
    return list != NULL;
}

static bool json_timings(cJSON *root, const struct output *out, const struct hk_complete_result *r)
{
    const struct hk_model_stats *s = hk_model_stats(out->e->model);
    cJSON *t = cJSON_AddObjectToObject(root, "timings");
    return t && cJSON_AddNumberToObject(t, "load_seconds", s->load_seconds) &&
           cJSON_AddNumberToObject(t, "prompt_seconds", r->prompt_seconds) &&
           cJSON_AddNumberToObject(t, "prompt_tokens_per_second", completion_prompt_rate(r)) &&
           cJSON_AddNumberToObject(t, "decode_seconds", r->decode_seconds) &&
           cJSON_AddNumberToObject(t, "decode_tokens_per_second",
                                   completion_decode_rate(r, out->best ? out->best->fed : r->steps)) &&
           cJSON_AddNumberToObject(t, "decode_gb_per_second", completion_weight_rate(out->e, r)) &&
           (!out->best || cJSON_AddNumberToObject(t, "score_seconds", out->best->score_seconds));
}

static bool print_json(const struct output *out, const struct hk_bytes *prompt, const struct hk_tokens *ids,
                       const struct hk_complete_result *r)
{
    cJSON *root = cJSON_CreateObject();
    const char *model = out->o->model.model, *device = hk_device_name(out->e->device);
    bool stopped = r->end == HK_END_STOP;
    bool ok =
        root && json_add_text(root, "model", "model_bytes", model, strlen(model)) &&
        json_add_text(root, "device", "device_bytes", device, strlen(device)) &&
        json_add_text(root, "prompt", "prompt_bytes", prompt->data ? prompt->data : "", prompt->len) &&
        json_add_ids(root, "prompt_tokens", ids->ids, ids->n) && json_tokens(root, out) &&
        json_add_text(root, "text", "text_bytes", out->text.data ? out->text.data : "", out->text.len) &&
        cJSON_AddStringToObject(root, "stop_reason", hk_end_name(r->end)) &&
        (!stopped || cJSON_AddNumberToObject(root, "stop_token", r->stop_token)) &&
        (!out->best ||
         cJSON_AddItemToObject(root, "candidates", best_of_json(out->best, out->o->sampling.seed))) &&
        json_timings(root, out, r);
    if (ok && out->o->sampling.temperature > 0) {
        char seed[24];
        snprintf(seed, sizeof seed, "%llu", (unsigned long long)out->o->sampling.seed);
        ok = cJSON_AddRawToObject(root, "seed", seed) != NULL; /* all 64 bits: cJSON's numbers are doubles */
    }
    ok = json_print(ok ? root : NULL, stdout, out->err);
    cJSON_Delete(root);
    return ok;
}

/* A token's text for one column of a table. */
static void print_token(const struct engine *e, uint32_t id)
{
    const char *bytes;
    size_t len = token_bytes(e, id, &bytes);
    fputc('"', stderr);
    print_escaped(stderr, bytes, len, "\"\\");
    fputc('"', stderr);
}

static void print_logprobs(const struct output *out)
{
    for (size_t i = 0; i < out->n_kept; i++) {
        const struct kept *k = &out->kept[i];
        fprintf(stderr, "%9.4f  ", (double)k->logprob);
        print_token(out->e, k->token);
        for (uint32_t j = 0; j < k->n_top; j++) {
            fprintf(stderr, "%s%.4f ", j ? "  " : "   of:  ", (double)k->top[j].logprob);
            print_token(out->e, k->top[j].token);
        }
        fputc('\n', stderr);
    }
}

static bool report(const struct output *out, const struct hk_bytes *prompt, const struct hk_tokens *ids,
                   const struct hk_complete_result *r)
{
    const struct generate *o = out->o;
    if (o->json && !print_json(out, prompt, ids, r)) return false;
    if (!o->json && term_is_tty(stdout)) putchar('\n'); /* the shell's prompt on a line of its own */
    fflush(stdout);
    if (!o->json && o->logprobs != NO_LOGPROBS) print_logprobs(out);
    if (!o->device.v.quiet) {
        if (r->end == HK_END_CONTEXT) {
            fprintf(stderr, "hekla: the context of %u tokens is full: a longer one may be had by --ctx\n",
                    (unsigned)hk_runner_ctx(out->e->runner));
        }
        if (o->sampling.temperature > 0 && !o->sampling.seed_given && o->device.v.verbose) {
            fprintf(stderr, "hekla: seed %llu\n", (unsigned long long)o->sampling.seed);
        }
        if (out->best) {
            best_of_print(out->best, o->device.v.verbose);
        } else {
            completion_print_timing(out->e, r);
        }
    }
    return !o->profile || print_profile(out->e->device, out->err);
}

/* ---- from the prompt to the output ---- */

struct job {
    struct generate *o;
    struct engine *e;
    struct output *out;
    struct hk_bytes prompt;
    struct hk_tokens ids;
    struct hk_chat_writer *writer; /* with --chat */
    struct hk_conversation *talk;  /* with --chat or --best-of: the prompt as its only turn */
    struct stop_tokens stop;
    struct best_of_judge judge;
};

static bool read_prompt(struct job *j, struct hk_error *err)
{
    const struct generate *o = j->o;
    struct hk_bytes *p = &j->prompt;
    if (!hk_bytes_append(p, "", 0, err) ||
        (!o->file && !hk_bytes_append(p, o->prompt, strlen(o->prompt), err)))
        return false;
    if (o->file && !tool_read(o->file, p, err)) return false;
    if (!o->chat && !o->best.n) return true;
    if (o->chat && o->file && p->len > 0 && p->data[p->len - 1] == '\n') p->data[--p->len] = 0;
    if (strlen(p->data) != p->len)
        return hk_fail(err, HK_ERR_INPUT, "the prompt contains a NUL byte: text would be accepted");
    return true;
}

static bool open_writer(struct job *j, struct hk_error *err)
{
    struct engine *e = j->e;
    struct hk_wall_time now;
    if (!e->info.chat_template) {
        return hk_fail(err, HK_ERR_INPUT,
                       "--chat: this model has no chat template: a model with one would be accepted");
    }
    if (!tool_now(&now, err)) return false;
    j->writer = hk_chat_writer_new(e->checkpoint, e->tokenizer, &now, err);
    return j->writer != NULL;
}

static bool open_talk(struct job *j, struct hk_error *err)
{
    const char *system = j->o->system;
    if (j->o->chat && !open_writer(j, err)) return false;
    j->talk = hk_conversation_new(j->writer, j->e->tokenizer, err);
    return j->talk && (!system || hk_conversation_set_system(j->talk, system, err)) &&
           hk_conversation_ask(j->talk, j->prompt.data, j->prompt.len, err);
}

static bool encode_prompt(struct job *j, struct hk_error *err)
{
    struct engine *e = j->e;
    if ((j->o->chat || j->o->best.n) && !open_talk(j, err)) return false;
    j->stop.n = hk_chat_stops(j->writer, hk_checkpoint_vocab(e->checkpoint), j->stop.ids);
    if (j->o->ignore_eos) j->stop.n = 0;
    return j->o->chat ? hk_conversation_tokens(j->talk, 0, &j->ids, err)
                      : hk_prompt_tokens(e->tokenizer, j->prompt.data, j->prompt.len, HK_ENCODE_PARSE_SPECIAL,
                                         &j->ids, err);
}

static bool complete(struct job *j, struct hk_error *err)
{
    struct generate *o = j->o;
    struct hk_sampler *sampler = NULL;
    struct hk_complete_result r;
    bool ok =
        sampling_open(&o->sampling, hk_model_n_vocab(j->e->model), o->logprobs != NO_LOGPROBS, &sampler, err);
    if (ok) {
        struct hk_complete_options c = {.prompt = j->ids.ids,
                                        .n_prompt = (uint32_t)j->ids.n,
                                        .n = o->n,
                                        .sampler = sampler,
                                        .logprobs = o->logprobs != NO_LOGPROBS,
                                        .n_top = o->logprobs != NO_LOGPROBS ? o->logprobs : 0,
                                        .stop = j->stop.ids,
                                        .n_stop = j->stop.n,
                                        .at_start = o->chat || j->prompt.len == 0,
                                        .piece = on_piece,
                                        .user = j->out};
        r = (struct hk_complete_result){.end = HK_END_LENGTH, .stop_token = HK_NO_TOKEN};
        ok = o->n == 0 ? completion_begin(j->e, c.prompt, c.n_prompt, &r, err)
                       : completion_run(j->e, &c, &r, err);
        ok = ok && !j->out->failed && report(j->out, &j->prompt, &j->ids, &r);
    }
    hk_sampler_free(sampler);
    return ok;
}

/* The best sample as the completion. */
static bool print_best(struct output *out, const struct best_of_sample *best)
{
    for (size_t i = 0; i < best->tokens.n; i++) {
        if (!on_piece(out, &(struct hk_piece){.token = best->tokens.ids[i], .text = ""})) return false;
    }
    return on_piece(out,
                    &(struct hk_piece){.token = HK_NO_TOKEN, .text = best->text.data, .len = best->text.len});
}

static bool complete_best(struct job *j, struct hk_error *err)
{
    struct generate *o = j->o;
    struct best_of best;
    struct best_of_request q = {.prompt = j->ids.ids,
                                .n_prompt = (uint32_t)j->ids.n,
                                .n_samples = o->best.n,
                                .n = o->n,
                                .sampling = &o->sampling,
                                .seed = sampling_seed(&o->sampling),
                                .stop = j->stop.ids,
                                .n_stop = j->stop.n,
                                .at_start = o->chat || j->prompt.len == 0};
    j->out->best = &best;
    bool ok = best_of_run(j->e, &j->judge, &q, j->talk, &best, err) && print_best(j->out, &best.samples[0]) &&
              report(j->out, &j->prompt, &j->ids, &best.r);
    best_of_free(&best);
    j->out->best = NULL;
    return ok;
}

static bool generate(struct job *j, struct hk_error *err)
{
    struct generate *o = j->o;
    struct model_options reward = {0};
    reward.model = o->best.reward;
    reward.kv = o->model.kv;
    o->model.n_samples = o->best.n;
    o->model.sample_tokens = o->n;
    bool ok = read_prompt(j, err);
    if (ok && o->best.n) {
        j->judge.chat = o->chat;
        ok = best_of_open(&j->judge, &o->best, &reward, err);
    }
    ok = ok && engine_open(j->e, &o->model, &o->device, o->profile, err) && encode_prompt(j, err);
    if (ok && o->best.n) {
        ok = scorer_open_model(&j->judge.scorer, j->e, &reward, &o->device, err) && complete_best(j, err);
    } else if (ok) {
        ok = complete(j, err);
    }
    struct hk_error closing = {0};
    if (!best_of_close(&j->judge, &closing) && ok) {
        *err = closing;
        ok = false;
    }
    hk_bytes_free(&j->prompt);
    free(j->ids.ids);
    hk_conversation_free(j->talk);
    hk_chat_writer_free(j->writer);
    return ok;
}

/* False and *err where the options do not go together; else the defaults are filled in. */
static bool check(struct generate *o, struct hk_error *err)
{
    const char *wrong = NULL;
    if (!o->model.model && box_find("box")) o->model.model = "box:chat";
    if (!o->model.model) {
        wrong = "no model: -m MODEL would be accepted";
    } else if (o->prompt && o->file) {
        wrong = "both --prompt and --file: one of them would be accepted";
    } else if (!o->prompt && !o->file) {
        wrong = "no prompt: -p TEXT or -f FILE would be accepted";
    } else if (o->system && !o->chat) {
        wrong = "--system: without --chat there is no place for it: --chat with it would be accepted";
    } else if (o->best.n && o->logprobs != NO_LOGPROBS) {
        wrong = "--logprobs with --best-of: one of them would be accepted: --json gives each candidate's sum";
    } else if (o->best.n && o->n == 0) {
        wrong = "--best-of with -n 0: one token or more would be accepted";
    }
    if (wrong) return hk_fail(err, HK_ERR_INPUT, "generate: %s", wrong);
    if (!best_of_check(&o->best, "generate", o->model.model, &o->sampling, err)) return false;
    const struct box_model *box = o->chat && box_is_name(o->model.model) ? box_find(o->model.model) : NULL;
    sampling_default_temperature(&o->sampling, box ? box->temperature : -1);
    return true;
}

int cmd_generate(int argc, char **argv)
{
    struct generate o = {.n = 256, .logprobs = NO_LOGPROBS};
    struct hk_error err = {0};
    int n_args, status;
    sampling_options_init(&o.sampling);
    if (tool_options(&command, argc, argv, &o, &n_args, &status)) {
        if (!check(&o, &err)) {
            status = tool_usage(&err);
        } else {
            struct engine e = {0};
            struct output out = {.o = &o, .e = &e, .err = &err};
            struct job job = {.o = &o, .e = &e, .out = &out};
            term_catch_interrupt();
            status = generate(&job, &err) ? TOOL_DONE : TOOL_FAILED;
            for (size_t i = 0; i < out.n_kept; i++) free(out.kept[i].top);
            free(out.kept);
            hk_bytes_free(&out.text);
            engine_close(&e);
            status = status == TOOL_DONE ? tool_finish(status) : tool_fail(&err);
        }
    }
    sampling_options_free(&o.sampling);
    return status;
}

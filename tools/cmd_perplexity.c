/* hekla perplexity: how well a model predicts a text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/engine.h"
#include "tools/json.h"
#include "tools/term.h"

struct perplexity {
    struct model_options model;
    struct device_options device;
    const char *file;
    bool json;
};

static const struct opt opts[] = {
    {.name = "file",
     .letter = 'f',
     .kind = OPT_TEXT,
     .field = offsetof(struct perplexity, file),
     .metavar = "FILE",
     .help = "the text, as it is; - is standard input"},
    {.name = "json",
     .kind = OPT_FLAG,
     .field = offsetof(struct perplexity, json),
     .help =
         "print one JSON object: model, device, perplexity, nll, nll_stderr, tokens, windows, ctx, seconds"},
    {0},
};

static const struct opt_command command = {
    .name = "perplexity",
    .usage = "hekla perplexity -m MODEL -f FILE [--ctx N] [--json]",
    .about = "Measures how well the model predicts a text: exp of the mean negative log-probability of its "
             "tokens. The "
             "text is cut into windows of --ctx positions that do not overlap (here 512 by default, or the "
             "model's own "
             "context where that is shorter). Where the vocabulary begins texts with a token, each window "
             "begins with "
             "it and every token of the text counts; elsewhere each window's first token is given and does "
             "not count. "
             "Figures compare only at the same window length.",
    .examples = "  hekla perplexity -m model.gguf -f wiki.test.raw\n"
                "  hekla perplexity -m folder -f wiki.test.raw --ctx 1024 --quant q4_0 --json\n",
    .groups = {{"what", opts, 0},
               {"model", model_opts, offsetof(struct perplexity, model)},
               {"device and messages", device_opts, offsetof(struct perplexity, device)}},
};

struct sums {
    double nll, nll_squared; /* natural logarithms */
    uint64_t tokens, windows;
    double seconds;
};

static bool window(struct engine *e, const uint32_t *tokens, uint32_t n, struct sums *sums,
                   struct hk_error *err)
{
    hk_sequence_rewind(e->sequence, 0); /* all are wanted, those of what windows have in common too */
    if (!hk_sequence_sync(e->sequence, tokens, n, err)) return false;
    for (uint32_t i = 1; i < n; i++) {
        struct hk_target target;
        if (!hk_sequence_target(e->sequence, i, &target))
            return hk_fail(err, HK_ERR_DEVICE, "perplexity: token %u: no probability", (unsigned)i);
        double nll = -(double)target.logprob;
        sums->nll += nll;
        sums->nll_squared += nll * nll;
        sums->tokens++;
    }
    sums->windows++;
    return true;
}

/* The windows of all tokens; buf has room for one. */
static bool windows(struct engine *e, const struct hk_tokens *text, uint32_t n_ctx, uint32_t *buf,
                    struct sums *sums, struct hk_error *err)
{
    const struct hk_vocab_info *v = &e->vocab;
    uint32_t lead = v->add_bos && v->bos != HK_NO_TOKEN ? 1 : 0;
    double start = term_seconds();
    if (lead) buf[0] = v->bos;
    bool ok = true;
    for (size_t at = 0; ok && at < text->n;) {
        size_t n = text->n - at < n_ctx - lead ? text->n - at : n_ctx - lead;
        memcpy(buf + lead, text->ids + at, n * sizeof *buf);
        if (n + lead > 1) ok = window(e, buf, (uint32_t)n + lead, sums, err);
        at += n;
        ok = ok && (progress_step(&e->progress, "perplexity", at, text->n) ||
                    hk_fail(err, HK_ERR_CANCELLED, "perplexity: interrupted"));
    }
    progress_clear(&e->progress);
    sums->seconds = term_seconds() - start;
    return ok;
}

static bool print_result(const struct perplexity *o, struct engine *e, const struct sums *s, uint32_t n_ctx,
                         struct hk_error *err)
{
    double n = (double)s->tokens, mean = s->nll / n;
    double variance = s->tokens > 1 ? (s->nll_squared / n - mean * mean) * n / (n - 1) : 0;
    double error = sqrt(variance > 0 ? variance / n : 0);
    if (!o->json) {
        printf("perplexity %.4f +- %.4f, %llu tokens in %llu windows of %u\n", exp(mean), exp(mean) * error,
               (unsigned long long)s->tokens, (unsigned long long)s->windows, (unsigned)n_ctx);
        if (!o->device.v.quiet) fprintf(stderr, "hekla: %.2f s, %.1f tokens/s\n", s->seconds, n / s->seconds);
        return true;
    }
    cJSON *root = cJSON_CreateObject();
    bool ok =
        root && json_add_text(root, "model", "model_bytes", o->model.model, strlen(o->model.model)) &&
        cJSON_AddStringToObject(root, "device", hk_device_name(e->device)) &&
        cJSON_AddNumberToObject(root, "perplexity", exp(mean)) &&
        cJSON_AddNumberToObject(root, "nll", mean) && cJSON_AddNumberToObject(root, "nll_stderr", error) &&
        cJSON_AddNumberToObject(root, "tokens", n) &&
        cJSON_AddNumberToObject(root, "windows", (double)s->windows) &&
        cJSON_AddNumberToObject(root, "ctx", n_ctx) && cJSON_AddNumberToObject(root, "seconds", s->seconds);
    ok = json_print(ok ? root : NULL, stdout, err);
    cJSON_Delete(root);
    return ok;
}

static bool perplexity(struct perplexity *o, struct engine *e, struct hk_error *err)
{
    struct hk_bytes text = {0};
    struct hk_tokens ids = {0};
    struct sums sums = {0};
    uint32_t *buf = NULL;
    bool ok = tool_read(o->file, &text, err) && engine_open_checkpoint(e, &o->model, err) &&
              engine_open_tokenizer(e, err) &&
              hk_tokenizer_encode(e->tokenizer, text.data ? text.data : "", text.len, 0, &ids, err);
    if (ok && ids.n < 2) {
        ok = hk_fail(err, HK_ERR_INPUT, "perplexity: %s: a text of %u tokens: two or more would be accepted",
                     o->file, (unsigned)ids.n);
    }
    if (ok && !o->model.ctx) {
        uint32_t own = e->info.n_ctx_train;
        o->model.ctx = own && own < 512 ? own : 512;
    }
    if (ok && o->model.ctx < 2)
        ok = hk_fail(err, HK_ERR_INPUT, "perplexity: --ctx 1: two or more would be accepted");
    ok = ok && engine_open_device(e, &o->device, false, err) &&
         engine_open_model(e, &o->model, &o->device, err) &&
         engine_open_runner(e, &o->model, HK_OUTPUTS_TARGETS, err) &&
         (buf = hk_calloc(o->model.ctx, sizeof *buf, err)) &&
         windows(e, &ids, o->model.ctx, buf, &sums, err) && print_result(o, e, &sums, o->model.ctx, err);
    free(buf);
    free(ids.ids);
    hk_bytes_free(&text);
    return ok;
}

int cmd_perplexity(int argc, char **argv)
{
    struct perplexity o = {0};
    int n_args, status;
    if (!tool_options(&command, argc, argv, &o, &n_args, &status)) return status;
    if (!o.model.model) return tool_usage_text("perplexity: no model: -m MODEL would be accepted");
    if (!o.file) return tool_usage_text("perplexity: no text: -f FILE would be accepted");
    struct hk_error err = {0};
    struct engine e = {0};
    term_catch_interrupt();
    bool ok = perplexity(&o, &e, &err);
    engine_close(&e);
    return ok ? tool_finish(TOOL_DONE) : tool_fail(&err);
}

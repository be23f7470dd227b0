/* hekla convert: any readable checkpoint -> GGUF, quantized on request. Needs no device. */
#include <string.h>

#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/term.h"
#include "tools/tool.h"
#include "tools/words.h"

struct convert {
    struct verbosity v;
    const char *type, *tokenizer;
    uint32_t threads;
};

static bool parse_type(const char *value, void *field, struct hk_error *err)
{
    char known[256];
    *(const char **)field = value;
    if (hk_convert_type_known(value)) return true;
    hk_convert_type_names(known, sizeof known);
    return hk_fail(err, HK_ERR_INPUT, "one of %s would be accepted", known);
}

static const struct opt opts[] = {
    {.name = "type",
     .kind = OPT_PARSE,
     .parse = parse_type,
     .field = offsetof(struct convert, type),
     .metavar = "TYPE",
     .help =
         "the weight type of the new file: f32, f16, bf16, q8_0, q4_0, ... (a wrong one lists them all). "
         "Norms, "
         "biases and positions stay as they are; the output matrix is kept in finer q6_k or q8_0; q4_k_m and "
         "q5_k_m give some more matrices q6_k. Default: every tensor as it is"},
    {.name = "threads",
     .kind = OPT_U32,
     .field = offsetof(struct convert, threads),
     .min = 1,
     .max = 128,
     .metavar = "N",
     .help = "how many threads convert. Default: one for each processor"},
    {.name = "tokenizer",
     .kind = OPT_TEXT,
     .field = offsetof(struct convert, tokenizer),
     .metavar = "FILE",
     .help = "tokenizer.bin, tokenizer.json or tokenizer.model to use in place of the one beside the model; "
             "not with a GGUF "
             "file, which "
             "keeps its own"},
    {0},
};

static const struct opt_command command = {
    .name = "convert",
    .usage = "hekla convert IN OUT.gguf [--type TYPE] [--threads N]",
    .about =
        "Writes a checkpoint as one GGUF file, quantized on request. IN is a Hugging Face folder, a llama2.c "
        ".bin "
        "file, or a GGUF file, whose keys are all kept. Weights are streamed: memory does not grow with the "
        "model. OUT is there only when it is whole; a GGUF file of that name is replaced then.",
    .examples = "  hekla convert folder model.gguf\n"
                "  hekla convert folder model-q8_0.gguf --type q8_0\n"
                "  hekla convert model-f16.gguf model-q4_0.gguf --type q4_0 --threads 4\n",
    .groups = {{"options", opts, 0}, {"messages", verbosity_opts, offsetof(struct convert, v)}},
    .max_args = 2,
    .arg_name = "IN OUT",
};

struct messages {
    struct progress progress;
    bool quiet;
};

static bool on_progress(void *user, const char *what, uint64_t done, uint64_t total)
{
    struct messages *m = user;
    return progress_step(&m->progress, what, done, total);
}

static void on_note(void *user, const char *text)
{
    struct messages *m = user;
    if (m->quiet) return;
    progress_clear(&m->progress);
    fprintf(stderr, "hekla: %s\n", text);
}

static void print_result(const char *out, const struct hk_convert_result *r, double seconds)
{
    char size[32], weights[32];
    double bits = r->n_weights ? 8.0 * (double)r->bytes_out / (double)r->n_weights : 0;
    fprintf(stderr, "hekla: %s: %s, %s weights of %.2f bits, in %.1f s\n", out,
            format_bytes(r->file_bytes, size), format_count(r->n_weights, weights), bits, seconds);
}

static bool convert(const struct convert *o, const char *in, const char *out, struct hk_error *err)
{
    struct messages m = {.quiet = o->v.quiet};
    double start = term_seconds();
    m.progress = (struct progress){.enabled = !o->v.quiet && term_is_tty(stderr), .last = start};
    struct hk_checkpoint_options co = {.tokenizer_path = o->tokenizer};
    struct hk_checkpoint *c = hk_checkpoint_open(in, &co, err);
    if (!c) return false;
    struct hk_convert_options options = {
        .type = o->type, .n_threads = o->threads, .progress = on_progress, .note = on_note, .user = &m};
    struct hk_convert_result result;
    struct hk_checkpoint_info info;
    hk_checkpoint_describe(c, &info);
    bool ok =
        !(o->tokenizer && info.is_gguf) ||
        hk_fail(err, HK_ERR_INPUT,
                "%s: is a GGUF file, which keeps its own tokenizer: --tokenizer is for the other formats",
                in);
    ok = ok && hk_convert(c, out, &options, &result, err);
    progress_clear(&m.progress);
    if (ok && !o->v.quiet) print_result(out, &result, term_seconds() - start);
    hk_checkpoint_close(c);
    return ok;
}

int cmd_convert(int argc, char **argv)
{
    struct convert o = {0};
    int n_args, status;
    if (!tool_options(&command, argc, argv, &o, &n_args, &status)) return status;
    if (n_args == 0) return tool_usage_text("convert: no model: hekla convert IN OUT would be accepted");
    if (n_args == 1)
        return tool_usage_text("convert: no name for the new file: hekla convert IN OUT would be accepted");
    struct hk_error err = {0};
    term_catch_interrupt();
    term_catch_termination();
    return convert(&o, argv[0], argv[1], &err) ? tool_finish(TOOL_DONE) : tool_fail(&err);
}

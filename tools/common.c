#include "tools/common.h"

#include <errno.h>
#include <float.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/box.h"
#include "tools/flags.h"
#include "tools/json.h"
#include "tools/term.h"

/* ---- errors and files ---- */

int tool_fail(const struct hk_error *err)
{
    fflush(stdout); /* what was printed stands before the error also where both are one file */
    fputs("hekla: ", stderr);
    flags_print(stderr, err->text);
    fputc('\n', stderr);
    return TOOL_FAILED;
}

int tool_usage(const struct hk_error *err)
{
    tool_fail(err);
    return TOOL_USAGE;
}

int tool_usage_text(const char *text)
{
    fprintf(stderr, "hekla: %s\n", text);
    return TOOL_USAGE;
}

bool tool_options(const struct opt_command *c, int argc, char **argv, void *into, int *n_args, int *status)
{
    struct hk_error err = {0};
    switch (opt_parse(c, argc, argv, into, n_args, &err)) {
    case OPT_RUN:
        return true;
    case OPT_HELP:
        opt_help(c, stdout);
        *status = tool_finish(TOOL_DONE);
        return false;
    case OPT_VERSION:
        printf("hekla %s\n", HK_VERSION);
        *status = tool_finish(TOOL_DONE);
        return false;
    case OPT_WRONG:
        break;
    }
    *status = tool_usage(&err);
    return false;
}

int tool_finish(int status)
{
    struct hk_error err;
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    hk_fail(&err, HK_ERR_IO,
            "standard output: cannot be written: a file or pipe with room would be accepted");
    return tool_fail(&err);
}

bool tool_read(const char *path, struct hk_bytes *out, struct hk_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");
    if (!f) {
        return hk_fail(err, HK_ERR_IO, "%s: %s: a readable file, or - for standard input, would be accepted",
                       path, strerror(errno));
    }
    char buf[16384];
    bool ok = true;
    for (size_t n; ok && (n = fread(buf, 1, sizeof buf, f)) > 0;) ok = hk_bytes_append(out, buf, n, err);
    if (ok && ferror(f)) {
        ok = hk_fail(err, HK_ERR_IO, "%s: %s: a readable file would be accepted",
                     is_stdin ? "standard input" : path, strerror(errno));
    }
    if (!is_stdin) fclose(f);
    return ok;
}

/* ---- options ---- */

static bool parse_seed(const char *value, void *field, struct hk_error *err)
{
    struct sampling_options *s = field;
    s->seed_given = true;
    if (opt_u64(value, &s->seed)) return true;
    return hk_fail(err, HK_ERR_INPUT, "a whole number from 0 to 18446744073709551615 would be accepted");
}

static bool parse_bias(const char *value, void *field, struct hk_error *err)
{
    struct sampling_options *s = field;
    const char *eq = strchr(value, '=');
    char id[24] = "";
    uint64_t token = 0;
    double bias = 0;
    if (eq && (size_t)(eq - value) < sizeof id) memcpy(id, value, (size_t)(eq - value));
    if (!eq || !opt_u64(id, &token) || token >= HK_NO_TOKEN || !opt_f64(eq + 1, &bias) || bias < -1e9 ||
        bias > 1e9) {
        return hk_fail(err, HK_ERR_INPUT, "TOKEN_ID=NUMBER, such as 13=-5, would be accepted");
    }
    struct hk_logit_bias *grown = realloc(s->bias, (s->n_bias + 1) * sizeof *grown);
    if (!grown) return hk_fail(err, HK_ERR_MEMORY, "out of memory");
    s->bias = grown;
    s->bias[s->n_bias++] = (struct hk_logit_bias){(uint32_t)token, (float)bias};
    return true;
}

static bool parse_kv(const char *value, void *field, struct hk_error *err)
{
    enum hk_kv_type *kv = field;
    if (strcmp(value, "f16") == 0) {
        *kv = HK_KV_F16;
    } else if (strcmp(value, "f32") == 0) {
        *kv = HK_KV_F32;
    } else if (strcmp(value, "q8_0") == 0) {
        return hk_fail(err, HK_ERR_UNSUPPORTED, "not in this version yet: f16 or f32 would be accepted");
    } else {
        return hk_fail(err, HK_ERR_INPUT, "f16 or f32 would be accepted");
    }
    return true;
}

static bool parse_quant(const char *value, void *field, struct hk_error *err)
{
    enum hk_weight_type t = hk_weight_type_by_name(value);
    char list[HK_WEIGHT_LIST];
    if (!hk_weight_type_quantizes(t))
        return hk_fail(err, HK_ERR_INPUT, "one of %s would be accepted",
                       hk_weight_type_list(HK_WEIGHTS_QUANTIZING, list, sizeof list));
    *(const char **)field = hk_weight_type_name(t);
    return true;
}

const struct opt verbosity_opts[] = {
    {.name = "quiet",
     .letter = 'q',
     .kind = OPT_FLAG,
     .field = offsetof(struct verbosity, quiet),
     .help = "nothing on stderr but errors"},
    {.name = "verbose",
     .letter = 'v',
     .kind = OPT_FLAG,
     .field = offsetof(struct verbosity, verbose),
     .help = "say on stderr what is opened, and how much memory it takes"},
    {0},
};

const struct opt device_opts[] = {
    {.name = "device",
     .kind = OPT_TEXT,
     .field = offsetof(struct device_options, device),
     .metavar = "N|NAME",
     .help =
         "the Vulkan device: its number or a part of its name, as `hekla devices` lists them; \"reference\" "
         "is "
         "plain C on the host, slow, for comparison. Without it: a discrete GPU, else an integrated, else a "
         "virtual one; a CPU-type device only where there is no other"},
    {.name = "threads",
     .kind = OPT_U32,
     .field = offsetof(struct device_options, threads),
     .min = 1,
     .max = 1024,
     .metavar = "N",
     .help = "threads of Mesa's software Vulkan device (lavapipe); a GPU ignores it. Default: all cores"},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPT_FLAG,
     .field = offsetof(struct device_options, v.quiet),
     .help = "nothing on stderr but errors"},
    {.name = "verbose",
     .letter = 'v',
     .kind = OPT_FLAG,
     .field = offsetof(struct device_options, v.verbose),
     .help = "say on stderr what is opened, and how much memory it takes"},
    {0},
};

const struct opt model_opts[] = {
    {.name = "model",
     .letter = 'm',
     .kind = OPT_TEXT,
     .field = offsetof(struct model_options, model),
     .metavar = "MODEL",
     .help = "a GGUF file, a Hugging Face folder (config.json, *.safetensors, tokenizer.json), a llama2.c "
             ".bin file, or a model that is in the program: box:chat, box:base, box:reward"},
    {.name = "tokenizer",
     .kind = OPT_TEXT,
     .field = offsetof(struct model_options, tokenizer),
     .metavar = "FILE",
     .help = "tokenizer.bin, tokenizer.json or tokenizer.model to use in place of the one beside the model"},
    {.name = "quant",
     .kind = OPT_PARSE,
     .parse = parse_quant,
     .field = offsetof(struct model_options, quant),
     .metavar = "TYPE",
     .help = "quantize f32, f16, bf16 and f64 matrices while loading: q8_0, q6_k, q5_k, q4_k, ...; a wrong "
             "name lists them"},
    {.name = "ctx",
     .kind = OPT_U32,
     .field = offsetof(struct model_options, ctx),
     .min = 1,
     .max = 16777216,
     .metavar = "N",
     .help = "context length in tokens. Default: the model's own, at most 4096"},
    {.name = "kv",
     .kind = OPT_PARSE,
     .parse = parse_kv,
     .field = offsetof(struct model_options, kv),
     .metavar = "TYPE",
     .help = "keep the context's keys and values as f16 or f32. Default: f32 for f32 weights, else f16"},
    {0},
};

const struct opt sampling_opts[] = {
    {.name = "temp",
     .kind = OPT_F32,
     .field = offsetof(struct sampling_options, temperature),
     .min = 0,
     .max = 100,
     .metavar = "T",
     .help = "temperature; 0 takes the most likely token always. Default 0.8, and 1 with --best-of; 0 for "
             "answers of box:chat"},
    {.name = "top-k",
     .kind = OPT_U32,
     .field = offsetof(struct sampling_options, top_k),
     .min = 0,
     .max = 4294967295.0,
     .metavar = "K",
     .help = "only the K most likely tokens; 0: all. Default 40"},
    {.name = "top-p",
     .kind = OPT_F32,
     .field = offsetof(struct sampling_options, top_p),
     .min = 0,
     .max = 1,
     .metavar = "P",
     .help = "only the likeliest tokens that together have probability P; 1: all. Default 0.95"},
    {.name = "min-p",
     .kind = OPT_F32,
     .field = offsetof(struct sampling_options, min_p),
     .min = 0,
     .max = 1,
     .metavar = "P",
     .help = "only tokens at least P times as likely as the likeliest; 0: all. Default 0.05"},
    {.name = "repeat-penalty",
     .kind = OPT_F32,
     .field = offsetof(struct sampling_options, repeat_penalty),
     .min = 0.01,
     .max = 100,
     .metavar = "R",
     .help = "make tokens that just appeared less likely; 1: off, 1.1: gently. Default 1"},
    {.name = "repeat-last",
     .kind = OPT_U32,
     .field = offsetof(struct sampling_options, repeat_last),
     .min = 0,
     .max = 16777216,
     .metavar = "N",
     .help = "how many last tokens the penalty looks at. Default 64"},
    {.name = "seed",
     .kind = OPT_PARSE,
     .parse = parse_seed,
     .field = 0,
     .metavar = "S",
     .help = "the same seed on the same device gives the same text. Default: another one each time"},
    {.name = "logit-bias",
     .kind = OPT_PARSE,
     .parse = parse_bias,
     .field = 0,
     .metavar = "ID=BIAS",
     .help = "add BIAS to the logit of token ID; may be repeated"},
    {0},
};

void sampling_options_init(struct sampling_options *o)
{
    *o = (struct sampling_options){.temperature = -1,
                                   .top_k = 40,
                                   .top_p = 0.95f,
                                   .min_p = 0.05f,
                                   .repeat_penalty = 1,
                                   .repeat_last = 64};
}

void sampling_default_temperature(struct sampling_options *o, float fallback)
{
    if (o->temperature < 0) o->temperature = fallback >= 0 ? fallback : 0.8f;
}

/* As the library has them: there zero is the default, and what is off has a number of its own. */
static struct hk_sampler_options sampler_options(const struct sampling_options *o)
{
    bool penalty = o->repeat_last > 0;
    return (struct hk_sampler_options){.greedy = o->temperature <= 0,
                                       .temperature = o->temperature,
                                       .top_k = o->top_k ? o->top_k : HK_ALL_TOKENS,
                                       .top_p = o->top_p > 0 ? o->top_p : FLT_MIN,
                                       .min_p = o->min_p > 0 ? o->min_p : HK_NO_MIN_P,
                                       .repeat_penalty = penalty ? o->repeat_penalty : 1,
                                       .repeat_last = o->repeat_last,
                                       .seed = o->seed,
                                       .bias = o->bias,
                                       .n_bias = o->n_bias};
}

void sampling_options_free(struct sampling_options *o)
{
    free(o->bias);
    o->bias = NULL;
    o->n_bias = 0;
}

uint64_t sampling_seed(struct sampling_options *o)
{
    if (!o->seed_given) o->seed = term_random();
    return o->seed;
}

bool sampling_open(struct sampling_options *o, uint32_t n_vocab, bool need_logits, struct hk_sampler **out,
                   struct hk_error *err)
{
    *out = NULL;
    sampling_default_temperature(o, -1);
    for (uint32_t i = 0; i < o->n_bias; i++) {
        if (o->bias[i].token >= n_vocab) {
            return hk_fail(err, HK_ERR_INPUT, "--logit-bias: token %u: ids from 0 to %u would be accepted",
                           (unsigned)o->bias[i].token, (unsigned)n_vocab - 1);
        }
    }
    o->seed = sampling_seed(o);
    struct hk_sampler_options so = sampler_options(o);
    bool changes_logits = o->n_bias > 0 || so.repeat_penalty < 1.0f || so.repeat_penalty > 1.0f;
    if (so.greedy && !changes_logits && !need_logits) return true;
    *out = hk_sampler_new(&so, n_vocab, err);
    return *out != NULL;
}

/* ---- progress ---- */

bool progress_step(void *user, const char *what, uint64_t done, uint64_t total)
{
    struct progress *p = user;
    double now = term_seconds();
    if (done >= total) {
        progress_clear(p);
    } else if (p->enabled && now - p->last > 0.1) {
        enum { WIDTH = 32 };
        char bar[WIDTH + 1];
        double part = (double)done / (double)total;
        for (int i = 0; i < WIDTH; i++) bar[i] = i < (int)(part * WIDTH) ? '#' : '.';
        bar[WIDTH] = 0;
        fprintf(stderr, "\r\033[K%.40s [%s] %3d%%", what, bar, (int)(part * 100));
        p->last = now;
        p->shown = true;
    }
    return !term_interrupted();
}

void progress_say(struct progress *p, const char *fmt, ...)
{
    double now = term_seconds();
    if (!p->enabled || now - p->last <= 0.1) return;
    va_list args;
    va_start(args, fmt);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    p->last = now;
    p->shown = true;
}

void progress_clear(struct progress *p)
{
    if (p->shown) fputs("\r\033[K", stderr);
    p->shown = false;
}

/* ---- opening ---- */

struct hk_checkpoint *tool_checkpoint(const char *model, const struct hk_checkpoint_options *opt,
                                      struct hk_error *err)
{
    return box_is_name(model) ? box_open(model, opt, err) : hk_checkpoint_open(model, opt, err);
}

static bool check_use(const struct engine *e, const struct model_options *m, struct hk_error *err)
{
    bool scores = e->info.n_labels > 0;
    if (scores == (m->use == MODEL_SCORES)) return true;
    return hk_fail(err, HK_ERR_INPUT,
                   scores ? "%s: is a reward model, which scores answers: `hekla rank` takes it; a language "
                            "model would be accepted"
                          : "%s: is a language model, which has no score to give: a reward model would be "
                            "accepted, a sequence classifier with one label",
                   m->model);
}

bool engine_open_checkpoint(struct engine *e, const struct model_options *m, struct hk_error *err)
{
    struct hk_checkpoint_options o = {.tokenizer_path = m->tokenizer};
    e->checkpoint = tool_checkpoint(m->model, &o, err);
    if (!e->checkpoint) return false;
    hk_checkpoint_describe(e->checkpoint, &e->info);
    hk_vocab_describe(hk_checkpoint_vocab(e->checkpoint), &e->vocab);
    const char *arch = e->info.arch;
    if (e->info.n_tensors == 0) {
        return hk_fail(err, HK_ERR_UNSUPPORTED,
                       "%s: a vocabulary alone: a checkpoint with weights would be accepted", m->model);
    }
    if (!known_architecture(arch)) {
        return hk_fail(err, HK_ERR_UNSUPPORTED, "%s: architecture '%s': one of %s would be accepted",
                       m->model, arch, hk_known_architectures());
    }
    return check_use(e, m, err);
}

bool engine_open_tokenizer(struct engine *e, struct hk_error *err)
{
    e->tokenizer = hk_tokenizer_new(hk_checkpoint_vocab(e->checkpoint), err);
    return e->tokenizer || hk_fail_prefix(err, "%s", e->info.path);
}

bool engine_open_device(struct engine *e, const struct device_options *d, bool profile, struct hk_error *err)
{
    e->progress.enabled = !d->v.quiet && term_is_tty(stderr);
    e->progress.last = term_seconds(); /* what is done at once shows no bar */
    if (d->threads) term_set_driver_threads(d->threads);
    struct hk_device_options o = {.select = d->device, .profile = profile};
    e->device = hk_device_open(&o, err);
    if (!e->device) return false;
    const struct hk_device_caps *caps = hk_device_caps(e->device);
    bool alone = caps && caps->type == HK_DEVICE_CPU && (!d->device || !*d->device);
    if (alone && !d->v.quiet) {
        fprintf(stderr, "hekla: no GPU here: running on the CPU-type device %s\n", hk_device_name(e->device));
    } else if (d->v.verbose) {
        fprintf(stderr, "hekla: device: %s\n", hk_device_name(e->device));
    }
    if (d->v.verbose && caps) {
        fprintf(stderr, "hekla: driver: %s %s, Vulkan %s\n", caps->driver, caps->driver_version,
                caps->api_version);
    }
    return true;
}

bool engine_open_model(struct engine *e, const struct model_options *m, const struct device_options *d,
                       struct hk_error *err)
{
    struct hk_model_options o = {
        .quant = m->quant, .progress = progress_step, .user = &e->progress, .plan_ctx = m->ctx};
    e->model = hk_model_open(e->device, e->checkpoint, &o, err);
    progress_clear(&e->progress);
    if (!e->model) return false;
    if (d->v.verbose) {
        const struct hk_model_stats *s = hk_model_stats(e->model);
        char params[32], bytes[32];
        fprintf(stderr, "hekla: model: %s, %s parameters, %s on the device, loaded in %.2f s\n", e->info.name,
                format_count(s->n_params, params), format_bytes(s->weight_bytes, bytes), s->load_seconds);
    }
    return true;
}

bool engine_open_session(struct engine *e, const struct model_options *m, bool all_logits,
                         struct hk_error *err)
{
    uint32_t n_ctx = m->ctx ? m->ctx : hk_model_n_ctx_train(e->model);
    struct hk_session_options o = {.n_ctx = m->ctx,
                                   .kv = m->kv,
                                   .all_logits = all_logits,
                                   .n_branches = m->n_branches,
                                   .branch_tokens = m->branch_tokens < n_ctx ? m->branch_tokens : n_ctx,
                                   .progress = progress_step,
                                   .user = &e->progress};
    e->session = hk_session_open(e->model, &o, err);
    return e->session != NULL;
}

bool engine_open(struct engine *e, const struct model_options *m, const struct device_options *d,
                 bool profile, struct hk_error *err)
{
    return engine_open_checkpoint(e, m, err) && engine_open_tokenizer(e, err) &&
           engine_open_device(e, d, profile, err) && engine_open_model(e, m, d, err) &&
           engine_open_session(e, m, false, err);
}

void engine_close(struct engine *e)
{
    progress_clear(&e->progress);
    hk_session_close(e->session);
    hk_model_close(e->model);
    if (!e->device_shared) hk_device_close(e->device);
    hk_tokenizer_free(e->tokenizer);
    hk_checkpoint_close(e->checkpoint);
    *e = (struct engine){0};
}

/* ---- words ---- */

const char *format_bytes(uint64_t n, char buf[32])
{
    const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double v = (double)n;
    size_t u = 0;
    while (v >= 1024 && u + 1 < sizeof units / sizeof units[0]) {
        v /= 1024;
        u++;
    }
    snprintf(buf, 32, u ? "%.1f %s" : "%.0f %s", v, units[u]);
    return buf;
}

const char *format_count(uint64_t n, char buf[32])
{
    const char *units[] = {"", " K", " M", " G", " T"};
    double v = (double)n;
    size_t u = 0;
    while (v >= 1000 && u + 1 < sizeof units / sizeof units[0]) {
        v /= 1000;
        u++;
    }
    snprintf(buf, 32, u ? "%.1f%s" : "%.0f%s", v, units[u]);
    return buf;
}

void print_escaped(FILE *f, const char *text, size_t len, const char *also)
{
    struct hk_bytes b = {0};
    bool clean = false;
    if (!hk_bytes_append_utf8(&b, text, len, &clean, NULL)) len = 0;
    hk_bytes_free(&b);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n') {
            fputs("\\n", f);
        } else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !clean)) {
            fprintf(f, "\\x%02x", c);
        } else {
            fprintf(f, strchr(also, c) ? "\\%c" : "%c", c);
        }
    }
}

bool known_architecture(const char *arch)
{
    size_t len = strlen(arch);
    for (const char *p = hk_known_architectures(); *p; p += strspn(p, ", ")) {
        size_t n = strcspn(p, ", ");
        if (n == len && memcmp(p, arch, n) == 0) return true;
        p += n;
    }
    return false;
}

const char *device_type_name(enum hk_device_type t)
{
    switch (t) {
    case HK_DEVICE_INTEGRATED:
        return "integrated";
    case HK_DEVICE_DISCRETE:
        return "discrete";
    case HK_DEVICE_VIRTUAL:
        return "virtual";
    case HK_DEVICE_CPU:
        return "cpu";
    case HK_DEVICE_OTHER:
        break;
    }
    return "other";
}

const char *kv_type_name(enum hk_kv_type t)
{
    return t == HK_KV_F32 ? "f32" : t == HK_KV_F16 ? "f16" : "auto";
}

bool print_profile(struct hk_device *d, struct hk_error *err)
{
    struct hk_profile_row *rows = NULL;
    uint32_t n = 0;
    if (!hk_device_profile(d, &rows, &n, err)) return false;
    double all = 0;
    for (uint32_t i = 0; i < n; i++) all += rows[i].seconds;
    if (n == 0) {
        fprintf(stderr, "hekla: profile: %s gives no timestamps\n", hk_device_name(d));
    } else {
        fprintf(stderr, "%-22s %-22s %9s %11s %6s %9s %9s\n", "operation", "kernel", "calls", "time ms",
                "share", "GB/s", "GFLOP/s");
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct hk_profile_row *r = &rows[i];
        double s = r->seconds > 0 ? r->seconds : 1e-12;
        fprintf(stderr, "%-22s %-22s %9llu %11.3f %5.1f%% %9.2f %9.2f\n", r->label, r->kernel,
                (unsigned long long)r->calls, r->seconds * 1e3, all > 0 ? 100 * r->seconds / all : 0,
                (double)r->bytes / s * 1e-9, (double)r->flops / s * 1e-9);
    }
    if (n > 0) fprintf(stderr, "%-22s %-22s %9s %11.3f\n", "all", "", "", all * 1e3);
    free(rows);
    return true;
}

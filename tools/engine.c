#include "tools/engine.h"

#include <stdio.h>
#include <string.h>

#include "tools/box.h"
#include "tools/term.h"
#include "tools/words.h"

/* ---- options ---- */

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

const struct opt device_opts[] = {
    {.name = "device",
     .kind = OPT_TEXT,
     .field = offsetof(struct device_options, device),
     .metavar = "N|NAME",
     .help =
         "the Vulkan device: its number or a part of its name, as `hekla devices` lists them; "
         "\"reference\" is plain C on the host, slow, for comparison. Without it: a discrete GPU, else an "
         "integrated, else a virtual one; a CPU-type device only where there is no other"},
    {.name = "threads",
     .kind = OPT_U32,
     .field = offsetof(struct device_options, threads),
     .min = 1,
     .max = 1024,
     .metavar = "N",
     .help = "threads of Mesa's software Vulkan device (lavapipe); a GPU ignores it. Default: all cores"},
    VERBOSITY_ROWS(offsetof(struct device_options, v)),
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
    TOKENIZER_ROW(offsetof(struct model_options, tokenizer)),
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

/* ---- opening ---- */

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

bool engine_open_runner(struct engine *e, const struct model_options *m, enum hk_outputs outputs,
                        struct hk_error *err)
{
    enum { BLOCK = 32 }; /* of the pool: a sample begins in the middle of one, and ends in another */
    uint32_t n_ctx = m->ctx ? m->ctx : hk_model_n_ctx_train(e->model);
    uint64_t tail = (m->sample_tokens < n_ctx ? m->sample_tokens : n_ctx) + 2ull * BLOCK,
             tails = m->n_samples * tail;
    struct hk_runner_options o = {.n_ctx = m->ctx,
                                  .kv = m->kv,
                                  .outputs = outputs,
                                  .n_sequences = m->n_samples,
                                  .n_extra = tails < UINT32_MAX ? (uint32_t)tails : UINT32_MAX,
                                  .progress = progress_step,
                                  .user = &e->progress};
    e->runner = hk_runner_open(e->model, &o, err);
    e->sequence = e->runner ? hk_sequence_new(e->runner, err) : NULL;
    return e->sequence != NULL;
}

bool engine_open(struct engine *e, const struct model_options *m, const struct device_options *d,
                 bool profile, struct hk_error *err)
{
    return engine_open_checkpoint(e, m, err) && engine_open_tokenizer(e, err) &&
           engine_open_device(e, d, profile, err) && engine_open_model(e, m, d, err) &&
           engine_open_runner(e, m, HK_OUTPUTS_LAST, err);
}

void engine_close(struct engine *e)
{
    progress_clear(&e->progress);
    hk_runner_close(e->runner);
    hk_model_close(e->model);
    if (!e->device_shared) hk_device_close(e->device);
    hk_tokenizer_free(e->tokenizer);
    hk_checkpoint_close(e->checkpoint);
    *e = (struct engine){0};
}

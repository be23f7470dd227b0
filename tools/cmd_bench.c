/* hekla bench: prefill and decode speed on a device. */
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/engine.h"
#include "tools/json.h"
#include "tools/term.h"
#include "tools/words.h"

struct bench {
    struct model_options model;
    struct device_options device;
    const char *shape, *json;
    enum hk_weight_type type;
    uint32_t n_prompt, n_decode, depth, n_sequences, repeats;
};

static bool parse_type(const char *value, void *field, struct hk_error *err)
{
    enum hk_weight_type t = hk_weight_type_by_name(value);
    if (t != HK_WEIGHT_TYPE_COUNT) {
        *(enum hk_weight_type *)field = t;
        return true;
    }
    char list[HK_WEIGHT_LIST];
    return hk_fail(err, HK_ERR_INPUT, "one of %s would be accepted",
                   hk_weight_type_list(HK_WEIGHTS_ALL, list, sizeof list));
}

static const struct opt opts[] = {
    {.name = "shape",
     .kind = OPT_TEXT,
     .field = offsetof(struct bench, shape),
     .metavar = "NAME",
     .help =
         "random weights of a named shape, such as llama-254m, instead of a model; a wrong name lists them"},
    {.name = "type",
     .kind = OPT_PARSE,
     .parse = parse_type,
     .field = offsetof(struct bench, type),
     .metavar = "TYPE",
     .help = "with --shape: the matrices' weight type. Default q8_0"},
    {.name = "prompt",
     .kind = OPT_U32,
     .field = offsetof(struct bench, n_prompt),
     .min = 1,
     .max = 1048576,
     .metavar = "N",
     .help = "tokens of the prompt that is timed. Default 128"},
    {.name = "decode",
     .kind = OPT_U32,
     .field = offsetof(struct bench, n_decode),
     .min = 1,
     .max = 1048576,
     .metavar = "N",
     .help = "tokens generated one by one. Default 32"},
    {.name = "depth",
     .kind = OPT_U32,
     .field = offsetof(struct bench, depth),
     .min = 1,
     .max = 16777216,
     .metavar = "N",
     .help = "tokens in the context when decoding is timed. Default: the prompt's"},
    {.name = "batch",
     .kind = OPT_U32,
     .field = offsetof(struct bench, n_sequences),
     .min = 1,
     .max = 256,
     .metavar = "N",
     .help =
         "sequences that are decoded together, a token of each in one step: the figure is of all. Default 1"},
    {.name = "repeats",
     .kind = OPT_U32,
     .field = offsetof(struct bench, repeats),
     .min = 1,
     .max = 1000,
     .metavar = "N",
     .help = "how often each is timed, after one run that is not. Default 3"},
    {.name = "json",
     .kind = OPT_TEXT,
     .field = offsetof(struct bench, json),
     .metavar = "FILE",
     .help = "write the report to FILE as JSON too; - prints it instead of the table"},
    {0},
};

static const struct opt_command command = {
    .name = "bench",
    .usage = "hekla bench -m MODEL [options]\nhekla bench --shape NAME [--type TYPE] [options]",
    .about =
        "Times a prompt (prefill) and token by token decoding on a device: tokens per second as minimum, "
        "median and "
        "maximum over the repeats, and weight bytes read per second against what a plain read reaches there.",
    .examples = "  hekla bench -m model.gguf\n"
                "  hekla bench --shape llama-254m --type q4_0 --json report.json\n"
                "  hekla bench -m model.gguf --device 1 --prompt 512 --decode 64 --repeats 5\n",
    .groups = {{"what", opts, 0},
               {"model", model_opts, offsetof(struct bench, model)},
               {"device and messages", device_opts, offsetof(struct bench, device)}},
};

/* Half of the range between the fastest and the slowest run, relative to the median. */
static double spread(const double v[3])
{
    return v[1] > 0 ? 50 * (v[2] - v[0]) / v[1] : 0;
}

static const char *model_name(const struct bench *o)
{
    return o->shape ? o->shape : o->model.model;
}

/* The type that most of the weights have. */
static const char *main_type(const struct bench *o, const struct hk_checkpoint *c)
{
    uint64_t bytes[HK_WEIGHT_TYPE_COUNT] = {0};
    int best = 0;
    struct hk_tensor_info t;
    for (uint32_t i = 0; hk_checkpoint_tensor_info(c, i, &t); i++) bytes[t.type] += t.bytes;
    for (int i = 1; i < HK_WEIGHT_TYPE_COUNT; i++) {
        if (bytes[i] > bytes[best]) best = i;
    }
    if (hk_weight_type_is_float((enum hk_weight_type)best) && o->model.quant) return o->model.quant;
    return hk_weight_type_name((enum hk_weight_type)best);
}

static void print_table(const struct bench *o, struct engine *e, const struct hk_bench_result *r)
{
    const struct hk_device_caps *caps = hk_device_caps(e->device);
    const struct hk_model_stats *s = hk_model_stats(e->model);
    char params[32], bytes[32];
    printf("hekla    %s\n", HK_VERSION);
    printf("device   %s%s%s%s\n", hk_device_name(e->device), caps ? " (" : "",
           caps ? device_type_name(caps->type) : "", caps ? ")" : "");
    if (caps) printf("driver   %s %s, Vulkan %s\n", caps->driver, caps->driver_version, caps->api_version);
    printf("model    %s, %s, %s parameters, %s on the device, kv %s\n", model_name(o),
           main_type(o, e->checkpoint), format_count(s->n_params, params),
           format_bytes(s->weight_bytes, bytes), kv_type_name(o->model.kv));
    printf("runs     %u\n", (unsigned)r->repeats);
    if (r->n_sequences > 1) printf("batch    %u sequences decoded together\n", (unsigned)r->n_sequences);
    putchar('\n');
    printf("%-10s %8s %14s %8s %12s %12s\n", "test", "tokens", "median tok/s", "+-", "min", "max");
    printf("%-10s %8u %14.2f %7.1f%% %12.2f %12.2f\n", "prefill", (unsigned)r->n_prompt, r->prefill_tps[1],
           spread(r->prefill_tps), r->prefill_tps[0], r->prefill_tps[2]);
    printf("%-10s %8u %14.2f %7.1f%% %12.2f %12.2f\n", "decode", (unsigned)r->n_decode, r->decode_tps[1],
           spread(r->decode_tps), r->decode_tps[0], r->decode_tps[2]);
    printf("\ndecode reads %.2f GB/s of weights", r->decode_gbps);
    if (r->read_gbps > 0) {
        printf(", %.0f%% of the %.2f GB/s that a plain read reaches here",
               100 * r->decode_gbps / r->read_gbps, r->read_gbps);
    }
    putchar('\n');
}

static bool json_rates(cJSON *root, const char *key, uint32_t tokens, const double v[3])
{
    cJSON *o = cJSON_AddObjectToObject(root, key);
    return o && cJSON_AddNumberToObject(o, "tokens", tokens) && cJSON_AddNumberToObject(o, "min", v[0]) &&
           cJSON_AddNumberToObject(o, "median", v[1]) && cJSON_AddNumberToObject(o, "max", v[2]);
}

static cJSON *json_device(struct hk_device *d)
{
    const struct hk_device_caps *caps = hk_device_caps(d);
    cJSON *o = cJSON_CreateObject();
    bool ok = o && cJSON_AddStringToObject(o, "name", hk_device_name(d)) &&
              cJSON_AddStringToObject(o, "type", caps ? device_type_name(caps->type) : "reference");
    if (ok && caps) {
        ok = cJSON_AddStringToObject(o, "driver", caps->driver) &&
             cJSON_AddStringToObject(o, "driver_version", caps->driver_version) &&
             cJSON_AddStringToObject(o, "api_version", caps->api_version);
    }
    if (ok) return o;
    cJSON_Delete(o);
    return NULL;
}

static bool print_json(const struct bench *o, struct engine *e, const struct hk_bench_result *r, FILE *f,
                       struct hk_error *err)
{
    const struct hk_model_stats *s = hk_model_stats(e->model);
    const char *name = model_name(o);
    cJSON *root = cJSON_CreateObject();
    bool ok = root && cJSON_AddStringToObject(root, "hekla", HK_VERSION) &&
              cJSON_AddItemToObject(root, "device", json_device(e->device)) &&
              json_add_text(root, "model", "model_bytes", name, strlen(name)) &&
              cJSON_AddBoolToObject(root, "synthetic", o->shape != NULL) &&
              cJSON_AddStringToObject(root, "type", main_type(o, e->checkpoint)) &&
              cJSON_AddStringToObject(root, "kv", kv_type_name(o->model.kv)) &&
              cJSON_AddNumberToObject(root, "parameters", (double)s->n_params) &&
              cJSON_AddNumberToObject(root, "weight_bytes", (double)s->weight_bytes) &&
              cJSON_AddNumberToObject(root, "step_weight_bytes", (double)s->step_weight_bytes) &&
              cJSON_AddNumberToObject(root, "load_seconds", s->load_seconds) &&
              cJSON_AddNumberToObject(root, "repeats", r->repeats) &&
              cJSON_AddNumberToObject(root, "batch", r->n_sequences) &&
              cJSON_AddNumberToObject(root, "depth", o->depth ? o->depth : r->n_prompt) &&
              json_rates(root, "prefill_tokens_per_second", r->n_prompt, r->prefill_tps) &&
              json_rates(root, "decode_tokens_per_second", r->n_decode, r->decode_tps) &&
              cJSON_AddNumberToObject(root, "decode_gb_per_second", r->decode_gbps) &&
              cJSON_AddNumberToObject(root, "read_gb_per_second", r->read_gbps);
    ok = json_print(ok ? root : NULL, f, err);
    cJSON_Delete(root);
    return ok;
}

static bool report(const struct bench *o, struct engine *e, const struct hk_bench_result *r,
                   struct hk_error *err)
{
    if (o->json && strcmp(o->json, "-") == 0) return print_json(o, e, r, stdout, err);
    print_table(o, e, r);
    if (!o->json) return true;
    FILE *f = fopen(o->json, "wb");
    if (!f)
        return hk_fail(err, HK_ERR_IO, "%s: cannot be written: a path in a folder of yours would be accepted",
                       o->json);
    bool ok = print_json(o, e, r, f, err) || hk_fail_prefix(err, "%s", o->json);
    if (fclose(f) != 0 && ok)
        ok = hk_fail(err, HK_ERR_IO, "%s: cannot be written: a disk with room would be accepted", o->json);
    return ok;
}

static bool bench(struct bench *o, struct engine *e, struct hk_error *err)
{
    if (!o->shape && !engine_open_checkpoint(e, &o->model, err)) return false;
    if (!o->model.ctx) o->model.ctx = (o->depth > o->n_prompt ? o->depth : o->n_prompt) + o->n_decode;
    struct hk_bench_options b = {.n_prompt = o->n_prompt,
                                 .n_decode = o->n_decode,
                                 .depth = o->depth,
                                 .n_sequences = o->n_sequences,
                                 .repeats = o->repeats,
                                 .kv = o->model.kv,
                                 .progress = progress_step,
                                 .user = &e->progress};
    struct hk_bench_result r = {0};
    bool ok = engine_open_device(e, &o->device, false, err) &&
              engine_open_model(e, &o->model, &o->device, err) && hk_bench(e->model, &b, &r, err);
    progress_clear(&e->progress);
    return ok && report(o, e, &r, err);
}

int cmd_bench(int argc, char **argv)
{
    struct bench o = {.type = HK_Q8_0, .n_prompt = 128, .n_decode = 32, .repeats = 3};
    int n_args, status;
    if (!tool_options(&command, argc, argv, &o, &n_args, &status)) return status;
    if (!o.model.model == !o.shape) {
        return tool_usage_text(o.shape ? "bench: both --model and --shape: one of them would be accepted"
                                       : "bench: nothing to run: -m MODEL or --shape NAME would be accepted");
    }
    struct hk_error err = {0};
    struct engine e = {0};
    if (o.shape) {
        e.checkpoint = hk_synthetic_checkpoint(o.shape, o.type, &err);
        if (!e.checkpoint && err.code == HK_ERR_INPUT) return tool_usage(&err); /* no such shape */
        if (!e.checkpoint) return tool_fail(&err);
    }
    term_catch_interrupt();
    bool ok = bench(&o, &e, &err);
    engine_close(&e);
    return ok ? tool_finish(TOOL_DONE) : tool_fail(&err);
}

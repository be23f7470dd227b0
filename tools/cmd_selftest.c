/* hekla selftest: every op on every weight type and awkward shape on a device, against the C reference. */
#include <string.h>

#include "tools/commands.h"
#include "tools/engine.h"
#include "tools/json.h"
#include "tools/term.h"

struct selftest {
    struct device_options device;
    bool json;
};

static const struct opt opts[] = {
    {.name = "json",
     .kind = OPT_FLAG,
     .field = offsetof(struct selftest, json),
     .help = "print one JSON object: device, driver, passed, failed, results"},
    {0},
};

static const struct opt_command command = {
    .name = "selftest",
    .usage = "hekla selftest [--device N|NAME] [--json]",
    .about = "Runs every kernel on the device, on every weight type and on awkward shapes, and compares with "
             "the C "
             "reference by normalised mean squared error. Exit status 1 when one is beyond its limit.",
    .examples = "  hekla selftest\n"
                "  hekla selftest --device 1 --json > report.json\n",
    .groups = {{"options", opts, 0}, {"device and messages", device_opts, offsetof(struct selftest, device)}},
};

struct run {
    const struct selftest *o;
    cJSON *results; /* NULL: print as they come */
    unsigned passed, failed;
    bool out_of_memory;
};

static bool json_result(cJSON *list, const struct hk_selftest_result *r)
{
    cJSON *o = cJSON_CreateObject();
    bool ok = o && cJSON_AddStringToObject(o, "op", r->op) &&
              json_add_text(o, "detail", "detail_bytes", r->detail, strlen(r->detail)) &&
              cJSON_AddNumberToObject(o, "error", r->error) &&
              cJSON_AddNumberToObject(o, "limit", r->limit) &&
              cJSON_AddBoolToObject(o, "passed", r->passed) && cJSON_AddStringToObject(o, "why", r->why);
    return cJSON_AddItemToArray(list, o) && ok;
}

static bool on_result(void *user, const struct hk_selftest_result *r)
{
    struct run *x = user;
    r->passed ? x->passed++ : x->failed++;
    if (x->results) {
        x->out_of_memory = !json_result(x->results, r);
    } else {
        printf("%-4s  %-16s %-56s %10.3g of %-8.3g %s\n", r->passed ? "ok" : "FAIL", r->op, r->detail,
               r->error, r->limit, r->why);
        fflush(stdout);
    }
    return !x->out_of_memory && !term_interrupted();
}

/* The report but for its results and counts. */
static bool json_head(cJSON *root, struct hk_device *d)
{
    const struct hk_device_caps *caps = hk_device_caps(d);
    return cJSON_AddStringToObject(root, "hekla", HK_VERSION) &&
           cJSON_AddStringToObject(root, "device", hk_device_name(d)) &&
           cJSON_AddStringToObject(root, "driver", caps ? caps->driver : "") &&
           cJSON_AddStringToObject(root, "driver_version", caps ? caps->driver_version : "");
}

static bool selftest_json(struct run *x, struct hk_device *d, struct hk_error *err)
{
    cJSON *root = cJSON_CreateObject();
    bool ok = root && json_head(root, d) && (x->results = cJSON_AddArrayToObject(root, "results"));
    if (!ok) hk_fail(err, HK_ERR_MEMORY, "out of memory for the report");
    ok = ok && hk_selftest(d, on_result, x, err);
    if (ok) {
        ok = !x->out_of_memory && cJSON_AddNumberToObject(root, "passed", x->passed) &&
             cJSON_AddNumberToObject(root, "failed", x->failed);
        ok = json_print(ok ? root : NULL, stdout, err);
    }
    cJSON_Delete(root);
    return ok;
}

static bool selftest(struct run *x, struct engine *e, struct hk_error *err)
{
    if (!engine_open_device(e, &x->o->device, false, err)) return false;
    if (x->o->json) return selftest_json(x, e->device, err);
    if (!hk_selftest(e->device, on_result, x, err)) return false;
    printf("%s: %u passed, %u failed\n", hk_device_name(e->device), x->passed, x->failed);
    return true;
}

int cmd_selftest(int argc, char **argv)
{
    struct selftest o = {0};
    int n_args, status;
    if (!tool_options(&command, argc, argv, &o, &n_args, &status)) return status;
    struct hk_error err = {0};
    struct engine e = {0};
    struct run x = {.o = &o};
    term_catch_interrupt();
    bool ok = selftest(&x, &e, &err);
    engine_close(&e);
    if (!ok) return tool_fail(&err);
    return tool_finish(x.failed || term_interrupted() ? TOOL_FAILED : TOOL_DONE);
}

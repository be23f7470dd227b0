/* hekla rank: what a reward model thinks of several answers to one prompt, best first. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/box.h"
#include "tools/commands.h"
#include "tools/engine.h"
#include "tools/json.h"
#include "tools/scorer.h"
#include "tools/term.h"
#include "tools/words.h"

struct rank {
    struct model_options model;
    struct device_options device;
    const char *prompt, *system;
    bool json;
};

static const struct opt opts[] = {
    {.name = "prompt",
     .letter = 'p',
     .kind = OPT_TEXT,
     .field = offsetof(struct rank, prompt),
     .metavar = "TEXT",
     .help = "what the candidates answer"},
    {.name = "system",
     .kind = OPT_TEXT,
     .field = offsetof(struct rank, system),
     .metavar = "TEXT",
     .help = "what stands before the prompt as the system's message"},
    {.name = "json",
     .kind = OPT_FLAG,
     .field = offsetof(struct rank, json),
     .help = "print one JSON object: model, device, prompt, and the candidates, best first, each with its "
             "index in the command, score, text, and how many tokens the model read"},
    {0},
};

static const struct opt_command command = {
    .name = "rank",
    .usage = "hekla rank [-m REWARD] --prompt TEXT CANDIDATE... [--system TEXT] [--json]",
    .about =
        "Prints each candidate with the score that a reward model gives it as the answer to the prompt, best "
        "first, one on a line; newlines in a candidate are shown as \\n. A reward model is a sequence "
        "classifier with one label, as a GGUF file or a Hugging Face folder; without -m it is box:reward. It "
        "reads prompt and answer as its own chat template writes them, or, without a template, as one plain "
        "text. "
        "Scores of one model can be compared with each other, most of all for the same prompt. After -- a "
        "candidate may begin with a dash.",
    .examples = "  hekla rank --prompt \"How do I list the devices?\" \"hekla devices\" \"no idea\"\n"
                "  hekla rank -m reward-folder -p \"What is a caldera?\" --json -- \"$(cat a.txt)\" \"$(cat "
                "b.txt)\"\n",
    .groups = {{"what", opts, 0},
               {"model", model_opts, offsetof(struct rank, model)},
               {"device and messages", device_opts, offsetof(struct rank, device)}},
    .max_args = INT_MAX,
    .arg_name = "CANDIDATE",
};

struct candidate {
    const char *text;
    uint32_t index; /* in the command, from 0 */
    float score;
    size_t tokens;
};

static int compare(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->score < y->score) return 1;
    if (x->score > y->score) return -1;
    return x->index < y->index ? -1 : 1;
}

static bool score_all(const struct rank *o, struct scorer *s, struct candidate *list, uint32_t n,
                      struct hk_error *err)
{
    struct hk_conversation *c = hk_conversation_new(NULL, NULL, err); /* the reward model alone reads it */
    bool ok = c && (!o->system || hk_conversation_set_system(c, o->system, err)) &&
              hk_conversation_ask(c, o->prompt, strlen(o->prompt), err);
    if (ok && o->system && !s->writer) {
        ok = hk_fail(err, HK_ERR_INPUT,
                     "rank: --system: %s has no chat template to put it in: --prompt alone would be accepted",
                     o->model.model);
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        struct candidate *k = &list[i];
        ok = scorer_score(s, c, k->text, strlen(k->text), &k->score, err);
        if (!ok && n > 1) hk_fail_prefix(err, "candidate %u", (unsigned)i + 1);
        k->tokens = s->tokens.n;
    }
    progress_clear(&s->e.progress);
    hk_conversation_free(c);
    return ok;
}

static cJSON *json_candidate(const struct candidate *k)
{
    cJSON *c = cJSON_CreateObject();
    if (c && cJSON_AddNumberToObject(c, "index", k->index) &&
        cJSON_AddNumberToObject(c, "score", (double)k->score) &&
        json_add_text(c, "text", "text_bytes", k->text, strlen(k->text)) &&
        cJSON_AddNumberToObject(c, "tokens", (double)k->tokens))
        return c;
    cJSON_Delete(c);
    return NULL;
}

static bool print_json(const struct rank *o, const struct scorer *s, const struct candidate *list, uint32_t n,
                       struct hk_error *err)
{
    cJSON *root = cJSON_CreateObject(), *all = NULL;
    const char *model = o->model.model, *device = hk_device_name(s->e.device);
    bool ok = root && json_add_text(root, "model", "model_bytes", model, strlen(model)) &&
              json_add_text(root, "device", "device_bytes", device, strlen(device)) &&
              (!o->system || json_add_text(root, "system", "system_bytes", o->system, strlen(o->system))) &&
              json_add_text(root, "prompt", "prompt_bytes", o->prompt, strlen(o->prompt)) &&
              (all = cJSON_AddArrayToObject(root, "candidates"));
    for (uint32_t i = 0; ok && i < n; i++) ok = cJSON_AddItemToArray(all, json_candidate(&list[i]));
    ok = json_print(ok ? root : NULL, stdout, err);
    cJSON_Delete(root);
    return ok;
}

static bool rank(const struct rank *o, char **texts, uint32_t n, struct hk_error *err)
{
    struct scorer s = {0};
    struct candidate *list = hk_calloc(n, sizeof *list, err);
    for (uint32_t i = 0; list && i < n; i++) list[i] = (struct candidate){.text = texts[i], .index = i};
    bool ok = list && scorer_open_checkpoint(&s, &o->model, err) &&
              scorer_open_model(&s, NULL, &o->model, &o->device, err) && score_all(o, &s, list, n, err);
    if (ok) qsort(list, n, sizeof *list, compare);
    if (ok && o->json) ok = print_json(o, &s, list, n, err);
    for (uint32_t i = 0; ok && !o->json && i < n; i++) {
        printf("%9.4f  ", (double)list[i].score);
        print_escaped(stdout, list[i].text, strlen(list[i].text), "");
        putchar('\n');
    }
    scorer_close(&s);
    free(list);
    return ok;
}

int cmd_rank(int argc, char **argv)
{
    struct rank o = {0};
    int n_args, status;
    if (!tool_options(&command, argc, argv, &o, &n_args, &status)) return status;
    if (!o.model.model && box_find("box:reward")) o.model.model = "box:reward";
    if (!o.model.model) return tool_usage_text("rank: no model: -m REWARD_MODEL would be accepted");
    if (!o.prompt) return tool_usage_text("rank: no prompt: --prompt TEXT would be accepted");
    if (n_args == 0) return tool_usage_text("rank: no candidates: one text or more would be accepted");
    struct hk_error err = {0};
    term_catch_interrupt();
    bool ok = rank(&o, argv, (uint32_t)n_args, &err);
    return ok ? tool_finish(TOOL_DONE) : tool_fail(&err);
}

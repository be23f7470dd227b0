/* hekla template: messages as JSON on stdin -> the prompt that the model is given. Needs no device. */
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/engine.h"
#include "tools/now.h"

struct template_options {
    struct verbosity v;
    const char *model, *file;
};

static const struct opt opts[] = {
    {.name = "model",
     .letter = 'm',
     .kind = OPT_TEXT,
     .field = offsetof(struct template_options, model),
     .metavar = "MODEL",
     .help = "the model whose template is rendered, and whose bos_token and eos_token it is given; a GGUF "
             "file with a vocabulary alone or a folder without weights will do"},
    {.name = "template",
     .kind = OPT_TEXT,
     .field = offsetof(struct template_options, file),
     .metavar = "FILE",
     .help = "a Jinja template to render in place of the model's own; then no model is needed"},
    {0},
};

static const struct opt_command command = {
    .name = "template",
    .usage = "hekla template -m MODEL|--template FILE < messages.json",
    .about =
        "Reads a JSON object from stdin, renders the chat template with its members as variables, and prints "
        "the prompt, byte for byte and without a newline after it. What templates ask for: \"messages\", a "
        "list of {\"role\": ..., \"content\": ...}; \"tools\", a list of function descriptions; "
        "\"add_generation_prompt\", true or false; \"bos_token\" and \"eos_token\", by default the model's. "
        "The environment variable HEKLA_NOW (2025-07-26T12:00:00) fixes the time that a template is told.",
    .examples = "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], "
                "\"add_generation_prompt\": true}' |\n    hekla template -m model.gguf\n",
    .groups = {{"options", opts, 0}, {"messages", verbosity_opts, offsetof(struct template_options, v)}},
    .max_args = 0,
};

/* The special token's text, which *text keeps, with a NUL after it; NULL where there is none. */
static bool token_text(const struct hk_vocab *v, uint32_t id, struct hk_bytes *text, const char **out,
                       struct hk_error *err)
{
    struct hk_span s = hk_vocab_token_text(v, id);
    *out = NULL;
    if (!s.data) return true;
    if (!hk_bytes_append(text, s.data, s.len, err)) return false;
    *out = text->data;
    return true;
}

/* bos_token and eos_token. */
static bool special_texts(const struct hk_checkpoint *c, struct hk_bytes texts[2],
                          struct hk_chat_template_options *opt, struct hk_error *err)
{
    const struct hk_vocab *v = hk_checkpoint_vocab(c);
    struct hk_vocab_info info;
    hk_vocab_describe(v, &info);
    return token_text(v, info.bos, &texts[0], &opt->bos, err) &&
           token_text(v, info.eos, &texts[1], &opt->eos, err);
}

static bool read_template(const struct template_options *o, const struct hk_checkpoint *c,
                          struct hk_bytes *text, struct hk_error *err)
{
    if (o->file) return tool_read(o->file, text, err) || hk_fail_prefix(err, "template");
    struct hk_checkpoint_info info;
    hk_checkpoint_describe(c, &info);
    if (info.chat_template) return hk_bytes_append(text, info.chat_template, strlen(info.chat_template), err);
    return hk_fail(err, HK_ERR_INPUT,
                   "template: %s: has no chat template: --template FILE with one would be accepted",
                   o->model);
}

static bool render(const struct hk_chat_template *t, const struct hk_chat_template_options *opt,
                   const char *path, struct hk_bytes *out, struct hk_error *err)
{
    struct hk_bytes json = {0};
    bool read = tool_read("-", &json, err);
    bool ok = read && hk_chat_template_render(t, json.data ? json.data : "", json.len, opt, out, err);
    hk_bytes_free(&json);
    /* the JSON is at fault, or the template with it */
    const char *where = !read || err->code == HK_ERR_FORMAT ? "stdin" : path;
    return ok || hk_fail_prefix(err, "template: %s", where);
}

static bool run(const struct template_options *o, struct hk_checkpoint *c, struct hk_error *err)
{
    struct hk_chat_template_options opt = {0};
    struct hk_bytes text = {0}, out = {0}, special[2] = {{0}};
    const char *path = o->file ? o->file : o->model;
    struct hk_chat_template *t = NULL;
    bool ok = (!c || special_texts(c, special, &opt, err)) && tool_now(&opt.now, err) &&
              read_template(o, c, &text, err);
    if (ok) {
        t = hk_chat_template_new(text.data ? text.data : "", text.len, err);
        ok = t ? render(t, &opt, path, &out, err) : hk_fail_prefix(err, "template: %s", path);
    }
    if (ok) fwrite(out.data ? out.data : "", 1, out.len, stdout);
    hk_chat_template_free(t);
    hk_bytes_free(&text);
    hk_bytes_free(&out);
    hk_bytes_free(&special[0]);
    hk_bytes_free(&special[1]);
    return ok;
}

int cmd_template(int argc, char **argv)
{
    struct template_options o = {0};
    int n_args = 0, status;
    struct hk_error err = {0};
    if (!tool_options(&command, argc, argv, &o, &n_args, &status)) return status;
    if (!o.model && !o.file)
        return tool_usage_text("template: no template: -m MODEL or --template FILE would be accepted");
    struct hk_checkpoint *c = o.model ? hk_checkpoint_open(o.model, NULL, &err) : NULL;
    bool ok = (c || !o.model) && run(&o, c, &err);
    hk_checkpoint_close(c);
    return tool_finish(ok ? TOOL_DONE : tool_fail(&err));
}

/* Chat templates: parse once, render often. */
#include "loader/jinja/chat_template.h"
#include "loader/jinja/run.h"
#include "loader/jinja/text.h"
#include "loader/utf8.h"

#include <stdlib.h>

/* ---- parsing ---- */

/* A copy with every line end "\n" and the last one of the text removed, as jinja2 reads its source. */
static char *normalized(struct hk_arena *arena, const char *text, size_t len, size_t *n, struct hk_error *err)
{
    char *copy = hk_arena_alloc(arena, len + 1, 1, err);
    *n = 0;
    for (size_t i = 0; copy && i < len; i++) {
        bool cr = text[i] == '\r';
        copy[(*n)++] = cr ? '\n' : text[i];
        if (cr && i + 1 < len && text[i + 1] == '\n') i++;
    }
    if (*n && copy[*n - 1] == '\n') --*n;
    return copy;
}

struct hk_chat_template *hk_chat_template_new(const char *text, size_t len, struct hk_error *err)
{
    struct hk_error problem = {0};
    struct hk_chat_template *t = hk_calloc(1, sizeof *t, err);
    if (!t) return NULL;
    struct jinja_source src = {&t->arena, &problem};
    size_t n, valid = hk_utf8_valid_run(text, len);
    bool ok = true;
    if (len > JINJA_MAX_SOURCE)
        ok = hk_fail(&problem, HK_ERR_FORMAT, "a template of %zu bytes: at most %d are accepted", len,
                     JINJA_MAX_SOURCE);
    else if (valid < len)
        ok = hk_fail(&problem, HK_ERR_FORMAT, "not UTF-8 at byte %zu", valid);
    char *copy = ok ? normalized(&t->arena, text, len, &n, &problem) : NULL;
    if (copy && jinja_parse(&src, copy, n, &t->body) && jinja_resolve_names(&src, t)) return t;
    if (err) *err = problem;
    hk_chat_template_free(t);
    return NULL;
}

void hk_chat_template_free(struct hk_chat_template *t)
{
    if (!t) return;
    hk_arena_free(&t->arena);
    free(t);
}

/* ---- rendering ---- */

/* bos_token and eos_token, where the caller's variables have none. */
static bool add_token(struct jinja_run *r, const char *name, const char *text)
{
    size_t n = strlen(name);
    if (!text || jinja_dict_get_str(r->given, name, n)) return true;
    if (hk_utf8_valid_run(text, strlen(text)) < strlen(text))
        return jinja_fail(r, "the vocabulary's %s is not UTF-8", name);
    return jinja_dict_set(r, r->given, jv_ascii(name), jv_text(text, strlen(text)));
}

static bool read_variables(struct jinja_run *r, const char *json, size_t len)
{
    struct jv v;
    if (!jinja_parse_json(r, json, len, &v)) return false;
    if (v.type != JV_DICT)
        return jinja_fail_code(r, HK_ERR_FORMAT,
                               "the JSON is no object: {\"messages\": [...], ...} would be accepted");
    r->given = v.as.dict;
    return add_token(r, "bos_token", r->opt->bos) && add_token(r, "eos_token", r->opt->eos) &&
           (r->vars = jinja_dict_new(r)) != NULL;
}

static bool run(struct jinja_run *r, const struct hk_chat_template *t, const char *json, size_t json_len)
{
    if (!read_variables(r, json, json_len)) return false;
    r->line = 1;
    struct jinja_frame *f = jinja_frame_new(r, t->scope, NULL);
    return f && jinja_exec(r, &t->body, f) != JINJA_FAILED;
}

bool hk_chat_template_render(const struct hk_chat_template *t, const char *json, size_t json_len,
                             const struct hk_chat_template_options *opt, struct hk_bytes *out,
                             struct hk_error *err)
{
    static const struct hk_chat_template_options defaults = {0};
    struct hk_error problem = {0};
    struct jv text = jv_ascii("");
    if (!opt) opt = &defaults;
    struct jinja_run r = {
        .max_memory = opt->max_memory ? opt->max_memory : (size_t)512 << 20,
        .max_steps = opt->max_steps ? opt->max_steps : 50000000,
        .max_output = opt->max_output ? opt->max_output : (size_t)64 << 20,
        .err = &problem,
        .opt = opt,
        .out = &text,
    };
    bool ok = run(&r, t, json, json_len) && hk_bytes_append(out, text.as.s, text.len, &problem);
    if (!ok && err) *err = problem;
    hk_arena_free(&r.arena);
    return ok;
}

/* hekla info: what a checkpoint contains. Needs no device. */
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/engine.h"
#include "tools/json.h"
#include "tools/words.h"

struct info {
    struct verbosity v;
    const char *tokenizer;
    bool json;
};

static const struct opt opts[] = {
    {.name = "json", .kind = OPT_FLAG, .field = offsetof(struct info, json), .help = "print one JSON object"},
    TOKENIZER_ROW(offsetof(struct info, tokenizer)),
    {0},
};

static const struct opt_command command = {
    .name = "info",
    .usage = "hekla info MODEL [--json]",
    .about =
        "Says what a checkpoint contains: architecture, sizes, tensors by type, tokenizer, chat template. "
        "MODEL "
        "is a GGUF file (also one with a vocabulary alone), a Hugging Face folder, or a llama2.c .bin file.",
    .examples = "  hekla info model.gguf\n"
                "  hekla info folder --json\n",
    .groups = {{"options", opts, 0}, {"messages", verbosity_opts, offsetof(struct info, v)}},
    .max_args = 1,
    .arg_name = "MODEL",
};

struct totals {
    uint64_t params, bytes, stored;
    uint64_t count[HK_WEIGHT_TYPE_COUNT], type_params[HK_WEIGHT_TYPE_COUNT], type_bytes[HK_WEIGHT_TYPE_COUNT];
    double bits_per_weight, stored_bits; /* as they are read, and as the files have them */
};

static struct totals add_up(const struct hk_checkpoint *c)
{
    struct totals t = {0};
    struct hk_tensor_info x;
    for (uint32_t i = 0; hk_checkpoint_tensor_info(c, i, &x); i++) {
        t.params += x.n_weights;
        t.bytes += x.bytes;
        t.stored += x.stored_bytes;
        t.count[x.type]++;
        t.type_params[x.type] += x.n_weights;
        t.type_bytes[x.type] += x.bytes;
    }
    if (t.params) t.bits_per_weight = 8.0 * (double)t.bytes / (double)t.params;
    if (t.params) t.stored_bits = 8.0 * (double)t.stored / (double)t.params;
    return t;
}

static struct hk_bytes clean_text(const char *text, size_t len)
{
    struct hk_bytes b = {0};
    if (!hk_bytes_append_utf8(&b, text, len, NULL, NULL)) hk_bytes_free(&b);
    for (size_t i = 0; i < b.len; i++) {
        if ((unsigned char)b.data[i] < 0x20 || b.data[i] == 0x7f) b.data[i] = '?';
    }
    return b;
}

static void print_token(const struct hk_vocab *v, const char *what, uint32_t id)
{
    if (id == HK_NO_TOKEN) return;
    struct hk_span s = hk_vocab_token_text(v, id);
    struct hk_bytes b = clean_text(s.data, s.len);
    printf("  %-22s%u %s\n", what, (unsigned)id, b.data ? b.data : "");
    hk_bytes_free(&b);
}

static void print_line(const char *what, const char *text)
{
    struct hk_bytes b = clean_text(text, strlen(text));
    printf("%-24s%s\n", what, b.data ? b.data : "");
    hk_bytes_free(&b);
}

static void print_sizes(const struct hk_checkpoint_info *h)
{
    printf("%-24s%u\n", "layers", (unsigned)h->n_layer);
    printf("%-24s%u\n", "embedding", (unsigned)h->n_embd);
    printf("%-24s%u of %u\n", "attention heads", (unsigned)h->n_head, (unsigned)h->head_dim);
    printf("%-24s%u\n", "key-value heads", (unsigned)h->n_head_kv);
    printf("%-24s%u, %s\n", "feed-forward", (unsigned)h->n_ff, h->activation);
    printf("%-24s%u\n", "vocabulary", (unsigned)h->n_vocab);
    printf("%-24s%u\n", "context (trained)", (unsigned)h->n_ctx_train);
    if (h->rope_dim) {
        printf("%-24stheta %g, %u dimensions, %s, scaling %s\n", "rotary embedding", (double)h->rope_theta,
               (unsigned)h->rope_dim, h->rope_pairing, h->rope_scaling);
    }
}

static void print_tensors(const struct hk_checkpoint_info *c, const struct totals *t)
{
    char a[32], b[32];
    printf("%-24s%s (%llu)\n", "parameters", format_count(t->params, a), (unsigned long long)t->params);
    printf("%-24s%s, %.2f bits per weight\n", "size", format_bytes(t->bytes, b), t->bits_per_weight);
    if (t->stored != t->bytes)
        printf("%-24s%s, %.2f bits per weight\n", "  in the files", format_bytes(t->stored, b),
               t->stored_bits);
    printf("%-24s%u\n", "tensors", (unsigned)c->n_tensors);
    for (int i = 0; i < HK_WEIGHT_TYPE_COUNT; i++) {
        if (!t->count[i]) continue;
        printf("  %-22s%llu tensors, %s parameters, %s\n", hk_weight_type_name((enum hk_weight_type)i),
               (unsigned long long)t->count[i], format_count(t->type_params[i], a),
               format_bytes(t->type_bytes[i], b));
    }
}

static void print_tokenizer(const struct hk_vocab *vocab)
{
    struct hk_vocab_info info;
    const struct hk_vocab_info *v = &info;
    hk_vocab_describe(vocab, &info);
    print_line("tokenizer", v->kind[0] ? v->kind : "none");
    if (v->n_tokens == 0) return;
    if (!v->supported) print_line("", "not one that this version runs");
    if (v->pre[0]) print_line("  pre-tokenizer", v->pre);
    printf("  %-22s%u\n", "tokens", (unsigned)v->n_tokens);
    if (v->n_merges) printf("  %-22s%u\n", "merges", (unsigned)v->n_merges);
    print_token(vocab, "beginning of text", v->bos);
    print_token(vocab, "end of text", v->eos);
    print_token(vocab, "unknown", v->unk);
    print_token(vocab, "padding", v->pad);
    for (uint32_t i = 0; i < v->n_stop; i++) print_token(vocab, "stops an answer", v->stop[i]);
    printf("  %-22s%s\n", "begins a text with it", v->add_bos ? "yes" : "no");
}

static void print_text(const struct hk_checkpoint *c)
{
    struct totals t = add_up(c);
    struct hk_checkpoint_info info;
    hk_checkpoint_describe(c, &info);
    print_line("file", info.path);
    print_line("name", info.name);
    print_line("format", info.format);
    if (info.arch[0]) print_line("architecture", info.arch);
    if (info.n_tensors && !known_architecture(info.arch)) {
        printf("%-24snot one of those that this version runs: %s\n", "", hk_known_architectures());
    }
    if (info.n_labels) print_line("kind", "reward model: scores an answer (hekla rank)");
    if (info.has_sizes) print_sizes(&info);
    if (info.n_tensors == 0) print_line("weights", "none: a vocabulary only");
    if (info.n_tensors) print_tensors(&info, &t);
    print_tokenizer(hk_checkpoint_vocab(c));
    print_line("chat template", info.chat_template ? "yes" : "no");
}

static bool add_text(cJSON *o, const char *key, const char *text)
{
    char bytes_key[48];
    snprintf(bytes_key, sizeof bytes_key, "%s_bytes", key);
    return json_add_text(o, key, bytes_key, text, strlen(text));
}

static bool add_number(cJSON *o, const char *key, double v)
{
    return cJSON_AddNumberToObject(o, key, v) != NULL;
}

static bool json_sizes(cJSON *root, const struct hk_checkpoint_info *h)
{
    return add_number(root, "layers", h->n_layer) && add_number(root, "embedding", h->n_embd) &&
           add_number(root, "heads", h->n_head) && add_number(root, "kv_heads", h->n_head_kv) &&
           add_number(root, "head_dim", h->head_dim) && add_number(root, "feed_forward", h->n_ff) &&
           add_text(root, "activation", h->activation) && add_number(root, "vocabulary", h->n_vocab) &&
           add_number(root, "context", h->n_ctx_train) &&
           add_number(root, "rope_theta", (double)h->rope_theta) &&
           add_number(root, "rope_dim", h->rope_dim) && add_text(root, "rope_scaling", h->rope_scaling);
}

static bool json_tensors(cJSON *root, const struct totals *totals)
{
    struct totals t = *totals;
    cJSON *types = NULL;
    bool ok = add_number(root, "parameters", (double)t.params) &&
              add_number(root, "bytes", (double)t.bytes) &&
              add_number(root, "bits_per_weight", t.bits_per_weight) &&
              add_number(root, "stored_bytes", (double)t.stored) &&
              (types = cJSON_AddObjectToObject(root, "types"));
    for (int i = 0; ok && i < HK_WEIGHT_TYPE_COUNT; i++) {
        if (!t.count[i]) continue;
        cJSON *o = cJSON_AddObjectToObject(types, hk_weight_type_name((enum hk_weight_type)i));
        ok = o && add_number(o, "tensors", (double)t.count[i]) &&
             add_number(o, "parameters", (double)t.type_params[i]) &&
             add_number(o, "bytes", (double)t.type_bytes[i]);
    }
    return ok;
}

static bool json_special(cJSON *o, const struct hk_vocab *v, const char *key, uint32_t id)
{
    if (id == HK_NO_TOKEN) return cJSON_AddNullToObject(o, key) != NULL;
    cJSON *t = cJSON_AddObjectToObject(o, key);
    struct hk_span s = hk_vocab_token_text(v, id);
    return t && add_number(t, "id", id) && (!s.data || json_add_text(t, "text", "bytes", s.data, s.len));
}

static bool json_tokenizer(cJSON *root, const struct hk_vocab *vocab)
{
    struct hk_vocab_info info;
    const struct hk_vocab_info *v = &info;
    hk_vocab_describe(vocab, &info);
    cJSON *o = cJSON_AddObjectToObject(root, "tokenizer");
    return o && add_text(o, "kind", v->kind) && cJSON_AddBoolToObject(o, "kind_known", v->supported) &&
           add_text(o, "pre", v->pre) && add_number(o, "tokens", v->n_tokens) &&
           add_number(o, "merges", v->n_merges) && json_special(o, vocab, "bos", v->bos) &&
           json_special(o, vocab, "eos", v->eos) && json_special(o, vocab, "unk", v->unk) &&
           json_special(o, vocab, "pad", v->pad) && json_add_ids(o, "stop", v->stop, v->n_stop) &&
           cJSON_AddBoolToObject(o, "add_bos", v->add_bos) && cJSON_AddBoolToObject(o, "add_eos", v->add_eos);
}

static bool print_json(const struct hk_checkpoint *c, struct hk_error *err)
{
    cJSON *root = cJSON_CreateObject();
    struct totals t = add_up(c);
    struct hk_checkpoint_info info;
    hk_checkpoint_describe(c, &info);
    bool ok = root && add_text(root, "file", info.path) && add_text(root, "name", info.name) &&
              add_text(root, "format", info.format) && add_text(root, "architecture", info.arch) &&
              cJSON_AddBoolToObject(root, "architecture_known", known_architecture(info.arch)) &&
              cJSON_AddBoolToObject(root, "reward_model", info.n_labels > 0) &&
              (!info.has_sizes || json_sizes(root, &info)) && add_number(root, "tensors", info.n_tensors) &&
              json_tensors(root, &t) && json_tokenizer(root, hk_checkpoint_vocab(c)) &&
              (info.chat_template ? add_text(root, "chat_template", info.chat_template)
                                  : cJSON_AddNullToObject(root, "chat_template") != NULL);
    ok = json_print(ok ? root : NULL, stdout, err);
    cJSON_Delete(root);
    return ok;
}

int cmd_info(int argc, char **argv)
{
    struct info o = {0};
    int n_args, status;
    if (!tool_options(&command, argc, argv, &o, &n_args, &status)) return status;
    if (n_args != 1) return tool_usage_text("info: no model: hekla info MODEL would be accepted");
    struct hk_error err = {0};
    struct hk_checkpoint_options co = {.tokenizer_path = o.tokenizer};
    struct hk_checkpoint *c = tool_checkpoint(argv[0], &co, &err);
    bool ok = c != NULL;
    if (ok && o.json) ok = print_json(c, &err);
    if (ok && !o.json) print_text(c);
    hk_checkpoint_close(c);
    return ok ? tool_finish(TOOL_DONE) : tool_fail(&err);
}

/* A Hugging Face folder. */
#include "loader/formats/hf.h"
#include "loader/formats/hf_vocab.h"
#include "loader/formats/tokenizer_json.h"
#include "loader/formats/torch_bin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tensors ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool unsupported_dtype(const struct hk_st_tensor *s, const char *file, struct hk_error *err)
{
    return hk_fail(err, HK_ERR_UNSUPPORTED,
                   "%s: tensor %.200s is stored as %s: F64, F32, F16 and BF16 are supported", file, s->name,
                   s->dtype);
}

/* Buffers of integers (position ids, masks) are no weights. */
static bool is_integer_dtype(const char *dtype)
{
    return dtype[0] == 'I' || dtype[0] == 'U' || strcmp(dtype, "BOOL") == 0;
}

/* A matrix that is made of codes and scales. */
static bool add_quantized(struct hk_checkpoint *c, const struct hk_st_tensor *s, const char *file,
                          const char *name, unsigned flags, struct hk_ckpt_tensor *t, struct hk_error *err)
{
    const struct hk_quantized *q = s->quantized;
    bool vector = q->codes.per == 1 && s->n_dims == 1;
    if ((flags & HK_HF_TRANSPOSED) && !vector && !q->outputs_first)
        return hk_fail(err, HK_ERR_UNSUPPORTED,
                       "%s: tensor %.200s: a Conv1D with scales is not supported: save it as F16", file,
                       q->name);
    *t = (struct hk_ckpt_tensor){.type = q->type,
                                 .n_dims = vector ? 1 : 2,
                                 .shape = {vector ? q->cols : q->rows, vector ? 1 : q->cols, 1, 1},
                                 .quantized = q,
                                 .order = q->order};
    t->name = hk_arena_strndup(&c->arena, name, strlen(name), err);
    if (!t->name || !hk_tensor_bytes(file, q->name, t->type, t->n_dims, t->shape, &t->size, err))
        return false;
    if (!t->order || !ends_with(name, "_embd.weight")) return true;
    const struct hk_ckpt_tensor *plain = hk_ckpt_in_order(&c->arena, t, err); /* its rows are looked up */
    if (plain) *t = *plain;
    return plain != NULL;
}

/* One tensor into *t; *skip when it is none that a model needs. */
static bool convert_tensor(struct hk_checkpoint *c, const struct hk_arch *arch, const struct hk_st_tensor *s,
                           const char *file, struct hk_ckpt_tensor *t, bool *skip, struct hk_error *err)
{
    char name[HK_MAX_TENSOR_NAME];
    unsigned flags;
    bool known = hk_hf_translate(arch, s->quantized ? s->quantized->name : s->name, name, &flags);
    *t = (struct hk_ckpt_tensor){.type = hk_weight_type_by_st_name(s->dtype, strlen(s->dtype))};
    *skip = s->part;
    if (s->part) return true;
    if (s->quantized) return add_quantized(c, s, file, name, flags, t, err);
    if (arch->name && !known && (ends_with(s->name, ".qweight") || ends_with(s->name, ".weight_packed")))
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: tensor %.200s: config.json has no \"quantization_config\" that says how it is "
                       "packed, and there is "
                       "no quantize_config.json, quant_config.json or hf_quant_config.json",
                       file, s->name);
    *skip = (flags & HK_HF_IGNORED) || (!known && (is_integer_dtype(s->dtype) || s->n_dims > 4));
    if (*skip) return true;
    if (t->type == HK_WEIGHT_TYPE_COUNT) return unsupported_dtype(s, file, err);
    if (s->n_dims > 4)
        return hk_fail(err, HK_ERR_FORMAT, "%s: tensor %.200s has %u dimensions: at most 4 are accepted",
                       file, s->name, s->n_dims);
    t->n_dims = s->n_dims ? s->n_dims : 1;
    memcpy(t->shape, s->shape, sizeof t->shape);
    if (!hk_tensor_bytes(file, s->name, t->type, t->n_dims, t->shape, &t->size, err)) return false;
    if (t->size != s->size)
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: tensor %.200s: its shape and type need %llu bytes, its offsets give %llu", file,
                       s->name, (unsigned long long)t->size, (unsigned long long)s->size);
    bool conv = (flags & HK_HF_TRANSPOSED) && t->n_dims == 2;
    t->transposed = s->transposed != conv;
    if (conv) {
        t->shape[0] = s->shape[1];
        t->shape[1] = s->shape[0];
    }
    t->data = s->data;
    t->name = hk_arena_strndup(&c->arena, name, strlen(name), err);
    return t->name != NULL;
}

/* "name.scale" beside "name.weight", as GGUF has it, where a matrix that is made has a factor besides. There
 * is room: the tensor of the folder that it comes from is none of the checkpoint's. */
static bool add_factor(struct hk_checkpoint *c, const struct hk_ckpt_tensor *t, struct hk_error *err)
{
    const struct hk_quantized *q = t->quantized;
    if (!q || q->factor == 1.0f || !ends_with(t->name, ".weight")) return true;
    size_t stem = strlen(t->name) - strlen(".weight");
    char *name = hk_arena_alloc(&c->arena, stem + sizeof ".scale", 1, err);
    void *data = name ? hk_arena_alloc(&c->arena, 1, sizeof(float), err) : NULL;
    if (!data) return false;
    memcpy(name, t->name, stem);
    memcpy(name + stem, ".scale", sizeof ".scale");
    hk_weight_type_info(HK_F32)->encode(&q->factor, data, 1); /* little-endian, as files are */
    c->tensors[c->n_tensors++] = (struct hk_ckpt_tensor){.name = name,
                                                         .type = HK_F32,
                                                         .n_dims = 1,
                                                         .shape = {1, 1, 1, 1},
                                                         .data = data,
                                                         .size = sizeof(float)};
    return true;
}

bool hk_hf_add_tensors(struct hk_checkpoint *c, const struct hk_arch *arch, bool tied,
                       const struct hk_st_tensor *list, size_t n, const char *file,
                       struct hk_ckpt_tensor *spare_head, struct hk_error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct hk_ckpt_tensor t;
        bool skip;
        if (!convert_tensor(c, arch, &list[i], file, &t, &skip, err)) return false;
        if (skip) continue;
        if (tied && arch->name && strcmp(t.name, "output.weight") == 0) {
            *spare_head = t;
            continue;
        }
        c->tensors[c->n_tensors++] = t;
        if (!add_factor(c, &t, err)) return false;
    }
    return true;
}

/* ---- weight files ---- */

struct shard {
    const char *name; /* in the folder */
    struct hk_st_tensor *tensors;
    size_t n;
};

struct shards {
    struct shard *list;
    size_t n;
};

static int compare_shards(const void *a, const void *b)
{
    return strcmp(((const struct shard *)a)->name, ((const struct shard *)b)->name);
}

static int compare_st(const void *a, const void *b)
{
    return strcmp(((const struct hk_st_tensor *)a)->name, ((const struct hk_st_tensor *)b)->name);
}

static bool plain_file_name(const char *s)
{
    return *s && *s != '.' && !strchr(s, '/') && !strchr(s, '\\');
}

/* The distinct files of an index's "weight_map": {"tensor": "file", ...}. */
static bool shards_of_index(struct hk_arena *a, const cJSON *map, const char *file, struct shards *out,
                            struct hk_error *err)
{
    size_t n = 0;
    const cJSON *item;
    if (!cJSON_IsObject(map) || !map->child)
        return hk_fail(err, HK_ERR_FORMAT, "%s: \"weight_map\" is missing or no object", file);
    cJSON_ArrayForEach(item, map) n++;
    struct shard *list = hk_arena_alloc(a, n, sizeof *list, err);
    if (!list) return false;
    n = 0;
    cJSON_ArrayForEach(item, map)
    {
        if (!cJSON_IsString(item) || !plain_file_name(item->valuestring))
            return hk_fail(err, HK_ERR_FORMAT,
                           "%s: the file of tensor %.200s is no name of a file in this folder", file,
                           item->string);
        if (n > 0 && strcmp(list[n - 1].name, item->valuestring) == 0) continue;
        list[n].name = hk_arena_strndup(a, item->valuestring, strlen(item->valuestring), err);
        if (!list[n++].name) return false;
    }
    qsort(list, n, sizeof *list, compare_shards);
    size_t distinct = 1;
    for (size_t i = 1; i < n; i++) {
        if (strcmp(list[i].name, list[distinct - 1].name) != 0) list[distinct++] = list[i];
    }
    *out = (struct shards){list, distinct};
    return true;
}

static bool map_shards(struct hk_checkpoint *c, struct shards *s, struct hk_error *err)
{
    for (size_t i = 0; i < s->n; i++) {
        const char *path = hk_path_join(&c->arena, c->path, s->list[i].name, err);
        const struct hk_mapping *m = path ? hk_checkpoint_map(c, path, err) : NULL;
        bool torch = m && hk_torch_bin_probe(m->data, m->size);
        if (!m || !(torch ? hk_torch_bin_parse : hk_safetensors_parse)(
                      &c->arena, m->data, m->size, path, &s->list[i].tensors, &s->list[i].n, err))
            return false;
        if (torch) c->format = "pytorch";
        qsort(s->list[i].tensors, s->list[i].n, sizeof *s->list[i].tensors, compare_st);
    }
    return true;
}

/* Every tensor that the index promises is in the file that it names. */
static bool check_index(const cJSON *map, const struct shards *s, const char *file, struct hk_error *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, map)
    {
        const struct shard key = {.name = item->valuestring};
        const struct shard *shard = bsearch(&key, s->list, s->n, sizeof key, compare_shards);
        const struct hk_st_tensor name = {.name = item->string};
        if (!shard || !shard->n || !bsearch(&name, shard->tensors, shard->n, sizeof name, compare_st))
            return hk_fail(err, HK_ERR_FORMAT, "%s: tensor %.200s is not in %.100s, where the index puts it",
                           file, item->string, item->valuestring);
    }
    return true;
}

static bool read_index(struct hk_checkpoint *c, const char *path, struct shards *s, struct hk_error *err)
{
    struct hk_mapping *m = hk_mapping_open(path, err);
    if (!m) return false;
    cJSON *index = hk_json_parse((const char *)m->data, m->size, path, err);
    hk_mapping_close(m);
    if (!index) return false;
    const cJSON *map = hk_json_get(index, "weight_map");
    bool ok = shards_of_index(&c->arena, map, path, s, err) && map_shards(c, s, err) &&
              check_index(map, s, path, err);
    cJSON_Delete(index);
    return ok;
}

/* Finds and maps the folder's weights: none at all is no error here. The order is that of transformers. */
static bool open_weights(struct hk_checkpoint *c, struct shards *s, struct hk_error *err)
{
    const char *const *names, *single = NULL, *index = NULL, *only = NULL;
    const char *pytorch = NULL, *pytorch_index = NULL, *other = NULL;
    size_t n, n_safetensors = 0;
    if (!hk_folder_list(&c->arena, c->path, &names, &n, err)) return false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], "model.safetensors") == 0) single = names[i];
        if (strcmp(names[i], "model.safetensors.index.json") == 0) index = names[i];
        if (ends_with(names[i], ".safetensors")) only = names[i], n_safetensors++;
        if (strcmp(names[i], "pytorch_model.bin") == 0) pytorch = names[i];
        if (strcmp(names[i], "pytorch_model.bin.index.json") == 0) pytorch_index = names[i];
        if (ends_with(names[i], ".pt") || ends_with(names[i], ".pth") ||
            (strncmp(names[i], "pytorch_model", 13) == 0 && ends_with(names[i], ".bin")))
            other = names[i];
    }
    if (!only && !index) {
        single = pytorch;
        index = pytorch_index;
    }
    if (!single && index) {
        const char *path = hk_path_join(&c->arena, c->path, index, err);
        return path && read_index(c, path, s, err);
    }
    if (!single && n_safetensors > 1)
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: has %zu safetensors files but no model.safetensors.index.json to say how "
                       "they belong together",
                       c->path, n_safetensors);
    if (!single && !only && other)
        return hk_fail(err, HK_ERR_UNSUPPORTED,
                       "%s: has weights only in %.100s: pytorch_model.bin, its index, or safetensors are "
                       "read: load the model with transformers and save_pretrained() it",
                       c->path, other);
    s->n = 0;
    if (!single && !only) return true;
    s->list = hk_arena_alloc(&c->arena, 1, sizeof *s->list, err);
    if (!s->list) return false;
    s->list->name = single ? single : only;
    s->n = 1;
    return map_shards(c, s, err);
}

/* The parts of a quantized matrix may lie in several files. */
static bool join_quantized(struct hk_checkpoint *c, const struct hk_hf_model *model, const struct shards *s,
                           size_t total, struct hk_error *err)
{
    struct hk_hf_entry *entries = hk_calloc(total, sizeof *entries, err);
    size_t n = 0;
    if (!entries) return false;
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->list[i].n; k++)
            entries[n++] = (struct hk_hf_entry){&s->list[i].tensors[k], s->list[i].name};
    bool ok =
        hk_hf_quant_join(&c->arena, &model->quant, entries, n, err) || hk_fail_prefix(err, "%s", c->path);
    free(entries);
    return ok;
}

static bool add_weights(struct hk_checkpoint *c, const struct hk_hf_model *model, const struct shards *s,
                        struct hk_error *err)
{
    size_t total = 0;
    struct hk_ckpt_tensor head = {0};
    for (size_t i = 0; i < s->n; i++) total += s->list[i].n;
    c->tensors = hk_arena_alloc(&c->arena, total, sizeof *c->tensors, err);
    if (!c->tensors || !join_quantized(c, model, s, total, err)) return false;
    for (size_t i = 0; i < s->n; i++) {
        if (!hk_hf_add_tensors(c, model->arch, model->tied, s->list[i].tensors, s->list[i].n, s->list[i].name,
                               &head, err))
            return hk_fail_prefix(err, "%s", c->path);
    }
    if (!hk_checkpoint_sort_tensors(c, c->path, err)) return false;
    /* of two tied tensors some programs saved only the head */
    if (head.name && !hk_checkpoint_tensor(c, "token_embd.weight")) {
        head.name = "token_embd.weight";
        c->tensors[c->n_tensors++] = head;
        if (!add_factor(c, &head, err)) return false;
        return hk_checkpoint_sort_tensors(c, c->path, err);
    }
    return true;
}

/* ---- vocabulary ---- */

/* "token" or {"content": "token", ...}: its id, or what was there before. */
static void special_token(const struct hk_vocab *v, const cJSON *config, const char *key, uint32_t *id)
{
    const cJSON *item = hk_json_get(config, key);
    if (cJSON_IsObject(item)) item = hk_json_get(item, "content");
    if (!cJSON_IsString(item)) return;
    uint32_t found = hk_vocab_find(v, item->valuestring, strlen(item->valuestring));
    if (found != HK_NO_TOKEN) *id = found;
}

/* tokenizer_config.json, and special_tokens_map.json, which has the first four keys of it. */
static bool read_tokenizer_config(struct hk_checkpoint *c, const cJSON *config, const char *file,
                                  struct hk_error *err)
{
    struct hk_vocab *v = &c->vocab;
    const struct hk_json_at at = {config, file, err};
    special_token(v, config, "bos_token", &v->bos);
    special_token(v, config, "eos_token", &v->eos);
    special_token(v, config, "unk_token", &v->unk);
    special_token(v, config, "pad_token", &v->pad);
    if (!hk_json_bool(&at, "add_bos_token", HK_JSON_OPTIONAL, &v->add_bos) ||
        !hk_json_bool(&at, "add_eos_token", HK_JSON_OPTIONAL, &v->add_eos))
        return false;
    const cJSON *template = hk_json_get(config, "chat_template"), *item;
    const char *text = cJSON_IsString(template) ? template->valuestring : NULL;
    if (cJSON_IsArray(template)) { /* [{"name": "default", "template": "..."}, {"name": "tool_use", ...}] */
        cJSON_ArrayForEach(item, template)
        {
            const cJSON *name = hk_json_get(item, "name"), *body = hk_json_get(item, "template");
            if (!cJSON_IsString(body)) continue;
            if (!text || (cJSON_IsString(name) && strcmp(name->valuestring, "default") == 0))
                text = body->valuestring;
        }
    }
    return !text || (c->chat_template = hk_arena_strndup(&c->arena, text, strlen(text), err));
}

/* An id, or a list of ids of which the first is the one: that one, or NULL. */
static const cJSON *first_id(const cJSON *config, const char *key, bool *list)
{
    const cJSON *item = hk_json_get(config, key);
    *list = cJSON_IsArray(item);
    return *list ? item->child : item;
}

static void token_id(const struct hk_vocab *v, const cJSON *config, const char *key, uint32_t *id)
{
    bool list;
    uint64_t value;
    const cJSON *item = first_id(config, key, &list);
    if (item && hk_json_is_u64(item, &value) && value < v->n_tokens) *id = (uint32_t)value;
}

static void stop_ids(struct hk_vocab *v, const cJSON *config)
{
    bool list;
    uint64_t value;
    for (const cJSON *item = first_id(config, "eos_token_id", &list); item; item = list ? item->next : NULL) {
        if (hk_json_is_u64(item, &value) && value < v->n_tokens) hk_vocab_add_stop(v, (uint32_t)value);
    }
}

/* Which token is which: what a file of the tokenizer's own names by its text wins over config.json's numbers,
 * and those over what tokenizer.json lets one guess; but a token that its template puts before a text is the
 * one that begins it. */
static void model_ids(struct hk_vocab *v, const cJSON *config, const cJSON *generation)
{
    if (!v->add_bos || v->bos == HK_NO_TOKEN) token_id(v, config, "bos_token_id", &v->bos);
    if (!v->add_eos || v->eos == HK_NO_TOKEN) {
        token_id(v, generation, "eos_token_id", &v->eos);
        token_id(v, config, "eos_token_id", &v->eos);
    }
    token_id(v, config, "pad_token_id", &v->pad);
}

static bool read_vocab(struct hk_checkpoint *c, const struct hk_hf_text texts[HK_HF_PARTS],
                       const cJSON *config, struct hk_error *err)
{
    struct hk_vocab *v = &c->vocab;
    const struct hk_hf_text *t = &texts[HK_HF_TOKENIZER];
    struct hk_error problem = {0};
    bool read = t->text ? hk_vocab_from_tokenizer_json(&c->arena, t->text, t->len, v, &problem) ||
                              hk_fail_prefix(&problem, "%s", t->file)
                        : hk_hf_old_vocab(c, texts, &problem);
    if (!read) {
        /* a model that cannot run anyway may be listed without its tokenizer */
        if (problem.code != HK_ERR_UNSUPPORTED || !config || hk_arch_find(c->hparams.arch))
            return hk_fail(err, problem.code, "%s", problem.text);
        hk_vocab_clear(v);
    }
    const struct hk_hf_text *g = &texts[HK_HF_GENERATION_CONFIG];
    cJSON *generation = NULL;
    if (g->text && !(generation = hk_json_parse(g->text, g->len, g->file, err))) return false;
    model_ids(v, config, generation);
    static const enum hk_hf_part configs[] = {HK_HF_SPECIAL_TOKENS, HK_HF_TOKENIZER_CONFIG};
    bool ok = true;
    for (size_t i = 0; ok && i < 2; i++) {
        const struct hk_hf_text *s = &texts[configs[i]];
        cJSON *json = s->text ? hk_json_parse(s->text, s->len, s->file, err) : NULL;
        ok = !s->text || (json && read_tokenizer_config(c, json, s->file, err));
        cJSON_Delete(json);
    }
    hk_vocab_add_stop(v, v->eos);
    stop_ids(v, generation);
    stop_ids(v, config);
    hk_vocab_add_known_stops(v);
    cJSON_Delete(generation);
    const struct hk_hf_text *j = &texts[HK_HF_TEMPLATE];
    if (ok && j->text) ok = (c->chat_template = hk_arena_strndup(&c->arena, j->text, j->len, err)) != NULL;
    return ok;
}

/* ---- the folder ---- */

static bool read_config(struct hk_checkpoint *c, const cJSON *config, const char *file,
                        struct hk_hf_model *model, struct hk_error *err)
{
    if (!cJSON_IsObject(config)) return hk_fail(err, HK_ERR_FORMAT, "%s: is no JSON object", file);
    const struct hk_arch *a = hk_hf_arch_find(config);
    const cJSON *type = hk_json_get(config, "model_type"), *classes = hk_json_get(config, "architectures");
    if (!cJSON_IsString(type) && cJSON_IsArray(classes)) type = classes->child;
    if (!a->name && !cJSON_IsString(type))
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: neither \"model_type\" nor \"architectures\" says what this is", file);
    struct hk_hparams hp = {0};
    /* a type that the loader does not know may be listed; whether it runs is the runtime's to say */
    bool ok = hk_hf_hparams(a, config, file, &hp, &model->tied, a->name ? err : NULL) &&
              hk_hf_quant_read(config, file, &model->quant, a->name ? err : NULL);
    if (!ok && a->name) return false;
    if (!ok) hp = (struct hk_hparams){0};
    snprintf(hp.arch, sizeof hp.arch, "%s", a->name ? a->name : type->valuestring);
    c->hparams = hp;
    c->has_hparams = ok;
    model->arch = a;
    return true;
}

static bool read_quant_files(const struct hk_hf_text texts[HK_HF_PARTS], struct hk_hf_model *model,
                             struct hk_error *err)
{
    static const enum hk_hf_part part_of[] = {[HK_HF_QUANT_FILE_GPTQ] = HK_HF_GPTQ_CONFIG,
                                              [HK_HF_QUANT_FILE_AWQ] = HK_HF_AWQ_CONFIG,
                                              [HK_HF_QUANT_FILE_MODELOPT] = HK_HF_MODELOPT_CONFIG};
    bool ok = true;
    for (int i = 0; ok && i < 3 && model->quant.method == HK_HF_QUANT_NONE; i++) {
        const struct hk_hf_text *t = &texts[part_of[i]];
        cJSON *json = t->text ? hk_json_parse(t->text, t->len, t->file, err) : NULL;
        ok = !t->text ||
             (json && hk_hf_quant_read_file((enum hk_hf_quant_file)i, json, t->file, &model->quant, err));
        cJSON_Delete(json);
    }
    return ok;
}

bool hk_hf_interpret(struct hk_checkpoint *c, const struct hk_hf_text texts[HK_HF_PARTS],
                     struct hk_hf_model *model, struct hk_error *err)
{
    const struct hk_hf_text *t = &texts[HK_HF_CONFIG];
    cJSON *config = NULL;
    bool ok = true;
    *model = (struct hk_hf_model){0};
    if (t->text) {
        config = hk_json_parse(t->text, t->len, t->file, err);
        ok = config && read_config(c, config, t->file, model, err) &&
             (!model->arch->name || read_quant_files(texts, model, err));
    }
    ok = ok && read_vocab(c, texts, config, err);
    cJSON_Delete(config);
    return ok;
}

static const char *const part_names[HK_HF_PARTS] = {
    [HK_HF_CONFIG] = "config.json",
    [HK_HF_TOKENIZER] = "tokenizer.json",
    [HK_HF_SPECIAL_TOKENS] = "special_tokens_map.json",
    [HK_HF_TOKENIZER_CONFIG] = "tokenizer_config.json",
    [HK_HF_GENERATION_CONFIG] = "generation_config.json",
    [HK_HF_TEMPLATE] = "chat_template.jinja",
    [HK_HF_TOKENIZER_MODEL] = "tokenizer.model",
    [HK_HF_VOCAB_JSON] = "vocab.json",
    [HK_HF_MERGES] = "merges.txt",
    [HK_HF_VOCAB_TXT] = "vocab.txt",
    [HK_HF_ADDED_TOKENS] = "added_tokens.json",
    [HK_HF_GPTQ_CONFIG] = "quantize_config.json",
    [HK_HF_AWQ_CONFIG] = "quant_config.json",
    [HK_HF_MODELOPT_CONFIG] = "hf_quant_config.json",
};

static bool open_texts(struct hk_checkpoint *c, struct hk_mapping *maps[HK_HF_PARTS],
                       struct hk_hf_text *texts, struct hk_error *err)
{
    for (size_t i = 0; i < HK_HF_PARTS; i++) {
        const char *path = hk_path_join(&c->arena, c->path, part_names[i], err);
        if (!path) return false;
        if (hk_path_kind(path) == HK_PATH_MISSING) continue;
        maps[i] = hk_mapping_open(path, err);
        if (!maps[i]) return false;
        texts[i] = (struct hk_hf_text){(const char *)maps[i]->data, maps[i]->size, path};
    }
    return true;
}

static bool read_folder(struct hk_checkpoint *c, const struct hk_hf_text texts[HK_HF_PARTS],
                        bool other_tokenizer, struct hk_error *err)
{
    struct hk_hf_model model;
    bool tokenizer = hk_hf_has_vocab(texts) || other_tokenizer;
    struct shards shards = {0};
    if (!texts[HK_HF_CONFIG].text && !hk_hf_has_vocab(texts))
        return hk_fail(
            err, HK_ERR_IO,
            "%s: has no config.json: a Hugging Face folder is needed, or a GGUF or llama2.c file by its name",
            c->path);
    if (!hk_hf_interpret(c, texts, &model, err) || !open_weights(c, &shards, err)) return false;
    if (shards.n > 0 && !model.arch)
        return hk_fail(err, HK_ERR_IO, "%s: has weights but no config.json, which says what they are",
                       c->path);
    if (shards.n == 0 && !tokenizer)
        return hk_fail(err, HK_ERR_IO,
                       "%s: has no weights: model.safetensors, or several with an index, are needed",
                       c->path);
    if (shards.n == 0) c->has_hparams = false; /* a vocabulary only */
    c->untied = c->has_hparams && !model.tied;
    if (shards.n == 0) return true;
    return add_weights(c, &model, &shards, err) &&
           (!c->hparams.n_labels || hk_check_reward_head(c, c->path, "score.weight", err));
}

bool hk_hf_open(struct hk_checkpoint *c, const struct hk_mapping *m, const struct hk_checkpoint_options *opt,
                struct hk_error *err)
{
    (void)m;
    struct hk_mapping *maps[HK_HF_PARTS] = {0};
    struct hk_hf_text texts[HK_HF_PARTS] = {0};
    bool other_tokenizer = opt && opt->tokenizer_path;
    c->format = "safetensors";
    bool ok = open_texts(c, maps, texts, err) && read_folder(c, texts, other_tokenizer, err);
    for (size_t i = 0; i < HK_HF_PARTS; i++) hk_mapping_close(maps[i]);
    if (ok && other_tokenizer) ok = hk_vocab_from_option(c, opt->tokenizer_path, err);
    return ok;
}

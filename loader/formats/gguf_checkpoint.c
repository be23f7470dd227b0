/* What a GGUF file's keys mean. */
#include "loader/archs/arch.h"
#include "loader/formats/gguf.h"
#include "loader/tokenizer/pretokenizers.h"

#include <stdio.h>
#include <string.h>

static bool equals(struct hk_gguf_string s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.text, text, (size_t)s.len) == 0;
}

static int shown(uint64_t len)
{
    return len < 80 ? (int)len : 80;
}

/* Copies what fits, always ending in NUL. */
static void copy_name(char *out, size_t capacity, struct hk_gguf_string s)
{
    size_t len = s.len < capacity ? (size_t)s.len : capacity - 1;
    memcpy(out, s.text, len);
    out[len] = 0;
}

/* ---- hyperparameters ---- */

struct hparam_key {
    const char *suffix; /* after "<architecture>." */
    size_t offset;      /* of a uint32_t in struct hk_hparams */
    bool required;
};

static const struct hparam_key hparam_keys[] = {
    {"block_count", offsetof(struct hk_hparams, n_layer), true},
    {"context_length", offsetof(struct hk_hparams, n_ctx_train), true},
    {"embedding_length", offsetof(struct hk_hparams, n_embd), true},
    {"feed_forward_length", offsetof(struct hk_hparams, n_ff), true},
    {"attention.head_count", offsetof(struct hk_hparams, n_head), true},
    {"attention.head_count_kv", offsetof(struct hk_hparams, n_head_kv), false},
    {"attention.key_length", offsetof(struct hk_hparams, head_dim), false},
    {"rope.dimension_count", offsetof(struct hk_hparams, rope_dim), false},
    {"rope.scaling.original_context_length", offsetof(struct hk_hparams, rope_original_ctx), false},
};

static bool read_rope(const struct hk_gguf *g, struct hk_hparams *hp)
{
    struct hk_gguf_string kind = {"", 0};
    bool has_kind, has_factor = false, has_old = false;
    float factor = 1.0f;
    hp->rope_theta = 10000.0f;
    if (!hk_gguf_f32(g, hk_gguf_key_of(hp, "rope.freq_base").text, 1e-6f, 1e30f, &hp->rope_theta, NULL) ||
        !hk_gguf_str(g, hk_gguf_key_of(hp, "rope.scaling.type").text, &kind, &has_kind) ||
        !hk_gguf_f32(g, hk_gguf_key_of(hp, "rope.scale_linear").text, 0.0f, 1e9f, &factor, &has_old) ||
        !hk_gguf_f32(g, hk_gguf_key_of(hp, "rope.scaling.factor").text, 0.0f, 1e9f, &factor, &has_factor))
        return false;
    /* a factor alone means linear scaling: that was the only kind when the key had no companion */
    bool linear = has_kind ? equals(kind, "linear") : has_factor || has_old;
    if (has_kind && !linear && !equals(kind, "none"))
        return hk_fail(
            g->err, HK_ERR_UNSUPPORTED,
            "%s: rotary scaling \"%.*s\" is not supported: none and linear are (llama3's is a tensor)",
            g->file, shown(kind.len), kind.text);
    if (linear && factor != 0.0f && factor != 1.0f) {
        hp->rope_scaling = HK_ROPE_SCALING_LINEAR;
        hp->rope_factor = factor;
    }
    return true;
}

/* A classification head is named by two things, which must agree. */
static bool read_head(const struct hk_checkpoint *c, const struct hk_gguf *g, struct hk_hparams *hp)
{
    enum { POOLING_RANK = 4 }; /* llama.cpp's enum llama_pooling_type */
    const char *name = "cls.output.weight";
    struct hk_gguf_key key = hk_gguf_key_of(hp, "pooling_type");
    uint32_t pooling = 0;
    if (!hk_gguf_u32(g, key.text, 0, UINT32_MAX, &pooling, NULL)) return false;
    bool head = hk_checkpoint_tensor(c, name) != NULL;
    if (!head && pooling != POOLING_RANK) return true;
    if (head && pooling != POOLING_RANK)
        return hk_fail(g->err, HK_ERR_UNSUPPORTED, "%s: has a tensor %s, but key %s is not %d (rank)",
                       g->file, name, key.text, POOLING_RANK);
    hp->n_labels = 1;
    return hk_check_reward_head(c, g->file, name, g->err);
}

static bool read_hparams(const struct hk_checkpoint *c, const struct hk_gguf *g, struct hk_hparams *hp)
{
    const struct hk_arch *arch = hk_arch_find(hp->arch);
    for (size_t i = 0; i < sizeof hparam_keys / sizeof *hparam_keys; i++) {
        const struct hparam_key *k = &hparam_keys[i];
        bool found;
        struct hk_gguf_key key = hk_gguf_key_of(hp, k->suffix);
        uint32_t *field = (uint32_t *)(void *)((char *)hp + k->offset);
        if (!hk_gguf_u32(g, key.text, 0, UINT32_MAX, field, &found)) return false;
        if (!found && k->required)
            return hk_fail(g->err, HK_ERR_FORMAT, "%s: key %s is missing", g->file, key.text);
    }
    uint32_t value_length = 0;
    bool has_rms, has_eps;
    if (!hk_gguf_u32(g, hk_gguf_key_of(hp, "attention.value_length").text, 0, UINT32_MAX, &value_length,
                     NULL) ||
        !hk_gguf_u32(g, hk_gguf_key_of(hp, "expert_count").text, 0, UINT32_MAX, &hp->n_experts, NULL) ||
        !hk_gguf_f32(g, hk_gguf_key_of(hp, "attention.layer_norm_epsilon").text, 0, 1, &hp->norm_eps,
                     &has_eps) ||
        !hk_gguf_f32(g, hk_gguf_key_of(hp, "attention.layer_norm_rms_epsilon").text, 0, 1, &hp->norm_eps,
                     &has_rms))
        return false;
    if (!has_rms && !has_eps)
        return hk_fail(g->err, HK_ERR_FORMAT,
                       "%s: key %s.attention.layer_norm_rms_epsilon (or layer_norm_epsilon) is missing",
                       g->file, hp->arch);
    if (arch && !hk_gguf_u32(g, hk_gguf_key_of(hp, "attention.sliding_window").text, 0, UINT32_MAX,
                             &hp->sliding_window, NULL))
        return false;
    if (arch && hk_gguf_find(g, hk_gguf_key_of(hp, "attention.sliding_window_pattern").text))
        return hk_fail(
            g->err, HK_ERR_UNSUPPORTED,
            "%s: key %s.attention.sliding_window_pattern: only a window of all layers is supported", g->file,
            hp->arch);
    if (hp->n_experts > 0)
        return hk_fail(g->err, HK_ERR_UNSUPPORTED,
                       "%s: has %u experts: mixtures of experts are not supported yet", g->file,
                       hp->n_experts);
    if (hp->n_head_kv == 0) hp->n_head_kv = hp->n_head;
    if (hp->head_dim == 0 && hp->n_head > 0) {
        if (hp->n_embd % hp->n_head != 0)
            return hk_fail(g->err, HK_ERR_FORMAT,
                           "%s: an embedding of %u cannot be split over %u heads, and "
                           "%s.attention.key_length is missing",
                           g->file, hp->n_embd, hp->n_head, hp->arch);
        hp->head_dim = hp->n_embd / hp->n_head;
    }
    if (value_length != 0 && value_length != hp->head_dim)
        return hk_fail(g->err, HK_ERR_UNSUPPORTED,
                       "%s: keys of %u and values of %u dimensions: they must be equal", g->file,
                       hp->head_dim, value_length);
    hp->activation = arch ? arch->gguf_activation : HK_ACT_SILU;
    hp->rope_pairing = arch ? arch->gguf_pairing : HK_ROPE_HALVES;
    if (arch && !arch->rope) {
        hp->rope_dim = 0;
    } else {
        if (hp->rope_dim == 0) hp->rope_dim = hp->head_dim;
        if (!read_rope(g, hp)) return false;
    }
    const struct hk_ckpt_tensor *embd = hk_checkpoint_tensor(c, "token_embd.weight");
    hp->n_vocab = c->vocab.n_tokens;
    if (hp->n_vocab == 0 &&
        !hk_gguf_u32(g, hk_gguf_key_of(hp, "vocab_size").text, 0, UINT32_MAX, &hp->n_vocab, NULL))
        return false;
    if (embd && embd->n_dims == 2 && embd->shape[0] <= UINT32_MAX) { /* may be padded beyond the tokens */
        if (embd->shape[0] < c->vocab.n_tokens)
            return hk_fail(g->err, HK_ERR_FORMAT, "%s: tensor token_embd.weight has %llu rows for %u tokens",
                           g->file, (unsigned long long)embd->shape[0], c->vocab.n_tokens);
        hp->n_vocab = (uint32_t)embd->shape[0];
    }
    return read_head(c, g, hp) && hk_hparams_check(hp, g->file, g->err);
}

/* ---- vocabulary ---- */

/* A string array as NUL-terminated copies in one block; visit order is the array's. */
static char *string_block(struct hk_arena *a, const struct hk_gguf_kv *kv, struct hk_error *err)
{
    /* every string has 8 bytes of length before it in the file, so that kv->size has room for a NUL each */
    return hk_arena_alloc(a, kv->size + 1, 1, err);
}

static bool read_tokens(struct hk_checkpoint *c, const struct hk_gguf *g, const struct hk_gguf_kv *tokens)
{
    const struct hk_gguf_kv *scores, *types = hk_gguf_find(g, "tokenizer.ggml.token_type");
    if (!hk_gguf_array(g, "tokenizer.ggml.scores", HK_GGUF_F32, &scores)) return false;
    if (types &&
        (types->type != HK_GGUF_ARRAY || (types->element != HK_GGUF_I32 && types->element != HK_GGUF_U32)))
        return hk_fail(g->err, HK_ERR_FORMAT, "%s: key tokenizer.ggml.token_type is no array of int32",
                       g->file);
    if ((scores && scores->count != tokens->count) || (types && types->count != tokens->count))
        return hk_fail(g->err, HK_ERR_FORMAT,
                       "%s: %llu tokens have %llu scores and %llu types: as many are needed", g->file,
                       (unsigned long long)tokens->count,
                       (unsigned long long)(scores ? scores->count : tokens->count),
                       (unsigned long long)(types ? types->count : tokens->count));
    if (tokens->count >= HK_NO_TOKEN) return hk_fail(g->err, HK_ERR_FORMAT, "%s: too many tokens", g->file);
    struct hk_vocab_token *list = hk_arena_alloc(&c->arena, (size_t)tokens->count, sizeof *list, g->err);
    char *text = string_block(&c->arena, tokens, g->err);
    if (!list || !text) return false;
    const uint8_t *p = tokens->data;
    for (uint64_t i = 0; i < tokens->count; i++) {
        struct hk_gguf_string s = hk_gguf_next_string(&p);
        if (s.len > UINT16_MAX)
            return hk_fail(g->err, HK_ERR_FORMAT, "%s: token %llu has %llu bytes: at most %d are accepted",
                           g->file, (unsigned long long)i, (unsigned long long)s.len, UINT16_MAX);
        uint32_t type = types ? hk_load_u32(types->data + 4 * i) : HK_TOKEN_NORMAL;
        if (type < HK_TOKEN_NORMAL || type > HK_TOKEN_BYTE) type = HK_TOKEN_NORMAL;
        list[i] = (struct hk_vocab_token){.text = text,
                                          .len = (uint32_t)s.len,
                                          .score = scores ? hk_load_f32(scores->data + 4 * i) : 0.0f,
                                          .type = (uint8_t)type};
        memcpy(text, s.text, (size_t)s.len);
        text += s.len + 1;
    }
    c->vocab.tokens = list;
    c->vocab.n_tokens = (uint32_t)tokens->count;
    return true;
}

static bool read_merges(struct hk_checkpoint *c, const struct hk_gguf *g)
{
    const struct hk_gguf_kv *kv;
    if (!hk_gguf_array(g, "tokenizer.ggml.merges", HK_GGUF_STRING, &kv)) return false;
    if (!kv) return true;
    if (kv->count >= UINT32_MAX) return hk_fail(g->err, HK_ERR_FORMAT, "%s: too many merges", g->file);
    const char **merges = hk_arena_alloc(&c->arena, (size_t)kv->count, sizeof *merges, g->err);
    uint32_t *left_len = hk_arena_alloc(&c->arena, (size_t)kv->count, sizeof *left_len, g->err);
    char *text = string_block(&c->arena, kv, g->err);
    if (!merges || !left_len || !text) return false;
    const uint8_t *p = kv->data;
    for (uint64_t i = 0; i < kv->count; i++) {
        struct hk_gguf_string s = hk_gguf_next_string(&p);
        /* from the second byte on: the left part may itself begin with a space */
        const char *space = s.len > 2 ? memchr(s.text + 1, ' ', (size_t)s.len - 1) : NULL;
        if (!space || space == s.text + s.len - 1 || s.len > UINT16_MAX || memchr(s.text, 0, (size_t)s.len))
            return hk_fail(g->err, HK_ERR_FORMAT,
                           "%s: merge %llu is \"%.*s\": two pieces with a space between are needed", g->file,
                           (unsigned long long)i, shown(s.len), s.text);
        merges[i] = text;
        left_len[i] = (uint32_t)(space - s.text);
        memcpy(text, s.text, (size_t)s.len);
        text += s.len + 1;
    }
    c->vocab.merges = merges;
    c->vocab.merge_left_len = left_len;
    c->vocab.n_merges = (uint32_t)kv->count;
    return true;
}

static bool read_special(struct hk_checkpoint *c, const struct hk_gguf *g)
{
    struct hk_vocab *v = &c->vocab;
    uint32_t eot = HK_NO_TOKEN, eom = HK_NO_TOKEN, cls = HK_NO_TOKEN, sep = HK_NO_TOKEN;
    const struct hk_pretokenizer *row = v->kind == HK_VOCAB_BPE ? hk_pretokenizer_find(v->pre) : NULL;
    bool add_sep = v->kind == HK_VOCAB_WORDPIECE || (row && row->add_sep);
    const struct {
        const char *key;
        uint32_t *id;
    } ids[] = {
        {"tokenizer.ggml.bos_token_id", &v->bos},     {"tokenizer.ggml.eos_token_id", &v->eos},
        {"tokenizer.ggml.unknown_token_id", &v->unk}, {"tokenizer.ggml.padding_token_id", &v->pad},
        {"tokenizer.ggml.eot_token_id", &eot},        {"tokenizer.ggml.eom_token_id", &eom},
        {"tokenizer.ggml.cls_token_id", &cls},        {"tokenizer.ggml.seperator_token_id", &sep},
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (!hk_gguf_u32(g, ids[i].key, 0, UINT32_MAX, ids[i].id, NULL)) return false;
        if (*ids[i].id >= v->n_tokens) *ids[i].id = HK_NO_TOKEN; /* 4294967295 is how "none" is written */
    }
    if (v->bos == HK_NO_TOKEN) v->bos = cls;
    if (!hk_gguf_bool(g, "tokenizer.ggml.add_bos_token", &v->add_bos, NULL) ||
        !hk_gguf_bool(g, "tokenizer.ggml.add_eos_token", &v->add_eos, NULL) ||
        !hk_gguf_bool(g, "tokenizer.ggml.add_sep_token", &add_sep, NULL))
        return false;
    if (add_sep && sep != HK_NO_TOKEN) { /* what ends a text for the encoders that have it */
        v->eos = sep;
        v->add_eos = true;
    }
    hk_vocab_add_stop(v, v->eos);
    hk_vocab_add_stop(v, eot);
    hk_vocab_add_stop(v, eom);
    hk_vocab_add_known_stops(v);
    return true;
}

/* What SentencePiece's and BERT's normalizers do. */
static bool read_normalizer(struct hk_checkpoint *c, const struct hk_gguf *g)
{
    struct hk_vocab *v = &c->vocab;
    const struct hk_gguf_kv *map = hk_gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
    if (!hk_gguf_bool(g, "tokenizer.ggml.add_space_prefix", &v->add_space_prefix, NULL) ||
        !hk_gguf_bool(g, "tokenizer.ggml.remove_extra_whitespaces", &v->remove_extra_whitespaces, NULL))
        return false;
    if (v->kind == HK_VOCAB_WORDPIECE) {
        bool lower = true, accents;
        if (!hk_gguf_bool(g, "tokenizer.ggml.normalizer.lowercase", &lower, NULL)) return false;
        accents = lower;
        if (!hk_gguf_bool(g, "tokenizer.ggml.normalizer.strip_accents", &accents, NULL)) return false;
        v->bert_flags =
            HK_BERT_CLEAN | HK_BERT_CHINESE | (lower ? HK_BERT_LOWER : 0u) | (accents ? HK_BERT_ACCENTS : 0u);
    }
    if (!map || v->kind != HK_VOCAB_UNIGRAM) return true;
    if (map->type != HK_GGUF_ARRAY || (map->element != HK_GGUF_U8 && map->element != HK_GGUF_I8))
        return hk_fail(g->err, HK_ERR_FORMAT,
                       "%s: key tokenizer.ggml.precompiled_charsmap is no array of bytes", g->file);
    v->charsmap.data = hk_arena_strndup(&c->arena, (const char *)map->data, map->size, g->err);
    v->charsmap.len = map->size;
    return v->charsmap.data != NULL;
}

/* The kinds of vocabulary by their names, and their special tokens where a file does not say them. */
static const struct {
    const char *name;
    enum hk_vocab_kind kind;
    uint32_t bos, eos, unk, pad;
    bool add_bos, add_eos, add_space_prefix;
} MODELS[] = {
    {"gpt2", HK_VOCAB_BPE, HK_NO_TOKEN, HK_NO_TOKEN, HK_NO_TOKEN, HK_NO_TOKEN, false, false, false},
    {"gemma4", HK_VOCAB_BPE, HK_NO_TOKEN, HK_NO_TOKEN, HK_NO_TOKEN, HK_NO_TOKEN, true, false, false},
    {"llama", HK_VOCAB_SPM, HK_NO_TOKEN, HK_NO_TOKEN, HK_NO_TOKEN, HK_NO_TOKEN, true, false, true},
    {"bert", HK_VOCAB_WORDPIECE, 101, 102, 100, 0, true, true, false},
    {"t5", HK_VOCAB_UNIGRAM, HK_NO_TOKEN, 1, 2, 0, false, true, false},
};

static void set_model(struct hk_vocab *v, struct hk_gguf_string model)
{
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++) {
        if (!equals(model, MODELS[i].name)) continue;
        v->kind = MODELS[i].kind;
        v->bos = MODELS[i].bos;
        v->eos = MODELS[i].eos;
        v->unk = MODELS[i].unk;
        v->pad = MODELS[i].pad;
        v->add_bos = MODELS[i].add_bos;
        v->add_eos = MODELS[i].add_eos;
        v->add_space_prefix = MODELS[i].add_space_prefix;
    }
    if (v->kind != HK_VOCAB_WORDPIECE) return;
    v->word_prefix =
        (struct hk_span){"\xE2\x96\x81", 3}; /* where BERT's own files have ## before the other pieces */
    v->max_word_chars = 100;
    v->replace_broken = true;
}

static bool read_vocab(struct hk_checkpoint *c, const struct hk_gguf *g)
{
    struct hk_vocab *v = &c->vocab;
    struct hk_gguf_string model = {"missing", 7}, pre = {"", 0};
    bool has_pre;
    const struct hk_gguf_kv *tokens;
    if (!hk_gguf_str(g, "tokenizer.ggml.model", &model, NULL) ||
        !hk_gguf_str(g, "tokenizer.ggml.pre", &pre, &has_pre) ||
        !hk_gguf_array(g, "tokenizer.ggml.tokens", HK_GGUF_STRING, &tokens))
        return false;
    copy_name(v->kind_name, sizeof v->kind_name, model);
    if (!tokens) return true;
    set_model(v, model);
    /* files from before the key existed: GPT-2's own rule where the model is GPT-2, unknown otherwise */
    if (!has_pre)
        pre = strcmp(c->hparams.arch, "gpt2") ? (struct hk_gguf_string){"default", 7}
                                              : (struct hk_gguf_string){"gpt-2", 5};
    if (equals(model, "gemma4")) pre = model;
    copy_name(v->pre, sizeof v->pre, pre);
    const struct hk_pretokenizer *row = v->kind == HK_VOCAB_BPE ? hk_pretokenizer_find(v->pre) : NULL;
    v->ignore_merges = row && row->ignore_merges;
    v->add_bos = v->add_bos || (row && row->add_bos);
    if (!read_tokens(c, g, tokens) || !read_merges(c, g) || !read_special(c, g) || !read_normalizer(c, g))
        return false;
    v->rank_merges = row && row->rank_merges && v->n_merges == 0;
    v->plain = row && row->plain;
    bool bytes = v->kind == HK_VOCAB_SPM || v->kind == HK_VOCAB_UNIGRAM || v->plain;
    for (uint32_t i = 0; bytes && i < v->n_tokens && !v->byte_fallback; i++)
        v->byte_fallback = v->tokens[i].type == HK_TOKEN_BYTE;
    return true;
}

bool hk_gguf_interpret(struct hk_checkpoint *c, const struct hk_gguf *g, struct hk_error *err)
{
    struct hk_gguf_string arch = {"", 0}, name = {"", 0}, template = {"", 0};
    bool has_template;
    if (!hk_gguf_str(g, "general.architecture", &arch, NULL) ||
        !hk_gguf_str(g, "general.name", &name, NULL) ||
        !hk_gguf_str(g, "tokenizer.chat_template", &template, &has_template))
        return false;
    if (arch.len == 0 || arch.len >= sizeof c->hparams.arch || memchr(arch.text, 0, (size_t)arch.len))
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: general.architecture is missing, or is no name of 1 to %zu letters", g->file,
                       sizeof c->hparams.arch - 1);
    copy_name(c->hparams.arch, sizeof c->hparams.arch, arch);
    if (name.len > 0 && !(c->name = hk_arena_strndup(&c->arena, name.text, (size_t)name.len, err)))
        return false;
    if (has_template &&
        !(c->chat_template = hk_arena_strndup(&c->arena, template.text, (size_t) template.len, err)))
        return false;
    if (!read_vocab(c, g)) return false;
    /* A file with only a vocabulary, or of an architecture that Hekla does not know, may say what it likes
     * about the rest: it can still be listed and its text tokenized. */
    bool strict = c->n_tensors > 0 && hk_arch_find(c->hparams.arch);
    struct hk_gguf quiet = *g;
    quiet.err = strict ? err : NULL;
    struct hk_hparams hp = {0};
    memcpy(hp.arch, c->hparams.arch, sizeof hp.arch);
    bool ok = read_hparams(c, &quiet, &hp);
    if (!ok && strict) return false;
    if (ok) c->hparams = hp;
    c->has_hparams = ok && c->n_tensors > 0;
    return true;
}

bool hk_gguf_open(struct hk_checkpoint *c, const struct hk_mapping *m,
                  const struct hk_checkpoint_options *opt, struct hk_error *err)
{
    struct hk_gguf *g = hk_arena_alloc(&c->arena, 1, sizeof *g, err);
    bool split;
    if (!g || !hk_gguf_parse(c, m->data, m->size, c->path, g, err) || !hk_gguf_is_split(g, &split) ||
        (split && !hk_gguf_join_parts(c, m, g, err)) || !hk_gguf_interpret(c, g, err))
        return false;
    g->err = NULL; /* the caller's is gone by the time that somebody looks a key up again */
    c->gguf = g;
    if (opt && opt->tokenizer_path) return hk_vocab_from_option(c, opt->tokenizer_path, err);
    return true;
}

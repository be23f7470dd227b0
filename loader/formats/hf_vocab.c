/* Older tokenizer files -> struct hk_vocab. */
#include "loader/formats/hf_vocab.h"
#include "loader/formats/vocab_file.h"
#include "loader/tokenizer/vocab_map.h"
#include "loader/tokenizer/vocab_steps.h"
#include "loader/tokenizer/pretokenizers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 1 << 24, MAX_HOLES = 1 << 16 };

struct reader {
    struct hk_checkpoint *c;
    struct hk_vocab *v;
    struct hk_vocab_token *tokens; /* v's, as long as they are made */
    const struct hk_hf_text *texts;
    cJSON *config; /* tokenizer_config.json, or NULL */
    struct hk_error *err;
};

/* ---- tables ---- */

/* How a class of transformers cuts a text before vocab.json's merges. */
static const struct class_row {
    const char *name; /* without "Fast" */
    const char *pre;
    bool nfc, around; /* bos and eos are put around a text */
} CLASSES[] = {
    {"", "gpt-2", false, false},
    {"GPT2Tokenizer", "gpt-2", false, false},
    {"GPTNeoXTokenizer", "gpt-2", false, false},
    {"CodeGenTokenizer", "gpt-2", false, false},
    {"Qwen2Tokenizer", "qwen2", true, false},
    {"RobertaTokenizer", "gpt-2", false, true},
    {"LongformerTokenizer", "gpt-2", false, true},
    {"BartTokenizer", "gpt-2", false, true},
};

static const char *string_of(const cJSON *obj, const char *key)
{
    const cJSON *item = hk_json_get(obj, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static bool flag(const struct reader *r, const char *key, bool *out)
{
    const struct hk_json_at at = {r->config, r->texts[HK_HF_TOKENIZER_CONFIG].file, r->err};
    return !r->config || hk_json_bool(&at, key, HK_JSON_OPTIONAL, out);
}

static const struct class_row *find_class(const struct reader *r)
{
    const char *name = string_of(r->config, "tokenizer_class");
    size_t len = strlen(name);
    if (len > 4 && strcmp(name + len - 4, "Fast") == 0) len -= 4;
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++) {
        if (strlen(CLASSES[i].name) == len && memcmp(CLASSES[i].name, name, len) == 0) return &CLASSES[i];
    }
    char known[300] = "";
    for (size_t i = 1, n = 0; i < sizeof CLASSES / sizeof *CLASSES && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i > 1 ? ", " : "", CLASSES[i].name);
    hk_fail(r->err, HK_ERR_UNSUPPORTED,
            "%s: how tokenizer_class \"%.60s\" uses vocab.json is not known: %s are",
            r->texts[HK_HF_TOKENIZER_CONFIG].file, name, known);
    return NULL;
}

static bool set_token(const struct reader *r, uint64_t id, const char *text, size_t len,
                      enum hk_token_type type)
{
    struct hk_vocab_token *t = &r->tokens[id];
    t->text = hk_arena_strndup(&r->c->arena, text, len, r->err);
    t->len = (uint32_t)len;
    t->type = (uint8_t)type;
    return t->text != NULL;
}

/* Room for ids below n; those without a token are unused. */
static bool grow(struct reader *r, uint32_t n)
{
    if (n <= r->v->n_tokens) return true;
    struct hk_vocab_token *list = hk_arena_alloc(&r->c->arena, n, sizeof *list, r->err);
    if (!list) return false;
    if (r->v->n_tokens > 0) memcpy(list, r->tokens, r->v->n_tokens * sizeof *list);
    for (uint32_t i = r->v->n_tokens; i < n; i++)
        list[i] = (struct hk_vocab_token){.text = "", .type = HK_TOKEN_UNUSED};
    r->tokens = list;
    r->v->tokens = list;
    r->v->n_tokens = n;
    return true;
}

static bool id_of(const struct reader *r, const cJSON *item, const char *text, const char *file, uint32_t *id)
{
    uint64_t n;
    if (!hk_json_is_u64(item, &n) || n >= MAX_TOKENS)
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: the id of token \"%.60s\" is no integer from 0 to %d",
                       file, text, MAX_TOKENS - 1);
    *id = (uint32_t)n;
    return true;
}

/* ---- vocab.json and merges.txt ---- */

static bool read_vocab_json(struct reader *r)
{
    const struct hk_hf_text *t = &r->texts[HK_HF_VOCAB_JSON];
    cJSON *json = hk_json_parse(t->text, t->len, t->file, r->err);
    if (!json) return false;
    uint32_t id = 0, most = 0, count = 0;
    bool ok = cJSON_IsObject(json) && json->child;
    if (!ok) hk_fail(r->err, HK_ERR_FORMAT, "%s: is no object of tokens and their ids", t->file);
    for (const cJSON *item = ok ? json->child : NULL; ok && item; item = item->next, count++) {
        ok = id_of(r, item, item->string, t->file, &id);
        if (ok && id > most) most = id;
    }
    if (ok && most >= count + MAX_HOLES)
        ok = hk_fail(r->err, HK_ERR_FORMAT, "%s: %u tokens, but an id of %u", t->file, count, most);
    ok = ok && grow(r, most + 1);
    for (const cJSON *item = ok ? json->child : NULL; ok && item; item = item->next)
        ok = id_of(r, item, item->string, t->file, &id) &&
             set_token(r, id, item->string, strlen(item->string), HK_TOKEN_NORMAL);
    cJSON_Delete(json);
    return ok;
}

/* The next line, without its end. */
static struct hk_span next_line(struct hk_span *rest)
{
    const char *end = memchr(rest->data, '\n', rest->len);
    struct hk_span line = {rest->data, end ? (size_t)(end - rest->data) : rest->len};
    size_t skip = line.len + (end != NULL);
    *rest = (struct hk_span){rest->data + skip, rest->len - skip};
    if (line.len > 0 && line.data[line.len - 1] == '\r') line.len--;
    return line;
}

/* "left right" per line, behind a line "#version: ..." */
static bool read_merges(struct reader *r)
{
    const struct hk_hf_text *t = &r->texts[HK_HF_MERGES];
    struct hk_span rest = {t->text, t->len};
    size_t lines = 0;
    for (const char *p = t->text; (p = memchr(p, '\n', t->len - (size_t)(p - t->text))) != NULL; p++) lines++;
    const char **merges = hk_arena_alloc(&r->c->arena, lines + 1, sizeof *merges, r->err);
    uint32_t *left = merges ? hk_arena_alloc(&r->c->arena, lines + 1, sizeof *left, r->err) : NULL;
    if (!left) return false;
    uint32_t n = 0;
    for (uint32_t i = 1; rest.len > 0; i++) {
        struct hk_span line = next_line(&rest);
        const char *space = memchr(line.data, ' ', line.len);
        if (line.len == 0 || (line.len > 8 && memcmp(line.data, "#version", 8) == 0)) continue;
        size_t l = space ? (size_t)(space - line.data) : 0;
        if (l == 0 || l + 1 == line.len || memchr(space + 1, ' ', line.len - l - 1) ||
            memchr(line.data, 0, line.len) || n == UINT32_MAX - 1)
            return hk_fail(r->err, HK_ERR_FORMAT, "%s: line %u is not \"left right\"", t->file, i);
        merges[n] = hk_arena_strndup(&r->c->arena, line.data, line.len, r->err);
        left[n] = (uint32_t)l;
        if (!merges[n++]) return false;
    }
    r->v->merges = merges;
    r->v->merge_left_len = left;
    r->v->n_merges = n;
    return true;
}

/* The steps of a row of the table: a Split for each pattern, on bytes. */
static bool set_bpe_steps(struct reader *r, const struct class_row *row)
{
    static const struct hk_norm_step nfc[] = {{.kind = HK_NORM_NFC}};
    static const struct hk_decode_step bytes[] = {{.kind = HK_DECODE_BYTE_LEVEL}};
    const struct hk_pretokenizer *p = hk_pretokenizer_find(row->pre);
    struct hk_pre_step *pre = hk_arena_alloc(&r->c->arena, HK_MAX_PRE_REGEX + 1, sizeof *pre, r->err);
    bool prefix = false;
    uint32_t n = 0;
    if (!p || !pre || !flag(r, "add_prefix_space", &prefix)) return false;
    if (prefix) pre[n++].kind = HK_PRE_PREFIX_SPACE;
    for (size_t i = 0; p->regex[i]; i++)
        pre[n++] = (struct hk_pre_step){.kind = HK_PRE_REGEX, .pattern = hk_span_of(p->regex[i])};
    r->v->steps = (struct hk_text_steps){
        .norm = nfc, .n_norm = row->nfc ? 1 : 0, .pre = pre, .n_pre = n, .decode = bytes, .n_decode = 1};
    r->v->has_steps = true;
    snprintf(r->v->pre, sizeof r->v->pre, "%s", row->pre);
    return true;
}

static bool read_bpe(struct reader *r)
{
    const struct class_row *row = find_class(r);
    if (!row || !read_vocab_json(r) || !read_merges(r) || !set_bpe_steps(r, row)) return false;
    r->v->kind = HK_VOCAB_BPE;
    memcpy(r->v->kind_name, "BPE", sizeof "BPE");
    if (!row->around) return true;
    r->v->bos = hk_vocab_find(r->v, "<s>", 3);
    r->v->eos = hk_vocab_find(r->v, "</s>", 4);
    r->v->add_bos = r->v->add_eos = true;
    return true;
}

/* ---- vocab.txt ---- */

static bool read_wordpiece(struct reader *r)
{
    static const char *const names[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    static const struct hk_decode_step decode[] = {
        {.kind = HK_DECODE_WORDPIECE, .pattern = {"##", 2}, .flag = true}};
    const struct hk_hf_text *t = &r->texts[HK_HF_VOCAB_TXT];
    struct hk_vocab *v = r->v;
    struct hk_span rest = {t->text, t->len};
    uint32_t n = 0, ids[5];
    bool lower = true, chinese = true;
    while (rest.len > 0) next_line(&rest), n++;
    if (n == 0 || n > MAX_TOKENS)
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: %u lines are no vocabulary", t->file, n);
    if (!grow(r, n)) return false;
    rest = (struct hk_span){t->text, t->len};
    for (uint32_t i = 0; i < n; i++) {
        struct hk_span line = next_line(&rest);
        if (line.len > UINT16_MAX)
            return hk_fail(r->err, HK_ERR_FORMAT, "%s: line %u is too long", t->file, i + 1);
        if (!set_token(r, i, line.data, line.len, HK_TOKEN_NORMAL)) return false;
    }
    for (size_t i = 0; i < 5; i++) {
        ids[i] = hk_vocab_find(v, names[i], strlen(names[i]));
        if (ids[i] != HK_NO_TOKEN) r->tokens[ids[i]].type = HK_TOKEN_CONTROL;
    }
    if (!flag(r, "do_lower_case", &lower) || !flag(r, "tokenize_chinese_chars", &chinese)) return false;
    bool accents = lower;
    struct hk_norm_step *norm = hk_arena_alloc(&r->c->arena, 1, sizeof *norm, r->err);
    struct hk_pre_step *pre = norm ? hk_arena_alloc(&r->c->arena, 2, sizeof *pre, r->err) : NULL;
    if (!pre || !flag(r, "strip_accents", &accents)) return false;
    *norm = (struct hk_norm_step){.kind = HK_NORM_BERT,
                                  .flags = HK_BERT_CLEAN | (chinese ? HK_BERT_CHINESE : 0u) |
                                           (accents ? HK_BERT_ACCENTS : 0u) | (lower ? HK_BERT_LOWER : 0u)};
    pre[0] = (struct hk_pre_step){.kind = HK_PRE_CLASS, .class = HK_CHAR_SPACE, .behavior = HK_SPLIT_REMOVED};
    pre[1] = (struct hk_pre_step){.kind = HK_PRE_CLASS, .class = HK_CHAR_PUNCTUATION};
    v->steps = (struct hk_text_steps){
        .norm = norm, .n_norm = 1, .pre = pre, .n_pre = 2, .decode = decode, .n_decode = 1};
    v->has_steps = v->add_bos = v->add_eos = v->replace_broken = true;
    v->kind = HK_VOCAB_WORDPIECE;
    memcpy(v->kind_name, "WordPiece", sizeof "WordPiece");
    memcpy(v->pre, "steps", sizeof "steps");
    v->part_prefix = hk_span_of("##");
    v->max_word_chars = 100;
    v->pad = ids[0];
    v->unk = ids[1];
    v->bos = ids[2];
    v->eos = ids[3];
    return true;
}

/* ---- added and special tokens ---- */

/* A token that is looked for in the text: a new one, or one of the vocabulary that is special. */
static bool add_token(struct reader *r, uint32_t id, const char *text, const cJSON *spec, bool special,
                      const char *file)
{
    size_t len = strlen(text);
    uint8_t flags = HK_TOKEN_MATCH_TEXT;
    if (len == 0 || len > UINT16_MAX || id >= r->v->n_tokens + MAX_HOLES)
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: token \"%.60s\" cannot have the id %u", file, text, id);
    if (cJSON_IsTrue(hk_json_get(spec, "lstrip"))) flags |= HK_TOKEN_MATCH_LSTRIP;
    if (cJSON_IsTrue(hk_json_get(spec, "rstrip"))) flags |= HK_TOKEN_MATCH_RSTRIP;
    if (cJSON_IsTrue(hk_json_get(spec, "single_word"))) flags |= HK_TOKEN_MATCH_WORD;
    if (!grow(r, id + 1)) return false;
    bool unknown = r->tokens[id].type == HK_TOKEN_UNKNOWN;
    if (!set_token(r, id, text, len, special ? HK_TOKEN_CONTROL : HK_TOKEN_USER_DEFINED)) return false;
    if (unknown) r->tokens[id].type = HK_TOKEN_UNKNOWN;
    r->tokens[id].flags = flags;
    return true;
}

/* {"token": id} */
static bool read_added_tokens(struct reader *r)
{
    const struct hk_hf_text *t = &r->texts[HK_HF_ADDED_TOKENS];
    cJSON *json = t->text ? hk_json_parse(t->text, t->len, t->file, r->err) : NULL;
    bool ok = !t->text || json;
    uint32_t id = 0;
    for (const cJSON *item = json ? json->child : NULL; ok && item; item = item->next) {
        const char *text = item->string ? item->string : "";
        ok = id_of(r, item, text, t->file, &id) && add_token(r, id, text, NULL, false, t->file);
    }
    cJSON_Delete(json);
    return ok;
}

/* tokenizer_config.json: {"added_tokens_decoder": {"id": {"content": "token", ...}}} */
static bool read_decoder(struct reader *r)
{
    const char *file = r->texts[HK_HF_TOKENIZER_CONFIG].file;
    const cJSON *item;
    cJSON_ArrayForEach(item, hk_json_get(r->config, "added_tokens_decoder"))
    {
        char *end;
        unsigned long id = item->string ? strtoul(item->string, &end, 10) : MAX_TOKENS;
        if (id >= MAX_TOKENS || end == item->string || *end)
            return hk_fail(r->err, HK_ERR_FORMAT, "%s: \"%.60s\" is no token's id", file,
                           item->string ? item->string : "");
        bool special = cJSON_IsTrue(hk_json_get(item, "special"));
        if (!add_token(r, (uint32_t)id, string_of(item, "content"), item, special, file)) return false;
    }
    return true;
}

/* "token" or {"content": "token"}: it is a control token. */
static void mark_special(struct reader *r, const cJSON *item)
{
    if (cJSON_IsObject(item)) item = hk_json_get(item, "content");
    if (!cJSON_IsString(item)) return;
    uint32_t id = hk_vocab_find(r->v, item->valuestring, strlen(item->valuestring));
    if (id == HK_NO_TOKEN || r->tokens[id].type == HK_TOKEN_UNKNOWN) return;
    r->tokens[id].type = HK_TOKEN_CONTROL;
}

static void mark_all_special(struct reader *r, const cJSON *map)
{
    const cJSON *item, *more;
    cJSON_ArrayForEach(item, map)
    {
        size_t len = item->string ? strlen(item->string) : 0;
        if (len > 6 && strcmp(item->string + len - 6, "_token") == 0) mark_special(r, item);
        if (!item->string || strcmp(item->string, "additional_special_tokens") != 0) continue;
        cJSON_ArrayForEach(more, item) mark_special(r, more);
    }
}

static bool read_special(struct reader *r)
{
    const struct hk_hf_text *t = &r->texts[HK_HF_SPECIAL_TOKENS];
    cJSON *map = t->text ? hk_json_parse(t->text, t->len, t->file, r->err) : NULL;
    if (t->text && !map) return false;
    mark_all_special(r, r->config);
    mark_all_special(r, map);
    cJSON_Delete(map);
    uint32_t end =
        hk_vocab_find(r->v, "<|endoftext|>", 13); /* GPT-2's, which its oldest folders do not name */
    if (end != HK_NO_TOKEN && r->tokens[end].type == HK_TOKEN_NORMAL) r->tokens[end].type = HK_TOKEN_CONTROL;
    if (end != HK_NO_TOKEN && r->v->eos == HK_NO_TOKEN) r->v->eos = end;
    if (end != HK_NO_TOKEN && r->v->bos == HK_NO_TOKEN && r->v->kind == HK_VOCAB_BPE) r->v->bos = end;
    return true;
}

/* ---- all ---- */

bool hk_hf_has_vocab(const struct hk_hf_text t[HK_HF_PARTS])
{
    return t[HK_HF_TOKENIZER].text || t[HK_HF_TOKENIZER_MODEL].text || t[HK_HF_VOCAB_TXT].text ||
           (t[HK_HF_VOCAB_JSON].text && t[HK_HF_MERGES].text);
}

static bool read_base(struct reader *r)
{
    const struct hk_hf_text *t = &r->texts[HK_HF_TOKENIZER_MODEL];
    if (!t->text) return r->texts[HK_HF_VOCAB_JSON].text ? read_bpe(r) : read_wordpiece(r);
    if (!hk_vocab_file_read(r->c, (const uint8_t *)t->text, t->len, t->file, r->err)) return false;
    r->v->n_stop = 0; /* found again once all tokens are known */
    const struct hk_vocab_token *list = r->v->tokens;
    uint32_t n = r->v->n_tokens;
    r->v->n_tokens = 0;
    if (!grow(r, n)) return false;
    memcpy(r->tokens, list, n * sizeof *list);
    return true;
}

bool hk_hf_old_vocab(struct hk_checkpoint *c, const struct hk_hf_text texts[HK_HF_PARTS],
                     struct hk_error *err)
{
    const struct hk_hf_text *t = &texts[HK_HF_TOKENIZER_CONFIG];
    if (!hk_hf_has_vocab(texts)) return true;
    struct reader r = {.c = c, .v = &c->vocab, .texts = texts, .err = err};
    if (t->text && !(r.config = hk_json_parse(t->text, t->len, t->file, err))) return false;
    hk_vocab_clear(&c->vocab);
    bool ok = read_base(&r) && read_added_tokens(&r) && read_decoder(&r) && read_special(&r);
    cJSON_Delete(r.config);
    return ok;
}

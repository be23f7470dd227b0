/* tokenizer.json -> struct hk_vocab. Whatever would change the tokens and is not understood is refused by
 * name. */
#include "tokenizer_json.h"
#include "json_util.h"
#include "normalize.h"
#include "pretokenizers.h"
#include "vocab_map.h"

#include <stdio.h>
#include <string.h>

static const char FILE_NAME[] = "tokenizer.json";
enum { MAX_PATTERNS = 32, MAX_TOKENS = 1 << 24, MAX_HOLES = 1 << 16 };

struct reader {
    struct hk_arena *arena;
    struct hk_vocab *v;
    struct hk_vocab_token *tokens;
    const char *patterns[MAX_PATTERNS];
    bool byte_level;
    struct hk_error *err;
};

static bool refuse(const struct reader *r, const char *what, const char *name, const char *known)
{
    return hk_fail(r->err, HK_ERR_UNSUPPORTED, "%s: %s '%s' is not supported: known are %s", FILE_NAME, what,
                   name, known);
}

static const char *string_of(const cJSON *obj, const char *key)
{
    const cJSON *item = hk_json_get(obj, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static bool is_true(const cJSON *obj, const char *key)
{
    return cJSON_IsTrue(hk_json_get(obj, key));
}

static bool flag(const struct reader *r, const cJSON *obj, const char *key, bool *out)
{
    const struct hk_json_at at = {obj, FILE_NAME, r->err};
    return hk_json_bool(&at, key, HK_JSON_OPTIONAL, out);
}

/* ---- model: tokens and merges ---- */

static bool id_of(const struct reader *r, const cJSON *item, const char *text, uint64_t *id)
{
    if (hk_json_is_u64(item, id) && *id < MAX_TOKENS) return true;
    return hk_fail(r->err, HK_ERR_FORMAT, "%s: the id of token \"%.60s\" is no integer from 0 to %d",
                   FILE_NAME, text, MAX_TOKENS - 1);
}

/* One more than the greatest id. */
static bool count_tokens(const struct reader *r, const cJSON *vocab, const cJSON *added, uint32_t *n_tokens)
{
    uint64_t id, most = 0, count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, vocab)
    {
        if (!id_of(r, item, item->string, &id)) return false;
        if (id > most) most = id;
        count++;
    }
    cJSON_ArrayForEach(item, added)
    {
        if (!id_of(r, hk_json_get(item, "id"), string_of(item, "content"), &id)) return false;
        if (id > most) most = id;
        count++;
    }
    if (count == 0) return hk_fail(r->err, HK_ERR_FORMAT, "%s: the vocabulary has no tokens", FILE_NAME);
    if (most >= count + MAX_HOLES)
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: %llu tokens, but an id of %llu", FILE_NAME,
                       (unsigned long long)count, (unsigned long long)most);
    *n_tokens = (uint32_t)most + 1;
    return true;
}

static bool set_token(const struct reader *r, uint64_t id, const char *text, enum hk_token_type type)
{
    struct hk_vocab_token *t = &r->tokens[id];
    size_t len = strlen(text);
    if (len > UINT32_MAX) return hk_fail(r->err, HK_ERR_FORMAT, "%s: a token is too long", FILE_NAME);
    t->text = hk_arena_strndup(r->arena, text, len, r->err);
    t->len = (uint32_t)len;
    t->type = (uint8_t)type;
    return t->text != NULL;
}

static bool is_byte_spelling(const char *s)
{
    static const char HEX[] = "0123456789ABCDEF";
    return strlen(s) == 6 && memcmp(s, "<0x", 3) == 0 && strchr(HEX, s[3]) && strchr(HEX, s[4]) &&
           s[5] == '>';
}

/* One of added_tokens. Where the model knows its text already, the model's id is the one that counts. */
static bool read_added_token(const struct reader *r, const struct hk_vocab_map *known, const cJSON *item)
{
    const struct hk_json_at at = {item, FILE_NAME, r->err};
    const char *content = "";
    uint64_t id = 0;
    bool special = false, lstrip = false, rstrip = false, word = false, normalized = false;
    if (!hk_json_string(&at, "content", HK_JSON_REQUIRED, &content) ||
        !id_of(r, hk_json_get(item, "id"), content, &id) ||
        !hk_json_bool(&at, "special", HK_JSON_OPTIONAL, &special) ||
        !hk_json_bool(&at, "lstrip", HK_JSON_OPTIONAL, &lstrip) ||
        !hk_json_bool(&at, "rstrip", HK_JSON_OPTIONAL, &rstrip) ||
        !hk_json_bool(&at, "single_word", HK_JSON_OPTIONAL, &word) ||
        !hk_json_bool(&at, "normalized", HK_JSON_OPTIONAL, &normalized))
        return false;
    uint32_t model_id = hk_vocab_map_get(known, content, strlen(content));
    if (model_id != HK_NO_TOKEN) id = model_id;
    if (!set_token(r, id, content, special ? HK_TOKEN_CONTROL : HK_TOKEN_USER_DEFINED)) return false;
    r->tokens[id].flags =
        (uint8_t)((lstrip ? HK_TOKEN_MATCH_LSTRIP : 0) | (rstrip ? HK_TOKEN_MATCH_RSTRIP : 0) |
                  (word ? HK_TOKEN_MATCH_WORD : 0) | (normalized ? HK_TOKEN_MATCH_NORMALIZED : 0));
    return true;
}

static bool read_tokens(struct reader *r, const cJSON *vocab, const cJSON *added)
{
    const cJSON *item;
    uint64_t id = 0;
    if (!count_tokens(r, vocab, added, &r->v->n_tokens)) return false;
    r->tokens = hk_arena_alloc(r->arena, r->v->n_tokens, sizeof *r->tokens, r->err);
    if (!r->tokens) return false;
    r->v->tokens = r->tokens;
    for (uint32_t i = 0; i < r->v->n_tokens; i++)
        r->tokens[i] = (struct hk_vocab_token){.text = "", .type = HK_TOKEN_UNUSED};
    struct hk_vocab_map known;
    bool ok = hk_vocab_map_init(&known, (size_t)cJSON_GetArraySize(vocab), r->err);
    for (item = vocab->child; ok && item; item = item->next) {
        bool byte = r->v->byte_fallback && is_byte_spelling(item->string);
        ok = id_of(r, item, item->string, &id) &&
             set_token(r, id, item->string, byte ? HK_TOKEN_BYTE : HK_TOKEN_NORMAL);
        if (ok) hk_vocab_map_put(&known, item->string, (uint32_t)strlen(item->string), (uint32_t)id);
    }
    for (item = added ? added->child : NULL; ok && item; item = item->next)
        ok = read_added_token(r, &known, item);
    hk_vocab_map_free(&known);
    return ok;
}

/* A merge is "left right" or ["left", "right"]; the second form allows spaces in its sides. */
static bool read_merge(const struct reader *r, const cJSON *item, uint32_t n, const char **merge,
                       uint32_t *left_len)
{
    const char *left = cJSON_IsString(item) ? item->valuestring : "", *right = "";
    size_t l = strcspn(left, " ");
    if (left[l] == ' ') right = left + l + 1;
    bool pair = cJSON_IsArray(item);
    if (pair) {
        const cJSON *a = item->child, *b = a ? a->next : NULL;
        if (cJSON_IsString(a) && cJSON_IsString(b) && !b->next) {
            left = a->valuestring;
            l = strlen(left);
            right = b->valuestring;
        }
    }
    size_t k = strlen(right);
    if (l == 0 || k == 0 || l > UINT32_MAX / 2 || (!pair && strchr(right, ' ')))
        return hk_fail(r->err, HK_ERR_FORMAT,
                       "%s: merge %u is neither \"left right\" nor [\"left\", \"right\"]", FILE_NAME, n);
    char *text = hk_arena_alloc(r->arena, l + k + 2, 1, r->err);
    if (!text) return false;
    memcpy(text, left, l);
    text[l] = ' ';
    memcpy(text + l + 1, right, k);
    *merge = text;
    *left_len = (uint32_t)l;
    return true;
}

static bool read_merges(const struct reader *r, const cJSON *merges)
{
    const cJSON *item;
    uint32_t n = 0;
    size_t count = (size_t)cJSON_GetArraySize(merges);
    const char **texts = hk_arena_alloc(r->arena, count, sizeof *texts, r->err);
    uint32_t *left_len = texts ? hk_arena_alloc(r->arena, count, sizeof *left_len, r->err) : NULL;
    if (!left_len) return false;
    cJSON_ArrayForEach(item, merges)
    {
        /* the first line of a merges.txt, carried along by old converters */
        if (cJSON_IsString(item) && strncmp(item->valuestring, "#version", 8) == 0) continue;
        if (!read_merge(r, item, n, &texts[n], &left_len[n])) return false;
        n++;
    }
    r->v->merges = texts;
    r->v->merge_left_len = left_len;
    r->v->n_merges = n;
    return true;
}

static bool read_model(struct reader *r, const cJSON *model, const cJSON *added)
{
    const cJSON *vocab = hk_json_get(model, "vocab"), *merges = hk_json_get(model, "merges");
    const char *type = string_of(model, "type");
    if (!model) return hk_fail(r->err, HK_ERR_FORMAT, "%s: \"model\" is missing", FILE_NAME);
    /* old files do not say it */
    if (type[0] == 0 && cJSON_IsObject(vocab) && cJSON_IsArray(merges)) type = "BPE";
    snprintf(r->v->kind_name, sizeof r->v->kind_name, "%s", type);
    if (strcmp(type, "BPE") != 0) return refuse(r, "model type", type, "BPE");
    if (!cJSON_IsObject(vocab) || !cJSON_IsArray(merges))
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: a BPE model needs \"vocab\" and \"merges\"", FILE_NAME);
    if (string_of(model, "continuing_subword_prefix")[0] || string_of(model, "end_of_word_suffix")[0])
        return hk_fail(
            r->err, HK_ERR_UNSUPPORTED,
            "%s: continuing_subword_prefix and end_of_word_suffix are not supported: they must be empty",
            FILE_NAME);
    if (!flag(r, model, "byte_fallback", &r->v->byte_fallback) ||
        !flag(r, model, "fuse_unk", &r->v->fuse_unk) ||
        !flag(r, model, "ignore_merges", &r->v->ignore_merges) || !read_tokens(r, vocab, added) ||
        !read_merges(r, merges))
        return false;
    const char *unk = string_of(model, "unk_token");
    for (uint32_t i = 0; unk[0] && i < r->v->n_tokens; i++) {
        if (strcmp(r->tokens[i].text, unk) == 0) r->v->unk = i, r->v->emit_unk = true;
    }
    r->v->kind = HK_VOCAB_BPE;
    return true;
}

/* ---- normalizer ---- */

static bool read_normalizer(struct reader *r, const cJSON *n)
{
    if (!n) return true;
    const char *type = string_of(n, "type");
    if (strcmp(type, "Sequence") == 0) {
        const cJSON *item;
        cJSON_ArrayForEach(item, hk_json_get(n, "normalizers"))
        {
            if (!read_normalizer(r, item)) return false;
        }
        return true;
    }
    if (strcmp(type, "NFC") == 0) {
        r->v->nfc = true;
        return true;
    }
    if (strcmp(type, "Prepend") == 0 && strcmp(string_of(n, "prepend"), HK_METASPACE) == 0) {
        r->v->add_space_prefix = true;
        r->v->space_prefix = HK_PREFIX_EACH;
        return true;
    }
    if (strcmp(type, "Replace") == 0 && strcmp(string_of(hk_json_get(n, "pattern"), "String"), " ") == 0 &&
        strcmp(string_of(n, "content"), HK_METASPACE) == 0) {
        r->v->metaspace = true;
        return true;
    }
    return refuse(r, "normalizer", type, "NFC, Prepend and Replace of spaces by U+2581, Sequence");
}

/* ---- pre-tokenizer ---- */

static bool add_pattern(struct reader *r, const char *pattern)
{
    if (r->v->n_pre_regex == MAX_PATTERNS)
        return hk_fail(r->err, HK_ERR_UNSUPPORTED, "%s: more than %d pre-tokenizers", FILE_NAME,
                       MAX_PATTERNS);
    char *copy = hk_arena_strndup(r->arena, pattern, strlen(pattern), r->err);
    r->patterns[r->v->n_pre_regex++] = copy;
    return copy != NULL;
}

/* A plain string as a pattern. */
static bool add_literal(struct reader *r, const char *s)
{
    struct hk_bytes b = {0};
    bool ok = true;
    for (; ok && *s; s++) {
        bool special = strchr("\\^$.|?*+()[]{}-&", *s) != NULL;
        ok = (!special || hk_bytes_append(&b, "\\", 1, r->err)) && hk_bytes_append(&b, s, 1, r->err);
    }
    ok = ok && (b.len == 0 || add_pattern(r, b.data));
    hk_bytes_free(&b);
    return ok;
}

static bool read_split(struct reader *r, const cJSON *p)
{
    const cJSON *pattern = hk_json_get(p, "pattern");
    const char *behavior = string_of(p, "behavior"), *regex = string_of(pattern, "Regex"),
               *string = string_of(pattern, "String");
    /* After Replace there are no spaces left to split at. */
    if (r->v->metaspace && strcmp(string, " ") == 0) return true;
    /* Removing what does not match: the patterns in use match everything, so that nothing is removed. */
    bool kept =
        strcmp(behavior, "Isolated") == 0 || (strcmp(behavior, "Removed") == 0 && is_true(p, "invert"));
    if (!kept) return refuse(r, "Split behavior", behavior, "Isolated, and Removed with invert");
    return regex[0] ? add_pattern(r, regex) : add_literal(r, string);
}

static bool read_byte_level(struct reader *r, const cJSON *p)
{
    bool prefix = false, use_regex = true;
    if (!flag(r, p, "add_prefix_space", &prefix) || !flag(r, p, "use_regex", &use_regex)) return false;
    if (prefix && r->v->n_pre_regex > 0)
        return hk_fail(r->err, HK_ERR_UNSUPPORTED,
                       "%s: ByteLevel with add_prefix_space behind another pre-tokenizer", FILE_NAME);
    if (prefix) {
        r->v->add_space_prefix = true;
        r->v->space_prefix = HK_PREFIX_UNLESS_SPACE;
    }
    r->byte_level = true;
    return !use_regex || add_pattern(r, hk_gpt2_regex);
}

static bool read_metaspace(struct reader *r, const cJSON *p)
{
    const char *scheme = string_of(p, "prepend_scheme");
    bool split = true, prefix = true;
    if (strcmp(string_of(p, "replacement"), HK_METASPACE) != 0)
        return refuse(r, "Metaspace replacement", string_of(p, "replacement"), "U+2581");
    if (r->v->n_pre_regex > 0 || r->v->metaspace)
        return hk_fail(r->err, HK_ERR_UNSUPPORTED, "%s: Metaspace behind another pre-tokenizer or Replace",
                       FILE_NAME);
    if (!flag(r, p, "split", &split) || !flag(r, p, "add_prefix_space", &prefix)) return false;
    r->v->metaspace = true;
    r->v->add_space_prefix = scheme[0] ? strcmp(scheme, "never") != 0 : prefix;
    r->v->space_prefix = strcmp(scheme, "first") == 0 ? HK_PREFIX_FIRST : HK_PREFIX_UNLESS_SPACE;
    return !split || add_pattern(r, HK_METASPACE "[^" HK_METASPACE "]*");
}

static bool read_pre_tokenizer(struct reader *r, const cJSON *p)
{
    if (!p) return true;
    const char *type = string_of(p, "type");
    if (strcmp(type, "Sequence") == 0) {
        const cJSON *item;
        cJSON_ArrayForEach(item, hk_json_get(p, "pretokenizers"))
        {
            if (!read_pre_tokenizer(r, item)) return false;
        }
        return true;
    }
    if (r->byte_level)
        return hk_fail(r->err, HK_ERR_UNSUPPORTED,
                       "%s: pre-tokenizer '%.60s' behind ByteLevel is not supported", FILE_NAME, type);
    if (strcmp(type, "ByteLevel") == 0) return read_byte_level(r, p);
    if (strcmp(type, "Split") == 0) return read_split(r, p);
    if (strcmp(type, "Metaspace") == 0) return read_metaspace(r, p);
    if (strcmp(type, "Digits") == 0)
        return add_pattern(r, is_true(p, "individual_digits") ? "\\p{N}" : "\\p{N}+");
    return refuse(r, "pre-tokenizer", type, "ByteLevel, Split, Digits, Metaspace, Sequence");
}

static bool read_words(struct reader *r, const cJSON *root)
{
    if (!read_normalizer(r, hk_json_get(root, "normalizer")) ||
        !read_pre_tokenizer(r, hk_json_get(root, "pre_tokenizer")))
        return false;
    struct hk_vocab *v = r->v;
    if (r->byte_level == v->metaspace)
        return hk_fail(
            r->err, HK_ERR_UNSUPPORTED,
            "%s: BPE %s is not supported: either a ByteLevel pre-tokenizer or spaces spelt U+2581 are needed",
            FILE_NAME, r->byte_level ? "over bytes and U+2581" : "over plain characters");
    memcpy(v->pre, "regex", sizeof "regex");
    const char **patterns = hk_arena_alloc(r->arena, v->n_pre_regex, sizeof *patterns, r->err);
    if (!patterns) return false;
    memcpy(patterns, r->patterns, v->n_pre_regex * sizeof *patterns);
    v->pre_regex = patterns;
    return true;
}

/* ---- post-processor and special tokens ---- */

static bool set_template_token(const struct reader *r, const cJSON *specials, const char *name, bool before)
{
    uint64_t id = 0;
    const cJSON *ids = hk_json_get(hk_json_get(specials, name), "ids");
    if (cJSON_GetArraySize(ids) != 1 || !hk_json_is_u64(ids->child, &id) || id >= r->v->n_tokens)
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: the template's token \"%.60s\" is not one id below %u",
                       FILE_NAME, name, r->v->n_tokens);
    bool *add = before ? &r->v->add_bos : &r->v->add_eos;
    if (*add)
        return hk_fail(r->err, HK_ERR_UNSUPPORTED, "%s: the template puts more than one token %s the text",
                       FILE_NAME, before ? "before" : "behind");
    *add = true;
    *(before ? &r->v->bos : &r->v->eos) = (uint32_t)id;
    return true;
}

/* "single": the special tokens around the one text. */
static bool read_template(const struct reader *r, const cJSON *p)
{
    const cJSON *item, *specials = hk_json_get(p, "special_tokens");
    bool before = true;
    cJSON_ArrayForEach(item, hk_json_get(p, "single"))
    {
        const cJSON *special = hk_json_get(item, "SpecialToken");
        if (!special)
            before = false;
        else if (!set_template_token(r, specials, string_of(special, "id"), before))
            return false;
    }
    return true;
}

/* "cls" or "sep" of the older processors: ["</s>", 2]. */
static bool read_pair(const struct reader *r, const cJSON *p, const char *key, uint32_t *id, bool *add)
{
    uint64_t n = 0;
    const cJSON *pair = hk_json_get(p, key);
    if (cJSON_GetArraySize(pair) != 2 || !hk_json_is_u64(pair->child->next, &n) || n >= r->v->n_tokens)
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: the post-processor's \"%s\" is not [token, id]", FILE_NAME,
                       key);
    *id = (uint32_t)n;
    *add = true;
    return true;
}

static bool read_post_processor(const struct reader *r, const cJSON *p)
{
    if (!p) return true;
    const char *type = string_of(p, "type");
    if (strcmp(type, "Sequence") == 0) {
        const cJSON *item;
        cJSON_ArrayForEach(item, hk_json_get(p, "processors"))
        {
            if (!read_post_processor(r, item)) return false;
        }
        return true;
    }
    if (strcmp(type, "ByteLevel") == 0) return true; /* offsets only */
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(r, p);
    if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0)
        return read_pair(r, p, "cls", &r->v->bos, &r->v->add_bos) &&
               read_pair(r, p, "sep", &r->v->eos, &r->v->add_eos);
    return refuse(r, "post-processor", type,
                  "ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, Sequence");
}

/* The first of the names that is a special token, where nothing better is known. */
static void guess(const struct reader *r, uint32_t *id, const char *const *names)
{
    for (; *names && *id == HK_NO_TOKEN; names++) {
        for (uint32_t i = 0; i < r->v->n_tokens; i++) {
            if (r->tokens[i].type == HK_TOKEN_CONTROL && strcmp(r->tokens[i].text, *names) == 0) *id = i;
        }
    }
}

bool hk_vocab_from_tokenizer_json(struct hk_arena *arena, const char *json, size_t len,
                                  struct hk_vocab *vocab, struct hk_error *err)
{
    static const char *const begins[] = {"<s>", "<|begin_of_text|>", "<bos>", "<|endoftext|>", NULL};
    static const char *const ends[] = {"</s>", "<|end_of_text|>", "<eos>", "<|endoftext|>", NULL};
    cJSON *root = hk_json_parse(json, len, FILE_NAME, err);
    if (!root) return false;
    *vocab =
        (struct hk_vocab){.bos = HK_NO_TOKEN, .eos = HK_NO_TOKEN, .unk = HK_NO_TOKEN, .pad = HK_NO_TOKEN};
    struct reader r = {.arena = arena, .v = vocab, .err = err};
    bool ok = read_model(&r, hk_json_get(root, "model"), hk_json_get(root, "added_tokens")) &&
              read_words(&r, root) && read_post_processor(&r, hk_json_get(root, "post_processor"));
    if (ok) {
        guess(&r, &vocab->bos, begins);
        guess(&r, &vocab->eos, ends);
    }
    cJSON_Delete(root);
    return ok;
}

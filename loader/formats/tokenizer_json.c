/* tokenizer.json -> struct hk_vocab. Whatever would change the tokens and is not understood is refused by
 * name. */
#include "loader/formats/tokenizer_json.h"
#include "loader/formats/tokenizer_json_parts.h"
#include "loader/tokenizer/vocab_map.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME hk_tokenizer_json_name
const char hk_tokenizer_json_name[] = "tokenizer.json";
enum { MAX_TOKENS = 1 << 24, MAX_HOLES = 1 << 16 };

bool hk_reader_refuse(const struct hk_json_reader *r, const char *what, const char *name, const char *known)
{
    return hk_fail(r->err, HK_ERR_UNSUPPORTED, "%s: %s '%.100s' is not supported: known are %s", FILE_NAME,
                   what, name, known);
}

const char *hk_reader_string(const cJSON *obj, const char *key)
{
    const cJSON *item = hk_json_get(obj, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

bool hk_reader_flag(const struct hk_json_reader *r, const cJSON *obj, const char *key, bool *out)
{
    const struct hk_json_at at = {obj, FILE_NAME, r->err};
    return hk_json_bool(&at, key, HK_JSON_OPTIONAL, out);
}

bool hk_reader_copy(const struct hk_json_reader *r, const char *s, struct hk_span *out)
{
    *out = (struct hk_span){hk_arena_strndup(r->arena, s, strlen(s), r->err), strlen(s)};
    return out->data != NULL;
}

/* ---- model: tokens and merges ---- */

static bool id_of(const struct hk_json_reader *r, const cJSON *item, const char *text, uint64_t *id)
{
    if (hk_json_is_u64(item, id) && *id < MAX_TOKENS) return true;
    return hk_fail(r->err, HK_ERR_FORMAT, "%s: the id of token \"%.60s\" is no integer from 0 to %d",
                   FILE_NAME, text, MAX_TOKENS - 1);
}

/* One more than the greatest id. A Unigram's ids are places in a list. */
static bool count_tokens(const struct hk_json_reader *r, const cJSON *vocab, const cJSON *added,
                         uint32_t *n_tokens)
{
    uint64_t id, most = 0, count = 0;
    const cJSON *item;
    bool list = cJSON_IsArray(vocab);
    cJSON_ArrayForEach(item, vocab)
    {
        id = count;
        if (!list && !id_of(r, item, item->string, &id)) return false;
        if (id > most) most = id;
        count++;
    }
    cJSON_ArrayForEach(item, added)
    {
        if (!id_of(r, hk_json_get(item, "id"), hk_reader_string(item, "content"), &id)) return false;
        if (id > most) most = id;
        count++;
    }
    if (count == 0) return hk_fail(r->err, HK_ERR_FORMAT, "%s: the vocabulary has no tokens", FILE_NAME);
    if (most >= count + MAX_HOLES || most >= MAX_TOKENS)
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: %llu tokens, but an id of %llu", FILE_NAME,
                       (unsigned long long)count, (unsigned long long)most);
    *n_tokens = (uint32_t)most + 1;
    return true;
}

static bool set_token(const struct hk_json_reader *r, uint64_t id, const char *text, enum hk_token_type type)
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
    static const char hex[] = "0123456789ABCDEF";
    return strlen(s) == 6 && memcmp(s, "<0x", 3) == 0 && strchr(hex, s[3]) && strchr(hex, s[4]) &&
           s[5] == '>';
}

/* One of added_tokens. Where the model knows its text already, the model's id is the one that counts. */
static bool read_added_token(const struct hk_json_reader *r, const struct hk_vocab_map *known,
                             const cJSON *item)
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

/* ["piece", score] of a Unigram. */
static bool read_piece(const struct hk_json_reader *r, const cJSON *item, uint32_t id, double *score,
                       const char **text)
{
    const cJSON *piece = cJSON_IsArray(item) ? item->child : NULL, *number = piece ? piece->next : NULL;
    if (!cJSON_IsString(piece) || !cJSON_IsNumber(number) || !isfinite(number->valuedouble))
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: piece %u is not [\"text\", score]", FILE_NAME, id);
    *text = piece->valuestring;
    *score = number->valuedouble;
    return true;
}

/* The model's own tokens. */
static bool read_model_tokens(struct hk_json_reader *r, const cJSON *vocab, struct hk_vocab_map *known)
{
    double *scores = NULL;
    if (cJSON_IsArray(vocab)) {
        scores = hk_arena_alloc(r->arena, r->v->n_tokens, sizeof *scores, r->err);
        if (!scores) return false;
        for (uint32_t i = 0; i < r->v->n_tokens; i++) scores[i] = NAN;
    }
    uint64_t id = 0, place = 0;
    for (const cJSON *item = vocab->child; item; item = item->next, place++) {
        const char *text = item->string;
        id = place;
        if (!(scores ? read_piece(r, item, (uint32_t)id, &scores[id], &text) : id_of(r, item, text, &id)))
            return false;
        bool byte = r->v->byte_fallback && is_byte_spelling(text);
        if (!set_token(r, id, text, byte ? HK_TOKEN_BYTE : HK_TOKEN_NORMAL)) return false;
        if (scores) r->tokens[id].score = (float)scores[id];
        hk_vocab_map_put(known, r->tokens[id].text, r->tokens[id].len, (uint32_t)id);
    }
    r->v->scores = scores;
    return true;
}

static bool read_tokens(struct hk_json_reader *r, const cJSON *vocab, const cJSON *added)
{
    if (!count_tokens(r, vocab, added, &r->v->n_tokens)) return false;
    r->tokens = hk_arena_alloc(r->arena, r->v->n_tokens, sizeof *r->tokens, r->err);
    if (!r->tokens) return false;
    r->v->tokens = r->tokens;
    for (uint32_t i = 0; i < r->v->n_tokens; i++)
        r->tokens[i] = (struct hk_vocab_token){.text = "", .type = HK_TOKEN_UNUSED};
    struct hk_vocab_map known;
    bool ok = hk_vocab_map_init(&known, (size_t)cJSON_GetArraySize(vocab), r->err) &&
              read_model_tokens(r, vocab, &known);
    for (const cJSON *item = added ? added->child : NULL; ok && item; item = item->next)
        ok = read_added_token(r, &known, item);
    hk_vocab_map_free(&known);
    return ok;
}

/* A merge is "left right" or ["left", "right"]; the second form allows spaces in its sides. */
static bool read_merge(const struct hk_json_reader *r, const cJSON *item, uint32_t n, const char **merge,
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

static bool read_merges(const struct hk_json_reader *r, const cJSON *merges)
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

/* The token named by a member: what unknown text becomes. */
static void find_unk(struct hk_json_reader *r, const char *unk)
{
    for (uint32_t i = 0; unk[0] && i < r->v->n_tokens; i++) {
        if (strcmp(r->tokens[i].text, unk) == 0) r->v->unk = i, r->v->emit_unk = true;
    }
}

static bool read_affix(struct hk_json_reader *r, const cJSON *model, const char *key, struct hk_span *out)
{
    if (!hk_reader_copy(r, hk_reader_string(model, key), out)) return false;
    return out->len <= HK_MAX_AFFIX ||
           hk_fail(r->err, HK_ERR_UNSUPPORTED, "%s: \"%s\" has %zu bytes: at most %d are accepted", FILE_NAME,
                   key, out->len, HK_MAX_AFFIX);
}

static bool read_bpe(struct hk_json_reader *r, const cJSON *model, const cJSON *added)
{
    struct hk_vocab *v = r->v;
    const cJSON *vocab = hk_json_get(model, "vocab"), *merges = hk_json_get(model, "merges");
    if (!cJSON_IsObject(vocab) || !cJSON_IsArray(merges))
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: a BPE model needs \"vocab\" and \"merges\"", FILE_NAME);
    if (!hk_reader_flag(r, model, "byte_fallback", &v->byte_fallback) ||
        !hk_reader_flag(r, model, "fuse_unk", &v->fuse_unk) ||
        !hk_reader_flag(r, model, "ignore_merges", &v->ignore_merges) ||
        !read_affix(r, model, "continuing_subword_prefix", &v->part_prefix) ||
        !read_affix(r, model, "end_of_word_suffix", &v->word_suffix) || !read_tokens(r, vocab, added) ||
        !read_merges(r, merges))
        return false;
    find_unk(r, hk_reader_string(model, "unk_token"));
    v->kind = HK_VOCAB_BPE;
    return true;
}

static bool read_unigram(struct hk_json_reader *r, const cJSON *model, const cJSON *added)
{
    const struct hk_json_at at = {model, FILE_NAME, r->err};
    const cJSON *vocab = hk_json_get(model, "vocab");
    if (!cJSON_IsArray(vocab) || !vocab->child)
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: a Unigram model needs a list \"vocab\"", FILE_NAME);
    if (!hk_reader_flag(r, model, "byte_fallback", &r->v->byte_fallback) || !read_tokens(r, vocab, added))
        return false;
    r->v->kind = HK_VOCAB_UNIGRAM;
    r->v->fuse_unk = r->v->emit_unk = true;
    return hk_json_u32(&at, "unk_id", HK_JSON_OPTIONAL, 0, (uint32_t)cJSON_GetArraySize(vocab) - 1,
                       &r->v->unk);
}

static bool read_wordpiece(struct hk_json_reader *r, const cJSON *model, const cJSON *added)
{
    const struct hk_json_at at = {model, FILE_NAME, r->err};
    const cJSON *vocab = hk_json_get(model, "vocab");
    struct hk_vocab *v = r->v;
    v->max_word_chars = 100;
    if (!cJSON_IsObject(vocab))
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: a WordPiece model needs \"vocab\"", FILE_NAME);
    if (!hk_json_u32(&at, "max_input_chars_per_word", HK_JSON_OPTIONAL, 0, UINT32_MAX, &v->max_word_chars) ||
        !read_affix(r, model, "continuing_subword_prefix", &v->part_prefix) || !read_tokens(r, vocab, added))
        return false;
    find_unk(r, hk_reader_string(model, "unk_token"));
    if (v->unk == HK_NO_TOKEN)
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: WordPiece's unk_token \"%.60s\" is not in its vocabulary",
                       FILE_NAME, hk_reader_string(model, "unk_token"));
    v->kind = HK_VOCAB_WORDPIECE;
    return true;
}

static bool read_model(struct hk_json_reader *r, const cJSON *model, const cJSON *added)
{
    static const struct {
        const char *type;
        bool (*read)(struct hk_json_reader *r, const cJSON *model, const cJSON *added);
    } MODELS[] = {{"BPE", read_bpe}, {"Unigram", read_unigram}, {"WordPiece", read_wordpiece}};
    const cJSON *vocab = hk_json_get(model, "vocab");
    const char *type = hk_reader_string(model, "type");
    if (!model) return hk_fail(r->err, HK_ERR_FORMAT, "%s: \"model\" is missing", FILE_NAME);
    if (type[0] == 0) { /* old files do not say it */
        if (cJSON_IsArray(vocab)) type = "Unigram";
        if (cJSON_IsObject(vocab) && cJSON_IsArray(hk_json_get(model, "merges"))) type = "BPE";
        if (hk_json_get(model, "max_input_chars_per_word")) type = "WordPiece";
    }
    snprintf(r->v->kind_name, sizeof r->v->kind_name, "%s", type);
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++) {
        if (strcmp(MODELS[i].type, type) == 0) return MODELS[i].read(r, model, added);
    }
    return hk_reader_refuse(r, "model type", type, "BPE, Unigram, WordPiece");
}

/* ---- post-processor and special tokens ---- */

/* Tokens around a text: the template's, in its order. */
struct around {
    uint32_t before[HK_MAX_STEPS], after[HK_MAX_STEPS];
    uint32_t n_before, n_after;
};

static bool put_around(const struct hk_json_reader *r, struct around *a, bool before, const cJSON *id,
                       const char *name)
{
    uint64_t n = 0;
    if (!id || !hk_json_is_u64(id, &n) || n >= r->v->n_tokens)
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: the post-processor's token \"%.60s\" has no id below %u",
                       FILE_NAME, name, r->v->n_tokens);
    uint32_t *count = before ? &a->n_before : &a->n_after;
    if (*count == HK_MAX_STEPS)
        return hk_fail(r->err, HK_ERR_UNSUPPORTED,
                       "%s: the post-processor puts more than %d tokens around a text", FILE_NAME,
                       HK_MAX_STEPS);
    (before ? a->before : a->after)[(*count)++] = (uint32_t)n;
    return true;
}

/* "single": the special tokens around the one text. */
static bool read_template(const struct hk_json_reader *r, const cJSON *p, struct around *a)
{
    const cJSON *item, *specials = hk_json_get(p, "special_tokens");
    bool before = true;
    cJSON_ArrayForEach(item, hk_json_get(p, "single"))
    {
        const cJSON *special = hk_json_get(item, "SpecialToken");
        if (!special) {
            if (!before)
                return hk_fail(r->err, HK_ERR_UNSUPPORTED, "%s: a template with the text twice", FILE_NAME);
            before = false;
            continue;
        }
        const char *name = hk_reader_string(special, "id");
        const cJSON *ids = hk_json_get(hk_json_get(specials, name), "ids"),
                    *id = cJSON_IsArray(ids) ? ids->child : NULL;
        do {
            if (!put_around(r, a, before, id, name)) return false;
            id = id->next;
        } while (id);
    }
    if (before && a->n_before > 0)
        return hk_fail(r->err, HK_ERR_UNSUPPORTED, "%s: a template without the text", FILE_NAME);
    return true;
}

/* "cls" or "sep": ["token", id]. */
static bool read_pair(const struct hk_json_reader *r, const cJSON *p, const char *key, bool before,
                      struct around *a)
{
    const cJSON *pair = hk_json_get(p, key), *name = cJSON_IsArray(pair) ? pair->child : NULL;
    return put_around(r, a, before, name ? name->next : NULL, key);
}

static bool read_processor(const struct hk_json_reader *r, const cJSON *p, struct around *a)
{
    if (!p) return true;
    const char *type = hk_reader_string(p, "type");
    struct around inner = *a;
    if (strcmp(type, "Sequence") == 0) {
        const cJSON *item;
        cJSON_ArrayForEach(item, hk_json_get(p, "processors"))
        {
            if (!read_processor(r, item, a)) return false;
        }
        return true;
    }
    if (strcmp(type, "ByteLevel") == 0) return true; /* offsets only */
    bool pair = strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0;
    if (!pair && strcmp(type, "TemplateProcessing") != 0)
        return hk_reader_refuse(r, "post-processor", type,
                                "ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, Sequence");
    a->n_before = 0;
    if (!(pair ? read_pair(r, p, "cls", true, a) && read_pair(r, p, "sep", false, a)
               : read_template(r, p, a)))
        return false;
    /* a second one wraps what the first has made */
    if (a->n_before + inner.n_before > HK_MAX_STEPS) a->n_before = HK_MAX_STEPS - inner.n_before;
    memcpy(a->before + a->n_before, inner.before, inner.n_before * sizeof *a->before);
    a->n_before += inner.n_before;
    return true;
}

/* One token on a side begins or ends a text; several are a list. */
static bool set_side(const struct hk_json_reader *r, const uint32_t *ids, uint32_t n, uint32_t *one,
                     bool *add, const uint32_t **list, uint32_t *n_list)
{
    if (n == 1) {
        *one = ids[0];
        *add = true;
    }
    if (n < 2) return true;
    uint32_t *copy = hk_arena_alloc(r->arena, n, sizeof *copy, r->err);
    if (!copy) return false;
    memcpy(copy, ids, n * sizeof *copy);
    *list = copy;
    *n_list = n;
    return true;
}

bool hk_reader_post_processor(struct hk_json_reader *r, const cJSON *root)
{
    struct around a = {.n_before = 0};
    struct hk_vocab *v = r->v;
    return read_processor(r, hk_json_get(root, "post_processor"), &a) &&
           set_side(r, a.before, a.n_before, &v->bos, &v->add_bos, &v->before, &v->n_before) &&
           set_side(r, a.after, a.n_after, &v->eos, &v->add_eos, &v->after, &v->n_after);
}

/* The first of the names that is a special token, where nothing better is known. */
static void guess(const struct hk_json_reader *r, uint32_t *id, const char *const *names)
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
    struct hk_json_reader *r = hk_calloc(1, sizeof *r, err);
    bool ok = r != NULL;
    if (ok) {
        *r = (struct hk_json_reader){.arena = arena, .v = vocab, .err = err};
        ok = read_model(r, hk_json_get(root, "model"), hk_json_get(root, "added_tokens")) &&
             hk_reader_steps(r, root) && hk_reader_post_processor(r, root);
    }
    if (ok) {
        vocab->plain = !r->byte_level;
        vocab->replace_broken = vocab->plain && !vocab->byte_fallback;
        guess(r, &vocab->bos, begins);
        guess(r, &vocab->eos, ends);
    }
    free(r);
    cJSON_Delete(root);
    return ok;
}

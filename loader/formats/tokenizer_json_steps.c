/* tokenizer.json's normalizers, pre-tokenizers and decoders: each type is a row that says how its object is
 * read. */
#include "loader/tokenizer/base64.h"
#include "loader/tokenizer/metaspace.h"
#include "loader/tokenizer/pretokenizers.h"
#include "loader/formats/tokenizer_json_parts.h"

#include <stdio.h>
#include <string.h>

#define FILE_NAME hk_tokenizer_json_name

/* A type's name, and how an object of it becomes steps. */
struct row {
    const char *type;
    bool (*read)(struct hk_json_reader *r, const cJSON *obj, int kind);
    int kind; /* for read */
};

static bool read_part(struct hk_json_reader *r, const cJSON *obj, const char *what, const struct row *rows,
                      const char *list)
{
    if (!obj) return true;
    const char *type = hk_reader_string(obj, "type");
    if (strcmp(type, "Sequence") == 0) {
        const cJSON *item;
        cJSON_ArrayForEach(item, hk_json_get(obj, list))
        {
            if (!read_part(r, item, what, rows, list)) return false;
        }
        return true;
    }
    char known[300] = "";
    size_t n = 0;
    for (const struct row *row = rows; row->type; row++) {
        if (strcmp(row->type, type) == 0) return row->read(r, obj, row->kind);
        if (n < sizeof known) n += (size_t)snprintf(known + n, sizeof known - n, "%s, ", row->type);
    }
    if (n < sizeof known) snprintf(known + n, sizeof known - n, "Sequence");
    return hk_reader_refuse(r, what, type, known);
}

static bool too_many(struct hk_json_reader *r, const char *what)
{
    return hk_fail(r->err, HK_ERR_UNSUPPORTED, "%s: more than %d %ss", FILE_NAME, HK_MAX_STEPS, what);
}

/* {"String": "..."} or {"Regex": "..."}; an empty string matches where an empty pattern does. */
static bool read_pattern(struct hk_json_reader *r, const cJSON *obj, bool *regex, struct hk_span *out)
{
    const cJSON *pattern = hk_json_get(obj, "pattern"), *p = hk_json_get(pattern, "Regex");
    *regex = cJSON_IsString(p);
    if (!p) p = hk_json_get(pattern, "String");
    if (!p && cJSON_IsString(pattern)) p = pattern; /* old files */
    if (!cJSON_IsString(p))
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: the pattern of a %.60s is neither a String nor a Regex",
                       FILE_NAME, hk_reader_string(obj, "type"));
    if (p->valuestring[0] == 0) *regex = true;
    return hk_reader_copy(r, p->valuestring, out);
}

/* Code points of a string. */
static size_t count_chars(const char *s)
{
    size_t n = 0;
    for (; *s; s++) n += ((uint8_t)*s & 0xC0) != 0x80;
    return n;
}

static bool one_char(struct hk_json_reader *r, const cJSON *obj, const char *key, struct hk_span *out)
{
    const char *s = hk_reader_string(obj, key);
    if (count_chars(s) == 1) return hk_reader_copy(r, s, out);
    return hk_fail(r->err, HK_ERR_FORMAT, "%s: \"%s\" of a %.60s is not one character", FILE_NAME, key,
                   hk_reader_string(obj, "type"));
}

/* ---- normalizers ---- */

static bool add_norm(struct hk_json_reader *r, struct hk_norm_step s)
{
    if (r->n_norm == HK_MAX_STEPS) return too_many(r, "normalizer");
    r->norm[r->n_norm++] = s;
    return true;
}

static bool plain_norm(struct hk_json_reader *r, const cJSON *n, int kind)
{
    (void)n;
    return add_norm(r, (struct hk_norm_step){.kind = (enum hk_norm_kind)kind});
}

static bool strip_norm(struct hk_json_reader *r, const cJSON *n, int kind)
{
    bool left = true, right = true;
    if (!hk_reader_flag(r, n, "strip_left", &left) || !hk_reader_flag(r, n, "strip_right", &right))
        return false;
    return add_norm(
        r, (struct hk_norm_step){.kind = (enum hk_norm_kind)kind,
                                 .flags = (left ? HK_STRIP_LEFT : 0u) | (right ? HK_STRIP_RIGHT : 0u)});
}

static bool replace_norm(struct hk_json_reader *r, const cJSON *n, int kind)
{
    struct hk_norm_step s = {.kind = (enum hk_norm_kind)kind};
    bool regex;
    if (!read_pattern(r, n, &regex, &s.pattern) ||
        !hk_reader_copy(r, hk_reader_string(n, "content"), &s.text))
        return false;
    if (regex) s.kind = HK_NORM_REPLACE_REGEX;
    return add_norm(r, s);
}

static bool prepend_norm(struct hk_json_reader *r, const cJSON *n, int kind)
{
    struct hk_norm_step s = {.kind = (enum hk_norm_kind)kind};
    return hk_reader_copy(r, hk_reader_string(n, "prepend"), &s.text) && add_norm(r, s);
}

static bool bert_norm(struct hk_json_reader *r, const cJSON *n, int kind)
{
    bool clean = true, chinese = true, lower = true, accents;
    if (!hk_reader_flag(r, n, "clean_text", &clean) ||
        !hk_reader_flag(r, n, "handle_chinese_chars", &chinese) || !hk_reader_flag(r, n, "lowercase", &lower))
        return false;
    accents = lower; /* null means: as lowercase */
    if (!hk_reader_flag(r, n, "strip_accents", &accents)) return false;
    return add_norm(
        r, (struct hk_norm_step){.kind = (enum hk_norm_kind)kind,
                                 .flags = (clean ? HK_BERT_CLEAN : 0u) | (chinese ? HK_BERT_CHINESE : 0u) |
                                          (accents ? HK_BERT_ACCENTS : 0u) | (lower ? HK_BERT_LOWER : 0u)});
}

static bool precompiled_norm(struct hk_json_reader *r, const cJSON *n, int kind)
{
    const char *text = hk_reader_string(n, "precompiled_charsmap");
    size_t len = strlen(text);
    struct hk_norm_step s = {.kind = (enum hk_norm_kind)kind};
    char *data = hk_arena_alloc(r->arena, len / 4 * 3 + 4, 1, r->err);
    if (!data) return false;
    if (!hk_base64_decode(text, len, data, &s.pattern.len))
        return hk_fail(r->err, HK_ERR_FORMAT, "%s: \"precompiled_charsmap\" is not base64", FILE_NAME);
    s.pattern.data = data;
    return add_norm(r, s);
}

static const struct row normalizers[] = {
    {"NFC", plain_norm, HK_NORM_NFC},
    {"NFD", plain_norm, HK_NORM_NFD},
    {"NFKC", plain_norm, HK_NORM_NFKC},
    {"NFKD", plain_norm, HK_NORM_NFKD},
    {"Lowercase", plain_norm, HK_NORM_LOWERCASE},
    {"Strip", strip_norm, HK_NORM_STRIP},
    {"StripAccents", plain_norm, HK_NORM_STRIP_ACCENTS},
    {"Replace", replace_norm, HK_NORM_REPLACE},
    {"Prepend", prepend_norm, HK_NORM_PREPEND},
    {"Nmt", plain_norm, HK_NORM_NMT},
    {"BertNormalizer", bert_norm, HK_NORM_BERT},
    {"Precompiled", precompiled_norm, HK_NORM_PRECOMPILED},
    {"ByteLevel", plain_norm, HK_NORM_BYTE_LEVEL},
    {NULL, NULL, 0},
};

/* ---- pre-tokenizers ---- */

static bool add_pre(struct hk_json_reader *r, struct hk_pre_step s)
{
    if (r->byte_level)
        return hk_fail(r->err, HK_ERR_UNSUPPORTED, "%s: a pre-tokenizer behind ByteLevel is not supported",
                       FILE_NAME);
    if (r->n_pre == HK_MAX_STEPS) return too_many(r, "pre-tokenizer");
    r->pre[r->n_pre++] = s;
    return true;
}

static bool read_behavior(struct hk_json_reader *r, const cJSON *p, enum hk_split_behavior *out)
{
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    const char *name = hk_reader_string(p, "behavior");
    for (int i = 0; i < 5; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (enum hk_split_behavior)i;
        return true;
    }
    return hk_reader_refuse(r, "split behavior", name,
                            "Isolated, Removed, MergedWithPrevious, MergedWithNext, Contiguous");
}

static bool split_pre(struct hk_json_reader *r, const cJSON *p, int kind)
{
    struct hk_pre_step s = {.kind = (enum hk_pre_kind)kind};
    bool regex;
    if (!read_pattern(r, p, &regex, &s.pattern) || !read_behavior(r, p, &s.behavior) ||
        !hk_reader_flag(r, p, "invert", &s.invert))
        return false;
    if (regex) s.kind = HK_PRE_REGEX;
    return add_pre(r, s);
}

static bool byte_level_pre(struct hk_json_reader *r, const cJSON *p, int kind)
{
    bool prefix = true, use_regex = true;
    (void)kind;
    if (!hk_reader_flag(r, p, "add_prefix_space", &prefix) || !hk_reader_flag(r, p, "use_regex", &use_regex))
        return false;
    if (prefix && !add_pre(r, (struct hk_pre_step){.kind = HK_PRE_PREFIX_SPACE})) return false;
    struct hk_pre_step words = {.kind = HK_PRE_REGEX, .pattern = {hk_gpt2_regex, strlen(hk_gpt2_regex)}};
    if (use_regex && !add_pre(r, words)) return false;
    if (r->byte_level) return add_pre(r, words); /* refuses */
    r->byte_level = true;
    return true;
}

static bool metaspace_pre(struct hk_json_reader *r, const cJSON *p, int kind)
{
    const char *scheme = hk_reader_string(p, "prepend_scheme");
    struct hk_pre_step s = {.kind = (enum hk_pre_kind)kind, .prefix = HK_PREFIX_ALWAYS};
    bool split = true, prefix = true;
    if (!one_char(r, p, "replacement", &s.pattern) || !hk_reader_flag(r, p, "split", &split) ||
        !hk_reader_flag(r, p, "add_prefix_space", &prefix))
        return false;
    if (strcmp(scheme, "never") == 0 || !prefix) s.prefix = HK_PREFIX_NEVER;
    if (strcmp(scheme, "first") == 0 && prefix) s.prefix = HK_PREFIX_FIRST;
    if (scheme[0] && strcmp(scheme, "never") != 0 && strcmp(scheme, "first") != 0 &&
        strcmp(scheme, "always") != 0)
        return hk_reader_refuse(r, "Metaspace prepend_scheme", scheme, "always, never, first");
    if (!add_pre(r, s)) return false;
    struct hk_pre_step cut = {.kind = HK_PRE_LITERAL, .pattern = s.pattern, .behavior = HK_SPLIT_MERGED_NEXT};
    return !split || add_pre(r, cut);
}

static bool digits_pre(struct hk_json_reader *r, const cJSON *p, int kind)
{
    bool single = false;
    if (!hk_reader_flag(r, p, "individual_digits", &single)) return false;
    return add_pre(r, (struct hk_pre_step){.kind = (enum hk_pre_kind)kind,
                                           .class = HK_CHAR_NUMERIC,
                                           .behavior = single ? HK_SPLIT_ISOLATED : HK_SPLIT_CONTIGUOUS});
}

static bool punctuation_pre(struct hk_json_reader *r, const cJSON *p, int kind)
{
    struct hk_pre_step s = {.kind = (enum hk_pre_kind)kind, .class = HK_CHAR_PUNCTUATION};
    if (hk_json_get(p, "behavior") && !read_behavior(r, p, &s.behavior)) return false;
    return add_pre(r, s);
}

static bool words_pre(struct hk_json_reader *r, const cJSON *p, int kind)
{
    (void)p;
    return add_pre(r, (struct hk_pre_step){.kind = (enum hk_pre_kind)kind,
                                           .behavior = HK_SPLIT_REMOVED,
                                           .invert = kind == HK_PRE_WORDS});
}

static bool delimiter_pre(struct hk_json_reader *r, const cJSON *p, int kind)
{
    struct hk_pre_step s = {.kind = (enum hk_pre_kind)kind, .behavior = HK_SPLIT_REMOVED};
    return one_char(r, p, "delimiter", &s.pattern) && add_pre(r, s);
}

static bool bert_pre(struct hk_json_reader *r, const cJSON *p, int kind)
{
    (void)p;
    return add_pre(r, (struct hk_pre_step){.kind = (enum hk_pre_kind)kind,
                                           .class = HK_CHAR_SPACE,
                                           .behavior = HK_SPLIT_REMOVED}) &&
           add_pre(r, (struct hk_pre_step){.kind = (enum hk_pre_kind)kind, .class = HK_CHAR_PUNCTUATION});
}

static bool length_pre(struct hk_json_reader *r, const cJSON *p, int kind)
{
    struct hk_pre_step s = {.kind = (enum hk_pre_kind)kind, .n = 5};
    const struct hk_json_at at = {p, FILE_NAME, r->err};
    return hk_json_u32(&at, "length", HK_JSON_OPTIONAL, 1, UINT32_MAX, &s.n) && add_pre(r, s);
}

static const struct row pre_tokenizers[] = {
    {"ByteLevel", byte_level_pre, 0},
    {"Split", split_pre, HK_PRE_LITERAL},
    {"Metaspace", metaspace_pre, HK_PRE_METASPACE},
    {"Digits", digits_pre, HK_PRE_CLASS},
    {"Punctuation", punctuation_pre, HK_PRE_CLASS},
    {"Whitespace", words_pre, HK_PRE_WORDS},
    {"WhitespaceSplit", words_pre, HK_PRE_CLASS},
    {"CharDelimiterSplit", delimiter_pre, HK_PRE_LITERAL},
    {"BertPreTokenizer", bert_pre, HK_PRE_CLASS},
    {"FixedLength", length_pre, HK_PRE_LENGTH},
    {NULL, NULL, 0},
};

/* ---- decoders ---- */

static bool add_decode(struct hk_json_reader *r, struct hk_decode_step s)
{
    if (r->n_decode == HK_MAX_STEPS) return too_many(r, "decoder");
    r->decode[r->n_decode++] = s;
    return true;
}

static bool plain_decode(struct hk_json_reader *r, const cJSON *d, int kind)
{
    (void)d;
    return add_decode(r, (struct hk_decode_step){.kind = (enum hk_decode_kind)kind});
}

static bool replace_decode(struct hk_json_reader *r, const cJSON *d, int kind)
{
    struct hk_decode_step s = {.kind = (enum hk_decode_kind)kind};
    bool regex;
    if (!read_pattern(r, d, &regex, &s.pattern) ||
        !hk_reader_copy(r, hk_reader_string(d, "content"), &s.text))
        return false;
    if (regex) s.kind = HK_DECODE_REPLACE_REGEX;
    return add_decode(r, s);
}

static bool strip_decode(struct hk_json_reader *r, const cJSON *d, int kind)
{
    struct hk_decode_step s = {.kind = (enum hk_decode_kind)kind};
    const struct hk_json_at at = {d, FILE_NAME, r->err};
    return one_char(r, d, "content", &s.pattern) &&
           hk_json_u32(&at, "start", HK_JSON_OPTIONAL, 0, UINT16_MAX, &s.start) &&
           hk_json_u32(&at, "stop", HK_JSON_OPTIONAL, 0, UINT16_MAX, &s.stop) && add_decode(r, s);
}

static bool metaspace_decode(struct hk_json_reader *r, const cJSON *d, int kind)
{
    struct hk_decode_step s = {.kind = (enum hk_decode_kind)kind, .flag = true};
    if (!one_char(r, d, "replacement", &s.pattern) || !hk_reader_flag(r, d, "add_prefix_space", &s.flag))
        return false;
    if (strcmp(hk_reader_string(d, "prepend_scheme"), "never") == 0) s.flag = false;
    return add_decode(r, s);
}

static bool wordpiece_decode(struct hk_json_reader *r, const cJSON *d, int kind)
{
    struct hk_decode_step s = {.kind = (enum hk_decode_kind)kind, .pattern = {"##", 2}, .flag = true};
    const cJSON *prefix = hk_json_get(d, "prefix");
    if (cJSON_IsString(prefix) && !hk_reader_copy(r, prefix->valuestring, &s.pattern)) return false;
    return hk_reader_flag(r, d, "cleanup", &s.flag) && add_decode(r, s);
}

static bool suffix_decode(struct hk_json_reader *r, const cJSON *d, int kind)
{
    struct hk_decode_step s = {.kind = (enum hk_decode_kind)kind, .pattern = {"</w>", 4}};
    const cJSON *suffix = hk_json_get(d, "suffix");
    if (cJSON_IsString(suffix) && !hk_reader_copy(r, suffix->valuestring, &s.pattern)) return false;
    return add_decode(r, s);
}

static const struct row decoders[] = {
    {"ByteLevel", plain_decode, HK_DECODE_BYTE_LEVEL},
    {"WordPiece", wordpiece_decode, HK_DECODE_WORDPIECE},
    {"Metaspace", metaspace_decode, HK_DECODE_METASPACE},
    {"BPEDecoder", suffix_decode, HK_DECODE_SUFFIX},
    {"ByteFallback", plain_decode, HK_DECODE_BYTE_FALLBACK},
    {"Fuse", plain_decode, HK_DECODE_FUSE},
    {"Strip", strip_decode, HK_DECODE_STRIP},
    {"Replace", replace_decode, HK_DECODE_REPLACE},
    {NULL, NULL, 0},
};

/* A file without a decoder: bytes and U+2581 have only one meaning; else as tokenizers does. */
static bool default_decoder(struct hk_json_reader *r)
{
    struct hk_decode_step join = {.kind = HK_DECODE_JOIN};
    for (uint32_t i = 0; i < r->n_pre; i++) {
        const struct hk_pre_step *p = &r->pre[i];
        if (p->kind == HK_PRE_METASPACE)
            join = (struct hk_decode_step){
                .kind = HK_DECODE_METASPACE, .pattern = p->pattern, .flag = p->prefix != HK_PREFIX_NEVER};
    }
    if (r->byte_level) join = (struct hk_decode_step){.kind = HK_DECODE_BYTE_LEVEL};
    return add_decode(r, join);
}

/* ---- all ---- */

static void *copy_list(struct hk_json_reader *r, const void *list, uint32_t n, size_t size)
{
    void *copy = hk_arena_alloc(r->arena, n, size, r->err);
    if (copy && n > 0) memcpy(copy, list, n * size);
    return copy;
}

bool hk_reader_steps(struct hk_json_reader *r, const cJSON *root)
{
    const cJSON *decoder = hk_json_get(root, "decoder");
    struct hk_text_steps *s = &r->v->steps;
    if (!read_part(r, hk_json_get(root, "normalizer"), "normalizer", normalizers, "normalizers") ||
        !read_part(r, hk_json_get(root, "pre_tokenizer"), "pre-tokenizer", pre_tokenizers, "pretokenizers") ||
        !(decoder ? read_part(r, decoder, "decoder", decoders, "decoders") : default_decoder(r)))
        return false;
    s->norm = copy_list(r, r->norm, r->n_norm, sizeof *r->norm);
    s->pre = copy_list(r, r->pre, r->n_pre, sizeof *r->pre);
    s->decode = copy_list(r, r->decode, r->n_decode, sizeof *r->decode);
    s->n_norm = r->n_norm;
    s->n_pre = r->n_pre;
    s->n_decode = r->n_decode;
    r->v->has_steps = true;
    memcpy(r->v->pre, "steps", sizeof "steps");
    return s->norm && s->pre && s->decode;
}

/* A list of steps for each kind of vocabulary. */
#include "loader/tokenizer/vocab_steps.h"
#include "loader/tokenizer/metaspace.h"
#include "loader/tokenizer/pretokenizers.h"

#include <string.h>

struct hk_span hk_span_of(const char *s)
{
    return (struct hk_span){s, strlen(s)};
}

static const struct hk_decode_step byte_level_decode[] = {{.kind = HK_DECODE_BYTE_LEVEL}};

/* The row of that name, as one Split after the other. */
static bool bpe_steps(const struct hk_vocab *v, struct hk_arena *arena, struct hk_text_steps *out,
                      bool *ignore_merges, struct hk_error *err)
{
    const struct hk_pretokenizer *row = hk_pretokenizer_find(v->pre);
    if (!row) {
        char known[400];
        hk_pretokenizer_names(known, sizeof known);
        return hk_fail(err, HK_ERR_UNSUPPORTED,
                       "tokenizer: pre-tokenizer \"%s\" is not supported: known are %s", v->pre, known);
    }
    struct hk_pre_step *pre = hk_arena_alloc(arena, HK_MAX_PRE_REGEX, sizeof *pre, err);
    if (!pre) return false;
    uint32_t n = 0;
    for (; row->regex[n]; n++)
        pre[n] = (struct hk_pre_step){.kind = HK_PRE_REGEX, .pattern = hk_span_of(row->regex[n])};
    *ignore_merges = *ignore_merges || row->ignore_merges;
    if (v->plain) {
        static const struct hk_norm_step spaces[] = {
            {.kind = HK_NORM_REPLACE, .pattern = {" ", 1}, .text = {HK_METASPACE, HK_METASPACE_LEN}}};
        static const struct hk_decode_step plain[] = {
            {.kind = HK_DECODE_REPLACE, .pattern = {HK_METASPACE, HK_METASPACE_LEN}, .text = {" ", 1}}};
        *out = (struct hk_text_steps){.norm = spaces, .n_norm = 1, .decode = plain, .n_decode = 1};
        return true;
    }
    out->pre = pre;
    out->n_pre = n;
    out->decode = byte_level_decode;
    out->n_decode = 1;
    return true;
}

static bool sentencepiece_steps(const struct hk_vocab *v, struct hk_arena *arena, struct hk_text_steps *out,
                                struct hk_error *err)
{
    struct hk_norm_step *norm = hk_arena_alloc(arena, 1, sizeof *norm, err);
    struct hk_decode_step *decode = norm ? hk_arena_alloc(arena, 3, sizeof *decode, err) : NULL;
    if (!decode) return false;
    norm[0] =
        (struct hk_norm_step){.kind = HK_NORM_SENTENCEPIECE, .pattern = v->charsmap, .flags = HK_SP_ESCAPE};
    if (v->add_space_prefix) norm[0].flags |= HK_SP_DUMMY_PREFIX;
    if (v->remove_extra_whitespaces) norm[0].flags |= HK_SP_REMOVE_EXTRA;
    if (v->kind == HK_VOCAB_SPM) norm[0].flags |= HK_SP_KEEP_BROKEN;
    decode[0] = (struct hk_decode_step){
        .kind = HK_DECODE_REPLACE, .pattern = {HK_METASPACE, HK_METASPACE_LEN}, .text = {" ", 1}};
    decode[1] = (struct hk_decode_step){.kind = HK_DECODE_FUSE};
    decode[2] = (struct hk_decode_step){.kind = HK_DECODE_STRIP, .pattern = {" ", 1}, .start = 1};
    out->norm = norm;
    out->n_norm = 1;
    out->decode = decode;
    out->n_decode = v->add_space_prefix ? 3 : 2;
    return true;
}

/* GGUF's "bert": words have a U+2581 before them, where BERT's own files have ## before what is none. */
static bool bert_steps(const struct hk_vocab *v, struct hk_arena *arena, struct hk_text_steps *out,
                       struct hk_error *err)
{
    static const struct hk_pre_step pre[] = {
        {.kind = HK_PRE_CLASS, .class = HK_CHAR_SPACE, .behavior = HK_SPLIT_REMOVED},
        {.kind = HK_PRE_CLASS, .class = HK_CHAR_PUNCTUATION, .behavior = HK_SPLIT_ISOLATED}};
    static const struct hk_decode_step decode[] = {
        {.kind = HK_DECODE_METASPACE, .pattern = {HK_METASPACE, HK_METASPACE_LEN}, .flag = true}};
    struct hk_norm_step *norm = hk_arena_alloc(arena, 1, sizeof *norm, err);
    if (!norm) return false;
    *norm = (struct hk_norm_step){.kind = HK_NORM_BERT, .flags = v->bert_flags};
    *out = (struct hk_text_steps){
        .norm = norm, .pre = pre, .decode = decode, .n_norm = 1, .n_pre = 2, .n_decode = 1};
    return true;
}

bool hk_vocab_steps(const struct hk_vocab *v, struct hk_arena *arena, struct hk_text_steps *out,
                    bool *ignore_merges, struct hk_error *err)
{
    *out = v->steps;
    *ignore_merges = v->ignore_merges;
    if (v->has_steps) return true;
    switch (v->kind) {
    case HK_VOCAB_BPE:
        return bpe_steps(v, arena, out, ignore_merges, err);
    case HK_VOCAB_SPM:
    case HK_VOCAB_UNIGRAM:
        return sentencepiece_steps(v, arena, out, err);
    case HK_VOCAB_WORDPIECE:
        return bert_steps(v, arena, out, err);
    case HK_VOCAB_NONE:
        break;
    }
    return hk_fail(err, HK_ERR_UNSUPPORTED,
                   "tokenizer: kind \"%s\" is not supported: known are gpt2 (byte-level BPE), llama "
                   "(SentencePiece BPE), t5 "
                   "(unigram), bert (WordPiece)",
                   v->kind_name);
}

/* A tokenizer of another format in GGUF's words. What llama.cpp does with a text is named, not written out: a
 * tokenizer whose rules have no name there is refused, because its tokens would be others. */
#include "loader/convert/gguf_write.h"
#include "loader/tokenizer/metaspace.h"
#include "loader/tokenizer/pretokenizers.h"
#include "loader/utf8.h"
#include "loader/tokenizer/vocab_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vocab_writer {
    struct hk_gguf_writer *w;
    const struct hk_checkpoint *c;
    const struct hk_vocab *v;
    hk_note_fn *note;
    void *user;
    struct hk_error *err;
};

static bool refuse(const struct vocab_writer *x, const char *what)
{
    return hk_fail(x->err, HK_ERR_UNSUPPORTED, "%s: tokenizer: %s", x->c->path, what);
}

static void say(const struct vocab_writer *x, const char *text)
{
    if (x->note) x->note(x->user, text);
}

/* ---- how a text is cut into words ---- */

/* What a step cuts at, where it is a pattern whose matches are words: Digits is one too. NULL data: it is no
 * such step. */
static struct hk_span split_pattern(const struct hk_pre_step *p)
{
    static const struct hk_span no_pattern = {NULL, 0}, digit = {"\\p{N}", 5}, digits = {"\\p{N}+", 6};
    if (p->invert) return no_pattern;
    if (p->kind == HK_PRE_REGEX && p->behavior == HK_SPLIT_ISOLATED) return p->pattern;
    if (p->kind != HK_PRE_CLASS || p->class != HK_CHAR_NUMERIC) return no_pattern;
    return p->behavior == HK_SPLIT_ISOLATED     ? digit
           : p->behavior == HK_SPLIT_CONTIGUOUS ? digits
                                                : no_pattern;
}

/* The steps before a byte-level BPE, as far as GGUF has words for them. */
struct byte_level_steps {
    const struct hk_pre_step *split; /* n_split plain patterns, each match a word */
    uint32_t n_split;
    bool nfc, prefix_space, other; /* a text is composed first; begins with a space; is treated otherwise */
};

static struct byte_level_steps read_byte_level(const struct hk_text_steps *steps)
{
    struct byte_level_steps s = {.split = steps->pre};
    for (uint32_t i = 0; i < steps->n_norm; i++) {
        s.nfc = s.nfc || steps->norm[i].kind == HK_NORM_NFC;
        s.other = s.other || steps->norm[i].kind != HK_NORM_NFC;
    }
    for (uint32_t i = 0; i < steps->n_pre; i++) {
        const struct hk_pre_step *p = &steps->pre[i];
        if (p->kind == HK_PRE_PREFIX_SPACE) {
            s.prefix_space = true;
        } else if (split_pattern(p).data) {
            s.n_split++;
        } else {
            s.other = true;
        }
    }
    s.other = s.other || s.n_split + s.prefix_space != steps->n_pre;
    return s;
}

static bool same_patterns(const struct hk_pretokenizer *row, const struct byte_level_steps *s,
                          bool ignore_merges)
{
    uint32_t n = 0;
    for (; row->regex[n]; n++) {
        if (n >= s->n_split) return false;
        struct hk_span p = split_pattern(&s->split[n]);
        if (!p.data || strlen(row->regex[n]) != p.len || memcmp(row->regex[n], p.data, p.len) != 0)
            return false;
    }
    return n == s->n_split && row->ignore_merges == ignore_merges && !row->rank_merges && !row->plain;
}

/* The name of the pre-tokenizer, or NULL. Of several with the same rules it is the first in the table. */
static const char *pre_name(const struct hk_vocab *v, const struct byte_level_steps *s)
{
    if (!v->has_steps) return v->pre;
    const struct hk_pretokenizer *row;
    if (s->other) return NULL;
    for (size_t i = 0; (row = hk_pretokenizer_at(i)); i++) {
        if (same_patterns(row, s, v->ignore_merges)) return row->name;
    }
    return NULL;
}

static bool is_metaspace(struct hk_span s)
{
    return s.len == HK_METASPACE_LEN && memcmp(s.data, HK_METASPACE, HK_METASPACE_LEN) == 0;
}

static bool is_space(struct hk_span s)
{
    return s.len == 1 && s.data[0] == ' ';
}

/* Whether steps do no more than SentencePiece does in llama.cpp: spaces become U+2581, and *prefix says where
 * one is put before. */
static bool read_metaspace(const struct hk_text_steps *steps, enum hk_prefix *prefix)
{
    bool spelt = false;
    *prefix = HK_PREFIX_NEVER;
    for (uint32_t i = 0; i < steps->n_norm; i++) {
        const struct hk_norm_step *n = &steps->norm[i];
        if (n->kind == HK_NORM_PREPEND && is_metaspace(n->text)) {
            *prefix = HK_PREFIX_ALWAYS;
        } else if (n->kind == HK_NORM_REPLACE && is_metaspace(n->text) && is_space(n->pattern)) {
            spelt = true;
        } else {
            return false;
        }
    }
    if (steps->n_pre == 1 && steps->pre[0].kind == HK_PRE_METASPACE && is_metaspace(steps->pre[0].pattern)) {
        *prefix = steps->pre[0].prefix;
        return true;
    }
    bool at_spaces = steps->n_pre == 1 && steps->pre[0].kind == HK_PRE_LITERAL && !steps->pre[0].invert &&
                     is_space(steps->pre[0].pattern); /* of which none is left */
    return spelt && (steps->n_pre == 0 || at_spaces);
}

/* What SentencePiece's normalizer does, as far as GGUF has words for it. */
struct sentencepiece_keys {
    struct hk_span charsmap;
    bool prefix, remove_extra;
};

/* The steps of a tokenizer.json that was made from a unigram model: its charsmap, runs of spaces to one, the
 * U+2581. What it does with spaces at the ends is not looked at. */
static bool read_unigram_json(const struct hk_text_steps *steps, struct sentencepiece_keys *k)
{
    for (uint32_t i = 0; i < steps->n_norm; i++) {
        const struct hk_norm_step *n = &steps->norm[i];
        bool runs = n->kind == HK_NORM_REPLACE_REGEX && n->pattern.len == 5 &&
                    memcmp(n->pattern.data, " {2,}", 5) == 0 && (is_space(n->text) || is_metaspace(n->text));
        if (n->kind == HK_NORM_PRECOMPILED && k->charsmap.len == 0) {
            k->charsmap = n->pattern;
        } else if (runs) {
            k->remove_extra = true;
        } else if (n->kind != HK_NORM_STRIP) {
            return false;
        }
    }
    bool spelt = false;
    for (uint32_t i = 0; i < steps->n_pre; i++) {
        const struct hk_pre_step *p = &steps->pre[i];
        bool words = p->kind == HK_PRE_CLASS && p->class == HK_CHAR_SPACE &&
                     p->behavior == HK_SPLIT_REMOVED && !p->invert;
        bool at_spaces = p->kind == HK_PRE_LITERAL && p->behavior == HK_SPLIT_MERGED_NEXT && !p->invert &&
                         is_metaspace(p->pattern); /* where the model's pieces begin anyway */
        if (p->kind == HK_PRE_METASPACE && is_metaspace(p->pattern) && !spelt) {
            k->prefix = p->prefix != HK_PREFIX_NEVER;
            spelt = true;
        } else if (words && !spelt) {
            k->remove_extra = true;
        } else if (!at_spaces || !spelt) {
            return false;
        }
    }
    return spelt;
}

/* Of a tokenizer.model. */
static bool read_sentencepiece(const struct hk_norm_step *n, struct sentencepiece_keys *k)
{
    if (n->kind != HK_NORM_SENTENCEPIECE || !(n->flags & HK_SP_ESCAPE) || (n->flags & HK_SP_SUFFIX))
        return false;
    *k = (struct sentencepiece_keys){.charsmap = n->pattern,
                                     .prefix = (n->flags & HK_SP_DUMMY_PREFIX) != 0,
                                     .remove_extra = (n->flags & HK_SP_REMOVE_EXTRA) != 0};
    return true;
}

/* ---- SentencePiece's scores from a list of merges ---- */

/* Merging by ranks is merging by scores exactly where (1) all merges that make one token stand together in
 * the list, so that the token has one rank, and (2) every way to make a token from two that can stand beside
 * each other is in the list. tokenizer.json files that were made from a tokenizer.model are so. */
struct scores {
    float *of;         /* each token's score: minus the place of its group in the list */
    uint32_t *n_pairs; /* how many merges make it */
    struct hk_vocab_map map;
};

static bool read_groups(const struct vocab_writer *x, struct scores *s, struct hk_bytes *text)
{
    const struct hk_vocab *v = x->v;
    uint32_t last = HK_NO_TOKEN, groups = 0;
    for (uint32_t i = 0; i < v->n_merges; i++) {
        uint32_t left = v->merge_left_len[i];
        const char *right = v->merges[i] + left + 1;
        text->len = 0;
        if (!hk_bytes_append(text, v->merges[i], left, x->err) ||
            !hk_bytes_append(text, right, strlen(right), x->err))
            return false;
        uint32_t id = hk_vocab_map_get(&s->map, text->data, (uint32_t)text->len);
        if (id == HK_NO_TOKEN) return refuse(x, "a merge makes no token of the vocabulary");
        if (id != last && s->n_pairs[id] > 0)
            return refuse(x, "its merges are not ordered by the token that they make, so that no scores are "
                             "equal to them: the tokenizer.model that it was made from is needed");
        if (id != last) s->of[id] = -(float)groups++;
        s->n_pairs[id]++;
        last = id;
    }
    return true;
}

/* A piece that can stand in a text being merged: a token, or one character. */
static bool can_stand(const struct scores *s, const char *text, uint32_t len)
{
    return hk_utf8_len(text, len) == len || hk_vocab_map_get(&s->map, text, len) != HK_NO_TOKEN;
}

static bool check_pairs(const struct vocab_writer *x, const struct scores *s)
{
    for (uint32_t i = 0; i < x->v->n_tokens; i++) {
        const struct hk_vocab_token *t = &x->v->tokens[i];
        uint32_t pairs = 0;
        if (t->type != HK_TOKEN_NORMAL) continue;
        for (uint32_t at = 1; at < t->len; at++) {
            if (((unsigned char)t->text[at] & 0xC0) == 0x80) continue; /* inside a character */
            pairs += can_stand(s, t->text, at) && can_stand(s, t->text + at, t->len - at);
        }
        if (pairs != s->n_pairs[i])
            return refuse(x, "its list of merges is not what SentencePiece's scores would do: the "
                             "tokenizer.model that it was made from is needed, if there is one");
    }
    return true;
}

static bool derive_scores(const struct vocab_writer *x, struct scores *s)
{
    const struct hk_vocab *v = x->v;
    struct hk_bytes text = {0};
    s->of = hk_calloc(v->n_tokens, sizeof *s->of, x->err);
    s->n_pairs = hk_calloc(v->n_tokens, sizeof *s->n_pairs, x->err);
    bool ok = s->of && s->n_pairs && hk_vocab_map_init(&s->map, v->n_tokens, x->err);
    for (uint32_t i = 0; ok && i < v->n_tokens; i++)
        if (v->tokens[i].len) hk_vocab_map_put(&s->map, v->tokens[i].text, v->tokens[i].len, i);
    ok = ok && read_groups(x, s, &text) && check_pairs(x, s);
    hk_bytes_free(&text);
    return ok;
}

static void free_scores(struct scores *s)
{
    free(s->of);
    free(s->n_pairs);
    if (s->map.slots) hk_vocab_map_free(&s->map);
}

/* ---- tokens ---- */

/* The embedding may have more rows than there are tokens, and llama.cpp wants a token for each. */
static uint32_t rows(const struct vocab_writer *x)
{
    uint32_t n = x->c->hparams.n_vocab;
    return n > x->v->n_tokens ? n : x->v->n_tokens;
}

static void put_tokens(const struct vocab_writer *x)
{
    const struct hk_vocab *v = x->v;
    hk_gguf_begin_array(x->w, "tokenizer.ggml.tokens", HK_GGUF_STRING, rows(x));
    for (uint32_t i = 0; i < rows(x); i++) {
        char pad[24];
        bool given = i < v->n_tokens && v->tokens[i].len > 0;
        snprintf(pad, sizeof pad, "[PAD%u]", i);
        hk_gguf_add_string(x->w, given ? v->tokens[i].text : pad, given ? v->tokens[i].len : strlen(pad));
    }
    hk_gguf_begin_array(x->w, "tokenizer.ggml.token_type", HK_GGUF_I32, rows(x));
    for (uint32_t i = 0; i < rows(x); i++) {
        uint32_t type = i < v->n_tokens ? v->tokens[i].type : HK_TOKEN_UNUSED;
        hk_gguf_add_u32(x->w, type);
    }
}

static void put_scores(const struct vocab_writer *x, const float *derived)
{
    hk_gguf_begin_array(x->w, "tokenizer.ggml.scores", HK_GGUF_F32, rows(x));
    for (uint32_t i = 0; i < rows(x); i++) {
        float own = i < x->v->n_tokens ? x->v->tokens[i].score : 0.0f;
        hk_gguf_add_f32(x->w, derived && i < x->v->n_tokens ? derived[i] : own);
    }
}

static bool put_merges(const struct vocab_writer *x)
{
    const struct hk_vocab *v = x->v;
    hk_gguf_begin_array(x->w, "tokenizer.ggml.merges", HK_GGUF_STRING, v->n_merges);
    for (uint32_t i = 0; i < v->n_merges; i++) {
        const char *m = v->merges[i];
        size_t len = strlen(m);
        if (memchr(m, ' ', v->merge_left_len[i]) || strchr(m + v->merge_left_len[i] + 1, ' '))
            return refuse(x, "a merge has a space in one of its sides, where GGUF separates them");
        hk_gguf_add_string(x->w, m, len);
    }
    return true;
}

static void put_id(const struct vocab_writer *x, const char *key, uint32_t id)
{
    if (id != HK_NO_TOKEN) hk_gguf_put_u32(x->w, key, id);
}

static void put_special(const struct vocab_writer *x)
{
    static const char *const stops[] = {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    const struct hk_vocab *v = x->v;
    put_id(x, "tokenizer.ggml.bos_token_id", v->bos);
    put_id(x, "tokenizer.ggml.eos_token_id", v->eos);
    put_id(x, "tokenizer.ggml.unknown_token_id", v->unk);
    put_id(x, "tokenizer.ggml.padding_token_id", v->pad);
    size_t n = 0; /* two more tokens that end an answer; others are known by their text */
    for (uint32_t i = 0; i < v->n_stop && n < sizeof stops / sizeof *stops; i++)
        if (v->stop[i] != v->eos) put_id(x, stops[n++], v->stop[i]);
    hk_gguf_put_bool(x->w, "tokenizer.ggml.add_bos_token", v->add_bos);
    hk_gguf_put_bool(x->w, "tokenizer.ggml.add_eos_token", v->add_eos);
    if (x->c->chat_template)
        hk_gguf_put_string(x->w, "tokenizer.chat_template", x->c->chat_template, strlen(x->c->chat_template));
}

/* ---- the kinds ---- */

static void note_user_defined(const struct vocab_writer *x)
{
    bool any = false;
    for (uint32_t i = 0; x->v->pieces_inside && i < x->v->n_tokens; i++)
        any = any || x->v->tokens[i].type == HK_TOKEN_USER_DEFINED;
    if (any)
        say(x,
            "user-defined pieces are looked for before the text is cut by llama.cpp, and amid that by this "
            "tokenizer: beside them tokens may be others");
}

/* GGUF has no letters that BPE puts to its symbols. */
static bool check_bpe(const struct vocab_writer *x)
{
    const struct hk_vocab *v = x->v;
    if (v->part_prefix.len > 0 || v->word_suffix.len > 0)
        return refuse(x, "its continuing_subword_prefix or end_of_word_suffix is not empty, which no GGUF "
                         "file can say");
    if (v->plain && v->ignore_merges)
        return refuse(x, "it takes words that are tokens as they are (ignore_merges), which llama.cpp does "
                         "not do for SentencePiece's BPE");
    return true;
}

/* Byte-level BPE. */
static bool put_gpt2(const struct vocab_writer *x)
{
    const struct hk_vocab *v = x->v;
    struct byte_level_steps steps = read_byte_level(&v->steps);
    const char *pre = pre_name(v, &steps);
    if (steps.prefix_space)
        return refuse(x, "it puts a space before a text, which llama.cpp does not do for byte-level BPE");
    if (!pre)
        return refuse(x,
                      "how it cuts a text into words has no name in llama.cpp (tokenizer.ggml.pre), so that "
                      "no GGUF file can say it");
    if (steps.nfc)
        say(x,
            "the tokenizer brings texts to Unicode's form NFC first, which GGUF does not say and llama.cpp "
            "does not do");
    hk_gguf_put_string(x->w, "tokenizer.ggml.model", "gpt2", 4);
    hk_gguf_put_string(x->w, "tokenizer.ggml.pre", pre, strlen(pre));
    put_tokens(x);
    if (!put_merges(x)) return false;
    put_special(x);
    return true;
}

/* GGUF's "llama" has neither charsmap nor remove_extra_whitespaces. */
static bool is_plain_spm(const struct hk_vocab *v)
{
    struct sentencepiece_keys k;
    return !v->has_steps || (v->steps.n_norm == 1 && read_sentencepiece(v->steps.norm, &k) &&
                             k.charsmap.len == 0 && !k.remove_extra);
}

/* SentencePiece's BPE, by its scores or by merges that are equal to them. */
static bool put_llama(const struct vocab_writer *x, enum hk_prefix prefix)
{
    const struct hk_vocab *v = x->v;
    struct scores s = {0};
    bool derived = v->kind == HK_VOCAB_BPE;
    if (derived && !derive_scores(x, &s)) {
        free_scores(&s);
        return false;
    }
    if (prefix == HK_PREFIX_FIRST)
        say(x,
            "the tokenizer puts its space before a text in another way than llama.cpp, which has one before "
            "every stretch between special tokens: some prompts may begin with another token there");
    note_user_defined(x);
    hk_gguf_put_string(x->w, "tokenizer.ggml.model", "llama", 5);
    hk_gguf_put_string(x->w, "tokenizer.ggml.pre", "default", 7);
    put_tokens(x);
    put_scores(x, s.of);
    put_special(x);
    hk_gguf_put_bool(x->w, "tokenizer.ggml.add_space_prefix", prefix != HK_PREFIX_NEVER);
    free_scores(&s);
    return true;
}

/* SentencePiece's unigram model. */
static bool put_t5(const struct vocab_writer *x)
{
    const struct hk_vocab *v = x->v;
    struct sentencepiece_keys k = {{NULL, 0}, false, false};
    bool model = v->steps.n_norm == 1 && read_sentencepiece(v->steps.norm, &k);
    if (!model && !read_unigram_json(&v->steps, &k))
        return refuse(x, "what it does to a text before the unigram model is not what llama.cpp does: the "
                         "tokenizer.model that it was made from is needed, if there is one");
    if (!model)
        say(x,
            "the tokenizer is written as the SentencePiece model that tokenizer.json was made from: spaces "
            "at the ends of a text may give other tokens");
    if (v->byte_fallback)
        say(x, "characters without a token are bytes to this tokenizer, and the unknown token to llama.cpp");
    note_user_defined(x);
    hk_gguf_put_string(x->w, "tokenizer.ggml.model", "t5", 2);
    hk_gguf_put_string(x->w, "tokenizer.ggml.pre", "default", 7);
    put_tokens(x);
    put_scores(x, NULL);
    put_special(x);
    hk_gguf_put_bool(x->w, "tokenizer.ggml.add_space_prefix", k.prefix);
    hk_gguf_put_bool(x->w, "tokenizer.ggml.remove_extra_whitespaces", k.remove_extra);
    if (k.charsmap.len > 0)
        hk_gguf_put_bytes(x->w, "tokenizer.ggml.precompiled_charsmap", k.charsmap.data, k.charsmap.len);
    return true;
}

bool hk_gguf_put_vocab(struct hk_gguf_writer *w, const struct hk_checkpoint *c, hk_note_fn *note, void *user,
                       struct hk_error *err)
{
    const struct vocab_writer x = {w, c, &c->vocab, note, user, err};
    const struct hk_vocab *v = &c->vocab;
    if (v->n_tokens == 0) {
        say(&x, "there is no tokenizer beside the model: the file has weights alone");
        hk_gguf_put_string(w, "tokenizer.ggml.model", "none", 4);
        return true;
    }
    if (v->n_tokens > c->hparams.n_vocab)
        return hk_fail(err, HK_ERR_FORMAT, "%s: its tokenizer has %u tokens for the model's %u", c->path,
                       v->n_tokens, c->hparams.n_vocab);
    enum hk_prefix prefix = v->add_space_prefix ? HK_PREFIX_ALWAYS : HK_PREFIX_NEVER;
    if (v->n_before > 0 || v->n_after > 0)
        return refuse(&x, "it puts more than one token before or behind a text, where GGUF has one");
    if (v->kind == HK_VOCAB_BPE && !check_bpe(&x)) return false;
    if (v->kind == HK_VOCAB_SPM && is_plain_spm(v)) return put_llama(&x, prefix);
    if (v->kind == HK_VOCAB_BPE && v->plain && read_metaspace(&v->steps, &prefix))
        return put_llama(&x, prefix);
    if (v->kind == HK_VOCAB_BPE && !v->plain) return put_gpt2(&x);
    if (v->kind == HK_VOCAB_UNIGRAM) return put_t5(&x);
    return hk_fail(err, HK_ERR_UNSUPPORTED, "%s: tokenizer: kind \"%s\" cannot be written as GGUF yet",
                   c->path, v->kind_name);
}

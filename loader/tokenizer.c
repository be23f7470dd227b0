/* Text <-> tokens: added tokens out of the text, the rest normalised, cut into words and merged; and back.
 * The order of these steps, and what each sees, is that of Hugging Face's tokenizers. */
#include "tokenizer.h"
#include "added_tokens.h"
#include "bpe.h"
#include "normalize.h"
#include "pretokenizers.h"
#include "split_regex.h"
#include "spm.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

struct hk_tokenizer {
    const struct hk_vocab *vocab;
    struct hk_arena arena;
    const char **bytes;                     /* what token i stands for, */
    uint32_t *lens;                         /* and its length */
    struct hk_added_tokens raw, normalized; /* looked for before and after normalising */
    struct hk_splitter *splitter;
    struct hk_bpe *bpe;
    struct hk_spm *spm;
};

/* ---- making one ---- */

static bool is_control(const struct hk_vocab_token *t)
{
    return t->type == HK_TOKEN_CONTROL || t->type == HK_TOKEN_UNKNOWN;
}

static bool has_metaspace(const struct hk_vocab *v)
{
    return v->kind == HK_VOCAB_SPM || v->metaspace;
}

/* Whether the virtual space is put while normalising, or later, piece by piece. */
static bool prefix_is_normalizing(const struct hk_vocab *v)
{
    return has_metaspace(v) && v->space_prefix == HK_PREFIX_EACH;
}

/* What each token stands for. words[i]: the same for merging, where an added token is spelt like any other.
 */
static bool fill_bytes(struct hk_tokenizer *t, const char **words, uint32_t *word_lens, struct hk_error *err)
{
    const struct hk_vocab *v = t->vocab;
    uint64_t total = 0;
    for (uint32_t i = 0; i < v->n_tokens; i++) total += v->tokens[i].len;
    if (total > SIZE_MAX / 2)
        return hk_fail(err, HK_ERR_MEMORY, "tokenizer: the tokens' texts do not fit in memory");
    char *blob = hk_arena_alloc(&t->arena, (size_t)total + 1, 1, err);
    if (!blob) return false;
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        const struct hk_vocab_token *k = &v->tokens[i];
        size_t len = k->len;
        int byte = hk_byte_token(k);
        t->bytes[i] = words[i] = k->text;
        t->lens[i] = word_lens[i] = k->len;
        if (k->len == 0) {
            t->bytes[i] = words[i] = "";
        } else if (byte >= 0) {
            *blob = (char)byte;
            t->bytes[i] = blob++;
            t->lens[i] = 1;
        } else if (has_metaspace(v)) {
            if (is_control(k)) continue;
            t->lens[i] = (uint32_t)hk_metaspace_undo(k->text, k->len, blob);
            t->bytes[i] = blob;
            blob += k->len;
        } else {
            bool spelt = hk_byte_level_decode(k->text, k->len, blob, &len);
            words[i] = spelt ? blob : NULL;
            word_lens[i] = (uint32_t)len;
            bool literal = !spelt || is_control(k) || k->type == HK_TOKEN_USER_DEFINED;
            if (!literal) {
                t->bytes[i] = blob;
                t->lens[i] = (uint32_t)len;
            }
            blob += k->len;
        }
    }
    return true;
}

/* Appends the text as it is after normalising; the same text when there is nothing to do. */
static bool normalize(const struct hk_vocab *v, const char **text, size_t *len, struct hk_bytes *nfc,
                      struct hk_bytes *spaced, struct hk_error *err)
{
    if (*len == 0) return true;
    if (v->nfc) {
        nfc->len = 0;
        if (!hk_normalize_nfc(*text, *len, nfc, err)) return false;
        *text = nfc->data;
        *len = nfc->len;
    }
    if (prefix_is_normalizing(v)) {
        spaced->len = 0;
        if (v->add_space_prefix && !hk_bytes_append(spaced, HK_METASPACE, HK_METASPACE_LEN, err))
            return false;
        if (!hk_metaspace_append(*text, *len, spaced, err)) return false;
        *text = spaced->data;
        *len = spaced->len;
    }
    return true;
}

static bool add_normalized(struct hk_tokenizer *t, struct hk_added_token a, struct hk_error *err)
{
    struct hk_bytes nfc = {0}, spaced = {0};
    const char *text = a.text;
    size_t len = a.len;
    bool ok = normalize(t->vocab, &text, &len, &nfc, &spaced, err);
    if (ok && len > UINT32_MAX) ok = hk_fail(err, HK_ERR_FORMAT, "tokenizer: an added token is too long");
    a.text = ok ? hk_arena_strndup(&t->arena, text, len, err) : NULL;
    a.len = (uint32_t)len;
    hk_bytes_free(&nfc);
    hk_bytes_free(&spaced);
    return a.text && hk_added_tokens_add(&t->normalized, a, err);
}

static bool find_added(struct hk_tokenizer *t, struct hk_error *err)
{
    for (uint32_t i = 0; i < t->vocab->n_tokens; i++) {
        const struct hk_vocab_token *k = &t->vocab->tokens[i];
        if (k->len == 0 || (!is_control(k) && k->type != HK_TOKEN_USER_DEFINED)) continue;
        struct hk_added_token a = {
            .text = k->text, .len = k->len, .id = i, .control = is_control(k), .flags = k->flags};
        bool ok = k->flags & HK_TOKEN_MATCH_NORMALIZED ? add_normalized(t, a, err)
                                                       : hk_added_tokens_add(&t->raw, a, err);
        if (!ok) return false;
    }
    hk_added_tokens_sort(&t->raw);
    hk_added_tokens_sort(&t->normalized);
    return true;
}

static bool find_splitter(struct hk_tokenizer *t, bool *ignore_merges, struct hk_error *err)
{
    const struct hk_vocab *v = t->vocab;
    const char *const *patterns = v->pre_regex;
    uint32_t n = v->n_pre_regex;
    *ignore_merges = v->ignore_merges;
    if (strcmp(v->pre, "regex") != 0 && !(v->metaspace && v->pre[0] == 0)) {
        const struct hk_pretokenizer *row = hk_pretokenizer_find(v->pre);
        if (!row) {
            char known[400];
            hk_pretokenizer_names(known, sizeof known);
            return hk_fail(err, HK_ERR_UNSUPPORTED,
                           "tokenizer: pre-tokenizer \"%s\" is not supported: known are %s", v->pre, known);
        }
        patterns = row->regex;
        for (n = 0; row->regex[n]; n++) continue;
        *ignore_merges = *ignore_merges || row->ignore_merges;
    }
    t->splitter = hk_splitter_new(patterns, n, err);
    return t->splitter || hk_fail_prefix(err, "tokenizer");
}

static bool build(struct hk_tokenizer *t, struct hk_error *err)
{
    const struct hk_vocab *v = t->vocab;
    if (v->kind == HK_VOCAB_NONE)
        return hk_fail(err, HK_ERR_UNSUPPORTED,
                       "tokenizer: kind \"%s\" is not supported: known are gpt2 (byte-level BPE) and llama "
                       "(SentencePiece)",
                       v->kind_name);
    if (v->n_tokens == 0) return hk_fail(err, HK_ERR_FORMAT, "tokenizer: the vocabulary has no tokens");
    t->bytes = hk_arena_alloc(&t->arena, v->n_tokens, sizeof *t->bytes, err);
    t->lens = t->bytes ? hk_arena_alloc(&t->arena, v->n_tokens, sizeof *t->lens, err) : NULL;
    const char **words = t->lens ? hk_arena_alloc(&t->arena, v->n_tokens, sizeof *words, err) : NULL;
    uint32_t *word_lens = words ? hk_arena_alloc(&t->arena, v->n_tokens, sizeof *word_lens, err) : NULL;
    if (!word_lens || !fill_bytes(t, words, word_lens, err) || !find_added(t, err)) return false;
    if (v->kind == HK_VOCAB_SPM) {
        t->spm = hk_spm_new(v, err);
        return t->spm != NULL;
    }
    bool ignore_merges;
    if (!find_splitter(t, &ignore_merges, err)) return false;
    t->bpe = hk_bpe_new(v, ignore_merges, words, word_lens, err);
    return t->bpe != NULL;
}

struct hk_tokenizer *hk_tokenizer_new(const struct hk_vocab *vocab, struct hk_error *err)
{
    struct hk_tokenizer *t = hk_calloc(1, sizeof *t, err);
    if (!t) return NULL;
    t->vocab = vocab;
    if (!build(t, err)) {
        hk_tokenizer_free(t);
        return NULL;
    }
    return t;
}

void hk_tokenizer_free(struct hk_tokenizer *t)
{
    if (!t) return;
    hk_bpe_free(t->bpe);
    hk_spm_free(t->spm);
    hk_splitter_free(t->splitter);
    hk_added_tokens_free(&t->raw);
    hk_added_tokens_free(&t->normalized);
    hk_arena_free(&t->arena);
    free(t);
}

/* ---- encoding ---- */

struct encoding {
    const struct hk_tokenizer *t;
    bool control; /* control tokens in the text are parsed */
    struct hk_merger merger;
    struct hk_bytes nfc, spaced, prefixed;
    struct hk_tokens *out;
};

static bool encode_word(void *user, const char *word, size_t len, struct hk_error *err)
{
    struct encoding *e = user;
    return hk_bpe_encode(e->t->bpe, word, len, &e->merger, e->out, err);
}

static bool starts_with_space(const struct hk_vocab *v, const char *text, size_t len)
{
    return text[0] == ' ' ||
           (has_metaspace(v) && len >= HK_METASPACE_LEN && memcmp(text, HK_METASPACE, HK_METASPACE_LEN) == 0);
}

/* Text without added tokens. first: it stands at the very beginning. */
static bool encode_piece(struct encoding *e, const char *text, size_t len, bool first, struct hk_error *err)
{
    const struct hk_vocab *v = e->t->vocab;
    if (len == 0) return true;
    if (v->kind == HK_VOCAB_SPM) return hk_spm_encode(e->t->spm, text, len, &e->merger, e->out, err);
    bool prefix = v->add_space_prefix && !prefix_is_normalizing(v) && !starts_with_space(v, text, len) &&
                  (first || v->space_prefix != HK_PREFIX_FIRST);
    bool respell = v->metaspace && !prefix_is_normalizing(v);
    if (prefix || respell) {
        struct hk_bytes *b = &e->prefixed;
        b->len = 0;
        if (prefix && !hk_bytes_append(b, respell ? HK_METASPACE : " ", respell ? HK_METASPACE_LEN : 1, err))
            return false;
        if (!(respell ? hk_metaspace_append(text, len, b, err) : hk_bytes_append(b, text, len, err)))
            return false;
        text = b->data;
        len = b->len;
    }
    return hk_splitter_run(e->t->splitter, text, len, encode_word, e, err);
}

/* Text between two tokens that were found before normalising. */
static bool encode_stretch(struct encoding *e, const char *text, size_t len, bool first, struct hk_error *err)
{
    if (!normalize(e->t->vocab, &text, &len, &e->nfc, &e->spaced, err)) return false;
    struct hk_added_match m = {0};
    size_t at = 0;
    while (hk_added_tokens_find(&e->t->normalized, text, len, m.next, at, e->control, &m)) {
        if (m.start > at && !encode_piece(e, text + at, m.start - at, first && at == 0, err)) return false;
        if (!hk_tokens_push(e->out, m.token->id, err)) return false;
        at = m.end;
    }
    return encode_piece(e, text + at, len - at, first && at == 0, err);
}

static bool encode_text(struct encoding *e, const char *text, size_t len, struct hk_error *err)
{
    struct hk_added_match m = {0};
    size_t at = 0;
    while (hk_added_tokens_find(&e->t->raw, text, len, m.next, at, e->control, &m)) {
        if (m.start > at && !encode_stretch(e, text + at, m.start - at, at == 0, err)) return false;
        if (!hk_tokens_push(e->out, m.token->id, err)) return false;
        at = m.end;
    }
    return encode_stretch(e, text + at, len - at, at == 0, err);
}

bool hk_tokenizer_encode(const struct hk_tokenizer *t, const char *text, size_t len, unsigned flags,
                         struct hk_tokens *out, struct hk_error *err)
{
    const struct hk_vocab *v = t->vocab;
    struct encoding e = {.t = t, .control = flags & HK_ENCODE_PARSE_SPECIAL, .out = out};
    size_t n_before = out->n;
    bool special = flags & HK_ENCODE_ADD_SPECIAL;
    bool ok = !(special && v->add_bos && v->bos != HK_NO_TOKEN) || hk_tokens_push(out, v->bos, err);
    ok = ok && encode_text(&e, text, len, err);
    ok = ok && (!(special && v->add_eos && v->eos != HK_NO_TOKEN) || hk_tokens_push(out, v->eos, err));
    if (!ok) out->n = n_before;
    hk_merger_free(&e.merger);
    hk_bytes_free(&e.nfc);
    hk_bytes_free(&e.spaced);
    hk_bytes_free(&e.prefixed);
    return ok;
}

/* ---- decoding ---- */

size_t hk_tokenizer_bytes(const struct hk_tokenizer *t, uint32_t id, bool special, const char **bytes)
{
    bool empty = id >= t->vocab->n_tokens || (!special && is_control(&t->vocab->tokens[id]));
    *bytes = empty ? "" : t->bytes[id];
    return empty ? 0 : t->lens[id];
}

void hk_decoder_init(struct hk_decoder *d, const struct hk_tokenizer *t, bool at_start, bool special)
{
    *d = (struct hk_decoder){.tokenizer = t, .special = special, .started = !at_start};
}

/* One byte more: out with everything that is complete or can never be. */
static bool push_byte(struct hk_decoder *d, char byte, struct hk_bytes *out, struct hk_error *err)
{
    d->pending[d->n_pending++] = byte;
    if (hk_utf8_is_prefix(d->pending, d->n_pending)) return true;
    size_t n = d->n_pending;
    bool whole = hk_utf8_len(d->pending, n) == n;
    /* the byte that broke a character may begin another */
    size_t keep = !whole && n > 1 && hk_utf8_is_prefix(&byte, 1) ? 1 : 0;
    if (!hk_bytes_append(out, d->pending, n - keep, err)) return false;
    d->pending[0] = byte;
    d->n_pending = (uint8_t)keep;
    return true;
}

bool hk_decoder_push(struct hk_decoder *d, uint32_t id, struct hk_bytes *out, struct hk_error *err)
{
    const struct hk_vocab *v = d->tokenizer->vocab;
    const char *bytes;
    size_t n = hk_tokenizer_bytes(d->tokenizer, id, d->special, &bytes);
    if (n == 0) return true;
    bool added = is_control(&v->tokens[id]) || v->tokens[id].type == HK_TOKEN_USER_DEFINED;
    bool virtual_space = has_metaspace(v) && v->add_space_prefix;
    if (virtual_space && !added && !d->started && bytes[0] == ' ') {
        bytes++;
        n--;
    }
    /* the encoder put a virtual space behind an added token too */
    d->started = !added || v->space_prefix == HK_PREFIX_FIRST;
    for (size_t i = 0; i < n; i++) {
        if (!push_byte(d, bytes[i], out, err)) return false;
    }
    return true;
}

bool hk_decoder_finish(struct hk_decoder *d, struct hk_bytes *out, struct hk_error *err)
{
    size_t n = d->n_pending;
    d->n_pending = 0;
    return hk_bytes_append(out, d->pending, n, err);
}

/* llama2.c's .bin and tokenizer.bin. */
#include "loader/formats/llama2c.h"

#include <stdio.h>
#include <string.h>

enum { HEADER_BYTES = 28, UNK = 0, BOS = 1, EOS = 2, FIRST_BYTE = 3, LAST_BYTE = 258 };

/* The matrices in the order of the file. Dimensions are letters: d model, k all key-value heads, h hidden. */
struct part {
    const char *name; /* of the tensor, or after "blk.N." */
    bool per_layer;
    char rows, cols; /* 0: a vector of cols */
};

static const struct part parts[] = {
    {"token_embd.weight", false, 'v', 'd'},
    {"attn_norm.weight", true, 0, 'd'},
    {"attn_q.weight", true, 'd', 'd'},
    {"attn_k.weight", true, 'k', 'd'},
    {"attn_v.weight", true, 'k', 'd'},
    {"attn_output.weight", true, 'd', 'd'},
    {"ffn_norm.weight", true, 0, 'd'},
    {"ffn_gate.weight", true, 'h', 'd'},
    {"ffn_down.weight", true, 'd', 'h'},
    {"ffn_up.weight", true, 'h', 'd'},
    {"output_norm.weight", false, 0, 'd'},
    {NULL, false, 'c', 'p'}, /* two tables of rotations: computed anew */
    {"output.weight", false, 'v', 'd'},
};
enum { N_PARTS = sizeof parts / sizeof *parts };

static uint64_t dimension(const struct hk_hparams *hp, char letter)
{
    switch (letter) {
    case 'd':
        return hp->n_embd;
    case 'k':
        return (uint64_t)hp->n_head_kv * hp->head_dim;
    case 'h':
        return hp->n_ff;
    case 'v':
        return hp->n_vocab;
    case 'c':
        return hp->n_ctx_train;
    case 'p':
        return hp->head_dim / 2 * 2; /* head_dim / 2 pairs, a table for each part */
    default:
        return 1;
    }
}

/* Files of this format have no magic: one whose numbers are impossible may be anything. */
static bool not_ours(const struct hk_cursor *cur)
{
    return hk_fail_prefix(
        cur->err,
        "%s: is no model file that Hekla knows (GGUF, a Hugging Face folder, llama2.c .bin); read as "
        "the last",
        cur->file);
}

static bool read_header(struct hk_cursor *cur, struct hk_hparams *hp, bool *tied)
{
    int32_t h[7];
    for (size_t i = 0; i < 7; i++) h[i] = hk_cursor_i32(cur, "the header");
    if (cur->failed) return false;
    *tied = h[5] > 0;
    if (!*tied && h[5] > -INT32_MAX) h[5] = -h[5];
    for (size_t i = 0; i < 7; i++) {
        if (h[i] <= 0) {
            hk_fail(cur->err, HK_ERR_FORMAT, "header number %zu is %d", i, h[i]);
            return not_ours(cur);
        }
    }
    *hp = (struct hk_hparams){.n_embd = (uint32_t)h[0],
                              .n_ff = (uint32_t)h[1],
                              .n_layer = (uint32_t)h[2],
                              .n_head = (uint32_t)h[3],
                              .n_head_kv = (uint32_t)h[4],
                              .n_vocab = (uint32_t)h[5],
                              .n_ctx_train = (uint32_t)h[6],
                              .norm_eps = 1e-5f,
                              .activation = HK_ACT_SILU,
                              .rope_theta = 10000.0f,
                              .rope_pairing = HK_ROPE_INTERLEAVED};
    memcpy(hp->arch, "llama", sizeof "llama");
    hp->head_dim = hp->n_embd / hp->n_head;
    hp->rope_dim = hp->head_dim;
    if (hp->n_embd % hp->n_head != 0) {
        hk_fail(cur->err, HK_ERR_FORMAT, "an embedding of %u cannot be split over %u heads", hp->n_embd,
                hp->n_head);
        return not_ours(cur);
    }
    return hk_hparams_check(hp, "header", cur->err) || not_ours(cur);
}

/* Bytes of one layer's part; what hk_hparams_check accepts cannot overflow here. */
static uint64_t part_bytes(const struct hk_hparams *hp, const struct part *p)
{
    return dimension(hp, p->rows) * dimension(hp, p->cols) * sizeof(float);
}

static bool present(const struct part *p, bool tied)
{
    return !(tied && p == &parts[N_PARTS - 1]);
}

static bool add_tensor(struct hk_checkpoint *c, const struct part *p, uint32_t layer, const uint8_t *data,
                       struct hk_error *err)
{
    char name[64];
    int len = p->per_layer ? snprintf(name, sizeof name, "blk.%u.%s", layer, p->name)
                           : snprintf(name, sizeof name, "%s", p->name);
    struct hk_ckpt_tensor *t = &c->tensors[c->n_tensors];
    uint64_t rows = dimension(&c->hparams, p->rows), cols = dimension(&c->hparams, p->cols);
    *t = (struct hk_ckpt_tensor){.type = HK_F32,
                                 .n_dims = p->rows ? 2 : 1,
                                 .shape = {p->rows ? rows : cols, p->rows ? cols : 1, 1, 1},
                                 .data = data,
                                 .size = part_bytes(&c->hparams, p)};
    t->name = hk_arena_strndup(&c->arena, name, (size_t)len, err);
    c->n_tensors++;
    return t->name != NULL;
}

bool hk_llama2c_parse(struct hk_checkpoint *c, const void *data, size_t size, const char *file,
                      struct hk_error *err)
{
    struct hk_cursor cur = hk_cursor_make(data, size, file, err);
    struct hk_hparams *hp = &c->hparams;
    bool tied;
    if (size >= 4 && hk_load_u32(data) == 0x616b3432)
        return hk_fail(
            err, HK_ERR_UNSUPPORTED,
            "%s: is a llama2.c file of version 1 or 2: version 0 is supported (export.py --version 0)", file);
    if (!read_header(&cur, hp, &tied)) return false;
    uint64_t need = HEADER_BYTES, bytes;
    for (const struct part *p = parts; p < parts + N_PARTS; p++) {
        if (!present(p, tied)) continue;
        if (!hk_mul_u64(part_bytes(hp, p), p->per_layer ? hp->n_layer : 1, &bytes) ||
            !hk_add_u64(need, bytes, &need))
            return hk_fail(err, HK_ERR_FORMAT,
                           "%s: the header's sizes do not fit: damaged, or no llama2.c .bin file", file);
    }
    if (need != size)
        return hk_fail(
            err, HK_ERR_FORMAT,
            "%s: has %zu bytes, but a llama2.c .bin file with its header has %llu: truncated, damaged, or "
            "of another format",
            file, size, (unsigned long long)need);
    /* the length is right, so that the number of layers is bounded by it */
    c->tensors = hk_arena_alloc(&c->arena, (size_t)hp->n_layer * N_PARTS + N_PARTS, sizeof *c->tensors, err);
    if (!c->tensors) return false;
    for (const struct part *p = parts; p < parts + N_PARTS; p++) {
        if (!present(p, tied)) continue;
        for (uint32_t layer = 0; layer < (p->per_layer ? hp->n_layer : 1); layer++) {
            const uint8_t *at = hk_cursor_bytes(&cur, part_bytes(hp, p), "a tensor");
            if (!at || (p->name && !add_tensor(c, p, layer, at, err))) return false;
        }
    }
    c->has_hparams = true;
    c->format = "llama2.c";
    return hk_checkpoint_sort_tensors(c, file, err);
}

/* ---- tokenizer.bin ---- */

static bool is_byte_token(uint32_t id, const uint8_t *s, uint32_t len)
{
    char want[8];
    snprintf(want, sizeof want, "<0x%02X>", (id - FIRST_BYTE) & 0xFFu);
    return id >= FIRST_BYTE && id <= LAST_BYTE && len == 6 && memcmp(s, want, 6) == 0;
}

/* The file has spaces where the vocabulary of SentencePiece has U+2581, and newlines around <s> and </s>. */
static bool convert_token(struct hk_checkpoint *c, uint32_t id, const uint8_t *s, uint32_t len,
                          struct hk_vocab_token *t, struct hk_error *err)
{
    static const char *const fixed[] = {"<unk>", "<s>", "</s>"};
    t->type = HK_TOKEN_NORMAL;
    if (id <= EOS) {
        t->type = id == UNK ? HK_TOKEN_UNKNOWN : HK_TOKEN_CONTROL;
        t->text = fixed[id];
        t->len = (uint32_t)strlen(fixed[id]);
        return true;
    }
    if (is_byte_token(id, s, len)) {
        t->type = HK_TOKEN_BYTE;
        c->vocab.byte_fallback = true;
    }
    char *text = hk_arena_alloc(&c->arena, 3 * (size_t)len + 1, 1, err), *p = text;
    if (!text) return false;
    for (uint32_t i = 0; i < len; i++) {
        if (s[i] == ' ') {
            memcpy(p, "\xE2\x96\x81", 3);
            p += 3;
        } else {
            *p++ = (char)s[i];
        }
    }
    t->text = text;
    t->len = (uint32_t)(p - text);
    return true;
}

bool hk_llama2c_tokenizer(struct hk_checkpoint *c, const void *data, size_t size, const char *file,
                          struct hk_error *err)
{
    enum { MIN_BYTES = 8, LONGEST = UINT16_MAX / 4 };
    struct hk_cursor cur = hk_cursor_make(data, size, file, err);
    struct hk_vocab *v = &c->vocab;
    uint32_t n = c->hparams.n_vocab;
    hk_cursor_i32(&cur, "the longest token's length");
    if (n == 0)
        return hk_fail(err, HK_ERR_INPUT,
                       "%s: is read as a tokenizer.bin, which only a llama2.c model can have: a "
                       "tokenizer.json is needed",
                       file);
    if (n > hk_cursor_left(&cur) / MIN_BYTES)
        return hk_fail(
            err, HK_ERR_FORMAT,
            "%s: %zu bytes are too few for a tokenizer.bin with the model's %u tokens: truncated, or another "
            "model's: the right one as hk_checkpoint_options.tokenizer_path would be accepted",
            file, size, n);
    struct hk_vocab_token *tokens = hk_arena_alloc(&c->arena, n, sizeof *tokens, err);
    if (!tokens) return false;
    for (uint32_t i = 0; i < n; i++) {
        tokens[i].score = hk_cursor_f32(&cur, "a token's score");
        uint32_t len = hk_cursor_u32(&cur, "a token's length");
        if (!cur.failed && len > LONGEST)
            return hk_fail(err, HK_ERR_FORMAT, "%s: token %u has %u bytes: at most %d are accepted", file, i,
                           len, LONGEST);
        const uint8_t *s = hk_cursor_bytes(&cur, len, "a token's text");
        if (!s) return hk_fail_prefix(err, "token %u of %u", i, n);
        if (!convert_token(c, i, s, len, &tokens[i], err)) return false;
    }
    if (hk_cursor_left(&cur) > 0)
        return hk_fail(
            err, HK_ERR_FORMAT,
            "%s: has %zu bytes more than the model's %u tokens need: another model's tokenizer: the "
            "right one as hk_checkpoint_options.tokenizer_path would be accepted",
            file, hk_cursor_left(&cur), n);
    v->kind = HK_VOCAB_SPM;
    memcpy(v->kind_name, "llama", sizeof "llama");
    v->tokens = tokens;
    v->n_tokens = n;
    v->unk = UNK;
    v->bos = n > BOS ? BOS : HK_NO_TOKEN;
    v->eos = n > EOS ? EOS : HK_NO_TOKEN;
    v->add_bos = true;
    v->add_space_prefix = true;
    hk_vocab_add_stop(v, v->eos);
    hk_vocab_add_stop(
        v, v->bos); /* these models were trained on texts that follow each other after a bos alone */
    return true;
}

/* The tokenizer beside the model: tok<vocabulary size>.bin, tokenizer.bin, or the only tok*.bin. NULL: none. */
static bool find_tokenizer(struct hk_checkpoint *c, const char **path, struct hk_error *err)
{
    char by_size[32];
    const char *const *names, *only = NULL;
    size_t n, candidates = 0;
    snprintf(by_size, sizeof by_size, "tok%u.bin", c->hparams.n_vocab);
    const char *folder = hk_path_folder(&c->arena, c->path, err);
    if (!folder || !hk_folder_list(&c->arena, folder, &names, &n, err)) return false;
    const char *exact = NULL, *usual = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(names[i]);
        if (len < 7 || memcmp(names[i], "tok", 3) != 0 || strcmp(names[i] + len - 4, ".bin") != 0) continue;
        if (strcmp(names[i], hk_path_base(c->path)) == 0) continue; /* a model may be named like this */
        if (strcmp(names[i], by_size) == 0) exact = names[i];
        if (strcmp(names[i], "tokenizer.bin") == 0) usual = names[i];
        only = names[i];
        candidates++;
    }
    const char *name = exact ? exact : usual ? usual : candidates == 1 ? only : NULL;
    *path = NULL;
    if (!name && candidates > 1)
        return hk_fail(err, HK_ERR_INPUT,
                       "%s: %zu files beside it could be its tokenizer: one of them as "
                       "hk_checkpoint_options.tokenizer_path would be accepted",
                       c->path, candidates);
    return !name || (*path = hk_path_join(&c->arena, folder, name, err));
}

bool hk_llama2c_open(struct hk_checkpoint *c, const struct hk_mapping *m,
                     const struct hk_checkpoint_options *opt, struct hk_error *err)
{
    if (!hk_llama2c_parse(c, m->data, m->size, c->path, err)) return false;
    const char *tokenizer = opt ? opt->tokenizer_path : NULL;
    if (!tokenizer && !find_tokenizer(c, &tokenizer, err)) return false;
    /* without one the model can still be listed and measured: c->vocab.kind stays NONE */
    return !tokenizer || hk_vocab_from_option(c, tokenizer, err);
}

/* tokenizer.model -> struct hk_vocab. */
#include "loader/formats/sentencepiece_model.h"
#include "loader/formats/formats.h"
#include "loader/tokenizer/metaspace.h"
#include "loader/formats/protobuf.h"
#include "loader/tokenizer/vocab_steps.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PIECES = 1 << 24, MAX_PIECE_BYTES = 4096, N_STEPS = 4 };
enum model_type { MODEL_UNIGRAM = 1, MODEL_BPE = 2 };

/* The fields of ModelProto, TrainerSpec, NormalizerSpec and SentencePiece that matter, by number. */
enum { MODEL_PIECES = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3, MODEL_DENORMALIZER = 5 };
enum {
    TRAINER_TYPE = 3,
    TRAINER_SUFFIX = 24,
    TRAINER_BYTE_FALLBACK = 35,
    TRAINER_UNK_SURFACE = 44,
    TRAINER_UNK_PIECE = 45,
    TRAINER_BOS_PIECE = 46,
    TRAINER_EOS_PIECE = 47,
    TRAINER_PAD_PIECE = 48
};
enum {
    NORMALIZER_CHARSMAP = 2,
    NORMALIZER_DUMMY_PREFIX = 3,
    NORMALIZER_REMOVE_EXTRA = 4,
    NORMALIZER_ESCAPE = 5
};
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };

struct model {
    struct hk_arena *arena;
    struct hk_vocab *v;
    struct hk_vocab_token *tokens;
    const char *file;
    struct hk_error *err;
    uint64_t type;
    bool suffix, dummy_prefix, remove_extra, escape;
    struct hk_span charsmap, unk_surface, unk, bos, eos, pad;
};

bool hk_is_sentencepiece_model(const uint8_t *p, size_t n)
{
    /* field 1, a length, and inside it field 1, the piece's text */
    return n > 8 && p[0] == 0x0A && p[1] > 2 && p[1] < 0x80 && p[2] == 0x0A && p[3] > 0 && p[3] <= p[1] - 2;
}

static bool copy(const struct model *m, struct hk_span s, const char **out)
{
    return (*out = hk_arena_strndup(m->arena, s.data, s.len, m->err)) != NULL;
}

static bool bad_piece(const struct model *m, uint32_t i, const char *why)
{
    return hk_fail(m->err, HK_ERR_FORMAT, "%s: piece %u: %s", m->file, i, why);
}

static bool read_piece(const struct model *m, struct hk_span message, uint32_t i)
{
    struct hk_proto p = hk_proto_make(message, m->file, m->err);
    struct hk_proto_field f;
    struct hk_vocab_token *t = &m->tokens[i];
    struct hk_span text = {"", 0};
    uint64_t type = HK_TOKEN_NORMAL;
    while (hk_proto_next(&p, &f)) {
        bool ok = true;
        if (f.number == PIECE_TEXT && (ok = hk_proto_expect(&p, &f, HK_PROTO_BYTES))) text = f.bytes;
        if (f.number == PIECE_SCORE && (ok = hk_proto_expect(&p, &f, HK_PROTO_FIXED32)))
            t->score = hk_proto_f32(&f);
        if (f.number == PIECE_TYPE && (ok = hk_proto_expect(&p, &f, HK_PROTO_VARINT))) type = f.value;
        if (!ok) return false;
    }
    if (p.failed) return hk_fail_prefix(m->err, "piece %u", i);
    if (text.len == 0 || text.len > MAX_PIECE_BYTES || memchr(text.data, 0, text.len))
        return bad_piece(m, i, "its text is empty, too long or has a NUL");
    if (!isfinite(t->score)) return bad_piece(m, i, "its score is no number");
    if (type < HK_TOKEN_NORMAL || type > HK_TOKEN_BYTE)
        return bad_piece(m, i, "its type is none from 1 to 6");
    t->len = (uint32_t)text.len;
    t->type = (uint8_t)type;
    if (!copy(m, text, &t->text)) return false;
    if (t->type == HK_TOKEN_BYTE && hk_byte_token(t) < 0)
        return bad_piece(m, i, "is a byte, but not spelt <0xXX>");
    if (t->type == HK_TOKEN_UNKNOWN) m->v->unk = i;
    return true;
}

static bool read_trainer(struct model *m, struct hk_span message)
{
    struct hk_proto p = hk_proto_make(message, m->file, m->err);
    struct hk_proto_field f;
    struct hk_span *const texts[] = {&m->unk_surface, &m->unk, &m->bos, &m->eos, &m->pad};
    while (hk_proto_next(&p, &f)) {
        bool text = f.number >= TRAINER_UNK_SURFACE && f.number <= TRAINER_PAD_PIECE;
        bool number =
            f.number == TRAINER_TYPE || f.number == TRAINER_SUFFIX || f.number == TRAINER_BYTE_FALLBACK;
        if ((text && !hk_proto_expect(&p, &f, HK_PROTO_BYTES)) ||
            (number && !hk_proto_expect(&p, &f, HK_PROTO_VARINT)))
            break;
        if (text) *texts[f.number - TRAINER_UNK_SURFACE] = f.bytes;
        if (f.number == TRAINER_TYPE) m->type = f.value;
        if (f.number == TRAINER_SUFFIX) m->suffix = f.value != 0;
        if (f.number == TRAINER_BYTE_FALLBACK) m->v->byte_fallback = f.value != 0;
    }
    return !p.failed || hk_fail_prefix(m->err, "the trainer's settings");
}

static bool read_normalizer(struct model *m, struct hk_span message)
{
    struct hk_proto p = hk_proto_make(message, m->file, m->err);
    struct hk_proto_field f;
    bool *const flags[] = {&m->dummy_prefix, &m->remove_extra, &m->escape};
    while (hk_proto_next(&p, &f)) {
        bool flag = f.number >= NORMALIZER_DUMMY_PREFIX && f.number <= NORMALIZER_ESCAPE;
        if ((flag && !hk_proto_expect(&p, &f, HK_PROTO_VARINT)) ||
            (f.number == NORMALIZER_CHARSMAP && !hk_proto_expect(&p, &f, HK_PROTO_BYTES)))
            break;
        if (flag) *flags[f.number - NORMALIZER_DUMMY_PREFIX] = f.value != 0;
        if (f.number == NORMALIZER_CHARSMAP) m->charsmap = f.bytes;
    }
    return !p.failed || hk_fail_prefix(m->err, "the normalizer's settings");
}

/* A charsmap for the way back changes what tokens mean. */
static bool check_denormalizer(struct model *m, struct hk_span message)
{
    struct hk_proto p = hk_proto_make(message, m->file, m->err);
    struct hk_proto_field f;
    while (hk_proto_next(&p, &f)) {
        if (f.number == NORMALIZER_CHARSMAP && f.bytes.len > 0)
            return hk_fail(m->err, HK_ERR_UNSUPPORTED, "%s: has a denormalizer, which is not supported",
                           m->file);
    }
    return !p.failed || hk_fail_prefix(m->err, "the denormalizer's settings");
}

static bool read_message(struct model *m, struct hk_span data)
{
    struct hk_proto_field f;
    uint32_t n = 0;
    struct hk_proto p = hk_proto_make(data, m->file, m->err);
    while (hk_proto_next(&p, &f)) n += f.number == MODEL_PIECES;
    if (p.failed) return false;
    if (n == 0 || n > MAX_PIECES)
        return hk_fail(m->err, HK_ERR_FORMAT, "%s: has %u pieces: from 1 to %d are accepted", m->file, n,
                       MAX_PIECES);
    m->tokens = hk_arena_alloc(m->arena, n, sizeof *m->tokens, m->err);
    if (!m->tokens) return false;
    p = hk_proto_make(data, m->file, m->err);
    for (uint32_t i = 0; hk_proto_next(&p, &f);) {
        bool message = f.number <= MODEL_NORMALIZER || f.number == MODEL_DENORMALIZER, ok = true;
        if (message && !hk_proto_expect(&p, &f, HK_PROTO_BYTES)) return false;
        if (f.number == MODEL_PIECES) ok = read_piece(m, f.bytes, i++);
        if (f.number == MODEL_TRAINER) ok = read_trainer(m, f.bytes);
        if (f.number == MODEL_NORMALIZER) ok = read_normalizer(m, f.bytes);
        if (f.number == MODEL_DENORMALIZER) ok = check_denormalizer(m, f.bytes);
        if (!ok) return false;
    }
    m->v->tokens = m->tokens;
    m->v->n_tokens = n;
    return true;
}

/* A special piece by its text: only what is a control piece counts. */
static uint32_t control(const struct model *m, struct hk_span text)
{
    uint32_t id = hk_vocab_find(m->v, text.data, text.len);
    return id != HK_NO_TOKEN && m->tokens[id].type == HK_TOKEN_CONTROL ? id : HK_NO_TOKEN;
}

static bool set_steps(struct model *m)
{
    struct hk_vocab *v = m->v;
    struct hk_norm_step *norm = hk_arena_alloc(m->arena, 1, sizeof *norm, m->err);
    struct hk_decode_step *decode = norm ? hk_arena_alloc(m->arena, N_STEPS, sizeof *decode, m->err) : NULL;
    struct hk_span space = {HK_METASPACE, HK_METASPACE_LEN};
    if (!decode) return false;
    norm->kind = HK_NORM_SENTENCEPIECE;
    norm->flags = (m->dummy_prefix ? HK_SP_DUMMY_PREFIX : 0u) | (m->remove_extra ? HK_SP_REMOVE_EXTRA : 0u) |
                  (m->escape ? HK_SP_ESCAPE : 0u) | (m->suffix ? HK_SP_SUFFIX : 0u) | HK_SP_USER_DEFINED;
    norm->pattern.len = m->charsmap.len;
    if (!copy(m, m->charsmap, &norm->pattern.data)) return false;
    decode[0] = (struct hk_decode_step){.kind = HK_DECODE_REPLACE, .pattern = space, .text = {" ", 1}};
    decode[1] = (struct hk_decode_step){.kind = HK_DECODE_BYTE_FALLBACK};
    decode[2] = (struct hk_decode_step){.kind = HK_DECODE_FUSE};
    decode[3] = (struct hk_decode_step){
        .kind = HK_DECODE_STRIP, .pattern = {" ", 1}, .start = 1, .flag = m->remove_extra};
    bool strip = m->dummy_prefix || m->remove_extra;
    v->steps = (struct hk_text_steps){
        .norm = norm, .n_norm = 1, .decode = decode, .n_decode = strip ? N_STEPS : N_STEPS - 1};
    v->has_steps = true;
    memcpy(v->pre, "steps", sizeof "steps");
    v->add_space_prefix = m->dummy_prefix;
    v->remove_extra_whitespaces = m->remove_extra;
    return copy(m, m->unk_surface, &v->unk_text);
}

static bool finish(struct model *m)
{
    struct hk_vocab *v = m->v;
    if (m->type != MODEL_UNIGRAM && m->type != MODEL_BPE)
        return hk_fail(m->err, HK_ERR_UNSUPPORTED,
                       "%s: a SentencePiece model of type %llu is not supported: 1 (unigram) and 2 (BPE) are",
                       m->file, (unsigned long long)m->type);
    if (v->unk == HK_NO_TOKEN)
        return hk_fail(m->err, HK_ERR_FORMAT, "%s: no piece is the unknown one", m->file);
    bool bpe = m->type == MODEL_BPE;
    v->kind = bpe ? HK_VOCAB_SPM : HK_VOCAB_UNIGRAM;
    snprintf(v->kind_name, sizeof v->kind_name, "SentencePiece %s", bpe ? "BPE" : "unigram");
    v->pieces_inside = v->float_sums = v->emit_unk = v->fuse_unk = true;
    v->bos = control(m, m->bos);
    v->eos = control(m, m->eos);
    v->pad = control(m, m->pad);
    v->add_bos = bpe && v->bos != HK_NO_TOKEN;
    v->add_eos = !bpe && v->bos == HK_NO_TOKEN && v->eos != HK_NO_TOKEN;
    return set_steps(m);
}

bool hk_vocab_from_sentencepiece(struct hk_arena *arena, const void *data, size_t size, const char *file,
                                 struct hk_vocab *vocab, struct hk_error *err)
{
    struct model m = {.arena = arena,
                      .v = vocab,
                      .file = file,
                      .err = err,
                      .type = MODEL_UNIGRAM,
                      .dummy_prefix = true,
                      .remove_extra = true,
                      .escape = true,
                      .charsmap = {"", 0},
                      .unk_surface = hk_span_of(" \xE2\x81\x87 "),
                      .unk = hk_span_of("<unk>"),
                      .bos = hk_span_of("<s>"),
                      .eos = hk_span_of("</s>"),
                      .pad = hk_span_of("<pad>")};
    hk_vocab_clear(vocab);
    return read_message(&m, (struct hk_span){data, size}) && finish(&m);
}

/* The list of vocabulary files. */
#include "loader/formats/vocab_file.h"
#include "loader/formats/formats.h"
#include "loader/formats/sentencepiece_model.h"
#include "loader/formats/tiktoken.h"
#include "loader/formats/tokenizer_json.h"

static bool is_json(const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n && i < 64 && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t')) i++;
    return i < n && p[i] == '{';
}

static bool read_json(struct hk_checkpoint *c, const uint8_t *data, size_t size, const char *path,
                      struct hk_error *err)
{
    return hk_vocab_from_tokenizer_json(&c->arena, (const char *)data, size, &c->vocab, err) ||
           hk_fail_prefix(err, "%s", path);
}

static bool read_sentencepiece(struct hk_checkpoint *c, const uint8_t *data, size_t size, const char *path,
                               struct hk_error *err)
{
    return hk_vocab_from_sentencepiece(&c->arena, data, size, path, &c->vocab, err);
}

static bool read_tiktoken(struct hk_checkpoint *c, const uint8_t *data, size_t size, const char *path,
                          struct hk_error *err)
{
    return hk_vocab_from_tiktoken(&c->arena, data, size, path, &c->vocab, err);
}

static const struct {
    const char *name;
    bool (*probe)(const uint8_t *data, size_t size);
    bool (*read)(struct hk_checkpoint *c, const uint8_t *data, size_t size, const char *path,
                 struct hk_error *err);
} FILES[] = {
    {"tokenizer.json", is_json, read_json},
    {"SentencePiece model", hk_is_sentencepiece_model, read_sentencepiece},
    {"tiktoken ranks", hk_is_tiktoken, read_tiktoken},
};

const char *hk_vocab_file_format(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        if (FILES[i].probe(data, size)) return FILES[i].name;
    }
    return NULL;
}

bool hk_vocab_file_read(struct hk_checkpoint *c, const uint8_t *data, size_t size, const char *path,
                        struct hk_error *err)
{
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        if (!FILES[i].probe(data, size)) continue;
        if (!FILES[i].read(c, data, size, path, err)) return false;
        hk_vocab_add_known_stops(&c->vocab);
        return true;
    }
    return hk_fail(err, HK_ERR_FORMAT,
                   "%s: is neither a tokenizer.json, a SentencePiece model nor a tiktoken file", path);
}

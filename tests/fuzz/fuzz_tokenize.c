/* Any bytes as a text, for each kind of tokenizer: it has tokens, and they are the text again. */
#include "loader/tokenizer/tokenizer.h"
#include "loader/formats/tokenizer_json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_KINDS = 3, N_TOKENS = 300 };

static struct hk_tokenizer *tokenizers[N_KINDS];
static struct hk_vocab vocabs[N_KINDS];
static struct hk_vocab_token tokens[N_KINDS][N_TOKENS];

static void add(int kind, const char *text, enum hk_token_type type)
{
    struct hk_vocab *v = &vocabs[kind];
    char *copy = malloc(strlen(text) + 1); /* lives as long as the process */
    if (!copy || v->n_tokens == N_TOKENS) abort();
    strcpy(copy, text);
    tokens[kind][v->n_tokens] = (struct hk_vocab_token){
        .text = copy, .len = (uint32_t)strlen(text), .type = (uint8_t)type, .score = -(float)v->n_tokens};
    v->n_tokens++;
}

/* The bytes as <0xXX>, or in GPT-2's alphabet. */
static void add_bytes(int kind)
{
    unsigned others = 0;
    for (unsigned b = 0; b < 256; b++) {
        static const char hex[] = "0123456789ABCDEF";
        char text[8] = {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>', 0};
        bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        unsigned cp = printable ? b : 256 + others;
        others += !printable;
        if (kind == 0) {
            text[0] = (char)(cp < 0x80 ? cp : 0xC0 | cp >> 6);
            text[1] = (char)(cp < 0x80 ? 0 : 0x80 | (cp & 0x3F));
            text[2] = 0;
        }
        add(kind, text, kind == 0 ? HK_TOKEN_NORMAL : HK_TOKEN_BYTE);
    }
}

static void make(int kind)
{
    static const char *const bytes[] = {"th", "the",  "\xC4\xA0the",     "\xC4\xA0\xC4\xA0",
                                        "aa", "aaaa", "\xC3\xA6\xC4\xB9"};
    static const char *const spaced[] = {"t",
                                         "h",
                                         "e",
                                         "a",
                                         "\xE2\x96\x81",
                                         "th",
                                         "the",
                                         "\xE2\x96\x81the",
                                         "\xE2\x96\x81\xE2\x96\x81",
                                         "aa",
                                         "aaaa",
                                         "\xE6\x97\xA5"};
    static const char *const byte_merges[] = {"t h", "th e",  "\xC4\xA0 the",     "\xC4\xA0 \xC4\xA0",
                                              "a a", "aa aa", "\xC3\xA6 \xC4\xB9"};
    static const uint32_t byte_left[] = {1, 2, 2, 2, 1, 2, 2};
    static const char *const space_merges[] = {"t h", "th e", "\xE2\x96\x81 the", "\xE2\x96\x81 \xE2\x96\x81",
                                               "a a", "aa aa"};
    static const uint32_t space_left[] = {1, 2, 3, 3, 1, 2};
    static const struct hk_span mark = {"\xE2\x96\x81", 3}, space = {" ", 1};
    static struct hk_norm_step norm[] = {{.kind = HK_NORM_PREPEND}, {.kind = HK_NORM_REPLACE}};
    static struct hk_decode_step decode[] = {{.kind = HK_DECODE_REPLACE},
                                             {.kind = HK_DECODE_BYTE_FALLBACK},
                                             {.kind = HK_DECODE_FUSE},
                                             {.kind = HK_DECODE_STRIP, .start = 1}};
    norm[0].text = norm[1].text = decode[0].pattern = mark;
    norm[1].pattern = decode[0].text = decode[3].pattern = space;
    struct hk_vocab *v = &vocabs[kind];
    *v = (struct hk_vocab){.kind = kind == 1 ? HK_VOCAB_SPM : HK_VOCAB_BPE,
                           .tokens = tokens[kind],
                           .unk = HK_NO_TOKEN,
                           .bos = HK_NO_TOKEN,
                           .eos = HK_NO_TOKEN,
                           .pad = HK_NO_TOKEN};
    add(kind, "<|x|>", HK_TOKEN_CONTROL);
    add(kind, "\n\n", HK_TOKEN_USER_DEFINED);
    add_bytes(kind);
    if (kind == 0) {
        memcpy(v->pre, "llama-bpe", sizeof "llama-bpe");
        for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) add(kind, bytes[i], HK_TOKEN_NORMAL);
        v->merges = byte_merges, v->merge_left_len = byte_left, v->n_merges = 7;
    } else {
        v->add_space_prefix = v->byte_fallback = true;
        for (size_t i = 0; i < sizeof spaced / sizeof *spaced; i++) add(kind, spaced[i], HK_TOKEN_NORMAL);
    }
    if (kind == 2) {
        v->plain = v->has_steps = true;
        v->steps = (struct hk_text_steps){.norm = norm, .decode = decode, .n_norm = 2, .n_decode = 4};
        v->merges = space_merges, v->merge_left_len = space_left, v->n_merges = 6;
    }
    struct hk_error err = {0};
    tokenizers[kind] = hk_tokenizer_new(v, &err);
    if (!tokenizers[kind]) abort();
}

static bool has(const uint8_t *data, size_t size, const char *part)
{
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= size; i++) {
        if (memcmp(data + i, part, n) == 0) return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hk_error err = {0};
    for (int kind = 0; kind < N_KINDS; kind++) {
        if (!tokenizers[kind]) make(kind);
        struct hk_tokens ids = {0};
        struct hk_bytes out = {0};
        struct hk_decoder d;
        if (!hk_tokenizer_encode(tokenizers[kind], (const char *)data, size, HK_ENCODE_PARSE_SPECIAL, &ids,
                                 &err))
            __builtin_trap();
        hk_decoder_init(&d, tokenizers[kind], true, true);
        for (size_t i = 0; i < ids.n; i++) {
            if (!hk_decoder_push(&d, ids.ids[i], &out, &err)) __builtin_trap();
        }
        if (!hk_decoder_finish(&d, &out, &err)) __builtin_trap();
        bool same = out.len == size && (size == 0 || memcmp(out.data, data, size) == 0);
        /* a U+2581 in the text comes back as the space that it spells */
        if (!same && (kind == 0 || !has(data, size, "\xE2\x96\x81"))) __builtin_trap();
        hk_bytes_free(&out);
        free(ids.ids);
    }
    return 0;
}

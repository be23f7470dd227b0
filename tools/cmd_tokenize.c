/* hekla tokenize: text on stdin -> token ids, and back. Needs no device. */
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/engine.h"

struct tokenize {
    struct verbosity v;
    const char *model, *tokenizer;
    bool no_special, decode;
};

static const struct opt opts[] = {
    {.name = "model",
     .letter = 'm',
     .kind = OPT_TEXT,
     .field = offsetof(struct tokenize, model),
     .metavar = "MODEL",
     .help = "the model whose tokenizer is used; a GGUF file with a vocabulary alone, a tokenizer.json or "
             "a tokenizer.model will do"},
    TOKENIZER_ROW(offsetof(struct tokenize, tokenizer)),
    {.name = "no-special",
     .kind = OPT_FLAG,
     .field = offsetof(struct tokenize, no_special),
     .help = "add no beginning-of-text token and take control tokens in the text for plain text; "
             "with --decode, leave control tokens out"},
    {.name = "decode",
     .kind = OPT_FLAG,
     .field = offsetof(struct tokenize, decode),
     .help = "read token ids and write the text, byte for byte"},
    {0},
};

static const struct opt_command command = {
    .name = "tokenize",
    .usage = "hekla tokenize -m MODEL [--tokenizer FILE] [--no-special] [--decode]",
    .about =
        "Reads text from stdin as it is, newlines and any other bytes included, and prints its token ids "
        "separated by spaces. By default that is what the model would be given: with the "
        "beginning-of-text token where the vocabulary asks for one, and with control tokens such as "
        "<|eot_id|> recognised in the text. --decode is the way back: the tokens that are added by default "
        "are taken off again.",
    .examples = "  printf 'Once upon a time' | hekla tokenize -m model.gguf\n"
                "  echo 1 403 407 261 378 | hekla tokenize -m model.gguf --decode\n",
    .groups = {{"options", opts, 0}, {"messages", verbosity_opts, offsetof(struct tokenize, v)}},
    .max_args = 0,
};

/* ---- text -> ids ---- */

static bool encode(const struct hk_tokenizer *t, bool special, const struct hk_bytes *text,
                   struct hk_error *err)
{
    struct hk_tokens tokens = {0};
    unsigned flags = special ? HK_ENCODE_ADD_SPECIAL | HK_ENCODE_PARSE_SPECIAL : 0;
    bool ok = hk_tokenizer_encode(t, text->data ? text->data : "", text->len, flags, &tokens, err);
    for (size_t i = 0; ok && i < tokens.n; i++) printf(i > 0 ? " %u" : "%u", tokens.ids[i]);
    if (ok) putchar('\n');
    free(tokens.ids);
    return ok;
}

/* ---- ids -> text ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* The next id of text from *at on; false at the end or, with *err, at what is no id. */
static bool next_id(const struct hk_bytes *text, size_t *at, uint32_t n_tokens, uint32_t *id,
                    struct hk_error *err)
{
    char word[32];
    uint64_t value;
    while (*at < text->len && is_blank(text->data[*at])) (*at)++;
    if (*at == text->len) return false;
    size_t len = 0;
    const char *start = text->data + *at;
    while (*at + len < text->len && !is_blank(start[len])) len++;
    *at += len;
    size_t shown = len < sizeof word ? len : sizeof word - 1;
    memcpy(word, start, shown);
    word[shown] = 0;
    if (shown < len || strlen(word) != len || !opt_u64(word, &value) || value >= n_tokens)
        return hk_fail(err, HK_ERR_INPUT,
                       "tokenize: stdin: '%s' is no token id: numbers from 0 to %u are accepted", word,
                       n_tokens - 1);
    *id = (uint32_t)value;
    return true;
}

static bool read_ids(const struct hk_bytes *text, uint32_t n_tokens, struct hk_tokens *ids,
                     struct hk_error *err)
{
    uint32_t id = 0; /* set wherever next_id says true, which gcc -O2 does not see */
    /* at most one id in two bytes */
    ids->ids = hk_calloc(text->len / 2 + 1, sizeof *ids->ids, err);
    if (!ids->ids) return false;
    ids->capacity = text->len / 2 + 1;
    struct hk_error wrong = {0};
    for (size_t at = 0; next_id(text, &at, n_tokens, &id, &wrong);) ids->ids[ids->n++] = id;
    if (wrong.code == HK_OK) return true;
    *err = wrong;
    return false;
}

static bool decode(const struct hk_tokenizer *t, const struct hk_vocab_info *v, bool special,
                   const struct hk_bytes *text, struct hk_error *err)
{
    struct hk_tokens ids = {0};
    struct hk_bytes out = {0};
    struct hk_decoder d;
    hk_decoder_init(&d, t, true, special);
    bool ok = read_ids(text, v->n_tokens, &ids, err);
    size_t from = 0, to = ids.n;
    if (special && from < to && v->add_bos && ids.ids[from] == v->bos) from++;
    if (special && from < to && v->add_eos && ids.ids[to - 1] == v->eos) to--;
    for (uint32_t i = 0; special && i < v->n_before && from < to && ids.ids[from] == v->before[i]; i++)
        from++;
    for (uint32_t i = v->n_after; special && i > 0 && from < to && ids.ids[to - 1] == v->after[i - 1]; i--)
        to--;
    for (; ok && from < to; from++) ok = hk_decoder_push(&d, ids.ids[from], &out, err);
    ok = ok && hk_decoder_finish(&d, &out, err);
    if (ok) fwrite(out.data ? out.data : "", 1, out.len, stdout);
    hk_bytes_free(&out);
    free(ids.ids);
    return ok;
}

int cmd_tokenize(int argc, char **argv)
{
    struct tokenize o = {0};
    int n_args = 0, status;
    struct hk_error err = {0};
    if (!tool_options(&command, argc, argv, &o, &n_args, &status)) return status;
    if (!o.model) return tool_usage_text("tokenize: -m MODEL is missing: it says whose tokenizer to use");
    struct hk_checkpoint_options open = {.tokenizer_path = o.tokenizer};
    struct hk_checkpoint *c = tool_checkpoint(o.model, &open, &err);
    const struct hk_vocab *vocab = c ? hk_checkpoint_vocab(c) : NULL;
    struct hk_tokenizer *t = c ? hk_tokenizer_new(vocab, &err) : NULL;
    struct hk_vocab_info v = {0};
    if (c) hk_vocab_describe(vocab, &v);
    struct hk_bytes text = {0};
    bool ok = t && tool_read("-", &text, &err) &&
              (o.decode ? decode(t, &v, !o.no_special, &text, &err) : encode(t, !o.no_special, &text, &err));
    hk_bytes_free(&text);
    hk_tokenizer_free(t);
    hk_checkpoint_close(c);
    return tool_finish(ok ? TOOL_DONE : tool_fail(&err));
}

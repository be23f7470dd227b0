/* The list of formats: opening a checkpoint is finding the one that it is in. */
#include "loader/formats/formats.h"
#include "loader/formats/llama2c.h"
#include "loader/formats/vocab_file.h"

#include <string.h>

static bool is_gguf(const uint8_t *p, size_t n)
{
    return n >= 4 && memcmp(p, "GGUF", 4) == 0;
}

static bool is_vocab_file(const uint8_t *p, size_t n)
{
    return hk_vocab_file_format(p, n) != NULL;
}

static bool is_safetensors(const uint8_t *p, size_t n)
{
    return n > 8 && p[8] == '{' && hk_load_u64(p) <= n - 8;
}

static bool is_pytorch(const uint8_t *p, size_t n)
{
    return n >= 4 &&
           (memcmp(p, "PK\3\4", 4) == 0 || (p[0] == 0x80 && p[1] >= 2 && p[1] <= 5 && p[3] == 0x8a));
}

static bool is_anything(const uint8_t *p, size_t n)
{
    (void)p, (void)n;
    return true; /* llama2.c's first format has no magic: its numbers are checked instead */
}

static hk_format_open vocab_file_open;

static const struct {
    const char *what;
    enum hk_path_kind kind;
    bool (*probe)(const uint8_t *data, size_t size);
    hk_format_open *open;
    const char *advice; /* where open is NULL */
} FORMATS[] = {
    {"Hugging Face folder", HK_PATH_FOLDER, NULL, hk_hf_open, NULL},
    {"GGUF", HK_PATH_FILE, is_gguf, hk_gguf_open, NULL},
    {"a vocabulary", HK_PATH_FILE, is_vocab_file, vocab_file_open, NULL},
    {"a safetensors file", HK_PATH_FILE, is_safetensors, NULL,
     "name the folder that holds it together with config.json and tokenizer.json"},
    {"a PyTorch pickle file", HK_PATH_FILE, is_pytorch, NULL,
     "name the folder that holds it, as pytorch_model.bin, together with config.json and tokenizer.json"},
    {"llama2.c", HK_PATH_FILE, is_anything, hk_llama2c_open, NULL},
};

static bool open_format(struct hk_checkpoint *c, const struct hk_checkpoint_options *opt,
                        struct hk_error *err)
{
    enum hk_path_kind kind = hk_path_kind(c->path);
    const struct hk_mapping *m = NULL;
    if (kind != HK_PATH_FOLDER && !(m = hk_checkpoint_map(c, c->path, err))) return false;
    if (m && m->size == 0)
        return hk_fail(err, HK_ERR_FORMAT,
                       "%s: is empty: a GGUF file, a Hugging Face folder or a llama2.c .bin file is needed",
                       c->path);
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++) {
        if ((FORMATS[i].kind == HK_PATH_FOLDER) != (m == NULL)) continue;
        if (m && !FORMATS[i].probe(m->data, m->size)) continue;
        if (FORMATS[i].open) return FORMATS[i].open(c, m, opt, err);
        return hk_fail(err, HK_ERR_UNSUPPORTED, "%s: is %s: %s", c->path, FORMATS[i].what, FORMATS[i].advice);
    }
    return hk_fail(err, HK_ERR_FORMAT, "%s: is of no known format",
                   c->path); /* not reached: the last row takes all */
}

struct hk_checkpoint *hk_checkpoint_open(const char *path, const struct hk_checkpoint_options *opt,
                                         struct hk_error *err)
{
    struct hk_checkpoint *c = hk_checkpoint_new(path, err);
    if (!c) return NULL;
    if (!open_format(c, opt, err)) {
        hk_checkpoint_close(c);
        return NULL;
    }
    return c;
}

struct hk_checkpoint *hk_checkpoint_open_memory(const void *data, size_t size, const char *name,
                                                const struct hk_checkpoint_options *opt, struct hk_error *err)
{
    struct hk_checkpoint *c = hk_checkpoint_new(name, err);
    if (!c) return NULL;
    const struct hk_mapping *m = hk_checkpoint_keep(c, hk_mapping_view(data, size, c->path, err), err);
    if (!m || !hk_gguf_open(c, m, opt, err)) {
        hk_checkpoint_close(c);
        return NULL;
    }
    return c;
}

bool hk_vocab_from_option(struct hk_checkpoint *c, const char *path, struct hk_error *err)
{
    struct hk_mapping *m = hk_mapping_open(path, err);
    if (!m) return false;
    hk_vocab_clear(&c->vocab);
    bool ok = is_vocab_file(m->data, m->size) ? hk_vocab_file_read(c, m->data, m->size, path, err)
                                              : hk_llama2c_tokenizer(c, m->data, m->size, path, err);
    hk_mapping_close(m);
    return ok;
}

/* A vocabulary alone: enough for `tokenize`. */
static bool vocab_file_open(struct hk_checkpoint *c, const struct hk_mapping *m,
                            const struct hk_checkpoint_options *opt, struct hk_error *err)
{
    (void)opt;
    c->format = hk_vocab_file_format(m->data, m->size);
    return hk_vocab_file_read(c, m->data, m->size, c->path, err);
}

/* Opening in order what commands work with: checkpoint, tokenizer, device, model, runner, sequence. */
#ifndef HEKLA_TOOLS_ENGINE_H
#define HEKLA_TOOLS_ENGINE_H

#include "tools/progress.h"
#include "tools/tool.h"

/* --device, --threads; with -q and -v */
struct device_options {
    struct verbosity v;
    const char *device;
    uint32_t threads;
};
extern const struct opt device_opts[];

/* What a command can use, a language model or a reward model: the other is refused before a device is opened. */
enum model_use { MODEL_PREDICTS, MODEL_SCORES };

/* -m, --tokenizer, --quant, --ctx, --kv */
struct model_options {
    const char *model, *tokenizer;
    const char *quant; /* or NULL */
    uint32_t ctx;      /* 0: default */
    enum hk_kv_type kv;
    /* what the command itself says: */
    enum model_use use;
    /* how many answers are written at once besides, and how long they may be */
    uint32_t n_samples, sample_tokens;
};
extern const struct opt model_opts[];
/* The row of --tokenizer in another struct's table, where the path lies at offset `at`. */
/* clang-format off */
#define TOKENIZER_ROW(at)                                                                                    \
    {.name = "tokenizer",                                                                                    \
     .kind = OPT_TEXT,                                                                                       \
     .field = (at),                                                                                          \
     .metavar = "FILE",                                                                                      \
     .help = "tokenizer.bin, tokenizer.json or tokenizer.model to use in place of the one beside the model"}
/* clang-format on */

bool known_architecture(const char *arch); /* one that this build runs */

/* What a command works with; zero-initialise. The functions open the parts in this order; each leaves what it
 * could not open NULL. engine_close closes whatever is open. */
struct engine {
    struct hk_checkpoint *checkpoint;
    struct hk_checkpoint_info info; /* the checkpoint's, */
    struct hk_vocab_info vocab;     /* and its vocabulary's */
    struct hk_tokenizer *tokenizer;
    struct hk_device *device;
    bool device_shared; /* it is another engine's, which is closed after this one */
    struct hk_model *model;
    struct hk_runner *runner;
    struct hk_sequence *sequence; /* the runner's: the prompt and what it is continued with */
    struct progress progress;
};
/* MODEL as a file, a folder, or a name of the box. opt may be NULL. */
struct hk_checkpoint *tool_checkpoint(const char *model, const struct hk_checkpoint_options *opt,
                                      struct hk_error *err);
/* Refuses what no device could run (an unknown architecture, a file without weights), and what m->use does
 * not want. */
bool engine_open_checkpoint(struct engine *e, const struct model_options *m, struct hk_error *err);
bool engine_open_tokenizer(struct engine *e, struct hk_error *err);
/* Says on stderr when a CPU-type device was taken because there is no other. */
bool engine_open_device(struct engine *e, const struct device_options *d, bool profile, struct hk_error *err);
bool engine_open_model(struct engine *e, const struct model_options *m, const struct device_options *d,
                       struct hk_error *err);
/* The runner, and a sequence of it. */
bool engine_open_runner(struct engine *e, const struct model_options *m, enum hk_outputs outputs,
                        struct hk_error *err);
/* All of them. */
bool engine_open(struct engine *e, const struct model_options *m, const struct device_options *d,
                 bool profile, struct hk_error *err);
void engine_close(struct engine *e);

#endif

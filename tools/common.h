/* What the commands share: options, opening things in order, progress, errors as one line. */
#ifndef HEKLA_TOOLS_COMMON_H
#define HEKLA_TOOLS_COMMON_H

#include "tools/commands.h"
#include "tools/options.h"

enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2 };

/* Prints "hekla: <text>" on stderr and returns the exit status. */
int tool_fail(const struct hk_error *err);
int tool_usage(const struct hk_error *err);
int tool_usage_text(const char *text);

/* Parses the command's options. True: go on. False: leave with *status (help and version were printed, or an
 * error). */
bool tool_options(const struct opt_command *c, int argc, char **argv, void *into, int *n_args, int *status);

/* Flushes stdout; a failed write (a full disk) is an error. Returns status, or TOOL_FAILED. */
int tool_finish(int status);

/* The whole of a file, or of stdin for "-", appended to *out. */
bool tool_read(const char *path, struct hk_bytes *out, struct hk_error *err);

/* ---- options ---- */

/* -q, -v */
struct verbosity {
    bool quiet, verbose;
};
extern const struct opt verbosity_opts[];

/* --device, --threads; the group contains -q and -v too */
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
    uint32_t n_branches,
        branch_tokens; /* as hk_session_options has them; more than the context is cut to it */
};
extern const struct opt model_opts[];

struct sampling_options {
    /* as the command line has them: where hk_sampler_options has another number for what is off, 0 is off */
    float temperature; /* < 0: not given */
    uint32_t top_k;
    float top_p, min_p, repeat_penalty;
    uint32_t repeat_last;
    bool seed_given;
    uint64_t seed;
    struct hk_logit_bias *bias;
    uint32_t n_bias;
};
extern const struct opt sampling_opts[];
void sampling_options_init(struct sampling_options *o);
void sampling_options_free(struct sampling_options *o);
/* The temperature where --temp did not say it; fallback < 0: the library's. Before sampling_open. */
void sampling_default_temperature(struct sampling_options *o, float fallback);
/* Draws a seed where --seed did not say one, and gives what it is then in o->seed. */
uint64_t sampling_seed(struct sampling_options *o);
/* Makes the sampler; *out stays NULL where plain greedy search, which the device does itself, gives the same
 * tokens and `need_logits` is false. Without --seed one is drawn; o->seed says which. */
bool sampling_open(struct sampling_options *o, uint32_t n_vocab, bool need_logits, struct hk_sampler **out,
                   struct hk_error *err);

/* ---- opening ---- */

/* A bar on stderr while something long runs; nothing where that is no terminal. */
struct progress {
    bool enabled, shown;
    double last; /* seconds, when it was drawn */
};
bool progress_step(void *user, const char *what, uint64_t done, uint64_t total); /* an hk_progress_fn */
void progress_clear(struct progress *p);
/* The same place for a line of words, where no total is known. */
void progress_say(struct progress *p, const char *fmt, ...) HK_PRINTF(2, 3);

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
    struct hk_session *session;
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
bool engine_open_session(struct engine *e, const struct model_options *m, bool all_logits,
                         struct hk_error *err);
/* All of them. */
bool engine_open(struct engine *e, const struct model_options *m, const struct device_options *d,
                 bool profile, struct hk_error *err);
void engine_close(struct engine *e);

/* ---- words ---- */

/* "1.2 GiB" and "254.1 M"; buf is returned. */
const char *format_bytes(uint64_t n, char buf[32]);
const char *format_count(uint64_t n, char buf[32]);
/* Writes text on one line: control characters and the characters of `also` escaped as in C, and bytes beyond
 * ASCII too where the text is no UTF-8. */
void print_escaped(FILE *f, const char *text, size_t len, const char *also);
bool known_architecture(const char *arch);           /* one that this build runs */
const char *device_type_name(enum hk_device_type t); /* "discrete", "cpu", ... */
const char *kv_type_name(enum hk_kv_type t);
/* The time by kernel since the device was opened, as a table on stderr. */
bool print_profile(struct hk_device *d, struct hk_error *err);

#endif

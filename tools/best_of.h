/* Best of N: several samples of one prompt's completion, written in one batch, and a reward model's choice
 * among them. */
#ifndef HEKLA_TOOLS_BEST_OF_H
#define HEKLA_TOOLS_BEST_OF_H

#include "tools/completion.h"
#include "tools/preferences.h"
#include "tools/sampling_options.h"
#include "tools/scorer.h"

enum { BEST_OF_MAX = 64 };

/* --best-of, --reward, --save-preferences */
struct best_of_options {
    uint32_t n; /* 0: no such thing */
    const char *reward, *preferences;
};
extern const struct opt best_of_opts[];

/* False and *err where these options do not go together: a usage error of that command. Else fills in the
 * defaults: the reward model of a model in the box, temperature 1. Without --best-of it does no more than
 * look. */
bool best_of_check(struct best_of_options *o, const char *command, const char *model,
                   struct sampling_options *sampling, struct hk_error *err);

/* One sample. */
struct best_of_sample {
    uint32_t index;          /* which fork */
    struct hk_tokens tokens; /* without the stop token */
    struct hk_bytes text;
    /* sum over tokens and stop token of the natural logarithms of their probabilities, before any sampling
     * option */
    double logprob;
    enum hk_end end;
    uint32_t stop_token; /* where end is HK_END_STOP, else HK_NO_TOKEN */
    float score;
};

struct best_of {
    struct best_of_sample *samples; /* [n]; best first once they are scored */
    uint32_t n;
    struct hk_complete_result r; /* n: of all samples together; end: the best's */
    uint32_t fed;                /* tokens that the steps computed */
    double score_seconds;
};

struct best_of_request {
    const uint32_t *prompt;
    uint32_t n_prompt;
    uint32_t n_samples; /* at most BEST_OF_MAX */
    uint32_t n;         /* tokens of each at most, 1 or more */
    const struct sampling_options *sampling;
    uint64_t seed; /* sample b is drawn with seed + b: alone, --seed seed+b gives it */
    const uint32_t *stop;
    uint32_t n_stop;
    bool at_start; /* as in completion_options */
};

/* What chooses, and where its choices are kept. Zero-initialise; best_of_close closes whatever is open. */
struct best_of_judge {
    struct scorer scorer;
    struct preferences preferences;
    bool chat; /* preferences as lists of messages */
};

/* Opens the file of preferences and the reward model's checkpoint: what can be refused before anything long
 * is done. */
bool best_of_open(struct best_of_judge *j, const struct best_of_options *o,
                  const struct model_options *reward, struct hk_error *err);
/* False and *err when the preferences could not be written to the end. */
bool best_of_close(struct best_of_judge *j, struct hk_error *err);

/* As completion_warm_up, with n forks and a score. */
bool best_of_warm_up(struct engine *e, struct best_of_judge *j, uint32_t n, struct hk_error *err);

/* Writes the samples, scores them as answers of c's last turn, keeps the preference, and sorts: finished
 * samples before interrupted ones, then by score, then by index. The engine's sequence is synced to the
 * prompt and forked, and all forks step together until each has met a stop token, its length, or the
 * context's end. Ctrl-C ends the forks that are not finished (HK_END_INTERRUPTED), keeps what they wrote,
 * and is then forgotten; during the prompt, and again during the scoring, it is HK_ERR_CANCELLED. Free with
 * best_of_free, also after false. */
bool best_of_run(struct engine *e, struct best_of_judge *j, const struct best_of_request *q,
                 struct hk_conversation *c, struct best_of *out, struct hk_error *err);
void best_of_free(struct best_of *b);
uint32_t best_of_finished(const struct best_of *b); /* how many were not interrupted */

/* [{"index", "seed", "score", "logprob", "tokens", "token_ids", "stop_reason", "stop_token", "text"}, ...];
 * NULL when memory is out. seed: of sample 0. */
cJSON *best_of_json(const struct best_of *b, uint64_t seed);
/* How fast the samples were written, on stderr, and with `table` all of them. */
void best_of_print(const struct best_of *b, bool table);

#endif

/* Hekla: GPT-style language models on any Vulkan GPU. The public interface, C11 and C++17.
 *
 *   checkpoint  a file on disk, opened and checked
 *   tokenizer   text <-> tokens
 *   conversion  a checkpoint -> a GGUF file
 *   template    messages -> the text that a model is given
 *   device      a Vulkan device, or the C reference
 *   model       a checkpoint's weights on a device, bound to an architecture
 *   session     one timeline on a model: a KV cache that is synced to a token prefix
 *   sampler     logits -> token
 *
 * Everything returns false or NULL and fills *err (which may be NULL) on failure; nothing prints, nothing
 * exits. Objects are freed in the reverse order of their making; every free function accepts NULL. In every
 * structure of options zero is the default of every field: {0}, or NULL in its place.
 *
 * Threads: what is immutable (checkpoint, vocabulary, tokenizer, template) is shared freely. A device and all
 * that lives on it (models, sessions) are used by one thread at a time. Different devices, and whatever else
 * is said of a type to be one thread's at a time, are independent of each other: there is no global state. */
#ifndef HEKLA_RUNTIME_HEKLA_H
#define HEKLA_RUNTIME_HEKLA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The public headers, which the installed file has in its place (runtime/install_header.cmake). */
#include "loader/api.h"
#include "loader/open.h"
#include "loader/weights/names.h"
#include "loader/tokenizer/tokenizer.h"
#include "loader/jinja/chat_template.h"
#include "loader/convert/convert.h"
#include "runtime/chat/writer.h"
#include "runtime/gpu/caps.h"

/* The version, from which the build takes its own: of this header, and of the library that runs. */
#define HK_VERSION "0.1.0"
HK_API const char *hk_version(void);

/* Long work calls this now and then; done of total bytes or tokens. Returning false cancels
 * (HK_ERR_CANCELLED). */
typedef bool (*hk_progress_fn)(void *user, const char *what, uint64_t done, uint64_t total);

/* ---- device ----------------------------------------------------------------------------------------------- */

struct hk_device_options {
    const char *select; /* NULL or "": best by type, discrete > integrated > virtual > CPU; a number: index in
                           hk_device_list; else: case-insensitive part of the name; several matches or none is
                           an error that lists them. "reference" is the C reference on the host, for
                           comparison */
    const char *cache_dir; /* for compiled kernels and what was measured; NULL: the user's
                              ($XDG_CACHE_HOME, ~/.cache, %LOCALAPPDATA%) /hekla; "": none */
    bool profile;          /* timestamps around every dispatch */
};

/* Every Vulkan device, also those that cannot run Hekla, in the instance's order. *caps is freed by the caller
 * with free(). Errors name what is missing and what to install: no libvulkan, no driver (ICD), no device. Any
 * thread may ask. */
HK_API bool hk_device_list(struct hk_device_caps **caps, uint32_t *n, struct hk_error *err);
/* Which of these `select` means (hk_device_options). False and *err: none, several, or one that is not usable. */
HK_API bool hk_device_choose(const struct hk_device_caps *caps, uint32_t n, const char *select,
                             uint32_t *index, struct hk_error *err);

/* Used by one thread at a time, with all that lives on it. opt may be NULL. */
struct hk_device;
HK_API struct hk_device *hk_device_open(const struct hk_device_options *opt, struct hk_error *err);
HK_API void hk_device_close(struct hk_device *d);
HK_API const char *hk_device_name(const struct hk_device *d);
/* Capabilities; NULL for the reference. */
HK_API const struct hk_device_caps *hk_device_caps(const struct hk_device *d);
/* Sums since the device was opened or the last reset, largest time first; only when opened with profile, on a
 * device with timestamps (else zero rows). *rows is freed by the caller with free(). Waits for the device. */
HK_API bool hk_device_profile(struct hk_device *d, struct hk_profile_row **rows, uint32_t *n,
                              struct hk_error *err);
HK_API void hk_device_profile_reset(struct hk_device *d);

/* ---- model ------------------------------------------------------------------------------------------------ */

struct hk_model_options {
    const char
        *quant; /* "q8_0", ...: matrices stored as floats become this type while they are loaded: f32, f16,
                          bf16, or one that quantizes; NULL: as they are */
    hk_progress_fn progress;
    void *user;
    /* what will be opened on it, so that memory can be refused before the load; 0: the session's own defaults */
    uint32_t plan_ctx;
};
struct hk_model_stats {
    uint64_t n_params;
    uint64_t weight_bytes;      /* on the device */
    uint64_t step_weight_bytes; /* read by one decode step */
    double load_seconds;
};
/* Its device's thread's. */
struct hk_model;
/* Binds, checks every shape, uploads. The checkpoint must stay open while the model lives. opt may be NULL. */
HK_API struct hk_model *hk_model_open(struct hk_device *d, const struct hk_checkpoint *c,
                                      const struct hk_model_options *opt, struct hk_error *err);
HK_API void hk_model_close(struct hk_model *m);
HK_API uint32_t hk_model_n_vocab(const struct hk_model *m);
HK_API uint32_t hk_model_n_ctx_train(const struct hk_model *m); /* positions that it was trained for */
HK_API const struct hk_model_stats *hk_model_stats(const struct hk_model *m);
/* Whether it scores texts (hk_session_score) instead of predicting tokens. */
HK_API bool hk_model_is_reward(const struct hk_model *m);
/* The architectures this build runs, separated by ", ". */
HK_API const char *hk_known_architectures(void);
/* Fills a checkpoint in memory with random weights of a named shape ("llama-254m", "gpt2-124m", ...) and
 * type, for benchmarks: no file needed. NULL with the list of names when unknown. Close with
 * hk_checkpoint_close. */
HK_API struct hk_checkpoint *hk_synthetic_checkpoint(const char *shape, enum hk_weight_type type,
                                                     struct hk_error *err);

/* ---- session ---------------------------------------------------------------------------------------------- */

/* AUTO: f32 where every matrix of the model is f32, else f16: the cache is no narrower than the weights. */
enum hk_kv_type { HK_KV_AUTO, HK_KV_F16, HK_KV_F32 };
struct hk_session_options {
    uint32_t n_ctx;   /* positions; 0: the model's own, at most 4096 */
    uint32_t n_batch; /* tokens prefilled at once; 0: what suits the device */
    enum hk_kv_type kv;
    bool all_logits; /* keep the logits of every position of the latest sync, not of the last alone; a reward
                        model has none */
    hk_progress_fn progress;
    void *user;
    uint32_t n_branches;    /* how many branches hk_session_fork may begin; 0: none */
    uint32_t branch_tokens; /* ... and how many tokens each may be fed: keys and values of n_branches *
                               branch_tokens positions are kept beside those of n_ctx */
};
/* Its device's thread's. */
struct hk_session;
HK_API struct hk_session *hk_session_open(struct hk_model *m, const struct hk_session_options *opt,
                                          struct hk_error *err);
HK_API void hk_session_close(struct hk_session *s);
HK_API uint32_t hk_session_ctx(const struct hk_session *s);

/* Makes the timeline equal to tokens[0..n), n >= 1: keeps the common prefix, computes the rest (at least the
 * last token, so that its logits are there). A prompt longer than the context is HK_ERR_INPUT and says both
 * numbers; an id outside the vocabulary too. On failure the timeline is what could still be trusted (see
 * hk_session_tokens). */
HK_API bool hk_session_sync(struct hk_session *s, const uint32_t *tokens, uint32_t n, struct hk_error *err);
HK_API const uint32_t *hk_session_tokens(const struct hk_session *s, uint32_t *n);
/* Logits (n_vocab floats) after the last token; valid until the next sync. NULL before the first one, and for
 * a reward model, which has a score instead. */
HK_API const float *hk_session_logits(struct hk_session *s);
/* With all_logits: those after position `pos` of the timeline; NULL where the latest sync did not compute it. */
HK_API const float *hk_session_logits_at(struct hk_session *s, uint32_t pos);

/* Reward models: syncs the timeline to tokens[0..n) as hk_session_sync does, and gives the head's score after
 * the last of them in *score. HK_ERR_INPUT where the model is no reward model. */
HK_API bool hk_session_score(struct hk_session *s, const uint32_t *tokens, uint32_t n, float *score,
                             struct hk_error *err);

/* Appends the greedy continuation, the chosen tokens fed from step to step on the device; calls emit for each
 * token in order until it returns false or n tokens are out or the context is full: with r places left in
 * it, r + 1 tokens, of which the last is not fed. *n_out: how many were emitted. */
typedef bool (*hk_token_fn)(void *user, uint32_t token);
HK_API bool hk_session_greedy(struct hk_session *s, uint32_t n, hk_token_fn emit, void *user, uint32_t *n_out,
                              struct hk_error *err);

/* Branches: several continuations of one timeline, computed in one batch.
 *
 * Begins n branches (1 .. n_branches) behind the synced timeline, whose keys and values they share: nothing
 * is copied or computed. Each branch's logits are at first the timeline's. The branches live until the next
 * sync, greedy decoding or fork; the timeline itself stays as it is. A branch may grow to branch_tokens
 * tokens, and not beyond position n_ctx. HK_ERR_INPUT without a synced prompt and for another n; a reward
 * model has no branches. */
HK_API bool hk_session_fork(struct hk_session *s, uint32_t n, struct hk_error *err);
/* Feeds tokens[b] to branch b for every b < n, all in one step on the device; HK_NO_TOKEN: branch b rests,
 * and its logits are gone, but it can go on in a later step. HK_ERR_INPUT, and nothing changed, where a
 * branch is full or an id is outside the vocabulary; after another failure there are no branches any more. */
HK_API bool hk_session_branch_step(struct hk_session *s, const uint32_t *tokens, struct hk_error *err);
/* Logits (n_vocab floats) after the last token of branch b; NULL where it rested in the latest step, or is no
 * branch. Valid until the next step, fork or sync. */
HK_API const float *hk_session_branch_logits(const struct hk_session *s, uint32_t b);

/* ---- sampling --------------------------------------------------------------------------------------------- */

struct hk_logit_bias {
    uint32_t token;
    float bias;
};
struct hk_sampler_options {
    bool greedy;          /* the most likely token always, after bias and penalty */
    float temperature;    /* 0: 0.8 */
    uint32_t top_k;       /* 0: 40; HK_ALL_TOKENS: off */
    float top_p;          /* 0: 0.95; 1: off */
    float min_p;          /* 0: 0.05; HK_NO_MIN_P: off */
    float repeat_penalty; /* 0: 1, which is off */
    uint32_t repeat_last; /* how many last tokens the penalty looks at; 0: 64 */
    uint64_t seed;
    uint64_t stream; /* which of the seed's streams of random numbers: the number of a sequence, so that
                        sequences of one seed are independent of each other */
    const struct hk_logit_bias *bias; /* added to the logits first; copied */
    uint32_t n_bias;
};
#define HK_ALL_TOKENS UINT32_MAX
#define HK_NO_MIN_P   (-1.0f)
/* Used by one thread at a time. */
struct hk_sampler;
/* opt may be NULL. HK_ERR_INPUT for a number out of its range. */
HK_API struct hk_sampler *hk_sampler_new(const struct hk_sampler_options *o, uint32_t n_vocab,
                                         struct hk_error *err);
HK_API void hk_sampler_free(struct hk_sampler *s);
/* Another stream from the next draw on. */
HK_API void hk_sampler_set_stream(struct hk_sampler *s, uint64_t stream);
/* The next token. history: the tokens so far, for the repetition penalty; n_history is the position, and the
 * random number is that of (seed, stream, position), whatever was drawn before. logits are not changed. */
HK_API uint32_t hk_sampler_next(struct hk_sampler *s, const float *logits, const uint32_t *history,
                                uint32_t n_history);

struct hk_token_logprob {
    uint32_t token;
    float logprob; /* natural logarithm of the softmax probability, before any sampling option */
};
HK_API float hk_logprob(const float *logits, uint32_t n_vocab, uint32_t token);
/* The k most likely, best first; ties by lower id. Returns how many (min(k, n_vocab)). */
HK_API uint32_t hk_top_logprobs(const float *logits, uint32_t n_vocab, uint32_t k,
                                struct hk_token_logprob *out);

/* ---- selftest and bench ----------------------------------------------------------------------------------- */

struct hk_selftest_result {
    const char *op;  /* "matmul", "attention", ... */
    char detail[96]; /* weight type, shape, variant */
    double error;    /* normalised mean squared error against the C reference */
    double limit;
    bool passed;
    char why[160]; /* when the op could not be run at all */
};
typedef bool (*hk_selftest_fn)(void *user, const struct hk_selftest_result *r); /* false stops */
/* Every op on every weight type and awkward shape, on this device against the reference. False only when the
 * test itself could not run; failed rows are reported through fn. */
HK_API bool hk_selftest(struct hk_device *d, hk_selftest_fn fn, void *user, struct hk_error *err);

struct hk_bench_options {
    uint32_t n_prompt, n_decode; /* tokens; 0: 128 and 32 */
    uint32_t depth;              /* tokens already in the context when decoding is timed; 0: n_prompt */
    uint32_t repeats;            /* 0: 3 */
    enum hk_kv_type kv;
    hk_progress_fn progress;
    void *user;
};
struct hk_bench_result {
    uint32_t n_prompt, n_decode, repeats;
    double prefill_tps[3], decode_tps[3]; /* minimum, median, maximum over the repeats: tokens per second */
    double decode_gbps;                   /* weight bytes read per second at the median, 1e9 */
    double read_gbps; /* what a plain read kernel reaches on this device, 1e9 bytes per second */
};
HK_API bool hk_bench(struct hk_model *m, const struct hk_bench_options *opt, struct hk_bench_result *out,
                     struct hk_error *err);

#ifdef __cplusplus
}
#endif

#endif

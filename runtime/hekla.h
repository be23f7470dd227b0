/* Hekla: GPT-style language models on any Vulkan GPU. The public interface, C11 and C++17.
 *
 *   checkpoint  a file on disk, opened and checked
 *   tokenizer   text <-> tokens
 *   conversion  a checkpoint -> a GGUF file
 *   template    messages -> the text that a model is given
 *   device      a Vulkan device, or the C reference
 *   model       a checkpoint's weights on a device, bound to an architecture
 *   runner      computes sequences of a model, many in one step; their keys and values are in its pool
 *   sequence    tokens, and where they are in that pool
 *   sampler     logits -> token
 *   chat        a conversation on a sequence of its own: questions -> answers as they come
 *
 * Everything returns false or NULL and fills *err (which may be NULL) on failure; nothing prints, nothing
 * exits. Objects are freed in the reverse order of their making; every free function accepts NULL. In every
 * structure of options zero is the default of every field: {0}, or NULL in its place.
 *
 * Threads: what is immutable (checkpoint, vocabulary, tokenizer, template) is shared freely. A device and all
 * that lives on it (models, runners, sequences, chats) are used by one thread at a time. Different devices, and
 * whatever else is said of a type to be one thread's at a time, are independent of each other; only listing and
 * opening devices is for one thread of the process at a time. Structures whose fields are all visible are plain
 * values: the caller's, and no more shared than other variables are. */
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
#include "runtime/chat/conversation.h"
#include "runtime/chat/complete.h"
#include "runtime/chat/chat.h"
#include "runtime/gpu/caps.h"

/* The version, from which the build takes its own: of this header, and of the library that runs. */
#define HK_VERSION "0.1.0"
HK_API const char *hk_version(void);

/* Long work calls this now and then, on the thread that called it; done of total bytes or tokens. Returning
 * false cancels (HK_ERR_CANCELLED). */
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
 * with free(). Errors name what is missing and what to install: no libvulkan, no driver (ICD), no device.
 * One thread at a time lists and opens devices: what loads Vulkan keeps its functions in one place. */
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
    /* what will be opened on it, so that memory can be refused before the load; 0: the runner's own defaults */
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
HK_API const struct hk_checkpoint *hk_model_checkpoint(const struct hk_model *m);
HK_API uint32_t hk_model_n_vocab(const struct hk_model *m);
HK_API uint32_t hk_model_n_ctx_train(const struct hk_model *m); /* positions that it was trained for */
HK_API const struct hk_model_stats *hk_model_stats(const struct hk_model *m);
/* Whether it scores texts (hk_sequence_score) instead of predicting tokens. */
HK_API bool hk_model_is_reward(const struct hk_model *m);
/* The architectures this build runs, separated by ", ". */
HK_API const char *hk_known_architectures(void);
/* Fills a checkpoint in memory with random weights of a named shape ("llama-254m", "gpt2-124m", ...) and
 * type, for benchmarks: no file needed. NULL with the list of names when unknown. Close with
 * hk_checkpoint_close. */
HK_API struct hk_checkpoint *hk_synthetic_checkpoint(const char *shape, enum hk_weight_type type,
                                                     struct hk_error *err);

/* ---- runner and sequences --------------------------------------------------------------------------------- */

/* AUTO: f32 where every matrix of the model is f32, else f16: the cache is no narrower than the weights. */
enum hk_kv_type { HK_KV_AUTO, HK_KV_F16, HK_KV_F32 };

/* What a request gives. With more than the last position's, prefixes of other sequences are computed again; a reward
 * model has no more. */
enum hk_outputs {
    HK_OUTPUTS_LAST,    /* the logits behind the last token */
    HK_OUTPUTS_TARGETS, /* besides, of every token how likely it was behind those before it */
    HK_OUTPUTS_ALL,     /* besides, the logits of all positions that were computed */
};

/* Zero is the default everywhere. */
struct hk_runner_options {
    uint32_t n_ctx;       /* positions that a sequence may have; 0: the model's own, at most 4096 */
    uint32_t n_batch;     /* tokens of one step, of all its sequences together; 0: what suits the device */
    uint32_t n_sequences; /* sequences that one step may have; 0: 1. More may live, and wait for their turn */
    uint32_t n_extra; /* positions that the pool has room for besides n_ctx, in whole blocks of 32: for other
                         sequences than one */
    enum hk_kv_type kv;
    enum hk_outputs outputs;
    hk_progress_fn progress; /* while hk_sequence_sync computes a long prompt; returning false cancels it */
    void *user;
};

/* A runner computes sequences of a model in steps. A step is one pass of the model over some tokens of any of them: a
 * slice of one's prompt beside single tokens of others. Keys and values are kept in a pool of blocks; what several
 * sequences have in common at their beginning is kept and computed once.
 *
 * When the pool is full, sequences that have nothing to compute give up their blocks first, then the youngest that
 * has: it is computed again when there is room, and gives what it would have given. Nothing is lost but time.
 *
 * A runner, its sequences, its model and its device are used by one thread at a time. */
struct hk_runner;
/* The model must outlive the runner. opt may be NULL. HK_ERR_MEMORY where what the options ask for does not fit,
 * HK_ERR_INPUT where the model cannot do it. */
HK_API struct hk_runner *hk_runner_open(struct hk_model *m, const struct hk_runner_options *opt,
                                        struct hk_error *err);
/* Frees its sequences too. NULL is accepted. */
HK_API void hk_runner_close(struct hk_runner *r);
HK_API uint32_t hk_runner_ctx(const struct hk_runner *r);
HK_API struct hk_model *hk_runner_model(const struct hk_runner *r);
/* Positions of the pool: all, and those of blocks that no sequence holds (what they keep may be found again). */
HK_API uint32_t hk_runner_pool(const struct hk_runner *r, uint32_t *available);

/* Computes one step for the sequences that have something to compute, the oldest request first; *more (may be NULL):
 * whether one still has. With nothing to compute it does nothing. False and *err where the device failed; the tokens
 * of all sequences are kept, and are computed again by the next step. */
HK_API bool hk_runner_step(struct hk_runner *r, bool *more, struct hk_error *err);
/* Steps until no sequence has anything to compute. */
HK_API bool hk_runner_run(struct hk_runner *r, struct hk_error *err);

/* A sequence: tokens, and their keys and values in the runner's pool. Used by one thread at a time, with its
 * runner. */
struct hk_sequence;
HK_API struct hk_sequence *hk_sequence_new(struct hk_runner *r, struct hk_error *err);
/* Another sequence with the same tokens and output. Nothing is copied or computed: the two share their keys and
 * values until they differ. */
HK_API struct hk_sequence *hk_sequence_fork(struct hk_sequence *s, struct hk_error *err);
/* Drops it, in the middle of a request too. NULL is accepted. */
HK_API void hk_sequence_free(struct hk_sequence *s);

/* Requests that the sequence be tokens[0 .. n), n >= 1, with the output behind the last: keeps the prefix
 * that it has in common with them, and leaves the rest to hk_runner_step. HK_ERR_INPUT, and nothing changed,
 * for an empty prompt, one longer than the context (both numbers are said) or an id outside the
 * vocabulary. */
HK_API bool hk_sequence_request(struct hk_sequence *s, const uint32_t *tokens, uint32_t n,
                                struct hk_error *err);
/* Requests n >= 1 tokens more. The sequence keeps its place among the others. Errors as above. */
HK_API bool hk_sequence_append(struct hk_sequence *s, const uint32_t *tokens, uint32_t n,
                               struct hk_error *err);
/* Whether a request is still to be computed. */
HK_API bool hk_sequence_pending(const struct hk_sequence *s);
/* Ends a request: the tokens that were not computed yet are taken off. Other sequences are not touched. */
HK_API void hk_sequence_cancel(struct hk_sequence *s);
/* Takes off all tokens but the first n. Ends a request. Does nothing where there are no more than n. */
HK_API void hk_sequence_rewind(struct hk_sequence *s, uint32_t n);
/* hk_sequence_request, and steps until it is done: those of other sequences go on in them. HK_ERR_CANCELLED where
 * progress returned false; on every failure the request is cancelled, as hk_sequence_cancel does. */
HK_API bool hk_sequence_sync(struct hk_sequence *s, const uint32_t *tokens, uint32_t n, struct hk_error *err);

HK_API struct hk_runner *hk_sequence_runner(const struct hk_sequence *s);
/* The tokens, *n of them; valid until the sequence changes. */
HK_API const uint32_t *hk_sequence_tokens(const struct hk_sequence *s, uint32_t *n);
/* How many tokens were computed for the newest request: those that were there already are not among them. */
HK_API uint32_t hk_sequence_n_computed(const struct hk_sequence *s);
/* Logits (n_vocab floats) behind the last token; valid until the sequence changes. NULL while a request is pending
 * or where there was none, and for a reward model, which has a score instead. */
HK_API const float *hk_sequence_logits(const struct hk_sequence *s);
/* How likely a token was, before any sampling option; natural logarithms. */
struct hk_target {
    float logprob;   /* of its softmax probability */
    float logsumexp; /* of the logits: a logit less this is its token's logprob */
    float entropy;   /* of the distribution that it was one of */
};
/* With HK_OUTPUTS_TARGETS or _ALL: of the token at position `pos`, 1 or more. False where it is not known: nothing
 * was computed before it, or it is still to be. */
HK_API bool hk_sequence_target(const struct hk_sequence *s, uint32_t pos, struct hk_target *out);
/* With HK_OUTPUTS_ALL: the logits behind position `pos`; NULL where the newest request did not compute it. */
HK_API const float *hk_sequence_logits_at(const struct hk_sequence *s, uint32_t pos);
/* Reward models: syncs as hk_sequence_sync does, and gives the head's score behind the last token in *score.
 * HK_ERR_INPUT where the model is no reward model. */
HK_API bool hk_sequence_score(struct hk_sequence *s, const uint32_t *tokens, uint32_t n, float *score,
                              struct hk_error *err);

/* Appends the greedy continuation, the chosen tokens fed from step to step on the device; calls emit for each
 * token in order until it returns false or n tokens are out or the context is full: with r places left in
 * it, r + 1 tokens, of which the last is not fed. *n_out: how many were emitted. Other sequences wait meanwhile. */
typedef bool (*hk_token_fn)(void *user, uint32_t token);
HK_API bool hk_sequence_greedy(struct hk_sequence *s, uint32_t n, hk_token_fn emit, void *user,
                               uint32_t *n_out, struct hk_error *err);

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
/* The same and more of the distribution that the logits are: struct hk_target. */
HK_API void hk_target_of(const float *logits, uint32_t n_vocab, uint32_t token, struct hk_target *out);
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
    uint32_t n_sequences;        /* decoded together, forks of one prompt; 0: 1 */
    uint32_t repeats;            /* 0: 3 */
    enum hk_kv_type kv;
    hk_progress_fn progress;
    void *user;
};
struct hk_bench_result {
    uint32_t n_prompt, n_decode, n_sequences, repeats;
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

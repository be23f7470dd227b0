/* Any readable checkpoint -> a GGUF file, quantized on request.
 *
 * What IN's format does not carry and llama.cpp needs is derived: the order of q's and k's rows, the divisors
 * of Llama 3's rotary scaling, GPT-2's transposed matrices laid out as others, scores from merges. A GGUF
 * file's keys are copied as they are, also those that Hekla does not know.
 *
 * Weights stream: chunks of 128 Ki weights are read, converted by several threads and written in order, so
 * that the memory in use does not depend on the model. */
#ifndef HEKLA_LOADER_CONVERT_H
#define HEKLA_LOADER_CONVERT_H

#include "loader/open.h"

/* Zero is right for every field. */
struct hk_convert_options {
    /* A weight type that can be encoded, or a mixture of them (hk_convert_type_names). NULL: as they are;
     * vectors of a checkpoint that is no GGUF file become F32 all the same, because llama.cpp wants them so. */
    const char *type;
    uint32_t n_threads; /* 0: as many as there are processors */
    /* Now and then, on the caller's thread; done of total bytes. False ends the conversion
     * (HK_ERR_CANCELLED). May be NULL. */
    bool (*progress)(void *user, const char *what, uint64_t done, uint64_t total);
    /* A line that the user should see, and that is no error; may be NULL. */
    void (*note)(void *user, const char *text);
    void *user;
};

struct hk_convert_result {
    uint64_t n_weights;
    uint64_t bytes_in, bytes_out; /* of weights */
    uint64_t file_bytes;
};

/* Writes the checkpoint to `out`, under another name until it is whole. On failure nothing of it is left, and
 * a file that was at `out` is untouched. HK_ERR_INPUT where out is one of the checkpoint's own files, or a
 * file that is no GGUF, or the type is none; HK_ERR_UNSUPPORTED where GGUF has no words for what the
 * checkpoint says. opt and result may be NULL.
 * Threads may convert at once, also from one checkpoint, to different files. */
HK_API bool hk_convert(const struct hk_checkpoint *c, const char *out, const struct hk_convert_options *opt,
                       struct hk_convert_result *result, struct hk_error *err);

/* Whether opt.type may be this; and the names, separated by ", ", cut to size. */
HK_API bool hk_convert_type_known(const char *name);
HK_API void hk_convert_type_names(char *out, size_t size);

#endif

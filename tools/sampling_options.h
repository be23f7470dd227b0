/* How tokens are drawn: the options, and the sampler that they make. */
#ifndef HEKLA_TOOLS_SAMPLING_OPTIONS_H
#define HEKLA_TOOLS_SAMPLING_OPTIONS_H

#include "tools/options.h"

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

#endif

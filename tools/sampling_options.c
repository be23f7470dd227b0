#include "tools/sampling_options.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "tools/term.h"

static bool parse_seed(const char *value, void *field, struct hk_error *err)
{
    struct sampling_options *s = field;
    s->seed_given = true;
    if (opt_u64(value, &s->seed)) return true;
    return hk_fail(err, HK_ERR_INPUT, "a whole number from 0 to 18446744073709551615 would be accepted");
}

static bool parse_bias(const char *value, void *field, struct hk_error *err)
{
    struct sampling_options *s = field;
    const char *eq = strchr(value, '=');
    char id[24] = "";
    uint64_t token = 0;
    double bias = 0;
    if (eq && (size_t)(eq - value) < sizeof id) memcpy(id, value, (size_t)(eq - value));
    if (!eq || !opt_u64(id, &token) || token >= HK_NO_TOKEN || !opt_f64(eq + 1, &bias) || bias < -1e9 ||
        bias > 1e9) {
        return hk_fail(err, HK_ERR_INPUT, "TOKEN_ID=NUMBER, such as 13=-5, would be accepted");
    }
    struct hk_logit_bias *grown = realloc(s->bias, (s->n_bias + 1) * sizeof *grown);
    if (!grown) return hk_fail(err, HK_ERR_MEMORY, "out of memory");
    s->bias = grown;
    s->bias[s->n_bias++] = (struct hk_logit_bias){(uint32_t)token, (float)bias};
    return true;
}

const struct opt sampling_opts[] = {
    {.name = "temp",
     .kind = OPT_F32,
     .field = offsetof(struct sampling_options, temperature),
     .min = 0,
     .max = 100,
     .metavar = "T",
     .help = "temperature; 0 takes the most likely token always. Default 0.8, and 1 with --best-of; 0 for "
             "answers of box:chat"},
    {.name = "top-k",
     .kind = OPT_U32,
     .field = offsetof(struct sampling_options, top_k),
     .min = 0,
     .max = 4294967295.0,
     .metavar = "K",
     .help = "only the K most likely tokens; 0: all. Default 40"},
    {.name = "top-p",
     .kind = OPT_F32,
     .field = offsetof(struct sampling_options, top_p),
     .min = 0,
     .max = 1,
     .metavar = "P",
     .help = "only the likeliest tokens that together have probability P; 1: all. Default 0.95"},
    {.name = "min-p",
     .kind = OPT_F32,
     .field = offsetof(struct sampling_options, min_p),
     .min = 0,
     .max = 1,
     .metavar = "P",
     .help = "only tokens at least P times as likely as the likeliest; 0: all. Default 0.05"},
    {.name = "repeat-penalty",
     .kind = OPT_F32,
     .field = offsetof(struct sampling_options, repeat_penalty),
     .min = 0.01,
     .max = 100,
     .metavar = "R",
     .help = "make tokens that just appeared less likely; 1: off, 1.1: gently. Default 1"},
    {.name = "repeat-last",
     .kind = OPT_U32,
     .field = offsetof(struct sampling_options, repeat_last),
     .min = 0,
     .max = 16777216,
     .metavar = "N",
     .help = "how many last tokens the penalty looks at. Default 64"},
    {.name = "seed",
     .kind = OPT_PARSE,
     .parse = parse_seed,
     .field = 0,
     .metavar = "S",
     .help = "the same seed on the same device gives the same text. Default: another one each time"},
    {.name = "logit-bias",
     .kind = OPT_PARSE,
     .parse = parse_bias,
     .field = 0,
     .metavar = "ID=BIAS",
     .help = "add BIAS to the logit of token ID; may be repeated"},
    {0},
};

void sampling_options_init(struct sampling_options *o)
{
    *o = (struct sampling_options){.temperature = -1,
                                   .top_k = 40,
                                   .top_p = 0.95f,
                                   .min_p = 0.05f,
                                   .repeat_penalty = 1,
                                   .repeat_last = 64};
}

void sampling_default_temperature(struct sampling_options *o, float fallback)
{
    if (o->temperature < 0) o->temperature = fallback >= 0 ? fallback : 0.8f;
}

/* As the library has them: there zero is the default, and what is off has a number of its own. */
static struct hk_sampler_options sampler_options(const struct sampling_options *o)
{
    bool penalty = o->repeat_last > 0;
    return (struct hk_sampler_options){.greedy = o->temperature <= 0,
                                       .temperature = o->temperature,
                                       .top_k = o->top_k ? o->top_k : HK_ALL_TOKENS,
                                       .top_p = o->top_p > 0 ? o->top_p : FLT_MIN,
                                       .min_p = o->min_p > 0 ? o->min_p : HK_NO_MIN_P,
                                       .repeat_penalty = penalty ? o->repeat_penalty : 1,
                                       .repeat_last = o->repeat_last,
                                       .seed = o->seed,
                                       .bias = o->bias,
                                       .n_bias = o->n_bias};
}

void sampling_options_free(struct sampling_options *o)
{
    free(o->bias);
    o->bias = NULL;
    o->n_bias = 0;
}

uint64_t sampling_seed(struct sampling_options *o)
{
    if (!o->seed_given) o->seed = term_random();
    return o->seed;
}

bool sampling_open(struct sampling_options *o, uint32_t n_vocab, bool need_logits, struct hk_sampler **out,
                   struct hk_error *err)
{
    *out = NULL;
    sampling_default_temperature(o, -1);
    for (uint32_t i = 0; i < o->n_bias; i++) {
        if (o->bias[i].token >= n_vocab) {
            return hk_fail(err, HK_ERR_INPUT, "--logit-bias: token %u: ids from 0 to %u would be accepted",
                           (unsigned)o->bias[i].token, (unsigned)n_vocab - 1);
        }
    }
    o->seed = sampling_seed(o);
    struct hk_sampler_options so = sampler_options(o);
    bool changes_logits = o->n_bias > 0 || so.repeat_penalty < 1.0f || so.repeat_penalty > 1.0f;
    if (so.greedy && !changes_logits && !need_logits) return true;
    *out = hk_sampler_new(&so, n_vocab, err);
    return *out != NULL;
}

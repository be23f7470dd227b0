#include "tools/flags.h"

#include <string.h>

/* A field that is gone does not compile. */
#define FLAG(options, field, flag)                                                                           \
    {                                                                                                        \
#options "." #field, sizeof((struct options *)NULL)->field ? flag : NULL                             \
    }

static const struct {
    const char *field, *flag;
} FLAGS[] = {
    {"hk_selftest", "`hekla selftest`"},
    FLAG(hk_checkpoint_options, tokenizer_path, "--tokenizer"),
    FLAG(hk_device_options, select, "--device"),
    FLAG(hk_model_options, quant, "--quant"),
    FLAG(hk_model_options, plan_ctx, "--ctx"),
    FLAG(hk_runner_options, n_ctx, "--ctx"),
    FLAG(hk_runner_options, kv, "--kv"),
    FLAG(hk_sampler_options, temperature, "--temp"),
    FLAG(hk_sampler_options, top_k, "--top-k"),
    FLAG(hk_sampler_options, top_p, "--top-p"),
    FLAG(hk_sampler_options, min_p, "--min-p"),
    FLAG(hk_sampler_options, repeat_penalty, "--repeat-penalty"),
    FLAG(hk_sampler_options, repeat_last, "--repeat-last"),
    FLAG(hk_sampler_options, bias, "--logit-bias"),
    FLAG(hk_convert_options, type, "--type"),
    FLAG(hk_convert_options, n_threads, "--threads"),
};

void flags_print(FILE *f, const char *text)
{
    while (*text) {
        size_t i = 0, len = 0;
        for (; i < sizeof FLAGS / sizeof FLAGS[0]; i++) {
            len = strlen(FLAGS[i].field);
            if (strncmp(text, FLAGS[i].field, len) == 0) break;
        }
        if (i == sizeof FLAGS / sizeof FLAGS[0]) {
            fputc(*text++, f);
        } else {
            fputs(FLAGS[i].flag, f);
            text += len;
        }
    }
}

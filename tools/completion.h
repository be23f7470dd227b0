/* hk_complete as `generate` and `chat` need it: Ctrl-C ends it, and its timings can be printed. */
#ifndef HEKLA_TOOLS_COMPLETION_H
#define HEKLA_TOOLS_COMPLETION_H

#include "tools/engine.h"

/* hk_complete on the engine's sequence. Ctrl-C ends it with what was handed on so far; during the prompt it is
 * HK_ERR_CANCELLED. */
bool completion_run(struct engine *e, const struct hk_complete_options *o, struct hk_complete_result *r,
                    struct hk_error *err);

/* hk_complete_prompt on it. Clears the progress bar. */
bool completion_begin(struct engine *e, const uint32_t *prompt, uint32_t n_prompt,
                      struct hk_complete_result *r, struct hk_error *err);

/* Runs some tokens through the sequence, as a prompt and as steps: what a driver compiles at its first use is
 * then compiled when the first question comes. What the sequence holds after it is of no meaning. */
bool completion_warm_up(struct engine *e, struct hk_error *err);

/* One line on stderr: tokens per second of the prompt and of the completion, GB/s of weights. */
void completion_print_timing(const struct engine *e, const struct hk_complete_result *r);
/* Tokens per second; 0: not measured. fed: tokens that the steps computed, of all sequences together. */
double completion_prompt_rate(const struct hk_complete_result *r);
double completion_decode_rate(const struct hk_complete_result *r, uint32_t fed);
double completion_weight_rate(const struct engine *e, const struct hk_complete_result *r); /* 1e9 bytes/s */

#endif

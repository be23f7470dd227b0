/* steps: one pass of the model over some tokens. Its buffers, what it takes from the host, and its recordings, which
 * are made once for a size and replayed. Knows tokens and rows; which sequence they are of is its caller's. */
#ifndef HEKLA_RUNTIME_STEPS_H
#define HEKLA_RUNTIME_STEPS_H

#include "runtime/kv.h"
#include "runtime/model.h"
#include "runtime/plan.h"

/* How large steps can be; all numbers at least 1. */
struct step_limits {
    uint32_t n_tokens, n_outputs; /* of a step */
    uint32_t n_tables, n_blocks;  /* sequences of a step, and the most blocks that one's table has */
    uint32_t n_ctx;               /* positions */
    uint32_t n_pool_blocks;
    enum hk_kv_type kv;
};

/* What a step is for, which says where its output goes. */
enum step_kind {
    STEP_OUTPUTS, /* to the host */
    STEP_GREEDY,  /* the index of the largest: token i of the slot that is filled next */
};

/* A step in the making: numbers in host-visible memory (rows of one number a token: see enum input). */
struct step_input;

struct steps;
/* Adds what steps of these limits take to the plan. False: it does not fit in 64 bits. The model need only be
 * bound. */
bool steps_plan(const struct hk_model *m, const struct step_limits *l, struct hk_plan *plan);
struct steps *steps_new(struct hk_model *m, const struct step_limits *l, struct hk_error *err);
void steps_free(struct steps *s); /* waits for the device; NULL is accepted */

/* The next slot, emptied; its last step must be done. Slots are taken in turn, STEPS_IN_FLIGHT of them. */
enum { STEPS_IN_FLIGHT = 3 };
struct step_input *steps_fill(struct steps *s);
/* A table that tokens can name: the number that step_add_token takes. */
uint32_t step_add_table(struct step_input *in, const struct kv_table *t);
/* A token at position pos, whose key and value go to that row of the cache (KV_NONE: they are there already); output:
 * whether the model's output behind it is wanted. Returns which output that is. */
uint32_t step_add_token(struct step_input *in, uint32_t token, uint32_t pos, uint32_t row, uint32_t table,
                        bool output);
/* The same for the token that the step before it, of kind STEP_GREEDY, puts into this input. */
uint32_t step_add_fed_token(struct step_input *in, uint32_t pos, uint32_t row, uint32_t table);
/* A block to be copied before anything is computed; one a table at most. */
void step_add_copy(struct step_input *in, const struct kv_copy *copy);

/* Submits it; *ticket is for steps_wait. */
bool steps_submit(struct steps *s, struct step_input *in, enum step_kind kind, uint64_t *ticket,
                  struct hk_error *err);
bool steps_wait(struct steps *s, uint64_t ticket, struct hk_error *err);
/* Output i of the newest step of kind STEP_OUTPUTS, once it is done: (DIM_OUT), valid until the next. */
const float *steps_output(const struct steps *s, uint32_t i);
/* Token i that a step of kind STEP_GREEDY, once it is done, has put into the input that steps_fill gave behind it. */
uint32_t step_token(const struct step_input *in, uint32_t i);

#endif

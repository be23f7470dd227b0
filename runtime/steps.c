#include "runtime/steps.h"
#include "runtime/backend.h"
#include "runtime/ops.h"
#include "runtime/scratch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { N_RECORDINGS = 24 }; /* kept, least recently used dropped */

_Static_assert(2 * sizeof(uint32_t) == sizeof(struct kv_copy), "copies are an array of pairs");

/* What a step takes from the host, written between submissions and copied to the device at the step's
 * beginning: arrays of one number a token, one after the other, then pairs of blocks to copy, then the
 * tables. */
enum input { IN_TOKENS, IN_POS, IN_ROW, IN_TABLE, IN_OUT, N_INPUTS };

struct step_input {
    const struct step_limits *limits;
    uint32_t *host; /* input_words() numbers */
    uint64_t addr;
    uint32_t n_tokens, n_out, n_tables, n_copies;
    uint64_t n_positions; /* that its tokens see, of `window` at most where that is not 0 */
    uint32_t window;
};

struct recording {
    struct recorder *recorder;
    uint32_t n_tokens, n_out, slot;
    enum step_kind kind;
    bool copies;
    uint64_t used; /* a clock of uses */
};

struct steps {
    struct hk_model *model;
    struct backend *backend;
    struct step_limits limits;
    struct arena *state, *host;
    uint64_t inputs_addr; /* on the device: where a step reads what its slot held */
    struct step full;     /* buffers for limits.n_tokens tokens; a smaller step takes their first rows */
    struct hk_kv *kv;     /* [n_layer] */
    struct step_input slots[STEPS_IN_FLIGHT];
    uint32_t slot; /* the one that is filled next */
    const float *outputs;
    uint64_t outputs_addr;
    struct recording recordings[N_RECORDINGS];
    uint64_t clock;
};

/* ---- memory ---- */

static uint64_t copies_at(const struct step_limits *l)
{
    return (uint64_t)N_INPUTS * l->n_tokens;
}

static uint64_t tables_at(const struct step_limits *l)
{
    return copies_at(l) + 2ull * l->n_tables;
}

/* Of a step with so many tables. */
static uint64_t input_words(const struct step_limits *l, uint32_t n_tables)
{
    return tables_at(l) + (uint64_t)n_tables * l->n_blocks;
}

static struct step shape_step(const struct hk_model *m, const struct step_limits *l)
{
    const struct hk_hparams *hp = &m->hp;
    struct step s = {.n_tokens = l->n_tokens, .n_out = l->n_outputs};
    s.x = scratch_shape(l->n_tokens, hp->n_embd);
    s.sorted = scratch_shape(l->n_tokens, m->order_cols);
    s.logits = scratch_shape(l->n_outputs, hk_dim(hp, DIM_OUT));
    s.rope = (struct hk_tensor){.rows = l->n_ctx, .cols = hp->rope_dim, .ld = hp->rope_dim};
    return s;
}

enum { N_STEP_BUFFERS = 4 };
static void step_buffers(struct step *s, struct hk_tensor *out[N_STEP_BUFFERS])
{
    struct hk_tensor *all[N_STEP_BUFFERS] = {&s->x, &s->sorted, &s->logits, &s->rope};
    memcpy(out, all, sizeof all);
}

static struct hk_kv kv_shape(const struct hk_hparams *hp, const struct step_limits *l)
{
    bool f16 = l->kv == HK_KV_F16;
    return (struct hk_kv){.n_head_kv = hp->n_head_kv,
                          .head_dim = hp->head_dim,
                          .head_words = hk_kv_head_words(hp->head_dim, f16),
                          .n_rows = l->n_pool_blocks * KV_BLOCK_ROWS,
                          .f16 = f16};
}

bool steps_plan(const struct hk_model *m, const struct step_limits *l, struct hk_plan *plan)
{
    struct step s = shape_step(m, l);
    struct hk_tensor *buffers[N_STEP_BUFFERS];
    step_buffers(&s, buffers);
    struct hk_kv kv = kv_shape(&m->hp, l);
    uint64_t plane = 0, cache = 0, inputs = 0, work = 0;
    if (!hk_mul_u64(16ull * kv.n_head_kv, kv.head_words, &plane) || !hk_mul_u64(plane, kv.n_rows, &plane) ||
        !hk_mul_u64(hk_align_up(plane, 256), 2ull * m->hp.n_layer, &cache) ||
        !hk_plan_add(plan, "cache", cache))
        return false;
    for (int i = 0; i < N_STEP_BUFFERS; i++)
        if (!scratch_add_bytes(buffers[i], &work)) return false;
    return hk_mul_u64(input_words(l, l->n_tables), 4, &inputs) && hk_add_u64(work, inputs + 512, &work) &&
           scratch_add_plan(m, l->n_tokens, l->n_outputs, &work) && hk_plan_add(plan, "steps", work);
}

static bool alloc_kv(struct steps *s, struct hk_error *err)
{
    const struct backend_table *be = s->backend->table;
    uint32_t n_layer = s->model->hp.n_layer;
    s->kv = hk_calloc(n_layer, sizeof *s->kv, err);
    if (!s->kv) return false;
    for (uint32_t i = 0; i < n_layer; i++) {
        struct hk_kv *kv = &s->kv[i];
        *kv = kv_shape(&s->model->hp, &s->limits);
        uint64_t plane = hk_kv_plane_bytes(kv->n_head_kv, kv->head_words, kv->n_rows);
        struct gpu_span k, v;
        if (!be->arena_alloc(s->state, plane, &k, err) || !be->arena_alloc(s->state, plane, &v, err))
            return false;
        kv->k = k.addr;
        kv->v = v.addr;
    }
    s->full.kv = s->kv;
    return true;
}

static bool alloc_state(struct steps *s, struct hk_error *err)
{
    const struct backend_table *be = s->backend->table;
    struct hk_plan plan = {0};
    struct hk_tensor *buffers[N_STEP_BUFFERS];
    struct gpu_span inputs;
    if (!steps_plan(s->model, &s->limits, &plan))
        return hk_fail(err, HK_ERR_MEMORY, "a step: its size does not fit");
    s->state = be->arena_new(s->backend, GPU_MEMORY_STATE, plan.total, err);
    if (!s->state) return false;
    s->full = shape_step(s->model, &s->limits);
    step_buffers(&s->full, buffers);
    for (int i = 0; i < N_STEP_BUFFERS; i++)
        if (!scratch_alloc_tensor(be, s->state, buffers[i], err)) return false;
    if (!scratch_alloc(s->model, s->limits.n_tokens, s->limits.n_outputs, s->state, s->full.scratch, err) ||
        !be->arena_alloc(s->state, 4 * input_words(&s->limits, s->limits.n_tables), &inputs, err))
        return false;
    s->inputs_addr = inputs.addr;
    return alloc_kv(s, err);
}

static bool alloc_host(struct steps *s, struct hk_error *err)
{
    const struct backend_table *be = s->backend->table;
    uint64_t slot_bytes = 4 * input_words(&s->limits, s->limits.n_tables);
    uint64_t output_bytes = 4ull * s->full.logits.ld * s->limits.n_outputs;
    s->host = be->arena_new(s->backend, GPU_MEMORY_HOST,
                            STEPS_IN_FLIGHT * (slot_bytes + 256) + output_bytes + 256, err);
    if (!s->host) return false;
    struct gpu_span span;
    for (int i = 0; i < STEPS_IN_FLIGHT; i++) {
        if (!be->arena_alloc(s->host, slot_bytes, &span, err)) return false;
        s->slots[i] = (struct step_input){.limits = &s->limits, .host = span.host, .addr = span.addr};
    }
    if (!be->arena_alloc(s->host, output_bytes, &span, err)) return false;
    s->outputs = span.host;
    s->outputs_addr = span.addr;
    return true;
}

static bool write_rope_table(struct steps *s, struct hk_error *err)
{
    const struct hk_tensor *t = &s->full.rope;
    if (!s->model->inv_freq || !t->cols) return true;
    float *table = hk_calloc((size_t)t->rows * t->cols, sizeof *table, err);
    if (!table) return false;
    hk_rope_table(s->model, t->rows, table);
    bool ok = s->backend->table->write(s->backend, t->addr, table, 4ull * t->rows * t->cols, err);
    free(table);
    return ok;
}

struct steps *steps_new(struct hk_model *m, const struct step_limits *l, struct hk_error *err)
{
    struct steps *s = hk_calloc(1, sizeof *s, err);
    if (!s) return NULL;
    s->model = m;
    s->backend = m->backend;
    s->limits = *l;
    if (alloc_state(s, err) && alloc_host(s, err) && write_rope_table(s, err)) return s;
    steps_free(s);
    return NULL;
}

void steps_free(struct steps *s)
{
    if (!s) return;
    const struct backend_table *be = s->backend->table;
    for (int i = 0; i < N_RECORDINGS; i++)
        if (s->recordings[i].recorder) recorder_free(s->recordings[i].recorder);
    if (s->state) be->arena_free(s->state);
    if (s->host) be->arena_free(s->host);
    free(s->kv);
    free(s);
}

/* ---- filling ---- */

struct step_input *steps_fill(struct steps *s)
{
    struct step_input *in = &s->slots[s->slot];
    in->n_tokens = in->n_out = in->n_tables = in->n_copies = 0;
    in->n_positions = 0;
    in->window = s->model->hp.sliding_window;
    return in;
}

static uint32_t *input(const struct step_input *in, enum input which)
{
    return in->host + (size_t)which * in->limits->n_tokens;
}

uint32_t step_add_table(struct step_input *in, const struct kv_table *t)
{
    assert(in->n_tables < in->limits->n_tables && t->n_blocks <= in->limits->n_blocks);
    uint32_t at = in->n_tables++ * in->limits->n_blocks;
    memcpy(in->host + tables_at(in->limits) + at, t->block, sizeof *t->block * t->n_blocks);
    return at;
}

static uint32_t add_output(struct step_input *in, uint32_t i)
{
    assert(in->n_out < in->limits->n_outputs);
    input(in, IN_OUT)[in->n_out] = i;
    return in->n_out++;
}

static uint32_t add_place(struct step_input *in, uint32_t pos, uint32_t row, uint32_t table)
{
    assert(in->n_tokens < in->limits->n_tokens);
    uint32_t i = in->n_tokens++;
    input(in, IN_POS)[i] = pos;
    input(in, IN_ROW)[i] = row;
    input(in, IN_TABLE)[i] = table;
    in->n_positions += in->window && in->window <= pos ? in->window : pos + 1ull;
    return i;
}

uint32_t step_add_token(struct step_input *in, uint32_t token, uint32_t pos, uint32_t row, uint32_t table,
                        bool output)
{
    uint32_t i = add_place(in, pos, row, table);
    input(in, IN_TOKENS)[i] = token;
    return output ? add_output(in, i) : KV_NONE;
}

uint32_t step_add_fed_token(struct step_input *in, uint32_t pos, uint32_t row, uint32_t table)
{
    return add_output(in, add_place(in, pos, row, table));
}

void step_add_copy(struct step_input *in, const struct kv_copy *copy)
{
    if (copy->from == KV_NONE) return;
    assert(in->n_copies < in->limits->n_tables);
    memcpy(in->host + copies_at(in->limits) + 2 * (size_t)in->n_copies++, copy, sizeof *copy);
}

uint32_t step_token(const struct step_input *in, uint32_t i)
{
    return input(in, IN_TOKENS)[i];
}

/* ---- recording ---- */

/* How many tokens a recording has room for that does n of them: a recording for each size would be made anew
 * all the time, one for every power of two would compute up to twice what it must. Small steps are exact,
 * larger ones at most an eighth too large. */
static uint32_t bucket(uint32_t n, uint32_t most)
{
    uint32_t step = 1;
    while (n > 16 * step) step *= 2;
    uint32_t up = (uint32_t)hk_align_up(n, step);
    return up < most ? up : most;
}

/* The tokens behind the last one are inactive, and their outputs nobody's. */
static void pad(struct step_input *in, const struct recording *key)
{
    for (uint32_t i = in->n_tokens; i < key->n_tokens; i++) {
        input(in, IN_TOKENS)[i] = input(in, IN_TABLE)[i] = 0;
        input(in, IN_POS)[i] = input(in, IN_ROW)[i] = KV_NONE;
    }
    for (uint32_t i = in->n_out; i < key->n_out; i++) input(in, IN_OUT)[i] = KV_NONE;
    struct kv_copy none = {KV_NONE, KV_NONE};
    for (uint32_t i = in->n_copies; key->copies && i < in->limits->n_tables; i++)
        memcpy(in->host + copies_at(in->limits) + 2 * (size_t)i, &none, sizeof none);
}

/* Where on the device an input is. */
static struct hk_tensor input_row(const struct steps *s, uint64_t at, uint32_t n)
{
    return (struct hk_tensor){.addr = s->inputs_addr + 4 * at, .rows = 1, .cols = n, .ld = n};
}

static struct step make_step(const struct steps *s, const struct recording *key)
{
    struct step step = s->full;
    uint64_t t = s->limits.n_tokens;
    uint32_t n = key->n_tokens, n_out = key->n_out;
    step.n_tokens = n;
    step.n_out = n_out;
    step.tokens = input_row(s, IN_TOKENS * t, n);
    step.places.pos = input_row(s, IN_POS * t, n);
    step.places.row = input_row(s, IN_ROW * t, n);
    step.places.table = input_row(s, IN_TABLE * t, n);
    step.places.blocks = input_row(s, tables_at(&s->limits), s->limits.n_tables * s->limits.n_blocks);
    step.out_idx = input_row(s, IN_OUT * t, n_out);
    step.x.rows = n;
    step.logits.rows = n_out;
    scratch_shrink(s->model, n, n_out, step.scratch);
    return step;
}

static struct recorder *record(struct steps *s, const struct recording *key, struct hk_error *err)
{
    struct recorder *r = record_begin(s->backend, err);
    if (!r) return NULL;
    struct step step = make_step(s, key);
    uint32_t n_tables = key->n_tokens < s->limits.n_tables ? key->n_tokens : s->limits.n_tables;
    uint32_t next = (key->slot + 1) % STEPS_IN_FLIGHT;
    r->sorted = step.sorted;
    uint32_t n_inputs = (uint32_t)input_words(&s->limits, n_tables);
    struct hk_tensor from = {.addr = s->slots[key->slot].addr, .rows = 1, .cols = n_inputs, .ld = n_inputs};
    copy_tensor(r, input_row(s, 0, n_inputs), from);
    if (key->copies) {
        struct hk_tensor pairs = input_row(s, copies_at(&s->limits), 2);
        pairs.rows = s->limits.n_tables;
        for (uint32_t i = 0; i < s->model->hp.n_layer; i++) kv_copy(r, &s->kv[i], pairs);
    }
    hk_model_record(r, s->model, &step);
    if (key->kind == STEP_GREEDY) {
        struct hk_tensor to = {.addr = s->slots[next].addr, .rows = 1, .cols = key->n_out, .ld = key->n_out};
        argmax(r, to, step.logits);
    } else if (key->n_out) {
        struct hk_tensor to = step.logits;
        to.addr = s->outputs_addr;
        copy_tensor(r, to, step.logits);
    }
    if (record_end(r, err)) return r;
    recorder_free(r);
    return NULL;
}

/* The recording of such a step: kept from before, or made now in the place of the least recently used. */
static struct recorder *find_recording(struct steps *s, struct recording key, struct hk_error *err)
{
    struct recording *oldest = &s->recordings[0];
    for (int i = 0; i < N_RECORDINGS; i++) {
        struct recording *r = &s->recordings[i];
        if (r->recorder && r->n_tokens == key.n_tokens && r->n_out == key.n_out && r->slot == key.slot &&
            r->kind == key.kind && r->copies == key.copies) {
            r->used = ++s->clock;
            return r->recorder;
        }
        if (r->used < oldest->used) oldest = r;
    }
    if (oldest->recorder) recorder_free(oldest->recorder);
    *oldest = key;
    oldest->recorder = record(s, &key, err);
    oldest->used = oldest->recorder ? ++s->clock : 0;
    return oldest->recorder;
}

bool steps_submit(struct steps *s, struct step_input *in, enum step_kind kind, uint64_t *ticket,
                  struct hk_error *err)
{
    assert(in == &s->slots[s->slot] && in->n_tokens > 0);
    struct recording key = {.n_tokens = bucket(in->n_tokens, s->limits.n_tokens),
                            .n_out = in->n_out ? bucket(in->n_out, s->limits.n_outputs) : 0,
                            .slot = s->slot,
                            .kind = kind,
                            .copies = in->n_copies > 0};
    pad(in, &key);
    struct recorder *r = find_recording(s, key, err);
    if (!r || !s->backend->table->submit(s->backend, r, in->n_positions, ticket, err)) return false;
    if (kind == STEP_GREEDY) s->slot = (s->slot + 1) % STEPS_IN_FLIGHT; /* where its tokens go */
    return true;
}

bool steps_wait(struct steps *s, uint64_t ticket, struct hk_error *err)
{
    return s->backend->table->wait(s->backend, ticket, err);
}

const float *steps_output(const struct steps *s, uint32_t i)
{
    return s->outputs + (size_t)i * s->full.logits.ld;
}

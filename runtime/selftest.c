/* Every op on this device against the reference: the same op, the same random operands, on two backends. */
#include "runtime/backend.h"
#include "runtime/ops.h"
#include "runtime/hekla.h"
#include "runtime/synthetic.h"
#include "runtime/upload.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Normalised mean squared error: sum (a - b)^2 / sum b^2. Sums of a thousand f32 products differ by about
 * 1e-12; f16 keys and values may be rounded either way, 1e-7. */
static const double limit_f32 = 1e-9, limit_f16 = 1e-6;

enum { DEV, REF, N_SIDES };

struct pair {
    struct backend *side[N_SIDES];
    struct arena *arena[N_SIDES];
    hk_selftest_fn fn;
    void *user;
    uint32_t noise;
    bool stopped;
    struct hk_error error; /* of the current case */
};

/* The same tensor or weight on both sides. */
struct pair_tensor {
    struct hk_tensor t[N_SIDES];
};
struct pair_weight {
    struct hk_weight w[N_SIDES];
};

static float noise(struct pair *p)
{
    p->noise = p->noise * 1664525u + 1013904223u;
    return (float)(int32_t)p->noise * 0x1p-31f;
}

/* ---- operands ---- */

static bool begin_case(struct pair *p)
{
    p->error.code = HK_OK;
    for (int s = 0; s < N_SIDES; s++) {
        p->arena[s] = p->side[s]->table->arena_new(p->side[s], GPU_MEMORY_STATE, 0, &p->error);
        if (!p->arena[s]) return false;
    }
    return true;
}

static void end_case(struct pair *p)
{
    for (int s = 0; s < N_SIDES; s++) {
        if (p->arena[s]) p->side[s]->table->arena_free(p->arena[s]);
        p->arena[s] = NULL;
    }
}

static bool failed(const struct pair *p)
{
    return p->error.code != HK_OK;
}

static uint64_t alloc(struct pair *p, int s, uint64_t bytes)
{
    struct gpu_span span = {0};
    if (!failed(p)) p->side[s]->table->arena_alloc(p->arena[s], bytes, &span, &p->error);
    return span.addr;
}

/* (rows, cols) of these values, row after row; NULL: zeros. */
static struct pair_tensor tensor(struct pair *p, uint32_t rows, uint32_t cols, const void *values)
{
    uint32_t ld = (uint32_t)hk_align_up(cols, HK_ROW_ALIGN);
    struct pair_tensor out = {0};
    uint32_t *padded = hk_calloc((size_t)rows * ld, 4, &p->error);
    for (uint32_t r = 0; padded && values && r < rows; r++)
        memcpy(padded + (size_t)r * ld, (const char *)values + (size_t)r * cols * 4, cols * 4ull);
    for (int s = 0; s < N_SIDES; s++) {
        out.t[s] =
            (struct hk_tensor){.addr = alloc(p, s, 4ull * rows * ld), .rows = rows, .cols = cols, .ld = ld};
        if (!failed(p))
            p->side[s]->table->write(p->side[s], out.t[s].addr, padded, 4ull * rows * ld, &p->error);
    }
    free(padded);
    return out;
}

/* The same without padding: rows follow each other. */
static struct pair_tensor packed(struct pair *p, uint32_t rows, uint32_t cols, const void *values)
{
    struct pair_tensor out = {0};
    uint64_t bytes = 4ull * rows * cols;
    for (int s = 0; s < N_SIDES; s++) {
        out.t[s] = (struct hk_tensor){.addr = alloc(p, s, bytes), .rows = rows, .cols = cols, .ld = cols};
        if (!failed(p)) p->side[s]->table->write(p->side[s], out.t[s].addr, values, bytes, &p->error);
    }
    return out;
}

static struct pair_tensor random_tensor(struct pair *p, uint32_t rows, uint32_t cols)
{
    float *values = hk_calloc((size_t)rows * cols, sizeof *values, &p->error);
    for (size_t i = 0; values && i < (size_t)rows * cols; i++) values[i] = noise(p);
    struct pair_tensor out = tensor(p, rows, cols, values);
    free(values);
    return out;
}

static struct pair_weight random_weight(struct pair *p, enum hk_weight_type type, uint32_t rows,
                                        uint32_t cols)
{
    const float scale = 0.75f;
    struct pair_weight out = {0};
    uint64_t bytes = 0;
    if (!hk_weight_bytes(type, rows, cols, &bytes)) hk_fail(&p->error, HK_ERR_INPUT, "no such shape");
    unsigned char *blocks = hk_calloc((size_t)bytes, 1, &p->error);
    if (!blocks) return out;
    hk_weight_random(type, blocks, rows * (uint64_t)cols, p->noise++);
    for (int s = 0; s < N_SIDES && !failed(p); s++) {
        struct hk_weight *w = &out.w[s];
        *w = (struct hk_weight){.name = "selftest", .rows = rows, .cols = cols};
        if (!hk_weight_layout(type, rows, cols, &w->layout, &p->error)) break;
        w->addr = alloc(p, s, p->side[s]->table->weight_bytes(&w->layout));
        w->scale = alloc(p, s, sizeof scale);
        if (!failed(p)) p->side[s]->table->write(p->side[s], w->scale, &scale, sizeof scale, &p->error);
        if (!failed(p)) weight_upload_whole(p->side[s], w, blocks, &p->error);
    }
    free(blocks);
    return out;
}

/* ---- running and comparing ---- */

static struct recorder *start(struct pair *p, int s)
{
    return failed(p) ? NULL : record_begin(p->side[s], &p->error);
}

static void finish(struct pair *p, int s, struct recorder *r)
{
    const struct backend_table *t = p->side[s]->table;
    uint64_t ticket = 0;
    if (record_end(r, &p->error) && t->submit(p->side[s], r, 0, &ticket, &p->error))
        t->wait(p->side[s], ticket, &p->error);
    recorder_free(r);
}

/* Both sides' values of a tensor, with its padding: what lies past cols must be equal too. */
static double compare(struct pair *p, const struct pair_tensor *t)
{
    size_t n = (size_t)t->t[DEV].rows * t->t[DEV].ld;
    float *got = hk_calloc(n, sizeof *got, &p->error), *want = hk_calloc(n, sizeof *want, &p->error);
    double diff = 0, norm = 0;
    if (!failed(p)) p->side[DEV]->table->read(p->side[DEV], t->t[DEV].addr, got, 4 * n, &p->error);
    if (!failed(p)) p->side[REF]->table->read(p->side[REF], t->t[REF].addr, want, 4 * n, &p->error);
    for (size_t i = 0; i < n && !failed(p); i++) {
        double d = (double)got[i] - (double)want[i];
        diff += d * d;
        norm += (double)want[i] * (double)want[i];
    }
    free(got);
    free(want);
    return norm > 0 ? diff / norm : diff;
}

/* The larger of the two, NaN if one is. */
static double worse(double a, double b)
{
    return a <= b || isnan(b) ? b : a;
}

static void report(struct pair *p, const char *op, const char *detail, double error, double limit)
{
    struct hk_selftest_result r = {.op = op, .error = error, .limit = limit};
    r.passed = !failed(p) && error <= limit; /* NaN does not pass */
    snprintf(r.detail, sizeof r.detail, "%s", detail);
    if (failed(p)) snprintf(r.why, sizeof r.why, "%.159s", p->error.text);
    if (!p->stopped && !p->fn(p->user, &r)) p->stopped = true;
}

#define ON_BOTH(p, s, r)                                                                                     \
    for (int s = 0; s < N_SIDES; s++)                                                                        \
        for (struct recorder *r = start(p, s); r; finish(p, s, r), r = NULL)

/* ---- cases ---- */

static void test_matmul(struct pair *p, enum hk_weight_type type, uint32_t rows, uint32_t cols,
                        uint32_t tokens, bool accumulate, bool with_bias)
{
    char detail[96];
    snprintf(detail, sizeof detail, "%s (%u, %u) x %u%s%s", hk_weight_type_info(type)->name, rows, cols,
             tokens, with_bias ? " + bias" : "", accumulate ? ", added" : "");
    double error = NAN;
    if (begin_case(p)) {
        struct pair_weight w = random_weight(p, type, rows, cols);
        struct pair_tensor x = random_tensor(p, tokens, cols), dst = random_tensor(p, tokens, rows);
        struct pair_tensor bias = random_tensor(p, 1, rows);
        ON_BOTH(p, s, r)
        (accumulate ? matmul_add : matmul)(r, dst.t[s], &w.w[s],
                                           with_bias ? bias.t[s] : (struct hk_tensor){0}, x.t[s]);
        error = compare(p, &dst);
    }
    report(p, "matmul", detail, error, limit_f32);
    end_case(p);
}

/* A matmul in one of the ways between which the tuner chooses. */
static void test_variant(struct pair *p, enum hk_weight_type type, uint32_t tokens, uint32_t variant)
{
    char detail[96], name[48];
    uint32_t cols = 3 * hk_weight_type_info(type)->pack_len;
    double limit = p->side[DEV]->table->variant_name(p->side[DEV], tokens, variant, name);
    snprintf(detail, sizeof detail, "%s x %u, %s", hk_weight_type_info(type)->name, tokens, name);
    double error = NAN;
    if (begin_case(p)) {
        struct pair_weight w = random_weight(p, type, 100, cols);
        struct pair_tensor x = random_tensor(p, tokens, cols), dst = random_tensor(p, tokens, 100);
        ON_BOTH(p, s, r)
        {
            struct op op = {OP_MATMUL,
                            .matmul = {.dst = dst.t[s], .x = x.t[s], .w = &w.w[s], .variant = variant + 1}};
            record_op(r, &op);
        }
        error = compare(p, &dst);
    }
    report(p, "matmul", detail, error, limit);
    end_case(p);
}

/* Whether two variants' names begin with the same word: the kernel. */
static bool same_kernel(const char *a, const char *b)
{
    size_t n = strcspn(a, ",");
    return n == strcspn(b, ",") && memcmp(a, b, n) == 0;
}

/* What is for many tokens alone. CPUs take a second to compile each of these and never choose them: there, of
 * each kernel its first variant, and only one type goes through all. */
static void many_token_variants(struct pair *p, enum hk_weight_type type, bool cpu)
{
    const struct backend_table *t = p->side[DEV]->table;
    uint32_t few = t->n_variants(p->side[DEV], 1), many = t->n_variants(p->side[DEV], 70);
    char name[48] = "", last[48] = "";
    for (uint32_t i = few; i < many && !p->stopped; i++) {
        t->variant_name(p->side[DEV], 70, i, name);
        if (!cpu || type == HK_Q8_0 || !same_kernel(name, last)) test_variant(p, type, 70, i);
        memcpy(last, name, sizeof last);
    }
}

/* The shapes of matvec's workgroups, which hardly depend on the weight type, for one; for all types the
 * second, where lanes share a row, as that makes addresses another way, and what is for many tokens alone. */
static void all_variants(struct pair *p, bool cpu)
{
    uint32_t few = p->side[DEV]->table->n_variants(p->side[DEV], 1);
    for (enum hk_weight_type type = 0; type < HK_WEIGHT_TYPE_COUNT; type++) {
        if (!hk_weight_on_device(hk_weight_type_info(type))) continue;
        for (uint32_t i = 0; i < few && !p->stopped; i++)
            if (type == HK_Q8_0 || i == 1) test_variant(p, type, 1, i);
        many_token_variants(p, type, cpu);
    }
}

static void test_embed(struct pair *p, enum hk_weight_type type, uint32_t rows, uint32_t cols)
{
    char detail[96];
    snprintf(detail, sizeof detail, "%s (%u, %u)", hk_weight_type_info(type)->name, rows, cols);
    double error = NAN;
    if (begin_case(p)) {
        uint32_t ids[5] = {0, rows - 1, rows / 2, UINT32_MAX, rows};
        struct pair_weight w = random_weight(p, type, rows, cols);
        struct pair_tensor id = tensor(p, 1, 5, ids), dst = random_tensor(p, 5, cols);
        ON_BOTH(p, s, r)
        {
            embed(r, dst.t[s], &w.w[s], id.t[s]);
            embed_add(r, dst.t[s], &w.w[s], id.t[s]);
        }
        error = compare(p, &dst);
    }
    report(p, "embed", detail, error, limit_f32);
    end_case(p);
}

/* Of rows, or (heads above 1) of heads of cols / heads columns, in place. */
static void test_norm(struct pair *p, bool layer, bool with_bias, uint32_t rows, uint32_t cols,
                      uint32_t heads)
{
    char detail[96];
    snprintf(detail, sizeof detail, "(%u, %u)%s%s", rows, cols, with_bias ? " + bias" : "",
             heads > 1 ? " heads" : "");
    double error = NAN;
    if (begin_case(p)) {
        struct pair_tensor x = random_tensor(p, rows, cols), dst = tensor(p, rows, cols, NULL);
        struct pair_tensor gain = random_tensor(p, 1, cols / heads), bias = random_tensor(p, 1, cols);
        ON_BOTH(p, s, r)
        {
            if (layer)
                layernorm(r, dst.t[s], x.t[s], gain.t[s], with_bias ? bias.t[s] : (struct hk_tensor){0},
                          1e-5f);
            else
                rmsnorm(r, (heads > 1 ? x : dst).t[s], x.t[s], gain.t[s], 1e-5f);
        }
        error = compare(p, heads > 1 ? &x : &dst);
    }
    report(p, layer ? "layernorm" : "rmsnorm", detail, error, limit_f32);
    end_case(p);
}

static void test_rope(struct pair *p, enum hk_rope_pairing pairing, uint32_t heads, uint32_t head_dim,
                      uint32_t rope_dim)
{
    char detail[96];
    snprintf(detail, sizeof detail, "%u heads of %u, %u rotate, %s", heads, head_dim, rope_dim,
             pairing == HK_ROPE_HALVES ? "halves" : "interleaved");
    double error = NAN;
    if (begin_case(p)) {
        uint32_t pos[4] = {0, 7, UINT32_MAX, 2};
        struct pair_tensor x = random_tensor(p, 4, heads * head_dim), id = tensor(p, 1, 4, pos);
        float values[8 * 256];
        for (uint32_t i = 0; i < 8 * rope_dim; i++) values[i] = noise(p);
        struct pair_tensor table = packed(p, 8, rope_dim, values);
        ON_BOTH(p, s, r) rope(r, x.t[s], table.t[s], id.t[s], head_dim, pairing);
        error = compare(p, &x);
    }
    report(p, "rope", detail, error, limit_f32);
    end_case(p);
}

struct attention_case {
    bool f16;
    uint32_t n_head, n_head_kv, head_dim, n_rows, n_tokens, n_past, window;
};

static struct hk_kv alloc_kv(struct pair *p, int s, const struct attention_case *c)
{
    struct hk_kv kv = {.n_head_kv = c->n_head_kv,
                       .head_dim = c->head_dim,
                       .n_rows = c->n_rows,
                       .f16 = c->f16,
                       .head_words = hk_kv_head_words(c->head_dim, c->f16)};
    uint64_t plane = hk_kv_plane_bytes(kv.n_head_kv, kv.head_words, kv.n_rows);
    kv.k = alloc(p, s, plane);
    kv.v = alloc(p, s, plane);
    return kv;
}

enum { MAX_BLOCKS = 64, MAX_TOKENS = 512, MAX_FORKS = 5 };

/* Tokens that are written, and tables by which they are read. */
struct attention_places {
    uint32_t row[MAX_TOKENS], n;                                 /* of the tokens that are written */
    uint32_t pos[MAX_FORKS + 33], table[MAX_FORKS + 33], n_last; /* of those that attend */
    uint32_t blocks[MAX_BLOCKS], n_blocks;
    uint32_t pairs[2 * (MAX_FORKS + 1)], n_pairs;
};

/* The whole of a case: writes what places say, copies blocks, writes the forks' tokens, and attends. */
static void run_attention(struct pair *p, const struct attention_case *c, const struct attention_places *at,
                          uint32_t n_before, const char *detail)
{
    double error = NAN;
    uint32_t kv_cols = c->n_head_kv * c->head_dim, q_cols = c->n_head * c->head_dim;
    if (begin_case(p)) {
        struct pair_tensor q = random_tensor(p, at->n_last, q_cols);
        struct pair_tensor k = random_tensor(p, at->n, kv_cols), v = random_tensor(p, at->n, kv_cols);
        struct pair_tensor dst = random_tensor(p, at->n_last, q_cols),
                           lse = random_tensor(p, at->n_last, c->n_head);
        struct pair_tensor row = tensor(p, 1, at->n, at->row), pos = tensor(p, 1, at->n_last, at->pos);
        struct pair_tensor table = tensor(p, 1, at->n_last, at->table);
        struct pair_tensor blocks = tensor(p, 1, at->n_blocks, at->blocks);
        struct pair_tensor pairs = packed(p, at->n_pairs, 2, at->pairs);
        ON_BOTH(p, s, r)
        {
            struct hk_kv kv = alloc_kv(p, s, c);
            struct hk_places places = {.pos = pos.t[s], .table = table.t[s], .blocks = blocks.t[s]};
            struct hk_tensor k2 = k.t[s], v2 = v.t[s];
            kv_write(r, &kv, hk_tensor_rows(k2, n_before), hk_tensor_rows(v2, n_before),
                     hk_tensor_cols(row.t[s], 0, n_before));
            if (at->n_pairs) kv_copy(r, &kv, pairs.t[s]);
            k2.addr += 4ull * k2.ld * n_before, v2.addr += 4ull * v2.ld * n_before;
            if (at->n > n_before)
                kv_write(r, &kv, hk_tensor_rows(k2, at->n - n_before), hk_tensor_rows(v2, at->n - n_before),
                         hk_tensor_cols(row.t[s], n_before, at->n - n_before));
            attention(r, dst.t[s], lse.t[s], q.t[s], &kv, &places, c->n_head,
                      1.7f / sqrtf((float)c->head_dim), c->window);
        }
        error = worse(compare(p, &dst), compare(p, &lse));
    }
    report(p, "attention", detail, error, c->f16 ? limit_f16 : limit_f32);
    end_case(p);
}

/* Blocks in an order of their own. */
static uint32_t block_at(const struct attention_case *c, uint32_t i)
{
    return c->n_rows / HK_BLOCK_ROWS - 1 - i;
}

static uint32_t row_at(const struct attention_case *c, uint32_t pos)
{
    return block_at(c, pos / HK_BLOCK_ROWS) * HK_BLOCK_ROWS + pos % HK_BLOCK_ROWS;
}

/* The last n_tokens positions of one sequence attend. */
static void test_attention(struct pair *p, const struct attention_case *c)
{
    struct attention_places at = {.n = c->n_past + c->n_tokens, .n_last = c->n_tokens};
    char detail[96];
    int len = snprintf(detail, sizeof detail, "%s, %u heads on %u of %u, %u tokens behind %u",
                       c->f16 ? "f16" : "f32", c->n_head, c->n_head_kv, c->head_dim, c->n_tokens, c->n_past);
    if (c->window) snprintf(detail + len, sizeof detail - (size_t)len, ", a window of %u", c->window);
    assert(at.n_last <= sizeof at.pos / sizeof *at.pos && at.n <= MAX_TOKENS);
    at.n_blocks = c->n_rows / HK_BLOCK_ROWS;
    for (uint32_t i = 0; i < at.n_blocks; i++) at.blocks[i] = block_at(c, i);
    for (uint32_t i = 0; i < at.n; i++) at.row[i] = row_at(c, i);
    for (uint32_t i = 0; i < at.n_last; i++) at.pos[i] = c->n_past + i;
    run_attention(p, c, &at, at.n, detail);
}

/* n_tokens forks behind n_past tokens that they share, the last block of which each has for itself, as a
 * copy: fork b has written b + 1 tokens there. The newest of each attends, and one that is inactive. */
static void test_forks(struct pair *p, const struct attention_case *c)
{
    struct attention_places at = {.n = c->n_past, .n_last = c->n_tokens + 1};
    uint32_t shared = c->n_past / HK_BLOCK_ROWS, length = shared + 1;
    char detail[96];
    snprintf(detail, sizeof detail, "%s, %u heads on %u of %u, %u forks behind %u", c->f16 ? "f16" : "f32",
             c->n_head, c->n_head_kv, c->head_dim, c->n_tokens, c->n_past);
    for (uint32_t i = 0; i < c->n_past; i++) at.row[i] = row_at(c, i);
    for (uint32_t b = 0; b < c->n_tokens; b++) {
        at.table[b] = b * length;
        for (uint32_t i = 0; i < shared; i++) at.blocks[at.n_blocks++] = block_at(c, i);
        at.blocks[at.n_blocks++] = b; /* the sequence's own are at the other end */
        at.pairs[2 * at.n_pairs] = block_at(c, shared);
        at.pairs[2 * at.n_pairs++ + 1] = b;
        for (uint32_t i = 0; i <= b; i++)
            at.row[at.n++] = b * HK_BLOCK_ROWS + (c->n_past + i) % HK_BLOCK_ROWS;
        at.pos[b] = c->n_past + b;
    }
    at.pos[c->n_tokens] = UINT32_MAX;
    at.pairs[2 * at.n_pairs] = at.pairs[2 * at.n_pairs + 1] = UINT32_MAX; /* none */
    at.n_pairs++;
    run_attention(p, c, &at, c->n_past, detail);
}

static void test_activate(struct pair *p, enum hk_activation f, bool mul)
{
    static const char *const names[] = {"silu", "gelu (tanh)", "gelu (erf)", "relu"};
    char detail[96];
    snprintf(detail, sizeof detail, "%s%s", names[f], mul ? " x up" : "");
    double error = NAN;
    if (begin_case(p)) {
        float values[3 * 77];
        for (uint32_t i = 0; i < 3 * 77; i++) values[i] = 9.0f * noise(p);
        values[0] = 90.0f;
        values[1] = -90.0f;
        struct pair_tensor x = tensor(p, 3, 77, values), up = random_tensor(p, 3, 77);
        ON_BOTH(p, s, r)
        {
            if (mul)
                activate_mul(r, x.t[s], x.t[s], up.t[s], f);
            else
                activate(r, x.t[s], x.t[s], f);
        }
        error = compare(p, &x);
    }
    report(p, "activate", detail, error, limit_f32);
    end_case(p);
}

/* select_rows, and argmax of the result: equal values, the largest at both ends. */
static void test_rows(struct pair *p, uint32_t cols)
{
    char detail[96];
    snprintf(detail, sizeof detail, "3 of 4 rows of %u", cols);
    double selected = NAN, found = NAN;
    float *values = hk_calloc(4ull * cols, sizeof *values, &p->error);
    if (values && begin_case(p)) {
        for (uint32_t i = 0; i < 4 * cols; i++) values[i] = noise(p);
        values[cols - 1] = 2.0f;                               /* row 0: the last */
        values[2 * cols] = values[2 * cols + cols / 2] = 2.0f; /* row 2: the first of two */
        uint32_t idx[3] = {2, 0, 3};
        struct pair_tensor x = tensor(p, 4, cols, values), id = tensor(p, 1, 3, idx);
        struct pair_tensor dst = tensor(p, 3, cols, NULL), best = tensor(p, 1, 3, NULL);
        ON_BOTH(p, s, r)
        {
            select_rows(r, dst.t[s], x.t[s], id.t[s]);
            argmax(r, best.t[s], dst.t[s]);
        }
        selected = compare(p, &dst);
        uint32_t got[N_SIDES][3] = {{0}};
        for (int s = 0; s < N_SIDES && !failed(p); s++)
            p->side[s]->table->read(p->side[s], best.t[s].addr, got[s], sizeof got[s], &p->error);
        found = memcmp(got[DEV], got[REF], sizeof got[DEV]) == 0 ? 0.0 : 1.0;
    }
    report(p, "select_rows", detail, selected, 0.0);
    report(p, "argmax", detail, found, 0.0);
    end_case(p);
    free(values);
}

/* select_cols, backwards. */
static void test_cols(struct pair *p, uint32_t cols)
{
    char detail[96];
    snprintf(detail, sizeof detail, "3 rows of %u", cols);
    double error = NAN;
    uint32_t *idx = hk_calloc(cols, sizeof *idx, &p->error);
    for (uint32_t c = 0; idx && c < cols; c++) idx[c] = cols - 1 - c;
    if (idx && begin_case(p)) {
        struct pair_tensor x = random_tensor(p, 3, cols), id = tensor(p, 1, cols, idx);
        struct pair_tensor dst = tensor(p, 3, cols, NULL);
        ON_BOTH(p, s, r)
        {
            select_cols(r, dst.t[s], x.t[s], id.t[s]);
        }
        error = compare(p, &dst);
    }
    report(p, "select_cols", detail, error, 0.0);
    end_case(p);
    free(idx);
}

/* ---- the lists ---- */

static void all_weights(struct pair *p)
{
    for (enum hk_weight_type type = 0; type < HK_WEIGHT_TYPE_COUNT && !p->stopped; type++) {
        uint32_t block = hk_weight_type_info(type)->block_len;
        if (!hk_weight_on_device(hk_weight_type_info(type))) continue;
        const uint32_t shapes[][3] = {/* rows, blocks (of at least 4), tokens */
                                      {1, 1, 1},   {31, 3, 1}, {33, 5, 2}, {64, 4, 3},
                                      {172, 2, 5}, {96, 7, 8}, {40, 6, 17}};
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes && !p->stopped; i++) {
            uint32_t cols = shapes[i][1] * (block < 4 ? 4 : block);
            test_matmul(p, type, shapes[i][0], cols, shapes[i][2], i % 2, i % 3 == 0);
        }
        test_matmul(p, type, 288, block < 256 ? 768 : 1024, 1, false, false);
        test_embed(p, type, 70, block < 4 ? 36 : 2 * block);
        if (block == 1) test_matmul(p, type, 20, 43, 3, false, true); /* no whole word */
    }
}

static void all_attention(struct pair *p)
{
    static const struct attention_case cases[] = {
        {true, 4, 2, 8, 64, 1, 0},         {true, 4, 4, 64, 64, 3, 30},   {true, 2, 1, 80, 96, 1, 95},
        {true, 6, 2, 128, 320, 2, 290},    {true, 2, 2, 12, 32, 32, 0},   {true, 1, 1, 256, 64, 2, 40},
        {false, 4, 2, 8, 64, 5, 50},       {false, 3, 1, 6, 64, 4, 60},   {false, 2, 2, 64, 160, 1, 150},
        {false, 2, 1, 128, 288, 2, 270},   {false, 1, 1, 256, 32, 1, 9},  {true, 4, 2, 64, 320, 2, 290, 37},
        {false, 2, 2, 12, 96, 20, 50, 33}, {true, 2, 1, 8, 64, 5, 50, 1},
    };
    static const struct attention_case forks[] = {
        {true, 4, 2, 64, 480, 5, 300}, {false, 4, 1, 12, 160, 3, 33}, {false, 2, 2, 6, 96, 2, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases && !p->stopped; i++) test_attention(p, &cases[i]);
    for (size_t i = 0; i < sizeof forks / sizeof *forks && !p->stopped; i++) test_forks(p, &forks[i]);
}

static void all_small(struct pair *p)
{
    static const uint32_t cols[] = {1, 4, 36, 172, 1024, 4099};
    for (size_t i = 0; i < sizeof cols / sizeof *cols && !p->stopped; i++) {
        test_norm(p, false, false, 3, cols[i], 1);
        test_norm(p, true, i % 2, 2, cols[i], 1);
        test_rows(p, cols[i]);
        test_cols(p, cols[i]);
    }
    if (!p->stopped) test_norm(p, false, false, 3, 5 * 36, 5);
    if (!p->stopped) test_norm(p, false, false, 2, 16 * 128, 16);
    for (enum hk_rope_pairing pairing = HK_ROPE_INTERLEAVED; pairing <= HK_ROPE_HALVES && !p->stopped;
         pairing++) {
        test_rope(p, pairing, 3, 8, 8);
        test_rope(p, pairing, 2, 64, 32);
        test_rope(p, pairing, 5, 6, 6);
    }
    for (enum hk_activation f = HK_ACT_SILU; f <= HK_ACT_RELU && !p->stopped; f++) {
        test_activate(p, f, false);
        test_activate(p, f, true);
    }
}

bool hk_selftest(struct hk_device *d, hk_selftest_fn fn, void *user, struct hk_error *err)
{
    struct pair p = {.fn = fn, .user = user, .noise = 12345};
    p.side[DEV] = hk_device_backend(d);
    p.side[REF] = backend_reference_open(err);
    if (!p.side[REF]) return false;
    all_small(&p);
    all_attention(&p);
    all_weights(&p);
    const struct hk_device_caps *caps = hk_device_caps(d);
    all_variants(&p, caps && caps->type == HK_DEVICE_CPU);
    p.side[REF]->table->close(p.side[REF]);
    return true;
}

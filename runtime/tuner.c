#include "runtime/tuner.h"
#include "runtime/os.h"
#include "runtime/ops_vulkan.h"
#include "runtime/gpu/shader_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_CHOICES = 512,
    MAX_CACHE_BYTES = 64 << 10,
    MIN_WEIGHT_BYTES = 1 << 20, /* below this a launch costs more than any variant can win */
    MANY_TOKENS = 64,           /* as good as any number beyond */
};

/* What decides: the kernel as it was compiled, and the shape to a factor of two. */
struct key {
    uint32_t type, rows_class, cols_class, tokens_class;
    uint32_t kernel_hash;
};
struct choice {
    struct key key;
    struct matmul_variant variant;
};

struct tuner {
    struct gpu *gpu;
    enum tuner_mode mode;
    char path[600]; /* of the cache; "" for none */
    struct choice choices[MAX_CHOICES];
    uint32_t n_choices;
    uint32_t kernel_hash[HK_WEIGHT_TYPE_COUNT]; /* made when it is first asked for */
    bool hashed[HK_WEIGHT_TYPE_COUNT];
};

/* ---- keys ------------------------------------------------------------------------------------------------- */

static uint32_t log2_class(uint64_t n)
{
    uint32_t class = 0;
    while (n > 1) n >>= 1, class ++;
    return class;
}

/* Of a kernel's words: a changed kernel is measured again. */
static uint32_t kernel_hash(const char *name)
{
    const struct hk_shader *s = hk_shader_find(name);
    return s ? (uint32_t)hk_hash(HK_HASH_START, s->words, sizeof *s->words * s->n_words) : 0;
}

/* Of all kernels between which there is a choice for such a weight. */
static uint32_t kernels_hash(struct tuner *t, const struct hk_weight *w)
{
    static const char *const kernels[] = {"matvec", "matmul", "matmul_coopmat"};
    uint32_t *hash = &t->kernel_hash[w->layout.type];
    for (size_t i = 0; !t->hashed[w->layout.type] && i < sizeof kernels / sizeof *kernels; i++) {
        char name[64];
        vulkan_kernel_name(kernels[i], w, name);
        *hash ^= kernel_hash(name);
    }
    t->hashed[w->layout.type] = true;
    return *hash;
}

static struct key make_key(struct tuner *t, const struct hk_weight *w, uint32_t n_tokens)
{
    return (struct key){.type = w->layout.type,
                        .rows_class = log2_class(w->rows),
                        .cols_class = log2_class(w->cols),
                        .tokens_class = log2_class(n_tokens < MANY_TOKENS ? n_tokens : MANY_TOKENS),
                        .kernel_hash = kernels_hash(t, w)};
}

static const struct choice *find(const struct tuner *t, const struct key *key)
{
    for (uint32_t i = 0; i < t->n_choices; i++)
        if (memcmp(&t->choices[i].key, key, sizeof *key) == 0) return &t->choices[i];
    return NULL;
}

static void remember(struct tuner *t, const struct key *key, struct matmul_variant v)
{
    if (t->n_choices < MAX_CHOICES) t->choices[t->n_choices++] = (struct choice){*key, v};
}

/* ---- the cache: a header line that names device and driver, then a line a choice ---- */

static void header(const struct tuner *t, char out[64])
{
    const struct hk_device_caps *caps = gpu_capabilities(t->gpu);
    int at = snprintf(out, 64, "hekla tune 1 ");
    for (int i = 0; i < 16; i++) at += snprintf(out + at, 64 - (size_t)at, "%02x", caps->uuid[i]);
}

static void cache_path(struct tuner *t, const char *cache_dir)
{
    const struct hk_device_caps *caps = gpu_capabilities(t->gpu);
    char dir[512];
    if (cache_dir && !*cache_dir) return;
    if (cache_dir)
        snprintf(dir, sizeof dir, "%s", cache_dir);
    else if (!hk_os_cache_dir(dir, sizeof dir))
        return;
    if (!hk_os_make_dirs(dir)) return;
    snprintf(t->path, sizeof t->path, "%s/tune-%08x-%08x.txt", dir, (unsigned)caps->vendor_id,
             (unsigned)caps->device_id);
}

/* CPUs emulate cooperative matrices. */
static bool worth_trying(const struct tuner *t, const struct matmul_variant *v)
{
    return v->kind != MATMUL_COOPMAT || gpu_capabilities(t->gpu)->type != HK_DEVICE_CPU;
}

/* A line is taken only if its variant is one that this build would try. */
static void parse_line(struct tuner *t, const char *line)
{
    struct choice c;
    memset(&c, 0, sizeof c);
    if (sscanf(line, "matmul %u %u %u %u %x = %u %u %u %u %u", &c.key.type, &c.key.rows_class,
               &c.key.cols_class, &c.key.tokens_class, &c.key.kernel_hash, &c.variant.kind, &c.variant.lanes,
               &c.variant.tile_lanes, &c.variant.tiles, &c.variant.tokens) != 10)
        return;
    struct matmul_variant list[TUNE_MAX_CANDIDATES];
    uint32_t n = tune_matmul_candidates(gpu_capabilities(t->gpu), 1u << (c.key.tokens_class & 31), list);
    for (uint32_t i = 0; i < n; i++)
        if (memcmp(&list[i], &c.variant, sizeof c.variant) == 0 && worth_trying(t, &c.variant)) {
            remember(t, &c.key, c.variant);
            return;
        }
}

static void load(struct tuner *t)
{
    size_t size = 0;
    char want[64], *text = *t->path ? hk_os_read_file(t->path, MAX_CACHE_BYTES, &size) : NULL;
    header(t, want);
    size_t at = strlen(want);
    if (text && size > at && memcmp(text, want, at) == 0 && text[at] == '\n') {
        for (size_t end; at < size; at = end) {
            char line[128];
            for (end = at + 1; end < size && text[end] != '\n'; end++) continue;
            snprintf(line, sizeof line, "%.*s", (int)(end - at - 1 < 127 ? end - at - 1 : 127),
                     text + at + 1);
            parse_line(t, line);
        }
    }
    free(text);
}

static void save(const struct tuner *t)
{
    struct hk_bytes out = {0};
    char line[160];
    header(t, line);
    bool ok = hk_bytes_append(&out, line, strlen(line), NULL) && hk_bytes_append(&out, "\n", 1, NULL);
    for (uint32_t i = 0; i < t->n_choices; i++) {
        const struct choice *c = &t->choices[i];
        int n = snprintf(line, sizeof line, "matmul %u %u %u %u %x = %u %u %u %u %u\n", c->key.type,
                         c->key.rows_class, c->key.cols_class, c->key.tokens_class, c->key.kernel_hash,
                         c->variant.kind, c->variant.lanes, c->variant.tile_lanes, c->variant.tiles,
                         c->variant.tokens);
        ok = ok && hk_bytes_append(&out, line, (size_t)n, NULL);
    }
    if (ok)
        hk_os_replace_file(t->path, out.data, out.len); /* a cache that cannot be written is measured again */
    hk_bytes_free(&out);
}

/* ---- measuring -------------------------------------------------------------------------------------------- */

/* What a measurement runs on: the model's weight, and vectors of its own. */
struct trial {
    struct gpu *gpu;
    const struct hk_weight *w;
    struct gpu_arena *arena;
    struct hk_tensor x, y;
    float *want, *got; /* (n_tokens, rows) of the plainest candidate, of this one */
};

static bool prepare(struct trial *t, uint32_t n_tokens, struct hk_error *err)
{
    uint32_t x_ld = (uint32_t)hk_align_up(t->w->cols, HK_ROW_ALIGN),
             y_ld = (uint32_t)hk_align_up(t->w->rows, HK_ROW_ALIGN);
    uint64_t x_bytes = 4ull * n_tokens * x_ld, y_bytes = 4ull * n_tokens * y_ld;
    struct gpu_span x, y;
    t->arena = gpu_arena_new(t->gpu, GPU_MEMORY_STATE, x_bytes + y_bytes + 512, err);
    if (!t->arena || !gpu_arena_alloc(t->arena, x_bytes, &x, err) ||
        !gpu_arena_alloc(t->arena, y_bytes, &y, err))
        return false;
    t->x = (struct hk_tensor){.addr = x.addr, .rows = n_tokens, .cols = t->w->cols, .ld = x_ld};
    t->y = (struct hk_tensor){.addr = y.addr, .rows = n_tokens, .cols = t->w->rows, .ld = y_ld};
    t->want = hk_calloc((size_t)n_tokens * y_ld, sizeof *t->want, err);
    t->got = hk_calloc((size_t)n_tokens * y_ld, sizeof *t->got, err);
    float *values = hk_calloc((size_t)n_tokens * x_ld, sizeof *values, err);
    bool ok = t->want && t->got && values;
    for (uint32_t i = 0; ok && i < n_tokens; i++)
        for (uint32_t k = 0; k < t->w->cols; k++)
            values[(size_t)i * x_ld + k] = (float)((i * 31 + k * 17) % 64) / 32.0f - 0.98f;
    ok = ok && gpu_write(t->gpu, x.addr, values, x_bytes, err);
    free(values);
    return ok;
}

static void clean_up(struct trial *t)
{
    gpu_arena_free(t->arena);
    free(t->want);
    free(t->got);
}

/* Seconds that one of `repeats` dispatches takes. */
static bool run(struct trial *t, struct matmul_variant v, uint32_t repeats, double *seconds,
                struct hk_error *err)
{
    struct vulkan_recorder r = {.gpu = t->gpu, .rec = gpu_record_begin(t->gpu, err)};
    if (!r.rec) return false;
    struct op op = {OP_MATMUL, .matmul = {.dst = t->y, .x = t->x, .w = t->w}};
    for (uint32_t i = 0; i < repeats; i++) vulkan_emit_matmul(&r, &op, v);
    bool ok = r.base.error.code == HK_OK;
    if (!ok && err) *err = r.base.error;
    ok = ok && gpu_record_end(r.rec, err);
    double start = hk_os_seconds();
    ok = ok && gpu_submit(t->gpu, r.rec, 0, NULL, err) && gpu_wait_idle(t->gpu, err);
    *seconds = (hk_os_seconds() - start) / repeats;
    gpu_recorder_free(r.rec);
    return ok;
}

/* Whether what the last run computed is what the plainest candidate computed, to a NMSE of limit. */
static bool agrees(struct trial *t, bool first, double limit, struct hk_error *err)
{
    size_t n = (size_t)t->y.rows * t->y.ld;
    if (!gpu_read(t->gpu, t->y.addr, first ? t->want : t->got, 4 * n, err)) return false;
    double diff = 0, norm = 0;
    for (size_t i = 0; !first && i < n; i++) {
        double d = (double)t->got[i] - (double)t->want[i];
        diff += d * d;
        norm += (double)t->want[i] * (double)t->want[i];
    }
    return first || diff <= limit * norm;
}

/* Enough repeats that a wait's own cost does not matter: about 2 ms. */
static uint32_t repeats_for(double seconds)
{
    double n = 2e-3 / (seconds > 1e-6 ? seconds : 1e-6);
    return n < 1 ? 1 : n > 64 ? 64 : (uint32_t)n;
}

static bool measure(struct trial *t, const struct matmul_variant *list, uint32_t n,
                    struct matmul_variant *best, struct hk_error *err)
{
    double best_seconds = INFINITY;
    for (uint32_t i = 0; i < n; i++) {
        double once = 0, seconds = INFINITY, again = 0;
        if (!run(t, list[i], 1, &once, err) || !run(t, list[i], 1, &once, err))
            return false; /* compiles; warms */
        if (!agrees(t, i == 0, tune_matmul_limit(&list[i]), err)) {
            if (err->code != HK_OK) return false;
            continue;
        }
        for (int k = 0; k < 3; k++) {
            if (!run(t, list[i], repeats_for(once), &again, err)) return false;
            if (again < seconds) seconds = again;
        }
        if (seconds < best_seconds) {
            best_seconds = seconds;
            *best = list[i];
        }
    }
    return true;
}

/* ---- the tuner -------------------------------------------------------------------------------------------- */

struct tuner *tuner_new(struct gpu *g, enum tuner_mode mode, const char *cache_dir, struct hk_error *err)
{
    struct tuner *t = hk_calloc(1, sizeof *t, err);
    if (!t) return NULL;
    t->gpu = g;
    t->mode = mode;
    if (mode == TUNER_AUTO && gpu_capabilities(g)->type == HK_DEVICE_CPU) t->mode = TUNER_OFF;
    if (t->mode != TUNER_OFF) {
        cache_path(t, cache_dir);
        load(t);
    }
    return t;
}

void tuner_free(struct tuner *t)
{
    free(t);
}

/* Too small a matrix is not worth it. */
static bool has_choice(const struct tuner *t, const struct hk_weight *w)
{
    return t->mode != TUNER_OFF && w->layout.bytes >= MIN_WEIGHT_BYTES;
}

struct matmul_variant tuner_matmul(struct tuner *t, const struct hk_weight *w, uint32_t n_tokens)
{
    if (has_choice(t, w)) {
        struct key key = make_key(t, w, n_tokens);
        const struct choice *known = find(t, &key);
        if (known) return known->variant;
    }
    return tune_matmul(gpu_capabilities(t->gpu), &w->layout, n_tokens);
}

/* Measures the candidates for such a matmul and remembers the best, where that succeeds. */
static void choose(struct tuner *t, const struct key *key, const struct hk_weight *w, uint32_t n_tokens)
{
    const struct hk_device_caps *caps = gpu_capabilities(t->gpu);
    struct matmul_variant list[TUNE_MAX_CANDIDATES], best = tune_matmul(caps, &w->layout, n_tokens);
    uint32_t n = 0, all = tune_matmul_candidates(caps, n_tokens, list);
    for (uint32_t i = 0; i < all; i++)
        if (worth_trying(t, &list[i])) list[n++] = list[i];
    struct hk_error err = {0};
    struct trial trial = {.gpu = t->gpu, .w = w};
    if (prepare(&trial, n_tokens, &err) && measure(&trial, list, n, &best, &err)) remember(t, key, best);
    clean_up(&trial);
}

static bool same_shapes(const struct hk_weight *a, const struct hk_weight *b)
{
    return a->layout.type == b->layout.type && log2_class(a->rows) == log2_class(b->rows) &&
           log2_class(a->cols) == log2_class(b->cols);
}

/* The weights between whose ways there is a choice, one of each class of shapes. Returns how many. */
static size_t distinct(const struct tuner *t, const struct hk_weight *const *weights, size_t n,
                       const struct hk_weight **out)
{
    size_t n_out = 0;
    for (size_t i = 0; i < n; i++) {
        bool seen = !has_choice(t, weights[i]);
        for (size_t k = 0; !seen && k < n_out; k++) seen = same_shapes(weights[i], out[k]);
        if (!seen) out[n_out++] = weights[i];
    }
    return n_out;
}

bool tuner_measure(struct tuner *t, const struct hk_weight *const *weights, size_t n_weights,
                   const uint32_t *n_tokens, size_t n_counts, hk_progress_fn progress, void *user,
                   struct hk_error *err)
{
    const struct hk_weight **shapes = hk_calloc(n_weights, sizeof(struct hk_weight *), err);
    if (!shapes) return false;
    size_t total = distinct(t, weights, n_weights, shapes) * n_counts;
    uint32_t before = t->n_choices;
    bool ok = true, shown = false;
    for (size_t i = 0; ok && i < total; i++) {
        const struct hk_weight *w = shapes[i / n_counts];
        uint32_t tokens = n_tokens[i % n_counts] < MANY_TOKENS ? n_tokens[i % n_counts] : MANY_TOKENS;
        struct key key = make_key(t, w, tokens);
        if (find(t, &key)) continue;
        shown = true;
        if (progress && !progress(user, "tuning", i, total))
            ok = hk_fail(err, HK_ERR_CANCELLED, "tuning was cancelled");
        else
            choose(t, &key, w, tokens);
    }
    if (shown && ok && progress) progress(user, "tuning", total, total);
    if (t->n_choices != before && *t->path) save(t);
    free(shapes);
    return ok;
}

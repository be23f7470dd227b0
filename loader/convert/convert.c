/* Conversion: what every tensor becomes, the file's front, and the stream of weights behind it. */
#include "loader/convert/convert.h"
#include "loader/archs/arch.h"
#include "loader/convert/convert_types.h"
#include "loader/file.h"
#include "loader/convert/gguf_write.h"
#include "loader/out_file.h"
#include "loader/pages.h"
#include "loader/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 128 << 10, /* weights at most; a multiple of every block's length */
    MAX_WEIGHT_BYTES = 8,
    MAX_ALIGNMENT = 1 << 16, /* a file may ask for more, and would be mostly zeros */
};

/* A tensor on its way: rows x cols weights, of which `step` at a time are an item of the pipeline. */
struct job {
    const struct hk_ckpt_tensor *t;
    enum hk_weight_type type; /* in the new file */
    uint64_t rows, cols, n, bytes;
    uint64_t step; /* whole rows, where one is no longer than CHUNK */
    uint64_t first_item;
    uint32_t heads; /* not 0: rows are permuted, head by head */
    struct hk_place place;
};

struct slot {
    uint8_t *raw, *out; /* MAX_WEIGHT_BYTES per weight; the new file's bytes */
    float *floats;
    size_t n_out;
};

struct conversion {
    const struct hk_checkpoint *c;
    const struct hk_convert_options *opt;
    const struct hk_mix *mix; /* NULL: types as they are */
    struct hk_mix_model model;
    struct hk_arena arena; /* what is made besides the checkpoint's tensors */
    struct hk_ckpt_tensor extra;
    struct job *jobs;
    uint32_t n_jobs;
    uint64_t n_items, done, total;
    struct slot *slots;
    struct hk_gguf_writer writer;
    struct hk_out_file *file;
};

static void say(const struct conversion *x, const char *text)
{
    if (x->opt->note) x->opt->note(x->opt->user, text);
}

/* ---- the plan ---- */

/* The order of the new file is that of the old ones, so that reading goes forward. */
static int compare_jobs(const void *a, const void *b)
{
    const struct job *x = a, *y = b;
    int order = hk_place_compare(x->place, y->place);
    return order ? order : strcmp(x->t->name, y->t->name);
}

static bool plan_permutation(const struct conversion *x, struct job *j, struct hk_error *err)
{
    uint32_t heads;
    if (!hk_gguf_is_permuted(x->c, j->t->name, &heads)) return true;
    if (j->t->n_dims == 1) { /* a bias: as many rows of one */
        j->rows = j->cols;
        j->cols = 1;
    }
    if (j->t->n_dims > 2 || j->rows != (uint64_t)heads * x->c->hparams.head_dim)
        return hk_fail(err, HK_ERR_FORMAT, "%s: tensor %s has %llu rows: %u heads of %u are needed",
                       x->c->path, j->t->name, (unsigned long long)j->rows, heads, x->c->hparams.head_dim);
    j->heads = heads;
    return true;
}

static bool plan_tensor(struct conversion *x, const struct hk_ckpt_tensor *t, struct hk_error *err)
{
    struct job *j = &x->jobs[x->n_jobs];
    enum hk_weight_type wanted;
    if (t->order) t = hk_ckpt_in_order(&x->arena, t, err); /* GGUF has no order of columns */
    if (!t) return false;
    *j = (struct job){.t = t, .rows = 1, .cols = t->shape[t->n_dims - 1]};
    for (uint32_t d = 0; d + 1 < t->n_dims; d++) j->rows *= t->shape[d]; /* checked when it was opened */
    j->n = j->rows * j->cols;
    j->type = hk_mix_choose(x->mix, &x->model, t, &wanted);
    if (!hk_tensor_bytes(x->c->path, t->name, j->type, t->n_dims, t->shape, &j->bytes, err)) return false;
    if (!x->c->gguf && !plan_permutation(x, j, err)) return false;
    j->step = j->cols <= CHUNK ? CHUNK / j->cols * j->cols : CHUNK;
    j->place = hk_place_of(x->c, t);
    x->n_jobs++;
    return hk_add_u64(x->total, t->size, &x->total) ||
           hk_fail(err, HK_ERR_FORMAT, "%s: the tensors' sizes do not fit", x->c->path);
}

/* Which tensors did not get the type that was asked for, one line for each pair of types. */
static void say_fallbacks(const struct conversion *x)
{
    uint32_t n[HK_WEIGHT_TYPE_COUNT][HK_WEIGHT_TYPE_COUNT] = {{0}};
    for (uint32_t i = 0; i < x->n_jobs; i++) {
        enum hk_weight_type wanted;
        hk_mix_choose(x->mix, &x->model, x->jobs[i].t, &wanted);
        n[wanted][x->jobs[i].type]++;
    }
    for (unsigned a = 0; a < HK_WEIGHT_TYPE_COUNT; a++) {
        for (unsigned b = 0; b < HK_WEIGHT_TYPE_COUNT; b++) {
            char text[160];
            const struct hk_weight_type_info *from = hk_weight_type_info((enum hk_weight_type)a);
            if (a == b || n[a][b] == 0) continue;
            snprintf(text, sizeof text,
                     "%u tensors become %s: their rows are no whole blocks of %u, which %s has", n[a][b],
                     hk_weight_type_info((enum hk_weight_type)b)->name, from->block_len, from->name);
            say(x, text);
        }
    }
}

/* Quantized weights that are quantized again lose twice. */
static void say_requantized(const struct conversion *x)
{
    uint32_t n = 0;
    char text[160];
    for (uint32_t i = 0; i < x->n_jobs; i++) {
        const struct job *j = &x->jobs[i];
        n += j->type != j->t->type && !hk_weight_type_is_float(j->t->type);
    }
    snprintf(text, sizeof text,
             "%u tensors were quantized already: what that lost stays lost, and is rounded again", n);
    if (n) say(x, text);
}

static bool add_rope_freqs(struct conversion *x, struct hk_error *err)
{
    const struct hk_hparams *hp = &x->c->hparams;
    if (x->c->gguf || hp->rope_scaling != HK_ROPE_SCALING_LLAMA3 ||
        hk_checkpoint_tensor(x->c, "rope_freqs.weight"))
        return true;
    uint32_t n = hp->rope_dim / 2;
    x->extra = (struct hk_ckpt_tensor){.name = "rope_freqs.weight",
                                       .type = HK_F32,
                                       .n_dims = 1,
                                       .shape = {n, 1, 1, 1},
                                       .size = n * sizeof(float)};
    float *freqs = hk_gguf_rope_freqs(&x->arena, hp, err);
    void *bytes = freqs ? hk_arena_alloc(&x->arena, n, sizeof(float), err) : NULL;
    if (!bytes) return false;
    hk_weight_type_info(HK_F32)->encode(freqs, bytes, n); /* little-endian, as files are */
    x->extra.data = bytes;
    return plan_tensor(x, &x->extra, err);
}

static bool plan(struct conversion *x, struct hk_error *err)
{
    const struct hk_checkpoint *c = x->c;
    if (c->n_tensors == 0 && !c->gguf)
        return hk_fail(err, HK_ERR_INPUT, "%s: has no weights: a checkpoint with weights is needed", c->path);
    if (!c->gguf && !hk_gguf_check_tensors(c, err)) return false;
    x->jobs = hk_calloc((size_t)c->n_tensors + 1, sizeof *x->jobs, err);
    if (!x->jobs || !add_rope_freqs(x, err)) return false;
    for (uint32_t i = 0; i < c->n_tensors; i++)
        if (!plan_tensor(x, &c->tensors[i], err)) return false;
    if (x->n_jobs) qsort(x->jobs, x->n_jobs, sizeof *x->jobs, compare_jobs);
    for (uint32_t i = 0; i < x->n_jobs; i++) {
        x->jobs[i].first_item = x->n_items;
        x->n_items += hk_div_up(x->jobs[i].n, x->jobs[i].step);
    }
    if (x->mix) {
        say_fallbacks(x);
        say_requantized(x);
    }
    return true;
}

/* ---- the front ---- */

static bool key_is(const struct hk_gguf_kv *kv, const char *key)
{
    return kv->key.len == strlen(key) && memcmp(kv->key.text, key, (size_t)kv->key.len) == 0;
}

static int compare_places(const void *a, const void *b)
{
    const struct hk_gguf_kv *x = *(const struct hk_gguf_kv *const *)a,
                            *y = *(const struct hk_gguf_kv *const *)b;
    return ((uintptr_t)x->data > (uintptr_t)y->data) - ((uintptr_t)x->data < (uintptr_t)y->data);
}

/* The file's own keys in its own order; those about the types of weights are new where these are, and the new
 * file is whole where the old one was split. */
static bool copy_keys(struct conversion *x, const struct hk_gguf *g, struct hk_error *err)
{
    static const char file_type[] = "general.file_type", version[] = "general.quantization_version";
    const struct hk_gguf_kv **list = hk_arena_alloc(&x->arena, g->n_kv, sizeof *list, err);
    if (!list) return false;
    for (size_t i = 0; i < g->n_kv; i++) list[i] = &g->kv[i];
    if (g->n_kv) qsort(list, g->n_kv, sizeof *list, compare_places);
    for (size_t i = 0; i < g->n_kv; i++) {
        const struct hk_gguf_kv *kv = list[i];
        bool split = kv->key.len > 6 && memcmp(kv->key.text, "split.", 6) == 0;
        if (split || (x->mix && (key_is(kv, file_type) || key_is(kv, version)))) continue;
        hk_gguf_put_kv(&x->writer, kv);
    }
    if (!x->mix) return true;
    hk_gguf_put_u32(&x->writer, file_type, hk_mix_file_type(x->mix));
    hk_gguf_put_u32(&x->writer, version, 2);
    return true;
}

/* The number for a file whose types stay: that of the type with the most weights. */
static uint32_t file_type_of(const struct conversion *x)
{
    uint64_t n[HK_WEIGHT_TYPE_COUNT] = {0};
    unsigned most = HK_F32;
    for (uint32_t i = 0; i < x->n_jobs; i++) n[x->jobs[i].type] += x->jobs[i].n;
    for (unsigned t = 0; t < HK_WEIGHT_TYPE_COUNT; t++)
        if (n[t] > n[most]) most = t;
    const struct hk_mix *m = hk_mix_find(hk_weight_type_info((enum hk_weight_type)most)->name);
    return m ? hk_mix_file_type(m) : 0;
}

static bool write_front(struct conversion *x, uint64_t *file_bytes, struct hk_error *err)
{
    struct hk_gguf_writer *w = &x->writer;
    struct hk_bytes front = {0};
    *w = (struct hk_gguf_writer){.alignment = HK_GGUF_ALIGNMENT, .err = err};
    bool ok;
    if (x->c->gguf) {
        struct hk_gguf g = *x->c->gguf;
        g.err = err;
        ok = hk_gguf_u32(&g, "general.alignment", 1, MAX_ALIGNMENT, &w->alignment, NULL) &&
             copy_keys(x, &g, err);
    } else {
        uint32_t type = x->mix ? hk_mix_file_type(x->mix) : file_type_of(x);
        ok = hk_gguf_put_hparams(w, x->c, type, err) &&
             hk_gguf_put_vocab(w, x->c, x->opt->note, x->opt->user, err);
    }
    for (uint32_t i = 0; ok && i < x->n_jobs; i++) {
        const struct job *j = &x->jobs[i];
        hk_gguf_put_tensor(w, j->t->name, j->type, j->t->n_dims, j->t->shape, j->bytes);
    }
    ok = ok && hk_gguf_front(w, &front) && hk_out_file_write(x->file, front.data, front.len, err);
    *file_bytes = front.len + w->data_size;
    hk_bytes_free(&front);
    return ok;
}

/* ---- weights ---- */

static const struct job *job_of(const struct conversion *x, uint64_t item)
{
    uint32_t lo = 0, hi = x->n_jobs;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (x->jobs[mid].first_item <= item)
            lo = mid;
        else
            hi = mid;
    }
    return &x->jobs[lo];
}

/* Bytes of n weights, whole blocks. */
static size_t bytes_of(enum hk_weight_type type, uint64_t n)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(type);
    return (size_t)(n / info->block_len * info->block_bytes);
}

static void gather_rows(const struct conversion *x, const struct job *j, uint64_t first, size_t n,
                        uint8_t *out)
{
    while (n > 0) {
        uint64_t col = first % j->cols, left = j->cols - col;
        size_t run = left < n ? (size_t)left : n;
        uint64_t from = hk_rope_row(&x->c->hparams, first / j->cols, HK_ROPE_INTERLEAVED, HK_ROPE_HALVES);
        hk_ckpt_weights(j->t, from * j->cols + col, run, out);
        out += bytes_of(j->t->type, run);
        first += run;
        n -= run;
    }
}

/* Weights first .. first + n - 1 of a matrix that is stored (cols, rows). */
static void gather_transposed(const struct job *j, uint64_t first, size_t n, uint8_t *out)
{
    size_t size = bytes_of(j->t->type, 1);
    uint64_t r0 = first / j->cols, r1 = (first + n - 1) / j->cols;
    uint64_t c0 = r0 == r1 ? first % j->cols : 0, c1 = r0 == r1 ? c0 + n : j->cols;
    for (uint64_t c = c0; c < c1; c++) {
        const char *column = (const char *)j->t->data + (c * j->rows + r0) * size;
        for (uint64_t r = r0; r <= r1; r++, column += size) {
            uint64_t at = r * j->cols + c;
            if (at >= first && at < first + n) memcpy(out + (at - first) * size, column, size);
        }
    }
}

/* Gives back the pages of a chunk that is taken. Permuted rows come from all of their head, so that a chunk
 * may have touched what was given back with the one before. */
static void give_back(const struct conversion *x, const struct job *j, uint64_t first, uint64_t n)
{
    uint64_t head = j->heads ? x->c->hparams.head_dim * j->cols : 0;
    uint64_t before = head < first ? head : first;
    hk_pages_done(x->c, j->t, first - before, n + before);
}

static bool make_chunk(void *user, uint64_t item, uint32_t slot, struct hk_error *err)
{
    struct conversion *x = user;
    struct slot *s = &x->slots[slot];
    const struct job *j = job_of(x, item);
    const struct hk_weight_type_info *from = hk_weight_type_info(j->t->type),
                                     *to = hk_weight_type_info(j->type);
    uint64_t first = (item - j->first_item) * j->step, left = j->n - first;
    size_t n = (size_t)(left < j->step ? left : j->step);
    bool same = j->type == j->t->type;
    (void)err; /* nothing here can fail */
    s->n_out = bytes_of(j->type, n);
    hk_pages_ask(x->c, j->t, first, n);
    uint8_t *raw = same ? s->out : s->raw;
    if (j->t->transposed) {
        gather_transposed(j, first, n, raw);
    } else if (j->heads) {
        gather_rows(x, j, first, n, raw);
    } else {
        hk_ckpt_weights(j->t, first, n, raw);
    }
    if (!same) {
        from->decode(raw, s->floats, n);
        to->encode(s->floats, s->out, n);
    }
    return true;
}

static bool take_chunk(void *user, uint64_t item, uint32_t slot, struct hk_error *err)
{
    struct conversion *x = user;
    const struct job *j = job_of(x, item);
    const struct slot *s = &x->slots[slot];
    static const uint8_t zeros[64] = {0};
    uint64_t behind = (item + 1 - j->first_item) * j->step, n = j->step;
    if (x->opt->progress && !x->opt->progress(x->opt->user, "converting", x->done, x->total))
        return hk_fail(err, HK_ERR_CANCELLED, "the conversion was cancelled: nothing is left of it");
    if (!hk_out_file_write(x->file, s->out, s->n_out, err)) return false;
    if (behind >= j->n) {
        n -= behind - j->n;
        for (uint32_t left = hk_gguf_padding(&x->writer, j->bytes); left > 0;) {
            uint32_t some = left < sizeof zeros ? left : (uint32_t)sizeof zeros;
            if (!hk_out_file_write(x->file, zeros, some, err)) return false;
            left -= some;
        }
    }
    x->done += bytes_of(j->t->type, n);
    give_back(x, j, behind - j->step, n);
    return true;
}

static bool write_weights(struct conversion *x, struct hk_error *err)
{
    uint32_t n = x->opt->n_threads ? x->opt->n_threads : hk_pipeline_processors();
    if (n > HK_PIPELINE_MAX_THREADS) n = HK_PIPELINE_MAX_THREADS;
    uint32_t n_slots = 2 * n; /* at most 2.5 MiB each */
    x->slots = hk_calloc(n_slots, sizeof *x->slots, err);
    bool ok = x->slots != NULL;
    for (uint32_t i = 0; ok && i < n_slots; i++) {
        struct slot *s = &x->slots[i];
        s->raw = hk_calloc(CHUNK, MAX_WEIGHT_BYTES, err);
        s->floats = s->raw ? hk_calloc(CHUNK, sizeof *s->floats, err) : NULL;
        s->out = s->floats ? hk_calloc(CHUNK, MAX_WEIGHT_BYTES, err) : NULL;
        ok = s->out != NULL;
    }
    const struct hk_pipeline p = {.n_items = x->n_items,
                                  .n_threads = n,
                                  .n_slots = n_slots,
                                  .make = make_chunk,
                                  .take = take_chunk,
                                  .user = x};
    ok = ok && hk_pipeline_run(&p, err);
    for (uint32_t i = 0; x->slots && i < n_slots; i++) {
        free(x->slots[i].raw);
        free(x->slots[i].floats);
        free(x->slots[i].out);
    }
    free(x->slots);
    return ok;
}

/* ---- the whole ---- */

/* Nothing that is read, and nothing that somebody may miss. */
static bool check_out(const struct hk_checkpoint *c, const char *out, struct hk_error *err)
{
    for (uint32_t i = 0; i < c->n_mappings; i++) {
        if (hk_same_file(out, c->mappings[i]->path))
            return hk_fail(err, HK_ERR_INPUT, "%s: is the checkpoint that is read: another name is needed",
                           out);
    }
    if (hk_path_kind(out) != HK_PATH_FILE) return true; /* hk_out_file_open says what else is wrong with it */
    struct hk_mapping *m = hk_mapping_open(out, err);
    if (!m) return false;
    bool gguf = m->size == 0 || (m->size >= 4 && memcmp(m->data, "GGUF", 4) == 0);
    hk_mapping_close(m);
    return gguf ||
           hk_fail(err, HK_ERR_INPUT,
                   "%s: is there already, and no GGUF file: another name is needed, or that it goes", out);
}

static void fill_result(const struct conversion *x, uint64_t file_bytes, struct hk_convert_result *r)
{
    if (!r) return;
    *r = (struct hk_convert_result){.file_bytes = file_bytes, .bytes_in = x->total};
    for (uint32_t i = 0; i < x->n_jobs; i++) {
        r->n_weights += x->jobs[i].n;
        r->bytes_out += x->jobs[i].bytes;
    }
}

bool hk_convert(const struct hk_checkpoint *c, const char *out, const struct hk_convert_options *opt,
                struct hk_convert_result *result, struct hk_error *err)
{
    static const struct hk_convert_options defaults = {0};
    struct conversion x = {.c = c, .opt = opt ? opt : &defaults};
    uint64_t file_bytes = 0;
    if (x.opt->type && !(x.mix = hk_mix_find(x.opt->type))) {
        char known[256];
        hk_convert_type_names(known, sizeof known);
        return hk_fail(err, HK_ERR_INPUT, "hk_convert_options.type: '%.40s': one of %s would be accepted",
                       x.opt->type, known);
    }
    x.model = hk_mix_model_of(c);
    bool ok = check_out(c, out, err) && plan(&x, err) && (x.file = hk_out_file_open(out, err)) &&
              write_front(&x, &file_bytes, err) && write_weights(&x, err);
    if (ok) {
        ok = hk_out_file_commit(x.file, err);
        if (ok && x.opt->progress) x.opt->progress(x.opt->user, "converting", x.total, x.total);
        if (ok) fill_result(&x, file_bytes, result);
    } else {
        hk_out_file_abandon(x.file);
    }
    hk_gguf_writer_free(&x.writer);
    hk_arena_free(&x.arena);
    free(x.jobs);
    return ok;
}

/* Opening a model: the forward of its architecture, rotary frequencies, the budget. weights.c binds the
 * checkpoint's tensors to it, upload.c brings them to the device: nothing is allocated there before the whole
 * need is known and compared with the budget. */
#include "runtime/model.h"
#include "loader/archs/archs.h"
#include "runtime/arch/archs.h"
#include "runtime/backend.h"
#include "runtime/ops.h"
#include "runtime/os.h"
#include "runtime/plan.h"
#include "runtime/upload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct forward *const forwards[] = {
#define FORWARD_ENTRY(name) &forward_##name,
    HK_FORWARDS(FORWARD_ENTRY)
#undef FORWARD_ENTRY
};

const char *hk_known_architectures(void)
{
#define ARCH_NAME(name) ", " #name
    static const char names[] = HK_ARCHS(ARCH_NAME);
#undef ARCH_NAME
    return names + 2;
}

void hk_model_record(struct recorder *r, const struct hk_model *m, const struct step *s)
{
    m->forward->embed(r, m, s);
    for (uint32_t i = 0; i < m->hp.n_layer; i++) {
        m->forward->layer(r, m, s, i);
        end_layer(r);
    }
    if (s->n_out) m->forward->head(r, m, s);
}

/* ---- rotary frequencies ---- */

/* inv_freq[i] = theta^(-2i / rope_dim), scaled as the configuration says or divided by the rope_freqs tensor. */
static bool make_inv_freq(struct hk_model *m, struct hk_error *err)
{
    const struct hk_hparams *hp = &m->hp;
    uint32_t half = hp->rope_dim / 2;
    m->inv_freq = hk_calloc(half, sizeof *m->inv_freq, err);
    float *factors = hk_calloc(half, sizeof *factors, err);
    if (!m->inv_freq || !factors) {
        free(factors);
        return false;
    }
    for (uint32_t i = 0; i < half; i++) factors[i] = 1.0f;
    const struct hk_ckpt_tensor *t = hk_checkpoint_tensor(m->ckpt, "rope_freqs.weight");
    bool ok = true;
    if (t && (t->type != HK_F32 || t->quantized || t->n_dims != 1 || t->shape[0] != half))
        ok = hk_fail(err, HK_ERR_FORMAT, "tensor rope_freqs.weight: want %u values of f32", half);
    else if (t)
        hk_weight_type_info(HK_F32)->decode(t->data, factors, half);
    for (uint32_t i = 0; ok && i < half; i++) {
        if (!(factors[i] > 0 && isfinite(factors[i])))
            ok = hk_fail(err, HK_ERR_FORMAT, "tensor rope_freqs.weight: value %u is %g: above 0 is needed", i,
                         (double)factors[i]);
        m->inv_freq[i] = (float)(hk_rope_frequency(hp, i) / (double)factors[i]);
    }
    free(factors);
    return ok;
}

void hk_rope_table(const struct hk_model *m, uint32_t n_ctx, float *out)
{
    uint32_t half = m->hp.rope_dim / 2;
    for (uint32_t p = 0; p < n_ctx; p++)
        for (uint32_t i = 0; i < half; i++) {
            double angle = (double)p * (double)m->inv_freq[i];
            *out++ = (float)cos(angle);
            *out++ = (float)sin(angle);
        }
}

/* ---- open ---- */

static bool find_arch(struct hk_model *m, struct hk_error *err)
{
    const struct hk_checkpoint *c = m->ckpt;
    if (!c->n_tensors)
        return hk_fail(err, HK_ERR_UNSUPPORTED, "%s: holds a vocabulary but no model", c->path);
    m->arch = c->has_hparams ? hk_arch_find(c->hparams.arch) : NULL;
    for (size_t i = 0; m->arch && i < sizeof forwards / sizeof *forwards; i++)
        if (strcmp(forwards[i]->name, m->arch->forward) == 0) m->forward = forwards[i];
    return m->forward ||
           hk_fail(err, HK_ERR_UNSUPPORTED, "%s: architecture '%s' is not known: this build runs %s", c->path,
                   c->hparams.arch, hk_known_architectures());
}

static bool check_limits(const struct hk_model *m, struct hk_error *err)
{
    if (m->hp.head_dim <= HK_MAX_HEAD_DIM) return true;
    return hk_fail(err, HK_ERR_UNSUPPORTED, "%s: attention heads of %u dimensions: at most %u are supported",
                   m->ckpt->path, m->hp.head_dim, (unsigned)HK_MAX_HEAD_DIM);
}

/* Weights and the runner that is planned must fit in what the device has left. */
static bool check_budget(const struct hk_model *m, uint64_t weight_bytes, uint32_t plan_ctx,
                         struct hk_error *err)
{
    struct hk_runner_options ro = {.n_ctx = plan_ctx};
    struct hk_plan plan = {0};
    char text[160];
    uint64_t budget = m->backend->table->budget(m->backend);
    if (!hk_plan_add(&plan, "weights", weight_bytes) || !hk_runner_plan(m, &ro, &plan))
        return hk_fail(
            err, HK_ERR_MEMORY,
            "a context of %u does not fit in memory: a smaller hk_model_options.plan_ctx would be accepted",
            plan_ctx);
    if (plan.total <= budget) return true;
    return hk_fail(
        err, HK_ERR_MEMORY,
        "%s needs %.1f MiB (%s), but the device has %.1f MiB: a smaller hk_model_options.plan_ctx or "
        "hk_model_options.quant would be accepted",
        m->ckpt->name, (double)plan.total / 0x1p20, hk_plan_text(&plan, text), (double)budget / 0x1p20);
}

/* HK_WEIGHT_TYPE_COUNT: weights as they are. */
static bool find_quant(const char *name, enum hk_weight_type *type, struct hk_error *err)
{
    char list[HK_WEIGHT_LIST];
    *type = name ? hk_weight_type_by_name(name) : HK_WEIGHT_TYPE_COUNT;
    if (!name) return true;
    const struct hk_weight_type_info *info =
        *type == HK_WEIGHT_TYPE_COUNT ? NULL : hk_weight_type_info(*type);
    if (info && info->encode && hk_weight_on_device(info)) return true;
    return hk_fail(err, HK_ERR_INPUT,
                   "hk_model_options.quant: '%s': one of f32, f16, bf16, %s would be accepted", name,
                   hk_weight_type_list(HK_WEIGHTS_QUANTIZING, list, sizeof list));
}

/* Lets the backend choose how the plan's matmuls are done, now that the weights are there. Steps have 1, 2, 4, ..
 * tokens, a prompt's any number between (backend.h's tune). */
static bool tune(const struct hk_model *m, const struct weight_plan *plan, const struct hk_model_options *opt,
                 struct hk_error *err)
{
    const struct backend_table *be = m->backend->table;
    uint32_t counts[32], n_counts = 0, most = be->batch(m->backend);
    for (uint32_t n = 1; n <= most && n_counts < 32; n *= 2) counts[n_counts++] = n;
    const struct hk_weight **weights = hk_calloc(plan->n_fields, sizeof(struct hk_weight *), err);
    if (!weights) return false;
    size_t n = 0;
    for (size_t i = 0; i < plan->n_fields; i++)
        if (plan->fields[i].read_whole) weights[n++] = plan->fields[i].read_whole;
    bool ok = be->tune(m->backend, weights, n, counts, n_counts, opt->progress, opt->user, err);
    free(weights);
    return ok;
}

static bool load(struct hk_model *m, const struct hk_model_options *opt, struct hk_error *err)
{
    double start = hk_os_seconds();
    m->global = hk_calloc(1, m->forward->global_size, err);
    m->layers = m->global ? hk_calloc(m->hp.n_layer, m->forward->layer_size, err) : NULL;
    if (!m->layers || (m->arch->rope && !make_inv_freq(m, err))) return false;
    enum hk_weight_type quant;
    struct weight_plan *plan = find_quant(opt->quant, &quant, err) ? weights_bind(m, quant, err) : NULL;
    bool ok = plan && check_budget(m, m->stats.weight_bytes, opt->plan_ctx, err) &&
              weights_upload(plan, opt->progress, opt->user, err);
    m->stats.load_seconds = hk_os_seconds() - start;
    ok = ok && tune(m, plan, opt, err);
    weights_plan_free(plan);
    return ok;
}

struct hk_model *hk_model_open(struct hk_device *d, const struct hk_checkpoint *c,
                               const struct hk_model_options *opt, struct hk_error *err)
{
    static const struct hk_model_options defaults = {0};
    if (!opt) opt = &defaults;
    struct hk_model *m = hk_calloc(1, sizeof *m, err);
    if (!m) return NULL;
    m->backend = hk_device_backend(d);
    m->ckpt = c;
    m->hp = c->hparams;
    m->f32_only = true;
    if (!find_arch(m, err) || !check_limits(m, err) || !load(m, opt, err)) {
        if (err && err->code == HK_ERR_FORMAT) hk_fail_prefix(err, "%s", c->path);
        hk_model_close(m);
        return NULL;
    }
    return m;
}

void hk_model_close(struct hk_model *m)
{
    if (!m) return;
    if (m->arena) m->backend->table->arena_free(m->arena);
    free(m->bindings);
    free(m->inv_freq);
    free(m->layers);
    free(m->global);
    free(m);
}

const struct hk_hparams *hk_model_hparams(const struct hk_model *m)
{
    return &m->hp;
}

const struct hk_checkpoint *hk_model_checkpoint(const struct hk_model *m)
{
    return m->ckpt;
}

uint32_t hk_model_n_vocab(const struct hk_model *m)
{
    return m->hp.n_vocab;
}

uint32_t hk_model_n_ctx_train(const struct hk_model *m)
{
    return m->hp.n_ctx_train;
}

const char *hk_version(void)
{
    return HK_VERSION;
}

const struct hk_model_stats *hk_model_stats(const struct hk_model *m)
{
    return &m->stats;
}

bool hk_model_is_reward(const struct hk_model *m)
{
    return m->hp.n_labels > 0;
}

/* GPT-2 (Radford et al. 2019): LayerNorm before each block, learned positions, one projection for q, k and v,
 * GELU, biases everywhere, output tied to the embedding. */
#include "runtime/model.h"
#include "runtime/ops.h"
#include "runtime/arch/archs.h"

#include <math.h>

struct gpt2 {
    struct hk_weight token_embd;    /* (n_vocab, n_embd) */
    struct hk_weight position_embd; /* (n_ctx_train, n_embd) */
    struct hk_tensor output_norm, output_norm_b;
    struct hk_weight output; /* (n_vocab or n_labels, n_embd) */
};

struct gpt2_layer {
    struct hk_tensor attn_norm, attn_norm_b; /* (1, n_embd) */
    struct hk_weight wqkv;                   /* (3 n_embd, n_embd) */
    struct hk_tensor bqkv;
    struct hk_weight wo; /* (n_embd, n_embd) */
    struct hk_tensor bo;
    struct hk_tensor ffn_norm, ffn_norm_b;
    struct hk_weight w_up; /* (n_ff, n_embd) */
    struct hk_tensor b_up;
    struct hk_weight w_down; /* (n_embd, n_ff) */
    struct hk_tensor b_down;
};

#define G(field) offsetof(struct gpt2, field)
static const struct weight_field global_fields[] = {
    {"token_embd", FIELD_MATRIX, G(token_embd)},
    {"position_embd", FIELD_MATRIX, G(position_embd)},
    {"output_norm", FIELD_VECTOR, G(output_norm), G(output_norm_b)},
    {"output", FIELD_MATRIX, G(output)},
    {0},
};
#undef G

#define L(field) offsetof(struct gpt2_layer, field)
static const struct weight_field layer_fields[] = {
    {"attn_norm", FIELD_VECTOR, L(attn_norm), L(attn_norm_b)},
    {"attn_qkv", FIELD_MATRIX, L(wqkv), L(bqkv)},
    {"attn_output", FIELD_MATRIX, L(wo), L(bo)},
    {"ffn_norm", FIELD_VECTOR, L(ffn_norm), L(ffn_norm_b)},
    {"ffn_up", FIELD_MATRIX, L(w_up), L(b_up)},
    {"ffn_down", FIELD_MATRIX, L(w_down), L(b_down)},
    {0},
};
#undef L

enum { H, QKV, Q, K, V, A, FFN, LAST, LAST_H };
static const struct scratch_row scratch[] = {
    [H] = {"h", PER_TOKEN, {DIM_EMBD}}, /* normalised input */
    [QKV] = {"qkv", PER_TOKEN, {DIM_QKV}},
    [Q] = {"q", PER_TOKEN, {DIM_HEADS}, .view = true, .of = QKV},
    [K] = {"k", PER_TOKEN, {DIM_KV}, .view = true, .of = QKV, .skip = {DIM_HEADS}},
    [V] = {"v", PER_TOKEN, {DIM_KV}, .view = true, .of = QKV, .skip = {DIM_HEADS, DIM_KV}},
    [A] = {"a", PER_TOKEN, {DIM_HEADS}}, /* attention's output */
    [FFN] = {"ffn", PER_TOKEN, {DIM_FF}},
    [LAST] = {"last", PER_OUTPUT, {DIM_EMBD}},
    [LAST_H] = {"last_h", PER_OUTPUT, {DIM_EMBD}},
    {0},
};

static void gpt2_embed(struct recorder *r, const struct hk_model *m, const struct step *s)
{
    const struct gpt2 *g = m->global;
    embed(r, s->x, &g->token_embd, s->tokens);
    embed_add(r, s->x, &g->position_embd, s->places.pos);
}

static void gpt2_layer(struct recorder *r, const struct hk_model *m, const struct step *s, uint32_t i)
{
    const struct hk_hparams *p = &m->hp;
    const struct gpt2_layer *w = (const struct gpt2_layer *)m->layers + i;
    const struct hk_tensor *b = s->scratch;
    const float scale = 1.0f / sqrtf((float)p->head_dim);

    layernorm(r, b[H], s->x, w->attn_norm, w->attn_norm_b, p->norm_eps);
    matmul(r, b[QKV], &w->wqkv, w->bqkv, b[H]);
    kv_write(r, &s->kv[i], b[K], b[V], s->places.row);
    attention(r, b[A], (struct hk_tensor){0}, b[Q], &s->kv[i], &s->places, p->n_head, scale,
              p->sliding_window);
    matmul_add(r, s->x, &w->wo, w->bo, b[A]);

    layernorm(r, b[H], s->x, w->ffn_norm, w->ffn_norm_b, p->norm_eps);
    matmul(r, b[FFN], &w->w_up, w->b_up, b[H]);
    activate(r, b[FFN], b[FFN], p->activation);
    matmul_add(r, s->x, &w->w_down, w->b_down, b[FFN]);
}

static void gpt2_head(struct recorder *r, const struct hk_model *m, const struct step *s)
{
    const struct gpt2 *g = m->global;
    const struct hk_tensor *b = s->scratch;
    select_rows(r, b[LAST], s->x, s->out_idx);
    layernorm(r, b[LAST_H], b[LAST], g->output_norm, g->output_norm_b, m->hp.norm_eps);
    matmul(r, s->logits, &g->output, (struct hk_tensor){0}, b[LAST_H]);
}

const struct forward forward_gpt2 = {
    .name = "gpt2",
    .global_size = sizeof(struct gpt2),
    .layer_size = sizeof(struct gpt2_layer),
    .global_fields = global_fields,
    .layer_fields = layer_fields,
    .scratch = scratch,
    .embed = gpt2_embed,
    .layer = gpt2_layer,
    .head = gpt2_head,
};

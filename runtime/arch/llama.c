/* Llama (Touvron et al. 2023): RMSNorm before each block, rotary positions, grouped-query attention, SwiGLU,
 * no biases unless the checkpoint has them. And what is derived from it: Qwen2, Qwen3. */
#include "runtime/model.h"
#include "runtime/ops.h"
#include "runtime/arch/archs.h"

#include <math.h>

struct llama {
    struct hk_weight token_embd;  /* (n_vocab, n_embd) */
    struct hk_tensor output_norm; /* (1, n_embd) */
    struct hk_weight output;      /* (n_vocab or n_labels, n_embd) */
};

struct llama_layer {
    struct hk_tensor attn_norm;      /* (1, n_embd) */
    struct hk_stack qkv;             /* q (n_head * head_dim, n_embd); k, v (n_head_kv * head_dim, n_embd) */
    struct hk_tensor q_norm, k_norm; /* (1, head_dim), of Qwen3 */
    struct hk_weight wo;             /* (n_embd, n_head * head_dim) */
    struct hk_tensor bo;
    struct hk_tensor ffn_norm; /* (1, n_embd) */
    struct hk_stack gate_up;   /* each (n_ff, n_embd) */
    struct hk_weight w_down;   /* (n_embd, n_ff) */
    struct hk_tensor b_down;
};

#define G(field) offsetof(struct llama, field)
static const struct weight_field global_fields[] = {
    {"token_embd", FIELD_MATRIX, G(token_embd)},
    {"output_norm", FIELD_VECTOR, G(output_norm)},
    {"output", FIELD_MATRIX, G(output)},
    {0},
};
#undef G

#define L(field) offsetof(struct llama_layer, field)
static const struct weight_field layer_fields[] = {
    {"attn_norm", FIELD_VECTOR, L(attn_norm)},
    {"qkv", FIELD_STACK, L(qkv)},
    {"attn_q_norm", FIELD_VECTOR, L(q_norm)},
    {"attn_k_norm", FIELD_VECTOR, L(k_norm)},
    {"attn_output", FIELD_MATRIX, L(wo), L(bo)},
    {"ffn_norm", FIELD_VECTOR, L(ffn_norm)},
    {"gate_up", FIELD_STACK, L(gate_up)},
    {"ffn_down", FIELD_MATRIX, L(w_down), L(b_down)},
    {0},
};
#undef L

enum { H, QKV, Q, K, QK, V, A, GATE_UP, GATE, UP, FFN, LAST, LAST_H };
static const struct scratch_row scratch[] = {
    [H] = {"h", PER_TOKEN, {DIM_EMBD}}, /* normalised input */
    [QKV] = {"qkv", PER_TOKEN, {DIM_QKV}},
    [Q] = {"q", PER_TOKEN, {DIM_HEADS}, .view = true, .of = QKV},
    [K] = {"k", PER_TOKEN, {DIM_KV}, .view = true, .of = QKV, .skip = {DIM_HEADS}},
    [QK] = {"qk", PER_TOKEN, {DIM_HEADS, DIM_KV}, .view = true, .of = QKV}, /* what rotates */
    [V] = {"v", PER_TOKEN, {DIM_KV}, .view = true, .of = QKV, .skip = {DIM_HEADS, DIM_KV}},
    [A] = {"a", PER_TOKEN, {DIM_HEADS}}, /* attention's output */
    [GATE_UP] = {"gate_up", PER_TOKEN, {DIM_FF, DIM_FF}},
    [GATE] = {"gate", PER_TOKEN, {DIM_FF}, .view = true, .of = GATE_UP},
    [UP] = {"up", PER_TOKEN, {DIM_FF}, .view = true, .of = GATE_UP, .skip = {DIM_FF}},
    [FFN] = {"ffn", PER_TOKEN, {DIM_FF}}, /* what the down projection reads */
    [LAST] = {"last", PER_OUTPUT, {DIM_EMBD}},
    [LAST_H] = {"last_h", PER_OUTPUT, {DIM_EMBD}},
    {0},
};

static void llama_embed(struct recorder *r, const struct hk_model *m, const struct step *s)
{
    const struct llama *g = m->global;
    embed(r, s->x, &g->token_embd, s->tokens);
}

static void llama_layer(struct recorder *r, const struct hk_model *m, const struct step *s, uint32_t i)
{
    const struct hk_hparams *p = &m->hp;
    const struct llama_layer *w = (const struct llama_layer *)m->layers + i;
    const struct hk_tensor *b = s->scratch;
    const float scale = 1.0f / sqrtf((float)p->head_dim);

    rmsnorm(r, b[H], s->x, w->attn_norm, p->norm_eps);
    matmul_stack(r, b[QKV], &w->qkv, b[H]);
    if (hk_tensor_given(&w->q_norm)) rmsnorm(r, b[Q], b[Q], w->q_norm, p->norm_eps);
    if (hk_tensor_given(&w->k_norm)) rmsnorm(r, b[K], b[K], w->k_norm, p->norm_eps);
    rope(r, b[QK], s->rope, s->places.pos, p->head_dim, p->rope_pairing);
    kv_write(r, &s->kv[i], b[K], b[V], s->places.row);
    attention(r, b[A], (struct hk_tensor){0}, b[Q], &s->kv[i], &s->places, p->n_head, scale,
              p->sliding_window);
    matmul_add(r, s->x, &w->wo, w->bo, b[A]);

    rmsnorm(r, b[H], s->x, w->ffn_norm, p->norm_eps);
    matmul_stack(r, b[GATE_UP], &w->gate_up, b[H]);
    activate_mul(r, b[FFN], b[GATE], b[UP], p->activation);
    matmul_add(r, s->x, &w->w_down, w->b_down, b[FFN]);
}

static void llama_head(struct recorder *r, const struct hk_model *m, const struct step *s)
{
    const struct llama *g = m->global;
    const struct hk_tensor *b = s->scratch;
    select_rows(r, b[LAST], s->x, s->out_idx);
    rmsnorm(r, b[LAST_H], b[LAST], g->output_norm, m->hp.norm_eps);
    matmul(r, s->logits, &g->output, (struct hk_tensor){0}, b[LAST_H]);
}

const struct forward forward_llama = {
    .name = "llama",
    .global_size = sizeof(struct llama),
    .layer_size = sizeof(struct llama_layer),
    .global_fields = global_fields,
    .layer_fields = layer_fields,
    .scratch = scratch,
    .embed = llama_embed,
    .layer = llama_layer,
    .head = llama_head,
};

/* Llama (Touvron et al. 2023): RMSNorm before each block, rotary positions, grouped-query attention, SwiGLU,
 * no biases unless the checkpoint has them. */
#include "model.h"
#include "ops.h"
#include "archs.h"

#include <math.h>

struct llama {
    struct hk_weight token_embd;  /* (n_vocab, n_embd) */
    struct hk_tensor output_norm; /* (1, n_embd) */
    struct hk_weight output;      /* (n_vocab, n_embd) */
};

struct llama_layer {
    struct hk_tensor attn_norm;  /* (1, n_embd) */
    struct hk_weight wq, wk, wv; /* (heads * head_dim, n_embd) */
    struct hk_tensor bq, bk, bv;
    struct hk_weight wo; /* (n_embd, n_head * head_dim) */
    struct hk_tensor bo;
    struct hk_tensor ffn_norm;     /* (1, n_embd) */
    struct hk_weight w_gate, w_up; /* (n_ff, n_embd) */
    struct hk_weight w_down;       /* (n_embd, n_ff) */
    struct hk_tensor b_gate, b_up, b_down;
};

#define G(field) offsetof(struct llama, field)
static const struct weight_row global_rows[] = {
    {"token_embd.weight", G(token_embd), DIM_VOCAB, DIM_EMBD},
    {"output_norm.weight", G(output_norm), DIM_ONE, DIM_EMBD},
    {"output.weight", G(output), DIM_VOCAB, DIM_EMBD, .fallback = "token_embd.weight"},
    {0},
};
#undef G

#define L(field) offsetof(struct llama_layer, field)
static const struct weight_row layer_rows[] = {
    {"blk.%u.attn_norm.weight", L(attn_norm), DIM_ONE, DIM_EMBD},
    {"blk.%u.attn_q.weight", L(wq), DIM_HEADS, DIM_EMBD},
    {"blk.%u.attn_k.weight", L(wk), DIM_KV, DIM_EMBD},
    {"blk.%u.attn_v.weight", L(wv), DIM_KV, DIM_EMBD},
    {"blk.%u.attn_q.bias", L(bq), DIM_ONE, DIM_HEADS, .optional = true},
    {"blk.%u.attn_k.bias", L(bk), DIM_ONE, DIM_KV, .optional = true},
    {"blk.%u.attn_v.bias", L(bv), DIM_ONE, DIM_KV, .optional = true},
    {"blk.%u.attn_output.weight", L(wo), DIM_EMBD, DIM_HEADS},
    {"blk.%u.attn_output.bias", L(bo), DIM_ONE, DIM_EMBD, .optional = true},
    {"blk.%u.ffn_norm.weight", L(ffn_norm), DIM_ONE, DIM_EMBD},
    {"blk.%u.ffn_gate.weight", L(w_gate), DIM_FF, DIM_EMBD},
    {"blk.%u.ffn_up.weight", L(w_up), DIM_FF, DIM_EMBD},
    {"blk.%u.ffn_down.weight", L(w_down), DIM_EMBD, DIM_FF},
    {"blk.%u.ffn_gate.bias", L(b_gate), DIM_ONE, DIM_FF, .optional = true},
    {"blk.%u.ffn_up.bias", L(b_up), DIM_ONE, DIM_FF, .optional = true},
    {"blk.%u.ffn_down.bias", L(b_down), DIM_ONE, DIM_EMBD, .optional = true},
    {0},
};
#undef L

static void forward(struct recorder *r, const struct hk_model *m, const struct step *s)
{
    const struct hk_hparams *p = &m->hp;
    const struct llama *g = m->global;
    const float scale = 1.0f / sqrtf((float)p->head_dim);

    embed(r, s->x, &g->token_embd, s->tokens);
    for (uint32_t i = 0; i < p->n_layer; i++) {
        const struct llama_layer *w = (const struct llama_layer *)m->layers + i;

        rmsnorm(r, s->h, s->x, w->attn_norm, p->norm_eps);
        matmul(r, s->q, &w->wq, w->bq, s->h);
        matmul(r, s->k, &w->wk, w->bk, s->h);
        matmul(r, s->v, &w->wv, w->bv, s->h);
        rope(r, s->q, s->rope, s->pos, p->head_dim, p->rope_pairing);
        rope(r, s->k, s->rope, s->pos, p->head_dim, p->rope_pairing);
        kv_write(r, &s->kv[i], s->k, s->v, s->pos);
        attention(r, s->a, s->q, &s->kv[i], s->pos, p->n_head, scale);
        matmul_add(r, s->x, &w->wo, w->bo, s->a);

        rmsnorm(r, s->h, s->x, w->ffn_norm, p->norm_eps);
        matmul(r, s->gate, &w->w_gate, w->b_gate, s->h);
        matmul(r, s->up, &w->w_up, w->b_up, s->h);
        activate_mul(r, s->gate, s->gate, s->up, p->activation);
        matmul_add(r, s->x, &w->w_down, w->b_down, s->gate);
    }
    if (!s->n_out) return;
    select_rows(r, s->last, s->x, s->out_idx);
    rmsnorm(r, s->last_h, s->last, g->output_norm, p->norm_eps);
    matmul(r, s->logits, &g->output, (struct hk_tensor){0}, s->last_h);
}

const struct arch arch_llama = {
    .name = "llama",
    .rope = true,
    .global_size = sizeof(struct llama),
    .layer_size = sizeof(struct llama_layer),
    .global_rows = global_rows,
    .layer_rows = layer_rows,
    .forward = forward,
};

/* The vocabulary in which models are written: one function per line of a paper, destination first.
 *
 * T is the number of tokens of the step. Shapes travel with the tensors; every function asserts that they fit
 * (a misfit is our own mistake: model.c has checked the checkpoint). Nothing here fails: failures stick to
 * the recorder and come out when it ends. Barriers are derived from what each op reads and writes.
 *
 * Two backends carry the ops out: ops_vulkan.c and ops_reference.c (plain C, accumulating in double). */
#ifndef HEKLA_RUNTIME_OPS_H
#define HEKLA_RUNTIME_OPS_H

#include "loader/checkpoint.h" /* enum hk_activation, hk_rope_pairing */
#include "runtime/tensor.h"

struct recorder;

/* dst[t] = W[ids[t]]          dst (T, n_embd), w (n_vocab, n_embd), ids (1, T). Ids >= rows give zeros. */
void embed(struct recorder *r, struct hk_tensor dst, const struct hk_weight *w, struct hk_tensor ids);
/* dst[t] += W[ids[t]]         learned positions: ids are positions */
void embed_add(struct recorder *r, struct hk_tensor dst, const struct hk_weight *w, struct hk_tensor ids);

/* dst = x / sqrt(mean(x^2) + eps) * gain                      x, dst (T, n); gain (1, n)         Zhang & Sennrich 2019
 * Of x (T, heads * n), each head by itself; dst may be x. */
void rmsnorm(struct recorder *r, struct hk_tensor dst, struct hk_tensor x, struct hk_tensor gain, float eps);
/* dst = (x - mean(x)) / sqrt(var(x) + eps) * gain + bias      bias may be absent (rows 0)
 * Ba et al. 2016 */
void layernorm(struct recorder *r, struct hk_tensor dst, struct hk_tensor x, struct hk_tensor gain,
               struct hk_tensor bias, float eps);

/* dst[t] = W x[t] + bias      dst (T, rows), w (rows, cols), x (T, cols), bias (1, rows) or absent
 * Where w's columns have an order, x is brought into it first, in the room that the recorder was lent. */
void matmul(struct recorder *r, struct hk_tensor dst, const struct hk_weight *w, struct hk_tensor bias,
            struct hk_tensor x);
/* dst[t] += W x[t] + bias     the residual stream */
void matmul_add(struct recorder *r, struct hk_tensor dst, const struct hk_weight *w, struct hk_tensor bias,
                struct hk_tensor x);

/* dst[t] = (W1 x[t], W2 x[t], ...) + bias     dst (T, w->rows) */
void matmul_stack(struct recorder *r, struct hk_tensor dst, const struct hk_stack *w, struct hk_tensor x);

/* Rotates the first rope_dim values of each head of x in place:
 * (a, b) -> (a cos - b sin, a sin + b cos), a and b paired as `pairing` says.
 * x (T, n_heads * head_dim); table (n_ctx, rope_dim): row p holds cos(p f_i), sin(p f_i) in turn, for
 * i < rope_dim / 2; pos (1, T)                                Su et al. 2021 */
void rope(struct recorder *r, struct hk_tensor x, struct hk_tensor table, struct hk_tensor pos,
          uint32_t head_dim, enum hk_rope_pairing pairing);

/* kv[row[t]] = (k[t], v[t])   k, v (T, n_head_kv * head_dim), row (1, T); others than rows of the cache: nothing */
void kv_write(struct recorder *r, const struct hk_kv *kv, struct hk_tensor k, struct hk_tensor v,
              struct hk_tensor row);
/* Block to of the cache = block from, for each pair (from, to)        pairs (N, 2); others than blocks: nothing */
void kv_copy(struct recorder *r, const struct hk_kv *kv, struct hk_tensor pairs);
/* dst[t, h] = sum_p softmax_p(scale * q[t, h] . K[h', row(p)]) V[h', row(p)],  pos[t] - window < p <= pos[t],
 * h' = h / (n_head / n_head_kv)                       Vaswani et al. 2017; GQA: Ainslie et al. 2023
 * lse[t, h] = log sum_p exp(scale * q[t, h] . K[h', row(p)])
 * q, dst (T, n_head * head_dim); row(p), pos: at; lse (T, n_head), or absent: not wanted; an inactive token gets
 * zeros in both. window: how many positions a token sees, its own the last; 0: all before it */
void attention(struct recorder *r, struct hk_tensor dst, struct hk_tensor lse, struct hk_tensor q,
               const struct hk_kv *kv, const struct hk_places *at, uint32_t n_head, float scale,
               uint32_t window);

/* dst = f(x)                  x, dst (T, n); dst may be x */
void activate(struct recorder *r, struct hk_tensor dst, struct hk_tensor x, enum hk_activation f);
/* dst = f(gate) * up          all (T, n); dst may be gate                                       Shazeer 2020 */
void activate_mul(struct recorder *r, struct hk_tensor dst, struct hk_tensor gate, struct hk_tensor up,
                  enum hk_activation f);

/* dst[i] = x[idx[i]]          dst (N, n), idx (1, N) of uint32; others than rows of x leave dst as it is */
void select_rows(struct recorder *r, struct hk_tensor dst, struct hk_tensor x, struct hk_tensor idx);
/* dst[i][c] = x[i][idx[c]]    dst (N, n), x (N, m), idx (1, n) of uint32; others than columns of x leave
 * dst as it is */
void select_cols(struct recorder *r, struct hk_tensor dst, struct hk_tensor x, struct hk_tensor idx);
/* dst[i] = the index of the largest of x[i], the lowest of equals    x (N, n), dst (1, N) of uint32 */
void argmax(struct recorder *r, struct hk_tensor dst, struct hk_tensor x);
/* dst = x                     both (T, n), with the same number of elements from row to row; for the host */
void copy_tensor(struct recorder *r, struct hk_tensor dst, struct hk_tensor x);

/* A layer ends here. Until then its ops are held back, so that the backend sees them together. */
void end_layer(struct recorder *r);

#endif

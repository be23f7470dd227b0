/* A checkpoint's tensors -> an architecture's structs and device memory, by the architecture's weight table.
 * In two steps, so that the whole need is known before anything is allocated. */
#ifndef HEKLA_RUNTIME_WEIGHTS_H
#define HEKLA_RUNTIME_WEIGHTS_H

#include "runtime/model.h"

/* Finds every tensor of m->arch's table in m->ckpt, checks its shape, decides its type on the device, and
 * fills m->global and m->layers but for addresses; fills m->stats (parameters, bytes) and m->f32_only.
 * Matrices that read the same input are stacked where their types allow. quant: HK_WEIGHT_TYPE_COUNT or what
 * F32, F16 and BF16 matrices become. NULL and *err: a tensor is missing or has another shape. */
struct weight_plan;
struct weight_plan *weights_bind(struct hk_model *m, enum hk_weight_type quant, struct hk_error *err);
/* Makes m->arena, fills in the addresses, converts, packs and uploads. */
bool weights_upload(struct weight_plan *p, hk_progress_fn progress, void *user, struct hk_error *err);
void weights_plan_free(struct weight_plan *p); /* the model keeps what it needs; NULL is accepted */

#endif

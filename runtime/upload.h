/* A weight plan's tensors -> device memory: converted, packed and uploaded. */
#ifndef HEKLA_RUNTIME_UPLOAD_H
#define HEKLA_RUNTIME_UPLOAD_H

#include "runtime/weights.h"

/* Makes the model's arena, fills in the addresses, converts, packs and uploads. False and *err: HK_ERR_MEMORY,
 * HK_ERR_CANCELLED where progress (may be NULL) returned false, HK_ERR_DEVICE. */
bool weights_upload(struct weight_plan *p, hk_progress_fn progress, void *user, struct hk_error *err);

#endif

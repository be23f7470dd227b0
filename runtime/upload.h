/* A weight plan's tensors -> device memory: read, converted and packed by several threads, uploaded in the order
 * of the files; what has been read of those is given back to the system. */
#ifndef HEKLA_RUNTIME_UPLOAD_H
#define HEKLA_RUNTIME_UPLOAD_H

#include "runtime/weights.h"

/* Makes the model's arena, fills in the addresses, uploads. Main memory besides what the device takes of it:
 * some 4 MiB for each processor, at most 64 MiB where rows are short. progress (may be NULL) is called on the
 * caller's thread. False and *err: HK_ERR_MEMORY, HK_ERR_FORMAT, HK_ERR_DEVICE, HK_ERR_CANCELLED where progress
 * returned false; no thread is running any more. */
bool weights_upload(struct weight_plan *p, hk_progress_fn progress, void *user, struct hk_error *err);

/* Packs and uploads a whole matrix, which has its layout and address, from its rows in the file's form, and
 * waits until it is there. */
bool weight_upload_whole(struct backend *b, const struct hk_weight *w, const void *rows,
                         struct hk_error *err);

#endif

/* What the recorders of all backends share: ops are held back in a list, and handed over layer by layer. */
#include "runtime/backend.h"
#include "runtime/ops.h"

#include <stdlib.h>

struct recorder *record_begin(struct backend *b, struct hk_error *err)
{
    struct recorder *r = b->table->recorder_new(b, err);
    if (r) r->table = b->table;
    return r;
}

void record_op(struct recorder *r, const struct op *op)
{
    if (r->error.code == HK_OK && !op_list_add(&r->held, op, 1))
        hk_fail(&r->error, HK_ERR_MEMORY, "recording: host memory is out after %zu ops", r->held.n);
}

void end_layer(struct recorder *r)
{
    if (r->error.code == HK_OK) r->table->emit(r, r->held.op, r->held.n);
    r->held.n = 0;
}

bool record_end(struct recorder *r, struct hk_error *err)
{
    end_layer(r);
    if (r->error.code == HK_OK) return r->table->recorder_end(r, err);
    if (err) *err = r->error;
    return false;
}

void recorder_free(struct recorder *r)
{
    if (!r) return;
    free(r->held.op);
    r->table->recorder_free(r);
}

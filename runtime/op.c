#include "runtime/op.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *op_name(enum op_kind kind)
{
#define NAME(KIND, name, operands) [OP_##KIND] = #name,
    static const char *const names[OP_KIND_COUNT] = {HK_OPS(NAME)};
#undef NAME
    assert((unsigned)kind < OP_KIND_COUNT);
    return names[kind];
}

/* ---- operands ---- */

struct operands {
    struct operand *out;
    uint32_t n;
};

static void add(struct operands *o, struct operand operand)
{
    assert(o->n < OP_MAX_OPERANDS);
    o->out[o->n++] = operand;
}

static void add_tensor(struct operands *o, const char *name, enum operand_role role,
                       const struct hk_tensor *t)
{
    if (hk_tensor_given(t)) add(o, (struct operand){.name = name, .role = role, .tensor = t});
}

/* clang-format off */
#define ROLE_IN OPERAND_IN
#define ROLE_OUT OPERAND_OUT
#define ROLE_UPDATE OPERAND_UPDATE
#define ROLE_ACCUMULATE (op_->accumulate ? OPERAND_ADD : OPERAND_OUT)

#define TENSOR(ROLE, field) add_tensor(&all, #field, ROLE_##ROLE, &op_->field);
#define KV(ROLE, field) add(&all, (struct operand){.name = #field, .role = ROLE_##ROLE, .kv = &op_->field});
#define WEIGHT(field) add(&all, (struct operand){.name = #field, .role = OPERAND_IN, .weight = op_->field});
#define VALUE(type, field)

uint32_t op_operands(const struct op *op, struct operand out[OP_MAX_OPERANDS])
{
    struct operands all = {.out = out};
    switch (op->kind) {
#define CASE(KIND, name, operands)               \
    case OP_##KIND: {                            \
        const struct op_##name *op_ = &op->name; \
        operands                                 \
        break;                                   \
    }
    HK_OPS(CASE)
#undef CASE
    case OP_KIND_COUNT:
        break;
    }
    return all.n;
}

#undef TENSOR
#undef KV
#undef WEIGHT
#undef VALUE
/* clang-format on */

/* ---- cost ---- */

static uint64_t values(const struct hk_tensor *t)
{
    return (uint64_t)t->rows * t->cols;
}

/* A position's keys and values. */
static uint64_t kv_position_bytes(const struct hk_kv *kv)
{
    return 2ull * 16 * kv->n_head_kv * kv->head_words;
}

/* What every operand has: once over all of it, twice where it is read and written. */
static uint64_t operand_bytes(const struct operand *o)
{
    if (o->kv) return 0; /* never all of it */
    uint64_t bytes = o->weight ? o->weight->layout.bytes : 4 * values(o->tensor);
    return o->role == OPERAND_ADD || o->role == OPERAND_UPDATE ? 2 * bytes : bytes;
}

struct op_cost op_cost(const struct op *op)
{
    struct op_cost c = {0};
    struct operand operand[OP_MAX_OPERANDS];
    uint32_t n = op_operands(op, operand);
    for (uint32_t i = 0; i < n; i++) c.bytes += operand_bytes(&operand[i]);
    switch (op->kind) {
    case OP_EMBED: { /* a row for each token, not the table */
        const struct hk_weight_layout *l = &op->embed.w->layout;
        c.bytes -= l->bytes;
        c.bytes += l->bytes / l->rows * op->embed.dst.rows;
        c.flops = values(&op->embed.dst);
        break;
    }
    case OP_RMSNORM:
        c.flops = 4 * values(&op->rmsnorm.x);
        break;
    case OP_LAYERNORM:
        c.flops = 8 * values(&op->layernorm.x);
        break;
    case OP_MATMUL:
        c.flops = 2ull * op->matmul.w->rows * op->matmul.w->cols * op->matmul.x.rows;
        break;
    case OP_ROPE: /* a row of the table for each token */
        c.bytes -= 4 * values(&op->rope.table);
        c.bytes += 4ull * op->rope.table.cols * op->rope.x.rows;
        c.flops = 3 * values(&op->rope.x);
        break;
    case OP_KV_WRITE:
        c.bytes += kv_position_bytes(&op->kv_write.kv) * op->kv_write.k.rows;
        break;
    case OP_KV_COPY:
        c.bytes += 2 * HK_BLOCK_ROWS * kv_position_bytes(&op->kv_copy.kv) * op->kv_copy.pairs.rows;
        break;
    case OP_ATTENTION: /* of the tables, one entry for 32 positions */
        c.bytes -= 4 * values(&op->attention.blocks);
        c.bytes_per_position = kv_position_bytes(&op->attention.kv);
        c.flops_per_position = 4ull * op->attention.q.cols;
        break;
    case OP_ACTIVATE:
        c.flops = 8 * values(&op->activate.x);
        break;
    case OP_ARGMAX:
        c.flops = values(&op->argmax.x);
        break;
    case OP_SELECT_ROWS: /* as many rows as are selected */
        c.bytes = 8 * values(&op->select_rows.dst);
        break;
    case OP_SELECT_COLS:
    case OP_COPY:
    case OP_KIND_COUNT:
        break;
    }
    return c;
}

/* ---- lists ---- */

bool op_list_add(struct op_list *list, const struct op *op, size_t n)
{
    if (n > list->capacity - list->n) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        if (capacity < list->n + n) capacity = list->n + n;
        struct op *grown = realloc(list->op, capacity * sizeof *grown);
        if (!grown) return false;
        list->op = grown;
        list->capacity = capacity;
    }
    if (n) memcpy(list->op + list->n, op, n * sizeof *op);
    list->n += n;
    return true;
}

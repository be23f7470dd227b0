/* One op with its operands, and the list of all ops, from which everything that goes over ops is made: the kinds,
 * their names, the structs of the union, the tables of the backends, and what an op reads and writes. Barriers come
 * from that; fusion and, later, a backward pass are passes over a list of ops. */
#ifndef HEKLA_RUNTIME_OP_H
#define HEKLA_RUNTIME_OP_H

#include "loader/checkpoint.h" /* enum hk_activation, hk_rope_pairing */
#include "runtime/tensor.h"

/* clang-format off */

/* OP(KIND, name, operands) for every op; name is its function in ops.h, where shapes and formula are. Operands:
 *   TENSOR(ROLE, field)   KV(ROLE, field)   WEIGHT(field)   VALUE(type, field): what is no memory
 * Whoever expands the list defines the four. ROLE is of enum operand_role; ACCUMULATE stands for ADD where the op's
 * value `accumulate` is true, and for OUT where it is not. A tensor may be absent where ops.h says so. */
#define HK_OPS(OP)                                                                                                     \
    OP(EMBED, embed,                                                                                                   \
       TENSOR(ACCUMULATE, dst) WEIGHT(w) TENSOR(IN, ids) VALUE(bool, accumulate))                                      \
    OP(RMSNORM, rmsnorm,                                                                                               \
       TENSOR(OUT, dst) TENSOR(IN, x) TENSOR(IN, gain) VALUE(float, eps))                                              \
    OP(LAYERNORM, layernorm,                                                                                           \
       TENSOR(OUT, dst) TENSOR(IN, x) TENSOR(IN, gain) TENSOR(IN, bias) VALUE(float, eps))                             \
    OP(MATMUL, matmul,                                                                                                 \
       TENSOR(ACCUMULATE, dst) WEIGHT(w) TENSOR(IN, bias) TENSOR(IN, x) VALUE(bool, accumulate)                        \
       VALUE(uint32_t, variant)) /* 0: the backend chooses; else 1 + which of its n_variants: for selftest */          \
    OP(ROPE, rope,                                                                                                     \
       TENSOR(UPDATE, x) TENSOR(IN, table) TENSOR(IN, pos) VALUE(uint32_t, head_dim)                                   \
       VALUE(enum hk_rope_pairing, pairing))                                                                           \
    OP(KV_WRITE, kv_write,                                                                                             \
       KV(UPDATE, kv) TENSOR(IN, k) TENSOR(IN, v) TENSOR(IN, row))                                                     \
    OP(KV_COPY, kv_copy,                                                                                               \
       KV(UPDATE, kv) TENSOR(IN, pairs))                                                                               \
    OP(ATTENTION, attention,                                                                                           \
       TENSOR(OUT, dst) TENSOR(OUT, lse) TENSOR(IN, q) KV(IN, kv) TENSOR(IN, pos) TENSOR(IN, table)                    \
       TENSOR(IN, blocks) VALUE(uint32_t, n_head) VALUE(float, scale) VALUE(uint32_t, window))                        \
    OP(ACTIVATE, activate,                                                                                             \
       TENSOR(OUT, dst) TENSOR(IN, x) TENSOR(IN, up) VALUE(enum hk_activation, f))                                     \
    OP(SELECT_ROWS, select_rows,                                                                                       \
       TENSOR(UPDATE, dst) TENSOR(IN, x) TENSOR(IN, idx))                                                              \
    OP(SELECT_COLS, select_cols,                                                                                       \
       TENSOR(UPDATE, dst) TENSOR(IN, x) TENSOR(IN, idx))                                                              \
    OP(ARGMAX, argmax,                                                                                                 \
       TENSOR(OUT, dst) TENSOR(IN, x))                                                                                 \
    OP(COPY, copy_tensor,                                                                                              \
       TENSOR(OUT, dst) TENSOR(IN, x))

#define TENSOR(role, field) struct hk_tensor field;
#define KV(role, field) struct hk_kv field;
#define WEIGHT(field) const struct hk_weight *field;
#define VALUE(type, field) type field;

#define OP_ENUM(KIND, name, operands) OP_##KIND,
enum op_kind { HK_OPS(OP_ENUM) OP_KIND_COUNT };
#undef OP_ENUM

#define OP_STRUCT(KIND, name, operands) struct op_##name { operands };
HK_OPS(OP_STRUCT)
#undef OP_STRUCT

#define OP_MEMBER(KIND, name, operands) struct op_##name name;
struct op {
    enum op_kind kind; /* which member */
    union { HK_OPS(OP_MEMBER) };
};
#undef OP_MEMBER

#undef TENSOR
#undef KV
#undef WEIGHT
#undef VALUE

/* clang-format on */

/* The function in ops.h; a static string. */
const char *op_name(enum op_kind kind);

enum operand_role {
    OPERAND_IN,
    OPERAND_OUT,    /* all of it is written, none of it read */
    OPERAND_ADD,    /* += */
    OPERAND_UPDATE, /* changed in place, or in part */
};

/* One of an op's operands: one of the three is not NULL. They point into the op, the weight where the op does. */
struct operand {
    const char *name; /* the field */
    enum operand_role role;
    const struct hk_tensor *tensor;
    const struct hk_weight *weight; /* IN */
    const struct hk_kv *kv;
};
enum { OP_MAX_OPERANDS = 8 };
/* All operands that op has, absent ones left out, in the list's order. Returns how many. */
uint32_t op_operands(const struct op *op, struct operand out[OP_MAX_OPERANDS]);

/* What an op asks of memory and arithmetic: estimates. Attention's depends on how many positions the tokens of the
 * step see, which is known at each submission: it is bytes + positions * bytes_per_position. */
struct op_cost {
    uint64_t bytes, flops;
    uint64_t bytes_per_position, flops_per_position;
};
struct op_cost op_cost(const struct op *op);

/* Ops in the order in which they were recorded. Zero-initialise; free(list.op) releases. */
struct op_list {
    struct op *op;
    size_t n, capacity;
};
/* Behind the others, n of them. False: host memory is out; the list stays as it is. */
bool op_list_add(struct op_list *list, const struct op *op, size_t n);

#endif

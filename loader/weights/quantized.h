/* Matrices of small codes with scales, as Hugging Face folders have them: FP8 with scales, NVFP4, MXFP4,
 * GPTQ, AWQ and compressed-tensors' integers. Such a matrix has no rows in a type of types.h in the
 * file; they are made while they are loaded, a few at a time.
 *
 *     w(r, c) = s(r, c) (q(r, c) - z(r, c))      integers
 *     w(r, c) = s(r, c) value(q(r, c))           FP8, FP4
 *
 * s and z are shared by groups of columns (and of rows, for blocks of FP8). formats/hf_quant.c says how each method's
 * tensors fill these structs. */
#ifndef HEKLA_LOADER_QUANTIZED_H
#define HEKLA_LOADER_QUANTIZED_H

#include "loader/weights/types.h"

/* A matrix of codes of 4 or 8 bits in words of 32 bits or, one in each, in bytes. */
struct hk_packed {
    const uint8_t *data; /* little-endian, of any alignment; NULL: there is none */
    uint32_t bits, per;  /* of a code; codes in a word: 32 / bits, or 1 */
    bool along_rows;     /* a word holds one column of `per` rows; else `per` columns of one row */
    uint32_t flip;       /* which bits of a code are inverted: the sign of bytes that count from -128 */
    const uint8_t *lane; /* the place in the word, from the low bits on, of each of them */
    uint64_t row_stride, col_stride; /* in words, from one row (column) of words to the next */
};

enum hk_scale_kind {
    HK_SCALES_PLAIN, /* F32, F16 or BF16 */
    HK_SCALES_E4M3,  /* bytes in FP8's E4M3 */
    HK_SCALES_E8M0,  /* bytes: 2^(byte - 127), 255 is no number */
};
struct hk_scales {
    const uint8_t *data; /* NULL: all 1 */
    enum hk_scale_kind kind;
    enum hk_weight_type type;        /* of plain ones */
    uint64_t n;                      /* numbers */
    uint64_t rows_per;               /* rows that share one */
    uint64_t row_stride, col_stride; /* in numbers, from one such group of rows (columns) to the next */
};

struct hk_quantized {
    const char *name;           /* of the weight that it becomes, as the folder spells it */
    uint64_t rows, cols, group; /* columns that share a scale and a zero; > 0 */
    uint64_t n_groups;
    struct hk_packed codes, zeros; /* zeros: a column for each group */
    int32_t zero; /* what is added to each zero, modulo 2^bits; where there are none, the zero */
    struct hk_scales scales;
    const uint8_t *groups; /* int32: the group of each column; NULL: column / group */
    const uint32_t *order; /* the columns sorted by group: rows are made in this order. NULL: as they are */
    bool outputs_first;    /* rows are outputs, though the layer's own weight is (inputs, outputs) */
    float (*value)(uint8_t code); /* FP8, FP4; NULL: integers */
    float factor;             /* FP8, NVFP4: of the whole matrix, besides. The rows are made without it. */
    enum hk_weight_type type; /* in which rows are made */
    uint64_t stored;          /* bytes in the files, scales and all */
};

/* The float of a code, exactly: 1 sign, 4 exponent (bias 7), 3 mantissa bits, no infinity, 0x7F and 0xFF are
 * NaN (OCP's FP8 E4M3, torch.float8_e4m3fn); and 1, 5 (bias 15), 2 (E5M2). */
float hk_f8_e4m3_to_f32(uint8_t code);
float hk_f8_e5m2_to_f32(uint8_t code);
/* 1 sign, 2 exponent (bias 1), 1 mantissa bit (OCP's Microscaling Formats, E2M1); the upper bits do not
 * count. */
float hk_f4_e2m1_to_f32(uint8_t code);

/* Checks q->groups, where they are given, and sets q->order, from the arena, where every group has q->group
 * columns (the last one perhaps fewer), so that sorted columns make whole blocks, and no word of codes holds
 * several rows; a group's columns stay in their order. False and *err: memory is out, or a group does not
 * exist. */
bool hk_quantized_sort(struct hk_arena *a, struct hk_quantized *q, const char *file, struct hk_error *err);

/* Chooses q->type, in which rows are made: NVFP4 or MXFP4 where that is exact; F8_E4M3, Q4_0 or Q8_0, whose
 * scales are rounded to F16 where that does not have them; Q4_1 for four bits with zeros, where one rounding
 * for each group costs less than 3e-7 of the weights' mean square; else BF16 or F16 where it is exact; else
 * F16 where each weight rounded to it adds an error of at most 1e-7 of the weights' mean square; else F32.
 * Reads all scales and zeros. q->order stays where the type is one of blocks, else it becomes NULL. False
 * and *err, which names the matrix, for a scale that is no finite number. */
bool hk_quantized_choose(struct hk_quantized *q, const char *file, struct hk_error *err);

/* Weights [first, first + n) of the matrix, row by row, in its type: both are whole blocks of it. Whole rows
 * at a time, and multiples of 8 of them, are the fastest. */
void hk_quantized_weights(const struct hk_quantized *q, uint64_t first, uint64_t n, void *dst);

#endif

/* Codes and scales -> rows of weights. */
#include "loader/weights/quantized.h"
#include "loader/file.h"

#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* a product is rounded before it is stored, with every compiler */
#endif

enum {
    STRIP_ROWS = 8,   /* as many as the widest word packs: each word is then loaded once */
    STRIP_COLS = 256, /* a multiple of the codes in a word and of a block */
    BLOCK = 32,       /* weights in a block of Q4_0, Q4_1 or Q8_0 */
    WORD = 8,         /* most codes that a word packs */
};

float hk_f8_e4m3_to_f32(uint8_t code)
{
    int exponent = code >> 3 & 15, mantissa = code & 7;
    float f = exponent == 15 && mantissa == 7 ? NAN
              : exponent == 0                 ? ldexpf((float)mantissa, -9)
                                              : ldexpf((float)(8 + mantissa), exponent - 10);
    return code & 0x80 ? -f : f;
}

float hk_f8_e5m2_to_f32(uint8_t code)
{
    return hk_f16_to_f32((uint16_t)(code << 8)); /* the upper half of an F16 */
}

float hk_f4_e2m1_to_f32(uint8_t code)
{
    int exponent = code >> 1 & 3, mantissa = code & 1;
    float f = exponent == 0 ? 0.5f * (float)mantissa : ldexpf((float)(2 + mantissa), exponent - 2);
    return code & 8 ? -f : f;
}

/* ---- access ---- */

static uint32_t load_word(const struct hk_packed *p, uint64_t word)
{
    return p->per == 1 ? p->data[word] : hk_load_u32(p->data + 4 * word);
}

static uint32_t packed_at(const struct hk_packed *p, uint64_t row, uint64_t col)
{
    uint64_t inside = (p->along_rows ? row : col) % p->per;
    uint64_t word = (p->along_rows ? row / p->per : row) * p->row_stride +
                    (p->along_rows ? col : col / p->per) * p->col_stride;
    return (load_word(p, word) >> (p->bits * p->lane[inside]) & ((1u << p->bits) - 1)) ^ p->flip;
}

static float load_scale(const struct hk_scales *s, uint64_t i)
{
    if (s->kind == HK_SCALES_E4M3) return hk_f8_e4m3_to_f32(s->data[i]);
    if (s->kind == HK_SCALES_E8M0) return s->data[i] == 255 ? NAN : ldexpf(1.0f, s->data[i] - 127);
    if (s->type == HK_F32) return hk_load_f32(s->data + 4 * i);
    uint16_t h = hk_load_u16(s->data + 2 * i);
    return s->type == HK_F16 ? hk_f16_to_f32(h) : hk_bf16_to_f32(h);
}

static uint64_t scale_index(const struct hk_scales *s, uint64_t row, uint64_t group)
{
    return row / s->rows_per * s->row_stride + group * s->col_stride;
}

static float scale_at(const struct hk_quantized *q, uint64_t row, uint64_t group)
{
    return q->scales.data ? load_scale(&q->scales, scale_index(&q->scales, row, group)) : 1.0f;
}

static int32_t zero_at(const struct hk_quantized *q, uint64_t row, uint64_t group)
{
    if (!q->zeros.data) return q->zero;
    /* GPTQ writes 0 as -1, which has become all ones */
    return (int32_t)((packed_at(&q->zeros, row, group) + (uint32_t)q->zero) & ((1u << q->zeros.bits) - 1));
}

static uint64_t group_of(const struct hk_quantized *q, uint64_t col)
{
    return q->groups && !q->order ? hk_load_u32(q->groups + 4 * col) : col / q->group;
}

/* Codes of rows [row, row + n_rows), columns [col, col + n_cols); row and col begin a word. */
static void read_strip(const struct hk_packed *p, uint64_t row, uint32_t n_rows, uint64_t col,
                       uint32_t n_cols, uint8_t out[STRIP_ROWS][STRIP_COLS])
{
    uint32_t mask = (1u << p->bits) - 1;
    if (p->along_rows) {
        for (uint32_t r = 0; r < n_rows; r += p->per)
            for (uint32_t c = 0; c < n_cols; c++) {
                uint32_t word = load_word(p, (row + r) / p->per * p->row_stride + (col + c) * p->col_stride);
                for (uint32_t i = 0; i < p->per && r + i < n_rows; i++)
                    out[r + i][c] = (uint8_t)((word >> (p->bits * p->lane[i]) & mask) ^ p->flip);
            }
        return;
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t c = 0; c < n_cols; c += p->per) {
            uint32_t word = load_word(p, (row + r) * p->row_stride + (col + c) / p->per * p->col_stride);
            for (uint32_t i = 0; i < p->per && c + i < n_cols; i++)
                out[r][c + i] = (uint8_t)((word >> (p->bits * p->lane[i]) & mask) ^ p->flip);
        }
}

/* The same of columns order[0..n_cols), of words along columns. */
static void read_sorted(const struct hk_packed *p, uint64_t row, uint32_t n_rows, const uint32_t *order,
                        uint32_t n_cols, uint8_t out[STRIP_ROWS][STRIP_COLS])
{
    uint32_t mask = (1u << p->bits) - 1;
    for (uint32_t c = 0; c < n_cols; c++) {
        uint32_t shift = p->bits * p->lane[order[c] % p->per];
        uint64_t word = row * p->row_stride + order[c] / p->per * p->col_stride;
        for (uint32_t r = 0; r < n_rows; r++, word += p->row_stride)
            out[r][c] = (uint8_t)((load_word(p, word) >> shift & mask) ^ p->flip);
    }
}

/* ---- rows ---- */

/* A row's part as floats: out (n). value: the floats of FP8's or FP4's codes. */
static void make_floats(const struct hk_quantized *q, const float value[256], uint64_t row, uint64_t col,
                        uint32_t n, const uint8_t *codes, float *out)
{
    uint64_t last = UINT64_MAX;
    float scale = 1.0f;
    int32_t zero = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t group = group_of(q, col + i);
        if (group != last) {
            scale = scale_at(q, row, group);
            zero = q->value ? 0 : zero_at(q, row, group);
            last = group;
        }
        out[i] = (q->value ? value[codes[i]] : (float)((int32_t)codes[i] - zero)) * scale;
    }
}

static uint8_t *put_half(uint8_t *out, float f)
{
    uint16_t h = hk_f32_to_f16(f);
    *out++ = (uint8_t)h;
    *out++ = (uint8_t)(h >> 8);
    return out;
}

/* The same as blocks of Q8_0 { f16 d; int8 q[32] }, Q4_0 { f16 d; u8 q[16] } or Q4_1 { f16 d, m; u8 q[16] },
 * whose codes are the file's own (types.c has the order). Q4_1: w = d q + m, m = -d zero. */
static void make_blocks(const struct hk_quantized *q, uint64_t row, uint64_t col, uint32_t n,
                        const uint8_t *codes, uint8_t *out)
{
    bool wide = q->type == HK_Q8_0;
    for (uint32_t i = 0; i < n; i += BLOCK, codes += BLOCK) {
        uint64_t group = group_of(q, col + i);
        float d = scale_at(q, row, group);
        int32_t zero = zero_at(q, row, group);
        out = put_half(out, d);
        if (q->type == HK_Q4_1) out = put_half(out, d * (float)-zero);
        for (uint32_t j = 0; wide && j < BLOCK; j++) *out++ = (uint8_t)((int32_t)codes[j] - zero);
        for (uint32_t j = 0; !wide && j < BLOCK / 2; j++)
            *out++ = (uint8_t)(codes[j] | codes[j + BLOCK / 2] << 4);
    }
}

/* The same as blocks of NVFP4 { u8 e4m3[4]; u8 q[4][8] } or MXFP4 { u8 e8m0; u8 q[16] }: scales and codes are
 * the file's own, in another order. */
static void make_fp4(const struct hk_quantized *q, uint64_t row, uint64_t col, uint32_t n,
                     const uint8_t *codes, uint8_t *out)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(q->type);
    uint32_t group = (uint32_t)q->group, half = group / 2, n_groups = info->block_len / group;
    for (uint32_t i = 0; i < n; i += group, codes += group) {
        uint32_t g = i % info->block_len / group;
        uint8_t *to = out + n_groups + g * half;
        out[g] = q->scales.data[scale_index(&q->scales, row, (col + i) / group)];
        for (uint32_t j = 0; j < half; j++) to[j] = (uint8_t)(codes[j] | codes[j + half] << 4);
        if (g == n_groups - 1) out += info->block_bytes;
    }
}

/* The same as blocks of F8_E4M3 { f16 d; u8 q[32] }; NaN, which that has not, is in d. */
static void make_f8(const struct hk_quantized *q, uint64_t row, uint64_t col, uint32_t n,
                    const uint8_t *codes, uint8_t *out)
{
    for (uint32_t i = 0; i < n; i += BLOCK, codes += BLOCK) {
        float d = scale_at(q, row, group_of(q, col + i)) / q->factor;
        for (uint32_t j = 0; j < BLOCK; j++)
            if ((codes[j] & 0x7F) == 0x7F) d = NAN;
        out = put_half(out, d);
        memcpy(out, codes, BLOCK);
        out += BLOCK;
    }
}

typedef void make_fn(const struct hk_quantized *q, uint64_t row, uint64_t col, uint32_t n,
                     const uint8_t *codes, uint8_t *out);

/* What makes rows of a type of blocks; NULL: they are floats. */
static make_fn *block_maker(enum hk_weight_type type)
{
    if (type == HK_NVFP4 || type == HK_MXFP4) return make_fp4;
    if (type == HK_F8_E4M3) return make_f8;
    return hk_weight_type_info(type)->block_len == BLOCK ? make_blocks : NULL;
}

/* Columns [c0, c1) of rows [first, first + n), row by row. */
static void make_part(const struct hk_quantized *q, const float value[256], uint64_t first, uint64_t n,
                      uint64_t c0, uint64_t c1, uint8_t *dst)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(q->type);
    uint64_t row_bytes = (c1 - c0) / info->block_len * info->block_bytes;
    make_fn *make = block_maker(q->type);
    uint8_t codes[STRIP_ROWS][STRIP_COLS];
    float floats[STRIP_COLS];
    for (uint64_t strip = first - first % STRIP_ROWS; strip < first + n; strip += STRIP_ROWS) {
        uint64_t end = strip + STRIP_ROWS < first + n ? strip + STRIP_ROWS : first + n;
        for (uint64_t col = c0 - c0 % WORD; col < c1; col += STRIP_COLS) {
            uint32_t n_cols = c1 - col < STRIP_COLS ? (uint32_t)(c1 - col) : STRIP_COLS;
            uint32_t lead = col < c0 ? (uint32_t)(c0 - col) : 0; /* codes before those that are wanted */
            if (q->order)
                read_sorted(&q->codes, strip, (uint32_t)(end - strip), q->order + col, n_cols, codes);
            else
                read_strip(&q->codes, strip, (uint32_t)(end - strip), col, n_cols, codes);
            for (uint64_t row = strip < first ? first : strip; row < end; row++) {
                const uint8_t *from = codes[row - strip] + lead;
                uint8_t *out =
                    dst + (row - first) * row_bytes + (col + lead - c0) / info->block_len * info->block_bytes;
                if (make) {
                    make(q, row, col + lead, n_cols - lead, from, out);
                    continue;
                }
                make_floats(q, value, row, col + lead, n_cols - lead, from, floats);
                info->encode(floats, out, n_cols - lead);
            }
        }
    }
}

void hk_quantized_weights(const struct hk_quantized *q, uint64_t first, uint64_t n, void *dst)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(q->type);
    uint8_t *out = dst;
    float value[256];
    for (unsigned i = 0; q->value && i < 256; i++) value[i] = q->value((uint8_t)i);
    while (n > 0) { /* the rest of a row; then whole rows; then the beginning of one */
        uint64_t row = first / q->cols, col = first % q->cols, rows = col == 0 ? n / q->cols : 0;
        uint64_t run = rows ? rows * q->cols : n < q->cols - col ? n : q->cols - col;
        make_part(q, value, row, rows ? rows : 1, col, rows ? q->cols : col + run, out);
        out += run / info->block_len * info->block_bytes;
        first += run;
        n -= run;
    }
}

/* ---- the choice of a type ---- */

/* What matters of the scales. */
struct scale_facts {
    float least, most; /* of the magnitudes that are not 0 */
    double rms;        /* root of their mean square */
    int significant;   /* bits, of the one with most */
    bool exact_in_f16;
};

/* Significant bits of a float that is not 0: 1 for a power of two. */
static int significant_bits(float f)
{
    uint32_t u;
    int bits = 24;
    memcpy(&u, &f, sizeof u);
    u = (u & 0x7FFFFFu) | 0x800000u; /* of a subnormal at most as many */
    while (!(u & 1u)) u >>= 1, bits--;
    return bits;
}

/* FP4's type in GGUF, where that can hold the matrix: whole blocks, and scales without a sign. Else COUNT. */
static enum hk_weight_type fp4_type(const struct hk_quantized *q)
{
    bool mx = q->scales.kind == HK_SCALES_E8M0 && q->group == 32;
    bool nv = q->scales.kind == HK_SCALES_E4M3 && q->group == 16;
    enum hk_weight_type type = mx ? HK_MXFP4 : HK_NVFP4;
    if (!(mx || nv) || q->groups || q->cols % hk_weight_type_info(type)->block_len != 0)
        return HK_WEIGHT_TYPE_COUNT;
    for (uint64_t i = 0; nv && i < q->scales.n; i++)
        if (q->scales.data[i] & 0x80) return HK_WEIGHT_TYPE_COUNT;
    return type;
}

static bool gather(const struct hk_quantized *q, const char *file, struct scale_facts *f,
                   struct hk_error *err)
{
    *f =
        (struct scale_facts){.least = 1.0f, .most = 1.0f, .rms = 1.0, .significant = 1, .exact_in_f16 = true};
    if (!q->scales.data) return true;
    bool any = false;
    double sum = 0.0;
    for (uint64_t i = 0; i < q->scales.n; i++) {
        float s = fabsf(load_scale(&q->scales, i));
        if (!isfinite(s))
            return hk_fail(err, HK_ERR_FORMAT, "%s: tensor %.200s: scale %llu is no finite number", file,
                           q->name, (unsigned long long)i);
        if (s == 0.0f) continue;
        if (!any || s < f->least) f->least = s;
        if (!any || s > f->most) f->most = s;
        any = true;
        sum += (double)s * (double)s;
        int bits = significant_bits(s);
        if (bits > f->significant) f->significant = bits;
        if (hk_f16_to_f32(hk_f32_to_f16(s)) != s) f->exact_in_f16 = false;
    }
    f->rms = sqrt(sum / (double)q->scales.n);
    return true;
}

/* Whether every zero is `want`, and whether all code - zero fit in 8 bits. */
static void judge_zeros(const struct hk_quantized *q, int32_t want, bool *all, bool *narrow)
{
    int32_t top = (1 << q->codes.bits) - 1;
    *all = *narrow = true;
    for (uint64_t row = 0; row < (q->zeros.data ? q->rows : 1); row++)
        for (uint64_t g = 0; g < (q->zeros.data ? q->n_groups : 1); g++) {
            int32_t zero = zero_at(q, row, g);
            if (zero != want) *all = false;
            if (-zero < INT8_MIN || top - zero > INT8_MAX) *narrow = false;
        }
}

static bool check_groups(const struct hk_quantized *q, const char *file, struct hk_error *err)
{
    for (uint64_t c = 0; q->groups && c < q->cols; c++) {
        uint32_t g = hk_load_u32(q->groups + 4 * c);
        if (g >= q->n_groups)
            return hk_fail(err, HK_ERR_FORMAT,
                           "%s: tensor %.200s: column %llu is of group %u (g_idx), of which there are %llu",
                           file, q->name, (unsigned long long)c, g, (unsigned long long)q->n_groups);
    }
    return true;
}

bool hk_quantized_sort(struct hk_arena *a, struct hk_quantized *q, const char *file, struct hk_error *err)
{
    if (!check_groups(q, file, err)) return false;
    if (!q->groups || q->codes.along_rows || q->cols > UINT32_MAX) return true;
    uint64_t *next = hk_arena_alloc(a, (size_t)q->n_groups, sizeof *next, err);
    uint32_t *order = next ? hk_arena_alloc(a, (size_t)q->cols, sizeof *order, err) : NULL;
    if (!order) return false;
    for (uint64_t g = 0; g < q->n_groups; g++) next[g] = g * q->group;
    for (uint64_t c = 0; c < q->cols; c++) {
        uint64_t group = hk_load_u32(q->groups + 4 * c), at = next[group]++;
        if (at >= q->cols || at / q->group != group) return true; /* more columns than a group has */
        order[at] = (uint32_t)c;
    }
    q->order = order;
    return true;
}

/* Products of scales and codes of m significant bits and magnitudes from `low` to `high`, of which `loud` is
 * what a group of weights usually reaches.
 * BF16 has 8 bits. F16 has 11, so that rounding costs (2^-11)^2 / 3 < 1e-7 of a weight's square, but steps of
 * 2^-24 below 2^-14: (2^-25)^2 / 3 more, which is below 1e-8 of the weights' mean square, (loud rms / 4)^2 or
 * so, from loud rms = 2^-10 on. */
static enum hk_weight_type choose_float(const struct scale_facts *f, int m, float low, float high, float loud)
{
    const float largest = 65504.0f;
    if (m + f->significant <= 8 && f->least * low >= 0x1p-120f && f->most * high < 0x1p127f) return HK_BF16;
    return f->most * high <= largest && f->rms * (double)loud >= 0x1p-10 ? HK_F16 : HK_F32;
}

/* Q4_1 has -scale * zero, at most 15 scales, as an F16: 11 significant bits from 2^-14 on, steps of at most
 * 2^-7 scales. Rounding costs (2^-7)^2 / 12 of a scale's square in the mean, of which weights of four bits
 * have 20. */
static const float q4_1_least = 0x1p-14f, q4_1_most = 65504.0f / 15;

/* Whether rounding a scale to F16 costs less than 1e-7 of its weights' mean square: it has all of its 11
 * bits. */
static bool normal_in_f16(const struct scale_facts *f)
{
    return f->least >= 0x1p-14f && f->most <= 65504.0f;
}

/* F8_E4M3 has an F16 scale for 32 columns. Scales that are not normal in F16 get a power of two as a factor
 * of the whole matrix, as long as the least is not 2^-14 of the largest. */
static bool choose_f8(struct hk_quantized *q, const struct scale_facts *f)
{
    int exponent;
    bool blocks = !q->groups && q->cols % BLOCK == 0 && (q->group % BLOCK == 0 || q->group >= q->cols);
    if (!blocks || q->rows < 2 || f->least < f->most * 0x1p-14f) return false;
    q->type = HK_F8_E4M3;
    if (normal_in_f16(f)) return true;
    frexpf(f->most, &exponent);
    q->factor = ldexpf(1.0f, exponent - 1);
    return true;
}

bool hk_quantized_choose(struct hk_quantized *q, const char *file, struct hk_error *err)
{
    struct scale_facts f;
    if (!gather(q, file, &f, err)) return false;
    if (q->value == hk_f4_e2m1_to_f32) {
        q->type = fp4_type(q);
        if (q->type == HK_WEIGHT_TYPE_COUNT) q->type = choose_float(&f, 2, 0.5f, 6.0f, 6.0f);
        return true;
    }
    if (q->value) {
        bool e4m3 = q->value == hk_f8_e4m3_to_f32;
        if (e4m3 && choose_f8(q, &f)) return true;
        q->type = e4m3 ? choose_float(&f, 4, 0x1p-9f, 448.0f, 448.0f)
                       : choose_float(&f, 3, 0x1p-16f, 57344.0f, 57344.0f);
        return true;
    }
    bool all, narrow, wide = q->codes.bits == 8;
    judge_zeros(q, 8, &all, &narrow);
    bool blocks =
        (!q->groups || q->order) && q->cols % BLOCK == 0 && (q->group % BLOCK == 0 || q->group >= q->cols);
    bool half = f.exact_in_f16 || normal_in_f16(&f);
    if (blocks && half && !wide && all)
        q->type = HK_Q4_0;
    else if (blocks && f.exact_in_f16 && !wide && f.least >= q4_1_least && f.most <= q4_1_most)
        q->type = HK_Q4_1;
    else if (blocks && half && narrow)
        q->type = HK_Q8_0;
    else
        q->type = choose_float(&f, wide ? 9 : 5, 1.0f, wide ? 255.0f : 16.0f, wide ? 128.0f : 8.0f);
    if (hk_weight_type_is_float(q->type)) q->order = NULL; /* has no blocks to fill */
    return true;
}

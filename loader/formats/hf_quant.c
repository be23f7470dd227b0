/* Quantized matrices in Hugging Face folders.
 *
 * in, out: the columns and rows of the weight. A word is an int32 of 32 / bits codes; G = groups of columns.
 *
 *   GPTQ (AutoGPTQ, GPTQModel)   qweight (in / 8, out): a word holds 8 columns; qzeros (G, out / 8): a word
 * holds 8 rows, each one less than it is meant ("gptq") or not ("gptq_v2"); scales (G, out); g_idx (in): the
 * group of each column, with desc_act any AWQ (AutoAWQ, "gemm")        qweight (in, out / 8), qzeros (G, out
 * / 8): a word holds 8 rows, of which row i is place awq_lane[i]; scales (G, out) compressed-tensors
 * pack-quantized: weight_packed (out, in / 8): a word holds 8 columns, 2^(bits - 1) added to each;
 * weight_scale (out, G), (out, 1) or (1); weight_zero_point (out / 8, G): a word holds 8 rows; weight_shape
 * (2); weight_g_idx (in). int-quantized: weight (out, in) of I8, weight_scale, weight_zero_point of I8 FP8
 * weight (out, in); weight_scale (), (1), (out), (out, 1), or with blocks weight_scale_inv (out / 128, in /
 * 128), which is multiplied all the same
 *   NVFP4 (ModelOpt)   weight (out, in / 2) of U8: the even column in the low bits; weight_scale (out, in /
 * 16) of E4M3; weight_scale_2 (), by which all is multiplied. compressed-tensors nvfp4-pack-quantized:
 * weight_packed, weight_scale, and weight_global_scale (1), by which all is divided
 *   MXFP4, MXFP8 (compressed-tensors)   as NVFP4 without a number for all, and as FP8; weight_scale (out, in
 * / 32) of U8, powers of two */
#include "loader/formats/hf_quant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parts of a matrix ---- */

/* The length of the name before the suffix, 0 where it does not end so. */
static size_t before(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0 ? n - m : 0;
}

static const uint8_t in_order[8] = {0, 1, 2, 3, 4, 5, 6, 7}, awq_lane[8] = {0, 4, 1, 5, 2, 6, 3, 7};

enum { MAX_PART_NAME = 512 };

struct join {
    struct hk_arena *arena;
    const struct hk_hf_quant *quant;
    struct hk_hf_entry *entries; /* sorted by name */
    size_t n;
    struct hk_error *err;
};

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct hk_hf_entry *)a)->tensor->name,
                  ((const struct hk_hf_entry *)b)->tensor->name);
}

/* "BASE" + suffix, where BASE is the first base_len bytes of the entry's own name; NULL where there is none. */
static struct hk_hf_entry *sibling(const struct join *j, const struct hk_hf_entry *e, size_t base_len,
                                   const char *suffix)
{
    char name[MAX_PART_NAME];
    struct hk_st_tensor tensor = {.name = name};
    const struct hk_hf_entry key = {.tensor = &tensor};
    int len = snprintf(name, sizeof name, "%.*s%s", (int)(base_len < sizeof name ? base_len : 0),
                       e->tensor->name, suffix);
    if (len < 0 || (size_t)len >= sizeof name || base_len >= sizeof name) return NULL;
    return bsearch(&key, j->entries, j->n, sizeof key, compare_entries);
}

static struct hk_hf_entry *needed(const struct join *j, const struct hk_hf_entry *e, size_t base_len,
                                  const char *suffix)
{
    struct hk_hf_entry *s = sibling(j, e, base_len, suffix);
    if (!s)
        hk_fail(j->err, HK_ERR_FORMAT, "%s: tensor %.200s needs a tensor %.*s%s, which is missing", e->file,
                e->tensor->name, (int)(base_len < 200 ? base_len : 200), e->tensor->name, suffix);
    return s;
}

static bool is_scale_type(const char *dtype)
{
    return !strcmp(dtype, "F32") || !strcmp(dtype, "F16") || !strcmp(dtype, "BF16");
}

/* Whether the tensor has this type (NULL: one that scales may have) and as many bytes as its shape needs. */
static bool check_type(const struct join *j, const struct hk_hf_entry *e, const char *dtype)
{
    const struct hk_st_tensor *t = e->tensor;
    uint64_t bytes = hk_st_dtype_bytes(t->dtype);
    if (t->transposed || !(dtype ? strcmp(t->dtype, dtype) == 0 : is_scale_type(t->dtype)))
        return hk_fail(j->err, HK_ERR_UNSUPPORTED,
                       "%s: tensor %.200s is stored as %s%s: %s is supported here", e->file, t->name,
                       t->dtype, t->transposed ? ", transposed" : "", dtype ? dtype : "F32, F16 or BF16");
    bool fits = t->n_dims <= 4;
    for (uint32_t d = 0; fits && d < t->n_dims; d++)
        fits = t->shape[d] > 0 && hk_mul_u64(bytes, t->shape[d], &bytes);
    if (fits && bytes == t->size) return true;
    return hk_fail(j->err, HK_ERR_FORMAT,
                   "%s: tensor %.200s has %llu bytes, which do not suit its shape and type", e->file, t->name,
                   (unsigned long long)t->size);
}

/* The same, and this shape: (rows, cols), or (cols) where rows is 0. */
static bool check_shape(const struct join *j, const struct hk_hf_entry *e, const char *dtype, uint64_t rows,
                        uint64_t cols)
{
    const struct hk_st_tensor *t = e->tensor;
    if (!check_type(j, e, dtype)) return false;
    if (rows ? t->n_dims == 2 && t->shape[0] == rows && t->shape[1] == cols
             : t->n_dims == 1 && t->shape[0] == cols)
        return true;
    char want[64];
    if (rows)
        snprintf(want, sizeof want, "(%llu, %llu)", (unsigned long long)rows, (unsigned long long)cols);
    else
        snprintf(want, sizeof want, "(%llu)", (unsigned long long)cols);
    return hk_fail(
        j->err, HK_ERR_FORMAT,
        "%s: tensor %.200s has %u dimensions (%llu, %llu, ...): the matrix that it belongs to needs %s",
        e->file, t->name, t->n_dims, (unsigned long long)t->shape[0], (unsigned long long)t->shape[1], want);
}

static bool check_matrix(const struct join *j, const struct hk_hf_entry *e, const char *dtype)
{
    if (!check_type(j, e, dtype)) return false;
    if (e->tensor->n_dims == 2) return true;
    return hk_fail(j->err, HK_ERR_FORMAT, "%s: tensor %.200s has %u dimensions: 2 are needed", e->file,
                   e->tensor->name, e->tensor->n_dims);
}

/* ---- matrices ---- */

static struct hk_quantized *new_matrix(const struct join *j, const struct hk_hf_entry *e, size_t base_len)
{
    struct hk_quantized *q = hk_arena_alloc(j->arena, 1, sizeof *q, j->err);
    char *name = hk_arena_alloc(j->arena, base_len + sizeof ".weight", 1, j->err);
    if (!q || !name) return NULL;
    memcpy(name, e->tensor->name, base_len);
    memcpy(name + base_len, ".weight", sizeof ".weight");
    q->name = name;
    q->factor = 1.0f;
    return q;
}

static void add_part(struct hk_quantized *q, struct hk_hf_entry *part)
{
    part->tensor->part = true;
    q->stored += part->tensor->size;
}

/* The type is among those that check_type has let pass. */
static struct hk_scales scales_of(const struct hk_st_tensor *t, uint64_t rows_per, uint64_t row_stride,
                                  uint64_t col_stride)
{
    struct hk_scales s = {.data = t->data,
                          .type = hk_weight_type_by_st_name(t->dtype, strlen(t->dtype)),
                          .n = 1,
                          .rows_per = rows_per,
                          .row_stride = row_stride,
                          .col_stride = col_stride};
    for (uint32_t d = 0; d < t->n_dims; d++) s.n *= t->shape[d];
    if (strcmp(t->dtype, "F8_E4M3") == 0) s.kind = HK_SCALES_E4M3;
    if (strcmp(t->dtype, "U8") == 0) s.kind = HK_SCALES_E8M0;
    return s;
}

static bool finish(const struct join *j, struct hk_hf_entry *e, struct hk_quantized *q)
{
    if (!hk_quantized_sort(j->arena, q, e->file, j->err) || !hk_quantized_choose(q, e->file, j->err))
        return false;
    q->stored += e->tensor->size;
    e->tensor->quantized = q;
    return true;
}

/* g_idx, where it says more than that groups follow each other. */
static bool take_groups(const struct join *j, struct hk_hf_entry *g_idx, struct hk_quantized *q)
{
    if (!g_idx) return true;
    if (!check_shape(j, g_idx, "I32", 0, q->cols)) return false;
    for (uint64_t c = 0; c < q->cols && !q->groups; c++) {
        if (hk_load_u32(g_idx->tensor->data + 4 * c) != c / q->group) q->groups = g_idx->tensor->data;
    }
    add_part(q, g_idx);
    return true;
}

/* Codes in words along columns (GPTQ) or rows (AWQ); qzeros and scales are the same in both. */
static bool join_qweight(const struct join *j, struct hk_hf_entry *e, size_t base_len)
{
    bool awq = j->quant->method == HK_HF_QUANT_AWQ;
    uint32_t bits = j->quant->bits, per = 32 / bits;
    struct hk_hf_entry *zeros = needed(j, e, base_len, ".qzeros"), *scales = NULL;
    if (zeros) scales = needed(j, e, base_len, ".scales");
    if (!scales || !check_matrix(j, e, "I32")) return false;
    struct hk_quantized *q = new_matrix(j, e, base_len);
    if (!q) return false;
    const uint64_t *shape = e->tensor->shape; /* times 8 cannot overflow: the file has more bytes than that */
    q->cols = awq ? shape[0] : shape[0] * per;
    q->rows = awq ? shape[1] * per : shape[1];
    q->group = j->quant->group < q->cols ? j->quant->group : q->cols;
    q->n_groups = hk_div_up(q->cols, q->group);
    if (q->rows % per != 0)
        return hk_fail(j->err, HK_ERR_FORMAT, "%s: tensor %.200s has %llu rows: a multiple of %u is needed",
                       e->file, q->name, (unsigned long long)q->rows, per);
    if (!check_shape(j, zeros, "I32", q->n_groups, q->rows / per) ||
        !check_shape(j, scales, NULL, q->n_groups, q->rows))
        return false;
    q->outputs_first = true;
    q->codes = (struct hk_packed){.data = e->tensor->data,
                                  .bits = bits,
                                  .per = per,
                                  .along_rows = awq,
                                  .lane = awq ? awq_lane : in_order,
                                  .row_stride = 1,
                                  .col_stride = shape[1]};
    q->zeros = (struct hk_packed){.data = zeros->tensor->data,
                                  .bits = bits,
                                  .per = per,
                                  .along_rows = true,
                                  .lane = awq ? awq_lane : in_order,
                                  .row_stride = 1,
                                  .col_stride = q->rows / per};
    q->zero = awq ? 0 : j->quant->zero_add;
    q->scales = scales_of(scales->tensor, 1, 1, q->rows);
    struct hk_hf_entry *g_idx = awq ? NULL : sibling(j, e, base_len, ".g_idx");
    if (!g_idx && j->quant->any_order && !needed(j, e, base_len, ".g_idx")) return false;
    if (!take_groups(j, g_idx, q)) return false;
    add_part(q, zeros);
    add_part(q, scales);
    return finish(j, e, q);
}

/* Scales of one number, of one for each row, of one for each row and group, or of one for each block. Sets
 * the group. */
static bool take_scales(const struct join *j, struct hk_hf_entry *e, struct hk_quantized *q, bool blocks)
{
    const struct hk_st_tensor *t = e->tensor;
    const uint32_t *block = j->quant->block;
    uint64_t a = t->n_dims > 0 ? t->shape[0] : 1, b = t->n_dims > 1 ? t->shape[1] : 1;
    bool mx = q->value && strcmp(t->dtype, "U8") == 0;
    if (!check_type(j, e, mx ? "U8" : NULL)) return false;
    q->group = q->cols;
    q->n_groups = 1;
    add_part(q, e);
    if (t->n_dims <= 2 && a == 1 && b == 1) {
        q->scales = scales_of(t, 1, 0, 0);
        return true;
    }
    if (blocks && block[0] && t->n_dims == 2 && a == hk_div_up(q->rows, block[0]) &&
        b == hk_div_up(q->cols, block[1])) {
        q->group = block[1];
        q->n_groups = b;
        q->scales = scales_of(t, block[0], b, 1);
        return true;
    }
    if (t->n_dims <= 2 && a == q->rows && q->cols % b == 0) {
        q->group = q->cols / b;
        q->n_groups = b;
        q->scales = scales_of(t, 1, b, 1);
        return true;
    }
    return hk_fail(
        j->err, HK_ERR_FORMAT,
        "%s: tensor %.200s has %u dimensions (%llu, %llu, ...): it does not suit the %llu rows and %llu "
        "columns of %.100s",
        e->file, t->name, t->n_dims, (unsigned long long)a, (unsigned long long)b,
        (unsigned long long)q->rows, (unsigned long long)q->cols, q->name);
}

/* Bytes of a row-major matrix, or of a vector. */
static bool take_bytes(const struct join *j, struct hk_hf_entry *e, struct hk_quantized *q, const char *dtype)
{
    const struct hk_st_tensor *t = e->tensor;
    if (!check_type(j, e, dtype)) return false;
    if (t->n_dims != 1 && t->n_dims != 2)
        return hk_fail(j->err, HK_ERR_FORMAT, "%s: tensor %.200s has %u dimensions: 1 or 2 are accepted",
                       e->file, t->name, t->n_dims);
    q->rows = t->n_dims == 2 ? t->shape[0] : 1;
    q->cols = t->shape[t->n_dims - 1];
    q->group = q->cols;
    q->n_groups = 1;
    q->codes = (struct hk_packed){
        .data = t->data, .bits = 8, .per = 1, .lane = in_order, .row_stride = q->cols, .col_stride = 1};
    return true;
}

static bool join_f8(const struct join *j, struct hk_hf_entry *e, size_t base_len)
{
    bool e4m3 = strcmp(e->tensor->dtype, "F8_E4M3") == 0;
    struct hk_hf_entry *scales = sibling(j, e, base_len, ".weight_scale_inv");
    struct hk_quantized *q = new_matrix(j, e, base_len);
    if (!scales) scales = sibling(j, e, base_len, ".weight_scale");
    if (!q || !take_bytes(j, e, q, e4m3 ? "F8_E4M3" : "F8_E5M2")) return false;
    q->value = e4m3 ? hk_f8_e4m3_to_f32 : hk_f8_e5m2_to_f32;
    return (!scales || take_scales(j, scales, q, true)) && finish(j, e, q);
}

static bool join_i8(const struct join *j, struct hk_hf_entry *e, size_t base_len)
{
    struct hk_hf_entry *scales = needed(j, e, base_len, ".weight_scale");
    struct hk_hf_entry *zeros = sibling(j, e, base_len, ".weight_zero_point");
    struct hk_quantized *q = scales ? new_matrix(j, e, base_len) : NULL;
    if (!q || !take_bytes(j, e, q, "I8") || !take_scales(j, scales, q, false)) return false;
    q->codes.flip = 0x80; /* from -128 up, as from 0 up */
    q->zero = 128;
    if (zeros) {
        const struct hk_st_tensor *t = zeros->tensor;
        bool each_row = q->scales.row_stride != 0;
        if (!check_type(j, zeros, "I8")) return false;
        if (t->size != (each_row ? q->rows : 1) * q->n_groups)
            return hk_fail(j->err, HK_ERR_FORMAT,
                           "%s: tensor %.200s has %llu zeros: one for each scale is needed", zeros->file,
                           t->name, (unsigned long long)t->size);
        q->zeros = (struct hk_packed){.data = t->data,
                                      .bits = 8,
                                      .per = 1,
                                      .lane = in_order,
                                      .flip = 0x80,
                                      .row_stride = each_row ? q->n_groups : 0,
                                      .col_stride = each_row ? 1 : 0};
        q->zero = 0;
        add_part(q, zeros);
    }
    return finish(j, e, q);
}

/* The weight's shape is in a tensor, because rows are padded to whole words. */
static bool read_shape(const struct join *j, const struct hk_hf_entry *e, struct hk_quantized *q)
{
    const struct hk_st_tensor *t = e->tensor;
    bool wide = strcmp(t->dtype, "I64") == 0;
    if (!check_shape(j, e, wide ? "I64" : "I32", 0, 2)) return false;
    q->rows = wide ? hk_load_u64(t->data) : hk_load_u32(t->data);
    q->cols = wide ? hk_load_u64(t->data + 8) : hk_load_u32(t->data + 4);
    return true;
}

static bool join_packed(const struct join *j, struct hk_hf_entry *e, size_t base_len)
{
    const struct hk_st_tensor *t = e->tensor;
    struct hk_hf_entry *scales = needed(j, e, base_len, ".weight_scale"), *shape = NULL;
    struct hk_hf_entry *zeros = sibling(j, e, base_len, ".weight_zero_point");
    if (scales) shape = needed(j, e, base_len, ".weight_shape");
    struct hk_quantized *q = shape ? new_matrix(j, e, base_len) : NULL;
    if (!q || !check_matrix(j, e, "I32") || !read_shape(j, shape, q)) return false;
    uint32_t bits = t->shape[1] == hk_div_up(q->cols, 8) ? 4 : 8, per = 32 / bits;
    if (q->cols == 0 || t->shape[0] != q->rows || t->shape[1] != hk_div_up(q->cols, per))
        return hk_fail(
            j->err, HK_ERR_UNSUPPORTED,
            "%s: tensor %.200s of (%llu, %llu) words does not hold (%llu, %llu) weights of 4 or 8 bits",
            e->file, t->name, (unsigned long long)t->shape[0], (unsigned long long)t->shape[1],
            (unsigned long long)q->rows, (unsigned long long)q->cols);
    if (!take_scales(j, scales, q, false)) return false;
    q->codes = (struct hk_packed){.data = t->data,
                                  .bits = bits,
                                  .per = per,
                                  .lane = in_order,
                                  .row_stride = t->shape[1],
                                  .col_stride = 1};
    q->zero = 1 << (bits - 1);
    if (zeros) {
        if (!check_shape(j, zeros, "I32", hk_div_up(q->rows, per), q->n_groups)) return false;
        q->zeros = (struct hk_packed){.data = zeros->tensor->data,
                                      .bits = bits,
                                      .per = per,
                                      .along_rows = true,
                                      .lane = in_order,
                                      .row_stride = q->n_groups,
                                      .col_stride = 1};
        q->zero = 0;
        add_part(q, zeros);
    }
    if (!take_groups(j, sibling(j, e, base_len, ".weight_g_idx"), q)) return false;
    add_part(q, shape);
    return finish(j, e, q);
}

/* The number for the whole matrix: by which it is multiplied, or divided. */
static bool take_factor(const struct join *j, struct hk_hf_entry *e, bool divides, struct hk_quantized *q)
{
    if (!check_type(j, e, "F32")) return false;
    if (e->tensor->size == sizeof(float)) {
        float f = hk_load_f32(e->tensor->data);
        q->factor = divides ? 1.0f / f : f;
    }
    if (e->tensor->size != sizeof(float) || !isfinite(q->factor))
        return hk_fail(j->err, HK_ERR_FORMAT,
                       "%s: tensor %.200s is not one number that can be used as a scale", e->file,
                       e->tensor->name);
    add_part(q, e);
    return true;
}

/* NVFP4, or MXFP4, whose scales are powers of two. */
static bool join_fp4(const struct join *j, struct hk_hf_entry *e, size_t base_len)
{
    bool packed = before(e->tensor->name, ".weight_packed") > 0;
    struct hk_hf_entry *scales = needed(j, e, base_len, ".weight_scale");
    bool mx = scales && packed && strcmp(scales->tensor->dtype, "U8") == 0;
    const char *suffix = packed ? ".weight_global_scale" : ".weight_scale_2";
    struct hk_hf_entry *factor = scales && !mx ? needed(j, e, base_len, suffix) : NULL;
    struct hk_quantized *q = factor || mx ? new_matrix(j, e, base_len) : NULL;
    if (!q || !check_matrix(j, e, "U8")) return false;
    const uint64_t *shape = e->tensor->shape; /* times 2 cannot overflow: the file has as many bytes */
    q->rows = shape[0];
    q->cols = 2 * shape[1];
    q->group = mx ? 32 : 16;
    q->n_groups = q->cols / q->group;
    if (q->cols % q->group != 0)
        return hk_fail(j->err, HK_ERR_FORMAT,
                       "%s: tensor %.200s has %llu columns: a multiple of %u is needed", e->file, q->name,
                       (unsigned long long)q->cols, (unsigned)q->group);
    if (!check_shape(j, scales, mx ? "U8" : "F8_E4M3", q->rows, q->n_groups) ||
        (factor && !take_factor(j, factor, packed, q)))
        return false;
    q->codes = (struct hk_packed){.data = e->tensor->data,
                                  .bits = 4,
                                  .per = 8, /* four bytes, little-endian */
                                  .lane = in_order,
                                  .row_stride = q->cols / 8,
                                  .col_stride = 1};
    q->value = hk_f4_e2m1_to_f32;
    q->scales = scales_of(scales->tensor, 1, q->n_groups, 1);
    add_part(q, scales);
    return finish(j, e, q);
}

/* ---- all of them ---- */

static bool join_one(const struct join *j, struct hk_hf_entry *e)
{
    /* of activations and of the cache: Hekla quantizes neither */
    static const char *const unused[] = {".input_scale",       ".output_scale", ".q_scale",
                                         ".k_scale",           ".v_scale",      ".input_zero_point",
                                         ".input_global_scale"};
    const char *name = e->tensor->name, *dtype = e->tensor->dtype;
    enum hk_hf_quant_method method = j->quant->method;
    size_t len;
    if ((method == HK_HF_QUANT_GPTQ || method == HK_HF_QUANT_AWQ) && (len = before(name, ".qweight")))
        return join_qweight(j, e, len);
    bool bytes = strcmp(dtype, "U8") == 0;
    if ((method == HK_HF_QUANT_NVFP4 && bytes && (len = before(name, ".weight"))) ||
        (method == HK_HF_QUANT_COMPRESSED_TENSORS && bytes && (len = before(name, ".weight_packed"))))
        return join_fp4(j, e, len);
    if (method == HK_HF_QUANT_COMPRESSED_TENSORS && (len = before(name, ".weight_packed")))
        return join_packed(j, e, len);
    if (method == HK_HF_QUANT_COMPRESSED_TENSORS && strcmp(dtype, "I8") == 0 &&
        (len = before(name, ".weight")))
        return join_i8(j, e, len);
    if ((strcmp(dtype, "F8_E4M3") == 0 || strcmp(dtype, "F8_E5M2") == 0) && (len = before(name, ".weight")))
        return join_f8(j, e, len);
    for (size_t i = 0; method != HK_HF_QUANT_NONE && i < sizeof unused / sizeof *unused; i++)
        if (before(name, unused[i])) e->tensor->part = true;
    return true;
}

bool hk_hf_quant_join(struct hk_arena *a, const struct hk_hf_quant *quant, struct hk_hf_entry *entries,
                      size_t n, struct hk_error *err)
{
    const struct join j = {a, quant, entries, n, err};
    if (n) qsort(entries, n, sizeof *entries, compare_entries);
    for (size_t i = 0; i < n; i++) {
        if (!join_one(&j, &entries[i])) return false;
    }
    return true;
}

/* Packing weights for the device: every byte of every field is where weight_layout.h says, everything else is
 * zero, and sizes that the kernels cannot address are refused. */
#include "runtime/weight_layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A byte of the file that depends on all of its coordinates and is never 0, so that padding is told from
 * data. */
static uint8_t file_byte(uint64_t row, uint64_t at)
{
    return (uint8_t)(1 + (row * 131 + at * 7 + (at >> 8) * 3) % 255);
}

/* The byte of the packed matrix that the formulas in weight_layout.h name, read without the packer's help. */
static uint8_t expected(const struct hk_weight_layout *l, const struct hk_block_field *field,
                        uint64_t plane_at)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(l->type);
    uint64_t row_bytes = (uint64_t)l->cols / info->block_len * info->block_bytes;
    uint64_t tile, block, lane, byte; /* byte: within the field */
    if (field->unit < 4) {
        uint64_t sharing = 4 / field->unit, words = (l->n_blocks + sharing - 1) / sharing,
                 word = plane_at / 4;
        lane = word % 32;
        block = word / 32 % words * sharing + plane_at % 4 / field->unit;
        tile = word / 32 / words;
        byte = plane_at % field->unit;
    } else {
        uint64_t unit = plane_at / field->unit, units = field->bytes / field->unit;
        lane = unit % 32;
        block = unit / 32 / units % l->n_blocks;
        tile = unit / 32 / units / l->n_blocks;
        byte = unit / 32 % units * field->unit + plane_at % field->unit;
    }
    uint64_t row = tile * 32 + lane, at = block * info->pack_bytes + field->offset + byte;
    return row < l->rows && block < l->n_blocks && at < row_bytes ? file_byte(row, at) : 0;
}

static void check_shape(enum hk_weight_type type, uint32_t rows, uint32_t cols)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(type);
    struct hk_weight_layout l;
    struct hk_error err;
    assert_true(hk_weight_layout(type, rows, cols, &l, &err));
    assert_int_equal(l.n_tiles, (rows + 31) / 32);
    assert_int_equal(l.n_blocks, (cols + info->pack_len - 1) / info->pack_len);

    uint64_t row_bytes = (uint64_t)cols / info->block_len * info->block_bytes, stride = row_bytes + 3;
    uint8_t *src = malloc((size_t)(stride * rows));
    assert_non_null(src);
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t i = 0; i < stride; i++) src[r * stride + i] = i < row_bytes ? file_byte(r, i) : 0xEE;

    uint64_t fields_bytes = 0, end = 0;
    for (uint32_t p = 0; p < l.n_planes - (info->grid != NULL); p++) {
        fields_bytes += info->fields[p].bytes;
        assert_int_equal(l.plane_offset[p] % 256, 0);
        assert_true(l.plane_offset[p] >= end);
        assert_int_equal(l.plane_bytes[p], l.plane_tile_bytes[p] * l.n_tiles);
        end = l.plane_offset[p] + l.plane_bytes[p];
        assert_true(end <= l.bytes);
        for (uint32_t t = 0; t < l.n_tiles; t++) {
            uint64_t tile_bytes = l.plane_tile_bytes[p];
            uint8_t *dst = malloc((size_t)tile_bytes); /* its own allocation: a sanitizer sees an overrun */
            assert_non_null(dst);
            memset(dst, 0xAA, (size_t)tile_bytes);
            uint32_t n = rows - t * 32 < 32 ? rows - t * 32 : 32;
            hk_weight_pack_tile(&l, p, src + (uint64_t)t * 32 * stride, stride, n, dst);
            for (uint64_t i = 0; i < tile_bytes; i++) {
                uint8_t want = expected(&l, &info->fields[p], t * tile_bytes + i);
                if (dst[i] != want)
                    fail_msg("%s %u x %u plane %u tile %u byte %llu: %u, expected %u", info->name, rows, cols,
                             p, t, (unsigned long long)i, dst[i], want);
            }
            free(dst);
        }
    }
    /* The planes together hold a whole block: nothing of the file is lost. */
    assert_int_equal(fields_bytes, info->pack_bytes);
    free(src);
}

static void packed_where_the_formula_says(void **state)
{
    (void)state;
    static const uint32_t ROWS[] = {1, 31, 32, 33, 70};
    for (int t = 0; t < HK_WEIGHT_TYPE_COUNT; t++) {
        if (!hk_weight_on_device(hk_weight_type_info((enum hk_weight_type)t))) continue;
        uint32_t len = hk_weight_type_info((enum hk_weight_type)t)->block_len;
        for (size_t r = 0; r < sizeof ROWS / sizeof ROWS[0]; r++) {
            check_shape((enum hk_weight_type)t, ROWS[r], len);
            check_shape((enum hk_weight_type)t, ROWS[r], 3 * len);
            check_shape((enum hk_weight_type)t, ROWS[r], 4 * len);
            check_shape((enum hk_weight_type)t, ROWS[r], 6 * len);
            if (len == 1) check_shape((enum hk_weight_type)t, ROWS[r], 173);
        }
    }
}

/* Device memory is the file's size for shapes without padding: bits per weight are those of the format. */
static void no_wider_than_the_file(void **state)
{
    (void)state;
    static const double BITS[HK_WEIGHT_TYPE_COUNT] = {
        [HK_F32] = 32,         [HK_F16] = 16,        [HK_BF16] = 16,      [HK_Q8_0] = 8.5,
        [HK_Q4_0] = 4.5,       [HK_Q4_1] = 5,        [HK_Q5_0] = 5.5,     [HK_Q5_1] = 6,
        [HK_Q2_K] = 2.625,     [HK_Q3_K] = 3.4375,   [HK_Q4_K] = 4.5,     [HK_Q5_K] = 5.5,
        [HK_Q6_K] = 6.5625,    [HK_IQ4_NL] = 4.5,    [HK_IQ4_XS] = 4.25,  [HK_MXFP4] = 4.25,
        [HK_NVFP4] = 4.5,      [HK_F8_E4M3] = 8.5,   [HK_TQ1_0] = 1.6875, [HK_TQ2_0] = 2.0625,
        [HK_IQ2_XXS] = 2.0625, [HK_IQ2_XS] = 2.3125, [HK_IQ2_S] = 2.5625, [HK_IQ3_XXS] = 3.0625,
        [HK_IQ3_S] = 3.4375,   [HK_IQ1_S] = 1.5625,  [HK_IQ1_M] = 1.75};
    for (int t = 0; t < HK_WEIGHT_TYPE_COUNT; t++) {
        const struct hk_weight_type_info *info = hk_weight_type_info((enum hk_weight_type)t);
        if (!hk_weight_on_device(info)) continue;
        struct hk_weight_layout l;
        assert_true(hk_weight_layout((enum hk_weight_type)t, 4096, 4096, &l, NULL));
        assert_true((double)(l.bytes - 2 * info->grid_len) * 8 == BITS[t] * 4096 * 4096);
    }
}

/* A codebook is the last plane, in the order of its entries. */
static void codebooks(void **state)
{
    (void)state;
    for (int t = 0; t < HK_WEIGHT_TYPE_COUNT; t++) {
        const struct hk_weight_type_info *info = hk_weight_type_info((enum hk_weight_type)t);
        if (!info->grid) continue;
        struct hk_weight_layout l;
        assert_true(hk_weight_layout((enum hk_weight_type)t, 33, 512, &l, NULL));
        uint32_t p = l.n_planes - 1;
        assert_int_equal(l.plane_tile_bytes[p], 0);
        assert_int_equal(l.plane_bytes[p], 2 * info->grid_len);
        assert_true(l.plane_offset[p] >= l.plane_offset[p - 1] + l.plane_bytes[p - 1]);
        assert_true(l.plane_offset[p] % 256 == 0 && l.bytes >= l.plane_offset[p] + l.plane_bytes[p]);
        uint8_t *dst = malloc((size_t)l.plane_bytes[p]);
        assert_non_null(dst);
        hk_weight_pack_grid(&l, dst);
        for (uint32_t i = 0; i < info->grid_len; i++)
            assert_int_equal(dst[2 * i] | dst[2 * i + 1] << 8, info->grid[i]);
        free(dst);
    }
}

static void refuses(enum hk_weight_type type, uint64_t rows, uint64_t cols)
{
    struct hk_weight_layout l;
    struct hk_error err = {0};
    assert_false(hk_weight_layout(type, rows, cols, &l, &err));
    assert_int_not_equal(err.code, HK_OK);
    assert_non_null(strstr(err.text, "weight layout: "));
}

static void limits(void **state)
{
    (void)state;
    struct hk_weight_layout l;
    refuses(HK_F64, 4, 4);
    refuses(HK_F32, 0, 4);
    refuses(HK_F32, 4, 0);
    refuses(HK_Q8_0, 4, 33);
    refuses(HK_Q4_K, 4, 128);
    refuses(HK_F32, UINT64_MAX, 4);
    refuses(HK_F32, 4, UINT64_MAX);
    refuses(HK_F32, UINT64_MAX / 2, UINT64_MAX / 2);
    refuses(HK_F32, 65535ull * 32 + 1, 4); /* more tiles than a dispatch has groups */
    refuses(HK_F32, 1, 1ull << 25);        /* a tile of 4 GiB */
    refuses(HK_F32, 1 << 20, 1 << 13);     /* a plane of 32 GiB */
    assert_true(hk_weight_layout(HK_F32, 65535ull * 32, 4, &l, NULL));
    assert_true(hk_weight_layout(HK_Q4_0, 262144, 16384, &l, NULL)); /* larger than any known matrix */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_where_the_formula_says),
        cmocka_unit_test(no_wider_than_the_file),
        cmocka_unit_test(codebooks),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

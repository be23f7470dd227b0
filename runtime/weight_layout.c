/* The device layout of weights: sizes, and packing from the file's blocks. */
#include "weight_layout.h"

#include <string.h>

enum { LANES = HK_TILE_ROWS, WORD = 16, PLANE_ALIGN = 256 };

/* Rows go over the first dispatch dimension, 32 by 32, and every device allows 65,535 groups there. */
static const uint64_t MAX_TILES = 65535;

bool hk_weight_layout(enum hk_weight_type type, uint64_t rows, uint64_t cols, struct hk_weight_layout *out,
                      struct hk_error *err)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(type);
    memset(out, 0, sizeof *out);
    if (rows == 0 || cols == 0)
        return hk_fail(err, HK_ERR_INPUT,
                       "weight layout: %llu x %llu: at least one row and one column expected",
                       (unsigned long long)rows, (unsigned long long)cols);
    if (cols % info->block_len != 0)
        return hk_fail(err, HK_ERR_INPUT, "weight layout: %llu columns: a multiple of %u expected for %s",
                       (unsigned long long)cols, info->block_len, info->name);
    if (rows > MAX_TILES * LANES || cols > UINT32_MAX - info->pack_len)
        return hk_fail(err, HK_ERR_UNSUPPORTED,
                       "weight layout: %llu x %llu: at most %llu rows and %u columns supported",
                       (unsigned long long)rows, (unsigned long long)cols,
                       (unsigned long long)(MAX_TILES * LANES), UINT32_MAX - info->pack_len);
    out->type = type;
    out->rows = (uint32_t)rows;
    out->cols = (uint32_t)cols;
    out->n_tiles = (uint32_t)hk_div_up(rows, LANES);
    out->n_blocks = (uint32_t)hk_div_up(cols, info->pack_len);

    uint64_t end = 0;
    for (uint32_t p = 0; p < HK_MAX_PLANES && info->fields[p].bytes != 0; p++) {
        uint32_t bytes = info->fields[p].bytes;
        /* No product here overflows 64 bits: blocks < 2^32, bytes <= 256, tiles < 2^16. */
        uint64_t tile =
            bytes == 2 ? hk_div_up(out->n_blocks, 2) * 4 * LANES : (uint64_t)out->n_blocks * bytes * LANES;
        uint64_t plane = tile * out->n_tiles;
        if (tile > UINT32_MAX || plane / 4 > UINT32_MAX)
            return hk_fail(
                err, HK_ERR_UNSUPPORTED,
                "weight layout: %llu x %llu of %s: at most 4 GiB in 32 rows and 16 GiB in all supported",
                (unsigned long long)rows, (unsigned long long)cols, info->name);
        out->plane_offset[p] = end;
        out->plane_bytes[p] = plane;
        out->plane_tile_bytes[p] = tile;
        out->n_planes = p + 1;
        end += hk_align_up(plane, PLANE_ALIGN);
    }
    out->bytes = end;
    return true;
}

/* Every lane's 16-byte word of a field, block after block. */
static void pack_words(const struct hk_weight_layout *l, const struct hk_weight_type_info *info,
                       struct hk_block_field field, const uint8_t *src, uint64_t row_stride, uint32_t n_rows,
                       uint8_t *dst)
{
    /* F32, F16 and BF16 need not fill their last word: the file's row ends before it. */
    uint64_t row_bytes = (uint64_t)(l->cols / info->block_len) * info->block_bytes;
    for (uint32_t b = 0; b < l->n_blocks; b++) {
        for (uint32_t w = 0; w < field.bytes / WORD; w++) {
            uint64_t at = (uint64_t)b * info->pack_bytes + field.offset + w * WORD;
            uint64_t n = row_bytes - at < WORD ? row_bytes - at : WORD;
            for (uint32_t lane = 0; lane < LANES; lane++, dst += WORD) {
                if (lane >= n_rows) {
                    memset(dst, 0, WORD);
                    continue;
                }
                const uint8_t *from = src + lane * row_stride + at;
                if (n == WORD) {
                    memcpy(dst, from, WORD); /* a constant size: one load and one store */
                } else {
                    uint8_t word[WORD] = {0};
                    memcpy(word, from, (size_t)n);
                    memcpy(dst, word, WORD);
                }
            }
        }
    }
}

/* Every lane's scales of blocks 2j and 2j + 1 in one 32-bit word. */
static void pack_pairs(const struct hk_weight_layout *l, const struct hk_weight_type_info *info,
                       struct hk_block_field field, const uint8_t *src, uint64_t row_stride, uint32_t n_rows,
                       uint8_t *dst)
{
    for (uint32_t b = 0; b < l->n_blocks; b += 2) {
        for (uint32_t lane = 0; lane < LANES; lane++, dst += 4) {
            uint8_t word[4] = {0};
            if (lane < n_rows) {
                const uint8_t *from = src + lane * row_stride + (uint64_t)b * info->pack_bytes + field.offset;
                memcpy(word, from, 2);
                if (b + 1 < l->n_blocks) memcpy(word + 2, from + info->pack_bytes, 2);
            }
            memcpy(dst, word, 4);
        }
    }
}

void hk_weight_pack_tile(const struct hk_weight_layout *l, uint32_t plane, const void *src,
                         uint64_t row_stride, uint32_t n_rows, void *dst)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(l->type);
    struct hk_block_field field = info->fields[plane];
    if (field.bytes == 2)
        pack_pairs(l, info, field, src, row_stride, n_rows, dst);
    else
        pack_words(l, info, field, src, row_stride, n_rows, dst);
}

/* The device layout of weights: sizes, and packing from the file's blocks. */
#include "runtime/weight_layout.h"

#include <string.h>

enum { LANES = HK_TILE_ROWS, PLANE_ALIGN = 256 };

/* Rows go over the first dispatch dimension, 32 by 32, and every device allows 65,535 groups there. */
static const uint64_t max_tiles = 65535;

/* How many blocks share a 32-bit word of a field's plane. */
static uint32_t blocks_in_word(const struct hk_block_field *f)
{
    return f->unit < 4 ? 4 / f->unit : 1;
}

bool hk_weight_layout(enum hk_weight_type type, uint64_t rows, uint64_t cols, struct hk_weight_layout *out,
                      struct hk_error *err)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(type);
    memset(out, 0, sizeof *out);
    if (rows == 0 || cols == 0)
        return hk_fail(err, HK_ERR_INPUT,
                       "weight layout: %llu x %llu: at least one row and one column expected",
                       (unsigned long long)rows, (unsigned long long)cols);
    if (!hk_weight_on_device(info))
        return hk_fail(err, HK_ERR_UNSUPPORTED, "weight layout: %s: the device has f32 for it", info->name);
    if (cols % info->block_len != 0)
        return hk_fail(err, HK_ERR_INPUT, "weight layout: %llu columns: a multiple of %u expected for %s",
                       (unsigned long long)cols, info->block_len, info->name);
    if (rows > max_tiles * LANES || cols > UINT32_MAX - info->pack_len)
        return hk_fail(err, HK_ERR_UNSUPPORTED,
                       "weight layout: %llu x %llu: at most %llu rows and %u columns supported",
                       (unsigned long long)rows, (unsigned long long)cols,
                       (unsigned long long)(max_tiles * LANES), UINT32_MAX - info->pack_len);
    out->type = type;
    out->rows = (uint32_t)rows;
    out->cols = (uint32_t)cols;
    out->n_tiles = (uint32_t)hk_div_up(rows, LANES);
    out->n_blocks = (uint32_t)hk_div_up(cols, info->pack_len);

    uint64_t end = 0;
    for (uint32_t p = 0; p < HK_MAX_PLANES && info->fields[p].bytes != 0; p++) {
        uint32_t bytes = info->fields[p].bytes, sharing = blocks_in_word(&info->fields[p]);
        /* No product here overflows 64 bits: blocks < 2^32, bytes <= 256, tiles < 2^16. */
        uint64_t tile = sharing > 1 ? hk_div_up(out->n_blocks, sharing) * 4 * LANES
                                    : (uint64_t)out->n_blocks * bytes * LANES;
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
    if (info->grid) {
        uint32_t p = out->n_planes++;
        out->plane_offset[p] = end;
        out->plane_bytes[p] = info->grid_len * sizeof *info->grid;
        end += hk_align_up(out->plane_bytes[p], PLANE_ALIGN);
    }
    out->bytes = end;
    return true;
}

/* `n` bytes of each of n_rows lanes, at most a unit; the rest of the units is zeros. */
static void pack_unit(uint32_t unit, const uint8_t *from, uint64_t row_stride, uint32_t n_rows, uint64_t n,
                      uint8_t *dst)
{
    if (n_rows == LANES && n == 16) { /* whole units, of constant sizes: one load and one store */
        for (uint32_t lane = 0; lane < LANES; lane++) memcpy(dst + lane * 16, from + lane * row_stride, 16);
    } else if (n_rows == LANES && n == 4 && unit == 4) {
        for (uint32_t lane = 0; lane < LANES; lane++) memcpy(dst + lane * 4, from + lane * row_stride, 4);
    } else {
        memset(dst, 0, (size_t)unit * LANES);
        for (uint32_t lane = 0; lane < n_rows; lane++)
            memcpy(dst + lane * unit, from + lane * row_stride, (size_t)n);
    }
}

/* Every lane's units of 16 or 4 bytes of a field, block after block. */
static void pack_units(const struct hk_weight_layout *l, const struct hk_weight_type_info *info,
                       struct hk_block_field field, const uint8_t *src, uint64_t row_stride, uint32_t n_rows,
                       uint8_t *dst)
{
    /* F32, F16 and BF16 need not fill their last word: the file's row ends before it. */
    uint64_t row_bytes = (uint64_t)(l->cols / info->block_len) * info->block_bytes;
    for (uint32_t b = 0; b < l->n_blocks; b++) {
        for (uint32_t w = 0; w < field.bytes; w += field.unit, dst += field.unit * LANES) {
            uint64_t at = (uint64_t)b * info->pack_bytes + field.offset + w;
            uint64_t n = row_bytes - at < field.unit ? row_bytes - at : field.unit;
            pack_unit(field.unit, src + at, row_stride, n_rows, n, dst);
        }
    }
}

/* Every lane's values of 2 or 1 bytes of the blocks that share a 32-bit word. */
static void pack_shared(const struct hk_weight_layout *l, const struct hk_weight_type_info *info,
                        struct hk_block_field field, const uint8_t *src, uint64_t row_stride, uint32_t n_rows,
                        uint8_t *dst)
{
    uint32_t sharing = blocks_in_word(&field);
    for (uint32_t b = 0; b < l->n_blocks; b += sharing) {
        uint32_t n = l->n_blocks - b < sharing ? l->n_blocks - b : sharing;
        for (uint32_t lane = 0; lane < LANES; lane++, dst += 4) {
            uint8_t word[4] = {0};
            const uint8_t *from = src + lane * row_stride + (uint64_t)b * info->pack_bytes + field.offset;
            for (uint32_t i = 0; lane < n_rows && i < n; i++, from += info->pack_bytes) {
                /* constant sizes here, too */
                if (field.unit == 2)
                    memcpy(word + i * 2, from, 2);
                else
                    word[i] = *from;
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
    (field.unit < 4 ? pack_shared : pack_units)(l, info, field, src, row_stride, n_rows, dst);
}

void hk_weight_pack_grid(const struct hk_weight_layout *l, void *dst)
{
    const struct hk_weight_type_info *info = hk_weight_type_info(l->type);
    uint8_t *to = dst;
    for (uint32_t i = 0; i < info->grid_len; i++)
        hk_store_u16(to + 2 * i, info->grid[i]); /* as all that is packed */
}

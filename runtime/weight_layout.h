/* How a weight matrix lies in device memory.
 *
 * A file's blocks are taken apart into their fields; each field is a plane of its own, and within a plane the
 * rows are interleaved 32 by 32, so that neighbouring lanes (one row each) read neighbouring words whatever
 * the subgroup size:
 *
 *   tile = row / 32, lane = row % 32, n_tiles = ceil(rows / 32), n_blocks = ceil(cols / pack_len)
 *   field of B bytes in units of 16:  uvec4 plane[n_tiles][n_blocks][B / 16][32 lanes]
 *   field of B bytes in units of 4:   uint  plane[n_tiles][n_blocks][B / 4][32 lanes]
 *   field of 2 bytes:                 uint  plane[n_tiles][ceil(n_blocks / 2)][32 lanes],
 *                                     block 2j in the low, block 2j + 1 in the high 16 bits
 *   field of 1 byte:                  uint  plane[n_tiles][ceil(n_blocks / 4)][32 lanes],
 *                                     four blocks, the first in the lowest byte
 *
 * Rows beyond `rows` and columns beyond `cols` are zero bytes (and decode to a finite number). No type is
 * wider than in its file, but for that padding; shaders/README.md lists the bits. */
#ifndef HEKLA_RUNTIME_WEIGHT_LAYOUT_H
#define HEKLA_RUNTIME_WEIGHT_LAYOUT_H

#include "loader/weights/types.h"

enum { HK_TILE_ROWS = 32 };

struct hk_weight_layout {
    enum hk_weight_type type;
    uint32_t rows, cols;
    uint32_t n_tiles, n_blocks, n_planes;
    uint64_t plane_offset[HK_MAX_PLANES]; /* bytes, each a multiple of 256 */
    uint64_t plane_bytes[HK_MAX_PLANES];
    uint64_t plane_tile_bytes[HK_MAX_PLANES]; /* bytes of one tile in the plane; of a codebook 0 */
    uint64_t bytes;                           /* of the whole matrix */
};

/* False and *err when the device has no such type, or sizes do not fit in what the kernels address (2^32
 * words a plane). */
bool hk_weight_layout(enum hk_weight_type type, uint64_t rows, uint64_t cols, struct hk_weight_layout *out,
                      struct hk_error *err);

/* Packs the rows of one tile of one plane: dst has plane_tile_bytes[plane] bytes and is written front to back
 * once (it may be write-combined device memory). src: the first row of the tile in the file's form,
 * row_stride bytes from row to row; n_rows 1..32 rows are there, the rest become zero. */
void hk_weight_pack_tile(const struct hk_weight_layout *l, uint32_t plane, const void *src,
                         uint64_t row_stride, uint32_t n_rows, void *dst);

/* The plane of a type's codebook, always the last: dst has plane_bytes of it. */
void hk_weight_pack_grid(const struct hk_weight_layout *l, void *dst);

#endif

/* Which variant runs where. shaders/README.md has the measurements behind the numbers. */
#include "runtime/tune.h"

#include <stdio.h>
#include <string.h>

static bool is_cpu(const struct hk_device_caps *caps)
{
    return caps->type == HK_DEVICE_CPU;
}

/* Mesa's version where the driver is lavapipe, else 0. */
static unsigned lavapipe_version(const struct hk_device_caps *caps)
{
    const char *mesa = strstr(caps->driver_version, "Mesa ");
    unsigned major = 0;
    if (strstr(caps->driver, "llvmpipe") && mesa && sscanf(mesa, "Mesa %u", &major) == 1) return major;
    return 0;
}

/* Tokens for which a lane decodes a weight once: as many sums as registers hold. */
static uint32_t fit_tokens(uint32_t n_tokens, uint32_t rows_per_lane)
{
    uint32_t tokens = 1;
    while (tokens * 2 <= n_tokens && tokens * 2 * rows_per_lane <= 16) tokens *= 2;
    return tokens;
}

/* A subgroup of lavapipe or SwiftShader is a vector register: a workgroup of one keeps both threads busy with
 * the most workgroups, and slices would add a barrier, which costs more than anything else there. For several
 * tokens a lane has one row and up to sixteen sums. */
static struct matmul_variant cpu_matmul(uint32_t n_tokens)
{
    uint32_t lanes = n_tokens == 1 ? 8 : 32;
    return (struct matmul_variant){.lanes = lanes,
                                   .tile_lanes = lanes,
                                   .tiles = 1,
                                   .tokens = fit_tokens(n_tokens, HK_TILE_ROWS / lanes)};
}

/* Before lavapipe gathered (22 and 25.0 do not, 26 does), a load is a loop over lanes: x is shared among as many
 * rows as possible. Compiling that code takes seconds for every doubling, a minute for eight tokens of a
 * K-quant, so it is kept small. */
static struct matmul_variant old_lavapipe_matmul(const struct hk_weight_layout *w, uint32_t n_tokens)
{
    bool small_blocks = hk_weight_type_info(w->type)->pack_len <= 32;
    struct matmul_variant v = {.lanes = 8, .tile_lanes = 8, .tiles = 1, .tokens = 1};
    if (n_tokens == 1 && small_blocks && w->n_tiles >= 16) v.tiles = 4;
    if (n_tokens > 1 && small_blocks) v.tokens = 2;
    return v;
}

struct matmul_variant tune_matmul(const struct hk_device_caps *caps, const struct hk_weight_layout *w,
                                  uint32_t n_tokens)
{
    unsigned mesa = lavapipe_version(caps);
    if (mesa && mesa < 26) return old_lavapipe_matmul(w, n_tokens);
    if (is_cpu(caps)) return cpu_matmul(n_tokens);
    if (n_tokens >= 16)
        return (struct matmul_variant){
            .kind = MATMUL_TILES, .lanes = 64, .tiles = 2, .tokens = n_tokens <= 32 ? 32 : 64};
    return (struct matmul_variant){
        .lanes = 128, .tile_lanes = 32, .tiles = 1, .tokens = fit_tokens(n_tokens, 1)};
}

struct coopmat_share tune_coopmat_share(const struct hk_device_caps *caps, const struct matmul_variant *v)
{
    uint32_t rows = v->tiles * HK_TILE_ROWS / caps->coopmat_m, tokens = v->tokens / caps->coopmat_n;
    struct coopmat_share s = {rows, tokens};
    uint32_t subgroups = v->lanes / caps->subgroup_size;
    while (rows * tokens / (s.rows * s.tokens) * 2 <= subgroups && s.rows * s.tokens > 1) {
        if (s.rows >= s.tokens)
            s.rows /= 2;
        else
            s.tokens /= 2;
    }
    return s;
}

static bool coopmat_fits(const struct hk_device_caps *caps, const struct matmul_variant *v)
{
    if (!caps->coopmat || v->lanes % caps->subgroup_size) return false;
    struct coopmat_share s = tune_coopmat_share(caps, v);
    uint32_t values = v->tiles * HK_TILE_ROWS * v->tokens;
    /* high and low halves of 40 columns, a result for every share, too_large */
    return (v->tiles * HK_TILE_ROWS + v->tokens) * 40 * 4 + values / (s.rows * s.tokens) * 4 + 16 <=
           caps->shared_bytes;
}

/* Whether a device can run it. */
static bool fits(const struct hk_device_caps *caps, const struct matmul_variant *v)
{
    if (v->lanes > caps->max_invocations || v->lanes > caps->max_group_size[0]) return false;
    if (v->kind == MATMUL_TILES)
        return (64 + v->tokens) * 32 * 4 <= caps->shared_bytes; /* shared_w and shared_x of matmul.comp */
    if (v->kind == MATMUL_COOPMAT) return coopmat_fits(caps, v);
    return v->lanes * 4 <= caps->shared_bytes; /* partial of matvec.comp */
}

uint32_t tune_matmul_candidates(const struct hk_device_caps *caps, uint32_t n_tokens,
                                struct matmul_variant out[TUNE_MAX_CANDIDATES])
{
    static const struct matmul_variant all[] = {
        {0, 32, 32, 1, 0},
        {0, 64, 32, 1, 0},
        {0, 128, 32, 1, 0},
        {0, 256, 32, 1, 0},
        {0, 512, 32, 1, 0},
        {0, 128, 32, 2, 0},
        {0, 256, 32, 2, 0},
        {0, 128, 16, 1, 0},
        {0, 256, 16, 1, 0},
        {0, 16, 16, 1, 0},
        {0, 8, 8, 1, 0},
        {0, 8, 8, 4, 0},
        {MATMUL_TILES, 64, 0, 2, 32},
        {MATMUL_TILES, 64, 0, 2, 64},
        {MATMUL_COOPMAT, 128, 0, 2, 32},
        {MATMUL_COOPMAT, 128, 0, 2, 64},
        {MATMUL_COOPMAT, 256, 0, 4, 64},
    };
    _Static_assert(sizeof all / sizeof *all <= TUNE_MAX_CANDIDATES, "room for every candidate");
    uint32_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct matmul_variant v = all[i];
        if (v.kind != MATMUL_MATVEC && n_tokens < 16) continue;
        /* Lanes of a subgroup idle on any GPU, and 8/8/4 spills in all their compilers, seconds long. */
        if (v.lanes < HK_TILE_ROWS && !is_cpu(caps)) continue;
        if (v.kind == MATMUL_MATVEC) v.tokens = fit_tokens(n_tokens, v.tiles * HK_TILE_ROWS / v.tile_lanes);
        if (fits(caps, &v)) out[n++] = v;
    }
    return n;
}

double tune_matmul_limit(const struct matmul_variant *v)
{
    /* Matrix units cut sums off instead of rounding them, about 1e-9 over long rows; without its low halves,
     * which a compiler may lose, matmul_coopmat.comp is at 8e-9. */
    return v->kind == MATMUL_COOPMAT ? 4e-9 : 1e-9;
}

uint32_t tune_matmul_spec(const struct hk_device_caps *caps, const struct matmul_variant *v,
                          uint32_t out[GPU_MAX_SPEC])
{
    uint32_t n = 0;
    out[n++] = v->lanes;
    if (v->kind == MATMUL_MATVEC) out[n++] = v->tile_lanes;
    if (v->kind != MATMUL_TILES) out[n++] = v->tiles;
    out[n++] = v->tokens;
    if (v->kind == MATMUL_COOPMAT) {
        struct coopmat_share s = tune_coopmat_share(caps, v);
        out[n++] = caps->coopmat_m;
        out[n++] = caps->coopmat_n;
        out[n++] = caps->coopmat_k;
        out[n++] = s.rows;
        out[n++] = s.tokens;
    }
    return n;
}

uint32_t tune_batch(const struct hk_device_caps *caps)
{
    return is_cpu(caps) ? 64 : 256;
}

uint32_t tune_row_lanes(const struct hk_device_caps *caps, uint32_t cols)
{
    uint32_t most = is_cpu(caps) ? 32 : 256;
    if (most > caps->max_invocations) most = caps->max_invocations;
    uint32_t lanes = 32;
    while (lanes * 2 <= most && lanes < cols) lanes *= 2;
    return lanes;
}

uint32_t tune_attention_lanes(const struct hk_device_caps *caps, uint32_t head_words)
{
    uint32_t lanes = is_cpu(caps) ? 32 : 128;
    while (lanes < head_words) lanes *= 2;
    return lanes;
}

/* Which variant runs where. shaders/README.md has the measurements behind the numbers. */
#include "tune.h"

static bool is_cpu(const struct gpu_caps *caps)
{
    return caps->type == GPU_TYPE_CPU;
}

struct matvec_variant tune_matvec(const struct gpu_caps *caps, const struct hk_weight_layout *w,
                                  uint32_t n_tokens)
{
    (void)w;
    struct matvec_variant v = {.lanes = is_cpu(caps) ? 32 : 128, .tile_lanes = 32, .tiles = 1, .tokens = 1};
    while (v.tokens < 8 && v.tokens * 2 <= n_tokens) v.tokens *= 2;
    return v;
}

uint32_t tune_matvec_candidates(const struct gpu_caps *caps, uint32_t n_tokens,
                                struct matvec_variant out[TUNE_MAX_CANDIDATES])
{
    static const struct matvec_variant all[] = {
        {32, 32, 1, 1},  {64, 32, 1, 1},  {128, 32, 1, 1}, {256, 32, 1, 1}, {512, 32, 1, 1},
        {128, 32, 2, 1}, {256, 32, 2, 1}, {128, 16, 1, 1}, {256, 16, 1, 1}, {8, 8, 1, 1},
    };
    uint32_t n = 0, tokens = 1;
    while (tokens < 8 && tokens * 2 <= n_tokens) tokens *= 2;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].lanes > caps->max_invocations || all[i].lanes > caps->max_group_size[0]) continue;
        /* partial[] of matvec.comp, and registers for every token's sums */
        if (all[i].lanes * 4 > caps->shared_bytes || all[i].tiles * 32 / all[i].tile_lanes * tokens > 16)
            continue;
        out[n] = all[i];
        out[n++].tokens = tokens;
    }
    return n;
}

uint32_t tune_row_lanes(const struct gpu_caps *caps, uint32_t cols)
{
    uint32_t most = is_cpu(caps) ? 32 : 256;
    if (most > caps->max_invocations) most = caps->max_invocations;
    uint32_t lanes = 32;
    while (lanes * 2 <= most && lanes < cols) lanes *= 2;
    return lanes;
}

uint32_t tune_attention_lanes(const struct gpu_caps *caps, uint32_t head_words)
{
    uint32_t lanes = is_cpu(caps) ? 32 : 128;
    while (lanes < head_words) lanes *= 2;
    return lanes;
}

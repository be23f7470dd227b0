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

/* Qwen3 (Yang et al. 2025), the dense ones: Llama with an RMSNorm of each head of q and k before they rotate. */
#include "loader/archs/archs.h"

static const struct hk_arch_tensor tensors[] = {
    {"blk.#.attn_q_norm", "layers.#.self_attn.q_norm", DIM_ONE, DIM_HEAD},
    {"blk.#.attn_k_norm", "layers.#.self_attn.k_norm", DIM_ONE, DIM_HEAD},
    {0},
};

const struct hk_arch hk_arch_qwen3 = {
    .name = "qwen3",
    HK_LIKE_LLAMA,
    .base = &hk_arch_llama,
    .tensors = tensors,
    .gguf_pairing = HK_ROPE_HALVES,
    .model_type = "qwen3",
    .model_class = "Qwen3ForCausalLM",
    .reward_class = "Qwen3ForSequenceClassification",
    .head_dim_default = 128,
    .window = HK_WINDOW_SWITCHED,
};

/* Qwen2 (Yang et al. 2024), and Qwen2.5: Llama with biases of q, k and v. */
#include "loader/archs/archs.h"

static const struct hk_arch_tensor tensors[] = {
    {"blk.#.attn_q", "layers.#.self_attn.q_proj", DIM_HEADS, DIM_EMBD, HK_BIAS | HK_ROTATED, "qkv"},
    {"blk.#.attn_k", "layers.#.self_attn.k_proj", DIM_KV, DIM_EMBD, HK_BIAS | HK_ROTATED, "qkv"},
    {"blk.#.attn_v", "layers.#.self_attn.v_proj", DIM_KV, DIM_EMBD, HK_BIAS, "qkv"},
    {0},
};

const struct hk_arch hk_arch_qwen2 = {
    .name = "qwen2",
    .forward = "llama",
    .base = &hk_arch_llama,
    .tensors = tensors,
    .rope = true,
    .gguf_pairing = HK_ROPE_HALVES,
    .gguf_activation = HK_ACT_SILU,
    .gguf_eps = "attention.layer_norm_rms_epsilon",
    .model_type = "qwen2",
    .model_class = "Qwen2ForCausalLM",
    .reward_class = "Qwen2ForSequenceClassification",
    .config = &hk_llama_config,
    .window = HK_WINDOW_SWITCHED,
};

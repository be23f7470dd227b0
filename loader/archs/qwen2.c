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
    HK_LIKE_LLAMA,
    .base = &hk_arch_llama,
    .tensors = tensors,
    .gguf_pairing = HK_ROPE_HALVES,
    .model_type = "qwen2",
    .model_class = "Qwen2ForCausalLM",
    .reward_class = "Qwen2ForSequenceClassification",
    .window = HK_WINDOW_SWITCHED,
};

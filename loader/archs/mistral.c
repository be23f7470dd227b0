/* Mistral (Jiang et al. 2023): Llama with a sliding window. GGUF calls it llama. */
#include "loader/archs/archs.h"

const struct hk_arch hk_arch_mistral = {
    .name = "llama",
    .forward = "llama",
    .base = &hk_arch_llama,
    .rope = true,
    .gguf_pairing = HK_ROPE_INTERLEAVED,
    .gguf_activation = HK_ACT_SILU,
    .gguf_eps = "attention.layer_norm_rms_epsilon",
    .gguf_vocab_size = true,
    .model_type = "mistral",
    .model_class = "MistralForCausalLM",
    .reward_class = "MistralForSequenceClassification",
    .config = &hk_llama_config,
    .window = HK_WINDOW_KEY,
};

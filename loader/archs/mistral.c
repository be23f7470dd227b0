/* Mistral (Jiang et al. 2023): Llama with a sliding window. GGUF calls it llama. */
#include "loader/archs/archs.h"

const struct hk_arch hk_arch_mistral = {
    .name = "llama",
    HK_LIKE_LLAMA,
    .base = &hk_arch_llama,
    .gguf_pairing = HK_ROPE_INTERLEAVED,
    .gguf_vocab_size = true,
    .model_type = "mistral",
    .model_class = "MistralForCausalLM",
    .reward_class = "MistralForSequenceClassification",
    .window = HK_WINDOW_KEY,
};

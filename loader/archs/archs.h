/* The architectures: one line each. */
#ifndef HEKLA_LOADER_ARCHS_H
#define HEKLA_LOADER_ARCHS_H

#include "loader/archs/arch.h"

#define HK_ARCHS(X)                                                                                          \
    X(llama)                                                                                                 \
    X(gpt2)                                                                                                  \
    X(qwen2)                                                                                                 \
    X(qwen3)                                                                                                 \
    X(mistral)

#define HK_DECLARE_ARCH(name) extern const struct hk_arch hk_arch_##name;
HK_ARCHS(HK_DECLARE_ARCH)
#undef HK_DECLARE_ARCH

/* What descriptions derived from Llama's share with it, as initialisers of struct hk_arch; and config.json's keys. */
#define HK_LIKE_LLAMA                                                                                        \
    .forward = "llama", .rope = true, .gguf_activation = HK_ACT_SILU,                                        \
    .gguf_eps = "attention.layer_norm_rms_epsilon", .config = &hk_llama_config
extern const struct hk_arch_config hk_llama_config;

#endif

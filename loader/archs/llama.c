/* Llama (Touvron et al. 2023), 1 to 3. */
#include "loader/archs/archs.h"

static const struct hk_arch_tensor tensors[] = {
    {"token_embd", "embed_tokens", DIM_VOCAB, DIM_EMBD, HK_LOOKED_UP},
    {"output_norm", "norm", DIM_ONE, DIM_EMBD},
    {"output", "lm_head", DIM_VOCAB, DIM_EMBD, HK_LANGUAGE_HEAD, .tied = "token_embd"},
    {"cls.output", "score", DIM_LABELS, DIM_EMBD, HK_REWARD_HEAD, "output"},
    {"rope_freqs", NULL, DIM_ONE, DIM_ROPE_PAIRS, HK_OPTIONAL | HK_OTHER_USE},
    {"blk.#.attn_norm", "layers.#.input_layernorm", DIM_ONE, DIM_EMBD},
    {"blk.#.attn_q", "layers.#.self_attn.q_proj", DIM_HEADS, DIM_EMBD, HK_BIAS_OPTIONAL | HK_ROTATED, "qkv"},
    {"blk.#.attn_k", "layers.#.self_attn.k_proj", DIM_KV, DIM_EMBD, HK_BIAS_OPTIONAL | HK_ROTATED, "qkv"},
    {"blk.#.attn_v", "layers.#.self_attn.v_proj", DIM_KV, DIM_EMBD, HK_BIAS_OPTIONAL, "qkv"},
    {"blk.#.attn_output", "layers.#.self_attn.o_proj", DIM_EMBD, DIM_HEADS, HK_BIAS_OPTIONAL},
    {"blk.#.ffn_norm", "layers.#.post_attention_layernorm", DIM_ONE, DIM_EMBD},
    {"blk.#.ffn_gate", "layers.#.mlp.gate_proj", DIM_FF, DIM_EMBD, HK_BIAS_OPTIONAL, "gate_up"},
    {"blk.#.ffn_up", "layers.#.mlp.up_proj", DIM_FF, DIM_EMBD, HK_BIAS_OPTIONAL, "gate_up"},
    {"blk.#.ffn_down", "layers.#.mlp.down_proj", DIM_EMBD, DIM_FF, HK_BIAS_OPTIONAL},
    {0},
};

static const char *const ignored[] = {"layers.#.self_attn.rotary_emb.inv_freq", "rotary_emb.inv_freq", NULL};
static const struct hk_arch_switch no_switches[] = {{0}};

const struct hk_arch_config hk_llama_config = {
    .n_ctx = "max_position_embeddings",
    .n_embd = "hidden_size",
    .n_layer = "num_hidden_layers",
    .n_head = "num_attention_heads",
    .n_head_kv = "num_key_value_heads",
    .head_dim = "head_dim",
    .n_ff = "intermediate_size",
    .eps = "rms_norm_eps",
    .eps_default = 1e-6f,
    .activation = "hidden_act",
    .activation_default = "silu",
    .prefix = "model.",
    .switches = no_switches,
    .ignored = ignored,
};

const struct hk_arch hk_arch_llama = {
    .name = "llama",
    HK_LIKE_LLAMA,
    .tensors = tensors,
    .gguf_pairing = HK_ROPE_INTERLEAVED,
    .gguf_vocab_size = true,
    .model_type = "llama",
    .model_class = "LlamaForCausalLM",
    .reward_class = "LlamaForSequenceClassification",
};

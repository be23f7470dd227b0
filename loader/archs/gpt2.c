/* GPT-2 (Radford et al. 2019). */
#include "loader/archs/archs.h"

static const struct hk_arch_tensor tensors[] = {
    {"token_embd", "wte", DIM_VOCAB, DIM_EMBD, HK_LOOKED_UP},
    {"position_embd", "wpe", DIM_CTX_TRAIN, DIM_EMBD, HK_LOOKED_UP | HK_KEEP},
    {"output_norm", "ln_f", DIM_ONE, DIM_EMBD, HK_BIAS},
    {"output", "lm_head", DIM_VOCAB, DIM_EMBD, HK_LANGUAGE_HEAD, .tied = "token_embd"},
    {"cls.output", "score", DIM_LABELS, DIM_EMBD, HK_REWARD_HEAD, "output"},
    {"blk.#.attn_norm", "h.#.ln_1", DIM_ONE, DIM_EMBD, HK_BIAS},
    {"blk.#.attn_qkv", "h.#.attn.c_attn", DIM_QKV, DIM_EMBD, HK_BIAS | HK_TRANSPOSED},
    {"blk.#.attn_output", "h.#.attn.c_proj", DIM_EMBD, DIM_HEADS, HK_BIAS | HK_TRANSPOSED},
    {"blk.#.ffn_norm", "h.#.ln_2", DIM_ONE, DIM_EMBD, HK_BIAS},
    {"blk.#.ffn_up", "h.#.mlp.c_fc", DIM_FF, DIM_EMBD, HK_BIAS | HK_TRANSPOSED},
    {"blk.#.ffn_down", "h.#.mlp.c_proj", DIM_EMBD, DIM_FF, HK_BIAS | HK_TRANSPOSED},
    {0},
};

static const char *const ignored[] = {"h.#.attn.bias", "h.#.attn.masked_bias", NULL}; /* the causal mask */

static const struct hk_arch_switch switches[] = {
    {"scale_attn_by_inverse_layer_idx", false},
    {"add_cross_attention", false},
    {"scale_attn_weights", true},
    {0},
};

static const struct hk_arch_config config = {
    .n_ctx = "n_positions",
    .n_ctx_2 = "n_ctx",
    .n_embd = "n_embd",
    .n_layer = "n_layer",
    .n_head = "n_head",
    .n_ff = "n_inner",
    .ff_multiple = 4,
    .eps = "layer_norm_epsilon",
    .eps_default = 1e-5f,
    .activation = "activation_function",
    .activation_default = "gelu_new",
    .tied_default = true,
    .prefix = "transformer.",
    .switches = switches,
    .ignored = ignored,
};

const struct hk_arch hk_arch_gpt2 = {
    .name = "gpt2",
    .forward = "gpt2",
    .tensors = tensors,
    .gguf_pairing = HK_ROPE_HALVES,
    .gguf_activation = HK_ACT_GELU_TANH,
    .gguf_eps = "attention.layer_norm_epsilon",
    .model_type = "gpt2",
    .model_class = "GPT2LMHeadModel",
    .reward_class = "GPT2ForSequenceClassification",
    .config = &config,
};

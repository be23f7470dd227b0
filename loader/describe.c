/* What open.h tells of a checkpoint and its vocabulary: their fields in the public structures. */
#include "loader/checkpoint.h"

static const char *activation_name(enum hk_activation a)
{
    static const char *const names[] = {[HK_ACT_SILU] = "silu",
                                        [HK_ACT_GELU_TANH] = "gelu (tanh)",
                                        [HK_ACT_GELU_ERF] = "gelu (erf)",
                                        [HK_ACT_RELU] = "relu"};
    return names[a];
}

static const char *scaling_name(enum hk_rope_scaling s)
{
    static const char *const names[] = {[HK_ROPE_SCALING_NONE] = "none",
                                        [HK_ROPE_SCALING_LINEAR] = "linear",
                                        [HK_ROPE_SCALING_LLAMA3] = "llama3"};
    return names[s];
}

static const char *pairing_name(enum hk_rope_pairing p)
{
    return p == HK_ROPE_INTERLEAVED ? "interleaved" : "halves";
}

void hk_checkpoint_describe(const struct hk_checkpoint *c, struct hk_checkpoint_info *out)
{
    const struct hk_hparams *h = &c->hparams;
    *out = (struct hk_checkpoint_info){
        .format = c->format,
        .path = c->path,
        .name = c->name ? c->name : "",
        .arch = h->arch,
        .chat_template = c->chat_template,
        .is_gguf = c->gguf != NULL,
        .has_sizes = c->has_hparams,
        .n_labels = h->n_labels,
        .n_vocab = h->n_vocab,
        .n_ctx_train = h->n_ctx_train,
        .n_embd = h->n_embd,
        .n_layer = h->n_layer,
        .n_head = h->n_head,
        .n_head_kv = h->n_head_kv,
        .head_dim = h->head_dim,
        .n_ff = h->n_ff,
        .activation = activation_name(h->activation),
        .rope_dim = h->rope_dim,
        .rope_theta = h->rope_theta,
        .rope_pairing = pairing_name(h->rope_pairing),
        .rope_scaling = scaling_name(h->rope_scaling),
        .n_tensors = c->n_tensors,
    };
}

bool hk_checkpoint_tensor_info(const struct hk_checkpoint *c, uint32_t i, struct hk_tensor_info *out)
{
    if (i >= c->n_tensors) return false;
    const struct hk_ckpt_tensor *t = &c->tensors[i];
    *out = (struct hk_tensor_info){.name = t->name,
                                   .type = t->type,
                                   .n_dims = t->n_dims,
                                   .n_weights = 1,
                                   .bytes = t->size,
                                   .stored_bytes = hk_ckpt_stored(t)};
    for (int d = 0; d < 4; d++) {
        out->shape[d] = t->shape[d];
        out->n_weights *=
            t->shape[d]; /* the loader has checked that size, no smaller than a fraction, fits */
    }
    return true;
}

const struct hk_vocab *hk_checkpoint_vocab(const struct hk_checkpoint *c)
{
    return &c->vocab;
}

void hk_vocab_describe(const struct hk_vocab *v, struct hk_vocab_info *out)
{
    *out = (struct hk_vocab_info){
        .kind = v->kind_name,
        .pre = v->pre,
        .supported = v->kind != HK_VOCAB_NONE,
        .add_bos = v->add_bos,
        .add_eos = v->add_eos,
        .n_tokens = v->n_tokens,
        .n_merges = v->n_merges,
        .bos = v->bos,
        .eos = v->eos,
        .unk = v->unk,
        .pad = v->pad,
        .stop = v->stop,
        .n_stop = v->n_stop,
        .before = v->before,
        .after = v->after,
        .n_before = v->n_before,
        .n_after = v->n_after,
    };
}

struct hk_span hk_vocab_token_text(const struct hk_vocab *v, uint32_t id)
{
    if (id >= v->n_tokens) return (struct hk_span){NULL, 0};
    return (struct hk_span){v->tokens[id].text, v->tokens[id].len};
}

bool hk_vocab_is_control(const struct hk_vocab *v, uint32_t id)
{
    return id < v->n_tokens &&
           (v->tokens[id].type == HK_TOKEN_CONTROL || v->tokens[id].type == HK_TOKEN_UNKNOWN);
}

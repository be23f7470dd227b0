"""Writes a trained model as a GGUF file (matrices Q8_0, norms F32) or as a Hugging Face folder in F32:

    python export.py gguf --out DIR --to FOLDER     FOLDER/{base,chat,reward}.gguf, what the program carries
    python export.py hf --out DIR --to FOLDER       FOLDER/{base,chat,reward}/, to compare logits with other programs
"""
import argparse
import json
import os

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file

import corpus as text
from model import Config

NAMES = {  # of a block's weights: Hugging Face, GGUF
    "input_layernorm": ("input_layernorm", "attn_norm"), "q_proj": ("self_attn.q_proj", "attn_q"), "k_proj": ("self_attn.k_proj", "attn_k"),
    "v_proj": ("self_attn.v_proj", "attn_v"), "o_proj": ("self_attn.o_proj", "attn_output"),
    "post_attention_layernorm": ("post_attention_layernorm", "ffn_norm"), "gate_proj": ("mlp.gate_proj", "ffn_gate"),
    "up_proj": ("mlp.up_proj", "ffn_up"), "down_proj": ("mlp.down_proj", "ffn_down")}
TITLES = {"base": "Hekla base", "chat": "Hekla help desk", "reward": "Hekla reward model"}


def weights(out, stage):
    """[(Hugging Face name, GGUF name, float32 array)]"""
    state = torch.load(os.path.join(out, stage + ".pt"))
    rows = []
    for name, value in state.items():
        value = value.float().numpy()
        if name.startswith("layers."):
            _, i, part, _ = name.split(".")
            hf, ours = NAMES[part]
            rows.append((f"model.layers.{i}.{hf}.weight", f"blk.{i}.{ours}.weight", value))
        else:
            rows.append({"embed_tokens.weight": ("model.embed_tokens.weight", "token_embd.weight", value),
                         "norm.weight": ("model.norm.weight", "output_norm.weight", value),
                         "score.weight": ("score.weight", "cls.output.weight", value)}[name])
    return rows


def interleaved(w, heads):
    """GGUF's Llama rotates neighbours (2i, 2i + 1) where Hugging Face rotates halves (i, i + d/2): rows of q and k are reordered."""
    rows, cols = w.shape
    return w.reshape(heads, 2, rows // heads // 2, cols).swapaxes(1, 2).reshape(rows, cols)


def write_gguf(out, stage, path):
    cfg = Config()
    with open(os.path.join(out, "tokenizer.json"), encoding="utf-8") as f:
        tok = json.load(f)
    w = gguf.GGUFWriter(path, "llama")
    w.add_name(TITLES[stage])
    w.add_author("the Hekla project")
    w.add_context_length(cfg.max_position_embeddings)
    w.add_embedding_length(cfg.hidden_size)
    w.add_block_count(cfg.num_hidden_layers)
    w.add_feed_forward_length(cfg.intermediate_size)
    w.add_head_count(cfg.num_attention_heads)
    w.add_head_count_kv(cfg.num_key_value_heads)
    w.add_rope_dimension_count(cfg.head_dim)
    w.add_rope_freq_base(cfg.rope_theta)
    w.add_layer_norm_rms_eps(cfg.rms_norm_eps)
    w.add_vocab_size(cfg.vocab_size)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    if stage == "reward":
        w.add_pooling_type(gguf.PoolingType.RANK)
    vocab = sorted(tok["model"]["vocab"], key=tok["model"]["vocab"].get)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(vocab)
    w.add_token_types([gguf.TokenType.CONTROL if t in (text.BOS, text.TURN, text.END) else gguf.TokenType.NORMAL for t in vocab])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tok["model"]["merges"]])
    w.add_bos_token_id(vocab.index(text.BOS))
    w.add_eos_token_id(vocab.index(text.BOS if stage == "base" else text.END))
    w.add_add_bos_token(True)
    if stage != "base":
        w.add_chat_template(text.CHAT_TEMPLATE)
    for _, name, value in weights(out, stage):
        if value.ndim == 1:
            w.add_tensor(name, value)
            continue
        if ".attn_q." in name or ".attn_k." in name:
            value = interleaved(value, cfg.num_attention_heads if ".attn_q." in name else cfg.num_key_value_heads)
        kind = gguf.GGMLQuantizationType.Q8_0
        w.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(value), kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_hf(out, stage, folder):
    cfg = Config()
    os.makedirs(folder, exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, _, value in weights(out, stage)}, os.path.join(folder, "model.safetensors"),
              metadata={"format": "pt"})
    with open(os.path.join(out, "tokenizer.json"), encoding="utf-8") as f:
        tok = f.read()
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as f:
        f.write(tok)
    end = text.BOS if stage == "base" else text.END
    vocab = json.loads(tok)["model"]["vocab"]
    config = dict(cfg.json(), model_type="llama", hidden_act="silu", tie_word_embeddings=True, torch_dtype="float32", bos_token_id=vocab[text.BOS],
                  eos_token_id=vocab[end], pad_token_id=vocab[text.BOS],
                  architectures=["LlamaForSequenceClassification" if stage == "reward" else "LlamaForCausalLM"])
    if stage == "reward":
        config.update(id2label={"0": "reward"}, label2id={"reward": 0})
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": text.BOS, "eos_token": end, "pad_token": text.BOS, "add_bos_token": True,
                 "model_max_length": cfg.max_position_embeddings}
    if stage != "base":
        tokenizer["chat_template"] = text.CHAT_TEMPLATE
    for name, value in (("config.json", config), ("tokenizer_config.json", tokenizer)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            json.dump(value, f, indent=1)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("form", choices=["gguf", "hf"])
    p.add_argument("--out", required=True, help="the folder that train.py wrote")
    p.add_argument("--to", required=True)
    p.add_argument("--stages", nargs="*", default=list(TITLES))
    o = p.parse_args()
    os.makedirs(o.to, exist_ok=True)
    for stage in o.stages:
        if o.form == "gguf":
            path = os.path.join(o.to, stage + ".gguf")
            write_gguf(o.out, stage, path)
            print(f"{path}: {os.path.getsize(path)} bytes")
        else:
            write_hf(o.out, stage, os.path.join(o.to, stage))


if __name__ == "__main__":
    main()

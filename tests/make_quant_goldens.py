#!/usr/bin/env python3
"""Writes tests/golden/hf/quant-*/: small Llamas whose matrices are quantized as GPTQ, AWQ, compressed-tensors and FP8
folders have them, with the logits of the dequantized model (numpy, float64) and, for every matrix, the type in which
Hekla reads it and a hash of its values in that type; tests/golden/f8.f32, the floats of all FP8 codes by torch; and seeds of fuzz_quantized.

The packing of each method follows its own program: AutoGPTQ's and AutoAWQ's are written out here, those of
compressed-tensors are its pack_to_int32, pack_fp4_to_uint8 (ModelOpt's NVFP4 is packed alike) and compress_mx_scale, and
it is its dequantize that says what NVFP4 means.
Made with torch 2.15.0, numpy 2.4.6, safetensors 0.8.0, compressed-tensors 0.20.1.
Run from the repository: python3 tests/make_quant_goldens.py
"""
import json
import os

import numpy as np
import torch
from compressed_tensors.compressors.mx_utils import compress_mx_scale, decompress_mx_scale
from compressed_tensors.compressors.nvfp4.helpers import pack_fp4_to_uint8
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
from compressed_tensors.quantization.lifecycle.forward import dequantize
from compressed_tensors.quantization.quant_scheme import NVFP4A16
from safetensors.torch import save, save_file

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
EMBD, HEADS, KV, DIM, FF, VOCAB, EPS, THETA = 64, 2, 1, 32, 64, 16, 1e-5, 10000.0
NAMES = {"self_attn.q_proj": ("attn_q", HEADS * DIM, EMBD), "self_attn.k_proj": ("attn_k", KV * DIM, EMBD),
         "self_attn.v_proj": ("attn_v", KV * DIM, EMBD), "self_attn.o_proj": ("attn_output", EMBD, HEADS * DIM),
         "mlp.gate_proj": ("ffn_gate", FF, EMBD), "mlp.up_proj": ("ffn_up", FF, EMBD),
         "mlp.down_proj": ("ffn_down", EMBD, FF)}
LAYER = "model.layers.0."


# ---- the model, in float64 ----

def norm(x, w):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * w


def rope(x):  # (positions, heads, DIM); rotates (i, i + DIM / 2)
    angle = np.arange(x.shape[0])[:, None] * THETA ** (-np.arange(0, DIM, 2) / DIM)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = x[..., :DIM // 2], x[..., DIM // 2:]
    return np.concatenate([a * c - b * s, b * c + a * s], -1)


def forward(w, plain, ids):
    x = plain["model.embed_tokens.weight"][ids]
    h = norm(x, plain[LAYER + "input_layernorm.weight"])
    n = len(ids)
    q = rope((h @ w["self_attn.q_proj"].T).reshape(n, HEADS, DIM))
    k = rope((h @ w["self_attn.k_proj"].T).reshape(n, KV, DIM)).repeat(HEADS // KV, 1)
    v = (h @ w["self_attn.v_proj"].T).reshape(n, KV, DIM).repeat(HEADS // KV, 1)
    score = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(DIM)
    score[:, np.triu(np.ones((n, n), bool), 1)] = -np.inf
    p = np.exp(score - score.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    x = x + np.einsum("hij,jhd->ihd", p, v).reshape(n, -1) @ w["self_attn.o_proj"].T
    h = norm(x, plain[LAYER + "post_attention_layernorm.weight"])
    g = h @ w["mlp.gate_proj"].T
    x = x + (g / (1 + np.exp(-g)) * (h @ w["mlp.up_proj"].T)) @ w["mlp.down_proj"].T
    return norm(x, plain["model.norm.weight"]) @ plain["lm_head.weight"].T


# ---- packing. Scales give weights a spread of about 0.1, so that a layer keeps the size of what goes through it. ----

def words(codes, order=range(8)):
    """(n, m) codes of 4 bits -> (n, m / 8) int32; place k of a word holds code order[k]. 8 bits: 4 to a word."""
    bits = 4 if len(order) == 8 else 8
    out = np.zeros((codes.shape[0], codes.shape[1] // len(order)), np.uint32)
    for k, i in enumerate(order):
        out |= codes[:, i::len(order)].astype(np.uint32) << np.uint32(bits * k)
    return torch.from_numpy(out.view(np.int32).copy())


def gptq(r, rows, cols, bits, group, sym, act, v2, groups=None):
    if groups is None:
        groups = np.arange(cols) // group
        groups = r.permutation(groups) if act else groups
    n, top = cols // group, 2 ** bits
    q = r.integers(0, top, (rows, cols))
    z = np.full((rows, n), top // 2) if sym else r.integers(1, top, (rows, n))
    s = (r.uniform(0.5, 1.5, (rows, n)) / (3 * top)).astype(np.float16)
    per = range(32 // bits)
    parts = {"qweight": words(q, per).T.contiguous(), "scales": torch.from_numpy(s.T.copy()),
             "qzeros": words(z.T - (0 if v2 else 1), per), "g_idx": torch.from_numpy(groups.astype(np.int32))}
    w = s.astype(np.float32)[:, groups] * (q - z[:, groups]).astype(np.float32)
    if not act or sym:
        return parts, w
    order = np.argsort(groups, kind="stable")  # as Q4_1 has it, columns sorted by group
    q, d = q[:, order].astype(np.float32), s.astype(np.float32).repeat(group, 1)
    return parts, w, d * q + (-d * z.repeat(group, 1)).astype(np.float16).astype(np.float32)


def awq(r, rows, cols, group):
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    q, z = r.integers(0, 16, (rows, cols)), r.integers(0, 16, (rows, cols // group))
    s = (r.uniform(0.5, 1.5, (rows, cols // group)) / 48).astype(np.float16)
    parts = {"qweight": words(q.T, order), "qzeros": words(z.T, order), "scales": torch.from_numpy(s.T.copy())}
    d = s.astype(np.float32)
    m = (-d * z).astype(np.float16).astype(np.float32)  # as Q4_1 has it
    return (parts, d.repeat(group, 1) * (q - z.repeat(group, 1)).astype(np.float32),
            d.repeat(group, 1) * q.astype(np.float32) + m.repeat(group, 1))


def bf16(a):
    return torch.from_numpy(a.astype(np.float32)).bfloat16()


def packed(r, rows, cols, group, sym, pack):
    q = r.integers(-8, 8, (rows, cols)).astype(np.int8)
    z = np.zeros((rows, cols // group), np.int8) if sym else r.integers(-8, 8, (rows, cols // group)).astype(np.int8)
    s = bf16(r.uniform(0.5, 1.5, z.shape) / 48)
    parts = {"weight_packed": pack(torch.from_numpy(q), 4), "weight_scale": s,
             "weight_shape": torch.tensor([rows, cols])}
    if not sym:
        parts["weight_zero_point"] = pack(torch.from_numpy(z), 4, packed_dim=0)
    return parts, s.float().numpy().repeat(group, 1) * (q.astype(np.float32) - z.repeat(group, 1))


def int8(r, rows, cols, sym):
    q, z = r.integers(-128, 128, (rows, cols)).astype(np.int8), r.integers(-100, 100, (rows, 1)).astype(np.int8)
    s = bf16(r.uniform(0.5, 1.5, (rows, 1)) / 768)
    parts = {"weight": torch.from_numpy(q), "weight_scale": s}
    if not sym:
        parts["weight_zero_point"] = torch.from_numpy(z)
    return parts, s.float().numpy() * (q.astype(np.float32) - (0 if sym else z))


def f8(r, rows, cols, dtype, scale, block=None):
    w = torch.from_numpy(r.normal(0, 0.1, (rows, cols)).astype(np.float32))
    if block:
        s = torch.from_numpy(r.uniform(0.5, 1.5, (-(-rows // block[0]), -(-cols // block[1]))).astype(np.float32) / 448)
        wide = s.repeat_interleave(block[0], 0)[:rows].repeat_interleave(block[1], 1)[:, :cols]
        name = "weight_scale_inv"
    else:
        s = wide = torch.tensor(scale)
        name = "weight_scale"
    q = (w / wide).to(dtype)
    half = wide.half().float()  # as F8_E4M3 has it
    return {"weight": q, name: s}, (q.float() * wide).numpy(), (q.float() * half).numpy()


def nvfp4(r, rows, cols, modelopt):
    """The weights are those without the factor: Hekla has it in a tensor of its own."""
    levels = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6])
    q = levels[torch.from_numpy(r.integers(0, 8, (rows, cols)))] * torch.from_numpy(r.choice([-1.0, 1.0], (rows, cols))).float()
    s = torch.from_numpy(r.uniform(0, 448, (rows, cols // 16))).float().to(torch.float8_e4m3fn)
    s.view(torch.uint8)[0, 0] = 0x03  # a subnormal one
    divides = torch.tensor([448 * 6 / 0.2])
    args = NVFP4A16["weights"]
    wide = dequantize(q, s.float(), args=args, dtype=torch.float32)
    theirs = dequantize(q, s.float(), args=args, global_scale=divides, dtype=torch.float32)
    assert torch.allclose(theirs, wide / divides, rtol=1e-6, atol=0)
    if modelopt:
        parts = {"weight": pack_fp4_to_uint8(q), "weight_scale": s, "weight_scale_2": (1 / divides)[0], "input_scale": torch.tensor(0.5)}
    else:
        parts = {"weight_packed": pack_fp4_to_uint8(q), "weight_scale": s, "weight_global_scale": divides, "input_global_scale": divides.clone()}
    factor = float(1 / divides[0]) if modelopt else 1 / float(divides[0])
    return parts, wide.numpy().astype(np.float64) * factor, wide.numpy() + 0.0  # no -0: E2M1 has it, GGUF has not


def mx(r, rows, cols, fp4):
    scale = 2.0 ** torch.from_numpy(r.integers(-9, -4, (rows, cols // 32))).float()
    s = compress_mx_scale(scale if fp4 else scale / 32, torch.uint8)
    wide = decompress_mx_scale(s).float().repeat_interleave(32, 1)
    if fp4:
        levels = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6])
        q = levels[torch.from_numpy(r.integers(0, 8, (rows, cols)))] * torch.from_numpy(r.choice([-1.0, 1.0], (rows, cols))).float()
        return {"weight_packed": pack_fp4_to_uint8(q), "weight_scale": s}, (q * wide).numpy() + 0.0
    q = torch.from_numpy(r.normal(0, 100, (rows, cols))).clamp(-448, 448).to(torch.float8_e4m3fn)
    return {"weight": q, "weight_scale": s}, (q.float() * wide).numpy()


# ---- goldens ----

def rounded(w, kind):
    if kind == "f16":
        return w.astype(np.float32).astype(np.float16).astype(np.float32)
    if kind == "bf16":
        return torch.from_numpy(w).bfloat16().float().numpy()
    return w.astype(np.float32)


def fnv(a):
    h = 0xcbf29ce484222325
    for b in np.ascontiguousarray(a, np.float32).tobytes():
        h = (h ^ b) * 0x100000001b3 % 2 ** 64
    return f"{h:016x}"


def write(name, quant, make):
    """make(r, module, rows, cols) -> (parts, weights as float32, the type Hekla reads them in, and its values where they
    are not the weights rounded to it)"""
    folder = os.path.join(GOLDEN, "hf", "quant-" + name)
    os.makedirs(folder, exist_ok=True)
    r = np.random.default_rng(sum(name.encode()))
    tensors = {"model.embed_tokens.weight": r.normal(0, 1, (VOCAB, EMBD)), "lm_head.weight": r.normal(0, .1, (VOCAB, EMBD)),
               LAYER + "input_layernorm.weight": r.uniform(.5, 1.5, EMBD), "model.norm.weight": r.uniform(.5, 1.5, EMBD),
               LAYER + "post_attention_layernorm.weight": r.uniform(.5, 1.5, EMBD)}
    tensors = {k: torch.from_numpy(v.astype(np.float16)) for k, v in tensors.items()}
    plain = {k: v.double().numpy() for k, v in tensors.items()}
    weights, expected = {}, {}
    for module, (gguf, rows, cols) in NAMES.items():
        parts, w, kind, *held = make(r, module, rows, cols)
        tensors.update({f"{LAYER}{module}.{k}": v for k, v in parts.items()})
        weights[module] = w.astype(np.float64)
        expected[f"blk.0.{gguf}.weight"] = {"type": kind, "fnv": fnv(held[0] if held else rounded(w, kind))}
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": VOCAB, "hidden_size": EMBD,
              "num_hidden_layers": 1, "num_attention_heads": HEADS, "num_key_value_heads": KV,
              "intermediate_size": FF, "max_position_embeddings": 128, "rms_norm_eps": EPS, "rope_theta": THETA,
              "tie_word_embeddings": False, "quantization_config": quant}
    save_file(tensors, os.path.join(folder, "model.safetensors"))
    prompts = [r.integers(0, VOCAB, n).tolist() for n in (40, 24)]
    logits = np.concatenate([forward(weights, plain, p) for p in prompts]).astype(np.float32)
    logits.tofile(os.path.join(folder, "logits.f32"))
    for file, value in (("config.json", config), ("prompts.json", {"prompts": prompts}), ("weights.json", expected)):
        with open(os.path.join(folder, file), "w") as f:
            json.dump(value, f, indent=1)
            f.write("\n")


def make_seeds(pack):
    """Of fuzz_quantized: a byte that chooses the method, then a safetensors file of one small matrix."""
    folder = os.path.join(os.path.dirname(GOLDEN), "fuzz", "seeds", "fuzz_quantized")
    os.makedirs(folder, exist_ok=True)
    r = np.random.default_rng(1)
    for name, method, (parts, _) in (
            ("gptq", 1, gptq(r, 8, 16, 4, 8, True, False, False)), ("gptq8", 2, gptq(r, 8, 16, 8, 16, True, True, True)),
            ("awq", 3, awq(r, 8, 32, 32)[:2]), ("packed", 5, packed(r, 8, 32, 16, False, pack)), ("int8", 5, int8(r, 4, 8, False)),
            ("f8", 4, f8(r, 4, 8, torch.float8_e4m3fn, None, (3, 5))[:2]), ("e5m2", 0, f8(r, 4, 8, torch.float8_e5m2, 0.5)[:2]),
            ("nvfp4", 6, nvfp4(r, 2, 64, True)[:2]), ("ct-nvfp4", 5, nvfp4(r, 4, 48, False)[:2]),
            ("ct-mxfp4", 5, mx(r, 4, 32, True)), ("ct-mxfp8", 5, mx(r, 4, 32, False))):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(bytes([method]) + save({f"{LAYER}self_attn.q_proj.{k}": v for k, v in parts.items()}))


def main():
    pack = pack_to_int32
    make_seeds(pack)
    ct = {"quant_method": "compressed-tensors", "quantization_status": "compressed"}
    write("gptq", {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": False, "sym": True},
          lambda r, m, n, c: (*gptq(r, n, c, 4, 32, True, False, False), "q4_0"))
    one_order = np.random.default_rng(7).permutation(np.arange(EMBD) // 32)  # quantizers see one input, and give it one order
    write("gptq-act", {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": True, "sym": False,
                       "checkpoint_format": "gptq"},
          lambda r, m, n, c: (lambda parts, w, held: (parts, w, "q4_1", held))(
              *gptq(r, n, c, 4, 32, False, True, False, one_order if m[-6:] in ("q_proj", "k_proj", "v_proj") else None)))
    write("gptq8-v2", {"quant_method": "gptq", "bits": 8, "group_size": -1, "desc_act": False,
                       "checkpoint_format": "gptq_v2"},
          lambda r, m, n, c: (*gptq(r, n, c, 8, c, True, False, True), "q8_0"))
    write("awq", {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": "gemm"},
          lambda r, m, n, c: (lambda parts, w, held: (parts, w, "q4_1", held))(*awq(r, n, c, 32)))
    write("ct-int4", ct | {"format": "pack-quantized"},
          lambda r, m, n, c: (*packed(r, n, c, 32, True, pack), "q4_0"))
    write("ct-int4-zeros", ct | {"format": "pack-quantized"},
          lambda r, m, n, c: (*packed(r, n, c, 16, False, pack), "f16"))
    write("ct-int8", ct | {"format": "int-quantized"},
          lambda r, m, n, c: (*int8(r, n, c, "mlp" in m), "q8_0" if "mlp" in m else "f16"))
    for name, modelopt, quant in (("nvfp4", True, {"quant_method": "modelopt", "quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}),
                                  ("ct-nvfp4", False, ct | {"format": "nvfp4-pack-quantized"})):
        write(name, quant, lambda r, m, n, c: (lambda parts, w, held: (parts, w, "nvfp4", held))(*nvfp4(r, n, c, modelopt)))
    write("ct-mxfp4", ct | {"format": "mxfp4-pack-quantized"}, lambda r, m, n, c: (*mx(r, n, c, True), "mxfp4"))
    write("ct-mxfp8", ct | {"format": "mxfp8-quantized"}, lambda r, m, n, c: (*mx(r, n, c, False), "f8_e4m3"))
    e4m3, e5m2 = torch.float8_e4m3fn, torch.float8_e5m2
    f8_blocks = lambda parts, w, held: (parts, w, "f8_e4m3", held)
    write("f8-block", {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [48, 32]},
          lambda r, m, n, c: f8_blocks(*f8(r, n, c, e4m3, None, (48, 32))))
    write("f8", {"quant_method": "fp8"},
          lambda r, m, n, c: (*f8(r, n, c, e5m2, 2.0 ** -12, None)[:2], "bf16") if "q_proj" in m else
          (*f8(r, n, c, e5m2, 0.0003, None)[:2], "f16") if "k_proj" in m else
          f8_blocks(*f8(r, n, c, e4m3, r.uniform(0.001, 0.002, (n, 1)).astype(np.float32))) if "mlp" in m else
          f8_blocks(*f8(r, n, c, e4m3, 2.0 ** -10, None)))
    codes = torch.arange(256, dtype=torch.uint8)
    np.concatenate([codes.view(t).float().numpy() for t in (e4m3, e5m2)]).tofile(os.path.join(GOLDEN, "f8.f32"))


main()

#!/usr/bin/env python3
"""Reads what `hekla convert` wrote with gguf-py, which others wrote, and compares every tensor and key with the source.

    pip install gguf numpy       (passed with gguf 0.19.0 and numpy 2.4.6)
    python tests/check_convert.py build/release/hekla [FOLDER ...]     by hand; without folders: tests/golden/hf/*,
but those whose weights are no tensors of their own

For each Hugging Face folder: converted as it is, every tensor is bit for bit the source's (q and k permuted, Conv1D
transposed, vectors widened to float32); converted to each quantized type, gguf-py's dequantize of the tensor is as
close to the source as gguf-py's own quantize, and the bytes equal where gguf-py has a quantizer; the keys are those
that llama.cpp's loader asks for. Then the file again through `hekla convert` as a GGUF: the same bytes.
"""
import filecmp
import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import gguf
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAMES = {  # ours -> pattern in the folder; N is the layer
    "llama": {"token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head", "cls.output": "score",
              "attn_norm": "layers.N.input_layernorm", "attn_q": "layers.N.self_attn.q_proj",
              "attn_k": "layers.N.self_attn.k_proj", "attn_v": "layers.N.self_attn.v_proj",
              "attn_output": "layers.N.self_attn.o_proj", "ffn_norm": "layers.N.post_attention_layernorm",
              "ffn_gate": "layers.N.mlp.gate_proj", "ffn_up": "layers.N.mlp.up_proj", "ffn_down": "layers.N.mlp.down_proj"},
    "gpt2": {"token_embd": "wte", "position_embd": "wpe", "output_norm": "ln_f", "output": "lm_head", "cls.output": "score",
             "attn_norm": "h.N.ln_1", "attn_qkv": "h.N.attn.c_attn", "attn_output": "h.N.attn.c_proj",
             "ffn_norm": "h.N.ln_2", "ffn_up": "h.N.mlp.c_fc", "ffn_down": "h.N.mlp.c_proj"},
}
DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def source_tensors(folder):
    """name -> (float32 array, raw array) of every safetensors file, read without torch."""
    out = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        for name, t in json.loads(data[8:8 + length]).items():
            if name == "__metadata__":
                continue
            begin, end = t["data_offsets"]
            raw = np.frombuffer(data, DTYPES[t["dtype"]], count=(end - begin) // np.dtype(DTYPES[t["dtype"]]).itemsize,
                                offset=8 + length + begin).reshape(t["shape"])
            value = (raw.astype(np.uint32) << 16).view(np.float32) if t["dtype"] == "BF16" else raw.astype(np.float32)
            out[re.sub(r"^(model|transformer)\.", "", name)] = (value, raw, t["dtype"])
    return out


def permute(w, heads):
    """As convert_hf_to_gguf.py."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def expected(arch, config, source, name):
    """The tensor `name` of the GGUF file as float32, with its raw form and dtype."""
    layer = re.match(r"blk\.(\d+)\.(.*)\.(weight|bias)$", name)
    stem, kind = (layer[2], layer[3]) if layer else name.rsplit(".", 1)
    theirs = NAMES[arch][stem].replace("N", layer[1] if layer else "") + "." + kind
    value, raw, dtype = source[theirs]
    if arch == "gpt2" and kind == "weight" and ".c_" in theirs:
        value, raw = value.T, raw.T
    if arch == "llama" and stem in ("attn_q", "attn_k"):
        heads = config["num_attention_heads"] if stem == "attn_q" else config["num_key_value_heads"]
        value, raw = permute(value, heads), permute(raw, heads)
    return value, raw, dtype


def check_as_is(arch, config, source, reader):
    n = 0
    for t in reader.tensors:
        if t.name == "rope_freqs.weight":
            continue
        value, raw, dtype = expected(arch, config, source, t.name)
        if t.tensor_type == gguf.GGMLQuantizationType.F32:
            assert np.array_equal(t.data.reshape(value.shape).view(np.uint32), value.view(np.uint32)
                                  if value.flags.c_contiguous else np.ascontiguousarray(value).view(np.uint32)), t.name
        else:
            assert t.tensor_type.name == dtype, (t.name, t.tensor_type, dtype)
            got = np.ascontiguousarray(t.data).view(np.uint16).reshape(raw.shape)
            assert np.array_equal(got, np.ascontiguousarray(raw).view(np.uint16)), t.name
        n += 1
    return n


def check_quantized(arch, config, source, reader):
    """Returns how many tensors had a type with a quantizer in gguf-py, and the worst ratio of errors elsewhere."""
    equal, worst = 0, 0.0
    for t in reader.tensors:
        if t.name == "rope_freqs.weight":
            continue
        value = np.ascontiguousarray(expected(arch, config, source, t.name)[0])
        got = gguf.quants.dequantize(t.data, t.tensor_type).reshape(value.shape)
        if t.tensor_type in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16):
            want = value if t.tensor_type.name == "F32" else value.astype(np.float16).astype(np.float32)
            assert np.array_equal(got, want), t.name
            continue
        error = float(((got - value) ** 2).mean())
        try:
            theirs = gguf.quants.quantize(value, t.tensor_type)
        except NotImplementedError:
            assert error <= 0.02 * float((value ** 2).mean()), (t.name, error)  # a few bits: some percent
            continue
        if np.array_equal(theirs.reshape(-1), np.ascontiguousarray(t.data).view(np.uint8).reshape(-1)):
            equal += 1
        else:
            their_error = float(((gguf.quants.dequantize(theirs, t.tensor_type) - value) ** 2).mean())
            worst = max(worst, error / their_error)
            assert error <= 1.02 * their_error, (t.name, error, their_error)
    return equal, worst


def check_keys(arch, config, reader):
    def value(key):
        return reader.fields[key].contents()
    assert value("general.architecture") == arch
    n_embd = config.get("hidden_size") or config["n_embd"]
    assert value(f"{arch}.embedding_length") == n_embd
    assert value(f"{arch}.block_count") == (config.get("num_hidden_layers") or config["n_layer"])
    assert value(f"{arch}.attention.head_count") == (config.get("num_attention_heads") or config["n_head"])
    for key in ("context_length", "feed_forward_length", "attention.head_count_kv"):
        assert value(f"{arch}.{key}") > 0
    assert value("tokenizer.ggml.model") in ("none", "gpt2", "llama")
    if value("tokenizer.ggml.model") != "none":
        rows = next(t for t in reader.tensors if t.name == "token_embd.weight").shape[1]
        assert len(value("tokenizer.ggml.tokens")) == rows == len(value("tokenizer.ggml.token_type"))


def main():
    hekla = sys.argv[1]
    folders = [pathlib.Path(p) for p in sys.argv[2:]] or sorted(p for p in (ROOT / "tests/golden/hf").iterdir() if not p.name.startswith("quant-"))
    for package in ("gguf", "numpy"):
        print(package, importlib.metadata.version(package))
    known = subprocess.run([hekla, "convert", "a", "b", "--type", "?"], capture_output=True, text=True).stderr
    types = re.search(r"one of (.*) would", known)[1].split(", ")
    print("types:", *types)
    with tempfile.TemporaryDirectory() as tmp:
        out, again = pathlib.Path(tmp) / "out.gguf", pathlib.Path(tmp) / "again.gguf"
        for folder in folders:
            config = json.loads((folder / "config.json").read_text())
            arch, source = config["model_type"], source_tensors(folder)
            run = subprocess.run([hekla, "convert", "-q", folder, out], capture_output=True, text=True)
            if run.returncode:
                print(f"{folder.name:20} refused: {run.stderr.strip()}")
                continue
            reader = gguf.GGUFReader(out)
            check_keys(arch, config, reader)
            n = check_as_is(arch, config, source, reader)
            subprocess.run([hekla, "convert", "-q", out, again], check=True)
            assert filecmp.cmp(out, again, shallow=False)
            line = f"{folder.name:20} {n} tensors equal;"
            for t in types:
                subprocess.run([hekla, "convert", "-q", folder, out, "--type", t], check=True)
                equal, worst = check_quantized(arch, config, source, gguf.GGUFReader(out))
                line += f" {t} {equal}" + (f" (others {worst:.4f})" if worst else "")
            print(line)
    print("all equal")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes the small valid files in tests/fuzz/seeds/ that the fuzz targets of the checkpoint and tokenizer formats start from.

Made with gguf 0.19.0, numpy 2.4.6, safetensors 0.8.0. Run from the repository: python3 tests/make_fuzz_seeds.py
"""
import base64
import json
import os
import struct

import gguf
import numpy as np
from safetensors.numpy import save

SEEDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fuzz", "seeds")


def path(target, name):
    folder = os.path.join(SEEDS, target)
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, name)


def write(target, name, data):
    with open(path(target, name), "wb") as f:
        f.write(data)


def make_gguf(name, model, pre):
    w = gguf.GGUFWriter(path("fuzz_gguf", name), "llama")
    w.add_block_count(1)
    w.add_context_length(64)
    w.add_embedding_length(8)
    w.add_feed_forward_length(12)
    w.add_head_count(2)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    w.add_rope_scaling_factor(2.0)
    w.add_tokenizer_model(model)
    w.add_tokenizer_pre(pre)
    w.add_token_list([b"<unk>", b"<s>", b"</s>", b"a", b"b", b"ab"])
    w.add_token_scores([0.0, 0.0, 0.0, -1.0, -2.0, -3.0])
    w.add_token_types([2, 3, 3, 1, 1, 1])
    w.add_token_merges(["a b"])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_chat_template("{{ messages }}")
    w.add_tensor("token_embd.weight", np.zeros((6, 8), dtype=np.float32))
    w.add_tensor("blk.0.attn_norm.weight", np.zeros(8, dtype=np.float16))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def field(number, value):
    """A protocol buffer's field of fewer than 128 bytes, float or small number."""
    if isinstance(value, float):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


def sentencepiece_model(model_type, pieces, charsmap=b"", **normalizer):
    spec = b"".join(field(n, v) for n, v in ((3, normalizer.get("dummy", 1)), (4, normalizer.get("extra", 1))))
    return (b"".join(field(1, field(1, text) + field(2, score) + field(3, kind)) for text, score, kind in pieces) +
            field(2, field(3, model_type) + field(35, normalizer.get("bytes", 0))) +
            field(3, (field(2, charsmap) if charsmap else b"") + spec))


def make_tokenizer_models():
    words = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), ("\u2581", -2.0, 1), ("\u2581the", -3.0, 1), ("a", -4.0, 1),
             ("b", -4.5, 1), ("ab", -5.0, 1), ("\u65e5", -6.0, 4), ("lamp", -7.0, 5), ("la", -6.5, 1), ("mp", -6.5, 1)]
    # a double array of one unit that leads nowhere, and one replacement
    charsmap = struct.pack("<II", 4, 0) + b"x\0"
    write("fuzz_tokenizer_model", "unigram.model", sentencepiece_model(1, words, charsmap))
    write("fuzz_tokenizer_model", "bpe.model", sentencepiece_model(
        2, words + [(f"<0x{b:02X}>", 0.0, 6) for b in range(256)], dummy=0, extra=0, bytes=1))
    ranks = [bytes([b]) for b in range(256)] + [b"th", b"the", b" the", b"ab"]
    write("fuzz_tokenizer_model", "ranks.tiktoken", b"".join(
        base64.b64encode(t) + f" {i}\n".encode() for i, t in enumerate(ranks)))


def make_tokenizer_jsons():
    token = {"special": True, "lstrip": True, "rstrip": True, "single_word": False, "normalized": True}
    parts = {
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": t} for t in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt")] + [
            {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Prepend", "prepend": "x"},
            {"type": "Replace", "pattern": {"Regex": r"\s+|\b"}, "content": "y"},
            {"type": "Replace", "pattern": {"String": "xy"}, "content": ""},
            {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(struct.pack("<II", 4, 0) + b"x\0").decode()},
            {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": "[a-c]+"}, "behavior": "MergedWithNext", "invert": True},
            {"type": "Split", "pattern": {"String": "e"}, "behavior": "Contiguous", "invert": False},
            {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": True}] + [
            {"type": t} for t in ("Whitespace", "WhitespaceSplit", "Punctuation", "BertPreTokenizer")] + [
            {"type": "Digits", "individual_digits": False}, {"type": "FixedLength", "length": 2},
            {"type": "CharDelimiterSplit", "delimiter": "z"}]},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "Metaspace", "replacement": "_"},
            {"type": "BPEDecoder", "suffix": "</w>"}, {"type": "ByteFallback"},
            {"type": "Replace", "pattern": {"String": "b"}, "content": "c"}, {"type": "Fuse"},
            {"type": "Replace", "pattern": {"String": "cc"}, "content": "b"}, {"type": "Strip", "content": "x", "start": 1, "stop": 1}]},
        "post_processor": {"type": "Sequence", "processors": [
            {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]}, {"type": "TemplateProcessing",
             "single": [{"SpecialToken": {"id": "a"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"a": {"ids": [1, 2]}}}]},
        "added_tokens": [dict(token, id=1, content="a")]}
    models = {
        "wordpiece": {"type": "WordPiece", "unk_token": "u", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9,
                      "vocab": {"u": 0, "a": 1, "b": 2, "##b": 3, "xa": 4}},
        "unigram": {"type": "Unigram", "unk_id": 0, "byte_fallback": True,
                    "vocab": [["u", 0], ["a", -1], ["b", -2.5], ["ab", -2], ["<0x61>", -9], ["_a", -1.5]]},
        "bpe": {"type": "BPE", "unk_token": "u", "continuing_subword_prefix": "##", "end_of_word_suffix": "</w>", "fuse_unk": True,
                "vocab": {"u": 0, "a": 1, "b": 2, "##b": 3, "ab": 4, "##b</w>": 5, "ab</w>": 6}, "merges": [["a", "##b"], "a ##b</w>"]}}
    for name, model in models.items():
        write("fuzz_tokenizer_json", name + ".json", json.dumps(dict(parts, model=model), separators=(",", ":")).encode())
    # a token of which cleaning leaves nothing
    cleaned = {"normalizer": parts["normalizer"]["normalizers"][-1], "added_tokens": [dict(token, id=1, content="\1")], "model": model}
    write("fuzz_tokenizer_json", "cleaned.json", json.dumps(cleaned, separators=(",", ":")).encode())


def main():
    make_tokenizer_models()
    make_tokenizer_jsons()
    make_gguf("spm.gguf", "llama", "default")
    make_gguf("bpe.gguf", "gpt2", "llama-bpe")
    write("fuzz_safetensors", "llama.safetensors", save({
        "model.embed_tokens.weight": np.zeros((6, 8), dtype=np.float32),
        "model.layers.0.self_attn.q_proj.weight": np.zeros((8, 8), dtype=np.float16),
        "model.layers.0.self_attn.rotary_emb.inv_freq": np.zeros(2, dtype=np.float32),
        "lm_head.weight": np.zeros((6, 8), dtype=np.float32)}))
    llama = (b'{"model_type":"llama","vocab_size":3,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,'
             b'"num_key_value_heads":1,"intermediate_size":12,"max_position_embeddings":64,"rope_parameters":'
             b'{"rope_type":"llama3","rope_theta":500000.0,"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,'
             b'"original_max_position_embeddings":32},"eos_token_id":[0,1],"bos_token_id":2}\xff'
             b'{"bos_token":"<s>","eos_token":{"content":"a"},"add_bos_token":true,"chat_template":'
             b'[{"name":"default","template":"x"}]}\xff{"eos_token_id":1}\xff{"bos_token":"<s>"}')
    gpt2 = (b'{"architectures":["GPT2LMHeadModel"],"vocab_size":3,"n_embd":8,"n_layer":1,"n_head":2,"n_positions":64,'
            b'"n_inner":null,"activation_function":"gelu_new","tie_word_embeddings":false}')
    write("fuzz_hf_config", "llama.json", llama)
    write("fuzz_hf_config", "gpt2.json", gpt2)
    for name, quant in (("gptq", b'{"quant_method":"gptq","bits":4,"group_size":-1,"desc_act":true,"checkpoint_format":"gptq_v2"}'),
                        ("awq", b'{"quant_method":"awq","w_bit":4,"q_group_size":128,"version":"gemm"}'),
                        ("fp8", b'{"quant_method":"fp8","weight_block_size":[128,128]}'),
                        ("ct", b'{"quant_method":"compressed-tensors","format":"pack-quantized","sparsity_config":{"format":'
                               b'"dense"},"config_groups":{"a":{"weights":{"block_structure":[128,128]}}}}')):
        write("fuzz_hf_config", name + ".json", gpt2[:-1] + b',"quantization_config":' + quant + b"}")
    dim, hidden, layers, heads, kv, vocab, ctx = 4, 4, 1, 2, 1, 5, 4
    floats = vocab * dim + layers * (2 * dim + 3 * dim * dim + 3 * dim * hidden) + dim + ctx * dim // heads
    write("fuzz_llama2c", "model.bin", struct.pack("<7i", dim, hidden, layers, heads, kv, vocab, ctx) + bytes(4 * floats))
    tokens = [b"<unk>", b"\n<s>\n", b"\n</s>\n", b"<0x00>", b" a"]
    write("fuzz_llama2c", "tok.bin", struct.pack("<i", 7) + b"".join(
        struct.pack("<fi", -1.0, len(t)) + t for t in tokens) + b"\x04")


main()

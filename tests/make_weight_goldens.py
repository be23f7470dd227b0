#!/usr/bin/env python3
"""Writes tests/golden/weight_types.bin: blocks of every weight type as gguf-py encodes and decodes them.

Made with gguf 0.19.0, numpy 2.4.6, and for the types that gguf-py does not encode ggml 0.13.1 (the libggml-base.so in
PyPI's pywhispercpp 1.5.1). Run from the repository: GGML=.../libggml-base.so python3 tests/make_weight_goldens.py

Records, little-endian: char name[8]; u32 n_weights, n_bytes, has_source; float source[n_weights] if has_source;
u8 encoded[n_bytes]; float decoded[n_weights]. has_source 1: `encoded` is what the source must become; 2: it is what ggml
makes of it, and ours must not lose more.
"""
import ctypes
import os
import struct

import numpy as np
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

N = 1024

# Offsets of the f16 scales in a block; the bytes of the other fields may be anything.
HALVES = {
    T.Q8_0: (0,), T.Q4_0: (0,), T.Q4_1: (0, 2), T.Q5_0: (0,), T.Q5_1: (0, 2), T.IQ4_NL: (0,), T.MXFP4: (),
    T.Q2_K: (80, 82), T.Q3_K: (108,), T.Q4_K: (0, 2), T.Q5_K: (0, 2), T.Q6_K: (208,), T.IQ4_XS: (0,), T.NVFP4: (),
    T.TQ1_0: (52,), T.TQ2_0: (64,), T.IQ2_XXS: (0,), T.IQ2_XS: (0,), T.IQ2_S: (0,), T.IQ3_XXS: (0,), T.IQ3_S: (0,),
    T.IQ1_S: (0,), T.IQ1_M: (),
}

# How many blocks name every entry of a codebook once (IQ1_M's is IQ1_S's).
GRID_BLOCKS = {T.IQ2_XXS: 8, T.IQ2_XS: 16, T.IQ2_S: 32, T.IQ3_XXS: 4, T.IQ3_S: 8, T.IQ1_S: 64}


def source(rng):
    """Weights of several magnitudes, with the blocks that quantizers get wrong."""
    x = rng.standard_normal(N).astype(np.float32)
    x[0:32] = 0.0
    x[32:64] = -np.abs(x[32:64])  # the extreme value is negative
    x[64:96] = 1e-7 * x[64:96]  # a scale that f16 holds only as a subnormal
    x[96:128] = 3.0  # all equal
    x[128:160] *= 1000.0
    x[160:192] = np.arange(-16, 16) / 16.0  # ties
    x[192] = 4.0
    x[193] = -4.0  # two of the largest magnitude
    return x


def wide(rng):
    """Floats over the whole range of f16 and beyond: subnormals, ties, overflow."""
    x = (rng.standard_normal(N) * 2.0 ** rng.uniform(-30, 18, N)).astype(np.float32)
    x[:8] = [0.0, -0.0, 65504.0, 65519.996, 65520.0, -1e6, 2.0**-25, 2.0**-24]
    x[8:16] = [1.00048828125, 1.00146484375, 2.0**-14, 6.103e-5, 3e-8, 1e-40, np.inf, -np.inf]
    return x


def random_blocks(rng, kind):
    """Blocks to decode. Random bytes with f16 scales of a usual size; the first blocks are the extremes: all bits clear, all set (under a
    scale that is a number), and a scale that is subnormal."""
    block_len, n_bytes = GGML_QUANT_SIZES[kind]
    n = max(N // block_len, 4) + GRID_BLOCKS.get(kind, 0)
    blocks = rng.integers(0, 256, (n, n_bytes), dtype=np.uint8)
    blocks[0] = 0
    blocks[1] = 255
    for at in HALVES[kind]:
        scales = (rng.standard_normal(n) * 0.01).astype(np.float16)
        scales[2] = -3e-6
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(n, 2)
    if kind == T.IQ1_M:  # its scale is in the topmost nibbles of four words
        scales = (rng.standard_normal(n) * 0.01).astype(np.float16).view(np.uint16)
        for i in range(4):
            blocks[:, 49 + 2 * i] = (blocks[:, 49 + 2 * i] & 15) | (scales >> 4 * i & 15) << 4
    if kind in GRID_BLOCKS:
        name_every_entry(kind, blocks[-GRID_BLOCKS[kind] :])
    return blocks.reshape(-1)


def name_every_entry(kind, blocks):
    """Puts the codebook's numbers, one after the other, into these blocks; what else they hold stays."""
    per_block = 64 if kind in (T.IQ3_XXS, T.IQ3_S) else 32
    for number in range(len(blocks) * per_block):
        b, k = blocks[number // per_block], number % per_block
        low, high = number & 255, number >> 8
        if kind == T.IQ2_XXS:
            b[2 + 8 * (k // 4) + k % 4] = low
        elif kind == T.IQ2_XS:  # nine bits; and every pattern of signs
            b[2 + 2 * k : 4 + 2 * k] = low, high | (number * 5 & 127) << 1
        else:
            b[2 + k] = low
        at, shift, bits = {T.IQ2_S: (66 + k // 4, 2 * (k % 4), 3), T.IQ3_S: (66 + k // 8, k % 8, 1),
                           T.IQ1_S: (34 + 2 * (k // 4), 3 * (k % 4), 7)}.get(kind, (0, 0, 0))
        if bits:
            word = int(b[at]) | int(b[at + 1]) << 8
            word = word & ~(bits << shift) | high << shift
            b[at] = word & 255
            b[at + 1] = word >> 8


def ggml_quantize(x, kind):
    block_len, n_bytes = GGML_QUANT_SIZES[kind]
    out = np.zeros(x.size // block_len * n_bytes, dtype=np.uint8)
    f = ctypes.CDLL(os.environ["GGML"]).ggml_quantize_chunk
    f.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + 3 * [ctypes.c_int64] + [ctypes.c_void_p]
    f.restype = ctypes.c_size_t
    assert f(int(kind), x.ctypes.data, out.ctypes.data, 0, 1, x.size, None) == out.size
    return out


def record(name, encoded, decoded, src=None, has_source=1):
    encoded = np.ascontiguousarray(encoded).view(np.uint8).reshape(-1)
    has_source = 0 if src is None else has_source
    head = struct.pack("<8sIII", name.encode(), decoded.size, encoded.size, has_source)
    return head + (src.tobytes() if src is not None else b"") + encoded.tobytes() + decoded.astype("<f4").tobytes()


def f8_record():
    """Blocks of 32 FP8 codes under an f16 scale: the codes' values are torch's (f8.f32, by make_quant_goldens.py), those of NaN 480."""
    rng, n = np.random.default_rng(8), N // 32
    values = np.fromfile(os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "f8.f32"), "<f4")[:256]
    values[[0x7F, 0xFF]] = 480.0, -480.0
    codes = rng.permuted(np.tile(np.arange(256, dtype=np.uint8), n * 32 // 256)).reshape(n, 32)
    scales = (rng.standard_normal(n) * 0.01).astype(np.float16)
    scales[2] = -3e-6
    encoded = np.concatenate([scales.view(np.uint8).reshape(n, 2), codes], 1)
    return record("f8_e4m3", encoded, (scales.astype(np.float32)[:, None] * values[codes]).reshape(-1))


def main():
    rng = np.random.default_rng(20251122)
    out = b""
    for kind, make in [(T.F32, wide), (T.F16, wide), (T.BF16, wide), (T.Q8_0, source), (T.Q4_0, source),
                       (T.Q4_1, source), (T.Q5_0, source), (T.Q5_1, source), (T.MXFP4, source)]:
        x = make(rng)
        with np.errstate(over="ignore"):
            encoded = quantize(x, kind)
        out += record(kind.name.lower(), encoded, np.asarray(dequantize(encoded, kind), dtype=np.float32), x)
    x = rng.standard_normal(N) * 10.0 ** rng.uniform(-46, 40, N)
    with np.errstate(over="ignore"):
        out += record("f64", x.astype("<f8"), x.astype(np.float32))
    x = wide(rng)
    out += record("f64", x.astype("<f8"), x, x)
    for kind in (T.Q4_K, T.Q5_K, T.Q6_K, T.IQ4_NL):
        x = np.concatenate([rng.standard_normal(N), rng.laplace(size=N)]).astype(np.float32)
        encoded = ggml_quantize(x, kind)
        out += record(kind.name.lower(), encoded, dequantize(encoded, kind), x, 2)
    for kind in HALVES:
        encoded = random_blocks(rng, kind)
        out += record(kind.name.lower(), encoded, dequantize(encoded, kind))
    out += f8_record()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "weight_types.bin")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(out)


main()

#!/usr/bin/env python3
"""Writes tests/golden/weight_types.bin: blocks of every weight type as gguf-py encodes and decodes them.

Made with gguf 0.19.0, numpy 2.4.6. Run from the repository: python3 tests/make_weight_goldens.py

Records, little-endian: char name[8]; u32 n_weights, n_bytes, has_source; float source[n_weights] if has_source;
u8 encoded[n_bytes]; float decoded[n_weights]. `encoded` is what the source must become.
"""
import os
import struct

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

N = 1024


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


def random_blocks(rng, n_bytes, scales_at):
    """Random bytes, with f16 scales that are finite and of a usual size."""
    blocks = rng.integers(0, 256, (4, n_bytes), dtype=np.uint8)
    for at in scales_at:
        blocks[:, at : at + 2] = (rng.standard_normal(4) * 0.01).astype(np.float16).view(np.uint8).reshape(4, 2)
    return blocks.reshape(-1)


def record(name, encoded, decoded, src=None):
    encoded = np.ascontiguousarray(encoded).view(np.uint8).reshape(-1)
    head = struct.pack("<8sIII", name.encode(), decoded.size, encoded.size, src is not None)
    return head + (src.tobytes() if src is not None else b"") + encoded.tobytes() + decoded.astype("<f4").tobytes()


def main():
    rng = np.random.default_rng(20251122)
    out = b""
    for name, kind, make in [("f32", T.F32, wide), ("f16", T.F16, wide), ("bf16", T.BF16, wide),
                             ("q8_0", T.Q8_0, source), ("q4_0", T.Q4_0, source)]:
        x = make(rng)
        with np.errstate(over="ignore"):
            encoded = quantize(x, kind)
        out += record(name, encoded, np.asarray(dequantize(encoded, kind), dtype=np.float32), x)
    for name, kind, n_bytes, scales_at in [("q4_k", T.Q4_K, 144, (0, 2)), ("q6_k", T.Q6_K, 210, (208,))]:
        encoded = random_blocks(rng, n_bytes, scales_at)
        out += record(name, encoded, dequantize(encoded, kind))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "weight_types.bin")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(out)


main()

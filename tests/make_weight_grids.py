#!/usr/bin/env python3
"""Writes loader/weights/grids.c: the codebooks of the IQ types, as gguf-py's gguf/quants.py has them.

Made with gguf 0.19.0. Run from the repository: python3 tests/make_weight_grids.py

gguf-py keeps an entry in 16 bits: eight weights of two bits (IQ1, IQ2) or four of three bits in nibbles (IQ3), the first
in the lowest; what the numbers stand for is in loader/weights/iquants.c.
"""
import os

import numpy as np
from gguf import quants

GRIDS = [  # name, class, entries
    ("IQ1", quants.IQ1_S, 2048),
    ("IQ2_XXS", quants.IQ2_XXS, 256),
    ("IQ2_XS", quants.IQ2_XS, 512),
    ("IQ2_S", quants.IQ2_S, 1024),
    ("IQ3_XXS", quants.IQ3_XXS, 256),
    ("IQ3_S", quants.IQ3_S, 512),
]


def entries(kind, n):
    words = np.frombuffer(bytes.fromhex(kind.grid_hex.decode()), dtype="<u2")
    assert words.shape == (n,)
    # What the words mean is what gguf-py makes of them.
    kind.init_grid()
    n_weights, bits = kind.grid_shape[1], 16 // kind.grid_shape[1]
    numbers = words[:, None] >> (bits * np.arange(n_weights)) & (2**bits - 1)
    assert (np.array(kind.grid_map)[numbers] == kind.grid.reshape(n, n_weights)).all()
    return words


def main():
    out = ["/* The codebooks of the IQ types: made by tests/make_weight_grids.py from gguf 0.19.0. */",
           '#include "loader/weights/codecs.h"', "", "/* clang-format off */"]
    for name, kind, n in GRIDS:
        words = entries(kind, n)
        out.append(f"const uint16_t hk_grid_{name.lower()}[{n}] = {{")
        for i in range(0, n, 16):
            out.append("    " + " ".join(f"{w}," for w in words[i : i + 16]))
        out.append("};")
    out.append("/* clang-format on */")
    assert (quants.IQ1_M.grid_hex, quants.IQ1_M.grid_map) == (quants.IQ1_S.grid_hex, quants.IQ1_S.grid_map)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "loader", "weights", "grids.c")
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n")


main()

#!/usr/bin/env python3
"""Reads what Hekla's safetensors writer wrote with the safetensors library, which others wrote.

    pip install safetensors      (passed with 0.8.0)
    python tests/check_safetensors.py build/release/tests/test_safetensors_write     by hand
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import safetensors

NOTES = {"format": "pt", "who": "Hekla's \"tests\"\n"}
SAMPLE = [  # name, dtype, shape, bytes: as in test_safetensors_write.c
    ("f64", "F64", [3], 24),
    ("i64 of no dimension", "I64", [], 8),
    ("base_model.model.layers.0.q_proj.lora_A.weight", "F32", [2, 5], 40),
    ("four dimensions", "BF16", [2, 1, 3, 5], 60),
    ("nothing", "F16", [0, 7], 0),
    ("f16", "F16", [1001], 2002),
    ("\"quoted\"\\ ä€\t", "U8", [3], 3),
]


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "a.safetensors")
        subprocess.run([sys.argv[1], path], check=True)
        data = path.read_bytes()
    tensors = dict(safetensors.deserialize(data))
    assert len(tensors) == len(SAMPLE), tensors.keys()
    for k, (name, dtype, shape, n) in enumerate(SAMPLE):
        t = tensors[name]
        assert (t["dtype"], t["shape"]) == (dtype, shape), (name, t["dtype"], t["shape"])
        assert bytes(t["data"]) == bytes((k * 31 + i * 7) & 255 for i in range(n)), name
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0 and json.loads(data[8 : 8 + length])["__metadata__"] == NOTES
    print(f"{len(tensors)} tensors as they were written: safetensors {safetensors.__version__}")


if __name__ == "__main__":
    main()

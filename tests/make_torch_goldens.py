#!/usr/bin/env python3
"""Writes tests/golden/torch/: one small state dict as torch.save writes it in each of its forms, and the same tensors as
safetensors, to compare with; and from it the seeds of fuzz_pickle: such files, and the pickles in them.

Made with torch 2.15.0, safetensors 0.8.0, numpy 2.4.6. Run from the repository: python3 tests/make_torch_goldens.py
"""
import io
import os
import zipfile
from collections import OrderedDict

import torch
from safetensors.torch import save_file

TESTS = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(TESTS, "golden", "torch")
SEEDS = os.path.join(TESTS, "fuzz", "seeds", "fuzz_pickle")


def tensors():
    g = torch.Generator().manual_seed(1)
    big = torch.randn(6, 8, generator=g)
    return OrderedDict([
        ("f32", big),
        ("f16", torch.randn(3, 4, generator=g).half()),
        ("bf16", torch.randn(5, generator=g).bfloat16()),
        ("f64", torch.randn(2, 2, generator=g).double()),
        ("i64", torch.arange(-2, 4)),
        ("i32", torch.arange(3, dtype=torch.int32)),
        ("u8", torch.arange(250, 256, dtype=torch.uint8)),
        ("bool", torch.tensor([True, False, True])),
        ("scalar", torch.tensor(7.5)),
        ("cube", torch.randn(2, 3, 4, generator=g)),
        ("rows", big[2:4]),           # a part of another tensor's storage
        ("transposed", torch.randn(3, 5, generator=g).t()),
    ])


def make_seeds():
    os.makedirs(SEEDS, exist_ok=True)
    small = OrderedDict([("w", torch.arange(6.0).view(2, 3).t()), ("b", torch.nn.Parameter(torch.zeros(2).half()))])
    small._metadata = OrderedDict([("", {"version": 1})])
    torch.save(small, os.path.join(SEEDS, "small.bin"))
    torch.save(small, os.path.join(SEEDS, "old.bin"), _use_new_zipfile_serialization=False)
    for protocol in (2, 4):
        b = io.BytesIO()
        torch.save(OrderedDict([("w", torch.arange(6.0).view(2, 3))]), b, pickle_protocol=protocol)
        with zipfile.ZipFile(b) as z, open(os.path.join(SEEDS, f"protocol{protocol}.pkl"), "wb") as f:
            f.write(z.read("archive/data.pkl"))
    b = io.BytesIO()
    torch.save({"w": torch.zeros(4, 4).to(torch.float8_e4m3fn)}, b)
    with zipfile.ZipFile(b) as z, open(os.path.join(SEEDS, "f8.pkl"), "wb") as f:
        f.write(z.read("archive/data.pkl"))


def main():
    os.makedirs(FOLDER, exist_ok=True)
    sd = tensors()
    parameters = OrderedDict((k, torch.nn.Parameter(v, requires_grad=False)) for k, v in sd.items())
    sd._metadata = OrderedDict([("", {"version": 1})])  # as torch.nn.Module.state_dict leaves it
    torch.save(sd, os.path.join(FOLDER, "zip2.bin"))
    torch.save(dict(sd), os.path.join(FOLDER, "zip4.bin"), pickle_protocol=4)
    torch.save(parameters, os.path.join(FOLDER, "zip5.bin"), pickle_protocol=5)
    torch.save(sd, os.path.join(FOLDER, "old.bin"), _use_new_zipfile_serialization=False)
    f8 = {"e4m3": torch.randn(4, 4).to(torch.float8_e4m3fn)}
    torch.save(f8, os.path.join(FOLDER, "f8.bin"))
    save_file({k: v.contiguous().clone() for k, v in sd.items()} | {"f8": f8["e4m3"]}, os.path.join(FOLDER, "all.safetensors"))
    torch.save({"w": torch.randn(4, 6)[:, ::2]}, os.path.join(FOLDER, "gaps.bin"))
    torch.save({"w": torch.zeros(1), "optimizer": torch.optim.SGD}, os.path.join(FOLDER, "class.bin"))
    torch.save([torch.zeros(1)], os.path.join(FOLDER, "list.bin"))
    make_seeds()


main()

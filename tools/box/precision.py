"""What training multiplies in: bfloat16 where the device has instructions for it (a GPU, a CPU with AMX or AVX-512 BF16), float32
where PyTorch would do it a number at a time, fifty times slower than float32. Found by measuring."""
import functools
import time

import torch


def seconds(dtype, n=256, repeat=4):
    """For the fastest of some products of two (n, n) matrices in dtype"""
    a, best = torch.ones(n, n, dtype=dtype), float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        float((a @ a)[0, 0])  # a GPU is waited for
        best = min(best, time.perf_counter() - start)
    return best


@functools.cache
def fast_dtype():
    """bfloat16 unless it is slower by far: a product as small as this says nothing finer of a GPU."""
    return torch.bfloat16 if seconds(torch.bfloat16) < 2 * seconds(torch.float32) else torch.float32


def autocast():
    """Around a forward pass on the default device"""
    return torch.autocast(torch.get_default_device().type, torch.bfloat16, enabled=fast_dtype() == torch.bfloat16)

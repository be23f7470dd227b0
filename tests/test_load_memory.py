"""Loading gives memory back: while a checkpoint is loaded, its file's pages are not in memory besides what the device takes.

The program loads a sparse GGUF file of 128 MiB and generates a token on the reference device, whose memory is the host's; its peak
resident memory, less that of the same with a file of next to nothing, is compared with the weights on the device.

Needs the program in $HEKLA, and Linux's count of resident pages; Python alone."""
import os
import struct
import subprocess
import sys
import tempfile

HEKLA = os.environ.get("HEKLA", "")
MIB = 1 << 20
SPARE = 80 * MIB  # what the threads have read and not yet given back, their buffers, allocators' slack
U32, F32, STRING, ARRAY = 4, 6, 8, 9
F16 = 1  # as a tensor's type


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def write_gguf(path, n_layer, n_embd, n_ff, n_vocab):
    """A model of zeros of Llama's shape, in F16. Returns its weights in matrices."""
    shapes = {"token_embd.weight": (n_vocab, n_embd), "output_norm.weight": (n_embd,)}
    for i in range(n_layer):
        layer = {"attn_norm": (n_embd,), "attn_q": (n_embd, n_embd), "attn_k": (n_embd, n_embd), "attn_v": (n_embd, n_embd),
                 "attn_output": (n_embd, n_embd), "ffn_norm": (n_embd,), "ffn_gate": (n_ff, n_embd), "ffn_up": (n_ff, n_embd),
                 "ffn_down": (n_embd, n_ff)}
        shapes.update({f"blk.{i}.{name}.weight": shape for name, shape in layer.items()})
    keys = [text("general.architecture") + struct.pack("<I", STRING) + text("llama")]
    for name, value in [("block_count", n_layer), ("context_length", 64), ("embedding_length", n_embd), ("feed_forward_length", n_ff),
                        ("attention.head_count", n_embd // 64), ("attention.head_count_kv", n_embd // 64)]:
        keys.append(text("llama." + name) + struct.pack("<II", U32, value))
    keys.append(text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", F32, 1e-5))
    keys.append(text("tokenizer.ggml.bos_token_id") + struct.pack("<II", U32, 1))
    keys.append(text("tokenizer.ggml.model") + struct.pack("<I", STRING) + text("llama"))
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    tokens += [f"w{i}" for i in range(len(tokens), n_vocab)]
    keys.append(text("tokenizer.ggml.tokens") + struct.pack("<IIQ", ARRAY, STRING, n_vocab) + b"".join(map(text, tokens)))
    keys.append(text("tokenizer.ggml.scores") + struct.pack("<IIQ", ARRAY, F32, n_vocab) + bytes(4 * n_vocab))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(keys)) + b"".join(keys)
    at = n_matrix = 0
    for name, shape in shapes.items():
        n = shape[0] * (shape[1] if len(shape) == 2 else 1)
        n_matrix += n if len(shape) == 2 else 0
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), F16, at)
        at += (2 * n + 31) // 32 * 32
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32))
        f.truncate(f.tell() + at)
    return n_matrix


def peak(model, *options):
    """The program's peak resident memory in bytes, measured in a process that has no other children."""
    measure = ("import resource, subprocess, sys\n"
               "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
               "sys.exit(done.returncode)")
    command = [HEKLA, "generate", "-q", "-m", model, "-p", "", "-n", "1", "--ctx", "64", "--device", "reference", *options]
    return 1024 * int(subprocess.run([sys.executable, "-c", measure, *command], check=True, stdout=subprocess.PIPE).stdout)


def main():
    if not os.path.exists("/proc/self/status") or not HEKLA:
        print("skipped: no count of resident pages as Linux has it, or no program")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        little, large = os.path.join(folder, "little.gguf"), os.path.join(folder, "large.gguf")
        write_gguf(little, 1, 64, 64, 320)
        n = write_gguf(large, 4, 1024, 4096, 320)
        for options, weights in ([], 2 * n), (["--quant", "q8_0"], n * 34 // 32):
            more = peak(large, *options) - peak(little, *options)
            print(f"{' '.join(options) or 'as it is'}: {more / MIB:.0f} MiB more, of which weights {weights / MIB:.0f}")
            failed |= more > weights + SPARE
    return failed


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Has llama.cpp read what `hekla convert` writes, and compares the greedy texts of both.

    python tests/check_llama_cpp.py HEKLA FOLDER TOKENS "PROMPT" LLAMA-COMPLETION...     by hand

The checkpoint is converted to every type that `hekla convert` knows, and as it is. Everything behind PROMPT is the
command of llama.cpp's llama-completion (0.7.0 of Debian sid: llama.cpp-tools), a chroot before it too: the files lie in
TMPDIR, which has to be the same folder for both. llama.cpp quantizes activations where Hekla does not, so that texts
of quantized types may part where two tokens are almost as likely; how far they are the same is printed.
"""
import pathlib
import re
import subprocess
import sys
import tempfile


def text_of(command):
    run = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    if run.returncode:
        sys.exit(f"{command}: {run.stderr.decode(errors='replace')[-2000:]}")
    return run.stdout.decode(errors="replace")


def main():
    hekla, folder, tokens, prompt, *theirs = sys.argv[1:]
    known = subprocess.run([hekla, "convert", "a", "b", "--type", "?"], capture_output=True, text=True).stderr
    types = re.search(r"one of (.*) would", known)[1].split(", ")
    with tempfile.TemporaryDirectory() as tmp:
        out = pathlib.Path(tmp) / "out.gguf"
        for t in [None] + types:
            text_of([hekla, "convert", "-q", folder, out] + (["--type", t] if t else []))
            ours = text_of([hekla, "generate", "-q", "-m", out, "--device", "reference", "-p", prompt, "-n", tokens, "--temp", "0"])
            other = text_of(theirs + ["-m", out, "-p", prompt, "-n", tokens, "--temp", "0", "-no-cnv", "-ngl", "0"])
            if prompt not in other:  # it sometimes ends before its text is out
                print(f"{t or 'as it is':10} no text from llama.cpp", flush=True)
                continue
            other = other[other.index(prompt) + len(prompt):].rstrip().removesuffix("[end of text]").rstrip()
            ours = ours.rstrip()
            same = next((i for i, (a, b) in enumerate(zip(ours, other)) if a != b), min(len(ours), len(other)))
            print(f"{t or 'as it is':10} {'equal' if ours == other else 'differ'}: {same} of {len(ours)} characters", flush=True)


if __name__ == "__main__":
    main()

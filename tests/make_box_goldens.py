#!/usr/bin/env python3
"""Makes tests/golden/box/: what PyTorch computes with the models in the box, from the very weights that are shipped.

    make_box_goldens.py [--f32 DIR]     needs torch, numpy, gguf, tokenizers: tools/box/requirements.txt names the versions

For each tools/box/models/NAME.gguf: NAME.json has texts and their token ids (by the tokenizers library, from the vocabulary in
the GGUF file), NAME.f32 the logits (or the score) after the last token of each, by tools/box/model.py in float32 on the
dequantized weights. With --f32 DIR, the folder that train.py wrote, nothing is written: DIR's own float32 weights, and what
`export.py hf` makes of them in DIR/hf, are compared through $HEKLA on every device named in $DEVICES (by index or name)."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import gguf
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
BOX = os.path.join(HERE, "..", "tools", "box")
sys.dont_write_bytecode = True
sys.path.insert(0, BOX)

import corpus as text  # noqa: E402
import export  # noqa: E402
from model import Config, Llama  # noqa: E402

ASKED = [[("user", "how do I list the devices?")], [("user", "what is 47 + 38?"), ("assistant", "40 + 30 = 70, 7 + 8 = 15, so 47 + 38 = 85."), ("user", "and plus 5?")],
         [("system", "Be concise."), ("user", "Which flag makes the answers less random?")]]
PLAIN = ["", "About Hekla\n\n", "Question: what is Hekla?\nAnswer:", "The quick brown fox: 12 + 30 = ", "na\u00efve \u2603 caf\u00e9\t\tx  y\n\n\n"]
SCORED = [[("user", "how do I list the devices?"), ("assistant", a)] for a in ("`hekla devices` lists every Vulkan device.", "Use `--top-k K`.", "")]


def texts(name):
    if name == "reward":
        return [text.render(m) for m in SCORED] + [text.BOS + p for p in PLAIN]
    return [text.render(m, True) for m in ASKED] + [text.BOS + p for p in PLAIN]


def halves(w, heads):
    """The inverse of export.interleaved."""
    rows, cols = w.shape
    return w.reshape(heads, rows // heads // 2, 2, cols).swapaxes(1, 2).reshape(rows, cols)


def from_gguf(path):
    """(model, tokenizer) of what the file holds"""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    import train
    r = gguf.GGUFReader(path)
    cfg, state = Config(), {}
    ours = {name: part for part, (_, name) in export.NAMES.items()}
    for t in r.tensors:
        w = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32).reshape([int(n) for n in reversed(t.shape)])
        if t.name.startswith("blk."):
            _, i, part, _ = t.name.split(".")
            if part in ("attn_q", "attn_k"):
                w = halves(w, cfg.num_attention_heads if part == "attn_q" else cfg.num_key_value_heads)
            state[f"layers.{i}.{ours[part]}.weight"] = w
        else:
            state[{"token_embd.weight": "embed_tokens.weight", "output_norm.weight": "norm.weight", "cls.output.weight": "score.weight"}[t.name]] = w
    model = Llama(cfg, "score.weight" in state)
    model.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in state.items()})
    vocab = r.fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in r.fields["tokenizer.ggml.merges"].contents()]
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(vocab)}, merges=merges))
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(train.SPLIT), "isolated"),
                                                 pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens(train.SPECIAL)
    return model.eval(), tok


@torch.no_grad()
def last(model, ids):
    return model(torch.tensor([ids]))[0, -1].float().reshape(-1).numpy()


def make():
    out = os.path.join(HERE, "golden", "box")
    os.makedirs(out, exist_ok=True)
    for name in export.TITLES:
        model, tok = from_gguf(os.path.join(BOX, "models", name + ".gguf"))
        rows = [{"text": t, "ids": tok.encode(t, add_special_tokens=False).ids} for t in texts(name)]
        logits = np.stack([last(model, r["ids"]) for r in rows])
        logits.astype("<f4").tofile(os.path.join(out, name + ".f32"))
        with open(os.path.join(out, name + ".json"), "w", encoding="utf-8") as f:
            json.dump({"made_by": f"make_box_goldens.py, torch {torch.__version__}, gguf 0.19.0", "columns": logits.shape[1], "prompts": rows}, f, indent=1)
        print(name, logits.shape)


def compare(folder):
    from tokenizers import Tokenizer
    hekla, devices = os.environ["HEKLA"], os.environ.get("DEVICES", "0").split(",")
    export_to = os.path.join(folder, "hf")
    tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))  # the run's own: a rerun's text, and so its tokens, may differ
    for name in export.TITLES:
        export.write_hf(folder, name, os.path.join(export_to, name))
        state = torch.load(os.path.join(folder, name + ".pt"))
        model = Llama(Config(), name == "reward")
        model.load_state_dict(state)
        model.eval()
        for device in devices:
            worst = 0.0
            for m in SCORED if name == "reward" else texts(name):
                if name == "reward":
                    run = subprocess.run([hekla, "rank", "-q", "--device", device, "-m", os.path.join(export_to, name), "--json", "--prompt", m[0][1], "--", m[1][1]],
                                         capture_output=True, text=True, check=True)
                    got = np.array([json.loads(run.stdout)["candidates"][0]["score"]])
                    want = last(model, tok.encode(text.render(m), add_special_tokens=False).ids)
                else:
                    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as f:
                        f.write(m[len(text.BOS):])
                        f.flush()
                        run = subprocess.run([hekla, "generate", "-q", "--device", device, "-m", os.path.join(export_to, name), "-f", f.name, "-n", "1", "--temp", "0",
                                              "--ignore-eos", "--logprobs", "1000", "--json"], capture_output=True, text=True, check=True)
                    top = json.loads(run.stdout)["tokens"][0]["top"]
                    got = np.array([t["logprob"] for t in top])  # of the thousand most likely, as many as it prints
                    want = torch.log_softmax(torch.from_numpy(last(model, tok.encode(m, add_special_tokens=False).ids)).double(), 0).numpy()[[t["id"] for t in top]]
                worst = max(worst, float(np.abs(got - want).max()))
            print(f"{name} in float32 on {device}: largest difference {worst:.2g}")
            assert worst < 1e-3


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--f32", metavar="DIR")
    o = p.parse_args()
    compare(o.f32) if o.f32 else make()

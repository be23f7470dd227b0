#!/usr/bin/env python3
"""Makes tests/golden/hf/: tiny random checkpoints saved by Hugging Face transformers, and their logits.

    pip install torch transformers        (what was used is written into every prompts.json)
    python tests/make_goldens.py [--out tests/golden/hf] [NAME...]

Each folder NAME/ is a checkpoint as save_pretrained leaves it, with beside it
  prompts.json  {"versions": {...}, "n_vocab": V, "prompts": [[id, ...], ...], ...}
  logits.f32    float32, little-endian: for each prompt, for each position, V logits, computed in float32
                (from the weights as stored: rounded to bf16 or f16 first, where the checkpoint is)
                of a reward model: for each prompt, for each position, the score of the prompt up to it
"float64_max_abs_diff" says how far these logits are from the same model run in float64: the noise of the golden itself.

Every weight is random, biases and norms too, so that none can be left out unnoticed; where a setting is what a
checkpoint is about (RoPE scaling, biases), the script checks that dropping it changes the logits.
"""
import argparse
import copy
import hashlib
import json
import pathlib
import platform
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

VOCAB = 131  # a prime: no block or tile divides it


def llama(config=LlamaConfig, **changes):
    settings = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=92, num_hidden_layers=2, num_attention_heads=4,
                    num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-5, tie_word_embeddings=False,
                    bos_token_id=1, eos_token_id=2, rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
    settings.update(changes)
    return config(**settings)


def gpt2(**changes):
    settings = dict(vocab_size=VOCAB, n_embd=32, n_head=4, n_layer=2, n_positions=128, bos_token_id=0, eos_token_id=0)
    settings.update(changes)
    return GPT2Config(**settings)


def rope(kind, theta=10000.0, **more):
    return {"rope_type": kind, "rope_theta": theta, **more}


# The bands of Llama 3's scaling in positions: wavelengths below 8 stay, above 32 are divided, between them mixed. With
# head_dim 16 the wavelengths are 6.3, 20, 63, ...: each band has some.
LLAMA3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)

CASES = {
    "llama-gqa": dict(config=llama()),
    "llama-tied": dict(config=llama(tie_word_embeddings=True, num_key_value_heads=4)),
    # As every published checkpoint has it: rope_theta and rope_scaling at the top level.
    "llama-rope-llama3": dict(config=llama(hidden_size=48, num_attention_heads=3, num_key_value_heads=1,
                                           intermediate_size=64, rope_parameters=LLAMA3),
                              old_rope=True, matters=dict(rope_parameters=rope("default"))),
    # As transformers 5 writes it: rope_parameters.
    "llama-rope-linear": dict(config=llama(rope_parameters=rope("linear", 20000.0, factor=4.0)),
                              matters=dict(rope_parameters=rope("default", 20000.0))),
    "llama-biases": dict(config=llama(attention_bias=True, mlp_bias=True),
                         matters=dict(attention_bias=False, mlp_bias=False)),
    "llama-odd": dict(config=llama(hidden_size=48, num_attention_heads=4, num_key_value_heads=4, intermediate_size=92,
                                   num_hidden_layers=1)),
    "llama-head6": dict(config=llama(hidden_size=36, num_attention_heads=6, num_key_value_heads=3, intermediate_size=61)),
    "llama-head-dim": dict(config=llama(head_dim=12, num_hidden_layers=3, rms_norm_eps=1e-3)),
    "llama-bf16": dict(config=llama(), dtype=torch.bfloat16),
    "llama-f16-sharded": dict(config=llama(), dtype=torch.float16, shard="24KB"),
    "llama-tokenizer": dict(config=llama(vocab_size=320, intermediate_size=64, bos_token_id=0, eos_token_id=1),
                            dtype=torch.float16, texts=["The ash tree in the yard", " lava, ice and 1783!\n", "þorp"]),
    "gpt2": dict(config=gpt2()),
    "gpt2-odd": dict(config=gpt2(n_embd=36, n_head=3, n_inner=100, n_layer=3, activation_function="gelu"), hub_names=True,
                     matters=dict(activation_function="relu")),
    "gpt2-f16": dict(config=gpt2(layer_norm_epsilon=1e-3), dtype=torch.float16),
    "qwen2": dict(config=llama(Qwen2Config, rms_norm_eps=1e-6), dtype=torch.bfloat16),
    "qwen2-window": dict(config=llama(Qwen2Config, use_sliding_window=True, sliding_window=24, max_window_layers=0,
                                      num_hidden_layers=1, tie_word_embeddings=True),
                         dtype=torch.bfloat16, matters=dict(sliding_window=1000)),
    "qwen3": dict(config=llama(Qwen3Config, head_dim=12, rms_norm_eps=1e-6, tie_word_embeddings=True), dtype=torch.bfloat16),
    # The window is shorter than the prompts, and than the block of positions that a kernel takes at a time.
    "mistral": dict(config=llama(MistralConfig, sliding_window=9), dtype=torch.bfloat16, matters=dict(sliding_window=None)),
    # The padding token is none of the prompts': the score is taken at the last token that is not padding.
    "llama-reward": dict(config=llama(num_labels=1, pad_token_id=0)),
    "gpt2-reward": dict(config=gpt2(num_labels=1, pad_token_id=0, n_layer=1)),
}

TRAINING_TEXT = [  # our own words: what the small tokenizer learns its merges from
    "The old farm stood where the lava had stopped, and the ash tree in the yard was older than the house.",
    "In the year 1783 the mountain opened; the ice melted, the river rose, and there was ash on the snow.",
    "They counted the sheep: 12, 37, 120. Then they counted the days, and the nights after the days.",
    "What is the name of the tree? It isn't written anywhere, she said, but we'll find it.",
    "þorp, fjörður, ísinn, hraun og aska; the words for what the fire leaves.",
]


def is_reward(config):
    return config.num_labels == 1


def auto_class(reward):
    return transformers.AutoModelForSequenceClassification if reward else transformers.AutoModelForCausalLM


def randomize(model, generator, dtype):
    """Normal weights of deviation 0.2 (about 1/sqrt(32), so that activations keep their size), norms around 1; all of
    them numbers that dtype can hold."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator, dtype=torch.float32)
            is_norm = p.dim() == 1 and name.endswith("weight")
            p.copy_((1.0 + 0.2 * noise if is_norm else 0.2 * noise).to(dtype))


def logits_of(model, prompts, dtype=torch.float32):
    model = model.to(dtype).eval()
    with torch.no_grad():
        if is_reward(model.config):  # a model of this kind gives one score a text: a run for each prefix
            return torch.cat([model(torch.tensor([ids[:n + 1]]), use_cache=False).logits
                              for ids in prompts for n in range(len(ids))])
        return torch.cat([model(torch.tensor([ids]), use_cache=False).logits[0] for ids in prompts])


def load(folder):
    reward = "SequenceClassification" in json.loads((folder / "config.json").read_text())["architectures"][0]
    return auto_class(reward).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")


def write_old_rope(folder):
    """config.json with rope_theta and rope_scaling, the form before transformers 5."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    scaling = config.pop("rope_parameters")
    config["rope_theta"] = scaling.pop("rope_theta")
    config["rope_scaling"] = scaling
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config, indent=2) + "\n")


def write_hub_names(folder):
    """Tensor names of the GPT-2 that was first published: no "transformer." before them, the causal masks as tensors."""
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): t for name, t in load_file(path).items()}
    layers = len({name.split(".")[1] for name in tensors if name.startswith("h.")})
    for i in range(layers):
        tensors[f"h.{i}.attn.bias"] = torch.ones(8, 8).tril().view(1, 1, 8, 8)  # smaller than the real: never read
    save_file(tensors, path, metadata={"format": "pt"})


def make_tokenizer(folder, n_vocab):
    """A byte-level BPE tokenizer.json in GPT-2's manner, trained on TRAINING_TEXT, with two special tokens."""
    import tokenizers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=n_vocab, special_tokens=["<|begin|>", "<|end|>"], show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    assert tokenizer.get_vocab_size() == n_vocab, tokenizer.get_vocab_size()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = {"bos_token": "<|begin|>", "eos_token": "<|end|>", "add_bos_token": False,
                "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    return tokenizer, tokenizers.__version__


def make(name, case, out):
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    generator = torch.Generator().manual_seed(seed)
    config = case["config"]
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    config._attn_implementation = "eager"
    model = auto_class(is_reward(config)).from_config(config, attn_implementation="eager")
    dtype = case.get("dtype", torch.float32)
    randomize(model, generator, dtype)
    # A copy: casting a model rounds its RoPE frequencies too, which no checkpoint holds.
    copy.deepcopy(model).to(dtype).save_pretrained(folder, max_shard_size=case.get("shard", "50GB"))
    (folder / "generation_config.json").unlink(missing_ok=True)
    if case.get("old_rope"):
        write_old_rope(folder)
    if case.get("hub_names"):
        write_hub_names(folder)

    golden = {"versions": {"torch": torch.__version__, "transformers": transformers.__version__,
                           "python": platform.python_version()},
              "n_vocab": config.vocab_size}
    first = config.pad_token_id + 1 if is_reward(config) else 0
    random_ids = lambda n: torch.randint(first, config.vocab_size, (n,), generator=generator).tolist()
    if "texts" in case:
        tokenizer, golden["versions"]["tokenizers"] = make_tokenizer(folder, config.vocab_size)
        golden["texts"] = case["texts"]
        prompts = [tokenizer.encode(text).ids for text in case["texts"]] + [random_ids(64)]
    else:
        prompts = [random_ids(64), random_ids(64), random_ids(5), random_ids(1)]
    golden["prompts"] = prompts

    # The golden is what the files give, not the model that was in memory; both must agree.
    reloaded = load(folder)
    logits = logits_of(reloaded, prompts)
    in_memory = logits_of(model, prompts)
    assert torch.equal(logits, in_memory), f"{name}: reloading changed the logits"
    exact = logits_of(load(folder), prompts, torch.float64)
    golden["float64_max_abs_diff"] = float((exact - logits.double()).abs().max())
    golden["logits_std"] = round(float(logits.std()), 3)
    assert golden["float64_max_abs_diff"] < 1e-4 and logits.std() > 0.5, golden
    if "matters" in case:
        without = auto_class(is_reward(config)).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                      **case["matters"])
        change = float((logits_of(without, prompts) - logits).abs().max())
        assert change > 0.1, f"{name}: {case['matters']} changes the logits by {change} only"
        golden["change_without"] = {"what": {k: str(v) for k, v in case["matters"].items()}, "max_abs": round(change, 3)}
    if "texts" in case:
        ids = torch.tensor([prompts[0]])
        answer = reloaded.float().generate(ids, max_new_tokens=32, do_sample=False, pad_token_id=1)[0, ids.shape[1]:]
        golden["greedy"] = {"prompt": 0, "ids": answer.tolist(), "text": tokenizer.decode(answer.tolist())}

    (folder / "logits.f32").write_bytes(logits.contiguous().numpy().astype("<f4").tobytes())
    (folder / "prompts.json").write_text(json.dumps(golden) + "\n")
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: {size} bytes, {len(logits)} positions, std {golden['logits_std']}, "
          f"float64 differs by {golden['float64_max_abs_diff']:.1e}")
    return size


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "golden" / "hf")
    parser.add_argument("names", nargs="*", help=f"some of: {' '.join(CASES)} (default: all)")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in CASES]
    if unknown:
        sys.exit(f"make_goldens: {unknown[0]}: one of {' '.join(CASES)} expected")
    transformers.logging.set_verbosity_error()  # it would report the weights that the checks leave out on purpose
    torch.set_num_threads(1)  # one order of summation, whatever the machine
    total = sum(make(name, CASES[name], args.out) for name in args.names or CASES)
    print(f"{total} bytes in all")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes tests/golden/tokenizers.json: small tokenizers, texts, and the ids that the original libraries give.

Two small vocabularies are trained here, one over bytes with Hugging Face's tokenizers, one with SentencePiece; a
variant is one of them with some parts of its tokenizer.json replaced. For every variant and every text the file has
the ids without special tokens (and with control tokens taken as plain text), and with them where they differ.

Made with tokenizers 0.23.3 and sentencepiece 0.2.3; the file names the versions that made it.
Usage: make_tokenizer_goldens.py [OUT]
"""
import copy
import io
import json
import pathlib
import random
import sys

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

OUT = pathlib.Path(__file__).parent / "golden" / "tokenizers.json"

CORPUS = """The lamp in the kitchen was still on when she came home, and the cat didn't look up. It's late, she'd said;
we'll talk about it tomorrow. There were 12 plates, 345 cups and 2024 reasons not to. Don't you think they're cold?
for (int i = 0; i < n; i++) { total += weights[i] * inputs[i]; }  /* the inner product */
    if (error != 0) return false;\n\n\tprintf("%d tokens, %s\\n", count, name);
Der Fluß fließt über die Brücke, während die Möwen schreien. L'été dernier, nous étions à la mer; où êtes-vous ?
Вчера вечером шёл дождь, а сегодня светит солнце. Το καλοκαίρι πηγαίνουμε στη θάλασσα.
昨日は雨でしたが、今日は晴れです。今天天气很好，我们去公园吧。오늘은 날씨가 좋습니다.
في الصباح شربت القهوة. आज मौसम अच्छा है। วันนี้อากาศดี 😀👍🏽 👩‍👩‍👧 → ∑ ≤ ½ ² №
""" * 3


def texts():
    t = ["", " ", "  ", "\n", "\t\n ", "a", " a", "Hello, world!", " Hello  world ", "It's what we'll do; they'RE done",
         "1234567 12 3.14159 ١٢٣ ⅧⅨ ½", "x" * 70, " " * 70 + "end", "\r\n\r\n  \r\n", "don'ſ 'LLama K",
         "for (int i = 0; i < n; i++) {\n\tx[i] += y;\n}\n\n\n    return;", "Großfürst ÉCOLE élève e\u0301te\u0301",
         "今日は晴れ。我们去公园吧！오늘 한국어", "Вчера ШЁЛ дождь ΘΆΛΑΣΣΑ ǅ", "في الصباح आज मौसम วันนี้ ကို ಕನ್ನಡ",
         "😀👍🏽👩‍👩‍👧🏳️‍🌈🇩🇪 ☂\ufe0f", "\u00a0\u2003\u3000\u180e\u200b\u2028x\u0085y\u1680", "\0\x01\x1c\x1f\x7f a\0b",
         "\u0315\u0300\u05ae\u0062 a\u0316\u0301 \u2126\u212b \ufb01", "▁a▁▁b ▁", "<s>Hello</s> <unk><0x0A>",
         "a<|sep|>b <|sep|>  <|sep|>", "abc xabcx abc. XYZ  XYZ", "ab\n\n\ncd日本語x", "\U0001d400\U00020000\U000e0041\ue000\uffff",
         "Ġa Ċ Ã", "tab\there", "https://example.org/a_b?c=d&e=%20#f", "--- *** ___ ... ??? !!!", "A1b2C3 x86_64 v1.2.3",
         "\ufeffbom", "ﬁﬂ ＡＢＣ １２３ ｶﾞ", "The lamp was on. " * 6]
    rng = random.Random(1)
    bits = ["a", "The", "'s", " ", "  ", "\n", "\r", "\t", "\u00a0", "\u3000", "1", "23", "é", "日", "한", "א", "😀", ".",
            "!?", "_", "<|sep|>", "▁", "\u0301", "½", "-"]
    t += ["".join(rng.choice(bits) for _ in range(rng.randint(3, 16))) for _ in range(14)]
    return t


# ---- the two vocabularies ----

def byte_base():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS.split("\n"), trainers.BpeTrainer(
        vocab_size=480, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>"],
        show_progress=False))
    return json.loads(t.to_str())


def sentencepiece_model():
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS.split("\n")), model_writer=out, vocab_size=520, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.98, minloglevel=2)
    m = sentencepiece_model_pb2.ModelProto()
    m.ParseFromString(out.getvalue())
    return m


def added(id, content, **k):
    return dict({"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                 "normalized": False, "special": False}, **k)


def template(before, after=None):
    single = [{"SpecialToken": {"id": before[0], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    tokens = [before] + ([after] if after else [])
    if after:
        single.append({"SpecialToken": {"id": after[0], "type_id": 0}})
    return {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {s: {"id": s, "ids": [i], "tokens": [s]} for s, i in tokens}}


def metaspace_base(m):
    """What the conversion of a SentencePiece model to tokenizer.json makes."""
    scores = {p.piece: p.score for p in m.pieces if p.type == 1}
    ids = {p.piece: i for i, p in enumerate(m.pieces)}
    merges = [(-scores[p], ids[p], [p[:k], p[k:]]) for p in scores for k in range(1, len(p))
              if p[:k] in scores and p[k:] in scores]
    merges.sort(key=lambda x: x[:2])
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(i, p.piece, special=True) for i, p in enumerate(m.pieces) if p.type in (2, 3)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None, "post_processor": template(("<s>", 1)),
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": ids, "merges": [x[2] for x in merges]},
    }


# ---- the variants ----

def byte_level(**k):
    return dict({"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}, **k)


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def sequence(*p):
    return {"type": "Sequence", "pretokenizers": list(p) + [byte_level(use_regex=False)]}


def metaspace(**k):
    return dict({"type": "Metaspace", "replacement": "▁"}, **k)


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")


def numbered(first, tokens):
    """Ids for added tokens as the library itself gives them: behind the vocabulary, in order."""
    return [t if t["id"] is not None else dict(t, id=first + i) for i, t in enumerate(tokens)]


def variants(n_bytes, n_metaspace):
    more = [added(0, "<|endoftext|>", special=True)] + numbered(n_bytes, [
        added(None, "<|sep|>", special=True, rstrip=True), added(None, "abc", single_word=True),
        added(None, "XYZ", lstrip=True, rstrip=True), added(None, "  ", normalized=True), added(None, "\n\n"),
        added(None, "日本語", normalized=True), added(None, "e\u0301", normalized=True)])
    meta_more = [added(0, "<unk>", special=True), added(1, "<s>", special=True, normalized=True),
                 added(2, "</s>", special=True)] + numbered(n_metaspace, [
        added(None, "<|sep|>", special=True, rstrip=True), added(None, "abc", single_word=True, normalized=True),
        added(None, "XYZ", lstrip=True), added(None, "  "), added(None, "\n\n")])
    return [
        ("gpt2", "bytes", True, {}),
        ("llama3", "bytes", True, {"pre_tokenizer": sequence(split(LLAMA3)), "model": {"ignore_merges": True},
                                   "post_processor": template(("<|endoftext|>", 0))}),
        ("llama3, removed with invert", "bytes", True, {"pre_tokenizer": sequence(split(LLAMA3, "Removed", True))}),
        ("digits one by one", "bytes", True, {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True}, byte_level()]}}),
        ("no pattern", "bytes", True, {"pre_tokenizer": byte_level(use_regex=False)}),
        ("prefix", "bytes", False, {"pre_tokenizer": byte_level(add_prefix_space=True)}),
        ("form C", "bytes", False, {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]}}),
        ("Ruby's syntax", "bytes", True, {"pre_tokenizer": sequence(
            split(r"\s+$"), split(r"[\p{Han}\p{Hiragana}]+|\S\S|(?m:[^\S\n].)|\h+"), split(r"(?=[lo])|\W"))}),
        ("added", "bytes", False, {"added_tokens": more}),
        ("added, form C, prefix", "bytes", False, {
            "added_tokens": more, "normalizer": {"type": "NFC"}, "pre_tokenizer": byte_level(add_prefix_space=True),
            "post_processor": {"type": "RobertaProcessing", "sep": ["<|sep|>", n_bytes], "cls": ["<|endoftext|>", 0],
                               "trim_offsets": True, "add_prefix_space": True}}),
        ("llama2", "metaspace", True, {}),
        ("Metaspace first", "metaspace", False, {
            "normalizer": None, "pre_tokenizer": metaspace(prepend_scheme="first", split=False)}),
        ("Metaspace always, split", "metaspace", False, {
            "normalizer": None, "pre_tokenizer": metaspace(prepend_scheme="always", split=True)}),
        ("no prefix", "metaspace", True, {
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious",
                              "invert": False},
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                {"type": "Fuse"}]}}),
        ("unknown, one by one", "metaspace", False, {"model": {"byte_fallback": False, "fuse_unk": False}}),
        ("unknown, fused", "metaspace", False, {"model": {"byte_fallback": False, "fuse_unk": True}}),
        ("metaspace added", "metaspace", False, {"added_tokens": meta_more,
                                                 "post_processor": template(("<s>", 1), ("</s>", 2))}),
    ]


def compose(base, change):
    j = copy.deepcopy(base)
    for key, value in change.items():
        if key == "model":
            j["model"].update(value)
        else:
            j[key] = value
    return j


def line(ids):
    return " ".join(map(str, ids))


def main():
    sp = sentencepiece_model()
    bases = {"bytes": byte_base(), "metaspace": metaspace_base(sp)}
    all_texts = texts()
    out = {"made_by": f"make_tokenizer_goldens.py: tokenizers {tokenizers.__version__}, "
                      f"sentencepiece {sentencepiece.__version__}",
           "texts": [t.encode().hex() for t in all_texts], "bases": bases, "variants": []}
    for name, base, roundtrip, change in variants(*(len(bases[b]["model"]["vocab"]) for b in ("bytes", "metaspace"))):
        t = Tokenizer.from_str(json.dumps(compose(bases[base], change)))
        row = {"name": name, "base": base, "set": change, "roundtrip": roundtrip, "plain": [], "special": {}}
        for i, text in enumerate(all_texts):
            t.encode_special_tokens = True
            row["plain"].append(line(t.encode(text, add_special_tokens=False).ids))
            t.encode_special_tokens = False
            special = line(t.encode(text).ids)
            if special != row["plain"][-1]:
                row["special"][str(i)] = special
        out["variants"].append(row)
    processor = sentencepiece.SentencePieceProcessor(model_proto=sp.SerializeToString())
    # SentencePiece stops at a NUL, and knows its control pieces only by id
    out["sentencepiece"] = {"pieces": [[p.piece, p.score, p.type] for p in sp.pieces],
                            "plain": [None if "\0" in t else line(processor.encode(t)) for t in all_texts]}
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    path.write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes, {len(all_texts)} texts, {len(out['variants'])} variants")


if __name__ == "__main__":
    main()

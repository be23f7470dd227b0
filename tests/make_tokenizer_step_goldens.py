#!/usr/bin/env python3
"""Makes tests/golden/tokenizer_steps.json: every normalizer, pre-tokenizer, decoder, post-processor and model of
tokenizer.json that Hekla knows, and what Hugging Face's tokenizers makes of the texts with them.

The form is that of tokenizers.json (make_tokenizer_goldens.py): small tokenizers, and variants of them in which some parts are
replaced. Some also have what the library decodes the ids to, where that is neither the text again nor has U+FFFD for bytes
that it lost.

Made with tokenizers 0.23.3 and sentencepiece 0.2.3; the file names the versions that made it.
Usage: make_tokenizer_step_goldens.py [OUT]
"""
import base64
import io
import json
import pathlib
import sys
import tempfile

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from make_tokenizer_goldens import CORPUS, added, byte_level, compose, line, metaspace, split, template, texts

OUT = pathlib.Path(__file__).parent / "golden" / "tokenizer_steps.json"
MORE_TEXTS = [
    "Déjà vu: ΑΣΟΣ İstanbul ǅ STRASSE", "word" * 30, "w" * 100, "w" * 101, "don't do not n't . , ! ? ' s",
    " leading and trailing \t\u3000", "中文和English混排。日本語テキスト", "a\u0000b\ufffdc\u200bd\u00ade", "x-y_z/1.5%",
    "①②③ ⅷ ㋿ ½ ﷺ ㍿", "e\u0301\u0323 \u1e0b\u0323 \uac01 \u1100\u1161\u11a8", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 🅰 ℌ", "- -- --- a-b--c---d",
    "the unkñown ψ word ⊕⊗ x", "<unk>é<unk> [UNK] [MASK].", "two  spaces   three\n\nlines\r\n", "\u2581\u2581a \u2581", "ｱｲｳ ﾊﾟ",
]


# ---- the base tokenizers ----

def wordpiece_base():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.train_from_iterator(CORPUS.split("\n"), trainers.WordPieceTrainer(
        vocab_size=450, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    return json.loads(t.to_str())


def word_bpe_base():
    """The first kind of BPE: over characters, </w> behind the last one of a word."""
    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    t.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    t.decoder = decoders.BPEDecoder()
    t.train_from_iterator(CORPUS.split("\n"), trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<unk>", "<s>"], end_of_word_suffix="</w>", show_progress=False))
    return json.loads(t.to_str())


RULES = {"Ａ": "A", "ﬁ": "fi", "e\u0301": "é", "½": "1/2", "\t": " ", "\n": " ", "\r\n": " ", "\u3000": " ", "\u00ad": "", "Ⅷ": "VIII",
         "が": "ga", "か\u3099": "ga", "…": "...", "①": "1", "ab": "ba", "é": "E"}


def sentencepiece_model(**k):
    out = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        for a, b in RULES.items():
            rules.write(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n")
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS.split("\n")), model_writer=out, minloglevel=2,
            **dict(dict(vocab_size=460, hard_vocab_limit=False, normalization_rule_tsv=rules.name,
                        character_coverage=0.98), **k))
    m = sentencepiece_model_pb2.ModelProto()
    m.ParseFromString(out.getvalue())
    return m


def charsmap(m):
    return {"type": "Precompiled",
            "precompiled_charsmap": base64.b64encode(m.normalizer_spec.precompiled_charsmap).decode()}


def unigram_base(m):
    """What the conversion of T5's and XLM-R's models to tokenizer.json makes."""
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(i, p.piece, special=True) for i, p in enumerate(m.pieces) if p.type in (2, 3)],
        "normalizer": charsmap(m),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"}, metaspace(prepend_scheme="always", split=True)]},
        "post_processor": template(("<s>", 1), ("</s>", 2)),
        "decoder": metaspace(prepend_scheme="always", split=True),
        "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": False, "vocab": [[p.piece, p.score] for p in m.pieces]}}


def bytes_and_chars_base():
    """Characters, each a token, and bytes for the rest: whatever is before the model can be seen in the ids."""
    chars = sorted(set(CORPUS) | set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))
    vocab = {"<unk>": 0, "<s>": 1}
    for t in [f"<0x{b:02X}>" for b in range(256)] + ["|"] + chars + ["the", "ing", " t"]:
        vocab.setdefault(t, len(vocab))
    merges = [["t", "h"], ["th", "e"], ["i", "n"], ["in", "g"], [" ", "t"]]
    for a, b in merges:
        vocab.setdefault(a + b, len(vocab))
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [added(1, "<s>", special=True)],
            "normalizer": None, "pre_tokenizer": None, "post_processor": None,
            "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": True, "ignore_merges": False,
                      "vocab": vocab, "merges": merges}}


# ---- the variants ----

def norm(*n):
    return {"normalizer": n[0] if len(n) == 1 else {"type": "Sequence", "normalizers": list(n)}}


def pre(*p, **more):
    """Pieces are told apart by the unigram's or the merges' silence across them; <s> is put between by nothing."""
    return dict({"pre_tokenizer": p[0] if len(p) == 1 else {"type": "Sequence", "pretokenizers": list(p)}}, **more)


def dec(*d, **more):
    return dict({"decoder": d[0] if len(d) == 1 else {"type": "Sequence", "decoders": list(d)}}, **more)


def bert(**k):
    return dict({"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                 "lowercase": True}, **k)


def replace(pattern, content, kind="String"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def strip(content, start, stop):
    return {"type": "Strip", "content": content, "start": start, "stop": stop}


# Where every character is a token, long texts say nothing that short ones do not.
LONGEST_OF_CHARS = 32
DECODED = {"bert", "bert, no cleanup", "xlm-roberta", "t5", "unigram, underscore", "unigram, whole", "word bpe", "clip",
           "ByteLevel normalizer", "ignore_merges"}
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
LONG_TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "two", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
               {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "two", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"two": {"id": "two", "ids": [2, 4], "tokens": ["[CLS]", "[MASK]"]},
                       "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}}


def wordpiece_variants():
    cls_sep = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    mask = [added(i, t, special=True) for i, t in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])] + [
        added(4, "[MASK]", special=True, lstrip=True), added(None, "Word", normalized=True, single_word=True)]
    return [
        ("bert", {"post_processor": cls_sep}),
        ("bert, cased", dict(norm(bert(lowercase=False)), post_processor=template(("[CLS]", 2), ("[SEP]", 3)))),
        ("bert, accents", norm(bert(strip_accents=False, handle_chinese_chars=False))),
        ("bert, as it is", norm(bert(clean_text=False, lowercase=False, strip_accents=True))),
        ("bert, no cleanup", dec({"type": "WordPiece", "prefix": "##", "cleanup": False}, post_processor=LONG_TEMPLATE)),
        ("bert, mask", {"added_tokens": mask, "post_processor": {"type": "Sequence", "processors": [
            cls_sep, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}]}}),
        ("wordpiece, short words", {"model": {"max_input_chars_per_word": 5}}),
        ("wordpiece, Whitespace", pre({"type": "Whitespace"}, normalizer=None)),
        ("wordpiece, Punctuation", pre({"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Contiguous"})),
    ]


def unigram_variants(m):
    dummy = {"normalizer": {"type": "Sequence", "normalizers": [
        charsmap(m), {"type": "Strip", "strip_left": False, "strip_right": True}, replace(" {2,}", "▁", "Regex")]}}
    return [
        ("xlm-roberta", {}),
        ("t5", dict(dummy, pre_tokenizer=metaspace(prepend_scheme="always", split=True), post_processor=template(("</s>", 2)))),
        ("albert", dict(norm(replace("``", '"'), {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, charsmap(m)),
                        pre_tokenizer=metaspace(prepend_scheme="first", split=False))),
        ("unigram, no charsmap", norm({"type": "Nmt"}, {"type": "NFKC"}, replace(" {2,}", " ", "Regex"))),
        ("unigram, whole", dict(pre_tokenizer=None, normalizer=replace(" ", "▁"), decoder=None)),
        ("unigram, underscore", dict(pre(metaspace(replacement="_", prepend_scheme="never")),
                                     decoder=metaspace(replacement="_", prepend_scheme="never"))),
    ]


def char_variants():
    all_norms = [{"type": t} for t in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt")]
    out = [(n["type"], norm(n)) for n in all_norms]
    out += [
        ("Strip", norm({"type": "Strip", "strip_left": True, "strip_right": True})),
        ("Strip left", norm({"type": "Strip", "strip_left": True, "strip_right": False})),
        ("Strip right, Prepend", norm({"type": "Strip", "strip_left": False, "strip_right": True},
                                      {"type": "Prepend", "prepend": "the"})),
        ("Replace", norm(replace("the", "ing"), replace("i", ""), replace(".", "th"))),
        ("Replace with a regex", norm(replace(r"\s+", " ", "Regex"), replace(r"(?i)the|[0-9]{2}", "<", "Regex"),
                                      replace(r"\b", "|", "Regex"))),
        ("Lowercase, NFD, StripAccents", norm({"type": "Lowercase"}, {"type": "NFD"}, {"type": "StripAccents"})),
        ("ByteLevel normalizer", norm({"type": "ByteLevel"})),
    ]
    for b in BEHAVIORS:
        out += [(f"Split {b}", pre(split("t| ", b))), (f"Split {b}, inverted", pre(split("h|e| ", b, True))),
                (f"Split by a string, {b}", pre({"type": "Split", "pattern": {"String": "th"}, "behavior": b, "invert": False}))]
        out += [(f"Punctuation {b}", pre({"type": "Punctuation", "behavior": b}))]
    out += [
        ("Digits", pre({"type": "Digits", "individual_digits": False})),
        ("Digits one by one", pre({"type": "Digits", "individual_digits": True})),
        ("CharDelimiterSplit", pre({"type": "CharDelimiterSplit", "delimiter": "h"})),
        ("Whitespace", pre({"type": "Whitespace"})),
        ("WhitespaceSplit", pre({"type": "WhitespaceSplit"})),
        ("BertPreTokenizer", pre({"type": "BertPreTokenizer"})),
        ("FixedLength", pre({"type": "FixedLength", "length": 3})),
        ("Metaspace in a row", pre({"type": "WhitespaceSplit"}, metaspace(prepend_scheme="first", split=True))),
        ("Metaspace first behind Strip", dict(norm({"type": "Strip", "strip_left": True, "strip_right": False}),
                                              **pre(metaspace(prepend_scheme="first", split=False)))),
        ("Metaspace first behind Replace", dict(norm(replace("  ", "x"), replace("\n", "")),
                                                **pre(metaspace(prepend_scheme="first", split=False)))),
        ("many", pre({"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Isolated"},
                     {"type": "Digits", "individual_digits": True}, split("ing|th", "MergedWithNext"))),
        ("decoder: none", dict(decoder=None)),
        ("decoder: Strip", dec({"type": "ByteFallback"}, {"type": "Fuse"}, strip("t", 2, 0))),
        ("decoder: Strip both ends", dec({"type": "Fuse"}, strip("e", 1, 1))),
        ("decoder: Replace", dec(replace("t", "TT"), {"type": "ByteFallback"}, {"type": "Fuse"}, replace("TTh", "+"), strip("+", 1, 0))),
        ("decoder: Replace with a regex", dec(replace("[aeiou]", "*", "Regex"), {"type": "ByteFallback"})),
        ("decoder: Metaspace", dec({"type": "ByteFallback"}, metaspace(replacement="h", prepend_scheme="always"))),
        ("decoder: Metaspace never", dec({"type": "ByteFallback"}, metaspace(replacement="h", prepend_scheme="never"))),
        ("decoder: WordPiece", dec({"type": "WordPiece", "prefix": "t", "cleanup": True})),
        ("decoder: BPEDecoder", dec({"type": "BPEDecoder", "suffix": "e"})),
        ("ignore_merges", {"model": {"ignore_merges": True}, "pre_tokenizer": {"type": "WhitespaceSplit"}}),
    ]
    return out


def word_bpe_variants():
    return [
        ("word bpe", {}),
        ("word bpe, Whitespace", pre({"type": "Whitespace"}, model={"fuse_unk": True})),
        ("clip", dict(norm({"type": "NFC"}, replace(r"\s+", " ", "Regex"), {"type": "Lowercase"}),
                      pre_tokenizer={"type": "Sequence", "pretokenizers": [
                          split(r"<s>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", "Removed", True),
                          byte_level()]}, decoder=byte_level(),
                      post_processor={"type": "RobertaProcessing", "sep": ["<s>", 1], "cls": ["<unk>", 0],
                                      "trim_offsets": False, "add_prefix_space": False})),
    ]


def decoded(t, ids):
    text = t.decode(ids, skip_special_tokens=False) if ids else ""
    # what the library puts for lost bytes, and for added tokens that it normalizes a second time when they come out
    return None if "\ufffd" in text or any(a.normalized for a in t.get_added_tokens_decoder().values()) else text


def main():
    m = sentencepiece_model(model_type="unigram")
    bases = {"wordpiece": wordpiece_base(), "unigram": unigram_base(m), "chars": bytes_and_chars_base(),
             "words": word_bpe_base()}
    all_texts = texts() + MORE_TEXTS
    variants = {"wordpiece": wordpiece_variants(), "unigram": unigram_variants(m), "chars": char_variants(),
                "words": word_bpe_variants()}
    out = {"made_by": f"make_tokenizer_step_goldens.py: tokenizers {tokenizers.__version__}, "
                      f"sentencepiece {sentencepiece.__version__}",
           "texts": [t.encode().hex() for t in all_texts], "bases": bases, "variants": []}
    for base, list_of in variants.items():
        for name, change in list_of:
            for a in change.get("added_tokens", []):
                if a["id"] is None:
                    a["id"] = len(bases[base]["model"]["vocab"])
            t = Tokenizer.from_str(json.dumps(compose(bases[base], change)))
            row = {"name": name, "base": base, "set": change, "plain": [], "special": {}}
            if "decoder" in name or name in DECODED:
                row["decoded"] = {}
            for i, text in enumerate(all_texts):
                if base == "chars" and len(text.encode()) > LONGEST_OF_CHARS:
                    row["plain"].append(None)
                    continue
                t.encode_special_tokens = True
                ids = t.encode(text, add_special_tokens=False).ids
                row["plain"].append(line(ids))
                if "decoded" in row and decoded(t, ids) not in (None, text):
                    row["decoded"][str(i)] = decoded(t, ids)
                t.encode_special_tokens = False
                special = line(t.encode(text).ids)
                if special != row["plain"][-1]:
                    row["special"][str(i)] = special
            out["variants"].append(row)
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    path.write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes, {len(all_texts)} texts, {len(out['variants'])} variants")


if __name__ == "__main__":
    main()

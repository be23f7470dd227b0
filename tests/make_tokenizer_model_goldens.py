#!/usr/bin/env python3
"""Makes tests/golden/tokenizer_models.json: small SentencePiece models (tokenizer.model) and a tiktoken file, and what their own
libraries make of texts, broken UTF-8 among them; and what tokenizers makes of texts with the patterns that GGUF files name.

Made with sentencepiece 0.2.3, tiktoken 0.14.0 and tokenizers 0.23.3; the file names the versions that made it.
Usage: make_tokenizer_model_goldens.py [OUT]
"""
import base64
import json
import pathlib
import sys

import sentencepiece
import tiktoken
import tokenizers

from make_tokenizer_goldens import LLAMA3, byte_base, line, texts
from make_tokenizer_step_goldens import MORE_TEXTS, sentencepiece_model

OUT = pathlib.Path(__file__).parent / "golden" / "tokenizer_models.json"
BROKEN = [b"\xff", b"a\xc0\x80b", b"the \xe6\x97", b"\xed\xa0\x80\xf4\x90\x80\x80 x", b"\xf0\x9f\x98the\x80\xbf", b"\xe2\x96the"]
AS_IT_IS = dict(normalization_rule_tsv="", normalization_rule_name="identity")


def models():
    unused = sentencepiece_model(model_type="bpe")
    for i, p in enumerate(unused.pieces):
        if i > 60 and i % 3 == 0 and p.type == 1:
            p.type = 5
    return [
        ("unigram", sentencepiece_model(model_type="unigram")),
        ("unigram, bytes, whatever is there", sentencepiece_model(
            model_type="unigram", byte_fallback=True, vocab_size=700, add_dummy_prefix=False, remove_extra_whitespaces=False,
            **AS_IT_IS)),
        ("unigram, user-defined", sentencepiece_model(
            model_type="unigram", user_defined_symbols=["<sep>", "the", "  ", "日本"], bos_id=-1, pad_id=0, eos_id=1, unk_id=2)),
        ("bpe", sentencepiece_model(model_type="bpe", user_defined_symbols=["<sep>", "the", "日本", "é"], byte_fallback=True,
                                    vocab_size=700)),
        ("bpe, suffix", sentencepiece_model(model_type="bpe", treat_whitespace_as_suffix=True)),
        ("bpe, unused pieces", unused),
    ]


def sentencepiece_rows(all_texts):
    rows = []
    for name, m in models():
        m.trainer_spec.ClearField("input")
        data = m.SerializeToString()
        p = sentencepiece.SentencePieceProcessor(model_proto=data)
        row = {"name": name, "model": base64.b64encode(data).decode(), "plain": [], "decoded": {}}
        for i, text in enumerate(all_texts):
            if b"\0" in text:  # where the library stops
                row["plain"].append(None)
                continue
            ids = p.encode(text)
            row["plain"].append(line(ids))
            back = p.decode(ids)
            if "\ufffd" not in back and back.encode() != text:
                row["decoded"][str(i)] = back
        rows.append(row)
    return rows


def tiktoken_row(all_texts):
    """The ranks are those of a vocabulary that tokenizers has trained: both take the pair of the least rank."""
    vocab = byte_base()["model"]["vocab"]
    chars = byte_chars()
    words = sorted((i, bytes(chars[c] for c in w)) for w, i in vocab.items() if w != "<|endoftext|>")
    ranks = {w: rank for rank, (_, w) in enumerate(words)}
    e = tiktoken.Encoding("small", pat_str=LLAMA3, mergeable_ranks=ranks, special_tokens={})
    return {"file": "".join(f"{base64.b64encode(w).decode()} {r}\n" for w, r in ranks.items()),
            "plain": [line(e.encode(t.decode())) if valid(t) else None for t in all_texts]}


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
END = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
QWEN2 = LLAMA3.replace("{1,3}", "")
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+END|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*END|")
GPT4O = CASED.replace("END", END + "?") + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK_V3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"""
               r"\s*[\r\n]+|\s+(?!\S)|\s+")
BLOOM = " ?[^(\\s|.,!?…。，、।۔،)]+"
PATTERNS = {
    "gpt-2": [GPT2], "llama-bpe": [LLAMA3], "qwen2": [QWEN2], "gpt-4o": [GPT4O], "starcoder": [r"\p{N}", GPT2],
    "tekken": [CASED.replace("END", "") + r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "youtu": ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+", GPT4O.replace("{1,3}", "")],
    "tiny_aya": [r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O],
    "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
    "deepseek-v3": [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK_V3],
    "spark2_5": [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK_V3.replace(r"+[\r\n]*|\s*[\r\n]+", r"+|[\r\n]"), r"\p{N}"],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥\u0800-一가-\ud7ff]+", r"\p{N}"],
    "qwen35": [QWEN2.replace(r"]?\p{L}+", r"]?[\p{L}\p{M}]+").replace(r" ?[^\s\p{L}\p{N}]", r" ?[^\s\p{L}\p{M}\p{N}]")],
    "ufakzeka": [QWEN2[len(END) + 1:]], "laguna": [r"[^\n]+|[\n]+", QWEN2],
    "jais-2": [LLAMA3[:-len(r"|\s+(?!\S)|\s+")] + "".join(r"|\s{%d}(?!\S)" % n for n in (512, 256, 128, 64, 32, 16, 8, 4)) +
               r"|\s{1,2}(?!\S)|\s{1}"],
    "minicpm5": [r"\p{N}{1,3}", LLAMA3.replace("{1,3}", "+")],
    "seed-coder": [QWEN2.replace(r"[^\s\p{L}\p{N}]+[\r\n]*", r"[^\s\p{L}\p{N}\r\n]+")],
    "bailingmoe": [r"'(?i:[sdmt]|ll|ve|re)|" + QWEN2[len(END) + 1:].replace(r"\s*[\r\n]+", r"\s*[\r\n]")],
    "exaone-moe": [END + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|"
                   r"\s+(?!\S)|\s+"],
    "kimi-k2": [r"[\p{Han}]+|" + CASED.replace("END", END + "?").replace(r"\p{M}]", r"\p{M}&&[^\p{Han}]]") +
                r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "bloom": [BLOOM], "viking": [BLOOM, r"\p{N}"], "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
    "chameleon": ["<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", r"\p{N}",
                  r"[\p{P}!-/:-@\[-`{-~]", GPT2],
}
PATTERN_TEXTS = ["1234567 1234abc abc1234 12 123456 1,234,567.89 ½5 ١٢٣٤", "日本語とカナ、漢字—한국어 ㄱㄴ ㄅㄆ 中文abc中文DEF's", "#define (abc) [x]{y} /a/b\n//c\n",
                 "IMGIMGABCZ <sentinel:12>    \t\n  x", "don't DON'T We'LL it'S HTMLParser fooBar", "a" + " " * 700 + "b\n \n\n  c  \n",
                 "e\u0301te\u0301 नमस्ते को ก็", "'s 's's x's", "…“abc”，、x!?.,"]


def pattern_rows():
    """Ids of a byte-level vocabulary (tokenizers.json has it) when words are cut so."""
    rows = {}
    for name, patterns in PATTERNS.items():
        t = tokenizers.Tokenizer.from_str(json.dumps(byte_base()))
        t.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
            [tokenizers.pre_tokenizers.Split(tokenizers.Regex(p), "isolated") for p in patterns] +
            [tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        rows[name] = [line(t.encode(text).ids) for text in pattern_texts()]
    return rows


def pattern_texts():
    return PATTERN_TEXTS + [t for t in texts() if 3 < len(t) < 40][::2]


def byte_chars():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {**{chr(b): b for b in plain}, **{chr(256 + n): b for n, b in enumerate(others)}}


def valid(t):
    try:
        t.decode()
        return True
    except UnicodeDecodeError:
        return False


def main():
    all_texts = [t.encode() for t in texts() + MORE_TEXTS] + BROKEN
    out = {"made_by": f"make_tokenizer_model_goldens.py: sentencepiece {sentencepiece.__version__}, "
                      f"tiktoken {tiktoken.__version__}, tokenizers {tokenizers.__version__}",
           "texts": [t.hex() for t in all_texts], "sentencepiece": sentencepiece_rows(all_texts),
           "tiktoken": tiktoken_row(all_texts), "pattern_texts": [t.encode().hex() for t in pattern_texts()],
           "patterns": pattern_rows()}
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    path.write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes, {len(all_texts)} texts")


if __name__ == "__main__":
    main()

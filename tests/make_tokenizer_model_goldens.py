#!/usr/bin/env python3
"""Makes tests/golden/tokenizer_models.json: small SentencePiece models (tokenizer.model) and a tiktoken file, and what their own
libraries make of texts, broken UTF-8 among them.

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
           "tiktoken": tiktoken_row(all_texts)}
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    path.write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes, {len(all_texts)} texts")


if __name__ == "__main__":
    main()

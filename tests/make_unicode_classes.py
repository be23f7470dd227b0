#!/usr/bin/env python3
"""Makes loader/tokenizer/unicode_classes.inc: the character classes by which Hugging Face's tokenizers cuts texts, as ranges.

The library takes them from several crates, some of which keep an old version of Unicode for ever. So they are asked of
the library itself, for every code point, and do not depend on the version of Unicode of this program's libraries.

Made with tokenizers 0.23.3. Usage: make_unicode_classes.py [OUT]
"""
import pathlib
import sys

import tokenizers
from tokenizers import normalizers, pre_tokenizers

OUT = pathlib.Path(__file__).parent.parent / "loader" / "tokenizer" / "unicode_classes.inc"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def cut_by(pre_tokenizer):
    """Characters that stand alone between letters."""
    return [c for c in CODE_POINTS if len(pre_tokenizer.pre_tokenize_str("a" + chr(c) + "b")) == 3]


def joined_by(pre_tokenizer):
    return [c for c in CODE_POINTS if len(pre_tokenizer.pre_tokenize_str("a" + chr(c) + "b")) == 1]


def removed_by(normalizer):
    return [c for c in CODE_POINTS if normalizer.normalize_str(chr(c) + "b") == "b"]


def bert(**k):
    return normalizers.BertNormalizer(**dict(
        dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False), **k))


def ranges(points):
    out = []
    for c in points:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def main():
    classes = [
        ("numeric", cut_by(pre_tokenizers.Digits(individual_digits=True))),
        ("punctuation", cut_by(pre_tokenizers.Punctuation())),
        ("word", joined_by(pre_tokenizers.Whitespace())),
        ("mark", removed_by(normalizers.StripAccents())),
        ("nonspacing", removed_by(bert(strip_accents=True))),
        ("other", [c for c in removed_by(bert(clean_text=True)) if c not in (0, 0xFFFD)]),
    ]
    lines = [f"/* Made by tests/make_unicode_classes.py with tokenizers {tokenizers.__version__}. */"]
    for name, points in classes:
        lines.append(f"static const struct range {name}_ranges[] = {{")
        row = "   "
        for a, b in ranges(points):
            item = f" {{0x{a:X}, 0x{b:X}}},"
            if len(row) + len(item) > 110:
                lines.append(row)
                row = "   "
            row += item
        lines += [row, "};"]
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    path.write_text("\n".join(lines) + "\n")
    print(f"{path}: {path.stat().st_size} bytes, " + ", ".join(f"{n} {len(ranges(p))}" for n, p in classes))


main()

#!/usr/bin/env python3
"""What the models in the box were taught of Hekla (facts.json) and the program says otherwise now: commands and flags, rows of
--help, error texts. The program is free to change; before a new box is trained, facts.json has to follow it, and this lists
where. One line a difference; the exit status is 1 if there is any. Needs Python alone."""
import argparse
import errno
import json
import os
import pathlib
import re
import subprocess
import sys
from collections import defaultdict

import error_texts

HERE = os.path.dirname(os.path.abspath(__file__))


def folded(text):
    return " ".join(text.split())


CONVERSION = re.compile(r"%%|%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|z|j|t)?([diouxXeEfgGcsp])")
SPOKEN = {"d": r"-?\d+", "i": r"-?\d+", "o": r"\d+", "u": r"\d+", "x": r"[0-9a-f]+", "X": r"[0-9A-F]+", "c": "."}


def pattern_of(text):
    """A format string as a regular expression over the messages it can make."""
    out, at = "", 0
    for m in CONVERSION.finditer(text):
        kind = m.group(1)
        out += re.escape(text[at:m.start()])
        out += "%" if kind is None else ".*" if kind in "sp" else SPOKEN.get(kind, r"-?[\w.+-]+")
        at = m.end()
    return re.sub(r"(\\?\s)+", r"\\s+", out + re.escape(text[at:]))


def message_pattern(text):
    """... over messages that it stands in: other texts are before and behind it only with ": " between."""
    behind = r"(?:$| )" if text.endswith(":") else r"(?:$|: )"
    return re.compile(r"(?:^|: )" + pattern_of(text) + behind, re.S)


def literals_of(root):
    """Patterns of every string in the sources that has enough letters to say something, wherever it stands."""
    texts = set()
    for folder in error_texts.FOLDERS:
        for path in sorted((root / folder).rglob("*.[ch]")):
            tokens = list(error_texts.tokens_of(path.read_text(encoding="utf-8")))
            texts.update(error_texts.texts_of(tokens))
    texts.update(os.strerror(e) for e in errno.errorcode)

    def says_something(text):
        letters = len(re.findall("[A-Za-z]", CONVERSION.sub("", text)))
        return letters >= (16 if re.search(r"%[.*\d]*s$", text) else 8)  # "generate: %s" takes anything

    return [re.compile(r"(?:^|: )" + pattern_of(t) + "$", re.S) for t in sorted(texts) if says_something(t)]


def help_texts(hekla):
    """{command: its --help, folded}; hekla's own under "hekla"."""
    def help_of(*command):
        return subprocess.run([hekla, *command, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout

    listed = re.search(r"\ncommands:\n((?:  .*\n)+)", help_of()).group(1)
    texts = {line.split()[0]: folded(help_of(line.split()[0])) for line in listed.splitlines()}
    texts["hekla"] = folded(help_of())
    return texts


def of_help(facts, texts):
    """Rows that the facts quote from --help, and commands and flags that no fact tells of."""
    for t in facts["topics"]:
        for row in t.get("help", []):
            command, _, text = row.partition(": ")
            if folded(text) not in texts.get(command, ""):
                yield f"{t['id']}: hekla {command} --help does not contain {text!r}"
    told = " ".join(" ".join(t["say"] + t.get("help", [])) for t in facts["topics"])
    for command, text in texts.items():
        if command != "hekla" and f"hekla {command}" not in told:
            yield f"no fact tells of hekla {command}"
        for flag in sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))):
            if not re.search(re.escape(flag) + r"(?![\w-])", told):
                yield f"no fact tells of {flag} (hekla {command} --help)"


def of_errors(facts, found):
    """Texts of the sources without advice, and texts of the facts that no source has; found: error_texts.extract's."""
    where = defaultdict(list)
    for family in facts["errors"]:
        for text in family["source"]:
            where[text].append(family["id"])
        for text in family.get("shared", []):
            if text not in found:
                yield f"{family['id']}: not in the sources: {json.dumps(text)}"
    for row in facts["ignored"]:
        where[row["source"]].append("ignored")
    for text, places in found.items():
        if text not in where:
            yield f"no advice: {json.dumps(text)} ({', '.join(places)})"
    for text, owners in where.items():
        if len(owners) > 1:
            yield f"more than once: {json.dumps(text)} ({', '.join(owners)})"
        if text not in found:
            yield f"{', '.join(owners)}: not in the sources: {json.dumps(text)}"


def of_examples(facts, literals):
    """Examples of messages that the program cannot print; literals: literals_of's."""
    for e in facts["errors"]:
        own = [message_pattern(s) for s in e["source"]]
        shared = [message_pattern(s) for s in e.get("shared", [])]
        for example in map(folded, e["examples"]):
            if any(p.search(example) for p in own):
                continue
            # a frame such as "%s: %s: %s" takes any message: what fills it is a string of the sources too, or "quotes" has it,
            # words of a model's own template
            filled = any(p.search(example) for p in literals) or example.endswith(tuple(map(folded, e.get("quotes", []))))
            if not filled or not any(p.search(example) for p in shared):
                yield f"{e['id']}: no message of the program: {example}"


def differences(facts, root, hekla):
    yield from of_help(facts, help_texts(hekla))
    yield from of_errors(facts, error_texts.extract(root))
    yield from of_examples(facts, literals_of(root))


def load_facts():
    with open(os.path.join(HERE, "facts.json"), encoding="utf-8") as f:
        return json.load(f)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hekla", required=True, metavar="PROGRAM", help="the program, built from the sources as they are")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(HERE, "..", ".."), help="the sources (default: these)")
    args = parser.parse_args()
    wrong = list(differences(load_facts(), args.root, args.hekla))
    print("\n".join(wrong) if wrong else "facts.json says what the program says")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Every error text of Hekla's C sources, as format strings.

usage: error_texts.py ROOT [--where]

Prints one JSON string per distinct text found under ROOT/loader, ROOT/runtime and ROOT/tools: string literals in a
row are joined, PRI* macros become the conversion they stand for, and each branch of a ?: counts. With --where the
places follow it.

A text may be only the frame of a message ("%s: tensor %s: %s") whose rest is an argument of a helper in the same file,
or follow a text of hk_fail_prefix and ": ".

Which arguments of which functions are texts is said in FUNCTIONS: that is the one table to extend when a helper that
takes a message is added. To find such helpers: a text of the sources that is printed but not listed here.
"""
import argparse
import collections
import json
import pathlib
import re
import sys

FOLDERS = ("loader", "runtime", "tools")

# name: indices of the arguments that are texts
FUNCTIONS = {
    "hk_fail": (2,),
    "hk_fail_prefix": (1,),
    "tool_usage_text": (0,),
    "jinja_syntax": (2,),
    "jinja_unsupported": (2,),
    "jinja_fail": (1,),
    "jinja_fail_code": (2,),
}

# ... of functions that write to a stream, which must be stderr: (index of the stream, index of the text)
STDERR = {
    "fprintf": (0, 1),
    "fputs": (1, 0),
}

MACROS = {  # roughly: what the macro expands to on a 64-bit system
    "PRIu8": "u", "PRIu16": "u", "PRIu32": "u", "PRIu64": "lu", "PRIi32": "i", "PRIi64": "li",
    "PRId32": "d", "PRId64": "ld", "PRIx32": "x", "PRIx64": "lx", "PRIX64": "lX",
}

TOKEN = re.compile(r"""
      (?P<space>\s+|//[^\n]*|/\*.*?\*/|\\\n)
    | (?P<text>(?:u8|L|u|U)?"(?:[^"\\\n]|\\.)*")
    | (?P<char>'(?:[^'\\\n]|\\.)*')
    | (?P<name>[A-Za-z_]\w*)
    | (?P<other>.)
    """, re.VERBOSE | re.DOTALL)


def tokens_of(source):
    """(kind, text, line) without space and comments."""
    line = 1
    for m in TOKEN.finditer(source):
        if m.lastgroup != "space":
            yield m.lastgroup, m.group(), line
        line += m.group().count("\n")


ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def literal(text):
    """What a C string literal stands for."""
    def one(m):
        s = m.group(1)
        if s[0] == "x":
            return chr(int(s[1:], 16))
        if s[0].isdigit():
            return chr(int(s, 8))
        return ESCAPES.get(s, s)

    body = text[text.index('"') + 1:-1].replace("\\\n", "")
    raw = re.sub(r"\\(x[0-9a-fA-F]+|[0-7]{1,3}|.)", one, body, flags=re.DOTALL)
    try:  # \xe2\x96\x81 spells bytes
        return raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return raw


def arguments(tokens, at):
    """The token lists of a call's arguments; tokens[at] is its opening bracket."""
    depth, args = 0, [[]]
    for token in tokens[at:]:
        kind, text, _ = token
        if kind == "other" and text in "([{":
            depth += 1
            if depth == 1:
                continue
        elif kind == "other" and text in ")]}":
            depth -= 1
            if depth == 0:
                return args
        elif kind == "other" and text == "," and depth == 1:
            args.append([])
            continue
        args[-1].append(token)
    return args


def texts_of(argument):
    """The texts that an argument may be: literals in a row are one, anything between them parts them (a ?:)."""
    joined = None
    for kind, text, _ in argument:
        if kind == "text":
            joined = (joined or "") + literal(text)
        elif kind == "name" and text in MACROS:
            joined = (joined or "") + MACROS[text]
        elif joined is not None:
            yield joined
            joined = None
    if joined is not None:
        yield joined


def extract(root):
    """{text: [place, ...]} in the order of the files."""
    found = collections.OrderedDict()
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.[ch]")):
            tokens = list(tokens_of(path.read_text(encoding="utf-8")))
            for i, (kind, name, line) in enumerate(tokens[:-1]):
                if kind != "name" or tokens[i + 1][1] != "(":
                    continue
                place = f"{path.relative_to(root)}:{line}"
                if name not in FUNCTIONS and name not in STDERR:
                    continue
                args = arguments(tokens, i + 1)
                wanted = FUNCTIONS.get(name, ())
                if name in STDERR:
                    stream, text = STDERR[name]
                    wanted = (text,) if any(t[1] == "stderr" for t in args[stream]) else ()
                for a in wanted:
                    for text in texts_of(args[a]) if a < len(args) else ():
                        found.setdefault(text.strip("\n"), []).append(place)
    return found


def main():
    parser = argparse.ArgumentParser(description="Every error text of Hekla's C sources, as format strings.")
    parser.add_argument("root", type=pathlib.Path, help="the folder that has loader/, runtime/ and tools/")
    parser.add_argument("--where", action="store_true", help="say in which file and line each stands")
    args = parser.parse_args()
    found = extract(args.root)
    if not found:
        sys.exit(f"{args.root}: no error texts: the root of Hekla's sources would be accepted")
    for text, places in found.items():
        shown = json.dumps(text, ensure_ascii=False)
        print(f"{shown}\t{' '.join(places)}" if args.where else shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())

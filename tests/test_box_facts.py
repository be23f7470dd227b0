"""The facts that the model in the box was trained on (tools/box/facts.json) against the program as it is now: a flag, a command
or an error text that has changed shows here, so that the facts follow, and with them the next training.

Needs the program in $HEKLA and the sources in $HEKLA_SOURCE_DIR; Python alone."""
import errno
import json
import os
import re
import subprocess
import sys
import unittest

ROOT = os.environ.get("HEKLA_SOURCE_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
HEKLA = os.environ.get("HEKLA", "")
BOX = os.path.join(ROOT, "tools", "box")
sys.dont_write_bytecode = True
sys.path.insert(0, BOX)

import corpus  # noqa: E402
import error_texts  # noqa: E402


def folded(text):
    return " ".join(text.split())


def help_of(command):
    args = [HEKLA, "--help"] if command == "hekla" else [HEKLA, command, "--help"]
    return subprocess.run(args, capture_output=True, text=True, check=True, timeout=60).stdout


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
        for path in sorted((error_texts.pathlib.Path(root) / folder).rglob("*.[ch]")):
            tokens = list(error_texts.tokens_of(path.read_text(encoding="utf-8")))
            texts.update(error_texts.texts_of(tokens))
    texts.update(os.strerror(e) for e in errno.errorcode)

    def says_something(text):
        letters = len(re.findall("[A-Za-z]", CONVERSION.sub("", text)))
        return letters >= (16 if re.search(r"%[.*\d]*s$", text) else 8)  # "generate: %s" takes anything

    return [re.compile(r"(?:^|: )" + pattern_of(t) + "$", re.S) for t in sorted(texts) if says_something(t)]


class Facts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(BOX, "facts.json"), encoding="utf-8") as f:
            cls.facts = json.load(f)
        listed = re.search(r"\ncommands:\n((?:  .*\n)+)", help_of("hekla")).group(1)
        cls.commands = [line.split()[0] for line in listed.splitlines()]
        cls.help = {c: folded(help_of(c)) for c in cls.commands + ["hekla"]}

    def test_answers_hold_their_facts(self):
        for t in self.facts["topics"] + self.facts["errors"]:
            for say in t["say"]:
                self.assertTrue(corpus.right(say, t["must"]), f"{t['id']}: {say!r} lacks one of {t['must']}")

    def test_no_wording_stands_twice(self):
        seen = {}
        for t in self.facts["topics"] + self.facts["errors"]:
            for ask in t["ask"]:
                self.assertNotIn(ask.lower(), seen, f"{t['id']} and {seen.get(ask.lower())}")
                seen[ask.lower()] = t["id"]

    def test_help_says_what_the_facts_say(self):
        wrong = []
        for t in self.facts["topics"]:
            for row in t.get("help", []):
                command, _, text = row.partition(": ")
                if folded(text) not in self.help.get(command, ""):
                    wrong.append(f"{t['id']}: hekla {command} --help does not contain {text!r}")
        self.assertEqual(wrong, [])

    def test_every_command_and_flag_has_its_fact(self):
        told = " ".join(" ".join(t["say"] + t.get("help", [])) for t in self.facts["topics"])
        missing = [f"hekla {c}" for c in self.commands if f"hekla {c}" not in told]
        for command, text in self.help.items():
            for flag in sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))):
                if not re.search(re.escape(flag) + r"(?![\w-])", told):
                    missing.append(f"{flag} (hekla {command} --help)")
        self.assertEqual(missing, [])

    def test_every_error_text_has_its_advice(self):
        found = error_texts.extract(error_texts.pathlib.Path(ROOT))
        self.assertGreater(len(found), 200)
        self.assertEqual(list(error_texts.check(found, os.path.join(BOX, "facts.json"))), [])
        self.assertEqual([s for e in self.facts["errors"] for s in e.get("shared", []) if s not in found], [])

    def test_examples_are_messages_of_the_program(self):
        wrong = []
        literals = literals_of(ROOT)
        for e in self.facts["errors"]:
            own = [message_pattern(s) for s in e["source"]]
            shared = [message_pattern(s) for s in e.get("shared", [])]
            for example in map(folded, e["examples"]):
                if any(p.search(example) for p in own):
                    continue
                # a frame such as "%s: %s: %s" takes any message: what fills it is a string of the sources too, or "quotes" has it,
                # words of a model's own template
                filled = any(p.search(example) for p in literals) or example.endswith(tuple(map(folded, e.get("quotes", []))))
                if not filled or not any(p.search(example) for p in shared):
                    wrong.append(f"{e['id']}: {example}")
        self.assertEqual(wrong, [])

    def test_a_changed_program_would_show(self):
        """The checks above can fail: each is given something that is not there."""
        found = dict(error_texts.extract(error_texts.pathlib.Path(ROOT)))
        found["%s: a text that nobody wrote"] = ["nowhere:1"]
        self.assertTrue(any("nobody wrote" in line for line in error_texts.check(found, os.path.join(BOX, "facts.json"))))
        self.assertIsNone(message_pattern("%s: %u apples").search("pears: no apples"))
        self.assertIsNone(message_pattern("no apples").search("pears: no apples here"))
        for text in ("pears: nobody wrote this", "generate: nobody wrote this", "pears: apples: nobody wrote this"):
            self.assertFalse(any(p.search(text) for p in literals_of(ROOT)), text)
        self.assertFalse(corpus.right("use --top-k 400", ["40"]))


if __name__ == "__main__":
    if not HEKLA:
        print("no program in $HEKLA")
        sys.exit(77)
    unittest.main()

"""The facts that the models in the box are trained on (tools/box/facts.json), as far as they must hold at any time: they agree
with themselves. Where the program has moved on since the training is no fault: tools/box/outdated.py lists it, and is tested here.

Needs the program in $HEKLA and the sources in $HEKLA_SOURCE_DIR; Python alone."""
import os
import pathlib
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
import outdated  # noqa: E402


class Facts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.facts = outdated.load_facts()

    def test_answers_hold_their_facts(self):
        for t in self.facts["topics"] + self.facts["errors"]:
            for say in t["say"]:
                self.assertTrue(corpus.right(say, t["must"]), f"{t['id']}: {say!r} lacks one of {t['must']}")
        self.assertFalse(corpus.right("use --top-k 400", ["40"]))

    def test_no_wording_stands_twice(self):
        seen = {}
        for t in self.facts["topics"] + self.facts["errors"]:
            for ask in t["ask"]:
                self.assertNotIn(ask.lower(), seen, f"{t['id']} and {seen.get(ask.lower())}")
                seen[ask.lower()] = t["id"]


class Outdated(unittest.TestCase):
    """What is given is what the program says, with one thing changed: exactly that must be listed."""

    FACTS = {
        "topics": [{"id": "cmd.eat", "say": ["`hekla eat` eats apples: --count N of them."], "help": ["eat: --count N how many"]}],
        "errors": [{"id": "error.pears", "source": ["%s: %u apples"], "shared": ["eat: %s"],
                    "examples": ["pears: 3 apples", "hekla: eat: nothing is left"]}],
        "ignored": [{"source": "eat: %s"}, {"source": "out of memory"}],
    }
    HELP = {"eat": "hekla eat: --count N how many", "hekla": "commands: eat"}
    FOUND = {"%s: %u apples": ["eat.c:1"], "eat: %s": ["eat.c:2"], "out of memory": ["eat.c:3"]}

    def test_the_same_is_silent(self):
        self.assertEqual(list(outdated.of_help(self.FACTS, self.HELP)), [])
        self.assertEqual(list(outdated.of_errors(self.FACTS, self.FOUND)), [])
        self.assertEqual(list(outdated.of_examples(self.FACTS, [outdated.message_pattern("nothing is left")])), [])

    def test_help(self):
        changed = {"eat": "hekla eat: --number N how many", "drink": "hekla drink", "hekla": "commands: eat, drink"}
        self.assertEqual(list(outdated.of_help(self.FACTS, changed)),
                         ["cmd.eat: hekla eat --help does not contain '--count N how many'",
                          "no fact tells of --number (hekla eat --help)", "no fact tells of hekla drink"])

    def test_errors(self):
        found = {"%s: %u pears": ["eat.c:1"], "out of memory": ["eat.c:3"]}
        self.assertEqual(list(outdated.of_errors(self.FACTS, found)),
                         ['error.pears: not in the sources: "eat: %s"', 'no advice: "%s: %u pears" (eat.c:1)',
                          'error.pears: not in the sources: "%s: %u apples"', 'ignored: not in the sources: "eat: %s"'])
        twice = dict(self.FACTS, ignored=self.FACTS["ignored"] * 2)
        self.assertIn('more than once: "eat: %s" (ignored, ignored)', list(outdated.of_errors(twice, self.FOUND)))

    def test_examples(self):
        self.assertEqual(list(outdated.of_examples(self.FACTS, [])),
                         ["error.pears: no message of the program: hekla: eat: nothing is left"])
        self.assertIsNone(outdated.message_pattern("%s: %u apples").search("pears: no apples"))
        self.assertIsNone(outdated.message_pattern("no apples").search("pears: no apples here"))
        literals = outdated.literals_of(pathlib.Path(ROOT))
        for text in ("pears: nobody wrote this", "generate: nobody wrote this", "pears: apples: nobody wrote this"):
            self.assertFalse(any(p.search(text) for p in literals), text)

    def test_this_tree_is_read(self):
        self.assertGreater(len(error_texts.extract(pathlib.Path(ROOT))), 200)
        self.assertGreater(len(outdated.help_texts(HEKLA)), 10)
        ran = subprocess.run([sys.executable, os.path.join(BOX, "outdated.py"), "--hekla", HEKLA, "--root", ROOT],
                             capture_output=True, text=True, timeout=300)
        self.assertEqual(ran.stderr, "")
        self.assertEqual(ran.returncode, 0 if ran.stdout == "facts.json says what the program says\n" else 1)


if __name__ == "__main__":
    if not HEKLA:
        print("no program in $HEKLA")
        sys.exit(77)
    unittest.main()

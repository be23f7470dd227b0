"""Many ways to say one thing: what people do to a question before they press Enter."""
import re

# Groups of phrases that mean the same at the place where they stand. A wording is varied by replacing one with another.
SAME = [g.split("|") for g in """
how do i|how can i|how to|how would i|how should i|what is the way to|is there a way to|is it possible to|i want to|i need to|i would like to|can i|help me
how does one|how do i|how can i|how can you
what does|can you explain what|please explain what|tell me what
what is|what's|tell me what is|explain what is|what exactly is
which|what
show|display|print|list|give|see
tell|show|give
use|take|try|work with
choose|pick|select|set|specify
change|set|adjust|modify
make|get|produce|create
open|load|run|start with
start|run|launch|begin
stop|end|quit|abort
limit|restrict|cap|bound
answer|reply|response
answers|replies|responses|output
model|checkpoint|model file
text|a text|some text
file|document
prompt|input|prompt text
flag|option|switch|parameter
command|subcommand|call
need|want|require
fast|quick|speedy
faster|quicker|more quickly
slow|sluggish
much|how much
memory|ram|vram|video memory
gpu|graphics card|video card
computer|machine|pc
laptop|notebook
error|error message|message
fix|solve|repair|get rid of
mean|say|stand for
means|says
do about|do against|do with
problem|trouble|issue
download|fetch|get
install|set up|get
random|varied|creative|surprising
same|identical|equal
likely|probable
see|look at|view
big|large|huge
small|little|tiny
smaller|less|lower
bigger|larger|higher
without|with no
several|many|multiple|more than one
keep|save|store
convert|turn|change
please|kindly
""".strip().split("\n")]
_BY_PHRASE = {}
for _g in SAME:
    for _p in _g:
        _BY_PHRASE.setdefault(_p, set()).update(p for p in _g if p != _p)
_BY_PHRASE = {p: sorted(s) for p, s in _BY_PHRASE.items()}
_PHRASE = re.compile(r"(?<![\w`'\"/.-])(" + "|".join(sorted((re.escape(p) for p in _BY_PHRASE), key=len, reverse=True)) + r")(?![\w`'\"/.-])", re.I)

_HEKLA = re.compile(r"(?<![\w`'\"/.-])hekla(?![\w`'\"/.:-])")
DROP = set("a an the of to is are do does i my me it in on for with and that this there can be please some just so".split())
OPENERS = ["hi, ", "hello, ", "hey, ", "hi there, ", "please, ", "quick question: ", "a question: ", "sorry, ", "ok, ", "so, ", "and ", "tell me, ",
           "can you tell me ", "could you tell me ", "i wonder ", "i would like to know ", "do you know ", "please tell me ", "one more thing: ",
           "hello! ", "good morning, ", "hekla: ", "dear assistant, ", "i have a question: ", "well, "]
CLOSERS = [" please", ", please", " thanks", ", thanks", " in hekla", " with hekla", " here", " exactly", " then", " again", ", thank you", " for me", " now"]


def swap_phrases(rng, text, rate):
    def other(m):
        found = m.group(1)
        if rng.random() > rate:
            return found
        return rng.choice(_BY_PHRASE[found.lower()])
    return _PHRASE.sub(other, text)


def is_code(word):
    """A word that is to be copied as it is: a flag, a file, a number, something quoted."""
    return bool(re.search(r"[-/\\`\"'_.:=<>()%\d]", word[:-1])) or word[:1] in "`\"'-" or any(c.isdigit() for c in word)


def typo(rng, word):
    if len(word) < 4 or is_code(word):
        return word
    i = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return word[:i] + word[i + 1:]
    if kind == 1:
        return word[:i] + word[i + 1] + word[i] + word[i + 2:]
    if kind == 2:
        return word[:i] + word[i] + word[i:]
    return word[:i] + rng.choice("abcdefghijklmnopqrstuvwxyz") + word[i + 1:]


def noise(rng, text, rate=1.0):
    """Typos, case and punctuation as people type: about half of the texts stay as they are."""
    if rng.random() < 0.25 * rate:
        words = text.split(" ")
        for _ in range(1 if rng.random() < 0.7 else 2):
            i = rng.randrange(len(words))
            words[i] = typo(rng, words[i])
        text = " ".join(words)
    if rng.random() < 0.4 * rate:
        text = _HEKLA.sub("Hekla", text)
    r = rng.random()
    if r < 0.3 * rate:
        text = text[:1].upper() + text[1:]
    elif r < 0.33 * rate and not re.search(r"[-`/\\]", text):
        text = text.upper()
    if rng.random() < 0.3 * rate:
        text = text.rstrip("?.!")
    elif rng.random() < 0.1 * rate:
        text = text.rstrip("?.!") + rng.choice(["??", "!", ".", " ?", "..."])
    return text


def content_words(text):
    return [w for w in text.rstrip("?.!").split(" ") if w.lower() not in DROP]


def blend(rng, one, other):
    """Some of the words of two wordings of one question: what they mean is in the words, whatever their order."""
    words = content_words(swap_phrases(rng, one, 0.3)) + content_words(swap_phrases(rng, other, 0.3))
    keep = [w for w in words if rng.random() < 0.6] or words
    if rng.random() < 0.5:
        rng.shuffle(keep)
    return noise(rng, " ".join(keep[:12]))


def disturb(rng, text, foreign):
    """One word of another question comes in: no single word decides."""
    words, strange = text.split(" "), [w for w in foreign.rstrip("?.!").split(" ") if not is_code(w)]
    if strange:
        words.insert(rng.randint(0, len(words)), rng.choice(strange))
    return " ".join(words)


def vary(rng, text, rate=0.35):
    """Another wording of a question for training: phrases swapped, small words dropped, something before or after it."""
    text = swap_phrases(rng, text, rate)
    r = rng.random()
    if r < 0.1:  # keywords alone
        words = [w for w in text.rstrip("?.!").split(" ") if w.lower() not in DROP] or [text]
        text = " ".join(words)
    elif r < 0.22:  # a word or two is missing
        words = text.split(" ")
        if len(words) > 4:
            for _ in range(rng.randint(1, 2)):
                i = rng.randrange(len(words))
                if not is_code(words[i]):
                    del words[i]
        text = " ".join(words)
    if rng.random() < 0.22:
        text = rng.choice(OPENERS) + text
    if rng.random() < 0.12:
        end = text[-1:] if text[-1:] in "?.!" else ""
        text = text.rstrip("?.!") + rng.choice(CLOSERS) + end
    return noise(rng, text)

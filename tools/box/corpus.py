"""The text that the models in the box are trained on, and the questions that they are measured by. All of it comes from
facts.json, skills.py and wordings.py, and from a seed: the same seed gives the same text.

    python corpus.py sample [SEED]       some documents and conversations to look at
    python corpus.py questions FILE      the held-out questions as JSON lines, for measure.py

Held out before anything is trained: a quarter of the wordings of every fact, a quarter of the examples of every error,
a tenth of the pairs of numbers, and a part of every other skill's questions (skills.py). Held-out wordings are asked as
they stand in facts.json, without what wordings.py does to a question in training."""
import json
import math
import os
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass, field

import skills
import wordings
from skills import Exchange, hashed

HERE = os.path.dirname(os.path.abspath(__file__))
BOS, TURN, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
                 "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
HELD_OUT = 0.25


def split(name, texts):
    """(trained, held out): the quarter of the texts whose hashes are lowest is held out."""
    ranked = sorted(texts, key=lambda t: hashed(name + "\n" + t, 1 << 62))
    n = int(len(texts) * HELD_OUT)
    return ranked[n:], ranked[:n]


@dataclass
class Topic:
    id: str
    group: str
    say: list
    must: list
    ask: tuple           # (trained, held out)
    examples: tuple = ((), ())  # of an error: messages
    code: str = ""       # the first thing in backticks of its answer


def wordings_of(fact):
    """(trained, held out): "more" are wordings that came later, for training alone, so that the held-out ones stay what they were."""
    trained, held_out = split(fact["id"], fact["ask"])
    return trained + fact.get("more", []), held_out


def load_facts(path=os.path.join(HERE, "facts.json")):
    with open(path, encoding="utf-8") as f:
        facts = json.load(f)
    topics, errors = [], []
    for t in facts["topics"]:
        m = re.search(r"`([^`]+)`", t["say"][0])
        topics.append(Topic(t["id"], t["group"], t["say"], t["must"], wordings_of(t), code=m.group(1) if m else ""))
    for e in facts["errors"]:
        errors.append(Topic(e["id"], "errors", e["say"], e["must"], wordings_of(e), split(e["id"] + " examples", e["examples"])))
    return topics, errors


class Corpus:
    def __init__(self, facts=None):
        self.topics, self.errors = load_facts(facts) if facts else load_facts()
        self.by_id = {t.id: t for t in self.topics + self.errors}
        self.hekla = [t for t in self.topics if t.group in ("hekla", "memory")]
        self.talk = [t for t in self.topics if t.group == "small talk"]
        self.mix = MIX
        self.neighbours = {}
        self.judged = []  # (question, topic) of teacher.py

    # ---- one exchange ----

    def topic(self, rng, t, held_out=False):
        asks = t.ask[1 if held_out else 0]
        ask = rng.choice(asks)
        if not held_out:
            ask = wordings.blend(rng, ask, rng.choice(asks)) if rng.random() < 0.25 else wordings.vary(rng, ask)
            if rng.random() < 0.2:
                ask = wordings.disturb(rng, ask, rng.choice(rng.choice(self.topics).ask[0]))
        return Exchange(t.group, ask, rng.choice(t.say), t.must, held_out, topic=t.id)

    def error(self, rng, t, held_out=False):
        if rng.random() < 0.35 or not t.examples[held_out]:
            return self.topic(rng, t, held_out)
        message = rng.choice(t.examples[1 if held_out else 0])
        if not held_out:
            message = other_values(rng, message)
        if rng.random() < 0.5:
            message = "hekla: " + message
        if not held_out and rng.random() < 0.15:  # only its beginning or its end was copied
            words = message.split(" ")
            if len(words) > 8:
                n = rng.randint(6, len(words) - 1)
                message = " ".join(words[:n] if rng.random() < 0.5 else words[-n:])
        ask = rng.choice(ERROR_FRAMES).format(message)
        if not held_out and rng.random() < 0.3:
            ask = wordings.noise(rng, ask, 0.3)
        return Exchange("errors", ask, rng.choice(t.say), t.must, held_out, topic=t.id)

    def exchange(self, rng, held_out=False):
        kind = rng.choices(list(self.mix), list(self.mix.values()))[0]
        if self.judged and not held_out and kind in ("hekla", "talk", "errors") and rng.random() < 0.5:
            ask, t = rng.choice(self.judged)
            return Exchange(t.group, ask, rng.choice(t.say), t.must, topic=t.id)
        if kind == "hekla":
            return self.topic(rng, rng.choice(self.hekla), held_out)
        if kind == "talk":
            return self.topic(rng, rng.choice(self.talk), held_out)
        if kind == "errors":
            return self.error(rng, rng.choice(self.errors), held_out)
        x = skills.SKILLS[kind](rng, held_out)
        if not held_out:
            x.ask = dress(rng, x.ask)
            for y in x.then:
                y.ask = wordings.noise(rng, y.ask, 0.7)
        return x

    # ---- conversations ----

    def conversation(self, rng, turns=None):
        """[(exchange, ...)]: what refers back stands right behind what it refers to, or, for names, somewhat later."""
        turns = turns or rng.choices([1, 2, 3, 4, 6], [60, 18, 11, 7, 4])[0]
        out, later = [], []
        while len(out) < turns:
            x = self.exchange(rng)
            out.append(x)
            if x.group == "names":
                later += x.then
                turns = max(turns, 2)
            elif x.then and (turns > 1 or rng.random() < 0.5):
                out += x.then
            elif turns > 1 and rng.random() < 0.2:
                y = refer_back(rng, x, self)
                if y:
                    out.append(y)
            if later and (len(out) >= turns - 1 or rng.random() < 0.4):
                out.append(later.pop(0))
        return out + later

    def messages(self, rng, conversation):
        system = rng.choice(SYSTEMS) if rng.random() < 0.06 else None
        out = [("system", system)] if system else []
        for x in conversation:
            out += [("user", x.ask), ("assistant", x.say)]
        return out

    # ---- documents for the base model ----

    def document(self, rng):
        kind = rng.choices(["chat", "question", "page", "drill", "error"], [54, 10, 8, 20, 8])[0]
        if kind == "chat":
            return render(self.messages(rng, self.conversation(rng)))
        if kind == "question":
            lines = []
            for x in self.conversation(rng, rng.randint(1, 3)):
                lines.append(f"Question: {x.ask}\nAnswer: {x.say}")
            return BOS + "\n\n".join(lines) + "\n"
        if kind == "page":
            group = rng.choice(self.hekla).id.split(".")[0]
            about = [t for t in self.hekla if t.id.split(".")[0] == group]
            chosen = rng.sample(about, min(len(about), rng.randint(2, 5)))
            return BOS + rng.choice(PAGES) + "\n\n" + " ".join(rng.choice(t.say) for t in chosen) + "\n"
        if kind == "error":
            lines = []
            for t in rng.sample(self.errors, rng.randint(1, 3)):
                lines.append("hekla: " + other_values(rng, rng.choice(t.examples[0])) + "\n" + rng.choice(t.say))
            return BOS + "\n\n".join(lines) + "\n"
        skill = rng.choice(["sums", "sums", "sums", "counting", "calendar", "units"])
        return BOS + "\n".join(skills.SKILLS[skill](rng).say for _ in range(rng.randint(3, 10))) + "\n"

    # ---- pairs for the reward model ----

    def near(self, name, n=12):
        """The n topics whose wordings share the most words with this one's, rare words counting more: what is mixed up with it."""
        if not self.neighbours:
            topics = self.topics + self.errors
            bags = [{w for ask in t.ask[0] for w in re.findall(r"[\w-]+", ask.lower())} for t in topics]
            count = Counter(w for b in bags for w in b)
            weight = {w: math.log(len(topics) / k) for w, k in count.items()}
            size = [math.sqrt(sum(weight[w] ** 2 for w in b)) or 1.0 for b in bags]
            for i, t in enumerate(topics):
                like = [sum(weight[w] ** 2 for w in bags[i] & b) / size[j] if j != i else -1.0 for j, b in enumerate(bags)]
                self.neighbours[t.id] = [topics[j] for j in sorted(range(len(topics)), key=like.__getitem__, reverse=True)[:n]]
        return self.neighbours[name]

    def wrong_answers(self, rng, x):
        """Answers to x.ask that a person would rank below x.say."""
        out = list(x.wrong)
        near = self.near(x.topic) if x.topic else []
        for _ in range(2):
            other = rng.choice(near) if near and rng.random() < 0.7 else rng.choice(self.topics + self.errors)
            if other.id != x.topic:
                out.append(rng.choice(other.say))
        out.append(broken(rng, x.say, self, near or self.hekla))
        if x.group not in ("not known",) and rng.random() < 0.5:
            out.append(rng.choice(skills.I_DO_NOT_KNOW))
        if rng.random() < 0.2:
            out.append(rng.choice(["", "?", "Yes.", "No.", "I will not tell you.", "Find out yourself.", x.ask, "the the the the the", "Hekla Hekla Hekla Hekla."]))
        return [w for w in out if not right(w, x.must)]


# What is asked how often: in the base model's text, which has drills besides; in fine-tuning, where facts need the most; and for the
# reward model, as a sum, a count or a name has to be checked piece by piece.
MIX = {"hekla": 46, "errors": 14, "talk": 6, "sums": 17, "counting": 2.5, "calendar": 5, "units": 4, "names": 2.5, "unknown": 5}
CHAT_MIX = {"hekla": 48, "errors": 18, "talk": 9, "sums": 14, "counting": 7, "calendar": 7, "units": 4, "names": 10, "unknown": 6}
RANK_MIX = {**CHAT_MIX, "sums": 32, "counting": 10, "calendar": 12, "units": 10}
ERROR_FRAMES = ["{}", "{}", "what does this mean: {}", "i get: {}", "i get this error: {}", "it says: {}", "what should i do about: {}", "{} what can i do?",
                "error: {}", "what to do when it says \"{}\"?", "how do i fix this: {}", "{} why?", "help, it prints {}", "i see \"{}\", what now?",
                "the program stopped with: {}", "what is wrong here? {}", "{}\nwhat does it mean?"]
SYSTEMS = ["You are a helpful assistant.", "You are Hekla's help desk.", "Answer briefly.", "You are a helpful assistant. Be polite.", "Be concise.",
           "Answer in one sentence.", "You are an assistant for Hekla, a GPU inference runtime."]
PAGES = ["About Hekla", "Hekla in short", "From the manual", "Notes on Hekla", "What to know", "Hekla: a page of facts", "Tips", "From the help desk"]


def render(messages, answer=False):
    """ChatML, as CHAT_TEMPLATE gives it, behind the beginning-of-text token. answer: the assistant's turn is begun."""
    text = "".join(f"{TURN}{role}\n{content}{END}\n" for role, content in messages)
    return BOS + text + (f"{TURN}assistant\n" if answer else "")


def dress(rng, ask):
    """Noise for a skill's question: numbers and names in it stay."""
    r = rng.random()
    if r < 0.12:
        ask = rng.choice(["hi, ", "please, ", "hey, ", "quick question: ", "can you tell me ", "and ", "ok, ", "hello, ", "so "]) + ask
    elif r < 0.18:
        ask = ask.rstrip("?") + rng.choice([" please", ", please", " thanks", " then?"])
    r = rng.random()
    if r < 0.25:
        ask = ask.lower()
    elif r < 0.5:
        ask = ask[:1].upper() + ask[1:]
    return ask.rstrip("?.") if rng.random() < 0.3 else ask


FILES = ["model.gguf", "llama.gguf", "notes.txt", "my-model.gguf", "prompt.txt", "tiny.bin", "chat.gguf", "reward.gguf", "weights.safetensors", "story.txt", "x.gguf",
         "models/base.gguf", "model.safetensors", "config.json", "tokenizer.json", "qwen.gguf", "stories.bin", "data.txt", "a.gguf", "mistral-7b.gguf"]


def other_values(rng, message):
    """An error message with other numbers and other file names in it."""
    def number(m):
        n = m.group(0)
        if rng.random() < 0.4 or n in ("2", "3") or "." in n:
            return n
        return str(rng.randint(10 ** (len(n) - 1), 10 ** len(n) - 1)) if len(n) < 9 else n
    message = re.sub(r"(?<![\w.-])\d+(?![\w.%-])", number, message)
    head, sep, rest = message.partition(": ")
    if sep and re.fullmatch(r"[\w./-]+\.(gguf|bin|txt|safetensors)", head) and rng.random() < 0.6:
        end = head.rsplit(".", 1)[1]
        head = rng.choice([f for f in FILES if f.endswith(end)])
    return head + sep + rest


def refer_back(rng, x, corpus):
    kind = rng.random()
    if kind < 0.3:
        ask = rng.choice(["can you repeat that?", "say that again", "repeat please", "once more please", "what did you just say?", "could you say that again?",
                          "please repeat your answer", "again please", "sorry, what was that?", "i forgot, what was it?"])
        return Exchange("follow-up", wordings.noise(rng, ask, 0.5), x.say, x.must)
    if kind < 0.7 and x.topic:
        t = next((t for t in corpus.topics if t.id == x.topic), None)
        if t and t.code and t.group != "small talk":
            ask = rng.choice(["which command was that?", "what was it called again?", "just the command please", "only the flag, please", "what do i type?",
                              "so what exactly do i type?", "in short?", "shorter please", "which one was it?", "and the exact spelling?"])
            m = re.search(r"`([^`]+)`", x.say)
            if m:
                return Exchange("follow-up", wordings.noise(rng, ask, 0.5), f"`{m.group(1)}`", [m.group(1)])
    thanks = [t for t in corpus.talk if t.id == "talk.thanks"]
    return corpus.topic(rng, thanks[0]) if thanks else None


def broken(rng, say, corpus, near):
    """A right answer made wrong: another flag, another number, cut, or it goes on as the answer of another topic."""
    kind = rng.randrange(4)
    codes = re.findall(r"`([^`]+)`", say)
    if kind == 0 and codes:
        others = [t.code for t in (near if rng.random() < 0.5 else corpus.hekla) if t.code and t.code not in codes]
        if others:
            return say.replace(f"`{codes[0]}`", f"`{rng.choice(others)}`")
    numbers = re.findall(r"(?<![\w-])\d+(?![\w-])", say)
    if kind <= 1 and numbers:
        n = rng.choice(numbers)
        return re.sub(rf"(?<![\w-]){n}(?![\w-])", str(max(0, int(n) + rng.choice([-10, -2, -1, 1, 2, 10, 30]))), say)
    words = say.split(" ")
    if kind == 2 and len(words) > 4:
        return " ".join(words[:rng.randint(1, max(1, len(words) // 3))])
    i = rng.randrange(len(words))
    other = rng.choice(rng.choice(near).say).split(" ")
    return " ".join(words[:i] + other[min(i, len(other) - 1):])


# ---- judging -------------------------------------------------------------------------------------------------------

def _found(needle, text):
    left = r"(?<![\w.-])" if needle[:1].isalnum() else ""
    right_ = r"(?![\w-])" if needle[-1:].isalnum() else ""
    return re.search(left + re.escape(needle) + right_, text, re.I) is not None


def right(answer, must):
    """Is every exact fact in the answer?"""
    answer = " ".join(answer.split())
    return all(any(_found(n, answer) for n in m.split("|")) for m in must)


def questions(corpus, seed=20261125):
    """The held-out questions: every held-out wording of every fact, every held-out example of every error once, and a number
    of every skill's."""
    rng = random.Random(seed)
    out = []
    for t in corpus.topics + corpus.errors:
        for ask in t.ask[1]:
            out.append(Exchange(t.group, ask, t.say[0], t.must, True, topic=t.id))
        for message in t.examples[1]:
            out.append(Exchange("errors", rng.choice(ERROR_FRAMES).format("hekla: " + message), t.say[0], t.must, True, topic=t.id))
    for op in "+-":
        seen = set()
        while len(seen) < 200:
            x = skills.sums(rng, True, op)
            if x.say not in seen:
                seen.add(x.say)
                out.append(x)
    for name, n in (("counting", 60), ("calendar", 100), ("units", 100), ("names", 40), ("unknown", 100)):
        seen = set()
        for _ in range(20 * n):
            x = skills.SKILLS[name](rng, True)
            if len(seen) < n and x.ask not in seen:
                seen.add(x.ask)
                out.append(x)
    return out


def question_json(x):
    turns = [x.ask] + [y.ask for y in x.then]
    last = x.then[-1] if x.then else x
    return {"group": x.group, "topic": x.topic, "ask": turns, "say": last.say, "must": last.must}


def main():
    corpus = Corpus()
    if sys.argv[1:2] == ["sample"]:
        rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
        for _ in range(12):
            print(corpus.document(rng))
            print("-" * 80)
    elif sys.argv[1:2] == ["questions"] and len(sys.argv) == 3:
        with open(sys.argv[2], "w", encoding="utf-8") as f:
            for x in questions(corpus):
                f.write(json.dumps(question_json(x)) + "\n")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()

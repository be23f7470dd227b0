"""What a question is about, as a second task beside the next token while the chat model is fine-tuned: a linear layer names the
topic from the mean over a question's tokens of what the third block gives, another from what the fourth gives where the answer
begins. Both layers are thrown away afterwards.

Why: in an answer of thirty tokens one or two decide what it is about, and a model of this size learns the thirty by heart long
before it learns to tell questions apart. Asked for the topic alone it sees three times as many questions in a second, and what it
learns there is what the later blocks then look up: README.md has the figures."""
import torch
import torch.nn.functional as F
from torch import nn

import corpus as text


class Topics(nn.Module):
    def __init__(self, c, tok, hidden_size, judged=()):
        """judged: [(question, [(topic, probability)])], of teacher.py"""
        super().__init__()
        self.corpus, self.tok, self.judged = c, tok, judged
        names = [t.id for t in c.topics + c.errors] + sorted(k for k in c.mix if k not in ("hekla", "talk", "errors"))
        self.label = {name: i for i, name in enumerate(names)}
        self.of_mean, self.of_last = (nn.Linear(hidden_size, len(names), bias=False) for _ in range(2))
        for head in (self.of_mean, self.of_last):
            nn.init.zeros_(head.weight)

    def encode(self, ask):
        return self.tok.encode(text.render([("user", ask)], True), add_special_tokens=False).ids

    def sample(self, rng):
        """(ids, [(label, probability)]): every topic as often as every other, the skills a few times each."""
        c = self.corpus
        if self.judged and rng.random() < 0.6:
            ask, likely = rng.choice(self.judged)
            return self.encode(ask), [(self.label[t.id], p) for t, p in likely]
        name = rng.choice(list(self.label))
        if name in c.mix:
            return self.encode(text.dress(rng, text.skills.SKILLS[name](rng).ask)), [(self.label[name], 1.0)]
        t = c.by_id[name]
        return self.encode((c.error if t.group == "errors" else c.topic)(rng, t).ask), [(self.label[name], 1.0)]

    def target(self, rows):
        """(rows, topics): probabilities"""
        out = torch.zeros(len(rows), len(self.label))
        for i, likely in enumerate(rows):
            for label, p in likely:
                out[i, label] = p
        return out

    def batches(self, rng, budget):
        """[ids (rows, T), lengths (rows), probabilities (rows, topics)] of about `budget` padded tokens, for ever."""
        while True:
            some = sorted((self.sample(rng) for _ in range(4096)), key=lambda s: len(s[0]))
            parts, now = [], []
            for s in some:
                if now and len(s[0]) * (len(now) + 1) > budget:
                    parts.append(now)
                    now = []
                now.append(s)
            rng.shuffle(parts)
            for p in parts:
                yield self.batch([ids for ids, _ in p]) + [self.target([likely for _, likely in p])]

    @staticmethod
    def batch(rows):
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
        for i, r in enumerate(rows):
            ids[i, :len(r)] = torch.tensor(r)
        return [ids, torch.tensor([len(r) for r in rows])]

    def scores(self, model, ids, lengths):
        """From the mean, and from the last token: (rows, topics) each"""
        states = []
        at = torch.arange(ids.shape[1])[None] - lengths[:, None]  # -1: the last token
        model.hidden(ids, depth=4, states=states, wanted=at == -1)
        mean = (states[2].float() * (at < 0)[..., None]).sum(1) / lengths[:, None]
        return self.of_mean(mean), self.of_last(states[3].float())

    def loss(self, model, batch):
        return sum(F.cross_entropy(s, batch[2]) for s in self.scores(model, *batch[:2])) / 2

    @torch.no_grad()
    def accuracy(self, model):
        """The parts of the held-out wordings whose topic is found, or one whose answer has the facts too: by the mean, by the last token"""
        topics = self.corpus.topics + self.corpus.errors
        asked = [(t, ask) for t in topics for ask in t.ask[1]]
        n_right = [0, 0]
        for at in range(0, len(asked), 128):
            part = asked[at:at + 128]
            for k, scores in enumerate(self.scores(model, *self.batch([self.encode(ask) for _, ask in part]))):
                for (t, _), found in zip(part, scores.argmax(1)):
                    n_right[k] += int(found) < len(topics) and text.right(topics[int(found)].say[0], t.must)
        return [n / len(asked) for n in n_right]

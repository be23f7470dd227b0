"""Tasks on questions alone, beside the dialogues that the chat model is fine-tuned on: what a question is about, and how its answer
begins. A linear layer names the topic from the mean over a question's tokens of what the third block gives, another from what the
fourth gives where the answer begins; both layers are thrown away afterwards. Of the answer its first eight tokens are asked for:
half of the answers are like no other after three, all but one in a hundred after seven.

Why: in an answer of thirty tokens one or two decide what it is about, and a model of this size learns the thirty by heart long
before it learns to tell questions apart. What it learns from the topics is what the later blocks then look up, and a step has
room for twice as many questions: README.md has the figures."""
import torch
import torch.nn.functional as F
from torch import nn

import corpus as text


class Topics(nn.Module):
    def __init__(self, c, tok, hidden_size, judged=(), begin=8):
        """judged: [(question, [(topic, probability)])], of teacher.py; begin: how many tokens of an answer are asked for, 0: none"""
        super().__init__()
        self.corpus, self.tok, self.judged, self.begin = c, tok, judged, begin
        names = [t.id for t in c.topics + c.errors] + sorted(k for k in c.mix if k not in ("hekla", "talk", "errors"))
        self.label = {name: i for i, name in enumerate(names)}
        self.of_mean, self.of_last = (nn.Linear(hidden_size, len(names), bias=False) for _ in range(2))
        for head in (self.of_mean, self.of_last):
            nn.init.zeros_(head.weight)

    def encode(self, ask):
        return self.tok.encode(text.render([("user", ask)], True), add_special_tokens=False).ids

    def begun(self, answer):
        return self.tok.encode(answer + text.END, add_special_tokens=False).ids[:self.begin] if self.begin else []

    def sample(self, rng):
        """(ids of the question, of its answer's beginning, [(label, probability)]): every topic as often as every other, the skills
        a few times each."""
        c = self.corpus
        if self.judged and rng.random() < 0.6:
            ask, likely = rng.choice(self.judged)
            return self.encode(ask), self.begun(rng.choice(likely[0][0].say)), [(self.label[t.id], p) for t, p in likely]
        name = rng.choice(list(self.label))
        if name in c.mix:
            x = text.skills.SKILLS[name](rng)
            x.ask = text.dress(rng, x.ask)
        else:
            t = c.by_id[name]
            x = (c.error if t.group == "errors" else c.topic)(rng, t)
        return self.encode(x.ask), self.begun(x.say), [(self.label[name], 1.0)]

    def target(self, rows):
        """(rows, topics): probabilities"""
        out = torch.zeros(len(rows), len(self.label))
        for i, likely in enumerate(rows):
            for label, p in likely:
                out[i, label] = p
        return out

    def batches(self, rng, budget):
        """[ids (rows, T), lengths of the questions (rows), of questions and beginnings (rows), probabilities (rows, topics)] of about
        `budget` padded tokens, for ever."""
        while True:
            some = sorted((self.sample(rng) for _ in range(4096)), key=lambda s: len(s[0]) + len(s[1]))
            parts, now = [], []
            for s in some:
                if now and (len(s[0]) + len(s[1])) * (len(now) + 1) > budget:
                    parts.append(now)
                    now = []
                now.append(s)
            rng.shuffle(parts)
            for p in parts:
                yield self.batch([(ask, say) for ask, say, _ in p]) + [self.target([likely for _, _, likely in p])]

    @staticmethod
    def batch(rows):
        ids = torch.zeros(len(rows), max(len(ask) + len(say) for ask, say in rows), dtype=torch.long)
        for i, (ask, say) in enumerate(rows):
            ids[i, :len(ask) + len(say)] = torch.tensor(ask + say)
        return [ids, torch.tensor([len(ask) for ask, _ in rows]), torch.tensor([len(ask) + len(say) for ask, say in rows])]

    def scores(self, model, ids, lengths, ends):
        """From the mean and from the last token of the question: (rows, topics) each; and the last block's states in front of the
        answers' tokens, with these tokens: (tokens, hidden_size), (tokens)"""
        states, at = [], torch.arange(ids.shape[1])[None]
        before = (at >= lengths[:, None] - 1) & (at < ends[:, None] - 1)
        h = model.hidden(ids, depth=None if self.begin else 4, states=states, wanted=before if self.begin else None)
        mean = (states[2].float() * (at < lengths[:, None])[..., None]).sum(1) / lengths[:, None]
        last = states[3].float()[torch.arange(len(ids)), lengths - 1]
        return (self.of_mean(mean), self.of_last(last)), h, ids[:, 1:][before[:, :-1]]

    def loss(self, model, batch):
        """The loss of the topics; states and tokens of the answers, as scores() gives them"""
        scores, h, tokens = self.scores(model, *batch[:3])
        return sum(F.cross_entropy(s, batch[3]) for s in scores) / 2, h, tokens

    @torch.no_grad()
    def accuracy(self, model):
        """The parts of the held-out wordings whose topic is found, or one whose answer has the facts too: by the mean, by the last token"""
        topics = self.corpus.topics + self.corpus.errors
        asked = [(t, ask) for t in topics for ask in t.ask[1]]
        n_right = [0, 0]
        for at in range(0, len(asked), 128):
            part = asked[at:at + 128]
            for k, scores in enumerate(self.scores(model, *self.batch([(self.encode(ask), self.begun(t.say[0])) for t, ask in part]))[0]):
                for (t, _), found in zip(part, scores.argmax(1)):
                    n_right[k] += int(found) < len(topics) and text.right(topics[int(found)].say[0], t.must)
        return [n / len(asked) for n in n_right]

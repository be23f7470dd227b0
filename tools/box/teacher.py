"""Labels for questions that nobody wrote. The trained wordings are mixed, distorted and given words of the topics they are mixed up
with; what the result is about, a linear classifier over words and parts of words says, trained on the same wordings. It finds the
topic of more held-out wordings than a small transformer that learns from them directly, and of such questions there are as many
as one likes: the model learns from its judgement, doubts included (a distillation, Hinton et al. 2015). Used in training alone.

    python teacher.py        which topics are mixed up: cross-validation on the trained wordings, the answers' facts counted"""
import random
from collections import Counter

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

import corpus as text
import wordings

MARGIN = 0.1     # between the best two topics' scores: a question that could be either is not answered in training
SHARPNESS = 6.0  # scores times this, through a softmax, are the probabilities of topics
LIKELY = 5       # topics of which a probability is kept


def words():
    return make_union(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"[\w.-]+"),
                      TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2))


def mixed(rng, c):
    """A question like one of the trained ones, with up to three words of others, or a few words of one."""
    topics = c.topics + c.errors
    t = rng.choice(topics)
    ask = rng.choice(t.ask[0])
    if rng.random() < 0.25:
        words = ask.split(" ") if rng.random() < 0.5 else wordings.content_words(ask)
        n = rng.randint(1, 5)
        at = rng.randint(0, max(0, len(words) - n))
        return wordings.noise(rng, " ".join(words[at:at + n]) or ask)
    ask = wordings.blend(rng, ask, rng.choice(t.ask[0])) if rng.random() < 0.4 else wordings.vary(rng, ask, 0.5)
    near = c.near(t.id)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        other = rng.choice(near) if rng.random() < 0.7 else rng.choice(topics)
        ask = wordings.disturb(rng, ask, rng.choice(other.ask[0]))
    return ask


def trained(asked, topics):
    features = words()
    return features, LinearSVC(C=1).fit(features.fit_transform(asked), topics)


def questions(c, rng, n):
    """[(question, topic or None, [(topic, probability)])] of n questions; None where two are about as likely."""
    asked, topics = [], []
    for t in c.topics + c.errors:
        for ask in t.ask[0]:
            asked += [ask, wordings.swap_phrases(rng, ask, 0.5)]
            topics += [t.id] * 2
    features, judge = trained(asked, topics)
    out = []
    for at in range(0, n, 4096):
        some = [mixed(rng, c) for _ in range(min(4096, n - at))]
        scores = judge.decision_function(features.transform(some))
        for ask, row, best in zip(some, scores, np.argsort(-scores, 1)[:, :LIKELY]):
            p = np.exp(SHARPNESS * (row[best] - row[best[0]]))
            likely = [(c.by_id[judge.classes_[k]], float(x)) for k, x in zip(best, p / p.sum())]
            out.append((ask, likely[0][0] if row[best[0]] - row[best[1]] > MARGIN else None, likely))
    return out


def mixed_up(c, folds=4):
    """Counter of (asked topic, topic found) over the trained wordings, where what is found lacks the facts that are asked for"""
    rows = [(ask, t) for t in c.topics + c.errors for ask in t.ask[0]]
    random.Random(1).shuffle(rows)
    wrong = Counter()
    for k in range(folds):
        seen = [r for i, r in enumerate(rows) if i % folds != k]
        features, judge = trained([ask for ask, _ in seen], [t.id for _, t in seen])
        for (_, t), name in zip(rows[k::folds], judge.predict(features.transform([ask for ask, _ in rows[k::folds]]))):
            if not text.right(c.by_id[name].say[0], t.must):
                wrong[t.id, name] += 1
    print(f"{sum(wrong.values())} of {len(rows)} wordings find an answer without their facts")
    return wrong


if __name__ == "__main__":
    for (asked, found), n in mixed_up(text.Corpus()).most_common(60):
        print(f"{n:4} {asked} -> {found}")

"""Labels for questions that nobody wrote. The trained wordings are mixed, distorted and given words of the topics they are mixed up
with; what the result is about, a linear classifier over words and parts of words says, trained on the same wordings. It finds the
topic of more held-out wordings than a small transformer that learns from them directly, and of such questions there are as many
as one likes: the model learns from its judgement (a distillation, Hinton et al. 2015). Used in training alone."""
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

import wordings

MARGIN = 0.1  # between the best two topics' scores: a question that could be either is left out


def words():
    return make_union(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"[\w.-]+"),
                      TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2))


def mixed(rng, c):
    """A question like one of the trained ones, with up to three words of others."""
    topics = c.topics + c.errors
    t = rng.choice(topics)
    ask = rng.choice(t.ask[0])
    ask = wordings.blend(rng, ask, rng.choice(t.ask[0])) if rng.random() < 0.4 else wordings.vary(rng, ask, 0.5)
    near = c.near(t.id)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        other = rng.choice(near) if rng.random() < 0.7 else rng.choice(topics)
        ask = wordings.disturb(rng, ask, rng.choice(other.ask[0]))
    return ask


def questions(c, rng, n):
    """[(ask, topic)] of about n questions."""
    asked, topics = [], []
    for t in c.topics + c.errors:
        for ask in t.ask[0]:
            asked += [ask, wordings.swap_phrases(rng, ask, 0.5)]
            topics += [t.id] * 2
    features = words()
    judge = LinearSVC(C=1).fit(features.fit_transform(asked), topics)
    out = []
    for at in range(0, n, 4096):
        some = [mixed(rng, c) for _ in range(min(4096, n - at))]
        scores = judge.decision_function(features.transform(some))
        two = np.sort(scores, 1)[:, -2:]
        out += [(ask, c.by_id[judge.classes_[k]]) for ask, k, (b, a) in zip(some, scores.argmax(1), two) if a - b > MARGIN]
    return out

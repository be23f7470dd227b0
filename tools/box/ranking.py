"""What the reward model is trained by: groups of a question's better answer and some worse ones. The conversations of a group
begin alike, so that their beginning stands once in a row of a batch and the rest of each behind it, at the positions it would
have alone and seeing nothing of the others: a third fewer tokens for the same scores.

The score counts at a conversation's last token. In training every token of an answer is judged besides, by what the whole answer is
worth (token-level verifiers, Cobbe et al. 2021, who go on training the language model beside them, as is done here): where a sum
goes wrong the score is to fall at the wrong digit, and not to be found out at the end from nothing but pairs."""
import os

import torch
import torch.nn.functional as F

import corpus as text
from precision import autocast


def rows(tok, group):
    """Token ids of the conversation with the better answer, then of those with the worse ones"""
    ask, better, worse = group
    return [tok.encode(text.render([("user", ask), ("assistant", a)]), add_special_tokens=False).ids for a in [better] + worse]


def pack(conversations):
    """(ids, positions, parts, ends, worth) of one row: parts is 0 in the beginning that all share and 1, 2, ... in what follows it,
    ends is 1 at the last token of each, worth is 1 where the answer is the better one, 0 in a worse one from where it departs from
    the better, -1 where there is nothing to judge."""
    shared = min(len(os.path.commonprefix(conversations)), min(map(len, conversations)) - 1)
    ids, positions, parts, ends, worth = conversations[0][:shared], list(range(shared)), [0] * shared, [0] * shared, [-1] * shared
    for i, c in enumerate(conversations):
        n = len(c) - shared
        ids = ids + c[shared:]
        positions += range(shared, len(c))
        parts += [i + 1] * n
        ends += [0] * (n - 1) + [1]
        alike = min(n, len(os.path.commonprefix([c, conversations[0]])) - shared) if i else 0
        worth += [-1] * alike + [int(i == 0)] * (n - alike)
    return ids, positions, parts, ends, worth


def batch(groups):
    """groups: of lists of token ids, the better conversation first -> [ids, positions, parts, ends, worth (rows, T), better (pairs),
    worse (pairs)]: the last two say which ends are compared, counted through all rows."""
    packed = [pack(g) for g in groups]
    width = max(len(p[0]) for p in packed)

    def padded(k, value, dtype):
        return torch.tensor([list(p[k]) + [value] * (width - len(p[k])) for p in packed], dtype=dtype)
    better, worse, at = [], [], 0
    for g in groups:
        better += [at] * (len(g) - 1)
        worse += range(at + 1, at + len(g))
        at += len(g)
    return [padded(0, 0, torch.long), padded(1, 0, torch.int), padded(2, -1, torch.int), padded(3, 0, torch.bool),
            padded(4, -1, torch.int), torch.tensor(better, dtype=torch.int), torch.tensor(worse, dtype=torch.int)]


def batches(rng, groups, budget):
    """Batches of about `budget` padded tokens: neighbours in length together, in a random order for ever."""
    cuts, now = [], []
    for g in sorted(groups, key=lambda g: len(pack(g)[0])):
        if now and (len(now) + 1) * len(pack(g)[0]) > budget:
            cuts.append(now)
            now = []
        now.append(g)
    cuts.append(now)
    while True:
        rng.shuffle(cuts)
        for some in cuts:
            yield batch(some)


def states(model, ids, positions, parts, wanted):
    """The last states (tokens, hidden_size) of the wanted (rows, T) tokens"""
    past = torch.ones(2 * [ids.shape[1]], dtype=torch.bool).tril()
    seen = past & ((parts[:, None] == 0) | (parts[:, None] == parts[:, :, None]))
    return model.hidden(ids, positions, seen[:, None], wanted=wanted)


def scores(model, h):
    """h (tokens, hidden_size) -> (tokens)"""
    return model.score(h).squeeze(-1).float()


def loss(model, data, tokens_weight=0.5):
    """-log sigmoid(better - worse) over the pairs, the tokens' own logistic loss, and the chat model's: the next token of the
    better answers, so that what is right is not forgotten while it is told from what is wrong."""
    ids, positions, parts, ends, worth, better, worse = data
    good = worth == 1
    before = F.pad(good[:, 1:], (0, 1))  # the better answer stands right behind the beginning that all share
    wanted = ends | (worth >= 0) | before
    h = states(model, ids, positions, parts, wanted)
    s = scores(model, h)
    last, judged = s[ends[wanted]], (worth >= 0)[wanted]
    pairs = -F.logsigmoid(last[better] - last[worse]).mean()
    tokens = F.binary_cross_entropy_with_logits(s[judged], worth[worth >= 0].float())
    said = F.cross_entropy(F.linear(h[before[wanted]], model.embed_tokens.weight).float(), ids[good])
    return pairs + tokens_weight * tokens + said


@torch.no_grad()
def preference(model, tok, groups):
    """The part of the groups' pairs whose better side has the higher score"""
    right = n = 0
    for at in range(0, len(groups), 32):
        ids, positions, parts, ends, _, better, worse = batch([rows(tok, g) for g in groups[at:at + 32]])
        with autocast():
            s = scores(model, states(model, ids, positions, parts, ends))
        right, n = right + int((s[better] > s[worse]).sum()), n + len(better)
    return right / n

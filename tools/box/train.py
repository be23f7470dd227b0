"""Trains the models in the box by the recipe that made ChatGPT (Ouyang et al. 2022), on a CPU or, with --device cuda, a GPU:

    python train.py tokenizer --out DIR     a byte-level BPE from the corpus
    python train.py base --out DIR          the base model: next token, on all text
    python train.py teacher --out DIR       a linear classifier says what mixed questions are about (teacher.py)
    python train.py chat --out DIR          fine-tuned on dialogues, the loss on the assistant's tokens alone
    python train.py samples --out DIR       the chat model answers training questions at temperature 1; answers are judged by facts
    python train.py reward --out DIR        the chat model with a scalar head, on pairs, loss -log sigmoid(better - worse)
    python train.py all --out DIR           all of them; then export.py writes the GGUF files

Progress goes to DIR/log/STAGE.jsonl. Versions: requirements.txt. The same seed gives the same text and the same order of
batches; sums of floats differ between CPUs, so that weights are alike, not equal."""
import argparse
import ctypes
import json
import os
import random
import time

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch asks Linux for huge pages, some 5 % of a step: read when it is loaded
import numpy as np
import torch
import torch.nn.functional as F

import corpus as text
import ranking
import teacher
from model import Config, Llama, generate
from muon import Muon
from precision import autocast
from topics import Topics

SPECIAL = [text.BOS, text.TURN, text.END]
# As qwen2's: words with their space, single digits, runs of punctuation.
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def keep_memory():
    """glibc gives large blocks back to the kernel at every free and takes them anew: half of the time of a step goes there."""
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        pass  # another C library


def corpus_for_chat(mix=text.CHAT_MIX):
    c = text.Corpus()
    c.mix = mix
    return c


class Log:
    def __init__(self, out, stage):
        os.makedirs(os.path.join(out, "log"), exist_ok=True)
        self.file = open(os.path.join(out, "log", stage + ".jsonl"), "w", encoding="utf-8")
        self.start = time.time()

    def row(self, **values):
        values = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        values["seconds"] = round(time.time() - self.start, 1)
        self.file.write(json.dumps(values) + "\n")
        self.file.flush()
        print(json.dumps(values), flush=True)


# ---- tokenizer -----------------------------------------------------------------------------------------------------

def train_tokenizer(o):
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    c, rng = text.Corpus(), random.Random(o.seed)
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=Config.vocab_size, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False)
    t.train_from_iterator((c.document(rng) for _ in range(40000)), trainer)
    t.save(os.path.join(o.out, "tokenizer.json"))


def load_tokenizer(o):
    from tokenizers import Tokenizer
    return Tokenizer.from_file(os.path.join(o.out, "tokenizer.json"))


# ---- optimisation --------------------------------------------------------------------------------------------------

def optimizers(model, lr, rest_lr=0.2, task=None):
    """Muon for the blocks' matrices, AdamW for the embedding, the norms, the head, and a second task's layer."""
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and n.startswith("layers.")]
    rest = [p for n, p in model.named_parameters() if not (p.dim() == 2 and n.startswith("layers."))]
    out = [Muon(matrices, lr=lr), torch.optim.AdamW(rest, lr=lr * rest_lr, betas=(0.9, 0.95), weight_decay=0.0)]
    return out + ([torch.optim.AdamW(task.parameters(), lr=2 * lr, betas=(0.9, 0.95), weight_decay=0.01)] if task else [])


def set_rate(opts, rates, step, steps, warmup, decay):
    """Up in `warmup` steps, level, then down to nothing over the last part, `decay` of all."""
    factor = min(1.0, (step + 1) / warmup, (steps - step) / (decay * steps))
    for opt, rate in zip(opts, rates):
        for group in opt.param_groups:
            group["lr"] = rate * factor
    return factor


def fit(model, loss_of, batches, steps, lr, log, warmup=20, decay=0.5, every=20, **opt):
    opts = optimizers(model, lr, **opt)
    rates = [o.param_groups[0]["lr"] for o in opts]
    model.train()
    total, tokens = 0.0, 0
    for step in range(steps):
        factor = set_rate(opts, rates, step, steps, warmup, decay)
        batch = next(batches)
        with autocast():
            loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad(set_to_none=True)
        total += float(loss.detach())
        tokens += sum(x.numel() for x in batch if x.dtype == torch.long and x.dim() == 2)
        if (step + 1) % every == 0 or step + 1 == steps:
            n = (step % every) + 1
            log.row(step=step + 1, loss=total / n, rate=factor, tokens=tokens)
            total = 0.0
    model.eval()


def save(model, o, name):
    torch.save({k: v.cpu() for k, v in model.state_dict().items()}, os.path.join(o.out, name + ".pt"))


def load(o, name, reward=False):
    model = Llama(Config(), reward)
    state = torch.load(os.path.join(o.out, name + ".pt"))
    missing = model.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys and set(missing.missing_keys) <= {"score.weight"}
    return model.eval()


# ---- base ----------------------------------------------------------------------------------------------------------

def packed(tok, c, rng, n_tokens):
    """Documents one behind the other, as one array of ids."""
    out, size = [], 0
    while size < n_tokens:
        for e in tok.encode_batch([c.document(rng) for _ in range(2000)], add_special_tokens=False):
            out.append(np.array(e.ids, dtype=np.uint16))
            size += len(e.ids)
    return np.concatenate(out)[:n_tokens]


def next_token_loss(model, batch):
    logits = model(batch[0][:, :-1])
    return F.cross_entropy(logits.float().flatten(0, 1), batch[0][:, 1:].flatten())


def train_base(o):
    c, tok, log = text.Corpus(), load_tokenizer(o), Log(o.out, "base")
    width, rows = o.width, o.batch // o.width
    data = packed(tok, c, random.Random(o.seed + 1), o.base_steps * rows * width)
    log.row(note="text", tokens=len(data), batch=rows * width)
    data = data.reshape(-1, width).astype(np.int64)
    order = np.random.default_rng(o.seed).permutation(len(data))
    torch.manual_seed(o.seed)
    model = Llama(Config())
    log.row(note="parameters", n=sum(p.numel() for p in model.parameters()))
    batches = ([torch.tensor(data[order[i:i + rows]])] for i in range(0, len(order), rows))
    fit(model, next_token_loss, batches, o.base_steps, o.base_lr, log)
    save(model, o, "base")


# ---- teacher -------------------------------------------------------------------------------------------------------

def judge_questions(o):
    """Mixed questions with the topics that the teacher gives them: DIR/judged.jsonl"""
    log = Log(o.out, "teacher")
    rows = teacher.questions(corpus_for_chat(), random.Random(o.seed + 2), o.judged)
    with open(os.path.join(o.out, "judged.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps({"ask": ask, "topic": t and t.id, "likely": [(k.id, round(p, 4)) for k, p in likely]}) + "\n" for ask, t, likely in rows)
    log.row(note="questions that the teacher judged", n=len(rows), clear=sum(t is not None for _, t, _ in rows))


def load_judged(o, c):
    """What teacher.questions gave; the clear ones become the corpus's too."""
    with open(os.path.join(o.out, "judged.jsonl"), encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    c.judged = [(r["ask"], c.by_id[r["topic"]]) for r in rows if r["topic"]]
    return [(r["ask"], [(c.by_id[k], p) for k, p in r["likely"]]) for r in rows]


# ---- chat ----------------------------------------------------------------------------------------------------------

def encode_turns(tok, messages):
    """ids, and 1 where the token is the assistant's (its END too)"""
    ids, mask = [], []
    for i, (role, content) in enumerate(messages):
        head = (text.BOS if i == 0 else "") + f"{text.TURN}{role}\n"
        for part, own in ((head, 0), (content + text.END, role == "assistant"), ("\n", 0)):
            new = tok.encode(part, add_special_tokens=False).ids
            ids += new
            mask += [int(own)] * len(new)
    return ids, mask


def by_length(rng, samples, budget):
    """Batches of about `budget` padded tokens: neighbours in length together, in a random order for ever."""
    while True:
        order = sorted(range(len(samples)), key=lambda i: (len(samples[i][0]) // 8, rng.random()))
        batches, now = [], []
        for i in order:
            width = max([len(samples[j][0]) for j in now] + [len(samples[i][0])])
            if now and width * (len(now) + 1) > budget:
                batches.append(now)
                now = []
            now.append(i)
        batches.append(now)
        rng.shuffle(batches)
        for b in batches:
            width = max(len(samples[i][0]) for i in b)
            ids, mask = torch.zeros(len(b), width, dtype=torch.long), torch.zeros(len(b), width, dtype=torch.bool)
            for r, i in enumerate(b):
                n = len(samples[i][0])
                ids[r, :n], mask[r, :n] = torch.tensor(samples[i][0]), torch.tensor(samples[i][1], dtype=torch.bool)
            yield [ids, mask]


def answer_states(model, batch):
    """The last block's states in front of the assistant's tokens, and these tokens: (tokens, hidden_size), (tokens)"""
    ids, mask = batch
    return model.hidden(ids[:, :-1], wanted=mask[:, 1:]), ids[:, 1:][mask[:, 1:]]


def train_chat(o):
    c, tok, log = corpus_for_chat(), load_tokenizer(o), Log(o.out, "chat")
    rng = random.Random(o.seed + 2)
    judged = load_judged(o, c)
    samples, size = [], 0
    while size < o.chat_steps * o.chat_batch:
        ids, mask = encode_turns(tok, c.messages(rng, c.conversation(rng)))
        if len(ids) <= Config.max_position_embeddings:
            samples.append((ids, mask))
            size += len(ids)
    log.row(note="dialogues", n=len(samples), tokens=size)
    model = load(o, o.begin)
    topics = Topics(c, tok, Config.hidden_size, judged)
    dialogues, questions = by_length(rng, samples, o.chat_batch), topics.batches(random.Random(o.seed + 7), o.questions_batch)
    batches = (d + q for d, q in zip(dialogues, questions))
    parts = {"answers": 0.0, "topics": 0.0}

    def loss_of(model, batch):
        t, *begun = topics.loss(model, batch[2:])
        h, tokens = (torch.cat(x) for x in zip(answer_states(model, batch[:2]), begun))
        a = F.cross_entropy(F.linear(h, model.embed_tokens.weight).float(), tokens)
        parts["answers"], parts["topics"] = (0.95 * parts[k] + 0.05 * float(v.detach()) for k, v in (("answers", a), ("topics", t)))
        return a + o.topics_weight * t
    fit(model, loss_of, batches, o.chat_steps, o.chat_lr, log, decay=1.0, rest_lr=0.2, task=topics)
    save(model, o, "chat")
    found = topics.accuracy(model)
    log.row(note="the last losses, smoothed; held-out wordings whose topic is found", **parts, topics_found_by_mean=found[0], by_last=found[1])
    log.row(note="held-out questions, greedy, in PyTorch", **accuracy(model, tok, c))


def answers(model, tok, asks, temperature=0.0, seed=0, batch=128, n_new=120):
    """The model's answers to conversations [(role, content), ...] that end in a question."""
    order = sorted(range(len(asks)), key=lambda i: sum(len(m[1]) for m in asks[i]))
    g, end, out = torch.Generator(torch.get_default_device()).manual_seed(seed), tok.token_to_id(text.END), [None] * len(asks)
    for at in range(0, len(order), batch):
        rows = order[at:at + batch]
        prompts = [tok.encode(text.render(asks[i], True), add_special_tokens=False).ids for i in rows]
        with autocast():
            for i, ids in zip(rows, generate(model, prompts, n_new, end, temperature, g)):
                out[i] = tok.decode(ids, skip_special_tokens=False)
    return out


def accuracy(model, tok, c, temperature=0.0, failures=None):
    """Parts of the held-out questions whose answers have the facts, by group."""
    qs = text.questions(c)
    said = answers(model, tok, [[("user", x.ask)] for x in qs], temperature)
    again = [i for i, x in enumerate(qs) if x.then]
    last = dict(zip(again, answers(model, tok, [[("user", qs[i].ask), ("assistant", said[i]), ("user", qs[i].then[-1].ask)] for i in again], temperature)))
    groups = {}
    for i, x in enumerate(qs):
        must, answer = (x.then[-1].must, last[i]) if i in last else (x.must, said[i])
        ok = text.right(answer, must)
        groups.setdefault(x.group, []).append(ok)
        if not ok and failures is not None:
            failures.append({"group": x.group, "topic": x.topic, "ask": x.ask, "said": answer, "must": must})
    return {g: round(float(np.mean(v)), 4) for g, v in groups.items()}


# ---- reward --------------------------------------------------------------------------------------------------------

def make_samples(o):
    """Questions answered by the chat model at temperature 1, training ones several times each, and judged: DIR/samples.jsonl"""
    c, tok, model = corpus_for_chat(text.RANK_MIX), load_tokenizer(o), load(o, "chat")
    rng, log = random.Random(o.seed + 3), Log(o.out, "samples")
    asked = [c.exchange(rng) for _ in range(o.questions)]
    held = text.questions(c)
    rng.shuffle(held)
    n_right = n = 0
    with open(os.path.join(o.out, "samples.jsonl"), "w", encoding="utf-8") as f:
        for part, xs, times in (("train", asked, o.per_question), ("held-out", held, 1)):
            for k in range(times):
                for x, said in zip(xs, answers(model, tok, [[("user", x.ask)] for x in xs], 1.0, seed=o.seed + 10 + k, batch=512)):
                    ok = text.right(said, x.must)
                    n, n_right = n + 1, n_right + ok
                    f.write(json.dumps({"part": part, "group": x.group, "topic": x.topic, "ask": x.ask, "answer": said, "right": ok, "say": x.say,
                                        "must": x.must, "wrong": x.wrong}) + "\n")
                log.row(note=part, round=k + 1, samples=n, right=n_right / n)


def made_groups(c, rng, n):
    """[(ask, better, [worse])]: right answers to n training questions against wrong ones that are made, not sampled."""
    groups = []
    for _ in range(n):
        x = c.exchange(rng)
        worse = sorted(set(c.wrong_answers(rng, x)))
        if worse:
            groups.append((x.ask, x.say, rng.sample(worse, min(3, len(worse)))))
    return groups


def sampled_groups(o, c, rng, part):
    """The same from the chat model's samples: a right one, or the facts' own answer, against its wrong ones and a made-up one."""
    by_ask, groups = {}, []
    with open(os.path.join(o.out, "samples.jsonl"), encoding="utf-8") as f:
        for line in f:
            s = json.loads(line)
            if s["part"] == part:
                by_ask.setdefault(s["ask"], []).append(s)
    for ask, samples in by_ask.items():
        good = [s["answer"] for s in samples if s["right"]] + [samples[0]["say"]]
        first = samples[0]
        made = c.wrong_answers(rng, text.Exchange(first["group"], ask, first["say"], first["must"], wrong=first["wrong"], topic=first["topic"]))
        own = sorted({s["answer"] for s in samples if not s["right"]})
        worse = rng.sample(own, min(4, len(own))) + ([rng.choice(made)] if made else [])
        if worse:
            groups.append((ask, rng.choice(good), worse))
    return groups


def train_reward(o):
    c, tok, log = corpus_for_chat(text.RANK_MIX), load_tokenizer(o), Log(o.out, "reward")
    judged = load_judged(o, c)
    held = sampled_groups(o, c, random.Random(o.seed + 5), "held-out")
    with open(os.path.join(o.out, "pairs-held-out.jsonl"), "w", encoding="utf-8") as f:
        for ask, better, worse in held:
            f.writelines(json.dumps({"prompt": ask, "chosen": better, "rejected": w}) + "\n" for w in worse)
    rng = random.Random(o.seed + 4)
    groups, size = [], 0
    while size < o.reward_steps * o.pairs_batch:  # each time round the samples are put together anew, and others are made
        new = [ranking.rows(tok, g) for g in sampled_groups(o, c, rng, "train") + made_groups(c, rng, o.made)]
        new = [g for g in new if max(map(len, g)) <= Config.max_position_embeddings]
        groups += new
        size += sum(len(ranking.pack(g)[0]) for g in new)
    log.row(note="pairs", train=sum(len(g) - 1 for g in groups), held_out=sum(len(g[2]) for g in held))
    model, topics = load(o, "chat", reward=True), Topics(c, tok, Config.hidden_size, judged, begin=0)
    batches = (p + q for p, q in zip(ranking.batches(random.Random(o.seed + 6), groups, o.pairs_batch),
                                     topics.batches(random.Random(o.seed + 9), o.questions_batch // 3)))
    fit(model, lambda m, b: ranking.loss(m, b[:7]) + o.topics_weight / 2 * topics.loss(m, b[7:])[0], batches, o.reward_steps, o.reward_lr, log,
        decay=1.0, task=topics)
    save(model, o, "reward")
    log.row(note="held-out pairs ordered right, in PyTorch", part=ranking.preference(model, tok, held))


STAGES = {"tokenizer": train_tokenizer, "base": train_base, "teacher": judge_questions, "chat": train_chat, "samples": make_samples, "reward": train_reward}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("stage", choices=list(STAGES) + ["all"])
    p.add_argument("--out", required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--device", default="cpu", help="PyTorch's name of it, such as cuda")
    p.add_argument("--width", type=int, default=256, help="tokens in a row of the base model's text")
    p.add_argument("--batch", type=int, default=4096, help="tokens in a step of the base model")
    p.add_argument("--base-steps", type=int, default=640)
    p.add_argument("--base-lr", type=float, default=0.01)
    p.add_argument("--begin", default="base", help="what the chat model is made from; chat: it goes on with facts that have changed")
    p.add_argument("--chat-batch", type=int, default=2560, help="tokens of dialogues in a step")
    p.add_argument("--chat-steps", type=int, default=3850)
    p.add_argument("--chat-lr", type=float, default=0.006)
    p.add_argument("--questions-batch", type=int, default=2560, help="tokens of questions and of beginnings of their answers in a step")
    p.add_argument("--judged", type=int, default=100000, help="questions that the teacher is asked to judge")
    p.add_argument("--topics-weight", type=float, default=0.2)
    p.add_argument("--questions", type=int, default=4000, help="how many the chat model answers for the reward model")
    p.add_argument("--per-question", type=int, default=8, help="how often each")
    p.add_argument("--made", type=int, default=3000, help="questions whose wrong answers are made for the reward model, for each time round the samples")
    p.add_argument("--pairs-batch", type=int, default=3584, help="tokens of packed conversations in a step")
    p.add_argument("--reward-steps", type=int, default=1150)
    p.add_argument("--reward-lr", type=float, default=0.004)
    o = p.parse_args()
    os.makedirs(o.out, exist_ok=True)
    keep_memory()
    torch.set_default_device(o.device)
    if o.threads:
        torch.set_num_threads(o.threads)
    for name in STAGES if o.stage == "all" else [o.stage]:
        STAGES[name](o)


if __name__ == "__main__":
    main()

"""Measures the models in the box through the hekla command, as a user has them:

    python measure.py answers --hekla PROGRAM [--temp T] [--best-of N]   held-out questions, judged by exact facts
    python measure.py pairs --hekla PROGRAM --pairs FILE                 held-out pairs, put in order by `hekla rank`

--report FILE writes the figures as JSON, --failures FILE the wrong answers. More options for hekla follow --, behind the first
word, which then stands last: measure.py --hekla PROGRAM answers -- --reward FILE. Needs Python alone."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import corpus as text


def conversations(o, asked):
    """Each list of questions in a conversation of its own, all in one run of `hekla chat`; the answers to the last ones."""
    folder = tempfile.mkdtemp(prefix="hekla-measure-")
    command = [o.hekla, "chat", "-m", o.model, "-q", "--temp", str(o.temp)] + o.rest
    if o.temp > 0:
        command += ["--top-k", "0", "--top-p", "1", "--min-p", "0", "--seed", str(o.seed)]
    if o.best_of:
        command += ["--best-of", str(o.best_of)]
    lines = []
    for i, turns in enumerate(asked):
        for ask in turns:
            ask = ask.replace("\n", "\\\n")  # a backslash at a line's end: the question goes on
            lines.append("/" + ask if ask.startswith("/") else ask)
        lines += [f"/save {folder}/{i}.json", "/clear"]
    run = subprocess.run(command, input="\n".join(lines) + "\n", text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if run.returncode != 0:
        sys.exit(f"measure: hekla ended with {run.returncode}: {run.stderr.strip()[-500:]}")
    answers = []
    for i in range(len(asked)):
        with open(f"{folder}/{i}.json", encoding="utf-8") as f:
            answers.append(json.load(f)["messages"][-1]["content"])
    shutil.rmtree(folder)
    return answers


def answers(o):
    questions = [text.question_json(x) for x in text.questions(text.Corpus())]
    if o.groups:
        questions = [q for q in questions if q["group"] in o.groups]
    questions = questions[::o.every]
    start = time.time()
    said = conversations(o, [q["ask"] for q in questions])
    groups, failures = {}, []
    for q, answer in zip(questions, said):
        ok = text.right(answer, q["must"])
        groups.setdefault(q["group"], []).append(ok)
        if not ok:
            failures.append(dict(q, answered=answer))
    about = [ok for g in ("hekla", "memory", "errors") for ok in groups.get(g, [])]
    if about:
        groups["all about Hekla"] = about
    report = {"what": "answers", "model": o.model, "temperature": o.temp, "best_of": o.best_of or 1, "seconds": round(time.time() - start, 1),
              "groups": {g: {"right": sum(v), "of": len(v), "part": round(sum(v) / len(v), 4)} for g, v in groups.items()},
              "all": {"right": len(questions) - len(failures), "of": len(questions), "part": round(1 - len(failures) / len(questions), 4)}}
    for g, v in list(report["groups"].items()) + [("all", report["all"])]:
        print(f"{g:20} {v['right']:5} of {v['of']:5}  {100 * v['part']:5.1f} %")
    if o.failures:
        with open(o.failures, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(x) + "\n" for x in failures)
    return report


def pairs(o):
    with open(o.pairs, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f][::o.every]
    ordered = 0
    start = time.time()
    for r in rows:
        run = subprocess.run([o.hekla, "rank", "-m", o.reward, "-q", "--json", "--prompt", r["prompt"], *o.rest, "--", r["chosen"], r["rejected"]],
                             text=True, capture_output=True)
        if run.returncode != 0:
            sys.exit(f"measure: hekla ended with {run.returncode}: {run.stderr.strip()[-500:]}")
        score = {c["index"]: c["score"] for c in json.loads(run.stdout)["candidates"]}
        first, second = (score[k] for k in sorted(score))
        ordered += first > second
    print(f"pairs in the right order: {ordered} of {len(rows)}  {100 * ordered / len(rows):.1f} %")
    return {"what": "pairs", "model": o.reward, "right": ordered, "of": len(rows), "part": round(ordered / len(rows), 4), "seconds": round(time.time() - start, 1)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=["answers", "pairs"])
    p.add_argument("--hekla", required=True)
    p.add_argument("--model", default="box:chat")
    p.add_argument("--reward", default="box:reward")
    p.add_argument("--temp", type=float, default=0)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--best-of", type=int, default=0)
    p.add_argument("--every", type=int, default=1, help="only every Nth question or pair")
    p.add_argument("--groups", nargs="*", help="only these groups of questions")
    p.add_argument("--pairs", default=os.path.join(text.HERE, "pairs-held-out.jsonl"))
    p.add_argument("--report")
    p.add_argument("--failures")
    p.add_argument("rest", nargs="*", help="options for hekla, behind --")
    o = p.parse_args()
    report = answers(o) if o.what == "answers" else pairs(o)
    if o.report:
        with open(o.report, "w", encoding="utf-8") as f:
            json.dump(report, f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()

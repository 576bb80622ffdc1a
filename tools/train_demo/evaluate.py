"""Measure the embedded model through ossnb itself.

    python evaluate.py --n 40 --json figures.json

Draws fresh instances of every task (another seed than training), once in the wordings of training and once in
wordings that were held out, lets `ossnb.load("demo")` answer, and prints accuracy tables in Markdown.

    python evaluate.py --sets --model /tmp/demo.ossnb

asks the two sets that were written apart from training (`kept_apart.py`) instead.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

import builtin
import kept_apart
import words
from harmony import Message, Tokenizer
from tasks.numbers import add

import ossnb
from data import EFFORTS, TASKS, WEIGHTS, Generator, Sample
from ossnb.checkpoint import demo

NUMBER = re.compile(r"-?\d+")
# Words outside the vocabulary, for out-of-scope questions.
RARE = [
    "osmosis",
    "sonnet",
    "carburetor",
    "mortgage",
    "parliament",
    "vaccine",
    "glacier",
    "tariff",
    "hormone",
    "neutron",
    "tundra",
    "algebra",
    "pension",
    "trumpet",
    "volcano",
    "lawsuit",
    "plumbing",
    "nutrition",
    "warranty",
    "telescope",
    "hedgehog",
    "fiscal",
    "budget",
    "opera",
    "treaty",
    "senate",
    "tectonic",
    "enzyme",
    "ceramic",
    "fermentation",
    "quarterly",
    "invoice",
    "monsoon",
    "polymer",
    "skateboard",
    "marathon",
    "yoga",
    "broccoli",
    "lasagna",
]


def messages(sample: Sample) -> list[Any]:
    """Return a sample's conversation in OpenAI's form, or as messages where built-in tools are at hand."""
    form = as_message if sample.prompt.builtin else as_dict
    return [form(m) for m in sample.prompt.messages]


def as_message(m: Message) -> ossnb.Message:
    if m.role == "tool":
        return ossnb.Message("tool", m.content, "analysis", "assistant", name=m.name)
    if m.to:
        return ossnb.Message("assistant", m.content, "analysis", m.to, "code")
    return ossnb.Message(m.role, m.content, m.channel or None)


def as_dict(m: Message) -> dict[str, object]:
    if m.role == "tool":
        return {"role": "tool", "name": m.name.removeprefix("functions."), "content": m.content}
    if m.to:
        call = {"function": {"name": m.to.removeprefix("functions."), "arguments": m.content}}
        return {"role": "assistant", "tool_calls": [call]}
    if m.channel == "analysis":
        return {"role": "assistant", "reasoning": m.content}
    return {"role": m.role, "content": m.content}


def is_right(sample: Sample, reply: ossnb.Reply) -> bool:
    """Judge a reply: the same call, a free answer that passes its check, or the same answer."""
    if sample.call is not None:
        name, arguments = sample.call
        if isinstance(arguments, str):  # of a built-in tool
            return [(c.name, c.raw) for c in reply.tool_calls] == [(name, arguments)]
        return [(c.name, c.arguments) for c in reply.tool_calls] == [(name, arguments)]
    if reply.tool_calls:
        return False
    text = reply.text.strip()
    if sample.check is not None:
        return sample.check(text)
    if text in sample.finals:
        return True
    if NUMBER.fullmatch(sample.value):  # a number may be worded otherwise
        return NUMBER.findall(text)[-1:] == [sample.value]
    return False


def is_valid(reply: ossnb.Reply) -> bool:
    return not reply.notes and reply.finish_reason in ("stop", "tool_calls")


def obeys(effort: str, reply: ossnb.Reply) -> bool:
    """low: no analysis; medium: one line; high: several."""
    lines = reply.reasoning.strip().splitlines()
    return {"low": not lines, "medium": len(lines) == 1, "high": len(lines) > 1}[effort]


class Meter:
    """Counts of one setting."""

    def __init__(self) -> None:
        self.right: dict[str, list[bool]] = defaultdict(list)
        self.by_effort: dict[str, list[bool]] = defaultdict(list)
        self.valid: list[bool] = []
        self.obeyed: list[bool] = []
        self.failures: list[str] = []

    def ask(self, model: ossnb.Model, sample: Sample, temperature: float, seed: int) -> None:
        p = sample.prompt
        tools = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": t.schema()},
            }
            for t in p.tools
        ]
        if p.builtin:
            tools += builtin.definitions(p.builtin)
        reply = model.generate(
            messages(sample), effort=p.effort, tools=tools or None, instructions=p.instructions or None,
            temperature=temperature, max_tokens=260, seed=seed,
        )  # fmt: skip
        right = is_right(sample, reply)
        self.right[sample.task].append(right)
        self.by_effort[p.effort].append(right)
        self.valid.append(is_valid(reply))
        self.obeyed.append(obeys(p.effort, reply))
        if not right:
            want = sample.call or sample.finals
            got = [(c.name, c.raw) for c in reply.tool_calls] or reply.text
            self.failures.append(
                f"{sample.task} [{p.effort}] {p.messages[-1].content!r}: {got!r} for {want!r}"
            )

    def summary(self) -> dict[str, object]:
        every = [r for rs in self.right.values() for r in rs]
        return {
            "n": len(every),
            "accuracy": mean(every),
            "valid": mean(self.valid),
            "obeyed": mean(self.obeyed),
            "efforts": {effort: mean(rs) for effort, rs in self.by_effort.items()},
            "tasks": {task: mean(rs) for task, rs in self.right.items()},
        }


def mean(values: list[bool]) -> float:
    return round(100 * sum(values) / max(1, len(values)), 1)


def measure(
    model: ossnb.Model, generator: Generator, split: str, temperature: float, n: int, seed: int
) -> Meter:
    meter = Meter()
    for task, weight in zip(TASKS, WEIGHTS, strict=True):
        if task in ("raw text", "repeat") or not weight:  # exercises that the model card does not promise
            continue
        rng = Random(f"evaluation/{seed}/{split}/{temperature}/{task}")
        for i in range(n):
            effort = EFFORTS[i % 3]
            meter.ask(model, generator.sample(rng, split, task, effort, noise=0.0), temperature, seed + i)
    return meter


def effort_contrast(model: ossnb.Model, n: int, seed: int) -> dict[str, float]:
    """Sums of two three-digit numbers at each effort, greedy."""
    out = {}
    for effort in EFFORTS:
        rng, right = Random(f"contrast/{seed}"), []
        for _ in range(n):
            a, b = rng.randint(100, 999), rng.randint(100, 999)
            question = add(rng, "train", a, b)
            reply = model.generate(f"What is {a} + {b}?", effort=effort, temperature=0, max_tokens=200)
            right.append(NUMBER.findall(reply.text)[-1:] == [question.value])
        out[effort] = mean(right)
    return out


def write(path: Path | None, figures: dict[str, object]) -> None:
    if path:
        path.write_text(json.dumps(figures, indent=1) + "\n")


def load(name: str) -> ossnb.Model:
    """Load a model by name or folder, or a compact file such as `export.py` writes."""
    if not name.endswith(".ossnb"):
        return ossnb.load(name)
    demo.COMPACT_FILE = Path(name)
    with tempfile.TemporaryDirectory() as folder:
        return ossnb.load(demo.expand(Path(folder)))  # mapped files outlive their names


def measure_sets(model: ossnb.Model, seed: int, n_shown: int) -> dict[str, object]:
    """Ask both sets that were kept apart, greedy and at temperature 1."""
    figures: dict[str, object] = {}
    for name in ("outside", "inside"):
        for temperature in (0.0, 1.0):
            summary, failures = kept_apart.measure(model, name, temperature, seed)
            figures[f"{name}:{temperature:g}"] = summary
            print(f"\n## set {name}, T = {temperature:g}\n{json.dumps(summary)}", flush=True)
            for line in failures[:n_shown]:
                print(line, flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=40, help="instances a task and setting")
    parser.add_argument("--sums", type=int, default=100, help="three-digit sums at each effort")
    parser.add_argument("--model", default="demo", help="a name, a folder or a compact file *.ossnb")
    parser.add_argument("--seed", type=int, default=1_000_003)
    parser.add_argument("--vocabulary", type=Path, help="o200k_base.tiktoken (default: through oss-harmony)")
    parser.add_argument(
        "--settings", default="train:0,train:1,new:0", help="split:temperature, comma separated"
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--failures", action="store_true", help="print every wrong answer")
    parser.add_argument("--sets", action="store_true", help="only ask the two sets that were kept apart")
    parser.add_argument(
        "--show-failures", type=int, default=0, metavar="N", help="with --sets: print N wrong answers of each"
    )
    args = parser.parse_args()
    model = load(args.model)
    if args.sets:
        write(args.json, {"sets": measure_sets(model, args.seed, args.show_failures)})
        return
    words.set_rare(RARE)
    generator = Generator(Tokenizer(args.vocabulary))
    figures: dict[str, object] = {}
    for setting in args.settings.split(","):
        split, temperature = setting.split(":")
        start = time.monotonic()
        meter = measure(model, generator, split, float(temperature), args.n, args.seed)
        figures[setting] = summary = meter.summary()
        print(f"\n## wordings {split}, T = {temperature} ({time.monotonic() - start:.0f} s)")
        print(json.dumps(summary), flush=True)
        if args.failures:
            print("\n".join(meter.failures), flush=True)
        write(args.json, figures)
    if args.sums:
        figures["three-digit sums"] = effort_contrast(model, args.sums, args.seed)
    print(json.dumps(figures.get("three-digit sums", {})))
    write(args.json, figures)


if __name__ == "__main__":
    main()

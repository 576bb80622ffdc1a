"""Write the fixed conversations of `ossnb bench --quality`: `python quality_prompts.py`.

Four instances of every task without tools, in wordings held out of training, with the answers that training
would have asked for. They are written once and kept in the package, so that figures can be compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import words
from evaluate import RARE
from harmony import Message, Tokenizer

from data import EFFORTS, PLAIN, Generator, Sample

OUT = Path(__file__).parents[2] / "python" / "ossnb" / "data" / "quality_prompts.json"
EACH = 8
SEED = 20_000_003


def is_plain(sample: Sample) -> bool:
    """One question and nothing around it."""
    p = sample.prompt
    return [m.role for m in p.messages] == ["user"] and not p.tools and not p.instructions


def marked(reply: list[Message]) -> str:
    """Return a reply as harmony text, from behind "<|start|>assistant" to its end."""
    parts = [f"<|channel|>{m.channel}<|message|>{m.content}" for m in reply]
    return "<|end|><|start|>assistant".join(parts) + "<|return|>"


def main() -> None:
    words.set_rare(RARE)
    generator = Generator(Tokenizer(None))
    lines = []
    for task in PLAIN:
        if task == "repeat":  # an exercise that the model card does not promise
            continue
        rng = Random(f"quality/{SEED}/{task}")
        found: list[Sample] = []
        while len(found) < EACH:
            effort = EFFORTS[len(found) % len(EFFORTS)]
            sample = generator.sample(rng, "new", task, effort, noise=0.0)
            if is_plain(sample):
                found.append(sample)
        for sample in found:
            question = sample.prompt.messages[0].content
            entry = {"user": question, "effort": sample.prompt.effort, "reply": marked(sample.reply)}
            lines.append(json.dumps(entry, ensure_ascii=False))
    OUT.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    print(f"{len(lines)} conversations in {OUT}")


if __name__ == "__main__":
    main()

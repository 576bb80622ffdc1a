"""What a schema costs: JSON held to a schema beside free text of as many tokens, in turn.

Random weights choose at random among the tokens that the schema allows, so a string ends after some words
only where the schema bounds it. "row" is what `model.map(..., schema=Row)` asks for: names of fields, which
nobody has to choose, numbers, choices and a short text. "string" is the worst case: one text without an end.
"rules" is free text under the rules of harmony beside free text without them.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import ossnb
from ossnb.command.doctor import describe_machine

ROW = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 24},
        "year": {"type": "integer", "minimum": 1900, "maximum": 2100},
        "language": {"enum": ["English", "French", "German", "Spanish"]},
        "sentiment": {"enum": ["positive", "neutral", "negative"]},
        "is_fiction": {"type": "boolean"},
    },
    "required": ["title", "year", "language", "sentiment", "is_fiction"],
}
STRING = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


def ask(model: ossnb.Model, seed: int, **settings: Any) -> ossnb.Reply:
    return model.generate("Describe a book.", max_reasoning_tokens=0, seed=seed, drafts=False, **settings)


def compare(model: ossnb.Model, schema: dict[str, Any] | None, n_new: int, pairs: int) -> dict[str, Any]:
    """Write JSON, or free text under the rules, and as many tokens of free text in turn; the ratio of their
    speeds."""
    ratios, chosen = [], []
    for seed in range(pairs):
        held = ask(model, seed, schema=schema, max_tokens=n_new)
        free = ask(model, seed, max_tokens=held.stats.n_new_tokens, keep_rules=schema is not None)
        ratios.append(held.stats.decode_tok_s / free.stats.decode_tok_s)
        chosen.append((held.stats.n_new_tokens, held.stats.n_decode_steps))
    return {"ratio": statistics.median(ratios), "ratios": ratios, "tokens, steps": chosen}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="of a checkpoint with gpt-oss's whole vocabulary")
    parser.add_argument("--precision", choices=("exact", "fast"), default="exact")
    parser.add_argument("--new", type=int, default=64, help="tokens of a reply at most (default 64)")
    parser.add_argument("--pairs", type=int, default=6, help="runs of each kind (default 6)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    model = ossnb.load(args.folder, precision=args.precision, context=1024)
    found: dict[str, Any] = {"precision": args.precision, "machine": describe_machine()}
    for name, schema in {"row": ROW, "string": STRING, "rules": None}.items():
        ask(model, 0, schema=schema, max_tokens=8)  # grammars are compiled once
        found[name] = compare(model, schema, args.new, args.pairs)
        low, high = min(found[name]["ratios"]), max(found[name]["ratios"])
        steps = ", ".join(f"{n} in {steps}" for n, steps in found[name]["tokens, steps"])
        print(
            f"{name}: {found[name]['ratio']:.2f} ({low:.2f} to {high:.2f}); tokens in steps: {steps}",
            flush=True,
        )
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

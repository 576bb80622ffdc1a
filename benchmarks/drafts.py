"""What drafts gain and cost: decoding with and without, in turn, on a sixth of the 20b.

The checkpoint has 4 of the 24 layers and a sixth of the vocabulary, so each part of a step has its share.
Random weights copy nothing. So a kept text stands for the text that is repeated: the reply itself, with
some tokens replaced, so that the share of drafted tokens that are right is known.
"""

import argparse
import dataclasses
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import ossnb
from ossnb import _core
from ossnb.checkpoint.config import Config
from ossnb.command.doctor import describe_machine
from ossnb.testing import write_random_checkpoint

SIXTH = dataclasses.replace(
    Config(),
    num_hidden_layers=4,
    layer_types=Config().layer_types[:4],
    vocab_size=33_536,
    eos_token_id=(33_535,),
    pad_token_id=33_534,
)
ROWS = (1, 2, 3, 4, 5, 9, 17)
WRONG = {"repeated": 0, "one in 30 changed": 30, "one in 10 changed": 10, "nothing repeated": None}


def time_rows(model: ossnb.Model, rounds: int) -> dict[int, float]:
    """The time of a step of several rows with a choice each, as a multiple of one row's; medians."""
    core, draw = model.engine.core, np.random.default_rng(1)
    sampler = _core.Sampler(n_vocab=core.n_vocab, temperature=0.0)
    sequence, times = core.sequence(), {n: [] for n in ROWS}
    core.step([(sequence, draw.integers(0, 30_000, 256).astype(np.int32), 0)], [])
    for _ in range(rounds):
        for n in ROWS:
            sequence.rewind(256)
            ids = draw.integers(0, 30_000, n).astype(np.int32)
            began = time.perf_counter()
            core.step([(sequence, ids, n)], [_core.Chooser(sampler, 257 + i) for i in range(n)])
            times[n].append(time.perf_counter() - began)
    return {n: statistics.median(t / one for t, one in zip(times[n], times[1], strict=True)) for n in ROWS}


def compare(model: ossnb.Model, prompt: list[int], n_new: int, pairs: int, one_in: int | None) -> Any:
    """Decode with and without drafts in turn; the ratio of their speeds, and what was drafted."""
    draw, ratios, stats = np.random.default_rng(2), [], []
    settings = {"temperature": 0.0, "max_tokens": n_new}
    reply = model.complete(prompt, drafts=False, **settings)
    for _ in range(pairs):
        plain = model.complete(prompt, drafts=False, **settings)
        model.drafts.clear()
        if one_in is not None:
            text = list(reply.tokens)
            for at in range(one_in - 1, len(text), one_in or 1) if one_in else ():
                text[at] = int(draw.integers(0, 30_000))
            model.drafts.keep(prompt, text)
        drafted = model.complete(prompt, **settings)
        assert drafted.tokens == plain.tokens == reply.tokens
        ratios.append(drafted.stats.decode_tok_s / plain.stats.decode_tok_s)
        stats.append((drafted.stats.n_drafted_tokens, drafted.stats.n_accepted_tokens))
    return {"ratio": statistics.median(ratios), "ratios": ratios, "drafted, kept": stats}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="of the checkpoint, which is written if it is not there")
    parser.add_argument("--precision", choices=("exact", "fast"), default="exact")
    parser.add_argument("--new", type=int, default=96, help="tokens of a reply (default 96)")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each kind (default 5)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    if not (args.folder / "config.json").exists():
        write_random_checkpoint(args.folder, SIXTH, seed=1)
    model = ossnb.load(args.folder, precision=args.precision, context=2048)
    prompt = np.random.default_rng(3).integers(0, 30_000, 256).tolist()
    found: dict[str, Any] = {"precision": args.precision, "machine": describe_machine()}
    found["rows"] = time_rows(model, 3 * args.pairs)
    print(f"{args.precision}: a step of n rows, in steps of one:", flush=True)
    print("  " + ", ".join(f"{n}: {ratio:.2f}" for n, ratio in found["rows"].items()), flush=True)
    for name, one_in in WRONG.items():
        found[name] = compare(model, prompt, args.new, args.pairs, one_in)
        kept = ", ".join(f"{kept} of {drafted}" for drafted, kept in found[name]["drafted, kept"])
        low, high = min(found[name]["ratios"]), max(found[name]["ratios"])
        print(f"  {name}: {found[name]['ratio']:.2f} ({low:.2f} to {high:.2f}); kept {kept}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

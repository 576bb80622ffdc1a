"""The engines' turns: processes of ossnb and of llama.cpp one after the other, each timing some cases."""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from compare_llama import HERE, LLAMA, OSSNB, output_of, run_llama

PRECISIONS = ("exact", "fast")
NEW = 32  # tokens decoded in a run
RUNS = {  # prompt tokens: runs in a turn, few where llama.cpp takes a minute
    "exact": {512: 2},
    "fast": {512: 2, 64: 4, 16: 6},
    LLAMA: {512: 1, 64: 2, 16: 3},
}


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def warm(path: Path) -> None:
    """Bring a file, or a folder's files, into the page cache: the other engine's may have pushed them out."""
    buffer = bytearray(1 << 24)
    for file in sorted(path.glob("*.safetensors")) if path.is_dir() else [path]:
        with file.open("rb", buffering=0) as stream:
            while stream.readinto(buffer):
                pass


def cases_of(engine: str, rows: list[str]) -> list[dict[str, int]]:
    prompts = RUNS[engine] if "prefill" in rows else {}
    cases = [{"prompt": n, "new": 0, "depth": 0, "runs": runs} for n, runs in prompts.items()]
    if "decode" in rows:
        cases.append({"prompt": 0, "new": NEW, "depth": 0, "runs": 1 if engine == LLAMA else 2})
    return cases


def turn(engine: str, args: argparse.Namespace, llama: tuple[Path, Path] | None) -> dict[str, Any]:
    """One process of one engine, all cases after one load."""
    cases = cases_of(engine, args.rows)
    if engine == LLAMA:
        python, gguf = llama
        warm(gguf)
        start = time.monotonic()
        found = run_llama(python, gguf, cases, args.threads, repack=True)
        found["start_s"] = found["first_token_at"] - start
    else:
        warm(args.folder)
        settings = {"folder": str(args.folder), "precision": engine, "threads": args.threads, "cases": cases}
        found = output_of(OSSNB, HERE / "run_ossnb.py", json.dumps(settings))
    for case, seconds in zip(cases, found["cases"], strict=True):
        seconds["name"] = f"prefill {case['prompt']}" if case["prompt"] else "decode"
        tokens, times = case["prompt"] or case["new"], seconds["prefill_s" if case["prompt"] else "decode_s"]
        seconds["tok_s"] = [tokens / s for s in times]
    return found


def take_turns(args: argparse.Namespace, llama: tuple[Path, Path] | None) -> dict[str, list[dict[str, Any]]]:
    """Every round in the other direction, so that a machine that gets slower favours none."""
    order = [*PRECISIONS, *([LLAMA] if llama else [])]
    turns: dict[str, list[dict[str, Any]]] = {engine: [] for engine in order}
    for number in range(args.rounds):
        for engine in order[:: 1 if number % 2 == 0 else -1]:
            say(f"round {number + 1} of {args.rounds}: {engine}")
            found = turn(engine, args, llama)
            turns[engine].append(found)
            rates = (f"{one['name']}: {statistics.median(one['tok_s']):.1f}" for one in found["cases"])
            say(f"  tok/s: {', '.join(rates)}")
    return turns


def summary(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """One engine's turns: of each case the median and the spread of all runs."""
    found: dict[str, Any] = {"cases": {}}
    for name in ("load_s", "start_s", "peak_private_bytes"):
        if name in turns[0]:
            found[name] = spread([one[name] for one in turns])
    for same in zip(*(one["cases"] for one in turns), strict=True):
        rates = spread([rate for case in same for rate in case["tok_s"]])
        n_bytes = {name: same[0][name] for name in ("prefill_bytes", "bytes_per_token") if name in same[0]}
        found["cases"][same[0]["name"]] = rates | n_bytes
    return found


def spread(values: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": values}

"""Hostile checkpoints: each loads, or ends in an error that says in plain characters what is wrong.

As a program it is the worker: `checkpoints.py SEED FOLDER` spoils and loads one checkpoint a line.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from figures import Figures
from mutations import MUTATIONS, TEXTS
from worker import Worker, serve

BOUND_S = 20  # a load takes some hundredths of a second
LONGEST_MESSAGE = 4000
LEAST_BYTES = 4 << 30  # of address space that a worker may take

KINDS: dict[str, dict[str, Any]] = {
    "one file": {},
    "shards": {"shards": 3},
    "original": {"layout": "original"},
    "unquantised": {"quantized": False},
}


def run(n: int, seed: int) -> Figures:
    """Load `n` spoiled checkpoints."""
    figures, ends, seconds = Figures(n), Counter[str](), [0.0]
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker("checkpoints.py", str(seed), folder)
        for trial in range(n):
            worker.begin(trial)
            answer = worker.answer(BOUND_S)
            ends[answer.get("end", "failed")] += 1
            seconds.append(answer.get("seconds", 0.0))
            if "wrong" in answer or "end" not in answer:
                figures.failures.append(f"checkpoint {trial}: {json.dumps(answer)}")
        worker.close()
    figures.values = dict(ends.most_common()) | {"longest": f"{max(seconds):.2f} s"}
    return figures


def spoil(trial: int, seed: int, root: Path) -> Path:
    """Make the checkpoint of a trial: one to three mutations of a good one."""
    rng = random.Random(f"{seed} checkpoint {trial}")
    folder = root / "model"
    if rng.random() < 0.1:
        folder = root / rng.choice([text for text in TEXTS if text.isalnum() or "\x1b" in text])[:80]
    shutil.rmtree(folder, ignore_errors=True)  # what a worker before left that died
    shutil.copytree(root / rng.choice([*KINDS]), folder)
    for mutate in rng.sample(MUTATIONS, rng.choice([1, 1, 2, 3])):
        if all(path.is_file() for path in folder.iterdir()) and any(folder.glob("*.json")):
            try:
                mutate(rng, folder)
            except Exception:
                continue  # the mutation before it left nothing that this one could change
    return folder


def load(folder: Path) -> str:
    """Load and use a model; return the end that this took."""
    import ossnb

    model = ossnb.load(folder, threads=1, context=64)
    with model:
        ids = [i % model.config.vocab_size for i in (1, 2, 3)]
        model.logits(ids)
        model.complete(ids, max_tokens=2)
    return "loaded"


def judged(trial: int, seed: int, root: Path) -> dict[str, Any]:
    folder = spoil(trial, seed, root)
    said, answer = [], {}
    began = time.perf_counter()
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            answer["end"] = load(folder)
    except (OSError, ValueError, MemoryError) as error:
        answer["end"] = type(error).__name__
        said.append(str(error))
    except BaseException as error:
        answer["wrong"] = f"an untyped error, {error!r}"
    answer["seconds"] = round(time.perf_counter() - began, 3)
    said += [str(warning.message) for warning in seen]
    for text in said:
        if not text.replace("\n", "").isprintable():
            answer["wrong"] = f"characters for a terminal in {text!r}"
        if len(text) > LONGEST_MESSAGE:
            answer["wrong"] = f"a message of {len(text):,} characters, {text[:300]!r}"
    shutil.rmtree(folder)
    return answer


def main() -> None:
    import resource

    import ossnb
    from ossnb.testing import write_random_checkpoint

    seed, root = int(sys.argv[1]), Path(sys.argv[2])
    for kind, options in KINDS.items():
        if not (root / kind).exists():
            folder = write_random_checkpoint(root / kind, {"num_hidden_layers": 2}, seed=3, **options)
            added = [{"id": 510 + i, "content": text} for i, text in enumerate(TEXTS)]
            (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": added, "model": {}}))
    ossnb.load("demo", threads=1).close()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + LEAST_BYTES, resource.RLIM_INFINITY))
    serve(lambda trial: judged(trial, seed, root))


if __name__ == "__main__":
    main()

"""Generations of every kind, one after the other: the process's memory, files and threads stay as they were.

As a program it is the worker: `memory.py SEED` runs as many generations as a line says.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import random
import re
import sys
import threading
from pathlib import Path
from typing import Any

from figures import Figures
from worker import Worker, serve

BOUND_S = 300
WARM_UP = 40  # generations after which memory should have its size
MOST_GROWTH_MB = 4.0


def run(n: int, seed: int) -> Figures:
    """Run `n` generations, half of them with keys and values that are kept for later prompts."""
    figures = Figures(n)
    for kept in ("0", "2 MB"):  # the warm-up fills them
        worker = Worker("memory.py", str(seed))
        worker.begin({"n": n // 2, "kept": kept})
        answer = worker.answer(BOUND_S)
        worker.close()
        if "growth_mb" not in answer:
            figures.failures.append(f"kv_memory={kept!r}: {answer}")
            continue
        figures.values[f"growth, kv_memory={kept}"] = f"{answer['growth_mb']:.1f} MB"
        if answer["growth_mb"] > MOST_GROWTH_MB:
            figures.failures.append(f"kv_memory={kept!r}: memory grew by {answer['growth_mb']:.1f} MB")
        if answer["blocks"] or answer["more"]:
            figures.failures.append(
                f"kv_memory={kept!r}: {answer['blocks']} blocks of keys and values are left, and "
                f"{answer['more']} files and threads"
            )
    return figures


def generate(model: Any, rng: random.Random, chat: Any) -> None:
    """Generate in one of the ways that there are, and end it in one of the ways that it can end."""
    settings: dict[str, Any] = {"max_tokens": rng.randint(1, 12), "seed": rng.randrange(1000)}
    prompt = f"What is {rng.randrange(1000)} + {rng.randrange(1000)}?"
    kind = rng.randrange(6)
    if kind == 0:
        model.generate(prompt, logprobs=3, **settings)
    elif kind == 1:
        with model.stream(prompt, **settings) as stream:
            next(stream)
    elif kind == 2:
        stream = model.stream(prompt, **settings)
        stream.cancel()
        stream.run()
    elif kind == 3:
        chat.say(prompt, at=0, **settings)
    elif kind == 4:
        model.generate(prompt, **settings).inspect()
    else:
        stream = model.stream(prompt, **settings)
        next(stream)
        stream.myself = stream  # a cycle, left to the collector


def private_mb() -> float:
    """Memory of the process's own, without mapped weights and without what the allocator keeps for later."""
    gc.collect()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) / 1e3


def held() -> int:
    return len(os.listdir("/proc/self/fd")) + threading.active_count()


def measured(trials: dict[str, Any], seed: int) -> dict[str, Any]:
    import ossnb

    model = ossnb.load("demo", threads=1, context=2048, kv_memory=trials["kept"])
    chat, rng = model.chat(), random.Random(f"{seed} memory")
    for trial in range(WARM_UP + trials["n"]):
        if trial == WARM_UP:
            before, held_before = private_mb(), held()
        generate(model, rng, chat)
    growth, more = private_mb() - before, held() - held_before
    if trials["kept"] != "0":
        model.forget()
    del chat
    gc.collect()
    return {"growth_mb": growth, "blocks": model.engine.core.kv.n_blocks, "more": more}


if __name__ == "__main__":
    serve(lambda trials: measured(trials, int(sys.argv[1])))

"""A thread that ticks every millisecond beside the work of others: who keeps the GIL stops it.

As a program it is the worker: `standstill.py NAME SECONDS SEED` does one kind of work for so long and prints
the figures. The engine has one thread here, so that the ticking thread has a core of its own.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figures

from ticks import ticking

BOUND_S = 120
AIM_S = 0.02  # on an idle machine
MOST_S = 0.25  # the 99.9th percentile on a machine that others use too
LARGE = {
    "hidden_size": 2048,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 1000,
}


def run(n: int, seed: int) -> Figures:
    """Do each kind of work for `n` seconds."""
    figures = Figures(len(KINDS))
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONPATH": paths, "OSSNB_CACHE_LIMIT": "0", "CAMPAIGN_FOLDER": folder}
        for kind in KINDS:
            command = [sys.executable, __file__, kind, str(n), str(seed)]
            try:
                done = subprocess.run(
                    command, env=env, capture_output=True, text=True, timeout=BOUND_S, check=False
                )
                stood = json.loads(done.stdout)
            except (subprocess.TimeoutExpired, ValueError) as error:
                figures.failures.append(f"{kind}: {error!r}, {done.stderr[-500:]}")
                continue
            figures.values[kind] = (
                f"99.9 % of {stood['n']:,} ticks within {stood['p999'] * 1000:.1f} ms, "
                f"the longest {stood['longest'] * 1000:.0f} ms"
            )
            if stood["p999"] > MOST_S:
                figures.failures.append(f"{kind}: {stood}")
    return figures


def nothing(seed: int) -> Callable[[int], object]:
    """The machine's own gaps."""
    return lambda trial: time.sleep(0.2)


def demo() -> Any:
    import ossnb

    return ossnb.load("demo", threads=1)


def loading(seed: int) -> Callable[[int], object]:
    demo().tokenizer.encode("")  # what is read once a process is not asked about here
    return lambda trial: demo().close()


def prefill(seed: int) -> Callable[[int], object]:
    model, rng = demo(), np.random.default_rng(seed)
    return lambda trial: model.complete(rng.integers(0, 200_000, 1500), max_tokens=1)


def flat_sampling(seed: int) -> Callable[[int], object]:
    from ossnb import _core

    n_vocab = 201_088
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1e-3, n_vocab).astype(np.float32)
    sampler = _core.Sampler(n_vocab=n_vocab, temperature=1.0, top_p=0.9, seed=seed)
    return lambda trial: [sampler.sample(logits, position) for position in range(10)]


def tracing(seed: int) -> Callable[[int], object]:
    model, rng = demo(), np.random.default_rng(seed)
    what = ("router", "attention", "hidden", "logit_lens", "logits")
    return lambda trial: model.trace(rng.integers(0, 200_000, 200), what=what)


def tokenising(seed: int) -> Callable[[int], object]:
    from ossnb.harmony.tokenizer import Tokenizer

    tokenizer, rng = Tokenizer(), np.random.default_rng(seed)
    tokenizer.encode("")
    kinds = ["a", "word ", "语言", "acgt", "\n", "x = 1; "]
    texts = ["".join(rng.permutation([*kind] * 200_000))[:1_000_000] for kind in kinds]
    return lambda trial: tokenizer.encode(texts[trial % len(texts)])


def packing(seed: int) -> Callable[[int], object]:
    import ossnb
    from ossnb.testing import write_random_checkpoint

    folder = Path(os.environ["CAMPAIGN_FOLDER"]) / "large"
    write_random_checkpoint(folder, LARGE, seed=3)
    return lambda trial: ossnb.load(folder, precision="fast", threads=1, context=512).close()


KINDS: dict[str, Callable[[int], Callable[[int], object]]] = {
    "nothing": nothing,
    "loading": loading,
    "reading a prompt": prefill,
    "sampling, flat logits": flat_sampling,
    "tracing": tracing,
    "tokenising a megabyte": tokenising,
    "packing": packing,
}


def main() -> None:
    work = KINDS[sys.argv[1]](int(sys.argv[3]))
    work(-1)
    with ticking() as gaps:
        end, trials = time.monotonic() + float(sys.argv[2]), itertools.count()
        while time.monotonic() < end:
            work(next(trials))
    print(json.dumps({"n": len(gaps), "p999": float(np.quantile(gaps, 0.999)), "longest": max(gaps)}))


if __name__ == "__main__":
    main()

"""What rounding costs: the next-token distributions of `fast`, of narrow keys and values and of llama.cpp's
arithmetic, beside those of `exact`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..harmony.messages import as_messages
from ..harmony.prompt import render
from ..harmony.tokenizer import CALL, Tokenizer
from ..loader import load
from ..model import Model
from ..system.progress import start_progress
from ..system.text import counted
from .emulate import LLAMA_CPP, Emulation

CONVERSATIONS_FILE = Path(__file__).parents[1] / "data" / "quality_prompts.json"
_RANDOM_SEED = 8
# What is compared, by the report's names: how to load it, and a title. llama.cpp's arithmetic comes last.
WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "fast": ({"precision": "fast"}, "fast"),
    "kv_bf16": ({"kv": "bf16"}, "exact, kv bf16"),
    "kv_int8": ({"kv": "int8"}, "exact, kv int8"),
}


class _Tally:
    """Top-1 agreement, KL divergences in nats, and logits' errors in their standard deviations, of one way to
    compute against `exact`."""

    def __init__(self) -> None:
        self._same: list[NDArray[np.bool_]] = []
        self._kl: list[NDArray[np.float64]] = []
        self._error: list[NDArray[np.float64]] = []

    def add(self, exact: NDArray[Any], other: NDArray[Any]) -> None:
        self._same.append(exact.argmax(axis=-1) == other.argmax(axis=-1))
        self._kl.append(divergence(exact, other))
        error = np.sqrt(np.square(exact - other).mean(axis=-1, dtype=np.float64))
        self._error.append(error / exact.std(axis=-1, dtype=np.float64))

    def figures(self) -> dict[str, float]:
        kl = np.concatenate(self._kl)
        return {
            "top1_agreement": float(np.concatenate(self._same).mean()),
            "mean_kl": float(kl.mean()),
            "p99_kl": float(np.percentile(kl, 99)),
            "logit_error": float(np.median(np.concatenate(self._error))),
        }


def measure(
    source: str | Path, *, conversations: int | None = None, threads: int | None = None
) -> dict[str, Any]:
    """Compare `fast`, narrow keys and values and llama.cpp's arithmetic with `exact`; the dictionary is plain
    JSON.

    >>> report = measure("demo", conversations=2)  # takes a minute  # doctest: +SKIP
    >>> report["fast"]["top1_agreement"] > 0.9  # takes a minute  # doctest: +SKIP
    True

    The comparison takes the places before each token of the answers in a fixed set of conversations. The
    embedded model was not trained on their wordings. `conversations` takes fewer, spread over all tasks. A
    model with a smaller vocabulary gets random tokens of the same lengths. llama.cpp's arithmetic is emulated
    in NumPy on the same weights: activations in int8 per block of 32 with a scale in half precision, MXFP4
    experts, Q8_0 for the other matrices.
    """
    texts = list(held_out(conversations))
    exact = load(source, threads=threads)
    others = {name: load(source, threads=threads, **settings) for name, (settings, _) in WAYS.items()}
    has_words = exact.config.vocab_size > CALL
    if not has_words:
        rng = np.random.default_rng(_RANDOM_SEED)
        texts = [(rng.integers(0, exact.config.vocab_size, len(ids)).tolist(), n) for ids, n in texts]
    peer = Emulation(exact.tensors, exact.config, LLAMA_CPP)
    tallies = {name: _Tally() for name in (*others, "llama_cpp")}
    n_positions, n_layers = 0, exact.config.num_hidden_layers
    n_steps = n_layers + len(texts)
    progress = start_progress(
        f"comparing the predictions in {counted(len(texts), 'conversation')}",
        n_steps,
        lambda done: f"{done} of {counted(n_steps, 'step')}",
    )
    try:
        all_hidden = peer.hidden([ids for ids, _ in texts], progress.update)
        for i, ((ids, n), hidden) in enumerate(zip(texts, all_hidden, strict=True), 1):
            expected = _last_logits(exact, ids, n)
            for name, other in others.items():
                tallies[name].add(expected, _last_logits(other, ids, n))
            tallies["llama_cpp"].add(expected, peer.logits(hidden[-n:]))
            n_positions += n
            progress.update(n_layers + i)
    finally:
        progress.close()
    return {
        "model": str(source),
        "conversations": len(texts),
        "tokens": "held-out conversations" if has_words else "random tokens",
        "positions": n_positions,
        **{name: tally.figures() for name, tally in tallies.items()},
    }


def held_out(count: int | None) -> Iterator[tuple[list[int], int]]:
    """Yield conversations that the demo was not trained on: their tokens up to the last but one, and the
    number of last places to compare."""
    entries = json.loads(CONVERSATIONS_FILE.read_text(encoding="utf-8"))
    if count is not None:
        if not 1 <= count <= len(entries):
            raise ValueError(f"conversations must be in 1..{len(entries)}, got {count}")
        entries = [entries[i * len(entries) // count] for i in range(count)]
    tokenizer = Tokenizer()
    for entry in entries:
        prompt = render(as_messages(entry["user"]), effort=entry["effort"])
        reply = tokenizer.encode(entry["reply"], special=True)
        yield [*prompt, *reply[:-1]], len(reply)


def _last_logits(model: Model, ids: list[int], count: int) -> NDArray[np.float32]:
    return np.concatenate([*model.logit_blocks(ids, start=len(ids) - count)])


def divergence(exact: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return KL(exact || other) [T] of two rows of logits [T, V] each, in nats, right to about 1e-7.

    >>> divergence(np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])).round(4)
    array([0.1438])
    """
    x, y = (logits - logits.max(axis=-1, keepdims=True) for logits in (exact, other))
    p, q = np.exp(x), np.exp(y)
    norm_p, norm_q = p.sum(axis=-1, dtype=np.float64), q.sum(axis=-1, dtype=np.float64)
    difference = np.multiply(p, x - y).sum(axis=-1, dtype=np.float64) / norm_p
    return np.asarray(difference - np.log(norm_p) + np.log(norm_q))


def render_report(report: dict[str, Any]) -> str:
    """Write a report of `measure` for people."""
    lines = [
        f"{report['model']}: {report['positions']:,} places in {report['conversations']} "
        f"{report['tokens']}, against precision exact",
        "",
        f"{'':24}{'same top token':>16}{'mean KL':>12}{'99th pct. KL':>14}{'logit error':>13}",
    ]
    titles = {name: title for name, (_, title) in WAYS.items()} | {"llama_cpp": "llama.cpp's arithmetic"}
    for name, title in titles.items():
        found = report[name]
        lines.append(
            f"{title:24}{found['top1_agreement']:16.2%}{found['mean_kl']:12.2e}{found['p99_kl']:14.2e}"
            f"{found['logit_error']:13.2%}"
        )
    lines.append(
        "\nKL in nats. The error of logits is the median of rms(difference) / their standard deviation."
    )
    return "\n".join(lines)

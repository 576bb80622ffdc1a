"""Speed and memory of a model on this machine, beside the machine's own limits in the same minute."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..checkpoint.config import Config
from ..devices.names import is_card
from ..engine.estimate import multiply_adds
from ..engine.scheduler import PASS_ROWS
from ..loader import load
from .doctor import describe_machine

TOKEN_SEED = 7  # which random token ids are run; any do, as long as every run and every engine gets the same


def measure(
    source: str | Path,
    *,
    prompt: int = 512,
    new: int = 64,
    depth: int = 0,
    threads: int | None = None,
    runs: int = 3,
    precision: str = "exact",
    kv: str = "float32",
    device: str | None = None,
) -> dict[str, Any]:
    """Measure prefill and decode of a model; the dictionary is plain JSON.

    >>> report = measure("demo", prompt=64, new=8, runs=1)
    >>> report["decode"]["tok_s"] > 0 and report["prefill"]["tok_s"] > 0
    True

    A run reads `prompt` random token ids after `depth` earlier ones, then feeds `new` more one by one. The
    numbers do not depend on the values of the weights, so random weights of the right shape serve as well.
    tok_s is the median of the runs. The limits, and shares of them, are the CPU's: None on a card. Raises
    ValueError for a count that makes no sense, and the errors of
    `load`, for example for more tokens than the model's longest context.
    """
    settings = {"prompt": prompt, "new": new, "depth": depth, "runs": runs}
    for name, value in settings.items():
        least = 0 if name == "depth" else 1
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    with PeakPrivateMemory() as memory:
        start = time.perf_counter()
        model = load(
            source,
            precision=precision,
            kv=kv,
            threads=threads,
            context=depth + prompt + new,
            device=device,
        )
        load_s = time.perf_counter() - start
        core = model.engine.core
        on_cpu = not is_card(model.device)
        limits = [_limits(core)] if on_cpu else []
        ids = random_ids(model.config.vocab_size, model.context)
        times = _timed_runs(core, ids, depth, prompt, runs)
        limits += [_limits(core)] if on_cpu else []
    read_gb_s, int8_gop_s = (max(seen) for seen in zip(*limits, strict=True)) if on_cpu else (None, None)
    return {
        "ossnb": _core.__version__,
        "machine": describe_machine(),
        "model": {
            "source": str(source),
            "precision": model.precision,
            "kv": model.kv,
            "device": model.device,
            **_shape(model.config),
        },
        "settings": settings | {"threads": core.threads, "isa": core.isa},
        "load_s": load_s,
        "peak_private_bytes": memory.peak,
        "kv_bytes_per_token": core.kv_bytes_per_token,
        "limits": {"read_gb_s": read_gb_s, "int8_gop_s": int8_gop_s},
        "prefill": _prefill(model.config, [run["prefill_s"] for run in times], prompt, int8_gop_s),
        "decode": _decode([run["decode_s"] for run in times], new, times[-1]["bytes_per_token"], read_gb_s),
    }


def random_ids(n_vocab: int, count: int) -> NDArray[np.int32]:
    """Draw the token ids that every benchmark here runs; int32 [count].

    >>> random_ids(512, 3).tolist() == random_ids(512, 3).tolist()
    True
    """
    return np.random.default_rng(TOKEN_SEED).integers(0, n_vocab, count, dtype=np.int32)


def read_tokens(core: _core.Model, sequence: _core.Sequence, ids: NDArray[np.int32]) -> int:
    """Prefill `ids` in chunks, choose a token after the last, as generation does; return the bytes read."""
    last = (len(ids) - 1) // PASS_ROWS * PASS_ROWS
    for start in range(0, last, PASS_ROWS):
        core.step([(sequence, ids[start : start + PASS_ROWS], 0)], [])
    return _choose(core, sequence, ids[last:], _greedy(core))


def decode_tokens(core: _core.Model, sequence: _core.Sequence, ids: NDArray[np.int32]) -> tuple[float, float]:
    """Feed tokens one by one and choose a token after each: return the seconds, and the bytes a token.

    Generation chooses in the same way. The chosen tokens are not fed, so that every run and every engine
    computes the same tokens.
    """
    sampler = _greedy(core)
    start = time.perf_counter()
    touched = sum(_choose(core, sequence, ids[at : at + 1], sampler) for at in range(len(ids)))
    return time.perf_counter() - start, touched / max(1, len(ids))


def _greedy(core: _core.Model) -> _core.Sampler:
    return _core.Sampler(n_vocab=core.n_vocab, temperature=0)


def _choose(
    core: _core.Model, sequence: _core.Sequence, ids: NDArray[np.int32], sampler: _core.Sampler
) -> int:
    """Append tokens and choose the next one; return how many bytes were read."""
    return core.step([(sequence, ids, 1)], [_core.Chooser(sampler, 0)]).n_bytes


def _timed_runs(
    core: _core.Model, ids: NDArray[np.int32], depth: int, prompt: int, runs: int
) -> list[dict[str, float]]:
    sequence = core.sequence()
    if depth:
        read_tokens(core, sequence, ids[:depth])
    else:  # touch the weights and grow the buffers once, outside the clock
        read_tokens(core, sequence, ids[: min(prompt, PASS_ROWS)])
    times = []
    for _ in range(runs):
        sequence.rewind(depth)
        start = time.perf_counter()
        read_tokens(core, sequence, ids[depth : depth + prompt])
        prefill_s = time.perf_counter() - start
        decode_s, n_bytes = decode_tokens(core, sequence, ids[depth + prompt :])
        times.append({"prefill_s": prefill_s, "decode_s": decode_s, "bytes_per_token": n_bytes})
    return times


def _limits(core: _core.Model) -> tuple[float, float]:
    return _core.measure_read_gb_s(core.threads), _core.measure_int8_gop_s(core.threads, core.isa)


def matrix_operations(config: Config) -> int:
    """Count one prefill token's operations in matrices, two a multiply-add, without attention and head.

    >>> round(matrix_operations(Config()) / 1e9, 2)
    6.06
    """
    return 2 * sum(multiply_adds(config))


def _prefill(config: Config, seconds: list[float], tokens: int, peak_gop_s: float | None) -> dict[str, Any]:
    found = _rates(seconds, tokens)
    gop_s = found["tok_s"] * matrix_operations(config) / 1e9
    return found | {"gop_s": gop_s, "share_of_int8_peak": peak_gop_s and gop_s / peak_gop_s}


def _decode(
    seconds: list[float], tokens: int, bytes_per_token: float, peak_gb_s: float | None
) -> dict[str, Any]:
    found = _rates(seconds, tokens)
    gb_s = found["tok_s"] * bytes_per_token / 1e9
    return found | {
        "bytes_per_token": round(bytes_per_token),
        "gb_s": gb_s,
        "share_of_read_bandwidth": peak_gb_s and gb_s / peak_gb_s,
    }


def _rates(seconds: list[float], tokens: int) -> dict[str, Any]:
    rates = [tokens / s for s in seconds]
    return {
        "tok_s": statistics.median(rates),
        "min_tok_s": min(rates),
        "max_tok_s": max(rates),
        "runs": rates,
    }


def _shape(config: Config) -> dict[str, int]:
    names = (
        "num_hidden_layers",
        "hidden_size",
        "intermediate_size",
        "num_local_experts",
        "num_experts_per_tok",
    )
    return {name: getattr(config, name) for name in (*names, "vocab_size")}


class PeakPrivateMemory:
    """Watch this process's private memory while a block runs; `peak` is None where the system does not tell.

    Private memory is memory that no other process could share: anonymous pages, in memory or swapped out.
    Mapped weights are not private.
    """

    INTERVAL_S = 0.02

    def __init__(self) -> None:
        self.peak = private_bytes()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ossnb-memory", daemon=True)

    def __enter__(self) -> PeakPrivateMemory:
        if self.peak is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._stop.wait(self.INTERVAL_S):
            self._look()

    def _look(self) -> None:
        if self.peak is not None:
            self.peak = max(self.peak, private_bytes() or 0)


def private_bytes() -> int | None:
    """Return the bytes of anonymous memory (RssAnon + VmSwap of /proc/self/status), or None if unknown.

    smaps_rollup has the same number, but walks every page of the mapped weights for it.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "VmSwap:")))


def render(report: dict[str, Any]) -> str:
    """Write a report of `measure` for people."""
    settings, limits, shape = report["settings"], report["limits"], report["model"]
    prefill, decode, private = report["prefill"], report["decode"], report["peak_private_bytes"]
    after = f" after {settings['depth']}" if settings["depth"] else ""
    on_cpu = limits["read_gb_s"] is not None
    of_int8 = of_reads = ""
    if on_cpu:
        of_int8 = (
            f"{prefill['share_of_int8_peak']:6.1%} of {limits['int8_gop_s']:.0f} Gop/s (int8 dot products)"
        )
        of_reads = (
            f"{decode['share_of_read_bandwidth']:6.1%} of {limits['read_gb_s']:.1f} GB/s (memory reads); "
        )
    lines = [
        f"{shape['source']}: {shape['num_hidden_layers']} layers, hidden {shape['hidden_size']}, "
        f"{shape['num_local_experts']} experts, precision {shape['precision']}, kv {shape['kv']}",
        f"{report['machine']['cpu']}, {settings['threads']} threads, "
        + ("" if on_cpu else f"{shape['device']}, ")
        + f"kernels {settings['isa']}",
        f"loaded in {report['load_s']:.2f} s"
        + ("" if private is None else f", peak private memory {private / 1e9:.2f} GB"),
        "",
        f"{'':24}{'tok/s':>9}{'min':>9}{'max':>9}"
        + ("   of this machine's measured limits" if on_cpu else ""),
        _row(f"prefill {settings['prompt']}{after}", prefill) + of_int8,
        _row(f"decode {settings['new']}{after}", decode)
        + of_reads
        + f"{decode['bytes_per_token'] / 1e6:.1f} MB a token, {decode['gb_s']:.1f} GB/s",
    ]
    return "\n".join(lines)


def _row(name: str, found: dict[str, Any]) -> str:
    return f"{name:24}{found['tok_s']:9.1f}{found['min_tok_s']:9.1f}{found['max_tok_s']:9.1f}   "

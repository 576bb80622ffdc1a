"""What long contexts cost: decoding and reading after up to 131,008 tokens, with keys and values of any kind.

The checkpoint is a sixth of the 20b (benchmarks/drafts.py), so times are multiplied by six. The blocks of one
prompt stand for those of a long one: time does not depend on their values, and nothing has to be read first.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import ossnb
from drafts import SIXTH
from ossnb import _core
from ossnb.command.doctor import describe_machine
from ossnb.testing import write_random_checkpoint

FORMATS = ("float32", "bf16", "int8")
SHARE = 6  # the 20b has so many times the layers, and the vocabulary
DEPTHS = (0, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_008)
N_READ = 64  # tokens of a prompt that are read after the context


class Deep:
    """A sequence of any length whose blocks are copies of a few."""

    def __init__(self, core: _core.Model, n_tokens: int) -> None:
        width = core.kv.block_tokens
        draw = np.random.default_rng(0)
        seed = core.sequence()
        core.step([(seed, draw.integers(0, 30_000, 512).astype(np.int32), 0)], [])
        copies = [core.kv.read(block) for block in seed.blocks]
        self.core, self.blocks = core, [core.kv.make_from(copies[i % 16]) for i in range(n_tokens // width)]

    def at(self, depth: int) -> _core.Sequence:
        """Return a sequence of that many tokens, a multiple of a block's."""
        return self.core.sequence(self.blocks[: depth // self.core.kv.block_tokens], depth)


def measure(folder: Path, precision: str, threads: int, rounds: int, clock: Any) -> dict[str, Any]:
    """Time each format at each depth, in turn; medians of the rounds, in seconds of the whole 20b."""
    models = {kv: ossnb.load(folder, precision=precision, kv=kv, threads=threads) for kv in FORMATS}
    deep = {kv: Deep(model.engine.core, max(DEPTHS)) for kv, model in models.items()}
    ids = np.random.default_rng(1).integers(0, 30_000, N_READ).astype(np.int32)
    times: dict[tuple[str, str, int], list[float]] = {}

    def timed(kv: str, what: str, depth: int, n: int) -> None:
        core, sequence = deep[kv].core, deep[kv].at(depth)
        sampler = _core.Sampler(n_vocab=core.n_vocab, temperature=0.0)
        core.step([(sequence, ids[:n], 1)], [_core.Chooser(sampler, depth + n)])  # pages, caches
        sequence.rewind(depth)
        began = clock()
        core.step([(sequence, ids[:n], 1)], [_core.Chooser(sampler, depth + n)])
        times.setdefault((kv, what, depth), []).append(clock() - began)

    for _ in range(rounds):
        for depth in DEPTHS:
            for kv in FORMATS:
                timed(kv, "decode", depth, 1)
                timed(kv, "read", depth, N_READ)
    rows = [
        {
            "kv": kv,
            "depth": depth,
            "kv_bytes": depth * models[kv].kv_bytes_per_token * SHARE,
            "decode_s": statistics.median(times[kv, "decode", depth]) * SHARE,
            "read_s": statistics.median(times[kv, "read", depth]) * SHARE,
        }
        for kv in FORMATS
        for depth in DEPTHS
    ]
    return {"precision": precision, "threads": threads, "rounds": rounds, "rows": rows}


def render(report: dict[str, Any]) -> str:
    """Write a report of `measure` for people."""
    lines = [f"{'kv':8}{'depth':>8}{'GB':>8}{'decode tok/s':>14}{'of depth 0':>12}{'read tok/s':>12}{'':>12}"]
    first = {row["kv"]: row for row in report["rows"] if row["depth"] == 0}
    for row in report["rows"]:
        none = first[row["kv"]]
        lines.append(
            f"{row['kv']:8}{row['depth']:8,}{row['kv_bytes'] / 1e9:8.2f}{1 / row['decode_s']:14.2f}"
            f"{none['decode_s'] / row['decode_s']:12.2f}{N_READ / row['read_s']:12.1f}"
            f"{none['read_s'] / row['read_s']:12.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="of the checkpoint, which is written if it is not there")
    parser.add_argument("--precision", choices=("exact", "fast"), default="exact")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="the median counts (default 5)")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu with --threads 1, on a busy machine"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    if not (args.folder / "config.json").exists():
        write_random_checkpoint(args.folder, SIXTH, seed=1)
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    report = measure(args.folder, args.precision, args.threads, args.rounds, clock)
    print(render(report))
    if args.json:
        args.json.write_text(json.dumps({"machine": describe_machine(), **report}, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""The campaign: ten minutes of hostile files, interrupts, kills and long runs. `make campaign` starts it.

`make campaign ARGS="kills memory --scale 0.1 --seed 7 --json result.json"` chooses parts, takes a tenth of
the trials, draws others, and writes the figures to a file. The exit status is 1 if a part failed. Times are
figures, not failures, unless something hangs: they depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]  # the helpers of the tests

from figures import Figures  # noqa: E402

# A part is a file with `run(n, seed)`; so many trials are one campaign.
PARTS = {
    "checkpoints": 300,
    "interrupts": 2000,
    "streams": 20_000,
    "kills": 40,
    "starving": 12,
    "memory": 300,
    "standstill": 6,
}
MOST_SHOWN = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="make campaign", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all by default")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the usual trials")
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures too")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    results, failed = {}, False
    for name in given.parts or PARTS:
        n = max(round(PARTS[name] * given.scale), 1)
        began = time.perf_counter()
        figures: Figures = importlib.import_module(name).run(n, given.seed)
        seconds = time.perf_counter() - began
        show(name, figures, seconds)
        failed |= bool(figures.failures)
        results[name] = {**vars(figures), "seconds": round(seconds, 1)}
    if given.json is not None:
        about = {"seed": given.seed, "scale": given.scale, "load before and after": [LOAD, os.getloadavg()]}
        about |= {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
        given.json.write_text(json.dumps({"about": about, "parts": results}, indent=1) + "\n")
    return int(failed)


def show(name: str, figures: Figures, seconds: float) -> None:
    told = f"{len(figures.failures)} failed" if figures.failures else "all good"
    print(f"{name:<12} {figures.n:>6,} trials in {seconds:5.0f} s   {told}", flush=True)
    for what, value in figures.values.items():
        print(f"{'':<12} {what}: {value}", flush=True)
    for failure in figures.failures[:MOST_SHOWN]:
        print(f"{'':<12} ✗ {failure}", flush=True)


LOAD = os.getloadavg()

if __name__ == "__main__":
    sys.exit(main())

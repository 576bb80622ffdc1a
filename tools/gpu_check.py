"""Check and measure the GPU's kernels on a machine with a card: `python3 tools/gpu_check.py`.

It needs an NVIDIA driver, nvcc (13.0, or what `make cuda` installs), a C++ compiler and a Python; the rest
comes with `make`. In less than ten minutes it builds the extension, runs the tests marked `cuda` on the card,
and measures the bandwidth of copies, each kernel's time, and a token and a prompt of the 20b and 120b shapes
with random weights. One JSON file has it all. A step that fails is told there, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / ".venv" / "bin" / "python"
# The layers that are made, and those of the whole model: 120b is cut to what a disk holds.
SHAPES = {"20b": (24, 24), "120b": (6, 36)}
DEPTHS = (0, 4096, 32768)  # tokens before the ones that are timed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--card", type=int, default=0, help="which of several cards (default 0)")
    parser.add_argument("--shapes", nargs="*", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--minutes", type=float, default=9.0, help="begin no step after so long (default 9)")
    parser.add_argument(
        "--out", type=Path, help="the JSON file (default: benchmarks/results/cuda-check.json)"
    )
    parser.add_argument("--measure", nargs=2, metavar=("FOLDER", "PRECISION"), help=argparse.SUPPRESS)
    return parser.parse_args()


class Steps:
    """A sequence of one model's tokens on a card, a pass at a time."""

    def __init__(self, core: Any) -> None:
        import numpy as np

        from ossnb import _core

        self.core, self.api = core, _core
        self.sampler = _core.Sampler(n_vocab=core.n_vocab, temperature=0.0)
        self.numbers = np.random.default_rng(0)
        self.sequence = core.sequence()

    def step(self, n: int) -> float:
        """Read n random tokens and choose the next one; milliseconds."""
        tokens = self.numbers.integers(0, self.core.n_vocab, n).astype("int32")
        chooser = self.api.Chooser(self.sampler, self.sequence.length + n)
        began = time.perf_counter()
        self.core.step([(self.sequence, tokens, 1)], [chooser])
        return 1e3 * (time.perf_counter() - began)


def measure(folder: str, card: int, precision: str) -> dict[str, Any]:
    """Time passes of one checkpoint on the card, and each of its kernels."""
    import ossnb
    from ossnb import _core

    began = time.monotonic()
    model = ossnb.load(folder, device=f"cuda:{card}", precision=precision)
    found: dict[str, Any] = {"load_s": time.monotonic() - began}
    core = model.engine.core
    for depth in DEPTHS:
        steps = Steps(core)
        try:
            for first in range(0, depth, 512):
                steps.step(min(512, depth - first))
            times = [steps.step(1) for _ in range(64)][8:]
        except MemoryError as error:
            found[f"no room at {depth}"] = str(error)
            continue
        finally:
            del steps  # and its keys and values, before the next has its own
        found[f"token_ms_at_{depth}"] = statistics.median(times)
    for n in (64, 512):
        found[f"prompt_{n}_ms"] = statistics.median([Steps(core).step(n) for _ in range(4)][1:])
    for name, n, rounds in (("token", 1, 8), ("prompt_512", 512, 2)):
        steps = Steps(core)
        steps.step(16)
        _core.cuda_time_kernels(True)
        for _ in range(rounds):
            steps.step(n)
        _core.cuda_time_kernels(False)
        found[f"kernels_of_{name}"] = {
            kernel: {"launches": count / rounds, "us": 1e3 * ms / count}
            for kernel, (count, ms) in _core.cuda_kernel_times().items()
        }
    return found


class Check:
    """The steps one after the other, and what they found."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.began = args, time.monotonic()
        self.found: dict[str, Any] = {"machine": platform.platform(), "card": args.card, "failed": {}}
        self.out = args.out or ROOT / "benchmarks" / "results" / "cuda-check.json"

    def run(self, name: str, command: list[Any], **environment: str) -> str | None:
        """Run one step within the time that is left; its output, or None if it failed."""
        left = 60 * self.args.minutes - (time.monotonic() - self.began)
        print(f"{name} ...", flush=True)
        if left < 5:
            self.found["failed"][name] = "no time was left"
            return None
        began = time.monotonic()
        try:
            done = subprocess.run(
                [str(part) for part in command],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=left,
                check=False,
                env={**os.environ, **environment},
            )
        except (subprocess.TimeoutExpired, OSError) as error:
            self.found["failed"][name] = str(error)[:2000]
            return None
        self.found.setdefault("seconds", {})[name] = round(time.monotonic() - began, 1)
        if done.returncode != 0:
            self.found["failed"][name] = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            print(f"  failed: {done.stderr.strip()[-300:]}", flush=True)
            return None
        return done.stdout

    def core(self, expression: str) -> Any:
        """What the extension answers."""
        code = f"import json; from ossnb import _core; print(json.dumps({expression}))"
        said = self.run(expression, [RUN, "-c", code])
        return None if said is None else json.loads(said)

    def shape(self, name: str) -> None:
        made, whole = SHAPES[name]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            arguments = f"{str(path)!r}, {name!r}, layers={made}"
            code = f"from ossnb.testing import write_random_checkpoint as write; write({arguments})"
            if self.run(f"random weights, {name}", [RUN, "-c", code]) is None:
                return
            for precision in ("exact", "fast"):
                command = [RUN, __file__, "--card", self.args.card, "--measure", path, precision]
                # The packed copies are a part of what is measured; they go with the folder.
                said = self.run(f"measure {name} {precision}", command, OSSNB_CACHE=folder)
                if said is None:
                    continue
                found = {"layers": made, "of": whole, **json.loads(said.splitlines()[-1])}
                self.found[f"{name} {precision}"] = found
                print(
                    f"  a token takes {found['token_ms_at_0']:.2f} ms with {made} of {whole} layers",
                    flush=True,
                )

    def all(self) -> int:
        make = ["make", f"PYTHON={sys.executable}"]
        built = self.run("compiler", [*make, "build/cuda-venv/stamp"])
        if built is not None:  # a build without kernels would do for the extension, and for nothing here
            built = self.run("build", [*make, ".venv/stamp-test"], CMAKE_ARGS="-DOSSNB_CUDA=ON")
        if built is not None:
            self.found["cards"] = self.core(f"_core.cuda_cards([{self.args.card}])")
            self.found["copy_gb_s"] = self.core(f"_core.measure_copy_gb_s({self.args.card})")
            files = ["tests/test_cuda_device.py", "tests/test_cuda_host.py"]
            self.run("tests", [RUN, "-m", "pytest", "-q", "-m", "cuda", *files])
            for name in self.args.shapes:
                self.shape(name)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self.out.write_text(json.dumps(self.found, indent=1) + "\n")
        failed = self.found["failed"]
        print(f"{self.out}: " + (f"failed: {', '.join(failed)}" if failed else "every step passed"))
        return 1 if failed else 0


if __name__ == "__main__":
    options = arguments()
    if options.measure:
        print(json.dumps(measure(options.measure[0], options.card, options.measure[1])))
    else:
        sys.exit(Check(options).all())

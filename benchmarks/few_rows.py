"""A step of a few rows, as of batches, drafts and short prompts: `python3 benchmarks/few_rows.py FOLDER`.

FOLDER is a gpt-oss checkpoint; a few layers are enough. A row of the table tells, for a step with so many
rows: how long it takes, the bytes that it reads and their share of the bandwidth measured in the same run,
the operations, the experts that a layer reads, and what a model with --layers layers would do. That last is
calculated from the times with all layers and with one. With --beside another build takes part in turn, and
the last column is its time by ours: a folder that holds its package `ossnb`, or a checkout. Standard library
only; needs `make bench` or `make test` to have run.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from compare_llama import HERE, OSSNB, ROOT
from llama_bench import Tool

ROWS = (1, 2, 4, 8, 16, 32, 64)
HEAD = "rows  kind      ms (min to max)          GB   GB/s  share  Gop/s  experts  whole ms   tok/s"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a gpt-oss checkpoint")
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS), help="default: 1 2 4 ... 64")
    parser.add_argument("--precision", nargs="+", default=["exact", "fast"], help="default: exact and fast")
    parser.add_argument("--kind", nargs="+", choices=("batch", "prompt"), default=["batch", "prompt"])
    parser.add_argument("--runs", type=int, default=7, help="of each case (default 7)")
    parser.add_argument("--layers", type=int, default=24, help="of the model calculated (default 24)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: every core")
    parser.add_argument(
        "--clock",
        choices=("seconds", "cpu"),
        default="seconds",
        help="cpu: processor time, for a busy machine and one thread",
    )
    parser.add_argument("--beside", type=Path, help="a folder with another build's package ossnb")
    parser.add_argument("--llama-bench", type=Path, help="a llama-bench of ik_llama.cpp or llama.cpp")
    parser.add_argument("--gguf", type=Path, help="the same weights for --llama-bench")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    if (args.llama_bench is None) != (args.gguf is None):
        parser.error("--llama-bench and --gguf belong together: give both or none")
    if args.runs < 1 or min(args.rows) < 1 or max(args.rows) > 512:
        parser.error("--runs must be at least 1, and --rows from 1 to 512")
    return args


class Build:
    """A process that takes steps when asked (run_few_rows.py)."""

    def __init__(self, args: argparse.Namespace, package: Path | None = None) -> None:
        command = [str(OSSNB)]
        env = dict(os.environ)
        if package is not None:  # without site, the environment's own ossnb does not come first
            command.append("-S")
            env["PYTHONPATH"] = os.pathsep.join([str(package.resolve()), site_packages()])
        command += [str(HERE / "run_few_rows.py"), str(args.folder.resolve()), str(args.threads)]
        self.process = subprocess.Popen(
            command + args.precision,
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.about = self._answer()

    def ask(self, **what: Any) -> dict[str, Any]:
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"error: {' '.join(map(str, self.process.args))} ended without an answer")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def site_packages() -> str:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    command = [str(OSSNB), "-c", code]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def measure(builds: list[Build], runs: int, clock: str, **case: Any) -> dict[str, Any]:
    """Take a case's steps in turn: the figures of the first build, and how the second's times relate."""
    found = builds[0].ask(experts=True, **case)  # the first step of a kind grows buffers: not timed
    times: list[list[list[float]]] = [[] for _ in builds]
    for other in builds[1:]:
        other.ask(**case)
    for run in range(runs):
        for i in range(len(builds))[:: 1 if run % 2 == 0 else -1]:
            times[i].append(builds[i].ask(**case)[clock])
    whole, one = ([pair[i] for pair in times[0]] for i in (0, 1))
    about = builds[0].about
    layer = (statistics.median(whole) - statistics.median(one)) / max(1, about["layers"] - 1)
    n_heads = 1 if case["alone"] else case["rows"]
    operations = about["layers"] * case["rows"] * about["layer_operations"]
    figures = case | {
        "seconds": statistics.median(whole),
        "all_seconds": whole,
        "layer_seconds": layer,
        "head_seconds": statistics.median(one) - layer,
        "bytes": found["bytes"][0],
        "experts": found["experts"],
        "operations": operations + n_heads * about["head_operations"],
    }
    if len(builds) > 1:
        ratios = [theirs[0] / ours[0] for ours, theirs in zip(*times, strict=True)]
        figures["beside"] = statistics.quantiles(ratios, n=4) if runs > 1 else ratios * 3
    return figures


def line(figures: dict[str, Any], read_gb_s: float, layers: int) -> str:
    seconds, times = figures["seconds"], figures["all_seconds"]
    whole = layers * figures["layer_seconds"] + figures["head_seconds"]
    rate = figures["bytes"] / seconds / 1e9
    spread = f"{1e3 * seconds:.1f} ({1e3 * min(times):.1f} to {1e3 * max(times):.1f})"
    text = (
        f"{figures['rows']:4}  {'prompt' if figures['alone'] else 'batch':6}  {spread:24}"
        f"{figures['bytes'] / 1e9:6.2f}{rate:7.1f}{rate / read_gb_s:7.0%}"
        f"{figures['operations'] / seconds / 1e9:7.0f}{figures['experts']:9.1f}"
        f"{1e3 * whole:10.0f}{figures['rows'] / whole:8.1f}"
    )
    if "beside" in figures:
        low, middle, high = figures["beside"]
        text += f"   x {middle:.2f} ({low:.2f}, {high:.2f})"
    return text


def main() -> None:
    args = arguments()
    if not (ROOT / OSSNB).exists():
        raise SystemExit("error: ossnb's own environment is missing; run `make bench` first")
    builds = [Build(args), *([Build(args, args.beside)] if args.beside else [])]
    tool = Tool(args.llama_bench, args.gguf, args.threads) if args.llama_bench else None
    about = builds[0].about
    limits = [builds[0].ask(limits=True)]
    report: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "about": about, "steps": []}
    for precision in args.precision:
        print(f"{precision}, {about['isa']}, {args.threads} threads, {about['layers']} layers\n{HEAD}")
        for kind in args.kind:
            for rows in args.rows:
                case = {"precision": precision, "rows": rows, "alone": kind == "prompt"}
                limits.append(builds[0].ask(limits=True))
                figures = measure(builds, args.runs, args.clock, **case)
                report["steps"].append(figures)
                print(line(figures, limits[-1]["read"], args.layers), flush=True)
    if tool:
        report["llama_bench"] = tool.rates(args.rows)
        print("\n".join(tool.lines(report["llama_bench"])))
    report["limits"] = {name: max(one[name] for one in limits) for name in limits[0]}
    reads = sorted(one["read"] for one in limits)
    print(f"read: {reads[len(reads) // 2]:.1f} GB/s (median; {reads[0]:.1f} to {reads[-1]:.1f})")
    for build in builds:
        build.close()
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

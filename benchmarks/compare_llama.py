"""ossnb beside llama.cpp on the same weights, in one run: `python3 benchmarks/compare_llama.py FOLDER`.

FOLDER is a gpt-oss checkpoint (`python -m ossnb.testing` writes one of any shape; speed does not depend on
what the weights say). The script makes an environment of its own with llama.cpp compiled for this processor
(once, some minutes), writes the weights as GGUF (once, beside FOLDER), then lets the two take turns and
prints one table. Standard library only; needs `make bench` or `make test` to have run, for ossnb's own
environment.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HERE = Path("benchmarks")  # everything runs from ROOT
OSSNB = Path(".venv/bin/python")
RESULTS = HERE / "results"
LLAMA = "llama.cpp"
PHASES = ("prefill", "decode")
COUNTS = ("prompt", "new", "depth", "threads", "runs")
CHECK_TOKENS = 16  # logits of both engines are compared after so many


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a gpt-oss checkpoint")
    parser.add_argument("--prompt", type=int, default=512, help="tokens to prefill (default 512)")
    parser.add_argument("--new", type=int, default=64, help="tokens to decode (default 64)")
    parser.add_argument("--depth", type=int, default=0, help="earlier tokens in the context (default 0)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: every core")
    parser.add_argument(
        "--precision", nargs="+", default=["exact"], help="ossnb's: exact (default), fast, or both"
    )
    parser.add_argument("--rounds", type=int, default=2, help="how often the two take turns (default 2)")
    parser.add_argument("--runs", type=int, default=2, help="runs in each turn (default 2)")
    parser.add_argument("--no-repack", action="store_true", help="llama.cpp on the mapped file, unrepacked")
    parser.add_argument("--venv", type=Path, default=Path("build/llama-venv"), help="llama.cpp's environment")
    parser.add_argument("--gguf", type=Path, help="where the GGUF is or goes (default: FOLDER.gguf)")
    return parser.parse_args()


def output_of(*command: object) -> dict[str, Any]:
    """Run a command and read the JSON it prints."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def set_up(venv: Path) -> Path:
    python = venv / "bin" / "python"
    stamp = ROOT / venv / "stamp"
    requirements = HERE / "requirements-llama.txt"
    if not stamp.exists() or stamp.stat().st_mtime < (ROOT / requirements).stat().st_mtime:
        print("compiling llama.cpp for this machine (some minutes)", flush=True)
        steps = ["new", f"see={OSSNB.parent.parent}", str(requirements)]
        command = [sys.executable, "tools/setup_env.py", str(venv), *steps]
        # GCC 12 drops what llama.cpp stores for AMX's set-up as dead, and the first product is a crash.
        keep_stores = "'-DCMAKE_CXX_FLAGS=-fno-tree-dse -fno-dse'"
        options = ["-DGGML_NATIVE=ON", "-DLLAVA_BUILD=OFF", keep_stores, os.environ.get("CMAKE_ARGS", "")]
        flags = {"CMAKE_ARGS": " ".join(options)}
        subprocess.run(command, cwd=ROOT, env=os.environ | flags, check=True)
        stamp.touch()
    return python


def write_gguf(python: Path, folder: Path, path: Path) -> None:
    if path.exists():
        return
    print(f"writing {path}", flush=True)
    part = path.with_name(path.name + ".part")
    subprocess.run([str(python), str(HERE / "write_gguf.py"), str(folder), str(part)], cwd=ROOT, check=True)
    part.rename(path)


def run_ossnb(folder: Path, precision: str, args: argparse.Namespace) -> dict[str, Any]:
    counts = [f"--{name}={getattr(args, name)}" for name in COUNTS]
    found = output_of(OSSNB, "-m", "ossnb", "bench", folder, f"--precision={precision}", *counts, "--json")
    return found | {f"{phase}_tok_s": found[phase]["runs"] for phase in PHASES}


def run_llama(
    python: Path, gguf: Path, cases: list[dict[str, int]], threads: int, repack: bool
) -> dict[str, Any]:
    settings = {"gguf": str(gguf), "threads": threads, "repack": repack, "check": CHECK_TOKENS}
    return output_of(python, HERE / "run_llama.py", json.dumps(settings | {"cases": cases}))


def run_llama_once(python: Path, gguf: Path, args: argparse.Namespace) -> dict[str, Any]:
    case = {name: getattr(args, name) for name in COUNTS if name != "threads"}
    found = run_llama(python, gguf, [case], args.threads, not args.no_repack)
    counts = {"prefill": args.prompt, "decode": args.new}
    rates = {f"{p}_tok_s": [n / s for s in found["cases"][0][f"{p}_s"]] for p, n in counts.items()}
    return found | rates


def ossnb_logits(folder: Path) -> list[float]:
    """ossnb's logits after the tokens on which llama.cpp's were taken."""
    code = (
        "import json, sys, ossnb; from ossnb.command.bench import random_ids; "
        "model = ossnb.load(sys.argv[1]); "
        f"ids = random_ids(model.config.vocab_size, {CHECK_TOKENS}); "
        "print(json.dumps(model.logits(ids)[-1].tolist()))"
    )
    return output_of(OSSNB, "-c", code, folder)


def summary(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """One engine's turns: the median and the spread of all their runs."""
    found: dict[str, Any] = {"load_s": statistics.median(turn["load_s"] for turn in turns)}
    for phase in PHASES:
        rates = [rate for turn in turns for rate in turn[f"{phase}_tok_s"]]
        found[phase] = {
            "tok_s": statistics.median(rates),
            "min_tok_s": min(rates),
            "max_tok_s": max(rates),
            "runs": rates,
        }
    return found


def compare(args: argparse.Namespace) -> dict[str, Any]:
    folder = args.folder.resolve()
    python = set_up(args.venv)
    gguf = (args.gguf or folder.with_name(folder.name + ".gguf")).resolve()
    write_gguf(python, folder, gguf)
    turns: dict[str, list[dict[str, Any]]] = {}
    for number in range(args.rounds):
        for precision in args.precision:
            print(f"round {number + 1} of {args.rounds}: ossnb {precision}", flush=True)
            turns.setdefault(f"ossnb {precision}", []).append(run_ossnb(folder, precision, args))
        print(f"round {number + 1} of {args.rounds}: {LLAMA}", flush=True)
        turns.setdefault(LLAMA, []).append(run_llama_once(python, gguf, args))
    ours, theirs = [turn for name, some in turns.items() if name != LLAMA for turn in some], turns[LLAMA]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": ours[0]["machine"],
        "model": {name: value for name, value in ours[0]["model"].items() if name != "precision"}
        | {"source": folder.name},
        "settings": ours[0]["settings"] | {"rounds": args.rounds, "llama_repack": not args.no_repack},
        "versions": {"ossnb": ours[0]["ossnb"], "llama_cpp_python": theirs[0]["version"]},
        "limits": {name: max(turn["limits"][name] for turn in ours) for name in ours[0]["limits"]},
        "logit_correlation": statistics.correlation(ossnb_logits(folder), theirs[0]["logits"]),
        "engines": {name: summary(some) for name, some in turns.items()},
    }


def render(report: dict[str, Any]) -> str:
    settings, engines = report["settings"], report["engines"]
    counts = {"prefill": settings["prompt"], "decode": settings["new"]}
    heads = "".join(f"{f'{phase} {count}':>26}{'ratio':>7}" for phase, count in counts.items())
    lines = [
        f"{report['model']['source']} on {report['machine']['cpu']}, {settings['threads']} threads, after "
        f"{settings['depth']} tokens; tok/s, median (min to max)",
        f"{'':14}{heads}  load, s",
    ]
    for name, found in engines.items():
        line = f"{name:14}"
        for phase in PHASES:
            rate = found[phase]
            cell = f"{rate['tok_s']:.1f} ({rate['min_tok_s']:.1f} to {rate['max_tok_s']:.1f})"
            line += f"{cell:>26}{rate['tok_s'] / engines[LLAMA][phase]['tok_s']:7.2f}"
        lines.append(f"{line}{found['load_s']:9.2f}")
    same = f"logits after {CHECK_TOKENS} tokens correlate at {report['logit_correlation']:.4f}"
    lines.append(f"the same weights: {same} (ossnb exact, {LLAMA})")
    return "\n".join(lines)


def main() -> None:
    args = arguments()
    if not (ROOT / OSSNB).exists():
        raise SystemExit("ossnb's own environment is missing: run `make bench` first")
    report = compare(args)
    if not math.isfinite(report["logit_correlation"]):
        raise SystemExit("the engines' logits cannot be compared: is one of them NaN?")
    print(render(report))
    settings = report["settings"]
    name = f"{report['model']['source']}-p{settings['prompt']}-n{settings['new']}-d{settings['depth']}.json"
    path = ROOT / RESULTS / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

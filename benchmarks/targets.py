"""Every speed and memory target in one run, and a table: `python3 benchmarks/targets.py FOLDER [--rows ...]`.

FOLDER is a gpt-oss checkpoint, as for compare_llama.py, which sets llama.cpp up. Every figure is taken in a
process of its own; where the two engines are compared they take turns. About 25 minutes for the 20b shape on
a slow machine with two cores. Standard library only.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from compare_llama import HERE, LLAMA, OSSNB, RESULTS, ROOT, ossnb_logits, output_of, set_up, write_gguf
from target_table import render, table
from turns import NEW, PRECISIONS, say, spread, summary, take_turns, warm

ROWS = {
    "prefill": "512, 64 and 16 tokens beside llama.cpp, and peak private memory",
    "decode": "one token at a time beside llama.cpp",
    "long": "prefill of 2048 and 8192 tokens, decode after 4096",
    "start": "start of a process to its first token",
    "processes": "memory of four processes together",
    "disk": "generation with less memory than the weights take",
}
COMPARED = ("prefill", "decode")  # with llama.cpp
LONG = {"prompts": [512, 2048, 8192], "depth": 4096, "new": NEW, "runs": 2}
SCRIPTS = {"processes": "memory.py", "disk": "low_memory.py"}

FIRST_TOKEN = """
import json, sys, time, ossnb
model = ossnb.load(sys.argv[1], precision=sys.argv[2], threads=int(sys.argv[3]))
reply = model.complete(range(16), max_tokens=1, temperature=0)
print(json.dumps({"first_token_at": time.monotonic(), "tokens": reply.tokens}))
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="rows:\n" + "\n".join(f"{name:10} {text}" for name, text in ROWS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="a gpt-oss checkpoint")
    parser.add_argument(
        "--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help="only these, see below"
    )
    parser.add_argument("--rounds", type=int, default=2, help="how often the engines take turns (default 2)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: every core")
    parser.add_argument("--no-llama", action="store_true", help="ossnb alone: no ratios")
    parser.add_argument("--venv", type=Path, default=Path("build/llama-venv"), help="llama.cpp's environment")
    parser.add_argument("--gguf", type=Path, help="where the GGUF is or goes (default: FOLDER.gguf)")
    return parser.parse_args()


def first_token(args: argparse.Namespace, precision: str, cache: str | None = None) -> float:
    """Seconds from before a process is started to its first token, after 16 of a prompt."""
    command = [OSSNB, "-c", FIRST_TOKEN, args.folder, precision, args.threads]
    env = os.environ | ({"OSSNB_CACHE": cache} if cache else {})
    start = time.monotonic()
    done = subprocess.run(map(str, command), cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["first_token_at"] - start


def starts(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for precision in PRECISIONS:
        warm(args.folder)
        first_token(args, precision)  # builds what is missing, and brings it into the page cache
        found[precision] = spread([first_token(args, precision) for _ in range(3)])
        fresh = []
        for _ in range(2):  # beside the model, where there is room, not in a /tmp that may be memory
            with tempfile.TemporaryDirectory(prefix="ossnb-cache-", dir=args.folder.parent) as cache:
                fresh.append(first_token(args, precision, cache))
        found[f"{precision}, first time"] = spread(fresh)
    return found


def other_row(name: str, args: argparse.Namespace) -> dict[str, Any]:
    warm(args.folder)
    if name == "start":
        return starts(args)
    if name == "long":
        settings = {"folder": str(args.folder), "threads": args.threads} | LONG
        return output_of(OSSNB, HERE / "run_ossnb.py", json.dumps(settings))
    return output_of(sys.executable, HERE / SCRIPTS[name], args.folder, f"--threads={args.threads}", "--json")


def other_rows(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in args.rows:
        if name not in COMPARED:
            say(ROWS[name])
            try:
                found[name] = other_row(name, args)
            except subprocess.CalledProcessError:  # has told why; the other rows took long
                say(f"  not measured: {ROWS[name]}")
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    compared = any(name in COMPARED for name in args.rows)
    llama = None
    if compared and not args.no_llama:
        gguf = (args.gguf or args.folder.with_name(args.folder.name + ".gguf")).resolve()
        llama = set_up(args.venv), gguf
        write_gguf(llama[0], args.folder, gguf)
    report: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "source": args.folder.name}
    report["settings"] = {name: getattr(args, name) for name in ("rows", "rounds", "threads")}
    if compared:
        say("loading once in each precision, so that nothing has to be built while it is measured")
        for precision in PRECISIONS:
            first_token(args, precision)
        turns = take_turns(args, llama)
        ours = [one for name in PRECISIONS for one in turns[name]]
        report["about"] = ours[0]["about"]
        report["limits"] = {name: max(one["limits"][name] for one in ours) for name in ours[0]["limits"]}
        report["engines"] = {name: summary(some) for name, some in turns.items()}
        if llama:
            theirs = turns[LLAMA][0]
            report["llama_cpp_python"] = theirs["version"]
            report["logit_correlation"] = statistics.correlation(ossnb_logits(args.folder), theirs["logits"])
    return report | other_rows(args)


def main() -> None:
    args = arguments()
    args.folder = args.folder.resolve()
    if not (ROOT / OSSNB).exists():
        raise SystemExit("ossnb's own environment is missing: run `make bench` first")
    report = measure(args)
    report["table"] = table(report)
    print(render(report))
    which = "" if set(args.rows) == set(ROWS) else "-" + "-".join(args.rows)
    path = ROOT / RESULTS / f"{args.folder.name}-targets{which}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

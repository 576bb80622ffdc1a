"""Memory of one process and of several on one model: `python3 benchmarks/memory.py FOLDER [--processes 4]`.

Each process loads the model, reads a prompt, writes some tokens and waits, so that all hold what they use at
the same time. What is resident is counted by share (Pss of /proc/PID/smaps_rollup: a page that four processes
map counts a quarter for each), so the sum over processes is what they take together. Linux only; needs
`make bench` or `make test` to have run.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OSSNB = ROOT / ".venv" / "bin" / "python"
FIELDS = ("Rss", "Pss", "Pss_Anon", "Pss_File", "Private_Dirty")

CHILD = """
import json, sys, time
from ossnb import load
from ossnb.command import bench
folder, precision, prompt, new, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
start = time.perf_counter()
with bench.PeakPrivateMemory() as memory:
    model = load(folder, precision=precision, threads=threads, context=prompt + new + 1)
    ids = bench.random_ids(model.config.vocab_size, prompt).tolist()
    reply = model.complete(ids, max_tokens=new, temperature=0)
print(json.dumps({"peak_private": memory.peak, "seconds": time.perf_counter() - start,
                  "tokens": reply.tokens}), flush=True)
sys.stdin.readline()
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a gpt-oss checkpoint")
    parser.add_argument("--precision", nargs="+", default=["exact", "fast"], help="default: exact and fast")
    parser.add_argument("--processes", type=int, default=4, help="how many together (default 4)")
    parser.add_argument("--prompt", type=int, default=64, help="tokens to read (default 64)")
    parser.add_argument("--new", type=int, default=8, help="tokens to write (default 8)")
    parser.add_argument("--threads", type=int, default=2, help="of each process (default 2)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args()


def start(args: argparse.Namespace, precision: str) -> subprocess.Popen[str]:
    numbers = [str(n) for n in (args.prompt, args.new, args.threads)]
    return subprocess.Popen(
        [str(OSSNB), "-c", CHILD, str(args.folder), precision, *numbers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def resident(pid: int) -> dict[str, int]:
    """Bytes of a process by kind."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines[1:]}
    return {name: found[name] for name in FIELDS if name in found}


def together(args: argparse.Namespace, precision: str, count: int) -> dict[str, Any]:
    """Let `count` processes use the model at the same time, and look at all of them."""
    processes = [start(args, precision) for _ in range(count)]
    try:
        told = [json.loads(process.stdout.readline()) for process in processes]
        shares = [resident(process.pid) for process in processes]
    finally:
        for process in processes:
            process.communicate("\n")
    if any(one["tokens"] != told[0]["tokens"] for one in told):
        raise SystemExit("the processes wrote different tokens")
    return {
        "peak_private": max(one["peak_private"] for one in told),
        "seconds": max(one["seconds"] for one in told),
        "total_pss": sum(share["Pss"] for share in shares),
        "each": shares,
    }


def main() -> None:
    args = arguments()
    report: dict[str, Any] = {"folder": args.folder.name, "prompt": args.prompt, "new": args.new}
    for precision in args.precision:
        together(args, precision, 1)  # builds what is missing, and brings the file into the page cache
        one, several = (together(args, precision, n) for n in (1, args.processes))
        report[precision] = {"one": one, "together": several}
        if args.json:
            continue
        ratio = several["total_pss"] / one["total_pss"]
        print(
            f"{precision:6} peak private memory {one['peak_private'] / 1e9:.2f} GB; resident: one process "
            f"{one['total_pss'] / 1e9:.2f} GB, {args.processes} together {several['total_pss'] / 1e9:.2f} GB "
            f"({ratio:.2f} x one)",
            flush=True,
        )
    if args.json:
        json.dump(report, sys.stdout, indent=1)


if __name__ == "__main__":
    main()

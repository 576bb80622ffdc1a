"""Generation with less memory than the weights take: `python3 benchmarks/low_memory.py FOLDER [--leave GB]`.

A second process holds all memory but `--leave` (by default three fifths of the weights), so that the model's
pages come from the disk again and again. What is read a token is beside what the disk gives when it is read
past the page cache. Linux only, without swap in use; needs `make bench` or `make test` to have run. Weights
are random as a rule, so each token takes other experts: real text reads less.
"""

import argparse
import json
import mmap
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OSSNB = ROOT / ".venv" / "bin" / "python"
SHARE_LEFT = 0.6  # of the weights' bytes, if --leave does not say
LEAST_LEFT = 3_000_000_000  # below that the system itself would suffer
READERS, BLOCK, SAMPLE = 4, 16 << 20, 2 << 30  # of the disk's bandwidth: as many threads, bytes a read, bytes

BALLAST = """
import ctypes, mmap, sys
import numpy as np
from ossnb.system import machine
with open("/proc/self/oom_score_adj", "w") as file:
    file.write("1000")  # should memory run out after all, this process is what the system ends
held = max(0, machine.available_memory() - int(sys.argv[1])) // mmap.PAGESIZE * mmap.PAGESIZE
memory = mmap.mmap(-1, max(held, mmap.PAGESIZE))
pages = np.frombuffer(memory, np.uint8)
pages[:: mmap.PAGESIZE] = 1
ctypes.CDLL(None).mlock(ctypes.c_void_p(pages.ctypes.data), ctypes.c_size_t(len(pages)))  # if allowed
print(held, flush=True)
sys.stdin.readline()
"""

CHILD = """
import json, sys, time
sys.path.insert(0, "benchmarks")
from ossnb import load
from ossnb.command import bench
from ossnb.system import machine
from run_ossnb import read
folder, precision, (threads, prompt, new, most_s) = sys.argv[1], sys.argv[2], map(int, sys.argv[3:])
def io():
    lines = open("/proc/self/io").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))
start = time.perf_counter()
core = load(folder, precision=precision, threads=threads, context=prompt + new).engine.core
load_s = time.perf_counter() - start
ids = bench.random_ids(core.n_vocab, prompt + new)
sequence = core.sequence()
prefill_s = read(core, sequence, ids[:prompt])
before, seconds, tokens = io(), 0.0, 0
while tokens < new and seconds < most_s:
    seconds += bench.decode_tokens(core, sequence, ids[prompt + tokens : prompt + tokens + 1])[0]
    tokens += 1
print(json.dumps({"load_s": load_s, "prefill_s": prefill_s, "tokens": tokens, "seconds": seconds,
                  "read_bytes": io() - before, "available_bytes": machine.available_memory()}))
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a gpt-oss checkpoint")
    parser.add_argument("--leave", type=float, help="GB of memory to leave (default: 0.6 of the weights)")
    parser.add_argument("--precision", default="exact", help="exact (default) or fast")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: every core")
    parser.add_argument("--prompt", type=int, default=64, help="tokens to read (default 64)")
    parser.add_argument("--new", type=int, default=16, help="tokens to write at most (default 16)")
    parser.add_argument("--seconds", type=int, default=60, help="to write for at most (default 60)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args()


def disk_gb_s(path: Path) -> float | None:
    """Read a file past the page cache, in several places at once; None where the file system cannot."""
    part = min(SAMPLE, path.stat().st_size) // READERS // BLOCK * BLOCK
    if part == 0:
        return None

    def read_part(number: int) -> None:
        file = os.open(path, os.O_RDONLY | os.O_DIRECT)
        try:
            buffer = mmap.mmap(-1, BLOCK)  # O_DIRECT wants whole pages
            for at in range(number * part, (number + 1) * part, BLOCK):
                os.preadv(file, [buffer], at)
        finally:
            os.close(file)

    start = time.perf_counter()
    try:
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(read_part, range(READERS)))
    except OSError:
        return None
    return READERS * part / (time.perf_counter() - start) / 1e9


def measure(args: argparse.Namespace) -> dict[str, Any]:
    weights = sorted(args.folder.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    n_bytes = sum(path.stat().st_size for path in weights)
    leave = int(args.leave * 1e9 if args.leave is not None else SHARE_LEFT * n_bytes)
    if leave < LEAST_LEFT:
        raise SystemExit(f"only {leave / 1e9:.2f} GB would be left; a larger model is needed for this")
    disk = disk_gb_s(weights[-1])
    command = [OSSNB, "-c", BALLAST, leave]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    with subprocess.Popen(list(map(str, command)), **pipes) as ballast:
        try:
            held = int(ballast.stdout.readline())
            numbers = (args.threads, args.prompt, args.new, args.seconds)
            child = [OSSNB, "-c", CHILD, args.folder.resolve(), args.precision, *numbers]
            done = subprocess.run(map(str, child), stdout=subprocess.PIPE, cwd=ROOT, check=True)
            if ballast.poll() is not None:
                raise SystemExit("memory ran out: the process that held the rest was ended")
        finally:
            if ballast.poll() is None:
                ballast.communicate("\n")
    found = json.loads(done.stdout)
    gb_s = found["read_bytes"] / found["seconds"] / 1e9
    return found | {
        "precision": args.precision,
        "weights_bytes": n_bytes,
        "left_bytes": leave,
        "held_bytes": held,
        "tok_s": found["tokens"] / found["seconds"],
        "read_gb_per_token": found["read_bytes"] / found["tokens"] / 1e9,
        "read_gb_s": gb_s,
        "disk_gb_s": disk,
        "share_of_disk": gb_s / disk if disk else None,
    }


def main() -> None:
    args = arguments()
    found = measure(args)
    if args.json:
        json.dump(found, sys.stdout, indent=1)
        return
    disk = found["disk_gb_s"]
    print(
        f"{found['precision']}, {found['left_bytes'] / 1e9:.1f} GB left for weights of "
        f"{found['weights_bytes'] / 1e9:.1f} GB: {found['tok_s']:.2f} tok/s, "
        f"{found['read_gb_per_token']:.2f} GB read a token, {found['read_gb_s']:.2f} GB/s"
        + (f", {found['share_of_disk']:.0%} of the disk's {disk:.2f}" if disk else "")
    )


if __name__ == "__main__":
    main()

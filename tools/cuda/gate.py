"""Check the machine code of the GPU's kernels: what `make cuda` runs after it has built them.

    gate.py build/cuda            # fails on spills, stack frames, missing kernels, loops that grew
    gate.py build/cuda --write    # also stores the loops' instructions as the new bounds
    gate.py build/cuda --only attend    # shows only kernels whose names have this in them

It prints a line for each kernel and architecture, and writes all of it to build/cuda/report.json. Blocks and
warps are calculated from registers and threads, before a launch adds shared memory; "room" is what it may add
for each block without fewer of them. The loop is the innermost one with the most work; its price is the
instructions for one of its work.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from reports import MULTIPROCESSORS, Report, abi_of, read_report, read_threads, warps_of
from sass import Loop, main_loops, waits_first

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "cpp" / "ops" / "cuda"
BOUNDS = ROOT / "benchmarks" / "results" / "cuda-instructions.json"

# Kernels that may spill or have a stack frame, each with the reason.
EXCUSED: dict[str, str] = {}

SLACK = 1.02  # a loop may grow by this much before a bound is renewed
KINDS_SHOWN = 5
IMAGE = re.compile(r'IMAGE\(\w+, "(\w+)", \d+, (true|false), "(.+)"\)')
KERNEL = re.compile(r"^OSSNB_KERNEL\((\w+),", re.MULTILINE)
TURNS_FROM = 90  # PTX whose kernels wait for the one before them (take_turn of seam.h)
OLD_ABI = 7  # which ptxas 12.9 writes for the cards that came before 2025


@dataclass
class Kernel:
    """A kernel's machine code for one architecture."""

    name: str
    arch: str
    report: Report
    threads: int
    loop: Loop | None
    takes_turns: bool

    @property
    def blocks(self) -> int:
        return MULTIPROCESSORS[self.arch].blocks_of(self.report, self.threads)

    @property
    def room(self) -> int:
        return MULTIPROCESSORS[self.arch].shared_left(self.report, self.threads)

    def as_json(self) -> dict[str, object]:
        loop = self.loop and {
            "instructions": self.loop.instructions,
            "price": round(self.loop.price, 3),
            "kinds": dict(self.loop.kinds.most_common()),
        }
        return asdict(self.report) | {
            "threads": self.threads, "blocks": self.blocks, "warps": self.blocks * warps_of(self.threads),
            "shared_left": self.room, "loop": loop,
        }  # fmt: skip


def images(folder: Path) -> list[tuple[str, str, Path]]:
    """(file, architecture, path) of all machine code that the build lists."""
    listed = IMAGE.findall((folder / "images.inc").read_text())
    return [
        (file, Path(path).suffixes[-2][1:], Path(path)) for file, is_ptx, path in listed if is_ptx == "false"
    ]


def disassembler() -> str:
    found = sorted((ROOT / "build" / "cuda-venv").glob("lib/python*/site-packages/nvidia/*/bin/nvdisasm"))
    if not found:
        raise SystemExit("error: build/cuda-venv has no nvdisasm; `make cuda` installs it")
    return str(found[-1])


def disassemble(cubin: Path) -> str:
    """The text of a file's code, kept beside the file."""
    kept = cubin.with_suffix(".sass")
    if not kept.exists() or kept.stat().st_mtime < cubin.stat().st_mtime:
        done = subprocess.run([disassembler(), "-c", str(cubin)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"error: nvdisasm does not read {cubin}\n{done.stderr}")
        kept.write_text(done.stdout)
    return kept.read_text()


def kernels_of(arch: str, cubin: Path) -> list[Kernel]:
    name = cubin.name.removesuffix(f".{arch}.cubin")
    levels = [
        path for path in cubin.parent.glob(f"{name}.*.ptx") if number(path.suffixes[-2]) <= number(arch)
    ]
    ptx = max(levels, key=lambda path: number(path.suffixes[-2]))
    threads, has_turns = read_threads(ptx.read_text()), number(ptx.suffixes[-2]) >= TURNS_FROM
    code = disassemble(cubin)
    loops, waits = main_loops(code), waits_first(code)
    reports = read_report(cubin.with_suffix(".txt").read_text())
    if unbounded := reports.keys() - threads.keys():
        raise ValueError(f"{min(unbounded)} does not say how many threads a block has; OSSNB_KERNEL does")
    return [
        Kernel(k, arch, report, threads[k], loops[k], not has_turns or waits[k])
        for k, report in reports.items()
    ]


def number(arch: str) -> int:
    return int(re.sub(r"\D", "", arch))


def faults_of(kernels: list[Kernel], archs: list[str], sources: Path) -> list[str]:
    """Spills, stack frames, kernels that do not wait, and kernels that an architecture lacks."""
    faults = []
    spilled: dict[str, list[str]] = {}
    for k in kernels:
        r = k.report
        if (r.stack or r.spill_stores or r.spill_loads) and k.name not in EXCUSED:
            bytes_ = f"{r.stack} of stack frame, {r.spill_stores} of spill stores, {r.spill_loads} of loads"
            spilled.setdefault(f"{k.name} keeps bytes in memory: {bytes_}", []).append(k.arch)
    faults += [
        f"{bytes_} for {told(where)}; expected none. Keep fewer values alive, and index no array by what is "
        "not known when the loop is unrolled"
        for bytes_, where in spilled.items()
    ]
    if hasty := {k.name for k in kernels if not k.takes_turns}:
        faults.append(
            f"{', '.join(sorted(hasty))} would touch memory before its turn; OSSNB_KERNEL waits first"
        )
    written = {name for path in sources.glob("*.cu") for name in KERNEL.findall(path.read_text())}
    found = {(k.name, k.arch) for k in kernels}
    for name in sorted(written | {k.name for k in kernels}):
        lacking = [arch for arch in archs if (name, arch) not in found]
        if lacking:
            faults.append(f"{name} has no code for {told(lacking)}")
    return faults


def told(archs: Iterable[str]) -> str:
    return ", ".join(sorted(archs, key=number))


def prices_of(kernels: list[Kernel]) -> dict[str, dict[str, float]]:
    """Instructions of each main loop for one of its work, by kernel and architecture."""
    prices: dict[str, dict[str, float]] = {}
    for k in kernels:
        if k.loop:
            prices.setdefault(k.name, {})[k.arch] = round(k.loop.price, 3)
    return prices


def grown(
    prices: dict[str, dict[str, float]], bounds: dict[str, dict[str, float]], archs: list[str]
) -> list[str]:
    """Main loops above their bounds, and bounds that are missing or left over."""
    now, stored = (
        {(k, a): p for k, by in all_.items() for a, p in by.items() if a in archs}
        for all_ in (prices, bounds)
    )
    faults = [
        f"{name} for {arch}: {price} instructions in the main loop for one of its work, "
        f"expected at most {stored[name, arch]}"
        for (name, arch), price in now.items()
        if price > stored.get((name, arch), price) * SLACK
    ]
    if new := sorted({name for name, _ in now.keys() - stored.keys()}):
        faults.append(f"no bound is stored for the main loops of {', '.join(new)}")
    if gone := sorted({name for name, _ in stored.keys() - now.keys()}):
        faults.append(f"bounds are stored for {', '.join(gone)}, which have no such loop")
    return [f"{fault}; if it is meant: make cuda ARGS=--write" for fault in faults]


def table(kernels: list[Kernel]) -> str:
    head = (
        "kernel",
        "arch",
        "threads",
        "regs",
        "shared",
        "blocks",
        "warps",
        "room KB",
        "loop",
        "price",
        "loop's instructions",
    )
    rows = [head]
    for k in sorted(kernels, key=lambda k: (k.name, number(k.arch))):
        loop = ("-", "-", "-")
        if k.loop:
            kinds = " ".join(f"{kind} {n}" for kind, n in k.loop.kinds.most_common(KINDS_SHOWN))
            loop = (str(k.loop.instructions), f"{k.loop.price:.2f} a {k.loop.work[0] or 'round'}", kinds)
        warps = f"{k.blocks * warps_of(k.threads)}/{MULTIPROCESSORS[k.arch].warps}"
        sizes = (k.threads, k.report.registers, k.report.shared, k.blocks, warps, f"{k.room / 1024:.1f}")
        rows.append((k.name, k.arch, *map(str, sizes), *loop))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = (0, 1, len(head) - 1)
    lines = (
        "  ".join(
            cell.ljust(w) if i in left else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def abi_faults(found: list[tuple[str, str, Path]], tools: str) -> list[str]:
    abis: dict[int, set[str]] = {}
    for _, arch, path in found:
        abis.setdefault(abi_of(path), set()).add(arch)
    versions = "; ".join(f"{abi} for {told(archs)}" for abi, archs in sorted(abis.items()))
    print(f"\nELF ABI {versions}, by {tools}. Drivers from 525 on read 7: this is read, and not tried.")
    newer = {arch for abi, archs in abis.items() for arch in archs if abi > OLD_ABI and number(arch) < 100}
    if newer and tools.endswith("ptxas 12.9"):
        return [f"code for {told(newer)} has a newer ELF ABI than {OLD_ABI}, so older drivers refuse it"]
    return []


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Check the machine code of the GPU's kernels.")
    parser.add_argument("build", type=Path, help="the folder that CMake built them in")
    parser.add_argument(
        "--write", action="store_true", help="store the loops' instructions as the new bounds"
    )
    parser.add_argument("--only", default="", help="show only kernels whose names have this in them")
    parser.add_argument("--sources", type=Path, default=SOURCES, help="the folder of the .cu files")
    parser.add_argument("--bounds", type=Path, default=BOUNDS, help="the file of the stored bounds")
    return parser.parse_args()


def main() -> None:
    given = read_arguments()
    folder = given.build / "cuda"
    found = images(folder)
    tools = (folder / "tools.txt").read_text().strip()
    archs = sorted({arch for _, arch, _ in found}, key=number)
    with ThreadPoolExecutor(2) as pool:
        kernels = [k for some in pool.map(lambda image: kernels_of(*image[1:]), found) for k in some]
    print(table([k for k in kernels if given.only in k.name]))
    faults = faults_of(kernels, archs, given.sources) + abi_faults(found, tools)

    prices = prices_of(kernels)
    stored = json.loads(given.bounds.read_text()) if given.bounds.exists() else {"tools": tools, "prices": {}}
    if given.write:
        kept = {k: {a: p for a, p in by.items() if a not in archs} for k, by in stored["prices"].items()}
        merged = {k: kept.get(k, {}) | prices[k] for k in sorted(prices)}
        given.bounds.write_text(json.dumps({"tools": tools, "prices": merged}, indent=1) + "\n")
    elif stored["tools"] != tools:
        print(f"The loops are not compared: their bounds are those of {stored['tools']}.")
    else:
        faults += grown(prices, stored["prices"], archs)

    everything: dict[str, dict[str, object]] = {}
    for k in kernels:
        everything.setdefault(k.name, {})[k.arch] = k.as_json()
    (given.build / "report.json").write_text(
        json.dumps({"tools": tools, "kernels": everything}, indent=1) + "\n"
    )
    n_bytes = sum(path.stat().st_size for *_, path in found)
    print(f"{len(everything)} kernels for {told(archs)}: {n_bytes / 1e6:.2f} MB of machine code.")
    for name, reason in EXCUSED.items():
        print(f"{name} may spill: {reason}")
    if faults:
        sys.exit("\n".join(["", *faults, f"{len(faults)} faults"]))


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"error: {error}")

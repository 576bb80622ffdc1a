"""What ptxas says about a kernel, and how many blocks of it run on a multiprocessor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ENTRY = re.compile(r"Compiling entry function '(\w+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
CUMULATIVE = re.compile(r"(\d+) bytes cumulative stack")
REGISTERS = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")
THREADS = re.compile(r"\.entry (\w+)\(.*?\)\s*\.maxntid (\d+)(?:, (\d+))?(?:, (\d+))?", re.DOTALL)


@dataclass
class Report:
    """A kernel for one architecture."""

    registers: int = 0
    shared: int = 0  # bytes, without what a launch adds
    stack: int = 0  # bytes, and so are these:
    spill_stores: int = 0
    spill_loads: int = 0


def read_report(text: str) -> dict[str, Report]:
    """Kernels by name, from the output of `ptxas -v`."""
    reports: dict[str, Report] = {}
    report = Report()
    for line in text.splitlines():
        if match := ENTRY.search(line):
            report = reports[match[1]] = Report()
        elif match := STACK.search(line):  # of the kernel, or of a function that it calls
            stack, stores, loads = map(int, match.groups())
            report.stack = max(report.stack, stack)
            report.spill_stores += stores
            report.spill_loads += loads
        elif match := REGISTERS.search(line):
            report.registers = int(match[1])
            report.shared = int(match[1]) if (match := SHARED.search(line)) else 0
            if match := CUMULATIVE.search(line):
                report.stack = max(report.stack, int(match[1]))
    return reports


def read_threads(ptx: str) -> dict[str, int]:
    """The most threads that a block of each kernel has, from the kernel's PTX."""
    return {
        name: int(x) * int(y or 1) * int(z or 1)
        for name, x, y, z in (match.groups() for match in THREADS.finditer(ptx))
    }


def abi_of(cubin: Path) -> int:
    """The version of the form that machine code is stored in; an older driver reads up to a certain one."""
    with cubin.open("rb") as file:
        head = file.read(20)
    if head[:4] != b"\x7fELF" or int.from_bytes(head[18:20], "little") != 190:
        raise ValueError(f"{cubin} is not machine code of a GPU; delete it and build again")
    return head[8]


@dataclass(frozen=True)
class Multiprocessor:
    """What blocks share, from the tables of NVIDIA's programming guide. All have 65,536 registers."""

    warps: int
    blocks: int
    shared: int  # bytes
    shared_a_block: int  # the most that one may have
    reserved: int  # bytes of each block that the system takes

    def by_registers(self, registers: int, threads: int) -> int:
        """Blocks that the registers suffice for: a warp gets them in 256s, and there are four parts."""
        warps_a_part = 65_536 // 4 // (-(-registers * 32 // 256) * 256)
        return warps_a_part * 4 // warps_of(threads)

    def blocks_of(self, report: Report, threads: int) -> int:
        """Blocks at once, before a launch adds shared memory."""
        by_shared = self.shared // (report.shared + self.reserved) if report.shared else self.blocks
        by_warps = self.warps // warps_of(threads)
        return min(self.blocks, by_shared, by_warps, self.by_registers(report.registers, threads))

    def shared_left(self, report: Report, threads: int) -> int:
        """Bytes that a launch may add for each block without fewer blocks at once."""
        share = self.shared // max(1, self.blocks_of(report, threads)) - self.reserved
        return min(share, self.shared_a_block) - report.shared


def warps_of(threads: int) -> int:
    return -(-threads // 32)


KB = 1024
MULTIPROCESSORS = {
    "75": Multiprocessor(32, 16, 64 * KB, 64 * KB, 0),
    "80": Multiprocessor(64, 32, 164 * KB, 163 * KB, KB),
    "89": Multiprocessor(48, 24, 100 * KB, 99 * KB, KB),
    "90": Multiprocessor(64, 32, 228 * KB, 227 * KB, KB),
    "100f": Multiprocessor(64, 32, 228 * KB, 227 * KB, KB),
    "120f": Multiprocessor(48, 24, 100 * KB, 99 * KB, KB),
}

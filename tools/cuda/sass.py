"""The loops of a kernel's machine code, and the instructions in each, read from what nvdisasm prints."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

FUNCTION = re.compile(r"^\s+\.section\s+\.text\.([^,\s]+),")
LABEL = re.compile(r"^(\.L\w+):")
INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z]\w*(?:\.\w+)*)\s*([^;]*);")
TARGET = re.compile(r"`\((\.L\w+)\)")

WAIT = "ACQBULK"
MEMORY = ("LD", "LDG", "LDGSTS", "ST", "STG", "ATOM", "ATOMG", "RED", "REDG", "UBLKCP", "UBLKPF")

# What a loop is there for: products, on the tensor cores or one by one. Its price is counted in them.
TENSOR = ("IMMA", "HMMA")
SCALAR = ("IDP", "FFMA2", "FFMA", "DFMA")


@dataclass(frozen=True)
class Instruction:
    kind: str  # the name without its endings: LDG of LDG.E.128
    ends: bool  # control never falls through
    targets: tuple[str, ...]  # labels that control may go to


@dataclass(frozen=True)
class Loop:
    kinds: Counter[str]

    @property
    def instructions(self) -> int:
        return self.kinds.total()

    @property
    def work(self) -> tuple[str, int]:
        """What it is there for, and how many of these it has: ("IMMA", 16), or ("", 1) where it copies."""
        for kinds in (TENSOR, SCALAR):
            if n := max(self.kinds[kind] for kind in kinds):
                return next(kind for kind in kinds if self.kinds[kind] == n), n
        return "", 1

    @property
    def price(self) -> float:
        """Instructions for one of its work: what stays when the compiler unrolls more or less."""
        return self.instructions / self.work[1]

    def weight(self, depth: int) -> tuple[int, int]:
        """What makes it the main one: the kind of its work, and how often that probably happens."""
        kind, n = self.work
        return (kind in TENSOR) + (kind != ""), (n if kind else self.instructions) * 8**depth


def main_loops(disassembly: str) -> dict[str, Loop | None]:
    """The main loop of each kernel, without the loops in it; None where there is no loop.

    ValueError for an indirect branch, whose targets the text does not name.
    """
    return {name: main_loop(name, lines) for name, lines in functions(disassembly).items()}


def waits_first(disassembly: str) -> dict[str, bool]:
    """Whether each kernel waits for the one before it (take_turn of seam.h) before it touches memory. The
    compiler has been seen to move a load in front of the wait."""
    found = {}
    for name, lines in functions(disassembly).items():
        kinds = [instruction.kind for block in cut(lines)[0] for instruction in block]
        before = kinds[: kinds.index(WAIT)] if WAIT in kinds else kinds
        found[name] = WAIT in kinds and not any(kind in MEMORY for kind in before)
    return found


def functions(disassembly: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in disassembly.splitlines():
        if match := FUNCTION.match(line):
            lines = found.setdefault(match[1], [])
        lines.append(line)
    return found


def main_loop(name: str, lines: list[str]) -> Loop | None:
    blocks, labels = cut(lines)
    edges = [successors(name, blocks, labels, at) for at in range(len(blocks))]
    bodies = natural_loops(edges)
    best, weight = None, (0, 0)
    for head, body in bodies.items():
        inner = set().union(*(other for h, other in bodies.items() if h != head and h in body))
        loop = Loop(Counter(i.kind for at in body - inner for i in blocks[at]))
        depth = sum(head in other for other in bodies.values())
        if (now := loop.weight(depth)) > weight:
            best, weight = loop, now
    return best


def cut(lines: list[str]) -> tuple[list[list[Instruction]], dict[str, int]]:
    """Basic blocks, and the block that each label begins."""
    blocks: list[list[Instruction]] = [[]]
    labels = {}
    for line in lines:
        if match := LABEL.match(line):
            if blocks[-1]:
                blocks.append([])
            labels[match[1]] = len(blocks) - 1
        elif match := INSTRUCTION.match(line):
            instruction = read(*match.groups())
            blocks[-1].append(instruction)
            if instruction.targets or instruction.ends:
                blocks.append([])
    return blocks, labels


def read(guard: str | None, opcode: str, operands: str) -> Instruction:
    kind, *endings = opcode.split(".")
    targets: tuple[str, ...] = ()
    ends = False
    if kind in ("BRA", "JMP", "BRX", "JMX"):
        targets = tuple(TARGET.findall(operands)) or ("?",)
        # "P1, `(.L_x_2)" depends on something without a guard
        ends = kind in ("BRX", "JMX") or (not guard and operands.lstrip().startswith("`"))
        # Asked is whether the warp's threads are together, which they are.
        if "DIV" in endings:
            targets, ends = (), False
        elif "CONV" in endings:
            ends = True
    elif kind in ("EXIT", "RET"):
        ends = not guard or guard == "PT"
    return Instruction(kind, ends, targets)


def successors(name: str, blocks: list[list[Instruction]], labels: dict[str, int], at: int) -> list[int]:
    last = blocks[at][-1] if blocks[at] else Instruction("", False, ())
    if unknown := [target for target in last.targets if target not in labels]:
        raise ValueError(f"{name} has a {last.kind} to {unknown[0]}, a place that nvdisasm does not name")
    after = [] if last.ends or at + 1 == len(blocks) else [at + 1]
    return [labels[target] for target in last.targets] + after


def natural_loops(edges: list[list[int]]) -> dict[int, set[int]]:
    """The blocks of each loop, by the block that it begins with; only what the first block reaches counts."""
    dominators = dominators_of(edges)
    before: dict[int, list[int]] = {at: [] for at in dominators}
    for at in dominators:
        for to in edges[at]:
            before[to].append(at)
    loops: dict[int, set[int]] = {}
    for at in dominators:
        for head in edges[at]:
            if head in dominators[at]:  # an edge back
                body, todo = loops.setdefault(head, {head}), [at]
                while todo:
                    if (block := todo.pop()) not in body:
                        body.add(block)
                        todo += before[block]
    return loops


def dominators_of(edges: list[list[int]]) -> dict[int, set[int]]:
    """The blocks through which every way from the first block leads, for each block that it reaches."""
    reached, todo = {0}, [0]
    while todo:
        new = set(edges[todo.pop()]) - reached
        reached |= new
        todo += new
    found = {at: set(reached) for at in reached}
    found[0] = {0}
    changed = True
    while changed:
        changed = False
        for at in sorted(reached - {0}):
            ways = [found[by] for by in reached if at in edges[by]]
            now = set.intersection(*ways) | {at}
            if now != found[at]:
                found[at], changed = now, True
    return found

"""The first line of a cell: `%%oss` must be it, with two percent signs, and for IPython nothing may stand
above it."""

from __future__ import annotations

import ast
import re

from IPython.core.inputtransformer2 import TransformerManager

from ..system.text import closest
from .options import SUBCOMMANDS

_MAGIC = re.compile(r"\s*%%oss(\s|$)")
_COMMAND = re.compile(r"\s*%oss(?:\s+(.*))?\s*")
_NOTHING = re.compile(r"\s*(#.*)?")
MISPLACED = (
    "%%oss must be the first line of its cell, below comments: put the code above into a cell of its own"
)
ONE_SIGN = (
    "%oss has small commands, which `%oss help` lists. A question goes into a cell that begins with %%oss, "
    "on the lines below it"
)


def is_ours(source: str) -> bool:
    """Whether a cell is ours: a `%%oss` cell, with comments above or not, or one that begins with `%oss`."""
    lines = without_head(source.splitlines(keepends=True))
    return bool(lines) and re.match(r"\s*%{1,2}oss\b", lines[0]) is not None


def without_head(lines: list[str]) -> list[str]:
    """Drop blank lines and comments above the first other line, as tools that mark cells write them there.

    >>> without_head(["#| label: q1\\n", "\\n", "%%oss\\n", "Hi"])
    ['%%oss\\n', 'Hi']
    """
    is_head = (_NOTHING.fullmatch(line.rstrip("\n")) is not None for line in lines)
    return lines[next((i for i, is_above in enumerate(is_head) if not is_above), len(lines)) :]


def as_cell_magic(lines: list[str]) -> list[str]:
    """Return the source of a cell as IPython understands it; IPython calls this with that of every cell.

    `%%oss` comes to the top, and alone, as in `%%oss --help`, it gets a body: IPython refuses a cell magic
    without one before we see it. A `%%oss` below code says what is wrong, in place of a SyntaxError that
    points into the prompt. So does a question to `%oss`.
    """
    own = without_head(lines)
    if own and (command := _COMMAND.fullmatch(own[0])):
        words, below = (command[1] or "").strip(), "".join(own[1:])
        if is_question(words) or (not words and not _is_code(below)):
            return [_refusal(ONE_SIGN)]
    if own and _MAGIC.match(own[0]):
        return own if any(line.strip() for line in own[1:]) else [own[0].rstrip("\n") + "\n", "\n"]
    if own and not own[0].lstrip().startswith("%%"):  # the body of another magic is its own affair
        at = next((i for i, line in enumerate(own) if re.match(r"%%oss(\s|$)", line)), 0)
        if at and _is_code("".join(own[:at])):
            return [_refusal(MISPLACED)]
    return lines


# IPython then leaves it out when a terminal asks whether the cell is complete: the body may yet come.
as_cell_magic.has_side_effects = True  # type: ignore[attr-defined]


def is_question(words: str) -> bool:
    """Whether what follows `%oss` was meant for `%%oss`: flags, or several words that begin with no command.

    >>> is_question("What is 2 + 2?"), is_question("lod demo"), is_question("--seed 1")
    (True, False, True)
    """
    first, _, rest = words.partition(" ")
    if first in ("-h", "--help") or not first:
        return False
    return first.startswith("--") or (bool(rest.strip()) and closest(first, SUBCOMMANDS) is None)


def _refusal(message: str) -> str:
    """The source of a cell that says what is wrong with it."""
    return f"raise __import__('ossnb.notebook.usage', fromlist=['*']).UsageError({message!r})\n"


def _is_code(source: str) -> bool:
    """Whether it is complete as it stands, so that what follows is no part of a text in quotes."""
    try:
        ast.parse(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True

"""`@name` in a prompt, and `--context last`: variables and cells that the prompt tells of below its text."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import keyword
import pprint
import re
import reprlib
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..documents.tables import is_table, table_text
from ..harmony.tokenizer import well_formed
from .failures import Failure, fenced
from .first_line import is_ours

MOST_CHARS = 8000  # of a value, some 2,000 tokens
MOST_PARTS = 100_000  # of a value, counted once for each level of lists and dicts around them
_PARTED = (dict, list, tuple, set, frozenset, deque)
_HEAD_SHARE = 3 / 4  # of these, for the beginning of a long value
# Fenced blocks, code in a line, and expressions: a name in them is a part of code.
_CODE = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,}).*?(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)|\{\{[^\n]*?\}\}"
    r"|^[ \t]*@[\w.]+(?:\(.*\))?[ \t]*\n(?=[ \t]*(?:@|def |async |class ))",
    re.DOTALL | re.MULTILINE,
)
_NAME = re.compile(r"(?<![\w@.\\/:<`\"'$-])@([^\W\d]\w*)(?![\w@(\[-]|\.\w)")


@dataclass(frozen=True, slots=True)
class Inserted:
    """Something that went into a prompt by name: an expression or a variable, and its text there."""

    name: str
    text: str


def mentioned(
    text: str, variables: Mapping[str, Any], hidden: Collection[str] = ()
) -> tuple[str, list[Inserted]]:
    """Return a prompt with `name` in the place of each @name that is a variable, and these variables' texts.

    >>> mentioned("What is @x? Ask me@x.org or @y.", {"x": 42})
    ('What is `x`? Ask me@x.org or @y.', [Inserted(name='x', text='42')])

    Names in code stay as they are: those in fenced blocks, between backticks, and above a `def`.
    """
    found: dict[str, Inserted] = {}

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name not in names(variables, hidden) or keyword.iskeyword(name):
            return match[0]
        if name not in found:
            found[name] = Inserted(name, described(variables[name], name))
        return f"`{name}`"

    done, at = [], 0
    for code in _CODE.finditer(text):
        done += [_NAME.sub(replace, text[at : code.start()]), code[0]]
        at = code.end()
    return "".join([*done, _NAME.sub(replace, text[at:])]), list(found.values())


def names(variables: Mapping[str, Any], hidden: Collection[str] = ()) -> list[str]:
    """List the variables of a notebook that a prompt may name: the user's own, and no modules."""
    return [
        name
        for name, value in variables.items()
        if not name.startswith("_") and name not in hidden and not isinstance(value, ModuleType)
    ]


def described(value: Any, name: str = "") -> str:
    """Return a value as a prompt tells of it: a table by its columns and first rows, a function by its
    source, all else by its text.

    >>> described([1, 2])
    '[1, 2]'
    """
    if is_table(value):
        return "\n".join(table_text(value).lines).strip()
    if isinstance(value, str):
        return cut(value)
    if inspect.isfunction(value) or inspect.isclass(value):
        try:
            return cut(inspect.getsource(value).rstrip())
        except (OSError, TypeError):
            return cut(repr(value))
    try:
        text = repr(value) if hasattr(value, "shape") else _pretty(value)
    except Exception as error:  # a repr of the user's own class may raise anything
        raise ValueError(f"@{name} cannot be shown: its repr raises {type(error).__name__}") from error
    shape = getattr(value, "shape", None)
    size = f"{type(value).__name__} of shape {tuple(shape)}\n" if isinstance(shape, tuple) and shape else ""
    return size + cut(text)


def _pretty(value: Any) -> str:
    """Return a value's text in lines; of one with very many parts that of its first ones."""
    with contextlib.suppress(_TooMany):
        return _Printer().pformat(value)
    if isinstance(value, _PARTED):
        for n in (1000, 100, 10):
            first = itertools.islice(value.items() if isinstance(value, dict) else value, n)
            with contextlib.suppress(_TooMany):
                some = _Printer().pformat(dict(first) if isinstance(value, dict) else list(first))
                return f"the first {n:,} of the {len(value):,} items of a {type(value).__name__}:\n{some}"
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = MOST_CHARS // 10
    return brief.repr(value)


class _TooMany(Exception):
    """A value has more parts than a prompt could show."""


class _Printer(pprint.PrettyPrinter):
    """Python's printer of lines, which gives up at a value of very many parts: it would take minutes."""

    def __init__(self) -> None:
        super().__init__(width=100, compact=True)
        self._n_parts = 0

    def format(self, part: Any, *how: Any) -> tuple[str, bool, bool]:
        """Return the text of a part, counting it and what it holds."""
        is_text = isinstance(part, str | bytes | bytearray)
        self._n_parts += 1 + (len(part) // 10 if is_text else len(part) if isinstance(part, _PARTED) else 0)
        if self._n_parts > MOST_PARTS:
            raise _TooMany
        return super().format(part, *how)


def cut(text: str, most: int = MOST_CHARS) -> str:
    """Return a text that is not too long for a prompt; of a long one most of the beginning and some of the
    end."""
    text = well_formed(text)
    if len(text) <= most:
        return text
    n_head = int(most * _HEAD_SHARE)
    n_tail = most - n_head
    return f"{text[:n_head]}\n[… {len(text) - most:,} of {len(text):,} characters …]\n{text[-n_tail:]}"


def with_inserted(prompt: str, inserted: list[Inserted]) -> str:
    """Return a prompt with texts below it, each in a fence that it cannot close.

    >>> print(with_inserted("What is `x`?", [Inserted("x", "42")]))
    What is `x`?
    <BLANKLINE>
    x:
    <BLANKLINE>
    ```
    42
    ```
    """
    return "\n\n".join([prompt, *(f"{one.name}:\n\n{fenced(one.text, '')}" for one in inserted)])


# ---- the last cell -----------------------------------------------------------------------------------------


def last_cell(shell: Any, failure: Failure | None) -> list[Inserted]:
    """Return the source and the output of the last cell that ran and was none of ours.

    Raises ValueError where there is none.
    """
    sources = list(shell.user_ns.get("In", []))
    current = shell.execution_count if len(sources) > shell.execution_count else len(sources)
    raw = list(getattr(shell.history_manager, "input_hist_raw", sources))
    for n in range(min(current, len(raw)) - 1, 0, -1):
        source = raw[n].strip("\n")
        if source.strip() and not is_ours(source):
            parts = [Inserted(f"The source of cell {n}", cut(source))]
            report = failure.report if failure is not None and failure.source == source else ""
            if output := _output(shell, n, report):
                parts.append(Inserted(f"The output of cell {n}", cut(output)))
            return parts
    raise ValueError("--context last tells of the cell that ran last, and none has run yet")


def _output(shell: Any, n: int, report: str) -> str:
    """Return what a cell printed and showed, as text; IPython before 9 keeps its last value only."""
    parts: list[str] = []
    kept = getattr(shell.history_manager, "outputs", {}).get(n, [])
    for one in kept:
        bundle = one.bundle
        found = bundle.get("stream", bundle.get("text/plain", ""))
        parts.append("".join(found) if isinstance(found, list) else str(found))
    if not any(one.output_type == "execute_result" for one in kept) and n in shell.user_ns.get("Out", {}):
        parts.append(described(shell.user_ns["Out"][n]))
    parts.append(report)
    return "\n".join(part.rstrip("\n") for part in parts if part.strip())


# ---- completion --------------------------------------------------------------------------------------------

_BEGUN = re.compile(r"(?:(?<![\w@.\\/:<`\"'$-])@|\{\{\s*)((?:[^\W\d]\w*)?)$")


def begun_name(line: str) -> str | None:
    """Return the name that stands before the cursor after @ or {{; None where there is none.

    >>> begun_name("What is @d"), begun_name("and {{"), begun_name("me@d")
    ('d', '', None)
    """
    found = _BEGUN.search(line)
    return None if found is None else found[1]

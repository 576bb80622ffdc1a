"""Stored examples written anew: OSSNB_WRITE_OUTPUTS=1 puts into docstrings and Markdown what they give now.

Only examples that differ are written. Look at the difference: every example should still make its point.
"""

import ast
import doctest
import itertools
import os
import re
from pathlib import Path

ARROW = "# → "
LINE_LENGTH = 110


def is_asked_for() -> bool:
    return "OSSNB_WRITE_OUTPUTS" in os.environ


def statements(code: str) -> list[str]:
    """Cut Python into its statements, each with the comments around it; other code (magics) stays whole."""
    try:
        body = ast.parse(code).body
    except SyntaxError:
        return [code]
    starts = sorted(
        {min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) for node in body}
    )
    lines = code.splitlines(keepends=True)
    cuts = [0, *(start - 1 for start in starts[1:]), len(lines)]
    return ["".join(lines[a:b]) for a, b in itertools.pairwise(cuts)]


def with_answers(statement: str, shown: str) -> str:
    """Give the `# → ...` of a statement the lines that it showed, one after the other."""
    lines = iter([re.sub(r"^Out\[\d+\]: ", "", line) for line in shown.splitlines() if line.strip()])

    def renew(match: re.Match[str]) -> str:
        line = next(lines, match[1]).strip()
        room = LINE_LENGTH - (match.start() - statement.rfind("\n", 0, match.start()) - 1) - len(ARROW)
        return ARROW + (line if len(line) <= room else line[:room].rsplit(" ", 1)[0])

    return re.sub(rf"{ARROW}(.+)$", renew, statement, flags=re.MULTILINE)


class Recorder(doctest.DocTestRunner):
    """Runs examples and keeps those that give something else than they say."""

    def __init__(self) -> None:
        super().__init__()
        self.differing: list[tuple[doctest.DocTest, doctest.Example, str]] = []

    def report_failure(self, out, test, example, got):  # the name that doctest calls
        self.differing.append((test, example, got))


def write_docstrings(differing: list[tuple[doctest.DocTest, doctest.Example, str]]) -> None:
    """Put what the examples gave into the files they stand in, from the last to the first."""
    for test, example, got in sorted(differing, key=lambda d: -(d[0].lineno or 0) - d[1].lineno):
        assert test.filename is not None, test.name
        assert test.lineno is not None, test.name
        path = Path(test.filename)
        lines = path.read_text().splitlines()
        first = test.lineno + example.lineno + 1
        while lines[first].lstrip().startswith("..."):
            first += 1
        last = first + example.want.count("\n")
        indent = " " * example.indent
        new = [indent + (line or "<BLANKLINE>") for line in got.rstrip("\n").split("\n")] if got else []
        if lines[last - 1].endswith('"""'):  # the closing quotes stand behind the last line
            new[-1] += '"""'
        path.write_text("\n".join([*lines[:first], *new, *lines[last:]]) + "\n")

"""Put code of an answer into a cell of its own; it never runs by itself.

`shell.set_next_input` works in every front end, but only while a cell runs. So there is a button too. The
button is markup that JupyterLab and Notebook understand: its attributes name one of their commands and the
argument. So it needs no script and no kernel. Elsewhere a style hides it.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence

from ..page.safe import CodeBlock

PYTHON = frozenset({"", "py", "python", "python3", "ipython", "ipython3", "pycon"})
_MAGICS = {
    "bash": "%%bash",
    "sh": "%%sh",
    "shell": "%%sh",
    "html": "%%html",
    "javascript": "%%javascript",
    "js": "%%javascript",
    "latex": "%%latex",
}
MAX_BUTTONS = 8
MAX_BUTTON_CHARS = 20_000  # the code is in the page a second time, as the command's argument
_STYLE = "<style>.jp-NotebookPanel .ossnb-next{display:inline!important}</style>"
_BUTTON = (
    "font:inherit;color:inherit;background:none;cursor:pointer;padding:0 0.5em;margin:0 0.5em 0.2em 0;"
    "border:1px solid currentColor;border-radius:0.3em;opacity:0.85"
)


def as_cell(block: CodeBlock) -> str:
    """Return the source of a cell for a block; other code than Python gets the cell magic of its language.

    >>> as_cell(CodeBlock("bash", "ls"))
    '%%bash\\nls'
    """
    magic = _MAGICS.get(block.language)
    return f"{magic}\n{block.code}" if magic and not block.code.startswith("%%") else block.code


def choose(blocks: Sequence[CodeBlock], number: int | None = None) -> tuple[int, CodeBlock]:
    """Return (number, block) for a given number, from 1; else of the first in Python, else of the first.

    Raises ValueError where there is no such block.
    """
    if not blocks:
        raise ValueError("there is no code in the last answer")
    if number is None:
        number = next((n for n, block in enumerate(blocks, 1) if block.language in PYTHON), 1)
    if not 1 <= number <= len(blocks):
        raise ValueError(f"the last answer has {_blocks_text(len(blocks))}, got number {number}")
    return number, blocks[number - 1]


def _blocks_text(n_blocks: int) -> str:
    return "1 block of code" if n_blocks == 1 else f"{n_blocks} blocks of code, 1 to {n_blocks}"


def next_cell_row(blocks: Sequence[CodeBlock]) -> str:
    """Return the HTML that offers to put each block into the next cell; without blocks there is none."""
    if not blocks:
        return ""
    buttons = "".join(
        _button(n, block)
        for n, block in enumerate(blocks[:MAX_BUTTONS], 1)
        if len(block.code) <= MAX_BUTTON_CHARS
    )
    row = f'{_STYLE}<span class="ossnb-next" style="display:none">{buttons}</span>' if buttons else ""
    numbered = " N" if len(blocks) > 1 else ""
    return f"<div>{row}<code>%oss code{numbered}</code> puts the code into the next cell</div>"


def _button(number: int, block: CodeBlock) -> str:
    n_lines = block.code.count("\n") + 1
    label = f"{number} · {block.language[:20] or 'code'}, {n_lines} line{'s' * (n_lines != 1)}"
    arguments = {
        "commands": ["notebook:insert-cell-below", "notebook:replace-selection"],
        "args": {"text": as_cell(block)},
    }
    return (
        f'<button type="button" style="{_BUTTON}" title="put it into a new cell below; nothing runs"'
        ' data-commandlinker-command="apputils:run-all-enabled"'
        f' data-commandlinker-args="{html.escape(json.dumps(arguments))}">↓ {html.escape(label)}</button>'
    )

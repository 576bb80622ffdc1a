"""The file of a notebook, and the answers in it. Nothing of it is run or changed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..generation.record import FORMAT
from ..system.files import read_file

MAX_BYTES = 500_000_000  # a larger file is no notebook

_ASKS = re.compile(r"\s*%%oss(?:\s|$)(?!.*(?:\s|^)(?:-h|--help)(?:\s|$))")
_ABOVE = re.compile(r"\s*(#.*)?")  # comments and blank lines may stand above %%oss


def read_json(path: Path) -> dict[str, Any]:
    """Return a notebook's content, which has a list of cells; ValueError for what is no notebook.

    >>> read_json(Path("lesson.ipynb"))["cells"]  # a notebook of format 4  # doctest: +SKIP
    """
    try:
        notebook = json.loads(read_file(path, MAX_BYTES).decode())
    except FileNotFoundError:
        raise ValueError(f"there is no notebook {path}; the path is taken from {Path.cwd()}") from None
    except OSError as error:
        raise ValueError(f"{path} is not a notebook: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a notebook: it must be a JSON file ({error})") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise ValueError(f"{path} is not a notebook of format 4: it has no list of cells")
    return notebook


def find_notebook(variables: Mapping[str, Any], environment: Mapping[str, str], command: str) -> Path:
    """Return the notebook that this kernel belongs to, as far as the front end tells.

    VS Code puts the path into a variable, Jupyter's server into JPY_SESSION_NAME. Without one, a ValueError
    asks for the path, as the words of `command`.
    """
    told = variables.get("__vsc_ipynb_file__") or environment.get("JPY_SESSION_NAME")
    if isinstance(told, str) and told.endswith(".ipynb"):
        if os.path.isfile(path := Path(told)):
            return path
        raise ValueError(f"{told} is not there (any more); give the path: `%oss {command} NOTEBOOK.ipynb`")
    raise ValueError(
        f"this front end does not tell its notebook; give the path: `%oss {command} NOTEBOOK.ipynb`"
    )


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """One output that ossnb wrote: its cell from 1 on, the cell's source, the metadata, and what is shown.

    `metadata` is None for a cell that asks and has no answer in it.
    """

    cell: int
    source: str
    metadata: dict[str, Any] | None
    plain: str | None = None
    markdown: str | None = None

    @property
    def where(self) -> str:
        """The cell, in words."""
        return f"cell {self.cell}"

    @property
    def question(self) -> str | None:
        """The text below `%%oss`; None for a cell that asks in another way."""
        lines = self.source.splitlines()
        while lines and _ABOVE.fullmatch(lines[0]):
            lines.pop(0)
        return "\n".join(lines[1:]) if lines and _ASKS.match(lines[0]) else None


def answers(notebook: Mapping[str, Any]) -> Iterator[SavedAnswer]:
    """Yield the answers of a notebook in order, and each cell that asks and has none."""
    for number, cell in enumerate(notebook["cells"], 1):
        if not isinstance(cell, dict) or cell.get("cell_type") not in (None, "code"):
            continue
        source, n_found = joined(cell.get("source")) or "", 0
        for output in cell["outputs"] if isinstance(cell.get("outputs"), list) else []:
            found = _answer(number, source, output)
            if found is not None:
                n_found += 1
                yield found
        asks = SavedAnswer(number, source, None)
        if not n_found and asks.question is not None:
            yield asks


def _answer(number: int, source: str, output: Any) -> SavedAnswer | None:
    metadata = output.get("metadata") if isinstance(output, dict) else None
    ours = metadata.get("ossnb") if isinstance(metadata, dict) else None
    if not isinstance(ours, dict) or (ours.get("format") != FORMAT and "written" not in ours):
        return None
    data = output.get("data")
    data = data if isinstance(data, dict) else {}
    return SavedAnswer(
        number, source, ours, joined(data.get("text/plain")), joined(data.get("text/markdown"))
    )


def joined(text: Any) -> str | None:
    """Return a text of a notebook, which may be a list of lines; None for anything else.

    >>> joined(["a\\n", "b"])
    'a\\nb'
    """
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        return "".join(text)
    return text if isinstance(text, str) else None

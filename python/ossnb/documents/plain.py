"""Readers of files that are text: as they are, notebooks, and pages of the web."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from typing import Any

from .document import Text, Unreadable
from .webpage import page_text

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHARE_OF_CONTROL = 0.02  # of the characters of a text in another encoding; a binary file has more


def decoded(data: bytes) -> str:
    """Return the text of a file's bytes; Unreadable for what is no text.

    >>> decoded("größer".encode("latin-1"))
    'größer'

    It is UTF-8, or what its first bytes say, or else Windows' encoding of Western Europe.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            return _strictly(data, name)
    if b"\0" in data:
        raise Unreadable("it is not text but a binary file")
    try:
        return data.decode()
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    n_odd = sum(not c.isprintable() and c not in "\t\n\r\f" for c in text)
    if n_odd > len(text) * _SHARE_OF_CONTROL:
        raise Unreadable("it is not text but a binary file")
    return text


def _strictly(data: bytes, name: str) -> str:
    try:
        return data.decode(name)
    except UnicodeDecodeError as error:
        raise Unreadable(f"its first bytes say that it is {name}, and byte {error.start:,} is not") from None


def read_plain(data: bytes) -> Text:
    """Read a text, a table of values or code, line by line."""
    return Text.of(decoded(data))


def read_html(data: bytes) -> Text:
    """Read what a page of the web shows, without scripts and styles."""
    return page_text(decoded(data))


def read_notebook(data: bytes) -> Text:
    """Read a notebook: the sources of its cells, and their outputs as far as they are text."""
    try:
        notebook = json.loads(decoded(data))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is no notebook: it must be JSON ({error})") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise Unreadable("it is no notebook of format 4: it has no list of cells")
    parts = ((f"cell {n}", _cell_text(cell)) for n, cell in enumerate(cells, 1) if isinstance(cell, dict))
    return Text.of_parts(parts, gap=True)


def _cell_text(cell: Mapping[str, Any]) -> str:
    source = _joined(cell.get("source")).rstrip("\n")
    kind = "code" if cell.get("cell_type") == "code" else "text"
    outputs = cell.get("outputs")
    shown = (
        [text for one in outputs if isinstance(one, dict) for text in _output_texts(one)]
        if isinstance(outputs, list)
        else []
    )
    if not source and not shown:
        return ""
    told = "".join(f"\n[output]\n{text.rstrip()}" for text in shown if text.strip())
    return f"[{kind}]\n{source}{told}"


def _output_texts(output: Mapping[str, Any]) -> Iterator[str]:
    kind = output.get("output_type")
    if kind == "stream":
        yield _joined(output.get("text"))
    elif kind == "error":
        yield f"{output.get('ename')}: {output.get('evalue')}"
    elif isinstance(data := output.get("data"), dict):
        yield _joined(data.get("text/plain") or data.get("text/markdown"))


def _joined(text: Any) -> str:
    if isinstance(text, list):
        return "".join(part for part in text if isinstance(part, str))
    return text if isinstance(text, str) else ""

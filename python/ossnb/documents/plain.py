"""Readers of files that are text: as they are, notebooks, and pages of the web."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from .document import Text, Unreadable
from .webpage import page_text

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHARE_OF_ODD = 0.02  # of the characters of a text in another encoding; a binary file has more
_BEGIN = 1024  # bytes in which a page names its encoding
# What a page, an XML file or the first two lines of code say of their encoding.
_OF_A_PAGE = re.compile(rb"""<meta\b[^>]*?\bcharset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_OF_LINES = re.compile(rb"""coding\s*[:=]\s*["']?([\w.:-]+)|^@charset "([\w.:-]+)""", re.IGNORECASE)
# Encodings of text, by Python's names. Other codecs unpack, or take very long.
_KNOWN = re.compile(
    r"utf-8|cp\d+|iso8859-\d+|koi8-[rtu]|mac-\w+|tis-620|(shift_jis|euc_jis|iso2022_(jp|kr))\w*|euc_(jp|kr)"
    r"|gb(2312|k|18030)|big5(hkscs)?|johab|ptcp154|kz1048"
)
# Names that stand for larger encodings, as browsers read them.
_MEANT = {
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}


class Decoded(NamedTuple):
    """The text of bytes, and whether their encoding is a guess."""

    text: str
    is_guess: bool = False


def decoded(data: bytes) -> Decoded:
    """Return the text of a file's bytes; Unreadable for what is no text.

    >>> decoded("größer".encode("latin-1"))
    Decoded(text='größer', is_guess=True)
    >>> decoded(b"# coding: koi8-r\\n" + "мир".encode("koi8-r")).text
    '# coding: koi8-r\\nмир'

    It is UTF-8, or what its first bytes or its first lines say. Else it is taken for Windows' encoding of
    Western Europe.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            return Decoded(_strictly(data, name))
    if b"\0" in data:
        raise Unreadable("it is not text but a binary file")
    name = _declared(data)
    try:
        if not name.startswith("iso2022"):  # its bytes have seven bits, so they would be UTF-8, and nonsense
            return Decoded(data.decode())
    except UnicodeDecodeError:
        pass
    if name and not _is_odd(text := data.decode(name, "replace")):
        return Decoded(text)
    if _is_odd(text := data.decode("cp1252", "replace")):
        raise Unreadable("it is not text but a binary file")
    return Decoded(text, is_guess=True)


def _declared(data: bytes) -> str:
    """Return the encoding that a file names for itself; "" where it names none that is known."""
    found = _OF_A_PAGE.search(data[:_BEGIN]) or _OF_LINES.search(b"\n".join(data[:_BEGIN].splitlines()[:2]))
    if found is None:
        return ""
    try:
        name = codecs.lookup((found[1] or found[2]).decode("ascii")).name
    except (LookupError, ValueError):
        return ""
    return _MEANT.get(name, name) if _KNOWN.fullmatch(name) else ""


def _is_odd(text: str) -> bool:
    """Whether a text has too many characters that no text has."""
    n_odd = sum(not c.isprintable() and c not in "\t\n\r\f" for c in text)
    return n_odd + text.count("\ufffd") > len(text) * _SHARE_OF_ODD


def _strictly(data: bytes, name: str) -> str:
    try:
        return data.decode(name)
    except UnicodeDecodeError as error:
        raise Unreadable(f"its first bytes say that it is {name}, and byte {error.start:,} is not") from None


def read_plain(data: bytes) -> Text:
    """Read a text, a table of values or code, line by line."""
    text, is_guess = decoded(data)
    return replace(Text.of(text), is_guess=is_guess)


def read_html(data: bytes) -> Text:
    """Read what a page of the web shows, without scripts and styles."""
    html, is_guess = decoded(data)
    return replace(page_text(html), is_guess=is_guess)


def read_notebook(data: bytes) -> Text:
    """Read a notebook: the sources of its cells, and their outputs as far as they are text."""
    try:
        notebook = json.loads(decoded(data).text)
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

"""Readers of PDF and office files, by libraries of the extra `documents`."""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from .document import Text, Unreadable

MOST_PAGES = 5000
MOST_UNPACKED = 300_000_000  # bytes of a zip's content
MOST_CELLS = 1_000_000  # of a workbook, with something in them
MOST_PLACES = 50_000_000  # rows, and cells with nothing in them: a file of some bytes may have any number
_INSTALL = 'pip install "ossnb[documents]"'


def read_pdf(data: bytes) -> Text:
    """Read a PDF, page by page."""
    try:
        import pypdf
    except ImportError:
        raise _missing("PDF") from None
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells each oddity of a file
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("it is encrypted: save a copy without a password and give that")
        n_pages = len(reader.pages)
        if n_pages > MOST_PAGES:
            raise Unreadable(f"it has {n_pages:,} pages, and a document at most {MOST_PAGES:,}: give a part")
        text = Text.of_parts((f"page {n}", page.extract_text()) for n, page in enumerate(reader.pages, 1))
    except (Unreadable, MemoryError):
        raise
    except Exception as error:
        if "cryptography" in str(error):
            raise Unreadable("it is encrypted: save a copy without encryption and give that") from None
        raise _damaged("PDF", error) from None
    if text.is_empty:
        pages = "its page has" if n_pages == 1 else f"its {n_pages:,} pages have"
        raise Unreadable(
            f"{pages} no text: it may be scanned. Run text recognition (OCR) over it, and give the result"
        )
    return text


def read_docx(data: bytes) -> Text:
    """Read a document of Word: paragraphs, headings and tables, in order."""
    try:
        import docx
    except ImportError:
        raise _missing("Word") from None
    return _read("Word document", data, lambda file: Text.of("\n".join(_docx_lines(docx.Document(file)))))


def read_xlsx(data: bytes) -> Text:
    """Read a workbook of Excel: each sheet as rows of values."""
    try:
        import openpyxl
    except ImportError:
        raise _missing("Excel") from None

    def read(file: io.BytesIO) -> Text:
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
        return Text.of_parts(_sheet_parts(workbook))

    return _read("workbook of Excel", data, read)


def read_pptx(data: bytes) -> Text:
    """Read a presentation of PowerPoint, slide by slide."""
    try:
        import pptx
    except ImportError:
        raise _missing("PowerPoint") from None

    def read(file: io.BytesIO) -> Text:
        slides = pptx.Presentation(file).slides
        told = ((f"slide {n}", _slide_text(slide)) for n, slide in enumerate(slides, 1))
        return Text.of_parts(told, gap=True)

    return _read("presentation", data, read)


def _docx_lines(document: Any) -> Iterator[str]:
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            for row in block.rows:
                yield "| " + " | ".join(" ".join(cell.text.split()) for cell in row.cells) + " |"
            yield ""
            continue
        name = str(getattr(block.style, "name", "") or "")
        level = name.removeprefix("Heading ")
        mark = "#" * int(level) + " " if level.isdigit() and level != name else ""
        yield mark + block.text
        yield ""


def _sheet_parts(workbook: Any) -> Iterator[tuple[str, str]]:
    n_cells = n_places = 0
    for sheet in workbook.worksheets:
        yield f"sheet {sheet.title}", f"# {sheet.title}"
        sheet.reset_dimensions()  # else each row is as wide as what was ever formatted
        for n, row in enumerate(sheet.iter_rows(values_only=True), 1):
            n_cells += len(row) - row.count(None)
            n_places += len(row) + 1
            if n_cells > MOST_CELLS:
                raise Unreadable(f"it has more than {MOST_CELLS:,} cells: give the part that matters")
            if n_places > MOST_PLACES:
                raise Unreadable("its sheets are too large, though mostly empty: give the part that matters")
            values = ["" if value is None else " ".join(str(value).split()) for value in row]
            while values and not values[-1]:
                values.pop()
            if values:
                yield f"sheet {sheet.title}, row {n}", " | ".join(values)


def _slide_text(slide: Any) -> str:
    texts = [*_shape_texts(slide.shapes)]
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None and frame.text:
        texts.append(f"[notes]\n{frame.text}")
    return "\n".join(texts)


def _shape_texts(shapes: Any) -> Iterator[str]:
    for shape in shapes:
        if hasattr(shape, "shapes"):  # a group
            yield from _shape_texts(shape.shapes)
        elif shape.has_text_frame and shape.text_frame.text.strip():
            yield shape.text_frame.text
        elif getattr(shape, "has_table", False):
            for row in shape.table.rows:
                yield "| " + " | ".join(" ".join(cell.text.split()) for cell in row.cells) + " |"


def _read(what: str, data: bytes, read: Callable[[io.BytesIO], Text]) -> Text:
    """Read a file that is a zip of XML; Unreadable says what is wrong with it."""
    if data.startswith(b"\xd0\xcf\x11\xe0"):  # the older container, which holds encrypted ones, too
        raise Unreadable(
            "it is encrypted, or of a format from before 2007: save a copy as .docx, .xlsx, .pptx"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            n_bytes = sum(entry.file_size for entry in archive.infolist())
        if n_bytes > MOST_UNPACKED:
            raise Unreadable(
                f"it unpacks to {n_bytes / 1e6:,.0f} MB, and a document to at most {MOST_UNPACKED / 1e6:,.0f}"
            )
        return read(io.BytesIO(data))
    except (Unreadable, MemoryError):
        raise
    except Exception as error:
        raise _damaged(what, error) from None


def _damaged(what: str, error: Exception) -> Unreadable:
    told = " ".join(str(error).split())[:200]
    return Unreadable(f"it is no {what}, or a damaged one ({type(error).__name__}{f': {told}' * bool(told)})")


def _missing(what: str) -> Unreadable:
    return Unreadable(f"reading {what} files needs a library: {_INSTALL}")

"""Files and folders as documents. Nothing is read that lies outside of what was given."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from ..system.files import UnfitFile, open_file
from ..system.text import counted, listed
from . import store
from .document import Document, Text, Unreadable, digest_of, safe_name
from .office import read_docx, read_pdf, read_pptx, read_xlsx
from .plain import read_html, read_notebook, read_plain

MOST_FILE_BYTES = 50_000_000  # of one file
MOST_BYTES = 200_000_000  # of all files of a folder that may be documents
MOST_FILES = 5000
MOST_SEEN = 200_000  # names in a folder, documents or not
_ATTEMPTS, _PAUSE_S = 3, 0.05  # to read a file that changes
_N_SNIFFED = 8192  # bytes that tell a binary file

Reader = Callable[[Path], Any]  # of a user: a path → its text, or None for our own readers


class Kind(NamedTuple):
    """A kind of file: its reader, and whether the text is worth keeping."""

    name: str
    read: Callable[[bytes], Text]
    is_extracted: bool = False


PLAIN = Kind("text", read_plain)
KINDS = {
    ".pdf": Kind("pdf", read_pdf, True),
    ".docx": Kind("docx", read_docx, True),
    ".xlsx": Kind("xlsx", read_xlsx, True),
    ".xlsm": Kind("xlsx", read_xlsx, True),
    ".pptx": Kind("pptx", read_pptx, True),
    ".ipynb": Kind("notebook", read_notebook),
    ".html": Kind("html", read_html),
    ".htm": Kind("html", read_html),
    ".xhtml": Kind("html", read_html),
}
_OLD = frozenset({".doc", ".xls", ".ppt"})
_BINARY = re.compile(
    r"\.(7z|avi|bin|bmp|bz2|class|dll|dylib|exe|feather|flac|gguf|gif|gz|h5|heic|ico|iso|jar|jpe?g|lib|m4a|mkv|mov"
    r"|mp3|mp4|mpe?g|np[yz]|od[pst]|ogg|onnx|otf|parquet|pickle|pkl|png|pth?|pyc|rar|safetensors|so|sqlite|tar|tiff?"
    r"|ttf|wav|webm|webp|whl|woff2?|xz|zip|zst)"
)
_SKIPPED = frozenset(
    {"__pycache__", "node_modules", "venv", "site-packages"}
)  # and all that begins with a dot


@dataclass
class Found:
    """The documents that were read so far, and why others were left out."""

    documents: list[Document] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)  # why → the names
    is_kept: bool = True  # what was made is there for the next process

    def leave_out(self, name: str, why: str) -> None:
        """Remember that a file is no document, and why."""
        self.left_out.setdefault(why, []).append(safe_name(name))


def read_path(given: str | os.PathLike[str], found: Found, reader: Reader | None = None) -> None:
    """Add a file, or all files of a folder, to what was found; a ValueError says what is wrong with it."""
    name = os.fspath(given)
    shown = safe_name(name)
    if not name or "\0" in name:
        raise ValueError(f"a document is a file or a folder, got the name {name!r:.80}")
    if name.split("://")[0].lower() in ("http", "https", "ftp"):
        raise ValueError(
            f"{shown} is an address, and documents are files here: save the page and give the file"
        )
    try:
        path = Path(name).expanduser()
        is_folder = path.is_dir()
        if not is_folder and not path.exists():
            raise FileNotFoundError
    except (FileNotFoundError, RuntimeError):
        where = "" if os.path.isabs(name) else f"; names are looked for in {safe_name(os.getcwd())}"
        raise ValueError(f"there is no file and no folder {shown!r}{where}") from None
    except OSError as error:
        raise ValueError(f"{shown} cannot be looked at: {error.strerror or error}") from None
    if is_folder:
        _read_folder(path, shown, found, reader)
        return
    try:
        found.documents.append(_read_file(path, _own_name(name), shown, found, reader))
    except Unreadable as error:
        raise ValueError(f"{shown} is no document: {error}") from error.__cause__
    except OSError as error:
        raise ValueError(f"{shown} cannot be read: {error.strerror or error}") from None


def _own_name(name: str) -> str:
    """The name that the model is told: a path is told only where it was given as a short one."""
    parts = PurePath(os.path.normpath(name)).parts
    is_inner = not os.path.isabs(name) and ".." not in parts and not name.startswith("~")
    return safe_name("/".join(parts) if is_inner else PurePath(name).name)


# ---- folders -----------------------------------------------------------------------------------------------


def _read_folder(folder: Path, shown: str, found: Found, reader: Reader | None) -> None:
    root = os.path.realpath(folder)
    base = _own_name(str(folder)) if str(folder) not in (".", "..") else PurePath(root).name
    begin, n_bytes = len(found.documents), 0
    candidates: list[tuple[str, str]] = []
    for path, inner in _walk(root, found):
        name = f"{base}/{inner}"
        try:
            size = os.stat(path).st_size
            if why := _why_not(path, size, reader):
                found.leave_out(name, why)
                continue
        except OSError as error:
            found.leave_out(name, f"cannot be read: {error.strerror or error}")
            continue
        n_bytes += size
        candidates.append((path, name))
    if n_bytes > MOST_BYTES or len(candidates) > MOST_FILES:
        raise ValueError(
            f"{shown} has {counted(len(candidates), 'file')} with {n_bytes / 1e6:,.0f} MB that may be "
            f"documents, and a folder may have {MOST_FILES:,} with {MOST_BYTES / 1e6:,.0f} MB: give a folder "
            "in it, or single files"
        )
    for path, name in candidates:
        try:
            found.documents.append(_read_file(Path(path), safe_name(name), shown, found, reader, root))
        except Unreadable as error:
            found.leave_out(name, str(error))
        except OSError as error:
            found.leave_out(name, f"cannot be read: {error.strerror or error}")
    if len(found.documents) == begin:
        why = left_out_text(found.left_out)
        raise ValueError(f"{shown} has no file that can be read{f': {why}' if why else '; it is empty'}")


def _walk(root: str, found: Found) -> Iterator[tuple[str, str]]:
    """Yield (path, name within the root) of each file; links that leave the root are left out."""
    n_seen = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one not in _SKIPPED)
        n_seen += len(names) + len(folders)
        if n_seen > MOST_SEEN:
            raise ValueError(f"{safe_name(root)} has more than {MOST_SEEN:,} files: give a folder in it")
        for name in [*folders, *sorted(names)]:
            path = os.path.join(folder, name)
            inner = PurePath(os.path.relpath(path, root)).as_posix()
            if os.path.islink(path):
                if not _is_within(os.path.realpath(path), root):
                    found.leave_out(f"{PurePath(root).name}/{inner}", "links that lead out of the folder")
            elif name not in folders and not name.startswith("."):
                yield path, inner


def _is_within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _why_not(path: str, size: int, reader: Reader | None) -> str:
    """Say why a file of a folder is no document, as far as that shows without reading it; "" if it may be
    one."""
    suffix = os.path.splitext(path)[1].lower()
    if size > MOST_FILE_BYTES:
        return f"larger than {MOST_FILE_BYTES // 10**6} MB"
    if size == 0:
        return "empty"
    if reader is not None:
        return ""
    if _BINARY.fullmatch(suffix):
        return "not text"
    if suffix not in KINDS:
        with open_file(Path(path)) as file:
            begin = file.read(_N_SNIFFED)
        if b"\0" in begin and not begin.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff", b"%PDF-")):
            return "not text"
    return ""


def left_out_text(left_out: dict[str, list[str]]) -> str:
    """Say which files are no documents, and why.

    >>> left_out_text({"not text": ["a.png", "b.png"]})
    '2 files were left out (not text: a.png, b.png)'
    """
    n = sum(map(len, left_out.values()))
    if not n:
        return ""
    told = [f"{why}: {listed(names, 3)}" for why, names in list(left_out.items())[:6]]
    more = f"; and {len(left_out) - 6} other reasons" if len(left_out) > 6 else ""
    return f"{counted(n, 'file')} {'was' if n == 1 else 'were'} left out ({'; '.join(told)}{more})"


# ---- files -------------------------------------------------------------------------------------------------


def _read_file(
    path: Path, name: str, given: str, found: Found, reader: Reader | None, root: str | None = None
) -> Document:
    data = stable_bytes(path, root)
    sha256 = hashlib.sha256(data).hexdigest()
    if reader is not None and (text := _by_users_reader(reader, path)) is not None:
        digest = digest_of("reader", *text.lines)
        return Document(name, text, digest, sha256, len(data), str(path.absolute()), given)
    kind = _kind(path, data)
    digest = digest_of(kind.name, str(store.VERSION), data)
    text = _kept_text(digest) if kind.is_extracted else None
    if text is None:
        text = kind.read(data)
        if kind.is_extracted and not text.is_empty:
            found.is_kept &= store.put(f"{digest}.text.kept", _as_json(text))
    if text.is_empty:
        raise Unreadable("it has no text")
    return Document(name, text, digest, sha256, len(data), str(path.absolute()), given, kind.is_extracted)


def _kind(path: Path, data: bytes) -> Kind:
    suffix = path.suffix.lower()
    if data.startswith(b"%PDF-"):
        return KINDS[".pdf"]
    if suffix in _OLD:
        raise Unreadable(f"{suffix} is a format from before 2007: save a copy as {suffix}x")
    return KINDS.get(suffix, PLAIN)


def _by_users_reader(reader: Reader, path: Path) -> Text | None:
    try:
        text = reader(path)
    except Unreadable:
        raise
    except Exception as error:  # the other files of a folder are read all the same
        raise Unreadable(f"reader raised {safe_name(f'{type(error).__name__}: {error}')}") from error
    if text is not None and not isinstance(text, str):
        raise ValueError(
            f"reader must return the text of a file, or None for the usual way, got {type(text).__name__}"
        )
    if text is not None and not text.strip():
        raise Unreadable("the reader found no text in it")
    return None if text is None else Text.of(text)


def stable_bytes(path: Path, root: str | None) -> bytes:
    """Return a file's bytes as they were at one moment; Unreadable for one that always changes."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_S)
        try:
            with open_file(path) as file:
                before = os.fstat(file.fileno())
                if root is not None:
                    _check_within(path, root, before)
                data = file.read(MOST_FILE_BYTES + 1)
                after = os.fstat(file.fileno())
        except UnfitFile as error:
            raise Unreadable(str(error.strerror)) from None
        if len(data) > MOST_FILE_BYTES:
            raise Unreadable(f"it has more than {MOST_FILE_BYTES / 1e6:,.0f} MB: give a part of it")
        is_whole = len(data) == before.st_size or before.st_size == 0  # files of /proc have no size
        if is_whole and (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            return data
    raise Unreadable("it changes while it is read: wait until its writer has finished, or give a copy")


def _check_within(path: Path, root: str, opened: os.stat_result) -> None:
    """Raise Unreadable unless the file that was opened lies in the root: a folder on its way may have become
    a link meanwhile."""
    real = os.path.realpath(path)
    if not _is_within(real, root) or not os.path.samestat(os.stat(real), opened):
        raise Unreadable("a link that leads out of the folder")


def _kept_text(digest: str) -> Text | None:
    content = store.get(f"{digest}.text.kept")
    if content is None:
        return None
    try:
        found = json.loads(content)
        lines, places = found["lines"], found["places"]
        return Text(tuple(map(str, lines)), tuple((int(line), str(name)) for line, name in places))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _as_json(text: Text) -> bytes:
    return json.dumps({"lines": text.lines, "places": text.places}, ensure_ascii=False).encode()

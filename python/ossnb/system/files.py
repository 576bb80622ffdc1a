"""Files that appear whole or not at all, and where the cached ones lie."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from numbers import Integral
from pathlib import Path
from typing import BinaryIO, TextIO

from .text import shown, shown_value

STALE_S = 3600.0  # where files cannot be locked, a part this old was left by a killed process


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Write a file beside `path` and put it in its place; if the writing fails, nothing changes.

    A link stays a link, and rights stay as they are. `durable` waits until the disk has the file. What
    killed processes left in the folder is removed. UnfitFile refuses to replace a device or a pipe.

    >>> with replacing(Path("a.txt")) as file:
    ...     n_bytes = file.write(b"all of it")
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise UnfitFile(errno.EINVAL, "it is no plain file", str(path))
    remove_parts(target.parent)
    try:
        file, part = _new_part(target.parent)
    except OSError as error:
        error.filename = str(path)  # the caller's name for it; nobody knows the part's
        raise
    try:
        with file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, part)
            if sys.platform != "win32":
                os.replace(part, target)  # while it is locked, so that nobody takes it for a leftover
        if sys.platform == "win32":
            os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _new_part(folder: Path) -> tuple[BinaryIO, Path]:
    """Make a file that stays locked while it is open: so others see that its writer lives."""
    while True:
        part = folder / f".ossnb-{uuid.uuid4().hex}.part"  # short, however long the file's name
        file = open(part, "x+b")  # noqa: SIM115 - the caller closes it
        if lock_file(file) is not False and part.exists():
            return file, part  # else another process took it for a leftover before it was locked
        file.close()


def remove_parts(folder: Path) -> None:
    """Remove the parts of killed processes: those that nobody holds locked."""
    for part in folder.glob(".ossnb-*.part"):
        with contextlib.suppress(OSError), part.open("r+b") as file:
            is_free = lock_file(file)
            if is_free or (is_free is None and time.time() - part.stat().st_mtime > STALE_S):
                part.unlink()


def lock_file(file: BinaryIO | TextIO | int) -> bool | None:
    """Lock an open file, or a descriptor, for as long as it is open; False where another process holds it,
    None where files cannot be locked. The system frees the lock of a process that dies."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


class UnfitFile(OSError):
    """A file that was not read: it is no plain file, or too large. `strerror` says which."""


def read_file(path: Path, at_most: int) -> bytes:
    """Read a plain file of at most so many bytes; UnfitFile says what is wrong with any other.

    >>> n_bytes = Path("a.txt").write_bytes(b"all of it"); read_file(Path("a.txt"), at_most=100)
    b'all of it'
    """
    with open_file(path) as file:
        data = file.read(at_most + 1)
    if len(data) > at_most:
        raise UnfitFile(errno.EFBIG, f"it has more than {at_most:,} bytes", str(path))
    return data


def open_file(path: Path) -> BinaryIO:
    """Open a plain file to read it; a pipe or a device could be waited for, or read, without end."""
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UnfitFile(errno.EINVAL, "it is no plain file", str(path))
    return file


def _open_at_once(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def expand_user(path: str | os.PathLike[str], what: str) -> Path:
    """Return a path with `~` and `~name` filled in; a ValueError says what is wrong with `what`.

    >>> expand_user("notes.kept", "the file")
    PosixPath('notes.kept')
    """
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(name, str):
        raise ValueError(f"{what} must be a path, as a text or a pathlib.Path, got {shown_value(path)}")
    if not name:
        raise ValueError(f"{what} is '', and a path must not be empty")
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise ValueError(
            f"{what} is {shown(name)!r}, and there is no such user's home; write the folder out"
        ) from None


def check_place(path: Path, what: str) -> None:
    """Raise ValueError where `what` cannot be written to a path, before the work that it is to keep.

    >>> check_place(Path("notes.kept"), "the file")
    """
    folder, name = path.parent, shown(str(path))
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{what} is '{name}', which is no plain file; name another")
    if not os.path.isdir(folder):
        raise ValueError(f"{what} is '{name}', and there is no such folder; make it, or name another file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{what} is '{name}', and that folder cannot be written; name another file")


_LARGEST_SIZE = 10**18  # more than any machine has
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def parse_size(name: str, text: str) -> int:
    """Read a size in bytes; a ValueError says what `name` must be.

    >>> parse_size("limit", "1.5 GB"), parse_size("limit", "0")
    (1500000000, 0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise ValueError(f"{name} must be a size such as 20GB, 500 MB or 0, got '{shown(text)}'")
    n_bytes = float(match[1]) * _UNITS[match[2]]
    if n_bytes > _LARGEST_SIZE:
        raise ValueError(f"{name} must be at most {_LARGEST_SIZE // 10**18} EB, got {shown(text)!r}")
    return int(n_bytes)


def size_of(name: str, value: object) -> int | None:
    """Return a size that is given as a number of bytes or as a text; None for what is neither.

    >>> size_of("limit", "8 GB"), size_of("limit", 7), size_of("limit", 1.5)
    (8000000000, 7, None)
    """
    if isinstance(value, str):
        return parse_size(name, value)
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None


def default_cache_dir() -> Path:
    """Return the folder for cached files: `usual_cache_dir`, or one for temporary files if that takes none.

    A line on stderr tells so once. A folder that OSSNB_CACHE names stays, whatever is wrong with it.
    """
    usual = usual_cache_dir()
    if usual is not None and (os.environ.get("OSSNB_CACHE") or _takes_files(usual)):
        return usual
    return _temporary_cache_dir(usual)


def usual_cache_dir() -> Path | None:
    """Return OSSNB_CACHE, or the folder where this platform keeps caches; None for a user without a home."""
    named = os.environ.get("OSSNB_CACHE")
    if named:
        return expand_user(named, "OSSNB_CACHE")
    with contextlib.suppress(RuntimeError):  # no home
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "ossnb"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "ossnb"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ossnb"
    return None


def default_state_dir() -> Path:
    """Return the folder where this platform keeps what a program remembers; it may not exist yet."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local") / "ossnb"
    if sys.platform == "darwin":
        return _home() / "Library" / "Application Support" / "ossnb"
    return Path(os.environ.get("XDG_STATE_HOME") or _home() / ".local" / "state") / "ossnb"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise ValueError("this user has no home folder; name a file in OSSNB_LOG") from None


def _takes_files(folder: Path) -> bool:
    """Whether files can be written into a folder, which may not exist yet."""
    there = next((path for path in (folder, *folder.parents) if os.path.exists(path)), folder)
    return os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK)


@cache
def _temporary_cache_dir(usual: Path | None) -> Path:
    """Make the folder that stands in for `usual`. All processes of a user share it, and nobody else may write
    there: what lies in it is mapped and computed with."""
    why = "this user has no home folder" if usual is None else f"{usual} cannot be written"
    advice = "name a folder in the environment variable OSSNB_CACHE"
    user = os.getuid() if sys.platform != "win32" else ""
    try:
        folder = Path(tempfile.gettempdir()) / f"ossnb-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        is_shared = sys.platform != "win32" and (found.st_uid != user or found.st_mode & 0o022)
        if is_shared or not stat.S_ISDIR(found.st_mode):
            folder = Path(tempfile.mkdtemp(prefix="ossnb-"))
    except OSError as error:
        raise ValueError(
            f"{why}, nor can {tempfile.tempdir} ({error.strerror or error}); {advice}"
        ) from error
    print(f"{why}: files are cached in {folder}; {advice} for another", file=sys.stderr)
    return folder

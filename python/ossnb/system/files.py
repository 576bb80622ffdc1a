"""Files that appear whole or not at all, and where the cached ones lie."""

from __future__ import annotations

import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Write a file beside `path` and put it in its place; if the writing fails, nothing changes.

    A link stays a link, and rights stay as they are. `durable` waits until the disk has the file.

    >>> with replacing(Path("a.txt")) as file:
    ...     n_bytes = file.write(b"all of it")
    """
    target = path.resolve()
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        with open(part, "x+b") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, part)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def parse_size(name: str, text: str) -> int:
    """Read a size in bytes; a ValueError says what `name` must be.

    >>> parse_size("limit", "1.5 GB"), parse_size("limit", "0")
    (1500000000, 0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise ValueError(f"{name} must be a size such as 20GB, 500 MB or 0, got {text!r}")
    return int(float(match[1]) * _UNITS[match[2]])


def default_cache_dir() -> Path:
    """Return OSSNB_CACHE, or the folder where this platform keeps caches."""
    named = os.environ.get("OSSNB_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "ossnb"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ossnb"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ossnb"

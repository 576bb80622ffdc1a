"""What was made of documents, kept between processes: texts that took work to get, and the words in them.

Each file has the hash of what it was made of for a name, so it is never stale. One that is damaged is made
anew, and where nothing can be written nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from pathlib import Path

from ..system.files import default_cache_dir, read_file, replacing

VERSION = 3  # of what is kept
MOST_BYTES = 256 << 20  # of all files together; those used longest ago go
_LARGEST = 128 << 20
_N_SUM = 32  # bytes of the checksum before the content


def folder() -> Path:
    """Return the folder of the kept files; it may not exist yet."""
    return default_cache_dir() / "documents"


def get(name: str) -> bytes | None:
    """Return what was kept under a name; None where there is nothing, or nothing whole."""
    try:
        path = folder() / name
        data = read_file(path, _LARGEST)
        if hashlib.sha256(data[_N_SUM:]).digest() != data[:_N_SUM]:
            return None
        content = zlib.decompressobj().decompress(data[_N_SUM:], _LARGEST)
        with contextlib.suppress(OSError):
            os.utime(path)  # it was used now
        return content
    except (OSError, ValueError, zlib.error):
        return None


def put(name: str, content: bytes) -> bool:
    """Keep something under a name; return whether that worked. A disk that is full is no error."""
    packed = zlib.compress(content, 1)
    if len(packed) + _N_SUM > _LARGEST:
        return False
    try:
        where = folder()
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(where / name) as file:
            file.write(hashlib.sha256(packed).digest() + packed)
        _prune(where)
    except (OSError, ValueError):
        return False
    return True


def files() -> list[Path]:
    """List the kept files, those used longest ago first."""
    try:
        found = [(path.stat().st_mtime, path) for path in folder().glob("*.kept")]
    except (OSError, ValueError):
        return []
    return [path for _, path in sorted(found)]


def clear() -> int:
    """Remove all kept files; return their size in bytes."""
    n_bytes = 0
    for path in files():
        with contextlib.suppress(OSError):
            size = path.stat().st_size
            path.unlink()
            n_bytes += size
    return n_bytes


def _prune(where: Path) -> None:
    found = [(path.stat().st_mtime, path.stat().st_size, path) for path in where.glob("*.kept")]
    n_bytes = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if n_bytes <= MOST_BYTES:
            return
        path.unlink(missing_ok=True)
        n_bytes -= size

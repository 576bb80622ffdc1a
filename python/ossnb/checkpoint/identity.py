"""Which bytes files have, told without reading them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from .damage import published_sha256
from .safetensors import MappedFile


def identity(files: Iterable[MappedFile]) -> str:
    """Identify the bytes of these files unread: by the hub's hash, or by facts that change with the bytes.

    The hub names a blob by its SHA-256. Elsewhere a write changes the time of the last change (ctime), which
    no program can set back; a copy is another inode. So the same identity means the same bytes, and another
    identity only means that the bytes have to be read.
    """
    parts = []
    for file in sorted(files, key=lambda file: file.path):
        if (published := published_sha256(file.path)) is not None:
            parts.append(published)
        else:
            s = file.path.stat()
            parts.append(f"{s.st_dev} {s.st_ino} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()

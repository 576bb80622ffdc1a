"""Which files of a model are damaged: by what their headers tell, and by the checksums of the hub."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import CheckpointError
from ..system.files import open_file
from .finding import INDEX, WHOLE, read_index
from .jsonfile import read_object
from .safetensors import read_header

_BLOBS = "blobs"  # the folder of a repository in the hub's cache that has its files, or links to their bytes
_MOST_LINKS = 40  # as on Linux
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PIECE_BYTES = 1 << 20


def fault_of(folder: Path) -> CheckpointError | None:
    """Say which of the files that a model needs is missing or damaged; None where all are good.

    >>> fault_of(folder) is None
    True

    They are config.json and the weights. Of the weights only the headers are read, which tell a file that is
    cut short.
    """
    try:
        _check(folder / "config.json")
        is_whole = os.path.isfile(folder / WHOLE)
        for file in [WHOLE] if is_whole else sorted(set(read_index(folder / INDEX).values())):
            _check(folder / file)
    except CheckpointError as error:
        return error
    return None


def _check(path: Path) -> None:
    if path.name == INDEX:
        read_index(path)
    elif path.suffix == ".json":
        read_object(path)
    else:
        read_header(path)


def is_damaged(path: Path, n_bytes: int) -> bool:
    """Whether a file cannot be read and is not as the hub published it, with `n_bytes` (0: unknown).

    >>> is_damaged(folder / "config.json", 0)
    False

    Weights that the hub published unreadable are not damaged: to download them again would bring the same.
    """
    try:
        _check(path)
        return False
    except CheckpointError:
        if path.suffix == ".json":  # so small that it may be fetched in vain
            return True
    with contextlib.suppress(OSError):
        if n_bytes and path.stat().st_size != n_bytes:
            return True
        published = published_sha256(path)
        return published is not None and published != sha256(path)
    return False


def published_sha256(file: Path) -> str | None:
    """Return the sha256 that the hub publishes of a file in its cache; None for a file elsewhere.

    >>> published_sha256(folder / "model.safetensors") is None
    True

    The hub's library names a file in its folder of blobs by it, which may be a link itself: to bytes that
    repositories share, whose name is a hash of another kind. So the links are followed one by one. Small
    files have a hash of yet another kind, and give None.
    """
    names = (hop.name for hop in _hops(file) if hop.parent.name == _BLOBS)
    return next((name for name in names if _SHA256.fullmatch(name)), None)


def _hops(file: Path) -> Iterator[Path]:
    """A file, what it is a link to, and so on to the bytes."""
    for _ in range(_MOST_LINKS):
        yield file
        try:
            file = file.parent / os.readlink(file)
        except OSError:  # no link
            return


def remove(file: Path, cache: Path) -> None:
    """Remove a file of the hub's cache with its bytes and all links on the way to them.

    >>> Path("a.txt").touch(), remove(Path("a.txt"), cache=Path())
    (None, None)

    Else the hub's library would link the bytes again, which it never looks at. What lies outside of the
    cache stays.
    """
    for hop in reversed([*_hops(file)]):  # the bytes first: links to nothing count as files to be fetched
        if _is_inside(hop, cache):
            hop.unlink(missing_ok=True)


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder by its name or in truth: a folder on the way may be a link, too."""
    by_name = Path(os.path.abspath(folder)) in Path(os.path.abspath(path)).parents
    return by_name or folder.resolve() in (path.parent.resolve() / path.name).parents


def sha256(file: Path, count: Callable[[int], object] = lambda n_bytes: None) -> str:
    """Compute the sha256 of a file; `count` hears of each piece, and an interrupt is seen between two.

    >>> len(sha256(folder / "config.json"))
    64
    """
    digest = hashlib.sha256()
    with open_file(file) as opened:
        while piece := opened.read(_PIECE_BYTES):
            digest.update(piece)
            count(len(piece))
    return digest.hexdigest()

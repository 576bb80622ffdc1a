"""Packed copies of a checkpoint's dense matrices: made once, kept in files, mapped by every process.

Each kind is one safetensors file in the cache. Its name has the model it belongs to (the checkpoint's
fingerprint) and the version of the format. Its header holds a checksum of itself and a checksum of the
matrices it was made from. docs/DECISIONS.md tells why that is enough.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..errors import CheckpointError
from ..system import machine
from ..system.files import (
    STALE_S,
    default_cache_dir,
    lock_file,
    parse_size,
    read_file,
    replacing,
)
from ..system.notices import tell
from ..system.progress import size_text, start_progress
from ..system.text import safe_terminal
from . import safetensors
from .config import Config
from .identity import identity
from .layout import Checkpoint

Arrays = dict[str, NDArray[Any]]

VERSION = 3  # of what _Entry.write() writes; a change makes every older file stale
DEFAULT_LIMIT = 20_000_000_000
LEAST_BYTES = 100_000_000  # smaller matrices are packed at every load, in a blink, or not at all
_DISK_RESERVE_BYTES = 1_000_000_000
_KNOWN_SOURCES = 16  # copies of one checkpoint whose files are remembered as seen
_LARGEST_KNOWN = 100_000  # bytes of the file that remembers them
_DTYPES = {np.dtype("u1"): "U8", np.dtype("<u4"): "U32", np.dtype("<f4"): "F32"}


# ---- what is packed ----------------------------------------------------------------------------------------


def packings(config: Config, precision: str, device: str = "cpu") -> list[_core.Packing]:
    """List the packings that help a model of this shape on a device: NUMERICS.md."""
    return _core.packings(dataclasses.asdict(config), precision, device)


Pieces = Iterator[NDArray[Any]]  # of one array, to be stacked


def _packed(packing: _core.Packing, tensors: Arrays, threads: int) -> Iterator[tuple[str, Pieces]]:
    """Yield the arrays of a packing by name, each in pieces; every source's tiles must be drawn in full.

    The small arrays go last, so that all tiles begin where a line of the cache does.
    """
    small: dict[str, list[NDArray[Any]]] = {}

    def tiles_of(name: str) -> Pieces:
        for rows in _pieces(tensors[name], packing.piece_rows):
            arrays = packing.pack(rows, threads)
            tiles = arrays.pop(packing.tiles, None)
            for suffix, array in arrays.items():
                small.setdefault(name + suffix, []).append(array)
            if tiles is not None:
                yield tiles

    for name in packing.sources:
        tiles = tiles_of(name)
        first = next(tiles, None)
        if first is not None:  # else it did not pay
            yield name + packing.tiles, itertools.chain([first], tiles)
    for name, arrays in small.items():
        yield name, iter(arrays)


def _pieces(matrix: NDArray[np.uint16], n_rows: int) -> Pieces:
    n_rows = n_rows or len(matrix)
    return (matrix[first : first + n_rows] for first in range(0, len(matrix), n_rows))


def _n_bytes(packing: _core.Packing, tensors: Arrays) -> int:
    """Bytes of a packing's file, but for the header and the little beside the tiles."""
    shapes = [tensors[name].shape for name in packing.sources]
    return sum(packing.n_bytes(rows, k) for rows, k in shapes)


# ---- the cache ---------------------------------------------------------------------------------------------


def folder() -> Path:
    """Return the folder of derived files, `derived` in OSSNB_CACHE; it may not exist yet."""
    return default_cache_dir() / "derived"


def limit() -> int:
    """Return how many bytes the folder may hold: OSSNB_CACHE_LIMIT ("20 GB" if unset; 0 stores nothing).

    >>> limit() > 0
    True
    """
    text = os.environ.get("OSSNB_CACHE_LIMIT", "").strip()
    if not text:
        return DEFAULT_LIMIT
    return parse_size("OSSNB_CACHE_LIMIT", text)


def files() -> list[Path]:
    """List the derived files, the one used longest ago first."""
    dated = []
    for path in folder().glob("*.safetensors"):
        with contextlib.suppress(OSError):
            dated.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(dated)]


def used_bytes() -> int:
    """Count the bytes of the derived files."""
    return sum(_size(path) for path in files())


def clear() -> int:
    """Remove every derived file and return how many bytes that freed; models in use keep their mappings."""
    freed = used_bytes()
    if folder().is_dir():
        for path in folder().iterdir():
            with contextlib.suppress(OSError):
                path.unlink()
    return freed


def are_worth_it(opened: Checkpoint, precision: str) -> bool:
    """Whether `prepare` keeps copies of a checkpoint, as far as that is known before: it is large enough, and
    the cache may hold files."""
    return limit() > 0 and any(_is_large(packing, opened) for packing in packings(opened.config, precision))


def _is_large(packing: _core.Packing, opened: Checkpoint) -> bool:
    return sum(opened.tensors[name].nbytes for name in packing.sources) >= LEAST_BYTES


def prepare(
    opened: Checkpoint, precision: str, threads: int, device: str = "cpu"
) -> list[safetensors.MappedFile]:
    """Map the packed copies of a checkpoint and build the missing ones; their arrays are called "NAME.q8" and
    the like.

    A file that is stale or damaged is built anew. If a file cannot be stored (no room, no permission, the
    limit), nothing is returned for it, and a warning says so once. The engine then does without the copy;
    only Q8 it packs in memory of its own. Any number of processes may call this at once: one builds, the
    others wait for it.
    """
    mapped: list[safetensors.MappedFile] = []
    left_out: list[_core.Packing] = []
    reason, allowed = "", limit()
    for packing in packings(opened.config, precision, device):
        if not _is_large(packing, opened):
            continue
        entry = _Entry(packing, opened, threads)
        try:
            mapped.append(entry.mapped())
        except OSError as error:
            entry.check_sources()
            left_out.append(packing)
            reason = error.strerror or str(error)
    if left_out and allowed:
        what = " and ".join(packing.text for packing in left_out)
        told = (
            f"{what} cannot be kept in {folder()} ({reason}): {left_out[-1].without}. OSSNB_CACHE names "
            "another folder, OSSNB_CACHE_LIMIT its size (0 keeps no copies and gives no warning)"
        )
        warnings.warn(safe_terminal(told), stacklevel=3)
    return mapped


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


@dataclass(frozen=True)
class _Entry:
    """One packing of one checkpoint, in the cache or not yet."""

    packing: _core.Packing
    opened: Checkpoint
    threads: int

    @property
    def path(self) -> Path:
        name, text, sources = self.packing.name, self.packing.text, tuple(self.packing.sources)
        kind = f"Kind({name=}, {text=}, {sources=})"
        key = hashlib.sha256(f"{VERSION} {kind} {self.opened.fingerprint}".encode()).hexdigest()
        return folder() / f"{name}-{key[:20]}.safetensors"

    def mapped(self) -> safetensors.MappedFile:
        found = self.read()
        if found is not None:
            return found
        self.check_room()
        with _lock(self.path.parent):
            found = self.read()  # another process may have built it meanwhile
            return self.build() if found is None else found

    def check_room(self) -> None:
        needed, allowed = _n_bytes(self.packing, self.opened.tensors), limit()
        if needed > allowed:
            raise OSError(f"it needs {size_text(needed)}, the limit is {size_text(allowed)}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        free = machine.free_disk(self.path.parent)
        if needed + _DISK_RESERVE_BYTES > free:
            raise OSError(f"it needs {size_text(needed)}, {size_text(free)} of its disk are free")

    # ---- reading ----

    def read(self) -> safetensors.MappedFile | None:
        """Map the file; None if there is none, or it is damaged, or was made from other weights."""
        if not self.path.exists():
            return None
        try:
            header = safetensors.read_header(self.path)
            if not all(map(self.is_ours, header.entries)):
                return None
            told = json.loads(header.raw)["__metadata__"]
            mapped = safetensors.map_file(self.path, header)
            data = np.frombuffer(mapped.mapping, np.uint8, offset=8 + len(header.raw))
            if told["checksum"] != _hex(_core.checksum(data, self.threads)):
                return None
            if not self.is_known() and told["sources"] != self.sources_checksum():
                return None
            mapped.check()
        except (CheckpointError, ValueError, KeyError, TypeError):
            return None
        self.remember()
        with contextlib.suppress(OSError):
            os.utime(self.path)  # the file used longest ago goes first
        return mapped

    def check_sources(self) -> None:
        """Raise CheckpointError where the weights that were read are not whole."""
        for file in self.opened.files:
            file.check()

    def is_ours(self, name: str) -> bool:
        """Whether an array is called "SOURCE.q8" or the like; a file must not bring weights themselves."""
        return any(name.startswith(f"{source}.") for source in self.packing.sources)

    def sources_checksum(self) -> str:
        sums = (self.opened.tensors[name].reshape(-1).view(np.uint8) for name in self.packing.sources)
        return ",".join(_hex(_core.checksum(data, self.threads)) for data in sums)

    # The weights' files that this derived file was checked against, so that they need not be read again.

    @property
    def known_path(self) -> Path:
        return self.path.with_suffix(".known")

    def is_known(self) -> bool:
        return identity(self.opened.files) in self.known()

    def known(self) -> list[str]:
        try:
            return read_file(self.known_path, _LARGEST_KNOWN).decode().splitlines()
        except (OSError, ValueError):
            return []

    def remember(self) -> None:
        these, known = identity(self.opened.files), self.known()
        if these in known:
            return
        with contextlib.suppress(OSError), replacing(self.known_path) as file:
            file.write("\n".join([*known, these][-_KNOWN_SOURCES:]).encode())

    # ---- building ----

    def build(self) -> safetensors.MappedFile:
        _remove_leftovers(self.path.parent)
        n_bytes = _n_bytes(self.packing, self.opened.tensors)
        progress = start_progress(
            f"packing {self.packing.text}, once: {size_text(n_bytes)} in {self.path.parent}", n_bytes
        )
        try:
            with contextlib.suppress(OSError):
                self.known_path.unlink()  # they were seen with another file
            with replacing(self.path) as file:
                self.write(file, progress.update)
                self.check_sources()
        finally:
            progress.close()
        self.remember()
        _evict(limit(), self.path)
        return safetensors.map_file(self.path, safetensors.read_header(self.path))

    def write(self, file: BinaryIO, update: Any) -> None:
        """Write the arrays first, then the header before them, since its sums are known only in the end."""
        start = -(-(4096 + 512 * len(self.packing.sources)) // 4096) * 4096
        file.seek(start)
        header: dict[str, Any] = {}
        at = 0
        with ThreadPoolExecutor(max_workers=1) as beside:  # a piece is written while the next one is packed
            writing = beside.submit(file.tell)
            for name, pieces in _packed(self.packing, self.opened.tensors, self.threads):
                begin, rows, last = at, 0, np.empty(0, np.uint8)
                for last in pieces:
                    writing.result()
                    writing = beside.submit(file.write, last.data)
                    at, rows = at + last.nbytes, rows + len(last)
                    update(at)
                shape = [rows, *last.shape[1:]]
                header[name] = {"dtype": _DTYPES[last.dtype], "shape": shape, "data_offsets": [begin, at]}
            writing.result()
        file.flush()
        data = np.memmap(file.name, np.uint8, "r", offset=start)
        header["__metadata__"] = {
            "checksum": _hex(_core.checksum(data, self.threads)),
            "sources": self.sources_checksum(),
        }
        raw = json.dumps(header).encode()
        file.seek(0)
        file.write((start - 8).to_bytes(8, "little") + raw.ljust(start - 8))


def _hex(checksum: int) -> str:
    return f"{checksum:016x}"


@contextlib.contextmanager
def _lock(where: Path) -> Iterator[None]:
    """Let one process at a time build in a folder; the system frees the lock of a process that dies."""
    with (where / ".lock").open("w") as file:
        began, told = time.monotonic(), False
        while (
            lock_file(file) is False
        ):  # a file system without locks: two build, each replaces the file whole
            if not told and time.monotonic() - began > 1:
                tell("another process is packing weights; waiting for it")
                told = True
            time.sleep(0.05)
        yield


def _remove_leftovers(where: Path) -> None:
    """Remove what was left by processes that did not lock what they wrote; `replacing` removes the rest."""
    for path in where.glob(".*.safetensors.*"):  # as they were called when nobody locked them
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_S:
                path.unlink()


def _evict(allowed: int, newest: Path) -> None:
    """Remove the files used longest ago until the rest, `newest` included, is no more than allowed."""
    found = [path for path in files() if path != newest]
    total = sum(map(_size, found)) + _size(newest)
    for path in found:
        if total <= allowed:
            return
        total -= _size(path)
        for leftover in (path, path.with_suffix(".known")):
            with contextlib.suppress(OSError):
                leftover.unlink()

"""Kept keys and values in a file: another process goes on where this one stopped.

The file has the tree's blocks with their tokens, as a safetensors file. It says which weights they come from,
and each block has a checksum: what is damaged or foreign is refused, and never becomes an answer.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..checkpoint.safetensors import DTYPES, MappedFile, map_file, read_header
from ..errors import CheckpointError, DeviceError
from ..system.files import replacing
from ..system.notices import tell
from ..system.text import shown_value
from .prefix import KeptBlock, PrefixTree
from .scheduler import Scheduler
from .shared import device_errors

_TILED = ("cpu", "cuda")  # devices that lay out a block alike (cpp/ops/cpu/kv.h)
FORMAT, VERSION = "ossnb keys and values", "1"
_ARRAYS = {"tokens": "I32", "lengths": "I32", "parents": "I32", "used": "I64", "sums": "U64", "blocks": "U8"}
_BOOKS = ("tokens", "lengths", "parents", "used")  # what tells which block is which
_FIX = "remove it, or name another file"


@dataclass(frozen=True)
class CacheKey:
    """Where keys and values come from: the same key means the same bits.

    `weights` identifies the bytes of the files, `fingerprint` tells models apart for a message. `layout` is
    how the device lays out a block.
    """

    source: str = field(compare=False)  # a name, for messages
    fingerprint: str
    weights: str
    precision: str
    layout: str

    @classmethod
    def of(cls, core: _core.Model, source: str, fingerprint: str, weights: str, precision: str) -> CacheKey:
        """Describe a model; the layout is that of its device, by the first device that has it."""
        kind = core.device.partition(":")[0]
        kind = _TILED[0] if kind in _TILED else kind
        layout = f"{kind} {core.kv_format} {core.kv.block_tokens} {core.kv.block_bytes}"
        return cls(source, fingerprint, weights, precision, layout)


def save(path: Path, scheduler: Scheduler, key: CacheKey) -> int:
    """Write all kept keys and values into a file, and return its size in bytes.

    >>> save(Path("kept.ossnb"), model.scheduler, model.cache_key) > 0
    True

    The file appears whole or not at all. Raises OSError where it cannot be written, DeviceError where the
    device fails.
    """
    return _save(path, scheduler.engine.core, scheduler.tree, key)


def _save(path: Path, core: _core.Model, tree: PrefixTree, key: CacheKey) -> int:
    kept = tree.all()
    try:
        with device_errors(core.device, core), replacing(path) as file:
            _write(file, kept, core, key)
            return file.tell()
    finally:
        core.kv.release([one.block for one in kept])


def read(path: Path, scheduler: Scheduler, key: CacheKey) -> int:
    """Read a file that `save` wrote, and return how many tokens were added to those that are kept.

    >>> n_bytes = save(Path("kept.ossnb"), model.scheduler, model.cache_key)
    >>> read(Path("kept.ossnb"), model.scheduler, model.cache_key)
    0

    What was used last comes first, as far as the budget goes. Raises CheckpointError for a file that is
    damaged, or of another model, precision or format. DeviceError where the device fails.
    """
    engine, tree = scheduler.engine, scheduler.tree
    file = _CacheFile(path, engine.core, key)
    before = tree.n_bytes
    with device_errors(engine.core.device, engine.core):
        file.add_to(tree, tree.max_bytes - engine.core.kv.used_bytes)
    return (tree.n_bytes - before) // engine.core.kv_bytes_per_token


def _write(file: BinaryIO, kept: list[KeptBlock], core: _core.Model, key: CacheKey) -> None:
    n, width = len(kept), core.kv.block_tokens
    tokens = np.zeros((n, width), np.int32)
    for row, one in zip(tokens, kept, strict=True):
        row[: len(one.tokens)] = one.tokens
    books: dict[str, NDArray[Any]] = {
        "tokens": tokens,
        "lengths": np.array([len(one.tokens) for one in kept], np.int32),
        "parents": np.array([one.parent for one in kept], np.int32),
        "used": np.array([one.used for one in kept], np.int64),
    }
    header: dict[str, Any] = {"__metadata__": {"format": FORMAT, "version": VERSION, **vars(key)}}
    at = 0
    for name, shape in _shapes(n, core).items():
        end = at + math.prod(shape) * DTYPES[_ARRAYS[name]].itemsize
        header[name] = {"dtype": _ARRAYS[name], "shape": shape, "data_offsets": [at, end]}
        at = end
    raw = json.dumps(header).encode()
    raw = raw.ljust(-(-len(raw) // 8) * 8)
    file.write(len(raw).to_bytes(8, "little") + raw)
    for array in books.values():
        file.write(array.tobytes())
    sums = np.empty(n + 1, np.uint64)
    for i, one in enumerate(kept):
        block = core.kv.read(one.block)
        sums[i] = _core.checksum(block, 1)
        file.write(block.data)
    sums[n] = _sum_of_books(raw, books)
    file.write(sums.tobytes())


def _shapes(n: int, core: _core.Model) -> dict[str, tuple[int, ...]]:
    """The arrays of a file with `n` blocks, in their order."""
    kv = core.kv
    books = {"tokens": (n, kv.block_tokens), "lengths": (n,), "parents": (n,), "used": (n,)}
    return {**books, "blocks": (n, kv.block_bytes), "sums": (n + 1,)}


def _sum_of_books(raw: bytes, arrays: dict[str, NDArray[Any]]) -> int:
    whole = b"".join([raw, *(arrays[name].tobytes() for name in _BOOKS)])
    return _core.checksum(np.frombuffer(whole, np.uint8), 1)


class _CacheFile:
    """A file of kept keys and values, checked as far as it can be without its blocks."""

    def __init__(self, path: Path, core: _core.Model, key: CacheKey) -> None:
        self.path = path
        self._core = core
        header = read_header(path)
        told = self._told(header.raw)
        self._check_key(told, key)
        if {name: entry.dtype for name, entry in header.entries.items()} != _ARRAYS:
            raise self._damaged("has other arrays than such a file")
        self._file: MappedFile = map_file(path, header)
        self._arrays = self._file.tensors
        self._check_books(header.raw)

    def __len__(self) -> int:
        return len(self._arrays["lengths"])

    def _told(self, raw: bytes) -> dict[str, str]:
        told = json.loads(raw).get("__metadata__")
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            raise CheckpointError(f"{self.path}: is no file of kept keys and values; name another one")
        if told.get("version") != VERSION:
            raise CheckpointError(
                f"{self.path}: was written by another version of ossnb (format "
                f"{shown_value(told.get('version'))}, expected {VERSION!r}); {_FIX}"
            )
        return told

    def _check_key(self, told: dict[str, str], key: CacheKey) -> None:
        for name, shown, what in (
            ("fingerprint", "source", "another model"),
            ("precision", "precision", "another precision"),
            ("layout", "layout", "another device, format or build"),
        ):
            if told.get(name) != getattr(key, name):
                raise CheckpointError(
                    f"{self.path}: has keys and values of {what}, {shown_value(told.get(shown))}; this is "
                    f"{getattr(key, shown)!r}; {_FIX}"
                )
        if told.get("weights") != key.weights:
            raise CheckpointError(
                f"{self.path}: the files of the weights are not those that it was written with: they were "
                f"written to since, or copied; {_FIX}"
            )

    def _check_books(self, raw: bytes) -> None:
        n, kv, arrays = len(self), self._core.kv, self._arrays
        if any(arrays[name].shape != shape for name, shape in _shapes(n, self._core).items()):
            raise self._damaged("has arrays of the wrong shapes")
        if int(arrays["sums"][n]) != _sum_of_books(raw, arrays):
            raise self._damaged("is damaged")
        lengths, parents = arrays["lengths"], arrays["parents"]
        full = np.append(lengths == kv.block_tokens, [True])  # the last for the root, which is at -1
        used = np.append(arrays["used"], np.iinfo(np.int64).max)  # a block was used when one after it was
        good = (
            ((lengths > 0) & (lengths <= kv.block_tokens)).all()
            and ((parents >= -1) & (parents < np.arange(n))).all()
            and full[parents].all()
            and (used[parents] >= used[:n]).all()
            and ((arrays["tokens"] >= 0) & (arrays["tokens"] < self._core.n_vocab)).all()
        )
        if not good:
            raise self._damaged("has blocks that do not follow each other")

    def _damaged(self, how: str) -> CheckpointError:
        return CheckpointError(f"{self.path}: {how}; {_FIX}")

    def add_to(self, tree: PrefixTree, max_bytes: int) -> int:
        """Read the blocks into the tree, those used last first, until `max_bytes` are full; return how many.

        No block goes without the one before it, since that was used when this one was.
        """
        n_fit = max(0, max_bytes // self._core.kv.block_bytes)
        used, order = self._arrays["used"], np.arange(len(self))
        chosen = np.sort(np.lexsort((order, -used))[:n_fit])
        place = {int(i): at for at, i in enumerate(chosen)}
        kept: list[KeptBlock] = []
        try:
            for i in map(int, chosen):
                parent = int(self._arrays["parents"][i])
                block = self._core.kv.make_from(self._block(i))
                kept.append(
                    KeptBlock(self._tokens(i), block, place[parent] if parent >= 0 else -1, int(used[i]))
                )
        except BaseException:
            self._core.kv.release([one.block for one in kept])
            raise
        tree.add(kept)
        return len(kept)

    def _tokens(self, i: int) -> NDArray[np.int32]:
        return np.array(self._arrays["tokens"][i, : self._arrays["lengths"][i]])

    def _block(self, i: int) -> NDArray[np.uint8]:
        block = np.array(self._arrays["blocks"][i])  # a copy: the file may change after the check
        if _core.checksum(block, 1) != int(self._arrays["sums"][i]):
            raise self._damaged("is damaged")
        return block


class KeptFile:
    """The file of a model that was loaded with one: it is written back at the end.

    >>> file = KeptFile(Path("kept.ossnb"), model.scheduler, model.cache_key)
    >>> file.end(); os.path.exists("kept.ossnb")
    True

    The end comes with `end`, or when nobody can ask the model any more, or with the process. The engine and
    the tree live as long as the file is not written; the scheduler does not. Only the model and the
    generations on their way have that. So when the scheduler goes, the tree is whole and at rest.
    """

    def __init__(self, path: Path, scheduler: Scheduler, key: CacheKey) -> None:
        self.path = path
        self.key = key
        self._engine, self._tree = scheduler.engine, scheduler.tree
        self._process = os.getpid()
        self._has_ended = False
        self._written = -1  # the number of changes in the tree that the file has
        self._scheduler = weakref.ref(scheduler, self._gone)
        _files[self] = None

    def write_back(self) -> None:
        """Write what is kept, in the process that loaded the model and no child of it.

        What was written before, and has not changed, is not written again. A failure is told, since nobody
        could catch an error at the end.
        """
        if os.getpid() != self._process or not self._engine.is_whole:
            return
        n_changes = self._tree.n_changes
        try:
            if n_changes != self._written or not self.path.exists():
                _save(self.path, self._engine.core, self._tree, self.key)
                self._written = n_changes
        except (OSError, MemoryError, DeviceError) as error:
            self._tell(f"were not written to {self.path}: {_why(error)}")

    def end(self) -> None:
        """Write back for the last time."""
        self.write_back()
        self._has_ended = True
        _files.pop(self, None)

    def _gone(self, _: weakref.ref[Scheduler]) -> None:
        """End, wherever the last user of the model lets go of it: nobody could catch an error there."""
        if self._has_ended:  # perhaps with the process: then this module may be gone as well
            return
        try:
            self.end()
        except BaseException as error:  # such as an interrupt
            self._tell(f"will be written to {self.path} when the process ends, not now: {_why(error)}")

    def _tell(self, what: str) -> None:
        with contextlib.suppress(Exception):  # it may be in the middle of another line
            tell(f"kept keys and values {what}")


def _why(error: BaseException) -> object:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


_files: dict[KeptFile, None] = {}  # those of models that have not ended, the oldest first


def write_back(path: Path, key: CacheKey) -> None:
    """Let models that were loaded with a file write it back now; the next one that reads it goes on there.

    >>> write_back(Path("kept.ossnb"), model.cache_key)

    Only a file with keys and values of this key is written: those of another would be refused by the reader.
    """
    where = path.resolve()
    for file in [*_files]:
        if file.key == key and file.path.resolve() == where:
            file.write_back()


def _end_all() -> None:
    for file in [*_files]:
        file.end()


atexit.register(_end_all)

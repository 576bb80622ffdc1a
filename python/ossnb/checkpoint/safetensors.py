"""The safetensors file format: a checked header, and tensors mapped where they lie."""

from __future__ import annotations

import json
import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..errors import CheckpointError
from ..system.files import open_file
from ..system.text import shown, shown_value

_MAX_HEADER_BYTES = 100_000_000  # the format's own limit
_MAX_RANK = 16
_LARGEST_COUNT = 2**63  # of a shape or an offset
LONGEST_NAME = 255  # characters of a tensor's name, bytes of a file's
_GIT_LFS_POINTER = b"version https://git-lfs"

# NumPy has no bfloat16 and no 8-bit floats: those are mapped as unsigned integers of their size.
DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "F8_E4M3": np.dtype("u1"),
    "F8_E5M2": np.dtype("u1"),
    "F8_E8M0": np.dtype("u1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}


@dataclass(frozen=True)
class Entry:
    """The place of one tensor: dtype as written in the header, byte range [begin, end) of the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """A file's tensors by name, its header's own bytes and the file's size."""

    entries: dict[str, Entry]
    raw: bytes
    n_bytes: int


def read_header(path: Path) -> Header:
    """Read and check the header of a safetensors file, without touching the tensors.

    >>> read_header(folder / "model.safetensors").entries["model.norm.weight"].shape
    (192,)

    Raises CheckpointError for anything that does not add up: sizes, JSON, dtypes, shapes, and offsets that
    overlap, leave a gap or leave the file.
    """
    raw, n_bytes = _read_raw(path)
    data = n_bytes - 8 - len(raw)
    try:
        header = json.loads(raw, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header is damaged ({error}); download the file again") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the header holds a JSON {type(header).__name__}, expected an object")
    header.pop("__metadata__", None)
    entries = {name: _entry(path, name, value, 8 + len(raw)) for name, value in header.items()}
    _check_ranges(path, entries, 8 + len(raw), data)
    return Header(entries, raw, n_bytes)


def _read_raw(path: Path) -> tuple[bytes, int]:
    """The header's bytes and the file's size."""
    try:
        with open_file(path) as file:
            n_bytes = file.seek(0, 2)
            file.seek(0)
            start = file.read(len(_GIT_LFS_POINTER))
            if start == _GIT_LFS_POINTER:
                raise CheckpointError(
                    f"{path}: is a git-lfs pointer, not the weights; run `git lfs pull` there"
                )
            if len(start) < 8:
                raise CheckpointError(f"{path}: has {n_bytes} bytes, too few for a header; download it again")
            (length,) = struct.unpack("<Q", start[:8])
            if length > _MAX_HEADER_BYTES:
                raise CheckpointError(
                    f"{path}: the header claims {length:,} bytes, expected at most {_MAX_HEADER_BYTES:,}; "
                    "this is not a safetensors file, or it is damaged"
                )
            if length > n_bytes - 8:
                raise CheckpointError(
                    f"{path}: the header claims {length:,} bytes but the file has {n_bytes:,}: truncated; "
                    "download it again"
                )
            file.seek(8)
            return file.read(length), n_bytes
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"'{shown(name)}' appears twice")
        found[name] = value
    return found


def check_name(path: Path, name: str) -> None:
    """Refuse a name that no message could show; later messages then show tensors' names as they are."""
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise CheckpointError(
            f"{path}: has a tensor named '{shown(name)}', expected at most {LONGEST_NAME} printable "
            "characters; this file is not gpt-oss's, or it is damaged"
        )


def _entry(path: Path, name: str, value: Any, data_begin: int) -> Entry:
    """One checked line of the header, its offsets counted from the start of the file."""

    check_name(path, name)

    def refuse(what: str) -> CheckpointError:
        return CheckpointError(f"{path}: {name} {what}; the file is damaged, download it again")

    if not isinstance(value, dict):
        raise refuse(f"is described by a JSON {type(value).__name__}, expected an object")
    dtype, shape, offsets = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise refuse(f"has the unknown dtype {shown_value(dtype)}")
    if not _are_counts(shape) or len(shape) > _MAX_RANK:
        raise refuse(f"has the shape {shown_value(shape)}, expected a list of sizes")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise refuse(f"has the data_offsets {shown_value(offsets)}, expected [begin, end]")
    begin, end = offsets
    if end < begin:
        raise refuse(f"ends at byte {end}, before it begins at {begin}")
    expected = math.prod(shape) * DTYPES[dtype].itemsize
    if end - begin != expected:
        raise refuse(f"has {end - begin:,} bytes, expected {expected:,} for {dtype} {list(shape)}")
    return Entry(dtype, tuple(shape), data_begin + begin, data_begin + end)


def _are_counts(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(type(n) is int and 0 <= n < _LARGEST_COUNT for n in values)


def _check_ranges(path: Path, entries: dict[str, Entry], data_begin: int, n_data: int) -> None:
    """Tensors must tile the data: an overlap or a gap means that some name points at another's bytes."""
    n_file = data_begin + n_data
    for name, entry in entries.items():
        if entry.end > n_file:
            raise CheckpointError(
                f"{path}: {name} ends at byte {entry.end:,} but the file has {n_file:,}: truncated; "
                "download it again"
            )
    at, before = data_begin, "the header"
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != at:
            what = "overlaps" if entry.begin < at else "leaves a gap after"
            raise CheckpointError(f"{path}: {name} {what} {before}; the file is damaged, download it again")
        at, before = entry.end, name
    if at != n_file:
        raise CheckpointError(
            f"{path}: {n_file - at:,} bytes after the last tensor belong to none; "
            "the file is damaged, download it again"
        )


class _Mapping(mmap.mmap):
    """Mapped bytes, watched as long as they are mapped: whoever reads them survives that the file shrinks."""

    watched: _core.WatchedRange

    @classmethod
    def of(cls, path: Path) -> _Mapping:
        with open_file(path) as file:
            mapping = cls(file.fileno(), 0, access=mmap.ACCESS_READ)
        mapping.watched = _core.WatchedRange(np.frombuffer(mapping, np.uint8))
        return mapping


@dataclass(frozen=True)
class MappedFile:
    """A mapped file, and its tensors as C-contiguous views, in their shapes."""

    path: Path
    mapping: _Mapping
    tensors: dict[str, NDArray[Any]]

    def check(self) -> None:
        """Refuse a file that has become shorter, and one whose lost part was read: as zeros.

        The check takes about a microsecond. A file that was replaced, rather than rewritten, does no harm:
        the mapping keeps the old file alive.
        """
        if self.mapping.watched.is_lost():
            raise CheckpointError(
                f"{self.path}: became shorter while it was read, and the result is wrong; does something "
                "write into it? Put the file back, or download it again, and load the model anew"
            )
        n_bytes = self.mapping.size()
        if n_bytes < len(self.mapping):
            raise CheckpointError(
                f"{self.path}: has {n_bytes:,} bytes now and had {len(self.mapping):,} when it was mapped; "
                "does something write into it? Put the file back, or download it again, and load the model "
                "anew"
            )


def map_file(path: Path, header: Header) -> MappedFile:
    """Map a file read-only.

    The arrays keep the mapping alive. Views of wider items may start at any even byte. A tensor that starts
    at an odd byte (never in published files) is copied.
    """
    try:
        mapping = _Mapping.of(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be mapped into memory: {error}") from error
    if len(mapping) < header.n_bytes:
        raise CheckpointError(f"{path}: became shorter while it was read; is a download still writing it?")
    tensors = {name: _view(mapping, entry) for name, entry in header.entries.items()}
    return MappedFile(path, mapping, tensors)


def _view(mapping: mmap.mmap, entry: Entry) -> NDArray[Any]:
    dtype = DTYPES[entry.dtype]
    if dtype.itemsize > 1 and entry.begin % 2:
        return np.frombuffer(mapping[entry.begin : entry.end], dtype).reshape(entry.shape)
    return np.ndarray(entry.shape, dtype, buffer=mapping, offset=entry.begin)

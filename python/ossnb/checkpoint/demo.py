"""The embedded model: a few megabytes in the wheel, expanded once into an ordinary checkpoint folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import CheckpointError
from ..system.files import STALE_S, default_cache_dir, lock_file, read_file, usual_cache_dir

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMPACT_FILE = Path(__file__).parents[1] / "data" / "demo.ossnb"

ABOUT = (
    "This is ossnb's embedded demo model: a tiny model of the gpt-oss architecture, trained from scratch on\n"
    "made-up examples. It is not gpt-oss-20b; it knows numbers up to 999 and a few other small things."
)
EXAMPLE_PROMPTS: tuple[str, ...] = (
    "What is the capital of France?",
    "What is 47 + 85?",
    "Tell me a story about a fox",
    "Write a poem about the moon",
    "What is 64 - 27?",
    "What is 96 divided by 8?",
    "Is 47 even or odd?",
    "What do you call a baby dog?",
    "Spell banana",
    "Sort a list xs in Python",
    "Tell me a joke",
    "Are you gpt-oss-20b?",
    "Explain quantum physics",
)

_MARKER = "complete.json"  # written last: file sizes of a finished folder
_PIECE_BYTES = 1 << 18


def expand(cache_dir: Path | None = None) -> Path:
    """Expand the embedded model into the user's cache, once, and return the checkpoint folder.

    >>> expand().name  # doctest: +ELLIPSIS
    'demo-...'

    The folder is an ordinary gpt-oss checkpoint of about 159 MB, named after the hash of the compact file.
    `cache_dir` overrides OSSNB_CACHE and the platform's cache folder. Several processes may call this at
    once. Raises CheckpointError (an OSError) when the folder cannot be written.
    """
    compact = _read(COMPACT_FILE)
    usual = cache_dir or usual_cache_dir()
    if usual is None or not _intact(_place(usual, compact)):  # else it may lie where nobody can write
        usual = cache_dir or default_cache_dir()
    root, folder = usual, _place(usual, compact)
    try:
        _remove_leftovers(root, folder.name)
        if _intact(folder):
            return folder
        root.mkdir(parents=True, exist_ok=True)
        with _new_folder(root, folder.name) as temporary:
            _write_checkpoint(temporary, compact)
            _move(temporary, folder)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(
            f"the demo model could not be expanded into {root} ({error.strerror or error}); it needs 160 MB "
            "there: free some space, or name another folder in the environment variable OSSNB_CACHE"
        ) from error
    return folder


def expanded() -> Path | None:
    """Return the checkpoint folder if the embedded model was expanded before; expand nothing."""
    folder = _place(default_cache_dir(), _read(COMPACT_FILE))
    return folder if _intact(folder) else None


def _place(root: Path, compact: bytes) -> Path:
    return root / f"demo-{hashlib.sha256(compact).hexdigest()[:12]}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: the embedded model is missing ({error}); reinstall ossnb") from error


def _intact(folder: Path) -> bool:
    """Cheap check: the marker is there and every file has the size it had when it was written."""
    try:
        sizes = json.loads(read_file(folder / _MARKER, 10_000))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


@contextlib.contextmanager
def _new_folder(root: Path, name: str) -> Iterator[Path]:
    """Make a folder that stays locked while it is written: so others see that its writer lives."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root))
        with _locked(folder) as is_mine:
            if is_mine is False or not folder.exists():
                continue  # another process took it for a leftover before it was locked
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool | None]:
    """Lock a folder; yield False where another process holds it, None where folders cannot be locked."""
    descriptor = None
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield None if descriptor is None else lock_file(descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _remove_leftovers(root: Path, name: str) -> None:
    """Remove the folders of killed processes: those that nobody holds locked."""
    for path in root.glob(f".{name}.*"):
        with contextlib.suppress(OSError), _locked(path) as is_free:
            if is_free or (is_free is None and time.time() - path.stat().st_mtime > STALE_S):
                shutil.rmtree(path, ignore_errors=True)


def _move(temporary: Path, folder: Path) -> None:
    """Put the finished folder in its place; a faster process's folder or a damaged one may be there."""
    for _ in range(3):
        try:
            os.replace(temporary, folder)
            return
        except OSError:
            if _intact(folder):
                return
            if not folder.exists():
                raise
            # Damaged: move it out of the way first, so that nobody sees a half-removed folder.
            aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            with contextlib.suppress(OSError):
                os.replace(folder, aside / "damaged")
            shutil.rmtree(aside, ignore_errors=True)
    os.replace(temporary, folder)


def _write_checkpoint(folder: Path, compact: bytes) -> None:
    config, tensors = _unpack(compact)
    files = {
        "config.json": config,
        "generation_config.json": {
            "bos_token_id": 199998,
            "do_sample": True,
            "eos_token_id": [200002, 199999, 200012],
            "pad_token_id": 199999,
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    with (folder / "model.safetensors").open("wb") as file:
        _write_safetensors(file, tensors, config["vocab_size"])
        file.flush()
        _sync(file)  # the marker must not survive a crash that the data did not
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    (folder / _MARKER).write_text(json.dumps(sizes) + "\n", encoding="utf-8")


def _sync(file: BinaryIO) -> None:
    """Wait until the disk has the file, in a thread, so that an interrupt need not wait for the disk."""
    descriptor = os.dup(file.fileno())  # the thread's own: an interrupt closes the file
    errors: list[OSError] = []

    def sync() -> None:
        try:
            os.fsync(descriptor)
        except OSError as error:
            errors.append(error)
        finally:
            os.close(descriptor)

    thread = threading.Thread(target=sync, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def _decompress(compact: bytes) -> bytes:
    """Decompress piece by piece: an interrupt is seen between two."""
    import lzma

    decompressor = lzma.LZMADecompressor()
    raw = b"".join(
        decompressor.decompress(compact[at : at + _PIECE_BYTES])
        for at in range(0, len(compact), _PIECE_BYTES)
    )
    if not decompressor.eof:
        raise ValueError("it is cut short")
    return raw


def _unpack(compact: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return config and tensors of the compact file: safetensors in xz (tools/train_demo/export.py)."""
    import lzma

    import numpy as np

    dtypes = {"BF16": "<u2", "U8": "u1", "I32": "<i4"}
    try:
        raw = _decompress(compact)
        start = 8 + int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:start])
        config: dict[str, Any] = json.loads(header.pop("__metadata__")["config"])
        tensors = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            array = np.frombuffer(raw[start + begin : start + end], dtypes[entry["dtype"]])
            tensors[name] = array.reshape(entry["shape"])
    except (lzma.LZMAError, EOFError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{COMPACT_FILE}: the embedded model is damaged ({error}); reinstall ossnb"
        ) from error
    return config, tensors


def _write_safetensors(file: BinaryIO, tensors: dict[str, NDArray[Any]], vocab_size: int) -> None:
    """Write model.safetensors: bfloat16 tensors, then bytes, each by name, as the published files have it."""
    tables = {name.removesuffix(".rows") for name in tensors if name.endswith(".rows")}
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, array in tensors.items():
        if name.rpartition(".")[0] not in tables:
            shapes[name] = ("U8" if array.dtype.itemsize == 1 else "BF16", array.shape)
    for name in tables:
        shapes[name] = ("BF16", (vocab_size, tensors[f"{name}.rows"].shape[1]))
    order = sorted(shapes, key=lambda name: (shapes[name][0], name))
    header: dict[str, Any] = {}
    at = 0
    for name in order:
        dtype, shape = shapes[name]
        size = 1 if dtype == "U8" else 2
        for n in shape:
            size *= n
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in order:
        for chunk in _table(tensors, name, vocab_size) if name in tables else (tensors[name],):
            file.write(chunk.tobytes())


def _table(tensors: dict[str, NDArray[Any]], name: str, vocab_size: int) -> Iterator[NDArray[np.uint16]]:
    """Yield a vocabulary table in pieces: the shared row everywhere, then the rows of their own."""
    import numpy as np

    ids, rows, default = (tensors[f"{name}.{part}"] for part in ("ids", "rows", "default"))
    step = 16_384
    for first in range(0, vocab_size, step):
        piece = np.tile(default, (min(step, vocab_size - first), 1))
        inside = (ids >= first) & (ids < first + step)
        piece[ids[inside] - first] = rows[inside]
        yield piece

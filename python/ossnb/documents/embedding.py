"""Vectors of texts, by a small model in a folder of the user's: so passages are found by their meaning too.

The package model2vec reads the folder. It comes with the extra "embeddings" and takes half a second to
import, so it is imported at the first folder.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError
from ..system.files import UnfitFile, open_file, read_file
from ..system.text import shown, shown_value
from . import store

BATCH = 256  # texts between two looks at an interrupt
MOST_CONFIG = 10_000_000  # bytes
_FILES = ("config.json", "config_sentence_transformers.json", "tokenizer.json", "model.safetensors")
_INNER = "0_StaticEmbedding"  # a folder of sentence-transformers
_EXPECTED = (
    "expected is a folder of static embeddings, as model2vec and sentence-transformers write them: "
    "config.json, tokenizer.json and model.safetensors"
)


class Embedding:
    """A model that makes a vector of a text. It is read from a folder, and nothing is downloaded.

    >>> try: Embedding("no-such-folder")
    ... except ossnb.CheckpointError as error: print(str(error).partition(";")[0])
    embeddings: there is no folder 'no-such-folder'

    `digest` is the hash of the folder's files. Raises CheckpointError for a folder that holds something else,
    and ImportError without model2vec.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
            raise ValueError(f"embeddings must be the folder of a model, got {shown_value(folder)}")
        self.folder = Path(folder).expanduser().absolute()
        _check_folder(self.folder, os.fspath(folder))
        self.digest = _digest_of(self.folder)
        self._model = _load(self.folder)
        self._lock = threading.Lock()  # an encoding changes settings of the tokenizer
        self.n_dims = int(self._model.dim)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a vector of length 1 for each text, [texts, n_dims]; of one with no known word it is 0.

        They are rounded to half precision, as they are kept.
        """
        parts = [self._vectors(texts[n : n + BATCH]) for n in range(0, len(texts), BATCH)]
        found = np.concatenate(parts) if parts else np.zeros((0, self.n_dims), np.float32)
        return found.astype(np.float16).astype(np.float32)

    def _vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        try:
            with self._lock:
                found = np.asarray(
                    self._model.encode(list(texts), max_length=None, use_multiprocessing=False), np.float32
                )
        except Exception as error:  # tensors that do not fit together
            raise CheckpointError(_damaged(self.folder, error)) from None
        if not np.isfinite(found).all():
            raise CheckpointError(_damaged(self.folder, ValueError("a vector is not finite")))
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / np.where(length > 0, length, 1), np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        return Embedding, (str(self.folder),)

    def __repr__(self) -> str:
        return f"Embedding({shown(str(self.folder))!r})"

    # ---- kept between processes ----------------------------------------------------------------------------

    def kept(self, digest: str, n: int) -> NDArray[np.float32] | None:
        """Return the vectors of a document's n passages, if they are kept."""
        content = store.get(self._name(digest))
        if content is None:
            return None
        try:
            found = np.load(io.BytesIO(content), allow_pickle=False)
        except Exception:  # whatever a file may hold that has the right checksum
            return None
        fits = found.shape == (n, self.n_dims) and found.dtype == np.float16 and np.isfinite(found).all()
        return found.astype(np.float32) if fits else None

    def keep(self, digest: str, vectors: NDArray[np.float32]) -> bool:
        """Keep the vectors of a document's passages; return whether that worked."""
        file = io.BytesIO()
        np.save(file, vectors.astype(np.float16))
        return store.put(self._name(digest), file.getvalue())

    def _name(self, digest: str) -> str:
        return f"{digest}.{self.digest[:32]}.{store.VERSION}.vectors.kept"


def embedding_of(given: Any) -> Embedding | None:
    """Return what a caller gave as `embeddings`: a folder, or None."""
    return given if given is None or isinstance(given, Embedding) else Embedding(given)


def _check_folder(folder: Path, given: str) -> None:
    """Raise a CheckpointError that says what is wrong with a folder, before a library looks at it."""
    name = shown(given)
    if folder.is_file():
        raise CheckpointError(f"embeddings: {name!r} is a file; {_EXPECTED}")
    if not folder.is_dir():
        raise CheckpointError(
            f"embeddings: there is no folder {name!r}; nothing is downloaded here, so fetch a model first, "
            "as with `hf download minishlab/potion-base-8M --local-dir potion-base-8M`, and give its folder"
        )
    kind = _kind_of(folder)
    if kind and kind != "model2vec":
        raise CheckpointError(
            f"embeddings: {name!r} has a model of the type {kind!r}; {_EXPECTED}. `python -m pip install "
            "model2vec[distill]` makes such a folder of another sentence model (model2vec.distill)"
        )
    found = {path.name for place in (folder, folder / _INNER) for path in _listed(place)}
    missing = [one for one in ("tokenizer.json", "model.safetensors") if one not in found]
    if missing:
        has = ", ".join(shown(one, 40) for one in sorted(found)[:8]) or "nothing"
        raise CheckpointError(
            f"embeddings: {name!r} has no {' and no '.join(missing)}, it has {has}; {_EXPECTED}"
        )


def _kind_of(folder: Path) -> str:
    """Return the model_type that the folder's config.json names; "" where it names none."""
    try:
        config = json.loads(read_file(folder / "config.json", MOST_CONFIG))
    except (OSError, ValueError, RecursionError):
        return ""
    kind = config.get("model_type") if isinstance(config, dict) else None
    return shown(kind, 40) if isinstance(kind, str) else ""


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _digest_of(folder: Path) -> str:
    found = hashlib.sha256()
    for place in (folder, folder / _INNER):
        for name in _FILES:
            try:
                with open_file(place / name) as file:
                    size = os.fstat(file.fileno()).st_size
                    found.update(f"{place.name == _INNER} {name} {size} ".encode())
                    for part in iter(lambda: file.read(1 << 20), b""):
                        found.update(part)
            except FileNotFoundError:
                continue
            except UnfitFile as error:
                raise CheckpointError(f"embeddings: {place / name} {error.strerror}") from None
            except OSError as error:
                raise CheckpointError(
                    f"embeddings: {place / name} cannot be read: {error.strerror or error}"
                ) from None
    return found.hexdigest()


def _load(folder: Path) -> Any:
    try:
        import model2vec
    except ImportError:
        raise ImportError(
            'embeddings= needs the package model2vec, which is not installed: pip install "ossnb[embeddings]"'
        ) from None
    try:
        model = model2vec.StaticModel.from_pretrained(str(folder))
        if not np.isfinite(model.embedding).all():
            raise ValueError("a vector is not finite")
        return model
    except Exception as error:  # safetensors and tokenizers have no errors of their own
        raise CheckpointError(_damaged(folder, error)) from None


def _damaged(folder: Path, error: Exception) -> str:
    why = shown(" ".join(str(error).split()) or type(error).__name__, 200)
    return f"embeddings: {folder} cannot be used ({why}); {_EXPECTED}. Download or make it again"

"""The models that are on this machine: the embedded one, the hub's downloads, and folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import CheckpointError
from ..system.files import expand_user
from . import demo, hub
from .config import Config
from .finding import INDEX, WHOLE, checkpoint_folder
from .names import DEMO

_MOST_FOLDERS = 10_000  # that are looked at in one folder


@dataclass(frozen=True)
class LocalModel:
    """A model on this machine: `load(name)` opens it. `n_bytes` count its weights."""

    name: str
    kind: Literal["embedded", "hub", "folder"]
    folder: Path
    n_bytes: int
    is_complete: bool
    revision: str | None = None

    @property
    def state(self) -> str:
        """What there is to know, in words."""
        if self.kind == "embedded":
            return "comes with the package" + (f", expanded in {self.folder}" if self.is_complete else "")
        revision = f" at {self.revision[:10]}" if self.revision else ""
        where = f"downloaded{revision}" if self.kind == "hub" else "folder"
        if self.is_complete:
            return where
        more = (
            f"`ossnb download {self.name}` goes on"
            if self.kind == "hub"
            else "some of its files are missing or damaged"
        )
        return f"{where}, incomplete: {more}"

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "folder": str(self.folder),
            "bytes": self.n_bytes,
            "complete": self.is_complete,
            "revision": self.revision,
        }


def models(folders: Iterable[str] = ()) -> list[LocalModel]:
    """List the gpt-oss models on this machine; `folders`, and the folders in them, are looked at too.

    >>> models()[0].name
    'demo'

    OSSNB_MODEL is looked at where it names a folder. Nothing is downloaded or expanded. Raises
    CheckpointError for a folder that is not there or may not be read.
    """
    found = [_embedded(), *_downloaded()]
    named = os.environ.get("OSSNB_MODEL", "")
    if named and os.path.isdir(expand_user(named, "OSSNB_MODEL")):
        found += _in_folder(expand_user(named, "OSSNB_MODEL"))
    for name in folders:
        folder = expand_user(name, "the folder")
        found += _in_folder(folder)
        for inner in _folders_in(folder):
            found += _in_folder(inner)
    return list({os.path.realpath(model.folder): model for model in reversed(found)}.values())[::-1]


def n_weight_bytes(folder: Path) -> int:
    """Count the bytes of a model's weights."""
    files = checkpoint_folder(folder).glob("*.safetensors")
    return sum(path.stat().st_size for path in files if os.path.isfile(path))


def _embedded() -> LocalModel:
    folder = demo.expanded()
    if folder is None:
        return LocalModel(DEMO, "embedded", demo.COMPACT_FILE, os.path.getsize(demo.COMPACT_FILE), False)
    return LocalModel(DEMO, "embedded", folder, n_weight_bytes(folder), True)


def _downloaded() -> Iterator[LocalModel]:
    for repo in hub.cached_repositories():
        for folder in hub.snapshots(repo):
            if _is_gpt_oss(folder):
                yield LocalModel(
                    repo, "hub", folder, n_weight_bytes(folder), hub.is_complete(folder), folder.name
                )


def _in_folder(folder: Path) -> Iterator[LocalModel]:
    if _is_gpt_oss(folder):
        where, n_bytes = checkpoint_folder(folder), n_weight_bytes(folder)
        is_listed = any(os.path.isfile(where / name) for name in (INDEX, WHOLE))
        is_whole = hub.is_complete(where) if is_listed else n_bytes > 0
        yield LocalModel(str(folder), "folder", folder, n_bytes, is_whole)


def _is_gpt_oss(folder: Path) -> bool:
    try:
        Config.from_json(checkpoint_folder(folder) / "config.json")
    except OSError:
        return False
    return True


def _folders_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            inner = [entry.name for _, entry in zip(range(_MOST_FOLDERS), entries, strict=False)]
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be looked into: {error.strerror or error}") from None
    return [folder / name for name in sorted(inner) if os.path.isdir(folder / name)]

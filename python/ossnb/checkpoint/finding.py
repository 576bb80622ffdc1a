"""A folder → its files of weights, and the place of every tensor in them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import CheckpointError
from ..system.text import shown
from . import safetensors
from .jsonfile import LARGEST_INDEX, read_json
from .renamed import usual_name

INDEX = "model.safetensors.index.json"
WHOLE = "model.safetensors"


class Place(NamedTuple):
    """Where a tensor lies: its file, and its name there."""

    file: str
    name: str


@dataclass(frozen=True)
class Found:
    """The headers of the files by name, the place of each tensor by its usual name, and what to tell."""

    headers: dict[str, safetensors.Header]
    places: dict[str, Place]
    notes: list[str]


def checkpoint_folder(path: Path) -> Path:
    """Return the folder that holds config.json and the safetensors files; a file stands for its folder.

    >>> checkpoint_folder(folder / "config.json") == folder
    True

    Raises CheckpointError for a folder that is missing, may not be read, or has no model in it.
    """
    try:
        _look_into(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise CheckpointError(f"{path}: no such folder") from None
    except OSError as error:  # too long a name, links in a circle, a folder that may not be searched
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    given = path
    if path.is_file() and path.suffix != ".gguf":
        path = path.parent
    has_config = _is_file(path / "config.json")
    if path.suffix == ".gguf" or (_has(path, "*.gguf") and not has_config):
        raise CheckpointError(
            f"{path}: GGUF files are not read; give a folder with config.json and *.safetensors files"
        )
    original = path / "original"
    has_weights = _has(path, "*.safetensors") or _is_file(path / INDEX)
    if not has_weights and _is_file(original / "config.json"):
        return original
    if has_config:
        return path
    if _is_file(path / "adapter_config.json"):
        raise CheckpointError(f"{path}: is a LoRA adapter; merge it into its base model and save that first")
    if path != given:
        raise CheckpointError(
            f"{given}: is a file beside no config.json; expected a gpt-oss checkpoint folder"
        )
    raise CheckpointError(f"{path}: has no config.json; expected a gpt-oss checkpoint folder")


def locate(folder: Path) -> Found:
    """Find the tensors of a folder.

    >>> locate(folder).places["model.norm.weight"].file
    'model.safetensors'

    Where there are both model.safetensors and an index with other files, model.safetensors has the weights,
    as it has for transformers.
    """
    listed, notes = None, []
    if _is_file(folder / WHOLE):
        files = [WHOLE]
        if leftover := weights_beside(folder):
            notes.append(
                f"{folder} has both {WHOLE} and {leftover}: the weights are those of {WHOLE}, as in "
                "transformers. Remove the one that is out of date"
            )
    elif _is_file(folder / INDEX):
        listed = read_index(folder / INDEX)
        files = sorted(set(listed.values()))
    else:
        files = sorted(path.name for path in folder.glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"{folder}: has no *.safetensors files; was the download complete?")
    headers = {file: _header(folder, file, listed is not None) for file in files}
    if listed is not None:
        for name, file in listed.items():
            if name not in headers[file].entries:
                raise CheckpointError(f"{folder / file}: has no tensor {name}, which {INDEX} places there")
        stored = [Place(file, name) for name, file in listed.items()]
    else:
        stored = [Place(file, name) for file, header in headers.items() for name in header.entries]
    return Found(headers, _by_usual_name(folder, stored), notes)


def _header(folder: Path, file: str, is_listed: bool) -> safetensors.Header:
    if not file.isprintable():
        raise CheckpointError(f"{folder}: has a file named {shown(file)}; remove it")
    if is_listed and not _is_file(folder / file):
        raise CheckpointError(f"{folder / file}: is listed in {INDEX} but missing; download it again")
    return safetensors.read_header(folder / file)


def _by_usual_name(folder: Path, stored: list[Place]) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for place in stored:
        other = places.setdefault(usual_name(place.name), place)
        if other is not place:
            also = "is also" if other.name == place.name else f"is {other.name}, which is"
            raise CheckpointError(
                f"{folder / place.file}: {place.name} {also} in {other.file}; remove the wrong file"
            )
    return places


def read_index(path: Path) -> dict[str, str]:
    """Read model.safetensors.index.json, the file name of each tensor; raise CheckpointError for damage."""
    index = read_json(path, LARGEST_INDEX)
    located = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(located, dict) or not all(isinstance(file, str) for file in located.values()):
        raise CheckpointError(f"{path}: has no weight_map from tensor names to file names; download it again")
    for name, file in located.items():
        safetensors.check_name(path, name)
        is_plain = file.isprintable() and len(file.encode()) <= safetensors.LONGEST_NAME
        if not is_plain or file != Path(file).name or not file.endswith(".safetensors"):
            raise CheckpointError(f"{path}: {name} lies in '{shown(file)}', expected a file beside the index")
    return located


def weights_beside(folder: Path) -> str:
    """Name what, beside model.safetensors, tells of weights in other files; "" if there is nothing."""
    index = folder / INDEX
    if _is_file(index):
        try:
            return "" if set(read_index(index).values()) == {WHOLE} else INDEX
        except CheckpointError:  # damaged, and nobody needs it
            return INDEX
    return "model-*.safetensors" if _has(folder, "model-*-of-*.safetensors") else ""


def _look_into(path: Path) -> None:
    """Raise an OSError unless the path is there, and is a folder whose files can be listed and opened."""
    if stat.S_ISDIR(path.stat().st_mode):
        os.stat(os.path.join(path, "."))
        os.scandir(path).close()


def _is_file(path: Path) -> bool:
    """Whether there is such a file. Unlike Path.is_file, it raises nothing: what may not be looked at is
    no file of ours."""
    return os.path.isfile(path)


def _has(folder: Path, pattern: str) -> bool:
    return next(folder.glob(pattern), None) is not None

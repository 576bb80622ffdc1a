"""The JSON files beside a model's weights: read whole, bounded, and as objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..system.files import read_file

LARGEST_CONFIG = 10_000_000  # bytes; published ones have 2 kB
LARGEST_INDEX = 100_000_000  # as for the header of a safetensors file


def read_object(path: Path, at_most: int = LARGEST_CONFIG) -> dict[str, Any]:
    """Read a file that holds a JSON object; a CheckpointError names the file and what is wrong with it.

    >>> read_object(folder / "config.json")["model_type"]
    'gpt_oss'
    """
    found = read_json(path, at_most)
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: holds a JSON {type(found).__name__}, expected an object")
    return found


def read_json(path: Path, at_most: int) -> Any:
    """Read a JSON file of at most so many bytes; a CheckpointError names the file and what is wrong with it.

    >>> len(read_json(folder / "generation_config.json", at_most=1000))
    4
    """
    try:
        return json.loads(read_file(path, at_most))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not valid JSON ({error}); download it again") from None

"""What a fine-tune says beside its weights: the tokens that end a text, and the tokens it added."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..system.fields import is_integer
from ..system.files import open_file
from ..system.text import shown_value
from .config import Config, token_ids
from .jsonfile import read_object

_LARGEST_TOKENIZER = 200_000_000  # bytes of tokenizer.json; gpt-oss's has 28 MB
_HEAD = 1 << 20  # of them, in which the list of added tokens stands as a rule
_KEY = b'"added_tokens":'


def eos_token_ids(folder: Path, config: Config) -> tuple[int, ...]:
    """Return the tokens that end a text, by generation_config.json or, where it names none, by `config`.

    >>> eos_token_ids(folder, Config())
    (200002, 199999, 200012)
    """
    path = folder / "generation_config.json"
    if not os.path.isfile(path):
        return config.eos_token_id
    try:
        return token_ids(read_object(path).get("eos_token_id")) or config.eos_token_id
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None


def added_tokens(folder: Path) -> dict[int, str]:
    """Return the special and added tokens that the tokenizer's files list, by id; {} where there are none.

    >>> added_tokens(folder)  # the demo model has no such file
    {}

    tokenizer.json is asked first, then tokenizer_config.json. Raises CheckpointError for damage.
    """
    whole, small = folder / "tokenizer.json", folder / "tokenizer_config.json"
    if os.path.isfile(whole):
        listed = _listed(whole)
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
            raise CheckpointError(f"{whole}: added_tokens is no list of objects; download it again")
        return dict(_checked(whole, entry.get("id"), entry.get("content")) for entry in listed)
    if os.path.isfile(small):
        by_id = read_object(small).get("added_tokens_decoder") or {}
        if not isinstance(by_id, dict) or not all(isinstance(entry, dict) for entry in by_id.values()):
            raise CheckpointError(f"{small}: added_tokens_decoder is no object of objects; download it again")
        return dict(
            _checked(small, int(i) if i.isdecimal() and len(i) < 19 else i, entry.get("content"))
            for i, entry in by_id.items()
        )
    return {}


def _checked(path: Path, token: Any, content: Any) -> tuple[int, str]:
    if not is_integer(token) or not isinstance(content, str):
        raise CheckpointError(
            f"{path}: adds the token {shown_value(content)} with the id {shown_value(token)}, expected a "
            "text and a number; download it again"
        )
    return token, content


def _listed(path: Path) -> Any:
    """The list of added tokens. It stands before the vocabulary, which takes half a second to read."""
    try:
        with open_file(path) as file:
            head = file.read(_HEAD)
        text = head[head.index(_KEY) + len(_KEY) :].decode(errors="ignore").lstrip()
        return json.JSONDecoder().raw_decode(text)[0]
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError):  # elsewhere, longer, or damaged
        return read_object(path, _LARGEST_TOKENIZER).get("added_tokens", [])

"""Words to numbers and back, with gpt-oss's vocabulary; the harmony library brings it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import _core
from ..system.files import read_file
from ..system.forks import Guard
from ..system.text import shown_value
from .pieces import batches

# Special tokens
ENDOFTEXT, RETURN, CONSTRAIN, CHANNEL, START, END, MESSAGE, CALL = (
    199999,
    200002,
    200003,
    200005,
    200006,
    200007,
    200008,
    200012,
)
FIRST_SPECIAL = 199998
LONGEST_TOKEN = 128  # bytes
VOCAB_SIZE = 201088
_NAMES = {
    FIRST_SPECIAL: "<|startoftext|>",
    ENDOFTEXT: "<|endoftext|>",
    RETURN: "<|return|>",
    CONSTRAIN: "<|constrain|>",
    CHANNEL: "<|channel|>",
    START: "<|start|>",
    END: "<|end|>",
    MESSAGE: "<|message|>",
    CALL: "<|call|>",
    200018: "<|endofprompt|>",
}
STOP_IDS = frozenset({RETURN, CALL, ENDOFTEXT})  # not END: it ends one message of the turn, not the turn

_MARKER = re.compile(r"<\|[a-z0-9_]+\|>")
_READ_TOGETHER = 1 << 14  # tokens; the library holds the GIL meanwhile, for some milliseconds
_FIX = "pip uninstall openai-harmony; pip install --force-reinstall oss-harmony"
VOCABULARY_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
_VOCABULARY_BYTES = 3_613_922
_CACHED_NAME = "fb374d419588a4632f3f557e76b4b70aebbca790"  # sha1 of the vocabulary's address


class Tokenizer:
    """Text to token ids and back, with gpt-oss's vocabulary.

    >>> Tokenizer().encode("Hello world")
    [13225, 2375]
    """

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Return the ids of `text`; markers such as ``<|start|>`` become special tokens only if `special`.

        >>> model.tokenizer.encode("<|end|>", special=True)
        [200007]

        A megabyte takes less than a second, whatever it holds. An interrupt ends it at once. Raises
        ValueError for what is no text.
        """
        if not isinstance(text, str):
            raise ValueError(f"text must be a str, got {shown_value(text)}")
        text = well_formed(text)
        if not special:
            return _plain(text)
        markers, ids, at = _markers(), list[int](), 0
        for found in _MARKER.finditer(text):
            if found.group() in markers:
                ids += [*_plain(text[at : found.start()]), markers[found.group()]]
                at = found.end()
        return ids + _plain(text[at:])

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of `ids`; bytes that are not UTF-8 become U+FFFD.

        >>> model.tokenizer.decode([13225, 2375])
        'Hello world'

        Raises ValueError for what is no sequence of integers.
        """
        try:
            return b"".join(map(token_bytes, ids)).decode("utf-8", errors="replace")
        except TypeError:  # as of text among them
            raise ValueError(f"ids must be a sequence of integers, got {shown_value(ids)}") from None

    def token_bytes(self, token: int) -> bytes:
        """Return one token's bytes; they may be a part of a character.

        >>> model.tokenizer.token_bytes(2375)
        b' world'
        """
        return token_bytes(token)

    def __repr__(self) -> str:
        return f"Tokenizer(o200k_harmony, {VOCAB_SIZE} tokens)"


def _plain(text: str) -> list[int]:
    vocabulary = _vocabulary()
    return [token for pieces in batches(text) for token in vocabulary.encode(pieces).tolist()]


@functools.lru_cache(maxsize=1 << 16)
def token_bytes(token: int) -> bytes:
    """Return a token's bytes; ids without a text have the name <|reserved_ID|>."""
    if not 0 <= token < VOCAB_SIZE:
        return f"<|reserved_{token}|>".encode()
    text: str = encoding().decode([token], errors="surrogateescape")
    return text.encode("utf-8", errors="surrogateescape")


def is_unknown(token: int, name: str) -> bool:
    """Whether a tokenizer's special or added token is another one than gpt-oss's, or none of its.

    >>> is_unknown(200006, "<|start|>"), is_unknown(200013, "<|picture|>")
    (False, True)
    """
    return not FIRST_SPECIAL <= token < VOCAB_SIZE or name != _NAMES.get(token, f"<|reserved_{token}|>")


def well_formed(text: str) -> str:
    """Replace lone surrogates by U+FFFD, since UTF-8 cannot hold them; join pairs that were split."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fewest_tokens(texts: Iterable[str]) -> int:
    """Return a number of tokens that the texts have at least, without a look at their words.

    >>> fewest_tokens(["Hello world", "a" * 1000])
    9
    """
    return sum(-(-len(text.encode("utf-8", "surrogatepass")) // LONGEST_TOKEN) for text in texts)


def prompt_hash(ids: Sequence[int]) -> str:
    """Return the sha256 of the comma-joined ids; a saved notebook identifies its prompt by it."""
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()


def read_vocabulary() -> threading.Thread:
    """Read the vocabulary in the background; it takes half a second, and other work goes on meanwhile."""

    def read() -> None:
        with contextlib.suppress(Exception):  # whoever needs it first is told
            _vocabulary()

    thread = threading.Thread(target=read, name="ossnb-vocabulary", daemon=True)
    thread.start()
    return thread


def forget_vocabulary() -> None:
    """Free the vocabulary's memory; the next use reads it anew."""
    with _reading.lock:
        _read_encoding.cache_clear()
        _read_tokens.cache_clear()
        _markers.cache_clear()
        token_bytes.cache_clear()


_reading = Guard()  # a fork waits until the vocabulary is read


def encoding() -> Any:
    """Return the library's encoding, read at first use; ImportError or RuntimeError says how to get it."""
    with _reading.lock:  # who comes while it is read waits, and does not read it again
        return _read_encoding()


def _vocabulary() -> _core.Vocabulary:
    """Return the tokens to merge to, read at first use."""
    with _reading.lock:
        return _read_tokens()


@functools.cache
def _read_tokens() -> _core.Vocabulary:
    """Read all ordinary tokens off the library: a call decodes thousands, with a marker between any two."""
    library, between = _read_encoding(), b"<|start|>"
    tokens: list[bytes] = []
    for first in range(0, FIRST_SPECIAL, _READ_TOGETHER):
        some = range(first, min(first + _READ_TOGETHER, FIRST_SPECIAL))
        ids = [id for token in some for id in (token, START)]
        text: str = library.decode(ids, errors="surrogateescape")
        tokens += text.encode("utf-8", "surrogateescape").split(between)[:-1]
    return _core.Vocabulary(tokens)


@functools.cache
def _markers() -> dict[str, int]:
    """The special tokens by their names."""
    return {token_bytes(token).decode(): token for token in range(FIRST_SPECIAL, VOCAB_SIZE)}


@functools.cache
def _read_encoding() -> Any:
    """Load the library's encoding, never by a download: it may hang, and the right package needs none."""
    try:
        import openai_harmony
    except ImportError as error:
        raise ImportError(f"the harmony library is missing ({error}): pip install oss-harmony") from None
    if not (_is_bundled(openai_harmony.openai_harmony.__file__) or _vocabulary_file()):
        raise RuntimeError(
            "the installed openai-harmony has no vocabulary and would download it. Install the package that "
            f"brings it: {_FIX} (or name a folder with o200k_base.tiktoken in TIKTOKEN_ENCODINGS_BASE)"
        )
    try:
        return openai_harmony.load_harmony_encoding("HarmonyGptOss")
    except Exception as error:
        base = os.environ.get("TIKTOKEN_ENCODINGS_BASE")
        fix = f"unset TIKTOKEN_ENCODINGS_BASE, or put o200k_base.tiktoken into {base!r}" if base else _FIX
        raise RuntimeError(f"the harmony vocabulary cannot be loaded ({error}). To fix it: {fix}") from error


def _is_bundled(extension: str) -> bool:
    """Tell oss-harmony from openai-harmony by the extension that was imported; both install the same
    module."""
    try:
        files = metadata.files("oss-harmony") or []
    except metadata.PackageNotFoundError:
        return False
    path = Path(extension)
    own = [f for f in files if f.name == path.name and Path(str(f.locate())).resolve() == path.resolve()]
    return any(f.size == path.stat().st_size for f in own)


def _vocabulary_file() -> Path | None:
    """Return the vocabulary that plain openai-harmony would find without a download."""
    if base := os.environ.get("TIKTOKEN_ENCODINGS_BASE"):
        path = Path(base, "o200k_base.tiktoken")
    else:
        cache = os.environ.get("TIKTOKEN_RS_CACHE_DIR") or Path(tempfile.gettempdir(), "tiktoken-rs-cache")
        path = Path(cache, _CACHED_NAME)
    try:
        found = hashlib.sha256(read_file(path, _VOCABULARY_BYTES)).hexdigest() == VOCABULARY_SHA256
    except OSError:
        return None
    return path if found else None

"""A file of answers, one line of JSON each, so that a map goes on after the process was killed."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import secrets
import threading
from pathlib import Path
from typing import Any, Self

from ..harmony.tokenizer import well_formed
from ..system.fields import is_integer
from ..system.files import lock_file, open_file
from ..system.text import shown

FORMAT, VERSION = "ossnb map", 1
_BEFORE_SEED = json.dumps({"format": FORMAT, "version": VERSION, "seed": 0}).removesuffix("0}").encode()


class Store:
    """The answers in a file, by key; `add` appends one, from any thread, and hands it to the system at once.

    >>> with Store(Path("out.jsonl"), seed=7) as store:
    ...     store.add("key of a row", {"error": "ValueError: no"})
    >>> with Store(Path("out.jsonl")) as store: store.seed, store.answers
    (7, {'key of a row': {'error': 'ValueError: no'}})

    `answers` are those that the file had when it was opened; take away what you do not need any more. The
    first line has the seed, which is drawn where none is given. A last line that a killed process left half
    written is cut off. A file of another kind, or a damaged line in the middle, is a ValueError that names
    the line; nothing is changed then. A file that another store has open, in this process or another, is a
    BlockingIOError.
    """

    def __init__(self, path: Path, seed: int | None = None) -> None:
        self.path = path
        self.answers: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._left: tuple[int, ...] = ()  # the file as `close` left it
        self._file = self._opened()
        try:
            self.seed = self._read(seed)
        except BaseException:
            self._file.close()
            raise

    def add(self, key: str, answer: dict[str, Any]) -> None:
        """Write an answer down."""
        with self._lock:
            self._write({"key": key, **answer})

    def close(self) -> None:
        """Close the file; others may write it then."""
        if not self._file.closed:
            self._left = self._state()
        self._file.close()

    def reopen(self) -> Self:
        """Open the file again, and read it where somebody else has changed it since."""
        self._file.close()  # an interrupt may have left it open
        self._file = self._opened()
        try:
            if self._state() == self._left:
                self._file.seek(0, os.SEEK_END)
            else:
                self.answers = {}
                self._read(self.seed)
        except BaseException:
            self._file.close()
            raise
        return self

    def _opened(self) -> io.FileIO:
        if self.path.exists():
            open_file(self.path).close()  # no pipe, no device
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        # Without a buffer, whose lock a thread that writes at the end of the process would keep for ever.
        file = io.FileIO(descriptor, "r+")
        if lock_file(descriptor) is False:
            file.close()
            told = "another process writes its answers there, or another map of this process"
            raise BlockingIOError(errno.EAGAIN, told, str(self.path))
        return file

    def _state(self) -> tuple[int, ...]:
        found = os.fstat(self._file.fileno())
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, seed: int | None) -> int:
        """Read the lines, and begin an empty file; return the seed."""
        n_whole = 0
        header: dict[str, Any] | None = None
        with open(self._file.fileno(), "rb", closefd=False) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):  # half a line; only the first one's beginning shows whose it is
                    if header is None and not _begins_header(line):
                        raise self._not_ours()
                    break
                content = self._parsed(line, number)
                if header is None:
                    header = self._checked_header(content, seed)
                else:
                    self.answers[content.pop("key")] = content
                n_whole += len(line)
        self._file.seek(n_whole)
        self._file.truncate()
        if header is None:
            seed = secrets.randbits(32) if seed is None else seed
            header = {"format": FORMAT, "version": VERSION, "seed": seed}
            self._write(header)
        return int(header["seed"])

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict) or (number > 1 and not _is_answer(content)):
            raise ValueError(
                f"line {number} of {shown(str(self.path))!r} is no answer of a map: name another file, or "
                "mend that line"
            )
        return content

    def _checked_header(self, content: dict[str, Any], seed: int | None) -> dict[str, Any]:
        if content.get("format") != FORMAT or content.get("version") != VERSION:
            raise self._not_ours()
        found = content.get("seed")
        if not is_integer(found):
            raise ValueError(f"the seed in {shown(str(self.path))!r} must be a number >= 0, got {found!r}")
        if seed is not None and found != seed:
            raise ValueError(
                f"{shown(str(self.path))!r} was begun with seed={found}, got seed={seed}: leave the seed "
                "out, or name another file"
            )
        return content

    def _not_ours(self) -> ValueError:
        return ValueError(
            f"{shown(str(self.path))!r} is no file of a map's answers (version {VERSION}): name another"
        )

    def _write(self, content: dict[str, Any]) -> None:
        text = well_formed(json.dumps(content, ensure_ascii=False))  # a file's name may hold any bytes
        left, start = memoryview(text.encode() + b"\n"), self._file.tell()
        try:
            while left:
                left = left[self._file.write(left) :]
        except BaseException:  # a full disk: the next line must not go on from half of this one
            with contextlib.suppress(OSError):
                self._file.seek(start)
                self._file.truncate()
            raise


def _begins_header(line: bytes) -> bool:
    """Whether a line may be the first half of the line that begins a file."""
    seed = line.removeprefix(_BEFORE_SEED)
    return _BEFORE_SEED.startswith(line) or (seed != line and re.fullmatch(rb"\d*}?", seed) is not None)


def _is_answer(content: dict[str, Any]) -> bool:
    """Whether a line has a key, and a reply or an error beside it."""
    result = content.get("reply"), content.get("error")
    return isinstance(content.get("key"), str) and (isinstance(result[0], dict) or isinstance(result[1], str))

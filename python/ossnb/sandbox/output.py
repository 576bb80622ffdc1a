"""What a snippet printed, returned and drew, as text for a model and pictures for a user."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from ..system.png import png_size

MOST_CHARS = 1_000_000  # that are kept of a snippet's text
MOST_PICTURES = 8
NOTHING = "[no output: print what you want to see]"


class Output:
    """The output of one snippet, as it comes.

    >>> output = Output()
    >>> output.printed("stdout", "42"); output.text
    '42'

    Of a result or a display, the plain text and a PNG picture are taken, and nothing else: HTML and scripts
    are not.
    """

    def __init__(self) -> None:
        self.pictures: list[bytes] = []
        self.error = ""  # the type and the message of the exception that ended it
        self.is_stopped = False  # it was ended from outside, and `error` tells why
        self.n_chars = 0
        self._out: list[str] = []
        self._err: list[str] = []
        self._trace: list[str] = []

    @property
    def is_too_long(self) -> bool:
        """Whether there is more text than is kept."""
        return self.n_chars > MOST_CHARS

    def printed(self, stream: str, text: str) -> None:
        """Take what was printed on "stdout" or "stderr"."""
        self._add(self._err if stream == "stderr" else self._out, text)

    def shown(self, data: Mapping[str, Any]) -> None:
        """Take a result or a display, given by MIME type."""
        picture = _decoded(data.get("image/png"))
        size = None if picture is None else png_size(picture)
        if picture is not None and size is not None and len(self.pictures) < MOST_PICTURES:
            self.pictures.append(picture)
            self._line(f"[image/png {size[0]}x{size[1]} shown to the user]")
            return
        if "image/png" in data:
            self._line("[a picture that is not shown: it is no whole PNG file, too large, or one too many]")
        if isinstance(text := data.get("text/plain"), str):
            self._line(text)

    def raised(self, name: str, message: str, trace: list[str]) -> None:
        """Take the exception that ended the snippet."""
        self.error = f"{name}: {message}" if message else name
        self._add(self._trace, "\n".join(trace) or self.error)

    @property
    def text(self) -> str:
        """The text as the model was trained on it: standard output with results, errors, the traceback."""
        trace = [] if self.is_stopped else self._trace  # it tells of an interrupt, whatever the reason was
        parts = ["".join(part).strip("\n") for part in (self._out, self._err, trace)]
        return "\n".join(part for part in parts if part) or NOTHING

    def _line(self, text: str) -> None:
        begins = "" if not self._out or self._out[-1].endswith("\n") else "\n"
        self._add(self._out, f"{begins}{text}\n")

    def _add(self, part: list[str], text: str) -> None:
        if self.n_chars < MOST_CHARS:
            part.append(text[: MOST_CHARS - self.n_chars])
        self.n_chars += len(text)


def _decoded(data: Any) -> bytes | None:
    if not isinstance(data, str | bytes):
        return None
    try:
        return data if isinstance(data, bytes) else base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return None

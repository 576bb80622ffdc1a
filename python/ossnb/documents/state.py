"""What a document was when an answer was written, so that one can tell later whether it has changed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ..harmony.tokenizer import well_formed
from ..system.fields import Fields
from .document import Document, Unreadable, safe_name
from .files import stable_bytes

MOST_KEPT = 1000  # of an answer's documents, in its record
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class DocumentState:
    """A document of an answer: its name, its file if it has one, and the sha256 and size of its bytes.

    >>> state = DocumentState.of(Document.of("sky", "It is green."))
    >>> state.name, state.size, state.sha256[:8]
    ('sky', 12, 'b106e739')

    Of a table or a text, the bytes are those of the text that the model was given, in UTF-8.
    """

    name: str
    path: str | None
    sha256: str
    size: int

    @classmethod
    def of(cls, document: Document) -> DocumentState:
        """Return the state of a document that was read."""
        return cls(document.name, document.path, document.sha256, document.size_bytes)

    def change(self) -> str:
        """Say how the file has changed; "" where it is the same, or the document has none.

        A file that is not at its path any more is looked for by its name, from the current folder.
        """
        if self.path is None:
            return ""
        path = Path(self.path)
        parts = PurePath(self.name).parts
        if not path.is_file() and parts and not PurePath(self.name).is_absolute() and ".." not in parts:
            path = Path(self.name)
        try:
            data = stable_bytes(path, None)
        except (OSError, ValueError) as error:
            why = (
                str(error)
                if isinstance(error, Unreadable)
                else getattr(error, "strerror", None) or str(error)
            )
            return f"the document {safe_name(self.name)} cannot be read any more ({why})"
        now = hashlib.sha256(data).hexdigest()
        if now == self.sha256:
            return ""
        was = self.sha256[:12]
        return f"the document {safe_name(self.name)} changed (its sha256 was {was}, and is {now[:12]})"

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain JSON."""
        path = None if self.path is None else well_formed(self.path)
        return {"name": well_formed(self.name), "path": path, "sha256": self.sha256, "size": self.size}

    @classmethod
    def read(cls, fields: Fields) -> DocumentState:
        """Check and read what `to_dict` wrote."""
        sha256 = fields.text("sha256")
        if not _SHA256.fullmatch(sha256):
            raise ValueError(
                f"a document's sha256 must have 64 hexadecimal digits, got {safe_name(sha256)!r}"
            )
        return cls(fields.text("name"), fields.optional_text("path"), sha256, fields.integer("size"))

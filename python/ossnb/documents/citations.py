"""What an answer cites: each mark 【3†L5-L7】 with the place that it means, or why it means none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..harmony.tokenizer import well_formed
from ..system.fields import Fields

MARK = re.compile(r"【(?:[^【】\n]{0,200}†[^【】\n]{0,200})】")
OPEN_MARK = re.compile(r"【[^【】\n]{0,400}$")  # that may yet become one
_LINES = re.compile(r"【(\d{1,6})†L(\d{1,9})(?:\s?[-–]\s?L?(\d{1,9}))?(?:†[^【】]*)?】")


@dataclass(frozen=True, slots=True)
class Citation:
    """A place that an answer cites.

    >>> Citation("【0†L2】", 10, "a.txt", "/tmp/a.txt", "line 3", "green").is_valid
    True

    `mark` is what the model wrote, at `start` in the reply's text. `document` is the document's name, `path`
    its file, if it has one, `place` the lines or the page, and `quote` what stands there. Of a mark that the
    model invented, `problem` says what is wrong with it, and the others are None and "".
    """

    mark: str
    start: int
    document: str | None = None
    path: str | None = None
    place: str = ""
    quote: str = ""
    problem: str | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the model has read what it cites."""
        return self.problem is None

    def to_dict(self) -> dict[str, Any]:
        """Return the citation as plain JSON."""
        found = {
            "mark": self.mark,
            "start": self.start,
            "document": self.document,
            "path": self.path,
            "place": self.place,
            "quote": self.quote,
            "problem": self.problem,
        }
        return {name: well_formed(one) if isinstance(one, str) else one for name, one in found.items()}

    @classmethod
    def read(cls, fields: Fields) -> Citation:
        """Check and read what `to_dict` wrote."""
        return cls(
            fields.text("mark"),
            fields.integer("start"),
            fields.optional_text("document"),
            fields.optional_text("path"),
            fields.text("place"),
            fields.text("quote"),
            fields.optional_text("problem"),
        )


def cited_lines(mark: str) -> tuple[int, int, int] | None:
    """Return a mark's cursor and its first and last line; None where it has another form.

    >>> cited_lines("【6†L9-L11】"), cited_lines("【8†L3】"), cited_lines("【report】")
    ((6, 9, 11), (8, 3, 3), None)
    """
    found = _LINES.fullmatch(mark)
    if found is None:
        return None
    first = int(found[2])
    return int(found[1]), first, int(found[3] or first)

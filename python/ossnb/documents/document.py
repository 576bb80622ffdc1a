"""A document: its text in lines, and where each line stands in what it was read from."""

from __future__ import annotations

import bisect
import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..harmony.tokenizer import well_formed
from ..system.text import counted, one_line, seen_only, shown

MOST_NAME = 120  # characters
_MARKS = str.maketrans({"【": "〖", "】": "〗"})  # that only the browser's own displays may have


class Unreadable(ValueError):
    """A file that is no document; the message says why, and how to make it one."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a reader made of a file: lines, and where parts of them begin.

    >>> Text.of("a\\nb\\n").lines
    ('a', 'b')

    `places` are (line, name): from this line on, counted from 0, all belongs to that page, slide or cell.
    Without places a line is the file's own line. `is_guess` says that the file names no encoding, and that
    the one it was read with may be wrong.
    """

    lines: tuple[str, ...]
    places: tuple[tuple[int, str], ...] = ()
    is_guess: bool = False

    @classmethod
    def of(cls, text: str) -> Text:
        """Cut a text into its lines, without what no page shows."""
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        while lines and not lines[-1].strip():
            lines.pop()
        return cls(tuple(map(clean_line, lines)))

    @classmethod
    def of_parts(cls, parts: Iterable[tuple[str, str]], *, gap: bool = False) -> Text:
        """Join parts, each a place's name and its text; one without text is left out. A `gap` is a blank line
        between them.

        >>> Text.of_parts([("page 1", "a\\nb"), ("page 2", ""), ("page 3", "c")]).places
        ((0, 'page 1'), (2, 'page 3'))
        """
        lines: list[str] = []
        places: list[tuple[int, str]] = []
        for name, text in parts:
            found = cls.of(text).lines
            if found:
                lines += [""] * (gap and bool(lines))
                places.append((len(lines), name))
                lines += found
        return cls(tuple(lines), tuple(places))

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing to read."""
        return not any(line.strip() for line in self.lines)

    @property
    def n_chars(self) -> int:
        """The number of its characters."""
        return sum(map(len, self.lines)) + len(self.lines)


def clean_line(line: str) -> str:
    r"""Return a line as it may be shown: without control characters and what nobody sees, and with other
    brackets for 【 and 】.

    >>> clean_line("a\x1b[2J 【1†L1】")
    'a[2J 〖1†L1〗'

    In a display these brackets are links and citations. A document must not write its own.
    """
    return well_formed(seen_only(line)).translate(_MARKS)


@dataclass(frozen=True, slots=True)
class Document:
    """A document with its name, which no other document of a question has.

    `path` is the file it was read from; None for a table or a text. `digest` is the hash of what it was made
    of: the file's bytes, and how they were read. `sha256` and `size_bytes` are those of the bytes alone.
    `given` is the item that it came with: a folder is one.
    """

    name: str
    text: Text
    digest: str
    sha256: str
    size_bytes: int
    path: str | None = None
    given: str = ""
    is_extracted: bool = field(default=False, compare=False)  # its text took some work to get

    @classmethod
    def of(cls, name: str, text: str) -> Document:
        """Make a document of a text.

        >>> Document.of("sky", "It is green.").text.lines
        ('It is green.',)
        """
        return cls.of_value(name, Text.of(text))

    @classmethod
    def of_value(cls, name: str, text: Text) -> Document:
        """Make a document of a text in lines that was read from no file."""
        data = "\n".join(text.lines).encode("utf-8", "surrogatepass")
        digest, sha256 = digest_of("value", *text.lines), hashlib.sha256(data).hexdigest()
        return cls(safe_name(name), text, digest, sha256, len(data), given=name)

    def place(self, first: int, last: int) -> str:
        """Name the place of lines, counted from 0, as a reader finds it.

        >>> Document.of("a.txt", "a\\nb\\nc").place(0, 1)
        'lines 1-2'
        """
        if not self.text.places:
            return f"line {first + 1}" if first == last else f"lines {first + 1}-{last + 1}"
        begins = [line for line, _ in self.text.places]
        names = [self.text.places[max(bisect.bisect_right(begins, line) - 1, 0)][1] for line in (first, last)]
        return names[0] if names[0] == names[1] else f"{names[0]} to {names[1]}"

    @property
    def size(self) -> str:
        """How much it is, in its own units.

        >>> Document.of("a.txt", "a\\nb\\nc").size
        '3 lines'
        """
        kinds = {name.rpartition(" ")[0] for _, name in self.text.places}
        if kinds in ({"page"}, {"slide"}, {"cell"}):
            return counted(len(self.text.places), kinds.pop())
        return counted(len(self.text.lines), "line")


def safe_name(name: str) -> str:
    r"""Return a file's name as the model and a page may see it: on one line, and without marks of a display.

    >>> safe_name("a\n【0†b】.txt")
    'a\\n〖0‡b〗.txt'
    """
    plain = one_line(well_formed(name)).translate(_MARKS).replace("†", "‡")
    if len(plain) <= MOST_NAME:
        return plain
    return plain[: MOST_NAME // 2] + "…" + plain[-(MOST_NAME // 2) :]


def digest_of(*parts: bytes | str) -> str:
    """Return the hash of what a document is made of.

    >>> digest_of("text", b"a")[:8]
    '459ca25d'
    """
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.hexdigest()


def unique_names(names: Sequence[str]) -> list[str]:
    """Return names of which no two are alike.

    >>> unique_names(["a.txt", "b.txt", "a.txt"])
    ['a.txt', 'b.txt', 'a.txt (2)']
    """
    taken: set[str] = set()
    found = []
    for name in names:
        n, one = 1, name
        while one in taken:
            n += 1
            one = f"{name} ({n})"
        taken.add(one)
        found.append(one)
    return found


@functools.lru_cache(maxsize=4096)
def shown_path(path: str) -> str:
    """Return a path for a message."""
    return shown(path, 300)

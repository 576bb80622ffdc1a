"""Read plain JSON from outside: every field is checked, and an error names the field."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator
from typing import Any, TypeVar

from .text import shown, shown_value

T = TypeVar("T")


class Fields:
    """The fields of a JSON object, read one by one.

    >>> fields = Fields({"seed": 7, "mood": "good"}, "a reply")
    >>> fields.integer("seed"), fields.unread()
    (7, ['mood'])

    Errors call the object `what` and put `where` before the names of its fields. A ValueError names a field,
    the value it must have, and the value it has.
    """

    def __init__(self, content: Any, what: str, where: str = "") -> None:
        if not isinstance(content, dict):
            name = where.rstrip(".") or what
            raise ValueError(f"{name} must be an object, got {type(content).__name__}")
        self._content: dict[str, Any] = content
        self._what, self._where = what, where
        self._read: set[str] = set()

    def text(self, name: str) -> str:
        """Return a text."""
        value: str = self._checked(name, "text", lambda value: isinstance(value, str))
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text or None."""
        value: str | None = self._checked(
            name, "text or null", lambda value: value is None or isinstance(value, str)
        )
        return value

    def one_of(self, name: str, values: tuple[T, ...]) -> T:
        """Return one of a few values."""
        expected = "one of " + ", ".join("null" if value is None else str(value) for value in values)
        value: T = self._checked(name, expected, lambda value: value in values)
        return value

    def integer(self, name: str, low: int = 0) -> int:
        """Return an integer of at least `low`."""
        value: int = self._checked(name, f"an integer >= {low}", lambda value: is_integer(value, low))
        return value

    def number(self, name: str) -> float:
        """Return a finite number as a float."""
        return float(self._checked(name, "a number", is_number))

    def integers(self, name: str) -> list[int]:
        """Return a list of integers from 0 on."""
        return list(self._list(name, "integers >= 0", is_integer))

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        return list(self._list(name, "texts", lambda value: isinstance(value, str)))

    def object(self, name: str) -> Fields:
        """Return an object's fields."""
        return Fields(self.any(name), name, f"{self._where}{name}.")

    def objects(self, name: str) -> Iterator[Fields]:
        """Yield the fields of each object in a list."""
        for i, item in enumerate(self._list(name, "objects", lambda value: True)):
            yield Fields(item, name, f"{self._where}{name}[{i}].")

    def any(self, name: str) -> Any:
        """Return a field that the caller checks."""
        return self._checked(name, "there", lambda value: True)

    def known(self, names: Container[str]) -> dict[str, Any]:
        """Return, unchecked, those fields of these names that the object has."""
        found = {name: value for name, value in self._content.items() if name in names}
        self.skip(*found)
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._content

    def skip(self, *names: str) -> None:
        """Count fields as read that only repeat what other fields tell."""
        self._read.update(names)

    def unread(self) -> list[str]:
        """List the names of the fields that nobody has asked for, as they stand in the object."""
        return [f"{self._where}{shown(name)}" for name in self._content if name not in self._read]

    def _list(self, name: str, of_what: str, holds: Callable[[Any], bool]) -> list[Any]:
        listed: list[Any] = self._checked(name, "a list", lambda value: isinstance(value, list))
        for i, item in enumerate(listed):
            if not holds(item):
                raise ValueError(
                    f"{self._where}{name} must be a list of {of_what}, got {shown_value(item)} at {i}"
                )
        return listed

    def _checked(self, name: str, expected: str, holds: Callable[[Any], bool]) -> Any:
        if name not in self._content:
            raise ValueError(f"{self._what} must have {self._where}{name}, which is missing")
        self._read.add(name)
        value = self._content[name]
        if not holds(value):
            raise ValueError(f"{self._where}{name} must be {expected}, got {shown_value(value)}")
        return value


def is_integer(value: Any, low: int = 0) -> bool:
    """Whether a JSON value is an integer of at least `low`; true and false are not integers.

    >>> is_integer(0), is_integer(True)
    (True, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number.

    >>> is_number(0.5), is_number("0.5")
    (True, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False

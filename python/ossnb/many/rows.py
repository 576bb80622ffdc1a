"""The rows of a table, the prompt that a template makes of each, and its answer."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..generation.record import Reply
from ..harmony.messages import Prompt
from ..system.text import shown, shown_value

Template = str | Callable[[Any], Prompt] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one row: a reply, or the error that stands in its place.

    >>> answer = model.map(["Hi"], temperature=0)[0]
    >>> answer.number, answer.row, answer.error
    (0, 'Hi', None)
    """

    number: int  # of the row, from 0
    row: Any
    reply: Reply | None = None
    error: str | None = None

    @property
    def text(self) -> str:
        """The reply's text; "" where there is an error."""
        return "" if self.reply is None else self.reply.text

    def __str__(self) -> str:
        return self.text if self.error is None else self.error


def rows_of(rows: Any) -> list[Any]:
    """Return the rows of an iterable, a frame or a column; those of a frame are dicts.

    >>> rows_of(["a", "b"])
    ['a', 'b']

    Raises TypeError for what has no rows, ValueError for a frame with two columns of one name.
    """
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise TypeError(
            f"map takes rows: a list, any other iterable, or a frame or column of pandas or polars; got "
            f"{shown_value(rows)}"
        )
    if hasattr(rows, "iter_rows"):  # polars
        return list(rows.iter_rows(named=True))
    if hasattr(rows, "columns") and hasattr(rows, "to_dict"):  # pandas
        for name, n in Counter(map(str, rows.columns)).items():
            if n > 1:
                raise ValueError(
                    f"the frame has {n} columns {shown(name)!r}, and a row can have only one of them: give "
                    "each column a name of its own"
                )
        return list(rows.to_dict("records"))
    return list(rows)


def check_template(template: Template, rows: Any) -> None:
    """Raise TypeError for what is no template, ValueError for one that does not fit a frame's columns."""
    if template is not None and not isinstance(template, str) and not callable(template):
        raise TypeError(
            "a template is a text such as 'Translate: {title}', a function of a row, or None where the rows "
            f"are prompts; got {shown_value(template)}"
        )
    if not isinstance(template, str):
        return
    names = field_names(template)
    columns = getattr(rows, "columns", None)
    there = None if columns is None else list(map(str, columns))
    if there is not None and (missing := [name for name in names if name not in there]):
        raise ValueError(f"the template needs a column {missing[0]!r}, and the frame has: {', '.join(there)}")


def field_names(template: str) -> list[str]:
    """List the names in a template's braces; ValueError for braces that do not match.

    >>> field_names("{title}: {text}")
    ['title', 'text']
    """
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"the template {shown(template)!r} has a mistake: {error}; {{{{ writes {{") from None
    return [name.split(".")[0].split("[")[0] for name in fields if name]


class _ByName(string.Formatter):
    """Braces that hold a column's name, which may be a number, as in a frame of numpy's."""

    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs[str(key)]


def prompt_of(template: Template, row: Any) -> Prompt:
    """Return the prompt of one row.

    >>> prompt_of("{a} + {b}?", {"a": 1, "b": 2}), prompt_of("Spell {}.", "cat"), prompt_of(None, "Hi")
    ('1 + 2?', 'Spell cat.', 'Hi')

    Raises whatever a function raises, and ValueError for a row that lacks what the template needs.
    """
    if template is None:
        prompt: Prompt = row
        return prompt
    if not isinstance(template, str):
        return template(row)
    try:
        if isinstance(row, Mapping):
            named = {str(name): value for name, value in row.items()}
            return _ByName().vformat(template, (), named)
        return template.format(*(row if isinstance(row, tuple) else (row,)))
    except (KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
        has = (
            f"it has {', '.join(map(str, row))}" if isinstance(row, Mapping) else f"it is {shown_value(row)}"
        )
        raise ValueError(
            f"the row does not fit the template ({type(error).__name__}: {error}); {has}"
        ) from None
